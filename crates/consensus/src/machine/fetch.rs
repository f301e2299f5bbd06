//! What is missing and whom to ask (C5 `Fetch`, C6.4, C6.8): missing things are fetched, never guessed.

use super::Step;
use alloy_primitives::B256;
use btn_types::{FetchRequest, MemberIndex, Message, View, VoteKind};
use std::collections::{BTreeMap, BTreeSet};

/// Something missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wanted {
    /// The Proposal of a digest that somebody voted for or a certificate names.
    Proposal(B256),
    /// Certificates of these views.
    Certificates {
        /// First view.
        from: View,
        /// Last view.
        to: View,
    },
}

/// When something was first missed and last asked for.
#[derive(Clone, Debug)]
struct Quest {
    holders: Vec<MemberIndex>,
    due_at_ms: u64,
    attempts: usize,
}

/// Most things asked for at a time; what is over is asked for when there is room.
const MAX_QUESTS: usize = 64;

/// Quests by what is wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct FetchBook(BTreeMap<Wanted, Quest>);

impl FetchBook {
    /// Notes that something is missing; it is asked for `grace_ms` from now unless it comes by itself.
    pub(crate) fn want(&mut self, wanted: Wanted, holders: Vec<MemberIndex>, now_ms: u64, grace_ms: u64) {
        if self.0.len() < MAX_QUESTS || self.0.contains_key(&wanted) {
            let due_at_ms = now_ms.saturating_add(grace_ms);
            let quest = self.0.entry(wanted).or_insert(Quest { holders: Vec::new(), due_at_ms, attempts: 0 });
            quest.holders = holders;
        }
    }

    fn retain(&mut self, wanted: &BTreeSet<Wanted>) {
        self.0.retain(|key, _| wanted.contains(key));
    }
}

impl Step<'_> {
    /// Asks for what is missing and due; forgets what is no longer missing.
    pub(super) fn fetch_missing(&mut self) {
        let now_ms = self.now.monotonic_ms;
        let grace_ms = self.state.parameters.delta_ms / 4;
        let mut wanted = BTreeSet::new();
        for (digest, holders) in self.missing_proposals() {
            wanted.insert(Wanted::Proposal(digest));
            self.state.fetches.want(Wanted::Proposal(digest), holders, now_ms, grace_ms);
        }
        let view = self.state.current.view;
        let gaps = self.state.fetches.0.keys().copied().filter(|key| match key {
            // Wanted by `propose` in this view, until its first view is there; the next view asks anew.
            Wanted::Certificates { from, to } => {
                let held = &self.state.certificates;
                to.next() == view && held.nullification(*from).is_none()
            }
            Wanted::Proposal(_) => false,
        });
        wanted.extend(gaps.collect::<Vec<_>>());
        self.state.fetches.retain(&wanted);
        self.ask();
    }

    /// Digests named by certificates above the floor, or by a Notarize in the current view, whose body is not
    /// here or has no known parent, with those who must have it.
    fn missing_proposals(&self) -> Vec<(B256, Vec<MemberIndex>)> {
        let state = &*self.state;
        let is_missing = |digest: B256| state.proposals.get(digest).is_none();
        let size = state.committee.size();
        let certified = state.certificates.range(state.floor.view.next(), state.current.view);
        let mut missing: Vec<_> = certified
            .filter(|held| held.kind != VoteKind::Nullify && is_missing(held.digest))
            .map(|held| (held.digest, held.bitmap.signers(size).unwrap_or_default()))
            .collect();
        let voted = state.votes.notarized_digests(state.current.view);
        missing.extend(voted.into_iter().filter(|(digest, _)| is_missing(*digest)));
        missing
    }

    fn ask(&mut self) {
        let now_ms = self.now.monotonic_ms;
        let (me, epoch) = (self.state.me(), self.state.committee.epoch());
        let everyone: Vec<_> = self.state.committee.indices().collect();
        let delta_ms = self.state.parameters.delta_ms;
        let mut requests = Vec::new();
        let mut next_ms = u64::MAX;
        for (wanted, quest) in &mut self.state.fetches.0 {
            if now_ms >= quest.due_at_ms {
                let holders = if quest.holders.is_empty() { &everyone } else { &quest.holders };
                let others: Vec<_> = holders.iter().filter(|holder| Some(**holder) != me).collect();
                if let Some(holder) = others.get(quest.attempts % others.len().max(1)) {
                    let request = match *wanted {
                        Wanted::Proposal(digest) => FetchRequest::Proposal { digest },
                        Wanted::Certificates { from, to } => FetchRequest::Certificates { epoch, from, to },
                    };
                    requests.push((**holder, request));
                }
                quest.attempts += 1;
                quest.due_at_ms = now_ms.saturating_add(delta_ms);
            }
            next_ms = next_ms.min(quest.due_at_ms);
        }
        for (holder, request) in requests {
            self.send(holder, Message::Fetch(request));
        }
        if next_ms != u64::MAX {
            self.wake_at(next_ms);
        }
    }
}
