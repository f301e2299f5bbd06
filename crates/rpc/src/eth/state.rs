//! Accounts: balance, nonce, code, storage. Only the newest state is kept, the backend says what there is.

use crate::arguments::{Arguments, BlockReference, StorageKey};
use crate::context::{Context, Json, json, quantity};
use crate::{BlockSelector, RpcError, StateAt};
use alloy_primitives::KECCAK256_EMPTY;
use btn_types::{Account, Address, B256, Bytes};

/// The block named at a place; `latest` where none is.
pub(crate) fn selector(arguments: &Arguments<'_>, place: usize) -> Result<BlockSelector, RpcError> {
    let reference: Option<BlockReference> = arguments.optional(place)?;
    Ok(reference.map_or(BlockSelector::Latest, |BlockReference(selector)| selector))
}

fn account(at: &StateAt<'_>, address: Address) -> Result<Account, RpcError> {
    Ok(at.state.account(address)?.unwrap_or_default())
}

/// `eth_getBalance`
pub(crate) fn balance(context: &Context, arguments: &Arguments<'_>) -> Result<Json, RpcError> {
    let address = arguments.required(0)?;
    let at = context.backend.state(selector(arguments, 1)?)?;
    json(&account(&at, address)?.balance)
}

/// `eth_getTransactionCount`: with `pending` everything that this node accepted counts.
pub(crate) fn transaction_count(context: &Context, arguments: &Arguments<'_>) -> Result<Json, RpcError> {
    let address = arguments.required(0)?;
    match selector(arguments, 1)? {
        BlockSelector::Pending => quantity(context.backend.pending_nonce(address)?),
        selector => quantity(account(&context.backend.state(selector)?, address)?.nonce),
    }
}

/// `eth_getCode`
pub(crate) fn code(context: &Context, arguments: &Arguments<'_>) -> Result<Json, RpcError> {
    let address = arguments.required(0)?;
    let at = context.backend.state(selector(arguments, 1)?)?;
    let code_hash = account(&at, address)?.code_hash;
    if code_hash == KECCAK256_EMPTY {
        return json(&Bytes::new());
    }
    let missing = || RpcError::internal(format!("code {code_hash} of account {address} is missing"));
    json(&at.state.code(code_hash)?.ok_or_else(missing)?)
}

/// `eth_getStorageAt`
pub(crate) fn storage(context: &Context, arguments: &Arguments<'_>) -> Result<Json, RpcError> {
    let address = arguments.required(0)?;
    let StorageKey(slot) = arguments.required(1)?;
    let at = context.backend.state(selector(arguments, 2)?)?;
    json(&B256::from(at.state.storage(address, slot)?))
}
