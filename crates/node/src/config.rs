//! A node's configuration file (TOML): what it may say, its defaults, and errors that name file, line and
//! remedy.

use crate::address::parse_address;
use crate::keys::Password;
use btn_types::NodeId;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use thiserror::Error;
use tracing_subscriber::EnvFilter;

/// Port of the JSON-RPC server where none is configured.
pub const DEFAULT_RPC_PORT: u16 = 8545;

/// Port for other nodes (UDP) where none is configured.
pub const DEFAULT_P2P_PORT: u16 = 30303;

/// Database cache of a master where none is configured, MiB.
pub const DEFAULT_CACHE_MIB: u64 = 64;

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
    /// Address for other nodes (QUIC, so UDP).
    pub listen: SocketAddr,
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageConfig {
    /// Cache, MiB.
    #[serde(deserialize_with = "cache_mib")]
    pub cache_mib: u64,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self { cache_mib: DEFAULT_CACHE_MIB }
    }
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
    /// `host:port`, best first: host name, IPv4, or IPv6 in brackets.
    #[serde(deserialize_with = "addresses")]
    pub addresses: Vec<String>,
}

fn cache_mib<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let actual = u64::deserialize(deserializer)?;
    if (MIN_CACHE_MIB..=MAX_CACHE_MIB).contains(&actual) {
        return Ok(actual);
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
            "addresses is empty; write at least one host:port, or drop the [[peer]]",
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
        }
        Ok(config)
    }

    /// The file's text, with a comment for each part. Paths are written as they stand.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let quote = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let path = |path: &Path| quote(&path.to_string_lossy());
        let list = |items: &[String]| items.iter().map(|item| quote(item)).collect::<Vec<_>>().join(", ");
        let mut text =
            String::from("# Configuration of a BTN node. Relative paths count from this file.\n\n");
        let mut line = |words: std::fmt::Arguments<'_>| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{words}");
        };
        line(format_args!("# The network's genesis file: the same bytes on every node."));
        line(format_args!("genesis = {}", path(&self.genesis)));
        line(format_args!(
            "# Database and journal. Made at the first start; never copy it to a second machine."
        ));
        line(format_args!("data_dir = {}", path(&self.data_dir)));
        line(format_args!("key_dir = {}", path(&self.key_dir)));
        match &self.password_file {
            Some(file) => line(format_args!("password_file = {}", path(file))),
            None => line(format_args!("# password_file = \"password\"   # else asked for on the terminal")),
        }
        line(format_args!("# Address for other nodes (QUIC over UDP)."));
        line(format_args!("listen = {}", quote(&self.listen.to_string())));
        line(format_args!(
            "\n[rpc]\n# JSON-RPC, /health, /ready and /metrics. Whoever reaches it may use it."
        ));
        line(format_args!("listen = {}", quote(&self.rpc.listen.to_string())));
        line(format_args!(
            "# Host names that clients may use besides localhost.\nhosts = [{}]",
            list(&self.rpc.hosts)
        ));
        line(format_args!("\n[storage]\n# Database cache.\ncache_mib = {}", self.storage.cache_mib));
        line(format_args!(
            "\n[log]\n# error, warn, info, debug or trace; by module: \"info,btn_network=debug\"."
        ));
        line(format_args!("level = {}", quote(&self.log.level)));
        let format = if self.log.format == LogFormat::Json { "json" } else { "text" };
        line(format_args!("# \"text\" or \"json\".\nformat = \"{format}\""));
        match &self.log.file {
            Some(file) => line(format_args!("file = {}", path(file))),
            None => line(format_args!("# file = \"node.log\"   # else standard error")),
        }
        line(format_args!("\n# Addresses that replace those of the genesis file, one table per node:"));
        line(format_args!(
            "# [[peer]]\n# id = \"0x…\"\n# addresses = [\"host.example.org:30303\", \"[2001:db8::1]:30303\"]"
        ));
        for peer in &self.peers {
            line(format_args!("\n[[peer]]\nid = {}", quote(&peer.id.to_string())));
            line(format_args!("addresses = [{}]", list(&peer.addresses)));
        }
        text
    }
}

/// Line of a byte position, counted from 1.
fn line_of(text: &str, position: usize) -> usize {
    1 + text.bytes().take(position).filter(|&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests;
