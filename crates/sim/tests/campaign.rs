//! The campaign: hundreds of seeds through every mix of faults, the invariants of C11 after every step. A failure
//! prints its seed and the one command that plays it again.

use btn_sim::{Checks, Mix, RealKeys, Runner, Scenario, Totals, Universe, play_all, run, run_in};
use std::io::Write as _;
use std::time::Instant;

/// Seeds of an ordinary campaign; `BTN_SIM_SEEDS` asks for another number, `BTN_SIM_FIRST` for another start.
const SEEDS: u64 = 616;

/// Threads of an ordinary campaign; `BTN_SIM_THREADS` asks for more.
const THREADS: u64 = 2;

/// Failures after which a campaign stops.
const MOST_FAILURES: usize = 3;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, it must be a number")))
}

/// Prints past the capture of a test's output: CI shows the totals of a campaign that passed, too.
fn show(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// The scenario of a seed, changed as the environment asks.
fn scenario_of(seed: u64) -> Scenario {
    let mut scenario = Scenario::of(seed);
    if let Ok(mix) = std::env::var("BTN_SIM_MIX") {
        scenario.mix = mix.parse::<Mix>().expect("BTN_SIM_MIX names a mix");
    }
    if let Some(members) = number("BTN_SIM_MEMBERS") {
        scenario.members = usize::try_from(members).expect("a small number");
    }
    if let Ok(name) = std::env::var("BTN_SIM_RUNNER") {
        scenario.runner = Runner::ALL.into_iter().find(|runner| runner.name() == name).expect("a runner");
    }
    if let Ok(name) = std::env::var("BTN_SIM_CHECKS") {
        let named = Checks::NAMED.into_iter().find(|(of_set, _)| *of_set == name);
        scenario.checks = named.expect("a set of checks").1;
    }
    scenario
}

#[test]
fn campaign() {
    let started = Instant::now();
    let (first, seeds) = (number("BTN_SIM_FIRST").unwrap_or(0), number("BTN_SIM_SEEDS").unwrap_or(SEEDS));
    let scenarios: Vec<_> = (first..first + seeds).map(scenario_of).collect();
    let threads = number("BTN_SIM_THREADS").unwrap_or(THREADS);
    let outcomes = play_all(&scenarios, usize::try_from(threads).unwrap(), MOST_FAILURES);
    let mut totals = Totals::default();
    let mut failures = 0;
    for outcome in &outcomes {
        match outcome {
            Ok(report) => totals.add(report),
            Err(failure) => {
                failures += 1;
                println!("{failure}\n");
            }
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    show(&format!("{totals}in {seconds:.1} s, {:.1} seeds a second", totals.runs() as f64 / seconds));
    assert_eq!(failures, 0, "the seeds are printed above");
    assert_eq!(totals.runs(), seeds);
    assert!(totals.sum("heights") >= 20 * seeds);
}

/// Plays one seed, `BTN_SIM_SEED`, with every event printed if `BTN_SIM_TRACE` is set, twice: equal seeds give equal
/// traces (C11.14).
#[test]
fn replay() {
    let scenario = scenario_of(number("BTN_SIM_SEED").unwrap_or(10));
    let is_printed = std::env::var_os("BTN_SIM_TRACE").is_some();
    let first = run(scenario, is_printed).unwrap_or_else(|failure| panic!("{failure}"));
    let second = run(scenario, false).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(first, second, "equal seeds, different traces");
    println!("{first:#?}");
}

#[test]
fn other_seeds_give_other_traces() {
    let hash = |seed| run(Scenario { heights: 3, ..Scenario::of(seed) }, false).unwrap().trace_hash;
    assert_ne!(hash(0), hash(11));
}

/// The same world with RSA and BLS, and every message through its encoding: four members, about ten heights. The keys
/// are new at each run, so these seeds do not replay exactly.
#[test]
fn real_cryptography() {
    let keys = RealKeys::generate(4, 6).unwrap();
    let started = Instant::now();
    let mut totals = Totals::default();
    for mix in [Mix::Honest, Mix::Crashes, Mix::Twin, Mix::Garble, Mix::Supervisors] {
        let scenario = Scenario { mix, members: 4, heights: 10, ..Scenario::of(7) };
        let report = run_in(scenario, |plan| Universe::real(&keys, plan.parameters));
        totals.add(&report.unwrap_or_else(|failure| panic!("{failure}")));
    }
    show(&format!("real cryptography: {totals}in {:.1} s", started.elapsed().as_secs_f64()));
}
