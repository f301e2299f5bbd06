//! The `btn_*` methods: what they hand out is enough to check a block without trusting the node.

use crate::backend::{CLERK, SUPERVISORS, certificate, envelope, linked, member, supervisor};
use crate::client::Server;
use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes, keccak256};
use btn_rpc::SupervisorInfo;
use btn_types::{Block, Certificate, Justification, NodeId, decode_exact};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

fn raw(value: &Value) -> Bytes {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"))
}

#[test]
fn a_certificate_comes_with_all_that_checks_it() {
    let server = Server::start();
    let chain = &server.chain;
    let answer = server.result("btn_getCertificate", json!(["0x4"]));
    assert_eq!(answer, server.result("btn_getCertificate", json!([chain.entry(4).hash])));
    for tag in ["latest", "safe"] {
        assert_eq!(answer, server.result("btn_getCertificate", json!([tag])));
    }
    assert_eq!(server.result("btn_getCertificate", json!(["finalized"]))["number"], json!("0x3"));
    assert_eq!(keccak256(raw(&answer["header"])), chain.entry(4).hash);
    assert_eq!((&answer["number"], &answer["certifiedNumber"]), (&json!("0x4"), &json!("0x4")));
    assert_eq!((&answer["certifiedHash"], &answer["descendants"]), (&json!(chain.entry(4).hash), &json!([])));
    let proposal =
        json!({ "epoch": "0x0", "view": "0x8", "parentView": "0x6", "blockHash": chain.entry(4).hash });
    assert_eq!(answer["proposal"], proposal);
    let decoded: Certificate = decode_exact(&raw(&answer["certificate"]["raw"])).expect("a certificate");
    assert_eq!(decoded, certificate(4));
    let signers = json!([
        { "index": "0x0", "id": B256::repeat_byte(1) },
        { "index": "0x2", "id": B256::repeat_byte(3) },
        { "index": "0x3", "id": B256::repeat_byte(4) },
    ]);
    let shown = &answer["certificate"];
    assert_eq!(
        (&shown["signers"], &shown["kind"], &shown["bitmap"]),
        (&signers, &json!("finalize"), &json!("0x0d"))
    );
    let justification: Justification = decode_exact(&raw(&answer["justification"])).expect("a justification");
    assert_eq!(justification.parent_certificate, Some(certificate(3)));
    let (shown, known) = (&answer["envelope"], envelope(4));
    assert_eq!(decode_exact(&raw(&shown["raw"])), Ok(known.clone()));
    assert_eq!(shown["clerkSignature"], json!(known.clerk_signature));
    assert_eq!((&shown["clerk"], &shown["round"]), (&json!(member(1).id), &json!("0x1")));
    assert_eq!((&shown["sealRoot"], &shown["supervisors"]), (&json!(known.seal_root), &json!("0x5")));
    assert_eq!(shown["supervisorsRoot"], json!(known.supervisors_root));
}

#[test]
fn a_block_without_its_own_finalization_is_tied_to_a_descendants() {
    let server = Server::start();
    let chain = &server.chain;
    let answer = server.result("btn_getCertificate", json!(["0x2"]));
    assert_eq!((&answer["number"], &answer["certifiedNumber"]), (&json!("0x2"), &json!("0x4")));
    let mut hash = keccak256(raw(&answer["header"]));
    assert_eq!(hash, chain.entry(2).hash);
    let descendants = answer["descendants"].as_array().expect("a list");
    assert_eq!(descendants.len(), 2);
    for header in descendants {
        let bytes = raw(header);
        let header: Header = decode_exact(&bytes).expect("a header");
        assert_eq!(header.parent_hash, hash, "the chain of hashes has a gap");
        hash = keccak256(&bytes);
    }
    assert_eq!(answer["certifiedHash"], json!(hash));
    assert_eq!(answer["proposal"]["blockHash"], json!(hash));
    let genesis = server.result("btn_getCertificate", json!(["earliest"]));
    assert_eq!((&genesis["certifiedNumber"], &genesis["hash"]), (&json!("0x1"), &json!(chain.entry(0).hash)));
    assert_eq!(server.result("btn_getCertificate", json!(["0x5"])), json!(null));
    assert_eq!(server.result("btn_getCertificate", json!([chain.entry(5).hash])), json!(null));
}

#[test]
fn raw_blocks_are_canonical_bytes() {
    let server = Server::start();
    for height in 0..=4 {
        let answer = server.result("btn_getRawBlock", json!([format!("{height:#x}")]));
        let block: Block = decode_exact(&raw(&answer)).expect("a block");
        assert_eq!(block, *server.chain.entry(height).block);
        assert_eq!(block.seals.len(), if height == 3 { 3 } else { 0 });
        assert_eq!(server.result("btn_getRawBlock", json!([block.hash()])), answer);
    }
    assert_eq!(server.result("btn_getRawBlock", json!(["0x5"])), json!(null));
}

