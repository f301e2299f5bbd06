//! One node's chain with everybody's stand-in keys: grows branches, signs certificates, forges blocks.

use crate::testing::recommit;
use crate::{
    BlockError, BlockMeta, BuildRequest, Chain, ChainError, PoolLimits, SealOffer, genesis_batch,
    genesis_block,
};
use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use btn_crypto::{Committee, Draw, SealSigner, Signer, Supervisors};
use btn_execution::SignedTransaction;
use btn_stand_in::{
    StandInKeys, StandInSealSigner, StandInSealVerifier, StandInSigner, StandInVerifier,
    stand_in_genesis_with_supervisors,
};
use btn_storage::{FinalizedBatch, MemoryStore, Store};
use btn_types::genesis::{ConsensusParameters, GenesisAccount};
use btn_types::{
    Address, B256, Block, Bytes, Certificate, Epoch, Genesis, Justification, MemberIndex, Seal, U256, View,
    Vote, VoteKind,
};
use std::collections::BTreeMap;
use std::sync::Arc;

const SEED: u64 = 11;

/// Wei of one BTN.
pub const BTN: u128 = 1_000_000_000_000_000_000;

/// Wei per gas; the base fee starts and stays at one.
pub const GWEI: u128 = 1_000_000_000;

/// A contract that logs one topic, 42, whenever it is called.
pub const LOGGER: Address = Address::repeat_byte(0x10);

/// PUSH topic, size, offset; LOG1; STOP.
const LOGGER_CODE: [u8; 8] = [0x60, 42, 0x60, 0, 0x60, 0, 0xa1, 0];

/// See the module.
pub struct Fixture {
    pub genesis: Arc<Genesis>,
    pub committee: Committee,
    pub supervisors: Supervisors,
    pub signers: Vec<StandInSigner>,
    pub sealers: Vec<StandInSealSigner>,
    pub store: MemoryStore,
    pub chain: Chain,
}

/// The key of a funded account.
pub fn wallet(number: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(number + 1)).unwrap()
}

/// A signed transfer of one wei.
pub fn transfer(from: &PrivateKeySigner, nonce: u64, tip_gwei: u128) -> SignedTransaction {
    sign(from, TxEip1559 { nonce, ..payment(tip_gwei) })
}

/// A transfer of one wei, unsigned.
pub fn payment(tip_gwei: u128) -> TxEip1559 {
    TxEip1559 {
        chain_id: 20_200_303,
        gas_limit: 21_000,
        max_fee_per_gas: (100 + tip_gwei) * GWEI,
        max_priority_fee_per_gas: tip_gwei * GWEI,
        to: Address::repeat_byte(0xee).into(),
        value: U256::from(1),
        ..TxEip1559::default()
    }
}

pub fn sign(from: &PrivateKeySigner, transaction: TxEip1559) -> SignedTransaction {
    let signature = from.sign_hash_sync(&transaction.signature_hash()).unwrap();
    SignedTransaction::new_unchecked(transaction.into_signed(signature).into(), from.address())
}

impl Fixture {
    pub fn new() -> Self {
        Self::with(4, 16, PoolLimits::default())
    }

    pub fn with(members: usize, lottery_period_blocks: u64, limits: PoolLimits) -> Self {
        let parameters = ConsensusParameters { lottery_period_blocks, ..ConsensusParameters::DEVNET };
        Self::of(members, 0, parameters, limits)
    }

    /// Four masters and so many supervisors.
    pub fn supervised(supervisors: usize) -> Self {
        Self::supervised_with(supervisors, ConsensusParameters::DEVNET.expected_seals)
    }

    pub fn supervised_with(supervisors: usize, expected_seals: u64) -> Self {
        let parameters = ConsensusParameters { expected_seals, ..ConsensusParameters::DEVNET };
        Self::of(4, supervisors, parameters, PoolLimits::default())
    }

