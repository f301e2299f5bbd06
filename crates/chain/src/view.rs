//! An immutable picture of the chain for RPC: shared between threads, and never in the way of the next block.

use crate::chain::Tip;
use crate::seals::BlockSeals;
use crate::{BlockMeta, Chain, ChainError, Layer, LayeredState, PoolContent};
use alloy_consensus::transaction::SignerRecoverable;
use alloy_consensus::{Header, ReceiptEnvelope};
use alloy_primitives::{Address, B256};
use btn_execution::{ChainSpec, SignedTransaction};
use btn_storage::{StoreError, StoreReader};
use btn_types::limits::{MAX_SEAL_AGE_HEIGHTS, MAX_UNFINALIZED_HEIGHTS};
use btn_types::{Block, Certificate, Genesis, Height, NodeId, Seal, StateError, StateReader};
use std::collections::BTreeMap;
use std::sync::Arc;
use thiserror::Error;

/// A question that a view cannot answer.
#[derive(Debug, Error)]
pub enum ViewError {
    /// Old states are not kept.
    #[error("historical state not available in this version: only latest and pending")]
    HistoricalState,
    /// The first height lies above the last.
    #[error("invalid block range params: from {from} to {to}")]
    LogRange {
        /// First height.
        from: Height,
        /// Last height.
        to: Height,
    },
    /// Too many heights.
    #[error("block range too large: {actual} blocks, at most {most} are searched")]
    LogBlocks {
        /// Heights asked for.
        actual: u64,
        /// Most heights.
        most: u64,
    },
    /// Too many results.
    #[error("query returned more than {most} results; narrow the block range or the filter")]
    TooManyLogs {
        /// Most results.
        most: usize,
    },
    /// A stored transaction gives no sender.
    #[error("transaction {0} in the store has no valid signature: the database is damaged; sync it anew")]
    Sender(B256),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The state could not be read.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Which state is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateTag {
    /// After the newest finalised block (`latest`, `safe`; C5).
    Latest,
    /// After the newest notarized block held and executed.
    Pending,
    /// After the block of this height; there only for the two above.
    Height(Height),
}

/// A block with its hash.
#[derive(Clone, Debug)]
pub struct KnownBlock {
    /// keccak256 of the header.
    pub hash: B256,
    /// The block.
    pub block: Arc<Block>,
    /// There while the block is, or lately was, in memory only.
    layer: Option<Arc<Layer>>,
}

impl KnownBlock {
    fn of_layer(layer: &Arc<Layer>) -> Self {
        let layer = Arc::clone(layer);
        Self { hash: layer.meta.hash, block: Arc::clone(&layer.block), layer: Some(layer) }
    }
}

/// Where a transaction stands.
#[derive(Clone, Debug)]
pub enum TransactionPlace {
    /// In a finalised block.
    Final {
        /// The block.
        block: KnownBlock,
        /// Place in the block.
        index: usize,
    },
    /// In an unfinalised block or in the pool.
    Pending(Box<SignedTransaction>),
}

/// See the module. RPC's `latest` is the newest finalised block: nothing shown there can disappear (C5).
pub struct ChainView {
    genesis: Arc<Genesis>,
    spec: ChainSpec,
    tip: Tip,
    third_state: (Height, B256),
    /// Seals counted for the blocks of the window and for the pending ones.
    seals: BTreeMap<B256, (Height, BlockSeals)>,
    /// Finalised, perhaps not stored when the view was made; oldest first.
    flushing: Vec<Arc<Layer>>,
    /// Unfinalised, up to the head; oldest first.
    pending: Vec<Arc<Layer>>,
    /// The stored state when the view was made: layers belong on this one.
    stored: Arc<dyn StoreReader>,
    /// Finalised blocks do not change, so they may be read as they are now.
    pub(crate) reader: Arc<dyn StoreReader>,
    pool: PoolContent,
}

impl Chain {
    /// A view with `head`, a notarized block, as the pending one; where that is not executed, its newest
    /// executed ancestor. Publish it once the batches of [`Chain::finalize`] are stored, and replace it soon:
    /// it holds a snapshot of the store.
    ///
    /// # Errors
    /// The store failed.
    pub fn view(&self, head: B256) -> Result<Arc<ChainView>, ChainError> {
        let path = self.tree.path(head);
        let pending = path.iter().map(|node| (node.meta.height, node.meta.hash));
        let sealable = self.window.newest_first().map(|link| (link.height, link.hash)).chain(pending);
        let sealed = |(height, hash)| Some((hash, (height, Arc::clone(self.seals.of(hash)?))));
        Ok(Arc::new(ChainView {
            genesis: Arc::clone(&self.genesis),
            spec: self.spec,
            tip: self.tip.clone(),
            third_state: self.third_state(),
            seals: sealable.filter_map(sealed).collect(),
            flushing: self.flushing.iter().map(Arc::clone).collect(),
            pending: path.iter().map_while(|node| node.layer.clone()).collect(),
            stored: self.reader.snapshot()?,
            reader: Arc::clone(&self.reader),
            pool: self.pool.content().clone(),
        }))
    }
}

impl ChainView {
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

