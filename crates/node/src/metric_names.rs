//! The metrics of a node in one place; those of network and RPC stand in their crates.

use btn_engine::EngineStatus;

/// Height of the newest final block.
const HEIGHT: &str = "btn_final_height";
/// Current view.
const VIEW: &str = "btn_view";
/// Views skipped since the best certified block.
const ROUND: &str = "btn_round";
/// 1 while blocks known to be final are missing here.
const SYNCING: &str = "btn_syncing";
/// 1 while the node signs, 0 while it only observes.
const VOTES: &str = "btn_votes";
/// Transactions in the pool.
const POOL: &str = "btn_pool_transactions";
/// Transactions in final blocks since the start.
pub(crate) const FINAL_TRANSACTIONS: &str = "btn_final_transactions_total";
/// Seconds from a block's timestamp until it was final here.
pub(crate) const FINAL_SECONDS: &str = "btn_time_to_final_seconds";
/// Seconds of one journal group, synced.
pub(crate) const JOURNAL_SECONDS: &str = "btn_journal_append_seconds";
/// Seconds of one commit of final blocks.
pub(crate) const COMMIT_SECONDS: &str = "btn_commit_seconds";

/// Names and explains the metrics to the exporter.
pub(crate) fn describe() {
    metrics::describe_gauge!(HEIGHT, "Height of the newest final block");
    metrics::describe_gauge!(VIEW, "Current view");
    metrics::describe_gauge!(ROUND, "Views skipped since the best certified block");
    metrics::describe_gauge!(SYNCING, "1 while blocks known to be final are missing here");
    metrics::describe_gauge!(VOTES, "1 while the node signs, 0 while it only observes");
    metrics::describe_gauge!(POOL, "Transactions in the pool");
    metrics::describe_counter!(FINAL_TRANSACTIONS, "Transactions in final blocks since the start");
    metrics::describe_histogram!(FINAL_SECONDS, "Seconds from a block's timestamp until it was final here");
    metrics::describe_histogram!(JOURNAL_SECONDS, "Seconds of one journal group, synced");
    metrics::describe_histogram!(COMMIT_SECONDS, "Seconds of one commit of final blocks");
}

/// Sets the gauges. They are for people, so the loss of precision past 2⁵³ does not matter.
#[allow(clippy::cast_precision_loss, reason = "gauges are floating point")]
pub(crate) fn show(status: &EngineStatus, pool_transactions: usize) {
    metrics::gauge!(HEIGHT).set(status.height.0 as f64);
    metrics::gauge!(VIEW).set(status.view.0 as f64);
    metrics::gauge!(ROUND).set(status.round.0 as f64);
    metrics::gauge!(SYNCING).set(f64::from(u8::from(status.syncing)));
    metrics::gauge!(VOTES).set(f64::from(u8::from(status.votes)));
    metrics::gauge!(POOL).set(pool_transactions as f64);
}
