//! A chain of four blocks and a pending one, executed for real, and a backend over it.

use alloy_consensus::{Header, ReceiptEnvelope, SignableTransaction, Transaction, TxEip1559, TxEnvelope};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, address, bytes};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use btn_crypto::{Domain, audit_path, seal_root, tree_hash};
use btn_execution::{
    BlockInput, ChainSpec, FullRecomputation, Overlay, SignedTransaction, StateCommitment, assemble_header,
    build, genesis_diff, genesis_header, next_base_fee, recover_envelope,
};
use btn_rpc::{
    Backend, BlockEntry, BlockSelector, BoxFuture, CommitteeInfo, CommitteeMember, NodeRole, NodeStatus,
    PeerInfo, Readiness, ReportedStatus, RpcError, SealingInfo, StateAt, SupervisorInfo, SupervisorsInfo,
    SyncProgress, TransactionEntry, ViewInfo,
};
use btn_types::genesis::{BaseFeeParameters, ConsensusParameters, GenesisAccount, SupervisorRecord};
use btn_types::{
    Account, Bitmap, Block, Certificate, Envelope, Epoch, Genesis, Height, Justification, MemberIndex,
    NodeId, Round, Seal, StateDiff, StateError, StateReader, Ticket, View, VoteKey, VoteKind, VoteSignature,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

pub const CHAIN_ID: u64 = 20_200_303;
pub const GWEI: u128 = 1_000_000_000;
pub const BOB: Address = address!("0x00000000000000000000000000000000000000b0");
pub const CLERK: Address = address!("0x00000000000000000000000000000000000000c1");
/// Adds one to slot 0, logs the new value under [`TOPIC`], returns it.
pub const COUNTER: Address = address!("0x00000000000000000000000000000000000c0de1");
/// Reverts with `Error("no way")`.
pub const REFUSER: Address = address!("0x00000000000000000000000000000000000c0de2");
/// Reverts without data.
pub const MUTE: Address = address!("0x00000000000000000000000000000000000c0de3");
/// Runs into an invalid opcode.
pub const BROKEN: Address = address!("0x00000000000000000000000000000000000c0de4");
pub const TOPIC: B256 = B256::repeat_byte(0x77);

fn counter_code() -> Bytes {
    let mut code = bytes!("6001600054018060005580600052").to_vec();
    code.push(0x7f);
    code.extend_from_slice(TOPIC.as_slice());
    code.extend_from_slice(&bytes!("60206000a15060206000f3"));
    code.into()
}

/// ABI encoding of `Error("no way")`.
pub fn refusal() -> Bytes {
    let mut data = bytes!("08c379a0").to_vec();
    data.extend_from_slice(&U256::from(32).to_be_bytes::<32>());
    data.extend_from_slice(&U256::from(6).to_be_bytes::<32>());
    data.extend_from_slice(b"no way");
    data.resize(100, 0);
    data.into()
}

fn refuser_code() -> Bytes {
    let data = refusal();
    let length = u8::try_from(data.len()).expect("short");
    let mut code = vec![0x60, length, 0x60, 12, 0x60, 0, 0x39, 0x60, length, 0x60, 0, 0xfd];
    code.extend_from_slice(&data);
    code.into()
}

pub fn alice() -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(0xa1)).expect("a valid key")
}

fn contract(code: Bytes) -> GenesisAccount {
    GenesisAccount { nonce: 1, code, ..GenesisAccount::default() }
}

pub fn genesis() -> Genesis {
    let rich = GenesisAccount { balance: U256::from(10u128.pow(22)), ..GenesisAccount::default() };
    Genesis {
        chain_id: CHAIN_ID,
        timestamp_ms: 1_700_000_000_000,
        gas_limit: 30_000_000,
        base_fee: BaseFeeParameters::DEVNET,
        consensus: ConsensusParameters::DEVNET,
        alloc: BTreeMap::from([
            (alice().address(), rich),
            (COUNTER, contract(counter_code())),
            (REFUSER, contract(refuser_code())),
            (MUTE, contract(bytes!("60006000fd"))),
            (BROKEN, contract(bytes!("fe"))),
        ]),
        nodes: Vec::new(),
        supervisors: (0..SUPERVISORS).map(supervisor).collect(),
    }
}

