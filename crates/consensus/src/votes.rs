//! Votes heard, by view, and the certificates they add up to. Signatures are checked in the aggregate once; a
//! single one is looked at only where the aggregate fails, or where another member passed it on (C5).

use alloy_primitives::B256;
use btn_crypto::Committee;
use btn_types::{Certificate, MemberIndex, View, Vote, VoteKind};
use std::collections::{BTreeMap, BTreeSet};

/// A vote, and whether its own signature was checked.
#[derive(Clone, Debug)]
struct Heard {
    vote: Vote,
    verified: bool,
}

/// Votes of one kind in one view: at most one a member, its first.
#[derive(Clone, Debug, Default)]
struct ByMember {
    heard: BTreeMap<MemberIndex, Heard>,
    /// Members whose signature was wrong: what they say next is checked before it enters an aggregate.
    liars: BTreeSet<MemberIndex>,
}

impl ByMember {
    fn equal(&self, digest: B256) -> Vec<&Vote> {
        self.heard.values().map(|heard| &heard.vote).filter(|vote| vote.digest == digest).collect()
    }

    /// Checks the votes for a digest that were taken on trust; drops the wrong ones.
    fn sift(&mut self, digest: B256, committee: &Committee) {
        for (member, heard) in &mut self.heard {
            if heard.vote.digest == digest && !heard.verified {
                heard.verified = committee.verify_vote(&heard.vote);
                if !heard.verified {
                    self.liars.insert(*member);
                }
            }
        }
        let liars = &self.liars;
        self.heard.retain(|member, _| !liars.contains(member));
    }
}

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
        let member = vote.member;
        if votes.heard.contains_key(&member) {
            return None;
        }
        let trusted = trusted && !votes.liars.contains(&member);
        if !(trusted || committee.verify_vote(&vote)) {
            return None;
        }
        votes.heard.insert(member, Heard { vote, verified: !trusted });
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
        let equal = votes.equal(digest);
        if equal.len() < committee.quorum() {
            return None;
        }
        if let Some(certificate) = committee.certify(&equal)
            && committee.verify_certificate(&certificate).is_ok()
        {
            return Some(certificate);
        }
        votes.sift(digest, committee);
        let equal = votes.equal(digest);
        if equal.len() < committee.quorum() {
            return None;
        }
        committee.certify(&equal)
    }

    /// How many members have voted so in the view.
    pub(crate) fn count(&self, view: View, kind: VoteKind) -> usize {
        self.0.get(&(view, kind)).map_or(0, |votes| votes.heard.len())
    }

    /// Digests notarized by someone in the view, each with its voters.
    pub(crate) fn notarized_digests(&self, view: View) -> BTreeMap<B256, Vec<MemberIndex>> {
        let mut digests: BTreeMap<B256, Vec<MemberIndex>> = BTreeMap::new();
        for (member, heard) in self.0.get(&(view, VoteKind::Notarize)).iter().flat_map(|votes| &votes.heard) {
            digests.entry(heard.vote.digest).or_default().push(*member);
        }
        digests
    }

    /// Drops views below this one.
    pub(crate) fn prune_below(&mut self, view: View) {
        self.0 = self.0.split_off(&(view, VoteKind::Notarize));
    }
}
