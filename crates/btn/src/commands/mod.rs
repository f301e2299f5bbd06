//! One module per command, but for `devnet`.

pub mod genesis;
pub mod init;
pub mod keys;
pub mod node;
pub mod status;