/// How many supervisors are registered.
pub const SUPERVISORS: u8 = 5;

pub fn supervisor(index: u8) -> SupervisorRecord {
    SupervisorRecord {
        id: NodeId(B256::repeat_byte(0x50 + index)),
        rsa_public_key: Bytes::from(vec![index; 4]),
        rsa_permutation_proof: vec![Bytes::from(vec![index; 2]); 8],
        network_key: B256::repeat_byte(0x60 + index),
        payout: Address::repeat_byte(0x70 + index),
    }
}

/// The registry's ids: leaves of the supervisors' tree.
pub fn supervisor_ids() -> Vec<B256> {
    (0..SUPERVISORS).map(|index| supervisor(index).id.0).collect()
}

pub fn registry() -> SupervisorsInfo {
    SupervisorsInfo {
        quorum: 2,
        expected_seals: 4,
        root: tree_hash(supervisor_ids().iter().map(B256::as_slice)),
        records: (0..SUPERVISORS).map(supervisor).collect(),
    }
}

/// A ticket whose signature is one byte repeated.
pub fn ticket(view: u64, member: u16, byte: u8) -> Ticket {
    Ticket {
        epoch: Epoch(0),
        view: View(view),
        draw_seed: B256::repeat_byte(0xd5),
        member: MemberIndex(member),
        signature: vec![byte; 256].into(),
    }
}

/// A transfer or call of Alice's with a tip of 2 gwei.
pub fn transaction(nonce: u64, to: TxKind, value: u64, input: Bytes) -> SignedTransaction {
    let transaction = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 100_000,
        max_fee_per_gas: 10 * GWEI,
        max_priority_fee_per_gas: 2 * GWEI,
        to,
        value: U256::from(value),
        access_list: Default::default(),
        input,
    };
    let signature: Signature = alice().sign_hash_sync(&transaction.signature_hash()).expect("a local key");
    recover_envelope(TxEnvelope::Eip1559(transaction.into_signed(signature))).expect("a valid signature")
}

pub fn transfer(nonce: u64) -> SignedTransaction {
    transaction(nonce, TxKind::Call(BOB), 5, Bytes::new())
}

struct NoState;

impl StateReader for NoState {
    fn account(&self, _: Address) -> Result<Option<Account>, StateError> {
        Ok(None)
    }
    fn storage(&self, _: Address, _: U256) -> Result<U256, StateError> {
        Ok(U256::ZERO)
    }
    fn code(&self, _: B256) -> Result<Option<Bytes>, StateError> {
        Ok(None)
    }
    fn block_hash(&self, _: u64) -> Result<Option<B256>, StateError> {
        Ok(None)
    }
}

struct Executed {
    entry: BlockEntry,
    receipts: Vec<ReceiptEnvelope>,
    diff: StateDiff,
}

pub struct Chain {
    spec: ChainSpec,
    blocks: Vec<Executed>,
    /// The last of `blocks` is only notarized.
    pub latest: u64,
    pool: Mutex<Vec<SignedTransaction>>,
    pub syncing: AtomicBool,
    /// Height of the newest block in the third state.
    pub third: AtomicU64,
    pub tickets: Mutex<Vec<Ticket>>,
    /// Whether the node behind the server is a supervisor.
    pub is_supervisor: AtomicBool,
    /// Supervisors that the status lists.
    pub linked: Mutex<Vec<SupervisorInfo>>,
    /// The registry shown.
    pub registry: Mutex<Arc<SupervisorsInfo>>,
    /// How often seals were asked for.
    pub seal_reads: AtomicU64,
}

