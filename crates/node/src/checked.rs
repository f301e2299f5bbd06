//! A mark in the data directory: "the keys of this genesis file have been checked". The permutation proofs of all
//! its nodes (K1) cost tens of milliseconds each, so they are checked at the first start and not at every one.
//!
//! Whoever can write the data directory can set the mark, but owns the node anyway: the chain beside it is believed
//! just as well. Nothing else is believed on its strength: keys are still parsed and ids compared.

use btn_types::{B256, Genesis};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

/// Name of the mark.
const MARK: &str = "genesis-checked";

/// Most bytes of the mark that are read: a hash in hex and a line end, and one to see that it is longer.
const MAX_MARK_BYTES: u64 = 68;

fn text(commitment: B256) -> String {
    format!("{commitment}\n")
}

/// Whether the keys of this genesis file have been checked for this data directory.
pub(crate) fn is_marked(data_dir: &Path, genesis: &Genesis) -> bool {
    let mut found = String::new();
    // Whatever is wrong with the mark, the check is made again.
    let read =
        File::open(data_dir.join(MARK)).and_then(|file| file.take(MAX_MARK_BYTES).read_to_string(&mut found));
    read.is_ok() && found == text(genesis.commitment())
}

/// Sets the mark, durably, for a genesis file whose keys have been checked, or made here with their proofs; the data
/// directory is made where it is missing. For whoever makes the keys of a whole network, as a devnet does.
///
/// # Errors
/// The disk.
pub fn mark_genesis_checked(data_dir: &Path, genesis: &Genesis) -> io::Result<()> {
    fs::create_dir_all(data_dir)?;
    let (path, unfinished) = (data_dir.join(MARK), data_dir.join(format!("{MARK}.unfinished")));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&unfinished)?;
    file.write_all(text(genesis.commitment()).as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, &path)?;
    File::open(data_dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use btn_types::genesis::{BaseFeeParameters, ConsensusParameters};

    fn genesis(chain_id: u64) -> Genesis {
        Genesis {
            chain_id,
            timestamp_ms: 1,
            gas_limit: 30_000_000,
            base_fee: BaseFeeParameters::DEVNET,
            consensus: ConsensusParameters::DEVNET,
            alloc: Default::default(),
            nodes: Vec::new(),
            supervisors: Vec::new(),
        }
    }

    #[test]
    fn a_mark_counts_for_its_genesis_alone_and_only_as_a_whole() {
        let parent = tempfile::tempdir().unwrap();
        let data_dir = parent.path().join("data");
        assert!(!is_marked(&data_dir, &genesis(1)));
        for chain_id in [1, 2, 2] {
            mark_genesis_checked(&data_dir, &genesis(chain_id)).unwrap();
            assert!(is_marked(&data_dir, &genesis(chain_id)));
            assert!(!is_marked(&data_dir, &genesis(3 - chain_id)));
        }
        assert_eq!(fs::read_dir(&data_dir).unwrap().count(), 1, "nothing is left over");
        let whole = fs::read_to_string(data_dir.join(MARK)).unwrap();
        for damaged in [String::new(), whole[..60].to_owned(), format!("{whole}x")] {
            fs::write(data_dir.join(MARK), damaged).unwrap();
            assert!(!is_marked(&data_dir, &genesis(2)));
        }
    }
}
