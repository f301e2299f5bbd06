//! Order, prices, bounds and the words of refusals; and after random histories all indexes agree.

use super::*;
use crate::tests::fixture::{GWEI, payment, sign, transfer, wallet};
use alloy_consensus::TxEip1559;
use btn_types::U256;
use proptest::prelude::*;

const RICH: U256 = U256::from_limbs([0, 1, 0, 0]);

const BASE_FEE_WEI: u64 = 1_000_000_000;

fn account(nonce: u64, balance: U256) -> Option<Account> {
    Some(Account { nonce, balance, ..Account::default() })
}

fn limits(transactions: usize) -> PoolLimits {
    PoolLimits { transactions, ..PoolLimits::default() }
}

fn pool() -> Pool {
    Pool::new(PoolLimits::default())
}

fn add(pool: &mut Pool, transaction: &SignedTransaction, local: bool) -> Result<B256, PoolError> {
    pool.add(transaction.clone(), local, Height(0), account(0, RICH))
}

fn priced(number: u8, nonce: u64, cap_gwei: u128, tip_gwei: u128) -> SignedTransaction {
    let (max_fee_per_gas, max_priority_fee_per_gas) = (cap_gwei * GWEI, tip_gwei * GWEI);
    sign(&wallet(number), TxEip1559 { nonce, max_fee_per_gas, max_priority_fee_per_gas, ..payment(0) })
}

/// Sender and nonce of each candidate.
fn order(pool: &Pool, base_fee_wei: u64, nonce_of: &dyn Fn(&Address) -> Option<u64>) -> Vec<(u8, u64)> {
    let number = |sender| (0..20).find(|number| wallet(*number).address() == sender).unwrap();
    let candidates = pool.candidates(base_fee_wei, nonce_of);
    let order: Vec<_> = candidates.map(|found| (number(found.signer()), found.nonce())).collect();
    assert_eq!(pool.has_candidate(base_fee_wei, nonce_of), !order.is_empty());
    order
}

#[test]
fn refusals_in_geths_words() {
    let mut pool = Pool::new(PoolLimits { per_sender: 3, nonce_gap: 8, ..PoolLimits::default() });
    let state = account(2, U256::from(500_000 * GWEI * 21));
    let mut refused = |transaction: SignedTransaction| {
        let result = pool.add(transaction, false, Height(0), state);
        result.err().map_or_else(|| "taken".into(), |error| error.to_string())
    };
    let sender = wallet(0).address();
    assert_eq!(refused(transfer(&wallet(0), 1, 0)), "nonce too low: next nonce 2, tx nonce 1");
    assert_eq!(refused(transfer(&wallet(0), 2, 0)), "taken");
    assert_eq!(refused(transfer(&wallet(0), 2, 0)), "already known");
    assert_eq!(
        refused(transfer(&wallet(0), 11, 0)),
        format!("nonce too high: address {sender}, tx: 11 state: 2, at most 10 is kept")
    );
    assert_eq!(
        refused(priced(0, 3, 600, 1)),
        "insufficient funds for gas * price + value: balance 10500000000000000, tx cost 12600000000000001, \
         overshot 2100000000000001"
    );
    assert_eq!(
        refused(priced(0, 3, 450, 1)),
        "insufficient funds for gas * price + value: balance 10500000000000000, queued cost \
         2100000000000001, tx cost 9450000000000001, overshot 1050000000000002"
    );
    assert_eq!(refused(priced(0, 10, 100, 1)), "taken");
    assert_eq!(refused(priced(0, 9, 100, 1)), "taken");
    assert_eq!(refused(priced(0, 8, 100, 1)), "account limit exceeded: 3 transactions of one sender");
}

