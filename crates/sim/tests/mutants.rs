//! The campaign must be able to fail. Each mutant is a runner or an outside that breaks one promise which the engine
//! relies on; no production code is changed. Each must be caught within a number of seeds, which is printed.

use btn_sim::{Checks, Invariant, Mix, Runner, Scenario, run};
use std::io::Write as _;

/// Seeds after which a mutant counts as not caught.
const MOST_SEEDS: u64 = 150;

/// Plays seeds until one fails: how many that took, and what broke.
fn hunt(runner: Runner, mix: Mix, checks: Checks) -> Option<(u64, Invariant)> {
    let caught = (0..MOST_SEEDS).find_map(|seed| {
        let scenario = Scenario { mix, runner, checks, heights: 10, ..Scenario::of(seed) };
        run(scenario, false).err().map(|failure| (seed + 1, failure))
    });
    let outcome = match &caught {
        Some((seeds, failure)) => {
            format!("caught, seeds needed: {seeds}: {}; {}", failure.violation, failure.scenario.replay())
        }
        None => format!("not caught by {MOST_SEEDS} seeds"),
    };
    let _ = writeln!(std::io::stderr(), "mutant {} in {mix}: {outcome}", runner.name());
    caught.map(|(seeds, failure)| (seeds, failure.violation.invariant))
}

fn assert_caught(runner: Runner, mix: Mix, checks: Checks, expected: &[Invariant]) {
    let (seeds, invariant) = hunt(runner, mix, checks).expect("caught");
    assert!(expected.contains(&invariant), "after {seeds} seeds {invariant:?} was found, not {expected:?}");
}

#[test]
fn no_journal_is_seen_at_the_first_vote() {
    assert_caught(Runner::NoJournal, Mix::Crashes, Checks::ALL, &[Invariant::LogBeforeSend]);
}

/// Even where nobody looks at the disks: votes contradict each other after a restart.
#[test]
fn no_journal_signs_slashable_pairs() {
    for mix in [Mix::Crashes, Mix::IdleFaults, Mix::Everything] {
        assert_caught(Runner::NoJournal, mix, Checks::NO_DISK, &[Invariant::NoSlashablePair]);
    }
}

#[test]
fn an_unsynced_group_signs_slashable_pairs() {
    for mix in [Mix::Crashes, Mix::IdleFaults] {
        assert_caught(Runner::LosesLastGroup, mix, Checks::NO_DISK, &[Invariant::NoSlashablePair]);
    }
    let seen = [Invariant::ViewsOnlyRise, Invariant::NoSlashablePair, Invariant::LogBeforeSend];
    assert_caught(Runner::LosesLastGroup, Mix::Crashes, Checks::ALL, &seen);
}

/// The votes alone: proposals are kept, so nothing but a vote can be signed twice.
#[test]
fn forgotten_votes_are_cast_again() {
    for mix in [Mix::Crashes, Mix::IdleFaults] {
        assert_caught(Runner::ForgetsVotes, mix, Checks::NO_DISK, &[Invariant::NoSlashablePair]);
    }
}

#[test]
fn a_restored_backup_signs_slashable_pairs() {
    assert_caught(Runner::RestoresBackup, Mix::Crashes, Checks::NO_DISK, &[Invariant::NoSlashablePair]);
}

#[test]
fn two_engines_with_one_key_are_no_honest_member() {
    assert_caught(Runner::SharedKeys, Mix::Lossy, Checks::NO_DISK, &[Invariant::NoSlashablePair]);
}

#[test]
fn forgotten_certificates_are_seen() {
    assert_caught(Runner::ForgetsCertificates, Mix::Crashes, Checks::ALL, &[Invariant::ViewsOnlyRise]);
}

/// C6.5 ⚠: without resending a laggard, or a network after a blackout, stays behind for ever.
#[test]
fn what_is_said_only_once_halts_somebody() {
    for mix in [Mix::IdleFaults, Mix::Partitions, Mix::Crashes] {
        assert_caught(Runner::ResendsNothing, mix, Checks::OUTCOME, &[Invariant::Liveness]);
    }
}

#[test]
fn unanswered_ranges_leave_a_laggard_behind() {
    assert_caught(Runner::AnswersNoRange, Mix::Partitions, Checks::OUTCOME, &[Invariant::Liveness]);
}

/// C8 ⚠: a seal that is in no log may be contradicted after a restart.
#[test]
fn a_seal_log_that_forgets_is_seen_at_the_next_seal() {
    assert_caught(Runner::ForgetsSeals, Mix::Supervisors, Checks::ALL, &[Invariant::LogBeforeSend]);
}

#[test]
fn supervisors_that_seal_unseen_are_no_honest_ones() {
    let seen = [Invariant::NoSlashablePair];
    assert_caught(Runner::SealsAnything, Mix::Supervisors, Checks::NO_DISK, &seen);
}

/// C8: blocks stay final without seals, and never reach the third state.
#[test]
fn without_seals_there_is_no_third_state() {
    assert_caught(Runner::NobodySeals, Mix::Supervisors, Checks::OUTCOME, &[Invariant::Liveness]);
}

/// The bound of C1 is sharp: with one twin too many the chain forks, and that is seen.
#[test]
fn one_twin_too_many_forks_the_chain() {
    use Invariant::{NeverFinalAndNullified, NoHalt, OneBlockPerHeight, OneNotarizationPerView};
    let forks = [OneBlockPerHeight, OneNotarizationPerView, NeverFinalAndNullified, NoHalt];
    for mix in [Mix::Twin, Mix::Partitions] {
        assert_caught(Runner::TooManyTwins, mix, Checks::OUTCOME, &forks);
    }
}