    /// The newest finalised block.
    #[must_use]
    pub const fn tip(&self) -> &BlockMeta {
        &self.tip.meta
    }

    /// The newest block in the third state (`finalized`); where nobody supervises, the tip.
    #[must_use]
    pub const fn third_state(&self) -> (Height, B256) {
        self.third_state
    }

    /// The newest block in the third state as a block.
    ///
    /// # Errors
    /// The store failed.
    pub fn third_block(&self) -> Result<Option<KnownBlock>, ViewError> {
        self.block(self.third_state.0)
    }

    /// Seals of the final block at a height, ascending by supervisor: those counted here, those that the next
    /// [`MAX_SEAL_AGE_HEIGHTS`] final blocks include, and those stored as proof of the third state.
    ///
    /// # Errors
    /// The store failed.
    pub fn seals(&self, height: Height) -> Result<Vec<Seal>, ViewError> {
        let Some(header) = self.header(height)? else { return Ok(Vec::new()) };
        let hash = header.hash_slow();
        let mut seals: BTreeMap<NodeId, Seal> = (self.reader.seals(height)?.into_iter())
            .filter(|seal| seal.block_hash == hash)
            .map(|seal| (seal.supervisor, seal))
            .collect();
        seals.extend(self.counted(hash).map(|seal| (seal.supervisor, seal.clone())));
        let last = height.0.saturating_add(MAX_SEAL_AGE_HEIGHTS);
        // In the window every included seal is counted.
        if last <= self.tip.meta.height.0 {
            for height in (height.0 + 1..=last).map(Height) {
                let Some(known) = self.block(height)? else { break };
                let of_block = known.block.seals.iter().filter(|seal| seal.block_hash == hash);
                seals.extend(of_block.map(|seal| (seal.supervisor, seal.clone())));
            }
        }
        Ok(seals.into_values().collect())
    }

    /// Seals of the pending block with this hash, or of one of the newest final ones, ascending by supervisor.
    pub fn counted(&self, hash: B256) -> impl Iterator<Item = &Seal> {
        self.seals.get(&hash).into_iter().flat_map(|(_, seals)| seals.values())
    }

    /// The highest block, of the newest final and the pending ones, that each supervisor is known to have sealed.
    #[must_use]
    pub fn last_sealed(&self) -> BTreeMap<NodeId, Height> {
        let mut last = BTreeMap::new();
        for (height, seals) in self.seals.values() {
            for supervisor in seals.keys() {
                let highest = last.entry(*supervisor).or_insert(*height);
                *highest = (*highest).max(*height);
            }
        }
        last
    }

    /// The pending head: the newest notarized block, or the tip where there is none above it.
    #[must_use]
    pub fn head(&self) -> &BlockMeta {
        self.pending.last().map_or(&self.tip.meta, |layer| &layer.meta)
    }

