//! The judge (C11). It sees what honest nodes sign, send, journal and commit, and shares no code with consensus,
//! chain or engine: digests are recomputed and signers counted here.

mod certificates;
mod chain;
mod seals;
mod signed;

use crate::Disk;
use btn_types::{B256, Height, JournalRecord, MemberIndex, Message, NodeId, Seal, View};
use certificates::Certified;
use chain::FinalChain;
pub use seals::Observer;
use seals::Sealed;
use signed::SignedBook;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use thiserror::Error;

/// What must hold, numbered as in C11 where it stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// 1: one block per finalised height.
    OneBlockPerHeight,
    /// 2: at most one notarized digest per view.
    OneNotarizationPerView,
    /// 3: never Finalization and Nullification in one view.
    NeverFinalAndNullified,
    /// 4: the finalised chain is linked, each skipped view nullified.
    LinkedChain,
    /// 5: no slashable pair from an honest member.
    NoSlashablePair,
    /// 6: certificates hold q distinct members; and each honest one among them has voted so.
    QuorumOfMembers,
    /// 8: no vote or proposal before its record.
    LogBeforeSend,
    /// 9: seeds recompute.
    Seeds,
    /// 10, C8: seals are logged, on notarized blocks, one hash per core; the third state is earned and only rises.
    Seals,
    /// 11: no (sender, nonce) twice.
    NonceOnce,
    /// 12: a new finalisation in time once the network is timely.
    Liveness,
    /// C6.0: views and the floor of a member never fall, restarts included.
    ViewsOnlyRise,
    /// A transaction that an honest member accepted becomes final (C10).
    AcceptedIsFinal,
    /// No honest engine stops itself, and no disk refuses.
    NoHalt,
}

impl Invariant {
    /// Its number in C11, or a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OneBlockPerHeight => "1 (one block per height)",
            Self::OneNotarizationPerView => "2 (one notarized digest per view)",
            Self::NeverFinalAndNullified => "3 (never final and nullified)",
            Self::LinkedChain => "4 (linked, skipped views nullified)",
            Self::NoSlashablePair => "5 (no slashable pair from an honest member)",
            Self::QuorumOfMembers => "6 (q distinct members)",
            Self::LogBeforeSend => "8 (no vote before its record)",
            Self::Seeds => "9 (seeds recompute)",
            Self::Seals => "10 (seals and the third state)",
            Self::NonceOnce => "11 (no nonce twice)",
            Self::Liveness => "12 (progress once timely)",
            Self::ViewsOnlyRise => "C6.0 (views only rise)",
            Self::AcceptedIsFinal => "accepted transactions become final",
            Self::NoHalt => "no honest engine halts",
        }
    }
}

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("invariant {} is broken: {detail}", invariant.name())]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// What was seen.
    pub detail: String,
}

impl Violation {
    pub(crate) fn new(invariant: Invariant, detail: impl fmt::Display) -> Self {
        Self { invariant, detail: detail.to_string() }
    }
}

/// What the oracle looks at. A mutant that breaks one rule at once is shown to break the others too by not
/// looking at that rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks {
    /// Invariant 8, and that views only rise.
    pub log: bool,
    /// Invariant 5.
    pub signatures: bool,
    /// That honest members have voted as certificates say.
    pub signers: bool,
}

impl Checks {
    /// Everything.
    pub const ALL: Self = Self { log: true, signatures: true, signers: true };
    /// What anybody outside sees: votes and certificates, not the disks.
    pub const NO_DISK: Self = Self { log: false, signatures: true, signers: false };
    /// The outcome only: forks, links, progress.
    pub const OUTCOME: Self = Self { log: false, signatures: false, signers: false };

