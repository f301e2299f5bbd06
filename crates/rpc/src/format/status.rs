//! `btn_status` in JSON.

use super::SyncObject;
use crate::limits::MAX_STATUS_SUPERVISORS;
use crate::{NodeStatus, PeerInfo, Readiness, ReportedStatus, SealingInfo, SupervisorInfo};
use alloy_primitives::U64;
use btn_types::{B256, NodeId};
use serde::Serialize;

/// `btn_status`'s answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusObject<'a> {
    client_version: &'a str,
    chain_id: U64,
    genesis_hash: B256,
    node_id: NodeId,
    role: &'static str,
    observing: bool,
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_ready_reason: Option<String>,
    /// `false`, or the object of `eth_syncing`.
    syncing: SyncingObject,
    height: U64,
    hash: B256,
    state_root: B256,
    milli_timestamp: U64,
    third_height: U64,
    pending_height: U64,
    epoch: U64,
    view: U64,
    round: U64,
    pool_transactions: U64,
    peers: Vec<PeerObject>,
    /// How many are listed in `supervisors`, or would be if the list were not bounded.
    supervisors_registered: U64,
    supervisors_connected: U64,
    supervisors: Vec<SupervisorObject>,
    /// `null` on a master.
    sealing: Option<SealingObject>,
}

/// `false`, or how far.
#[derive(Serialize)]
#[serde(untagged)]
enum SyncingObject {
    Done(bool),
    Running(SyncObject),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PeerObject {
    index: U64,
    id: NodeId,
    connected: bool,
    address: Option<String>,
    rtt_ms: Option<U64>,
    last_error: Option<String>,
    dropped_reason: Option<String>,
}

impl From<PeerInfo> for PeerObject {
    fn from(peer: PeerInfo) -> Self {
        Self {
            index: U64::from(peer.member.0),
            id: peer.id,
            connected: peer.connected,
            address: peer.address,
            rtt_ms: peer.rtt_ms.map(U64::from),
            last_error: peer.last_error,
            dropped_reason: peer.dropped_reason,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SupervisorObject {
    id: NodeId,
    connected: bool,
    address: Option<String>,
    rtt_ms: Option<U64>,
    /// What the supervisor said of itself last.
    reported: Option<ReportedObject>,
    last_sealed_height: Option<U64>,
    last_error: Option<String>,
}

impl From<SupervisorInfo> for SupervisorObject {
    fn from(supervisor: SupervisorInfo) -> Self {
        Self {
            id: supervisor.id,
            connected: supervisor.connected,
            address: supervisor.address,
            rtt_ms: supervisor.rtt_ms.map(U64::from),
            reported: supervisor.reported.map(ReportedObject::from),
            last_sealed_height: supervisor.last_sealed_height.map(U64::from),
            last_error: supervisor.last_error,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReportedObject {
    height: U64,
    hash: B256,
    state_root: B256,
    third_height: U64,
}

impl From<ReportedStatus> for ReportedObject {
    fn from(reported: ReportedStatus) -> Self {
        Self {
            height: U64::from(reported.height),
            hash: reported.hash,
            state_root: reported.state_root,
            third_height: U64::from(reported.third_height),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SealingObject {
    sealing: bool,
    seals_made: U64,
    last_sealed_height: Option<U64>,
    alarm: Option<String>,
}

impl From<SealingInfo> for SealingObject {
    fn from(sealing: SealingInfo) -> Self {
        Self {
            sealing: sealing.sealing,
            seals_made: U64::from(sealing.seals_made),
            last_sealed_height: sealing.last_sealed_height.map(U64::from),
            alarm: sealing.alarm,
        }
    }
}

/// The supervisors that fit, ascending by id; where they do not all fit, connected ones first.
fn listed(mut supervisors: Vec<SupervisorInfo>) -> Vec<SupervisorObject> {
    if supervisors.len() > MAX_STATUS_SUPERVISORS {
        supervisors.sort_by_key(|supervisor| !supervisor.connected);
        supervisors.truncate(MAX_STATUS_SUPERVISORS);
    }
    supervisors.into_iter().map(SupervisorObject::from).collect()
}

impl<'a> StatusObject<'a> {
    pub(crate) fn new(
        status: NodeStatus,
        readiness: Readiness,
        chain_id: u64,
        genesis_hash: B256,
        client_version: &'a str,
    ) -> Self {
        let supervisors_connected =
            status.supervisors.iter().filter(|supervisor| supervisor.connected).count();
        let not_ready_reason = match readiness {
            Readiness::Ready => None,
            Readiness::NotReady { reason } => Some(reason),
        };
        let syncing = status.syncing.map(|progress| SyncingObject::Running(progress.into()));
        Self {
            client_version,
            chain_id: U64::from(chain_id),
            genesis_hash,
            node_id: status.node_id,
            role: status.role.as_str(),
            observing: status.observing,
            ready: not_ready_reason.is_none(),
            not_ready_reason,
            syncing: syncing.unwrap_or(SyncingObject::Done(false)),
            height: U64::from(status.height),
            hash: status.hash,
            state_root: status.state_root,
            milli_timestamp: U64::from(status.timestamp_ms),
            third_height: U64::from(status.third_height),
            pending_height: U64::from(status.pending_height),
            epoch: U64::from(status.epoch.0),
            view: U64::from(status.view.0),
            round: U64::from(status.round.0),
            pool_transactions: U64::from(status.pool_transactions),
            peers: status.peers.into_iter().map(PeerObject::from).collect(),
            supervisors_registered: U64::from(status.supervisors.len()),
            supervisors_connected: U64::from(supervisors_connected),
            supervisors: listed(status.supervisors),
            sealing: status.sealing.map(SealingObject::from),
        }
    }
}
