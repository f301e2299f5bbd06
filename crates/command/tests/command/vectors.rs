//! Golden vectors: a changed byte of the language is a deliberate act, never a side effect.
//!
//! To change it on purpose: raise `COMMAND_VERSION`, say so in CHANGELOG.md and docs/wire.md, and run the tests once
//! with `BTN_WRITE_VECTORS=1` to write the new texts into `vectors.txt` and into the fuzzer's corpus.

use crate::fixtures;
use btn_command::{BtnCmd, encode_command};
use std::collections::BTreeMap;
use std::path::PathBuf;

fn is_writing() -> bool {
    std::env::var_os("BTN_WRITE_VECTORS").is_some()
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/command/vectors.txt")
}

/// Names and values: commands as their bodies, binary contents in hex.
fn values() -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for (name, command, blob) in fixtures::everything() {
        if let Some(content) = blob {
            values.insert(format!("{name}.blob"), hex::encode(content));
        }
        values.insert(name, command.body().to_owned());
    }
    let ping = BtnCmd::parse("ping{\"é\":1}".into());
    values.insert("frame.command".into(), hex::encode(encode_command(&ping).unwrap()));
    let blob = btn_command::encode_blob(fixtures::ID, b"bytes").unwrap();
    values.insert("frame.blob".into(), hex::encode(blob));
    values
}

#[test]
fn everything_said_has_its_golden_text() {
    let values = values();
    if is_writing() {
        let mut text =
            String::from("# Commands as their bodies, frames and binary contents in hex; see vectors.rs.\n");
        for (name, value) in &values {
            text.push_str(&format!("{name} = {value}\n"));
        }
        std::fs::write(path(), text).expect("vectors.txt is writable");
    }
    let text = std::fs::read_to_string(path()).expect("tests/command/vectors.txt");
    let golden: BTreeMap<&str, &str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" = "))
        .collect();
    let names: Vec<&str> = values.keys().map(String::as_str).collect();
    assert_eq!(
        golden.keys().copied().collect::<Vec<_>>(),
        names,
        "values without golden text, or the reverse"
    );
    for (name, value) in &values {
        assert_eq!(
            golden[&**name], value,
            "`{name}` changed: peers of two versions would not understand each other. If that is meant, see \
             vectors.rs."
        );
    }
}

/// Inputs of the fuzz target `command`: its first byte says what the rest is (fuzz/fuzz_targets/command.rs).
fn corpus() -> BTreeMap<String, Vec<u8>> {
    let mut corpus = BTreeMap::new();
    for (name, command, blob) in fixtures::everything() {
        if let Some(content) = blob {
            corpus.insert(format!("blob.{name}"), [&[255], &content[..]].concat());
        }
        corpus.insert(format!("body.{name}"), [&[254], command.body().as_bytes()].concat());
    }
    // Values at their limits, which chance alone does not come by.
    for (name, command) in fixtures::limits() {
        corpus.insert(format!("limit.{name}"), [&[254], command.body().as_bytes()].concat());
    }
    for (name, piece_bytes, count) in [("whole", 0, usize::MAX), ("pieces", 7, usize::MAX), ("short", 3, 2)] {
        let frames: Vec<_> = fixtures::frames().into_iter().take(count).collect();
        corpus.insert(format!("stream.{name}"), [&[piece_bytes], &frames.concat()[..]].concat());
    }
    corpus
}

#[test]
fn the_fuzzer_starts_from_everything_said() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/command");
    for (name, input) in corpus() {
        let path = directory.join(&name);
        if is_writing() {
            std::fs::create_dir_all(&directory).expect("fuzz/corpus/command");
            std::fs::write(&path, &input).expect("the corpus is writable");
        }
        let stored = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(stored == input, "fuzz/corpus/command/{name} is not what is said today; see vectors.rs");
    }
}