    /// Header of the newest finalised block.
    #[must_use]
    pub fn latest_header(&self) -> &Header {
        &self.tip.block.header
    }

    /// Header of the pending head.
    #[must_use]
    pub fn pending_header(&self) -> &Header {
        self.pending.last().map_or(&self.tip.block.header, |layer| &layer.block.header)
    }

    /// What stood in the pool.
    #[must_use]
    pub const fn pool(&self) -> &PoolContent {
        &self.pool
    }

    /// The newest finalised block.
    #[must_use]
    pub fn latest_block(&self) -> KnownBlock {
        let layer = self.flushing.last().map(Arc::clone);
        KnownBlock { hash: self.tip.meta.hash, block: Arc::clone(&self.tip.block), layer }
    }

    /// The pending head as a block.
    #[must_use]
    pub fn pending_block(&self) -> KnownBlock {
        self.pending.last().map_or_else(|| self.latest_block(), KnownBlock::of_layer)
    }

    /// A finalised block; `None` above the tip.
    ///
    /// # Errors
    /// The store failed.
    pub fn block(&self, height: Height) -> Result<Option<KnownBlock>, ViewError> {
        if height == self.tip.meta.height {
            return Ok(Some(self.latest_block()));
        }
        if height > self.tip.meta.height {
            return Ok(None);
        }
        if let Some(layer) = self.flushing.iter().find(|layer| layer.meta.height == height) {
            return Ok(Some(KnownBlock::of_layer(layer)));
        }
        let block = self.reader.block(height)?.map(Arc::new);
        Ok(block.map(|block| KnownBlock { hash: block.hash(), block, layer: None }))
    }

    /// A finalised block by its hash.
    ///
    /// # Errors
    /// The store failed.
    pub fn block_by_hash(&self, hash: B256) -> Result<Option<KnownBlock>, ViewError> {
        match self.height_of(hash)? {
            Some(height) => self.block(height),
            None => Ok(None),
        }
    }

    /// Height of a finalised block.
    ///
    /// # Errors
    /// The store failed.
    pub fn height_of(&self, hash: B256) -> Result<Option<Height>, ViewError> {
        if hash == self.tip.meta.hash {
            return Ok(Some(self.tip.meta.height));
        }
        if let Some(layer) = self.flushing.iter().find(|layer| layer.meta.hash == hash) {
            return Ok(Some(layer.meta.height));
        }
        Ok(self.reader.height_of(hash)?.filter(|height| *height <= self.tip.meta.height))
    }

    /// Header of a finalised block.
    ///
    /// # Errors
    /// The store failed.
    pub fn header(&self, height: Height) -> Result<Option<Header>, ViewError> {
        if height > self.tip.meta.height {
            return Ok(None);
        }
        match self.flushing.iter().find(|layer| layer.meta.height == height) {
            Some(layer) => Ok(Some(layer.block.header.clone())),
            None => Ok(self.reader.header(height)?),
        }
    }

    /// Receipts of a block that this view gave.
    ///
    /// # Errors
    /// The store failed.
    pub fn receipts(&self, known: &KnownBlock) -> Result<Vec<ReceiptEnvelope>, ViewError> {
        match &known.layer {
            Some(layer) => Ok(layer.receipts.clone()),
            None => Ok(self.reader.receipts(known.block.height())?.unwrap_or_default()),
        }
    }

    /// Senders of a block's transactions, in order. Recovered where the block was read from disk: ask for one
    /// by [`ChainView::sender`] where one will do.
    ///
    /// # Errors
    /// The store holds a transaction without a valid signature.
    pub fn senders(&self, known: &KnownBlock) -> Result<Vec<Address>, ViewError> {
        match &known.layer {
            Some(layer) => Ok(layer.senders.clone()),
            None => (0..known.block.transactions.len()).map(|index| sender_at(known, index)).collect(),
        }
    }