    /// The sets above by name, for replays.
    pub const NAMED: [(&'static str, Self); 3] =
        [("all", Self::ALL), ("no-disk", Self::NO_DISK), ("outcome", Self::OUTCOME)];

    /// The set's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMED.into_iter().find(|(_, checks)| *checks == self).map_or("custom", |(name, _)| name)
    }
}

/// Members, and what each has shown.
pub struct Oracle {
    checks: Checks,
    honest: BTreeSet<MemberIndex>,
    members: usize,
    chain_hash: B256,
    certified: Certified,
    signed: SignedBook,
    chain: FinalChain,
    sealed: Sealed,
    home_heights: BTreeMap<usize, Height>,
    heights: BTreeMap<MemberIndex, Height>,
    stands: BTreeMap<MemberIndex, (View, View)>,
}

impl Oracle {
    /// For a committee of `members`, of which `honest` keep the rules; `chain_hash` is the genesis block's hash
    /// and `genesis_ms` its time.
    #[must_use]
    pub fn new(
        checks: Checks,
        members: usize,
        honest: BTreeSet<MemberIndex>,
        chain_hash: B256,
        genesis_ms: u64,
    ) -> Self {
        Self {
            checks,
            honest,
            members,
            chain_hash,
            certified: Certified::default(),
            signed: SignedBook::default(),
            chain: FinalChain::new(chain_hash, genesis_ms),
            sealed: Sealed::new(BTreeMap::new(), 0),
            home_heights: BTreeMap::new(),
            heights: BTreeMap::new(),
            stands: BTreeMap::new(),
        }
    }

    /// With these supervisors registered, and whether each keeps the rules; `expected_seals` is genesis' λ.
    #[must_use]
    pub fn with_supervisors(mut self, supervisors: BTreeMap<NodeId, bool>, expected_seals: u64) -> Self {
        self.sealed = Sealed::new(supervisors, expected_seals);
        self
    }

    /// The members that keep the rules.
    #[must_use]
    pub const fn honest(&self) -> &BTreeSet<MemberIndex> {
        &self.honest
    }

    /// Newest height committed by a member.
    #[must_use]
    pub fn height(&self, member: MemberIndex) -> Height {
        self.heights.get(&member).copied().unwrap_or_default()
    }

    /// Lowest and highest of the honest members' heights.
    #[must_use]
    pub fn height_range(&self) -> (Height, Height) {
        let heights = || self.honest.iter().map(|member| self.height(*member));
        (heights().min().unwrap_or_default(), heights().max().unwrap_or_default())
    }

    /// Whether a transaction is in the finalised chain.
    #[must_use]
    pub fn is_final(&self, transaction: &B256) -> bool {
        self.chain.has(transaction)
    }

    /// Transactions in the finalised chain.
    #[must_use]
    pub fn transactions(&self) -> usize {
        self.chain.transactions()
    }

    /// An honest member sends a message; `disk` is its disk at this moment.
    ///
    /// # Errors
    /// [`Violation`].
    pub fn on_send(&mut self, member: MemberIndex, disk: &Disk, message: &Message) -> Result<(), Violation> {
        match message {
            Message::Proposal(proposal) => {
                if proposal.proposal.clerk == member {
                    self.own_proposal(member, disk, proposal)?;
                }
                self.look_at(signed::certificates_of(proposal))
            }
            Message::Vote(message) if message.vote.member == member => {
                let vote = &message.vote;
                if self.checks.log && !disk.has(|record| signed::is_vote(record, vote)) {
                    let kind = vote.kind;
                    let detail = format!("member {member} sends {kind:?} of view {} unlogged", vote.view);
                    return Err(Violation::new(Invariant::LogBeforeSend, detail));
                }
                self.note_vote(vote)
            }
            Message::Certificate(message) => self.look_at([&message.certificate]),
            Message::Certificates(certificates) => self.look_at(certificates),
            Message::Range(range) => {
                self.look_at(range.blocks.iter().flat_map(signed::certificates_in))?;
                self.look_at(&range.finalization)
            }
            Message::Vote(_)
            | Message::Candidacy(_)
            | Message::Fetch(_)
            | Message::Transactions(_)
            | Message::Seals(_) => Ok(()),
        }
    }

