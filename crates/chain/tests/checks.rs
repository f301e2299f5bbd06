//! Every check of a proof is needed: for each there are forgeries in which all else is right, a named test that
//! sees them refused, and a test that disables the check and sees that very forgery accepted.
#![allow(clippy::unwrap_used, reason = "a test stops at what should not happen")]

use alloy_consensus::Header;
use btn_chain::{
    BlockError, BlockMeta, BuildRequest, Chain, JustificationError, SealRefusal, genesis_batch, genesis_block,
};
use btn_crypto::checks::{Check, disable, enabled};
use btn_crypto::{
    CertificateError, Committee, Domain, Draw, SealError, SealSigner, Signer, Supervisors, TicketError,
    seal_root,
};
use btn_stand_in::{StandInKeys, StandInSealVerifier, StandInVerifier, stand_in_genesis_with_supervisors};
use btn_storage::{MemoryStore, Store};
use btn_types::genesis::ConsensusParameters;
use btn_types::{
    B256, Bitmap, Block, Bytes, Certificate, Epoch, Genesis, Justification, MemberIndex, NodeId, Seal, View,
    Vote, VoteKind,
};
use std::collections::BTreeMap;
use std::sync::Arc;

const SEED: u64 = 23;

/// What became of a forgery.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// Refused, and for the right reason.
    Refused,
    /// Taken for good.
    Accepted,
    /// Refused for another reason: the scenario would prove nothing about its check.
    RefusedOtherwise(String),
}

impl Outcome {
    fn of<T, E: ToString>(result: Result<T, E>, is_the_reason: impl Fn(&E) -> bool) -> Self {
        match result {
            Ok(_) => Self::Accepted,
            Err(error) if is_the_reason(&error) => Self::Refused,
            Err(error) => Self::RefusedOtherwise(error.to_string()),
        }
    }
}

/// A forgery in which nothing is wrong but what one check looks at.
type Scenario = fn() -> Outcome;

const SCENARIOS: [(Check, &str, Scenario); 13] = [
    (Check::Ticket, "ticket of another member", ticket_of_another_member),
    (Check::Ticket, "ticket of another view", ticket_of_another_view),
    (Check::Zeros, "clerk below the bar", clerk_below_the_bar),
    (Check::SealDraw, "draw of another supervisor", draw_of_another_supervisor),
    (Check::SealDraw, "supervisor that was not drawn", supervisor_that_was_not_drawn),
    (Check::SealSignature, "seal signature of another supervisor", seal_signature_of_another_supervisor),
    (Check::Core, "offered seal of another core", offered_seal_of_another_core),
    (Check::Core, "included seal of another core", included_seal_of_another_core),
    (Check::BlockHash, "included seal of another block", included_seal_of_another_block),
    (Check::Certificate, "certificate of another digest", certificate_of_another_digest),
    (Check::Quorum, "certificate of one signer too few", certificate_of_one_signer_too_few),
    (Check::Quorum, "one seal too few", one_seal_too_few),
    (Check::Bitmap, "bitmap with a byte too many", bitmap_with_a_byte_too_many),
];

/// One named test per check; each runs that check's forgeries.
mod refused {
    use super::*;

    fn assert_refused(check: Check) {
        let of_check: Vec<_> = SCENARIOS.iter().filter(|(of, _, _)| *of == check).collect();
        assert!(!of_check.is_empty(), "no scenario for {check:?}");
        for (_, name, scenario) in of_check {
            assert_eq!(scenario(), Outcome::Refused, "{name}");
        }
    }

    #[test]
    fn forged_tickets() {
        assert_refused(Check::Ticket);
    }

    #[test]
    fn clerks_without_the_zeros() {
        assert_refused(Check::Zeros);
    }

    #[test]
    fn forged_or_losing_seal_draws() {
        assert_refused(Check::SealDraw);
    }

    #[test]
    fn forged_seal_signatures() {
        assert_refused(Check::SealSignature);
    }

