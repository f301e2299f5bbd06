//! The registry's rules on keys (C2, K1, K7), and a genesis committee's keys parsed once.

use crate::lottery::LotteryPublicKey;
use crate::votes::{VotePublicKey, aggregate_votes, verify_aggregate_vote};
use crate::{
    LotteryKeyError, LotteryPrivateKey, PermutationError, SealSigner, SealVerifier, SignError, Signer,
    Verifier, VoteKeyError, VotePrivateKey, prove_permutation, verify_permutation,
};
use alloy_primitives::{Address, B256, Bytes};
use btn_types::genesis::{Level, NodeRecord, SupervisorRecord};
use btn_types::{Genesis, MemberIndex, NodeId, VoteSignature};
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// Why a node's record is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RegistryError {
    /// The id is not the hash of the RSA key.
    #[error("node {actual}: its id should be {expected}, the SHA-256 of its RSA key")]
    Id {
        /// Id found.
        actual: NodeId,
        /// Id computed.
        expected: NodeId,
    },
    /// The RSA key breaks the rule of K1.
    #[error("node {node}: {source}")]
    LotteryKey {
        /// Whose.
        node: NodeId,
        /// Why.
        source: LotteryKeyError,
    },
    /// The permutation proof is wrong.
    #[error("node {node}: {source}")]
    Permutation {
        /// Whose.
        node: NodeId,
        /// Why.
        source: PermutationError,
    },
    /// The vote key is none.
    #[error("node {node}: {source}")]
    VoteKey {
        /// Whose.
        node: NodeId,
        /// Why.
        source: VoteKeyError,
    },
    /// The proof of possession does not verify.
    #[error("node {node}: the proof of possession of its vote key does not verify")]
    Possession {
        /// Whose.
        node: NodeId,
    },
    /// A thread that checked records ended abnormally.
    #[error("checking the keys of the genesis file was interrupted")]
    Interrupted,
}

/// One member's public keys, parsed.
struct MemberPublicKeys {
    lottery: LotteryPublicKey,
    vote: VotePublicKey,
}

/// Checks everything about a record that its keys can show: id, RSA key rule, permutation proof, vote key and its
/// proof of possession. Takes some tens of milliseconds.
///
/// # Errors
/// [`RegistryError`] with the first rule that is broken.
pub fn check_node_record(record: &NodeRecord) -> Result<(), RegistryError> {
    check_record(record).map(drop)
}

fn check_record(record: &NodeRecord) -> Result<MemberPublicKeys, RegistryError> {
    // The cheap checks come first: the permutation proof costs a thousand times as much.
    let keys = parse_record(record)?;
    verify_permutation(&keys.lottery, &record.rsa_permutation_proof)
        .map_err(|source| RegistryError::Permutation { node: record.id, source })?;
    Ok(keys)
}

/// Everything but the permutation proof.
fn parse_record(record: &NodeRecord) -> Result<MemberPublicKeys, RegistryError> {
    let node = record.id;
    let lottery = LotteryPublicKey::from_spki(&record.rsa_public_key)
        .map_err(|source| RegistryError::LotteryKey { node, source })?;
    if lottery.node_id() != node {
        return Err(RegistryError::Id { actual: node, expected: lottery.node_id() });
    }
    let vote = VotePublicKey::from_bytes(&record.vote_key)
        .map_err(|source| RegistryError::VoteKey { node, source })?;
    if !vote.verify_possession(node, &record.vote_key_proof) {
        return Err(RegistryError::Possession { node });
    }
    Ok(MemberPublicKeys { lottery, vote })
}

/// Parses records on all processors, in order: thousands of them take minutes on one.
fn in_parallel<R: Sync, T: Send>(
    records: &[R],
    parse: impl Fn(&R) -> Result<T, RegistryError> + Copy + Send + Sync,
) -> Result<Vec<T>, RegistryError> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let share = records.len().div_ceil(workers).max(1);
    let parsed: Vec<Result<Vec<T>, RegistryError>> = std::thread::scope(|scope| {
        let tasks: Vec<_> = records
            .chunks(share)
            .map(|chunk| scope.spawn(move || chunk.iter().map(parse).collect()))
            .collect();
        tasks.into_iter().map(|task| task.join().unwrap_or(Err(RegistryError::Interrupted))).collect()
    });
    let mut all = Vec::with_capacity(records.len());
    for chunk in parsed {
        all.extend(chunk?);
    }
    Ok(all)
}

