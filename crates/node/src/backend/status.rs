//! Where the node stands, as `btn_status`, `btn_getView` and `/ready` show it.

use super::NodeBackend;
use crate::shared::{Picture, Standing};
use btn_chain::ChainView;
use btn_crypto::Supervisors;
use btn_network::{
    MasterLinkStatus, MasterLinksHandle, NetworkHandle, PeerStatus, SupervisorLinkStatus,
    SupervisorPortHandle,
};
use btn_rpc::{
    NodeRole, NodeStatus, PeerInfo, Readiness, ReportedStatus, SupervisorInfo, SyncProgress, ViewInfo,
};
use btn_types::supervision::StatusSummary;
use btn_types::{Epoch, Height, NodeId, Round};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// A node's links, by its level.
pub(crate) enum Links {
    /// A master's: to the other masters, and to supervisors where it serves any.
    Master { network: NetworkHandle, port: Option<SupervisorPortHandle> },
    /// A supervisor's: to masters.
    Supervisor(MasterLinksHandle),
}

impl Links {
    const fn role(&self) -> NodeRole {
        match self {
            Self::Master { .. } => NodeRole::Master,
            Self::Supervisor(_) => NodeRole::Supervisor,
        }
    }

    /// How many masters a supervisor is linked with; `None` on a master, which says the same by what is final.
    pub(super) fn up(&self) -> Option<usize> {
        match self {
            Self::Master { .. } => None,
            Self::Supervisor(links) => Some(links.masters().iter().filter(|master| master.connected).count()),
        }
    }

    fn peers(&self) -> Vec<PeerInfo> {
        match self {
            Self::Master { network, .. } => network.peers().into_iter().map(peer_info).collect(),
            Self::Supervisor(links) => {
                let now = SystemTime::now();
                links.masters().into_iter().map(|master| master_info(master, now)).collect()
            }
        }
    }

    /// All registered supervisors, ascending by id, as this master sees them.
    fn supervisors(&self, registered: &Supervisors, view: &ChainView) -> Vec<SupervisorInfo> {
        let Self::Master { port, .. } = self else { return Vec::new() };
        let linked = port.iter().flat_map(SupervisorPortHandle::supervisors);
        let mut linked: BTreeMap<NodeId, SupervisorLinkStatus> =
            linked.map(|status| (status.id, status)).collect();
        let last_sealed = view.last_sealed();
        let info = |id: &NodeId| supervisor_info(*id, linked.remove(id), last_sealed.get(id).copied());
        registered.ids().iter().map(info).collect()
    }
}

fn peer_info(peer: PeerStatus) -> PeerInfo {
    PeerInfo {
        member: peer.member,
        id: peer.id,
        connected: peer.connected,
        address: peer.address.map(|address| address.to_string()),
        rtt_ms: peer.rtt.and_then(milliseconds),
        last_error: peer.last_error,
        dropped_reason: None,
    }
}

/// A master as a supervisor sees it. Why it was dropped is shown as long as that lasts.
fn master_info(master: MasterLinkStatus, now: SystemTime) -> PeerInfo {
    PeerInfo {
        member: master.member,
        id: master.id,
        connected: master.connected,
        address: master.address.map(|address| address.to_string()),
        rtt_ms: master.rtt.and_then(milliseconds),
        last_error: master.last_error,
        dropped_reason: master.dropped.filter(|ban| ban.until > now).map(|ban| ban.reason),
    }
}

fn milliseconds(duration: Duration) -> Option<u64> {
    u64::try_from(duration.as_millis()).ok()
}

fn supervisor_info(
    id: NodeId,
    link: Option<SupervisorLinkStatus>,
    last_sealed: Option<Height>,
) -> SupervisorInfo {
    let last_sealed_height = last_sealed.map(|height| height.0);
    let Some(link) = link else {
        return SupervisorInfo {
            id,
            connected: false,
            address: None,
            rtt_ms: None,
            reported: None,
            last_sealed_height,
            last_error: None,
        };
    };
    SupervisorInfo {
        id,
        connected: link.connected,
        address: link.address.map(|address| address.to_string()),
        rtt_ms: link.rtt.and_then(milliseconds),
        reported: link.reported.map(reported),
        last_sealed_height,
        last_error: link.last_error,
    }
}

