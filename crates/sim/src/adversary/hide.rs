//! The member that collects: its votes and every certificate go to one confidant only, so that a Notarization
//! may be known to a single honest member (C0.4 ⚠, "hiding notarizations").

use super::{Adversary, Shown};
use crate::Random;
use btn_types::{MemberIndex, Message};
use std::sync::Arc;

/// See the module.
pub(super) struct Hide {
    confidant: MemberIndex,
}

impl Hide {
    pub(super) fn new(members: usize, random: &mut Random) -> Self {
        Self { confidant: MemberIndex(u16::try_from(random.position(members)).unwrap_or(0)) }
    }
}

impl Adversary for Hide {
    fn show(&mut self, _at_ms: u64, _process: usize, message: &Arc<Message>, to: MemberIndex) -> Vec<Shown> {
        let is_hidden =
            matches!(**message, Message::Vote(_) | Message::Certificate(_) | Message::Certificates(_));
        if is_hidden && to != self.confidant { Vec::new() } else { Shown::now(message) }
    }
}
