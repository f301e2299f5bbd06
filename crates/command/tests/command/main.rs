//! Contract tests of the command layer: texts and frames to the byte, every limit, every cut, and values there and
//! back (R-054 to R-069, G-26, G-27).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod body;
mod fixtures;
mod frames;
mod hostile;
mod limits;
mod remote;
mod typed;
mod vectors;
