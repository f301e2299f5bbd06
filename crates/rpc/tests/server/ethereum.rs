//! Every method of Ethereum's JSON-RPC: what it is asked and what it answers.

use crate::backend::{BOB, BROKEN, CLERK, COUNTER, GWEI, TOPIC, alice, transaction, transfer};
use crate::client::Server;
use alloy_consensus::Transaction as _;
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy_rpc_types_eth::{Block, FeeHistory, Log, Transaction, TransactionReceipt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

/// Reads an answer the way alloy, and so cast, does.
fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"))
}

#[test]
fn small_answers_are_exact() {
    let server = Server::start();
    let chain = &server.chain;
    let (alice, hash) = (alice().address(), chain.entry(2).hash);
    let state = |at: &str| json!([alice, at]);
    let table = [
        ("eth_chainId", json!([]), json!("0x1343b6f")),
        ("net_version", json!([]), json!("20200303")),
        ("net_listening", json!([]), json!(true)),
        ("net_peerCount", json!([]), json!("0x2")),
        ("eth_accounts", json!([]), json!([])),
        ("eth_syncing", json!([]), json!(false)),
        ("eth_blockNumber", json!([]), json!("0x4")),
        ("web3_sha3", json!(["0x68656c6c6f"]), json!(keccak256("hello"))),
        ("eth_getBalance", json!([BOB, "latest"]), json!("0x5")),
        ("eth_getBalance", json!([BOB, "safe"]), json!("0x5")),
        ("eth_getBalance", json!([BOB, "0x4"]), json!("0x5")),
        ("eth_getBalance", json!([BOB, { "blockHash": chain.entry(4).hash }]), json!("0x5")),
        ("eth_getBalance", json!([BOB]), json!("0x5")),
        ("eth_getBalance", json!([BOB, "pending"]), json!("0xa")),
        ("eth_getBalance", json!([Address::repeat_byte(0x99), "latest"]), json!("0x0")),
        ("eth_getTransactionCount", state("latest"), json!("0x4")),
        ("eth_getTransactionCount", state("pending"), json!("0x5")),
        ("eth_getTransactionCount", json!([Address::repeat_byte(0x99), "latest"]), json!("0x0")),
        ("eth_getCode", json!([BROKEN, "latest"]), json!("0xfe")),
        ("eth_getCode", json!([BOB, "latest"]), json!("0x")),
        ("eth_getStorageAt", json!([COUNTER, "0x0", "latest"]), json!(B256::with_last_byte(1))),
        ("eth_getStorageAt", json!([COUNTER, B256::with_last_byte(9), "latest"]), json!(B256::ZERO)),
        ("eth_getStorageAt", json!([Address::repeat_byte(0x99), "0x0", "latest"]), json!(B256::ZERO)),
        ("eth_getBlockTransactionCountByNumber", json!(["0x2"]), json!("0x2")),
        ("eth_getBlockTransactionCountByNumber", json!(["pending"]), json!("0x1")),
        ("eth_getBlockTransactionCountByNumber", json!(["0x5"]), json!(null)),
        ("eth_getBlockTransactionCountByHash", json!([hash]), json!("0x2")),
        ("eth_getBlockTransactionCountByHash", json!([B256::ZERO]), json!(null)),
        ("eth_getBlockByNumber", json!(["0x5", false]), json!(null)),
        ("eth_getBlockByHash", json!([chain.entry(5).hash, false]), json!(null)),
        ("eth_getTransactionByHash", json!([B256::ZERO]), json!(null)),
        ("eth_getTransactionReceipt", json!([B256::ZERO]), json!(null)),
        ("eth_getTransactionReceipt", json!([chain.hash_of(5, 0)]), json!(null)),
        ("eth_maxPriorityFeePerGas", json!([]), json!("0x77359400")),
        ("eth_gasPrice", json!([]), json!("0xb2d05e00")),
    ];
    for (method, params, expected) in table {
        assert_eq!(server.result(method, params.clone()), expected, "{method} {params}");
    }
    let version = server.result("web3_clientVersion", json!([]));
    assert!(version.as_str().is_some_and(|version| version.starts_with("btn/v0.1.0/")), "{version}");
    server.chain.syncing.store(true, Ordering::Relaxed);
    let expected = json!({ "startingBlock": "0x1", "currentBlock": "0x4", "highestBlock": "0x9" });
    assert_eq!(server.result("eth_syncing", json!([])), expected);
}

