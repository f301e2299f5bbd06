//! Bodies wanted: one puller at a time per hash, the next announcer after a patience.

use btn_types::{B256, MemberIndex, View};
use std::collections::{BTreeMap, BTreeSet};

/// How long a pull may take before the next master is asked, in Δ: four times what a message takes on a good line.
/// (The links give up after ten seconds.)
pub const PULL_PATIENCE_DELTAS: u64 = 4;

/// Most bodies wanted at a time.
pub const MAX_WANTED: usize = 512;

/// Most bodies of one master's proposals wanted at a time, certified ones apart: nobody fills the list alone.
pub const MAX_WANTED_PER_MASTER: usize = 64;

/// Most pulls under way at a time: bodies are large, and home lines are not.
pub const MAX_OPEN_PULLS: usize = 8;

/// Most of them for bodies that nobody has certified: whoever announces much and serves nothing leaves room.
const MAX_OPEN_UNCERTIFIED: usize = MAX_OPEN_PULLS / 2;

/// Most of them with one master, so that a slow one leaves room for the others.
const MAX_OPEN_PULLS_PER_MASTER: usize = 4;

/// A body wanted.
#[derive(Clone, Debug)]
struct Wanted {
    view: View,
    /// It is certified, or the parent of a block that came: any master must have it.
    from_anyone: bool,
    announcers: BTreeSet<MemberIndex>,
    tried: BTreeSet<MemberIndex>,
    asked: Option<(MemberIndex, u64)>,
    /// When all were tried, the first of them is asked again from here on.
    rest_until_ms: u64,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Pulls(BTreeMap<B256, Wanted>);

impl Pulls {
    /// A body is wanted, and this master has it.
    pub(super) fn want_of(&mut self, hash: B256, view: View, announcer: MemberIndex) {
        let of_announcer =
            self.0.values().filter(|wanted| !wanted.from_anyone && wanted.announcers.contains(&announcer));
        if of_announcer.count() < MAX_WANTED_PER_MASTER
            && let Some(wanted) = self.entry(hash, view)
        {
            wanted.announcers.insert(announcer);
        }
    }

    /// A body is wanted that every master must have.
    pub(super) fn want(&mut self, hash: B256, view: View) {
        if let Some(wanted) = self.entry(hash, view) {
            wanted.from_anyone = true;
        }
    }

    fn entry(&mut self, hash: B256, view: View) -> Option<&mut Wanted> {
        if self.0.len() >= MAX_WANTED && !self.0.contains_key(&hash) {
            return None;
        }
        Some(self.0.entry(hash).or_insert_with(|| Wanted {
            view,
            from_anyone: false,
            announcers: BTreeSet::new(),
            tried: BTreeSet::new(),
            asked: None,
            rest_until_ms: 0,
        }))
    }

    /// Whether this master announced the body, so that it owes it.
    pub(super) fn is_announcer(&self, hash: B256, master: MemberIndex) -> bool {
        self.0.get(&hash).is_some_and(|wanted| wanted.announcers.contains(&master))
    }

    /// A master's answer brought no body: the next one is asked. `false` where it was no longer waited for.
    pub(super) fn fruitless(&mut self, hash: B256, master: MemberIndex) -> bool {
        let wanted = self.0.get_mut(&hash);
        match wanted.filter(|wanted| wanted.asked.is_some_and(|(asked, _)| asked == master)) {
            Some(wanted) => {
                wanted.asked = None;
                true
            }
            None => false,
        }
    }

    /// The body is here, or no longer of use.
    pub(super) fn done(&mut self, hash: B256) {
        self.0.remove(&hash);
    }

    /// A master went: what it was asked for is asked of another.
    pub(super) fn forget_master(&mut self, master: MemberIndex) {
        for wanted in self.0.values_mut() {
            wanted.announcers.remove(&master);
            if wanted.asked.is_some_and(|(asked, _)| asked == master) {
                wanted.asked = None;
            }
        }
        self.0.retain(|_, wanted| wanted.from_anyone || !wanted.announcers.is_empty());
    }

    /// Masters that let their time run out; their pulls are free for others.
    pub(super) fn take_overdue(&mut self, now_ms: u64) -> Vec<(B256, MemberIndex)> {
        let mut overdue = Vec::new();
        for (hash, wanted) in &mut self.0 {
            if let Some((master, due_at_ms)) = wanted.asked
                && now_ms >= due_at_ms
            {
                wanted.asked = None;
                overdue.push((*hash, master));
            }
        }
        overdue
    }

    /// Whom to ask for which bodies now: certified ones first, then by view.
    pub(super) fn take_due(
        &mut self,
        linked: &[MemberIndex],
        now_ms: u64,
        patience_ms: u64,
    ) -> Vec<(MemberIndex, B256)> {
        let mut under_way: Vec<MemberIndex> =
            self.0.values().filter_map(|wanted| wanted.asked).map(|(master, _)| master).collect();
        let open = self.0.values().filter(|wanted| wanted.asked.is_some() && !wanted.from_anyone);
        let mut uncertified = open.count();
        let mut order: Vec<(bool, View, B256)> =
            self.0.iter().map(|(hash, wanted)| (!wanted.from_anyone, wanted.view, *hash)).collect();
        order.sort_unstable();
        let mut due = Vec::new();
        for (_, _, hash) in order {
            if under_way.len() >= MAX_OPEN_PULLS {
                break;
            }
            let Some(wanted) = self.0.get_mut(&hash) else { continue };
            let has_no_slot = !wanted.from_anyone && uncertified >= MAX_OPEN_UNCERTIFIED;
            if wanted.asked.is_some() || now_ms < wanted.rest_until_ms || has_no_slot {
                continue;
            }
            if let Some(master) = wanted.next_master(linked) {
                if under_way.iter().filter(|busy| **busy == master).count() >= MAX_OPEN_PULLS_PER_MASTER {
                    continue;
                }
                wanted.tried.insert(master);
                wanted.asked = Some((master, now_ms.saturating_add(patience_ms)));
                uncertified += usize::from(!wanted.from_anyone);
                under_way.push(master);
                due.push((master, hash));
            } else if wanted.from_anyone {
                wanted.tried.clear();
                wanted.rest_until_ms = now_ms.saturating_add(patience_ms);
            } else {
                // Nobody who announced it has it. Should it be certified, it is wanted anew.
                self.0.remove(&hash);
            }
        }
        due
    }

