//! The chain's state: finalised tip, tree of unfinalised blocks, state commitment and pool.

use crate::bounded::BoundedMap;
use crate::genesis::genesis_block;
use crate::justification::VerifiedCertificates;
use crate::layer::nonce_in;
use crate::meta::{LATER_HEIGHTS, draw_height, place};
use crate::pool::{Candidates, Pool, PoolLimits};
use crate::range::read_range;
use crate::seals::{SealBook, Window, core_on, stored_third_state};
use crate::seeds::stored_seed;
use crate::tree::Tree;
use crate::{BlockError, BlockMeta, ChainError, Layer, LayeredState, PoolError};
use alloy_primitives::{Address, B256};
use btn_crypto::{Committee, Supervisors};
use btn_execution::{
    ChainSpec, FullRecomputation, SignedTransaction, StateCommitment, check_transaction, next_base_fee,
};
use btn_storage::{SealedBlock, StoreError, StoreReader};
use btn_types::{Block, BlockRange, Certificate, Genesis, Height, StateReader};
use std::collections::VecDeque;
use std::sync::Arc;

/// Senders remembered of transactions that came in a block and never through the pool: siblings often carry
/// the same ones, and a recovery is the dearest check of all.
const MAX_REMEMBERED_SENDERS: usize = 65_536;

/// The finalised tip.
#[derive(Clone, Debug)]
pub(crate) struct Tip {
    pub(crate) meta: BlockMeta,
    pub(crate) block: Arc<Block>,
}

/// See the crate's documentation.
pub struct Chain {
    pub(crate) genesis: Arc<Genesis>,
    pub(crate) spec: ChainSpec,
    pub(crate) committee: Committee,
    pub(crate) supervisors: Supervisors,
    pub(crate) reader: Arc<dyn StoreReader>,
    pub(crate) tip: Tip,
    /// Finalised layers that the store may not have yet, oldest first.
    pub(crate) flushing: VecDeque<Arc<Layer>>,
    pub(crate) tree: Tree,
    pub(crate) commitment: FullRecomputation,
    pub(crate) pool: Pool,
    pub(crate) verified: VerifiedCertificates,
    /// The last final blocks, whose seals count.
    pub(crate) window: Window,
    pub(crate) seals: SealBook,
    /// Newest block of the third state; genesis at first.
    pub(crate) third_state: (Height, B256),
    /// What would be the third state but has left the window.
    pub(crate) passed_third_state: Option<SealedBlock>,
    pub(crate) senders: BoundedMap<B256, Address>,
    /// Signatures recovered since the start, for metrics and tests.
    pub(crate) recoveries: u64,
}

impl Chain {
    /// The chain on top of what the store holds; genesis must be in it. Reads the whole state once, to build
    /// the commitment and to check it against the tip's header.
    ///
    /// # Errors
    /// [`ChainError`]: an empty store, another network's, a damaged one, or a failing disk.
    pub fn new(
        genesis: Arc<Genesis>,
        committee: Committee,
        supervisors: Supervisors,
        reader: Arc<dyn StoreReader>,
    ) -> Result<Self, ChainError> {
        Self::with_pool_limits(genesis, committee, supervisors, reader, PoolLimits::default())
    }

    /// As [`Chain::new`], with other bounds for the pool.
    ///
    /// # Errors
    /// As [`Chain::new`].
    pub fn with_pool_limits(
        genesis: Arc<Genesis>,
        committee: Committee,
        supervisors: Supervisors,
        reader: Arc<dyn StoreReader>,
        limits: PoolLimits,
    ) -> Result<Self, ChainError> {
        let actual = reader.hash_of(Height(0))?.ok_or(ChainError::NoGenesis)?;
        let expected_genesis = genesis_block(&genesis).hash();
        if actual != expected_genesis {
            return Err(ChainError::WrongGenesis { actual, expected: expected_genesis });
        }
        let commitment = read_commitment(&*reader)?;
        let tip = read_tip(&genesis, &committee, &*reader)?;
        let (actual, expected) = (commitment.root(&[]), tip.block.header.state_root);
        if actual != expected {
            return Err(ChainError::DamagedState { height: tip.meta.height, actual, expected });
        }
        let (window, seals) = read_seals(&committee, &*reader, tip.meta.height)?;
        Ok(Self {
            third_state: stored_third_state(&*reader, expected_genesis)?,
            spec: ChainSpec::from(&*genesis),
            genesis,
            committee,
            supervisors,
            reader,
            tip,
            flushing: VecDeque::new(),
            tree: Tree::new(),
            commitment,
            pool: Pool::new(limits),
            verified: VerifiedCertificates::new(),
            window,
            seals,
            passed_third_state: None,
            senders: BoundedMap::new(MAX_REMEMBERED_SENDERS),
            recoveries: 0,
        })
    }

    /// The genesis file.
    #[must_use]
    pub const fn genesis(&self) -> &Arc<Genesis> {
        &self.genesis
    }

    /// Constants of the chain that execution needs.
    #[must_use]
    pub const fn spec(&self) -> &ChainSpec {
        &self.spec
    }

