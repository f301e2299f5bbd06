//! Many scenarios on a few threads, and what they add up to.

use crate::{Failure, Report, Scenario};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Sums over runs.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    runs: u64,
    sums: BTreeMap<&'static str, u64>,
    slowest: BTreeMap<String, u64>,
    runs_by_mix: BTreeMap<String, u64>,
}

impl Totals {
    /// Takes a run in.
    pub fn add(&mut self, report: &Report) {
        self.runs += 1;
        let (counts, links) = (&report.counts, &report.links);
        let parts = [
            ("steps", counts.steps),
            ("heights", report.height),
            ("transfers final", report.transactions as u64),
            ("transfers accepted", counts.accepted),
            ("simulated seconds", report.simulated_ms / 1_000),
            ("messages", counts.messages),
            ("messages lost", links.lost),
            ("messages cut off", links.cut),
            ("messages doubled", links.doubled),
            ("messages held back", links.stale),
            ("partitions", counts.partitions),
            ("crashes", counts.crashes),
            ("blackouts", counts.blackouts),
            ("compactions", counts.compactions),
            ("seals sent", counts.seals),
            ("masters dropped by supervisors", counts.dropped_masters),
            ("Byzantine supervisors", report.sealers as u64),
            ("third-state heights", report.third_height),
            ("Byzantine members", report.byzantine as u64),
        ];
        for (name, value) in parts {
            *self.sums.entry(name).or_default() += value;
        }
        let mix = report.scenario.mix.name().to_owned();
        let slowest = self.slowest.entry(mix.clone()).or_default();
        *slowest = (*slowest).max(report.progress_ms);
        *self.runs_by_mix.entry(mix).or_default() += 1;
    }

    /// Runs taken in.
    #[must_use]
    pub const fn runs(&self) -> u64 {
        self.runs
    }

    /// One of the sums, by its name in the printed totals.
    #[must_use]
    pub fn sum(&self, name: &str) -> u64 {
        self.sums.get(name).copied().unwrap_or_default()
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} runs", self.runs)?;
        for (name, value) in &self.sums {
            writeln!(f, "  {name}: {value}")?;
        }
        writeln!(f, "  by mix: runs, and the longest time from the healing to progress")?;
        for (mix, slowest) in &self.slowest {
            let runs = self.runs_by_mix.get(mix).copied().unwrap_or_default();
            writeln!(f, "    {mix}: {runs}, {slowest} ms")?;
        }
        Ok(())
    }
}

/// Plays scenarios on `threads` threads and collects outcomes in the scenarios' order. Stops handing out work after
/// `most_failures` failures.
pub fn play_all(
    scenarios: &[Scenario],
    threads: usize,
    most_failures: usize,
) -> Vec<Result<Report, Box<Failure>>> {
    let (next, failures) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let outcomes = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while failures.load(Ordering::Relaxed) < most_failures {
                    let position = next.fetch_add(1, Ordering::Relaxed);
                    let Some(scenario) = scenarios.get(position) else { return };
                    let outcome = crate::run(*scenario, false);
                    failures.fetch_add(usize::from(outcome.is_err()), Ordering::Relaxed);
                    if let Ok(mut outcomes) = outcomes.lock() {
                        outcomes.insert(position, outcome);
                    }
                }
            });
        }
    });
    outcomes.into_inner().unwrap_or_default().into_values().collect()
}
