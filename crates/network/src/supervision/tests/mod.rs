//! Tests of the links between masters and supervisors: the harness, and one file for each concern.

mod bounds;
mod budgets;
mod calls;
mod exchange;
mod flood;
mod hostile;
mod lifecycle;
mod lying;
mod policy;

use super::counters::Counters;
use super::hello::Introduction;
use super::masters::HOME_PROFILE;
use super::masters::MasterLinksHandle;
use super::masters::{MasterLinkEvent, MasterLinkEvents, MasterLinkStatus, MasterLinks, MasterLinksConfig};
use super::port::{
    SupervisorEvent, SupervisorEvents, SupervisorLinkStatus, SupervisorPeer, SupervisorPort,
    SupervisorPortConfig, SupervisorPortHandle,
};
use crate::tests::{CHAIN, LOOPBACK, id_of, identity, messages, seed_of, within};
use crate::transport::{self, Profile};
use crate::{LinkError, NetworkIdentity, PeerConfig};
use btn_command::{RequestId, encode_call, encode_command, remote_request};
use btn_types::supervision::{
    Announcement, BlockPlace, MasterReply, PullRequest, Pulled, ReceiptSummary, StatusSummary, SupervisorCall,
};
use btn_types::{B256, BlockRange, Bytes, Epoch, Height, MemberIndex, NodeId, Seal, View};
use quinn::{Connection, Endpoint, SendStream};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Supervisor `i` has key seed `101 + i`, and an identity of that byte.
fn supervisor_seed(index: u8) -> u8 {
    101 + index
}

fn supervisor_id(index: u8) -> NodeId {
    NodeId(B256::repeat_byte(supervisor_seed(index)))
}

fn status(height: u64) -> StatusSummary {
    StatusSummary {
        height: Height(height),
        hash: B256::repeat_byte(0xaa),
        state_root: B256::repeat_byte(0xbb),
        third_height: Height(height / 2),
        view: View(height + 3),
    }
}

/// A master as supervisors know it.
fn master_peer(member: u16, addresses: Vec<String>) -> PeerConfig {
    PeerConfig {
        member: MemberIndex(member),
        id: id_of(member),
        network_key: identity(seed_of(member)).public_key(),
        addresses,
    }
}

/// A port that knows `supervisors` of them.
fn port_config(member: u16, supervisors: u8) -> (SupervisorPortConfig, watch::Sender<StatusSummary>) {
    let (sender, status) = watch::channel(status(100 + u64::from(member)));
    let peer = |index| SupervisorPeer {
        id: supervisor_id(index),
        network_key: identity(supervisor_seed(index)).public_key(),
    };
    let config = SupervisorPortConfig {
        listen: LOOPBACK,
        local: identity(seed_of(member)),
        chain: CHAIN,
        node_id: id_of(member),
        supervisors: (0..supervisors).map(peer).collect(),
        status,
    };
    (config, sender)
}

/// Links of a supervisor to these masters, all of them.
fn links_config(index: u8, masters: &[&TestMaster]) -> (MasterLinksConfig, watch::Sender<StatusSummary>) {
    let (sender, status) = watch::channel(status(10 + u64::from(index)));
    let config = MasterLinksConfig {
        local: identity(supervisor_seed(index)),
        chain: CHAIN,
        node_id: supervisor_id(index),
        masters: masters
            .iter()
            .map(|master| master_peer(master.member, vec![master.handle.local_addr().to_string()]))
            .collect(),
        links: masters.len().max(1),
        status,
    };
    (config, sender)
}

struct TestMaster {
    member: u16,
    handle: SupervisorPortHandle,
    events: SupervisorEvents,
    status: watch::Sender<StatusSummary>,
}

impl TestMaster {
    /// A master with `supervisors` registered.
    fn start(member: u16, supervisors: u8) -> Self {
        Self::on(LOOPBACK, member, supervisors)
    }

    fn on(listen: SocketAddr, member: u16, supervisors: u8) -> Self {
        let (config, status) = port_config(member, supervisors);
        let (handle, events) = SupervisorPort::start(SupervisorPortConfig { listen, ..config }).unwrap();
        Self { member, handle, events, status }
    }

    async fn next(&mut self, what: &str) -> SupervisorEvent {
        let what = format!("{what} at master {}", self.member);
        within(&what, self.events.recv()).await.unwrap()
    }

    async fn connected(&mut self, index: u8) {
        match self.next("Connected").await {
            SupervisorEvent::Connected(id) if id == supervisor_id(index) => {}
            other => panic!("{other:?} instead of Connected({index})"),
        }
    }

    async fn disconnected(&mut self, index: u8) {
        match self.next("Disconnected").await {
            SupervisorEvent::Disconnected(id) if id == supervisor_id(index) => {}
            other => panic!("{other:?} instead of Disconnected({index})"),
        }
    }

    fn link(&self, index: u8) -> SupervisorLinkStatus {
        self.handle.supervisor(supervisor_id(index)).unwrap()
    }