    /// The committee.
    #[must_use]
    pub const fn committee(&self) -> &Committee {
        &self.committee
    }

    /// The newest finalised block.
    #[must_use]
    pub const fn finalized(&self) -> &BlockMeta {
        &self.tip.meta
    }

    /// The finalised tip or an unfinalised block.
    #[must_use]
    pub fn meta(&self, hash: B256) -> Option<&BlockMeta> {
        if hash == self.tip.meta.hash {
            return Some(&self.tip.meta);
        }
        self.tree.get(&hash).map(|node| &node.meta)
    }

    /// All unfinalised blocks held, by hash.
    pub fn unfinalized(&self) -> impl Iterator<Item = &BlockMeta> {
        self.tree.metas()
    }

    /// Whether the block was found invalid; the newest few thousand are remembered.
    #[must_use]
    pub fn is_invalid(&self, hash: B256) -> bool {
        self.tree.is_invalid(&hash)
    }

    /// Drops an unfinalised block on which nothing was built.
    pub fn forget(&mut self, hash: B256) {
        self.tree.forget(hash);
        self.prune_seals();
    }

    /// Remembers a block as invalid; it and what was built on it is gone, with all seals on it.
    pub(crate) fn invalidate(&mut self, hash: B256) {
        self.tree.invalidate(hash);
        self.prune_seals();
        self.seals.drop_early(hash);
    }

    /// Whether the block is the finalised tip or an executed unfinalised one.
    #[must_use]
    pub fn is_executed(&self, hash: B256) -> bool {
        hash == self.tip.meta.hash || self.tree.get(&hash).is_some_and(|node| node.layer.is_some())
    }

    /// The block, unfinalised or final.
    ///
    /// # Errors
    /// The store failed.
    pub fn block(&self, hash: B256) -> Result<Option<Arc<Block>>, StoreError> {
        if let Some(block) = self.tip_or_unfinalized(hash) {
            return Ok(Some(Arc::clone(block)));
        }
        if let Some(layer) = self.flushing.iter().find(|layer| layer.meta.hash == hash) {
            return Ok(Some(Arc::clone(&layer.block)));
        }
        let Some(height) = self.reader.height_of(hash)? else { return Ok(None) };
        Ok(self.reader.block(height)?.map(Arc::new))
    }

    /// Height of a finalised block; `None` where the hash is none's.
    ///
    /// # Errors
    /// The store failed.
    pub fn finalized_height_of(&self, hash: B256) -> Result<Option<Height>, StoreError> {
        match self.flushing.iter().find(|layer| layer.meta.hash == hash) {
            Some(layer) => Ok(Some(layer.meta.height)),
            None => self.reader.height_of(hash),
        }
    }

    /// [`read_range`] of what is stored.
    ///
    /// # Errors
    /// The store failed.
    pub fn range(&self, from: Height) -> Result<Option<BlockRange>, StoreError> {
        read_range(&*self.reader, from)
    }

    /// Tells that the caller verified a certificate, so that it is not verified again in a justification.
    pub fn remember_verified(&mut self, certificate: &Certificate) {
        self.verified.remember(certificate);
    }

    /// Offers a transaction to the pool. `local` = this master answers for it to a user (C10).
    ///
    /// # Errors
    /// [`PoolError`], in geth's words.
    pub fn submit(&mut self, transaction: SignedTransaction, local: bool) -> Result<B256, PoolError> {
        if self.pool.content().get(*transaction.inner().tx_hash()).is_some() {
            return Err(PoolError::AlreadyKnown);
        }
        check_transaction(&transaction, &self.spec)?;
        let account = self.finalized_state(Arc::clone(&self.reader)).account(transaction.signer())?;
        self.pool.add(transaction, local, self.tip.meta.height, account)
    }

    /// Whether the pool holds a transaction that could go into a block on this parent. Transactions of
    /// unfinalised ancestors do not count. `false` for an unknown parent or one not executed.
    #[must_use]
    pub fn has_executable(&self, parent: B256) -> bool {
        let Some((layers, base_fee_wei)) = self.building_site(parent) else { return false };
        self.pool.has_candidate(base_fee_wei, &|sender| nonce_in(&layers, sender))
    }

    /// The pool.
    #[must_use]
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Nonce of the sender's next transaction: after everything final, in the unfinalised chain up to `head`,
    /// and in this pool (tag `pending`).
    ///
    /// # Errors
    /// The state could not be read.
    pub fn pending_nonce(&self, head: B256, sender: Address) -> Result<u64, ChainError> {
        let account = self.state_at(head)?.account(sender)?;
        let nonce = account.map_or(0, |account| account.nonce);
        Ok(self.pool.content().next_nonce(&sender, nonce))
    }

    /// Local transactions that have waited for `blocks` finalised heights or more, oldest first (C10).
    #[must_use]
    pub fn local_transactions_older_than(&self, blocks: u64) -> Vec<SignedTransaction> {
        let pooled = self.pool.local_transactions_older_than(blocks, self.tip.meta.height);
        pooled.iter().map(|pooled| pooled.transaction.clone()).collect()
    }

