//! The unfinalised blocks, by hash, all descending from the finalised tip; and the hashes of invalid ones.

use crate::bounded::BoundedMap;
use crate::seals::Link;
use crate::{BlockError, BlockMeta, Layer};
use alloy_primitives::B256;
use alloy_rlp::Encodable;
use btn_types::{Block, View};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most unfinalised blocks held. Honest clerks make at most a few per view; this is the bound for others.
pub const MAX_UNFINALIZED_BLOCKS: usize = 2_048;

/// Most bytes of their encodings.
pub const MAX_UNFINALIZED_BYTES: usize = 512 * 1024 * 1024;

/// Hashes of invalid blocks remembered.
const MAX_INVALID_BLOCKS: usize = 4_096;

/// An inserted block.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) meta: BlockMeta,
    pub(crate) block: Arc<Block>,
    pub(crate) link: Arc<Link>,
    /// Bytes of the block's encoding.
    bytes: usize,
    /// There once it is executed.
    pub(crate) layer: Option<Arc<Layer>>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Tree {
    nodes: BTreeMap<B256, Node>,
    bytes: usize,
    invalid: BoundedMap<B256, ()>,
}

impl Tree {
    pub(crate) const fn new() -> Self {
        Self { nodes: BTreeMap::new(), bytes: 0, invalid: BoundedMap::new(MAX_INVALID_BLOCKS) }
    }

    pub(crate) fn get(&self, hash: &B256) -> Option<&Node> {
        self.nodes.get(hash)
    }

    pub(crate) fn is_invalid(&self, hash: &B256) -> bool {
        self.invalid.contains(hash)
    }

    pub(crate) fn metas(&self) -> impl Iterator<Item = &BlockMeta> {
        self.nodes.values().map(|node| &node.meta)
    }

    /// Whether a block of so many bytes has room.
    pub(crate) fn check_room(&self, block: &Block) -> Result<(), BlockError> {
        let (blocks, bytes) = (self.nodes.len(), self.bytes);
        if blocks >= MAX_UNFINALIZED_BLOCKS || bytes + block.length() > MAX_UNFINALIZED_BYTES {
            return Err(BlockError::TreeFull { blocks, bytes });
        }
        Ok(())
    }

    pub(crate) fn insert(&mut self, meta: BlockMeta, block: Arc<Block>, link: Arc<Link>) {
        let bytes = block.length();
        if self.nodes.insert(meta.hash, Node { meta, block, link, bytes, layer: None }).is_none() {
            self.bytes += bytes;
        }
    }

    pub(crate) fn set_layer(&mut self, layer: Arc<Layer>) {
        if let Some(node) = self.nodes.get_mut(&layer.meta.hash) {
            node.layer = Some(layer);
        }
    }

    /// The nodes from the one above the finalised tip to `hash`, oldest first; empty where `hash` is not here.
    pub(crate) fn path(&self, hash: B256) -> Vec<&Node> {
        let mut path = Vec::new();
        let mut next = self.nodes.get(&hash);
        while let Some(node) = next {
            path.push(node);
            next = self.nodes.get(&node.meta.parent);
        }
        path.reverse();
        path
    }

    /// Remembers a block as invalid; it and what was built on it leaves the tree.
    pub(crate) fn invalidate(&mut self, hash: B256) {
        self.invalid.insert(hash, ());
        for descendant in self.descendants(hash) {
            self.invalid.insert(descendant, ());
            self.remove(&descendant);
        }
        self.remove(&hash);
    }

    /// Drops a block that has no descendants.
    pub(crate) fn forget(&mut self, hash: B256) {
        if self.descendants(hash).is_empty() {
            self.remove(&hash);
        }
    }

    /// The tip moved to `hash`, a block of `view`: what does not descend from it leaves, with everything of
    /// views at or below. Gives the number of blocks that left without being final.
    pub(crate) fn finalize(&mut self, hash: B256, view: View) -> usize {
        let path: Vec<B256> = self.path(hash).iter().map(|node| node.meta.hash).collect();
        for ancestor in &path {
            self.remove(ancestor);
        }
        let keep: BTreeSet<B256> = self.descendants(hash).into_iter().collect();
        let drop: Vec<B256> = (self.nodes.values())
            .filter(|node| !keep.contains(&node.meta.hash) || node.meta.view <= view)
            .map(|node| node.meta.hash)
            .collect();
        for sibling in &drop {
            self.remove(sibling);
        }
        drop.len()
    }

    fn remove(&mut self, hash: &B256) {
        if let Some(node) = self.nodes.remove(hash) {
            self.bytes -= node.bytes;
        }
    }

    /// Everything built on `hash`, by height.
    fn descendants(&self, hash: B256) -> Vec<B256> {
        let mut by_height: Vec<&BlockMeta> = self.metas().collect();
        by_height.sort_by_key(|meta| (meta.height, meta.hash));
        let mut found = BTreeSet::from([hash]);
        let mut descendants = Vec::new();
        for meta in by_height {
            if found.contains(&meta.parent) {
                found.insert(meta.hash);
                descendants.push(meta.hash);
            }
        }
        descendants
    }
}
