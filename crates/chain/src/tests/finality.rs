//! Finality: the path becomes the chain, siblings go, the pool follows, and a restart loses nothing.

use super::fixture::{BTN, Fixture, sorted, transfer, wallet};
use crate::{BlockError, Chain, ChainError, PoolError, genesis_batch};
use btn_execution::TransactionError;
use btn_storage::{MemoryStore, Store};
use btn_types::limits::{MAX_RANGE_BLOCKS, MAX_UNFINALIZED_HEIGHTS};
use btn_types::{B256, Height, StateReader, View, VoteKind, VoteSignature};
use std::sync::Arc;

fn final_nonce(chain: &Chain, number: u8) -> u64 {
    let state = chain.state_at(chain.finalized().hash).unwrap();
    state.account(wallet(number).address()).unwrap().map_or(0, |account| account.nonce)
}

#[test]
fn finality_over_skipped_views_drops_siblings() {
    let mut fixture = Fixture::new();
    let genesis = fixture.genesis_hash();
    let loser = transfer(&wallet(1), 0, 1);
    let lost = fixture.foreign(genesis, 2, std::slice::from_ref(&loser));
    let lost = fixture.insert(lost).unwrap().hash;
    let lost_child = fixture.foreign(lost, 3, &[]);
    fixture.chain.submit(loser, false).unwrap();
    fixture.chain.execute(lost).unwrap();
    let lost_child = fixture.insert(lost_child).unwrap().hash;
    fixture.chain.submit(transfer(&wallet(0), 0, 9), true).unwrap();

    let first = fixture.grow(genesis, 1);
    let fourth = fixture.grow(first, 4);
    let above = fixture.grow(fourth, 6);
    let sibling_above = fixture.grow(first, 7);
    let batch = fixture.finalize_only(fourth).unwrap().unwrap();

    assert_eq!(batch.blocks.iter().map(|block| block.hash).collect::<Vec<_>>(), [first, fourth]);
    assert!(batch.blocks[0].finalization.is_none());
    let finalization = batch.blocks[1].finalization.as_ref().unwrap();
    assert_eq!((finalization.kind, finalization.view), (VoteKind::Finalize, View(4)));
    assert_eq!((fixture.chain.finalized().hash, fixture.chain.finalized().height), (fourth, Height(2)));
    for gone in [lost, lost_child, sibling_above, first] {
        assert!(fixture.chain.meta(gone).is_none());
    }
    assert_eq!(sorted(fixture.chain.unfinalized()), [fixture.meta(above)]);
    fixture.store.commit(batch).unwrap();
    fixture.finalize(above);
}

#[test]
fn losers_transactions_stay_in_the_pool() {
    // G-23: the same transaction may enter several candidate blocks; one wins, nothing is lost or repeated.
    let mut fixture = Fixture::new();
    let genesis = fixture.genesis_hash();
    let (both, only_lost) = (transfer(&wallet(0), 0, 1), transfer(&wallet(1), 0, 1));
    let lost = fixture.foreign(genesis, 1, &[both.clone(), only_lost.clone()]);
    let won = fixture.foreign(genesis, 2, std::slice::from_ref(&both));
    for transaction in [&both, &only_lost] {
        fixture.chain.submit(transaction.clone(), false).unwrap();
    }
    let lost = fixture.insert(lost).unwrap().hash;
    let won = fixture.insert(won).unwrap().hash;
    fixture.chain.execute(lost).unwrap();
    fixture.chain.execute(won).unwrap();
    assert!(!fixture.chain.has_executable(lost) && fixture.chain.has_executable(won));
    fixture.finalize(won);
    let hashes: Vec<B256> = fixture.chain.pool().content().iter().map(|pooled| pooled.hash()).collect();
    assert_eq!(hashes, [*only_lost.tx_hash()]);
    let next = fixture.grow(won, 3);
    let block = fixture.chain.block(next).unwrap().unwrap();
    assert_eq!(block.transactions.iter().map(|t| *t.tx_hash()).collect::<Vec<_>>(), hashes);
    let again = fixture.chain.submit(both, false).unwrap_err();
    assert!(
        matches!(again, PoolError::Transaction(TransactionError::NonceTooLow { next: 1, nonce: 0 })),
        "{again}"
    );
}

