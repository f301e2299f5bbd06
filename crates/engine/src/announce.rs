//! What a master tells its supervisors unasked: each proposal once its body is here, and each
//! Notarization and Finalization once its block is known. Every announcement goes out once, after what it rests on
//! is on disk.

use crate::interface::Effect;
use btn_types::supervision::{Announcement, BlockPlace};
use btn_types::{B256, Block, BlockMeta, Certificate, JournalRecord, View, VoteKind};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most proposals remembered; above it the oldest go.
const MAX_PLACES: usize = btn_chain::MAX_UNFINALIZED_BLOCKS;

/// Most certificates that wait for their block; above it the oldest go.
const MAX_WAITING: usize = 1_024;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Announcer {
    /// Known blocks by view and Proposal digest.
    places: BTreeMap<(View, B256), BlockPlace>,
    /// Certificates not announced yet.
    waiting: BTreeMap<(View, VoteKind), Certificate>,
    ready: Vec<Effect>,
}

impl Announcer {
    /// Begins with the certificates of the journal: after a restart supervisors are told them again.
    pub(crate) fn new(records: &[JournalRecord]) -> Self {
        let mut announcer = Self::default();
        announcer.certified(records);
        announcer
    }

    /// A block's place is known, by its Proposal.
    pub(crate) fn proposed(&mut self, digest: B256, meta: &BlockMeta, block: Arc<Block>) {
        let place = place_of(meta);
        if self.places.insert((meta.view, digest), place).is_none() {
            self.ready
                .push(Effect::Announce { announcement: Announcement::Proposed(place), block: Some(block) });
        }
        while self.places.len() > MAX_PLACES {
            self.places.pop_first();
        }
    }

    /// A block's place is known, because it is final.
    pub(crate) fn learn(&mut self, digest: B256, meta: &BlockMeta) {
        self.places.insert((meta.view, digest), place_of(meta));
    }

    /// Takes the certificates out of journal records.
    pub(crate) fn certified(&mut self, records: &[JournalRecord]) {
        for record in records {
            let JournalRecord::Certificate(certificate) = record else { continue };
            if certificate.kind != VoteKind::Nullify {
                self.waiting.insert((certificate.view, certificate.kind), certificate.clone());
            }
        }
        while self.waiting.len() > MAX_WAITING {
            self.waiting.pop_first();
        }
    }

    /// What is to be announced now; then drops what is older than the newest committed block.
    pub(crate) fn take(&mut self, committed: View) -> Vec<Effect> {
        let Self { places, waiting, ready } = self;
        let known = waiting
            .extract_if(.., |(view, _), certificate| places.contains_key(&(*view, certificate.digest)));
        for ((view, _), certificate) in known.collect::<Vec<_>>() {
            let Some(place) = places.get(&(view, certificate.digest)).copied() else { continue };
            let announcement = Announcement::Certified { place, certificate };
            ready.push(Effect::Announce { announcement, block: None });
        }
        *places = places.split_off(&(committed, B256::ZERO));
        *waiting = waiting.split_off(&(committed, VoteKind::Notarize));
        std::mem::take(ready)
    }
}

/// A block's place as supervisors are told it.
pub(crate) const fn place_of(meta: &BlockMeta) -> BlockPlace {
    BlockPlace {
        epoch: meta.epoch,
        view: meta.view,
        parent_view: meta.parent_view,
        height: meta.height,
        hash: meta.hash,
    }
}
