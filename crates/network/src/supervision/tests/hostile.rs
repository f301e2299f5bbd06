//! Supervisors that break the protocol, and strangers: an error or a closed link, logged once, the others unharmed.

use super::{
    RawLink, RawSupervisor, TestMaster, TestSupervisor, answer_to, call_frame, links_config, proposed,
    receipt_of, seal, supervisor_id, supervisor_seed,
};
use crate::LinkError;
use crate::limits::supervision::{MAX_CALLS_IN_SERVICE, MAX_REFUSED_CALLS, SEALS_BURST};
use crate::limits::{HANDSHAKE_TIMEOUT, MAX_REASON_BYTES};
use crate::supervision::masters::{HOME_PROFILE, MasterLinkEvent};
use crate::supervision::port::SupervisorEvent;
use crate::tests::refusal::Warnings;
use crate::tests::{CHAIN, closed, code_of, id_of, identity, seed_of, within};
use crate::transport::{BETWEEN_MASTERS, Profile};
use btn_command::{
    BTN_CMD_FLAG, BtnCmd, Frame, Hello, Incoming, MAX_COMMAND_BYTES, Request, RequestId, encode_announcement,
    encode_blob, encode_command, failure_reply, remote_request,
};
use btn_types::supervision::{MasterReply, SupervisorCall};
use btn_types::{B256, Height, MemberIndex, View};
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// One master, an honest supervisor 0 and a raw supervisor 1 at it.
struct Scene {
    master: TestMaster,
    honest: TestSupervisor,
    raw: RawSupervisor,
    warnings: Arc<Warnings>,
    _logging: tracing::subscriber::DefaultGuard,
}

impl Scene {
    /// Tests of one thread, so that what is logged can be counted.
    async fn new() -> Self {
        let warnings = Arc::new(Warnings::default());
        let _logging = tracing::subscriber::set_default(Arc::clone(&warnings));
        let mut master = TestMaster::start(0, 8);
        let mut honest = TestSupervisor::start(0, &[&master]);
        master.connected(0).await;
        honest.connected(0).await;
        Self { master, honest, raw: RawSupervisor::new(1), warnings, _logging }
    }

    async fn join(&mut self) -> RawLink {
        let link = self.raw.join(&self.master.handle).await;
        self.master.connected(1).await;
        link
    }

    /// The master must have closed the raw supervisor's link for this reason, refuse it for a while, and have
    /// logged it once; and the honest supervisor must be served as before.
    async fn expect(&mut self, link: &RawLink, expected: LinkError) {
        assert!(expected.is_violation());
        let text = expected.to_string();
        assert_eq!(
            closed(&link.connection).await,
            (code_of(&expected), text[..text.len().min(MAX_REASON_BYTES)].into())
        );
        self.master.disconnected(1).await;
        self.master.error(1, &text).await;
        let again = self.raw.try_join(&self.master.handle).await.err().unwrap();
        let LinkError::ClosedByPeer { code: 17, reason } = &again else { panic!("{again:?}") };
        assert!(reason.contains("the last link broke the protocol"), "{reason}");
        assert_eq!(self.warnings.0.load(Ordering::Relaxed), 1, "logged once");
        self.honest_is_served().await;
    }