    #[test]
    fn seals_of_another_core() {
        assert_refused(Check::Core);
    }

    #[test]
    fn seals_of_another_block() {
        assert_refused(Check::BlockHash);
    }

    #[test]
    fn forged_certificates() {
        assert_refused(Check::Certificate);
    }

    #[test]
    fn certificates_and_seal_sets_below_the_quorum() {
        assert_refused(Check::Quorum);
    }

    #[test]
    fn malformed_bitmaps() {
        assert_refused(Check::Bitmap);
    }
}

/// Without its check each forgery is taken for good, so each named test above fails; all others still pass.
#[test]
fn each_check_disabled_in_turn_lets_its_forgeries_through() {
    for disabled in Check::ALL {
        let _guard = disable(disabled);
        for (check, name, scenario) in SCENARIOS {
            let expected = if check == disabled { Outcome::Accepted } else { Outcome::Refused };
            assert_eq!(scenario(), expected, "{disabled:?} disabled: {name}");
        }
    }
    assert!(Check::ALL.into_iter().all(enabled), "every guard switched its check on again");
    for (_, name, scenario) in SCENARIOS {
        assert_eq!(scenario(), Outcome::Refused, "all enabled again: {name}");
    }
}

/// What the forgeries are made from is itself accepted: nothing else is wrong with them.
#[test]
fn the_honest_originals_are_accepted() {
    for members in [4, 16] {
        let network = Network::new(members);
        let block = network.block(|_| ());
        assert!(network.node().insert(Arc::new(block)).is_ok(), "{members} members");
    }
    let network = Network::new(4);
    let mut node = network.node();
    for seal in network.seals(SUPERVISORS) {
        node.offer_seal(seal.clone()).unwrap();
        assert!(network.include(seal).is_ok());
    }
    assert!(node.is_sealed(network.parent.hash));
}

/// A switch is the thread's: tests that run at the same time do not disturb each other.
#[test]
fn a_switch_is_for_its_own_thread() {
    let _guard = disable(Check::Quorum);
    assert!(!enabled(Check::Quorum));
    assert!(std::thread::spawn(|| enabled(Check::Quorum)).join().unwrap());
}

/// Where nobody else is registered, all are drawn.
const SUPERVISORS: usize = 6;

/// Views of the parent and of the block on it.
const PARENT_VIEW: View = View(1);
const VIEW: View = View(2);

/// A network with one block, the parent of those that the scenarios forge.
struct Network {
    genesis: Arc<Genesis>,
    committee: Committee,
    supervisors: Supervisors,
    store: MemoryStore,
    first: Arc<Block>,
    parent: BlockMeta,
}

impl Network {
    fn new(members: usize) -> Self {
        Self::expecting(members, ConsensusParameters::DEVNET.expected_seals)
    }

    fn expecting(members: usize, expected_seals: u64) -> Self {
        let parameters = ConsensusParameters { expected_seals, ..ConsensusParameters::DEVNET };
        let genesis = stand_in_genesis_with_supervisors(members, SUPERVISORS, parameters, BTreeMap::new());
        let hash = genesis_block(&genesis).hash();
        let committee =
            Committee::from_genesis(&genesis, hash, Arc::new(StandInVerifier::new(SEED, members)));
        let verifier = Arc::new(StandInSealVerifier::new(SEED, SUPERVISORS));
        let supervisors = Supervisors::from_genesis(&genesis, hash, verifier);
        let mut store = MemoryStore::new();
        store.commit(genesis_batch(&genesis)).unwrap();
        let genesis = Arc::new(genesis);
        let (committee_of_node, supervisors_of_node) = (committee.clone(), supervisors.clone());
        let mut node =
            Chain::new(Arc::clone(&genesis), committee_of_node, supervisors_of_node, store.reader()).unwrap();
        let start = *node.finalized();
        let request = honest_request(&committee, &start, PARENT_VIEW, Justification::default());
        let first = node.build(request).unwrap();
        let parent = *node.meta(first.hash()).unwrap();
        Self { genesis, committee, supervisors, store, first, parent }
    }

