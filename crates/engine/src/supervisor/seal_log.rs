//! The seal log (C8 ⚠): what this supervisor has sealed, from its journal. It is asked before each seal and
//! written, synced, before the seal is sent.

use btn_types::limits::{MAX_SEAL_AGE_HEIGHTS, MAX_SEALS_PER_MESSAGE, SEAL_LOG_VIEWS};
use btn_types::{B256, Height, Seal, SealRecord, View};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// Why a block is not sealed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum SealBar {
    /// Done.
    #[error("it is sealed already")]
    Sealed,
    /// One hash per core: an equivocating clerk gives one core two (C8 ⚠).
    #[error("another block of the same core is sealed: {0}")]
    OtherHash(B256),
    /// A view that our masters showed us when we started: a log from an old copy of the disk may lack its seal.
    #[error("view {view} is not above view {floor}, which was certified when this node started")]
    BeforeStart {
        /// View of the block.
        view: View,
        /// Highest view certified at the start.
        floor: View,
    },
    /// So far below the highest view sealed that its record may be gone.
    #[error("view {view} is too far below view {highest}, the highest sealed")]
    BelowLog {
        /// View of the block.
        view: View,
        /// Highest view sealed.
        highest: View,
    },
    /// So old that no block may include the seal.
    #[error("height {height} is {MAX_SEAL_AGE_HEIGHTS} or more below height {newest}, which is final")]
    TooOld {
        /// Height of the block.
        height: Height,
        /// Height of the newest final block.
        newest: Height,
    },
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct SealLog {
    by_core: BTreeMap<B256, B256>,
    records: BTreeMap<(View, B256), SealRecord>,
    highest: View,
    /// Highest view that was certified when we started, once a master has shown it.
    floor: Option<View>,
    /// Own seals, by view and core, that no final block includes yet.
    unincluded: BTreeSet<(View, B256)>,
}

impl SealLog {
    /// Enters a record. Gives the block sealed on the same core where that is another one.
    pub(super) fn enter(&mut self, record: SealRecord) -> Result<(), B256> {
        let (core, hash, view) = (record.seal.core, record.seal.block_hash, record.view);
        if let Some(sealed) = self.by_core.get(&core).filter(|sealed| **sealed != hash) {
            return Err(*sealed);
        }
        self.by_core.insert(core, hash);
        if self.records.insert((view, core), record).is_none() {
            self.unincluded.insert((view, core));
        }
        self.highest = self.highest.max(view);
        self.forget_old();
        Ok(())
    }

    /// Records of views that are never sealed again may go.
    fn forget_old(&mut self) {
        let lowest = View(self.highest.0.saturating_sub(SEAL_LOG_VIEWS).saturating_add(1));
        if self.highest.0 < SEAL_LOG_VIEWS {
            return;
        }
        let kept = self.records.split_off(&(lowest, B256::ZERO));
        for (_, core) in std::mem::replace(&mut self.records, kept).into_keys() {
            self.by_core.remove(&core);
        }
        self.unincluded = self.unincluded.split_off(&(lowest, B256::ZERO));
    }

    /// A master's greeting has ended; this is the highest certified view known.
    pub(super) fn raise_floor(&mut self, certified: View) {
        self.floor = self.floor.max(Some(certified));
    }

    /// Whether any master has shown us where the chain stands: nothing is sealed before.
    pub(super) const fn has_floor(&self) -> bool {
        self.floor.is_some()
    }

    /// Whether a block may be sealed; `newest` is the height of the newest final block.
    pub(super) fn check(
        &self,
        core: B256,
        hash: B256,
        view: View,
        height: Height,
        newest: Height,
    ) -> Result<(), SealBar> {
        match self.by_core.get(&core) {
            Some(sealed) if *sealed == hash => return Err(SealBar::Sealed),
            Some(sealed) => return Err(SealBar::OtherHash(*sealed)),
            None => {}
        }
        let floor = self.floor.unwrap_or(View(u64::MAX));
        if view <= floor {
            return Err(SealBar::BeforeStart { view, floor });
        }
        let highest = self.highest;
        if view.0.saturating_add(SEAL_LOG_VIEWS) <= highest.0 {
            return Err(SealBar::BelowLog { view, highest });
        }
        if height.0.saturating_add(MAX_SEAL_AGE_HEIGHTS) <= newest.0 {
            return Err(SealBar::TooOld { height, newest });
        }
        Ok(())
    }

    /// Whether this very block is sealed.
    pub(super) fn has(&self, core: B256, hash: B256) -> bool {
        self.by_core.get(&core) == Some(&hash)
    }

    /// A final block includes this own seal: it need not be sent again.
    pub(super) fn included(&mut self, core: B256) {
        self.unincluded.retain(|(_, waiting)| *waiting != core);
    }

