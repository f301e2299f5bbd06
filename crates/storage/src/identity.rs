//! Whose data it is: every file of a data directory names its chain and, where votes matter, its node.

use btn_types::{B256, NodeId};

/// The chain and the node that a data directory belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Hash of the genesis block.
    pub chain: B256,
    /// The node whose votes the journal holds.
    pub node_id: NodeId,
}
