//! What is played: a seed, a mix of faults, a committee size.

use crate::{Checks, Runner};
use std::fmt;
use std::str::FromStr;

/// Kinds of trouble. What exactly happens is drawn from the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mix {
    /// No faults, transfers.
    Honest,
    /// Loss, duplicates, stale messages, reordering.
    Lossy,
    /// Members crash between any two effects and restart; sometimes all at once.
    Crashes,
    /// Partitions of all kinds.
    Partitions,
    /// No faults and no transactions: views wait (C6.3).
    Idle,
    /// No transactions; restarts, partitions, loss: stuck members and missing certificates show here (C6.5 ⚠).
    IdleFaults,
    /// Up to f members run twice: double proposals and double votes; otherwise as `Lossy`.
    Twin,
    /// Up to f members show proposals to some, late or never, or hide their votes and certificates.
    Withhold,
    /// Up to f members never say anything, or are gone for ever after a while.
    Silent,
    /// Up to f members send altered copies of what they should send, or sign what they should not.
    Garble,
    /// Two levels: supervisors that crash, lose messages and seal falsely.
    Supervisors,
    /// Everything above at once.
    Everything,
}

impl Mix {
    /// All mixes.
    pub const ALL: [Self; 12] = [
        Self::Honest,
        Self::Lossy,
        Self::Crashes,
        Self::Partitions,
        Self::Idle,
        Self::IdleFaults,
        Self::Twin,
        Self::Withhold,
        Self::Silent,
        Self::Garble,
        Self::Supervisors,
        Self::Everything,
    ];

    /// Its name, for replays.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Honest => "honest",
            Self::Lossy => "lossy",
            Self::Crashes => "crashes",
            Self::Partitions => "partitions",
            Self::Idle => "idle",
            Self::IdleFaults => "idle-faults",
            Self::Twin => "twin",
            Self::Withhold => "withhold",
            Self::Silent => "silent",
            Self::Garble => "garble",
            Self::Supervisors => "supervisors",
            Self::Everything => "everything",
        }
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|mix| mix.name() == name);
        found.ok_or_else(|| format!("there is no mix {name:?}; there are {:?}", Self::ALL.map(Self::name)))
    }
}

/// One run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Everything drawn comes from here.
    pub seed: u64,
    /// Kinds of trouble.
    pub mix: Mix,
    /// Committee size.
    pub members: usize,
    /// Finalised heights every honest member must reach.
    pub heights: u64,
    /// How faithfully the disks keep what they are given.
    pub runner: Runner,
    /// What the oracle looks at.
    pub checks: Checks,
}

impl Scenario {
    /// The scenario that a campaign plays for a seed: mixes take turns, two of three committees have four
    /// members, the third has seven.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mixes = Mix::ALL.len() as u64;
        let mix = Mix::ALL[usize::try_from(seed % mixes).unwrap_or(0)];
        let members = if (seed / mixes) % 3 == 2 { 7 } else { 4 };
        Self { seed, mix, members, heights: 20, runner: Runner::Faithful, checks: Checks::ALL }
    }

    /// How many supervisors there are: in the other mixes nobody seals, and the third state is finality.
    #[must_use]
    pub const fn supervisors(&self) -> usize {
        match self.mix {
            Mix::Supervisors => 6,
            Mix::Everything => 5,
            _ => 0,
        }
    }

    /// The one command that plays this run again.
    #[must_use]
    pub fn replay(&self) -> String {
        let usual = Self::of(self.seed);
        let mut command = format!("BTN_SIM_SEED={}", self.seed);
        if self.mix != usual.mix {
            command += &format!(" BTN_SIM_MIX={}", self.mix);
        }
        if self.members != usual.members {
            command += &format!(" BTN_SIM_MEMBERS={}", self.members);
        }
        if self.runner != usual.runner {
            command += &format!(" BTN_SIM_RUNNER={}", self.runner.name());
        }
        if self.checks != usual.checks {
            command += &format!(" BTN_SIM_CHECKS={}", self.checks.name());
        }
        command + " cargo test --locked -p btn-sim --test campaign -- replay --nocapture"
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}, mix {}, {} members", self.seed, self.mix, self.members)
    }
}