/// The public keys of a committee: the production [`Verifier`].
pub struct CommitteeKeys {
    members: Vec<MemberPublicKeys>,
}

impl fmt::Debug for CommitteeKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommitteeKeys({} members)", self.members.len())
    }
}

impl CommitteeKeys {
    /// Checks every record of the genesis committee and keeps the keys, in the order of [`Genesis::committee`].
    /// The records are checked on all processors: 150 of them take seconds.
    ///
    /// # Errors
    /// [`RegistryError`] of the first member that breaks a rule.
    pub fn from_genesis(genesis: &Genesis) -> Result<Arc<Self>, RegistryError> {
        in_parallel(&genesis.committee(), |record| check_record(record))
            .map(|members| Arc::new(Self { members }))
    }

    /// The same without the permutation proofs, which cost nearly all of the time.
    ///
    /// Only for a genesis of which **this node itself** has once verified every record, and whose commitment it
    /// has kept where nobody else writes (its own data directory). Whoever can forge that mark can have a member
    /// accepted whose RSA key gives it several draws per view (K1); whoever can write there can replace the
    /// binary too.
    ///
    /// # Errors
    /// [`RegistryError`] of the first member that breaks another rule.
    pub fn from_checked_genesis(genesis: &Genesis) -> Result<Arc<Self>, RegistryError> {
        in_parallel(&genesis.committee(), |record| parse_record(record))
            .map(|members| Arc::new(Self { members }))
    }

    fn member(&self, index: MemberIndex) -> Option<&MemberPublicKeys> {
        self.members.get(index.index())
    }
}

impl Verifier for CommitteeKeys {
    fn verify_draw(&self, member: MemberIndex, message: B256, signature: &[u8]) -> bool {
        self.member(member).is_some_and(|keys| keys.lottery.verify(message, signature))
    }

    fn verify_vote(&self, member: MemberIndex, message: B256, signature: &VoteSignature) -> bool {
        self.member(member).is_some_and(|keys| keys.vote.verify(message, signature))
    }

    fn aggregate(&self, signatures: &[VoteSignature]) -> Option<VoteSignature> {
        aggregate_votes(signatures)
    }

    fn verify_aggregate(&self, signers: &[MemberIndex], message: B256, aggregate: &VoteSignature) -> bool {
        // A repeated signer would count twice towards a quorum.
        let distinct = signers.windows(2).all(|pair| pair[0] < pair[1]);
        let keys: Option<Vec<_>> = signers.iter().map(|&signer| Some(&self.member(signer)?.vote)).collect();
        distinct && keys.is_some_and(|keys| verify_aggregate_vote(&keys, message, aggregate))
    }
}

/// Checks everything about a supervisor's record that its keys can show: RSA key rule, id, permutation proof. Takes
/// some tens of milliseconds.
///
/// # Errors
/// [`RegistryError`] with the first rule that is broken.
pub fn check_supervisor_record(record: &SupervisorRecord) -> Result<(), RegistryError> {
    check_supervisor(record).map(drop)
}

fn check_supervisor(record: &SupervisorRecord) -> Result<LotteryPublicKey, RegistryError> {
    let lottery = parse_supervisor(record)?;
    verify_permutation(&lottery, &record.rsa_permutation_proof)
        .map_err(|source| RegistryError::Permutation { node: record.id, source })?;
    Ok(lottery)
}

/// Everything but the permutation proof.
fn parse_supervisor(record: &SupervisorRecord) -> Result<LotteryPublicKey, RegistryError> {
    let node = record.id;
    let lottery = LotteryPublicKey::from_spki(&record.rsa_public_key)
        .map_err(|source| RegistryError::LotteryKey { node, source })?;
    if lottery.node_id() != node {
        return Err(RegistryError::Id { actual: node, expected: lottery.node_id() });
    }
    Ok(lottery)
}

