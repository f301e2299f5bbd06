//! What a supervisor port is started with.

use crate::{NetworkError, NetworkIdentity};
use btn_types::limits::MAX_SUPERVISORS;
use btn_types::supervision::StatusSummary;
use btn_types::{B256, NodeId};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// Configuration of a master's port for supervisors.
#[derive(Clone, Debug)]
pub struct SupervisorPortConfig {
    /// UDP address to listen on, another than the masters' one. Port 0 takes any free port.
    pub listen: SocketAddr,
    /// The master's network key, the same as between masters.
    pub local: Arc<NetworkIdentity>,
    /// Hash of the genesis block.
    pub chain: B256,
    /// The master's own identity.
    pub node_id: NodeId,
    /// The supervisors of the registry. Nobody else is let in.
    pub supervisors: Vec<SupervisorPeer>,
    /// Where this master stands: told in the hello, and the answer to the supervisors' `status`.
    pub status: watch::Receiver<StatusSummary>,
}

/// One registered supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SupervisorPeer {
    /// Its identity.
    pub id: NodeId,
    /// Its Ed25519 network key, 32 bytes, from the registry.
    pub network_key: B256,
}

impl SupervisorPortConfig {
    /// Checks what no socket is needed for.
    pub(crate) fn check(&self) -> Result<(), NetworkError> {
        if self.supervisors.len() > MAX_SUPERVISORS {
            let (actual, most) = (self.supervisors.len(), MAX_SUPERVISORS);
            return Err(NetworkError::TooManySupervisors { actual, most });
        }
        let mut ids = BTreeSet::from([self.node_id]);
        let mut keys = BTreeSet::from([self.local.public_key()]);
        for peer in &self.supervisors {
            if !(ids.insert(peer.id) & keys.insert(peer.network_key)) {
                return Err(NetworkError::DuplicateSupervisor(peer.id));
            }
        }
        Ok(())
    }
}
