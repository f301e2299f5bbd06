//! Random runs: whatever comes, nothing panics, no own pair of votes is slashable, views and floor never fall,
//! and nothing is said before it is journaled (C11.5, C11.8; the last three are checked by the node itself).

use crate::kit::{DELTA, Finalize, Node, Notarize, Nullify, Offer, World, member};
use btn_consensus::{Effect, Input};
use btn_types::{B256, Certificate, FetchRequest, MemberIndex, Vote, VoteKind};
use std::collections::BTreeMap;

const RUNS: u64 = 150;
const STEPS: usize = 250;
const VIEWS: u64 = 40;

/// SplitMix64: a seed gives the same run on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.below(from.len() as u64)).expect("small")]
    }
}

/// What the rest of the committee has agreed on in one view.
#[derive(Clone, Debug)]
struct Fate {
    offers: Vec<Offer>,
    certificates: Vec<Certificate>,
}

/// A history without contradictions: each view is notarized, final, nullified, or notarized and nullified.
fn history(world: &World, random: &mut Random) -> Vec<Fate> {
    let mut parent = world.genesis;
    let mut fates = Vec::new();
    for view in 1..=VIEWS {
        let offers: Vec<Offer> = (0..3)
            .map(|salt| {
                world.offer_with(
                    &parent,
                    view,
                    member(1 + u16::try_from(random.below(3)).expect("small")),
                    salt,
                )
            })
            .collect();
        let certified = &offers[0];
        let mut certificates = Vec::new();
        let case = random.below(5);
        if case != 0 {
            certificates.push(world.notarization(certified));
        }
        if case <= 1 {
            certificates.push(world.nullification(view));
        }
        if case == 4 {
            certificates.push(world.finalization(certified));
        }
        if case >= 2 {
            parent = certified.place;
        }
        fates.push(Fate { offers, certificates });
    }
    fates
}

/// A vote that members 1 and 2 cast by the history, and member 3 as it likes.
fn vote(world: &World, fate: &Fate, view: u64, random: &mut Random) -> (MemberIndex, Vote) {
    let is_known = |kind| fate.certificates.iter().any(|held| held.kind == kind);
    let liar = random.below(2) == 0;
    let kind = *random.pick(&[Notarize, Nullify, Finalize]);
    let (kind, offer) = match kind {
        _ if liar => (kind, random.pick(&fate.offers)),
        kind if is_known(kind) => (kind, &fate.offers[0]),
        _ => (if is_known(Notarize) { Notarize } else { Nullify }, &fate.offers[0]),
    };
    let digest = if kind == Nullify { B256::ZERO } else { offer.digest };
    let voter = if liar { member(3) } else { member(1 + u16::try_from(random.below(2)).expect("small")) };
    let mut vote = world.vote(kind, view, digest, voter);
    if liar && random.below(3) == 0 {
        vote.member = member(u16::try_from(random.below(5)).expect("small"));
    }
    let from = if liar { member(3) } else { voter };
    (from, vote)
}

fn input(world: &World, fates: &[Fate], near: u64, random: &mut Random) -> Input {
    let view = (near + random.below(4)).saturating_sub(random.below(4)).clamp(1, VIEWS);
    let fate = &fates[usize::try_from(view - 1).expect("small")];
    let from = member(1 + u16::try_from(random.below(3)).expect("small"));
    match random.below(12) {
        0..=2 => Input::Proposal { from, message: random.pick(&fate.offers).message.clone() },
        3..=5 => {
            let (from, vote) = vote(world, fate, view, random);
            Input::Vote { from, message: btn_types::VoteMessage { vote, tickets: world.tickets(view + 1) } }
        }
        6 => {
            let fate = &fates[usize::try_from(view.min(near) - 1).expect("small")];
            Input::Certificates {
                from,
                certificates: fate.certificates.clone(),
                tickets: world.tickets(view),
            }
        }
        7 => {
            let mut certificate = random.pick(&fate.certificates).clone();
            certificate.kind = *random.pick(&[Notarize, Nullify, Finalize]);
            Input::Certificates { from, certificates: vec![certificate], tickets: Vec::new() }
        }
        8 => Input::Candidacy { from, tickets: world.tickets(view) },
        9 => Input::PeerConnected(from),
        10 => {
            let digest = random.pick(&fate.offers).digest;
            Input::Fetch { from, request: FetchRequest::Proposal { digest } }
        }
        _ => Input::BlocksKnown,
    }
}

