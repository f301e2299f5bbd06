//! Every named bound of the server in one place.

use std::time::Duration;

/// Most bytes of one request body, as geth's.
pub const MAX_BODY_BYTES: usize = 5 * 1024 * 1024;

/// Most bytes of one response, a batch's included. A full block in JSON is about three times its RLP.
pub const MAX_RESPONSE_BYTES: u32 = 32 * 1024 * 1024;

/// Most requests in one batch.
pub const MAX_BATCH_REQUESTS: usize = 100;

/// Most connections served at once.
pub const MAX_CONNECTIONS: usize = 256;

/// Most connections being told that the server is full; beyond them connections are closed without a word.
pub const MAX_REFUSALS: usize = 32;

/// How long a client may take to send a request's header, which also bounds an idle connection.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client may take to send a request's body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// How long [`crate::RpcHandle::shutdown`] waits for requests in progress.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// How often observations are folded into the histograms of `/metrics`, so that they cannot pile up unscraped.
pub const METRICS_UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Methods that read blocks or state, running at once.
pub const MAX_CONCURRENT_READS: usize = 32;

/// Heavy methods (execution, logs, fee history) running at once. More wait; their number is bounded by
/// [`MAX_CONNECTIONS`], since the requests of one connection run one after the other.
pub const MAX_CONCURRENT_HEAVY: usize = 4;

/// Most blocks that one `eth_getLogs` looks at.
pub const MAX_LOG_RANGE_BLOCKS: u64 = 10_000;

/// Most logs that one `eth_getLogs` returns.
pub const MAX_LOGS: usize = 10_000;

/// Most bytes of log data that one `eth_getLogs` returns; in JSON each is two characters.
pub const MAX_LOG_BYTES: usize = 8 * 1024 * 1024;

/// Most addresses in one log filter, as geth's.
pub const MAX_LOG_ADDRESSES: usize = 1_000;

/// Most alternatives for one topic of a log filter, as geth's.
pub const MAX_LOG_TOPIC_ALTERNATIVES: usize = 1_000;

/// Most blocks in one fee history, as geth's.
pub const MAX_FEE_HISTORY_BLOCKS: u64 = 1_024;

/// Most reward percentiles in one fee history, as geth's.
pub const MAX_REWARD_PERCENTILES: usize = 100;

/// Newest blocks that the suggested tip looks at.
pub const TIP_SAMPLE_BLOCKS: u64 = 20;

/// Percentile of their tips that is suggested.
pub const TIP_PERCENTILE: usize = 60;

/// Suggested tip where those blocks hold no transaction, wei per gas: 1 gwei.
pub const TIP_DEFAULT_WEI: u128 = 1_000_000_000;

/// The suggested tip is never below this, wei per gas.
pub const TIP_FLOOR_WEI: u128 = 1;

/// The suggested tip is never above this, wei per gas: 500 gwei, as geth's.
pub const TIP_CEILING_WEI: u128 = 500_000_000_000;

/// How many blocks upwards `btn_getCertificate` looks for a block with its own Finalization. Twice the most
/// heights that can be unfinalised at once.
pub const MAX_CERTIFICATE_DISTANCE: u64 = 2 * btn_types::limits::MAX_UNFINALIZED_HEIGHTS;

/// How many blocks upwards `btn_getSeals` looks for the lowest sealed block that covers one in the third state;
/// where there is none so near, it names the newest one. Each step may read a block and those that include its
/// seals.
pub const MAX_COVERING_DISTANCE: u64 = 2 * btn_types::limits::MAX_SEAL_AGE_HEIGHTS;

/// Most seals of a block that `btn_getSeals` shows: far more than are drawn where λ is the largest, and with
/// 3072-bit keys and audit paths about 3 MB.
pub const MAX_SEALS_SHOWN: usize = 2 * btn_types::limits::MAX_EXPECTED_SEALS as usize;

/// Most records in one page of `btn_getSupervisors`: 5 kB of JSON each, 7 kB with 3072-bit keys.
pub const MAX_SUPERVISORS_PAGE: u64 = 256;

/// Most tickets that `btn_getCandidates` shows of one view, best first.
pub const MAX_CANDIDATES_PER_VIEW: usize =
    btn_types::limits::MAX_CANDIDATES / (btn_types::limits::TICKET_HORIZON as usize + 1);

/// Most supervisors that `btn_status` lists; where more are registered, connected ones come first.
pub const MAX_STATUS_SUPERVISORS: usize = 1_024;

/// Longest piece of a client's input that an error message repeats, in characters.
pub const MAX_ECHO_CHARACTERS: usize = 80;
