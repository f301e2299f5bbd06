//! What a supervisor's links are started with.

use crate::config::check_addresses;
use crate::limits::supervision::MAX_LINKS;
use crate::{NetworkError, NetworkIdentity, PeerConfig};
use btn_types::limits::MAX_COMMITTEE_MEMBERS;
use btn_types::supervision::StatusSummary;
use btn_types::{B256, NodeId};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::watch;

/// Configuration of a supervisor's links to masters.
#[derive(Clone, Debug)]
pub struct MasterLinksConfig {
    /// The supervisor's network key.
    pub local: Arc<NetworkIdentity>,
    /// Hash of the genesis block.
    pub chain: B256,
    /// The supervisor's own identity.
    pub node_id: NodeId,
    /// All masters of the registry, with the addresses where they listen for supervisors.
    pub masters: Vec<PeerConfig>,
    /// How many of them to keep a link to, from 1 to [`MAX_LINKS`]; all of them where there are fewer.
    pub links: usize,
    /// Where this supervisor stands: told in the hello, and the answer to the masters' `status`.
    pub status: watch::Receiver<StatusSummary>,
}

impl MasterLinksConfig {
    /// Checks what no socket is needed for.
    pub(crate) fn check(&self) -> Result<(), NetworkError> {
        if self.links == 0 || self.links > MAX_LINKS {
            return Err(NetworkError::Links { actual: self.links, most: MAX_LINKS });
        }
        if self.masters.len() > MAX_COMMITTEE_MEMBERS {
            let (actual, most) = (self.masters.len(), MAX_COMMITTEE_MEMBERS);
            return Err(NetworkError::TooManyPeers { actual, most });
        }
        let mut members = BTreeSet::new();
        let mut ids = BTreeSet::from([self.node_id]);
        let mut keys = BTreeSet::from([self.local.public_key()]);
        for peer in &self.masters {
            let is_new = members.insert(peer.member) & ids.insert(peer.id) & keys.insert(peer.network_key);
            if !is_new {
                return Err(NetworkError::DuplicatePeer { member: peer.member, id: peer.id });
            }
            check_addresses(&peer.addresses)?;
        }
        Ok(())
    }
}
