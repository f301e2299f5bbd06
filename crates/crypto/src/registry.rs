//! The registry's rules on keys (C2, K1, K7), and a genesis committee's keys parsed once.

use crate::lottery::LotteryPublicKey;
use crate::votes::{VotePublicKey, aggregate_votes, verify_aggregate_vote};
use crate::{
    LotteryKeyError, LotteryPrivateKey, PermutationError, SignError, Signer, Verifier, VoteKeyError,
    VotePrivateKey, prove_permutation, verify_permutation,
};
use alloy_primitives::{Address, B256, Bytes};
use btn_types::genesis::{Level, NodeRecord};
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
    parse_record(record).map(drop)
}

fn parse_record(record: &NodeRecord) -> Result<MemberPublicKeys, RegistryError> {
    let node = record.id;
    let lottery = LotteryPublicKey::from_spki(&record.rsa_public_key)
        .map_err(|source| RegistryError::LotteryKey { node, source })?;
    if lottery.node_id() != node {
        return Err(RegistryError::Id { actual: node, expected: lottery.node_id() });
    }
    // The cheap checks come first: the permutation proof costs a thousand times as much.
    let vote = VotePublicKey::from_bytes(&record.vote_key)
        .map_err(|source| RegistryError::VoteKey { node, source })?;
    if !vote.verify_possession(node, &record.vote_key_proof) {
        return Err(RegistryError::Possession { node });
    }
    verify_permutation(&lottery, &record.rsa_permutation_proof)
        .map_err(|source| RegistryError::Permutation { node, source })?;
    Ok(MemberPublicKeys { lottery, vote })
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
        let records = genesis.committee();
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let share = records.len().div_ceil(workers).max(1);
        let parsed: Vec<Result<Vec<MemberPublicKeys>, RegistryError>> = std::thread::scope(|scope| {
            let parse = |chunk: &[&NodeRecord]| chunk.iter().map(|record| parse_record(record)).collect();
            let tasks: Vec<_> =
                records.chunks(share).map(|chunk| scope.spawn(move || parse(chunk))).collect();
            tasks.into_iter().map(|task| task.join().unwrap_or(Err(RegistryError::Interrupted))).collect()
        });
        let mut members = Vec::with_capacity(records.len());
        for chunk in parsed {
            members.extend(chunk?);
        }
        Ok(Arc::new(Self { members }))
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
