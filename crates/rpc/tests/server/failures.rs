//! What methods say when they cannot answer: geth's codes and words.

use crate::backend::{BOB, BROKEN, CHAIN_ID, COUNTER, MUTE, REFUSER, alice, refusal, transfer};
use crate::client::Server;
use alloy_consensus::{SignableTransaction, TxEnvelope, TxLegacy};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_signer::SignerSync;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

#[test]
fn errors_have_geths_codes_and_words() {
    let server = Server::start();
    let invalid = -32602;
    let table: Vec<(&str, Value, i64, &str)> = vec![
        ("eth_nothing", json!([]), -32601, "the method eth_nothing does not exist/is not available"),
        ("eth_sign", json!([]), -32601, "the method eth_sign does not exist/is not available"),
        ("admin_peers", json!([]), -32601, "the method admin_peers does not exist/is not available"),
        ("eth_getBalance", json!([]), invalid, "missing value for required argument 0"),
        ("eth_getBalance", json!([null]), invalid, "missing value for required argument 0"),
        (
            "eth_getBalance",
            json!(["0x12", "latest"]),
            invalid,
            "invalid argument 0: hex string has length 2, want 40 for common.Address",
        ),
        (
            "eth_getBalance",
            json!([BOB, "newest"]),
            invalid,
            "invalid argument 1: hex string without 0x prefix",
        ),
        ("eth_getBalance", json!([BOB, "latest", 1]), invalid, "too many arguments, want at most 2"),
        ("eth_getBalance", json!({ "address": BOB }), invalid, "non-array args"),
        ("eth_chainId", json!([1]), invalid, "too many arguments, want at most 0"),
        ("eth_getBlockByNumber", json!(["latest"]), invalid, "missing value for required argument 1"),
        (
            "eth_getBlockByNumber",
            json!(["latest", "yes"]),
            invalid,
            "invalid argument 1: json: cannot unmarshal string into Go value of type bool",
        ),
        (
            "eth_getBlockByHash",
            json!(["0x12", true]),
            invalid,
            "invalid argument 0: hex string has length 2, want 64 for common.Hash",
        ),
        ("eth_getBalance", json!([BOB, "0x6"]), -32000, "header not found"),
        ("eth_getBalance", json!([BOB, B256::ZERO]), -32000, "header for hash not found"),
        ("eth_call", json!([{ "to": BROKEN }, "latest"]), -32000, "invalid opcode: INVALID"),
        ("eth_call", json!([{ "to": MUTE }, "latest"]), 3, "execution reverted"),
        ("eth_call", json!([{ "to": REFUSER }, "latest"]), 3, "execution reverted: no way"),
        ("eth_estimateGas", json!([{ "to": REFUSER }]), 3, "execution reverted: no way"),
        (
            "eth_call",
            json!([{ "to": COUNTER, "data": "0x01", "input": "0x02" }]),
            invalid,
            r#"both "data" and "input" are set and not equal. Please use "input" to pass transaction call data"#,
        ),
        (
            "eth_call",
            json!([{ "to": BOB, "chainId": "0x1" }]),
            -32000,
            "chainId does not match node's (have=1, want=20200303)",
        ),
        (
            "eth_call",
            json!([{ "to": BOB }, "latest", { BOB.to_string(): { "balance": "0x1" } }]),
            invalid,
            "invalid argument 2: state and block overrides are not supported by this node",
        ),
        (
            "eth_getLogs",
            json!([{ "fromBlock": "0x4", "toBlock": "0x1" }]),
            invalid,
            "invalid block range params",
        ),
        ("eth_getLogs", json!([{ "blockHash": B256::ZERO }]), -32000, "unknown block"),
        ("eth_getLogs", json!([{ "fromBlock": "pending" }]), invalid, "pending logs are not supported"),
        (
            "eth_getLogs",
            json!([{ "blockHash": B256::ZERO, "fromBlock": "0x1" }]),
            invalid,
            "invalid argument 0: cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other",
        ),
        ("eth_getLogs", json!([{ "topics": [null, null, null, null, null] }]), invalid, "exceed max topics"),
        (
            "eth_feeHistory",
            json!(["0x1", "0x9", []]),
            -32000,
            "request beyond head block: requested 9, head 4",
        ),
        ("eth_feeHistory", json!(["0x1", "latest", [101]]), -32000, "invalid reward percentile: 101.000000"),
        (
            "eth_feeHistory",
            json!(["0x1", "latest", [50, 20]]),
            -32000,
            "invalid reward percentile: #0:50.000000 >= #1:20.000000",
        ),
        (
            "eth_feeHistory",
            json!(["0x1", "latest", vec![1; 101]]),
            -32000,
            "invalid reward percentile: over the query limit 100",
        ),
        (
            "btn_getCertificate",
            json!(["pending"]),
            invalid,
            "invalid argument 0: the pending block is not final yet",
        ),
        (
            "btn_getRawBlock",
            json!(["pending"]),
            invalid,
            "invalid argument 0: the pending block is not final yet",
        ),
        ("btn_getSeals", json!([]), invalid, "missing value for required argument 0"),
        ("btn_getSeals", json!(["newest"]), invalid, "invalid argument 0: hex string without 0x prefix"),
        ("btn_getSeals", json!(["0x1", true]), invalid, "too many arguments, want at most 1"),
        ("btn_getSupervisors", json!(["-1"]), invalid, "invalid argument 0: hex string without 0x prefix"),
        ("btn_getSupervisors", json!([0, "x"]), invalid, "invalid argument 1: hex string without 0x prefix"),
        ("btn_getSupervisors", json!([0, 1, 2]), invalid, "too many arguments, want at most 2"),
        ("btn_getCandidates", json!(["0x1"]), invalid, "too many arguments, want at most 0"),
        ("btn_getView", json!([1]), invalid, "too many arguments, want at most 0"),
    ];
    for (method, params, code, message) in table {
        assert_eq!(server.error(method, params.clone()), (code, message.to_owned()), "{method} {params}");
    }
}

