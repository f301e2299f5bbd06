//! Members with stand-in keys, everything they could say, and a node under test that a script talks to.

use crate::tree::Tree;
use btn_consensus::{BuildRequest, Consensus, Effect, Identity, Input, Parameters, Places, Status};
use btn_crypto::{Committee, Draw, Signer};
use btn_stand_in::{StandInKeys, StandInVerifier, stand_in_genesis};
use btn_types::genesis::ConsensusParameters;
use btn_types::{
    B256, Block, BlockMeta, Bytes, Certificate, Envelope, Epoch, Height, JournalRecord, Justification,
    MemberIndex, Message, Now, Proposal, ProposalMessage, Ticket, View, Vote, VoteKind, VoteMessage,
};
use std::collections::BTreeMap;
use std::sync::Arc;

pub use crate::seen::Seen;
pub use VoteKind::{Finalize, Notarize, Nullify};

/// Δ and its fellows, ms; those of the devnet.
pub const DELTA: u64 = 500;
pub const CANDIDATE_WAIT: u64 = 20;
pub const IDLE: u64 = 2_000;
pub const BLOCK_INTERVAL: u64 = 100;

const KEY_SEED: u64 = 7;
const MONOTONIC_START_MS: u64 = 50_000;
pub const UNIX_START_MS: u64 = 1_700_000_100_000;

pub const fn member(index: u16) -> MemberIndex {
    MemberIndex(index)
}

/// Which draw seed is in force at which height.
#[derive(Clone, Copy, Debug)]
pub struct Lottery {
    /// First height of the next period.
    pub edge: u64,
}

impl Lottery {
    pub fn seed_of(self, height: u64) -> B256 {
        B256::repeat_byte(if height < self.edge { 0xa1 } else { 0xb2 })
    }

    pub fn place(self, block: &Block) -> BlockMeta {
        let (height, envelope) = (block.header.number, &block.envelope);
        BlockMeta {
            hash: block.hash(),
            parent: block.header.parent_hash,
            height: Height(height),
            epoch: envelope.epoch,
            view: envelope.view,
            parent_view: envelope.parent_view,
            seed: block.header.mix_hash,
            core: B256::ZERO,
            child_draw_seed: self.seed_of(height + 1),
            later_draw_seed: self.seed_of(height + 3),
            timestamp_ms: envelope.timestamp_ms,
        }
    }
}

/// A proposal, where its block stands, and what votes call it.
#[derive(Clone, Debug)]
pub struct Offer {
    pub message: Arc<ProposalMessage>,
    pub place: BlockMeta,
    pub digest: B256,
}

impl Offer {
    pub fn view(&self) -> u64 {
        self.message.proposal.view.0
    }
}

#[derive(Clone)]
pub struct World {
    pub committee: Committee,
    pub lottery: Lottery,
    pub genesis: BlockMeta,
}

impl World {
    pub fn new(members: usize) -> Self {
        Self::with_edge(members, u64::MAX)
    }

    pub fn with_edge(members: usize, edge: u64) -> Self {
        let genesis = stand_in_genesis(members, ConsensusParameters::DEVNET, BTreeMap::new());
        let verifier = Arc::new(StandInVerifier::new(KEY_SEED, members));
        let hash = B256::repeat_byte(0x11);
        let committee = Committee::from_genesis(&genesis, hash, verifier);
        let lottery = Lottery { edge };
        let genesis = BlockMeta {
            hash,
            parent: B256::ZERO,
            height: Height(0),
            epoch: Epoch(0),
            view: View(0),
            parent_view: View(0),
            seed: committee.domain().genesis_seed(),
            core: B256::ZERO,
            child_draw_seed: lottery.seed_of(1),
            later_draw_seed: lottery.seed_of(3),
            timestamp_ms: UNIX_START_MS - 60_000,
        };
        Self { committee, lottery, genesis }
    }

    fn signer(member: MemberIndex) -> impl Signer + use<> {
        StandInKeys::signer(KEY_SEED, member)
    }

    pub fn ticket_on(&self, view: u64, draw_seed: B256, member: MemberIndex) -> Ticket {
        let (epoch, view) = (Epoch(0), View(view));
        let message = self.committee.domain().clerk(epoch, view, draw_seed);
        let signature = Self::signer(member).draw(message).expect("a stand-in signs");
        Ticket { epoch, view, draw_seed, member, signature }
    }

    pub fn ticket(&self, view: u64, member: MemberIndex) -> Ticket {
        self.ticket_on(view, self.genesis.child_draw_seed, member)
    }

