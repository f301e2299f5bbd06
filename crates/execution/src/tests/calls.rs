//! Calls and gas estimates, with geth's semantics.

use super::support::*;
use crate::{
    CallEnvironment, CallOutcome, CallRequest, CallStatus, EstimateError, ExecutionError, RPC_GAS_CAP,
    TransactionError, call, estimate_gas, execute,
};
use alloy_consensus::TxEip1559;
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_primitives::{Address, B256, Bytes, U256, hex};

const CONTRACT: Address = Address::repeat_byte(0xcc);
const OTHER: Address = Address::repeat_byte(0xdd);

fn environment() -> CallEnvironment {
    CallEnvironment {
        number: 2,
        timestamp: 1_700_000_000,
        beneficiary: CLERK,
        prev_randao: RANDAO,
        base_fee: GWEI,
        gas_limit: 30_000_000,
    }
}

fn run(code: &[u8], request: CallRequest) -> Result<CallOutcome, ExecutionError> {
    call(&spec(), &environment(), &request, &state(&[(CONTRACT, Bytes::copy_from_slice(code))]))
}

fn to_contract(input: &[u8]) -> CallRequest {
    CallRequest {
        from: STRANGER,
        to: Some(CONTRACT),
        input: Bytes::copy_from_slice(input),
        ..Default::default()
    }
}

