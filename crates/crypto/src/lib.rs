//! BTN's cryptography: the RSA lottery, the proof that a lottery key is a permutation, BLS votes and
//! certificates, domain tags, encrypted key files, and the paper's own functions beside them (CRYPTO.md).
//!
//! Callers that must stay pure (consensus, engine) see only [`Signer`], [`Verifier`] and [`Committee`].

pub mod checks;
mod committee;
mod domain;
mod keystore;
mod lottery;
mod network_key;
pub mod paper;
mod permutation;
mod registry;
mod signer;
mod supervisors;
mod tree;
#[cfg(test)]
mod vectors;
mod votes;

pub use committee::{CertificateError, Committee, Draw, Member, ProposalError, TicketError};
pub use domain::{Domain, Tag};
pub use keystore::{
    KeyFile, KeyFileError, KeyKind, MAX_KEY_FILE_BYTES, MAX_SCRYPT_N, MAX_SCRYPT_R_TIMES_P, ScryptCost,
};
pub use lottery::{LOTTERY_EXPONENT, LotteryKeyError, LotteryKeySize, LotteryPrivateKey, LotteryPublicKey};
pub use network_key::{NetworkKey, NetworkKeyError};
pub use permutation::{
    PERMUTATION_ROOTS, PermutationError, check_modulus, prove_permutation, verify_permutation,
};
pub use registry::{
    CommitteeKeys, MemberKeys, RegistryError, SupervisorKeys, SupervisorPublicKeys, check_node_record,
    check_supervisor_record,
};
pub use signer::{SignError, Signer, Verifier};
pub use supervisors::{SealError, SealSigner, SealVerifier, Supervisors, seal_root, supervisors_commitment};
pub use tree::{audit_path, tree_hash, verify_audit_path};
pub use votes::{
    POSSESSION_CIPHERSUITE, VOTE_CIPHERSUITE, VoteKeyError, VotePrivateKey, VotePublicKey, aggregate_votes,
    verify_aggregate_vote,
};
