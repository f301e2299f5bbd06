//! The state machine: its state, recovery from the journal, and the dispatch of one step.

mod act;
mod certify;
mod fetch;
mod hear;
mod resend;

use crate::certificates::CertificateStore;
use crate::interface::{Blocks, Effect, Identity, Input, Parameters, Places};
use crate::own_log::OwnLog;
use crate::proposals::ProposalBook;
use crate::tickets::TicketBook;
use crate::votes::VoteBook;
use alloy_primitives::B256;
use btn_crypto::Committee;
use btn_types::{Certificate, JournalRecord, MemberIndex, Message, Now, Round, Ticket, View, VoteKind};
use fetch::FetchBook;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Votes are kept for this many views below the current one: late Finalize votes still count.
const VOTE_HISTORY_VIEWS: u64 = 64;

/// Most certificates looked at in one message: each costs a millisecond to verify.
const MAX_CERTIFICATES_PER_MESSAGE: usize = 256;

/// Most rounds of "what can be done now" in one step; a bound that no run reaches.
const MAX_PROGRESS_ROUNDS: usize = 64;

/// Growth of Δ per consecutive nullified view is 3/2, up to eight times (C6).
const DELTA_GROWTH: (u64, u64) = (3, 2);
const DELTA_CAP: u64 = 8;

/// The highest finalised view (C6.0): nothing is signed at or below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Floor {
    view: View,
    digest: B256,
}

/// The view we are in and its timers, all on the monotonic clock.
#[derive(Clone, Copy, Debug)]
struct Current {
    view: View,
    entered_at_ms: u64,
    /// t₀, once the view has started (C6.3).
    started_at_ms: Option<u64>,
    resent_at_ms: Option<u64>,
    /// Entered by a restart: resend at once (C6.5 ⚠).
    restarted: bool,
}

/// Where a member stands, for people and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Current view.
    pub view: View,
    /// Views skipped since the best certified block.
    pub round: Round,
    /// Highest finalised view.
    pub floor: View,
    /// Whether this node signs.
    pub votes: bool,
}

/// One member (or observer) of one committee.
pub struct Consensus {
    committee: Committee,
    identity: Identity,
    parameters: Parameters,
    log: OwnLog,
    certificates: CertificateStore,
    votes: VoteBook,
    tickets: TicketBook,
    proposals: ProposalBook,
    fetches: FetchBook,
    floor: Floor,
    current: Current,
    /// Consecutive views entered by Nullification since the last Finalization: Δ grows with it.
    nullified_in_row: u32,
    /// When each peer was last answered with the floor's Finalization.
    answered_at_ms: BTreeMap<MemberIndex, u64>,
    /// Draws already made, eligible or not.
    drawn: BTreeSet<(View, B256)>,
    halted: bool,
}

impl std::fmt::Debug for Consensus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consensus").field("me", &self.me()).field("status", &self.status()).finish()
    }
}

impl Consensus {
    /// A member as its journal left it. `tip_finalization` is the Finalization stored with the newest block of
    /// the database, if any; `records` is the whole journal in order. Call [`Consensus::step`] with
    /// [`Input::Wake`] next.
    #[must_use]
    pub fn new(
        committee: Committee,
        identity: Identity,
        parameters: Parameters,
        tip_finalization: Option<Certificate>,
        records: &[JournalRecord],
    ) -> Self {
        let mut consensus = Self {
            committee,
            identity,
            parameters,
            log: OwnLog::default(),
            certificates: CertificateStore::default(),
            votes: VoteBook::default(),
            tickets: TicketBook::default(),
            proposals: ProposalBook::default(),
            fetches: FetchBook::default(),
            floor: Floor::default(),
            current: Current {
                view: View(0),
                entered_at_ms: 0,
                started_at_ms: None,
                resent_at_ms: None,
                restarted: true,
            },
            nullified_in_row: 0,
            answered_at_ms: BTreeMap::new(),
            drawn: BTreeSet::new(),
            halted: false,
        };
        consensus.recover(tip_finalization, records);
        consensus
    }