    /// Own seals that no final block includes yet and that one still may, newest first, as many as a message
    /// holds.
    pub(super) fn to_send_again(&self, newest: Height, age_heights: u64) -> Vec<Seal> {
        let waiting = self.unincluded.iter().rev().filter_map(|key| self.records.get(key));
        let may_be_included =
            |record: &&SealRecord| record.height.0.saturating_add(MAX_SEAL_AGE_HEIGHTS) > newest.0;
        let is_old = |record: &&SealRecord| record.height.0.saturating_add(age_heights) <= newest.0;
        waiting
            .filter(may_be_included)
            .filter(|record| age_heights == 0 || is_old(record))
            .take(MAX_SEALS_PER_MESSAGE)
            .map(|record| record.seal.clone())
            .collect()
    }

    /// What the journal must keep.
    pub(super) fn records(&self) -> impl Iterator<Item = &SealRecord> {
        self.records.values()
    }

    /// The newest block sealed.
    pub(super) fn last(&self) -> Option<(Height, B256)> {
        let (_, record) = self.records.last_key_value()?;
        Some((record.height, record.seal.block_hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use btn_types::{Bytes, Epoch, NodeId};

    fn hash(number: u8) -> B256 {
        B256::repeat_byte(number)
    }

    fn record(view: u64, core: u8, block: u8) -> SealRecord {
        let seal = Seal {
            supervisor: NodeId::default(),
            core: hash(core),
            draw_signature: Bytes::new(),
            block_hash: hash(block),
            signature: Bytes::new(),
        };
        SealRecord { epoch: Epoch(0), view: View(view), height: Height(view), seal }
    }

    /// What `check` says of a block of a view, its height being the same number.
    fn check(log: &SealLog, core: u8, block: u8, view: u64, newest: u64) -> Result<(), SealBar> {
        log.check(hash(core), hash(block), View(view), Height(view), Height(newest))
    }

    #[test]
    fn nothing_is_sealed_before_a_master_has_shown_where_the_chain_stands() {
        let mut log = SealLog::default();
        let floor = View(u64::MAX);
        assert_eq!(check(&log, 1, 1, 5, 5), Err(SealBar::BeforeStart { view: View(5), floor }));
        log.raise_floor(View(4));
        assert_eq!(check(&log, 1, 1, 5, 5), Ok(()));
        let floor = View(4);
        assert_eq!(check(&log, 1, 1, 4, 5), Err(SealBar::BeforeStart { view: View(4), floor }));
        log.raise_floor(View(2));
        assert!(check(&log, 1, 1, 4, 5).is_err(), "it only rises");
    }

    #[test]
    fn one_hash_per_core() {
        let mut log = SealLog::default();
        log.raise_floor(View(0));
        log.enter(record(5, 1, 1)).unwrap();
        assert_eq!(check(&log, 1, 1, 5, 5), Err(SealBar::Sealed));
        assert_eq!(check(&log, 1, 2, 5, 5), Err(SealBar::OtherHash(hash(1))));
        assert_eq!(log.enter(record(5, 1, 2)), Err(hash(1)));
        assert_eq!(check(&log, 2, 2, 6, 5), Ok(()), "blocks of different views may all be sealed");
    }

    /// Whatever lies so deep that its record may be gone is never sealed.
    #[test]
    fn records_go_only_below_what_is_never_sealed_again() {
        let mut log = SealLog::default();
        log.raise_floor(View(0));
        log.enter(record(1, 1, 1)).unwrap();
        log.enter(record(2, 2, 2)).unwrap();
        log.enter(record(1 + SEAL_LOG_VIEWS, 3, 3)).unwrap();
        assert_eq!(log.records().map(|record| record.view.0).collect::<Vec<_>>(), [2, 1 + SEAL_LOG_VIEWS]);
        let bar = SealBar::BelowLog { view: View(1), highest: View(1 + SEAL_LOG_VIEWS) };
        assert_eq!(check(&log, 1, 9, 1, 1), Err(bar), "core 1 is forgotten, and still barred");
        assert_eq!(check(&log, 2, 9, 2, 1), Err(SealBar::OtherHash(hash(2))));
        assert_eq!(check(&log, 4, 4, 2, 1), Ok(()));
    }

    #[test]
    fn old_heights_are_not_sealed() {
        let mut log = SealLog::default();
        log.raise_floor(View(0));
        let newest = 4 + MAX_SEAL_AGE_HEIGHTS;
        assert_eq!(check(&log, 1, 1, 5, newest), Ok(()));
        let bar = SealBar::TooOld { height: Height(5), newest: Height(newest + 1) };
        assert_eq!(check(&log, 1, 1, 5, newest + 1), Err(bar));
    }

    #[test]
    fn seals_are_sent_again_until_a_final_block_includes_them() {
        let mut log = SealLog::default();
        for view in 1..=3 {
            log.enter(record(view, u8::try_from(view).unwrap(), 9)).unwrap();
        }
        log.included(hash(2));
        let cores = |newest| log.to_send_again(Height(newest), 0).iter().map(|s| s.core).collect::<Vec<_>>();
        assert_eq!(cores(3), [hash(3), hash(1)]);
        assert_eq!(cores(1 + MAX_SEAL_AGE_HEIGHTS), [hash(3)], "no block may include the first any more");
    }
}
