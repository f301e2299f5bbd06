//! Everything a seed decides before a run begins.

use crate::adversary::Misbehaviour;
use crate::{Mix, Random, Runner, Scenario, Sealer};
use btn_types::MemberIndex;
use btn_types::genesis::ConsensusParameters;
use std::collections::BTreeMap;

/// Δ of simulated networks: the devnet's.
pub const DELTA_MS: u64 = 500;

/// Faults, clocks and members of one run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Timing and lottery.
    pub parameters: ConsensusParameters,
    /// Faults end here.
    pub fault_ms: u64,
    /// Messages lost, of a million.
    pub loss_per_million: u64,
    /// Messages doubled, of a million.
    pub duplicates_per_million: u64,
    /// Messages held back for long, of a million.
    pub stale_per_million: u64,
    /// Longest ordinary delay, at most Δ.
    pub max_delay_ms: u64,
    /// Longest delay of a message held back.
    pub stale_ms: u64,
    /// A process dies before an effect, of a million.
    pub crash_per_million: u64,
    /// Longest time a crashed process stays down.
    pub down_ms: u64,
    /// Times at which all processes die at once.
    pub blackouts_ms: Vec<u64>,
    /// Partitions: from and until.
    pub partitions_ms: Vec<(u64, u64)>,
    /// Who misbehaves, at most f.
    pub byzantine: BTreeMap<MemberIndex, Misbehaviour>,
    /// Whether transfers are submitted.
    pub transfers: bool,
    /// Whether processes are told of links that come up; else only their own resending helps.
    pub announces_links: bool,
    /// Journals are compacted after a step, of a million.
    pub compact_per_million: u64,
    /// Largest error of a member's clock in either direction.
    pub skew_ms: u64,
    /// Supervisors that keep no rules, by place: at most a fifth (C1).
    pub sealers: BTreeMap<usize, Sealer>,
}

fn parameters(random: &mut Random) -> ConsensusParameters {
    ConsensusParameters {
        delta_ms: DELTA_MS,
        candidate_wait_ms: random.pick(&[0, 20, 250]).unwrap_or(20),
        idle_interval_ms: random.pick(&[DELTA_MS, 2 * DELTA_MS]).unwrap_or(DELTA_MS),
        min_block_interval_ms: random.pick(&[1, 100, 400]).unwrap_or(100),
        lottery_period_blocks: random.pick(&[4, 5, 16]).unwrap_or(16),
        // Below the number of supervisors at times: then seals are drawn (C8).
        expected_seals: random.pick(&[4, 128]).unwrap_or(128),
    }
}

impl Plan {
    /// The plan of a scenario.
    #[must_use]
    pub fn draw(scenario: &Scenario, random: &mut Random) -> Self {
        let mix = scenario.mix;
        let has = |mixes: &[Mix]| mixes.contains(&mix) || mix == Mix::Everything;
        let mut plan = Self::calm(random, !matches!(mix, Mix::Idle | Mix::IdleFaults));
        if matches!(mix, Mix::Honest | Mix::Idle) {
            return plan;
        }
        plan.fault_ms = random.between(6_000, 30_000);
        if has(&[Mix::Lossy, Mix::Twin, Mix::IdleFaults, Mix::Withhold, Mix::Supervisors])
            && random.chance(800_000)
        {
            plan.loss_per_million = random.below(300_001);
            plan.duplicates_per_million = random.below(100_001);
            plan.stale_per_million = random.below(30_001);
            plan.stale_ms = random.between(DELTA_MS, 20 * DELTA_MS);
        }
        if has(&[Mix::Crashes, Mix::IdleFaults, Mix::Supervisors]) {
            plan.crash_per_million = random.between(500, 6_000);
            plan.down_ms = random.pick(&[50, 1_000, 8_000]).unwrap_or(1_000);
            let blackouts = random.below(4);
            plan.blackouts_ms = (0..blackouts).map(|_| random.below(plan.fault_ms)).collect();
        }
        if has(&[Mix::Partitions, Mix::IdleFaults]) {
            plan.draw_partitions(random);
        }
        plan.draw_byzantine(scenario, random);
        plan.draw_sealers(scenario, random);
        plan
    }

    fn calm(random: &mut Random, transfers: bool) -> Self {
        Self {
            parameters: parameters(random),
            fault_ms: 0,
            loss_per_million: 0,
            duplicates_per_million: 0,
            stale_per_million: 0,
            max_delay_ms: random.pick(&[10, DELTA_MS / 5, DELTA_MS / 2, DELTA_MS]).unwrap_or(DELTA_MS),
            stale_ms: DELTA_MS,
            crash_per_million: 0,
            down_ms: 1_000,
            blackouts_ms: Vec::new(),
            partitions_ms: Vec::new(),
            byzantine: BTreeMap::new(),
            transfers,
            announces_links: random.chance(500_000),
            compact_per_million: random.pick(&[0, 2_000, 50_000]).unwrap_or(0),
            skew_ms: random.pick(&[0, 50, 200]).unwrap_or(0),
            sealers: BTreeMap::new(),
        }
    }

    fn draw_partitions(&mut self, random: &mut Random) {
        let mut from_ms = random.below(3_000);
        while from_ms < self.fault_ms {
            let until_ms = from_ms + random.between(500, 12_000);
            self.partitions_ms.push((from_ms, until_ms.min(self.fault_ms)));
            from_ms = until_ms + random.below(4_000);
        }
    }

    fn draw_sealers(&mut self, scenario: &Scenario, random: &mut Random) {
        let kinds: &[Sealer] = match scenario.runner {
            Runner::SealsAnything => &[Sealer::Anything],
            _ => &Sealer::ALL,
        };
        for _ in 0..scenario.supervisors() / 5 {
            let place = random.position(scenario.supervisors());
            if let Some(kind) = random.pick(kinds) {
                self.sealers.insert(place, kind);
            }
        }
    }

    fn draw_byzantine(&mut self, scenario: &Scenario, random: &mut Random) {
        let max_faulty = scenario.members.div_ceil(3).saturating_sub(1) as u64;
        let kinds: &[Misbehaviour] = match scenario.mix {
            _ if scenario.runner == Runner::SharedKeys => &[Misbehaviour::Twin],
            _ if scenario.runner == Runner::TooManyTwins => &[Misbehaviour::Twin],
            Mix::Twin => &[Misbehaviour::Twin],
            Mix::Withhold => &[Misbehaviour::Withhold, Misbehaviour::Hide],
            Mix::Silent => &[Misbehaviour::Silent, Misbehaviour::Leave],
            // A quorum then needs every laggard: who is stuck shows at once.
            Mix::IdleFaults | Mix::Partitions | Mix::Crashes if random.chance(500_000) => {
                &[Misbehaviour::Silent, Misbehaviour::Leave, Misbehaviour::Leave]
            }
            Mix::Garble => &[Misbehaviour::Garble, Misbehaviour::Forge],
            Mix::Everything => &Misbehaviour::ALL,
            _ => return,
        };
        let count = match scenario.runner {
            Runner::TooManyTwins => max_faulty + 1,
            _ => random.between(max_faulty.min(1), max_faulty),
        };
        while (self.byzantine.len() as u64) < count {
            let member = MemberIndex(u16::try_from(random.below(scenario.members as u64)).unwrap_or(0));
            if let Some(kind) = random.pick(kinds) {
                self.byzantine.entry(member).or_insert(kind);
            }
        }
    }
}
