//! The house's floors (ARCHITECTURE.md): which crate may import which, read from `cargo metadata`. No step calls
//! back up, sockets and timers live in four crates, and stand-in cryptography never reaches the binary.

use cargo_metadata::{CargoOpt, DependencyKind, MetadataCommand, Package};
use std::collections::{BTreeMap, BTreeSet};

/// What each crate of ours may import of ours. A new edge is a decision: it is written here and in
/// ARCHITECTURE.md, with its reason.
const ALLOWED: [(&str, &[&str]); 14] = [
    ("btn-types", &[]),
    ("btn-crypto", &["btn-types"]),
    ("btn-command", &["btn-types"]),
    ("btn-stand-in", &["btn-types", "btn-crypto"]),
    ("btn-consensus", &["btn-types", "btn-crypto"]),
    ("btn-execution", &["btn-types"]),
    ("btn-storage", &["btn-types"]),
    ("btn-chain", &["btn-types", "btn-crypto", "btn-execution", "btn-storage"]),
    ("btn-engine", &["btn-types", "btn-crypto", "btn-consensus", "btn-chain", "btn-storage"]),
    ("btn-network", &["btn-types", "btn-crypto", "btn-command"]),
    ("btn-rpc", &["btn-types", "btn-crypto", "btn-chain", "btn-execution"]),
    (
        "btn-node",
        &["btn-types", "btn-crypto", "btn-engine", "btn-chain", "btn-network", "btn-storage", "btn-rpc"],
    ),
    (
        "btn-sim",
        &[
            "btn-types",
            "btn-crypto",
            "btn-consensus",
            "btn-engine",
            "btn-chain",
            "btn-storage",
            "btn-stand-in",
        ],
    ),
    // storage: the process tests read the journals of nodes they have killed.
    ("btn", &["btn-types", "btn-crypto", "btn-storage", "btn-node", "btn-rpc"]),
];

/// Stand-in cryptography: anyone may test with it, only the simulator may be built on it.
const STAND_IN: &str = "btn-stand-in";

/// The feature of btn-crypto with which a test disables one check of a proof.
const SWITCHES: &str = "check-switches";

/// Crates that bring sockets, tasks or timers, and who may have them.
const RUNTIMES: [&str; 8] = ["tokio", "quinn", "rustls", "axum", "hyper", "jsonrpsee", "tower", "tower-http"];
const MAY_HAVE_A_RUNTIME: [&str; 4] = ["btn-network", "btn-rpc", "btn-node", "btn"];

/// One dependency that a manifest declares.
#[derive(Clone, Debug)]
struct Edge {
    from: String,
    to: String,
    for_tests_only: bool,
    features: Vec<String>,
    source: Option<String>,
}

impl Edge {
    fn new(from: &str, to: &str, for_tests_only: bool) -> Self {
        Self { from: from.into(), to: to.into(), for_tests_only, features: Vec::new(), source: None }
    }
}

fn read_workspace() -> (Vec<Package>, Vec<Edge>) {
    let metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
        .features(CargoOpt::AllFeatures)
        .no_deps()
        .other_options(["--offline".into(), "--locked".into()])
        .exec()
        .expect("cargo metadata runs");
    let edges = metadata.packages.iter().flat_map(|package| {
        package.dependencies.iter().map(|dependency| Edge {
            from: package.name.to_string(),
            to: dependency.name.clone(),
            for_tests_only: dependency.kind == DependencyKind::Development,
            features: dependency.features.clone(),
            source: dependency.source.as_ref().map(ToString::to_string),
        })
    });
    let edges = edges.collect();
    (metadata.packages, edges)
}

fn is_ours(name: &str) -> bool {
    name == "btn" || name.starts_with("btn-")
}

fn is_allowed(edge: &Edge) -> bool {
    let allowed: BTreeMap<_, _> = ALLOWED.into_iter().collect();
    let by_table = allowed.get(edge.from.as_str()).is_some_and(|floor| floor.contains(&edge.to.as_str()));
    by_table || (edge.for_tests_only && edge.to == STAND_IN)
}

/// Edges of ours that the table does not know.
fn forbidden_edges(edges: &[Edge]) -> Vec<String> {
    edges
        .iter()
        .filter(|edge| is_ours(&edge.to) && !is_allowed(edge))
        .map(|edge| format!("{} must not import {}", edge.from, edge.to))
        .collect()
}

/// Runtimes where none may be, tests included: a test that needs one belongs a floor higher.
fn misplaced_runtimes(edges: &[Edge]) -> Vec<String> {
    edges
        .iter()
        .filter(|edge| {
            RUNTIMES.contains(&edge.to.as_str()) && !MAY_HAVE_A_RUNTIME.contains(&edge.from.as_str())
        })
        .map(|edge| format!("{} must not know {}", edge.from, edge.to))
        .collect()
}

