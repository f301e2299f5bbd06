//! Transactions on their way into the pool, and geth's words for what is wrong with them.

use super::support::*;
use crate::{TransactionError, check_against_account, check_transaction, max_cost, recover};
use alloy_consensus::{TxEip1559, TxLegacy};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Bytes, U256};
use btn_types::Account;
use proptest::prelude::*;

fn words(transaction: &crate::SignedTransaction) -> String {
    check_transaction(transaction, &spec()).unwrap_err().to_string()
}

fn market(change: impl FnOnce(&mut TxEip1559)) -> crate::SignedTransaction {
    let mut transaction = fee_market(0, Some(STRANGER));
    change(&mut transaction);
    sign(transaction, 1)
}

#[test]
fn good_transactions_of_all_types_pass() {
    let good = [
        transfer(1, 0),
        sign(legacy(0, Some(STRANGER)), 1),
        sign(access_list(0, STRANGER, Default::default()), 1),
        sign(set_code(0, STRANGER, vec![authorize(2, 0, STRANGER)]), 1),
    ];
    for transaction in good {
        check_transaction(&transaction, &spec()).unwrap();
        let back = recover(&transaction.encoded_2718()).unwrap();
        assert_eq!((back.signer(), back), (wallet(1).address(), transaction));
    }
}

#[test]
fn refusals_are_in_geths_words() {
    assert_eq!(
        words(&market(|t| t.chain_id = 1)),
        "invalid sender: invalid chain id for signer: have 1 want 20200303"
    );
    let unprotected = sign(TxLegacy { chain_id: None, ..legacy(0, Some(STRANGER)) }, 1);
    assert_eq!(words(&unprotected), "only replay-protected (EIP-155) transactions allowed over RPC");
    assert_eq!(
        words(&market(|t| t.gas_limit = 20_000)),
        "intrinsic gas too low: gas 20000, minimum needed 21000"
    );
    assert_eq!(
        words(&market(|t| (t.gas_limit, t.input) = (60_000, vec![1; 1000].into()))),
        "insufficient gas for floor data gas cost: gas 60000, minimum needed 61000"
    );
    assert!(
        words(&market(|t| (t.max_fee_per_gas, t.max_priority_fee_per_gas) = (1, 1)))
            .starts_with("max fee per gas less than block base fee: address 0x")
    );
    assert!(
        words(&market(|t| t.max_priority_fee_per_gas = u128::MAX))
            .starts_with("max priority fee per gas higher than max fee per gas: address 0x")
    );
    assert_eq!(
        words(&market(|t| t.gas_limit = 16_777_217)),
        "transaction gas limit too high (cap: 16777216, tx: 16777217)"
    );
    assert!(words(&market(|t| t.input = vec![0; 131_072].into())).starts_with("oversized data"));
    assert!(words(&market(|t| t.nonce = u64::MAX)).starts_with("nonce has max value"));
    let create = sign(TxEip1559 { input: vec![0; 49_153].into(), ..fee_market(0, None) }, 1);
    assert_eq!(words(&create), "max initcode size exceeded: code size 49153, limit 49152");
    let empty = sign(set_code(0, STRANGER, Vec::new()), 1);
    assert_eq!(words(&empty), "set code tx must have at least one authorization tuple");
}

#[test]
fn a_block_smaller_than_the_cap_bounds_the_gas_too() {
    let small = crate::ChainSpec { gas_limit: 100_000, ..spec() };
    let error = check_transaction(&transfer_with_gas(100_001), &small).unwrap_err();
    assert!(error.to_string().starts_with("exceeds block gas limit"), "{error}");
    check_transaction(&transfer_with_gas(100_000), &small).unwrap();
}

fn transfer_with_gas(gas_limit: u64) -> crate::SignedTransaction {
    market(|t| t.gas_limit = gas_limit)
}

#[test]
fn the_account_is_checked_in_geths_words() {
    let transaction = market(|t| (t.nonce, t.value) = (3, U256::from(5)));
    let cost = U256::from(200_000_u64 * 10 * GWEI + 5);
    assert_eq!(max_cost(&transaction), Some(cost));
    let account = |nonce, balance| Account { nonce, balance, ..Account::default() };
    check_against_account(&transaction, &account(3, cost)).unwrap();
    check_against_account(&transaction, &account(2, cost)).unwrap();
    let error = check_against_account(&transaction, &account(4, cost)).unwrap_err();
    assert_eq!(error.to_string(), "nonce too low: next nonce 4, tx nonce 3");
    let error = check_against_account(&transaction, &account(3, cost - U256::from(1))).unwrap_err();
    let expected = "insufficient funds for gas * price + value: \
                    balance 2000000000000004, tx cost 2000000000000005, overshot 1";
    assert_eq!(error.to_string(), expected);
    let rich = market(|t| t.value = U256::MAX);
    let error = check_against_account(&rich, &account(0, U256::MAX)).unwrap_err();
    assert_eq!(error, TransactionError::CostOverflow);
}

#[test]
fn unknown_types_and_blobs_are_refused_with_a_sentence() {
    let blobs = recover(&[3, 0xc0]).unwrap_err().to_string();
    assert_eq!(
        blobs,
        "transaction type not supported: blob transactions (type 3) do not exist on this chain"
    );
    for first in [0, 5, 0x7f, 0x80, 0xbf] {
        assert_eq!(recover(&[first, 0xc0]), Err(TransactionError::TypeNotSupported(first)));
    }
    assert!(matches!(recover(&[]), Err(TransactionError::Decode(_))));
    let limit = 128 * 1024;
    assert_eq!(recover(&vec![2; limit + 1]), Err(TransactionError::Oversized { size: limit + 1, limit }));
}

#[test]
fn a_second_encoding_of_a_transaction_is_refused() {
    let mut bytes = sign(legacy(0, Some(STRANGER)), 1).encoded_2718();
    bytes.push(0);
    assert!(matches!(recover(&bytes), Err(TransactionError::Decode(_))), "trailing byte");
}

#[test]
fn a_high_s_is_refused() {
    use alloy_consensus::{SignableTransaction, TxEnvelope};
    use alloy_primitives::uint;
    use alloy_signer::SignerSync;
    let transaction = fee_market(0, Some(STRANGER));
    let low = wallet(1).sign_hash_sync(&transaction.signature_hash()).unwrap();
    let order = uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);
    let high = alloy_primitives::Signature::new(low.r(), order - low.s(), !low.v());
    let envelope: TxEnvelope = transaction.into_signed(high).into();
    assert_eq!(recover(&envelope.encoded_2718()), Err(TransactionError::InvalidSender));
}

proptest! {
    #[test]
    fn no_bytes_make_recover_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0..6_u8) {
        if let Some(first) = bytes.first_mut().filter(|_| kind < 5) {
            *first = kind;
        }
        let _ = recover(&bytes);
        let mut good = transfer(1, 0).encoded_2718();
        for (at, value) in bytes.iter().take(3).enumerate() {
            let at = (usize::from(*value) + 31 * at) % good.len();
            good[at] ^= value | 1;
        }
        if let Ok(changed) = recover(&good) {
            prop_assert_eq!(Bytes::from(changed.encoded_2718()), Bytes::from(good));
        }
    }
}
