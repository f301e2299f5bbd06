//! Small methods: chain id, syncing, `net_*` and `web3_*`.

use crate::RpcError;
use crate::arguments::Arguments;
use crate::context::{Context, Json, json, quantity};
use crate::format::SyncObject;
use alloy_primitives::keccak256;
use btn_types::Bytes;

/// `eth_chainId`
pub(crate) fn chain_id(context: &Context, _: &Arguments<'_>) -> Result<Json, RpcError> {
    quantity(context.backend.chain_spec().chain_id)
}

/// `net_version`: the chain id in decimal.
pub(crate) fn net_version(context: &Context, _: &Arguments<'_>) -> Result<Json, RpcError> {
    json(&context.backend.chain_spec().chain_id.to_string())
}

/// `net_listening`
pub(crate) fn listening(_: &Context, _: &Arguments<'_>) -> Result<Json, RpcError> {
    json(&true)
}

/// `net_peerCount`: connections that stand.
pub(crate) fn peer_count(context: &Context, _: &Arguments<'_>) -> Result<Json, RpcError> {
    let peers = context.backend.status().peers;
    quantity(peers.iter().filter(|peer| peer.connected).count() as u64)
}

/// `eth_accounts`: the node holds no users' keys.
pub(crate) fn accounts(_: &Context, _: &Arguments<'_>) -> Result<Json, RpcError> {
    json::<[(); 0]>(&[])
}

/// `eth_syncing`: `false`, or how far.
pub(crate) fn syncing(context: &Context, _: &Arguments<'_>) -> Result<Json, RpcError> {
    match context.backend.status().syncing {
        None => json(&false),
        Some(progress) => json(&SyncObject::from(progress)),
    }
}

/// `web3_clientVersion`
pub(crate) fn client_version(context: &Context, _: &Arguments<'_>) -> Result<Json, RpcError> {
    json(&context.config.client_version)
}

/// `web3_sha3`: keccak256 of the data.
pub(crate) fn sha3(_: &Context, arguments: &Arguments<'_>) -> Result<Json, RpcError> {
    json(&keccak256(arguments.required::<Bytes>(0)?))
}
