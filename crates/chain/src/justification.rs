//! Why it was legal to build on the parent (C5 rule 2 ⚠): a block carries its parent's certificate and a
//! Nullification of every view it skipped, so that any fork shows two certificates that convict.

use crate::BlockMeta;
use crate::bounded::BoundedMap;
use alloy_primitives::{B256, keccak256};
use btn_crypto::{CertificateError, Committee};
use btn_types::{Certificate, Height, Justification, View, VoteKind, encode};
use thiserror::Error;

/// Verified certificates remembered: each carries an aggregate that costs a pairing to check.
const MAX_VERIFIED_CERTIFICATES: usize = 8_192;

/// A block's certificates do not justify its parent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JustificationError {
    /// No parent certificate.
    #[error("the parent's certificate of view {0} is missing")]
    ParentMissing(View),
    /// The epoch's starting block needs no certificate.
    #[error("a certificate is carried for the epoch's starting block, which needs none")]
    ParentSuperfluous,
    /// A Nullification says nothing for a parent.
    #[error("the parent's certificate is of kind {0:?}, not Notarize or Finalize")]
    ParentKind(VoteKind),
    /// Certificate of another view.
    #[error("the parent's certificate is of view {actual}, the parent of {expected}")]
    ParentView {
        /// Found.
        actual: View,
        /// The parent's view.
        expected: View,
    },
    /// Certificate of another proposal.
    #[error("the parent's certificate names {actual}, the parent's digest is {expected}")]
    ParentDigest {
        /// Found.
        actual: B256,
        /// `D("prop", e, parent_view, the parent's parent_view, parent_hash)`.
        expected: B256,
    },
    /// The parent's certificate does not verify.
    #[error("the parent's certificate: {0}")]
    Parent(CertificateError),
    /// A skipped view without its Nullification.
    #[error("{actual} nullifications are carried, {expected} views were skipped")]
    NullificationMissing {
        /// Found.
        actual: usize,
        /// Views between parent view and view.
        expected: u64,
    },
    /// More Nullifications than skipped views.
    #[error("{actual} nullifications are carried, only {expected} views were skipped")]
    NullificationSuperfluous {
        /// Found.
        actual: usize,
        /// Views between parent view and view.
        expected: u64,
    },
    /// Another certificate in a Nullification's place.
    #[error("in place of the nullification of view {view} stands a certificate of kind {actual:?}")]
    NullificationKind {
        /// The skipped view.
        view: View,
        /// Kind found.
        actual: VoteKind,
    },
    /// Nullifications out of order, or of other views.
    #[error("in place of the nullification of view {expected} stands one of view {actual}")]
    NullificationView {
        /// Found.
        actual: View,
        /// The skipped view.
        expected: View,
    },
    /// A Nullification does not verify.
    #[error("nullification of view {view}: {reason}")]
    Nullification {
        /// The skipped view.
        view: View,
        /// Why.
        reason: CertificateError,
    },
}

/// Certificates that were verified, by hash of their encoding.
#[derive(Debug)]
pub(crate) struct VerifiedCertificates(BoundedMap<B256, ()>);

impl VerifiedCertificates {
    pub(crate) const fn new() -> Self {
        Self(BoundedMap::new(MAX_VERIFIED_CERTIFICATES))
    }

    /// Remembers a certificate that the caller verified.
    pub(crate) fn remember(&mut self, certificate: &Certificate) {
        self.0.insert(keccak256(encode(certificate)), ());
    }

    /// Verifies a certificate, or remembers that it was.
    pub(crate) fn verify(
        &mut self,
        committee: &Committee,
        certificate: &Certificate,
    ) -> Result<(), CertificateError> {
        let key = keccak256(encode(certificate));
        if !self.0.contains(&key) {
            committee.verify_certificate(certificate)?;
            self.0.insert(key, ());
        }
        Ok(())
    }
}

/// Checks the justification of a block of `view` on `parent`. The caller has checked `view > parent.view`.
pub(crate) fn check_justification(
    committee: &Committee,
    verified: &mut VerifiedCertificates,
    parent: &BlockMeta,
    view: View,
    justification: &Justification,
) -> Result<(), JustificationError> {
    check_form(committee, parent, view, justification)?;
    if let Some(certificate) = &justification.parent_certificate {
        verified.verify(committee, certificate).map_err(JustificationError::Parent)?;
    }
    for certificate in &justification.nullifications {
        let view = certificate.view;
        let refuse = |reason| JustificationError::Nullification { view, reason };
        verified.verify(committee, certificate).map_err(refuse)?;
    }
    Ok(())
}

/// Everything that costs no signature check.
fn check_form(
    committee: &Committee,
    parent: &BlockMeta,
    view: View,
    justification: &Justification,
) -> Result<(), JustificationError> {
    match &justification.parent_certificate {
        None if parent.height > Height(0) => return Err(JustificationError::ParentMissing(parent.view)),
        None => {}
        Some(_) if parent.height == Height(0) => return Err(JustificationError::ParentSuperfluous),
        Some(certificate) => check_parent(committee, parent, certificate)?,
    }
    let expected = view.0.saturating_sub(parent.view.0).saturating_sub(1);
    let actual = justification.nullifications.len();
    if (actual as u64) < expected {
        return Err(JustificationError::NullificationMissing { actual, expected });
    }
    if actual as u64 > expected {
        return Err(JustificationError::NullificationSuperfluous { actual, expected });
    }
    let mut expected = parent.view;
    for certificate in &justification.nullifications {
        expected = expected.next();
        if certificate.kind != VoteKind::Nullify {
            return Err(JustificationError::NullificationKind { view: expected, actual: certificate.kind });
        }
        if certificate.view != expected {
            return Err(JustificationError::NullificationView { actual: certificate.view, expected });
        }
    }
    Ok(())
}

/// A Finalization counts wherever a Notarization is required (C5 ⚠); a Nullification does not.
fn check_parent(
    committee: &Committee,
    parent: &BlockMeta,
    certificate: &Certificate,
) -> Result<(), JustificationError> {
    if certificate.kind == VoteKind::Nullify {
        return Err(JustificationError::ParentKind(certificate.kind));
    }
    if certificate.view != parent.view {
        return Err(JustificationError::ParentView { actual: certificate.view, expected: parent.view });
    }
    let expected = committee.domain().digest_of(parent);
    if certificate.digest != expected {
        return Err(JustificationError::ParentDigest { actual: certificate.digest, expected });
    }
    Ok(())
}
