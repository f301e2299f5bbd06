//! The rule that lets an idle network wait (C6.3): it must not spin without transactions, and one transaction at one
//! member must wake all of them at once.

use btn_sim::{Mix, Scenario, run};

const SEEDS: u64 = 40;

/// Without transactions a height takes about an idle interval: no less, or the network spins; not much more, or views
/// are lost on the way.
#[test]
fn an_idle_network_makes_a_block_per_idle_interval() {
    for seed in 0..SEEDS {
        let scenario = Scenario { mix: Mix::Idle, ..Scenario::of(seed) };
        let report = run(scenario, false).unwrap_or_else(|failure| panic!("{failure}"));
        let (parameters, per_height_ms) = (report.parameters, report.simulated_ms / report.height);
        println!("{scenario}: {per_height_ms} ms a height, idle for {} ms", parameters.idle_interval_ms);
        let busy_ms = parameters.min_block_interval_ms
            + 2 * (parameters.candidate_wait_ms + report.skew_ms)
            + HOPS * report.max_delay_ms
            + LATENESS_MS;
        let (least_ms, most_ms) =
            (parameters.idle_interval_ms * 9 / 10, parameters.idle_interval_ms + busy_ms);
        assert!((least_ms..=most_ms).contains(&per_height_ms), "{report:#?}");
    }
}

/// Hops until a transfer is final: one to the clerk, then a Proposal and two rounds of votes; and one more, because it
/// may come just after a block was packed.
const HOPS: u64 = 5;

/// Room for timers that ring late.
const LATENESS_MS: u64 = 50;

/// A transfer does not wait for the idle interval, nor for a timeout.
#[test]
fn a_transfer_wakes_everybody() {
    for seed in 0..SEEDS {
        let scenario = Scenario { mix: Mix::Honest, ..Scenario::of(seed) };
        let report = run(scenario, false).unwrap_or_else(|failure| panic!("{failure}"));
        let parameters = report.parameters;
        // A clock that goes ahead makes the next clerk wait for the time in its parent's header.
        let interval_ms = parameters.min_block_interval_ms + 2 * report.skew_ms;
        let bound_ms =
            interval_ms + 2 * parameters.candidate_wait_ms + HOPS * report.max_delay_ms + LATENESS_MS;
        println!("{scenario}: {} ms, bound {bound_ms} ms", report.slowest_final_ms);
        assert!(report.slowest_final_ms > 0 && report.slowest_final_ms <= bound_ms, "{report:#?}");
    }
}