#[test]
fn replacements_raise_both_caps_by_a_tenth() {
    let table = [
        ((100, 10), (110, 11), true),
        ((100, 10), (200, 20), true),
        ((100, 10), (109, 11), false),
        ((100, 10), (110, 10), false),
        ((100, 10), (100, 20), false),
        ((100, 10), (200, 10), false),
        ((100, 10), (90, 9), false),
    ];
    for ((cap, tip), (new_cap, new_tip), accepted) in table {
        let mut pool = pool();
        let old = add(&mut pool, &priced(0, 0, cap, tip), false).unwrap();
        let other = add(&mut pool, &priced(0, 1, 50, 1), false).unwrap();
        let bytes = pool.bytes();
        let result = add(&mut pool, &priced(0, 0, new_cap, new_tip), false);
        if accepted {
            assert!(pool.content().get(old).is_none());
            assert!(pool.content().get(result.unwrap()).is_some());
            assert!(pool.bytes().abs_diff(bytes) <= 1);
        } else {
            assert_eq!(result.unwrap_err().to_string(), "replacement transaction underpriced");
            assert!(pool.content().get(old).is_some());
        }
        assert!(pool.content().get(other).is_some());
        assert_eq!(pool.content().len(), 2);
        check_invariants(&pool);
    }
}

#[test]
fn a_free_tip_can_be_replaced_only_by_a_paid_one() {
    let mut pool = pool();
    add(&mut pool, &priced(0, 0, 100, 0), false).unwrap();
    assert!(add(&mut pool, &priced(0, 0, 200, 0), false).is_err());
    add(&mut pool, &priced(0, 0, 200, 1), false).unwrap();
}

#[test]
fn best_tip_first_then_arrival_and_nonces_in_order() {
    let mut pool = pool();
    for transaction in [
        priced(0, 0, 100, 5),
        priced(0, 1, 100, 90),
        priced(1, 0, 100, 5),
        priced(2, 0, 100, 7),
        priced(2, 2, 100, 99),
        priced(3, 1, 100, 99),
        // The cap leaves only 2 of the 50 at a base fee of 1.
        priced(4, 0, 3, 50),
        priced(5, 0, 1, 0),
    ] {
        add(&mut pool, &transaction, false).unwrap();
    }
    let unchanged = |_: &Address| None;
    assert_eq!(order(&pool, BASE_FEE_WEI, &unchanged), [(2, 0), (0, 0), (0, 1), (1, 0), (4, 0), (5, 0)]);
    // At 4 gwei two cannot pay.
    assert_eq!(order(&pool, 4 * BASE_FEE_WEI, &unchanged), [(2, 0), (0, 0), (0, 1), (1, 0)]);
    assert_eq!(order(&pool, 101 * BASE_FEE_WEI, &unchanged), []);
    // Unfinalised ancestors hold 0/0 and both 3/0 and 2/0..=1.
    let ahead = |sender: &Address| {
        let nonces = [(0, 1), (3, 1), (2, 2), (1, 9)];
        nonces.into_iter().find(|(number, _)| wallet(*number).address() == *sender).map(|(_, nonce)| nonce)
    };
    assert_eq!(order(&pool, BASE_FEE_WEI, &ahead), [(2, 2), (3, 1), (0, 1), (4, 0), (5, 0)]);
}

#[test]
fn the_cheapest_remote_gives_way() {
    let mut pool = Pool::new(limits(4));
    let local = add(&mut pool, &priced(0, 0, 100, 1), true).unwrap();
    let cheap = add(&mut pool, &priced(1, 0, 100, 2), false).unwrap();
    let tied = add(&mut pool, &priced(2, 0, 100, 2), false).unwrap();
    let dear = add(&mut pool, &priced(3, 0, 100, 9), false).unwrap();
    assert!(matches!(add(&mut pool, &priced(4, 0, 100, 1), false), Err(PoolError::Underpriced)));
    assert!(matches!(add(&mut pool, &priced(4, 0, 100, 2), false), Err(PoolError::Underpriced)));
    add(&mut pool, &priced(4, 0, 100, 3), false).unwrap();
    assert!(pool.content().get(tied).is_none(), "of equal ones the youngest");
    // A local one takes a place at any price.
    add(&mut pool, &priced(5, 0, 100, 0), true).unwrap();
    assert!(pool.content().get(cheap).is_none());
    add(&mut pool, &priced(6, 0, 100, 0), true).unwrap();
    add(&mut pool, &priced(7, 0, 100, 0), true).unwrap();
    assert!(pool.content().get(dear).is_none());
    let error = add(&mut pool, &priced(8, 0, 900, 900), false).unwrap_err();
    assert_eq!(error.to_string(), "txpool is full");
    assert!(matches!(add(&mut pool, &priced(8, 0, 900, 900), true), Err(PoolError::Full)));
    assert!(pool.content().get(local).is_some());
    assert_eq!(pool.content().len(), 4);
    // A replacement needs no room.
    add(&mut pool, &priced(0, 0, 200, 2), true).unwrap();
    check_invariants(&pool);
}

