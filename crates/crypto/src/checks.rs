//! The checks that a proof of BTN rests on, by name. The cargo feature `check-switches` lets a test disable one of
//! them on its own thread and see that the named test of that check then fails, so that no check can get lost
//! unnoticed. Without the feature [`enabled`] is constantly true: the binary has no switch, and a test forbids every
//! normal dependency to turn the feature on.

/// One check of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// A ticket's RSA signature is its member's, over this view and draw seed (C3).
    Ticket,
    /// A clerk's draw has the leading zeros that the bar demands (C4, R-035).
    Zeros,
    /// A seal's draw signature is its supervisor's over the core, and the draw is below the bar (C8).
    SealDraw,
    /// A seal's signature is its supervisor's, over core and block hash (C8).
    SealSignature,
    /// A seal's core is that of the block it seals (C8).
    Core,
    /// A seal counts for the block of its hash and no other (C8 ⚠).
    BlockHash,
    /// A certificate's aggregate signature is that of its signers over kind, view and digest (C5).
    Certificate,
    /// A certificate has a quorum of signers (C4).
    Quorum,
    /// A certificate's bitmap has exactly the committee's form and names members only (C5).
    Bitmap,
}

impl Check {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Ticket,
        Self::Zeros,
        Self::SealDraw,
        Self::SealSignature,
        Self::Core,
        Self::BlockHash,
        Self::Certificate,
        Self::Quorum,
        Self::Bitmap,
    ];
}

/// Whether the check is made: always, except under a test's [`disable`] on this thread.
#[cfg(not(feature = "check-switches"))]
#[inline]
#[must_use]
pub const fn enabled(_check: Check) -> bool {
    true
}

#[cfg(feature = "check-switches")]
mod switches {
    use super::Check;
    use std::cell::RefCell;
    use std::collections::BTreeSet;
    use std::marker::PhantomData;

    thread_local! {
        static DISABLED: RefCell<BTreeSet<Check>> = const { RefCell::new(BTreeSet::new()) };
    }

    /// Whether the check is made: always, except under a test's [`disable`] on this thread.
    #[must_use]
    pub fn enabled(check: Check) -> bool {
        DISABLED.with_borrow(|disabled| !disabled.contains(&check))
    }

    /// While it lives, one check is not made on the thread that asked for it.
    #[must_use = "the check is made again as soon as this is dropped"]
    pub struct Disabled {
        check: Check,
        // The switch is the thread's: it must be dropped where it was made.
        not_send: PhantomData<*const ()>,
    }

    /// Disables one check on this thread until the guard is dropped.
    pub fn disable(check: Check) -> Disabled {
        DISABLED.with_borrow_mut(|disabled| disabled.insert(check));
        Disabled { check, not_send: PhantomData }
    }

    impl Drop for Disabled {
        fn drop(&mut self) {
            DISABLED.with_borrow_mut(|disabled| disabled.remove(&self.check));
        }
    }
}

#[cfg(feature = "check-switches")]
pub use switches::{Disabled, disable, enabled};
