//! What a step of the node under test led to, for tests to ask.

use btn_consensus::Effect;
use btn_types::{
    B256, FetchRequest, JournalRecord, MemberIndex, Message, ProposalMessage, Ticket, VoteKind, VoteMessage,
};
use std::sync::Arc;

/// What one step led to.
#[derive(Debug)]
pub struct Seen(pub Vec<Effect>);

impl Seen {
    fn broadcasts(&self) -> impl Iterator<Item = &Message> {
        self.0.iter().filter_map(|effect| match effect {
            Effect::Broadcast(message) => Some(&**message),
            _ => None,
        })
    }

    /// Votes told to all, again or for the first time, with what they name.
    pub fn told(&self) -> Vec<(VoteKind, u64, B256)> {
        let votes = self.broadcasts().filter_map(|message| match message {
            Message::Vote(VoteMessage { vote, .. }) => Some((vote.kind, vote.view.0, vote.digest)),
            _ => None,
        });
        votes.collect()
    }

    /// Votes cast: logged in this step, and told to all.
    pub fn votes(&self) -> Vec<(VoteKind, u64, B256)> {
        let told = self.told();
        let cast = self.journaled().into_iter().filter_map(|record| match record {
            JournalRecord::Voted(vote) => Some((vote.kind, vote.view.0, vote.digest)),
            _ => None,
        });
        let cast: Vec<_> = cast.collect();
        assert!(cast.iter().all(|vote| told.contains(vote)), "logged, not sent: {self:?}");
        cast
    }

    pub fn voted(&self, kind: VoteKind) -> Vec<B256> {
        self.votes().into_iter().filter(|vote| vote.0 == kind).map(|vote| vote.2).collect()
    }

    pub fn proposals(&self) -> Vec<Arc<ProposalMessage>> {
        let proposals = self.broadcasts().filter_map(|message| match message {
            Message::Proposal(message) => Some(Arc::clone(message)),
            _ => None,
        });
        proposals.collect()
    }

    /// Certificates passed on one by one, as causes of a step to another view.
    pub fn passed_on(&self) -> Vec<(VoteKind, u64)> {
        let certificates = self.broadcasts().filter_map(|message| match message {
            Message::Certificate(message) => Some(&message.certificate),
            _ => None,
        });
        certificates.map(|held| (held.kind, held.view.0)).collect()
    }

    /// Certificates shown to all together, as when stuck.
    pub fn shown(&self) -> Vec<(VoteKind, u64)> {
        let lists = self.broadcasts().filter_map(|message| match message {
            Message::Certificates(certificates) => Some(certificates),
            _ => None,
        });
        lists.flatten().map(|held| (held.kind, held.view.0)).collect()
    }

    pub fn candidacies(&self) -> Vec<Ticket> {
        let lists = self.broadcasts().filter_map(|message| match message {
            Message::Candidacy(tickets) => Some(tickets.clone()),
            _ => None,
        });
        lists.flatten().collect()
    }

    /// Tickets that ride on votes and certificates.
    pub fn riding(&self) -> Vec<Ticket> {
        let lists = self.broadcasts().filter_map(|message| match message {
            Message::Vote(message) => Some(message.tickets.clone()),
            Message::Certificate(message) => Some(message.tickets.clone()),
            _ => None,
        });
        lists.flatten().collect()
    }

    pub fn sent_to(&self, peer: MemberIndex) -> Vec<Message> {
        let sent = self.0.iter().filter_map(|effect| match effect {
            Effect::Send { to, message } if *to == peer => Some((**message).clone()),
            _ => None,
        });
        sent.collect()
    }

    pub fn fetches(&self) -> Vec<(MemberIndex, FetchRequest)> {
        let fetches = self.0.iter().filter_map(|effect| match effect {
            Effect::Send { to, message } => match &**message {
                Message::Fetch(request) => Some((*to, request.clone())),
                _ => None,
            },
            _ => None,
        });
        fetches.collect()
    }

    pub fn journaled(&self) -> Vec<&JournalRecord> {
        let groups = self.0.iter().filter_map(|effect| match effect {
            Effect::Journal(records) => Some(records),
            _ => None,
        });
        groups.flatten().collect()
    }

    pub fn finalized(&self) -> Vec<u64> {
        let finalized = self.0.iter().filter_map(|effect| match effect {
            Effect::Finalized { certificate, .. } => Some(certificate.view.0),
            _ => None,
        });
        finalized.collect()
    }

    pub fn halt(&self) -> Option<&str> {
        self.0.iter().find_map(|effect| match effect {
            Effect::Halt(reason) => Some(reason.as_str()),
            _ => None,
        })
    }

    /// Whether nothing was written and nothing said.
    pub fn is_silent(&self) -> bool {
        self.0.iter().all(|effect| matches!(effect, Effect::WakeAt { .. }))
    }
}