#[test]
fn what_is_final_stays_final() {
    let mut fixture = Fixture::new();
    let first = fixture.grow(fixture.genesis_hash(), 1);
    let second = fixture.grow(first, 2);
    let meta = fixture.meta(first);
    let finalization = fixture.finalization(&meta);
    let batch = fixture.finalize_only(second).unwrap().unwrap();
    // Before and after it is stored.
    assert!(fixture.chain.finalize(first, finalization.clone()).unwrap().is_none());
    assert!(fixture.finalize_only(second).unwrap().is_none());
    fixture.store.commit(batch).unwrap();
    assert!(fixture.chain.finalize(first, finalization).unwrap().is_none());
    assert!(fixture.finalize_only(second).unwrap().is_none());
}

#[test]
fn only_the_blocks_own_finalization_finalises() {
    let mut fixture = Fixture::new();
    let first = fixture.grow(fixture.genesis_hash(), 1);
    let second = fixture.grow(first, 2);
    let (first, second) = (fixture.meta(first), fixture.meta(second));
    let mut forged = fixture.finalization(&first);
    forged.aggregate = VoteSignature::repeat_byte(1);
    let digest = fixture.committee.domain().digest_of(&first);
    for wrong in [
        fixture.notarization(&first),
        fixture.finalization(&second),
        fixture.certificate(VoteKind::Finalize, View(1), B256::ZERO),
        fixture.certificate_of(VoteKind::Finalize, View(1), digest, 2),
        forged,
    ] {
        let error = fixture.chain.finalize(first.hash, wrong).unwrap_err();
        assert!(matches!(error, ChainError::NotFinalization { .. }), "{error}");
    }
    let finalization = fixture.finalization(&first);
    let error = fixture.chain.finalize(B256::repeat_byte(3), finalization.clone()).unwrap_err();
    assert!(matches!(error, ChainError::Block(BlockError::Unknown(_))), "{error}");
    fixture.chain.finalize(first.hash, finalization).unwrap().unwrap();
}

#[test]
fn a_finalised_block_that_is_invalid_here_stops_the_chain() {
    let mut fixture = Fixture::new();
    let mut forged = fixture.foreign(fixture.genesis_hash(), 1, &[]);
    forged.header.state_root = B256::repeat_byte(1);
    let forged = fixture.insert(forged).unwrap();
    let error = fixture.finalize_only(forged.hash).unwrap_err();
    assert!(matches!(error, ChainError::InvalidFinalized { .. }), "{error}");
    assert_eq!(fixture.chain.finalized().height, Height(0));
}

#[test]
fn unexecuted_ancestors_are_executed_by_finality() {
    let mut fixture = Fixture::new();
    let first = fixture.grow(fixture.genesis_hash(), 1);
    let second = fixture.grow(first, 2);
    let blocks = [first, second].map(|hash| fixture.chain.block(hash).unwrap().unwrap());
    let finalization = fixture.finalization(&fixture.meta(second));
    fixture.chain = fixture.restarted();
    for block in blocks {
        fixture.chain.insert(block).unwrap();
    }
    let batch = fixture.chain.finalize(second, finalization).unwrap().unwrap();
    assert_eq!(batch.blocks.len(), 2);
}

#[test]
fn the_chain_goes_on_before_a_batch_is_stored() {
    let mut fixture = Fixture::with(4, 1, crate::PoolLimits::default());
    let mut head = fixture.genesis_hash();
    let mut batches = Vec::new();
    for view in 1..=6u64 {
        let nonce = view - 1;
        fixture.chain.submit(transfer(&wallet(0), nonce, 1), true).unwrap();
        assert!(fixture.chain.has_executable(head));
        head = fixture.grow(head, view);
        batches.push(fixture.finalize_only(head).unwrap().unwrap());
        assert_eq!(final_nonce(&fixture.chain, 0), view);
        assert!(fixture.chain.pool().content().is_empty());
        assert!(fixture.chain.block(head).unwrap().is_some());
        assert_eq!(fixture.chain.finalized_height_of(head).unwrap(), Some(Height(view)));
        if view == 4 {
            // The store catches up in the middle.
            for batch in batches.drain(..) {
                fixture.store.commit(batch).unwrap();
            }
        }
    }
    for batch in batches {
        fixture.store.commit(batch).unwrap();
    }
    let restarted = fixture.restarted();
    assert_eq!(restarted.finalized(), fixture.chain.finalized());
    assert_eq!(final_nonce(&restarted, 0), 6);
}

