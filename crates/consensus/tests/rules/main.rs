//! The state machine against CONSENSUS C3–C6: one named test for each rule, and random runs.

mod certificates;
mod journal;
mod kept;
mod kit;
mod notarize;
mod propose;
mod random;
mod seen;
mod stuck;
mod tickets;
mod tree;
mod views;
mod votes;