fn refusal(request: CallRequest) -> TransactionError {
    match run(COUNTER, request) {
        Err(ExecutionError::Call(reason)) => *reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_call_without_price_needs_no_money_and_changes_nothing() {
    for _ in 0..2 {
        let outcome = run(COUNTER, to_contract(&[])).unwrap();
        assert_eq!(outcome.status, CallStatus::Success);
        assert_eq!(U256::from_be_slice(&outcome.output), U256::from(1));
    }
}

#[test]
fn a_call_may_come_from_a_contract_with_any_nonce() {
    let request = CallRequest { from: CONTRACT, nonce: Some(77), ..to_contract(&[]) };
    assert_eq!(run(COUNTER, request).unwrap().status, CallStatus::Success);
}

#[test]
fn a_call_returns_revert_data_and_halts_with_gas_words() {
    let outcome = run(REVERTER, to_contract(b"why")).unwrap();
    assert_eq!(outcome.status, CallStatus::Revert(Bytes::from_static(b"why")));
    assert_eq!(outcome.output, Bytes::from_static(b"why"));
    let outcome = run(BURNER, CallRequest { gas: Some(100_000), ..to_contract(&[]) }).unwrap();
    assert_eq!((outcome.status, outcome.gas_used), (CallStatus::Halt("out of gas".into()), 100_000));
    let outcome = run(&hex!("fe"), to_contract(&[])).unwrap();
    assert_eq!(outcome.status, CallStatus::Halt("invalid opcode: INVALID".into()));
}

#[test]
fn gas_defaults_to_the_cap_above_block_and_transaction_limits() {
    // Returns the gas left at the first instruction.
    let code = hex!("5a60005260206000f3");
    let left =
        |gas| U256::from_be_slice(&run(&code, CallRequest { gas, ..to_contract(&[]) }).unwrap().output);
    let expected = U256::from(RPC_GAS_CAP - 21_000 - 2);
    assert_eq!(left(None), expected);
    assert_eq!(left(Some(u64::MAX)), expected);
    assert_eq!(left(Some(100_000)), U256::from(100_000 - 21_000 - 2));
}

#[test]
fn the_block_a_call_sees() {
    // BASEFEE, GASLIMIT, NUMBER, TIMESTAMP in four words
    let code = hex!("48600052456020524360405242606052608060 00f3");
    let seen = |request| {
        let output = run(&code, request).unwrap().output;
        output.chunks(32).map(|word| U256::from_be_slice(word).to::<u64>()).collect::<Vec<_>>()
    };
    assert_eq!(seen(to_contract(&[])), [0, 30_000_000, 2, 1_700_000_000], "no price, no base fee");
    let rich = CallRequest { from: wallet(1).address(), gas_price: Some(GWEI.into()), ..to_contract(&[]) };
    assert_eq!(seen(rich)[0], GWEI);
}

#[test]
fn a_call_with_a_price_must_pay_it() {
    let poor = CallRequest { gas_price: Some(GWEI.into()), ..to_contract(&[]) };
    let cost = U256::from(RPC_GAS_CAP) * U256::from(GWEI);
    assert_eq!(refusal(poor), TransactionError::InsufficientFunds { balance: U256::ZERO, cost });
    let value = CallRequest { value: U256::from(1), ..to_contract(&[]) };
    assert!(matches!(refusal(value), TransactionError::InsufficientFunds { .. }));
    let overflow = CallRequest { value: U256::MAX, gas_price: Some(GWEI.into()), ..to_contract(&[]) };
    assert_eq!(refusal(overflow), TransactionError::CostOverflow);
    let dear = CallRequest { gas_price: Some(u128::MAX), ..to_contract(&[]) };
    assert_eq!(refusal(dear), TransactionError::CostOverflow);
}

#[test]
fn fees_must_make_sense() {
    let max_fee = u128::from(GWEI) - 1;
    let sender = STRANGER;
    let low = CallRequest { max_fee_per_gas: Some(max_fee), ..to_contract(&[]) };
    assert_eq!(refusal(low), TransactionError::FeeBelowBaseFee { sender, max_fee, base_fee: GWEI });
    let tip = CallRequest { max_priority_fee_per_gas: Some(1), ..to_contract(&[]) };
    assert_eq!(refusal(tip), TransactionError::TipAboveFee { sender, tip: 1, max_fee: 0 });
    let both = CallRequest { gas_price: Some(1), max_fee_per_gas: Some(1), ..to_contract(&[]) };
    assert_eq!(refusal(both), TransactionError::FeesConflict);
    let little = CallRequest { gas: Some(20_999), ..to_contract(&[]) };
    assert_eq!(refusal(little), TransactionError::IntrinsicGas { gas: 20_999, needed: 21_000 });
}

#[test]
fn a_call_takes_access_and_authorization_lists() {
    let items = AccessList(vec![AccessListItem { address: CONTRACT, storage_keys: vec![B256::ZERO] }]);
    let listed = run(COUNTER, CallRequest { access_list: items, ..to_contract(&[]) }).unwrap();
    let plain = run(COUNTER, to_contract(&[])).unwrap();
    assert_eq!(listed.gas_used, plain.gas_used + 2_400 + 1_900 - 2_000);
    let authority = wallet(2).address();
    let authorization_list = vec![authorize(2, 0, CONTRACT)];
    let delegated = CallRequest { to: Some(authority), authorization_list, ..to_contract(&[]) };
    let outcome = run(COUNTER, delegated.clone()).unwrap();
    assert_eq!(U256::from_be_slice(&outcome.output), U256::from(1));
    let create = CallRequest { to: None, ..delegated };
    assert_eq!(refusal(create), TransactionError::SetCodeCreate { sender: STRANGER });
}

#[test]
fn a_creating_call_returns_the_code() {
    let request = CallRequest { to: None, input: deploy(COUNTER), ..Default::default() };
    assert_eq!(run(&[], request).unwrap().output, Bytes::from_static(COUNTER));
}

fn estimate(code: &[u8], request: CallRequest) -> Result<u64, EstimateError> {
    estimate_gas(&spec(), &environment(), &request, &state(&[(CONTRACT, Bytes::copy_from_slice(code))]))
}

#[test]
fn a_transfer_is_estimated_at_exactly_21000() {
    let request =
        CallRequest { from: wallet(1).address(), to: Some(OTHER), value: ether(1), ..Default::default() };
    assert_eq!(estimate(&[], request.clone()).unwrap(), 21_000);
    // All the money: the price counts too.
    let all = CallRequest { value: ether(100), gas_price: Some(GWEI.into()), ..request.clone() };
    assert!(matches!(estimate(&[], all), Err(EstimateError::InsufficientFundsForTransfer)));
    let almost = ether(100) - U256::from(20_999 * GWEI);
    let almost = CallRequest { value: almost, gas_price: Some(GWEI.into()), ..request };
    assert!(matches!(estimate(&[], almost), Err(EstimateError::Allowance(20_999))));
}

#[test]
fn an_estimate_is_enough_and_not_much_too_much() {
    let create = CallRequest { to: None, input: deploy(COUNTER), ..Default::default() };
    for (code, request) in [(COUNTER, to_contract(&[])), (COUNTER, create), (LOGGER, to_contract(&[7; 500]))]
    {
        let request = CallRequest { from: wallet(1).address(), ..request };
        let gas = estimate(code, request.clone()).unwrap();
        let outcome = run(code, CallRequest { gas: Some(gas), ..request }).unwrap();
        assert_eq!(outcome.status, CallStatus::Success);
        assert!(gas <= outcome.peak_gas * 1015 / 1000 + 3_000, "{gas} for {}", outcome.peak_gas);
    }
}

/// Succeeds only where more than 100,000 gas is left: `GAS > 0x0186a0 ? STOP : REVERT`.
const GREEDY: &[u8] = &hex!("620186a05a11600e57 60006000fd 5b00");

#[test]
fn the_search_finds_what_a_run_does_not_use() {
    let gas = estimate(GREEDY, to_contract(&[])).unwrap();
    let least = 100_000 + 21_000 + 6;
    assert!((least..=least * 1016 / 1000).contains(&gas), "{gas}");
    assert!(matches!(
        run(GREEDY, CallRequest { gas: Some(gas), ..to_contract(&[]) }).unwrap().status,
        CallStatus::Success
    ));
}

#[test]
fn an_estimate_reports_why_there_is_none() {
    let error = estimate(REVERTER, to_contract(b"why")).unwrap_err();
    assert_eq!(error.to_string(), "execution reverted");
    assert!(matches!(error, EstimateError::Revert(data) if data == Bytes::from_static(b"why")));
    let error = estimate(BURNER, to_contract(&[])).unwrap_err();
    assert_eq!(error.to_string(), "gas required exceeds allowance (16777216)");
    let error = estimate(&hex!("fe"), to_contract(&[])).unwrap_err();
    assert_eq!(error.to_string(), "invalid opcode: INVALID");
}

#[test]
fn an_estimate_works_as_the_gas_limit_of_a_block() {
    let request = CallRequest { from: wallet(1).address(), ..to_contract(&[]) };
    let gas_limit = estimate(COUNTER, request).unwrap();
    let state = state(&[(CONTRACT, Bytes::from_static(COUNTER))]);
    let transaction = sign(TxEip1559 { gas_limit, ..fee_market(0, Some(CONTRACT)) }, 1);
    let outcome = execute(&spec(), &input(1), &[transaction], &state).unwrap();
    assert!(alloy_consensus::TxReceipt::status(&outcome.receipts[0]));
}
