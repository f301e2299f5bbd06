//! The engine's own thread, by level. Both take inputs one at a time and carry out an engine's effects in order.

mod master;
mod supervisor;

pub(crate) use master::MasterDriver;
pub(crate) use supervisor::SupervisorDriver;
