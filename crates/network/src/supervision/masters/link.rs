//! One link of a supervisor from dialling to end: readers of both streams, a writer, and whoever watches over it.

use super::Shared;
use super::event::MasterLinkEvent;
use super::master::{Linked, Master, Purpose, Session};
use crate::LinkError;
use crate::dial::{Greeting, Sockets};
use crate::limits::supervision::{
    ANNOUNCEMENTS_BURST, ANNOUNCEMENTS_PER_SECOND, MAX_FRAMES_WAITING, ON_DEMAND_IDLE, STATUS_PROBE,
};
use crate::lock;
use crate::supervision::bucket::Bucket;
use crate::supervision::calls::RemoteCalls;
use crate::supervision::counters::Counters;
use crate::supervision::hello::{Introduction, Opened};
use crate::supervision::stream::{FrameReader, write_frame};
use btn_command::{Frame, Incoming, RemoteRequest, Request, encode_command, encode_reply, failure_reply};
use btn_types::supervision::{Announcement, MasterReply, SupervisorCall};
use btn_types::{MemberIndex, NodeId};
use bytes::Bytes;
use quinn::{Connection, SendStream};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// What became of an attempt.
pub(crate) enum Outcome {
    /// No link came to stand.
    Refused(LinkError, Option<SocketAddr>),
    /// A link stood this long.
    Ended(LinkError, Duration),
    /// The node takes no events any more.
    NobodyListens,
}

/// Greets the master that is expected at the other end.
struct HomeGreeting<'a> {
    introduction: &'a Introduction,
    expected: NodeId,
    counters: &'a Arc<Counters>,
}

impl Greeting for HomeGreeting<'_> {
    type Greeted = Opened;

    async fn greet(&self, connection: &Connection) -> Result<Opened, LinkError> {
        self.introduction.ask(connection, self.expected, self.counters).await
    }
}

/// Dials a master, and where it answers, carries the link to its end. `established` hears that the link stands.
pub(crate) async fn attempt(
    shared: &Arc<Shared>,
    sockets: &Sockets,
    master: &Arc<Master>,
    purpose: Purpose,
    patience: Duration,
    established: mpsc::Sender<(MemberIndex, Purpose)>,
) -> Outcome {
    let addresses = master.state().addresses.clone();
    let greeting =
        HomeGreeting { introduction: &shared.introduction, expected: master.id, counters: &master.counters };
    let made = sockets.attempt(&master.quic, &addresses, patience, &greeting).await;
    let (connection, opened) = match made {
        Ok(made) => made,
        Err((error, address)) => return Outcome::Refused(error, address),
    };
    let started = Instant::now();
    let (frames, waiting_frames) = mpsc::channel(MAX_FRAMES_WAITING);
    let (end, ends) = mpsc::channel(1);
    let calls = RemoteCalls::new(frames.clone());
    let session = Arc::new(Session::new(connection, purpose, calls, end));
    let linked = Linked::new(shared, master, Arc::clone(&session));
    // The keeper listens for as long as this task lives.
    let _ = established.send((master.member, purpose)).await;
    let link = Link { shared: Arc::clone(shared), master: Arc::clone(master), session, frames };
    if link.tell(MasterLinkEvent::Connected(master.member)).await.is_none() {
        return Outcome::NobodyListens;
    }
    let error = link.run(opened, waiting_frames, ends).await;
    linked.ended(&error);
    drop(linked);
    match link.tell(MasterLinkEvent::Disconnected(master.member)).await {
        Some(()) => Outcome::Ended(error, started.elapsed()),
        None => Outcome::NobodyListens,
    }
}

/// What the tasks of a link share.
#[derive(Clone)]
struct Link {
    shared: Arc<Shared>,
    master: Arc<Master>,
    session: Arc<Session>,
    frames: mpsc::Sender<Bytes>,
}

impl Link {
    /// Tells the node of a link that is kept. `None` = nobody listens.
    async fn tell(&self, event: MasterLinkEvent) -> Option<()> {
        match self.session.purpose {
            Purpose::Kept => self.shared.events.send(event).await.ok(),
            Purpose::OnDemand => Some(()),
        }
    }

    /// Carries the link until it ends, closes it where it is still open, and says why. No task is left.
    async fn run(
        &self,
        mut opened: Opened,
        waiting_frames: mpsc::Receiver<Bytes>,
        mut ends: mpsc::Receiver<LinkError>,
    ) -> LinkError {
        let connection = &self.session.connection;
        opened.reader.hello_is_over(None);
        let mut tasks = JoinSet::new();
        tasks.spawn(self.clone().read_commands(opened.reader));
        tasks.spawn(self.clone().read_bodies());
        tasks.spawn(write(opened.send, waiting_frames, Arc::clone(&self.master.counters)));
        tasks.spawn(self.clone().watch());
        let error = tokio::select! {
            Some(result) = tasks.join_next() => {
                result.unwrap_or_else(|error| LinkError::Lost(format!("a task of the link failed: {error}")))
            }
            Some(error) = ends.recv() => error,
            error = connection.closed() => error.into(),
        };
        error.close(connection);
        tasks.shutdown().await;
        error
    }

