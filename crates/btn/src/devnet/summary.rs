//! What a devnet tells its user: the tables of masters and supervisors, accounts, wallet settings, the next
//! command; and the same as one JSON object.

use super::accounts::{DevAccount, FUNDED_BALANCE, MNEMONIC};
use super::layout::supervisor_name;
use super::plan::{NodePlan, Role, RoleName};
use crate::amount::{format_btn, parse_amount};
use crate::output::table;
use btn_types::{Genesis, NodeId};
use serde::Serialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Supervisors that stand beside each other in their table: it fits 80 columns.
const SUPERVISORS_PER_LINE: usize = 2;

/// The object of `--json`.
#[derive(Serialize)]
pub struct ReadyObject<'a> {
    rpc_url: String,
    chain_id: u64,
    ready_after_s: f64,
    accounts: &'a [DevAccount],
    /// Masters first.
    nodes: Vec<NodeObject<'a>>,
}

#[derive(Serialize)]
struct NodeObject<'a> {
    role: RoleName,
    id: NodeId,
    pid: u32,
    rpc: String,
    /// Masters only.
    #[serde(skip_serializing_if = "Option::is_none")]
    p2p: Option<SocketAddr>,
    /// Masters only: where supervisors dial.
    #[serde(skip_serializing_if = "Option::is_none")]
    supervisors: Option<SocketAddr>,
    dir: &'a Path,
    log: &'a Path,
}

/// Ids of all nodes, masters first, each level in the order of the genesis file.
pub fn ids(genesis: &Genesis) -> Vec<NodeId> {
    let masters = genesis.nodes.iter().map(|node| node.id);
    masters.chain(genesis.supervisors.iter().map(|supervisor| supervisor.id)).collect()
}

/// Makes the object of `--json`.
pub fn ready_object<'a>(
    genesis: &Genesis,
    plans: &'a [NodePlan],
    pids: &[u32],
    accounts: &'a [DevAccount],
    ready_after_s: f64,
) -> ReadyObject<'a> {
    let node = |((plan, id), &pid): ((&'a NodePlan, NodeId), &u32)| {
        let (p2p, supervisors) = match plan.role {
            Role::Master { p2p, supervisors } => (Some(p2p), Some(supervisors)),
            Role::Supervisor => (None, None),
        };
        NodeObject {
            role: plan.role.name(),
            id,
            pid,
            rpc: plan.rpc_url(),
            p2p,
            supervisors,
            dir: &plan.directory,
            log: &plan.log,
        }
    };
    ReadyObject {
        rpc_url: plans.first().map(NodePlan::rpc_url).unwrap_or_default(),
        chain_id: genesis.chain_id,
        ready_after_s,
        accounts,
        nodes: plans.iter().zip(ids(genesis)).zip(pids).map(node).collect(),
    }
}

/// Everything a user needs, as text.
pub fn summary(genesis: &Genesis, plans: &[NodePlan], pids: &[u32], accounts: &[DevAccount]) -> String {
    let rows: Vec<_> =
        plans.iter().zip(ids(genesis)).zip(pids).map(|((plan, id), &pid)| (plan, id, pid)).collect();
    let (masters, supervisors) = rows.split_at(genesis.nodes.len().min(rows.len()));
    let nodes = masters_table(masters) + &supervisors_table(supervisors);
    let row = |account: &DevAccount| vec![account.address.to_checksum(None), account.private_key.clone()];
    let keys = table(&["address", "private key"], &accounts.iter().map(row).collect::<Vec<_>>());
    let balance = parse_amount(FUNDED_BALANCE).map(format_btn).unwrap_or_default();
    let (url, chain_id) = (plans.first().map(NodePlan::rpc_url).unwrap_or_default(), genesis.chain_id);
    format!(
        "\n{nodes}\n\n\
         {} accounts held {balance} each at genesis. Everybody knows these keys; never use them elsewhere.\n\
         Mnemonic: {MNEMONIC}\n{keys}\n\n\
         MetaMask: network name BTN devnet, RPC URL {url}, chain id {chain_id}, symbol BTN\n\n\
         Try in another terminal:\n{}\n",
        accounts.len(),
        next_commands(&url, accounts),
    )
}

fn masters_table(masters: &[(&NodePlan, NodeId, u32)]) -> String {
    let row = |(plan, id, pid): &(&NodePlan, NodeId, u32)| {
        let p2p = match plan.role {
            Role::Master { p2p, .. } => p2p.to_string(),
            Role::Supervisor => String::new(),
        };
        let role = plan.role.name().words().to_owned();
        vec![role, id.short(), plan.rpc_url(), p2p, pid.to_string(), from_here(&plan.log)]
    };
    table(&["role", "id", "RPC", "P2P", "pid", "log"], &masters.iter().map(row).collect::<Vec<_>>())
}

/// Compact: there may be many, and they differ in little.
fn supervisors_table(supervisors: &[(&NodePlan, NodeId, u32)]) -> String {
    let Some((first, ..)) = supervisors.first() else { return String::new() };
    let cells: Vec<_> = (1..)
        .zip(supervisors)
        .map(|(number, (plan, id, pid))| {
            [supervisor_name(number), id.short(), plan.rpc.port().to_string(), pid.to_string()]
        })
        .collect();
    let height = cells.len().div_ceil(SUPERVISORS_PER_LINE);
    let row = |line: usize| cells.iter().skip(line).step_by(height).flatten().cloned().collect();
    let rows: Vec<Vec<String>> = (0..height).map(row).collect();
    let columns = cells.len().div_ceil(height);
    let header: Vec<_> = ["supervisor", "id", "RPC", "pid"].repeat(columns);
    let logs = first
        .log
        .parent()
        .and_then(Path::parent)
        .map_or_else(PathBuf::new, |root| root.join("supervisor-N/node.log"));
    format!(
        "\n\n{}\nSupervisors' RPC: http://{}:PORT; logs: {}",
        table(&header, &rows),
        first.rpc.ip(),
        from_here(&logs),
    )
}

/// A path as seen from the working directory.
fn from_here(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

fn next_commands(url: &str, accounts: &[DevAccount]) -> String {
    let data = r#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}"#;
    let mut text = format!("  curl -s -H 'content-type: application/json' --data '{data}' {url}");
    if let [from, to, ..] = accounts {
        let (key, address) = (&from.private_key, to.address.to_checksum(None));
        text += &format!("\n  cast send --rpc-url {url} --private-key {key} --value 1ether {address}");
    }
    text
}

#[cfg(test)]
mod tests;
