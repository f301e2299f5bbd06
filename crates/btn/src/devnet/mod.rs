//! `btn devnet`: a network of masters and supervisors on this machine. It only writes a genesis file and configurations and
//! keeps `btn node` processes running; all else is what the nodes do anywhere.

mod accounts;
mod children;
mod layout;
mod live;
mod network;
mod plan;
mod ports;
mod ready;
mod screen;
mod session;
mod summary;

use crate::output::print_note;
use btn_types::Genesis;
use clap::Args;
use eyre::{WrapErr as _, eyre};
use indicatif::{ProgressBar, ProgressStyle};
use layout::{Layout, MAX_DEVNET_MASTERS, MAX_DEVNET_SUPERVISORS};
use network::FirstPorts;
use plan::{NodePlan, in_words};
use ports::{PortRun, Protocol, free_ports, lock_ports};
use screen::Screen;
use session::Session;
use std::fs::File;
use std::path::PathBuf;
use std::time::Instant;

/// Masters of a new network where `--masters` is not given.
const DEFAULT_MASTERS: u16 = 4;

/// Supervisors of a new network where `--supervisors` is not given.
const DEFAULT_SUPERVISORS: u16 = 16;

/// Threads of the devnet's own runtime: it mostly waits.
const WORKER_THREADS: usize = 2;

/// Start a network of masters and supervisors on this machine.
#[derive(Debug, Args)]
pub struct DevnetArgs {
    /// How many masters [default: 4, or as many as the directory already holds]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_DEVNET_MASTERS)))]
    masters: Option<u16>,
    /// How many supervisors; 0 for none [default: 16, or as many as the directory already holds]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=i64::from(MAX_DEVNET_SUPERVISORS)))]
    supervisors: Option<u16>,
    /// Where keys and data are kept; a second start continues the chain
    #[arg(long, value_name = "DIR", default_value = ".btn/devnet")]
    dir: PathBuf,
    /// JSON-RPC port of the first master; the other masters and the supervisors follow. Taken ports are passed over
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
    let start = Instant::now();
    let screen = Screen::new(args.json);
    let layout = Layout::create(&args.dir)?;
    let _directory_lock = layout.lock()?;
    if args.reset {
        layout.clear()?;
    }
    let genesis = existing_or_new(&layout, args, &screen)?;
    let (plans, ports_lock) = choose_ports(&layout, &genesis, args.rpc_port, &screen)?;
    let program = std::env::current_exe().wrap_err("this program cannot find itself")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build()
        .wrap_err("the runtime cannot start")?;
    let session = Session::new(screen, genesis, plans, args.reset, start)?;
    let result = runtime.block_on(session.run(&program, ports_lock));
    // A look at a node may still be waiting for its answer.
    runtime.shutdown_background();
    result
}

fn existing_or_new(layout: &Layout, args: &DevnetArgs, screen: &Screen) -> eyre::Result<Genesis> {
    if let Some(genesis) = layout.load()? {
        let (masters, supervisors) = (genesis.nodes.len(), genesis.supervisors.len());
        for (wanted, actual, level) in
            [(args.masters, masters, "masters"), (args.supervisors, supervisors, "supervisors")]
        {
            if let Some(wanted) = wanted.filter(|&wanted| usize::from(wanted) != actual) {
                return Err(eyre!(
                    "{} holds a network of {actual} {level}, not {wanted}; leave --{level} out to continue it, \
                     give another --dir, or start afresh with --reset",
                    layout.root().display()
                ));
            }
        }
        let network = in_words(masters, supervisors);
        screen.say(&format!("Continuing the network of {network} in {}", layout.root().display()));
        return Ok(genesis);
    }
    let masters = usize::from(args.masters.unwrap_or(DEFAULT_MASTERS));
    let supervisors = usize::from(args.supervisors.unwrap_or(DEFAULT_SUPERVISORS));
    let all = masters + supervisors;
    let network = in_words(masters, supervisors);
    screen.say(&format!("Making a network of {network} in {}", layout.root().display()));
    let style = ProgressStyle::with_template("  keys  {wide_bar} {pos}/{len} nodes  {elapsed}");
    // Drawn on standard error, and only on a terminal.
    let bar = ProgressBar::new(all as u64).with_style(style?);
    bar.tick();
    let genesis = network::make_network(layout, masters, supervisors, || bar.inc(1))?;
    let elapsed = bar.elapsed();
    bar.finish_and_clear();
    screen.say(&format!("Keys of {all} nodes made in {:.1} s", elapsed.as_secs_f64()));
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
    let masters = u16::try_from(genesis.nodes.len())?;
    let all = masters + u16::try_from(genesis.supervisors.len())?;
    let choose = |protocol, name: &str, wanted, count: u16| -> eyre::Result<u16> {
        let PortRun { first, taken } = free_ports(protocol, wanted, count)?;
        if let Some(taken) = taken {
            screen.say(&format!(
                "{name} port {taken} is taken; using {first} to {} instead",
                first + (count - 1)
            ));
        }
        Ok(first)
    };
    let rpc = choose(Protocol::Tcp, "RPC", rpc_port, all)?;
    // Two for each master: those for supervisors follow those for masters.
    let p2p = choose(Protocol::Udp, "P2P", btn_node::config::DEFAULT_P2P_PORT, 2 * masters)?;
    let ports = FirstPorts { rpc, p2p, supervisors: p2p + masters };
    let plans = network::write_configurations(layout, genesis, ports)?;
    Ok((plans, lock))
}