    /// Sender of one transaction of a block; the zero address past its end.
    ///
    /// # Errors
    /// The store holds a transaction without a valid signature.
    pub fn sender(&self, known: &KnownBlock, index: usize) -> Result<Address, ViewError> {
        match &known.layer {
            Some(layer) => Ok(layer.senders.get(index).copied().unwrap_or_default()),
            None => sender_at(known, index),
        }
    }

    /// Where a transaction stands: final, or pending in an unfinalised block or this pool; `None` where it is
    /// unknown.
    ///
    /// # Errors
    /// The store failed.
    pub fn transaction(&self, hash: B256) -> Result<Option<TransactionPlace>, ViewError> {
        if let Some((layer, index)) = find(&self.flushing, hash) {
            return Ok(Some(TransactionPlace::Final { block: KnownBlock::of_layer(layer), index }));
        }
        if let Some((height, index)) = self.reader.transaction_location(hash)?
            && let Some(block) = self.block(height)?
        {
            return Ok(Some(TransactionPlace::Final { block, index: index as usize }));
        }
        if let Some(pooled) = self.pool.get(hash) {
            return Ok(Some(TransactionPlace::Pending(Box::new(pooled.transaction.clone()))));
        }
        let Some((layer, index)) = find(&self.pending, hash) else { return Ok(None) };
        let (transaction, sender) = (layer.block.transactions[index].clone(), layer.senders[index]);
        let transaction = SignedTransaction::new_unchecked(transaction, sender);
        Ok(Some(TransactionPlace::Pending(Box::new(transaction))))
    }

    /// The state a tag means.
    ///
    /// # Errors
    /// [`ViewError::HistoricalState`].
    pub fn state_at(&self, tag: StateTag) -> Result<LayeredState, ViewError> {
        let pending: &[Arc<Layer>] = match tag {
            StateTag::Latest => &[],
            StateTag::Pending => &self.pending,
            StateTag::Height(height) if height == self.tip.meta.height => &[],
            StateTag::Height(_) => return Err(ViewError::HistoricalState),
        };
        let layers = self.flushing.iter().chain(pending).map(Arc::clone).collect();
        Ok(LayeredState::new(layers, Arc::clone(&self.stored)))
    }

    /// Nonce of the sender's next transaction, after the pending head and everything this master accepted
    /// (`getTransactionCount(pending)`).
    ///
    /// # Errors
    /// The state could not be read.
    pub fn pending_nonce(&self, sender: Address) -> Result<u64, ViewError> {
        let account = self.state_at(StateTag::Pending)?.account(sender)?;
        Ok(self.pool.next_nonce(&sender, account.map_or(0, |account| account.nonce)))
    }

    /// The block's own Finalization, where it has one.
    ///
    /// # Errors
    /// The store failed.
    pub fn finalization(&self, height: Height) -> Result<Option<Certificate>, ViewError> {
        Ok(self.reader.finalization(height)?)
    }

    /// The Finalization that covers a finalised block: its own, or that of the first descendant that has one,
    /// and its height.
    ///
    /// # Errors
    /// The store failed.
    pub fn covering_finalization(&self, height: Height) -> Result<Option<(Height, Certificate)>, ViewError> {
        let last = height.0.saturating_add(2 * MAX_UNFINALIZED_HEIGHTS).min(self.tip.meta.height.0);
        for height in (height.0..=last).map(Height) {
            if let Some(certificate) = self.reader.finalization(height)? {
                return Ok(Some((height, certificate)));
            }
        }
        Ok(None)
    }
}

fn find(layers: &[Arc<Layer>], hash: B256) -> Option<(&Arc<Layer>, usize)> {
    layers.iter().find_map(|layer| {
        let position = layer.block.transactions.iter().position(|transaction| *transaction.tx_hash() == hash);
        position.map(|index| (layer, index))
    })
}

fn sender_at(known: &KnownBlock, index: usize) -> Result<Address, ViewError> {
    let Some(transaction) = known.block.transactions.get(index) else { return Ok(Address::ZERO) };
    transaction.recover_signer().map_err(|_| ViewError::Sender(*transaction.tx_hash()))
}
