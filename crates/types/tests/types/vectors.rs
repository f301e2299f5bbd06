//! Golden vectors: a changed byte of a wire or disk format is a deliberate act, never a side effect.
//!
//! To change a format on purpose: raise the protocol or journal version, say so in CHANGELOG.md, and run the tests
//! once with `BTN_WRITE_VECTORS=1` to write the new bytes into `vectors.txt`.

use crate::fixtures;
use std::collections::BTreeMap;
use std::path::PathBuf;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/types/vectors.txt")
}

fn read_vectors(text: &str) -> BTreeMap<&str, &str> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| line.split_once(" = "))
        .collect()
}

fn write_vectors() {
    let mut text = String::from("# Canonical bytes of every wire and disk type; see vectors.rs.\n");
    for fixture in fixtures::all() {
        text.push_str(&format!("{} = {}\n", fixture.name, hex::encode(&fixture.bytes)));
    }
    std::fs::write(path(), text).expect("vectors.txt is writable");
}

#[test]
fn every_format_has_its_golden_bytes() {
    if std::env::var_os("BTN_WRITE_VECTORS").is_some() {
        write_vectors();
    }
    let text = std::fs::read_to_string(path()).expect("tests/types/vectors.txt");
    let mut golden = read_vectors(&text);
    for fixture in fixtures::all() {
        let name = fixture.name;
        let expected = golden.remove(name).unwrap_or_else(|| panic!("no golden bytes for `{name}`"));
        let expected = hex::decode(expected).unwrap_or_else(|error| panic!("`{name}`: {error}"));
        let first = expected.iter().zip(&fixture.bytes).position(|(old, new)| old != new);
        let first = first.unwrap_or(expected.len().min(fixture.bytes.len()));
        assert!(
            expected == fixture.bytes,
            "the format of `{name}` changed at byte {first} (it had {} bytes, it has {}): nodes of two versions \
             would not understand each other and old journals would not load. If that is meant, see vectors.rs.",
            expected.len(),
            fixture.bytes.len(),
        );
    }
    assert!(golden.is_empty(), "golden bytes without a type: {:?}", golden.keys());
}

#[test]
fn the_golden_bytes_are_read_back() {
    for fixture in fixtures::all() {
        let Some(recode) = fixture.recode else { continue };
        assert_eq!(recode(&fixture.bytes), Ok(fixture.bytes.clone()), "{}", fixture.name);
    }
}
