//! What RPC sees: finality under `latest`, the head and the pool under `pending`, and pictures that do not change.

use super::fixture::{Fixture, LOGGER, payment, sign, transfer, wallet};
use crate::{Chain, ChainView, LogFilter, MAX_LOG_BLOCKS, StateTag, TransactionPlace, ViewError};
use alloy_consensus::TxEip1559;
use btn_storage::Store;
use btn_types::{Address, B256, Height, StateReader};

fn nonce(view: &ChainView, tag: StateTag, number: u8) -> u64 {
    let account = view.state_at(tag).unwrap().account(wallet(number).address()).unwrap();
    account.map_or(0, |account| account.nonce)
}

#[test]
fn views_and_chains_cross_threads() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>() {}
    shared::<ChainView>();
    sent::<Chain>();
}

#[test]
fn tags_follow_finality_and_old_views_do_not_change() {
    let mut fixture = Fixture::new();
    fixture.chain.submit(transfer(&wallet(0), 0, 1), true).unwrap();
    let first = fixture.grow(fixture.genesis_hash(), 1);
    fixture.chain.submit(transfer(&wallet(0), 1, 1), true).unwrap();
    fixture.chain.submit(transfer(&wallet(0), 3, 1), true).unwrap();
    let early = fixture.chain.view(first).unwrap();
    let check_early = || {
        assert_eq!((early.tip().height, early.head().height), (Height(0), Height(1)));
        assert_eq!((early.latest_header().number, early.pending_header().number), (0, 1));
        assert_eq!((nonce(&early, StateTag::Latest, 0), nonce(&early, StateTag::Pending, 0)), (0, 1));
        assert_eq!(early.pending_nonce(wallet(0).address()).unwrap(), 2, "nonce 2 is missing in the pool");
        assert_eq!(early.pool().len(), 3);
        assert!(early.block(Height(1)).unwrap().is_none());
        assert!(early.block_by_hash(first).unwrap().is_none());
        assert_eq!(early.height_of(first).unwrap(), None);
        assert_eq!(early.pending_block().hash, first);
    };
    check_early();

    let batch = fixture.finalize_only(first).unwrap().unwrap();
    let late = fixture.chain.view(first).unwrap();
    let check_late = || {
        assert_eq!((late.tip().height, late.head().height), (Height(1), Height(1)));
        assert_eq!((nonce(&late, StateTag::Latest, 0), nonce(&late, StateTag::Pending, 0)), (1, 1));
        assert_eq!(nonce(&late, StateTag::Height(Height(1)), 0), 1);
        let known = late.block_by_hash(first).unwrap().unwrap();
        assert_eq!(known.block.header.number, 1);
        assert_eq!(late.receipts(&known).unwrap().len(), 1);
        assert_eq!(late.senders(&known).unwrap(), [wallet(0).address()]);
        assert_eq!(late.sender(&known, 0).unwrap(), wallet(0).address());
        assert_eq!(late.latest_block().hash, first);
    };
    check_late();
    fixture.store.commit(batch).unwrap();
    let second = fixture.grow(first, 2);
    fixture.finalize(second);
    check_early();
    check_late();
    let newest = fixture.chain.view(second).unwrap();
    assert_eq!(nonce(&newest, StateTag::Latest, 0), 2);
    let known = newest.block(Height(1)).unwrap().unwrap();
    assert_eq!(newest.senders(&known).unwrap(), [wallet(0).address()], "recovered from the stored block");
    assert_eq!(newest.receipts(&known).unwrap().len(), 1);
}

#[test]
fn old_states_are_not_kept() {
    let mut fixture = Fixture::new();
    let first = fixture.grow(fixture.genesis_hash(), 1);
    fixture.finalize(first);
    let view = fixture.chain.view(first).unwrap();
    for height in [0, 2] {
        let Err(error) = view.state_at(StateTag::Height(Height(height))) else { panic!("state of {height}") };
        assert_eq!(
            error.to_string(),
            "historical state not available in this version: only latest and pending"
        );
    }
}

