//! A member that breaks the protocol loses its link, with a reason; the others' links stay.

use super::{LOOPBACK, RawPeer, TestNode, closed, code_of, config, id_of, messages, seed_of};
use crate::limits::{CLASSES, MAX_VOTE_FRAME_BYTES, max_frame_bytes};
use crate::{LinkError, NetworkEvent, frame};
use btn_types::{MemberIndex, MessageClass};
use quinn::{Connection, SendStream};
use std::sync::Arc;

/// Member 2 of three, linked to the honest member 1 and to the raw member 0.
struct Scene {
    victim: TestNode,
    honest: TestNode,
    raw: RawPeer,
}

impl Scene {
    async fn new() -> Self {
        let mut victim = TestNode::start(2, config(2, 3));
        let mut honest = TestNode::start(1, config(1, 3));
        honest.knows(&victim);
        assert_eq!(victim.next("Connected").await, NetworkEvent::Connected(MemberIndex(1)));
        assert_eq!(honest.next("Connected").await, NetworkEvent::Connected(MemberIndex(2)));
        Self { victim, honest, raw: RawPeer::new(seed_of(0), &[]) }
    }

    async fn join(&mut self) -> Connection {
        let connection = self.raw.join(&self.victim, 0).await;
        assert_eq!(self.victim.next("Connected").await, NetworkEvent::Connected(MemberIndex(0)));
        connection
    }

    /// The victim must have closed the raw member's connection for this reason, and the honest member's
    /// link must have carried on without a break.
    async fn expect(&mut self, connection: &Connection, expected: LinkError) {
        assert!(expected.is_violation());
        assert_eq!(closed(connection).await, (code_of(&expected), expected.to_string()));
        assert_eq!(self.victim.next("Disconnected").await, NetworkEvent::Disconnected(MemberIndex(0)));
        self.victim.error(0, &expected.to_string()).await;
        let message = messages::vote(77);
        self.honest.handle.broadcast(Arc::new(message.clone()));
        let event = self.victim.next("the honest vote").await;
        assert_eq!(event, NetworkEvent::Message { from: MemberIndex(1), message });
    }
}

async fn stream(connection: &Connection, bytes: &[u8]) -> SendStream {
    let mut stream = connection.open_uni().await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_over_the_limit_closes_the_link_and_the_peer_may_come_back() {
    let mut scene = Scene::new().await;
    for class in CLASSES {
        let connection = scene.join().await;
        let length = u32::try_from(max_frame_bytes(class) + 1).unwrap();
        let bytes = [&[frame::stream_tag(class)][..], &length.to_be_bytes()].concat();
        let _stream = stream(&connection, &bytes).await;
        let limit = max_frame_bytes(class);
        scene.expect(&connection, LinkError::FrameTooLong { class, length: length.into(), limit }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_is_no_message_closes_the_link() {
    let mut scene = Scene::new().await;
    let connection = scene.join().await;
    let _stream = stream(&connection, &[1, 0, 0, 0, 3, 0xc2, 0x7f, 0x01]).await;
    let text = "unknown kind of message".into();
    scene.expect(&connection, LinkError::FrameMalformed { class: MessageClass::Vote, text }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_on_the_stream_of_another_class_closes_the_link() {
    let mut scene = Scene::new().await;
    let connection = scene.join().await;
    let misplaced = frame::encode(&messages::vote(1)).unwrap();
    let _stream = stream(&connection, &[&[3][..], &misplaced].concat()).await;
    let (class, expected) = (MessageClass::Bulk, MessageClass::Vote);
    scene.expect(&connection, LinkError::WrongClass { message: "vote", class, expected }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_ends_in_the_middle_of_a_frame_closes_the_link() {
    let mut scene = Scene::new().await;
    let connection = scene.join().await;
    let mut cut_short = stream(&connection, &[2, 0, 0, 4, 0, 1, 2, 3]).await;
    cut_short.finish().unwrap();
    scene.expect(&connection, LinkError::StreamEnded(Some(MessageClass::Proposal))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_no_class_or_a_second_one_closes_the_link() {
    let mut scene = Scene::new().await;
    let connection = scene.join().await;
    let _stream = stream(&connection, &[9]).await;
    scene.expect(&connection, LinkError::UnknownStream(9)).await;
    let connection = scene.join().await;
    let (_first, _second) = (stream(&connection, &[1]).await, stream(&connection, &[1]).await);
    scene.expect(&connection, LinkError::StreamTwice(MessageClass::Vote)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_before_a_violation_count_and_bytes_after_a_message_do_not_pass() {
    let mut scene = Scene::new().await;
    let connection = scene.join().await;
    let mut bytes = vec![1];
    bytes.extend_from_slice(&frame::encode(&messages::vote(3)).unwrap());
    let mut padded = frame::encode(&messages::vote(4)).unwrap().to_vec();
    padded.push(0x80);
    let length = u32::try_from(padded.len() - 4).unwrap();
    padded[..4].copy_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&padded);
    let _stream = stream(&connection, &bytes).await;
    let message = messages::vote(3);
    let event = scene.victim.next("the good vote").await;
    assert_eq!(event, NetworkEvent::Message { from: MemberIndex(0), message });
    let text = "bytes after the end of the value".into();
    scene.expect(&connection, LinkError::FrameMalformed { class: MessageClass::Vote, text }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_closed_in_the_middle_of_a_frame_is_a_plain_end() {
    let mut scene = Scene::new().await;
    let connection = scene.join().await;
    let _stream = stream(&connection, &[2, 0, 0, 4, 0, 1, 2, 3]).await;
    connection.close(quinn::VarInt::from_u32(0), b"that is\nall");
    assert_eq!(scene.victim.next("Disconnected").await, NetworkEvent::Disconnected(MemberIndex(0)));
    scene.victim.error(0, "code 0): that is all").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_connection_of_a_peer_wins() {
    let mut scene = Scene::new().await;
    let old = scene.join().await;
    let new = scene.raw.join(&scene.victim, 0).await;
    let replaced = LinkError::Replaced;
    assert_eq!(closed(&old).await, (code_of(&replaced), replaced.to_string()));
    assert_eq!(scene.victim.next("Disconnected").await, NetworkEvent::Disconnected(MemberIndex(0)));
    assert_eq!(scene.victim.next("Connected").await, NetworkEvent::Connected(MemberIndex(0)));
    let vote = frame::encode(&messages::vote(6)).unwrap();
    let _stream = stream(&new, &[&[1][..], &vote].concat()).await;
    let event = scene.victim.next("a vote on the new connection").await;
    assert_eq!(event, NetworkEvent::Message { from: MemberIndex(0), message: messages::vote(6) });
    assert_eq!(scene.victim.handle.peers()[0].id, id_of(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_too_large_for_its_class_is_never_sent() {
    let mut nodes = super::network(2, LOOPBACK).await;
    let ticket = |bytes: usize| btn_types::Ticket {
        epoch: btn_types::Epoch(0),
        view: btn_types::View(1),
        draw_seed: btn_types::B256::ZERO,
        member: MemberIndex(0),
        signature: vec![1; bytes].into(),
    };
    let too_large = btn_types::Message::Candidacy(vec![ticket(MAX_VOTE_FRAME_BYTES)]);
    nodes[0].handle.broadcast(Arc::new(too_large));
    nodes[0].handle.broadcast(Arc::new(messages::vote(1)));
    let event = nodes[1].next("the vote after it").await;
    assert_eq!(event, NetworkEvent::Message { from: MemberIndex(0), message: messages::vote(1) });
}