    /// C6.0: the floor is the highest Finalization, the view is above everything signed or certified.
    fn recover(&mut self, tip_finalization: Option<Certificate>, records: &[JournalRecord]) {
        if let Some(certificate) = tip_finalization {
            self.certificates.insert(certificate);
        }
        for record in records {
            match record {
                JournalRecord::Proposed(message) => {
                    self.log.record_proposal(Arc::clone(message));
                    self.remember(message);
                }
                JournalRecord::Body(message) => self.remember(message),
                JournalRecord::Voted(vote) => self.log.record_vote(vote.clone()),
                JournalRecord::Certificate(certificate) => {
                    self.certificates.insert(certificate.clone());
                }
                JournalRecord::Transaction(_) | JournalRecord::Sealed(_) => {}
            }
        }
        if let Some(finalization) = self.certificates.highest_finalization() {
            self.floor = Floor { view: finalization.view, digest: finalization.digest };
        }
        let after_certificates = self.certificates.highest_view().map(View::next);
        let candidates = [Some(self.floor.view.next()), self.log.highest_view(), after_certificates];
        self.current.view = candidates.into_iter().flatten().max().unwrap_or(View(1));
        self.prune();
        let own: Vec<_> = self.log.votes().cloned().collect();
        for vote in own {
            // Certificates these complete are in the journal already.
            let _ = self.votes.add(vote, true, &self.committee);
        }
    }

    fn remember(&mut self, message: &Arc<btn_types::ProposalMessage>) {
        let digest = self.committee.proposal_digest(&message.proposal);
        self.proposals.add(digest, Arc::clone(message), true);
    }

    /// Our place in the committee; `None` for an observer.
    #[must_use]
    pub const fn me(&self) -> Option<MemberIndex> {
        match &self.identity {
            Identity::Observer => None,
            Identity::Member { index, .. } => Some(*index),
        }
    }

    /// Where we stand.
    #[must_use]
    pub fn status(&self) -> Status {
        let parent = self.certificates.highest_certified(self.current.view).map_or(View(0), |held| held.view);
        Status {
            view: self.current.view,
            round: Round(self.current.view.0.saturating_sub(parent.0).saturating_sub(1)),
            floor: self.floor.view,
            votes: self.me().is_some() && !self.halted,
        }
    }

    /// Tickets known for the current view and the next two, best first within each view: what users are shown
    /// (C6.2, R-032). At most [`MAX_CANDIDATES`](btn_types::limits::MAX_CANDIDATES).
    #[must_use]
    pub fn candidates(&self) -> Vec<Ticket> {
        self.tickets.candidates(self.current.view)
    }

    /// The committee.
    #[must_use]
    pub const fn committee(&self) -> &Committee {
        &self.committee
    }

    /// The floor's Finalization.
    #[must_use]
    pub fn floor_finalization(&self) -> Option<&Certificate> {
        self.certificates.finalization(self.floor.view)
    }

    /// The block of the highest certified view whose place is known: what `pending` shows and what a clerk
    /// builds on.
    #[must_use]
    pub fn head(&self, blocks: &dyn Places) -> btn_types::BlockMeta {
        let finalized = blocks.finalized();
        let certified = self.certificates.range(self.floor.view, self.current.view);
        let mut known = certified.filter(|held| held.kind != VoteKind::Nullify && held.view > finalized.view);
        let mut head = finalized;
        for certificate in &mut known {
            if let Some(meta) = self.place_of(certificate.digest, blocks) {
                head = meta;
            }
        }
        head
    }

    /// Place of the block a digest names.
    fn place_of(&self, digest: B256, blocks: &dyn Places) -> Option<btn_types::BlockMeta> {
        let hash = self.proposals.get(digest)?.message.proposal.block_hash;
        blocks.meta(hash)
    }

