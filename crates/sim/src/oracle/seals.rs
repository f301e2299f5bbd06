//! Invariant 10 and the rules of seals (C8): one hash per core from an honest supervisor, logged before it is sent,
//! notarized blocks only; a third state has enough distinct seals on one block, and only rises.

use super::{Invariant, Violation};
use crate::Disk;
use btn_types::{B256, Block, Height, JournalRecord, MemberIndex, NodeId, Seal};
use std::collections::{BTreeMap, BTreeSet};

/// What the supervisors have shown.
pub(super) struct Sealed {
    /// Registered, and whether honest.
    supervisors: BTreeMap<NodeId, bool>,
    required: usize,
    /// Hash that an honest supervisor logged for a core.
    logged: BTreeMap<(NodeId, B256), B256>,
    /// Third state of each master and supervisor.
    third: BTreeMap<Observer, Height>,
}

/// Whoever commits: a master, or a supervisor by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Observer {
    /// A master.
    Master(MemberIndex),
    /// A supervisor.
    Supervisor(usize),
}

fn broken(detail: impl std::fmt::Display) -> Violation {
    Violation::new(Invariant::Seals, detail)
}

impl Sealed {
    pub(super) fn new(supervisors: BTreeMap<NodeId, bool>, expected_seals: u64) -> Self {
        let registered = supervisors.len() as u64;
        let required = usize::try_from(registered.min(expected_seals).div_ceil(3)).unwrap_or(usize::MAX);
        Self { supervisors, required, logged: BTreeMap::new(), third: BTreeMap::new() }
    }

    /// An honest supervisor has synced a seal, or sends it.
    pub(super) fn on_seal(&mut self, id: NodeId, seal: &Seal) -> Result<(), Violation> {
        if seal.supervisor != id {
            return Err(broken(format!("{} makes a seal of {}", id.short(), seal.supervisor.short())));
        }
        let first = *self.logged.entry((id, seal.core)).or_insert(seal.block_hash);
        if first != seal.block_hash {
            let detail = format!("{} seals {first} and {} on one core", id.short(), seal.block_hash);
            return Err(Violation::new(Invariant::NoSlashablePair, detail));
        }
        Ok(())
    }

    /// An honest supervisor sends seals.
    pub(super) fn on_send(&self, id: NodeId, disk: &Disk, seals: &[Seal]) -> Result<(), Violation> {
        for seal in seals {
            let is_its =
                |record: &JournalRecord| matches!(record, JournalRecord::Sealed(held) if held.seal == *seal);
            if !disk.has(is_its) {
                let detail =
                    format!("supervisor {} sends a seal on {} unlogged", id.short(), seal.block_hash);
                return Err(Violation::new(Invariant::LogBeforeSend, detail));
            }
        }
        Ok(())
    }

    /// Seals in a final block: none in the name of an honest supervisor that never logged it.
    pub(super) fn check_block(&self, block: &Block) -> Result<(), Violation> {
        block.seals.iter().try_for_each(|seal| self.check_seal(seal))
    }

    fn check_seal(&self, seal: &Seal) -> Result<(), Violation> {
        let id = seal.supervisor;
        let Some(is_honest) = self.supervisors.get(&id) else {
            return Err(broken(format!("a seal of {}, who is not registered", id.short())));
        };
        if *is_honest && self.logged.get(&(id, seal.core)) != Some(&seal.block_hash) {
            return Err(broken(format!("a seal of honest {}, who never made it", id.short())));
        }
        Ok(())
    }

    /// Somebody honest reports the third state of `height`, whose final block has this hash.
    pub(super) fn on_third_state(
        &mut self,
        observer: Observer,
        height: Height,
        final_hash: Option<B256>,
        sealed: (B256, &[Seal]),
    ) -> Result<(), Violation> {
        let (hash, seals) = sealed;
        if final_hash != Some(hash) {
            return Err(broken(format!(
                "{observer:?}: third state of {hash}, which is not final at {height}"
            )));
        }
        let distinct: BTreeSet<_> =
            seals.iter().filter(|seal| seal.block_hash == hash).map(|seal| seal.supervisor).collect();
        if distinct.len() < self.required || distinct.len() != seals.len() {
            let (found, needed) = (distinct.len(), self.required);
            return Err(broken(format!("{observer:?}: height {height}: {found} of {needed} seals")));
        }
        seals.iter().try_for_each(|seal| self.check_seal(seal))?;
        let before = self.third.insert(observer, height).unwrap_or_default();
        if height <= before {
            return Err(broken(format!("{observer:?}: third state falls from {before} to {height}")));
        }
        Ok(())
    }