pub fn envelope(height: u64) -> Envelope {
    Envelope {
        epoch: Epoch(0),
        view: View(height * 2),
        parent_view: View(if height == 0 { 0 } else { height * 2 - 2 }),
        clerk: member(1).id,
        clerk_signature: if height == 0 { Bytes::new() } else { vec![height as u8; 256].into() },
        timestamp_ms: genesis().timestamp_ms + height * 400,
        seal_root: seal_root(&[]),
        supervisors_root: tree_hash(supervisor_ids().iter().map(B256::as_slice)),
        supervisors: u32::from(SUPERVISORS),
    }
}

pub fn certificate(height: u64) -> Certificate {
    Certificate {
        suite: 1,
        kind: VoteKind::Finalize,
        epoch: Epoch(0),
        view: View(height * 2),
        digest: B256::repeat_byte(height as u8),
        bitmap: Bitmap::new(4, [0, 2, 3].map(MemberIndex)),
        aggregate: VoteSignature::repeat_byte(9),
    }
}

pub fn member(index: u16) -> CommitteeMember {
    CommitteeMember {
        index: MemberIndex(index),
        id: NodeId(B256::repeat_byte(index as u8 + 1)),
        payout: CLERK,
        rsa_public_key: Bytes::from(vec![index as u8; 3]),
        rsa_permutation_proof: vec![Bytes::from(vec![1]); 8],
        vote_key: VoteKey::repeat_byte(index as u8),
        vote_key_proof: VoteSignature::repeat_byte(index as u8),
    }
}

/// Who seals each block; two make a second state.
pub const SEALERS: [&[u8]; 6] = [&[], &[0, 1, 4], &[2], &[1, 3], &[0, 2], &[3]];

/// A supervisor as the status lists it: even ones are connected.
pub fn linked(index: u8) -> SupervisorInfo {
    let connected = index.is_multiple_of(2);
    let reported = ReportedStatus {
        height: 4,
        hash: B256::repeat_byte(0x4a),
        state_root: B256::repeat_byte(0x5a),
        third_height: 3,
    };
    SupervisorInfo {
        id: supervisor(index).id,
        connected,
        address: connected.then(|| "10.0.0.7:4444".to_owned()),
        rtt_ms: connected.then_some(3),
        reported: connected.then_some(reported),
        last_sealed_height: connected.then_some(5),
        last_error: (!connected).then(|| "timed out".to_owned()),
    }
}

impl Chain {
    /// Genesis; a transfer; a counted call and a failing one; a contract made; nothing; pending: a transfer.
    pub fn new() -> Self {
        let genesis = genesis();
        let mut commitment = FullRecomputation::new();
        let diff = genesis_diff(&genesis);
        commitment.apply(&diff);
        let header = genesis_header(&genesis, commitment.root(&[]));
        let block = Block {
            header,
            transactions: Vec::new(),
            envelope: envelope(0),
            justification: Justification::default(),
            seals: Vec::new(),
        };
        let entry = BlockEntry { hash: block.hash(), block: Arc::new(block) };
        let mut chain = Self {
            spec: ChainSpec::from(&genesis),
            blocks: vec![Executed { entry, receipts: Vec::new(), diff }],
            latest: 4,
            pool: Mutex::new(Vec::new()),
            syncing: AtomicBool::new(false),
            third: AtomicU64::new(3),
            tickets: Mutex::new(Vec::new()),
            is_supervisor: AtomicBool::new(false),
            linked: Mutex::new((0..SUPERVISORS).map(linked).collect()),
            registry: Mutex::new(Arc::new(registry())),
            seal_reads: AtomicU64::new(0),
        };
        chain.extend(&mut commitment, vec![transfer(0)]);
        let calls = [COUNTER, REFUSER].into_iter().zip(1..);
        let calls = calls.map(|(to, nonce)| transaction(nonce, TxKind::Call(to), 0, Bytes::new())).collect();
        chain.extend(&mut commitment, calls);
        // Initcode that returns one byte of code, STOP.
        chain
            .extend(&mut commitment, vec![transaction(3, TxKind::Create, 0, bytes!("600160005360016000f3"))]);
        chain.extend(&mut commitment, Vec::new());
        chain.extend(&mut commitment, vec![transfer(4)]);
        chain
    }

