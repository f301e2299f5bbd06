//! Members that do not keep the rules. Each runs the production engine and is changed where its messages leave
//! it: what is shown to whom, when, and in what form. None can sign for another.

mod forge;
mod garble;
mod hide;
mod silent;
mod twin;
mod withhold;

use crate::Random;
use btn_crypto::{Domain, Signer};
use btn_types::{MemberIndex, Message};
use std::sync::Arc;

/// Kinds of misbehaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Misbehaviour {
    /// Runs twice under one identity: proposes twice and votes twice.
    Twin,
    /// Shows its proposals late or never to some.
    Withhold,
    /// Hides its votes and all certificates from all but one.
    Hide,
    /// Says nothing. A member that crashed for ever looks the same.
    Silent,
    /// Keeps the rules until the network heals, and then is gone for ever: a quorum that was reached without some
    /// laggard now needs it.
    Leave,
    /// Alters what it sends.
    Garble,
    /// Signs false votes and false blocks.
    Forge,
}

impl Misbehaviour {
    /// All kinds.
    pub const ALL: [Self; 7] =
        [Self::Twin, Self::Withhold, Self::Hide, Self::Silent, Self::Leave, Self::Garble, Self::Forge];

    /// Its name in totals.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Twin => "twin",
            Self::Withhold => "withhold",
            Self::Hide => "hide",
            Self::Silent => "silent",
            Self::Leave => "leave",
            Self::Garble => "garble",
            Self::Forge => "forge",
        }
    }

    /// Whether it alters what it shows to supervisors, too.
    #[must_use]
    pub const fn garbles(self) -> bool {
        matches!(self, Self::Garble)
    }

    /// How many processes the member runs.
    #[must_use]
    pub const fn processes(self) -> usize {
        match self {
            Self::Twin => 2,
            _ => 1,
        }
    }

    /// A member that misbehaves so, as the seed has it. `tools` are what it has.
    #[must_use]
    pub fn adversary(self, tools: Tools, mut random: Random) -> Box<dyn Adversary> {
        let Tools { members, heal_ms, signer, domain } = tools;
        match self {
            Self::Twin => Box::new(twin::Twin::new(members, &mut random)),
            Self::Withhold => Box::new(withhold::Withhold::new(members, &mut random)),
            Self::Hide => Box::new(hide::Hide::new(members, &mut random)),
            Self::Silent => Box::new(silent::Silent { from_ms: 0 }),
            Self::Leave => Box::new(silent::Silent { from_ms: heal_ms }),
            Self::Garble => Box::new(garble::Garble::new(random)),
            Self::Forge => Box::new(forge::Forge::new(signer, domain, random)),
        }
    }
}

/// What a misbehaving member knows and has: its own keys, nobody else's.
pub struct Tools {
    /// Committee size.
    pub members: usize,
    /// When the network heals.
    pub heal_ms: u64,
    /// Its private keys.
    pub signer: Box<dyn Signer>,
    /// Digests of the chain.
    pub domain: Domain,
}

/// A message as it leaves a misbehaving member.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Milliseconds until it leaves.
    pub after_ms: u64,
    /// What leaves.
    pub message: Arc<Message>,
}

impl Shown {
    /// Unchanged and at once.
    fn now(message: &Arc<Message>) -> Vec<Self> {
        vec![Self { after_ms: 0, message: Arc::clone(message) }]
    }
}

/// One misbehaving member.
pub trait Adversary: Send {
    /// What `to` gets to see when process `process` (0, or 1 for the second twin) sends `message` at this time.
    fn show(&mut self, at_ms: u64, process: usize, message: &Arc<Message>, to: MemberIndex) -> Vec<Shown>;
}

/// A drawn half of the members: bit `i` is member `i`.
fn half(members: usize, random: &mut Random) -> u64 {
    random.below(1 << members)
}

/// Whether a member is in a half.
const fn is_in(half: u64, member: MemberIndex) -> bool {
    half >> member.0 & 1 == 1
}