    /// Waits until a supervisor's status is as wanted.
    async fn wait(
        &self,
        index: u8,
        what: &str,
        wanted: impl Fn(&SupervisorLinkStatus) -> bool,
    ) -> SupervisorLinkStatus {
        let mut changes = self.handle.changes();
        let wait = async {
            loop {
                changes.borrow_and_update();
                let status = self.link(index);
                if wanted(&status) {
                    return status;
                }
                changes.changed().await.unwrap();
            }
        };
        within(what, wait).await
    }

    /// Waits until a supervisor's last error contains a text, and returns it.
    async fn error(&self, index: u8, part: &str) -> String {
        let has = |status: &SupervisorLinkStatus| {
            status.last_error.as_ref().is_some_and(|text| text.contains(part))
        };
        self.wait(index, part, has).await.last_error.unwrap()
    }

    /// Answers every call from now on, as [`answer_to`] has it.
    fn serve(self) -> Serving {
        let Self { member, handle, mut events, status } = self;
        let task = tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                if let SupervisorEvent::Called { call, reply, .. } = event {
                    reply.send(answer_to(&call));
                }
            }
        });
        Serving { member, handle, _status: status, task }
    }
}

/// A master whose calls are answered by a task.
struct Serving {
    member: u16,
    handle: SupervisorPortHandle,
    _status: watch::Sender<StatusSummary>,
    task: JoinHandle<()>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The right answer to each call.
fn answer_to(call: &SupervisorCall) -> MasterReply {
    match call {
        SupervisorCall::Pull(PullRequest::Block { hash }) if *hash == B256::ZERO => {
            MasterReply::Pulled(Pulled::Nothing)
        }
        SupervisorCall::Pull(PullRequest::Block { .. }) => {
            MasterReply::Pulled(Pulled::Block(Arc::new(messages::block())))
        }
        SupervisorCall::Pull(PullRequest::Range { from }) => {
            let blocks = vec![messages::block(); usize::try_from(from.0).unwrap()];
            MasterReply::Pulled(Pulled::Range(Box::new(BlockRange { blocks, finalization: None })))
        }
        SupervisorCall::Seal(_) => MasterReply::Sealed,
        SupervisorCall::Candidates => MasterReply::Candidates(vec![messages::ticket(); 3]),
        SupervisorCall::Submit(bytes) if bytes.is_empty() => {
            MasterReply::Submitted(Err("transaction type not supported: \"\u{fffd}\"".into()))
        }
        SupervisorCall::Submit(bytes) => MasterReply::Submitted(Ok(B256::repeat_byte(bytes[0]))),
        SupervisorCall::Receipt(hash) if *hash == B256::ZERO => MasterReply::Receipt(None),
        SupervisorCall::Receipt(hash) => MasterReply::Receipt(Some(ReceiptSummary {
            height: Height(7),
            block_hash: *hash,
            succeeded: true,
            gas_used: 21_000,
            third_state: false,
        })),
        SupervisorCall::Status => MasterReply::Failed("the port answers this one".into()),
    }
}

struct TestSupervisor {
    index: u8,
    handle: MasterLinksHandle,
    events: MasterLinkEvents,
    status: watch::Sender<StatusSummary>,
}

impl TestSupervisor {
    fn start(index: u8, masters: &[&TestMaster]) -> Self {
        let (config, status) = links_config(index, masters);
        Self::with(index, config, status)
    }

    fn with(index: u8, config: MasterLinksConfig, status: watch::Sender<StatusSummary>) -> Self {
        let (handle, events) = MasterLinks::start(config).unwrap();
        Self { index, handle, events, status }
    }

    async fn next(&mut self, what: &str) -> MasterLinkEvent {
        let what = format!("{what} at supervisor {}", self.index);
        within(&what, self.events.recv()).await.unwrap()
    }

    async fn connected(&mut self, member: u16) {
        assert_eq!(self.next("Connected").await, MasterLinkEvent::Connected(MemberIndex(member)));
    }

    async fn disconnected(&mut self, member: u16) {
        assert_eq!(self.next("Disconnected").await, MasterLinkEvent::Disconnected(MemberIndex(member)));
    }

    /// Calls, and waits for the answer.
    async fn ask(&mut self, member: u16, id: u64, call: SupervisorCall) -> MasterReply {
        self.handle.call(MemberIndex(member), id, call);
        self.reply(member, id).await
    }

    async fn reply(&mut self, member: u16, expected: u64) -> MasterReply {
        match self.next("an answer").await {
            MasterLinkEvent::Replied { from, id, reply } => {
                assert_eq!((from, id), (MemberIndex(member), expected));
                reply
            }
            other => panic!("{other:?} instead of an answer"),
        }
    }

    fn link(&self, member: u16) -> MasterLinkStatus {
        self.handle.masters().into_iter().find(|status| status.member.0 == member).unwrap()
    }

