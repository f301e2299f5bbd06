//! `eth_call` and `eth_estimateGas`.

use super::state::selector;
use crate::arguments::{Argument, Arguments};
use crate::context::{Context, Json, json, quantity};
use crate::{RpcError, StateAt};
use alloy_rpc_types_eth::TransactionRequest;
use btn_execution::{CallEnvironment, CallRequest, CallStatus, EstimateError, ExecutionError, RPC_GAS_CAP};

impl Argument for TransactionRequest {
    fn read(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }
}

/// An argument that this version cannot honour, and must therefore not pretend to.
struct Override;

impl Argument for Override {
    fn read(json: &str) -> Result<Self, String> {
        let empty = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(json)
            .is_ok_and(|object| object.is_empty());
        if empty {
            Ok(Self)
        } else {
            Err("state and block overrides are not supported by this node".to_owned())
        }
    }
}

/// `eth_call`
pub(crate) fn call(context: &Context, arguments: &Arguments<'_>) -> Result<Json, RpcError> {
    let (request, at) = prepare(context, arguments)?;
    let spec = context.backend.chain_spec();
    let outcome =
        btn_execution::call(spec, &environment(&at), &request, &*at.state).map_err(|error| match error {
            ExecutionError::Call(reason) => {
                let gas = request.gas.unwrap_or(RPC_GAS_CAP).min(RPC_GAS_CAP);
                RpcError::server(format!("err: {reason} (supplied gas {gas})"))
            }
            fault => RpcError::internal(fault),
        })?;
    match outcome.status {
        CallStatus::Success => json(&outcome.output),
        CallStatus::Revert(data) => Err(RpcError::reverted(data)),
        CallStatus::Halt(reason) => Err(RpcError::server(reason)),
    }
}

/// `eth_estimateGas`
pub(crate) fn estimate_gas(context: &Context, arguments: &Arguments<'_>) -> Result<Json, RpcError> {
    let (request, at) = prepare(context, arguments)?;
    let spec = context.backend.chain_spec();
    match btn_execution::estimate_gas(spec, &environment(&at), &request, &*at.state) {
        Ok(gas) => quantity(gas),
        Err(EstimateError::Revert(data)) => Err(RpcError::reverted(data)),
        Err(EstimateError::Execution(ExecutionError::Call(reason))) => {
            Err(RpcError::server(reason.to_string()))
        }
        Err(EstimateError::Execution(fault)) => Err(RpcError::internal(fault)),
        Err(refusal) => Err(RpcError::server(refusal.to_string())),
    }
}

fn prepare<'a>(
    context: &'a Context,
    arguments: &Arguments<'_>,
) -> Result<(CallRequest, StateAt<'a>), RpcError> {
    let request = call_request(arguments.required(0)?, context.backend.chain_spec().chain_id)?;
    let selector = selector(arguments, 1)?;
    for place in 2..4 {
        let _: Option<Override> = arguments.optional(place)?;
    }
    Ok((request, context.backend.state(selector)?))
}

fn call_request(request: TransactionRequest, chain_id: u64) -> Result<CallRequest, RpcError> {
    if request.blob_versioned_hashes.is_some() || request.max_fee_per_blob_gas.is_some() {
        return Err(RpcError::server("blob transactions (type 3) do not exist on this chain"));
    }
    if let Some(have) = request.chain_id.filter(|have| *have != chain_id) {
        return Err(RpcError::server(format!(
            "chainId does not match node's (have={have}, want={chain_id})"
        )));
    }
    let conflict = |_| {
        RpcError::invalid_params(
            r#"both "data" and "input" are set and not equal. Please use "input" to pass transaction call data"#,
        )
    };
    let input = request.input.try_into_unique_input().map_err(conflict)?;
    Ok(CallRequest {
        from: request.from.unwrap_or_default(),
        to: request.to.and_then(|kind| kind.into_to()),
        gas: request.gas,
        gas_price: request.gas_price,
        max_fee_per_gas: request.max_fee_per_gas,
        max_priority_fee_per_gas: request.max_priority_fee_per_gas,
        value: request.value.unwrap_or_default(),
        input: input.unwrap_or_default(),
        access_list: request.access_list.unwrap_or_default(),
        authorization_list: request.authorization_list.unwrap_or_default(),
        nonce: request.nonce,
    })
}

/// A call sees the block whose state it runs on, as in geth.
fn environment(at: &StateAt<'_>) -> CallEnvironment {
    let header = &at.header;
    CallEnvironment {
        number: header.number,
        timestamp: header.timestamp,
        beneficiary: header.beneficiary,
        prev_randao: header.mix_hash,
        base_fee: header.base_fee_per_gas.unwrap_or_default(),
        gas_limit: header.gas_limit,
    }
}
