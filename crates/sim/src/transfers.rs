//! Signed transfers and the accounts that pay for them, the same in every run.

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use btn_engine::SignedTransaction;
use btn_types::genesis::GenesisAccount;
use btn_types::{Address, B256, U256};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Accounts that send transfers.
pub const TRANSFER_ACCOUNTS: usize = 4;

/// Transfers of each account.
const TRANSFERS_PER_ACCOUNT: u64 = 8;

const GWEI: u128 = 1_000_000_000;

/// Chain id of the stand-in genesis.
pub(crate) const CHAIN_ID: u64 = 20_200_303;

/// Where the transfers go.
const RECEIVER: Address = Address::repeat_byte(0xee);

static WALLETS: LazyLock<Vec<PrivateKeySigner>> = LazyLock::new(|| {
    let keys = (1u8..).take(TRANSFER_ACCOUNTS).map(B256::repeat_byte);
    // A repeated small byte is a valid secp256k1 key.
    keys.filter_map(|key| PrivateKeySigner::from_bytes(&key).ok()).collect()
});

static TRANSFERS: LazyLock<Vec<Vec<SignedTransaction>>> = LazyLock::new(|| {
    WALLETS
        .iter()
        .map(|wallet| (0..TRANSFERS_PER_ACCOUNT).filter_map(|nonce| sign(wallet, nonce)).collect())
        .collect()
});

fn sign(wallet: &PrivateKeySigner, nonce: u64) -> Option<SignedTransaction> {
    let transfer = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 100 * GWEI,
        max_priority_fee_per_gas: GWEI,
        to: RECEIVER.into(),
        value: U256::from(1),
        ..TxEip1559::default()
    };
    let signature = wallet.sign_hash_sync(&transfer.signature_hash()).ok()?;
    Some(SignedTransaction::new_unchecked(transfer.into_signed(signature).into(), wallet.address()))
}

/// The accounts of the genesis state.
#[must_use]
pub fn funded_accounts() -> BTreeMap<Address, GenesisAccount> {
    let balance = U256::from(1_000_000_000u64) * U256::from(1_000_000_000u64);
    WALLETS
        .iter()
        .map(|wallet| (wallet.address(), GenesisAccount { balance, ..GenesisAccount::default() }))
        .collect()
}

/// Each account's transfers, by nonce from 0.
#[must_use]
pub fn transfers() -> &'static [Vec<SignedTransaction>] {
    &TRANSFERS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_account_has_its_transfers() {
        assert_eq!(funded_accounts().len(), TRANSFER_ACCOUNTS);
        assert!(transfers().iter().all(|of_account| of_account.len() as u64 == TRANSFERS_PER_ACCOUNT));
    }
}
