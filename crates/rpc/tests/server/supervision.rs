//! The second level in JSON: seals, supervisors, candidates, the view.

use crate::backend::{Chain, SEALERS, SUPERVISORS, member, registry, supervisor, supervisor_ids, ticket};
use crate::client::Server;
use alloy_primitives::{B256, Bytes, U256};
use btn_crypto::{Domain, tree_hash, verify_audit_path};
use btn_types::{Block, Epoch, Height, Seal, Ticket, View, decode_exact, sha256};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"))
}

fn root() -> B256 {
    tree_hash(supervisor_ids().iter().map(B256::as_slice))
}

/// Core of a block as a client computes it: from raw blocks and the genesis hash alone.
fn core_from_raw(server: &Server, height: u64) -> B256 {
    let block = |height: u64| -> Block {
        let raw: Bytes = read(&server.result("btn_getRawBlock", json!([format!("{height:#x}")])));
        decode_exact(&raw).expect("a block")
    };
    let (parent, block) = (block(height - 1), block(height));
    let envelope = block.envelope;
    let domain = Domain::new(server.chain.entry(0).hash);
    let (clerk, signature) = (envelope.clerk, &envelope.clerk_signature);
    let seed = if height == 1 { domain.genesis_seed() } else { parent.header.mix_hash };
    domain.core(envelope.epoch, envelope.view, Height(height), seed, clerk, signature)
}

#[test]
fn seals_come_with_all_that_checks_them() {
    let server = Server::start();
    let chain = &server.chain;
    let answer = server.result("btn_getSeals", json!(["0x1"]));
    assert_eq!(answer, server.result("btn_getSeals", json!([chain.entry(1).hash])));
    assert_eq!(answer, server.result("btn_getSeals", json!([{ "blockHash": chain.entry(1).hash }])));
    assert_eq!((&answer["number"], &answer["hash"]), (&json!("0x1"), &json!(chain.entry(1).hash)));
    assert_eq!(answer["core"], json!(core_from_raw(&server, 1)));
    let numbers = ["required", "registered", "expectedSeals", "count"];
    let shown: Vec<_> = numbers.iter().map(|name| answer[*name].as_str().unwrap_or("")).collect();
    assert_eq!(shown, ["0x2", "0x5", "0x4", "0x3"]);
    // ⌊2²⁵⁶·4/5⌋
    assert_eq!(answer["drawLimit"], json!(format!("0x{}", "c".repeat(64))));
    assert_eq!(answer["supervisorsRoot"], json!(root()));
    let seals = answer["seals"].as_array().expect("a list");
    assert_eq!(seals.len(), 3, "one of each supervisor, none of another block: {answer}");
    for (shown, known) in seals.iter().zip(chain.seals_of(1)) {
        assert_eq!(decode_exact::<Seal>(&read::<Bytes>(&shown["raw"])), Ok(known.clone()));
        assert_eq!(shown["supervisor"], json!(known.supervisor));
        assert_eq!(shown["drawSignature"], json!(known.draw_signature));
        assert_eq!(shown["signature"], json!(known.signature));
        assert_eq!(shown["draw"], json!(sha256(&known.draw_signature)));
        let index: alloy_primitives::U64 = read(&shown["index"]);
        let path: Vec<B256> = read(&shown["membership"]);
        let (leaves, leaf) = (u64::from(SUPERVISORS), known.supervisor.0);
        assert!(verify_audit_path(root(), leaves, index.to(), leaf.as_slice(), &path), "{shown}");
        assert!(!verify_audit_path(root(), leaves, index.to::<u64>() ^ 1, leaf.as_slice(), &path));
    }
}

/// Number, state, whether it is final, and what covers it.
fn state(server: &Server, selector: Value) -> (String, String, bool, Option<String>) {
    let answer = server.result("btn_getSeals", json!([selector]));
    let text = |name: &str| answer[name].as_str().map(str::to_owned);
    let known = SEALERS[answer["number"].as_str().and_then(|text| text[2..].parse().ok()).unwrap_or(0)];
    assert_eq!(answer["count"], json!(format!("{:#x}", known.len())), "{answer}");
    (
        text("number").unwrap_or_default(),
        text("state").unwrap_or_default(),
        answer["final"] == json!(true),
        text("coveredBy"),
    )
}

