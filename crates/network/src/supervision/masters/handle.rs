//! The node's grip on its links to masters. Everything but shutdown works on any thread and never blocks.

use super::Shared;
use super::keeper::CallJob;
use super::master::{Master, Purpose};
use crate::config::check_addresses;
use crate::handle::{Running, canonical};
use crate::limits::supervision::MAX_CALLS;
use crate::supervision::Traffic;
use crate::{NetworkError, lock};
use btn_types::supervision::{StatusSummary, SupervisorCall};
use btn_types::{MemberIndex, NodeId};
use quinn::Connection;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;

/// How the link to one master stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterLinkStatus {
    /// Its place in the committee.
    pub member: MemberIndex,
    /// Its identity.
    pub id: NodeId,
    /// Whether a link stands that is meant to last.
    pub connected: bool,
    /// Whether a link stands that was made for a call.
    pub on_demand: bool,
    /// Where it is.
    pub address: Option<SocketAddr>,
    /// Since when a link stands, or not.
    pub since: SystemTime,
    /// Round-trip time as QUIC estimates it.
    pub rtt: Option<Duration>,
    /// Where it stood when it was asked last.
    pub reported: Option<StatusSummary>,
    /// Why no link stands, or why the last one ended; `None` while one stands.
    pub last_error: Option<String>,
    /// When it was dropped last, and why; kept when the time is over.
    pub dropped: Option<MasterBan>,
    /// What went over its links since the start.
    pub traffic: Traffic,
}

/// Why and until when a master is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterBan {
    /// What it did.
    pub reason: String,
    /// From then on it is dialled again; earlier only where no other master can be reached.
    pub until: SystemTime,
}

/// Handle of a supervisor's links. Cheap to clone; when the last clone is dropped the links end at once.
#[derive(Clone)]
pub struct MasterLinksHandle {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    calls: mpsc::Sender<CallJob>,
    shares: Arc<Semaphore>,
    running: Mutex<Option<Running>>,
}

impl std::fmt::Debug for MasterLinksHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MasterLinksHandle").finish_non_exhaustive()
    }
}

impl MasterLinksHandle {
    pub(crate) fn new(shared: Arc<Shared>, calls: mpsc::Sender<CallJob>, running: Running) -> Self {
        let shares = Arc::new(Semaphore::new(MAX_CALLS));
        Self { inner: Arc::new(Inner { shared, calls, shares, running: Mutex::new(Some(running)) }) }
    }

    /// Calls a master. Never blocks; exactly one [`MasterLinkEvent::Replied`] with this `id` follows, which is
    /// [`MasterReply::Failed`] after ten seconds, on a broken link, or where there is no link to a master.
    /// Everything but pulls and seals is worth dialling for: that link is hung up after 30 s without calls.
    /// Calls may overtake each other.
    ///
    /// [`MasterLinkEvent::Replied`]: crate::MasterLinkEvent::Replied
    /// [`MasterReply::Failed`]: btn_types::supervision::MasterReply::Failed
    pub fn call(&self, to: MemberIndex, id: u64, call: SupervisorCall) {
        let events = &self.inner.shared.events;
        let Ok(share) = Arc::clone(&self.inner.shares).try_acquire_owned() else {
            return events.refused(to, id, format!("{MAX_CALLS} calls wait for an answer already"));
        };
        let job = CallJob { to, id, call, since: Instant::now(), share };
        if self.inner.calls.try_send(job).is_err() {
            events.refused(to, id, "the links are shut down".into());
        }
    }

    /// Hangs up on a master that lied or stalled and leaves it alone for ten minutes; log and status say why.
    pub fn drop_master(&self, member: MemberIndex, reason: String) {
        if let Some(master) = self.inner.shared.masters.get(&member) {
            master.state().to_drop = Some(reason);
            self.inner.shared.wake.notify_one();
        }
    }

    /// Every master's state, by place in the committee.
    #[must_use]
    pub fn masters(&self) -> Vec<MasterLinkStatus> {
        self.inner.shared.masters.values().map(|master| status(master)).collect()
    }

    /// A counter that moves whenever a link begins, ends or fails, or a master is dropped or reports.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.shared.changes.subscribe()
    }

    /// Replaces a master's addresses; the next attempt to dial it may come at once.
    ///
    /// # Errors
    /// Unknown member, too many addresses, or one that is not `host:port`.
    pub fn set_addresses(&self, member: MemberIndex, addresses: Vec<String>) -> Result<(), NetworkError> {
        check_addresses(&addresses)?;
        let masters = &self.inner.shared.masters;
        let master = masters.get(&member).ok_or(NetworkError::UnknownMember(member))?;
        {
            let mut state = master.state();
            state.addresses = addresses;
            state.to_retry = true;
        }
        self.inner.shared.wake.notify_one();
        Ok(())
    }

    /// Tells every master goodbye and waits, within bounds, until the socket is free. A second call does nothing.
    pub async fn shutdown(&self) {
        let Some(running) = lock(&self.inner.running).take() else { return };
        running.say_goodbye(self.inner.connections());
        running.stop().await;
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(running) = lock(&self.running).take() {
            running.say_goodbye(self.connections());
        }
    }
}

impl Inner {
    fn connections(&self) -> impl Iterator<Item = Connection> {
        self.shared.masters.values().filter_map(|master| master.state().link.connection.clone())
    }
}

fn status(master: &Master) -> MasterLinkStatus {
    let state = master.state();
    let connection = state.link.connection.as_ref();
    let purpose = state.session.as_ref().map(|session| session.purpose);
    let dropped = state.banned.as_ref();
    MasterLinkStatus {
        member: master.member,
        id: master.id,
        connected: purpose == Some(Purpose::Kept),
        on_demand: purpose == Some(Purpose::OnDemand),
        address: connection.map(|connection| canonical(connection.remote_address())),
        since: state.link.since,
        rtt: connection.map(Connection::rtt),
        reported: state.reported,
        last_error: state.link.last_error.clone(),
        dropped: dropped.map(|ban| MasterBan { reason: ban.reason.clone(), until: ban.until }),
        traffic: master.counters.traffic(connection),
    }
}
