//! One process of a devnet: its role, where its files lie and where it listens.

use serde::Serialize;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What a process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Level 1.
    Master {
        /// Address for other masters (UDP).
        p2p: SocketAddr,
        /// Address for supervisors (UDP).
        supervisors: SocketAddr,
    },
    /// Level 2: nobody dials it.
    Supervisor,
}

/// The level of a process, as tables and JSON name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RoleName {
    /// Level 1.
    Master,
    /// Level 2.
    Supervisor,
}

impl Role {
    /// Its name.
    pub const fn name(self) -> RoleName {
        match self {
            Self::Master { .. } => RoleName::Master,
            Self::Supervisor => RoleName::Supervisor,
        }
    }
}

impl RoleName {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Supervisor => "supervisor",
        }
    }
}

/// One node process.
#[derive(Clone, Debug)]
pub struct NodePlan {
    /// `node-1` and so on for masters, `supervisor-1` and so on for supervisors.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Its directory.
    pub directory: PathBuf,
    /// Its configuration file.
    pub config: PathBuf,
    /// Where its output goes.
    pub log: PathBuf,
    /// JSON-RPC address.
    pub rpc: SocketAddr,
}

impl NodePlan {
    /// URL of its JSON-RPC server.
    pub fn rpc_url(&self) -> String {
        format!("http://{}", self.rpc)
    }

    /// Whether it is of level 1.
    pub const fn is_master(&self) -> bool {
        matches!(self.role, Role::Master { .. })
    }
}

/// How many of each, in words: "4 masters and 16 supervisors".
pub fn in_words(masters: usize, supervisors: usize) -> String {
    let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let masters = plural(masters, "master");
    if supervisors == 0 {
        return masters;
    }
    format!("{masters} and {}", plural(supervisors, "supervisor"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_levels_are_counted_in_words() {
        assert_eq!(in_words(4, 16), "4 masters and 16 supervisors");
        assert_eq!(in_words(1, 1), "1 master and 1 supervisor");
        assert_eq!(in_words(4, 0), "4 masters");
    }
}
