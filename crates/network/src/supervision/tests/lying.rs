//! Masters that break the protocol: the supervisor drops them, says why, and keeps the others.

use super::{TestMaster, TestSupervisor, links_config, master_peer, status, supervisor_seed};
use crate::LinkError;
use crate::supervision::counters::Counters;
use crate::supervision::hello::{Introduction, Opened};
use crate::supervision::masters::MasterLinkEvent;
use crate::supervision::port::PORT_PROFILE;
use crate::supervision::stream::FrameReader;
use crate::tests::{CHAIN, LOOPBACK, closed, code_of, id_of, identity, seed_of, within};
use crate::transport;
use btn_command::{
    Frame, Incoming, RemoteRequest, RequestId, encode_blob, encode_command, encode_reply, failure_reply,
    remote_request,
};
use btn_types::MemberIndex;
use btn_types::supervision::{MasterReply, PullRequest, StatusSummary, SupervisorCall};
use quinn::{Connection, Endpoint, SendStream};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// A master made by hand, for supervisor 0.
pub(super) struct FakeMaster {
    endpoint: Endpoint,
    member: u16,
}

/// Its link, after the hello.
pub(super) struct FakeLink {
    connection: Connection,
    send: SendStream,
    reader: FrameReader,
    _endpoint: Endpoint,
}

impl FakeMaster {
    pub(super) fn start(member: u16) -> Self {
        let keys = BTreeSet::from([identity(supervisor_seed(0)).public_key()]);
        let local = identity(seed_of(member));
        let (endpoint, _) = transport::endpoint(LOOPBACK, &local, keys, &PORT_PROFILE).unwrap();
        Self { endpoint, member }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.endpoint.local_addr().unwrap()
    }

    /// Takes one connection and greets as it should.
    pub(super) async fn greet(self, status: StatusSummary) -> FakeLink {
        let (_, status) = watch::channel(status);
        let introduction = Introduction { chain: CHAIN, node_id: id_of(self.member), status };
        let incoming = within("a connection", self.endpoint.accept()).await.unwrap();
        let connection = within("TLS", incoming.accept().unwrap()).await.unwrap();
        let counters = Arc::new(Counters::default());
        let supervisor = super::supervisor_id(0);
        let greeted = within("hello", introduction.answer(&connection, supervisor, &counters)).await;
        let Opened { send, mut reader } = greeted.unwrap();
        reader.hello_is_over(None);
        FakeLink { connection, send, reader, _endpoint: self.endpoint }
    }
}

impl FakeLink {
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    async fn write(&mut self, bytes: &[u8]) {
        self.send.write_all(bytes).await.unwrap();
    }

    /// The next request of this name.
    async fn request(&mut self, name: &str) -> RemoteRequest {
        loop {
            let (frame, _) = within("a request", self.reader.next()).await.unwrap();
            let Frame::Command { command, .. } = frame else { panic!("{frame:?}") };
            match Incoming::read(&command).unwrap() {
                Incoming::Request(request) if request.name == name => return request,
                _ => {}
            }
        }
    }
}

/// An honest master 0 and a false master 1, both linked to supervisor 0.
struct Scene {
    honest: TestMaster,
    liar: FakeLink,
    supervisor: TestSupervisor,
}

impl Scene {
    async fn new() -> Self {
        let honest = TestMaster::start(0, 1);
        let liar = FakeMaster::start(1);
        let (mut config, watch) = links_config(0, &[&honest]);
        config.masters.push(master_peer(1, vec![liar.address().to_string()]));
        config.links = 2;
        let mut supervisor = TestSupervisor::with(0, config, watch);
        let liar = liar.greet(status(5)).await;
        let mut linked = BTreeSet::new();
        while linked.len() < 2 {
            let MasterLinkEvent::Connected(member) = supervisor.next("Connected").await else { panic!() };
            linked.insert(member);
        }
        Self { honest, liar, supervisor }
    }

