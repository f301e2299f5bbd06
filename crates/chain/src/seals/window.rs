//! The last final blocks whose seals still count and may still be included, kept small: no bodies.

use crate::ChainError;
use crate::seeds::stored_seed;
use alloy_primitives::B256;
use btn_crypto::{Committee, Domain};
use btn_storage::StoreReader;
use btn_types::limits::MAX_SEAL_AGE_HEIGHTS;
use btn_types::{Block, Height, NodeId, Seal};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// What the rule of seals asks of a block.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) hash: B256,
    pub(crate) core: B256,
    pub(crate) height: Height,
    /// Sealed block and supervisor of the seals that it includes.
    includes: BTreeSet<(B256, NodeId)>,
}

impl Link {
    pub(crate) fn new(block: &Block, hash: B256, core: B256) -> Self {
        let includes = block.seals.iter().map(|seal| (seal.block_hash, seal.supervisor)).collect();
        Self { hash, core, height: block.height(), includes }
    }

    pub(crate) fn includes(&self, seal: &Seal) -> bool {
        self.includes.contains(&(seal.block_hash, seal.supervisor))
    }
}

/// The newest [`MAX_SEAL_AGE_HEIGHTS`] final blocks, oldest first; the last one is the tip, genesis excepted.
#[derive(Debug, Default)]
pub(crate) struct Window(VecDeque<Arc<Link>>);

impl Window {
    /// Reads the window that ends at the stored tip; gives the seals that its blocks include.
    pub(crate) fn read(
        committee: &Committee,
        reader: &dyn StoreReader,
        tip: Height,
    ) -> Result<(Self, Vec<Seal>), ChainError> {
        let mut window = Self::default();
        let mut included = Vec::new();
        let lowest = (tip.0 + 1).saturating_sub(MAX_SEAL_AGE_HEIGHTS).max(1);
        for height in (lowest..=tip.0).map(Height) {
            let missing = |what| ChainError::Incomplete { what, height };
            let block = reader.block(height)?.ok_or_else(|| missing("block"))?;
            let below = Height(height.0 - 1);
            let seed = stored_seed(committee, reader, below)?.ok_or_else(|| missing("parent's seed"))?;
            let core = core_on(committee.domain(), &block, seed);
            window.push(Arc::new(Link::new(&block, block.hash(), core)));
            included.extend(block.seals);
        }
        Ok((window, included))
    }

    pub(crate) fn push(&mut self, link: Arc<Link>) {
        self.0.push_back(link);
    }

    /// Forgets what is too old.
    pub(crate) fn prune(&mut self) {
        while self.0.len() as u64 > MAX_SEAL_AGE_HEIGHTS {
            self.0.pop_front();
        }
    }

    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Arc<Link>> {
        self.0.iter().rev()
    }

    pub(crate) fn get(&self, hash: B256) -> Option<&Arc<Link>> {
        self.0.iter().find(|link| link.hash == hash)
    }

    /// Lowest height whose seals count.
    pub(crate) fn lowest(&self) -> Height {
        self.0.front().map_or(Height(1), |link| link.height)
    }
}

/// `core(B)` of a block whose parent has this seed (C3).
pub(crate) fn core_on(domain: &Domain, block: &Block, parent_seed: B256) -> B256 {
    let envelope = &block.envelope;
    let (clerk, signature) = (envelope.clerk, &envelope.clerk_signature);
    domain.core(envelope.epoch, envelope.view, block.height(), parent_seed, clerk, signature)
}
