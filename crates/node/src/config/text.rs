//! The text of a configuration file as `btn init` and `btn devnet` write it: every part with a comment.

use super::{
    DEFAULT_CACHE_MIB, DEFAULT_P2P_PORT, DEFAULT_SUPERVISOR_CACHE_MIB, DEFAULT_SUPERVISOR_PORT, LogFormat,
    MAX_LINKS, MIN_LINKS, NodeConfig,
};
use std::fmt::{Arguments, Write as _};
use std::net::SocketAddr;
use std::path::Path;

fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn path(path: &Path) -> String {
    quote(&path.to_string_lossy())
}

fn list(items: &[String]) -> String {
    items.iter().map(|item| quote(item)).collect::<Vec<_>>().join(", ")
}

/// Text that grows by lines.
struct Text(String);

impl Text {
    fn line(&mut self, words: Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{words}");
    }

    /// A value, or the same line as a comment with what holds without it.
    fn optional(&mut self, name: &str, value: Option<String>, example: &str, without: &str) {
        match value {
            Some(value) => self.line(format_args!("{name} = {value}")),
            None => self.line(format_args!("# {name} = {example}   # {without}")),
        }
    }
}

impl NodeConfig {
    /// The file's text, with a comment for each part. Paths are written as they stand.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text =
            Text("# Configuration of a BTN node. Relative paths count from this file.\n\n".to_owned());
        self.write_files(&mut text);
        self.write_addresses(&mut text);
        self.write_sections(&mut text);
        self.write_peers(&mut text);
        text.0
    }

    fn write_files(&self, text: &mut Text) {
        text.line(format_args!("# The network's genesis file: the same bytes on every node."));
        text.line(format_args!("genesis = {}", path(&self.genesis)));
        text.line(format_args!(
            "# Database and journal. Made at the first start; never copy it to a second machine."
        ));
        text.line(format_args!("data_dir = {}", path(&self.data_dir)));
        text.line(format_args!("key_dir = {}", path(&self.key_dir)));
        let password = self.password_file.as_deref().map(path);
        text.optional("password_file", password, "\"password\"", "else asked for on the terminal");
    }

    fn write_addresses(&self, text: &mut Text) {
        let quoted = |address: SocketAddr| quote(&address.to_string());
        let example = |port: u16| format!("\"[::]:{port}\"");
        text.line(format_args!("# Master: address for other masters (QUIC over UDP)."));
        let only = "a supervisor needs none: it dials out only";
        text.optional("listen", self.listen.map(quoted), &example(DEFAULT_P2P_PORT), only);
        text.line(format_args!("# Master: address for supervisors, a UDP port of its own."));
        let without = "absent: no supervisors are served";
        let supervisors = self.listen_supervisors.map(quoted);
        text.optional("listen_supervisors", supervisors, &example(DEFAULT_SUPERVISOR_PORT), without);
    }

    fn write_sections(&self, text: &mut Text) {
        text.line(format_args!(
            "\n[supervision]\n# Supervisor: masters to keep links with, {MIN_LINKS} to {MAX_LINKS}.\nlinks = {}",
            self.supervision.links
        ));
        text.line(format_args!(
            "\n[rpc]\n# JSON-RPC, /health, /ready and /metrics. Whoever reaches it may use it."
        ));
        text.line(format_args!("listen = {}", quote(&self.rpc.listen.to_string())));
        text.line(format_args!(
            "# Host names that clients may use besides localhost.\nhosts = [{}]",
            list(&self.rpc.hosts)
        ));
        text.line(format_args!("\n[storage]\n# Database cache."));
        let default = format!(
            "absent: {DEFAULT_CACHE_MIB} for a master, {DEFAULT_SUPERVISOR_CACHE_MIB} for a supervisor"
        );
        let cache_mib = self.storage.cache_mib.map(|cache_mib| cache_mib.to_string());
        text.optional("cache_mib", cache_mib, &DEFAULT_CACHE_MIB.to_string(), &default);
        text.line(format_args!(
            "\n[log]\n# error, warn, info, debug or trace; by module: \"info,btn_network=debug\"."
        ));
        text.line(format_args!("level = {}", quote(&self.log.level)));
        let format = if self.log.format == LogFormat::Json { "json" } else { "text" };
        text.line(format_args!("# \"text\" or \"json\".\nformat = \"{format}\""));
        text.optional("file", self.log.file.as_deref().map(path), "\"node.log\"", "else standard error");
    }

    fn write_peers(&self, text: &mut Text) {
        text.line(format_args!(
            "\n# Addresses that replace those of the genesis file, one table per master:"
        ));
        text.line(format_args!("# [[peer]]\n# id = \"0x…\""));
        text.line(format_args!("# addresses = [\"host.example.org:30303\", \"[2001:db8::1]:30303\"]"));
        text.line(format_args!(
            "# supervisor_addresses = [\"host.example.org:30304\"]   # what supervisors dial"
        ));
        for peer in &self.peers {
            text.line(format_args!("\n[[peer]]\nid = {}", quote(&peer.id.to_string())));
            for (name, addresses) in
                [("addresses", &peer.addresses), ("supervisor_addresses", &peer.supervisor_addresses)]
            {
                if !addresses.is_empty() {
                    text.line(format_args!("{name} = [{}]", list(addresses)));
                }
            }
        }
    }
}
