//! Habits of the house that no compiler checks: every file says what it is for, none grows without end, nothing
//! is left half done, and what all nodes must agree on never depends on a clock, a thread or an order by chance.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest file, in lines.
const MAX_FILE_LINES: usize = 1_000;

/// Longest ARCHITECTURE.md, in lines: it is for reading in one sitting.
const MAX_ARCHITECTURE_LINES: usize = 250;

/// Marks of unfinished work, in pieces so that this file does not find itself.
const LEFTOVERS: [&str; 7] = [
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
    concat!("#[", "ignore"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("db", "g!("),
    concat!("allow(dead", "_code)"),
];

/// Crates whose every step must be the same on every machine.
const DETERMINISTIC: [&str; 5] = ["types", "consensus", "execution", "chain", "engine"];

/// What would make a step depend on chance, the hour or the machine.
const BY_CHANCE: [&str; 13] = [
    "HashMap",
    "HashSet",
    "std::time",
    "Instant",
    "SystemTime",
    "std::thread",
    "thread_rng",
    "OsRng",
    "getrandom",
    "f64",
    "f32",
    "async",
    "await",
];

/// Where one of these is right, and why: (end of the path, word, reason).
const EXCEPTIONS: [(&str, &str, &str); 0] = [];

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).canonicalize().expect("the workspace")
}

fn is_skipped(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "target" || name == "node_modules" || name == ".git")
}

fn collect(directory: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a readable directory") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() && !is_skipped(&path) {
            collect(&path, extension, found);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
}

/// Every source file under the crates, with its text, sorted by path.
fn sources() -> Vec<(PathBuf, String)> {
    let mut paths = Vec::new();
    collect(&root().join("crates"), "rs", &mut paths);
    paths.sort();
    assert!(paths.len() > 30, "found only {} source files", paths.len());
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(&path).expect("UTF-8"))).collect()
}

fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// Whether `word` stands in `line` by itself.
fn has_word(line: &str, word: &str) -> bool {
    let part_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    line.match_indices(word).any(|(at, _)| {
        let before = at.checked_sub(1).and_then(|before| line.as_bytes().get(before));
        let after = line.as_bytes().get(at + word.len());
        !before.is_some_and(part_of_word) && !after.is_some_and(part_of_word)
    })
}

/// The lines of a source file that are neither comments nor tests, with their numbers from 1.
fn product_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..)
        .zip(text.lines())
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Words by chance in the product code of one file.
fn by_chance(path: &str, text: &str) -> Vec<String> {
    let is_excepted =
        |word: &str| EXCEPTIONS.iter().any(|(end, what, _)| path.ends_with(end) && *what == word);
    let found = product_lines(text).flat_map(|(number, line)| {
        let words = BY_CHANCE.iter().filter(move |word| has_word(line, word));
        words.map(move |word| (number, *word))
    });
    found
        .filter(|(_, word)| !is_excepted(word))
        .map(|(number, word)| format!("{path}:{number}: `{word}` in code that all nodes must agree on"))
        .collect()
}

#[test]
fn every_file_says_what_it_is_for_and_stays_short() {
    let mut found = Vec::new();
    for (path, text) in sources() {
        if !text.starts_with("//!") {
            found.push(format!("{}: no `//!` line at its head", path.display()));
        }
        let lines = text.lines().count();
        if lines > MAX_FILE_LINES {
            found.push(format!("{}: {lines} lines, at most {MAX_FILE_LINES}", path.display()));
        }
    }
    assert_none(&found);
}

#[test]
fn nothing_is_left_half_done() {
    let mut found = Vec::new();
    for (path, text) in sources() {
        for (number, line) in (1..).zip(text.lines()) {
            for mark in LEFTOVERS.iter().filter(|mark| line.contains(**mark)) {
                found.push(format!("{}:{number}: `{mark}`", path.display()));
            }
        }
    }
    assert_none(&found);
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    let mut manifests = Vec::new();
    collect(&root().join("crates"), "toml", &mut manifests);
    manifests.retain(|path| path.ends_with("Cargo.toml"));
    assert!(manifests.len() > 10, "found only {} crates", manifests.len());
    for path in manifests {
        let text = fs::read_to_string(&path).expect("UTF-8");
        assert!(text.contains("[lints]\nworkspace = true\n"), "{}: own lints", path.display());
        assert!(text.contains("license.workspace = true"), "{}: no licence", path.display());
    }
}

