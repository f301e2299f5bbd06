//! One running node, of either level: its configuration, its key directory, and the tasks that carry out an engine's
//! effects over real sockets, disk and clock.

pub mod address;
mod backend;
mod bulletin;
mod checked;
mod clock;
pub mod config;
mod desk;
mod disk;
mod driver;
pub mod genesis;
pub mod keys;
mod metric_names;
mod open;
mod publisher;
mod run;
mod seal_queue;
mod shared;
mod submissions;
mod voted;

pub use checked::mark_genesis_checked;
pub use config::NodeConfig;
pub use run::run;