const fn reported(summary: StatusSummary) -> ReportedStatus {
    ReportedStatus {
        height: summary.height.0,
        hash: summary.hash,
        state_root: summary.state_root,
        third_height: summary.third_height.0,
    }
}

/// `btn_status`.
pub(super) fn node_status(backend: &NodeBackend) -> NodeStatus {
    let Picture { view, standing, .. } = backend.shared.picture();
    let height = standing.height.0;
    let syncing = standing.syncing.then(|| SyncProgress {
        starting_height: backend.shared.started_at_height,
        current_height: height,
        // Heights of blocks not yet here are unknown; at least one is missing.
        highest_height: height.saturating_add(1),
    });
    NodeStatus {
        node_id: backend.node_id,
        role: backend.links.role(),
        observing: !standing.signs,
        syncing,
        height,
        hash: standing.hash,
        state_root: view.latest_header().state_root,
        timestamp_ms: view.tip().timestamp_ms,
        third_height: standing.third_height.0,
        pending_height: view.head().height.0,
        epoch: backend.committee.epoch,
        view: standing.view,
        round: standing.round,
        pool_transactions: view.pool().len() as u64,
        peers: backend.links.peers(),
        supervisors: backend.links.supervisors(&backend.supervisors, &view),
        sealing: standing.sealing,
    }
}

/// `btn_getView`.
pub(super) fn view_info(picture: &Picture, epoch: Epoch) -> ViewInfo {
    let Standing { view, round, floor, height, third_height, .. } = picture.standing;
    ViewInfo {
        epoch,
        view,
        round: Round(round.0),
        floor,
        height: height.0,
        third_height: third_height.0,
        pending_height: picture.view.head().height.0,
    }
}

/// Whether users can be served: the newest final block is young, none is known to be missing, and a supervisor is
/// linked with a master.
pub(super) fn readiness(picture: &Picture, ready_within: Duration, links_up: Option<usize>) -> Readiness {
    let age = picture.finalized_at.map(|at| at.elapsed());
    match why_not_ready(&picture.standing, age, ready_within, links_up) {
        Some(reason) => Readiness::NotReady { reason },
        None => Readiness::Ready,
    }
}

fn why_not_ready(
    standing: &Standing,
    age: Option<Duration>,
    ready_within: Duration,
    links_up: Option<usize>,
) -> Option<String> {
    if links_up == Some(0) {
        return Some("no link to a master stands; `btn_status` says why".to_owned());
    }
    if standing.syncing {
        return Some(format!("catching up, {} so far", standing.height));
    }
    match age {
        None => Some("no block has become final since the start".to_owned()),
        Some(age) if age > ready_within => {
            Some(format!("the newest final block is {} s old; are enough masters up?", age.as_secs()))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use btn_types::{B256, View};

    fn standing(syncing: bool) -> Standing {
        Standing {
            view: View(9),
            round: Round(0),
            floor: View(8),
            signs: true,
            height: Height(7),
            hash: B256::ZERO,
            third_height: Height(6),
            head: B256::ZERO,
            syncing,
            sealing: None,
        }
    }

    #[test]
    fn a_node_is_ready_while_it_follows_and_a_supervisor_only_with_a_link() {
        let within = Duration::from_secs(10);
        let young = Some(Duration::from_secs(1));
        let why = |syncing, age, links| why_not_ready(&standing(syncing), age, within, links);
        for links in [None, Some(1)] {
            assert_eq!(why(false, young, links), None);
            assert!(why(true, young, links).unwrap().contains("catching up, 7"));
            assert!(why(false, None, links).unwrap().contains("since the start"));
            assert!(why(false, Some(Duration::from_secs(11)), links).unwrap().contains("11 s old"));
        }
        assert!(why(false, young, Some(0)).unwrap().contains("no link"));
    }

    #[test]
    fn a_registered_supervisor_without_a_link_is_shown_all_the_same() {
        let id = NodeId(B256::repeat_byte(1));
        let info = supervisor_info(id, None, Some(Height(5)));
        assert_eq!((info.id, info.connected, info.last_sealed_height), (id, false, Some(5)));
    }
}