    async fn read_commands(self, mut reader: FrameReader) -> LinkError {
        let now = Instant::now();
        let mut budget = Bucket::new(ANNOUNCEMENTS_PER_SECOND, ANNOUNCEMENTS_BURST, now);
        loop {
            sleep(budget.wait(Instant::now())).await;
            match reader.next().await {
                Ok((frame, _)) => {
                    budget.spend(1, Instant::now());
                    if let Err(error) = self.take(frame).await {
                        return error;
                    }
                }
                Err(error) => return error,
            }
        }
    }

    async fn take(&self, frame: Frame) -> Result<(), LinkError> {
        let command = match frame {
            Frame::Command { command, .. } => command,
            Frame::Blob { id, bytes } => return self.session.calls.body(id, bytes),
        };
        match Incoming::read(&command)? {
            Incoming::Announcement(announcement) => self.announced(announcement).await,
            Incoming::Response(response) => self.session.calls.answer(response),
            Incoming::Request(request) => self.answer(&request).await,
            Incoming::Unknown => Ok(()),
        }
    }

    /// Hands an announcement to the node, and waits while it has too many: then only this master waits with us.
    async fn announced(&self, announcement: Announcement) -> Result<(), LinkError> {
        lock(&self.session.health).announced(Instant::now());
        let from = self.master.member;
        let event = MasterLinkEvent::Announced { from, announcement };
        self.tell(event).await.ok_or(LinkError::ShuttingDown)
    }

    /// A master may ask for the status, and for nothing else.
    async fn answer(&self, request: &RemoteRequest) -> Result<(), LinkError> {
        let answer = match Request::decode(request) {
            Ok(Request::Call(SupervisorCall::Status)) => {
                let status = *self.shared.introduction.status.borrow();
                encode_reply(request.id, &MasterReply::Status(status))?.command
            }
            Ok(_) => failure_reply(request.id, "a supervisor answers `status` alone"),
            Err(error) => failure_reply(request.id, &error.to_string()),
        };
        let frame = encode_command(&answer)?;
        self.frames.send(frame).await.map_err(|_| LinkError::ShuttingDown)
    }

    async fn read_bodies(self) -> LinkError {
        let stream = match self.session.connection.accept_uni().await {
            Ok(stream) => stream,
            Err(error) => return error.into(),
        };
        let mut reader = FrameReader::of_bodies(stream, Arc::clone(&self.master.counters));
        loop {
            let taken = match reader.next().await {
                Ok((Frame::Blob { id, bytes }, _)) => self.session.calls.body(id, bytes),
                Ok(_) => Err(LinkError::OutOfOrder("a command on the stream of bodies")),
                Err(error) => Err(error),
            };
            if let Err(error) = taken {
                return error;
            }
        }
    }

    /// Asks a silent master for its status; hangs up a link that was made for a call when calls have ceased.
    async fn watch(self) -> LinkError {
        match self.session.purpose {
            Purpose::Kept => self.probe().await,
            Purpose::OnDemand => loop {
                let idle_at = self.session.last_call() + ON_DEMAND_IDLE;
                if Instant::now() >= idle_at {
                    return LinkError::HungUp;
                }
                sleep_until(idle_at).await;
            },
        }
    }

    async fn probe(&self) -> LinkError {
        // The first question comes at once, so that the master's status is known.
        let mut due = Instant::now();
        loop {
            sleep_until(due).await;
            let heard = lock(&self.session.health).last_heard();
            if self.master.state().reported.is_some() && heard + STATUS_PROBE > Instant::now() {
                due = heard + STATUS_PROBE;
                continue;
            }
            if let Some(status) = self.session.probe().await {
                self.master.state().reported = Some(status);
                self.shared.changed();
            }
            due = Instant::now() + STATUS_PROBE;
        }
    }
}

/// Writes the command stream.
async fn write(
    mut stream: SendStream,
    mut frames: mpsc::Receiver<Bytes>,
    counters: Arc<Counters>,
) -> LinkError {
    while let Some(frame) = frames.recv().await {
        if let Err(error) = write_frame(&mut stream, frame, "command", &counters).await {
            return error;
        }
    }
    LinkError::ShuttingDown
}
