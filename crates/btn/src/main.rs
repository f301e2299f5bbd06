//! `btn`: start a local network, run a node, look at one, make keys and genesis files.

mod amount;
mod client;
mod commands;
mod devnet;
mod files;
mod logging;
mod output;
mod password;
mod signals;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// BTN: a blockchain whose blocks are made by lottery and final in a moment
#[derive(Debug, Parser)]
#[command(name = "btn", version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a network of masters and supervisors on this machine
    Devnet(devnet::DevnetArgs),
    /// Run one node until it is told to stop
    Node(commands::node::NodeArgs),
    /// Make a node's keys and configuration
    Init(commands::init::InitArgs),
    /// Show a running network: both levels, and the last blocks with their states
    Status(commands::status::StatusArgs),
    /// Make or look at a genesis file
    Genesis(commands::genesis::GenesisArgs),
    /// Look at a node's keys, or change their password
    Keys(commands::keys::KeysArgs),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Devnet(args) => devnet::run(&args),
        Command::Node(args) => commands::node::run(&args),
        Command::Init(args) => commands::init::run(&args),
        Command::Status(args) => commands::status::run(&args),
        Command::Genesis(args) => commands::genesis::run(&args),
        Command::Keys(args) => commands::keys::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(report) => {
            output::print_note(&format!("error: {}", sentence(&report)));
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes in one sentence. Some errors quote their cause already; it isn't said twice.
fn sentence(report: &eyre::Report) -> String {
    let mut text = String::new();
    for cause in report.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyre::eyre;

    #[test]
    fn causes_are_said_once() {
        let report =
            eyre!("no such file").wrap_err("a.toml cannot be read: no such file").wrap_err("no start");
        assert_eq!(sentence(&report), "no start: a.toml cannot be read: no such file");
    }
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