    /// Place of a certified block: by its Proposal, or, for the floor, the committed tip.
    fn place_of_certified(
        &self,
        certificate: &Certificate,
        blocks: &dyn Blocks,
    ) -> Option<btn_types::BlockMeta> {
        let finalized = blocks.finalized();
        let of_tip = self.committee.domain().digest_of(&finalized);
        if of_tip == certificate.digest { Some(finalized) } else { self.place_of(certificate.digest, blocks) }
    }

    /// Everything the journal must keep (C6): own votes and proposals above the floor, certificates at or above
    /// it, bodies of proposals that may still be finalised.
    #[must_use]
    pub fn live_records(&self) -> Vec<JournalRecord> {
        let certificates = self.certificates.range(View(0), View(u64::MAX)).cloned();
        let own_proposals: BTreeSet<_> =
            self.log.proposals().map(|message| self.committee.proposal_digest(&message.proposal)).collect();
        let bodies = self.proposals.iter().filter(|(digest, entry)| {
            !own_proposals.contains(*digest) && self.may_be_final(entry.message.proposal.view, **digest)
        });
        certificates
            .map(JournalRecord::Certificate)
            .chain(self.log.proposals().map(|message| JournalRecord::Proposed(Arc::clone(message))))
            .chain(bodies.map(|(_, entry)| JournalRecord::Body(Arc::clone(&entry.message))))
            .chain(self.log.votes().cloned().map(JournalRecord::Voted))
            .collect()
    }

    /// Whether a proposal has been certified, or was notarized by us and so may be.
    fn may_be_final(&self, view: View, digest: B256) -> bool {
        let voted = || self.log.of(view).notarized.is_some_and(|vote| vote.digest == digest);
        view <= self.floor.view || self.certificates.certifies(view, digest) || voted()
    }

    /// Takes one input and says what must be done, in order.
    pub fn step(&mut self, now: Now, input: Input, blocks: &mut dyn Blocks) -> Vec<Effect> {
        if self.halted {
            return Vec::new();
        }
        let mut step = Step {
            state: self,
            now,
            blocks,
            records: Vec::new(),
            finalized: Vec::new(),
            messages: Vec::new(),
            wake_at_ms: u64::MAX,
            halt: None,
        };
        step.begin();
        step.handle(input);
        step.progress();
        step.finish()
    }

    /// Δ of the current view (C6): ×1.5 per consecutive nullified view, at most ×8.
    fn delta_ms(&self) -> u64 {
        let base = self.parameters.delta_ms;
        let mut delta = base;
        for _ in 0..self.nullified_in_row.min(16) {
            delta = delta.saturating_mul(DELTA_GROWTH.0) / DELTA_GROWTH.1;
        }
        delta.min(base.saturating_mul(DELTA_CAP))
    }

    /// Drops what the floor has made useless. Bodies stay until they are committed: see [`Step::prune_bodies`].
    fn prune(&mut self) {
        let floor = self.floor.view;
        self.certificates.prune_below(floor);
        self.log.prune_through(floor);
        let oldest = View(self.current.view.0.saturating_sub(VOTE_HISTORY_VIEWS)).max(floor.next());
        self.votes.prune_below(oldest);
        self.tickets.prune_below(self.current.view);
        self.drawn = self.drawn.split_off(&(self.current.view, B256::ZERO));
    }
}

/// One step in progress: the state, the outside, and what is to be done.
struct Step<'a> {
    state: &'a mut Consensus,
    now: Now,
    blocks: &'a mut dyn Blocks,
    records: Vec<JournalRecord>,
    finalized: Vec<Certificate>,
    messages: Vec<Effect>,
    wake_at_ms: u64,
    halt: Option<String>,
}

