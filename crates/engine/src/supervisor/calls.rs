//! Calls that wait for their reply, each with what it was for.

use btn_types::{B256, MemberIndex};
use std::collections::BTreeMap;

/// Most calls that wait; each ends within the links' ten seconds. Above it the oldest are forgotten, and
/// their replies not looked at.
pub const MAX_OPEN_CALLS: usize = 16_384;

/// What a call was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A body.
    Body(B256),
    /// A range of final blocks.
    Range,
    /// Seals given away.
    Seals,
    /// Tickets of the clerks to come.
    Candidates,
    /// A transaction given away.
    Submit(B256),
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls {
    next: u64,
    open: BTreeMap<u64, (MemberIndex, Purpose)>,
}

impl Calls {
    /// Enters a call and gives its id.
    pub(super) fn open(&mut self, to: MemberIndex, purpose: Purpose) -> u64 {
        self.next = self.next.wrapping_add(1);
        self.open.insert(self.next, (to, purpose));
        if self.open.len() > MAX_OPEN_CALLS {
            self.open.pop_first();
        }
        self.next
    }

    /// Takes out the call that a master's reply answers; `None` for what was not asked of it.
    pub(super) fn close(&mut self, from: MemberIndex, id: u64) -> Option<Purpose> {
        match self.open.get(&id) {
            Some((to, purpose)) if *to == from => {
                let purpose = *purpose;
                self.open.remove(&id);
                Some(purpose)
            }
            _ => None,
        }
    }
}
