//! Four engines joined by a perfect network, and one that comes late: commits, catching up, transactions.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use btn_chain::{Chain, genesis_batch, genesis_block};
use btn_crypto::{Committee, Signer, Supervisors};
use btn_engine::{Effect, Identity, Input, MasterEngine, Parameters, SignedTransaction};
use btn_stand_in::{StandInKeys, StandInSealVerifier, StandInVerifier, stand_in_genesis};
use btn_storage::{MemoryStore, Store};
use btn_types::genesis::{ConsensusParameters, GenesisAccount};
use btn_types::{
    Address, B256, BlockRange, FetchRequest, Genesis, Height, JournalRecord, MemberIndex, Message, Now, U256,
    Vote, VoteKind,
};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

const SEED: u64 = 7;
const MEMBERS: usize = 4;

fn wallet() -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(1)).unwrap()
}

fn transfer(nonce: u64) -> SignedTransaction {
    let transfer = TxEip1559 {
        chain_id: 20_200_303,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: Address::repeat_byte(0xee).into(),
        value: U256::from(1),
        ..TxEip1559::default()
    };
    let signature = wallet().sign_hash_sync(&transfer.signature_hash()).unwrap();
    SignedTransaction::new_unchecked(transfer.into_signed(signature).into(), wallet().address())
}

fn genesis(members: usize) -> Arc<Genesis> {
    let balance = U256::from(10).pow(U256::from(20));
    let alloc =
        BTreeMap::from([(wallet().address(), GenesisAccount { balance, ..GenesisAccount::default() })]);
    Arc::new(stand_in_genesis(members, ConsensusParameters::DEVNET, alloc))
}

/// One master: its engine, and the disk that outlives it.
struct Node {
    genesis: Arc<Genesis>,
    member: MemberIndex,
    engine: MasterEngine,
    store: MemoryStore,
    journal: Vec<JournalRecord>,
    wake_at_ms: u64,
}

impl Node {
    fn new(genesis: &Arc<Genesis>, member: usize) -> Self {
        let mut store = MemoryStore::new();
        store.commit(genesis_batch(genesis)).unwrap();
        let member = MemberIndex(u16::try_from(member).unwrap());
        let engine = Self::start(genesis, member, &store, &[]);
        Self { genesis: Arc::clone(genesis), member, engine, store, journal: Vec::new(), wake_at_ms: 0 }
    }

    fn start(
        genesis: &Arc<Genesis>,
        member: MemberIndex,
        store: &MemoryStore,
        journal: &[JournalRecord],
    ) -> MasterEngine {
        let verifier = Arc::new(StandInVerifier::new(SEED, genesis.nodes.len()));
        let committee = Committee::from_genesis(genesis, genesis_block(genesis).hash(), verifier);
        let seals = Arc::new(StandInSealVerifier::new(SEED, 0));
        let supervisors = Supervisors::from_genesis(genesis, genesis_block(genesis).hash(), seals);
        let reader = store.reader();
        let tip = reader.tip().unwrap().unwrap();
        let finalization = reader.finalization(tip.height).unwrap();
        let chain = Chain::new(Arc::clone(genesis), committee, supervisors, reader).unwrap();
        let identity =
            Identity::Member { index: member, signer: Box::new(StandInKeys::signer(SEED, member)) };
        let parameters = Parameters::from(&genesis.consensus);
        MasterEngine::new(chain, identity, parameters, finalization, journal)
    }

    fn restart(&mut self) {
        self.engine = Self::start(&self.genesis, self.member, &self.store, &self.journal);
        self.wake_at_ms = 0;
    }

    /// Steps and carries out what concerns the disk; gives the rest.
    fn step(&mut self, now_ms: u64, input: Input) -> Vec<Effect> {
        let now = Now { monotonic_ms: now_ms, unix_ms: 1_700_000_000_000 + now_ms };
        let mut rest = Vec::new();
        for effect in self.engine.step(now, input) {
            match effect {
                Effect::Journal(records) => self.journal.extend(records),
                Effect::Commit(batch) => self.store.commit(batch).unwrap(),
                Effect::WakeAt { monotonic_ms } => self.wake_at_ms = monotonic_ms,
                Effect::Halt(reason) => panic!("member {} halts: {reason}", self.member),
                other => rest.push(other),
            }
        }
        rest
    }

