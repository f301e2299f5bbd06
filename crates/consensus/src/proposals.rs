//! Proposals heard, by digest: which blocks they name, whether the body's place is known, who equivocates.

use alloy_primitives::B256;
use btn_types::{BlockMeta, MemberIndex, ProposalMessage, View};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How far a proposal has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "a few proposals per view, nearly all of them inserted")]
pub(crate) enum Standing {
    /// Its parent's body is missing.
    Orphan,
    /// Its place is right, and its ticket.
    Inserted(BlockMeta),
    /// Invalid for everyone.
    Invalid,
}

/// One proposal.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) message: Arc<ProposalMessage>,
    pub(crate) standing: Standing,
}

/// Proposals by digest and by view.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProposalBook {
    entries: BTreeMap<B256, Entry>,
    by_view: BTreeMap<View, BTreeMap<MemberIndex, Vec<B256>>>,
}

/// Different proposals kept of one clerk in one view: two show that it equivocates, and one of a few more may
/// be the certified one.
const KEPT_PER_CLERK: usize = 4;

impl ProposalBook {
    /// The proposal of a digest.
    pub(crate) fn get(&self, digest: B256) -> Option<&Entry> {
        self.entries.get(&digest)
    }

    /// Enters a proposal whose signature was checked. `wanted` = a certificate or a vote names it, so the bound
    /// per clerk does not apply. False where it was known or over the bound.
    pub(crate) fn add(&mut self, digest: B256, message: Arc<ProposalMessage>, wanted: bool) -> bool {
        if self.entries.contains_key(&digest) {
            return false;
        }
        let (view, clerk) = (message.proposal.view, message.proposal.clerk);
        let of_clerk = self.by_view.entry(view).or_default().entry(clerk).or_default();
        if of_clerk.len() >= KEPT_PER_CLERK && !wanted {
            return false;
        }
        of_clerk.push(digest);
        self.entries.insert(digest, Entry { message, standing: Standing::Orphan });
        true
    }

    /// Notes how far a proposal has come.
    pub(crate) fn set_standing(&mut self, digest: B256, standing: Standing) {
        if let Some(entry) = self.entries.get_mut(&digest) {
            entry.standing = standing;
        }
    }

    /// Forgets a proposal whose body was not its own, so that the true one can come.
    pub(crate) fn remove(&mut self, digest: B256) {
        let Some(entry) = self.entries.remove(&digest) else { return };
        let (view, clerk) = (entry.message.proposal.view, entry.message.proposal.clerk);
        let Some(clerks) = self.by_view.get_mut(&view) else { return };
        if let Some(digests) = clerks.get_mut(&clerk) {
            digests.retain(|held| *held != digest);
        }
        clerks.retain(|_, digests| !digests.is_empty());
        if clerks.is_empty() {
            self.by_view.remove(&view);
        }
    }

    /// Clerks whose proposals and tickets no longer count in the view (C6.4): those with two proposals (C3: even
    /// on different parents), and those whose one proposal is invalid, so that nobody waits for a valid one.
    pub(crate) fn discredited(&self, view: View) -> BTreeSet<MemberIndex> {
        let is_invalid =
            |digest: &B256| self.entries.get(digest).is_some_and(|entry| entry.standing == Standing::Invalid);
        let clerks = self.by_view.get(&view).into_iter().flatten();
        clerks
            .filter(|(_, digests)| digests.len() > 1 || digests.iter().any(is_invalid))
            .map(|(clerk, _)| *clerk)
            .collect()
    }

    /// Whether any proposal of the view has come.
    pub(crate) fn has_any(&self, view: View) -> bool {
        self.by_view.contains_key(&view)
    }

    /// Digest and block place of every inserted proposal of the view.
    pub(crate) fn inserted(&self, view: View) -> Vec<(B256, MemberIndex, BlockMeta)> {
        let digests = self.by_view.get(&view).into_iter().flat_map(|clerks| clerks.values().flatten());
        digests
            .filter_map(|digest| match self.entries.get(digest) {
                Some(Entry { message, standing: Standing::Inserted(meta) }) => {
                    Some((*digest, message.proposal.clerk, *meta))
                }
                _ => None,
            })
            .collect()
    }

    /// Digests of all orphans, ascending by view.
    pub(crate) fn orphans(&self) -> Vec<B256> {
        let digests = self.by_view.values().flat_map(|clerks| clerks.values().flatten());
        digests
            .filter(|digest| {
                self.entries.get(*digest).is_some_and(|entry| entry.standing == Standing::Orphan)
            })
            .copied()
            .collect()
    }

    /// All proposals, ascending by view.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&B256, &Entry)> {
        let digests = self.by_view.values().flat_map(|clerks| clerks.values().flatten());
        digests.filter_map(|digest| self.entries.get_key_value(digest))
    }

    /// Drops what stands in views below this one and is not worth keeping; gives the blocks that went.
    pub(crate) fn drop_below(&mut self, view: View, is_kept: impl Fn(View, B256) -> bool) -> Vec<B256> {
        let clerks = self
            .by_view
            .range(..view)
            .flat_map(|(view, clerks)| clerks.values().flatten().map(|digest| (*view, *digest)));
        let dropped: Vec<B256> =
            clerks.filter(|(view, digest)| !is_kept(*view, *digest)).map(|(_, digest)| digest).collect();
        let hash_of = |digest: &B256| Some(self.entries.get(digest)?.message.proposal.block_hash);
        let blocks = dropped.iter().filter_map(hash_of).collect();
        for digest in dropped {
            self.remove(digest);
        }
        blocks
    }

    /// Drops views below this one.
    pub(crate) fn prune_below(&mut self, view: View) {
        if self.by_view.first_key_value().is_none_or(|(first, _)| *first >= view) {
            return;
        }
        self.by_view = self.by_view.split_off(&view);
        let kept: BTreeSet<B256> =
            self.by_view.values().flat_map(|clerks| clerks.values().flatten()).copied().collect();
        self.entries.retain(|digest, _| kept.contains(digest));
    }
}
