//! Test helper: the golden vectors of `tests/vectors/crypto.json`, made by `make_vectors.py` beside them.

use alloy_primitives::Bytes;
use serde_json::Value;

/// The bytes at a JSON pointer such as `/domain/clerk`.
pub(crate) fn bytes(pointer: &str) -> Bytes {
    value(pointer).as_str().unwrap().parse().unwrap()
}

/// The value at a JSON pointer.
pub(crate) fn value(pointer: &str) -> Value {
    let vectors: Value = serde_json::from_str(include_str!("../tests/vectors/crypto.json")).unwrap();
    vectors.pointer(pointer).unwrap_or_else(|| panic!("no vector {pointer}")).clone()
}

/// The eight roots of the vector's permutation proof.
pub(crate) fn permutation_roots() -> Vec<Bytes> {
    (0..8).map(|position| bytes(&format!("/lottery/permutation_roots/{position}"))).collect()
}
