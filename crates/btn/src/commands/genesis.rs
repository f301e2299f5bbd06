//! `btn genesis`: makes a genesis file from the public records of nodes, and shows what one says.

use super::init::parse_account;
use crate::amount::{format_btn, parse_amount};
use crate::files::{MODE_PUBLIC, read_text, write_file};
use crate::output::{print_json, print_line, print_note, table};
use alloy_primitives::{Address, B256, U256};
use btn_crypto::{RegistryError, check_node_record, check_supervisor_record};
use btn_node::genesis::{genesis_hash, load_genesis};
use btn_types::genesis::{
    BaseFeeParameters, ConsensusParameters, GenesisAccount, NodeRecord, SupervisorRecord,
};
use btn_types::{Genesis, NodeId};
use clap::{Args, Subcommand};
use eyre::{WrapErr as _, eyre};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Chain id of networks that choose none.
pub const DEFAULT_CHAIN_ID: u64 = 20_200_303;

/// Gas limit of a block where none is chosen (ARCHITECTURE).
pub const DEFAULT_GAS_LIMIT: u64 = 30_000_000;

/// Most bytes of a node's public record; a real one has about ten thousand.
const MAX_RECORD_BYTES: u64 = 256 * 1024;

/// Fewer masters tolerate no failure at all (C1).
const MIN_MASTERS_FOR_ONE_FAILURE: usize = 4;

/// Make or look at a genesis file.
#[derive(Debug, Args)]
pub struct GenesisArgs {
    #[command(subcommand)]
    command: GenesisCommand,
}

#[derive(Debug, Subcommand)]
enum GenesisCommand {
    /// Make a genesis file from the nodes' public records
    New(NewArgs),
    /// Check a genesis file and show what it says
    Show(ShowArgs),
}

/// Make a genesis file from the nodes' public records.
#[derive(Debug, Args)]
struct NewArgs {
    /// Public record of a master (`node.json` of `btn init`); once per master
    #[arg(long, value_name = "FILE", required = true)]
    node: Vec<PathBuf>,
    /// Public record of a supervisor (`supervisor.json` of `btn init --supervisor`); once per supervisor
    #[arg(long, value_name = "FILE")]
    supervisor: Vec<PathBuf>,
    /// Account to fund, as in 0x…=10000BTN (or gwei, wei); may be given several times
    #[arg(long, value_name = "ADDRESS=AMOUNT", value_parser = parse_fund)]
    fund: Vec<(Address, U256)>,
    /// File to write; must not exist
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Chain id, for wallets and transaction signatures
    #[arg(long, value_name = "NUMBER", default_value_t = DEFAULT_CHAIN_ID)]
    chain_id: u64,
    /// Gas limit of every block
    #[arg(long, value_name = "GAS", default_value_t = DEFAULT_GAS_LIMIT)]
    gas_limit: u64,
    /// Bound on a message's travel between masters, milliseconds; all timeouts follow from it
    #[arg(long, value_name = "MS", default_value_t = ConsensusParameters::DEVNET.delta_ms)]
    delta_ms: u64,
    /// Seals expected per block where more supervisors than that are registered; a third of them make a block sealed
    #[arg(long, value_name = "NUMBER", default_value_t = ConsensusParameters::DEVNET.expected_seals)]
    expected_seals: u64,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// Check a genesis file and show what it says.
#[derive(Debug, Args)]
struct ShowArgs {
    /// Genesis file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct GenesisObject<'a> {
    file: &'a Path,
    hash: B256,
    commitment: B256,
    chain_id: u64,
    timestamp_ms: u64,
    masters: Vec<NodeId>,
    supervisors: Vec<NodeId>,
    expected_seals: u64,
    accounts: usize,
}

fn parse_fund(text: &str) -> Result<(Address, U256), String> {
    let (address, amount) =
        text.split_once('=').ok_or_else(|| format!("`{text}` is not ADDRESS=AMOUNT, as in 0x…=10000BTN"))?;
    let amount = parse_amount(amount).map_err(|error| error.to_string())?;
    Ok((parse_account(address)?, amount))
}

/// Runs the subcommand.
///
/// # Errors
/// A sentence for the operator.
pub fn run(args: &GenesisArgs) -> eyre::Result<()> {
    match &args.command {
        GenesisCommand::New(args) => new(args),
        GenesisCommand::Show(args) => show(args),
    }
}

/// Milliseconds since the Unix epoch.
///
/// # Errors
/// The clock stands before 1970.
pub fn now_ms() -> eyre::Result<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).wrap_err("this machine's clock is before 1970")?;
    Ok(u64::try_from(now.as_millis())?)
}

fn new(args: &NewArgs) -> eyre::Result<()> {
    if args.output.try_exists()? {
        return Err(eyre!(
            "{} exists already; a network has one genesis file, so give another --output",
            args.output.display()
        ));
    }
    let nodes = args.node.iter().map(|path| read_master(path)).collect::<eyre::Result<Vec<_>>>()?;
    let supervisors =
        args.supervisor.iter().map(|path| read_supervisor(path)).collect::<eyre::Result<Vec<_>>>()?;
    let mut alloc = BTreeMap::new();
    for &(address, balance) in &args.fund {
        if alloc.insert(address, GenesisAccount { balance, ..GenesisAccount::default() }).is_some() {
            return Err(eyre!("{address} is funded twice; add the two amounts up"));
        }
    }
    let genesis = Genesis {
        chain_id: args.chain_id,
        timestamp_ms: now_ms()?,
        gas_limit: args.gas_limit,
        base_fee: BaseFeeParameters::DEVNET,
        consensus: ConsensusParameters {
            delta_ms: args.delta_ms,
            expected_seals: args.expected_seals,
            ..ConsensusParameters::DEVNET
        },
        alloc,
        nodes,
        supervisors,
    };
    genesis.check()?;
    write_file(&args.output, (genesis.to_json() + "\n").as_bytes(), MODE_PUBLIC)?;
    warn_about_size(&genesis);
    describe(&args.output, &genesis, args.json)?;
    if !args.json {
        print_line(
            "\nNext: put this file, unchanged, beside the config.toml of every node, and start each one.",
        );
    }
    Ok(())
}

