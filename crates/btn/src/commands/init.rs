//! `btn init`: makes the keys of a master or a supervisor, its public record for the genesis file, and its
//! configuration.

use crate::files::{MODE_PUBLIC, write_file};
use crate::output::{print_json, print_line, print_note};
use crate::password::new_password;
use alloy_primitives::Address;
use btn_crypto::{LotteryKeySize, ScryptCost};
use btn_node::NodeConfig;
use btn_node::address::{Host, parse_address};
use btn_node::config::{DEFAULT_SUPERVISOR_PORT, LogConfig, RpcConfig, StorageConfig, SupervisionConfig};
use btn_node::keys::{KeyDirectory, NodeKeys, Password, SupervisorNodeKeys};
use btn_types::NodeId;
use btn_types::genesis::{NodeRecord, SupervisorRecord};
use clap::Args;
use eyre::{WrapErr as _, eyre};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often the spinner turns.
const SPINNER_INTERVAL: Duration = Duration::from_millis(100);

/// Make a node's keys and configuration.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Directory of the node; must not hold one already
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Make a supervisor, which dials out only and seals from home, in place of a master
    #[arg(long)]
    supervisor: bool,
    /// Where other masters reach this one; may be given several times, best first
    #[arg(long, value_name = "HOST:PORT", required_unless_present = "supervisor", conflicts_with = "supervisor", value_parser = checked_address)]
    address: Vec<String>,
    /// Where supervisors reach this master; may be given several times, best first [default: the hosts of
    /// --address, port 30304]
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "supervisor", value_parser = checked_address)]
    supervisor_address: Vec<String>,
    /// Account that earns a master's fees, without which they are lost, and a supervisor's rewards once there are any
    #[arg(long, value_name = "ADDRESS", value_parser = parse_account)]
    payout: Option<Address>,
    /// Size of the RSA lottery key: 2048 or 3072
    #[arg(long, value_name = "BITS", default_value = "2048", value_parser = parse_rsa_bits)]
    rsa_bits: LotteryKeySize,
    /// File with the password that encrypts the keys; else it is asked for on the terminal
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct InitObject<'a> {
    id: NodeId,
    keys: &'a Path,
    record: &'a Path,
    config: &'a Path,
}

