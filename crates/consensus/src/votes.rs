//! Votes heard, by view, and the certificates they add up to. Signatures are checked in the aggregate once; a
//! single one is looked at only where the aggregate fails, or where another member passed it on (C5).

use alloy_primitives::B256;
use btn_crypto::Committee;
use btn_types::{Certificate, MemberIndex, View, Vote, VoteKind};
use std::collections::BTreeMap;

/// Votes of one kind in one view: at most one a member, its first.
type ByMember = BTreeMap<MemberIndex, Vote>;

/// Votes by view and kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct VoteBook(BTreeMap<(View, VoteKind), ByMember>);

impl VoteBook {
    /// Takes a vote in. `trusted` = it came by its voter's own link. Returns the certificate it completes,
    /// already verified.
    pub(crate) fn add(&mut self, vote: Vote, trusted: bool, committee: &Committee) -> Option<Certificate> {
        let (view, kind, digest) = (vote.view, vote.kind, vote.digest);
        if vote.member.index() >= committee.size() || (kind == VoteKind::Nullify && digest != B256::ZERO) {
            return None;
        }
        let votes = self.0.entry((view, kind)).or_default();
        if votes.contains_key(&vote.member) || !(trusted || committee.verify_vote(&vote)) {
            return None;
        }
        votes.insert(vote.member, vote);
        self.certify(view, kind, digest, committee)
    }

    /// Tries to make a certificate; drops the votes whose signature turns out wrong.
    fn certify(
        &mut self,
        view: View,
        kind: VoteKind,
        digest: B256,
        committee: &Committee,
    ) -> Option<Certificate> {
        let votes = self.0.get_mut(&(view, kind))?;
        let equal: Vec<&Vote> = votes.values().filter(|vote| vote.digest == digest).collect();
        if equal.len() < committee.quorum() {
            return None;
        }
        if let Some(certificate) = committee.certify(&equal)
            && committee.verify_certificate(&certificate).is_ok()
        {
            return Some(certificate);
        }
        votes.retain(|_, vote| vote.digest != digest || committee.verify_vote(vote));
        let equal: Vec<&Vote> = votes.values().filter(|vote| vote.digest == digest).collect();
        if equal.len() < committee.quorum() {
            return None;
        }
        committee.certify(&equal)
    }

    /// How many members have voted so in the view.
    pub(crate) fn count(&self, view: View, kind: VoteKind) -> usize {
        self.0.get(&(view, kind)).map_or(0, BTreeMap::len)
    }

    /// Digests notarized by someone in the view, each with its voters.
    pub(crate) fn notarized_digests(&self, view: View) -> BTreeMap<B256, Vec<MemberIndex>> {
        let mut digests: BTreeMap<B256, Vec<MemberIndex>> = BTreeMap::new();
        for (member, vote) in self.0.get(&(view, VoteKind::Notarize)).into_iter().flatten() {
            digests.entry(vote.digest).or_default().push(*member);
        }
        digests
    }

    /// Drops views below this one.
    pub(crate) fn prune_below(&mut self, view: View) {
        self.0 = self.0.split_off(&(view, VoteKind::Notarize));
    }
}
