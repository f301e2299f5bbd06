//! What all nodes of a run share: genesis, committee, keys, and the database they start from.

use crate::transfers::{CHAIN_ID, funded_accounts};
use btn_chain::{genesis_batch, genesis_block};
use btn_crypto::{
    Committee, CommitteeKeys, LotteryKeySize, LotteryPrivateKey, MemberKeys, SealSigner, SealVerifier,
    SignError, Signer, SupervisorKeys, SupervisorPublicKeys, Supervisors, Verifier, VotePrivateKey,
};
use btn_stand_in::{StandInKeys, StandInSealVerifier, StandInVerifier, stand_in_genesis_with_supervisors};
use btn_storage::{MemoryStore, Store as _};
use btn_types::genesis::{BaseFeeParameters, ConsensusParameters};
use btn_types::{Address, B256, Bytes, Genesis, MemberIndex, VoteSignature};
use std::sync::Arc;

/// Genesis, committee and keys of one simulated network.
pub struct Universe {
    /// The genesis file.
    pub genesis: Arc<Genesis>,
    /// The committee, with everybody's public keys.
    pub committee: Committee,
    /// The supervisors, with everybody's public keys.
    pub supervisors: Supervisors,
    /// A database that holds genesis; a clone of it costs a pointer.
    pub store: MemoryStore,
    keys: Keys,
}

enum Keys {
    StandIn(u64),
    Real(RealKeys),
}

/// RSA and BLS keys of a committee, in the committee's order.
#[derive(Clone)]
pub struct RealKeys {
    members: Vec<Arc<MemberKeys>>,
    supervisors: Vec<Arc<SupervisorKeys>>,
}

impl RealKeys {
    /// Keys of `members` and `supervisors`, new ones: that takes about a second each.
    ///
    /// # Errors
    /// The library could not make a key, in words.
    pub fn generate(members: usize, supervisors: usize) -> Result<Self, String> {
        let make = |_| -> Result<_, String> {
            let lottery = LotteryPrivateKey::generate(LotteryKeySize::Bits2048).map_err(|e| e.to_string())?;
            let vote = VotePrivateKey::generate().map_err(|e| e.to_string())?;
            Ok(Arc::new(MemberKeys { lottery, vote }))
        };
        let mut keys = (0..members).map(make).collect::<Result<Vec<_>, _>>()?;
        keys.sort_by_key(|keys| keys.lottery.public().node_id());
        let make = |_| -> Result<_, String> {
            let lottery = LotteryPrivateKey::generate(LotteryKeySize::Bits2048).map_err(|e| e.to_string())?;
            Ok(Arc::new(SupervisorKeys { lottery }))
        };
        let mut homes = (0..supervisors).map(make).collect::<Result<Vec<_>, _>>()?;
        homes.sort_by_key(|keys| keys.lottery.public().node_id());
        Ok(Self { members: keys, supervisors: homes })
    }
}

/// One supervisor's real key, likewise.
struct SharedSealSigner(Arc<SupervisorKeys>);

impl SealSigner for SharedSealSigner {
    fn sign(&self, message: B256) -> Result<Bytes, SignError> {
        self.0.sign(message)
    }
}

/// One member's real keys, which survive the restarts of its process.
struct SharedSigner(Arc<MemberKeys>);

impl Signer for SharedSigner {
    fn draw(&self, message: B256) -> Result<Bytes, SignError> {
        self.0.draw(message)
    }

    fn vote(&self, message: B256) -> VoteSignature {
        self.0.vote(message)
    }
}

impl Universe {
    /// A network with stand-in cryptography.
    ///
    /// # Errors
    /// The store refuses genesis, in words.
    pub fn stand_in(
        seed: u64,
        members: usize,
        supervisors: usize,
        parameters: ConsensusParameters,
    ) -> Result<Self, String> {
        let genesis = stand_in_genesis_with_supervisors(members, supervisors, parameters, funded_accounts());
        let verifier = Arc::new(StandInVerifier::new(seed, members));
        let seals = Arc::new(StandInSealVerifier::new(seed, supervisors));
        Self::new(genesis, verifier, seals, Keys::StandIn(seed))
    }

    /// A network with real cryptography.
    ///
    /// # Errors
    /// A key breaks a rule, in words.
    pub fn real(keys: &RealKeys, parameters: ConsensusParameters) -> Result<Self, String> {
        let record = |(number, keys): (u8, &Arc<MemberKeys>)| {
            let (network_key, payout) = (B256::repeat_byte(number), Address::repeat_byte(number));
            let record = keys.node_record(network_key, Vec::new(), Vec::new(), payout);
            record.map_err(|error| error.to_string())
        };
        let nodes = (1u8..).zip(&keys.members).map(record).collect::<Result<Vec<_>, _>>()?;
        let record = |(number, keys): (u8, &Arc<SupervisorKeys>)| {
            let record = keys.record(B256::repeat_byte(number), Address::repeat_byte(number));
            record.map_err(|error| error.to_string())
        };
        let supervisors = (101u8..).zip(&keys.supervisors).map(record).collect::<Result<Vec<_>, _>>()?;
        let genesis = Genesis {
            chain_id: CHAIN_ID,
            timestamp_ms: 1_700_000_000_000,
            gas_limit: 30_000_000,
            base_fee: BaseFeeParameters::DEVNET,
            consensus: parameters,
            alloc: funded_accounts(),
            nodes,
            supervisors,
        };
        let verifier = CommitteeKeys::from_genesis(&genesis).map_err(|error| error.to_string())?;
        let seals = SupervisorPublicKeys::from_genesis(&genesis).map_err(|error| error.to_string())?;
        Self::new(genesis, verifier, seals, Keys::Real(keys.clone()))
    }

    fn new(
        genesis: Genesis,
        verifier: Arc<dyn Verifier>,
        seals: Arc<dyn SealVerifier>,
        keys: Keys,
    ) -> Result<Self, String> {
        let chain = genesis_block(&genesis).hash();
        let committee = Committee::from_genesis(&genesis, chain, verifier);
        let supervisors = Supervisors::from_genesis(&genesis, chain, seals);
        let mut store = MemoryStore::new();
        store.commit(genesis_batch(&genesis)).map_err(|error| error.to_string())?;
        Ok(Self { genesis: Arc::new(genesis), committee, supervisors, store, keys })
    }

    /// A member's private keys, for one process.
    ///
    /// # Panics
    /// Never for a member of the committee.
    #[must_use]
    pub fn signer(&self, member: MemberIndex) -> Box<dyn Signer> {
        match &self.keys {
            Keys::StandIn(seed) => Box::new(StandInKeys::signer(*seed, member)),
            Keys::Real(keys) => Box::new(SharedSigner(Arc::clone(&keys.members[member.index()]))),
        }
    }

    /// A supervisor's private key, for one process.
    ///
    /// # Panics
    /// Never for a place of the registry.
    #[must_use]
    pub fn seal_signer(&self, place: usize) -> Box<dyn SealSigner> {
        match &self.keys {
            Keys::StandIn(seed) => Box::new(StandInKeys::seal_signer(*seed, place)),
            Keys::Real(keys) => Box::new(SharedSealSigner(Arc::clone(&keys.supervisors[place]))),
        }
    }

    /// Whether signatures are real.
    #[must_use]
    pub const fn is_real(&self) -> bool {
        matches!(self.keys, Keys::Real(_))
    }
}
