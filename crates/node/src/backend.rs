//! What RPC sees of the node, of either level: the newest picture of the chain, and the way in for transactions.

mod registry;
mod status;

pub(crate) use status::Links;

use crate::open::Facts;
use crate::shared::Shared;
use crate::submissions::NotSubmitted;
use alloy_consensus::{Header, ReceiptEnvelope};
use btn_chain::{
    ChainSpec, ChainView, KnownBlock, PoolError, SignedTransaction, StateTag, TransactionPlace, ViewError,
};
use btn_crypto::Supervisors;
use btn_rpc::{
    Backend, BlockEntry, BlockSelector, BoxFuture, CommitteeInfo, NodeStatus, Readiness, RpcError, StateAt,
    SupervisorsInfo, TransactionEntry, ViewInfo,
};
use btn_types::{Address, B256, Certificate, Epoch, Height, NodeId, Seal, Ticket};
use std::sync::Arc;
use std::time::Duration;

/// A node is ready while its newest final block is younger than this many idle intervals.
const READY_IDLE_INTERVALS: u64 = 5;

/// The node behind the RPC server.
pub(crate) struct NodeBackend {
    spec: ChainSpec,
    genesis_hash: B256,
    committee: CommitteeInfo,
    supervisors: Supervisors,
    supervisors_info: Arc<SupervisorsInfo>,
    node_id: NodeId,
    ready_within: Duration,
    links: Links,
    shared: Arc<Shared>,
}

impl NodeBackend {
    pub(crate) fn new(facts: &Facts, links: Links, shared: Arc<Shared>) -> Self {
        let Facts { genesis, chain_hash, committee, supervisors, node_id, .. } = facts;
        let idle_ms = genesis.consensus.idle_interval_ms.max(genesis.consensus.delta_ms);
        Self {
            spec: ChainSpec::from(&**genesis),
            genesis_hash: *chain_hash,
            committee: registry::committee_info(genesis, committee),
            supervisors: supervisors.clone(),
            supervisors_info: Arc::new(registry::supervisors_info(genesis, supervisors)),
            node_id: *node_id,
            ready_within: Duration::from_millis(idle_ms.saturating_mul(READY_IDLE_INTERVALS)),
            links,
            shared,
        }
    }

    fn view(&self) -> Arc<ChainView> {
        self.shared.picture().view
    }
}

fn failed(error: ViewError) -> RpcError {
    RpcError::internal(error)
}

fn entry(known: KnownBlock) -> BlockEntry {
    BlockEntry { hash: known.hash, block: known.block }
}

fn find(view: &ChainView, selector: BlockSelector) -> Result<Option<KnownBlock>, ViewError> {
    match selector {
        BlockSelector::Number(height) => view.block(Height(height)),
        BlockSelector::Hash(hash) => view.block_by_hash(hash),
        BlockSelector::Latest => Ok(Some(view.latest_block())),
        BlockSelector::Finalized => view.third_block(),
        BlockSelector::Pending => Ok(Some(view.pending_block())),
    }
}

/// Which kept state a block's is; only the newest and the pending ones are.
fn tag_of(view: &ChainView, selector: BlockSelector, known: &KnownBlock) -> StateTag {
    match selector {
        BlockSelector::Latest => StateTag::Latest,
        BlockSelector::Pending => StateTag::Pending,
        _ if known.hash == view.tip().hash => StateTag::Latest,
        _ => StateTag::Height(known.block.height()),
    }
}

fn refused(error: PoolError) -> RpcError {
    match error {
        PoolError::State(error) => RpcError::internal(error),
        other => RpcError::server(other.to_string()),
    }
}

impl Backend for NodeBackend {
    fn chain_spec(&self) -> &ChainSpec {
        &self.spec
    }

    fn genesis_hash(&self) -> B256 {
        self.genesis_hash
    }

    fn latest_height(&self) -> u64 {
        self.shared.picture().standing.height.0
    }

    fn third_height(&self) -> u64 {
        self.shared.picture().standing.third_height.0
    }