#[test]
fn blocks_are_ethereums_with_poe_beside() {
    let server = Server::start();
    for height in 0..=4 {
        let known = server.chain.entry(height);
        let value = server.result("eth_getBlockByNumber", json!([format!("{height:#x}"), false]));
        let by_hash = server.result("eth_getBlockByHash", json!([known.hash, false]));
        assert_eq!(value, by_hash);
        assert_eq!(value["poe"]["view"], json!(format!("{:#x}", height * 2)));
        assert_eq!(value["milliTimestamp"], json!(format!("{:#x}", 1_700_000_000_000 + height * 400)));
        let block: Block = read(value);
        assert_eq!(block.header.hash, known.hash);
        assert_eq!(block.header.inner, known.block.header, "alloy reads back the very header");
        assert_eq!(block.header.inner.hash_slow(), known.hash);
        let hashes: Vec<B256> = block.transactions.hashes().collect();
        let expected: Vec<B256> = known.block.transactions.iter().map(|tx| *tx.tx_hash()).collect();
        assert_eq!(hashes, expected);
    }
    let full: Block = read(server.result("eth_getBlockByNumber", json!(["0x2", true])));
    let transactions = full.transactions.as_transactions().expect("whole transactions");
    assert_eq!(transactions.len(), 2);
    assert_eq!(transactions[1].inner.inner(), &server.chain.entry(2).block.transactions[1]);
    assert_eq!(transactions[1].inner.signer(), alice().address());
}

#[test]
fn poe_fields_are_the_envelopes() {
    let server = Server::start();
    let value = server.result("eth_getBlockByNumber", json!(["0x3", false]));
    let zeros = alloy_primitives::U256::from_be_bytes(btn_types::sha256(&[3; 256]).0).leading_zeros();
    let expected = json!({
        "epoch": "0x0", "view": "0x6", "parentView": "0x4", "round": "0x1",
        "clerk": B256::repeat_byte(2), "zeros": format!("{zeros:#x}"),
    });
    assert_eq!(value["poe"], expected);
    for field in ["sha3Uncles", "mixHash", "logsBloom", "size", "withdrawalsRoot", "requestsHash"] {
        assert!(value[field].is_string(), "{field} is missing: {value}");
    }
    assert_eq!((&value["uncles"], &value["withdrawals"]), (&json!([]), &json!([])));
}

#[test]
fn the_pending_block_has_no_name_yet() {
    let server = Server::start();
    let value = server.result("eth_getBlockByNumber", json!(["pending", false]));
    assert_eq!(
        (&value["hash"], &value["nonce"], &value["miner"]),
        (&json!(null), &json!(null), &json!(null))
    );
    assert_eq!(
        (&value["number"], &value["transactions"]),
        (&json!("0x5"), &json!([server.chain.hash_of(5, 0)]))
    );
    for (tag, number) in [("latest", "0x4"), ("safe", "0x4"), ("finalized", "0x3"), ("earliest", "0x0")] {
        let block = server.result("eth_getBlockByNumber", json!([tag, false]));
        assert_eq!(block["number"], json!(number), "{tag}");
    }
}

#[test]
fn transactions_are_found_wherever_they_are() {
    let server = Server::start();
    let included = server.result("eth_getTransactionByHash", json!([server.chain.hash_of(2, 1)]));
    assert_eq!((&included["blockNumber"], &included["transactionIndex"]), (&json!("0x2"), &json!("0x1")));
    assert_eq!(included["blockHash"], json!(server.chain.entry(2).hash));
    let base_fee = server.chain.head(2).base_fee_per_gas.expect("a base fee");
    assert_eq!(included["gasPrice"], json!(format!("{:#x}", u128::from(base_fee) + 2 * GWEI)));
    assert_eq!((&included["type"], &included["chainId"]), (&json!("0x2"), &json!("0x1343b6f")));
    let included: Transaction = read(included);
    assert_eq!(included.inner.signer(), alice().address());
    // Notarized is not final: it is shown as pending.
    let pending = server.result("eth_getTransactionByHash", json!([server.chain.hash_of(5, 0)]));
    assert_eq!((&pending["blockHash"], &pending["blockNumber"]), (&json!(null), &json!(null)));
    let _: Transaction = read(pending);
}

