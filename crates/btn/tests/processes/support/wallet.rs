//! The funded accounts of the test mnemonic, and transfers that they sign.

use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy_eips::Encodable2718 as _;
use alloy_primitives::{Address, TxKind, U256};
use alloy_signer::SignerSync as _;
use alloy_signer_local::{MnemonicBuilder, PrivateKeySigner};

/// Everybody's; never fund it elsewhere.
const MNEMONIC: &str = "test test test test test test test test test test test junk";

/// The chain id of networks that choose none.
pub const CHAIN_ID: u64 = 20_200_303;

const GWEI: u128 = 1_000_000_000;

/// A signed transaction on its way.
pub struct Transfer {
    /// EIP-2718 bytes in hex.
    pub raw: String,
    /// Transaction hash in hex.
    pub hash: String,
}

/// Account `index`.
pub fn wallet(index: u32) -> PrivateKeySigner {
    let builder = MnemonicBuilder::from_phrase(MNEMONIC).index(index).expect("a derivation path");
    builder.build().expect("a key")
}

/// A transfer of `value_wei` to nobody in particular.
pub fn transfer(from: &PrivateKeySigner, nonce: u64, value_wei: u64) -> Transfer {
    let transaction = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 100 * GWEI,
        max_priority_fee_per_gas: GWEI,
        to: TxKind::Call(Address::repeat_byte(0x77)),
        value: U256::from(value_wei),
        ..TxEip1559::default()
    };
    let signature = from.sign_hash_sync(&transaction.signature_hash()).expect("a local key");
    let signed = TxEnvelope::from(transaction.into_signed(signature));
    Transfer { raw: format!("0x{}", hex::encode(signed.encoded_2718())), hash: signed.tx_hash().to_string() }
}
