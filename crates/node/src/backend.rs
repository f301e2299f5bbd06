//! What RPC sees of the node: the newest picture of the chain, and the way in for transactions.

use crate::shared::{Shared, Submission};
use alloy_consensus::{Header, ReceiptEnvelope};
use btn_chain::{
    ChainSpec, ChainView, KnownBlock, PoolError, SignedTransaction, StateTag, TransactionPlace, ViewError,
    genesis_block,
};
use btn_crypto::Committee;
use btn_network::NetworkHandle;
use btn_rpc::{
    Backend, BlockEntry, BlockSelector, BoxFuture, CommitteeInfo, CommitteeMember, NodeStatus, PeerInfo,
    Readiness, RpcError, StateAt, SyncProgress, TransactionEntry,
};
use btn_types::{Address, B256, Certificate, Epoch, Genesis, Height, NodeId};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc::error::TrySendError, oneshot};

/// A node is ready while its newest final block is younger than this many idle intervals.
const READY_IDLE_INTERVALS: u64 = 5;

/// The node behind the RPC server.
pub(crate) struct NodeBackend {
    spec: ChainSpec,
    genesis_hash: B256,
    committee: CommitteeInfo,
    node_id: NodeId,
    ready_within: Duration,
    network: NetworkHandle,
    shared: Arc<Shared>,
}

impl NodeBackend {
    pub(crate) fn new(
        genesis: Arc<Genesis>,
        committee: &Committee,
        node_id: NodeId,
        network: NetworkHandle,
        shared: Arc<Shared>,
    ) -> Self {
        let idle_ms = genesis.consensus.idle_interval_ms.max(genesis.consensus.delta_ms);
        Self {
            spec: ChainSpec::from(&*genesis),
            genesis_hash: genesis_block(&genesis).hash(),
            committee: describe(&genesis, committee),
            node_id,
            ready_within: Duration::from_millis(idle_ms.saturating_mul(READY_IDLE_INTERVALS)),
            network,
            shared,
        }
    }

    fn view(&self) -> Arc<ChainView> {
        self.shared.picture().view
    }

    fn peers(&self) -> Vec<PeerInfo> {
        let peers = self.network.peers().into_iter();
        peers
            .map(|peer| PeerInfo {
                member: peer.member,
                id: peer.id,
                connected: peer.connected,
                address: peer.address.map(|address| address.to_string()),
                rtt_ms: peer.rtt.and_then(|rtt| u64::try_from(rtt.as_millis()).ok()),
                last_error: peer.last_error,
            })
            .collect()
    }
}

/// The committee as RPC shows it.
fn describe(genesis: &Genesis, committee: &Committee) -> CommitteeInfo {
    let members = committee.indices().zip(genesis.committee()).map(|(index, record)| CommitteeMember {
        index,
        id: record.id,
        payout: record.payout,
        rsa_public_key: record.rsa_public_key.clone(),
        rsa_permutation_proof: record.rsa_permutation_proof.clone(),
        vote_key: record.vote_key,
        vote_key_proof: record.vote_key_proof,
    });
    CommitteeInfo {
        epoch: committee.epoch(),
        quorum: committee.quorum(),
        max_faulty: committee.max_faulty(),
        clerk_bar: committee.clerk_bar(),
        lottery_period_blocks: genesis.consensus.lottery_period_blocks,
        members: members.collect(),
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
        self.shared.picture().status.height.0
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
                RpcError::state_not_available(known.block.height().0, view.tip().height.0)
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
            let (reply, outcome) = oneshot::channel();
            let submission = Submission { transaction: Box::new(transaction), reply };
            self.shared.submissions.try_send(submission).map_err(|error| match error {
                TrySendError::Full(_) => RpcError::limit("too many submissions wait; try again in a moment"),
                TrySendError::Closed(_) => RpcError::server("the node is stopping"),
            })?;
            match outcome.await {
                Ok(outcome) => outcome.map_err(refused),
                Err(_) => Err(RpcError::server("the node is stopping")),
            }
        })
    }

    fn finalization(&self, height: u64) -> Result<Option<Certificate>, RpcError> {
        self.view().finalization(Height(height)).map_err(failed)
    }

    fn committee(&self, epoch: Epoch) -> Option<CommitteeInfo> {
        (epoch == self.committee.epoch).then(|| self.committee.clone())
    }

    fn status(&self) -> NodeStatus {
        let picture = self.shared.picture();
        let (view, status) = (picture.view, picture.status);
        let height = status.height.0;
        let syncing = status.syncing.then(|| SyncProgress {
            starting_height: self.shared.started_at_height,
            current_height: height,
            // Heights of blocks not yet here are unknown; at least one is missing.
            highest_height: height.saturating_add(1),
        });
        NodeStatus {
            node_id: self.node_id,
            role: "master",
            observing: !status.votes,
            syncing,
            height,
            hash: status.hash,
            state_root: view.latest_header().state_root,
            timestamp_ms: view.tip().timestamp_ms,
            pending_height: view.head().height.0,
            epoch: self.committee.epoch,
            view: status.view,
            round: status.round,
            pool_transactions: view.pool().len() as u64,
            peers: self.peers(),
        }
    }

    fn readiness(&self) -> Readiness {
        let picture = self.shared.picture();
        let not_ready = |reason: String| Readiness::NotReady { reason };
        if picture.status.syncing {
            return not_ready(format!("catching up, {} so far", picture.status.height));
        }
        match picture.finalized_at.map(|at| at.elapsed()) {
            None => not_ready("no block has become final since the start".to_owned()),
            Some(age) if age > self.ready_within => not_ready(format!(
                "the newest final block is {} s old; are enough masters up?",
                age.as_secs()
            )),
            Some(_) => Readiness::Ready,
        }
    }
}
