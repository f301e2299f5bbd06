//! The network between members: what is lost, late, doubled, or cut off.

use crate::{Plan, Random};
use btn_types::MemberIndex;

/// Which links are cut: bit `to` of entry `from`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition(Vec<u64>);

impl Partition {
    /// Draws one: a split into two, one member cut off, or the same in one direction only.
    #[must_use]
    pub fn draw(members: usize, random: &mut Random) -> Self {
        let all = (1u64 << members) - 1;
        let group = if random.chance(400_000) {
            1 << random.position(members)
        } else {
            random.between(1, all.saturating_sub(1))
        };
        let (there, back) = match random.below(4) {
            0 => (true, false),
            1 => (false, true),
            _ => (true, true),
        };
        let cut = |from: usize| {
            let inside = group >> from & 1 == 1;
            match (inside, there, back) {
                (true, true, _) => all & !group,
                (false, _, true) => group,
                _ => 0,
            }
        };
        Self((0..members).map(cut).collect())
    }

    fn cuts(&self, from: MemberIndex, to: MemberIndex) -> bool {
        self.0.get(from.index()).is_some_and(|cut| cut >> to.0 & 1 == 1)
    }

    /// The first member's cut links, for the trace.
    #[must_use]
    pub fn mask(&self) -> u64 {
        self.0.iter().fold(0, |mask, cut| mask.rotate_left(8) ^ cut)
    }
}

/// What happens to messages on their way.
#[derive(Clone, Debug)]
pub struct Links {
    partition: Option<Partition>,
    loss_per_million: u64,
    duplicates_per_million: u64,
    stale_per_million: u64,
    max_delay_ms: u64,
    stale_ms: u64,
    random: Random,
    /// Messages lost by chance, cut off, doubled, and held back for long.
    pub counts: LinkCounts,
}

/// Faults that links have made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounts {
    /// Lost by chance.
    pub lost: u64,
    /// Cut off by a partition.
    pub cut: u64,
    /// Doubled.
    pub doubled: u64,
    /// Held back for longer than Δ.
    pub stale: u64,
}

impl Links {
    /// Links as the plan has them.
    #[must_use]
    pub fn new(plan: &Plan, random: Random) -> Self {
        Self {
            partition: None,
            loss_per_million: plan.loss_per_million,
            duplicates_per_million: plan.duplicates_per_million,
            stale_per_million: plan.stale_per_million,
            max_delay_ms: plan.max_delay_ms,
            stale_ms: plan.stale_ms,
            random,
            counts: LinkCounts::default(),
        }
    }

    /// Cuts links, or joins all of them.
    pub fn set_partition(&mut self, partition: Option<Partition>) {
        self.partition = partition;
    }

    /// From now on everything arrives, once, within the delay of the plan.
    pub fn heal(&mut self) {
        self.partition = None;
        self.loss_per_million = 0;
        self.duplicates_per_million = 0;
        self.stale_per_million = 0;
    }

    /// When copies of a message sent now arrive, in milliseconds from now. Uniform delays reorder.
    pub fn delays(&mut self, from: MemberIndex, to: MemberIndex) -> Vec<u64> {
        if self.partition.as_ref().is_some_and(|partition| partition.cuts(from, to)) {
            self.counts.cut += 1;
            return Vec::new();
        }
        if self.random.chance(self.loss_per_million) {
            self.counts.lost += 1;
            return Vec::new();
        }
        let copies = if self.random.chance(self.duplicates_per_million) { 2 } else { 1 };
        self.counts.doubled += copies - 1;
        (0..copies).map(|_| self.delay()).collect()
    }

    /// The same between a supervisor and a master: partitions are the members' own.
    pub fn home_delays(&mut self) -> Vec<u64> {
        if self.random.chance(self.loss_per_million) {
            self.counts.lost += 1;
            return Vec::new();
        }
        vec![self.delay()]
    }

    fn delay(&mut self) -> u64 {
        if self.random.chance(self.stale_per_million) {
            self.counts.stale += 1;
            return self.random.between(self.max_delay_ms, self.stale_ms);
        }
        self.random.between(1, self.max_delay_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_cuts_something_but_never_a_member_from_itself() {
        for seed in 0..200 {
            let partition = Partition::draw(7, &mut Random::new(seed));
            let pairs = (0..7).flat_map(|from| (0..7).map(move |to| (MemberIndex(from), MemberIndex(to))));
            let cut: Vec<_> = pairs.filter(|(from, to)| partition.cuts(*from, *to)).collect();
            assert!(!cut.is_empty(), "seed {seed}");
            assert!(cut.iter().all(|(from, to)| from != to), "seed {seed}: {cut:?}");
        }
    }
}
