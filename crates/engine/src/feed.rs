//! What a master's supervisors may pull: recent announcements and blocks from memory, final ones from the
//! store. It is filled by the engine's effects and read elsewhere, so that no supervisor ever delays consensus.

use btn_chain::read_range;
use btn_storage::{StoreError, StoreReader};
use btn_types::limits::MAX_UNFINALIZED_HEIGHTS;
use btn_types::supervision::{Announcement, BlockPlace, PullRequest, Pulled};
use btn_types::{B256, Block, Certificate, View, VoteKind};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Most blocks in memory; above it the oldest go.
pub const MAX_FEED_BLOCKS: usize = 256;

/// Most bytes of their encodings.
pub const MAX_FEED_BYTES: usize = 64 * 1024 * 1024;

/// Most proposals and most certificates that a greeting shows: as many heights as may wait for finality.
pub const MAX_FEED_ANNOUNCEMENTS: usize = 2 * MAX_UNFINALIZED_HEIGHTS as usize;

/// Blocks stay in memory for so many views after one became final: that is when they are pulled most.
const KEPT_VIEWS: u64 = 16;

/// See the module. A clone is cheap and shares the blocks: give readers a clone, so that a slow one holds nobody
/// up.
#[derive(Clone)]
pub struct Feed {
    reader: Arc<dyn StoreReader>,
    blocks: BTreeMap<(View, B256), Arc<Block>>,
    bytes: usize,
    proposed: BTreeMap<(View, B256), BlockPlace>,
    certified: BTreeMap<(View, VoteKind), (BlockPlace, Certificate)>,
    /// The newest Finalization announced since the start.
    finalized: Option<(BlockPlace, Certificate)>,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("blocks", &self.blocks.len()).field("bytes", &self.bytes).finish()
    }
}

impl Feed {
    /// An empty feed over a store.
    #[must_use]
    pub const fn new(reader: Arc<dyn StoreReader>) -> Self {
        Self {
            reader,
            blocks: BTreeMap::new(),
            bytes: 0,
            proposed: BTreeMap::new(),
            certified: BTreeMap::new(),
            finalized: None,
        }
    }

    /// Takes in an announcement, with its block where that is new.
    pub fn record(&mut self, announcement: &Announcement, block: Option<Arc<Block>>) {
        let Some(place) = announcement.place().copied() else { return };
        let final_view = self.finalized.as_ref().map_or(View(0), |(place, _)| place.view);
        if place.view < final_view {
            return;
        }
        if let Some(block) = block {
            self.keep(place, block);
        }
        match announcement {
            Announcement::Proposed(place) => {
                self.proposed.insert((place.view, place.hash), *place);
            }
            Announcement::Certified { place, certificate } if certificate.kind == VoteKind::Finalize => {
                self.finalized = Some((*place, certificate.clone()));
                self.prune(place.view);
            }
            Announcement::Certified { place, certificate } => {
                self.certified.insert((place.view, certificate.kind), (*place, certificate.clone()));
            }
            Announcement::Greeted => {}
        }
        while self.proposed.len() > MAX_FEED_ANNOUNCEMENTS {
            self.proposed.pop_first();
        }
        while self.certified.len() > MAX_FEED_ANNOUNCEMENTS {
            self.certified.pop_first();
        }
    }

    /// What a supervisor that connects is told: the newest Finalization, everything above it, by view, and that this
    /// is all.
    #[must_use]
    pub fn greeting(&self) -> Vec<Announcement> {
        let finalized = self.finalized.clone().or_else(|| self.stored_finalization());
        let above = finalized.as_ref().map_or(View(0), |(place, _)| place.view);
        let certified =
            |(place, certificate): (BlockPlace, Certificate)| Announcement::Certified { place, certificate };
        let mut told: Vec<Announcement> = finalized.into_iter().map(certified).collect();
        let proposed = self.proposed.values().map(|place| (place.view, Announcement::Proposed(*place)));
        let mut newer: Vec<(View, Announcement)> = proposed.collect();
        newer.extend(self.certified.values().cloned().map(|held| (held.0.view, certified(held))));
        newer.retain(|(view, _)| *view > above);
        // Stable: within a view the proposals stay before the certificate.
        newer.sort_by_key(|(view, _)| *view);
        told.extend(newer.into_iter().map(|(_, announcement)| announcement));
        told.push(Announcement::Greeted);
        told
    }

    /// Answers a pull. Reads the store where memory does not have it.
    ///
    /// # Errors
    /// The store failed.
    pub fn answer(&self, request: &PullRequest) -> Result<Pulled, StoreError> {
        match *request {
            PullRequest::Block { hash } => self.block(hash),
            PullRequest::Range { from } => {
                let range = read_range(&*self.reader, from)?;
                Ok(range.map_or(Pulled::Nothing, |range| Pulled::Range(Box::new(range))))
            }
        }
    }

    fn block(&self, hash: B256) -> Result<Pulled, StoreError> {
        if let Some(block) = self.blocks.iter().find(|((_, held), _)| *held == hash).map(|(_, block)| block) {
            return Ok(Pulled::Block(Arc::clone(block)));
        }
        let Some(height) = self.reader.height_of(hash)? else { return Ok(Pulled::Nothing) };
        let block = self.reader.block(height)?;
        Ok(block.map_or(Pulled::Nothing, |block| Pulled::Block(Arc::new(block))))
    }

    fn keep(&mut self, place: BlockPlace, block: Arc<Block>) {
        let bytes = length(&block);
        if self.blocks.insert((place.view, place.hash), block).is_none() {
            self.bytes += bytes;
        }
        while self.blocks.len() > MAX_FEED_BLOCKS || self.bytes > MAX_FEED_BYTES {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, block)) = self.blocks.pop_first() {
            self.bytes -= length(&block);
        }
    }

    /// Drops what a Finalization of this view has settled.
    fn prune(&mut self, view: View) {
        let above = (view.next(), B256::ZERO);
        self.proposed = self.proposed.split_off(&above);
        self.certified = self.certified.split_off(&(view.next(), VoteKind::Notarize));
        while let Some(((oldest, _), _)) = self.blocks.first_key_value()
            && oldest.0.saturating_add(KEPT_VIEWS) < view.0
        {
            self.drop_oldest();
        }
    }

    /// The stored tip and its Finalization; `None` at genesis.
    fn stored_finalization(&self) -> Option<(BlockPlace, Certificate)> {
        let read = || -> Result<Option<(BlockPlace, Certificate)>, StoreError> {
            let Some(tip) = self.reader.tip()? else { return Ok(None) };
            let (block, finalization) =
                (self.reader.block(tip.height)?, self.reader.finalization(tip.height)?);
            Ok(block.zip(finalization).map(|(block, finalization)| {
                let envelope = &block.envelope;
                let place = BlockPlace {
                    epoch: envelope.epoch,
                    view: envelope.view,
                    parent_view: envelope.parent_view,
                    height: tip.height,
                    hash: tip.hash,
                };
                (place, finalization)
            }))
        };
        read().unwrap_or_else(|error| {
            tracing::error!(%error, "the newest final block could not be read for a supervisor");
            None
        })
    }
}

fn length(block: &Block) -> usize {
    alloy_rlp::Encodable::length(block)
}
