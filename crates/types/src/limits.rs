//! Every named bound of the protocol in one place. A bound is checked before anything is allocated.

/// Most masters a genesis may list: the all-to-all routing of C6 holds up to here.
pub const MAX_COMMITTEE_MEMBERS: usize = 150;

/// Most bytes of one encoded block. 30 M gas buys 3 MB of the cheapest calldata (EIP-7623).
pub const MAX_BLOCK_BYTES: usize = 4 * 1024 * 1024;

/// Most bytes of one wire frame: a full block range plus headroom for its certificates.
pub const MAX_FRAME_BYTES: usize = 12 * 1024 * 1024;

/// Most bytes of the blocks in one [`crate::BlockRange`]; one block more may pass it.
pub const MAX_RANGE_BYTES: usize = 4 * 1024 * 1024;

/// Most blocks in one [`crate::BlockRange`].
pub const MAX_RANGE_BLOCKS: usize = 64;

/// Most transactions in one block (30 M gas / 21,000 is 1,428).
pub const MAX_BLOCK_TRANSACTIONS: usize = 4_096;

/// Most bytes of one EIP-2718 transaction, as geth's pool (128 KiB).
pub const MAX_TRANSACTION_BYTES: usize = 128 * 1024;

/// Most transactions forwarded in one message.
pub const MAX_FORWARDED_TRANSACTIONS: usize = 1_024;

/// Most certificates in one message, and most nullifications one block may carry: views skipped in a row.
pub const MAX_CERTIFICATES: usize = 4_096;

/// Most tickets riding on one message (C6.2: own and the best four known, two views, two draw seeds).
pub const MAX_TICKETS: usize = 20;

/// Bytes of the largest RSA signature accepted (RSA-3072; K1).
pub const MAX_RSA_SIGNATURE_BYTES: usize = 384;

/// Bytes of the largest certificate bitmap.
pub const MAX_BITMAP_BYTES: usize = MAX_COMMITTEE_MEMBERS.div_ceil(8);

/// Most unfinalised heights: from here on proposals are empty, and none extends past twice as many.
pub const MAX_UNFINALIZED_HEIGHTS: u64 = 64;

/// How far ahead of its own view a member keeps votes and proposals; certificates may jump any distance.
pub const VIEW_HORIZON: u64 = 16;

/// How far ahead tickets are shown (C6.2: v+1 and v+2, never further).
pub const TICKET_HORIZON: u64 = 2;

/// A member does not vote for a block further ahead of its clock than this (C5 rule 6).
pub const MAX_CLOCK_LEAD_MS: u64 = 500;

/// Most bytes of a genesis file.
pub const MAX_GENESIS_BYTES: u64 = 64 * 1024 * 1024;

/// Most supervisors a genesis may list.
pub const MAX_SUPERVISORS: usize = 10_000;

/// Largest λ a genesis may name: expected seals per block (C8). They must fit into one block, or nodes that count
/// them from blocks never see enough.
pub const MAX_EXPECTED_SEALS: u64 = 256;

/// Most seals that one block may include: two RSA verifications each.
pub const MAX_BLOCK_SEALS: usize = 256;

/// Most seals in one message.
pub const MAX_SEALS_PER_MESSAGE: usize = 256;

/// A seal may be included in this many heights above its block, and is counted that long (C8).
pub const MAX_SEAL_AGE_HEIGHTS: u64 = 32;

/// A supervisor seals nothing this many views or more below the highest view it has sealed: older records of its
/// seal log may go.
pub const SEAL_LOG_VIEWS: u64 = 1_024;

/// Most tickets shown to a submitter.
pub const MAX_CANDIDATES: usize = 64;

/// Shortest lottery period: the draw seeds of the next three heights must lie on blocks already known (C6.2).
pub const MIN_LOTTERY_PERIOD_BLOCKS: u64 = 4;

const _: () =
    assert!(MAX_EXPECTED_SEALS as usize <= MAX_BLOCK_SEALS, "a block must have room for its parent's seals");