    /// Everybody's tickets for the view.
    pub fn tickets(&self, view: u64) -> Vec<Ticket> {
        self.committee.indices().map(|member| self.ticket(view, member)).collect()
    }

    /// Members by their draw in the view, best first.
    pub fn ranking(&self, view: u64) -> Vec<MemberIndex> {
        let draw = |member: &MemberIndex| Draw::of(&self.ticket(view, *member).signature);
        let mut members: Vec<_> = self.committee.indices().collect();
        members.sort_by_key(draw);
        members
    }

    pub fn vote(&self, kind: VoteKind, view: u64, digest: B256, member: MemberIndex) -> Vote {
        let (epoch, view) = (Epoch(0), View(view));
        let signature = Self::signer(member).vote(self.committee.domain().vote(kind, epoch, view, digest));
        Vote { kind, epoch, view, digest, member, signature }
    }

    /// A certificate by these members, however few.
    pub fn certificate_by(&self, kind: VoteKind, view: u64, digest: B256, members: &[u16]) -> Certificate {
        let votes: Vec<_> =
            members.iter().map(|&index| self.vote(kind, view, digest, member(index))).collect();
        self.committee.certify(&votes.iter().collect::<Vec<_>>()).expect("votes aggregate")
    }

    /// A certificate by the quorum of the highest members.
    pub fn certificate(&self, kind: VoteKind, view: u64, digest: B256) -> Certificate {
        let size = u16::try_from(self.committee.size()).expect("a small committee");
        let first = size - u16::try_from(self.committee.quorum()).expect("a small committee");
        self.certificate_by(kind, view, digest, &(first..size).collect::<Vec<_>>())
    }

    pub fn nullification(&self, view: u64) -> Certificate {
        self.certificate(Nullify, view, B256::ZERO)
    }

    pub fn notarization(&self, offer: &Offer) -> Certificate {
        self.certificate(Notarize, offer.view(), offer.digest)
    }

    pub fn finalization(&self, offer: &Offer) -> Certificate {
        self.certificate(Finalize, offer.view(), offer.digest)
    }

    pub fn digest_of(&self, place: &BlockMeta) -> B256 {
        self.committee.domain().proposal(place.epoch, place.view, place.parent_view, place.hash)
    }

    pub fn block(&self, parent: &BlockMeta, request: &BuildRequest, salt: u64) -> Arc<Block> {
        let timestamp_ms = request.timestamp_ms.max(parent.timestamp_ms + 1);
        let mut block = Block {
            header: Default::default(),
            transactions: Vec::new(),
            envelope: Envelope {
                epoch: request.epoch,
                view: request.view,
                parent_view: request.parent_view,
                clerk: request.clerk,
                clerk_signature: request.clerk_signature.clone(),
                timestamp_ms,
                seal_root: B256::ZERO,
                supervisors_root: B256::ZERO,
                supervisors: 0,
            },
            justification: request.justification.clone(),
            seals: Vec::new(),
        };
        block.header.number = parent.height.0 + 1;
        block.header.parent_hash = parent.hash;
        block.header.timestamp = timestamp_ms / 1_000;
        block.header.beneficiary = request.payout;
        block.header.mix_hash = self.committee.domain().seed(parent.seed, &request.clerk_signature);
        block.header.gas_used = salt;
        let commitment = self.committee.domain().envelope(&block.envelope, &block.justification);
        block.header.extra_data = Bytes::copy_from_slice(commitment.as_slice());
        Arc::new(block)
    }

    /// What a clerk says with this block, whatever is in it.
    pub fn sign(&self, clerk: MemberIndex, block: Arc<Block>) -> Arc<ProposalMessage> {
        let (envelope, block_hash) = (&block.envelope, block.hash());
        let (epoch, view, parent_view) = (envelope.epoch, envelope.view, envelope.parent_view);
        let digest = self.committee.domain().proposal(epoch, view, parent_view, block_hash);
        let clerk_signature = envelope.clerk_signature.clone();
        let signature = Self::signer(clerk).vote(digest);
        let proposal = Proposal { epoch, view, parent_view, block_hash, clerk, clerk_signature, signature };
        Arc::new(ProposalMessage { proposal, block })
    }

    pub fn justification(&self, parent: &BlockMeta, view: u64) -> Justification {
        let certificate = || self.certificate(Notarize, parent.view.0, self.digest_of(parent));
        Justification {
            parent_certificate: (parent.view != View(0)).then(certificate),
            nullifications: (parent.view.0 + 1..view).map(|view| self.nullification(view)).collect(),
        }
    }

