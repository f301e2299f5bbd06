//! The equivocating clerk: two engines of one identity with different clocks and pools. Both hear everything;
//! each shows itself to one half of the network, or both show themselves to all.

use super::{Adversary, Shown, half, is_in};
use crate::Random;
use btn_types::{MemberIndex, Message};
use std::sync::Arc;

/// See the module.
pub(super) struct Twin {
    half: u64,
    is_open: bool,
}

impl Twin {
    pub(super) fn new(members: usize, random: &mut Random) -> Self {
        Self { half: half(members, random), is_open: random.chance(250_000) }
    }
}

impl Adversary for Twin {
    fn show(&mut self, _at_ms: u64, process: usize, message: &Arc<Message>, to: MemberIndex) -> Vec<Shown> {
        let is_shown = self.is_open || is_in(self.half, to) == (process == 0);
        if is_shown { Shown::now(message) } else { Vec::new() }
    }
}
