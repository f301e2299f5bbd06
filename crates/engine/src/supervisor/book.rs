//! What masters have announced: places of proposals, by who says so, and certificates, verified once per view and
//! kind.

use btn_types::supervision::BlockPlace;
use btn_types::{B256, Certificate, MemberIndex, View, VoteKind};
use std::collections::{BTreeMap, BTreeSet};

/// Most proposals that one master may have announced and that are not settled: a few per view and unfinalised
/// height.
pub const MAX_ANNOUNCED_PER_MASTER: usize = 512;

/// Most proposals of one view that a master may have announced: few clerks propose in a view, and masters keep few of
/// one that equivocates. What is over it is pulled once it is certified.
const MAX_ANNOUNCED_PER_VIEW: usize = 8;

/// Most certified views kept above the finalised tip.
pub const MAX_CERTIFIED_VIEWS: usize = 1_024;

/// A certified view.
#[derive(Clone, Debug)]
pub(super) struct Certified {
    /// Of the block. Its height is hearsay until the body is here; the rest is in the digest.
    pub(super) place: BlockPlace,
    pub(super) digest: B256,
    pub(super) notarization: Option<Certificate>,
    pub(super) finalization: Option<Certificate>,
    /// Whether it was decided if we seal the block.
    pub(super) judged: bool,
}

/// What a certificate is to the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing of its kind and view is known.
    New,
    /// One for the same digest is known.
    Known,
    /// Another digest is certified in its view: if it verifies, more than f members are Byzantine.
    Contradicts,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    announced: BTreeMap<BlockPlace, BTreeSet<MemberIndex>>,
    certified: BTreeMap<View, Certified>,
    /// Highest view certified, ever.
    highest: View,
}

impl Book {
    /// Notes that a master says this of a proposal. `false` where its bound is reached.
    pub(super) fn announce(&mut self, place: BlockPlace, master: MemberIndex) -> bool {
        if !self.announced.get(&place).is_some_and(|masters| masters.contains(&master)) {
            let of_master = self.announced.iter().filter(|(_, masters)| masters.contains(&master));
            let of_view = of_master.clone().filter(|(other, _)| other.view == place.view).count();
            if of_master.count() >= MAX_ANNOUNCED_PER_MASTER || of_view >= MAX_ANNOUNCED_PER_VIEW {
                return false;
            }
        }
        self.announced.entry(place).or_default().insert(master);
        true
    }

    /// Masters that placed a block elsewhere than where its body stands.
    pub(super) fn misplaced(&self, actual: &BlockPlace) -> Vec<(MemberIndex, BlockPlace)> {
        let wrong = self.announced.iter().filter(|(place, _)| place.hash == actual.hash && *place != actual);
        wrong.flat_map(|(place, masters)| masters.iter().map(move |master| (*master, *place))).collect()
    }

    pub(super) fn forget_master(&mut self, master: MemberIndex) {
        self.announced.retain(|_, masters| {
            masters.remove(&master);
            !masters.is_empty()
        });
    }

    pub(super) fn standing(&self, certificate: &Certificate) -> Standing {
        match self.certified.get(&certificate.view) {
            None => Standing::New,
            Some(held) if held.digest != certificate.digest => Standing::Contradicts,
            Some(held) if held.of_kind(certificate.kind).is_some() => Standing::Known,
            Some(_) => Standing::New,
        }
    }

    /// Enters a verified certificate of the block at this place.
    pub(super) fn certify(&mut self, place: BlockPlace, certificate: Certificate) {
        self.highest = self.highest.max(certificate.view);
        let entry = self.certified.entry(certificate.view).or_insert_with(|| Certified {
            place,
            digest: certificate.digest,
            notarization: None,
            finalization: None,
            judged: false,
        });
        match certificate.kind {
            VoteKind::Finalize => entry.finalization = Some(certificate),
            VoteKind::Notarize => entry.notarization = Some(certificate),
            VoteKind::Nullify => {}
        }
        if self.certified.len() > MAX_CERTIFIED_VIEWS {
            self.certified.pop_first();
        }
    }

    /// A certified block's body is here: this is where it stands.
    pub(super) fn place(&mut self, actual: &BlockPlace) {
        if let Some(entry) = self.certified.get_mut(&actual.view)
            && entry.place.hash == actual.hash
        {
            entry.place = *actual;
        }
    }

    /// Highest certified view known, the finalised chain's included.
    pub(super) const fn highest(&self) -> View {
        self.highest
    }

    /// The finalised chain has come to this view.
    pub(super) fn committed(&mut self, view: View) {
        self.highest = self.highest.max(view);
        self.announced.retain(|place, _| place.view > view);
        self.certified = self.certified.split_off(&view);
    }

    /// Certified views, ascending.
    pub(super) fn certified(&self) -> impl DoubleEndedIterator<Item = (&View, &Certified)> {
        self.certified.iter()
    }

    pub(super) fn judge(&mut self, view: View) {
        if let Some(entry) = self.certified.get_mut(&view) {
            entry.judged = true;
        }
    }

    /// Highest view with a Finalization.
    pub(super) fn highest_final(&self) -> Option<View> {
        self.certified().rev().find(|(_, entry)| entry.finalization.is_some()).map(|(view, _)| *view)
    }

    /// The Finalization of a view.
    pub(super) fn finalization_of(&self, view: View) -> Option<&Certificate> {
        self.certified.get(&view)?.finalization.as_ref()
    }

    /// Where the certified block of a view stands, as far as is known, and whether it is final.
    pub(super) fn place_of(&self, view: View) -> Option<(BlockPlace, bool)> {
        let entry = self.certified.get(&view)?;
        Some((entry.place, entry.finalization.is_some()))
    }

    /// Whether a block is certified in this view.
    pub(super) fn certifies(&self, view: View, hash: B256) -> bool {
        self.certified.get(&view).is_some_and(|entry| entry.place.hash == hash)
    }
}

impl Certified {
    fn of_kind(&self, kind: VoteKind) -> Option<&Certificate> {
        match kind {
            VoteKind::Notarize => self.notarization.as_ref(),
            VoteKind::Finalize => self.finalization.as_ref(),
            VoteKind::Nullify => None,
        }
    }
}
