//! A node's configuration file (TOML): what it may say, its defaults, and errors that name file, line and
//! remedy.

#[cfg(test)]
mod tests;
mod text;

use crate::address::parse_address;
use crate::keys::Password;
use btn_types::NodeId;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use thiserror::Error;
use tracing_subscriber::EnvFilter;

/// Port of the JSON-RPC server where none is configured.
pub const DEFAULT_RPC_PORT: u16 = 8545;

/// Port for other nodes (UDP) where none is configured.
pub const DEFAULT_P2P_PORT: u16 = 30303;

/// Port of a master for supervisors (UDP) where none is configured.
pub const DEFAULT_SUPERVISOR_PORT: u16 = 30304;

/// Database cache of a master where none is configured, MiB.
pub const DEFAULT_CACHE_MIB: u64 = 64;

/// Database cache of a supervisor where none is configured, MiB: it runs on what stands at home.
pub const DEFAULT_SUPERVISOR_CACHE_MIB: u64 = 16;

/// Masters that a supervisor keeps links with where nothing is configured, and the least that may be (C8).
pub const MIN_LINKS: usize = 3;

/// Most masters that a supervisor may keep links with.
pub const MAX_LINKS: usize = btn_network::limits::supervision::MAX_LINKS;

/// Least database cache, MiB.
pub const MIN_CACHE_MIB: u64 = 1;

/// Largest database cache, MiB.
pub const MAX_CACHE_MIB: u64 = 64 * 1024;

/// Most bytes of a configuration file.
pub const MAX_CONFIG_BYTES: u64 = 1024 * 1024;

/// Configuration of one node. Relative paths count from the file's own directory; after
/// [`NodeConfig::load`] they are joined with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// Genesis file of the network (JSON).
    pub genesis: PathBuf,
    /// Directory of database and journal. Made at the first start; only while it does not exist.
    pub data_dir: PathBuf,
    /// Directory of the encrypted key files.
    pub key_dir: PathBuf,
    /// File with the keys' password. Absent: a systemd credential `btn-password`, or a prompt on a terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Address for other masters (QUIC, so UDP). Masters only, and every master needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// Address for supervisors (QUIC, so UDP). Masters only; absent: this master serves none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen_supervisors: Option<SocketAddr>,
    /// A supervisor's links.
    #[serde(default)]
    pub supervision: SupervisionConfig,
    /// JSON-RPC.
    #[serde(default)]
    pub rpc: RpcConfig,
    /// Database.
    #[serde(default)]
    pub storage: StorageConfig,
    /// Logs.
    #[serde(default)]
    pub log: LogConfig,
    /// Addresses of nodes that replace those of the genesis file.
    #[serde(default, rename = "peer", skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<PeerOverride>,
    /// The keys' password once it is known, from wherever; never in the file.
    #[serde(skip)]
    pub password: Option<Password>,
}

/// What a supervisor does; a master passes it over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SupervisionConfig {
    /// Masters to keep links with; fewer where the genesis file lists fewer.
    #[serde(deserialize_with = "links")]
    pub links: usize,
}

impl Default for SupervisionConfig {
    fn default() -> Self {
        Self { links: MIN_LINKS }
    }
}

/// JSON-RPC server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RpcConfig {
    /// Address of the server (TCP). Everybody who reaches it may use it.
    pub listen: SocketAddr,
    /// Names that the `Host` header may carry besides the loopback ones (DNS rebinding).
    pub hosts: Vec<String>,
}

impl Default for RpcConfig {
    fn default() -> Self {
        Self { listen: (Ipv4Addr::LOCALHOST, DEFAULT_RPC_PORT).into(), hosts: Vec::new() }
    }
}

/// Database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageConfig {
    /// Cache, MiB. Absent: [`DEFAULT_CACHE_MIB`] for a master, [`DEFAULT_SUPERVISOR_CACHE_MIB`] for a supervisor.
    #[serde(deserialize_with = "cache_mib", skip_serializing_if = "Option::is_none")]
    pub cache_mib: Option<u64>,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// A level (`error`, `warn`, `info`, `debug`, `trace`) or levels by module (`info,btn_network=debug`).
    #[serde(deserialize_with = "log_level")]
    pub level: String,
    /// Form of a line.
    pub format: LogFormat,
    /// File to append to. Absent: standard error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text, file: None }
    }
}

