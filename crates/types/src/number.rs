//! Newtypes for the numbers and identities of consensus, so that a height is never taken for a view.

use alloy_primitives::{B256, FixedBytes};
use alloy_rlp::{RlpDecodableWrapper, RlpEncodableWrapper};
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
            Serialize, Deserialize, RlpEncodableWrapper, RlpDecodableWrapper,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The number after this one. Saturates: no honest run comes near `u64::MAX`, and a peer that
            /// claims it must not make us panic.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }

            /// The number before this one, or zero.
            #[must_use]
            pub const fn previous(self) -> Self {
                Self(self.0.saturating_sub(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// A block's distance from genesis (genesis is 0), the Ethereum block number.
    Height
);
number!(
    /// An attempt to certify a block within an epoch (C0.1). View 0 is the epoch's starting block; the first
    /// attempt is view 1. Views only increase.
    View
);
number!(
    /// A period with one committee (C2). Without `epoch_length` in genesis, epoch 0 never ends.
    Epoch
);
number!(
    /// The paper's spin counter: `view − parent_view − 1`, the number of views skipped since the
    /// parent. Recorded and verified, never used to compare proposals (C3 ⚠).
    Round
);

/// A node's identity: SHA-256 of the SubjectPublicKeyInfo (DER) of its RSA lottery key (C2).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    RlpEncodableWrapper,
    RlpDecodableWrapper,
)]
#[serde(transparent)]
pub struct NodeId(pub B256);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl NodeId {
    /// First eight hex digits, for logs and tables.
    #[must_use]
    pub fn short(&self) -> String {
        hex::encode(&self.0.0[..4])
    }
}

/// A BLS12-381 public key in G1, compressed (48 bytes; K7).
pub type VoteKey = FixedBytes<48>;

/// A BLS12-381 signature in G2, compressed (96 bytes; K7).
pub type VoteSignature = FixedBytes<96>;

/// Position of a member in the epoch's committee, ordered by `NodeId` for the genesis committee (C4).
/// It is the bit of the member in a certificate's bitmap.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    RlpEncodableWrapper,
    RlpDecodableWrapper,
)]
#[serde(transparent)]
pub struct MemberIndex(pub u16);

impl MemberIndex {
    /// The position as a `usize`, for indexing.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for MemberIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the outside world's clocks say at a step. The core holds no clock of its own; every step is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds on a clock that never goes back, from an arbitrary start. Timers compare against it.
    pub monotonic_ms: u64,
    /// Milliseconds since the Unix epoch as this machine believes. Only for block timestamps (C5 rule 6).
    pub unix_ms: u64,
}