/// What is legal and yet seldom meant.
fn warn_about_size(genesis: &Genesis) {
    let masters = genesis.nodes.len();
    if masters < MIN_MASTERS_FOR_ONE_FAILURE {
        print_note(&format!(
            "warning: with {masters} masters the chain stops while one of them is away; {MIN_MASTERS_FOR_ONE_FAILURE} tolerate one"
        ));
    }
    if genesis.supervisors.is_empty() {
        print_note(
            "warning: without supervisors every final block counts as sealed; name them with --supervisor",
        );
        return;
    }
    for node in genesis.nodes.iter().filter(|node| node.supervisor_addresses.is_empty()) {
        print_note(&format!(
            "warning: supervisors cannot dial master {}: its record names no address",
            node.id
        ));
    }
}

fn read_record<T: DeserializeOwned>(
    path: &Path,
    made_by: &str,
    check: impl FnOnce(&T) -> Result<(), RegistryError>,
) -> eyre::Result<T> {
    let text = read_text(path, MAX_RECORD_BYTES)?;
    let context = || format!("{} is not a public record as `{made_by}` makes it", path.display());
    let record = serde_json::from_str(&text).wrap_err_with(context)?;
    check(&record).wrap_err_with(context)?;
    Ok(record)
}

fn read_master(path: &Path) -> eyre::Result<NodeRecord> {
    read_record(path, "btn init", check_node_record)
}

fn read_supervisor(path: &Path) -> eyre::Result<SupervisorRecord> {
    read_record(path, "btn init --supervisor", check_supervisor_record)
}

fn show(args: &ShowArgs) -> eyre::Result<()> {
    let genesis = load_genesis(&args.file)?;
    let context = || format!("{} is not usable", args.file.display());
    for node in &genesis.nodes {
        check_node_record(node).wrap_err_with(context)?;
    }
    for supervisor in &genesis.supervisors {
        check_supervisor_record(supervisor).wrap_err_with(context)?;
    }
    describe(&args.file, &genesis, args.json)
}

fn describe(file: &Path, genesis: &Genesis, json: bool) -> eyre::Result<()> {
    let (hash, commitment) = (genesis_hash(genesis), genesis.commitment());
    let (committee, supervisors) = (genesis.committee(), genesis.sealing());
    if json {
        return print_json(&GenesisObject {
            file,
            hash,
            commitment,
            chain_id: genesis.chain_id,
            timestamp_ms: genesis.timestamp_ms,
            masters: committee.iter().map(|node| node.id).collect(),
            supervisors: supervisors.iter().map(|supervisor| supervisor.id).collect(),
            expected_seals: genesis.consensus.expected_seals,
            accounts: genesis.alloc.len(),
        });
    }
    let row = |node: &&NodeRecord| {
        let (addresses, dialled) = (node.addresses.join(" "), node.supervisor_addresses.join(" "));
        vec![node.id.to_string(), node.payout.to_checksum(None), addresses, dialled]
    };
    let masters = table(
        &["master", "fees to", "addresses", "for supervisors"],
        &committee.iter().map(row).collect::<Vec<_>>(),
    );
    let row = |node: &&SupervisorRecord| vec![node.id.to_string(), node.payout.to_checksum(None)];
    let supervisors = match supervisors.is_empty() {
        true => "no supervisors: every final block counts as sealed".to_owned(),
        false => table(&["supervisor", "rewards to"], &supervisors.iter().map(row).collect::<Vec<_>>()),
    };
    let row = |(address, account): (&Address, &GenesisAccount)| {
        vec![address.to_checksum(None), format_btn(account.balance)]
    };
    let accounts = table(&["account", "balance"], &genesis.alloc.iter().map(row).collect::<Vec<_>>());
    print_line(&format!(
        "{}\n  hash            {hash}  (the network's name: must be the same on every node)\n  \
         commitment      {commitment}\n  chain id        {}\n  expected seals  {}\n\n\
         {masters}\n\n{supervisors}\n\n{accounts}",
        file.display(),
        genesis.chain_id,
        genesis.consensus.expected_seals,
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn funds_are_an_address_and_an_amount() {
        let address = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
        let (parsed, amount) = parse_fund(&format!("{address}=5gwei")).unwrap();
        assert_eq!((parsed.to_checksum(None).as_str(), amount), (address, U256::from(5_000_000_000u64)));
        assert!(parse_fund(address).unwrap_err().contains("ADDRESS=AMOUNT"));
        assert!(parse_fund(&format!("{address}=5")).unwrap_err().contains("has no unit"));
        assert!(parse_fund("0x1=5BTN").unwrap_err().contains("40 hex digits"));
    }
}
