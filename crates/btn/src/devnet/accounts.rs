//! The funded accounts of a local network: the ten that every Ethereum tool derives from the test mnemonic.

use crate::amount::parse_amount;
use alloy_primitives::Address;
use alloy_signer_local::{MnemonicBuilder, PrivateKeySigner};
use btn_types::genesis::GenesisAccount;
use eyre::WrapErr as _;
use serde::Serialize;
use std::collections::BTreeMap;

/// Known to everybody: never fund it on a real network.
pub const MNEMONIC: &str = "test test test test test test test test test test test junk";

/// How many accounts are funded.
pub const FUNDED_ACCOUNTS: u32 = 10;

/// Balance of each.
pub const FUNDED_BALANCE: &str = "10000BTN";

/// An account whose private key is public.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DevAccount {
    /// Address.
    pub address: Address,
    /// Private key, 0x and 64 hex digits.
    pub private_key: String,
}

/// Account `index` of the mnemonic, path m/44'/60'/0'/0/index.
///
/// # Errors
/// The derivation fails, which it does not for this mnemonic.
pub fn account(index: u32) -> eyre::Result<DevAccount> {
    let signer: PrivateKeySigner = MnemonicBuilder::from_phrase(MNEMONIC)
        .index(index)
        .and_then(|builder| builder.build())
        .wrap_err("deriving a test account failed")?;
    Ok(DevAccount { address: signer.address(), private_key: format!("0x{}", hex::encode(signer.to_bytes())) })
}

/// The funded accounts, in order.
///
/// # Errors
/// As [`account`].
pub fn funded_accounts() -> eyre::Result<Vec<DevAccount>> {
    (0..FUNDED_ACCOUNTS).map(account).collect()
}

/// Where the fees of node `number` (from 1) go: accounts after the funded ones, whose balances tests count.
///
/// # Errors
/// As [`account`].
pub fn payout(number: usize) -> eyre::Result<Address> {
    Ok(account(FUNDED_ACCOUNTS + u32::try_from(number)? - 1)?.address)
}

/// The genesis entries of the funded accounts.
///
/// # Errors
/// As [`account`].
pub fn genesis_alloc() -> eyre::Result<BTreeMap<Address, GenesisAccount>> {
    let balance = parse_amount(FUNDED_BALANCE)?;
    let fund =
        |account: DevAccount| (account.address, GenesisAccount { balance, ..GenesisAccount::default() });
    Ok(funded_accounts()?.into_iter().map(fund).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{U256, address};

    #[test]
    fn the_accounts_are_those_of_hardhat_and_anvil() {
        let accounts = funded_accounts().unwrap();
        assert_eq!(accounts.len(), 10);
        assert_eq!(accounts[0].address, address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
        let key = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
        assert_eq!(accounts[0].private_key, key);
        assert_eq!(accounts[9].address, address!("0xa0Ee7A142d267C1f36714E4a8F75612F20a79720"));
    }

    #[test]
    fn each_holds_ten_thousand_and_payouts_are_others() {
        let alloc = genesis_alloc().unwrap();
        let expected = U256::from(10_000) * U256::from(10).pow(U256::from(18));
        assert!(alloc.len() == 10 && alloc.values().all(|account| account.balance == expected));
        assert!((1..=4).all(|number| !alloc.contains_key(&payout(number).unwrap())));
    }
}