impl Step<'_> {
    /// The first step after start: the timers of the view begin now, bodies from the journal are shown to the
    /// chain, and a floor above the committed tip is committed.
    fn begin(&mut self) {
        if self.state.current.entered_at_ms != 0 {
            return;
        }
        self.state.current.entered_at_ms = self.now.monotonic_ms.max(1);
        self.retry_orphans();
        if let Some(finalization) = self.state.floor_finalization().cloned()
            && self.blocks.finalized().view < finalization.view
        {
            self.finalized.push(finalization);
        }
        // Rule 6 for certificates synced just before a crash: their Finalize may not have been logged.
        let held: Vec<Certificate> = self
            .state
            .certificates
            .range(self.state.floor.view.next(), View(u64::MAX))
            .filter(|held| held.kind == VoteKind::Notarize)
            .cloned()
            .collect();
        for certificate in held {
            self.vote_finalize(certificate.view, certificate.digest);
        }
    }

    fn handle(&mut self, input: Input) {
        match input {
            Input::Wake | Input::TransactionsKnown => {}
            Input::BlocksKnown => self.retry_orphans(),
            Input::PeerConnected(member) => self.show_all(Some(member)),
            Input::Proposal { from, message } => self.on_proposal(from, message),
            Input::Vote { from, message } => self.on_vote(from, message),
            Input::Certificates { from, certificates, tickets } => {
                self.on_certificates(from, certificates);
                self.on_tickets(tickets);
            }
            Input::Candidacy { from: _, tickets } => self.on_tickets(tickets),
            Input::Fetch { from, request } => self.on_fetch(from, &request),
        }
    }

    /// Does whatever can be done now, until nothing more can.
    fn progress(&mut self) {
        for _ in 0..MAX_PROGRESS_ROUNDS {
            let before = (self.state.current.view, self.records.len());
            self.wake_at_ms = u64::MAX;
            self.draw_tickets();
            self.start_view();
            self.propose();
            self.notarize();
            self.nullify();
            if self.halt.is_some() || before == (self.state.current.view, self.records.len()) {
                break;
            }
        }
        self.prune_bodies();
        self.resend_if_stuck();
        self.fetch_missing();
    }

    /// Bodies are kept while they may become final and until they are committed: the floor may be above the
    /// committed tip, after a crash between the two or while an ancestor is fetched. Of views left behind only
    /// those are kept that were certified or that we voted for, so that nobody's refuse fills the chain's tree.
    fn prune_bodies(&mut self) {
        let committed = self.blocks.finalized().view.min(self.state.floor.view);
        self.state.proposals.prune_below(committed);
        let mut proposals = std::mem::take(&mut self.state.proposals);
        let left_behind = self.state.current.view.previous();
        let dropped = proposals.drop_below(left_behind, |view, digest| self.state.may_be_final(view, digest));
        self.state.proposals = proposals;
        for hash in dropped {
            self.blocks.forget(hash);
        }
    }

    fn finish(self) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Some(reason) = self.halt {
            self.state.halted = true;
            return vec![Effect::Halt(reason)];
        }
        if !self.records.is_empty() {
            effects.push(Effect::Journal(self.records));
        }
        for certificate in self.finalized {
            let entry = self.state.proposals.get(certificate.digest);
            let block_hash = entry.map(|entry| entry.message.proposal.block_hash);
            effects.push(Effect::Finalized { certificate, block_hash });
        }
        effects.extend(self.messages);
        if self.wake_at_ms != u64::MAX {
            effects.push(Effect::WakeAt { monotonic_ms: self.wake_at_ms });
        }
        effects
    }

    fn wake_at(&mut self, monotonic_ms: u64) {
        self.wake_at_ms = self.wake_at_ms.min(monotonic_ms.max(self.now.monotonic_ms.saturating_add(1)));
    }

    fn broadcast(&mut self, message: Message) {
        self.messages.push(Effect::Broadcast(Arc::new(message)));
    }

    fn send(&mut self, to: MemberIndex, message: Message) {
        if Some(to) != self.state.me() {
            self.messages.push(Effect::Send { to, message: Arc::new(message) });
        }
    }
}