/// Where to reach a node, in place of what the genesis file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerOverride {
    /// Identity, as in the genesis file.
    pub id: NodeId,
    /// Where it listens for masters; `host:port`, best first: host name, IPv4, or IPv6 in brackets. Empty: as in
    /// the genesis file.
    #[serde(default, deserialize_with = "addresses")]
    pub addresses: Vec<String>,
    /// Where it listens for supervisors, likewise.
    #[serde(default, deserialize_with = "addresses")]
    pub supervisor_addresses: Vec<String>,
}

fn links<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let actual = usize::deserialize(deserializer)?;
    if (MIN_LINKS..=MAX_LINKS).contains(&actual) {
        return Ok(actual);
    }
    Err(D::Error::custom(format!("links is {actual}, it must be {MIN_LINKS} to {MAX_LINKS}")))
}

fn cache_mib<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let actual = u64::deserialize(deserializer)?;
    if (MIN_CACHE_MIB..=MAX_CACHE_MIB).contains(&actual) {
        return Ok(Some(actual));
    }
    Err(D::Error::custom(format!("cache_mib is {actual}, it must be {MIN_CACHE_MIB} to {MAX_CACHE_MIB}")))
}

fn log_level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let level = String::deserialize(deserializer)?;
    EnvFilter::try_new(&level).map_err(|error| {
        D::Error::custom(format!(
            "log level `{level}` is not understood ({error}); write error, warn, info, debug or trace"
        ))
    })?;
    Ok(level)
}

fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let addresses = Vec::<String>::deserialize(deserializer)?;
    if addresses.is_empty() {
        return Err(D::Error::custom(
            "the list of addresses is empty; write at least one host:port, or drop the line",
        ));
    }
    for address in &addresses {
        parse_address(address).map_err(D::Error::custom)?;
    }
    Ok(addresses)
}

/// Why a configuration file is refused.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration {path} cannot be read: {source}; `btn init` makes one")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is larger than any configuration.
    #[error(
        "configuration {path} has {actual} bytes, at most {MAX_CONFIG_BYTES} are read; is it the right file?"
    )]
    Size {
        /// The file.
        path: PathBuf,
        /// Its length.
        actual: u64,
    },
    /// Not TOML, or a name or value that does not belong.
    #[error("{path}, line {line}: {what}; correct that line (a fresh file is made by `btn init`)")]
    Content {
        /// The file.
        path: PathBuf,
        /// First line is 1.
        line: usize,
        /// What is wrong there.
        what: String,
    },
    /// Two `[[peer]]` tables of one node.
    #[error("{path}: two [[peer]] tables have the id {id}; put all its addresses into one")]
    DuplicatePeer {
        /// The file.
        path: PathBuf,
        /// The id.
        id: NodeId,
    },
    /// A `[[peer]]` table that says nothing.
    #[error(
        "{path}: the [[peer]] table of {id} has no addresses; write addresses or supervisor_addresses, or drop it"
    )]
    EmptyPeer {
        /// The file.
        path: PathBuf,
        /// The id.
        id: NodeId,
    },
}

impl NodeConfig {
    /// Reads and checks a file, and joins its relative paths with its directory.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let read_error = |source| ConfigError::Read { path: path.to_owned(), source };
        let actual = std::fs::metadata(path).map_err(read_error)?.len();
        if actual > MAX_CONFIG_BYTES {
            return Err(ConfigError::Size { path: path.to_owned(), actual });
        }
        let text = std::fs::read_to_string(path).map_err(read_error)?;
        let mut config = Self::from_toml(&text, path)?;
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        let paths = [&mut config.genesis, &mut config.data_dir, &mut config.key_dir];
        for path in paths.into_iter().chain(&mut config.password_file).chain(&mut config.log.file) {
            *path = directory.join(&path);
        }
        Ok(config)
    }

    /// Parses and checks a file's text; `path` is only named in errors.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn from_toml(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| ConfigError::Content {
            path: path.to_owned(),
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            what: error.message().trim_end().replace('\n', ": "),
        })?;
        let mut ids = BTreeSet::new();
        for peer in &config.peers {
            if !ids.insert(peer.id) {
                return Err(ConfigError::DuplicatePeer { path: path.to_owned(), id: peer.id });
            }
            if peer.addresses.is_empty() && peer.supervisor_addresses.is_empty() {
                return Err(ConfigError::EmptyPeer { path: path.to_owned(), id: peer.id });
            }
        }
        Ok(config)
    }
}

/// Line of a byte position, counted from 1.
fn line_of(text: &str, position: usize) -> usize {
    1 + text.bytes().take(position).filter(|&byte| byte == b'\n').count()
}
