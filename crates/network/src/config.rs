//! What a network is started with, and the checks that catch a wrong configuration before a socket is opened.

use crate::limits::{MAX_ADDRESS_BYTES, MAX_ADDRESSES};
use crate::{NetworkError, NetworkIdentity};
use btn_types::limits::MAX_COMMITTEE_MEMBERS;
use btn_types::{B256, MemberIndex, NodeId};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

/// Configuration of the node's links.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// UDP address to listen on and to dial from. Port 0 takes any free port. `[::]` serves IPv6 and IPv4;
    /// an IPv4 address cannot reach peers that have IPv6 addresses only.
    pub listen: SocketAddr,
    /// The node's own network key.
    pub local: Arc<NetworkIdentity>,
    /// Hash of the genesis block: what makes two networks different.
    pub chain: B256,
    /// The node's own identity.
    pub node_id: NodeId,
    /// All other members. The node itself is not in the list.
    pub peers: Vec<PeerConfig>,
}

/// One other member.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// Its place in the committee: how events and `send` name it.
    pub member: MemberIndex,
    /// Its identity.
    pub id: NodeId,
    /// Its Ed25519 network key, 32 bytes, from the registry.
    pub network_key: B256,
    /// `host:port` with a DNS name, an IPv4 address or an IPv6 address in brackets; tried in this order.
    pub addresses: Vec<String>,
}

impl NetworkConfig {
    /// Checks what no socket is needed for.
    pub(crate) fn check(&self) -> Result<(), NetworkError> {
        if self.peers.len() >= MAX_COMMITTEE_MEMBERS {
            return Err(NetworkError::TooManyPeers {
                actual: self.peers.len(),
                most: MAX_COMMITTEE_MEMBERS - 1,
            });
        }
        let (mut members, mut ids, mut keys) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        ids.insert(self.node_id);
        keys.insert(self.local.public_key());
        for peer in &self.peers {
            let fresh = members.insert(peer.member) & ids.insert(peer.id) & keys.insert(peer.network_key);
            if !fresh {
                return Err(NetworkError::DuplicatePeer { member: peer.member, id: peer.id });
            }
            check_addresses(&peer.addresses)?;
        }
        Ok(())
    }
}

/// Checks number and form of a peer's addresses.
pub(crate) fn check_addresses(addresses: &[String]) -> Result<(), NetworkError> {
    if addresses.len() > MAX_ADDRESSES {
        return Err(NetworkError::TooManyAddresses { actual: addresses.len(), most: MAX_ADDRESSES });
    }
    for address in addresses {
        let port = address.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if address.len() > MAX_ADDRESS_BYTES || !matches!(port, Some(Ok(1..))) {
            let shown = address.chars().take(MAX_ADDRESS_BYTES).collect();
            return Err(NetworkError::Address { address: shown });
        }
    }
    Ok(())
}
