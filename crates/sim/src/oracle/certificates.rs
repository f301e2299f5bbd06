//! Invariants 2, 3 and 6: what certificates say together, and who signed them.

use super::{Invariant, Violation};
use btn_types::{B256, Certificate, MemberIndex, View, VoteKind};
use std::collections::{BTreeMap, BTreeSet};

/// All certificates seen, by what they say.
#[derive(Default)]
pub(super) struct Certified {
    notarized: BTreeMap<View, B256>,
    nullified: BTreeSet<View>,
    finalized: BTreeMap<View, B256>,
    seen: BTreeSet<(View, VoteKind, B256, Vec<u8>)>,
}

/// Members set in a bitmap: bit `i % 8`, least significant first, of byte `i / 8`.
pub(super) fn signers(certificate: &Certificate, members: usize) -> Result<Vec<MemberIndex>, Violation> {
    let bytes = certificate.bitmap.as_bytes();
    let broken = |detail: String| Violation::new(Invariant::QuorumOfMembers, detail);
    if bytes.len() * 8 < members || bytes.len() > members.div_ceil(8) {
        return Err(broken(format!("a bitmap of {} bytes for {members} members", bytes.len())));
    }
    let bits = (0..bytes.len() * 8).filter(|bit| bytes[bit / 8] & (1 << (bit % 8)) != 0);
    let signers: Vec<_> = bits.map(|bit| MemberIndex(u16::try_from(bit).unwrap_or(u16::MAX))).collect();
    if signers.iter().any(|signer| signer.index() >= members) {
        return Err(broken(format!("view {}: a signer past the {members} members", certificate.view)));
    }
    // Strictly more than two thirds.
    if 3 * signers.len() <= 2 * members {
        let count = signers.len();
        return Err(broken(format!("view {}: {count} signers of {members} members", certificate.view)));
    }
    Ok(signers)
}

impl Certified {
    /// Takes a certificate in; false where it was seen already.
    pub(super) fn note(&mut self, certificate: &Certificate, members: usize) -> Result<bool, Violation> {
        let (view, kind, digest) = (certificate.view, certificate.kind, certificate.digest);
        if !self.seen.insert((view, kind, digest, certificate.bitmap.as_bytes().to_vec())) {
            return Ok(false);
        }
        signers(certificate, members)?;
        match kind {
            VoteKind::Notarize => self.one_digest(view, digest)?,
            VoteKind::Nullify => drop(self.nullified.insert(view)),
            VoteKind::Finalize => {
                self.one_digest(view, digest)?;
                self.finalized.insert(view, digest);
            }
        }
        if self.nullified.contains(&view) && self.finalized.contains_key(&view) {
            return Err(Violation::new(Invariant::NeverFinalAndNullified, format!("view {view}")));
        }
        Ok(true)
    }

    /// Whether a view's one notarized digest is that of a block which some parent view gives.
    pub(super) fn is_notarized(&self, view: View, digest: impl Fn(View) -> B256) -> bool {
        let notarized = self.notarized.get(&view);
        notarized.is_some_and(|notarized| (0..view.0).any(|parent| digest(View(parent)) == *notarized))
    }

    fn one_digest(&mut self, view: View, digest: B256) -> Result<(), Violation> {
        let first = *self.notarized.entry(view).or_insert(digest);
        if first != digest {
            let detail = format!("view {view}: {first} and {digest}");
            return Err(Violation::new(Invariant::OneNotarizationPerView, detail));
        }
        Ok(())
    }
}
