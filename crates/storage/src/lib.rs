//! What a node keeps on disk: the database of finalised data behind [`Store`], the journal of C6, and the
//! data directory that holds both (ARCHITECTURE, "What operators ask for").
//!
//! Two files with two jobs. The *database* holds only what is final; it is written once per finalisation, in
//! one durable transaction. The *journal* holds what a master must remember before it speaks: own votes and
//! proposals, certificates, bodies, the floor; it is appended and synced in groups. Losing the database costs
//! a sync from peers; losing the journal costs the right to vote (C6, "a lost log").

mod batch;
mod directory;
mod durable;
mod encoding;
mod error;
mod identity;
mod journal;
mod lock;
mod memory_store;
mod redb_store;
mod store;
#[cfg(test)]
mod testing;

pub use batch::{FinalizedBatch, FinalizedBlock, SealedBlock, Stored, StoredTip};
pub use directory::{DataDirectory, DirectoryError, OpenedJournal};
pub use error::StoreError;
pub use identity::Identity;
pub use journal::{Journal, JournalError, MAX_GROUP_BYTES};
pub use lock::DirectoryLock;
pub use memory_store::MemoryStore;
pub use redb_store::RedbStore;
pub use store::{AccountVisitor, SlotIterator, Store, StoreReader, StoredState};