    /// Third state of somebody.
    pub(super) fn third(&self, observer: Observer) -> Height {
        self.third.get(&observer).copied().unwrap_or_default()
    }

    /// The disk of somebody was set back by a broken runner.
    pub(super) fn set_back(&mut self, observer: Observer, height: Height) {
        self.third.insert(observer, height);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use btn_storage::MemoryStore;
    use btn_types::{Bytes, Epoch, SealRecord, View};

    const OBSERVER: Observer = Observer::Master(MemberIndex(0));

    fn id(number: u8) -> NodeId {
        NodeId(B256::repeat_byte(number))
    }

    /// Supervisors 1 to 5 are honest, 6 is not: two seals are enough.
    fn sealed() -> Sealed {
        Sealed::new((1..=6).map(|number| (id(number), number < 6)).collect(), 128)
    }

    fn seal(number: u8, core: u8, hash: u8) -> Seal {
        let (core, block_hash) = (B256::repeat_byte(core), B256::repeat_byte(hash));
        let (draw_signature, signature) = (Bytes::new(), Bytes::new());
        Seal { supervisor: id(number), core, draw_signature, block_hash, signature }
    }

    fn third(sealed: &mut Sealed, height: u64, hash: u8, seals: &[Seal]) -> Result<(), Violation> {
        let hash = B256::repeat_byte(hash);
        sealed.on_third_state(OBSERVER, Height(height), Some(hash), (hash, seals))
    }

    #[test]
    fn one_core_has_one_hash() {
        let mut sealed = sealed();
        assert_eq!(sealed.on_seal(id(1), &seal(1, 1, 1)), Ok(()));
        assert_eq!(sealed.on_seal(id(1), &seal(1, 1, 1)), Ok(()), "a repetition is none");
        assert_eq!(sealed.on_seal(id(1), &seal(1, 2, 2)), Ok(()), "other cores have other hashes");
        let twice = sealed.on_seal(id(1), &seal(1, 1, 2)).unwrap_err();
        assert_eq!(twice.invariant, Invariant::NoSlashablePair);
    }

    #[test]
    fn a_seal_is_logged_before_it_is_sent() {
        let (sealed, mut disk) = (sealed(), Disk::new(MemoryStore::new()));
        let seals = [seal(1, 1, 1)];
        let unlogged = sealed.on_send(id(1), &disk, &seals).unwrap_err();
        assert_eq!(unlogged.invariant, Invariant::LogBeforeSend);
        let record = SealRecord { epoch: Epoch(0), view: View(1), height: Height(1), seal: seals[0].clone() };
        disk.append(crate::Runner::Faithful, vec![JournalRecord::Sealed(Box::new(record))]);
        assert_eq!(sealed.on_send(id(1), &disk, &seals), Ok(()));
    }

    #[test]
    fn a_third_state_is_earned_and_only_rises() {
        let mut sealed = sealed();
        for number in 1..=3 {
            sealed.on_seal(id(number), &seal(number, 1, 1)).unwrap();
        }
        let one_too_few = [seal(1, 1, 1)];
        assert!(third(&mut sealed, 3, 1, &one_too_few).is_err());
        let twice_the_same = [seal(1, 1, 1), seal(1, 1, 1)];
        assert!(third(&mut sealed, 3, 1, &twice_the_same).is_err());
        let of_two_blocks = [seal(1, 1, 1), seal(6, 1, 2)];
        assert!(third(&mut sealed, 3, 1, &of_two_blocks).is_err());
        let in_an_honest_name = [seal(1, 1, 1), seal(4, 1, 1)];
        assert!(third(&mut sealed, 3, 1, &in_an_honest_name).is_err());
        let unregistered = [seal(1, 1, 1), seal(9, 1, 1)];
        assert!(third(&mut sealed, 3, 1, &unregistered).is_err());
        let enough = [seal(1, 1, 1), seal(2, 1, 1)];
        assert_eq!(third(&mut sealed, 3, 1, &enough), Ok(()));
        assert!(third(&mut sealed, 3, 1, &enough).is_err(), "no higher than before");
        let hash = B256::repeat_byte(1);
        let not_final = sealed.on_third_state(OBSERVER, Height(4), None, (hash, &enough));
        assert!(not_final.is_err());
        assert_eq!(sealed.third(OBSERVER), Height(3));
    }
}
