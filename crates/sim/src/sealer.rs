//! Supervisors of the simulation that do not keep the rules (C8). Each follows the chain with the production engine;
//! what it seals, and whether, is its own affair.

use crate::Random;
use btn_crypto::{Domain, SealSigner};
use btn_types::supervision::Announcement;
use btn_types::{B256, Bytes, NodeId, Seal};

/// Kinds of misbehaviour at level 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sealer {
    /// Seals every block that is announced, unseen, and another hash on the same core besides.
    Anything,
    /// Verifies, and never seals.
    Refuses,
    /// Sends seals that prove nothing: forged signatures, other supervisors' names, other cores.
    Forges,
}

impl Sealer {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Anything, Self::Refuses, Self::Forges];

    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anything => "seals-anything",
            Self::Refuses => "refuses",
            Self::Forges => "forges",
        }
    }

    /// Whether the seals of its own engine leave it.
    #[must_use]
    pub const fn sends_own(self) -> bool {
        matches!(self, Self::Anything)
    }

    /// What it sends on seeing an announcement. It guesses nothing: the core is that of the seal which its engine
    /// made last, or none.
    pub fn on_announcement(
        self,
        announcement: &Announcement,
        id: NodeId,
        core: B256,
        signer: &dyn SealSigner,
        domain: &Domain,
        random: &mut Random,
    ) -> Vec<Seal> {
        let Some(hash) = announcement.place().map(|place| place.hash) else { return Vec::new() };
        let made = |core: B256, block_hash: B256| -> Option<Seal> {
            let draw_signature = signer.sign(domain.seal(core)).ok()?;
            let signature = signer.sign(domain.seal_signature(core, block_hash)).ok()?;
            Some(Seal { supervisor: id, core, draw_signature, block_hash, signature })
        };
        match self {
            Self::Refuses => Vec::new(),
            Self::Anything => {
                [made(core, hash), made(core, B256::repeat_byte(7))].into_iter().flatten().collect()
            }
            Self::Forges => made(core, hash).into_iter().map(|seal| forged(seal, random)).collect(),
        }
    }
}

fn forged(mut seal: Seal, random: &mut Random) -> Seal {
    let noise = Bytes::from(vec![u8::try_from(random.below(256)).unwrap_or(0); seal.signature.len()]);
    match random.below(4) {
        0 => seal.signature = noise,
        1 => seal.draw_signature = noise,
        2 => seal.supervisor = NodeId(B256::repeat_byte(9)),
        _ => std::mem::swap(&mut seal.signature, &mut seal.draw_signature),
    }
    seal
}