#[test]
fn bytes_are_bounded() {
    let with_input = |number: u8, length: usize, tip_gwei: u128| {
        let input = vec![1; length].into();
        sign(&wallet(number), TxEip1559 { input, ..payment(tip_gwei) })
    };
    let mut pool = Pool::new(PoolLimits { bytes: 10_000, ..PoolLimits::default() });
    for number in 0..3 {
        add(&mut pool, &with_input(number, 3_000, u128::from(number)), false).unwrap();
    }
    add(&mut pool, &with_input(4, 5_000, 9), false).unwrap();
    let senders: Vec<_> = pool.content().iter().map(|pooled| pooled.transaction.signer()).collect();
    assert_eq!(senders.len(), 2, "the two cheapest made room");
    assert!(senders.contains(&wallet(2).address()) && senders.contains(&wallet(4).address()));
    assert!(matches!(add(&mut pool, &with_input(5, 9_990, 50), false), Err(PoolError::Full)));
    assert_eq!(pool.content().len(), 2, "a refused transaction pushes nobody out");
    check_invariants(&pool);
}

#[test]
fn what_stands_before_a_local_transaction_is_protected() {
    let mut pool = Pool::new(limits(2));
    let before = add(&mut pool, &priced(0, 0, 100, 0), false).unwrap();
    let local = add(&mut pool, &priced(0, 1, 100, 0), true).unwrap();
    assert!(matches!(add(&mut pool, &priced(1, 0, 900, 99), false), Err(PoolError::Full)));
    pool.account_finalized(wallet(0).address(), account(1, RICH));
    assert!(pool.content().get(before).is_none() && pool.content().get(local).is_some());
    // Final: the local one is gone, what remains of the sender may give way again.
    add(&mut pool, &priced(0, 2, 100, 0), false).unwrap();
    pool.account_finalized(wallet(0).address(), account(2, RICH));
    check_invariants(&pool);
    add(&mut pool, &priced(1, 0, 900, 99), false).unwrap();
    add(&mut pool, &priced(2, 0, 900, 98), false).unwrap();
    assert_eq!(pool.content().next_nonce(&wallet(0).address(), 2), 2);
}

#[test]
fn nonces_count_up_to_the_first_gap() {
    let mut pool = pool();
    let sender = wallet(0).address();
    assert_eq!(pool.content().next_nonce(&sender, 7), 7);
    for nonce in [0, 1, 2, 4] {
        add(&mut pool, &transfer(&wallet(0), nonce, 0), false).unwrap();
    }
    for (from, next) in [(0, 3), (1, 3), (3, 3), (4, 5), (9, 9)] {
        assert_eq!(pool.content().next_nonce(&sender, from), next, "from {from}");
    }
}

#[test]
fn finality_takes_stale_and_unaffordable_ones() {
    let mut pool = pool();
    let hashes: Vec<_> = [(0, 10), (1, 10), (2, 100), (3, 10)]
        .map(|(nonce, cap)| add(&mut pool, &priced(0, nonce, cap, 1), nonce == 2).unwrap())
        .to_vec();
    let affordable = U256::from(50 * GWEI * 21_000);
    pool.account_finalized(wallet(0).address(), account(1, affordable));
    let left: Vec<_> = hashes.iter().map(|hash| pool.content().get(*hash).is_some()).collect();
    assert_eq!(left, [false, true, false, true], "0 is final, 2 costs more than there is");
    assert_eq!(order(&pool, BASE_FEE_WEI, &|_| None), [(0, 1)]);
    // The new balance counts for newcomers too; an account that ceased to exist has none.
    let error = add(&mut pool, &priced(0, 2, 60, 1), false).unwrap_err();
    assert!(error.to_string().starts_with("insufficient funds"), "{error}");
    pool.account_finalized(wallet(0).address(), None);
    assert!(pool.content().is_empty());
    check_invariants(&pool);
}