    fn of(members: usize, supervisors: usize, parameters: ConsensusParameters, limits: PoolLimits) -> Self {
        let mut alloc: BTreeMap<Address, GenesisAccount> = (0..20)
            .map(|number| {
                let balance = U256::from(100 * BTN);
                (wallet(number).address(), GenesisAccount { balance, ..GenesisAccount::default() })
            })
            .collect();
        let logger = GenesisAccount { code: Bytes::from_static(&LOGGER_CODE), ..GenesisAccount::default() };
        alloc.insert(LOGGER, logger);
        let genesis = stand_in_genesis_with_supervisors(members, supervisors, parameters, alloc);
        let genesis = Arc::new(genesis);
        let verifier = Arc::new(StandInVerifier::new(SEED, members));
        let committee = Committee::from_genesis(&genesis, genesis_block(&genesis).hash(), verifier);
        let signers = committee.indices().map(|member| StandInKeys::signer(SEED, member)).collect();
        let verifier = Arc::new(StandInSealVerifier::new(SEED, supervisors));
        let sealers = (0..supervisors).map(|place| StandInKeys::seal_signer(SEED, place)).collect();
        let supervisors = Supervisors::from_genesis(&genesis, genesis_block(&genesis).hash(), verifier);
        let mut store = MemoryStore::new();
        store.commit(genesis_batch(&genesis)).unwrap();
        let (known, verifiers) = (Arc::clone(&genesis), (committee.clone(), supervisors.clone()));
        let chain = Chain::with_pool_limits(known, verifiers.0, verifiers.1, store.reader(), limits).unwrap();
        Self { genesis, committee, supervisors, signers, sealers, store, chain }
    }

    /// The same node after a crash: what was stored is there, the rest is gone.
    pub fn restarted(&self) -> Chain {
        let (genesis, committee) = (Arc::clone(&self.genesis), self.committee.clone());
        Chain::new(genesis, committee, self.supervisors.clone(), self.store.reader()).unwrap()
    }

    pub fn genesis_hash(&self) -> B256 {
        self.committee.domain().chain()
    }

    /// A member's lottery signature.
    pub fn ticket(&self, member: usize, view: u64, draw_seed: B256) -> Bytes {
        let message = self.committee.domain().clerk(Epoch(0), View(view), draw_seed);
        self.signers[member].draw(message).unwrap()
    }

    /// The first member whose ticket is good enough, or (`eligible` false) is not.
    pub fn clerk(&self, view: u64, draw_seed: B256, eligible: bool) -> usize {
        let passes = |member: &usize| {
            let zeros = Draw::of(&self.ticket(*member, view, draw_seed)).zeros();
            (zeros >= self.committee.clerk_bar()) == eligible
        };
        (0..self.signers.len()).find(passes).unwrap()
    }

    /// A certificate of the first quorum of members.
    pub fn certificate(&self, kind: VoteKind, view: View, digest: B256) -> Certificate {
        self.certificate_of(kind, view, digest, self.committee.quorum())
    }

    pub fn certificate_of(&self, kind: VoteKind, view: View, digest: B256, signers: usize) -> Certificate {
        let epoch = Epoch(0);
        let message = self.committee.domain().vote(kind, epoch, view, digest);
        let votes: Vec<Vote> = (0u16..)
            .zip(self.signers.iter().take(signers))
            .map(|(member, signer)| {
                let signature = signer.vote(message);
                Vote { kind, epoch, view, digest, member: MemberIndex(member), signature }
            })
            .collect();
        self.committee.certify(&votes.iter().collect::<Vec<_>>()).unwrap()
    }

    pub fn nullification(&self, view: u64) -> Certificate {
        self.certificate(VoteKind::Nullify, View(view), B256::ZERO)
    }

    pub fn notarization(&self, meta: &BlockMeta) -> Certificate {
        self.certificate(VoteKind::Notarize, meta.view, self.committee.domain().digest_of(meta))
    }

    pub fn finalization(&self, meta: &BlockMeta) -> Certificate {
        self.certificate(VoteKind::Finalize, meta.view, self.committee.domain().digest_of(meta))
    }

    pub fn justification(&self, parent: &BlockMeta, view: u64) -> Justification {
        Justification {
            parent_certificate: (parent.height.0 > 0).then(|| self.notarization(parent)),
            nullifications: (parent.view.0 + 1..view).map(|view| self.nullification(view)).collect(),
        }
    }

    pub fn meta(&self, hash: B256) -> BlockMeta {
        *self.chain.meta(hash).unwrap()
    }

    /// An honest request.
    pub fn request(&self, parent: B256, view: u64) -> BuildRequest {
        let parent = self.meta(parent);
        let member = self.clerk(view, parent.child_draw_seed, true);
        self.request_by(&parent, view, member)
    }

    pub fn request_by(&self, parent: &BlockMeta, view: u64, member: usize) -> BuildRequest {
        let clerk = &self.committee.members()[member];
        BuildRequest {
            parent: parent.hash,
            epoch: Epoch(0),
            view: View(view),
            parent_view: parent.view,
            clerk: clerk.id,
            payout: clerk.payout,
            clerk_signature: self.ticket(member, view, parent.child_draw_seed),
            timestamp_ms: parent.timestamp_ms + 100,
            justification: self.justification(parent, view),
        }
    }