#[test]
fn receipts_tell_what_happened() {
    let server = Server::start();
    let counted = server.result("eth_getTransactionReceipt", json!([server.chain.hash_of(2, 0)]));
    let failed = server.result("eth_getTransactionReceipt", json!([server.chain.hash_of(2, 1)]));
    assert_eq!((&counted["status"], &failed["status"]), (&json!("0x1"), &json!("0x0")));
    assert_eq!((&counted["to"], &counted["contractAddress"]), (&json!(COUNTER), &json!(null)));
    assert_eq!(
        (&counted["logs"][0]["logIndex"], &counted["logs"][0]["removed"]),
        (&json!("0x0"), &json!(false))
    );
    let (counted, failed): (TransactionReceipt, TransactionReceipt) = (read(counted), read(failed));
    assert_eq!(counted.gas_used + failed.gas_used, server.chain.head(2).gas_used);
    assert_eq!(failed.inner.cumulative_gas_used(), server.chain.head(2).gas_used);
    assert_eq!(counted.inner.logs()[0].inner.data.topics(), &[TOPIC]);
    assert_eq!(
        counted.effective_gas_price,
        u128::from(server.chain.head(2).base_fee_per_gas.unwrap()) + 2 * GWEI
    );
    let created: TransactionReceipt =
        read(server.result("eth_getTransactionReceipt", json!([server.chain.hash_of(3, 0)])));
    assert_eq!((created.to, created.contract_address), (None, Some(alice().address().create(3))));
}

#[test]
fn a_transaction_is_sent_and_then_known() {
    let server = Server::start();
    let transaction = transfer(5);
    let raw = Bytes::from(transaction.encoded_2718());
    assert_eq!(server.result("eth_sendRawTransaction", json!([raw])), json!(transaction.tx_hash()));
    let pending: Transaction =
        read(server.result("eth_getTransactionByHash", json!([transaction.tx_hash()])));
    assert_eq!((pending.inner.inner(), pending.block_number), (transaction.inner(), None));
    assert_eq!(pending.inner.nonce(), 5);
    let params = json!([alice().address(), "pending"]);
    assert_eq!(server.result("eth_getTransactionCount", params), json!("0x6"));
}

#[test]
fn calls_run_on_the_state_asked_for() {
    let server = Server::start();
    let call = |block: &str| server.result("eth_call", json!([{ "to": COUNTER }, block]));
    assert_eq!(call("latest"), json!(B256::with_last_byte(2)), "slot 0 holds 1");
    assert_eq!(call("pending"), json!(B256::with_last_byte(2)));
    let from = alice().address();
    let request = json!({ "from": from, "to": COUNTER, "data": "0x1234", "gas": "0xffff", "value": "0x1" });
    assert_eq!(server.result("eth_call", json!([request])), json!(B256::with_last_byte(2)));
    assert_eq!(server.result("eth_call", json!([{ "to": BOB }, "latest", {}, {}])), json!("0x"));
    // NUMBER, returned: the call sees the block whose state it runs on.
    let number = json!([{ "data": "0x4360005260206000f3" }, "latest"]);
    assert_eq!(server.result("eth_call", number), json!(B256::with_last_byte(4)));
}

#[test]
fn gas_is_estimated() {
    let server = Server::start();
    let (from, estimate) = (alice().address(), |request| server.result("eth_estimateGas", json!([request])));
    assert_eq!(estimate(json!({ "from": from, "to": BOB, "value": "0x1" })), json!("0x5208"));
    let counted = estimate(json!({ "from": from, "to": COUNTER }));
    let counted =
        u64::from_str_radix(counted.as_str().expect("hex").trim_start_matches("0x"), 16).expect("hex");
    // SLOAD and SSTORE of a set slot, a log with 32 bytes, and little else.
    assert!((27_000..29_000).contains(&counted), "{counted}");
}