fn checked_address(text: &str) -> Result<String, String> {
    parse_address(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// An account's address; where letters of both cases stand in it, its checksum (EIP-55) must be right.
pub fn parse_account(text: &str) -> Result<Address, String> {
    let address: Address =
        text.parse().map_err(|_| format!("`{text}` is not an address: 0x and 40 hex digits"))?;
    let digits = text.trim_start_matches("0x");
    let mixed = digits.bytes().any(|byte| byte.is_ascii_uppercase())
        && digits.bytes().any(|byte| byte.is_ascii_lowercase());
    if mixed && address.to_checksum(None).trim_start_matches("0x") != digits {
        return Err(format!("`{text}` has a wrong checksum (EIP-55); check each digit"));
    }
    Ok(address)
}

fn parse_rsa_bits(text: &str) -> Result<LotteryKeySize, String> {
    match text {
        "2048" => Ok(LotteryKeySize::Bits2048),
        "3072" => Ok(LotteryKeySize::Bits3072),
        _ => Err(format!("RSA keys of {text} bits are not used; give 2048 or 3072")),
    }
}

/// Makes the node's directory.
///
/// # Errors
/// A sentence for the operator; existing keys are never touched.
pub fn run(args: &InitArgs) -> eyre::Result<()> {
    let directory = &args.dir;
    let record_name = if args.supervisor { SUPERVISOR_RECORD_NAME } else { RECORD_NAME };
    let [keys_path, record_path, config_path] =
        ["keys", record_name, "config.toml"].map(|name| directory.join(name));
    for path in [&keys_path, &record_path, &config_path] {
        if path.try_exists()? {
            return Err(eyre!(
                "{} exists already; keys are never overwritten, so give another --dir",
                path.display()
            ));
        }
    }
    let config = configuration(args)?;
    let password = new_password(args.password_file.as_deref())?;
    std::fs::create_dir_all(directory)
        .wrap_err_with(|| format!("{} cannot be created", directory.display()))?;
    let store = KeyDirectory::new(keys_path.clone());
    let id = if args.supervisor {
        make_supervisor(args, &store, &password)?
    } else {
        make_master(args, &store, &password)?
    };
    write_file(&config_path, config.to_toml().as_bytes(), MODE_PUBLIC)?;
    if args.payout.is_none() && !args.supervisor {
        print_note("warning: no --payout, so the fees of this node's blocks are lost");
    }
    if args.json {
        let object = InitObject { id, keys: &keys_path, record: &record_path, config: &config_path };
        return print_json(&object);
    }
    print_line(&format!(
        "Made {} {id}\n  keys    {}  (private, encrypted; keep a copy in a safe place)\n  record  {}  (public)\n  config  {}\n\n\
         Next:\n  1. Send {} to whoever runs `btn genesis new` for the network.\n  2. Put the genesis file you get back at {}.\n  3. btn node --config {}",
        if args.supervisor { "supervisor" } else { "node" },
        keys_path.display(),
        record_path.display(),
        config_path.display(),
        record_path.display(),
        directory.join("genesis.json").display(),
        config_path.display(),
    ));
    Ok(())
}

fn make_master(args: &InitArgs, store: &KeyDirectory, password: &Password) -> eyre::Result<NodeId> {
    let spinner = spinner()?;
    spinner.set_message(format!(
        "making an RSA-{} lottery key, a BLS vote key and a network key",
        args.rsa_bits.bits()
    ));
    let keys = NodeKeys::generate(args.rsa_bits)?;
    spinner.set_message("proving that the lottery key has one signature per message");
    let (addresses, supervisor_addresses) = (args.address.clone(), supervisor_addresses(args)?);
    let record = keys.record(addresses, supervisor_addresses, args.payout.unwrap_or_default())?;
    spinner.set_message("encrypting the keys");
    store.create(&keys, password, ScryptCost::STANDARD)?;
    spinner.finish_and_clear();
    write_record(&args.dir, &record)?;
    Ok(record.id)
}

fn make_supervisor(args: &InitArgs, store: &KeyDirectory, password: &Password) -> eyre::Result<NodeId> {
    let spinner = spinner()?;
    spinner.set_message(format!("making an RSA-{} lottery key and a network key", args.rsa_bits.bits()));
    let keys = SupervisorNodeKeys::generate(args.rsa_bits)?;
    spinner.set_message("proving that the lottery key has one signature per message");
    let record = keys.record(args.payout.unwrap_or_default())?;
    spinner.set_message("encrypting the keys");
    store.create_supervisor(&keys, password, ScryptCost::STANDARD)?;
    spinner.finish_and_clear();
    write_supervisor_record(&args.dir, &record)?;
    Ok(record.id)
}

/// Name of a supervisor's public record in its directory.
pub const SUPERVISOR_RECORD_NAME: &str = "supervisor.json";

/// Writes a supervisor's public record.
///
/// # Errors
/// The disk.
pub fn write_supervisor_record(directory: &Path, record: &SupervisorRecord) -> eyre::Result<()> {
    let json = serde_json::to_string_pretty(record)? + "\n";
    write_file(&directory.join(SUPERVISOR_RECORD_NAME), json.as_bytes(), MODE_PUBLIC)
}

/// Name of a master's public record in its directory.
pub const RECORD_NAME: &str = "node.json";

/// Writes a master's public record.
///
/// # Errors
/// The disk.
pub fn write_record(directory: &Path, record: &NodeRecord) -> eyre::Result<()> {
    let json = serde_json::to_string_pretty(record)? + "\n";
    write_file(&directory.join(RECORD_NAME), json.as_bytes(), MODE_PUBLIC)
}

/// Where supervisors reach the master: as given, else the hosts of its other addresses at the usual port.
fn supervisor_addresses(args: &InitArgs) -> eyre::Result<Vec<String>> {
    if !args.supervisor_address.is_empty() {
        return Ok(args.supervisor_address.clone());
    }
    let at_default_port = |address: &String| {
        let (host, port) = parse_address(address)?;
        if port == DEFAULT_SUPERVISOR_PORT {
            return Err(eyre!(
                "port {port} of {address} is where supervisors would dial; give another --supervisor-address"
            ));
        }
        Ok(match host {
            Host::V6(host) => format!("[{host}]:{DEFAULT_SUPERVISOR_PORT}"),
            Host::V4(host) => format!("{host}:{DEFAULT_SUPERVISOR_PORT}"),
            Host::Name(host) => format!("{host}:{DEFAULT_SUPERVISOR_PORT}"),
        })
    };
    args.address.iter().map(at_default_port).collect()
}

/// Where to bind for being reached at this address.
fn listen_address(address: &str) -> eyre::Result<SocketAddr> {
    let (host, port) = parse_address(address)?;
    Ok(match host {
        Host::V6(_) => (Ipv6Addr::UNSPECIFIED, port).into(),
        Host::V4(address) if address.is_loopback() => (address, port).into(),
        Host::V4(_) | Host::Name(_) => (Ipv4Addr::UNSPECIFIED, port).into(),
    })
}

fn configuration(args: &InitArgs) -> eyre::Result<NodeConfig> {
    let password_file = args.password_file.as_ref().map(std::fs::canonicalize).transpose()?;
    let listen = args.address.first().map(|address| listen_address(address)).transpose()?;
    let for_supervisors = supervisor_addresses(args)?;
    let listen_supervisors = for_supervisors.first().map(|address| listen_address(address)).transpose()?;
    Ok(NodeConfig {
        genesis: "genesis.json".into(),
        data_dir: "data".into(),
        key_dir: "keys".into(),
        password_file,
        listen,
        listen_supervisors,
        supervision: SupervisionConfig::default(),
        rpc: RpcConfig::default(),
        storage: StorageConfig::default(),
        log: LogConfig::default(),
        peers: Vec::new(),
        password: None,
    })
}

/// A spinner on standard error; invisible where that is no terminal.
fn spinner() -> eyre::Result<ProgressBar> {
    let style = ProgressStyle::with_template("{spinner} {msg}  {elapsed}")?;
    let spinner = ProgressBar::new_spinner().with_style(style);
    spinner.enable_steady_tick(SPINNER_INTERVAL);
    Ok(spinner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_need_a_right_checksum_or_none() {
        let right = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
        for text in [right, &right.to_lowercase(), &right[2..]] {
            assert_eq!(parse_account(text).unwrap().to_checksum(None), right, "{text}");
        }
        let wrong = right.replace("f39F", "F39F");
        assert!(parse_account(&wrong).unwrap_err().contains("EIP-55"));
        for text in ["", "0x1", "vitalik.eth"] {
            assert!(parse_account(text).unwrap_err().contains("40 hex digits"), "{text}");
        }
    }
}