    /// A proposal with all that justifies it. `salt` tells apart blocks that are equal else.
    pub fn offer_with(&self, parent: &BlockMeta, view: u64, clerk: MemberIndex, salt: u64) -> Offer {
        self.offer_at(parent, view, clerk, salt, parent.timestamp_ms + 1)
    }

    pub fn offer_at(
        &self,
        parent: &BlockMeta,
        view: u64,
        clerk: MemberIndex,
        salt: u64,
        timestamp_ms: u64,
    ) -> Offer {
        let standing = self.committee.member(clerk).expect("a member");
        let request = BuildRequest {
            parent: parent.hash,
            epoch: Epoch(0),
            view: View(view),
            parent_view: parent.view,
            clerk: standing.id,
            payout: standing.payout,
            clerk_signature: self.ticket_on(view, parent.child_draw_seed, clerk).signature,
            timestamp_ms,
            justification: self.justification(parent, view),
        };
        let message = self.sign(clerk, self.block(parent, &request, salt));
        let place = self.lottery.place(&message.block);
        Offer { digest: self.digest_of(&place), place, message }
    }

    pub fn offer(&self, parent: &BlockMeta, view: u64, clerk: MemberIndex) -> Offer {
        self.offer_with(parent, view, clerk, 0)
    }
}

/// The member under test, its disk and its chain. Checks at every step that what is signed was journaled
/// before it is said (C6), that views and floor never decrease (C6.0), and that a wake-up lies ahead.
pub struct Node {
    pub world: World,
    pub me: MemberIndex,
    pub consensus: Consensus,
    pub tree: Tree,
    pub journal: Vec<JournalRecord>,
    /// Every vote ever said, once, over all restarts.
    pub said: Vec<Vote>,
    pub unix_offset_ms: i64,
    tip_finalization: Option<Certificate>,
}

impl Node {
    pub fn from_journal(world: &World, me: MemberIndex, tree: Tree, journal: Vec<JournalRecord>) -> Self {
        let consensus = Self::start(world, me, None, &journal);
        Self {
            world: world.clone(),
            me,
            consensus,
            tree,
            journal,
            said: Vec::new(),
            unix_offset_ms: 0,
            tip_finalization: None,
        }
    }

    pub fn new(world: &World, me: MemberIndex) -> Self {
        Self::from_journal(world, me, Tree::new(world, world.genesis), Vec::new())
    }

    /// A member that knows everybody's tickets of views 1 to 3 and idles in view 1 since time 0.
    pub fn informed(world: &World, me: MemberIndex) -> Self {
        let mut node = Self::new(world, me);
        node.hear_tickets(0, (1..=3).flat_map(|view| world.tickets(view)).collect());
        node
    }

    /// As [`Self::informed`], with t₀ of view 1 at 0.
    pub fn busy(world: &World, me: MemberIndex) -> Self {
        let mut node = Self::new(world, me);
        node.tree.has_transactions = true;
        node.hear_tickets(0, (1..=3).flat_map(|view| world.tickets(view)).collect());
        node
    }

    fn start(
        world: &World,
        me: MemberIndex,
        tip_finalization: Option<Certificate>,
        journal: &[JournalRecord],
    ) -> Consensus {
        let identity = Identity::Member { index: me, signer: Box::new(StandInKeys::signer(KEY_SEED, me)) };
        let parameters = Parameters::from(&ConsensusParameters::DEVNET);
        Consensus::new(world.committee.clone(), identity, parameters, tip_finalization, journal)
    }

    /// Crashes and starts again from the disk. The next step is at `at_ms`.
    pub fn restart(&mut self) {
        let before = self.status();
        self.tree = self.tree.restarted();
        self.consensus = Self::start(&self.world, self.me, self.tip_finalization.clone(), &self.journal);
        let after = self.status();
        assert!(after.view >= before.view, "view fell from {} to {} (C6.0)", before.view, after.view);
        assert_eq!(after.floor, before.floor, "floor (C6.0)");
    }

    /// Rewrites the journal with what is live.
    pub fn compact(&mut self) {
        self.journal = self.consensus.live_records();
    }

    pub fn status(&self) -> Status {
        self.consensus.status()
    }

    pub fn view(&self) -> u64 {
        self.status().view.0
    }

    pub fn floor(&self) -> u64 {
        self.status().floor.0
    }

    fn now(&self, at_ms: u64) -> Now {
        let unix_ms = (UNIX_START_MS + at_ms).saturating_add_signed(self.unix_offset_ms);
        Now { monotonic_ms: MONOTONIC_START_MS + at_ms, unix_ms }
    }