    /// The liar must have been dropped for this reason, and the honest master must still be there.
    async fn expect(mut self, expected: LinkError) {
        assert!(expected.is_violation());
        let end = loop {
            match self.supervisor.next("the end").await {
                MasterLinkEvent::Replied { .. } => {}
                other => break other,
            }
        };
        assert_eq!(end, MasterLinkEvent::Disconnected(MemberIndex(1)));
        assert_eq!(closed(self.liar.connection()).await, (code_of(&expected), expected.to_string()));
        let dropped = self.supervisor.wait(1, "the ban", |status| status.dropped.is_some()).await;
        assert_eq!(dropped.dropped.unwrap().reason, expected.to_string());
        self.honest.handle.announce(&super::proposed(9));
        let event = loop {
            match self.supervisor.next("the honest announcement").await {
                MasterLinkEvent::Replied { .. } => {}
                other => break other,
            }
        };
        let announcement = super::proposed(9);
        assert_eq!(event, MasterLinkEvent::Announced { from: MemberIndex(0), announcement });
    }
}

fn receipt(id: RequestId) -> bytes::Bytes {
    encode_command(&encode_reply(id, &MasterReply::Receipt(None)).unwrap().command).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_frame_are_a_breach() {
    let mut scene = Scene::new().await;
    scene.liar.write(b"GET / HTTP/1.1\r\n\r\n").await;
    let text = "bytes that begin with 0x47455420 are neither a command nor anything else known here";
    scene.expect(LinkError::NoCommand(text.into())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_asked_for_is_a_breach() {
    let mut scene = Scene::new().await;
    scene.liar.write(&receipt(RequestId([9; 16]))).await;
    scene.expect(LinkError::OutOfOrder("an answer to nothing that was asked")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_given_twice_is_a_breach() {
    let mut scene = Scene::new().await;
    scene.supervisor.handle.call(MemberIndex(1), 1, super::receipt_of(1));
    let request = scene.liar.request("receipt").await;
    for _ in 0..2 {
        scene.liar.write(&receipt(request.id)).await;
    }
    scene.expect(LinkError::OutOfOrder("an answer to nothing that was asked")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_another_kind_is_a_breach() {
    let mut scene = Scene::new().await;
    scene.supervisor.handle.call(MemberIndex(1), 1, SupervisorCall::Candidates);
    let request = scene.liar.request("candidates").await;
    scene.liar.write(&receipt(request.id)).await;
    let reply = scene.supervisor.reply(1, 1).await;
    let MasterReply::Failed(text) = reply else { panic!("{reply:?}") };
    let text = text.strip_prefix("the answer cannot be read: ").unwrap();
    scene.expect(LinkError::NoCommand(text.into())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_nobody_asked_for_or_of_another_length_is_a_breach() {
    let scene = Scene::new().await;
    let mut bodies = scene.liar.connection.open_uni().await.unwrap();
    bodies.write_all(&encode_blob(RequestId([3; 16]), b"body").unwrap()).await.unwrap();
    scene.expect(LinkError::OutOfOrder("a body that nobody asked for")).await;

    let mut scene = Scene::new().await;
    let pull = SupervisorCall::Pull(PullRequest::Range { from: btn_types::Height(1) });
    scene.supervisor.handle.call(MemberIndex(1), 1, pull);
    let request = scene.liar.request("pull").await;
    let command = btn_command::BtnCmd::parse(format!(
        r#"REMOTE_RESPONSE{{"reqid":"{}","r":0,"result":{{"blob":5}}}}"#,
        request.id
    ));
    scene.liar.write(&encode_command(&command).unwrap()).await;
    let mut bodies = scene.liar.connection.open_uni().await.unwrap();
    bodies.write_all(&encode_blob(request.id, b"body").unwrap()).await.unwrap();
    let text = "the binary frame has 4 bytes, its reply told 5";
    scene.expect(LinkError::NoCommand(text.into())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_ends_or_carries_what_it_should_not_is_a_breach() {
    let mut scene = Scene::new().await;
    scene.liar.send.finish().unwrap();
    scene.expect(LinkError::OutOfOrder("a stream ended before the connection")).await;
    let scene = Scene::new().await;
    let mut bodies = scene.liar.connection.open_uni().await.unwrap();
    bodies.write_all(&encode_command(&failure_reply(RequestId([1; 16]), "no")).unwrap()).await.unwrap();
    scene.expect(LinkError::OutOfOrder("a command on the stream of bodies")).await;
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_is_begun_and_never_finished_is_a_breach() {
    let mut scene = Scene::new().await;
    let frame = encode_command(&failure_reply(RequestId([1; 16]), "no")).unwrap();
    scene.liar.write(&frame[..frame.len() - 1]).await;
    scene.expect(LinkError::FrameUnfinished(20)).await;
}

/// A master may ask for the status and for nothing else; asking for more is answered, not punished.
#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_answers_status_alone() {
    let mut scene = Scene::new().await;
    for (name, expected) in [
        ("status", "\"height\":10"),
        ("candidates", "a supervisor answers `status` alone"),
        ("reboot", "is not a call that version"),
    ] {
        let id = RequestId([7; 16]);
        scene.liar.write(&encode_command(&remote_request(id, name, None)).unwrap()).await;
        let answer = loop {
            let (frame, _) = within("an answer", scene.liar.reader.next()).await.unwrap();
            let Frame::Command { command, .. } = frame else { panic!("{frame:?}") };
            match Incoming::read(&command).unwrap() {
                Incoming::Response(response) => break (response, command),
                _ => continue,
            }
        };
        assert_eq!(answer.0.id, id);
        assert!(answer.1.body().contains(expected), "{}", answer.1.body());
    }
    assert!(scene.supervisor.link(1).connected);
}

/// Dropped while it is being dialled, a master is hung up on as soon as it answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_master_dropped_while_it_is_dialled_gets_no_link() {
    let honest = TestMaster::start(0, 1);
    let liar = FakeMaster::start(1);
    let (mut config, watch) = links_config(0, &[&honest]);
    config.masters.push(master_peer(1, vec![liar.address().to_string()]));
    config.links = 2;
    let mut supervisor = TestSupervisor::with(0, config, watch);
    supervisor.connected(0).await;
    supervisor.handle.drop_master(MemberIndex(1), "it lied elsewhere".into());
    supervisor.wait(1, "the ban", |status| status.dropped.is_some()).await;
    let liar = liar.greet(status(5)).await;
    let expected = LinkError::Dropped("it lied elsewhere".into());
    assert_eq!(closed(liar.connection()).await, (code_of(&expected), expected.to_string()));
    assert!(supervisor.link(0).connected && !supervisor.link(1).connected);
}

/// Large frames share a budget while they are not complete; small ones pass.
#[tokio::test(start_paused = true)]
async fn large_partial_frames_wait_for_their_share() {
    let master = FakeMaster::start(1);
    let (raw, address) = (super::RawSupervisor::new(0), master.address());
    let counters = Arc::new(Counters::default());
    let (connection, mut master) = tokio::join!(
        async {
            let connection = raw.connect_to(address, 1, &crate::supervision::masters::HOME_PROFILE).await;
            let connection = connection.unwrap();
            let opened = raw.introduction.ask(&connection, id_of(1), &counters).await.unwrap();
            (connection, opened)
        },
        master.greet(status(1))
    );
    let (_connection, mut opened) = connection;
    let partials = Arc::new(tokio::sync::Semaphore::new(0));
    opened.reader.hello_is_over(Some(Arc::clone(&partials)));
    let small = encode_command(&btn_command::BtnCmd::parse("small".into())).unwrap();
    let large = encode_command(&btn_command::BtnCmd::parse("x".repeat(200_000))).unwrap();
    master.write(&[&small[..], &large[..], &small[..]].concat()).await;
    within("the small frame", opened.reader.next()).await.unwrap();
    let mut next = Box::pin(opened.reader.next());
    let waiting = tokio::time::timeout(std::time::Duration::from_millis(300), &mut next).await;
    assert!(waiting.is_err(), "it came without a share");
    partials.add_permits(1_024);
    let (_, bytes) = within("the large frame", next).await.unwrap();
    assert_eq!(bytes, large.len());
    within("the last frame", opened.reader.next()).await.unwrap();
    assert_eq!(partials.available_permits(), 1_024, "given back when the frame is complete");
}
