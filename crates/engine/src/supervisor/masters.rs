//! The masters we are linked to: how far each has shown the chain, and how often in a row it failed us.

use btn_types::{MemberIndex, View};
use std::collections::{BTreeMap, BTreeSet};

/// So many pulls in a row, each with its patience, may a master leave unanswered until it is dropped.
pub const MAX_UNANSWERED: u32 = 4;

/// So many pull patiences after it was linked a master must have ended its greeting, where none has since the start.
pub const GREETING_PATIENCES: u64 = 5;

/// A master that shows nothing new while others show so many newly certified views is dropped: it stalls.
pub const MAX_LAG_VIEWS: u64 = 64;

#[derive(Clone, Copy, Debug)]
struct Link {
    linked_at_ms: u64,
    /// Whether its greeting has ended: what it shows from then on is news.
    greeted: bool,
    /// Highest certified view it showed since it was linked.
    shown: View,
    /// Views that others have shown as certified since.
    overtaken: u64,
    /// Questions in a row without an answer.
    unanswered: u32,
    /// When the last of them was counted.
    counted_at_ms: u64,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Masters {
    linked: BTreeMap<MemberIndex, Link>,
    /// Masters whose greeting we have heard to its end since the start.
    heard: BTreeSet<MemberIndex>,
}

impl Masters {
    pub(super) fn connect(&mut self, master: MemberIndex, now_ms: u64) {
        let link = Link {
            linked_at_ms: now_ms,
            greeted: false,
            shown: View(0),
            overtaken: 0,
            unanswered: 0,
            counted_at_ms: 0,
        };
        self.linked.insert(master, link);
    }

    pub(super) fn disconnect(&mut self, master: MemberIndex) {
        self.linked.remove(&master);
    }

    pub(super) fn is_linked(&self, master: MemberIndex) -> bool {
        self.linked.contains_key(&master)
    }

    /// All linked masters, ascending.
    pub(super) fn all(&self) -> Vec<MemberIndex> {
        self.linked.keys().copied().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.linked.len()
    }

    /// A master's greeting has ended; `true` for its first since the start.
    pub(super) fn greeting_ends(&mut self, master: MemberIndex) -> bool {
        if let Some(link) = self.linked.get_mut(&master) {
            link.greeted = true;
        }
        self.heard.insert(master)
    }

    /// A master whose greeting has no end.
    pub(super) fn ungreeted(&self, now_ms: u64, patience_ms: u64) -> Option<MemberIndex> {
        let is_late = |link: &Link| !link.greeted && now_ms >= link.greeting_due_at_ms(patience_ms);
        self.linked.iter().find(|(_, link)| is_late(link)).map(|(master, _)| *master)
    }

    /// When the first of the greetings that have not ended is late.
    pub(super) fn greeting_due_at_ms(&self, patience_ms: u64) -> Option<u64> {
        let open = self.linked.values().filter(|link| !link.greeted);
        open.map(|link| link.greeting_due_at_ms(patience_ms)).min()
    }

    /// It showed a certificate of this view, which is the newest of all where `is_newest`.
    pub(super) fn showed(&mut self, master: MemberIndex, view: View, is_newest: bool) {
        // A greeting shows much at once, most of it old: only news overtakes anybody.
        let is_news = is_newest && self.linked.get(&master).is_some_and(|link| link.greeted);
        for (other, link) in &mut self.linked {
            if *other == master && view > link.shown {
                (link.shown, link.overtaken) = (view, 0);
            } else if *other != master && is_news && link.greeted {
                link.overtaken = link.overtaken.saturating_add(1);
            }
        }
    }

    /// It served what a pull was for.
    pub(super) fn answered(&mut self, master: MemberIndex) {
        if let Some(link) = self.linked.get_mut(&master) {
            // One good answer does not make up for many that never came.
            link.unanswered = link.unanswered.saturating_sub(1);
        }
    }

    /// It left a question unanswered. Those of one patience count as one: they stood behind each other on its line.
    /// Gives how many in a row, where that is too many.
    pub(super) fn unanswered(&mut self, master: MemberIndex, now_ms: u64, patience_ms: u64) -> Option<u32> {
        let link = self.linked.get_mut(&master)?;
        if link.unanswered > 0 && now_ms < link.counted_at_ms.saturating_add(patience_ms) {
            return None;
        }
        link.unanswered = link.unanswered.saturating_add(1);
        link.counted_at_ms = now_ms;
        (link.unanswered >= MAX_UNANSWERED).then_some(link.unanswered)
    }

    /// A master that shows nothing new while others do, and what it showed last.
    pub(super) fn laggard(&self) -> Option<(MemberIndex, View)> {
        let stalls = |link: &Link| link.overtaken > MAX_LAG_VIEWS;
        self.linked.iter().find(|(_, link)| stalls(link)).map(|(master, link)| (*master, link.shown))
    }
}

impl Link {
    const fn greeting_due_at_ms(&self, patience_ms: u64) -> u64 {
        self.linked_at_ms.saturating_add(patience_ms.saturating_mul(GREETING_PATIENCES))
    }
}
