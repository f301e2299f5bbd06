//! The member whose messages are often wrong: signatures that do not verify, votes in another's name,
//! certificates with one signer too many, blocks with something changed.

use super::{Adversary, Shown};
use crate::Random;
use btn_types::{
    Bitmap, Block, Certificate, MemberIndex, Message, ProposalMessage, Ticket, VoteKind, VoteMessage,
    VoteSignature,
};
use std::sync::Arc;

/// Messages altered, of a million.
const ALTERED_PER_MILLION: u64 = 300_000;

/// See the module.
pub(super) struct Garble {
    random: Random,
}

impl Garble {
    pub(super) const fn new(random: Random) -> Self {
        Self { random }
    }

    fn alter(&mut self, message: &Message) -> Message {
        match message.clone() {
            Message::Vote(vote) => Message::Vote(self.vote(vote)),
            Message::Certificate(mut message) => {
                message.certificate = self.certificate(message.certificate);
                message.tickets = self.tickets(message.tickets);
                Message::Certificate(message)
            }
            Message::Certificates(certificates) => Message::Certificates(
                certificates.into_iter().map(|certificate| self.certificate(certificate)).collect(),
            ),
            Message::Proposal(proposal) => Message::Proposal(Arc::new(self.proposal(&proposal))),
            Message::Range(mut range) => {
                if let Some(block) = range.blocks.first_mut() {
                    *block = self.block(block);
                }
                Message::Range(range)
            }
            Message::Candidacy(tickets) => Message::Candidacy(self.tickets(tickets)),
            other => other,
        }
    }

    fn signature(&mut self) -> VoteSignature {
        VoteSignature::repeat_byte(u8::try_from(self.random.below(256)).unwrap_or(0))
    }

    fn vote(&mut self, mut message: VoteMessage) -> VoteMessage {
        match self.random.below(4) {
            0 => message.vote.signature = self.signature(),
            1 => message.vote.member = MemberIndex(message.vote.member.0.wrapping_add(1) % 4),
            2 => message.vote.view = message.vote.view.next(),
            // A Notarize is no Finalize (C5 ⚠).
            _ => message.vote.kind = VoteKind::Finalize,
        }
        message.tickets = self.tickets(message.tickets);
        message
    }

    fn certificate(&mut self, mut certificate: Certificate) -> Certificate {
        match self.random.below(4) {
            0 => certificate.aggregate = self.signature(),
            1 => certificate.view = certificate.view.next(),
            2 => certificate.bitmap = Bitmap::new(4, (0..4).map(MemberIndex)),
            _ => certificate.kind = VoteKind::Finalize,
        }
        certificate
    }

    fn tickets(&mut self, mut tickets: Vec<Ticket>) -> Vec<Ticket> {
        for ticket in &mut tickets {
            if self.random.chance(500_000) {
                ticket.member = MemberIndex(ticket.member.0.wrapping_add(1) % 4);
            }
        }
        tickets
    }

    fn proposal(&mut self, message: &ProposalMessage) -> ProposalMessage {
        let mut proposal = message.proposal.clone();
        match self.random.below(3) {
            0 => proposal.signature = self.signature(),
            1 => proposal.parent_view = proposal.parent_view.next(),
            _ => {}
        }
        ProposalMessage { proposal, block: Arc::new(self.block(&message.block)) }
    }

    fn block(&mut self, block: &Block) -> Block {
        let mut block = block.clone();
        match self.random.below(4) {
            0 => block.envelope.timestamp_ms += 1,
            1 => drop(block.justification.nullifications.pop()),
            2 => block.transactions.clear(),
            _ => block.header.gas_used += 1,
        }
        block
    }
}

impl Adversary for Garble {
    fn show(&mut self, _at_ms: u64, _process: usize, message: &Arc<Message>, _to: MemberIndex) -> Vec<Shown> {
        let mut shown = Vec::new();
        if self.random.chance(ALTERED_PER_MILLION) {
            shown.push(Shown { after_ms: 0, message: Arc::new(self.alter(message)) });
        }
        if shown.is_empty() || self.random.chance(500_000) {
            shown.extend(Shown::now(message));
        }
        shown
    }
}
