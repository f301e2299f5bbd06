//! One run from its first moment to its verdict: faults, healing, and the bound on progress (C11.12).

use crate::links::LinkCounts;
use crate::plan::DELTA_MS;
use crate::world::{Counts, RESTART_MS};
use crate::{Invariant, Plan, Random, Scenario, Universe, Violation, World};
use btn_types::Height;
use btn_types::genesis::ConsensusParameters;
use std::fmt;

/// Steps after which a run counts as a storm of messages.
const MAX_EVENTS: u64 = 3_000_000;

/// Longest time from the healing to a new finalisation at every honest member: 60 Δ. Δ may have grown eightfold (C6),
/// a view may take 4 of these and a Byzantine member may spoil it; the longest of 5,500 seeds took 22 Δ.
pub const PROGRESS_BOUND_MS: u64 = 60 * DELTA_MS;

/// Longest time from the healing to the third state of the heights asked for, at every honest node of both levels,
/// where these heights are final.
const THIRD_STATE_BOUND_MS: u64 = 3 * PROGRESS_BOUND_MS;

/// Longest time from there to the end of the run.
const END_BOUND_MS: u64 = 40 * PROGRESS_BOUND_MS;

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What was played.
    pub scenario: Scenario,
    /// Lowest finalised height of the honest members.
    pub height: u64,
    /// Simulated time.
    pub simulated_ms: u64,
    /// Time from the healing to a new finalisation at every honest member.
    pub progress_ms: u64,
    /// Longest time that a transfer took from acceptance to the first honest commit, the first seconds left out.
    pub slowest_final_ms: u64,
    /// Timing of the network, as drawn.
    pub parameters: ConsensusParameters,
    /// Longest delay of a message, as drawn.
    pub max_delay_ms: u64,
    /// Largest error of a clock, as drawn.
    pub skew_ms: u64,
    /// Transactions in the finalised chain.
    pub transactions: usize,
    /// Faults and events.
    pub counts: Counts,
    /// Faults of links.
    pub links: LinkCounts,
    /// Byzantine members.
    pub byzantine: usize,
    /// Supervisors that kept no rules.
    pub sealers: usize,
    /// Lowest third state of the honest masters; 0 without supervisors.
    pub third_height: u64,
    /// Hash over everything that happened (C11.14).
    pub trace_hash: u64,
}

/// A broken invariant, with all that is needed to look at it.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What was played.
    pub scenario: Scenario,
    /// What broke.
    pub violation: Violation,
    /// Simulated time of the break.
    pub at_ms: u64,
    /// The plan.
    pub plan: String,
    /// Where everybody stood.
    pub stands: String,
    /// The newest events.
    pub tail: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scenario, violation, at_ms, plan, stands, tail } = self;
        writeln!(f, "{tail}\n{plan}\n{stands}")?;
        writeln!(f, "{scenario}, at {at_ms} ms: {violation}")?;
        write!(f, "play it again: {}", scenario.replay())
    }
}

impl std::error::Error for Failure {}

/// Plays a scenario with stand-in cryptography; `is_printed` shows every event on stderr.
///
/// # Errors
/// [`Failure`].
pub fn run(scenario: Scenario, is_printed: bool) -> Result<Report, Box<Failure>> {
    let mut random = Random::new(scenario.seed);
    let plan = Plan::draw(&scenario, &mut random);
    match Universe::stand_in(scenario.seed, scenario.members, scenario.supervisors(), plan.parameters) {
        Ok(universe) => play(scenario, plan, &universe, random, is_printed),
        Err(reason) => Err(unborn(scenario, &plan, reason)),
    }
}

/// Plays a scenario in a universe made by `make`, which is given the plan.
///
/// # Errors
/// [`Failure`].
pub fn run_in(
    scenario: Scenario,
    make: impl FnOnce(&Plan) -> Result<Universe, String>,
) -> Result<Report, Box<Failure>> {
    let mut random = Random::new(scenario.seed);
    let plan = Plan::draw(&scenario, &mut random);
    match make(&plan) {
        Ok(universe) => play(scenario, plan, &universe, random, false),
        Err(reason) => Err(unborn(scenario, &plan, reason)),
    }
}