    pub fn step(&mut self, at_ms: u64, input: Input) -> Seen {
        let now = self.now(at_ms);
        let before = self.status();
        let effects = self.consensus.step(now, input, &mut self.tree);
        let after = self.status();
        assert!(after.view >= before.view && after.floor >= before.floor, "{before:?} to {after:?} (C6.0)");
        assert!(after.view > after.floor, "in a finalised view: {after:?} (C6.0)");
        let mut tip_moved = false;
        for effect in &effects {
            tip_moved |= self.carry_out(effect, now);
        }
        let mut seen = Seen(effects);
        if tip_moved {
            seen.0.extend(self.step(at_ms, Input::BlocksKnown).0);
        }
        seen
    }

    /// Does what a runner does; returns whether the tip moved.
    fn carry_out(&mut self, effect: &Effect, now: Now) -> bool {
        match effect {
            Effect::Journal(records) => self.journal.extend(records.iter().cloned()),
            Effect::Finalized { certificate, block_hash } => {
                let is_journaled = self.journal.contains(&JournalRecord::Certificate(certificate.clone()));
                assert!(is_journaled, "final before it was journaled (C6)");
                if block_hash.is_some_and(|hash| self.tree.finalize(hash)) {
                    self.tip_finalization = Some(certificate.clone());
                    return true;
                }
            }
            Effect::Send { message, .. } | Effect::Broadcast(message) => self.check_said(message),
            Effect::WakeAt { monotonic_ms } => assert!(*monotonic_ms > now.monotonic_ms, "wakes in the past"),
            Effect::Halt(_) => {}
        }
        false
    }

    fn check_said(&mut self, message: &Message) {
        match message {
            Message::Vote(VoteMessage { vote, .. }) => {
                assert_eq!(vote.member, self.me);
                let is_journaled = self.journal.contains(&JournalRecord::Voted(vote.clone()));
                assert!(is_journaled, "said before it was journaled: {vote:?} (C6)");
                if !self.said.contains(vote) {
                    self.said.push(vote.clone());
                }
            }
            Message::Proposal(message) if message.proposal.clerk == self.me => {
                let is_journaled = self.journal.contains(&JournalRecord::Proposed(Arc::clone(message)));
                assert!(is_journaled, "proposed before it was journaled (C6)");
            }
            _ => {}
        }
    }

    pub fn wake(&mut self, at_ms: u64) -> Seen {
        self.step(at_ms, Input::Wake)
    }

    pub fn hear_tickets(&mut self, at_ms: u64, tickets: Vec<Ticket>) -> Seen {
        self.step(at_ms, Input::Candidacy { from: self.peer(), tickets })
    }

    pub fn hear_offer(&mut self, at_ms: u64, offer: &Offer) -> Seen {
        self.hear_message(at_ms, &offer.message)
    }

    pub fn hear_message(&mut self, at_ms: u64, message: &Arc<ProposalMessage>) -> Seen {
        let (from, message) = (message.proposal.clerk, Arc::clone(message));
        self.step(at_ms, Input::Proposal { from, message })
    }

    pub fn hear_vote(&mut self, at_ms: u64, vote: Vote) -> Seen {
        self.hear_vote_from(at_ms, vote.member, vote)
    }

    pub fn hear_vote_from(&mut self, at_ms: u64, from: MemberIndex, vote: Vote) -> Seen {
        self.step(at_ms, Input::Vote { from, message: VoteMessage { vote, tickets: Vec::new() } })
    }

    pub fn hear(&mut self, at_ms: u64, certificate: Certificate) -> Seen {
        self.hear_all(at_ms, vec![certificate])
    }

    pub fn hear_all(&mut self, at_ms: u64, certificates: Vec<Certificate>) -> Seen {
        let from = self.peer();
        self.step(at_ms, Input::Certificates { from, certificates, tickets: Vec::new() })
    }

    /// Some other member.
    pub fn peer(&self) -> MemberIndex {
        self.world.committee.indices().find(|member| *member != self.me).unwrap_or(self.me)
    }

    /// Some members other than this one.
    pub fn others(&self) -> Vec<MemberIndex> {
        self.world.committee.indices().filter(|member| *member != self.me).collect()
    }

    /// Makes an offer heard, notarized and final; returns what the last input led to.
    pub fn finalize(&mut self, at_ms: u64, offer: &Offer) -> Seen {
        self.hear_offer(at_ms, offer);
        self.hear(at_ms, self.world.notarization(offer));
        self.hear(at_ms, self.world.finalization(offer))
    }

    pub fn is_executed(&self, offer: &Offer) -> bool {
        self.tree.is_executed(offer.place.hash)
    }

    pub fn tip(&self) -> BlockMeta {
        self.tree.finalized()
    }
}
