//! One master as a supervisor knows it: how to reach it, its link, and what is held against it.

use super::Shared;
use super::health::Health;
use crate::limits::supervision::{CALL_TIMEOUT, MASTER_BAN, MAX_CALLS_IN_SERVICE, MAX_PULLS_IN_FLIGHT};
use crate::link_state::LinkState;
use crate::supervision::calls::{CallFailure, RemoteCalls};
use crate::supervision::counters::Counters;
use crate::{LinkError, PeerConfig, lock, metric_names};
use btn_types::supervision::{MasterReply, StatusSummary, SupervisorCall};
use btn_types::{MemberIndex, NodeId};
use quinn::{ClientConfig, Connection};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, timeout};

/// One master.
pub(crate) struct Master {
    pub member: MemberIndex,
    pub id: NodeId,
    pub quic: ClientConfig,
    pub counters: Arc<Counters>,
    state: Mutex<State>,
}

/// What changes about a master.
pub(crate) struct State {
    pub addresses: Vec<String>,
    pub link: LinkState,
    pub session: Option<Arc<Session>>,
    pub banned: Option<Ban>,
    pub reported: Option<StatusSummary>,
    /// The node wants it dropped for this reason.
    pub to_drop: Option<String>,
    /// Its addresses are new.
    pub to_retry: bool,
}

/// Why and until when a master is left alone.
#[derive(Clone, Debug)]
pub(crate) struct Ban {
    pub reason: String,
    pub until: SystemTime,
}

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// One of the links that a supervisor keeps.
    Kept,
    /// Made for a call, hung up when calls have ceased.
    OnDemand,
}

/// A standing link.
pub(crate) struct Session {
    pub connection: Connection,
    pub purpose: Purpose,
    pub calls: RemoteCalls,
    pub health: Mutex<Health>,
    /// When the last call began or ended.
    last_call: Mutex<Instant>,
    pulls: Semaphore,
    others: Semaphore,
    end: mpsc::Sender<LinkError>,
}

impl Session {
    pub(crate) fn new(
        connection: Connection,
        purpose: Purpose,
        calls: RemoteCalls,
        end: mpsc::Sender<LinkError>,
    ) -> Self {
        let now = Instant::now();
        Self {
            connection,
            purpose,
            calls,
            health: Mutex::new(Health::new(now)),
            last_call: Mutex::new(now),
            pulls: Semaphore::new(MAX_PULLS_IN_FLIGHT),
            others: Semaphore::new(MAX_CALLS_IN_SERVICE),
            end,
        }
    }

    /// Ends the link for this reason.
    pub(crate) fn end(&self, reason: LinkError) {
        // Where another reason waits already, that one counts.
        let _ = self.end.try_send(reason);
    }

    /// Asks, within the number of calls that the master takes from one supervisor, and notes what it says about
    /// the link. Anything but an answer is [`MasterReply::Failed`].
    pub(crate) async fn ask(&self, call: &SupervisorCall) -> MasterReply {
        *lock(&self.last_call) = Instant::now();
        let places = match call {
            SupervisorCall::Pull(_) => &self.pulls,
            _ => &self.others,
        };
        let Ok(Ok(_place)) = timeout(CALL_TIMEOUT, places.acquire()).await else {
            return MasterReply::Failed("the calls before this one took too long".into());
        };
        let outcome = self.calls.ask(call).await;
        let now = Instant::now();
        *lock(&self.last_call) = now;
        self.note(&outcome, now);
        outcome.unwrap_or_else(|failure| MasterReply::Failed(shortened(failure.to_string())))
    }

    /// [`Self::ask`] for the links' own `status`, which needs no place.
    pub(crate) async fn probe(&self) -> Option<StatusSummary> {
        let outcome = self.calls.ask(&SupervisorCall::Status).await;
        self.note(&outcome, Instant::now());
        match outcome {
            Ok(MasterReply::Status(status)) => Some(status),
            _ => None,
        }
    }

    fn note(&self, outcome: &Result<MasterReply, CallFailure>, now: Instant) {
        match outcome {
            Ok(_) => lock(&self.health).answered(now),
            Err(failure) if failure.is_silence() => lock(&self.health).unanswered(),
            Err(CallFailure::Malformed(error)) => self.end(LinkError::NoCommand(error.to_string())),
            Err(_) => {}
        }
    }