#[test]
fn older_states_are_refused_with_a_way_out() {
    let server = Server::start();
    for (method, params) in [
        ("eth_getBalance", json!([BOB, "0x3"])),
        ("eth_getBalance", json!([BOB, "earliest"])),
        ("eth_call", json!([{ "to": BOB }, server.chain.entry(1).hash])),
    ] {
        let (code, message) = server.error(method, params);
        assert_eq!(code, -32000);
        assert!(
            message.contains("historical state of block") && message.contains("is not available"),
            "{message}"
        );
        assert!(message.contains("\"latest\""), "{message}");
    }
}

/// `finalized` never answers with the state of a block that is not sealed yet.
#[test]
fn the_finalized_state_is_there_where_it_is_the_newest() {
    let server = Server::start();
    let requests = || {
        [
            ("eth_getBalance", json!([BOB, "finalized"])),
            ("eth_getTransactionCount", json!([BOB, "finalized"])),
            ("eth_getCode", json!([BROKEN, "finalized"])),
            ("eth_getStorageAt", json!([COUNTER, "0x0", "finalized"])),
            ("eth_call", json!([{ "to": COUNTER }, "finalized"])),
            ("eth_estimateGas", json!([{ "to": BOB }, "finalized"])),
        ]
    };
    for (method, params) in requests() {
        let (code, message) = server.error(method, params);
        assert_eq!(code, -32000, "{method}");
        assert!(
            message.starts_with("historical state of block 3 (\"finalized\") is not available"),
            "{message}"
        );
        assert!(message.contains("of block 4") && message.contains("\"safe\""), "{message}");
    }
    server.chain.third.store(4, Ordering::Relaxed);
    for (method, params) in requests() {
        let mut latest = params.clone();
        let tag = latest.as_array_mut().and_then(|params| params.last_mut()).expect("a tag");
        *tag = json!("latest");
        assert_eq!(server.result(method, params), server.result(method, latest), "{method}");
    }
}

#[test]
fn a_revert_carries_its_data() {
    let server = Server::start();
    let answer = server.call("eth_call", json!([{ "to": REFUSER }]));
    let expected = json!({ "code": 3, "message": "execution reverted: no way", "data": refusal() });
    assert_eq!(answer["error"], expected);
    let mute = server.call("eth_estimateGas", json!([{ "to": MUTE }]));
    assert_eq!(mute["error"], json!({ "code": 3, "message": "execution reverted", "data": "0x" }));
}

#[test]
fn calls_that_cannot_be_paid_are_refused() {
    let server = Server::start();
    let poor = Address::repeat_byte(0x99);
    let (code, message) = server.error("eth_call", json!([{ "from": poor, "to": BOB, "value": "0x1" }]));
    assert_eq!(code, -32000);
    assert!(message.starts_with("err: insufficient funds for gas * price + value"), "{message}");
    assert!(message.ends_with("(supplied gas 50000000)"), "{message}");
    let rich = alice().address();
    let (_, message) = server.error("eth_call", json!([{ "from": rich, "to": BOB, "gas": "0x1" }]));
    assert!(
        message.starts_with("err: intrinsic gas too low") && message.ends_with("(supplied gas 1)"),
        "{message}"
    );
}

#[test]
fn bad_transactions_are_refused_before_the_pool() {
    let server = Server::start();
    let send = |raw: &Bytes| server.error("eth_sendRawTransaction", json!([raw]));
    let (code, message) = send(&Bytes::from(transfer(0).encoded_2718()));
    assert_eq!((code, message.as_str()), (-32000, "nonce too low: next nonce 5, tx nonce 0"));
    let (code, message) = send(&Bytes::from_static(&[0xc0]));
    assert!(code == -32000 && message.starts_with("rlp: "), "{code} {message}");
    let (code, message) = send(&Bytes::from_static(&[3, 0xc0]));
    assert!(code == -32000 && message.starts_with("transaction type not supported"), "{code} {message}");
    let foreign = TxLegacy {
        chain_id: Some(CHAIN_ID + 1),
        nonce: 5,
        gas_price: 10_000_000_000,
        gas_limit: 21_000,
        to: TxKind::Call(BOB),
        value: U256::from(1),
        input: Bytes::new(),
    };
    let signature = alice().sign_hash_sync(&foreign.signature_hash()).expect("a local key");
    let foreign = TxEnvelope::Legacy(foreign.into_signed(signature));
    let (code, message) = send(&Bytes::from(foreign.encoded_2718()));
    assert!(code == -32000 && message.contains("invalid chain id for signer"), "{code} {message}");
    let (code, message) = server.error("eth_sendRawTransaction", json!(["f86b"]));
    let words = "json: cannot unmarshal hex string without 0x prefix into Go value of type hexutil.Bytes";
    assert_eq!((code, message), (-32602, format!("invalid argument 0: {words}")));
}
