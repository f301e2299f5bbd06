//! Transactions: sending them, finding them, their receipts.

use crate::arguments::Arguments;
use crate::context::{Context, Cost, Json, json};
use crate::{RpcError, TransactionEntry, format};
use btn_execution::SignedTransaction;
use btn_types::{B256, Bytes};
use jsonrpsee::types::Params;
use serde_json::Value;
use std::sync::Arc;

/// `eth_sendRawTransaction`. Decoding and recovering the sender happens here, once, off the node's loop.
pub(crate) async fn send_raw(context: Arc<Context>, params: Params<'static>) -> Result<Json, RpcError> {
    let inner = Arc::clone(&context);
    let transaction = context.workers.run(Cost::Read, move || decode(&inner, &params)).await?;
    let hash = context.backend.submit(transaction).await?;
    json(&hash)
}

fn decode(context: &Context, params: &Params<'_>) -> Result<SignedTransaction, RpcError> {
    let bytes: Bytes = Arguments::parse(params.as_str(), 1)?.required(0)?;
    let refuse = |error: btn_execution::TransactionError| RpcError::server(error.to_string());
    let transaction = btn_execution::recover(&bytes).map_err(refuse)?;
    btn_execution::check_transaction(&transaction, context.backend.chain_spec()).map_err(refuse)?;
    Ok(transaction)
}

/// `eth_getTransactionByHash`: final, or accepted by this node.
pub(crate) fn by_hash(context: &Context, arguments: &Arguments<'_>) -> Result<Json, RpcError> {
    let hash: B256 = arguments.required(0)?;
    match context.backend.transaction(hash)? {
        None => json(&Value::Null),
        Some(TransactionEntry::Pending(transaction)) => json(&format::pending(*transaction)),
        Some(TransactionEntry::Final { block, index }) => {
            let sender = context.backend.sender(&block, index)?;
            json(&format::included(&block, index, sender))
        }
    }
}

/// `eth_getTransactionReceipt`: of final transactions only.
pub(crate) fn receipt(context: &Context, arguments: &Arguments<'_>) -> Result<Json, RpcError> {
    let hash: B256 = arguments.required(0)?;
    let Some(TransactionEntry::Final { block, index }) = context.backend.transaction(hash)? else {
        return json(&Value::Null);
    };
    let height = block.block.header.number;
    let receipts = context.backend.receipts(height)?;
    let missing = || RpcError::internal(format!("receipts of block {height} are missing"));
    let sender = context.backend.sender(&block, index)?;
    let receipt = format::receipt(&block, &receipts.ok_or_else(missing)?, index, sender);
    json(&receipt.ok_or_else(missing)?)
}