    /// Waits until a master's status is as wanted.
    async fn wait(
        &self,
        member: u16,
        what: &str,
        wanted: impl Fn(&MasterLinkStatus) -> bool,
    ) -> MasterLinkStatus {
        let mut changes = self.handle.changes();
        let wait = async {
            loop {
                changes.borrow_and_update();
                let status = self.link(member);
                if wanted(&status) {
                    return status;
                }
                changes.changed().await.unwrap();
            }
        };
        within(what, wait).await
    }

    /// Waits until a master's last error contains a text, and returns it.
    async fn error(&self, member: u16, part: &str) -> String {
        let has =
            |status: &MasterLinkStatus| status.last_error.as_ref().is_some_and(|text| text.contains(part));
        self.wait(member, part, has).await.last_error.unwrap()
    }
}

/// One master and one supervisor, linked.
async fn pair() -> (TestMaster, TestSupervisor) {
    let mut master = TestMaster::start(0, 1);
    let mut supervisor = TestSupervisor::start(0, &[&master]);
    master.connected(0).await;
    supervisor.connected(0).await;
    (master, supervisor)
}

/// A supervisor made by hand: it speaks QUIC with a key and then whatever the test wants.
struct RawSupervisor {
    endpoint: Endpoint,
    identity: Arc<NetworkIdentity>,
    introduction: Introduction,
}

/// A link made by hand, after the hello.
struct RawLink {
    connection: Connection,
    send: SendStream,
    reader: super::stream::FrameReader,
}

impl RawSupervisor {
    fn new(index: u8) -> Self {
        Self::of(supervisor_seed(index), supervisor_id(index))
    }

    /// With this key, and claiming this identity.
    fn of(seed: u8, node_id: NodeId) -> Self {
        let (endpoint, _) = transport::outbound_endpoint().unwrap();
        let (_, status) = watch::channel(status(1));
        let introduction = Introduction { chain: CHAIN, node_id, status };
        Self { endpoint, identity: identity(seed), introduction }
    }

    /// TLS only.
    async fn connect(&self, to: &SupervisorPortHandle) -> Connection {
        self.try_connect(to, 0, &HOME_PROFILE).await.unwrap()
    }

    async fn try_connect(
        &self,
        to: &SupervisorPortHandle,
        member: u16,
        profile: &Profile,
    ) -> Result<Connection, LinkError> {
        self.connect_to(to.local_addr(), member, profile).await
    }

    async fn connect_to(
        &self,
        address: SocketAddr,
        member: u16,
        profile: &Profile,
    ) -> Result<Connection, LinkError> {
        let key = identity(seed_of(member)).public_key();
        let config = transport::client_config(&self.identity, key, profile).unwrap();
        let connecting = self.endpoint.connect_with(config, address, "btn").unwrap();
        within("TLS", connecting).await.map_err(Into::into)
    }

    /// TLS and a hello.
    async fn try_join(&self, to: &SupervisorPortHandle) -> Result<RawLink, LinkError> {
        self.join_with(to, &HOME_PROFILE).await
    }

    async fn join_with(&self, to: &SupervisorPortHandle, profile: &Profile) -> Result<RawLink, LinkError> {
        let connection = self.try_connect(to, 0, profile).await?;
        let counters = Arc::new(Counters::default());
        let opened = within("hello", self.introduction.ask(&connection, id_of(0), &counters)).await?;
        let mut reader = opened.reader;
        reader.hello_is_over(None);
        Ok(RawLink { connection, send: opened.send, reader })
    }

    async fn join(&self, to: &SupervisorPortHandle) -> RawLink {
        self.try_join(to).await.unwrap()
    }
}

impl RawLink {
    async fn write(&mut self, bytes: &[u8]) {
        within("room to write", self.send.write_all(bytes)).await.unwrap();
    }

    /// Sends a call.
    async fn call(&mut self, id: u8, call: &SupervisorCall) {
        self.write(&call_frame(id, call)).await;
    }
}

/// The frame of a call with a made-up id.
fn call_frame(id: u8, call: &SupervisorCall) -> bytes::Bytes {
    let (name, param) = encode_call(call).unwrap();
    encode_command(&remote_request(RequestId([id; 16]), name, param.as_deref())).unwrap()
}

fn place(height: u64) -> BlockPlace {
    BlockPlace {
        epoch: Epoch(0),
        view: View(height),
        parent_view: View(height - 1),
        height: Height(height),
        hash: B256::repeat_byte(0x11),
    }
}

fn proposed(height: u64) -> Announcement {
    Announcement::Proposed(place(height))
}

fn seal(byte: u8) -> Seal {
    Seal {
        supervisor: supervisor_id(0),
        core: B256::repeat_byte(byte),
        draw_signature: Bytes::from(vec![byte; 384]),
        block_hash: B256::repeat_byte(byte),
        signature: Bytes::from(vec![byte; 384]),
    }
}

fn receipt_of(byte: u8) -> SupervisorCall {
    SupervisorCall::Receipt(B256::repeat_byte(byte))
}

/// The process that a test starts with is one thread: time stands still and jumps to the next timer whenever
/// nothing is to be done, and packets on loopback arrive in no time.
async fn pass(time: std::time::Duration) {
    tokio::time::sleep(time).await;
}