    /// The same with as many empty blocks on it as make this the newest final height.
    pub fn with_empty_blocks(latest: u64) -> Self {
        let mut chain = Self::new();
        let mut commitment = FullRecomputation::new();
        for block in &chain.blocks {
            commitment.apply(&block.diff);
        }
        while chain.latest < latest {
            chain.extend(&mut commitment, Vec::new());
            chain.latest += 1;
        }
        chain
    }

    fn extend(&mut self, commitment: &mut FullRecomputation, transactions: Vec<SignedTransaction>) {
        let parent = &self.blocks.last().expect("genesis").entry;
        let height = parent.block.header.number + 1;
        let input = BlockInput {
            number: height,
            parent_hash: parent.hash,
            timestamp: envelope(height).timestamp_ms / 1000,
            beneficiary: CLERK,
            prev_randao: B256::repeat_byte(height as u8),
            extra_data: B256::repeat_byte(0xee),
            base_fee_wei: next_base_fee(&parent.block.header, &self.spec),
        };
        let count = transactions.len();
        let state = self.state_after(height - 1);
        let built =
            build(&self.spec, &input, &mut transactions.into_iter(), 1 << 20, &state).expect("a block");
        drop(state);
        assert_eq!(built.transactions.len(), count, "{:?}", built.rejected);
        commitment.apply(&built.outcome.diff);
        let transactions: Vec<TxEnvelope> =
            built.transactions.into_iter().map(SignedTransaction::into_inner).collect();
        let header = assemble_header(&self.spec, &input, &transactions, &built.outcome, commitment.root(&[]));
        let justification =
            Justification { parent_certificate: Some(certificate(height - 1)), nullifications: Vec::new() };
        // Block 3 includes the seals of block 1.
        let seals = if height == 3 { self.seals_of(1) } else { Vec::new() };
        let envelope = Envelope { seal_root: seal_root(&seals), ..envelope(height) };
        let block = Block { header, transactions, envelope, justification, seals };
        let entry = BlockEntry { hash: block.hash(), block: Arc::new(block) };
        self.blocks.push(Executed { entry, receipts: built.outcome.receipts, diff: built.outcome.diff });
    }

    fn state_after(&self, height: u64) -> Overlay<'_> {
        let layers = self.blocks[..=height as usize].iter().rev().map(|block| &block.diff).collect();
        let hashes = self.blocks.iter().map(|block| (block.entry.block.header.number, block.entry.hash));
        Overlay::new(layers, hashes.collect(), &NoState)
    }

    pub fn entry(&self, height: u64) -> &BlockEntry {
        &self.blocks[height as usize].entry
    }

    pub fn head(&self, height: u64) -> &Header {
        &self.entry(height).block.header
    }

    pub fn hash_of(&self, height: u64, index: usize) -> B256 {
        *self.entry(height).block.transactions[index].tx_hash()
    }

    /// Core of a block, from the chain's own parts (C3).
    pub fn core(&self, height: u64) -> B256 {
        let (block, parent) = (&self.entry(height).block, self.head(height - 1));
        let envelope = &block.envelope;
        let (clerk, signature) = (envelope.clerk, &envelope.clerk_signature);
        let domain = Domain::new(self.entry(0).hash);
        let seed = if height == 1 { domain.genesis_seed() } else { parent.mix_hash };
        domain.core(envelope.epoch, envelope.view, Height(height), seed, clerk, signature)
    }

    /// Seals of a block by [`SEALERS`]; their signatures are no signatures.
    pub fn seals_of(&self, height: u64) -> Vec<Seal> {
        let seal = |index: &u8| Seal {
            supervisor: supervisor(*index).id,
            core: self.core(height),
            draw_signature: vec![*index; 256].into(),
            block_hash: self.entry(height).hash,
            signature: vec![0xf0 + *index; 256].into(),
        };
        // Of what comes after, only the newest final block is sealed.
        let last: &[u8] = if height == self.latest { &[0, 2] } else { &[] };
        SEALERS.get(height as usize).copied().unwrap_or(last).iter().map(seal).collect()
    }

    /// Heights of finalised blocks that fit, `None` for others.
    fn height(&self, selector: BlockSelector) -> Option<u64> {
        match selector {
            BlockSelector::Number(height) => Some(height).filter(|height| *height <= self.latest),
            BlockSelector::Latest => Some(self.latest),
            BlockSelector::Finalized => Some(self.third_height()),
            BlockSelector::Pending => Some(self.latest + 1),
            BlockSelector::Hash(hash) => (0..=self.latest).find(|height| self.entry(*height).hash == hash),
        }
    }
}

