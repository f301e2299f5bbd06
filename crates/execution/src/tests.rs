//! Tests of the whole crate: blocks over an in-memory state, with contracts assembled by hand.

mod blocks;
mod build;
mod calls;
mod checks;
mod commitment;
mod contracts;
mod headers;
mod support;