#[test]
fn a_block_is_in_the_state_that_its_seals_give_it() {
    let server = Server::start();
    let expect = |selector: &str, number: &str, name: &str, is_final: bool, covered_by: Option<&str>| {
        let expected = (number.to_owned(), name.to_owned(), is_final, covered_by.map(str::to_owned));
        assert_eq!(state(&server, json!(selector)), expected, "{selector}");
    };
    expect("earliest", "0x0", "third", true, Some("0x0"));
    expect("0x1", "0x1", "third", true, Some("0x1"));
    // One seal of two: the seals of block 3 cover it.
    expect("0x2", "0x2", "third", true, Some("0x3"));
    expect("finalized", "0x3", "third", true, Some("0x3"));
    // Final and sealed, but not yet on this node's disk as such.
    for tag in ["latest", "safe", "0x4"] {
        expect(tag, "0x4", "second", true, Some("0x4"));
    }
    expect("pending", "0x5", "first", false, None);
    server.chain.third.store(1, Ordering::Relaxed);
    expect("0x2", "0x2", "first", true, None);
    server.chain.third.store(4, Ordering::Relaxed);
    expect("latest", "0x4", "third", true, Some("0x4"));
    for unknown in [json!("0x5"), json!("0x6"), json!(server.chain.entry(5).hash), json!(B256::ZERO)] {
        assert_eq!(server.result("btn_getSeals", json!([unknown])), json!(null));
    }
    let genesis = server.result("btn_getSeals", json!(["0x0"]));
    assert_eq!((&genesis["core"], &genesis["seals"]), (&json!(null), &json!([])));
    let pending = server.result("btn_getSeals", json!(["pending"]));
    assert_eq!(pending["core"], json!(server.chain.core(5)));
    assert_eq!(server.result("btn_getSeals", json!(["0x3"]))["core"], json!(core_from_raw(&server, 3)));
}

/// A covering block far above: the newest one in the third state is named instead of searching on.
#[test]
fn the_search_for_a_covering_block_is_bounded() {
    let server = Server::with_chain(Chain::with_empty_blocks(200));
    let chain = &server.chain;
    chain.third.store(200, Ordering::Relaxed);
    for (number, covered_by) in [(100, 200), (135, 200), (136, 200), (199, 200), (200, 200), (2, 3)] {
        let answer = server.result("btn_getSeals", json!([format!("{number:#x}")]));
        assert_eq!(answer["coveredBy"], json!(format!("{covered_by:#x}")), "block {number}");
        assert_eq!(answer["state"], json!("third"));
    }
    let read_before = chain.seal_reads.load(Ordering::Relaxed);
    server.result("btn_getSeals", json!(["0x6"]));
    assert_eq!(chain.seal_reads.load(Ordering::Relaxed) - read_before, 1 + 64);
}

#[test]
fn supervisors_are_listed_in_pages() {
    let server = Server::start();
    let page = |params: Value| server.result("btn_getSupervisors", params);
    let whole = page(json!([]));
    assert_eq!(whole, page(json!(["0x0", "0x5"])));
    let numbers = ["registered", "required", "expectedSeals", "from"];
    let shown: Vec<_> = numbers.iter().map(|name| whole[*name].as_str().unwrap_or("")).collect();
    assert_eq!(shown, ["0x5", "0x2", "0x4", "0x0"]);
    assert_eq!(
        (&whole["supervisorsRoot"], &whole["genesisHash"]),
        (&json!(root()), &json!(server.chain.entry(0).hash))
    );
    assert_eq!(
        (&whole["drawLimit"], &whole["next"]),
        (&json!(U256::MAX / U256::from(5) * U256::from(4)), &json!(null))
    );
    let record = |index: u8| {
        let known = supervisor(index);
        json!({
            "index": format!("{index:#x}"), "id": known.id, "payout": known.payout,
            "rsaPublicKey": known.rsa_public_key, "rsaPermutationProof": known.rsa_permutation_proof,
        })
    };
    let records = |from: u8, to: u8| Value::Array((from..to).map(record).collect());
    assert_eq!(whole["supervisors"], records(0, SUPERVISORS));
    for (from, count, to, next) in
        [(0, 2, 2, json!("0x2")), (2, 2, 4, json!("0x4")), (4, 2, 5, json!(null)), (0, 5, 5, json!(null))]
    {
        let part = page(json!([from, count]));
        assert_eq!((&part["supervisors"], &part["next"]), (&records(from, to), &next), "{from} {count}");
        assert_eq!(part["from"], json!(format!("{from:#x}")));
    }
    for params in [json!([5]), json!(["0xffffffffffffffff", 7]), json!([0, 0])] {
        let part = page(params.clone());
        assert_eq!((&part["supervisors"], &part["next"]), (&json!([]), &json!(null)), "{params}");
    }
}