    async fn honest_is_served(&mut self) {
        assert!(self.master.link(0).connected && self.honest.link(0).dropped.is_none());
        self.honest.handle.call(MemberIndex(0), 7, receipt_of(7));
        match self.master.next("the honest call").await {
            SupervisorEvent::Called { from, call, reply } => {
                assert_eq!(from, supervisor_id(0));
                reply.send(answer_to(&call));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(self.honest.reply(0, 7).await, answer_to(&receipt_of(7)));
    }
}

#[tokio::test]
async fn random_bytes_close_the_link() {
    for seed in 0..6u64 {
        println!("seed {seed}");
        let mut scene = Scene::new().await;
        let mut link = scene.join().await;
        let mut random = StdRng::seed_from_u64(seed);
        let mut bytes = vec![0; random.random_range(4..100_000)];
        random.fill_bytes(&mut bytes);
        // A write may fail because the link is closed already.
        let _ = link.send.write_all(&bytes).await;
        let flag = u32::from_be_bytes(bytes[..4].try_into().unwrap());
        let text =
            format!("bytes that begin with {flag:#010x} are neither a command nor anything else known here");
        scene.expect(&link, LinkError::NoCommand(text)).await;
    }
}

fn printable(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.iter_mut().for_each(|byte| *byte = b' ' + *byte % 95);
    bytes
}

/// Frames whose head is good and whose body is random: text that is no JSON, or no text.
#[tokio::test]
async fn random_bodies_are_a_breach_or_passed_over() {
    for seed in 0..40u64 {
        let master = TestMaster::start(0, 2);
        let raw = RawSupervisor::new(1);
        let mut link = raw.join(&master.handle).await;
        let mut random = StdRng::seed_from_u64(seed);
        let mut body = vec![0; random.random_range(0..300)];
        random.fill_bytes(&mut body);
        match seed % 4 {
            0 => body = [b"REMOTE_REQUEST{".to_vec(), printable(body)].concat(),
            1 => body = [b"REMOTE_RESPONSE{\"reqid\":".to_vec(), printable(body)].concat(),
            2 => body = printable(body),
            _ => {}
        }
        let mut frame = BTN_CMD_FLAG.to_be_bytes().to_vec();
        frame.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(&body);
        link.write(&frame).await;
        let _ = link.send.write_all(&call_frame(1, &SupervisorCall::Status)).await;
        // Either the frame is passed over and the question after it is answered, or the link is closed for it.
        let outcome = loop {
            match within("an outcome", link.reader.next()).await {
                Ok((Frame::Command { command, .. }, _)) => match Incoming::read(&command).unwrap() {
                    Incoming::Response(_) => break None,
                    _ => continue,
                },
                Ok(other) => panic!("seed {seed}: {other:?}"),
                Err(error) => break Some(error),
            }
        };
        println!("seed {seed}: {outcome:?}");
        match outcome {
            None => {
                assert_eq!(seed % 4, 2, "seed {seed}: only text that is no command of ours is passed over")
            }
            Some(LinkError::ClosedByPeer { code, .. }) => {
                assert!([12, 14].contains(&code), "seed {seed}: {code}")
            }
            Some(other) => panic!("seed {seed}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_length_over_the_limit_closes_the_link_before_anything_is_read() {
    let mut scene = Scene::new().await;
    let mut link = scene.join().await;
    link.write(&[BTN_CMD_FLAG.to_be_bytes(), u32::MAX.to_be_bytes()].concat()).await;
    let text = format!("a command of {} bytes, at most {MAX_COMMAND_BYTES} are allowed", u32::MAX);
    scene.expect(&link, LinkError::NoCommand(text)).await;
}

#[tokio::test(start_paused = true)]
async fn half_a_frame_and_then_silence_closes_the_link() {
    let mut scene = Scene::new().await;
    let mut link = scene.join().await;
    let frame = call_frame(1, &receipt_of(1));
    link.write(&frame).await;
    let SupervisorEvent::Called { reply: _kept, .. } = scene.master.next("a whole call").await else {
        panic!()
    };
    link.write(&frame[..7]).await;
    scene.expect(&link, LinkError::FrameUnfinished(20)).await;
}

#[tokio::test]
async fn commands_out_of_order_close_the_link() {
    let second_hello =
        Request::Hello(Hello { chain: CHAIN, node_id: supervisor_id(1), height: Height(0), view: View(0) });
    let id = RequestId([5; 16]);
    for (frame, expected) in [
        (encode_command(&second_hello.encode(id).unwrap()), "a second hello"),
        (encode_command(&encode_announcement(&proposed(1)).unwrap()), "an announcement to a master"),
        (encode_command(&failure_reply(id, "no")), "an answer to nothing that was asked"),
    ] {
        let mut scene = Scene::new().await;
        let mut link = scene.join().await;
        link.write(&frame.unwrap()).await;
        scene.expect(&link, LinkError::OutOfOrder(expected)).await;
    }
    let mut scene = Scene::new().await;
    let mut link = scene.join().await;
    link.write(&encode_blob(id, b"to a master").unwrap()).await;
    let text = "bytes that begin with 0x42544e42 are neither a command nor anything else known here";
    scene.expect(&link, LinkError::NoCommand(text.into())).await;
}

#[tokio::test]
async fn what_comes_before_the_hello_is_no_link() {
    let master = TestMaster::start(0, 2);
    let raw = RawSupervisor::new(1);
    let long = encode_command(&BtnCmd::parse("x".repeat(2_000))).unwrap();
    for (bytes, code, part) in [
        (call_frame(1, &SupervisorCall::Status).to_vec(), 14, "a call before the hello"),
        (encode_command(&encode_announcement(&proposed(1)).unwrap()).unwrap().to_vec(), 14, "something else"),
        (b"random bytes".to_vec(), 2, "neither a command"),
        (long[..1_500].to_vec(), 2, "at most 1024"),
    ] {
        let connection = raw.connect(&master.handle).await;
        let (mut send, _receive) = connection.open_bi().await.unwrap();
        send.write_all(&bytes).await.unwrap();
        let (closed_with, reason) = closed(&connection).await;
        assert!(closed_with == code && reason.contains(part), "{closed_with}: {reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_dropped_when_the_time_for_the_hello_is_up() {
    let master = TestMaster::start(0, 2);
    let connection = RawSupervisor::new(1).connect(&master.handle).await;
    let started = tokio::time::Instant::now();
    assert_eq!(closed(&connection).await.0, code_of(&LinkError::HelloTimeout));
    assert_eq!(started.elapsed().as_secs(), HANDSHAKE_TIMEOUT.as_secs());
}

#[tokio::test]
async fn another_chain_is_refused_and_both_sides_name_ours_and_theirs_once() {
    let warnings = Arc::new(Warnings::default());
    let _logging = tracing::subscriber::set_default(Arc::clone(&warnings));
    let mut master = TestMaster::start(0, 2);
    let other = B256::repeat_byte(0xdd);
    let (mut config, status) = links_config(1, &[&master]);
    config.chain = other;
    let supervisor = TestSupervisor::with(1, config, status);
    let here = supervisor.error(0, "chain differs").await;
    let there = master.error(1, "chain differs").await;
    for (text, ours, theirs) in [(here, other, CHAIN), (there, CHAIN, other)] {
        assert_eq!(text, LinkError::Chain { ours, theirs }.to_string());
        assert!(text.contains("start both nodes from the same genesis file"), "{text}");
    }
    // Let it be refused a few times more: each side has said it once.
    let mut changes = supervisor.handle.changes();
    for _ in 0..3 {
        within("another refusal", changes.changed()).await.unwrap();
    }
    assert_eq!(warnings.0.load(Ordering::Relaxed), 2);
    assert!(master.events.try_recv().is_err(), "never taken for standing");
}

#[tokio::test]
async fn another_version_is_refused_with_both_numbers() {
    let master = TestMaster::start(0, 2);
    let connection = RawSupervisor::new(1).connect(&master.handle).await;
    let (mut send, _receive) = connection.open_bi().await.unwrap();
    let param = btn_command::RawValue::from_string(r#"{"version":2,"later":"fields"}"#.into()).unwrap();
    let hello = remote_request(RequestId([1; 16]), "hello", Some(&param));
    send.write_all(&encode_command(&hello).unwrap()).await.unwrap();
    let expected = LinkError::Version { ours: 1, theirs: 2 };
    assert_eq!(closed(&connection).await, (code_of(&expected), expected.to_string()));
}

/// TLS refuses a key that is no registered supervisor's: an unknown one, and a registered master's.
#[tokio::test]
async fn keys_of_no_supervisor_are_refused_and_logged_once() {
    let mut scene = Scene::new().await;
    for (seed, logged) in [(77, 1), (77, 1), (seed_of(3), 2)] {
        let stranger = RawSupervisor::of(seed, supervisor_id(1));
        // In TLS 1.3 the client is done before the server has judged its key.
        let connection = stranger.connect(&scene.master.handle).await;
        let refusal = LinkError::from(within("a refusal", connection.closed()).await);
        let LinkError::Tls(text) = &refusal else { panic!("{refusal:?}") };
        assert!(text.contains(&identity(seed).public_key().to_string()), "{text}");
        assert!(text.contains("belongs to no peer configured here"), "{text}");
        scene.honest_is_served().await;
        assert_eq!(scene.warnings.0.load(Ordering::Relaxed), logged);
    }
    assert!(scene.master.events.try_recv().is_err());
}

#[tokio::test]
async fn a_supervisor_that_claims_another_identity_is_refused() {
    let mut scene = Scene::new().await;
    // The key of supervisor 1, the identity of the honest supervisor 0.
    let thief = RawSupervisor::of(supervisor_seed(1), supervisor_id(0));
    let connection = thief.connect(&scene.master.handle).await;
    let counters = Arc::default();
    // The hello is answered, and then the link is closed.
    let _opened = within("hello", thief.introduction.ask(&connection, id_of(0), &counters)).await;
    let expected = LinkError::Identity { expected: supervisor_id(1), theirs: supervisor_id(0) };
    assert_eq!(closed(&connection).await, (code_of(&expected), expected.to_string()));
    scene.master.error(1, &expected.to_string()).await;
    scene.honest_is_served().await;
    assert!(scene.master.events.try_recv().is_err(), "the honest one's link was not touched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_with_another_key_or_identity_is_refused_by_the_supervisor() {
    let master = TestMaster::start(0, 2);
    let (mut config, status) = links_config(1, &[&master]);
    config.masters[0].network_key = identity(88).public_key();
    let supervisor = TestSupervisor::with(1, config, status);
    let text = supervisor.error(0, "the registry says").await;
    assert!(text.contains(&identity(88).public_key().to_string()), "{text}");
    let (mut config, status) = links_config(1, &[&master]);
    config.masters[0].id = id_of(5);
    let supervisor = TestSupervisor::with(1, config, status);
    let text = supervisor.error(0, "node identity differs").await;
    assert_eq!(text, LinkError::Identity { expected: id_of(5), theirs: id_of(0) }.to_string());
}

#[tokio::test]
async fn another_application_protocol_fails_in_the_handshake() {
    let mut scene = Scene::new().await;
    let later = Profile { alpn: b"btn-supervisor/2", ..HOME_PROFILE };
    for profile in [BETWEEN_MASTERS, later] {
        let refusal = scene.raw.try_connect(&scene.master.handle, 0, &profile).await.unwrap_err();
        assert!(matches!(refusal, LinkError::Tls(_)), "{refusal:?}");
    }
    scene.honest_is_served().await;
}

/// Seals sent again and again reach the node as calls, which judges them, as far as the budget goes; then they are
/// refused with a sentence, and the link stays.
#[tokio::test(start_paused = true)]
async fn replayed_seals_are_passed_on_within_a_budget() {
    let mut scene = Scene::new().await;
    let mut link = scene.join().await;
    let call = SupervisorCall::Seal(vec![seal(1); 256]);
    let passed_on = SEALS_BURST / 256;
    for id in 0..passed_on + 2 {
        link.call(u8::try_from(id).unwrap(), &call).await;
    }
    for _ in 0..passed_on {
        match scene.master.next("the seals").await {
            SupervisorEvent::Called { from, call: passed, reply } => {
                assert_eq!((from, &passed), (supervisor_id(1), &call));
                reply.send(MasterReply::Sealed);
            }
            other => panic!("{other:?}"),
        }
    }
    let mut refused = 0;
    while refused < 2 {
        let (frame, _) = within("an answer", link.reader.next()).await.unwrap();
        let Frame::Command { command, .. } = frame else { panic!("{frame:?}") };
        if let Incoming::Response(response) = Incoming::read(&command).unwrap()
            && response.code != 0
        {
            assert!(response.error.unwrap().contains("seals a second"));
            refused += 1;
        }
    }
    assert!(scene.master.events.try_recv().is_err());
    // After a while there is room again.
    super::pass(Duration::from_secs(10)).await;
    link.call(9, &call).await;
    let SupervisorEvent::Called { reply, .. } = scene.master.next("the seals").await else { panic!() };
    reply.send(MasterReply::Sealed);
    scene.honest_is_served().await;
    assert_eq!(scene.warnings.0.load(Ordering::Relaxed), 0);
}

/// The node works on so many calls of one supervisor; the others are refused, and who goes on loses the link.
#[tokio::test(start_paused = true)]
async fn calls_without_end_close_the_link() {
    let mut scene = Scene::new().await;
    let mut link = scene.join().await;
    let most = MAX_CALLS_IN_SERVICE + usize::try_from(MAX_REFUSED_CALLS).unwrap();
    for id in 0..most {
        // The last ones may find the link closed already.
        let _ = link.send.write_all(&call_frame(u8::try_from(id).unwrap(), &receipt_of(1))).await;
    }
    let mut held = Vec::new();
    while held.len() < MAX_CALLS_IN_SERVICE {
        let SupervisorEvent::Called { reply, .. } = scene.master.next("a call").await else { panic!() };
        held.push(reply);
    }
    scene.expect(&link, LinkError::TooManyCalls(MAX_REFUSED_CALLS)).await;
}

/// Calls that are not known or malformed are answered with a sentence each.
#[tokio::test]
async fn calls_that_make_no_sense_are_refused_with_a_sentence() {
    let mut scene = Scene::new().await;
    let mut link = scene.join().await;
    for (name, param, part) in [
        ("reboot", None, "is not a call"),
        ("pull", None, "needs parameters"),
        ("pull", Some("{}"), "expected either"),
        ("seal", Some(r#"{"seals":"0xzz"}"#), "seal"),
        ("receipt", Some("[]"), "receipt"),
    ] {
        let param = param.map(|text| btn_command::RawValue::from_string(text.into()).unwrap());
        let request = remote_request(RequestId([1; 16]), name, param.as_deref());
        link.write(&encode_command(&request).unwrap()).await;
        let response = loop {
            let (frame, _) = within("an answer", link.reader.next()).await.unwrap();
            let Frame::Command { command, .. } = frame else { panic!("{frame:?}") };
            if let Incoming::Response(response) = Incoming::read(&command).unwrap() {
                break response;
            }
        };
        let text = response.error.unwrap();
        assert!(response.code == 1 && text.contains(part), "{name}: {text}");
    }
    scene.honest_is_served().await;
    assert_eq!(scene.warnings.0.load(Ordering::Relaxed), 0);
}

/// A supervisor that pulls and does not read what it pulled: its link ends, and the place it took is free again.
#[tokio::test(start_paused = true)]
async fn bodies_that_are_not_taken_close_the_link() {
    let mut scene = Scene::new().await;
    let mut link = scene.join().await;
    let pull = SupervisorCall::Pull(btn_types::supervision::PullRequest::Range { from: Height(1) });
    let big = || {
        let mut block = crate::tests::messages::block();
        block.justification.nullifications =
            vec![crate::tests::messages::certificate(btn_types::VoteKind::Nullify); 4_000];
        let blocks = vec![block; 10];
        let range = btn_types::BlockRange { blocks, finalization: None };
        MasterReply::Pulled(btn_types::supervision::Pulled::Range(Box::new(range)))
    };
    for id in 0..4 {
        link.call(id, &pull).await;
    }
    let mut served = 0;
    // Its window takes so many bodies; the next one it leaves where it is.
    while scene.master.link(1).connected {
        match within("a pull or the end", scene.master.events.recv()).await.unwrap() {
            SupervisorEvent::Called { reply, .. } => {
                served += 1;
                reply.send(big());
            }
            SupervisorEvent::Disconnected(id) => {
                assert_eq!(id, supervisor_id(1));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    println!("{served} bodies were asked of the node before the link was given up");
    let expected = LinkError::NotTaken(20);
    assert_eq!(closed(&link.connection).await, (code_of(&expected), expected.to_string()));
    scene.honest_is_served().await;
}

/// Announcements go on although one supervisor reads none of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_that_reads_nothing_delays_nobody() {
    let mut master = TestMaster::start(0, 2);
    let mut honest = TestSupervisor::start(0, &[&master]);
    master.connected(0).await;
    honest.connected(0).await;
    // Its window is full after some fifty announcements.
    let deaf = Profile { stream_window_bytes: 16 * 1024, ..HOME_PROFILE };
    let _deaf = RawSupervisor::new(1).join_with(&master.handle, &deaf).await.unwrap();
    master.connected(1).await;
    for height in 1..=1_500 {
        master.handle.announce(&proposed(height));
        if height % 100 == 0 {
            loop {
                match honest.next("an announcement").await {
                    MasterLinkEvent::Announced { announcement, .. } if announcement == proposed(height) => {
                        break;
                    }
                    MasterLinkEvent::Announced { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    assert!(master.link(0).connected);
}