    /// The block with a known hash that is not only on disk.
    pub(crate) fn tip_or_unfinalized(&self, hash: B256) -> Option<&Arc<Block>> {
        if hash == self.tip.meta.hash {
            return Some(&self.tip.block);
        }
        self.tree.get(&hash).map(|node| &node.block)
    }

    /// Forgets finalised layers that the store has by now.
    pub(crate) fn drop_flushed(&mut self) -> Result<(), StoreError> {
        if self.flushing.is_empty() {
            return Ok(());
        }
        let stored = self.reader.tip()?.map_or(Height(0), |tip| tip.height);
        while self.flushing.front().is_some_and(|layer| layer.meta.height <= stored) {
            self.flushing.pop_front();
        }
        Ok(())
    }

    /// Layers above the finalised tip up to `hash`, oldest first; `None` where one is unknown or not executed.
    pub(crate) fn layers_to(&self, hash: B256) -> Option<Vec<Arc<Layer>>> {
        if hash == self.tip.meta.hash {
            return Some(Vec::new());
        }
        let path = self.tree.path(hash);
        if path.is_empty() {
            return None;
        }
        path.iter().map(|node| node.layer.clone()).collect()
    }

    /// The state after layers (oldest first) on the finalised tip.
    pub(crate) fn state_over(&self, layers: &[Arc<Layer>], reader: Arc<dyn StoreReader>) -> LayeredState {
        let all = self.flushing.iter().chain(layers).map(Arc::clone).collect();
        LayeredState::new(all, reader)
    }

    fn finalized_state(&self, reader: Arc<dyn StoreReader>) -> LayeredState {
        self.state_over(&[], reader)
    }

    /// The state after an executed block.
    ///
    /// # Errors
    /// The block is unknown or not executed, or the store failed.
    pub fn state_at(&self, hash: B256) -> Result<LayeredState, ChainError> {
        let layers = self.layers_to(hash).ok_or(BlockError::Unknown(hash))?;
        Ok(self.state_over(&layers, self.reader.snapshot()?))
    }

    /// What a block on `parent` would stand on: layers, oldest first, and its base fee.
    pub(crate) fn building_site(&self, parent: B256) -> Option<(Vec<Arc<Layer>>, u64)> {
        let layers = self.layers_to(parent)?;
        let header = &self.tip_or_unfinalized(parent)?.header;
        Some((layers, next_base_fee(header, &self.spec)))
    }

    pub(crate) fn candidates(&self, layers: &[Arc<Layer>], base_fee_wei: u64) -> Candidates<'_> {
        self.pool.candidates(base_fee_wei, &|sender| nonce_in(layers, sender))
    }
}

fn read_tip(genesis: &Genesis, committee: &Committee, reader: &dyn StoreReader) -> Result<Tip, ChainError> {
    let stored = reader.tip()?.ok_or(ChainError::NoGenesis)?;
    let height = stored.height;
    let block = reader.block(height)?.ok_or(ChainError::Incomplete { what: "block", height })?;
    let seed_at = |height| {
        let missing = ChainError::Incomplete { what: "seed", height };
        stored_seed(committee, reader, height)?.ok_or(missing)
    };
    let draw = |ahead: u64| {
        let drawn = Height(height.0.saturating_add(ahead));
        draw_height(drawn, genesis.consensus.lottery_period_blocks).unwrap_or(Height(0))
    };
    // As in `later_draw_seed`: a period shorter than the least one has no later seed yet.
    let later = Some(draw(LATER_HEIGHTS)).filter(|later| *later < height).unwrap_or(draw(1));
    let (child_draw_seed, later_draw_seed) = (seed_at(draw(1))?, seed_at(later)?);
    let core = match height.0.checked_sub(1) {
        Some(below) => core_on(committee.domain(), &block, seed_at(Height(below))?),
        // Nobody made genesis, and nobody seals it.
        None => B256::ZERO,
    };
    let meta = place(&block, stored.hash, seed_at(height)?, core, child_draw_seed, later_draw_seed);
    Ok(Tip { meta, block: Arc::new(block) })
}

/// The window below the stored tip, and the seals on its blocks: included in one another, or stored as proof of
/// a third state.
fn read_seals(
    committee: &Committee,
    reader: &dyn StoreReader,
    tip: Height,
) -> Result<(Window, SealBook), ChainError> {
    let (window, mut known) = Window::read(committee, reader, tip)?;
    for link in window.newest_first() {
        known.extend(reader.seals(link.height)?);
    }
    let mut seals = SealBook::new();
    for seal in known.into_iter().filter(|seal| window.get(seal.block_hash).is_some()) {
        seals.count(seal);
    }
    Ok((window, seals))
}

fn read_commitment(reader: &dyn StoreReader) -> Result<FullRecomputation, StoreError> {
    let mut accounts = Vec::new();
    reader.for_each_account(&mut |address, account, slots| {
        accounts.push((address, account, slots.collect::<Result<Vec<_>, _>>()?));
        Ok(())
    })?;
    Ok(FullRecomputation::from_accounts(accounts))
}