    fn block(&self, selector: BlockSelector) -> Result<Option<BlockEntry>, RpcError> {
        Ok(find(&self.view(), selector).map_err(failed)?.map(entry))
    }

    fn header(&self, height: u64) -> Result<Option<Header>, RpcError> {
        self.view().header(Height(height)).map_err(failed)
    }

    fn receipts(&self, height: u64) -> Result<Option<Vec<ReceiptEnvelope>>, RpcError> {
        let view = self.view();
        let Some(known) = view.block(Height(height)).map_err(failed)? else { return Ok(None) };
        view.receipts(&known).map(Some).map_err(failed)
    }

    fn state(&self, selector: BlockSelector) -> Result<StateAt<'_>, RpcError> {
        let view = self.view();
        let known = find(&view, selector).map_err(failed)?.ok_or_else(|| match selector {
            BlockSelector::Hash(_) => RpcError::header_for_hash_not_found(),
            _ => RpcError::header_not_found(),
        })?;
        let state = view.state_at(tag_of(&view, selector, &known)).map_err(|error| match error {
            ViewError::HistoricalState => {
                let (height, latest) = (known.block.height().0, view.tip().height.0);
                match selector {
                    BlockSelector::Finalized => RpcError::finalized_state_not_available(height, latest),
                    _ => RpcError::state_not_available(height, latest),
                }
            }
            other => failed(other),
        })?;
        Ok(StateAt { hash: known.hash, header: known.block.header.clone(), state: Box::new(state) })
    }

    fn pending_nonce(&self, address: Address) -> Result<u64, RpcError> {
        self.view().pending_nonce(address).map_err(failed)
    }

    fn transaction(&self, hash: B256) -> Result<Option<TransactionEntry>, RpcError> {
        Ok(self.view().transaction(hash).map_err(failed)?.map(|place| match place {
            TransactionPlace::Final { block, index } => {
                TransactionEntry::Final { block: entry(block), index }
            }
            TransactionPlace::Pending(transaction) => TransactionEntry::Pending(transaction),
        }))
    }

    fn submit(&self, transaction: SignedTransaction) -> BoxFuture<'_, Result<B256, RpcError>> {
        Box::pin(async move {
            match self.shared.submitter.submit(transaction).await {
                Ok(outcome) => outcome.map_err(refused),
                Err(error @ NotSubmitted::Busy) => Err(RpcError::limit(error.to_string())),
                Err(error @ NotSubmitted::Stopping) => Err(RpcError::server(error.to_string())),
            }
        })
    }

    fn finalization(&self, height: u64) -> Result<Option<Certificate>, RpcError> {
        self.view().finalization(Height(height)).map_err(failed)
    }

    fn committee(&self, epoch: Epoch) -> Option<CommitteeInfo> {
        (epoch == self.committee.epoch).then(|| self.committee.clone())
    }

    fn seals(&self, block: &BlockEntry) -> Result<Vec<Seal>, RpcError> {
        let view = self.view();
        let height = block.block.height();
        if height > view.tip().height {
            return Ok(view.counted(block.hash).cloned().collect());
        }
        view.seals(height).map_err(failed)
    }

    fn supervisors(&self) -> Arc<SupervisorsInfo> {
        Arc::clone(&self.supervisors_info)
    }

    fn membership(&self, supervisor: NodeId) -> Option<Vec<B256>> {
        self.supervisors.membership(supervisor)
    }

    fn candidates(&self) -> Result<Vec<Ticket>, RpcError> {
        match self.links {
            Links::Master { .. } => Ok(self.shared.candidates()),
            Links::Supervisor { .. } => Err(RpcError::server(
                "a supervisor knows no candidates but when it submits; ask a master, or submit here",
            )),
        }
    }

    fn view_info(&self) -> ViewInfo {
        status::view_info(&self.shared.picture(), self.committee.epoch)
    }

    fn status(&self) -> NodeStatus {
        status::node_status(self)
    }

    fn readiness(&self) -> Readiness {
        let links_up = self.links.up();
        status::readiness(&self.shared.picture(), self.ready_within, links_up)
    }
}