    /// A node that has the parent, not final yet.
    fn node(&self) -> Chain {
        let (committee, supervisors) = (self.committee.clone(), self.supervisors.clone());
        let genesis = Arc::clone(&self.genesis);
        let mut node = Chain::new(genesis, committee, supervisors, self.store.reader()).unwrap();
        node.insert(Arc::clone(&self.first)).unwrap();
        node
    }

    fn domain(&self) -> &Domain {
        self.committee.domain()
    }

    fn parent_digest(&self) -> B256 {
        self.domain().digest_of(&self.parent)
    }

    /// A certificate of the parent's view by so many members.
    fn certificate(&self, kind: VoteKind, digest: B256, signers: usize) -> Certificate {
        let (epoch, view) = (Epoch(0), PARENT_VIEW);
        let message = self.domain().vote(kind, epoch, view, digest);
        let vote = |member: MemberIndex| {
            let signature = StandInKeys::signer(SEED, member).vote(message);
            Vote { kind, epoch, view, digest, member, signature }
        };
        let votes: Vec<Vote> = self.committee.indices().take(signers).map(vote).collect();
        self.committee.certify(&votes.iter().collect::<Vec<_>>()).unwrap()
    }

    fn quorum_certificate(&self) -> Certificate {
        self.notarization(self.parent_digest(), self.committee.quorum())
    }

    fn notarization(&self, digest: B256, signers: usize) -> Certificate {
        self.certificate(VoteKind::Notarize, digest, signers)
    }

    /// An honest block on the parent.
    fn honest_block(&self) -> Block {
        let parent_certificate = Some(self.quorum_certificate());
        let justification = Justification { parent_certificate, nullifications: Vec::new() };
        let request = honest_request(&self.committee, &self.parent, VIEW, justification);
        Block::clone(&self.node().build(request).unwrap())
    }

    /// An honest block with a change to its body, its header committing to it.
    fn block(&self, change: impl Fn(&mut Block)) -> Block {
        let mut block = self.honest_block();
        change(&mut block);
        block.envelope.seal_root = seal_root(&block.seals);
        let seed = self.domain().seed(self.parent.seed, &block.envelope.clerk_signature);
        let extra_data = self.domain().envelope(&block.envelope, &block.justification);
        let extra_data = Bytes::copy_from_slice(extra_data.as_slice());
        block.header = Header { mix_hash: seed, extra_data, ..block.header };
        block
    }

    /// Inserts a block by this clerk with this ticket.
    fn propose(&self, clerk: MemberIndex, ticket: &Bytes) -> Result<BlockMeta, BlockError> {
        let member = self.committee.member(clerk).unwrap();
        let block = self.block(|block| {
            block.header.beneficiary = member.payout;
            block.envelope.clerk = member.id;
            block.envelope.clerk_signature = ticket.clone();
        });
        self.node().insert(Arc::new(block))
    }

    /// Inserts a block whose parent certificate is this one.
    fn justify(&self, certificate: Certificate) -> Outcome {
        let block = self.block(|block| block.justification.parent_certificate = Some(certificate.clone()));
        Outcome::of(self.node().insert(Arc::new(block)), |error| {
            matches!(error, BlockError::Justification(JustificationError::Parent(_)))
        })
    }

    /// Inserts a block that includes this seal.
    fn include(&self, seal: Seal) -> Result<BlockMeta, BlockError> {
        let block = self.block(|block| block.seals = vec![seal.clone()]);
        self.node().insert(Arc::new(block))
    }

    fn draw(&self, member: MemberIndex, view: View) -> Bytes {
        draw(&self.committee, &self.parent, member, view)
    }

    fn id(&self, supervisor: usize) -> NodeId {
        self.supervisors.ids()[supervisor]
    }