fn unborn(scenario: Scenario, plan: &Plan, reason: String) -> Box<Failure> {
    let violation = Violation::new(Invariant::NoHalt, reason);
    let (stands, tail) = (String::new(), String::new());
    Box::new(Failure { scenario, violation, at_ms: 0, plan: format!("{plan:?}"), stands, tail })
}

fn play(
    scenario: Scenario,
    plan: Plan,
    universe: &Universe,
    random: Random,
    is_printed: bool,
) -> Result<Report, Box<Failure>> {
    let mut world = World::new(scenario, plan, universe, random, is_printed);
    let verdict = play_out(&mut world, scenario.heights);
    match verdict {
        Ok(progress_ms) => Ok(Report {
            scenario,
            height: world.oracle().height_range().0.0,
            simulated_ms: world.now_ms(),
            progress_ms,
            slowest_final_ms: world.slowest_final_ms(),
            parameters: world.plan().parameters,
            max_delay_ms: world.plan().max_delay_ms,
            skew_ms: world.plan().skew_ms,
            transactions: world.oracle().transactions(),
            counts: world.counts(),
            links: world.link_counts(),
            byzantine: world.misbehaviours().count(),
            sealers: world.plan().sealers.len(),
            third_height: world.oracle().third_height().0,
            trace_hash: world.trace().hash(),
        }),
        Err(violation) => Err(Box::new(Failure {
            scenario,
            violation,
            at_ms: world.now_ms(),
            plan: format!("{:?}", world.plan()),
            stands: world.stands(),
            tail: world.trace().tail(),
        })),
    }
}

/// Plays to the end; gives the time that progress took after the healing.
fn play_out(world: &mut World<'_>, heights: u64) -> Result<u64, Violation> {
    while !world.is_healed() {
        next(world)?;
    }
    let (healed_ms, before) = (world.now_ms() + RESTART_MS, world.oracle().height_range().1);
    let mut progress_ms = None;
    loop {
        next(world)?;
        let height = world.oracle().height_range().0;
        let since_ms = world.now_ms().saturating_sub(healed_ms);
        if progress_ms.is_none() && height > before {
            progress_ms = Some(since_ms);
        }
        match progress_ms {
            None if since_ms > PROGRESS_BOUND_MS => {
                let detail = format!("{since_ms} ms after the healing not all are above height {before}");
                return Err(Violation::new(Invariant::Liveness, detail));
            }
            Some(progress_ms)
                if height.0 >= heights
                    && world.unsettled() == 0
                    && world.has_third_state(Height(heights)) =>
            {
                return Ok(progress_ms);
            }
            Some(_)
                if since_ms > THIRD_STATE_BOUND_MS
                    && height.0 >= heights
                    && !world.has_third_state(Height(heights)) =>
            {
                let detail =
                    format!("{since_ms} ms after the healing not all have the third state of {heights}");
                return Err(Violation::new(Invariant::Liveness, detail));
            }
            Some(_) if since_ms > END_BOUND_MS && height.0 >= heights => {
                let detail = format!("{} accepted transfers are not final", world.unsettled());
                return Err(Violation::new(Invariant::AcceptedIsFinal, detail));
            }
            Some(_) if since_ms > END_BOUND_MS => {
                let detail = format!("{since_ms} ms after the healing not all are at height {heights}");
                return Err(Violation::new(Invariant::Liveness, detail));
            }
            _ => {}
        }
    }
}

fn next(world: &mut World<'_>) -> Result<(), Violation> {
    if !world.advance()? {
        return Err(Violation::new(Invariant::Liveness, "nothing is left to happen"));
    }
    if world.trace().length() > 2 * MAX_EVENTS || world.counts().steps > MAX_EVENTS {
        return Err(Violation::new(Invariant::Liveness, "a storm of messages"));
    }
    Ok(())
}
