//! What a master answers on a supervisor's link, asked by a bare link that has no engine behind it.

use crate::network::{CHAIN_ID, MASTERS, Network, funded, quantity};
use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy_eips::Encodable2718 as _;
use alloy_primitives::{Address, Bytes, TxKind, U256};
use alloy_signer::SignerSync as _;
use btn_network::{MasterLinkEvent, MasterLinkEvents, MasterLinks, MasterLinksConfig, MasterLinksHandle};
use btn_network::{NetworkIdentity, PeerConfig};
use btn_types::supervision::{Announcement, MasterReply, PullRequest, Pulled, StatusSummary, SupervisorCall};
use btn_types::{B256, Height, MemberIndex, Seal, View, VoteKind};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::watch;

const GWEI: u128 = 1_000_000_000;

/// A link to one master.
struct Link {
    master: MemberIndex,
    handle: MasterLinksHandle,
    events: MasterLinkEvents,
    announced: VecDeque<Announcement>,
    next_id: u64,
}

impl Link {
    /// Links to the first master with the keys of the first supervisor, which is not running.
    fn open(network: &Network) -> Self {
        let keys = network.supervisor_keys(0);
        let committee = network.genesis().committee();
        let masters: Vec<_> = (0..MASTERS).map(|node| network.id(node)).collect();
        let place = committee.iter().position(|record| record.id == masters[0]).unwrap();
        let master = MemberIndex(u16::try_from(place).unwrap());
        let peer = PeerConfig {
            member: master,
            id: masters[0],
            network_key: committee[place].network_key,
            addresses: vec![network.config(0).listen_supervisors.unwrap().to_string()],
        };
        let nowhere = StatusSummary {
            height: Height(0),
            hash: B256::ZERO,
            state_root: B256::ZERO,
            third_height: Height(0),
            view: View(0),
        };
        let (handle, events) = MasterLinks::start(MasterLinksConfig {
            local: Arc::new(NetworkIdentity::from_pkcs8_der(keys.network.pkcs8()).unwrap()),
            chain: network.chain(),
            node_id: keys.id(),
            masters: vec![peer],
            links: 1,
            status: watch::channel(nowhere).1,
        })
        .unwrap();
        Self { master, handle, events, announced: VecDeque::new(), next_id: 0 }
    }

    async fn next_event(&mut self) -> MasterLinkEvent {
        self.events.recv().await.unwrap()
    }

    /// The next announcement, also one that came while an answer was waited for.
    async fn announced(&mut self) -> Announcement {
        loop {
            if let Some(announcement) = self.announced.pop_front() {
                return announcement;
            }
            if let MasterLinkEvent::Announced { announcement, .. } = self.next_event().await {
                return announcement;
            }
        }
    }

    async fn ask(&mut self, call: SupervisorCall) -> MasterReply {
        self.next_id += 1;
        self.handle.call(self.master, self.next_id, call);
        loop {
            match self.next_event().await {
                MasterLinkEvent::Replied { id, reply, .. } if id == self.next_id => return reply,
                MasterLinkEvent::Announced { announcement, .. } => self.announced.push_back(announcement),
                _ => {}
            }
        }
    }
}

fn transfer(nonce: u64) -> (B256, Bytes) {
    let transaction = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 100 * GWEI,
        max_priority_fee_per_gas: GWEI,
        to: TxKind::Call(Address::repeat_byte(0x77)),
        value: U256::from(1),
        ..TxEip1559::default()
    };
    let signature = funded().sign_hash_sync(&transaction.signature_hash()).unwrap();
    let signed = TxEnvelope::from(transaction.into_signed(signature));
    (*signed.tx_hash(), signed.encoded_2718().into())
}