    /// A seal whose parts all are what this supervisor would sign for this core and block.
    fn seal(&self, supervisor: usize, core: B256, block_hash: B256) -> Seal {
        let sign = |message| StandInKeys::seal_signer(SEED, supervisor).sign(message).unwrap();
        let domain = self.supervisors.domain();
        Seal {
            supervisor: self.id(supervisor),
            core,
            draw_signature: sign(domain.seal(core)),
            block_hash,
            signature: sign(domain.seal_signature(core, block_hash)),
        }
    }

    fn honest_seal(&self, supervisor: usize) -> Seal {
        self.seal(supervisor, self.parent.core, self.parent.hash)
    }

    fn seals(&self, count: usize) -> Vec<Seal> {
        (0..count).map(|supervisor| self.honest_seal(supervisor)).collect()
    }
}

fn draw(committee: &Committee, parent: &BlockMeta, member: MemberIndex, view: View) -> Bytes {
    let message = committee.domain().clerk(Epoch(0), view, parent.child_draw_seed);
    StandInKeys::signer(SEED, member).draw(message).unwrap()
}

/// The request of the first member whose ticket passes the bar.
fn honest_request(
    committee: &Committee,
    parent: &BlockMeta,
    view: View,
    justification: Justification,
) -> BuildRequest {
    let ticket = |member: MemberIndex| draw(committee, parent, member, view);
    let passes = |member: &MemberIndex| Draw::of(&ticket(*member)).zeros() >= committee.clerk_bar();
    let index = committee.indices().find(passes).unwrap();
    let clerk = committee.member(index).unwrap();
    BuildRequest {
        parent: parent.hash,
        epoch: Epoch(0),
        view,
        parent_view: parent.view,
        clerk: clerk.id,
        payout: clerk.payout,
        clerk_signature: ticket(index),
        timestamp_ms: parent.timestamp_ms + 100,
        justification,
    }
}

fn is_ticket_signature(error: &BlockError) -> bool {
    matches!(error, BlockError::Ticket(TicketError::Signature { .. }))
}

fn ticket_of_another_member() -> Outcome {
    let network = Network::new(4);
    let ticket = network.draw(MemberIndex(2), VIEW);
    Outcome::of(network.propose(MemberIndex(1), &ticket), is_ticket_signature)
}

fn ticket_of_another_view() -> Outcome {
    let network = Network::new(4);
    let ticket = network.draw(MemberIndex(1), VIEW.next());
    Outcome::of(network.propose(MemberIndex(1), &ticket), is_ticket_signature)
}

fn clerk_below_the_bar() -> Outcome {
    // From 16 members on a clerk needs a leading zero (C4).
    let network = Network::new(16);
    let loses = |member: &MemberIndex| Draw::of(&network.draw(*member, VIEW)).zeros() == 0;
    let clerk = network.committee.indices().find(loses).unwrap();
    let result = network.propose(clerk, &network.draw(clerk, VIEW));
    Outcome::of(result, |error| matches!(error, BlockError::Ticket(TicketError::Bar { .. })))
}

/// Both ways a seal comes to a node: offered over a link, and included in a block.
fn seal_both_ways(network: &Network, seal: &Seal, is_the_reason: fn(&SealError) -> bool) -> Outcome {
    let offered = Outcome::of(
        network.node().offer_seal(seal.clone()),
        |error| matches!(error, SealRefusal::Seal(reason) if is_the_reason(reason)),
    );
    let included = Outcome::of(
        network.include(seal.clone()),
        |error| matches!(error, BlockError::Seal(reason) if is_the_reason(reason)),
    );
    if offered == included {
        offered
    } else {
        Outcome::RefusedOtherwise(format!("{offered:?}, {included:?}"))
    }
}

