//! One running node: its configuration, its key directory, and the tasks that carry out an engine's effects
//! over real sockets, disk and clock.

pub mod address;
mod backend;
pub mod config;
mod driver;
pub mod genesis;
pub mod keys;
mod metric_names;
mod run;
mod shared;
mod voted;

pub use config::NodeConfig;
pub use run::run;