impl Backend for Chain {
    fn chain_spec(&self) -> &ChainSpec {
        &self.spec
    }

    fn genesis_hash(&self) -> B256 {
        self.entry(0).hash
    }

    fn latest_height(&self) -> u64 {
        self.latest
    }

    fn third_height(&self) -> u64 {
        self.third.load(Ordering::Relaxed)
    }

    fn block(&self, selector: BlockSelector) -> Result<Option<BlockEntry>, RpcError> {
        Ok(self.height(selector).map(|height| self.entry(height).clone()))
    }

    fn header(&self, height: u64) -> Result<Option<Header>, RpcError> {
        Ok((height <= self.latest).then(|| self.head(height).clone()))
    }

    fn receipts(&self, height: u64) -> Result<Option<Vec<ReceiptEnvelope>>, RpcError> {
        Ok((height <= self.latest).then(|| self.blocks[height as usize].receipts.clone()))
    }

    fn state(&self, selector: BlockSelector) -> Result<StateAt<'_>, RpcError> {
        let height = self.height(selector).ok_or_else(|| match selector {
            BlockSelector::Hash(_) => RpcError::header_for_hash_not_found(),
            _ => RpcError::header_not_found(),
        })?;
        if height < self.latest && selector == BlockSelector::Finalized {
            return Err(RpcError::finalized_state_not_available(height, self.latest));
        }
        if height < self.latest {
            return Err(RpcError::state_not_available(height, self.latest));
        }
        let entry = self.entry(height);
        let state = Box::new(self.state_after(height));
        Ok(StateAt { hash: entry.hash, header: entry.block.header.clone(), state })
    }

    fn pending_nonce(&self, address: Address) -> Result<u64, RpcError> {
        let account = self.state_after(self.latest + 1).account(address)?.unwrap_or_default();
        let pool = self.pool.lock().expect("no panic");
        let pooled = pool.iter().filter(|transaction| transaction.signer() == address).count();
        Ok(account.nonce + pooled as u64)
    }

    fn transaction(&self, hash: B256) -> Result<Option<TransactionEntry>, RpcError> {
        for height in 0..=self.latest + 1 {
            let block = self.entry(height).clone();
            let Some(index) = block.block.transactions.iter().position(|tx| *tx.tx_hash() == hash) else {
                continue;
            };
            if height <= self.latest {
                return Ok(Some(TransactionEntry::Final { block, index }));
            }
            let transaction = recover_envelope(block.block.transactions[index].clone()).expect("signed");
            return Ok(Some(TransactionEntry::Pending(Box::new(transaction))));
        }
        let pool = self.pool.lock().expect("no panic");
        let pooled = pool.iter().find(|transaction| *transaction.tx_hash() == hash);
        Ok(pooled.map(|transaction| TransactionEntry::Pending(Box::new(transaction.clone()))))
    }

    fn submit(&self, transaction: SignedTransaction) -> BoxFuture<'_, Result<B256, RpcError>> {
        Box::pin(async move {
            let next = self.pending_nonce(transaction.signer())?;
            if transaction.nonce() < next {
                let nonce = transaction.nonce();
                return Err(RpcError::server(format!("nonce too low: next nonce {next}, tx nonce {nonce}")));
            }
            let hash = *transaction.tx_hash();
            self.pool.lock().expect("no panic").push(transaction);
            Ok(hash)
        })
    }

    fn finalization(&self, height: u64) -> Result<Option<Certificate>, RpcError> {
        Ok([1, 4].contains(&height).then(|| certificate(height)))
    }

    fn committee(&self, epoch: Epoch) -> Option<CommitteeInfo> {
        (epoch == Epoch(0)).then(|| CommitteeInfo {
            epoch,
            quorum: 3,
            max_faulty: 1,
            clerk_bar: 0,
            lottery_period_blocks: 16,
            members: (0..4).map(member).collect(),
        })
    }

    fn seals(&self, block: &BlockEntry) -> Result<Vec<Seal>, RpcError> {
        self.seal_reads.fetch_add(1, Ordering::Relaxed);
        let mut seals = self.seals_of(block.block.header.number);
        // Out of order, one twice, and one of another block: the server must not show or count those.
        seals.reverse();
        seals.extend(seals.first().cloned());
        seals.extend(seals.first().map(|seal| Seal {
            supervisor: supervisor(4).id,
            block_hash: B256::repeat_byte(0xbb),
            ..seal.clone()
        }));
        Ok(seals)
    }

    fn supervisors(&self) -> Arc<SupervisorsInfo> {
        self.registry.lock().expect("no panic").clone()
    }

    fn membership(&self, supervisor: NodeId) -> Option<Vec<B256>> {
        let ids = supervisor_ids();
        let place = ids.binary_search(&supervisor.0).ok()?;
        audit_path(ids.iter().map(B256::as_slice), place)
    }

    fn candidates(&self) -> Result<Vec<Ticket>, RpcError> {
        match self.is_supervisor.load(Ordering::Relaxed) {
            true => Err(RpcError::server("no candidates here")),
            false => Ok(self.tickets.lock().expect("no panic").clone()),
        }
    }

    fn view_info(&self) -> ViewInfo {
        ViewInfo {
            epoch: Epoch(0),
            view: View(11),
            round: Round(0),
            floor: View(8),
            height: self.latest,
            third_height: self.third_height(),
            pending_height: self.latest + 1,
        }
    }

    fn status(&self) -> NodeStatus {
        let is_supervisor = self.is_supervisor.load(Ordering::Relaxed);
        let syncing = SyncProgress { starting_height: 1, current_height: 4, highest_height: 9 };
        let peer = |index, connected| PeerInfo {
            member: MemberIndex(index),
            id: member(index).id,
            connected,
            address: Some("127.0.0.1:7000".to_owned()),
            rtt_ms: connected.then_some(2),
            last_error: (!connected).then(|| "refused".to_owned()),
            dropped_reason: (is_supervisor && !connected).then(|| "its block 7 is invalid".to_owned()),
        };
        let sealing = SealingInfo {
            sealing: true,
            seals_made: 3,
            last_sealed_height: Some(5),
            alarm: Some("block 7 of view 15 is invalid: its state root differs".to_owned()),
        };
        NodeStatus {
            node_id: member(0).id,
            role: if is_supervisor { NodeRole::Supervisor } else { NodeRole::Master },
            observing: false,
            syncing: self.syncing.load(Ordering::Relaxed).then_some(syncing),
            height: self.latest,
            hash: self.entry(self.latest).hash,
            state_root: self.head(self.latest).state_root,
            timestamp_ms: envelope(self.latest).timestamp_ms,
            third_height: self.third_height(),
            pending_height: self.latest + 1,
            epoch: Epoch(0),
            view: View(11),
            round: Round(0),
            pool_transactions: self.pool.lock().expect("no panic").len() as u64,
            peers: vec![peer(1, true), peer(2, true), peer(3, false)],
            supervisors: if is_supervisor {
                Vec::new()
            } else {
                self.linked.lock().expect("no panic").clone()
            },
            sealing: is_supervisor.then_some(sealing),
        }
    }

    fn readiness(&self) -> Readiness {
        if self.syncing.load(Ordering::Relaxed) {
            return Readiness::NotReady { reason: "catching up: block 4 of 9".to_owned() };
        }
        Readiness::Ready
    }
}
