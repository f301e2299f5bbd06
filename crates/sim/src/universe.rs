//! What all nodes of a run share: genesis, committee, keys, and the database they start from.

use crate::transfers::{CHAIN_ID, funded_accounts};
use btn_chain::{genesis_batch, genesis_block};
use btn_crypto::{
    Committee, CommitteeKeys, LotteryKeySize, LotteryPrivateKey, MemberKeys, SignError, Signer, Verifier,
    VotePrivateKey,
};
use btn_stand_in::{StandInKeys, StandInVerifier, stand_in_genesis};
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
pub struct RealKeys(Vec<Arc<MemberKeys>>);

impl RealKeys {
    /// Keys of `members`, new ones: that takes about a second each.
    ///
    /// # Errors
    /// The library could not make a key, in words.
    pub fn generate(members: usize) -> Result<Self, String> {
        let make = |_| -> Result<_, String> {
            let lottery = LotteryPrivateKey::generate(LotteryKeySize::Bits2048).map_err(|e| e.to_string())?;
            let vote = VotePrivateKey::generate().map_err(|e| e.to_string())?;
            Ok(Arc::new(MemberKeys { lottery, vote }))
        };
        let mut keys = (0..members).map(make).collect::<Result<Vec<_>, _>>()?;
        keys.sort_by_key(|keys| keys.lottery.public().node_id());
        Ok(Self(keys))
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
    pub fn stand_in(seed: u64, members: usize, parameters: ConsensusParameters) -> Result<Self, String> {
        let genesis = stand_in_genesis(members, parameters, funded_accounts());
        let verifier = Arc::new(StandInVerifier::new(seed, members));
        Self::new(genesis, verifier, Keys::StandIn(seed))
    }

    /// A network with real cryptography.
    ///
    /// # Errors
    /// A key breaks a rule, in words.
    pub fn real(keys: &RealKeys, parameters: ConsensusParameters) -> Result<Self, String> {
        let record = |(number, keys): (u8, &Arc<MemberKeys>)| {
            let (network_key, payout) = (B256::repeat_byte(number), Address::repeat_byte(number));
            keys.node_record(network_key, Vec::new(), payout).map_err(|error| error.to_string())
        };
        let nodes = (1u8..).zip(&keys.0).map(record).collect::<Result<Vec<_>, _>>()?;
        let genesis = Genesis {
            chain_id: CHAIN_ID,
            timestamp_ms: 1_700_000_000_000,
            gas_limit: 30_000_000,
            base_fee: BaseFeeParameters::DEVNET,
            consensus: parameters,
            alloc: funded_accounts(),
            nodes,
        };
        let verifier = CommitteeKeys::from_genesis(&genesis).map_err(|error| error.to_string())?;
        Self::new(genesis, verifier, Keys::Real(keys.clone()))
    }

    fn new(genesis: Genesis, verifier: Arc<dyn Verifier>, keys: Keys) -> Result<Self, String> {
        let committee = Committee::from_genesis(&genesis, genesis_block(&genesis).hash(), verifier);
        let mut store = MemoryStore::new();
        store.commit(genesis_batch(&genesis)).map_err(|error| error.to_string())?;
        Ok(Self { genesis: Arc::new(genesis), committee, store, keys })
    }

    /// A member's private keys, for one process.
    ///
    /// # Panics
    /// Never for a member of the committee.
    #[must_use]
    pub fn signer(&self, member: MemberIndex) -> Box<dyn Signer> {
        match &self.keys {
            Keys::StandIn(seed) => Box::new(StandInKeys::signer(*seed, member)),
            Keys::Real(RealKeys(keys)) => Box::new(SharedSigner(Arc::clone(&keys[member.index()]))),
        }
    }

    /// Whether signatures are real.
    #[must_use]
    pub const fn is_real(&self) -> bool {
        matches!(self.keys, Keys::Real(_))
    }
}