    /// When something is to be done next.
    pub(super) fn due_at_ms(&self, now_ms: u64) -> Option<u64> {
        let due = |wanted: &Wanted| match wanted.asked {
            Some((_, due_at_ms)) => Some(due_at_ms),
            None => Some(wanted.rest_until_ms).filter(|rest_until_ms| *rest_until_ms > now_ms),
        };
        self.0.values().filter_map(due).min()
    }

    /// Drops what is of views at or below this one: final by now, or beside the chain for ever.
    pub(super) fn prune_through(&mut self, view: View) {
        self.0.retain(|_, wanted| wanted.view > view);
    }
}

impl Wanted {
    /// The next master to ask: one that announced it, else, where all must have it, any.
    fn next_master(&self, linked: &[MemberIndex]) -> Option<MemberIndex> {
        let fresh = |master: &&MemberIndex| !self.tried.contains(master);
        let announcer = linked.iter().filter(|master| self.announcers.contains(master)).find(fresh);
        announcer.or_else(|| linked.iter().filter(|_| self.from_anyone).find(fresh)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE_MS: u64 = 2_000;
    const LINKED: [MemberIndex; 3] = [MemberIndex(0), MemberIndex(1), MemberIndex(2)];

    fn hash(number: u8) -> B256 {
        B256::repeat_byte(number)
    }

    #[test]
    fn one_at_a_time_then_the_next_announcer_then_nobody() {
        let mut pulls = Pulls::default();
        pulls.want_of(hash(1), View(1), MemberIndex(1));
        pulls.want_of(hash(1), View(1), MemberIndex(2));
        assert_eq!(pulls.take_due(&LINKED, 5, PATIENCE_MS), [(MemberIndex(1), hash(1))]);
        assert_eq!(pulls.take_due(&LINKED, 6, PATIENCE_MS), [], "one puller at a time");
        assert_eq!(pulls.due_at_ms(6), Some(5 + PATIENCE_MS));
        assert_eq!(pulls.take_overdue(5 + PATIENCE_MS), [(hash(1), MemberIndex(1))]);
        assert_eq!(pulls.take_due(&LINKED, 3_000, PATIENCE_MS), [(MemberIndex(2), hash(1))]);
        pulls.fruitless(hash(1), MemberIndex(2));
        assert_eq!(pulls.take_due(&LINKED, 3_001, PATIENCE_MS), []);
        assert_eq!(pulls.due_at_ms(3_001), None, "given up");
    }

    #[test]
    fn what_all_must_have_is_asked_of_all_again_and_again() {
        let mut pulls = Pulls::default();
        pulls.want(hash(1), View(9));
        let mut now_ms = 1;
        for master in [0, 1, 2, 0] {
            let due = loop {
                let due = pulls.take_due(&LINKED, now_ms, PATIENCE_MS);
                if !due.is_empty() {
                    break due;
                }
                now_ms += 100;
            };
            assert_eq!(due, [(MemberIndex(master), hash(1))]);
            pulls.fruitless(hash(1), MemberIndex(master));
        }
        assert!(now_ms > PATIENCE_MS, "it rests between two rounds");
    }

    #[test]
    fn certified_bodies_come_first_and_few_at_a_time() {
        let mut pulls = Pulls::default();
        for number in 1..=20 {
            pulls.want_of(hash(number), View(u64::from(number)), MemberIndex(0));
        }
        pulls.want(hash(20), View(20));
        let due: Vec<B256> =
            pulls.take_due(&LINKED, 1, PATIENCE_MS).into_iter().map(|(_, hash)| hash).collect();
        assert_eq!(due, [20, 1, 2, 3].map(hash), "no more of one master");
        pulls.want_of(hash(30), View(30), MemberIndex(1));
        assert_eq!(pulls.take_due(&LINKED, 1, PATIENCE_MS), [(MemberIndex(1), hash(30))]);
    }

    #[test]
    fn nobody_fills_the_list_alone() {
        let mut pulls = Pulls::default();
        let hash_of = |number: u16| {
            let mut hash = B256::ZERO;
            hash[..2].copy_from_slice(&number.to_be_bytes());
            hash
        };
        for number in 0..1_000 {
            pulls.want_of(hash_of(number), View(1), MemberIndex(0));
        }
        assert_eq!(pulls.0.len(), MAX_WANTED_PER_MASTER);
        pulls.want_of(hash_of(2_000), View(9), MemberIndex(1));
        assert_eq!(pulls.0.len(), MAX_WANTED_PER_MASTER + 1);
        for number in 3_000..5_000 {
            pulls.want(hash_of(number), View(2));
        }
        assert_eq!(pulls.0.len(), MAX_WANTED);
    }
}