    fn height(&self) -> u64 {
        self.engine.status().height.0
    }
}

/// Messages arrive at once and in order.
struct Network {
    nodes: Vec<Node>,
    now_ms: u64,
    in_flight: VecDeque<(MemberIndex, MemberIndex, Message)>,
    /// Members that neither hear nor act.
    away: Vec<usize>,
    /// How often transactions were forwarded.
    forwards: usize,
}

impl Network {
    fn new() -> Self {
        let genesis = genesis(MEMBERS);
        let nodes = (0..MEMBERS).map(|member| Node::new(&genesis, member)).collect();
        Self { nodes, now_ms: 1, in_flight: VecDeque::new(), away: Vec::new(), forwards: 0 }
    }

    fn input(&mut self, member: usize, input: Input) -> Vec<Effect> {
        let effects = self.nodes[member].step(self.now_ms, input);
        let from = self.nodes[member].member;
        let mut replies = Vec::new();
        for effect in effects {
            match effect {
                Effect::Send { to, message } => self.post(from, to, &message),
                Effect::Broadcast(message) => {
                    self.forwards += usize::from(matches!(*message, Message::Transactions(_)));
                    for to in (0..MEMBERS).filter(|to| *to != member) {
                        self.post(from, MemberIndex(u16::try_from(to).unwrap()), &message);
                    }
                }
                other => replies.push(other),
            }
        }
        replies
    }

    fn post(&mut self, from: MemberIndex, to: MemberIndex, message: &Message) {
        if !self.away.contains(&to.index()) {
            self.in_flight.push_back((from, to, message.clone()));
        }
    }

    fn deliver(&mut self) {
        while let Some((from, to, message)) = self.in_flight.pop_front() {
            self.input(to.index(), Input::Message { from, message });
        }
    }

    /// Runs until the members present are all at this height.
    fn run_to(&mut self, height: u64) {
        for _ in 0..10_000 {
            self.deliver();
            let present: Vec<usize> = (0..MEMBERS).filter(|member| !self.away.contains(member)).collect();
            if present.iter().all(|member| self.nodes[*member].height() >= height) {
                return;
            }
            let next_ms = present.iter().map(|member| self.nodes[*member].wake_at_ms).min().unwrap();
            self.now_ms = next_ms.max(self.now_ms + 1);
            for member in present {
                if self.nodes[member].wake_at_ms <= self.now_ms {
                    self.input(member, Input::Wake);
                }
            }
        }
        panic!("height {height} is not reached");
    }
}

#[test]
fn four_masters_agree() {
    let mut network = Network::new();
    network.run_to(20);
    let hash_at = |node: &Node| node.store.reader().hash_of(Height(20)).unwrap().unwrap();
    let hashes: Vec<B256> = network.nodes.iter().map(hash_at).collect();
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");
}

#[test]
fn a_single_master_finalises_alone() {
    let mut node = Node::new(&genesis(1), 0);
    let mut now_ms = 1;
    while node.height() < 5 {
        node.step(now_ms, Input::Wake);
        now_ms += 1;
        assert!(now_ms < 100_000);
    }
}

