//! Tests of the chain as a whole; each file tells its own story.

mod draw;
mod execute;
mod finality;
pub(crate) mod fixture;
mod insert;
mod views;
