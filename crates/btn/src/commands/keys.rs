//! `btn keys`: what keys a node has, and a new password for them.

use super::init::{RECORD_NAME, SUPERVISOR_RECORD_NAME};
use crate::files::read_text;
use crate::output::{print_json, print_line, table};
use crate::password::{existing_password, new_password};
use btn_crypto::{KeyKind, ScryptCost};
use btn_node::keys::{KeyDirectory, StoredKey};
use btn_types::genesis::{NodeRecord, SupervisorRecord};
use btn_types::{Bytes, NodeId, sha256};
use clap::{Args, Subcommand};
use eyre::{WrapErr as _, eyre};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// Characters of a public key that a list shows.
const SHORT_CHARACTERS: usize = 34;

/// Most bytes of the public record.
const MAX_RECORD_BYTES: u64 = 256 * 1024;

/// Look at a node's keys, or change their password.
#[derive(Debug, Args)]
pub struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// One line per key: what it is for, its file, the start of its public part
    List(ReadArgs),
    /// The public parts in full, and the node's id
    Show(ReadArgs),
    /// Encrypt the keys under a new password
    ChangePassword(ChangeArgs),
}

#[derive(Debug, Args)]
struct ReadArgs {
    /// Directory of the node, as given to `btn init`
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ChangeArgs {
    /// Directory of the node, as given to `btn init`
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// File with the present password; else it is asked for on the terminal
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// File with the new password; else it is asked for on the terminal
    #[arg(long, value_name = "FILE")]
    new_password_file: Option<PathBuf>,
}

#[derive(Serialize)]
struct KeyObject {
    kind: KeyKind,
    file: PathBuf,
    public: Bytes,
}

#[derive(Serialize)]
struct ShowObject {
    id: NodeId,
    keys: Vec<KeyObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<Record>,
}

/// The public record beside the keys, by level.
#[derive(Serialize)]
#[serde(untagged)]
enum Record {
    Master(Box<NodeRecord>),
    Supervisor(Box<SupervisorRecord>),
}

impl Record {
    fn id(&self) -> NodeId {
        match self {
            Self::Master(record) => record.id,
            Self::Supervisor(record) => record.id,
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Master(record) => format!(
                "addresses {}\nfor supervisors {}\nfees to {}\n",
                record.addresses.join(" "),
                record.supervisor_addresses.join(" "),
                record.payout.to_checksum(None)
            ),
            Self::Supervisor(record) => format!("rewards to {}\n", record.payout.to_checksum(None)),
        }
    }
}

impl From<StoredKey> for KeyObject {
    fn from(key: StoredKey) -> Self {
        Self { kind: key.kind, file: key.path, public: key.public }
    }
}

/// Runs the subcommand.
///
/// # Errors
/// A sentence for the operator.
pub fn run(args: &KeysArgs) -> eyre::Result<()> {
    match &args.command {
        KeysCommand::List(args) => list(args),
        KeysCommand::Show(args) => show(args),
        KeysCommand::ChangePassword(args) => change_password(args),
    }
}

fn directory(node: &Path) -> eyre::Result<KeyDirectory> {
    let path = node.join("keys");
    if !path.is_dir() {
        return Err(eyre!("{} holds no keys; give the directory that `btn init` made", node.display()));
    }
    Ok(KeyDirectory::new(path))
}

fn purpose(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Lottery => "draws lots and seals (RSA); its hash is the node's id",
        KeyKind::Vote => "votes (BLS12-381)",
        KeyKind::Network => "connections (Ed25519)",
    }
}

fn list(args: &ReadArgs) -> eyre::Result<()> {
    let keys = directory(&args.dir)?.list()?;
    if args.json {
        return print_json(&keys.into_iter().map(KeyObject::from).collect::<Vec<_>>());
    }
    let row = |key: &StoredKey| {
        let public: String = key.public.to_string().chars().take(SHORT_CHARACTERS).collect();
        let file = key.path.display().to_string();
        vec![key.kind.to_string(), format!("{public}…"), file, purpose(key.kind).to_owned()]
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    print_line(&table(&["key", "public part", "file", "purpose"], &rows));
    Ok(())
}

fn show(args: &ReadArgs) -> eyre::Result<()> {
    let keys = directory(&args.dir)?.list()?;
    let lottery = keys.iter().find(|key| key.kind == KeyKind::Lottery);
    let id = NodeId(sha256(lottery.map_or(&[][..], |key| &key.public)));
    let record = read_record(&args.dir, id)?;
    if args.json {
        let keys = keys.into_iter().map(KeyObject::from).collect();
        return print_json(&ShowObject { id, keys, record });
    }
    let mut text = format!("node {id}\n");
    if let Some(record) = &record {
        text += &record.words();
    }
    for key in keys {
        text += &format!("\n{}: {}\n{}\n", key.kind, purpose(key.kind), key.public);
    }
    print_line(text.trim_end());
    Ok(())
}

/// The public record beside the keys, where there is one; it must be of the same node.
fn read_record(directory: &Path, id: NodeId) -> eyre::Result<Option<Record>> {
    let [master, supervisor] = [RECORD_NAME, SUPERVISOR_RECORD_NAME].map(|name| directory.join(name));
    let (path, record) = if master.try_exists()? {
        let record = parse(&master).map(Record::Master)?;
        (master, record)
    } else if supervisor.try_exists()? {
        let record = parse(&supervisor).map(Record::Supervisor)?;
        (supervisor, record)
    } else {
        return Ok(None);
    };
    if record.id() != id {
        return Err(eyre!("{} is of node {}, the keys beside it are of {id}", path.display(), record.id()));
    }
    Ok(Some(record))
}

fn parse<T: DeserializeOwned>(path: &Path) -> eyre::Result<T> {
    let text = read_text(path, MAX_RECORD_BYTES)?;
    serde_json::from_str(&text).wrap_err_with(|| format!("{} is not a node's public record", path.display()))
}

fn change_password(args: &ChangeArgs) -> eyre::Result<()> {
    let directory = directory(&args.dir)?;
    let old = existing_password(args.password_file.as_deref())?;
    let new = new_password(args.new_password_file.as_deref())?;
    directory.change_password(&old, &new, ScryptCost::STANDARD)?;
    print_line("The keys are encrypted under the new password; the node's configuration must name it too");
    Ok(())
}