/// Two Notarize, two Finalize, or Nullify and Finalize in one view; and a Notarize after a Nullify (C9, C6.4).
fn assert_no_slashable_pair(node: &Node, seed: u64) {
    let mut by_view: BTreeMap<(u64, VoteKind), B256> = BTreeMap::new();
    for vote in &node.said {
        let first = *by_view.entry((vote.view.0, vote.kind)).or_insert(vote.digest);
        assert_eq!(first, vote.digest, "seed {seed}: two {:?} in view {}", vote.kind, vote.view);
    }
    for (view, kind) in by_view.keys() {
        let is_pair = *kind == Nullify && by_view.contains_key(&(*view, Finalize));
        assert!(!is_pair, "seed {seed}: Nullify and Finalize in view {view}");
    }
    let proposals = node.journal.iter().filter_map(|record| match record {
        btn_types::JournalRecord::Proposed(message) => Some(message),
        _ => None,
    });
    let mut proposed = BTreeMap::new();
    for message in proposals {
        let first = *proposed.entry(message.proposal.view).or_insert(message.proposal.block_hash);
        assert_eq!(first, message.proposal.block_hash, "seed {seed}: two Proposals");
    }
}

fn run(seed: u64) -> (u64, usize) {
    let mut random = Random(seed);
    let world = World::with_edge(4, [4, u64::MAX][usize::try_from(random.below(2)).expect("small")]);
    let fates = history(&world, &mut random);
    let mut node = Node::new(&world, member(0));
    let mut at_ms = 0;
    for _ in 0..STEPS {
        at_ms += [0, 1, 20, DELTA / 3, DELTA, 3 * DELTA][usize::try_from(random.below(6)).expect("small")];
        node.tree.has_transactions = random.below(4) != 0;
        let seen = match random.below(30) {
            0 => {
                if random.below(2) == 0 {
                    node.compact();
                }
                node.restart();
                node.wake(at_ms)
            }
            1..=6 => node.wake(at_ms),
            _ => {
                let input = input(&world, &fates, node.view(), &mut random);
                node.step(at_ms, input)
            }
        };
        let halted = seen.0.iter().any(|effect| matches!(effect, Effect::Halt(_)));
        assert!(!halted, "seed {seed}: halted without a contradiction: {seen:?}");
        assert_no_slashable_pair(&node, seed);
    }
    (node.floor(), node.said.len())
}

/// C11.5, C11.8 over random inputs with one lying member of four, restarts and compactions included.
#[test]
fn c11_random_inputs_never_make_a_member_lie() {
    let outcomes: Vec<_> = (0..RUNS).map(run).collect();
    // The runs must reach something, or they show nothing.
    let far = outcomes.iter().filter(|(floor, _)| *floor >= 8).count();
    let votes: usize = outcomes.iter().map(|(_, votes)| votes).sum();
    assert!(far > outcomes.len() / 3, "only {far} runs came to view 8");
    assert!(votes > 15 * outcomes.len(), "only {votes} votes");
}

/// With more than f liars anything may be certified: the member may halt, but it neither panics nor lies.
#[test]
fn c11_a_member_never_lies_even_in_a_broken_committee() {
    for seed in 0..RUNS {
        let mut random = Random(seed ^ 0xbad);
        let world = World::new(4);
        let fates = history(&world, &mut random);
        let mut node = Node::new(&world, member(0));
        node.tree.has_transactions = true;
        let mut at_ms = 0;
        for _ in 0..STEPS {
            at_ms += random.below(DELTA);
            let view = (node.view() + random.below(2)).clamp(1, VIEWS);
            let fate = &fates[usize::try_from(view - 1).expect("small")];
            let kind = *random.pick(&[Notarize, Nullify, Finalize]);
            let digest = if kind == Nullify { B256::ZERO } else { random.pick(&fate.offers).digest };
            match random.below(8) {
                0 => drop(node.hear(at_ms, world.certificate(kind, view, digest))),
                1 | 2 => {
                    let voter = member(1 + u16::try_from(random.below(3)).expect("small"));
                    node.hear_vote(at_ms, world.vote(kind, view, digest, voter));
                }
                _ => {
                    let input = input(&world, &fates, node.view(), &mut random);
                    node.step(at_ms, input);
                }
            }
            assert_no_slashable_pair(&node, seed);
        }
    }
}