    fn own_proposal(
        &mut self,
        member: MemberIndex,
        disk: &Disk,
        message: &btn_types::ProposalMessage,
    ) -> Result<(), Violation> {
        let proposal = &message.proposal;
        let is_logged = || disk.has(|record| signed::is_proposal(record, proposal));
        // An answer to a fetch may concern what the floor has made useless in the log.
        let is_pruned = self.stands.get(&member).is_some_and(|(floor, _)| proposal.view <= *floor);
        if self.checks.log && !is_pruned && !is_logged() {
            let detail = format!("member {member} sends a Proposal of view {} unlogged", proposal.view);
            return Err(Violation::new(Invariant::LogBeforeSend, detail));
        }
        if self.checks.signatures { self.signed.propose(proposal) } else { Ok(()) }
    }

    fn note_vote(&mut self, vote: &btn_types::Vote) -> Result<(), Violation> {
        if self.checks.signatures { self.signed.vote(vote) } else { Ok(()) }
    }

    fn look_at<'a>(
        &mut self,
        certificates: impl IntoIterator<Item = &'a btn_types::Certificate>,
    ) -> Result<(), Violation> {
        for certificate in certificates {
            if self.certified.note(certificate, self.members)? && self.checks.signers {
                self.signed.check_signers(certificate, self.members, &self.honest)?;
            }
        }
        Ok(())
    }

    /// An honest member has synced a group of records. Where disks do not keep what they are given (`is_kept` false)
    /// nothing counts before it is sent.
    ///
    /// # Errors
    /// [`Violation`].
    pub fn on_journal(
        &mut self,
        records: &[btn_types::JournalRecord],
        is_kept: bool,
    ) -> Result<(), Violation> {
        use btn_types::JournalRecord as Record;
        for record in records {
            match record {
                Record::Voted(vote) if is_kept => self.note_vote(vote)?,
                Record::Proposed(message) if is_kept && self.checks.signatures => {
                    self.signed.propose(&message.proposal)?;
                }
                Record::Certificate(certificate) if is_kept => self.look_at([certificate])?,
                _ => {}
            }
        }
        Ok(())
    }

    /// An honest member has committed a batch.
    ///
    /// # Errors
    /// [`Violation`].
    pub fn on_commit(
        &mut self,
        member: MemberIndex,
        batch: &btn_storage::FinalizedBatch,
    ) -> Result<(), Violation> {
        for finalized in &batch.blocks {
            let (block, height) = (&finalized.block, finalized.block.height());
            let expected = self.height(member).next();
            if height != expected {
                let detail = format!("member {member} commits height {height}, expected {expected}");
                return Err(Violation::new(Invariant::LinkedChain, detail));
            }
            self.heights.insert(member, height);
            self.look_at(signed::certificates_in(block))?;
            self.chain.commit(member, block, finalized.hash)?;
            if let Some(finalization) = &finalized.finalization {
                self.look_at([finalization])?;
                self.chain.check_finalization(block, finalized.hash, finalization)?;
            }
            self.sealed.check_block(block)?;
        }
        self.third_state(Observer::Master(member), batch)
    }

    fn third_state(
        &mut self,
        observer: Observer,
        batch: &btn_storage::FinalizedBatch,
    ) -> Result<(), Violation> {
        let Some(sealed) = &batch.sealed else { return Ok(()) };
        let final_hash = self.chain.hash_of(sealed.height);
        let shown = (sealed.hash, sealed.seals.as_slice());
        self.sealed.on_third_state(observer, sealed.height, final_hash, shown)
    }