#[test]
fn transactions_are_pending_until_final() {
    let mut fixture = Fixture::new();
    let (mine, theirs) = (transfer(&wallet(0), 0, 1), transfer(&wallet(1), 0, 1));
    let block = fixture.foreign(fixture.genesis_hash(), 1, std::slice::from_ref(&theirs));
    let block_hash = fixture.insert(block).unwrap().hash;
    fixture.chain.execute(block_hash).unwrap();
    fixture.chain.submit(mine.clone(), true).unwrap();
    let view = fixture.chain.view(block_hash).unwrap();
    for transaction in [&mine, &theirs] {
        let place = view.transaction(*transaction.tx_hash()).unwrap().unwrap();
        let TransactionPlace::Pending(found) = place else { panic!("{place:?}") };
        assert_eq!(*found, *transaction);
    }
    assert!(view.transaction(B256::ZERO).unwrap().is_none());
    let batch = fixture.finalize_only(block_hash).unwrap().unwrap();
    let unstored = fixture.chain.view(block_hash).unwrap();
    fixture.store.commit(batch).unwrap();
    for view in [unstored, fixture.chain.view(block_hash).unwrap()] {
        let place = view.transaction(*theirs.tx_hash()).unwrap().unwrap();
        let TransactionPlace::Final { block, index } = place else { panic!("{place:?}") };
        assert_eq!((block.hash, index), (block_hash, 0));
    }
    // A view from before does not know of it, though the store does by now.
    assert!(matches!(view.transaction(*theirs.tx_hash()).unwrap(), Some(TransactionPlace::Pending(_))));
}

#[test]
fn an_unexecuted_head_gives_its_executed_ancestor() {
    let mut fixture = Fixture::new();
    let first = fixture.grow(fixture.genesis_hash(), 1);
    let second = fixture.foreign(first, 2, &[]);
    let second = fixture.insert(second).unwrap().hash;
    assert_eq!(fixture.chain.view(second).unwrap().head().hash, first);
    fixture.chain.execute(second).unwrap();
    assert_eq!(fixture.chain.view(second).unwrap().head().hash, second);
    let nowhere = fixture.chain.view(B256::repeat_byte(1)).unwrap();
    assert_eq!(nowhere.head(), nowhere.tip());
}

#[test]
fn finalizations_cover_ancestors() {
    let mut fixture = Fixture::new();
    let mut head = fixture.genesis_hash();
    for view in 1..=3 {
        head = fixture.grow(head, view);
    }
    fixture.finalize(head);
    let view = fixture.chain.view(head).unwrap();
    assert!(view.finalization(Height(2)).unwrap().is_none());
    let own = view.finalization(Height(3)).unwrap().unwrap();
    assert_eq!(view.covering_finalization(Height(1)).unwrap(), Some((Height(3), own)));
    assert_eq!(view.covering_finalization(Height(4)).unwrap(), None);
}

#[test]
fn logs() {
    let mut fixture = Fixture::new();
    let mut head = fixture.genesis_hash();
    for view in 1..=4u64 {
        for number in 0..2u8 {
            let to = if view == 3 { Address::repeat_byte(0xee) } else { LOGGER };
            let call = TxEip1559 { to: to.into(), gas_limit: 50_000, nonce: view - 1, ..payment(1) };
            fixture.chain.submit(sign(&wallet(number), call), false).unwrap();
        }
        head = fixture.grow(head, view);
        if view != 4 {
            fixture.finalize(head);
        }
    }
    let topic = B256::with_last_byte(42);
    let view = fixture.chain.view(head).unwrap();
    let search = |from, to, filter: &LogFilter| {
        let found = view.logs(Height(from), Height(to), filter).unwrap();
        found.iter().map(|log| (log.height.0, log.transaction_index, log.log_index)).collect::<Vec<_>>()
    };
    let all = [(1, 0, 0), (1, 1, 1), (2, 0, 0), (2, 1, 1)];
    assert_eq!(search(0, 4, &LogFilter::default()), all, "height 4 is not final");
    let exact = LogFilter { addresses: vec![Address::ZERO, LOGGER], topics: vec![vec![B256::ZERO, topic]] };
    assert_eq!(search(0, 4, &exact), all);
    assert_eq!(search(2, 2, &exact), all[2..]);
    for none in [
        LogFilter { addresses: vec![Address::ZERO], topics: vec![] },
        LogFilter { addresses: vec![], topics: vec![vec![B256::ZERO]] },
        LogFilter { addresses: vec![], topics: vec![vec![], vec![]] },
    ] {
        assert_eq!(search(0, 4, &none), []);
    }
    let known = view.block(Height(2)).unwrap().unwrap();
    assert_eq!(view.logs_of(&known, &exact).unwrap().len(), 2);
    assert!(matches!(view.logs(Height(2), Height(1), &exact), Err(ViewError::LogRange { .. })));
    assert_eq!(search(0, MAX_LOG_BLOCKS * 2, &exact), all, "what lies above the tip is not counted");
}