/// A crash after the answer must not lose what was answered for.
#[test]
fn an_accepted_transaction_is_journaled_first_and_survives_a_restart() {
    let mut network = Network::new();
    let transaction = transfer(0);
    let hash = *transaction.inner().tx_hash();
    let input = Input::Submit { id: 9, transaction: Box::new(transaction) };
    let now = Now { monotonic_ms: 1, unix_ms: 1_700_000_000_001 };
    let effects = network.nodes[0].engine.step(now, input);
    let journaled = effects.iter().position(|effect| {
        matches!(effect, Effect::Journal(records)
            if records.iter().any(|record| matches!(record, JournalRecord::Transaction(_))))
    });
    let answered = effects.iter().position(
        |effect| matches!(effect, Effect::Submitted { id: 9, outcome: Ok(accepted) } if *accepted == hash),
    );
    assert!(journaled.is_some() && journaled < answered, "{effects:?}");

    let Some(Effect::Journal(records)) = effects.into_iter().next() else { panic!("journal first") };
    network.nodes[0].journal = records;
    network.nodes[0].restart();
    assert!(network.nodes[0].engine.chain().pool().content().get(hash).is_some());
    assert!(
        network.nodes[0].engine.live_records().iter().any(|r| matches!(r, JournalRecord::Transaction(_)))
    );
    // It is forwarded again, and so becomes final wherever the clerk is.
    network.run_to(3);
    for node in &network.nodes {
        assert!(node.store.reader().transaction_location(hash).unwrap().is_some());
    }
    assert!(
        !network.nodes[0].engine.live_records().iter().any(|r| matches!(r, JournalRecord::Transaction(_)))
    );
}

/// C10, R-076: the accepting master tells all, nobody passes it on.
#[test]
fn a_transaction_is_forwarded_once_and_by_its_master_only() {
    let mut network = Network::new();
    network.run_to(1);
    network.forwards = 0;
    let input = Input::Submit { id: 1, transaction: Box::new(transfer(0)) };
    network.input(2, input);
    network.deliver();
    assert_eq!(network.forwards, 1);
    for node in &network.nodes {
        assert_eq!(node.engine.chain().pool().content().len(), 1, "member {}", node.member);
    }
    let height = network.nodes[2].height();
    network.run_to(height + 2);
    assert_eq!(network.forwards, 1, "it was final in time");
    assert_eq!(network.nodes[1].engine.chain().pool().content().len(), 0);
}

/// A master that missed everything fetches ranges, and does not believe a wrong Finalization.
#[test]
fn a_late_master_catches_up_by_ranges() {
    let mut network = Network::new();
    network.away = vec![3];
    network.run_to(90);
    let range = network.nodes[0].engine.chain().range(Height(1)).unwrap().unwrap();
    assert!(range.blocks.len() < 90, "more than one range is needed");

    // It learns that something is final, and asks.
    let from = MemberIndex(1);
    let known = Message::Certificates(vec![range.finalization.clone().unwrap()]);
    network.nodes[3].step(1, Input::Message { from, message: known });
    let mut forged = range.clone();
    forged.finalization.as_mut().unwrap().aggregate.0[0] ^= 1;
    network.nodes[3].step(2, Input::Message { from, message: Message::Range(Box::new(forged)) });
    let mut stranger = range;
    stranger.blocks.pop();
    network.nodes[3].step(3, Input::Message { from, message: Message::Range(Box::new(stranger)) });
    assert_eq!(network.nodes[3].height(), 0);

    network.away.clear();
    network.input(0, Input::PeerConnected(MemberIndex(3)));
    network.run_to(91);
    let reader = network.nodes[3].store.reader();
    assert_eq!(
        reader.hash_of(Height(90)).unwrap(),
        network.nodes[0].store.reader().hash_of(Height(90)).unwrap()
    );
}

