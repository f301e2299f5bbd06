//! The server as clients meet it: real sockets, real execution, a chain of four blocks in memory.

mod backend;
mod client;
mod documentation;
mod ethereum;
mod failures;
mod metrics;
mod supervision;
mod transport;
mod trust;