#[test]
fn local_transactions_grow_old() {
    let mut pool = pool();
    for (nonce, since, local) in [(0, 5, true), (1, 7, true), (2, 5, false), (3, 4, true)] {
        pool.add(transfer(&wallet(0), nonce, 0), local, Height(since), account(0, RICH)).unwrap();
    }
    let old = |blocks, finalized| {
        let old = pool.local_transactions_older_than(blocks, Height(finalized));
        old.iter().map(|pooled| pooled.nonce()).collect::<Vec<_>>()
    };
    assert_eq!(old(3, 10), [3, 0, 1]);
    assert_eq!(old(4, 10), [3, 0]);
    assert_eq!(old(6, 10), [3]);
    assert!(old(7, 10).is_empty());
    assert!(old(11, 10).is_empty());
}

#[test]
fn snapshots_are_pictures() {
    let mut pool = pool();
    let first = add(&mut pool, &transfer(&wallet(0), 0, 0), false).unwrap();
    let snapshot = pool.content().clone();
    pool.account_finalized(wallet(0).address(), account(1, RICH));
    add(&mut pool, &transfer(&wallet(0), 1, 0), false).unwrap();
    assert_eq!(snapshot.len(), 1);
    assert!(snapshot.get(first).is_some() && pool.content().get(first).is_none());
    assert_eq!(snapshot.next_nonce(&wallet(0).address(), 0), 1);
}

/// All indexes tell the same story, and the bounds hold.
fn check_invariants(pool: &Pool) {
    let all: Vec<_> = pool.content.iter().collect();
    assert_eq!(all.len(), pool.content.len());
    assert_eq!(pool.bytes, all.iter().map(|pooled| pooled.bytes).sum::<usize>());
    assert!(pool.bytes <= pool.limits.bytes && all.len() <= pool.limits.transactions);
    let mut evictable = BTreeSet::new();
    let mut locals = BTreeSet::new();
    for (sender, queue) in pool.content.senders() {
        assert!(!queue.is_empty() && queue.len() <= pool.limits.per_sender);
        assert_eq!(queue.locals, queue.iter().filter(|pooled| pooled.local).count());
        assert_eq!(queue.cost, queue.iter().fold(U256::ZERO, |sum, pooled| sum + pooled.cost));
        for pooled in queue.iter() {
            assert_eq!(pooled.transaction.signer(), *sender);
            assert!(pooled.nonce() >= queue.nonce && pooled.cost <= queue.balance);
            assert_eq!(pool.content.get(pooled.hash()).unwrap().hash(), pooled.hash());
            if queue.locals == 0 {
                evictable.insert(pooled.worth());
            }
            if pooled.local {
                locals.insert((pooled.since, pooled.hash()));
            }
        }
    }
    assert_eq!(pool.evictable, evictable);
    assert_eq!(pool.locals, locals);
}

#[derive(Clone, Debug)]
enum Step {
    Add { number: u8, nonce: u64, tip: u128, local: bool },
    Finalize { number: u8, nonce: u64, poor: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u8..6, 0u64..6, 0u128..30, prop::bool::weighted(0.2))
            .prop_map(|(number, nonce, tip, local)| Step::Add { number, nonce, tip, local }),
        1 => (0u8..6, 0u64..4, any::<bool>())
            .prop_map(|(number, nonce, poor)| Step::Finalize { number, nonce, poor }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn indexes_agree_after_any_history(steps in prop::collection::vec(step(), 1..60)) {
        let mut pool =
            Pool::new(PoolLimits { transactions: 8, bytes: 2_000, per_sender: 4, nonce_gap: 4 });
        let mut accounts = [(0, RICH); 6];
        for step in steps {
            match step {
                Step::Add { number, nonce, tip, local } => {
                    let (state_nonce, balance) = accounts[usize::from(number)];
                    let locals = pool.locals.len();
                    let transaction = priced(number, nonce, 100 + tip, tip);
                    let known = pool.content.get(*transaction.tx_hash()).is_some();
                    let taken = pool.add(transaction, local, Height(0), account(state_nonce, balance));
                    prop_assert!(!(known && taken.is_ok()));
                    prop_assert!(pool.locals.len() >= locals, "a local transaction gave way");
                }
                Step::Finalize { number, nonce, poor } => {
                    let balance = if poor { U256::from(110 * GWEI * 21_000) } else { RICH };
                    let nonce = nonce.max(accounts[usize::from(number)].0);
                    accounts[usize::from(number)] = (nonce, balance);
                    pool.account_finalized(wallet(number).address(), account(nonce, balance));
                }
            }
            check_invariants(&pool);
        }
    }
}
