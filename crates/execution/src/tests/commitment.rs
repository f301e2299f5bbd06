//! The state root against the library's computation from scratch, over random layers.

use super::support::*;
use crate::{FullRecomputation, Overlay, StateCommitment};
use alloy_primitives::{Address, B256, U256};
use alloy_trie::EMPTY_ROOT_HASH;
use btn_types::{Account, AccountDiff, StateDiff, StateReader};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn slots() -> impl Strategy<Value = BTreeMap<U256, U256>> {
    let slot = (0..6_u64).prop_map(U256::from);
    // Zero often: removals collapse branches.
    let value = prop_oneof![Just(U256::ZERO), (1..300_u64).prop_map(U256::from), Just(U256::MAX)];
    proptest::collection::btree_map(slot, value, 0..5)
}

fn change() -> impl Strategy<Value = AccountDiff> {
    let account = (0..3_u64, 0..1000_u64, any::<bool>()).prop_map(|(nonce, balance, code)| Account {
        nonce,
        balance: U256::from(balance),
        code_hash: if code { B256::repeat_byte(7) } else { Account::default().code_hash },
    });
    prop_oneof![
        4 => (account, any::<bool>(), slots()).prop_map(|(account, wiped, storage)| AccountDiff {
            account: Some(account), storage_wiped: wiped, storage,
        }),
        1 => Just(AccountDiff { account: None, storage_wiped: true, storage: BTreeMap::new() }),
    ]
}

fn layer() -> impl Strategy<Value = StateDiff> {
    let address = (0..12_u8).prop_map(Address::repeat_byte);
    proptest::collection::btree_map(address, change(), 0..8)
        .prop_map(|accounts| StateDiff { accounts, codes: BTreeMap::new() })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn roots_over_layers_equal_roots_after_applying_and_from_scratch(
        layers in proptest::collection::vec(layer(), 1..6),
    ) {
        let mut applied = FullRecomputation::new();
        let mut naive = MemoryState::default();
        let fresh = FullRecomputation::new();
        for (index, layer) in layers.iter().enumerate() {
            // Several layers on top of what was applied, half way through.
            let rest: Vec<&StateDiff> = layers[index..].iter().collect();
            let mut after_rest = naive.clone();
            rest.iter().for_each(|layer| after_rest.apply(layer));
            prop_assert_eq!(applied.root(&rest), after_rest.naive_root());
            prop_assert_eq!(applied.root(&[]), naive.naive_root(), "root() must not change anything");

            applied.apply(layer);
            naive.apply(layer);
            prop_assert_eq!(applied.root(&[]), naive.naive_root());
            let so_far: Vec<&StateDiff> = layers[..=index].iter().collect();
            prop_assert_eq!(fresh.root(&so_far), naive.naive_root());
        }
        let accounts = naive.accounts.iter().map(|(address, account)| {
            (*address, *account, naive.storage.get(address).cloned().unwrap_or_default())
        });
        prop_assert_eq!(FullRecomputation::from_accounts(accounts).root(&[]), naive.naive_root());
    }

    #[test]
    fn an_overlay_reads_like_the_layers_applied(
        base in layer(),
        layers in proptest::collection::vec(layer(), 1..5),
    ) {
        let mut below = MemoryState::default();
        below.apply(&base);
        let mut above = below.clone();
        layers.iter().for_each(|layer| above.apply(layer));
        let overlay = Overlay::new(layers.iter().rev().collect(), BTreeMap::new(), &below);
        let commitment = {
            let mut commitment = FullRecomputation::new();
            commitment.apply(&base);
            commitment
        };
        let references: Vec<&StateDiff> = layers.iter().collect();
        for address in (0..12).map(Address::repeat_byte) {
            prop_assert_eq!(overlay.account(address).unwrap(), above.account(address).unwrap());
            for slot in (0..6).map(U256::from) {
                prop_assert_eq!(overlay.storage(address, slot).unwrap(), above.storage(address, slot).unwrap());
            }
            let only = above.storage.get(&address).into_iter().flatten();
            let expected = alloy_trie::root::storage_root_unhashed(
                only.map(|(slot, value)| (B256::from(*slot), *value)),
            );
            prop_assert_eq!(commitment.storage_root(address, &references), expected);
        }
    }
}

#[test]
fn nothing_has_the_empty_root() {
    assert_eq!(FullRecomputation::new().root(&[]), EMPTY_ROOT_HASH);
}

#[test]
fn an_overlay_finds_code_and_hashes_above_and_below() {
    let below = state(&[(STRANGER, vec![1, 2].into())]);
    let hash = B256::repeat_byte(1);
    let layer = StateDiff { codes: BTreeMap::from([(hash, vec![3].into())]), ..Default::default() };
    let overlay = Overlay::new(vec![&layer], BTreeMap::from([(5, hash)]), &below);
    assert_eq!(overlay.code(hash).unwrap(), Some(vec![3].into()));
    let stranger = below.accounts[&STRANGER].code_hash;
    assert_eq!(overlay.code(stranger).unwrap(), Some(vec![1, 2].into()));
    assert_eq!((overlay.block_hash(5).unwrap(), overlay.block_hash(4).unwrap()), (Some(hash), None));
}