#[test]
fn restart_rebuilds_from_store_and_bodies() {
    let mut fixture = Fixture::new();
    let mut head = fixture.genesis_hash();
    for view in 1..=40u64 {
        fixture.chain.submit(transfer(&wallet(3), view - 1, 1), true).unwrap();
        head = fixture.grow(head, view);
        if view == 20 || view == 35 {
            fixture.finalize(head);
        }
    }
    let side = fixture.grow(fixture.chain.finalized().hash, 41);
    let metas = sorted(fixture.chain.unfinalized());
    let bodies: Vec<_> = metas.iter().map(|meta| fixture.chain.block(meta.hash).unwrap().unwrap()).collect();

    let mut restarted = fixture.restarted();
    assert_eq!(restarted.finalized(), fixture.chain.finalized());
    for (meta, body) in metas.iter().zip(bodies) {
        assert_eq!(restarted.insert(body).unwrap(), *meta);
    }
    restarted.execute(head).unwrap();
    restarted.execute(side).unwrap();
    assert_eq!(restarted.pending_nonce(head, wallet(3).address()).unwrap(), 40);
    let finalization = fixture.finalization(&fixture.meta(head));
    let batch = restarted.finalize(head, finalization).unwrap().unwrap();
    assert_eq!(batch.blocks.len(), 5);
    fixture.store.commit(batch).unwrap();
    assert_eq!(fixture.restarted().finalized().hash, head);
}

#[test]
fn a_strange_store_is_refused() {
    let fixture = Fixture::new();
    let open = |store: &MemoryStore| {
        let (genesis, committee) = (Arc::clone(&fixture.genesis), fixture.committee.clone());
        Chain::new(genesis, committee, fixture.supervisors.clone(), store.reader()).err().unwrap()
    };
    assert!(matches!(open(&MemoryStore::new()), ChainError::NoGenesis));
    let mut genesis = (*fixture.genesis).clone();
    genesis.timestamp_ms += 1;
    let mut other = MemoryStore::new();
    other.commit(genesis_batch(&genesis)).unwrap();
    let error = open(&other);
    assert!(matches!(error, ChainError::WrongGenesis { .. }), "{error}");
    let mut damaged = MemoryStore::new();
    let mut batch = genesis_batch(&fixture.genesis);
    let account = batch.blocks[0].diff.accounts.get_mut(&wallet(0).address()).unwrap();
    account.account.as_mut().unwrap().balance += btn_types::U256::from(BTN);
    damaged.commit(batch).unwrap();
    let error = open(&damaged);
    assert!(matches!(error, ChainError::DamagedState { height: Height(0), .. }), "{error}");
}

#[test]
fn ranges_end_at_a_finalization() {
    let mut fixture = Fixture::new();
    assert!(fixture.chain.range(Height(1)).unwrap().is_none());
    let mut head = fixture.genesis_hash();
    for view in 1..=70 {
        head = fixture.grow(head, view);
        if view % 3 == 0 || view == 70 {
            fixture.finalize(head);
        }
    }
    let heights = |from| {
        let range = fixture.chain.range(Height(from)).unwrap()?;
        let last = range.blocks.last().unwrap();
        let stored = fixture.store.reader().finalization(last.height()).unwrap();
        assert_eq!(range.finalization, stored);
        Some((range.blocks[0].header.number, last.header.number))
    };
    assert_eq!(MAX_RANGE_BLOCKS, 64);
    assert_eq!(heights(0), Some((1, 63)), "64 blocks would end at 64, which has no Finalization of its own");
    assert_eq!(heights(3), Some((3, 66)));
    assert_eq!(heights(64), Some((64, 70)));
    assert_eq!(heights(70), Some((70, 70)));
    assert_eq!(heights(71), None);
}

/// A peer that is behind must get past a stretch that became final only at its end.
#[test]
fn a_long_stretch_without_finalization_is_given_in_parts() {
    let mut fixture = Fixture::new();
    let mut head = fixture.genesis_hash();
    let long = 2 * MAX_UNFINALIZED_HEIGHTS;
    for view in 1..=long {
        head = fixture.grow(head, view);
    }
    fixture.finalize(head);
    let first = fixture.chain.range(Height(1)).unwrap().unwrap();
    assert_eq!((first.blocks.len(), first.finalization), (MAX_RANGE_BLOCKS, None));
    let next = Height(1 + MAX_RANGE_BLOCKS as u64);
    let second = fixture.chain.range(next).unwrap().unwrap();
    assert_eq!(second.blocks.last().map(|block| block.header.number), Some(long));
    assert!(second.finalization.is_some());
    assert_eq!(fixture.chain.range(Height(long + 1)).unwrap(), None);
}
