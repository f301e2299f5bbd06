//! `btn genesis`: makes a genesis file from the public records of nodes, and shows what one says.

use super::init::parse_account;
use crate::amount::{format_btn, parse_amount};
use crate::files::{MODE_PUBLIC, read_text, write_file};
use crate::output::{print_json, print_line, print_note, table};
use alloy_primitives::{Address, B256, U256};
use btn_crypto::check_node_record;
use btn_node::genesis::{genesis_hash, load_genesis};
use btn_types::genesis::{BaseFeeParameters, ConsensusParameters, GenesisAccount, NodeRecord};
use btn_types::{Genesis, NodeId};
use clap::{Args, Subcommand};
use eyre::{WrapErr as _, eyre};
use serde::Serialize;
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
    let nodes = args.node.iter().map(|path| read_record(path)).collect::<eyre::Result<Vec<_>>>()?;
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
        consensus: ConsensusParameters { delta_ms: args.delta_ms, ..ConsensusParameters::DEVNET },
        alloc,
        nodes,
    };
    genesis.check()?;
    write_file(&args.output, (genesis.to_json() + "\n").as_bytes(), MODE_PUBLIC)?;
    if genesis.nodes.len() < MIN_MASTERS_FOR_ONE_FAILURE {
        print_note(&format!(
            "warning: with {} masters the chain stops while one of them is away; {MIN_MASTERS_FOR_ONE_FAILURE} tolerate one",
            genesis.nodes.len()
        ));
    }
    describe(&args.output, &genesis, args.json)?;
    if !args.json {
        print_line(
            "\nNext: put this file, unchanged, beside the config.toml of every node, and start each one.",
        );
    }
    Ok(())
}

fn read_record(path: &Path) -> eyre::Result<NodeRecord> {
    let text = read_text(path, MAX_RECORD_BYTES)?;
    let context = || format!("{} is not a node's public record as `btn init` makes it", path.display());
    let record: NodeRecord = serde_json::from_str(&text).wrap_err_with(context)?;
    check_node_record(&record).wrap_err_with(context)?;
    Ok(record)
}

fn show(args: &ShowArgs) -> eyre::Result<()> {
    let genesis = load_genesis(&args.file)?;
    for node in &genesis.nodes {
        check_node_record(node).wrap_err_with(|| format!("{} is not usable", args.file.display()))?;
    }
    describe(&args.file, &genesis, args.json)
}

fn describe(file: &Path, genesis: &Genesis, json: bool) -> eyre::Result<()> {
    let (hash, commitment) = (genesis_hash(genesis), genesis.commitment());
    let committee = genesis.committee();
    if json {
        return print_json(&GenesisObject {
            file,
            hash,
            commitment,
            chain_id: genesis.chain_id,
            timestamp_ms: genesis.timestamp_ms,
            masters: committee.iter().map(|node| node.id).collect(),
            accounts: genesis.alloc.len(),
        });
    }
    let rows: Vec<_> = committee
        .iter()
        .map(|node| vec![node.id.to_string(), node.payout.to_checksum(None), node.addresses.join(" ")])
        .collect();
    let masters = table(&["master", "fees to", "addresses"], &rows);
    let rows: Vec<_> = genesis
        .alloc
        .iter()
        .map(|(address, account)| vec![address.to_checksum(None), format_btn(account.balance)])
        .collect();
    let accounts = table(&["account", "balance"], &rows);
    print_line(&format!(
        "{}\n  hash        {hash}  (the network's name: must be the same on every node)\n  commitment  {commitment}\n  chain id    {}\n\n{masters}\n\n{accounts}",
        file.display(),
        genesis.chain_id,
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