/// Everything of ours that is built into `root`.
fn built_into(root: &str, edges: &[Edge]) -> BTreeSet<String> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![root.to_owned()]);
    while let Some(name) = open.pop() {
        let below =
            edges.iter().filter(|edge| edge.from == name && !edge.for_tests_only && is_ours(&edge.to));
        open.extend(below.map(|edge| edge.to.clone()).filter(|to| !reached.contains(to)));
        reached.insert(name);
    }
    reached
}

#[test]
fn no_crate_imports_past_its_floor() {
    let (packages, edges) = read_workspace();
    let known: BTreeSet<_> = ALLOWED.into_iter().map(|(name, _)| name.to_owned()).collect();
    let names: BTreeSet<_> = packages.iter().map(|package| package.name.to_string()).collect();
    assert_eq!(
        names, known,
        "a crate came or went: say what it may import, in ALLOWED and in ARCHITECTURE.md"
    );
    assert_eq!(forbidden_edges(&edges), Vec::<String>::new());
}

#[test]
fn sockets_and_timers_live_in_four_crates() {
    assert_eq!(misplaced_runtimes(&read_workspace().1), Vec::<String>::new());
}

#[test]
fn stand_in_cryptography_is_not_in_the_binary() {
    let built = built_into("btn", &read_workspace().1);
    assert!(built.contains("btn-types") && built.contains("btn-node"), "{built:?}");
    assert!(!built.contains(STAND_IN), "btn is built on {built:?}");
}

/// Edges that would build switches for the checks of proofs into what is shipped.
fn shipped_switches(edges: &[Edge]) -> Vec<String> {
    edges
        .iter()
        .filter(|edge| !edge.for_tests_only && edge.features.iter().any(|feature| feature == SWITCHES))
        .map(|edge| format!("{} must not take {} with {SWITCHES}", edge.from, edge.to))
        .collect()
}

/// Features of our packages that turn the switches on behind another name, `default` among them.
fn features_with_switches(packages: &[Package]) -> Vec<String> {
    let turns_on = |parts: &[String]| parts.iter().any(|part| part.rsplit('/').next() == Some(SWITCHES));
    let of_package = |package: &Package| {
        let named = package.features.iter().filter(|(_, parts)| turns_on(parts));
        named.map(|(feature, _)| format!("{}: feature {feature}", package.name)).collect::<Vec<_>>()
    };
    packages.iter().flat_map(of_package).collect()
}

#[test]
fn no_check_of_a_proof_can_be_disabled_in_the_binary() {
    let (packages, edges) = read_workspace();
    let with_switches: Vec<_> =
        packages.iter().filter(|package| package.features.contains_key(SWITCHES)).collect();
    assert_eq!(with_switches.len(), 1, "btn-crypto alone has the switches");
    assert_eq!(with_switches[0].name.as_str(), "btn-crypto");
    assert!(
        edges.iter().any(|edge| edge.for_tests_only && edge.features.iter().any(|name| name == SWITCHES)),
        "some test uses them"
    );
    assert_eq!(shipped_switches(&edges), Vec::<String>::new());
    assert_eq!(features_with_switches(&packages), Vec::<String>::new());
}

#[test]
fn every_dependency_comes_from_the_registry_or_this_workspace() {
    for edge in read_workspace().1 {
        match edge.source {
            None => assert!(is_ours(&edge.to), "{} takes {} by a path outside", edge.from, edge.to),
            Some(source) => {
                assert!(source.starts_with("registry+"), "{} takes {} from {source}", edge.from, edge.to);
            }
        }
    }
}

/// The checks themselves, against edges that break them.
#[test]
fn forbidden_edges_are_found() {
    let up = Edge::new("btn-execution", "btn-consensus", false);
    let up_in_tests = Edge::new("btn-types", "btn-crypto", true);
    let stand_in = Edge::new("btn-chain", STAND_IN, false);
    for edge in [&up, &up_in_tests, &stand_in] {
        assert_eq!(forbidden_edges(std::slice::from_ref(edge)).len(), 1, "{edge:?}");
    }
    let fine = [Edge::new("btn-chain", STAND_IN, true), Edge::new("btn-chain", "btn-storage", false)];
    assert!(forbidden_edges(&fine).is_empty());
    assert_eq!(misplaced_runtimes(&[Edge::new("btn-engine", "tokio", true)]).len(), 1);
    let switched = |for_tests_only| Edge {
        features: vec![SWITCHES.into()],
        ..Edge::new("btn-chain", "btn-crypto", for_tests_only)
    };
    assert_eq!(shipped_switches(&[switched(false)]).len(), 1);
    assert_eq!(shipped_switches(&[switched(true)]).len(), 0);
    let through = [Edge::new("btn", "btn-sim", false), Edge::new("btn-sim", STAND_IN, false)];
    assert!(built_into("btn", &through).contains(STAND_IN));
}