/// C5, invariant 1: the committee has finalised what is invalid here. Going on would be a fork.
#[test]
fn a_final_block_that_is_invalid_here_halts_the_node() {
    let mut network = Network::new();
    network.away = vec![3];
    network.run_to(2);
    let range = network.nodes[0].engine.chain().range(Height(1)).unwrap().unwrap();
    let committee = network.nodes[0].engine.chain().committee().clone();
    let (mut block, epoch) = (range.blocks[0].clone(), committee.epoch());
    block.header.state_root = B256::repeat_byte(9);
    let envelope = &block.envelope;
    let digest = committee.domain().proposal(epoch, envelope.view, envelope.parent_view, block.hash());
    let message = committee.domain().vote(VoteKind::Finalize, epoch, envelope.view, digest);
    let votes: Vec<Vote> = committee
        .indices()
        .map(|member| Vote {
            kind: VoteKind::Finalize,
            epoch,
            view: envelope.view,
            digest,
            member,
            signature: StandInKeys::signer(SEED, member).vote(message),
        })
        .collect();
    let finalization = committee.certify(&votes.iter().collect::<Vec<_>>()).unwrap();
    let now = Now { monotonic_ms: 1, unix_ms: 1_700_000_000_001 };
    let late = &mut network.nodes[3].engine;
    let known = Message::Certificates(vec![finalization.clone()]);
    let asked = late.step(now, Input::Message { from: MemberIndex(0), message: known });
    let to = asked.iter().find_map(|effect| match effect {
        Effect::Send { to, message } if matches!(**message, Message::Fetch(_)) => Some(*to),
        _ => None,
    });
    let answer =
        Message::Range(Box::new(BlockRange { blocks: vec![block], finalization: Some(finalization) }));
    let stranger = MemberIndex(if to == Some(MemberIndex(1)) { 2 } else { 1 });
    assert!(
        !is_halt(&late.step(now, Input::Message { from: stranger, message: answer.clone() })),
        "not asked"
    );
    assert!(is_halt(&late.step(now, Input::Message { from: to.unwrap(), message: answer })));
}

/// A stretch that became final only at its end comes in parts, the first ones without a Finalization.
#[test]
fn a_range_without_finalization_is_kept_and_continued() {
    let mut network = Network::new();
    network.away = vec![3];
    network.run_to(10);
    let whole = network.nodes[0].engine.chain().range(Height(1)).unwrap().unwrap();
    let (first, second) = whole.blocks.split_at(4);
    let late = &mut network.nodes[3];
    let from = MemberIndex(0);
    let known = Message::Certificates(vec![whole.finalization.clone().unwrap()]);
    let (to, height) = question(&late.step(1, Input::Message { from, message: known })).unwrap();
    assert_eq!(height, Height(1));
    let part = BlockRange { blocks: first.to_vec(), finalization: None };
    let answer = Message::Range(Box::new(part));
    let asked = question(&late.step(2, Input::Message { from: to, message: answer }));
    assert_eq!((late.height(), asked), (0, Some((to, Height(5)))), "nothing is final, the rest is asked for");
    let part = BlockRange { blocks: second.to_vec(), finalization: whole.finalization };
    let answer = Message::Range(Box::new(part));
    late.step(3, Input::Message { from: to, message: answer });
    assert_eq!(late.height(), second.last().unwrap().header.number);
}

/// Whom a step asks for a range, and from which height.
fn question(effects: &[Effect]) -> Option<(MemberIndex, Height)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Send { to, message } => match **message {
            Message::Fetch(FetchRequest::Range { from }) => Some((*to, from)),
            _ => None,
        },
        _ => None,
    })
}

fn is_halt(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Halt(_)))
}

/// The question goes to another member when an answer does not come.
#[test]
fn an_unanswered_question_for_a_range_is_asked_elsewhere() {
    let mut network = Network::new();
    network.away = vec![3];
    network.run_to(10);
    let finalization =
        network.nodes[0].engine.chain().range(Height(1)).unwrap().unwrap().finalization.unwrap();
    let node = &mut network.nodes[3];
    let message = Message::Certificates(vec![finalization]);
    let mut effects = node.step(1, Input::Message { from: MemberIndex(0), message });
    let mut asked = Vec::new();
    for now_ms in 2..3_000 {
        asked.extend(effects.into_iter().filter_map(|effect| match effect {
            Effect::Send { to, message }
                if matches!(*message, Message::Fetch(FetchRequest::Range { .. })) =>
            {
                Some(to)
            }
            _ => None,
        }));
        effects = node.step(now_ms, Input::Wake);
    }
    asked.dedup();
    assert!(asked.len() >= 3, "asked {asked:?}");
}