/// The public keys of the registered supervisors: the production [`SealVerifier`].
pub struct SupervisorPublicKeys(Vec<LotteryPublicKey>);

impl fmt::Debug for SupervisorPublicKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SupervisorPublicKeys({} supervisors)", self.0.len())
    }
}

impl SupervisorPublicKeys {
    /// Checks every record of the registered supervisors and keeps the keys, in the order of
    /// [`Genesis::sealing`].
    ///
    /// # Errors
    /// [`RegistryError`] of the first supervisor that breaks a rule.
    pub fn from_genesis(genesis: &Genesis) -> Result<Arc<Self>, RegistryError> {
        in_parallel(&genesis.sealing(), |record| check_supervisor(record)).map(|keys| Arc::new(Self(keys)))
    }

    /// The same without the permutation proofs, under the conditions of [`CommitteeKeys::from_checked_genesis`]: a
    /// supervisor whose key is no permutation would have several draws per core (K1).
    ///
    /// # Errors
    /// [`RegistryError`] of the first supervisor that breaks another rule.
    pub fn from_checked_genesis(genesis: &Genesis) -> Result<Arc<Self>, RegistryError> {
        in_parallel(&genesis.sealing(), |record| parse_supervisor(record)).map(|keys| Arc::new(Self(keys)))
    }
}

impl SealVerifier for SupervisorPublicKeys {
    fn verify(&self, supervisor: usize, message: B256, signature: &[u8]) -> bool {
        self.0.get(supervisor).is_some_and(|key| key.verify(message, signature))
    }
}

/// A supervisor's own key: the production [`SealSigner`].
#[derive(Debug)]
pub struct SupervisorKeys {
    /// Lottery key.
    pub lottery: LotteryPrivateKey,
}

impl SupervisorKeys {
    /// The genesis record of a supervisor with this key: makes the permutation proof.
    ///
    /// # Errors
    /// [`PermutationError`] where the lottery key breaks the rule of K1.
    pub fn record(&self, network_key: B256, payout: Address) -> Result<SupervisorRecord, PermutationError> {
        let public = self.lottery.public();
        Ok(SupervisorRecord {
            id: public.node_id(),
            rsa_public_key: public.spki().clone(),
            rsa_permutation_proof: prove_permutation(&self.lottery)?,
            network_key,
            payout,
        })
    }
}

impl SealSigner for SupervisorKeys {
    fn sign(&self, message: B256) -> Result<Bytes, SignError> {
        self.lottery.sign(message)
    }
}

/// A member's own keys: the production [`Signer`].
#[derive(Debug)]
pub struct MemberKeys {
    /// Lottery key.
    pub lottery: LotteryPrivateKey,
    /// Vote key.
    pub vote: VotePrivateKey,
}

impl MemberKeys {
    /// The genesis record of a master with these keys: makes the permutation proof and the proof of possession.
    ///
    /// # Errors
    /// [`PermutationError`] where the lottery key breaks the rule of K1.
    pub fn node_record(
        &self,
        network_key: B256,
        addresses: Vec<String>,
        supervisor_addresses: Vec<String>,
        payout: Address,
    ) -> Result<NodeRecord, PermutationError> {
        let public = self.lottery.public();
        let id = public.node_id();
        Ok(NodeRecord {
            id,
            level: Level::Master,
            rsa_public_key: public.spki().clone(),
            rsa_permutation_proof: prove_permutation(&self.lottery)?,
            network_key,
            addresses,
            supervisor_addresses,
            payout,
            vote_key: self.vote.public(),
            vote_key_proof: self.vote.prove_possession(id),
        })
    }
}

impl Signer for MemberKeys {
    fn draw(&self, message: B256) -> Result<Bytes, SignError> {
        self.lottery.sign(message)
    }

    fn vote(&self, message: B256) -> VoteSignature {
        self.vote.sign(message)
    }
}

#[cfg(test)]
mod tests;