    /// Builds an honest block on `parent` in `view`.
    pub fn grow(&mut self, parent: B256, view: u64) -> B256 {
        let request = self.request(parent, view);
        self.chain.build(request).unwrap().hash()
    }

    /// An honest block that the chain has not seen; it was built by another node with the same history.
    pub fn foreign(&self, parent: B256, view: u64, transactions: &[SignedTransaction]) -> Block {
        let mut other = self.restarted();
        let parent_block = self.meta(parent);
        for meta in sorted(self.chain.unfinalized()) {
            other.insert(self.chain.block(meta.hash).unwrap().unwrap()).unwrap();
        }
        for transaction in transactions {
            other.submit(transaction.clone(), true).unwrap();
        }
        let request = self.request(parent_block.hash, view);
        Block::clone(&other.build(request).unwrap())
    }

    /// A block on a forged one that nobody could execute: right in everything that insertion checks.
    pub fn foreign_on_forged(&self, parent: &Block, view: u64) -> Block {
        let parent = self.meta(parent.hash());
        let request = self.request(parent.hash, view);
        let mut block = Block::clone(&self.chain.block(parent.hash).unwrap().unwrap());
        block.envelope.view = request.view;
        block.envelope.parent_view = request.parent_view;
        block.envelope.clerk = request.clerk;
        block.envelope.clerk_signature = request.clerk_signature;
        block.envelope.timestamp_ms = request.timestamp_ms;
        block.justification = request.justification;
        block.header.parent_hash = parent.hash;
        block.header.number += 1;
        block.header.beneficiary = request.payout;
        block.header.timestamp = request.timestamp_ms / 1000;
        block.header.mix_hash = self.committee.domain().seed(parent.seed, &block.envelope.clerk_signature);
        self.recommit(&mut block);
        block
    }

    /// After a change to envelope or justification: what the header says of them.
    pub fn recommit(&self, block: &mut Block) {
        recommit(self.committee.domain(), block);
    }

    /// An honest seal of the supervisor at this place.
    pub fn seal(&self, place: usize, meta: &BlockMeta) -> Seal {
        self.seal_on(place, meta.core, meta.hash).unwrap()
    }

    /// A seal on any core and hash; `None` where the supervisor was not drawn.
    pub fn seal_on(&self, place: usize, core: B256, hash: B256) -> Option<Seal> {
        let id = self.supervisors.ids()[place];
        self.supervisors.seal(id, &self.sealers[place], core, hash).unwrap()
    }

    /// A seal with right signatures, whether or not the supervisor was drawn.
    pub fn forced_seal(&self, place: usize, core: B256, block_hash: B256) -> Seal {
        let (supervisor, domain) = (self.supervisors.ids()[place], self.supervisors.domain());
        let sign = |message| self.sealers[place].sign(message).unwrap();
        let draw_signature = sign(domain.seal(core));
        let signature = sign(domain.seal_signature(core, block_hash));
        Seal { supervisor, core, draw_signature, block_hash, signature }
    }

    /// Offers the seals of these supervisors on a block that the chain knows.
    pub fn offer(&mut self, hash: B256, places: impl IntoIterator<Item = usize>) {
        let core = self.chain.core_of(hash).unwrap();
        for place in places {
            let seal = self.seal_on(place, core, hash).unwrap();
            assert_eq!(self.chain.offer_seal(seal).unwrap(), SealOffer::New);
        }
    }

    /// Takes the third state and stores it; gives its height.
    pub fn take_third_state(&mut self) -> Option<u64> {
        let sealed = self.chain.take_third_state()?;
        let height = sealed.height.0;
        self.store.commit(FinalizedBatch { sealed: Some(sealed), ..FinalizedBatch::default() }).unwrap();
        Some(height)
    }

    pub fn insert(&mut self, block: Block) -> Result<BlockMeta, BlockError> {
        self.chain.insert(Arc::new(block))
    }

    /// Finalises without storing.
    pub fn finalize_only(&mut self, hash: B256) -> Result<Option<FinalizedBatch>, ChainError> {
        let finalization = self.finalization(&self.meta(hash));
        self.chain.finalize(hash, finalization)
    }

    /// Finalises and stores.
    pub fn finalize(&mut self, hash: B256) {
        let batch = self.finalize_only(hash).unwrap().unwrap();
        self.store.commit(batch).unwrap();
    }
}

/// Metas by height.
pub fn sorted<'a>(metas: impl Iterator<Item = &'a BlockMeta>) -> Vec<BlockMeta> {
    let mut metas: Vec<BlockMeta> = metas.copied().collect();
    metas.sort_by_key(|meta| (meta.height, meta.hash));
    metas
}