#[test]
fn a_page_of_supervisors_is_bounded() {
    let server = Server::start();
    let mut many = registry();
    many.records = vec![supervisor(0); 300];
    *server.chain.registry.lock().expect("no panic") = Arc::new(many);
    for params in [json!([]), json!([0]), json!([0, 300]), json!(["0x0", "0xffffffffffffffff"])] {
        let page = server.result("btn_getSupervisors", params.clone());
        let listed = page["supervisors"].as_array().map(Vec::len);
        assert_eq!((listed, &page["next"]), (Some(256), &json!("0x100")), "{params}");
    }
    let last = server.result("btn_getSupervisors", json!(["0x100"]));
    let listed = last["supervisors"].as_array().map(Vec::len);
    assert_eq!((listed, &last["next"], &last["registered"]), (Some(44), &json!(null), &json!("0x12c")));
}

#[test]
fn candidates_are_listed_by_view_best_first() {
    let server = Server::start();
    assert_eq!(
        server.result("btn_getCandidates", json!([])),
        json!({ "epoch": "0x0", "view": "0xb", "candidates": [] })
    );
    let foreign = Ticket { epoch: Epoch(1), ..ticket(12, 0, 5) };
    let tickets = vec![
        ticket(13, 2, 1),
        ticket(12, 1, 2),
        ticket(12, 9, 3),
        foreign,
        ticket(12, 3, 4),
        ticket(12, 0, 6),
    ];
    *server.chain.tickets.lock().expect("no panic") = tickets.clone();
    let answer = server.result("btn_getCandidates", json!([]));
    let draw = |ticket: &Ticket| sha256(&ticket.signature);
    let mut expected: Vec<&Ticket> =
        tickets.iter().filter(|ticket| ticket.epoch == Epoch(0) && ticket.member.0 < 4).collect();
    expected.sort_by_key(|ticket| (ticket.view, draw(ticket)));
    let domain = Domain::new(server.chain.entry(0).hash);
    let shown = |ticket: &&Ticket| {
        let draw = draw(ticket);
        json!({
            "view": format!("{:#x}", ticket.view.0), "member": format!("{:#x}", ticket.member.0),
            "id": member(ticket.member.0).id, "draw": draw, "drawSeed": ticket.draw_seed,
            "zeros": format!("{:#x}", U256::from_be_bytes(draw.0).leading_zeros()),
            "message": domain.clerk(ticket.epoch, ticket.view, ticket.draw_seed), "signature": ticket.signature,
        })
    };
    assert_eq!(expected.len(), 4);
    assert_eq!(answer["candidates"], expected.iter().map(shown).collect::<Value>());
    // 64 to be shown, of three views: 21 of each, the best of them.
    let many = (0..100).flat_map(|byte| [ticket(12, 0, byte), ticket(13, 1, byte)]);
    *server.chain.tickets.lock().expect("no panic") = many.collect();
    let answer = server.result("btn_getCandidates", json!([]));
    let mut draws: Vec<B256> = (0..100).map(|byte| draw(&ticket(12, 0, byte))).collect();
    draws.sort_unstable();
    let of_view = |view: View| -> Vec<B256> {
        let candidates = answer["candidates"].as_array().expect("a list").iter();
        let text = format!("{:#x}", view.0);
        candidates.filter(|shown| shown["view"] == json!(text)).map(|shown| read(&shown["draw"])).collect()
    };
    for view in [12, 13] {
        assert_eq!(of_view(View(view)), draws[..21], "view {view}");
    }
    server.chain.is_supervisor.store(true, Ordering::Relaxed);
    assert_eq!(server.error("btn_getCandidates", json!([])), (-32000, "no candidates here".to_owned()));
}

#[test]
fn the_view_tells_where_consensus_stands() {
    let server = Server::start();
    let expected = json!({
        "epoch": "0x0", "view": "0xb", "round": "0x0", "floor": "0x8", "height": "0x4", "thirdHeight": "0x3",
        "pendingHeight": "0x5", "quorum": "0x3",
    });
    assert_eq!(server.result("btn_getView", json!([])), expected);
}
