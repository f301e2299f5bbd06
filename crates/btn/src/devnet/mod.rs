//! `btn devnet`: a network of masters on this machine. It only writes a genesis file and configurations and
//! keeps `btn node` processes running; all else is what the nodes do anywhere.

mod accounts;
mod children;
mod client;
mod layout;
mod live;
mod network;
mod ports;
mod ready;
mod screen;
mod session;
mod summary;

use crate::output::print_note;
use btn_types::Genesis;
use children::NodePlan;
use clap::Args;
use eyre::{WrapErr as _, eyre};
use indicatif::{ProgressBar, ProgressStyle};
use layout::{Layout, MAX_DEVNET_MASTERS};
use ports::{Protocol, free_ports, lock_ports};
use screen::Screen;
use session::Session;
use std::fs::File;
use std::path::PathBuf;

/// Masters of a new network where `--masters` is not given.
const DEFAULT_MASTERS: u16 = 4;

/// Threads of the devnet's own runtime: it mostly waits.
const WORKER_THREADS: usize = 2;

/// Start a network of masters on this machine.
#[derive(Debug, Args)]
pub struct DevnetArgs {
    /// How many masters [default: 4, or as many as the directory already holds]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_DEVNET_MASTERS)))]
    masters: Option<u16>,
    /// Where keys and data are kept; a second start continues the chain
    #[arg(long, value_name = "DIR", default_value = ".btn/devnet")]
    dir: PathBuf,
    /// JSON-RPC port of the first master; the others follow. Taken ports are passed over
    #[arg(long, value_name = "PORT", default_value_t = btn_node::config::DEFAULT_RPC_PORT, value_parser = clap::value_parser!(u16).range(1..))]
    rpc_port: u16,
    /// Delete the chain and the keys in the directory and start a new network
    #[arg(long)]
    reset: bool,
    /// When ready, print one JSON object to standard output; all else goes to standard error
    #[arg(long)]
    json: bool,
}

/// Runs until Ctrl-C or SIGTERM.
///
/// # Errors
/// A sentence for the user.
pub fn run(args: &DevnetArgs) -> eyre::Result<()> {
    let screen = Screen::new(args.json);
    let layout = Layout::create(&args.dir)?;
    let _directory_lock = layout.lock()?;
    if args.reset {
        layout.clear()?;
    }
    let genesis = existing_or_new(&layout, args.masters, &screen)?;
    let (plans, ports_lock) = choose_ports(&layout, &genesis, args.rpc_port, &screen)?;
    let program = std::env::current_exe().wrap_err("this program cannot find itself")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build()
        .wrap_err("the runtime cannot start")?;
    let session = Session::new(screen, genesis, plans, args.reset)?;
    let result = runtime.block_on(session.run(&program, ports_lock));
    // A look at a node may still be waiting for its answer.
    runtime.shutdown_background();
    result
}

fn existing_or_new(layout: &Layout, masters: Option<u16>, screen: &Screen) -> eyre::Result<Genesis> {
    if let Some(genesis) = layout.load()? {
        let actual = genesis.nodes.len();
        if let Some(wanted) = masters.filter(|&wanted| usize::from(wanted) != actual) {
            return Err(eyre!(
                "{} holds a network of {actual} masters, not {wanted}; leave --masters out to continue it, \
                 give another --dir, or start afresh with --reset",
                layout.root().display()
            ));
        }
        screen.say(&format!("Continuing the network of {actual} masters in {}", layout.root().display()));
        return Ok(genesis);
    }
    let masters = masters.unwrap_or(DEFAULT_MASTERS);
    screen.say(&format!("Making a network of {masters} masters in {}", layout.root().display()));
    let style = ProgressStyle::with_template("  keys  {wide_bar} {pos}/{len} nodes  {elapsed}");
    // Drawn on standard error, and only on a terminal.
    let bar = ProgressBar::new(u64::from(masters)).with_style(style?);
    bar.tick();
    let genesis = network::make_network(layout, usize::from(masters), || bar.inc(1))?;
    let elapsed = bar.elapsed();
    bar.finish_and_clear();
    screen.say(&format!("Keys of {masters} nodes made in {:.1} s", elapsed.as_secs_f64()));
    Ok(genesis)
}

fn choose_ports(
    layout: &Layout,
    genesis: &Genesis,
    rpc_port: u16,
    screen: &Screen,
) -> eyre::Result<(Vec<NodePlan>, Option<File>)> {
    let lock = lock_ports();
    if lock.is_none() {
        print_note("Another devnet is choosing its ports; not waiting for it any longer");
    }
    let count = u16::try_from(genesis.nodes.len())?;
    let mut first = [0; 2];
    let wishes =
        [(Protocol::Tcp, "RPC", rpc_port), (Protocol::Udp, "P2P", btn_node::config::DEFAULT_P2P_PORT)];
    for (chosen, (protocol, name, wanted)) in first.iter_mut().zip(wishes) {
        let run = free_ports(protocol, wanted, count)?;
        if let Some(taken) = run.taken {
            let last = run.first + (count - 1);
            screen.say(&format!("{name} port {taken} is taken; using {} to {last} instead", run.first));
        }
        *chosen = run.first;
    }
    let plans = network::write_configurations(layout, genesis, first[0], first[1])?;
    Ok((plans, lock))
}
