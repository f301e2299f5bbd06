//! What a configuration file may say and how mistakes are answered.

use super::*;
use btn_types::B256;

const LEAST: &str = r#"genesis = "genesis.json"
data_dir = "data"
key_dir = "/etc/btn/keys"
listen = "[::]:30303"
"#;

fn parse(text: &str) -> Result<NodeConfig, ConfigError> {
    NodeConfig::from_toml(text, Path::new("node.toml"))
}

fn full() -> NodeConfig {
    NodeConfig {
        genesis: "genesis.json".into(),
        data_dir: "d \"quoted\"".into(),
        key_dir: "keys".into(),
        password_file: Some("password".into()),
        listen: Some("0.0.0.0:30303".parse().unwrap()),
        listen_supervisors: Some("[::]:30304".parse().unwrap()),
        supervision: SupervisionConfig { links: 5 },
        rpc: RpcConfig { listen: "[::1]:8546".parse().unwrap(), hosts: vec!["node.example.org".into()] },
        storage: StorageConfig { cache_mib: Some(16) },
        log: LogConfig {
            level: "info,btn_network=debug".into(),
            format: LogFormat::Json,
            file: Some("node.log".into()),
        },
        peers: vec![PeerOverride {
            id: NodeId(B256::repeat_byte(7)),
            addresses: vec!["a.example.org:1".into(), "[2001:db8::1]:2".into()],
            supervisor_addresses: vec!["a.example.org:3".into()],
        }],
        password: None,
    }
}

#[test]
fn the_least_file_has_the_documented_defaults() {
    let config = parse(LEAST).unwrap();
    assert_eq!(config.rpc.listen, "127.0.0.1:8545".parse().unwrap());
    assert!(config.rpc.hosts.is_empty() && config.peers.is_empty() && config.password_file.is_none());
    assert_eq!((config.storage.cache_mib, config.supervision.links), (None, 3));
    assert_eq!(config.listen, Some("[::]:30303".parse().unwrap()));
    assert_eq!(config.listen_supervisors, None);
    assert_eq!((config.log.level.as_str(), config.log.format), ("info", LogFormat::Text));
}

#[test]
fn what_is_written_reads_back() {
    let config = full();
    assert_eq!(parse(&config.to_toml()).unwrap(), config);
    let least = parse(LEAST).unwrap();
    assert_eq!(parse(&least.to_toml()).unwrap(), least);
    let supervisor = NodeConfig { listen: None, ..least };
    assert_eq!(parse(&supervisor.to_toml()).unwrap(), supervisor);
}

#[test]
fn mistakes_name_file_line_and_remedy() {
    let cases = [
        (format!("{LEAST}data_dri = 1\n"), 5, "unknown field `data_dri`"),
        (format!("{LEAST}[storage]\ncache_mib = 0\n"), 6, "cache_mib is 0, it must be 1 to 65536"),
        (format!("{LEAST}[supervision]\nlinks = 2\n"), 6, "links is 2, it must be 3 to 16"),
        (format!("{LEAST}[supervision]\nlinks = 17\n"), 6, "links is 17, it must be 3 to 16"),
        (format!("{LEAST}listen_supervisors = 30304\n"), 5, "expected socket address"),
        (format!("{LEAST}[log]\nlevel = \"btn=loud\"\n"), 6, "log level `btn=loud` is not understood"),
        (format!("{LEAST}[rpc]\nlisten = \"localhost\"\n"), 6, "invalid socket address"),
        (
            format!("{LEAST}\n[[peer]]\nid = \"{}\"\naddresses = [\"x\"]\n", full().peers[0].id),
            8,
            "has no port",
        ),
        (format!("{LEAST}\n[[peer]]\nid = \"{}\"\naddresses = []\n", full().peers[0].id), 8, "is empty"),
        (
            format!("{LEAST}\n[[peer]]\nid = \"{}\"\nsupervisor_addresses = [\"x\"]\n", full().peers[0].id),
            8,
            "has no port",
        ),
        ("genesis = \"g\"\ndata_dir = \n".to_owned(), 2, ""),
        ("genesis = \"g\"\n".to_owned(), 1, "missing field `data_dir`"),
    ];
    for (text, line, words) in cases {
        let message = parse(&text).unwrap_err().to_string();
        assert!(message.starts_with(&format!("node.toml, line {line}: ")), "{message}");
        assert!(message.contains(words) && message.contains("btn init"), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn two_tables_of_one_peer_are_refused() {
    let mut config = full();
    config.peers.push(config.peers[0].clone());
    assert!(
        matches!(parse(&config.to_toml()), Err(ConfigError::DuplicatePeer { id, .. }) if id == config.peers[0].id)
    );
}

#[test]
fn a_peer_needs_an_address_of_either_kind() {
    let mut config = full();
    config.peers[0].addresses.clear();
    assert_eq!(parse(&config.to_toml()).unwrap(), config);
    config.peers[0].supervisor_addresses.clear();
    let error = parse(&config.to_toml()).unwrap_err();
    assert!(matches!(error, ConfigError::EmptyPeer { id, .. } if id == config.peers[0].id), "{error}");
}

#[test]
fn relative_paths_count_from_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    std::fs::write(&path, LEAST).unwrap();
    let config = NodeConfig::load(&path).unwrap();
    assert_eq!(config.genesis, directory.path().join("genesis.json"));
    assert_eq!(config.key_dir, Path::new("/etc/btn/keys"));
    let missing = NodeConfig::load(&directory.path().join("none.toml")).unwrap_err().to_string();
    assert!(missing.contains("none.toml") && missing.contains("btn init"), "{missing}");
}
