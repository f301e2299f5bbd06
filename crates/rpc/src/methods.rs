//! The list of methods: name, most arguments, cost, function. Metrics use no label outside this list.

use crate::arguments::Arguments;
use crate::context::{Context, Cost, Json};
use crate::{RpcError, btn, eth, misc};
use jsonrpsee::RpcModule;
use jsonrpsee::server::RegisterMethodError;
use std::sync::Arc;

/// Answers one request.
pub(crate) type Handler = fn(&Context, &Arguments<'_>) -> Result<Json, RpcError>;

/// One line of the list.
pub(crate) struct Method {
    pub(crate) name: &'static str,
    most_arguments: usize,
    cost: Cost,
    run: Handler,
}

const fn method(name: &'static str, most_arguments: usize, cost: Cost, run: Handler) -> Method {
    Method { name, most_arguments, cost, run }
}

/// The one method that waits for somebody: it is registered apart.
pub(crate) const SEND_RAW_TRANSACTION: &str = "eth_sendRawTransaction";

/// All methods but [`SEND_RAW_TRANSACTION`].
pub(crate) const METHODS: &[Method] = &[
    method("btn_getCandidates", 0, Cost::Light, btn::view::get_candidates),
    method("btn_getCertificate", 1, Cost::Read, btn::get_certificate),
    method("btn_getCommittee", 1, Cost::Read, btn::get_committee),
    method("btn_getRawBlock", 1, Cost::Read, btn::get_raw_block),
    method("btn_getSeals", 1, Cost::Heavy, btn::seals::get_seals),
    method("btn_getSupervisors", 2, Cost::Read, btn::seals::get_supervisors),
    method("btn_getView", 0, Cost::Light, btn::view::get_view),
    method("btn_status", 0, Cost::Light, btn::status),
    method("eth_accounts", 0, Cost::Light, misc::accounts),
    method("eth_blockNumber", 0, Cost::Light, eth::block::number),
    method("eth_call", 4, Cost::Heavy, eth::call::call),
    method("eth_chainId", 0, Cost::Light, misc::chain_id),
    method("eth_estimateGas", 4, Cost::Heavy, eth::call::estimate_gas),
    method("eth_feeHistory", 3, Cost::Heavy, eth::fee::history),
    method("eth_gasPrice", 0, Cost::Read, eth::fee::gas_price),
    method("eth_getBalance", 2, Cost::Read, eth::state::balance),
    method("eth_getBlockByHash", 2, Cost::Read, eth::block::by_hash),
    method("eth_getBlockByNumber", 2, Cost::Read, eth::block::by_number),
    method("eth_getBlockTransactionCountByHash", 1, Cost::Read, eth::block::transaction_count_by_hash),
    method("eth_getBlockTransactionCountByNumber", 1, Cost::Read, eth::block::transaction_count_by_number),
    method("eth_getCode", 2, Cost::Read, eth::state::code),
    method("eth_getLogs", 1, Cost::Heavy, eth::logs::logs),
    method("eth_getStorageAt", 3, Cost::Read, eth::state::storage),
    method("eth_getTransactionByHash", 1, Cost::Read, eth::transaction::by_hash),
    method("eth_getTransactionCount", 2, Cost::Read, eth::state::transaction_count),
    method("eth_getTransactionReceipt", 1, Cost::Read, eth::transaction::receipt),
    method("eth_maxPriorityFeePerGas", 0, Cost::Read, eth::fee::max_priority_fee),
    method("eth_syncing", 0, Cost::Light, misc::syncing),
    method("net_listening", 0, Cost::Light, misc::listening),
    method("net_peerCount", 0, Cost::Light, misc::peer_count),
    method("net_version", 0, Cost::Light, misc::net_version),
    method("web3_clientVersion", 0, Cost::Light, misc::client_version),
    method("web3_sha3", 1, Cost::Light, misc::sha3),
];

/// Names of all methods served, in order.
pub fn method_names() -> Vec<&'static str> {
    let mut names: Vec<_> = METHODS.iter().map(|method| method.name).chain([SEND_RAW_TRANSACTION]).collect();
    names.sort_unstable();
    names
}

/// All methods, ready to be served.
pub(crate) fn module(context: Arc<Context>) -> Result<RpcModule<Context>, RegisterMethodError> {
    let mut module = RpcModule::from_arc(context);
    for method in METHODS {
        module.register_async_method(method.name, move |params, context, _| async move {
            let inner = Arc::clone(&context);
            context
                .workers
                .run(method.cost, move || {
                    let arguments = Arguments::parse(params.as_str(), method.most_arguments)?;
                    (method.run)(&inner, &arguments)
                })
                .await
        })?;
    }
    module.register_async_method(SEND_RAW_TRANSACTION, |params, context, _| {
        eth::transaction::send_raw(context, params)
    })?;
    Ok(module)
}
