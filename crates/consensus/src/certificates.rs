//! The certificates held, by view. All at or above the floor are kept, the floor's Finalization for ever (C6 ⚠).

use alloy_primitives::B256;
use btn_types::{Certificate, View, VoteKind};
use std::collections::BTreeMap;

/// What is held of one view.
#[derive(Clone, Debug, Default)]
struct OfView {
    notarization: Option<Certificate>,
    nullification: Option<Certificate>,
    finalization: Option<Certificate>,
}

/// Outcome of [`CertificateStore::insert`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Insert {
    /// New.
    Stored,
    /// Held already, or weaker than what is held.
    Known,
    /// Contradicts what is held: only more than f Byzantine members can make that (C6 L1, L2).
    Conflict(String),
}

/// Certificates by view.
#[derive(Clone, Debug, Default)]
pub(crate) struct CertificateStore(BTreeMap<View, OfView>);

impl CertificateStore {
    /// Whether a certificate of this kind and view would tell us nothing new.
    pub(crate) fn knows(&self, kind: VoteKind, view: View) -> bool {
        self.0.get(&view).is_some_and(|held| match kind {
            VoteKind::Notarize => held.notarization.is_some() || held.finalization.is_some(),
            VoteKind::Nullify => held.nullification.is_some(),
            VoteKind::Finalize => held.finalization.is_some(),
        })
    }

    /// Whether exactly this statement is held already. (Another digest in the same view is not skipped: if it
    /// verifies, the committee is broken, and that must be seen.)
    pub(crate) fn holds(&self, certificate: &Certificate) -> bool {
        let view = certificate.view;
        self.knows(certificate.kind, view)
            && (certificate.kind == VoteKind::Nullify || self.certifies(view, certificate.digest))
    }

    /// Stores a verified certificate.
    pub(crate) fn insert(&mut self, certificate: Certificate) -> Insert {
        let view = certificate.view;
        let held = self.0.entry(view).or_default();
        let certified = held.notarization.as_ref().or(held.finalization.as_ref()).map(|held| held.digest);
        if certificate.kind != VoteKind::Nullify
            && let Some(digest) = certified
            && digest != certificate.digest
        {
            let other = certificate.digest;
            return Insert::Conflict(format!("view {view}: both {digest} and {other} are certified"));
        }
        let excluded = match certificate.kind {
            VoteKind::Nullify => held.finalization.is_some(),
            VoteKind::Finalize => held.nullification.is_some(),
            VoteKind::Notarize => false,
        };
        if excluded {
            return Insert::Conflict(format!("view {view}: both finalised and nullified"));
        }
        if self.knows(certificate.kind, view) {
            return Insert::Known;
        }
        let held = self.0.entry(view).or_default();
        match certificate.kind {
            VoteKind::Notarize => held.notarization = Some(certificate),
            VoteKind::Nullify => held.nullification = Some(certificate),
            VoteKind::Finalize => held.finalization = Some(certificate),
        }
        Insert::Stored
    }

    /// The Finalization, or else the Notarization of a view ("a Finalization counts wherever a Notarization is
    /// required", C5 ⚠).
    pub(crate) fn certified(&self, view: View) -> Option<&Certificate> {
        let held = self.0.get(&view)?;
        held.finalization.as_ref().or(held.notarization.as_ref())
    }

    /// The Nullification of a view.
    pub(crate) fn nullification(&self, view: View) -> Option<&Certificate> {
        self.0.get(&view)?.nullification.as_ref()
    }

    /// The Finalization of a view.
    pub(crate) fn finalization(&self, view: View) -> Option<&Certificate> {
        self.0.get(&view)?.finalization.as_ref()
    }

    /// The highest Finalization: the floor's.
    pub(crate) fn highest_finalization(&self) -> Option<&Certificate> {
        self.0.values().rev().find_map(|held| held.finalization.as_ref())
    }

    /// The highest view of which anything is held.
    pub(crate) fn highest_view(&self) -> Option<View> {
        self.0.keys().next_back().copied()
    }

    /// The highest certified view below `below`, with its certificate.
    pub(crate) fn highest_certified(&self, below: View) -> Option<&Certificate> {
        self.0
            .range(..below)
            .rev()
            .find_map(|(_, held)| held.finalization.as_ref().or(held.notarization.as_ref()))
    }

    /// Everything held of the views `from..=to`, ascending.
    pub(crate) fn range(&self, from: View, to: View) -> impl Iterator<Item = &Certificate> {
        let views = (from <= to).then(|| self.0.range(from..=to)).into_iter().flatten();
        views.flat_map(|(_, held)| {
            [&held.notarization, &held.nullification, &held.finalization].into_iter().flatten()
        })
    }

    /// Whether some held certificate names this proposal.
    pub(crate) fn certifies(&self, view: View, digest: B256) -> bool {
        self.certified(view).is_some_and(|held| held.digest == digest)
    }

    /// Drops everything below the floor.
    pub(crate) fn prune_below(&mut self, floor: View) {
        self.0 = self.0.split_off(&floor);
    }
}
