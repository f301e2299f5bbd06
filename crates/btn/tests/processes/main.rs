//! Networks of real `btn` processes: started, killed, restarted, and asked over JSON-RPC what they kept. One test
//! runs at a time: a machine with two cores is busy enough with one network.

mod by_hand;
mod crashes;
mod devnet;
mod links;
mod lost_journal;
mod refusals;
mod second_level;
mod supervisor_faults;
mod support;
