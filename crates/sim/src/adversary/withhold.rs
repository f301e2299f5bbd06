//! The clerk whose proposals only half the network sees in time: the others late, or never.

use super::{Adversary, Shown, half, is_in};
use crate::Random;
use crate::plan::DELTA_MS;
use btn_types::{MemberIndex, Message};
use std::sync::Arc;

/// See the module.
pub(super) struct Withhold {
    half: u64,
    after_ms: Option<u64>,
}

impl Withhold {
    pub(super) fn new(members: usize, random: &mut Random) -> Self {
        let after_ms = random.chance(500_000).then(|| random.between(DELTA_MS, 5 * DELTA_MS));
        Self { half: half(members, random), after_ms }
    }
}

impl Adversary for Withhold {
    fn show(&mut self, _at_ms: u64, _process: usize, message: &Arc<Message>, to: MemberIndex) -> Vec<Shown> {
        let is_proposal = matches!(**message, Message::Proposal(_));
        if !is_proposal || is_in(self.half, to) {
            return Shown::now(message);
        }
        let late = |after_ms| Shown { after_ms, message: Arc::clone(message) };
        self.after_ms.map(late).into_iter().collect()
    }
}
