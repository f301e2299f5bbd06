//! The metrics of a node in one place; those of network (links of both levels, their bytes and calls) and RPC stand
//! in their crates.

use crate::seal_queue::Offered;
use crate::shared::Standing;

/// Height of the newest final block.
const HEIGHT: &str = "btn_final_height";
/// Height of the newest block in the third state.
const THIRD_HEIGHT: &str = "btn_third_state_height";
/// Current view.
const VIEW: &str = "btn_view";
/// Views skipped since the best certified block.
const ROUND: &str = "btn_round";
/// 1 while blocks known to be final are missing here.
const SYNCING: &str = "btn_syncing";
/// 1 while the node votes or seals, 0 while it only follows.
const VOTES: &str = "btn_votes";
/// Transactions in the pool.
const POOL: &str = "btn_pool_transactions";
/// Transactions in final blocks since the start.
pub(crate) const FINAL_TRANSACTIONS: &str = "btn_final_transactions_total";
/// Seconds from a block's timestamp until it was final here.
pub(crate) const FINAL_SECONDS: &str = "btn_time_to_final_seconds";
/// Seconds from a block's timestamp until its third state was known here.
pub(crate) const THIRD_STATE_SECONDS: &str = "btn_time_to_third_state_seconds";
/// Seconds of one journal group, synced.
pub(crate) const JOURNAL_SECONDS: &str = "btn_journal_append_seconds";
/// Seconds of one commit of final blocks.
pub(crate) const COMMIT_SECONDS: &str = "btn_commit_seconds";
/// Master: seals that came by supervisors' links, by what became of them before the engine.
const SEALS_RECEIVED: &str = "btn_seals_received_total";
/// Seals whose signatures were checked.
const SEALS_VERIFIED: &str = "btn_seals_verified_total";
/// Master: seals that the engine refused, from supervisors and masters.
const SEALS_REFUSED: &str = "btn_seals_refused_total";
/// Master: pulls answered, by what was given.
const PULLS: &str = "btn_pulls_served_total";
/// Supervisor: seals made since the start.
const SEALS_MADE: &str = "btn_seals_made_total";

/// Names and explains the metrics to the exporter.
pub(crate) fn describe() {
    metrics::describe_gauge!(HEIGHT, "Height of the newest final block");
    metrics::describe_gauge!(THIRD_HEIGHT, "Height of the newest block in the third state");
    metrics::describe_gauge!(VIEW, "Current view");
    metrics::describe_gauge!(ROUND, "Views skipped since the best certified block");
    metrics::describe_gauge!(SYNCING, "1 while blocks known to be final are missing here");
    metrics::describe_gauge!(VOTES, "1 while the node votes or seals, 0 while it only follows");
    metrics::describe_gauge!(POOL, "Transactions in the pool");
    metrics::describe_counter!(FINAL_TRANSACTIONS, "Transactions in final blocks since the start");
    metrics::describe_histogram!(FINAL_SECONDS, "Seconds from a block's timestamp until it was final here");
    metrics::describe_histogram!(
        THIRD_STATE_SECONDS,
        "Seconds from a block's timestamp until its third state was known here"
    );
    metrics::describe_histogram!(JOURNAL_SECONDS, "Seconds of one journal group, synced");
    metrics::describe_histogram!(COMMIT_SECONDS, "Seconds of one commit of final blocks");
    metrics::describe_counter!(SEALS_VERIFIED, "Seals whose signatures were checked");
}

/// Names and explains what only masters count.
pub(crate) fn describe_master() {
    metrics::describe_counter!(
        SEALS_RECEIVED,
        "Seals from supervisors' links: queued for the engine, foreign (not the sender's own), or dropped for \
         want of room"
    );
    metrics::describe_counter!(SEALS_REFUSED, "Seals refused: they prove nothing, or are too old");
    metrics::describe_counter!(PULLS, "Pulls of supervisors answered: with a block, a range, or nothing");
}

/// Names and explains what only supervisors count.
pub(crate) fn describe_supervisor() {
    metrics::describe_counter!(SEALS_MADE, "Seals made since the start");
}

/// Sets the gauges. They are for people, so the loss of precision past 2⁵³ does not matter.
#[allow(clippy::cast_precision_loss, reason = "gauges are floating point")]
pub(crate) fn show(standing: &Standing, pool_transactions: usize) {
    metrics::gauge!(HEIGHT).set(standing.height.0 as f64);
    metrics::gauge!(THIRD_HEIGHT).set(standing.third_height.0 as f64);
    metrics::gauge!(VIEW).set(standing.view.0 as f64);
    metrics::gauge!(ROUND).set(standing.round.0 as f64);
    metrics::gauge!(SYNCING).set(f64::from(u8::from(standing.syncing)));
    metrics::gauge!(VOTES).set(f64::from(u8::from(standing.signs)));
    metrics::gauge!(POOL).set(pool_transactions as f64);
    if let Some(sealing) = &standing.sealing {
        metrics::counter!(SEALS_MADE).absolute(sealing.seals_made);
    }
}

/// Seals verified since the start.
pub(crate) fn show_verified(seals: u64) {
    metrics::counter!(SEALS_VERIFIED).absolute(seals);
}

/// Seals refused since the start.
pub(crate) fn show_refused(seals: u64) {
    metrics::counter!(SEALS_REFUSED).absolute(seals);
}

/// Counts what became of seals from a supervisor's link.
pub(crate) fn count_offered(offered: Offered) {
    for (outcome, count) in
        [("queued", offered.queued), ("foreign", offered.foreign), ("dropped", offered.dropped)]
    {
        if count > 0 {
            metrics::counter!(SEALS_RECEIVED, "outcome" => outcome).increment(count as u64);
        }
    }
}

/// Counts an answered pull.
pub(crate) fn count_pull(given: &'static str) {
    metrics::counter!(PULLS, "given" => given).increment(1);
}