/// Names of the crates from outside that the workspace manifest lists.
fn outside_dependencies() -> Vec<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    let lines = manifest.lines().skip_while(|line| *line != "[workspace.dependencies]").skip(1);
    let entries = lines.take_while(|line| !line.starts_with('[')).filter(|line| !line.starts_with('#'));
    let names = entries.filter_map(|line| line.split_once('=')).map(|(name, _)| name.trim().to_owned());
    names.filter(|name| !name.starts_with("btn-")).collect()
}

#[test]
fn every_dependency_is_used_and_has_its_reason() {
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let mut manifests = Vec::new();
    collect(&root().join("crates"), "toml", &mut manifests);
    let manifests = manifests.iter().map(|path| fs::read_to_string(path).expect("UTF-8"));
    let used: BTreeSet<String> = manifests
        .flat_map(|text| {
            text.lines()
                .filter_map(|line| line.split(['.', ' ']).next().map(str::to_owned))
                .collect::<Vec<_>>()
        })
        .collect();
    let names = outside_dependencies();
    assert!(names.len() > 30, "{names:?}");
    let mut found = Vec::new();
    for name in names {
        if !used.contains(&name) {
            found.push(format!("Cargo.toml lists `{name}`, and no crate uses it"));
        }
        if !architecture.contains(&format!("`{name}`")) {
            found.push(format!("`{name}` has no reason in ARCHITECTURE.md, \"Dependencies\""));
        }
    }
    assert_none(&found);
}

#[test]
fn what_nodes_agree_on_depends_on_nothing_but_its_input() {
    let mut found = Vec::new();
    for name in DETERMINISTIC {
        let source = root().join("crates").join(name).join("src");
        for (path, text) in sources().iter().filter(|(path, _)| path.starts_with(&source)) {
            let is_test = path.ends_with("tests.rs") || path.iter().any(|part| part == "tests");
            if !is_test {
                found.extend(by_chance(&path.to_string_lossy(), text));
            }
        }
    }
    assert_none(&found);
}

/// The crate that a source file belongs to.
fn crate_of(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("crates")).expect("a path under crates");
    inside.iter().next().unwrap_or_default().to_string_lossy().into_owned()
}

#[test]
fn no_source_file_is_forgotten() {
    let sources = sources();
    let mut declared = BTreeSet::new();
    for (path, text) in &sources {
        let declarations = text.lines().filter_map(|line| line.trim().strip_suffix(';'));
        let modules = declarations.filter_map(|line| line.rsplit_once("mod "));
        declared.extend(modules.map(|(_, name)| (crate_of(path), name.to_owned())));
    }
    let mut found = Vec::new();
    for (path, _) in &sources {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let in_src = path.iter().any(|part| part == "src");
        let is_root = matches!(&*stem, "lib" | "main" | "mod") || path.iter().any(|part| part == "bin");
        if in_src && !is_root && !declared.contains(&(crate_of(path), stem.clone())) {
            found.push(format!("{}: no `mod {stem};` in its crate", path.display()));
        }
    }
    assert_none(&found);
}

#[test]
fn the_documents_are_there_and_short_enough_to_read() {
    let read =
        |name: &str| fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let lines = read("ARCHITECTURE.md").lines().count();
    assert!(lines <= MAX_ARCHITECTURE_LINES, "ARCHITECTURE.md has {lines} lines");
    let readme = read("README.md");
    for command in ["cargo run --release --locked -- devnet", "cargo test --workspace --locked"] {
        let line = readme.lines().position(|line| line.contains(command));
        assert!(line.is_some_and(|line| line < 20), "README.md leads with `{command}`");
    }
    for name in ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs/consensus.md", "docs/wire.md"] {
        assert!(!read(name).is_empty(), "{name}");
    }
}

/// The checks themselves, against text that breaks them.
#[test]
fn breaches_are_found() {
    assert_eq!(by_chance("a.rs", "use std::collections::HashMap;").len(), 1);
    assert_eq!(by_chance("a.rs", "let x: f64 = 1.0;\nasync fn f() {}").len(), 2);
    assert!(by_chance("a.rs", "// no HashMap here\nlet asynchronous = NotAHashMapAtAll;").is_empty());
    assert!(by_chance("a.rs", "let x = 1;\n#[cfg(test)]\nmod tests { use std::time::Instant; }").is_empty());
}
