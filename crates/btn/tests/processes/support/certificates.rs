//! Who signed: the members in the certificates of blocks, as a node tells.

use super::rpc::{Rpc, quantity};
use serde_json::json;
use std::ops::RangeInclusive;

/// The signers of the certificate that makes a block final, as places in the committee.
#[track_caller]
pub fn signers(rpc: &Rpc, height: u64) -> Vec<usize> {
    let answer = rpc.call("btn_getCertificate", json!([format!("{height:#x}")]));
    let signers = answer["certificate"]["signers"].as_array();
    let signers = signers.unwrap_or_else(|| panic!("no certificate of block {height}: {answer}"));
    let place = |signer: &serde_json::Value| usize::try_from(quantity(&signer["index"])).expect("a place");
    signers.iter().map(place).collect()
}

/// Whether a member signed any of these blocks' certificates.
pub fn has_signed(rpc: &Rpc, member: usize, mut heights: RangeInclusive<u64>) -> bool {
    heights.any(|height| signers(rpc, height).contains(&member))
}