#[test]
fn logs_are_found_by_range_hash_address_and_topic() {
    let server = Server::start();
    let hash = server.chain.entry(2).hash;
    let hits = [
        json!({ "fromBlock": "0x0", "toBlock": "latest" }),
        json!({ "fromBlock": "earliest", "toBlock": "0xffffff" }),
        json!({ "fromBlock": "earliest", "toBlock": "finalized" }),
        json!({ "fromBlock": "0x2", "toBlock": "0x2", "address": COUNTER, "topics": [TOPIC] }),
        json!({ "blockHash": hash, "address": [COUNTER, BOB], "topics": [[TOPIC, B256::ZERO]] }),
    ];
    for filter in hits {
        let logs: Vec<Log> = read(server.result("eth_getLogs", json!([filter])));
        assert_eq!(logs.len(), 1, "{filter}");
        let log = &logs[0];
        assert_eq!((log.block_hash, log.block_number, log.log_index), (Some(hash), Some(2), Some(0)));
        assert_eq!(
            (log.transaction_hash, log.transaction_index),
            (Some(server.chain.hash_of(2, 0)), Some(0))
        );
        assert_eq!((log.address(), U256::from_be_slice(&log.data().data)), (COUNTER, U256::from(1)));
    }
    let misses = [
        json!({}),
        json!({ "fromBlock": "0x3", "toBlock": "latest" }),
        json!({ "fromBlock": "0x0", "address": BOB }),
        json!({ "fromBlock": "0x0", "topics": [B256::ZERO] }),
        json!({ "fromBlock": "0x0", "topics": [null, TOPIC] }),
        json!({ "fromBlock": "0x5", "toBlock": "0x9" }),
        json!({ "fromBlock": "finalized" }),
        json!({ "fromBlock": "0x4", "toBlock": "finalized" }),
    ];
    for filter in misses {
        assert_eq!(server.result("eth_getLogs", json!([filter])), json!([]), "{filter}");
    }
}

#[test]
fn fee_history_is_geths() {
    let server = Server::start();
    let value = server.result("eth_feeHistory", json!(["0x3", "latest", [0, 50.5, 100]]));
    let two_gwei = "0x77359400";
    assert_eq!(
        value["reward"],
        json!([[two_gwei, two_gwei, two_gwei], [two_gwei, two_gwei, two_gwei], ["0x0", "0x0", "0x0"]])
    );
    let ratio = |height: u64| server.chain.head(height).gas_used as f64 / 30_000_000.0;
    assert_eq!(value["gasUsedRatio"], json!([ratio(2), ratio(3), ratio(4)]));
    let history: FeeHistory = read(value);
    let base_fees: Vec<u128> =
        (2..=5).map(|height| server.chain.head(height).base_fee_per_gas.unwrap().into()).collect();
    assert_eq!((history.oldest_block, history.base_fee_per_gas), (2, base_fees));
    assert_eq!((history.base_fee_per_blob_gas.len(), history.blob_gas_used_ratio), (4, vec![0.0; 3]));

    let all: FeeHistory = read(server.result("eth_feeHistory", json!([2000, "0x2"])));
    assert_eq!((all.oldest_block, all.gas_used_ratio.len(), all.reward), (0, 3, None));
    let pending: FeeHistory = read(server.result("eth_feeHistory", json!(["1", "pending", []])));
    assert_eq!((pending.oldest_block, pending.reward), (4, None));
    let finalized: FeeHistory = read(server.result("eth_feeHistory", json!(["0x1", "finalized", []])));
    assert_eq!(finalized.oldest_block, 3);
    let none = server.result("eth_feeHistory", json!(["0x0", "latest", []]));
    assert_eq!(none, json!({ "oldestBlock": "0x0", "gasUsedRatio": null }));
}

#[test]
fn the_clerk_earned_the_tips() {
    // The chain under test is executed for real: tips of blocks 1 to 3 are in the state shown.
    let server = Server::start();
    let gas: u64 = (1..=3).map(|height| server.chain.head(height).gas_used).sum();
    let expected = format!("{:#x}", u128::from(gas) * 2 * GWEI);
    assert_eq!(server.result("eth_getBalance", json!([CLERK, "latest"])), json!(expected));
    assert_eq!(transaction(0, TxKind::Call(BOB), 5, Bytes::new()), transfer(0));
}
