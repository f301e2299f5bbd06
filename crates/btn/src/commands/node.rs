//! `btn node`: runs one node in the foreground.

use crate::logging::start_logging;
use crate::password::existing_password;
use crate::signals::{StopSignals, exit_on_second_signal, stdin_closed};
use btn_node::NodeConfig;
use clap::Args;
use eyre::WrapErr as _;
use std::path::PathBuf;
use std::time::Duration;

/// Threads of the runtime: sockets and timers; the engine has a thread of its own (ARCHITECTURE).
const WORKER_THREADS: usize = 2;

/// Run one node until SIGINT or SIGTERM.
#[derive(Debug, Args)]
pub struct NodeArgs {
    /// Configuration file, as `btn init` writes it
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Also stop when standard input closes (used by `btn devnet`, so that no node outlives it)
    #[arg(long)]
    exit_with_parent: bool,
    /// Give way to other programs of this machine (nice 5): for a supervisor beside a household's other work
    #[arg(long)]
    low_priority: bool,
}

/// Longest wait for threads that do not end by themselves.
const RUNTIME_STOP: Duration = Duration::from_secs(2);

/// By how much `--low-priority` lowers it.
const LOW_PRIORITY: i32 = 5;

/// Runs until told to stop.
///
/// # Errors
/// A sentence for the operator.
pub fn run(args: &NodeArgs) -> eyre::Result<()> {
    if args.low_priority {
        // Before any thread is made: each inherits it.
        rustix::process::nice(LOW_PRIORITY).wrap_err("the priority cannot be lowered")?;
    }
    // A parent that goes during the start must be noticed too.
    let parent_gone = args.exit_with_parent.then(stdin_closed);
    let mut config = NodeConfig::load(&args.config)?;
    start_logging(&config.log)?;
    config.password = Some(existing_password(config.password_file.as_deref())?);
    warn_about_rpc(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build()
        .wrap_err("the runtime cannot start")?;
    let outcome = runtime.block_on(async {
        let mut signals = StopSignals::listen()?;
        let shutdown = async move {
            let parent_gone = async {
                match parent_gone {
                    Some(receiver) => _ = receiver.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                name = signals.next() => tracing::info!("{name}: stopping"),
                () = parent_gone => tracing::info!("standard input was closed: stopping"),
            }
            exit_on_second_signal();
        };
        btn_node::run(config, shutdown).await
    });
    // A name that does not resolve, or an engine that hangs, must not hold up the end.
    runtime.shutdown_timeout(RUNTIME_STOP);
    outcome
}

fn warn_about_rpc(config: &NodeConfig) {
    let address = config.rpc.listen;
    if !address.ip().is_loopback() {
        tracing::warn!(
            %address,
            "JSON-RPC is not on loopback: whoever reaches this address may use it; put a proxy or firewall before it"
        );
    }
}
