//! What both kinds of test stand on: one genesis, everybody's stand-in keys, and transfers.

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use btn_chain::{Chain, genesis_batch, genesis_block};
use btn_crypto::{Committee, Signer, Supervisors};
use btn_engine::{Parameters, SignedTransaction, SupervisorEngine, SupervisorIdentity};
use btn_stand_in::{StandInKeys, StandInSealVerifier, StandInVerifier, stand_in_genesis_with_supervisors};
use btn_storage::{MemoryStore, Store};
use btn_types::genesis::{ConsensusParameters, GenesisAccount};
use btn_types::{
    Address, B256, Certificate, Epoch, Genesis, JournalRecord, MemberIndex, NodeId, Now, U256, View, Vote,
    VoteKind,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Seed of all stand-in keys.
pub const SEED: u64 = 7;

pub const MEMBERS: usize = 4;

pub fn member(index: usize) -> MemberIndex {
    MemberIndex(u16::try_from(index).unwrap())
}

pub fn at(now_ms: u64) -> Now {
    Now { monotonic_ms: now_ms, unix_ms: 1_700_000_000_000 + now_ms }
}

/// The key of a funded account.
pub fn wallet(number: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(number + 1)).unwrap()
}

pub fn transfer_of(from: &PrivateKeySigner, nonce: u64, value: U256) -> SignedTransaction {
    let transfer = TxEip1559 {
        chain_id: 20_200_303,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: Address::repeat_byte(0xee).into(),
        value,
        ..TxEip1559::default()
    };
    let signature = from.sign_hash_sync(&transfer.signature_hash()).unwrap();
    SignedTransaction::new_unchecked(transfer.into_signed(signature).into(), from.address())
}

pub fn transfer(from: u8, nonce: u64) -> SignedTransaction {
    transfer_of(&wallet(from), nonce, U256::from(1))
}

/// Genesis and the public keys that belong to it.
#[derive(Clone)]
pub struct Universe {
    pub genesis: Arc<Genesis>,
    pub committee: Committee,
    pub supervisors: Supervisors,
}

impl Universe {
    pub fn new(supervisors: usize) -> Self {
        Self::with(supervisors, ConsensusParameters::DEVNET)
    }

    pub fn with(supervisors: usize, parameters: ConsensusParameters) -> Self {
        let balance = U256::from(10).pow(U256::from(20));
        let funded = || GenesisAccount { balance, ..GenesisAccount::default() };
        let alloc: BTreeMap<_, _> = (0..8).map(|number| (wallet(number).address(), funded())).collect();
        let genesis = Arc::new(stand_in_genesis_with_supervisors(MEMBERS, supervisors, parameters, alloc));
        let hash = genesis_block(&genesis).hash();
        let verifier = Arc::new(StandInVerifier::new(SEED, MEMBERS));
        let committee = Committee::from_genesis(&genesis, hash, verifier);
        let seals = Arc::new(StandInSealVerifier::new(SEED, supervisors));
        let supervisors = Supervisors::from_genesis(&genesis, hash, seals);
        Self { genesis, committee, supervisors }
    }

    pub fn store(&self) -> MemoryStore {
        let mut store = MemoryStore::new();
        store.commit(genesis_batch(&self.genesis)).unwrap();
        store
    }

    pub fn chain(&self, store: &MemoryStore) -> Chain {
        let (genesis, committee) = (Arc::clone(&self.genesis), self.committee.clone());
        Chain::new(genesis, committee, self.supervisors.clone(), store.reader()).unwrap()
    }

    pub fn id(&self, supervisor: usize) -> NodeId {
        self.supervisors.ids()[supervisor]
    }

    /// A sealing supervisor as its disk left it.
    pub fn supervisor(
        &self,
        place: usize,
        store: &MemoryStore,
        journal: &[JournalRecord],
    ) -> SupervisorEngine {
        let signer = Box::new(StandInKeys::seal_signer(SEED, place));
        self.supervisor_as(SupervisorIdentity::Sealing { id: self.id(place), signer }, store, journal)
    }

    pub fn supervisor_as(
        &self,
        identity: SupervisorIdentity,
        store: &MemoryStore,
        journal: &[JournalRecord],
    ) -> SupervisorEngine {
        let reader = store.reader();
        let tip = reader.tip().unwrap().unwrap();
        let finalization = reader.finalization(tip.height).unwrap();
        let parameters = Parameters::from(&self.genesis.consensus);
        SupervisorEngine::new(self.chain(store), identity, parameters, finalization, journal)
    }

    /// A certificate of the first `signers` members.
    pub fn certificate_of(&self, kind: VoteKind, view: View, digest: B256, signers: usize) -> Certificate {
        let epoch = Epoch(0);
        let message = self.committee.domain().vote(kind, epoch, view, digest);
        let votes: Vec<Vote> = self
            .committee
            .indices()
            .take(signers)
            .map(|member| {
                let signature = StandInKeys::signer(SEED, member).vote(message);
                Vote { kind, epoch, view, digest, member, signature }
            })
            .collect();
        self.committee.certify(&votes.iter().collect::<Vec<_>>()).unwrap()
    }

    pub fn certificate(&self, kind: VoteKind, view: View, digest: B256) -> Certificate {
        self.certificate_of(kind, view, digest, self.committee.quorum())
    }
}
