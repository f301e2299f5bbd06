//! The member that says nothing: never, or from some moment on.

use super::{Adversary, Shown};
use btn_types::{MemberIndex, Message};
use std::sync::Arc;

/// See the module.
pub(super) struct Silent {
    pub(super) from_ms: u64,
}

impl Adversary for Silent {
    fn show(&mut self, at_ms: u64, _process: usize, message: &Arc<Message>, _to: MemberIndex) -> Vec<Shown> {
        if at_ms < self.from_ms { Shown::now(message) } else { Vec::new() }
    }
}
