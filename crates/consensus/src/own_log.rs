//! What this member has signed, by view: the memory behind "never twice" (C6). Rebuilt from the journal.

use btn_types::{ProposalMessage, View, Vote, VoteKind};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What was signed in one view.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnView {
    pub(crate) proposed: Option<Arc<ProposalMessage>>,
    pub(crate) notarized: Option<Vote>,
    pub(crate) nullified: Option<Vote>,
    pub(crate) finalized: Option<Vote>,
}

/// Own signatures by view, all above the floor.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnLog(BTreeMap<View, OwnView>);

impl OwnLog {
    /// Own record of a view, empty where nothing was signed.
    pub(crate) fn of(&self, view: View) -> OwnView {
        self.0.get(&view).cloned().unwrap_or_default()
    }

    /// Whether a vote of this kind may still be signed in the view: at most one of each kind, no Notarize and
    /// no Finalize after Nullify, no Nullify after Finalize (C6.4–6).
    pub(crate) fn may_vote(&self, kind: VoteKind, view: View) -> bool {
        let Some(own) = self.0.get(&view) else { return true };
        match kind {
            VoteKind::Notarize => own.notarized.is_none() && own.nullified.is_none(),
            VoteKind::Nullify => own.nullified.is_none() && own.finalized.is_none(),
            VoteKind::Finalize => own.finalized.is_none() && own.nullified.is_none(),
        }
    }

    /// Whether the view has an own proposal.
    pub(crate) fn has_proposed(&self, view: View) -> bool {
        self.0.get(&view).is_some_and(|own| own.proposed.is_some())
    }

    /// Whether the view has an own Nullify.
    pub(crate) fn has_nullified(&self, view: View) -> bool {
        self.0.get(&view).is_some_and(|own| own.nullified.is_some())
    }

    /// Enters a vote.
    pub(crate) fn record_vote(&mut self, vote: Vote) {
        let own = self.0.entry(vote.view).or_default();
        match vote.kind {
            VoteKind::Notarize => own.notarized = Some(vote),
            VoteKind::Nullify => own.nullified = Some(vote),
            VoteKind::Finalize => own.finalized = Some(vote),
        }
    }

    /// Enters a proposal.
    pub(crate) fn record_proposal(&mut self, message: Arc<ProposalMessage>) {
        let view = message.proposal.view;
        self.0.entry(view).or_default().proposed = Some(message);
    }

    /// The highest view with an own signature.
    pub(crate) fn highest_view(&self) -> Option<View> {
        self.0.keys().next_back().copied()
    }

    /// All own votes above the floor, ascending by view.
    pub(crate) fn votes(&self) -> impl Iterator<Item = &Vote> {
        self.0.values().flat_map(|own| [&own.notarized, &own.nullified, &own.finalized].into_iter().flatten())
    }

    /// All own proposals above the floor, ascending by view.
    pub(crate) fn proposals(&self) -> impl Iterator<Item = &Arc<ProposalMessage>> {
        self.0.values().filter_map(|own| own.proposed.as_ref())
    }

    /// Drops views at and below the floor: nothing is signed there any more (C6.0).
    pub(crate) fn prune_through(&mut self, floor: View) {
        self.0 = self.0.split_off(&floor.next());
    }
}