    /// An honest supervisor has committed a batch.
    ///
    /// # Errors
    /// [`Violation`].
    pub fn on_home_commit(
        &mut self,
        place: usize,
        batch: &btn_storage::FinalizedBatch,
    ) -> Result<(), Violation> {
        for finalized in &batch.blocks {
            let height = finalized.block.height();
            let expected = self.home_heights.get(&place).copied().unwrap_or_default().next();
            if height != expected {
                let detail = format!("supervisor {place} commits height {height}, expected {expected}");
                return Err(Violation::new(Invariant::LinkedChain, detail));
            }
            self.home_heights.insert(place, height);
            self.chain.commit(MemberIndex(u16::MAX), &finalized.block, finalized.hash)?;
        }
        self.third_state(Observer::Supervisor(place), batch)
    }

    /// An honest supervisor has synced a group of records.
    ///
    /// # Errors
    /// [`Violation`].
    pub fn on_home_journal(&mut self, id: NodeId, records: &[JournalRecord]) -> Result<(), Violation> {
        for record in records {
            let JournalRecord::Sealed(record) = record else { continue };
            self.sealed.on_seal(id, &record.seal)?;
            let hash = record.seal.block_hash;
            if !self
                .certified
                .is_notarized(record.view, |parent| self.chain.digest_of(record.view, parent, hash))
            {
                let detail = format!("{} seals {hash} of view {}, not notarized", id.short(), record.view);
                return Err(Violation::new(Invariant::Seals, detail));
            }
        }
        Ok(())
    }

    /// An honest supervisor sends seals.
    ///
    /// # Errors
    /// [`Violation`].
    pub fn on_home_seals(&mut self, id: NodeId, disk: &Disk, seals: &[Seal]) -> Result<(), Violation> {
        if self.checks.log {
            self.sealed.on_send(id, disk, seals)?;
        }
        seals.iter().try_for_each(|seal| self.sealed.on_seal(id, seal))
    }

    /// Certificates that a supervisor was shown: somebody has gathered the votes.
    ///
    /// # Errors
    /// [`Violation`].
    pub fn on_shown<'a>(
        &mut self,
        certificates: impl IntoIterator<Item = &'a btn_types::Certificate>,
    ) -> Result<(), Violation> {
        self.look_at(certificates)
    }

    /// A block that a supervisor pulled.
    ///
    /// # Errors
    /// [`Violation`].
    pub fn on_pulled(&mut self, block: &btn_types::Block) -> Result<(), Violation> {
        self.look_at(signed::certificates_in(block))
    }

    /// Third state of somebody.
    #[must_use]
    pub fn third(&self, observer: Observer) -> Height {
        self.sealed.third(observer)
    }

    /// Lowest third state of the honest masters.
    #[must_use]
    pub fn third_height(&self) -> Height {
        let of_masters = self.honest.iter().map(|member| self.sealed.third(Observer::Master(*member)));
        of_masters.min().unwrap_or_default()
    }

    /// The disk of a supervisor was set back by a broken runner: its heights fall.
    pub fn on_lost_home(&mut self, place: usize, height: Height, third: Height) {
        self.home_heights.insert(place, height);
        self.sealed.set_back(Observer::Supervisor(place), third);
    }

    /// The disk of a member was set back by a broken runner: its height falls.
    pub fn on_lost_disk(&mut self, member: MemberIndex, height: Height, third: Height) {
        self.heights.insert(member, height);
        self.sealed.set_back(Observer::Master(member), third);
    }

    /// Where an honest member stands after a step whose effects were all carried out.
    ///
    /// # Errors
    /// [`Violation`].
    pub fn on_stand(&mut self, member: MemberIndex, floor: View, view: View) -> Result<(), Violation> {
        let before = self.stands.insert(member, (floor, view)).unwrap_or_default();
        if self.checks.log && (floor < before.0 || view < before.1) {
            let detail = format!(
                "member {member} goes from floor {} and view {} to floor {floor} and view {view}",
                before.0, before.1
            );
            return Err(Violation::new(Invariant::ViewsOnlyRise, detail));
        }
        Ok(())
    }

    /// The chain's hash, for digests.
    #[must_use]
    pub const fn chain_hash(&self) -> B256 {
        self.chain_hash
    }
}

#[cfg(test)]
mod tests;