fn draw_of_another_supervisor() -> Outcome {
    let network = Network::new(4);
    let draw_signature = network.honest_seal(4).draw_signature;
    let seal = Seal { draw_signature, ..network.honest_seal(1) };
    seal_both_ways(&network, &seal, |reason| matches!(reason, SealError::Draw(_)))
}

fn supervisor_that_was_not_drawn() -> Outcome {
    let network = Network::expecting(4, 1);
    let loses = |supervisor: &usize| {
        !network.supervisors.is_drawn(Draw::of(&network.honest_seal(*supervisor).draw_signature))
    };
    let supervisor = (0..SUPERVISORS).find(loses).unwrap();
    let seal = network.honest_seal(supervisor);
    seal_both_ways(&network, &seal, |reason| matches!(reason, SealError::NotDrawn { .. }))
}

fn seal_signature_of_another_supervisor() -> Outcome {
    let network = Network::new(4);
    let signature = network.honest_seal(4).signature;
    let seal = Seal { signature, ..network.honest_seal(1) };
    seal_both_ways(&network, &seal, |reason| matches!(reason, SealError::Signature(_)))
}

/// A supervisor that was drawn for some other core, or would choose one for which it is.
fn seal_of_another_core(network: &Network) -> Seal {
    network.seal(1, B256::repeat_byte(0xc0), network.parent.hash)
}

fn offered_seal_of_another_core() -> Outcome {
    let network = Network::new(4);
    let seal = seal_of_another_core(&network);
    Outcome::of(network.node().offer_seal(seal), |error| matches!(error, SealRefusal::Core { .. }))
}

fn included_seal_of_another_core() -> Outcome {
    let network = Network::new(4);
    let seal = seal_of_another_core(&network);
    Outcome::of(network.include(seal), |error| matches!(error, BlockError::SealCore { .. }))
}

/// An equivocating clerk gives one core two blocks; a seal of the one says nothing about the other.
fn included_seal_of_another_block() -> Outcome {
    let network = Network::new(4);
    let seal = network.seal(1, network.parent.core, B256::repeat_byte(0xb1));
    Outcome::of(network.include(seal), |error| matches!(error, BlockError::SealHash { .. }))
}

fn certificate_of_another_digest() -> Outcome {
    let network = Network::new(4);
    let mut certificate = network.notarization(B256::repeat_byte(0xd1), network.committee.quorum());
    certificate.digest = network.parent_digest();
    assert_eq!(
        network.committee.verify_certificate(&network.quorum_certificate()),
        Ok(()),
        "the honest one verifies"
    );
    network.justify(certificate)
}

fn certificate_of_one_signer_too_few() -> Outcome {
    let network = Network::new(4);
    network.justify(network.notarization(network.parent_digest(), network.committee.quorum() - 1))
}

fn one_seal_too_few() -> Outcome {
    let network = Network::new(4);
    let mut node = network.node();
    for seal in network.seals(network.supervisors.quorum() - 1) {
        node.offer_seal(seal).unwrap();
    }
    let (digest, quorum) = (network.parent_digest(), network.committee.quorum());
    let finalization = network.certificate(VoteKind::Finalize, digest, quorum);
    node.finalize(network.parent.hash, finalization).unwrap();
    match (node.is_sealed(network.parent.hash), node.take_third_state()) {
        (false, None) => Outcome::Refused,
        (true, Some(_)) => Outcome::Accepted,
        other => Outcome::RefusedOtherwise(format!("{other:?}")),
    }
}

/// A second form of a valid certificate: blocks with the one and the other would be two blocks.
fn bitmap_with_a_byte_too_many() -> Outcome {
    let network = Network::new(4);
    let signers = (0..network.committee.quorum() as u16).map(MemberIndex);
    let certificate = Certificate { bitmap: Bitmap::new(9, signers), ..network.quorum_certificate() };
    let refused = network.committee.verify_certificate(&certificate);
    assert!(matches!(refused, Ok(()) | Err(CertificateError::Bitmap(_))), "{refused:?}");
    network.justify(certificate)
}