#[test]
fn a_master_answers_its_supervisors_calls() {
    // One supervisor seals; the bare link uses the keys of the other.
    let mut network = Network::make(2);
    for node in (0..network.len()).filter(|node| *node != MASTERS) {
        network.start(node);
    }
    network.wait("the third state", |status| quantity(&status["thirdHeight"]) >= 2);
    // Without a quorum nothing new is announced: what comes is the greeting.
    [1, 2].into_iter().for_each(|node| network.stop(node));
    let halted = network.wait_for(0, "the network halts", |status| status["ready"] == false);
    let mut link = network.block_on(async {
        let mut link = Link::open(&network);
        let greeting = link.announced().await;
        let Announcement::Certified { place, certificate } = &greeting else { panic!("{greeting:?}") };
        assert_eq!(certificate.kind, VoteKind::Finalize, "a greeting begins with what is final");
        assert_eq!(place.height.0, quantity(&halted["height"]));
        link
    });
    [1, 2].into_iter().for_each(|node| network.start(node));
    network.block_on(async {
        let hash = loop {
            if let Announcement::Proposed(place) = link.announced().await {
                break place.hash;
            }
        };
        let pulled = link.ask(SupervisorCall::Pull(PullRequest::Block { hash })).await;
        let MasterReply::Pulled(Pulled::Block(block)) = pulled else { panic!("{pulled:?}") };
        assert_eq!(block.hash(), hash);
        let pulled = link.ask(SupervisorCall::Pull(PullRequest::Range { from: Height(1) })).await;
        let MasterReply::Pulled(Pulled::Range(range)) = pulled else { panic!("{pulled:?}") };
        assert_eq!(range.blocks[0].height(), Height(1));
        let unknown = PullRequest::Block { hash: B256::repeat_byte(7) };
        assert_eq!(link.ask(SupervisorCall::Pull(unknown)).await, MasterReply::Pulled(Pulled::Nothing));

        let MasterReply::Status(status) = link.ask(SupervisorCall::Status).await else { panic!("no status") };
        assert!(status.height >= status.third_height && status.third_height >= Height(2), "{status:?}");
        let tickets = link.ask(SupervisorCall::Candidates).await;
        let MasterReply::Candidates(tickets) = tickets else { panic!("{tickets:?}") };
        assert!(!tickets.is_empty());

        let foreign = Seal {
            supervisor: network.id(MASTERS + 1),
            core: B256::ZERO,
            draw_signature: Bytes::from(vec![1; 256]),
            block_hash: hash,
            signature: Bytes::from(vec![1; 256]),
        };
        let reply = link.ask(SupervisorCall::Seal(vec![foreign])).await;
        assert_eq!(reply, MasterReply::Sealed, "whatever becomes of it");

        submit_and_follow(&mut link).await;
        link.handle.shutdown().await;
    });
    for node in (0..network.len()).filter(|node| *node != MASTERS) {
        network.stop(node);
    }
}

async fn submit_and_follow(link: &mut Link) {
    let reply = link.ask(SupervisorCall::Submit(Bytes::from_static(b"nonsense"))).await;
    let MasterReply::Submitted(Err(_)) = reply else { panic!("{reply:?}") };
    let (hash, bytes) = transfer(0);
    assert_eq!(link.ask(SupervisorCall::Receipt(hash)).await, MasterReply::Receipt(None));
    assert_eq!(link.ask(SupervisorCall::Submit(bytes.clone())).await, MasterReply::Submitted(Ok(hash)));
    let receipt = loop {
        // Each announcement is a step of the chain; one asks again after it.
        link.announced().await;
        if let MasterReply::Receipt(Some(receipt)) = link.ask(SupervisorCall::Receipt(hash)).await
            && receipt.third_state
        {
            break receipt;
        }
    };
    assert!(receipt.succeeded, "{receipt:?}");
    assert_eq!(receipt.gas_used, 21_000);
    let reply = link.ask(SupervisorCall::Submit(bytes)).await;
    let MasterReply::Submitted(Err(words)) = reply else { panic!("{reply:?}") };
    assert!(words.contains("nonce too low"), "{words}");
}
