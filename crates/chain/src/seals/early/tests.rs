//! Early seals are bounded, and nobody's bound is another's loss.

use super::*;
use btn_types::Bytes;

fn supervisor(number: u64) -> NodeId {
    NodeId(B256::from(alloy_primitives::U256::from(number + 1)))
}

fn seal(by: u64, block: u64) -> Seal {
    let block_hash = B256::from(alloy_primitives::U256::from(block));
    let empty = Bytes::new();
    let (draw_signature, signature) = (empty.clone(), empty);
    Seal { supervisor: supervisor(by), core: B256::ZERO, draw_signature, block_hash, signature }
}

#[test]
fn a_block_takes_its_seals_and_no_others() {
    let mut early = EarlySeals::default();
    for (by, block) in [(0, 1), (1, 1), (1, 2), (0, 1)] {
        early.keep(seal(by, block));
    }
    assert_eq!(early.len(), 3);
    assert!(early.has(seal(1, 2).block_hash, supervisor(1)));
    assert_eq!(early.take(seal(0, 1).block_hash), [seal(0, 1), seal(1, 1)]);
    assert_eq!(early.take(seal(0, 1).block_hash), []);
    assert_eq!(early.len(), 1);
}

#[test]
fn the_newest_seals_of_a_supervisor_stay() {
    let mut early = EarlySeals::default();
    early.keep(seal(1, 0));
    for block in 0..2 * MAX_EARLY_PER_SUPERVISOR as u64 {
        early.keep(seal(0, block));
    }
    assert_eq!(early.len(), MAX_EARLY_PER_SUPERVISOR + 1);
    for block in 0..2 * MAX_EARLY_PER_SUPERVISOR as u64 {
        let stays = block >= MAX_EARLY_PER_SUPERVISOR as u64;
        assert_eq!(early.has(seal(0, block).block_hash, supervisor(0)), stays, "{block}");
    }
    assert!(early.has(seal(1, 0).block_hash, supervisor(1)), "another one's seal is untouched");
}

#[test]
fn whoever_floods_loses_first() {
    let mut early = EarlySeals::default();
    let flooders = (MAX_EARLY_SEALS / MAX_EARLY_PER_SUPERVISOR) as u64;
    for by in 0..flooders {
        for block in 0..MAX_EARLY_PER_SUPERVISOR as u64 {
            early.keep(seal(by, block));
        }
    }
    assert_eq!(early.len(), MAX_EARLY_SEALS);
    for by in flooders..flooders + 100 {
        early.keep(seal(by, 7));
        early.keep(seal(by, 8));
    }
    assert_eq!(early.len(), MAX_EARLY_SEALS);
    for by in flooders..flooders + 100 {
        assert!(early.has(seal(by, 7).block_hash, supervisor(by)), "{by}");
    }
}