#[test]
fn the_committee_shows_its_public_keys() {
    let server = Server::start();
    let answer = server.result("btn_getCommittee", json!([]));
    assert_eq!(answer, server.result("btn_getCommittee", json!(["0x0"])));
    assert_eq!(server.result("btn_getCommittee", json!(["0x1"])), json!(null));
    let numbers = ["epoch", "size", "quorum", "maxFaulty", "clerkBar", "lotteryPeriodBlocks"];
    let shown: Vec<_> = numbers.iter().map(|name| answer[*name].as_str().unwrap_or("")).collect();
    assert_eq!(shown, ["0x0", "0x4", "0x3", "0x1", "0x0", "0x10"]);
    assert_eq!(answer["genesisHash"], json!(server.chain.entry(0).hash));
    let (third, shown) = (member(2), &answer["members"][2]);
    let expected = json!({
        "index": "0x2", "id": third.id, "payout": CLERK, "rsaPublicKey": third.rsa_public_key,
        "rsaPermutationProof": third.rsa_permutation_proof, "voteKey": third.vote_key,
        "voteKeyProof": third.vote_key_proof,
    });
    assert_eq!(shown, &expected);
}

fn supervisor_shown(index: u8) -> Value {
    let connected = index.is_multiple_of(2);
    json!({
        "id": supervisor(index).id, "connected": connected,
        "address": connected.then_some("10.0.0.7:4444"), "rttMs": connected.then_some("0x3"),
        "reported": connected.then(|| json!({
            "height": "0x4", "hash": B256::repeat_byte(0x4a), "stateRoot": B256::repeat_byte(0x5a),
            "thirdHeight": "0x3",
        })),
        "lastSealedHeight": connected.then_some("0x5"), "lastError": (!connected).then_some("timed out"),
    })
}

#[test]
fn a_supervisors_status_tells_how_its_sealing_goes() {
    let server = Server::start();
    server.chain.is_supervisor.store(true, Ordering::Relaxed);
    let status = server.result("btn_status", json!([]));
    assert_eq!((&status["role"], &status["supervisors"]), (&json!("supervisor"), &json!([])));
    let sealing = json!({
        "sealing": true, "sealsMade": "0x3", "lastSealedHeight": "0x5",
        "alarm": "block 7 of view 15 is invalid: its state root differs",
    });
    assert_eq!(status["sealing"], sealing);
    let reasons: Vec<_> = (0..3).map(|place| &status["peers"][place]["droppedReason"]).collect();
    assert_eq!(reasons, [&json!(null), &json!(null), &json!("its block 7 is invalid")]);
}

#[test]
fn the_status_lists_a_bounded_number_of_supervisors() {
    let server = Server::start();
    // 2,000 of which the last 600 are connected: those must not be the ones left out.
    let many = (0..2_000u16).map(|place| {
        let mut id = B256::ZERO;
        id[..2].copy_from_slice(&place.to_be_bytes());
        SupervisorInfo { id: NodeId(id), connected: place >= 1_400, ..linked(0) }
    });
    *server.chain.linked.lock().expect("no panic") = many.collect();
    let status = server.result("btn_status", json!([]));
    assert_eq!(
        (&status["supervisorsRegistered"], &status["supervisorsConnected"]),
        (&json!("0x7d0"), &json!("0x258"))
    );
    let listed = status["supervisors"].as_array().expect("a list");
    let connected = listed.iter().filter(|supervisor| supervisor["connected"] == json!(true)).count();
    assert_eq!((listed.len(), connected), (1_024, 600));
}

#[test]
fn status_tells_where_the_node_is() {
    let server = Server::start();
    let chain = &server.chain;
    let peer = |index: u8, connected: bool| {
        json!({
            "index": format!("{index:#x}"), "id": B256::repeat_byte(index + 1), "connected": connected,
            "address": "127.0.0.1:7000", "rttMs": connected.then_some("0x2"),
            "lastError": (!connected).then_some("refused"), "droppedReason": null,
        })
    };
    let mut expected = json!({
        "clientVersion": server.result("web3_clientVersion", json!([])), "chainId": "0x1343b6f",
        "genesisHash": chain.entry(0).hash, "nodeId": B256::repeat_byte(1), "role": "master", "observing": false,
        "ready": true, "syncing": false, "height": "0x4", "hash": chain.entry(4).hash,
        "stateRoot": chain.head(4).state_root, "milliTimestamp": "0x18bcfe56e40", "thirdHeight": "0x3", "pendingHeight": "0x5",
        "epoch": "0x0", "view": "0xb", "round": "0x0", "poolTransactions": "0x0",
        "peers": [peer(1, true), peer(2, true), peer(3, false)],
        "supervisorsRegistered": "0x5", "supervisorsConnected": "0x3", "sealing": null,
    });
    expected["supervisors"] = (0..SUPERVISORS).map(supervisor_shown).collect();
    assert_eq!(server.result("btn_status", json!([])), expected);
    chain.syncing.store(true, Ordering::Relaxed);
    expected["ready"] = json!(false);
    expected["notReadyReason"] = json!("catching up: block 4 of 9");
    expected["syncing"] = json!({ "startingBlock": "0x1", "currentBlock": "0x4", "highestBlock": "0x9" });
    assert_eq!(server.result("btn_status", json!([])), expected);
}
