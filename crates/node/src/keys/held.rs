//! A node's private keys in memory, by level: what it signs with, and its public record for the genesis file.

use super::{KeyError, Password};
use btn_crypto::{
    KeyFile, KeyFileError, LotteryKeySize, LotteryPrivateKey, MemberKeys, NetworkKey, ScryptCost,
    SupervisorKeys, VotePrivateKey,
};
use btn_types::genesis::{NodeRecord, SupervisorRecord};
use btn_types::{Address, NodeId};

/// The private keys of one master.
#[derive(Debug)]
pub struct NodeKeys {
    /// Lottery and vote keys.
    pub member: MemberKeys,
    /// Ed25519 key of the node's connections.
    pub network: NetworkKey,
}

impl NodeKeys {
    /// Makes fresh keys. A lottery key of 2048 bits takes some tens of milliseconds, at times a second.
    ///
    /// # Errors
    /// [`KeyError`] where the cryptographic library fails.
    pub fn generate(size: LotteryKeySize) -> Result<Self, KeyError> {
        let member =
            MemberKeys { lottery: LotteryPrivateKey::generate(size)?, vote: VotePrivateKey::generate()? };
        Ok(Self { member, network: NetworkKey::generate()? })
    }

    /// The node's identity (C2).
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.member.lottery.public().node_id()
    }

    /// The node's public record for a genesis file, proofs included.
    ///
    /// # Errors
    /// [`KeyError::Permutation`] for a lottery key that breaks the rule of K1.
    pub fn record(
        &self,
        addresses: Vec<String>,
        supervisor_addresses: Vec<String>,
        payout: Address,
    ) -> Result<NodeRecord, KeyError> {
        Ok(self.member.node_record(self.network.public(), addresses, supervisor_addresses, payout)?)
    }

    /// One encrypted file per key.
    pub(super) fn encrypt(
        &self,
        password: &Password,
        cost: ScryptCost,
    ) -> Result<Vec<KeyFile>, KeyFileError> {
        let password = password.expose();
        Ok(vec![
            KeyFile::from_lottery_key(&self.member.lottery, password, cost)?,
            KeyFile::from_vote_key(&self.member.vote, password, cost)?,
            KeyFile::from_network_key(&self.network, password, cost)?,
        ])
    }
}

/// The private keys of one supervisor.
#[derive(Debug)]
pub struct SupervisorNodeKeys {
    /// Lottery key: draws and seals (C8).
    pub supervisor: SupervisorKeys,
    /// Ed25519 key of the node's connections.
    pub network: NetworkKey,
}

impl SupervisorNodeKeys {
    /// Makes fresh keys. A lottery key of 2048 bits takes some tens of milliseconds, at times a second.
    ///
    /// # Errors
    /// [`KeyError`] where the cryptographic library fails.
    pub fn generate(size: LotteryKeySize) -> Result<Self, KeyError> {
        let supervisor = SupervisorKeys { lottery: LotteryPrivateKey::generate(size)? };
        Ok(Self { supervisor, network: NetworkKey::generate()? })
    }

    /// The node's identity (C2).
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.supervisor.lottery.public().node_id()
    }

    /// The node's public record for a genesis file, proof included.
    ///
    /// # Errors
    /// [`KeyError::Permutation`] for a lottery key that breaks the rule of K1.
    pub fn record(&self, payout: Address) -> Result<SupervisorRecord, KeyError> {
        Ok(self.supervisor.record(self.network.public(), payout)?)
    }

    /// One encrypted file per key.
    pub(super) fn encrypt(
        &self,
        password: &Password,
        cost: ScryptCost,
    ) -> Result<Vec<KeyFile>, KeyFileError> {
        let password = password.expose();
        Ok(vec![
            KeyFile::from_lottery_key(&self.supervisor.lottery, password, cost)?,
            KeyFile::from_network_key(&self.network, password, cost)?,
        ])
    }
}
