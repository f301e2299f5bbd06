//! The second level over production engines with stand-in keys: masters and supervisors on an in-memory network
//! (`world`), and single supervisors between masters played by hand (`hand`).
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod bad_blocks;
mod candidates;
mod feed;
mod hand;
mod kit;
mod liars;
mod masters;
mod network;
mod node;
mod pressure;
mod pulling;
mod sealing;
mod submission;
mod world;
