//! Tests of the chain as a whole; each file tells its own story.

mod counting;
mod draw;
mod execute;
mod finality;
pub(crate) mod fixture;
mod inclusion;
mod insert;
mod views;