    /// When the last call began or ended.
    pub(crate) fn last_call(&self) -> Instant {
        *lock(&self.last_call)
    }
}

/// The text of R-069 repeats the whole request, which may be half a megabyte of hex.
fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(btn_command::MAX_TEXT_BYTES));
    text
}

impl Master {
    pub(crate) fn new(config: &PeerConfig, quic: ClientConfig) -> Self {
        let state = State {
            addresses: config.addresses.clone(),
            link: LinkState::default(),
            session: None,
            banned: None,
            reported: None,
            to_drop: None,
            to_retry: false,
        };
        let (member, id) = (config.member, config.id);
        Self { member, id, quic, counters: Arc::default(), state: Mutex::new(state) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Notes why no link came to stand, and logs it unless it is what was logged last.
    pub(crate) fn refused(&self, error: &LinkError, address: Option<SocketAddr>) {
        let is_news = self.state().link.refused(error);
        let (member, id) = (self.member.0, self.id.short());
        let address = address.map(tracing::field::display);
        metric_names::supervision_refused(if error.is_unreachable() { "unreachable" } else { "refused" });
        match (is_news, error.is_unreachable()) {
            (true, true) => tracing::info!(member, id, address, "no link to this master yet: {error}"),
            (true, false) => tracing::warn!(member, id, address, "no link to this master: {error}"),
            (false, _) => tracing::debug!(member, id, address, "still no link to this master: {error}"),
        }
    }

    /// Notes a ban and logs it.
    pub(crate) fn ban(&self, reason: &str) {
        let until = SystemTime::now() + MASTER_BAN;
        self.state().banned = Some(Ban { reason: reason.to_owned(), until });
        metric_names::master_dropped();
        let (member, id, minutes) = (self.member.0, self.id.short(), MASTER_BAN.as_secs() / 60);
        tracing::warn!(member, id, "master dropped for {minutes} minutes: {reason}");
    }
}

/// Marks a master as linked for as long as it lives, also when its task is aborted.
pub(crate) struct Linked<'a> {
    shared: &'a Shared,
    master: &'a Master,
    session: Arc<Session>,
}

impl<'a> Linked<'a> {
    pub(crate) fn new(shared: &'a Shared, master: &'a Master, session: Arc<Session>) -> Self {
        let address = session.connection.remote_address();
        {
            let mut state = master.state();
            state.link.connected(&session.connection);
            state.session = Some(Arc::clone(&session));
        }
        metric_names::supervision_connected();
        shared.changed();
        let (member, id, purpose) = (master.member.0, master.id.short(), session.purpose);
        tracing::info!(member, id, %address, ?purpose, "linked to master");
        Self { shared, master, session }
    }

    /// Notes why the link ended, and logs it.
    pub(crate) fn ended(&self, error: &LinkError) {
        let is_news = {
            let mut state = self.master.state();
            // Of a link that gave way to a newer one there is nothing to tell.
            let is_newest = state.session.as_ref().is_some_and(|session| Arc::ptr_eq(session, &self.session));
            is_newest && state.link.ended(error)
        };
        metric_names::supervision_ended(error.end_label());
        let (member, id) = (self.master.member.0, self.master.id.short());
        match (is_news, error.is_violation()) {
            (true, true) => tracing::warn!(member, id, "link to master closed: {error}"),
            (true, false) => tracing::info!(member, id, "link to master ended: {error}"),
            (false, _) => tracing::debug!(member, id, "link to master ended again: {error}"),
        }
    }
}

impl Drop for Linked<'_> {
    fn drop(&mut self) {
        self.session.calls.close();
        {
            let mut state = self.master.state();
            // A newer link may stand already.
            if state.session.as_ref().is_some_and(|session| Arc::ptr_eq(session, &self.session)) {
                state.session = None;
                state.link.gone();
            }
        }
        self.master.counters.link_ended(&self.session.connection);
        metric_names::supervision_disconnected();
        self.shared.changed();
    }
}
