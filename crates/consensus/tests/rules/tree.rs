//! A chain in memory that answers as the real one does, with faults to order.

use crate::kit::{Lottery, World};
use btn_consensus::{Blocks, BuildRequest, Execution, Insertion, Places};
use btn_types::{B256, Block, BlockMeta, View, VoteKind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub struct Tree {
    world: World,
    places: BTreeMap<B256, BlockMeta>,
    executed: BTreeSet<B256>,
    finalized: B256,
    pub lottery: Lottery,
    /// Whether the pool holds something to pack.
    pub has_transactions: bool,
    /// Hashes that fail a rule that needs no execution.
    pub invalid_at_insertion: BTreeSet<B256>,
    /// Hashes that fail their execution.
    pub invalid_at_execution: BTreeSet<B256>,
    /// How many more deliveries of a hash bring a body that is not its own.
    pub mangled: BTreeMap<B256, usize>,
    /// Whether justifications are verified; off only to reach rules that lie behind.
    pub checks_justification: bool,
    /// Whether this member packs blocks at all.
    pub packs: bool,
    /// Blocks packed here.
    pub built: usize,
}

impl Tree {
    pub fn new(world: &World, tip: BlockMeta) -> Self {
        Self {
            world: world.clone(),
            places: BTreeMap::from([(tip.hash, tip)]),
            executed: BTreeSet::from([tip.hash]),
            finalized: tip.hash,
            lottery: world.lottery,
            has_transactions: false,
            invalid_at_insertion: BTreeSet::new(),
            invalid_at_execution: BTreeSet::new(),
            mangled: BTreeMap::new(),
            checks_justification: true,
            packs: true,
            built: 0,
        }
    }

    /// What a process finds after a crash: the committed tip and nothing above it.
    pub fn restarted(&self) -> Self {
        let mut tree = Self::new(&self.world, self.finalized());
        tree.has_transactions = self.has_transactions;
        tree.invalid_at_insertion.clone_from(&self.invalid_at_insertion);
        tree.invalid_at_execution.clone_from(&self.invalid_at_execution);
        tree
    }

    /// Commits a block if its body and all its ancestors' are here and valid. Returns whether the tip moved.
    pub fn finalize(&mut self, hash: B256) -> bool {
        let tip = self.finalized();
        let moves = self.places.get(&hash).is_some_and(|place| place.height > tip.height)
            && self.execute(hash) == Execution::Valid;
        if moves {
            self.finalized = hash;
        }
        moves
    }

    pub fn is_executed(&self, hash: B256) -> bool {
        self.executed.contains(&hash)
    }

    /// The block as if it had come by a range of finalised blocks.
    pub fn import(&mut self, place: BlockMeta) {
        self.places.insert(place.hash, place);
        self.executed.insert(place.hash);
    }

    fn is_justified(&self, block: &Block, parent: &BlockMeta) -> bool {
        let (world, view) = (&self.world, block.envelope.view);
        let parent_is_certified = match &block.justification.parent_certificate {
            None => parent.view == View(0),
            Some(certificate) => {
                certificate.kind != VoteKind::Nullify
                    && certificate.view == parent.view
                    && certificate.digest == world.digest_of(parent)
                    && world.committee.verify_certificate(certificate).is_ok()
            }
        };
        let skipped: Vec<View> = (parent.view.0 + 1..view.0).map(View).collect();
        let nullifications = &block.justification.nullifications;
        parent_is_certified
            && nullifications.iter().map(|held| held.view).eq(skipped)
            && nullifications.iter().all(|held| {
                held.kind == VoteKind::Nullify && world.committee.verify_certificate(held).is_ok()
            })
    }
}

impl Places for Tree {
    fn finalized(&self) -> BlockMeta {
        self.places[&self.finalized]
    }

    fn meta(&self, hash: B256) -> Option<BlockMeta> {
        self.places.get(&hash).copied()
    }
}

impl Blocks for Tree {
    fn insert(&mut self, block: &Arc<Block>) -> Insertion {
        let hash = block.hash();
        if let Some(place) = self.places.get(&hash) {
            return Insertion::Inserted(*place);
        }
        if let Some(left) = self.mangled.get_mut(&hash).filter(|left| **left > 0) {
            *left -= 1;
            return Insertion::NotItsBody("mangled".to_owned());
        }
        let Some(parent) = self.places.get(&block.header.parent_hash).copied() else {
            return Insertion::UnknownParent;
        };
        let envelope = &block.envelope;
        let clerk = self.world.committee.index_of(envelope.clerk);
        let is_drawn = clerk.is_some_and(|clerk| {
            let seed = parent.child_draw_seed;
            self.world.committee.verify_draw(clerk, envelope.view, seed, &envelope.clerk_signature).is_ok()
        });
        let is_placed = envelope.parent_view == parent.view
            && envelope.view > parent.view
            && block.height() == parent.height.next()
            && envelope.timestamp_ms > parent.timestamp_ms;
        let is_justified = !self.checks_justification || self.is_justified(block, &parent);
        if self.invalid_at_insertion.contains(&hash) || !is_drawn || !is_placed || !is_justified {
            return Insertion::Invalid("invalid".to_owned());
        }
        let place = self.lottery.place(block);
        self.places.insert(hash, place);
        Insertion::Inserted(place)
    }

    fn execute(&mut self, hash: B256) -> Execution {
        if self.executed.contains(&hash) {
            return Execution::Valid;
        }
        let Some(place) = self.places.get(&hash).copied() else { return Execution::NotYet };
        match self.execute(place.parent) {
            Execution::Valid if self.invalid_at_execution.contains(&hash) => {
                Execution::Invalid("theft".to_owned())
            }
            Execution::Valid => {
                self.executed.insert(hash);
                Execution::Valid
            }
            other => other,
        }
    }

    fn forget(&mut self, hash: B256) {
        assert!(self.places.values().all(|place| place.parent != hash), "forgotten with a block on top");
        assert_ne!(hash, self.finalized, "forgotten though final");
        self.places.remove(&hash);
        self.executed.remove(&hash);
    }

    fn build(&mut self, request: BuildRequest) -> Option<Arc<Block>> {
        let parent = self.places.get(&request.parent).copied().filter(|_| self.packs)?;
        assert!(self.executed.contains(&request.parent), "built on a block that was not executed (C6.8)");
        assert_eq!(request.parent_view, parent.view);
        let block = self.world.block(&parent, &request, 1_000 + self.built as u64);
        self.built += 1;
        let Insertion::Inserted(place) = self.insert(&block) else { panic!("built an invalid block") };
        self.executed.insert(place.hash);
        Some(block)
    }

    fn has_executable(&self, _parent: B256) -> bool {
        self.has_transactions
    }
}
