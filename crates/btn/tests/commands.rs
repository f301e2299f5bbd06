//! `btn init`, `btn genesis`, `btn keys` and the mistakes that `btn node` and `btn devnet` answer, through the
//! program itself.

use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const ACCOUNT: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

fn btn(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_btn"));
    command.args(arguments).current_dir(directory).stdin(Stdio::null()).env_remove("CREDENTIALS_DIRECTORY");
    command.output().unwrap_or_else(|error| panic!("btn does not run: {error}"))
}

fn succeed(directory: &Path, arguments: &[&str]) -> String {
    let output = btn(directory, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "btn {arguments:?} failed: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn fail(directory: &Path, arguments: &[&str]) -> String {
    let output = btn(directory, arguments);
    assert!(!output.status.success(), "btn {arguments:?} succeeded");
    assert!(output.stdout.is_empty(), "a failure writes to standard error only");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!errors.contains("backtrace") && !errors.contains("panicked"), "{errors}");
    errors
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// A directory with a password file.
fn workplace() -> TempDir {
    let made = tempfile::tempdir().and_then(|directory| {
        fs::write(directory.path().join("password"), "correct horse\n")?;
        Ok(directory)
    });
    made.unwrap_or_else(|error| panic!("no temporary directory: {error}"))
}

fn init(place: &Path, name: &str, port: u16) -> Value {
    let address = format!("{name}.example.org:{port}");
    let arguments = ["init", "--dir", name, "--address", &address, "--payout", ACCOUNT, "--json"];
    json(&succeed(place, &[&arguments[..], &["--password-file", "password"]].concat()))
}

#[test]
fn init_makes_private_keys_a_public_record_and_a_configuration() {
    let place = workplace();
    let made = init(place.path(), "a", 30_303);
    let record = json(&fs::read_to_string(place.path().join("a/node.json")).unwrap());
    assert_eq!(made["id"], record["id"]);
    assert_eq!(record["addresses"][0], "a.example.org:30303");
    assert_eq!(record["rsa_permutation_proof"].as_array().unwrap().len(), 8);
    for entry in fs::read_dir(place.path().join("a/keys")).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
    let config = fs::read_to_string(place.path().join("a/config.toml")).unwrap();
    assert!(config.contains("listen = \"0.0.0.0:30303\""), "{config}");
    let password = fs::canonicalize(place.path().join("password")).unwrap();
    assert!(config.contains(&format!("password_file = \"{}\"", password.display())), "{config}");
}

#[test]
fn init_makes_a_supervisor_that_listens_to_no_node() {
    let place = workplace();
    let arguments =
        ["init", "--dir", "s", "--supervisor", "--payout", ACCOUNT, "--password-file", "password"];
    let made = json(&succeed(place.path(), &[&arguments[..], &["--json"]].concat()));
    let record = json(&fs::read_to_string(place.path().join("s/supervisor.json")).unwrap());
    assert_eq!((&made["id"], made["record"].as_str()), (&record["id"], Some("s/supervisor.json")));
    assert_eq!(record["payout"], ACCOUNT.to_lowercase());
    assert!(record.get("addresses").is_none() && record.get("vote_key").is_none(), "{record}");
    let mut keys: Vec<_> =
        fs::read_dir(place.path().join("s/keys")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    keys.sort();
    assert_eq!(keys, ["lottery.json", "network.json"]);
    let config = fs::read_to_string(place.path().join("s/config.toml")).unwrap();
    assert!(config.contains("[supervision]") && config.contains("links = 3"), "{config}");
    assert!(!config.lines().any(|line| line.starts_with("listen_supervisors")), "{config}");
    // The RPC server's, which is on loopback, is the only one.
    let listens: Vec<_> = config.lines().filter(|line| line.starts_with("listen")).collect();
    assert_eq!(listens, ["listen = \"127.0.0.1:8545\""], "{config}");

    let shown = succeed(place.path(), &["keys", "show", "--dir", "s"]);
    assert!(shown.contains("rewards to") && !shown.contains("bls-vote"), "{shown}");
    let errors = fail(place.path(), &arguments);
    assert!(errors.contains("never overwritten"), "{errors}");
    let both = ["init", "--dir", "t", "--supervisor", "--address", "h:1"];
    assert!(fail(place.path(), &both).contains("cannot be used with"));
    assert!(fail(place.path(), &["init", "--dir", "t"]).contains("--address"));
}

#[test]
fn a_masters_record_says_where_supervisors_dial() {
    let place = workplace();
    let arguments =
        ["init", "--address", "a.example.org:1", "--address", "[::1]:2", "--password-file", "password"];
    succeed(place.path(), &[&arguments[..], &["--dir", "a"]].concat());
    let record = json(&fs::read_to_string(place.path().join("a/node.json")).unwrap());
    let expected = serde_json::json!(["a.example.org:30304", "[::1]:30304"]);
    assert_eq!(record["supervisor_addresses"], expected);
    let given = ["--dir", "b", "--supervisor-address", "127.0.0.1:7"];
    succeed(place.path(), &[&arguments[..], &given].concat());
    let config = fs::read_to_string(place.path().join("b/config.toml")).unwrap();
    assert!(config.contains("listen_supervisors = \"127.0.0.1:7\""), "{config}");
    let taken = ["init", "--dir", "c", "--address", "h:30304", "--password-file", "password"];
    assert!(fail(place.path(), &taken).contains("--supervisor-address"));
}

#[test]
fn init_never_touches_what_is_there_and_never_asks_without_a_terminal() {
    let place = workplace();
    let arguments = ["init", "--dir", "a", "--address", "[::1]:30303"];
    let errors = fail(place.path(), &arguments);
    assert!(errors.contains("password file"), "{errors}");
    assert!(!place.path().join("a").exists(), "nothing was made");
    let with_password = [&arguments[..], &["--password-file", "password"]].concat();
    let text = succeed(place.path(), &with_password);
    assert!(text.contains("btn genesis new") && text.contains("btn node --config a/config.toml"), "{text}");
    let record = fs::read(place.path().join("a/node.json")).unwrap();
    let errors = fail(place.path(), &with_password);
    assert!(errors.contains("never overwritten") && errors.contains("--dir"), "{errors}");
    assert_eq!(fs::read(place.path().join("a/node.json")).unwrap(), record);
    let errors = fail(place.path(), &["init", "--dir", "b", "--address", "example.org"]);
    assert!(errors.contains("has no port"), "{errors}");
}

#[test]
fn init_knows_both_key_sizes() {
    let place = workplace();
    let arguments = ["init", "--dir", "a", "--address", "h:1", "--password-file", "password"];
    succeed(place.path(), &[&arguments[..], &["--rsa-bits", "3072"]].concat());
    let record = json(&fs::read_to_string(place.path().join("a/node.json")).unwrap());
    // As long as the modulus: 384 bytes, in hex with 0x.
    assert_eq!(record["rsa_permutation_proof"][0].as_str().unwrap().len(), 2 + 2 * 384);
    let errors = fail(place.path(), &[&arguments[..], &["--rsa-bits", "1024"]].concat());
    assert!(errors.contains("2048 or 3072"), "{errors}");
}

fn genesis_arguments<'a>(nodes: &'a [String], output: &'a str) -> Vec<&'a str> {
    let mut arguments = vec!["genesis", "new", "--output", output];
    arguments.extend(nodes.iter().flat_map(|node| ["--node", node.as_str()]));
    arguments
}

#[test]
fn a_genesis_file_is_made_of_records_and_shows_what_it_says() {
    let place = workplace();
    let nodes = ["a", "b"].map(|name| {
        init(place.path(), name, 30_303);
        format!("{name}/node.json")
    });
    let fund = format!("{ACCOUNT}=10000BTN");
    let arguments = [&genesis_arguments(&nodes, "genesis.json")[..], &["--fund", &fund, "--json"]].concat();
    let output = btn(place.path(), &arguments);
    let warning = String::from_utf8_lossy(&output.stderr);
    assert!(warning.contains("with 2 masters the chain stops"), "{warning}");
    let made = json(&String::from_utf8(output.stdout).unwrap());
    assert_eq!((&made["chain_id"], &made["accounts"]), (&Value::from(20_200_303), &Value::from(1)));
    let file = json(&fs::read_to_string(place.path().join("genesis.json")).unwrap());
    assert_eq!(file["alloc"][ACCOUNT.to_lowercase()]["balance"], "0x21e19e0c9bab2400000");
    assert_eq!(json(&succeed(place.path(), &["genesis", "show", "genesis.json", "--json"])), made);
    let text = succeed(place.path(), &["genesis", "show", "genesis.json"]);
    assert!(text.contains("10,000 BTN") && text.contains(made["hash"].as_str().unwrap()), "{text}");
    let errors = fail(place.path(), &arguments);
    assert!(errors.contains("exists already"), "{errors}");
}

/// Makes a supervisor and gives the path of its record.
fn init_supervisor(place: &Path, name: &str) -> String {
    succeed(place, &["init", "--supervisor", "--dir", name, "--password-file", "password"]);
    format!("{name}/supervisor.json")
}

#[test]
fn a_genesis_file_lists_both_levels() {
    let place = workplace();
    init(place.path(), "a", 1);
    let (s, t) = (init_supervisor(place.path(), "s"), init_supervisor(place.path(), "t"));
    let arguments = ["genesis", "new", "--node", "a/node.json", "--output"];
    let both = ["genesis.json", "--supervisor", &s, "--supervisor", &t, "--expected-seals", "9", "--json"];
    let made = json(&succeed(place.path(), &[&arguments[..], &both].concat()));
    let mut ids =
        [&s, &t].map(|path| json(&fs::read_to_string(place.path().join(path)).unwrap())["id"].clone());
    ids.sort_by_key(|id| id.as_str().unwrap().to_owned());
    assert_eq!((&made["supervisors"], &made["expected_seals"]), (&serde_json::json!(ids), &Value::from(9)));
    let text = succeed(place.path(), &["genesis", "show", "genesis.json"]);
    assert!(ids.iter().all(|id| text.contains(id.as_str().unwrap())), "{text}");
    assert!(text.contains("expected seals  9") && text.contains("a.example.org:30304"), "{text}");

    let twice = ["twice.json", "--supervisor", &s, "--supervisor", &s];
    assert!(fail(place.path(), &[&arguments[..], &twice].concat()).contains("same RSA key"));
    let range = ["range.json", "--supervisor", &s, "--expected-seals", "0"];
    assert!(fail(place.path(), &[&arguments[..], &range].concat()).contains("expected_seals"));
    let master = ["master.json", "--supervisor", "a/node.json"];
    let errors = fail(place.path(), &[&arguments[..], &master].concat());
    assert!(errors.contains("btn init --supervisor"), "{errors}");

    let mut changed = json(&fs::read_to_string(place.path().join(&s)).unwrap());
    let other = json(&fs::read_to_string(place.path().join(&t)).unwrap());
    changed["rsa_permutation_proof"] = other["rsa_permutation_proof"].clone();
    fs::write(place.path().join(&s), changed.to_string()).unwrap();
    let forged = ["forged.json", "--supervisor", &s];
    assert!(fail(place.path(), &[&arguments[..], &forged].concat()).contains(&s));
    assert!(!place.path().join("forged.json").exists());
}

#[test]
fn status_says_in_one_sentence_that_nobody_answers() {
    let place = workplace();
    // Port 9 of loopback: nobody listens on it.
    let errors = fail(place.path(), &["status", "--rpc", "http://127.0.0.1:9"]);
    assert!(errors.starts_with("error: no BTN node answers at http://127.0.0.1:9"), "{errors}");
    assert!(errors.contains("--rpc") && errors.lines().count() == 1, "{errors}");
}

#[test]
fn a_record_that_was_tampered_with_is_refused() {
    let place = workplace();
    for name in ["a", "b"] {
        init(place.path(), name, 30_303);
    }
    let read = |name: &str| json(&fs::read_to_string(place.path().join(name).join("node.json")).unwrap());
    let (a, b) = (read("a"), read("b"));
    let cases = [
        ("vote_key_proof", "proof of possession"),
        ("rsa_permutation_proof", "a/node.json"),
        ("rsa_public_key", "its id should be"),
        ("id", "its id should be"),
    ];
    for (field, words) in cases {
        let mut changed = a.clone();
        changed[field] = b[field].clone();
        fs::write(place.path().join("a/node.json"), changed.to_string()).unwrap();
        let errors = fail(place.path(), &genesis_arguments(&["a/node.json".into()], "genesis.json"));
        assert!(errors.contains("a/node.json") && errors.contains(words), "{field}: {errors}");
    }
    let twice = vec!["b/node.json".to_owned(); 2];
    let errors = fail(place.path(), &genesis_arguments(&twice, "genesis.json"));
    assert!(errors.contains("same RSA key"), "{errors}");
    assert!(!place.path().join("genesis.json").exists());
}

#[test]
fn amounts_have_units_and_accounts_checksums() {
    let place = workplace();
    let new =
        |fund: &str| fail(place.path(), &["genesis", "new", "--node", "x", "--output", "g", "--fund", fund]);
    assert!(new(&format!("{ACCOUNT}=10000")).contains("has no unit"));
    assert!(new(&format!("{ACCOUNT}=1e3BTN")).contains("not a decimal number"));
    assert!(new(&format!("{}=1BTN", ACCOUNT.replace("f39F", "F39f"))).contains("EIP-55"));
    assert!(new(ACCOUNT).contains("ADDRESS=AMOUNT"));
}

#[test]
fn keys_are_listed_shown_and_get_a_new_password() {
    let place = workplace();
    let id = init(place.path(), "a", 1)["id"].clone();
    let list = succeed(place.path(), &["keys", "list", "--dir", "a"]);
    for kind in ["rsa-lottery", "bls-vote", "ed25519-network"] {
        assert!(list.contains(kind), "{list}");
    }
    let shown = json(&succeed(place.path(), &["keys", "show", "--dir", "a", "--json"]));
    assert_eq!(shown["id"], id);
    assert_eq!(shown["record"]["id"], id);
    assert_eq!(shown["keys"][1]["public"], shown["record"]["vote_key"]);
    assert!(succeed(place.path(), &["keys", "show", "--dir", "a"]).contains(id.as_str().unwrap()));

    fs::write(place.path().join("new"), "battery staple").unwrap();
    let change = |old: &'static str, new: &'static str| {
        ["keys", "change-password", "--dir", "a", "--password-file", old, "--new-password-file", new]
    };
    let before = fs::read(place.path().join("a/keys/vote.json")).unwrap();
    succeed(place.path(), &change("password", "new"));
    assert_ne!(fs::read(place.path().join("a/keys/vote.json")).unwrap(), before);
    fs::write(place.path().join("other"), "something else").unwrap();
    assert!(fail(place.path(), &change("password", "other")).contains("wrong password"));
    succeed(place.path(), &change("new", "password"));
    assert!(fail(place.path(), &["keys", "list", "--dir", "b"]).contains("holds no keys"));
}

#[test]
fn a_node_names_the_file_and_line_of_a_mistake() {
    let place = workplace();
    init(place.path(), "a", 1);
    let path = place.path().join("a/config.toml");
    let config = fs::read_to_string(&path).unwrap();
    fs::write(&path, config.replace("data_dir", "data_dri")).unwrap();
    let errors = fail(place.path(), &["node", "--config", "a/config.toml"]);
    assert!(
        errors.contains("a/config.toml, line ") && errors.contains("unknown field `data_dri`"),
        "{errors}"
    );
    let errors = fail(place.path(), &["node", "--config", "none.toml"]);
    assert!(errors.contains("none.toml cannot be read") && errors.contains("btn init"), "{errors}");
}

#[test]
fn a_devnet_refuses_another_size_and_what_it_cannot_serve() {
    let place = workplace();
    assert!(fail(place.path(), &["devnet", "--masters", "0"]).contains("1..=64"));
    assert!(fail(place.path(), &["devnet", "--masters", "65"]).contains("1..=64"));
    init(place.path(), "a", 1);
    fs::create_dir(place.path().join("net")).unwrap();
    succeed(place.path(), &genesis_arguments(&["a/node.json".into()], "net/genesis.json"));
    let errors = fail(place.path(), &["devnet", "--dir", "net", "--masters", "4"]);
    assert!(errors.contains("holds a network of 1 masters, not 4") && errors.contains("--reset"), "{errors}");
    let errors = fail(place.path(), &["devnet", "--dir", "net", "--supervisors", "16"]);
    assert!(errors.contains("a network of 0 supervisors, not 16") && errors.contains("--reset"), "{errors}");
    assert!(fail(place.path(), &["devnet", "--supervisors", "257"]).contains("0..=256"));
}
