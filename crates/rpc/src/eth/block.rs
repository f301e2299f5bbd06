//! Blocks: the newest height, whole blocks, transaction counts.

use crate::arguments::{Arguments, BlockNumber};
use crate::context::{Context, Json, json, quantity};
use crate::format::block_object;
use crate::{BlockSelector, RpcError};
use btn_types::B256;
use serde_json::Value;

/// `eth_blockNumber`: height of the newest finalised block.
pub(crate) fn number(context: &Context, _: &Arguments<'_>) -> Result<Json, RpcError> {
    quantity(context.backend.latest_height())
}

/// `eth_getBlockByNumber`
pub(crate) fn by_number(context: &Context, arguments: &Arguments<'_>) -> Result<Json, RpcError> {
    let BlockNumber(selector) = arguments.required(0)?;
    block(context, selector, arguments.required(1)?)
}

/// `eth_getBlockByHash`
pub(crate) fn by_hash(context: &Context, arguments: &Arguments<'_>) -> Result<Json, RpcError> {
    let hash: B256 = arguments.required(0)?;
    block(context, BlockSelector::Hash(hash), arguments.required(1)?)
}

fn block(context: &Context, selector: BlockSelector, full: bool) -> Result<Json, RpcError> {
    let Some(entry) = context.backend.block(selector)? else { return json(&Value::Null) };
    let senders = if full { Some(context.backend.senders(&entry)?) } else { None };
    let object = block_object(&entry, senders.as_deref());
    if selector != BlockSelector::Pending {
        return json(&object);
    }
    // As geth does: what may still change has no name of its own yet.
    let mut value = serde_json::to_value(&object).map_err(RpcError::internal)?;
    for field in ["hash", "nonce", "miner"] {
        value[field] = Value::Null;
    }
    json(&value)
}

/// `eth_getBlockTransactionCountByNumber`
pub(crate) fn transaction_count_by_number(
    context: &Context,
    arguments: &Arguments<'_>,
) -> Result<Json, RpcError> {
    let BlockNumber(selector) = arguments.required(0)?;
    transaction_count(context, selector)
}

/// `eth_getBlockTransactionCountByHash`
pub(crate) fn transaction_count_by_hash(
    context: &Context,
    arguments: &Arguments<'_>,
) -> Result<Json, RpcError> {
    transaction_count(context, BlockSelector::Hash(arguments.required(0)?))
}

fn transaction_count(context: &Context, selector: BlockSelector) -> Result<Json, RpcError> {
    match context.backend.block(selector)? {
        None => json(&Value::Null),
        Some(entry) => quantity(entry.block.transactions.len() as u64),
    }
}
