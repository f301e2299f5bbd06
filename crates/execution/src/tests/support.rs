//! A state in memory, wallets, transactions of every type, and contracts assembled by hand.

use crate::{BlockInput, ChainSpec, SignedTransaction, genesis_diff, recover_envelope};
use alloy_consensus::{
    SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxEnvelope, TxLegacy,
    transaction::RlpEcdsaEncodableTx,
};
use alloy_eips::eip2930::AccessList;
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, address, b256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use alloy_trie::TrieAccount;
use alloy_trie::root::{state_root_unhashed, storage_root_unhashed};
use btn_types::genesis::{BaseFeeParameters, ConsensusParameters, GenesisAccount};
use btn_types::{Account, Genesis, StateDiff, StateError, StateReader};
use std::collections::BTreeMap;

pub const CHAIN_ID: u64 = 20_200_303;
pub const GWEI: u64 = 1_000_000_000;
pub const CLERK: Address = address!("00000000000000000000000000000000000c1e4c");
pub const STRANGER: Address = address!("0000000000000000000000000000000000005747");
pub const PARENT_HASH: B256 = b256!("1111111111111111111111111111111111111111111111111111111111111111");
pub const RANDAO: B256 = b256!("2222222222222222222222222222222222222222222222222222222222222222");

/// A state that is nothing but maps; also the oracle for roots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryState {
    pub accounts: BTreeMap<Address, Account>,
    pub storage: BTreeMap<Address, BTreeMap<U256, U256>>,
    pub codes: BTreeMap<B256, Bytes>,
    pub hashes: BTreeMap<u64, B256>,
}

impl MemoryState {
    pub fn apply(&mut self, diff: &StateDiff) {
        self.codes.extend(diff.codes.clone());
        for (address, change) in &diff.accounts {
            if change.storage_wiped {
                self.storage.remove(address);
            }
            let slots = self.storage.entry(*address).or_default();
            slots.extend(change.storage.clone());
            slots.retain(|_, value| !value.is_zero());
            match change.account {
                Some(account) => {
                    self.accounts.insert(*address, account);
                }
                None => {
                    self.accounts.remove(address);
                    self.storage.remove(address);
                }
            }
        }
        self.storage.retain(|_, slots| !slots.is_empty());
    }

    /// The state root as the library computes it from scratch.
    pub fn naive_root(&self) -> B256 {
        state_root_unhashed(self.accounts.iter().map(|(address, account)| {
            let slots = self.storage.get(address).into_iter().flatten();
            let root = storage_root_unhashed(slots.map(|(slot, value)| (B256::from(*slot), *value)));
            (*address, TrieAccount::new(account.nonce, account.balance, root, account.code_hash))
        }))
    }

    pub fn supply(&self) -> U256 {
        self.accounts.values().map(|account| account.balance).fold(U256::ZERO, |sum, next| sum + next)
    }

    pub fn balance(&self, address: Address) -> U256 {
        self.accounts.get(&address).map_or(U256::ZERO, |account| account.balance)
    }

    pub fn slot(&self, address: Address, slot: u64) -> U256 {
        self.storage(address, U256::from(slot)).unwrap()
    }
}

impl StateReader for MemoryState {
    fn account(&self, address: Address) -> Result<Option<Account>, StateError> {
        Ok(self.accounts.get(&address).copied())
    }
    fn storage(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        Ok(self.storage.get(&address).and_then(|slots| slots.get(&slot)).copied().unwrap_or_default())
    }
    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, StateError> {
        Ok(self.codes.get(&code_hash).cloned())
    }
    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        Ok(self.hashes.get(&number).copied())
    }
}

/// A reader whose disk is broken.
pub struct BrokenState;

impl StateReader for BrokenState {
    fn account(&self, _: Address) -> Result<Option<Account>, StateError> {
        Err(StateError("disk on fire".into()))
    }
    fn storage(&self, _: Address, _: U256) -> Result<U256, StateError> {
        Err(StateError("disk on fire".into()))
    }
    fn code(&self, _: B256) -> Result<Option<Bytes>, StateError> {
        Err(StateError("disk on fire".into()))
    }
    fn block_hash(&self, _: u64) -> Result<Option<B256>, StateError> {
        Err(StateError("disk on fire".into()))
    }
}

pub fn wallet(number: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(number)).unwrap()
}

pub fn ether(amount: u64) -> U256 {
    U256::from(amount) * U256::from(10).pow(U256::from(18))
}

/// Wallets 1 to 8 own 100 BTN each; `contracts` stand from the start, with 1 wei.
pub fn genesis(contracts: &[(Address, Bytes)]) -> Genesis {
    let mut alloc: BTreeMap<Address, GenesisAccount> = (1..=8)
        .map(|n| (wallet(n).address(), GenesisAccount { balance: ether(100), ..Default::default() }))
        .collect();
    for (address, code) in contracts {
        let account = GenesisAccount {
            balance: U256::from(1),
            nonce: 1,
            code: code.clone(),
            storage: BTreeMap::from([(B256::with_last_byte(9), B256::with_last_byte(99))]),
        };
        alloc.insert(*address, account);
    }
    Genesis {
        chain_id: CHAIN_ID,
        timestamp_ms: 1_700_000_000_123,
        gas_limit: 30_000_000,
        base_fee: BaseFeeParameters::DEVNET,
        consensus: ConsensusParameters::DEVNET,
        alloc,
        nodes: Vec::new(),
        supervisors: Vec::new(),
    }
}

pub fn state(contracts: &[(Address, Bytes)]) -> MemoryState {
    let mut state = MemoryState::default();
    state.apply(&genesis_diff(&genesis(contracts)));
    state
}

pub fn spec() -> ChainSpec {
    ChainSpec::from(&genesis(&[]))
}

pub fn input(number: u64) -> BlockInput {
    BlockInput {
        number,
        parent_hash: PARENT_HASH,
        timestamp: 1_700_000_000,
        beneficiary: CLERK,
        prev_randao: RANDAO,
        extra_data: B256::repeat_byte(3),
        base_fee_wei: GWEI,
    }
}

pub fn sign<T>(transaction: T, wallet: u8) -> SignedTransaction
where
    T: RlpEcdsaEncodableTx + SignableTransaction<Signature>,
    TxEnvelope: From<alloy_consensus::Signed<T>>,
{
    let signature = self::wallet(wallet).sign_hash_sync(&transaction.signature_hash()).unwrap();
    recover_envelope(transaction.into_signed(signature).into()).unwrap()
}

pub fn fee_market(nonce: u64, to: Option<Address>) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 200_000,
        max_fee_per_gas: 10 * u128::from(GWEI),
        max_priority_fee_per_gas: 2 * u128::from(GWEI),
        to: to.map_or(TxKind::Create, TxKind::Call),
        ..Default::default()
    }
}

pub fn legacy(nonce: u64, to: Option<Address>) -> TxLegacy {
    TxLegacy {
        chain_id: Some(CHAIN_ID),
        nonce,
        gas_price: 3 * u128::from(GWEI),
        gas_limit: 200_000,
        to: to.map_or(TxKind::Create, TxKind::Call),
        ..Default::default()
    }
}

pub fn access_list(nonce: u64, to: Address, access_list: AccessList) -> TxEip2930 {
    TxEip2930 {
        chain_id: CHAIN_ID,
        nonce,
        gas_price: 3 * u128::from(GWEI),
        gas_limit: 200_000,
        to: TxKind::Call(to),
        access_list,
        ..Default::default()
    }
}

pub fn set_code(nonce: u64, to: Address, authorization_list: Vec<SignedAuthorization>) -> TxEip7702 {
    TxEip7702 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 500_000,
        max_fee_per_gas: 10 * u128::from(GWEI),
        max_priority_fee_per_gas: u128::from(GWEI),
        to,
        authorization_list,
        ..Default::default()
    }
}

pub fn authorize(wallet: u8, nonce: u64, address: Address) -> SignedAuthorization {
    let authorization = Authorization { chain_id: U256::from(CHAIN_ID), address, nonce };
    let signature = self::wallet(wallet).sign_hash_sync(&authorization.signature_hash()).unwrap();
    authorization.into_signed(signature)
}

/// A transfer of one wei.
pub fn transfer(wallet: u8, nonce: u64) -> SignedTransaction {
    let transaction =
        TxEip1559 { value: U256::from(1), gas_limit: 21_000, ..fee_market(nonce, Some(STRANGER)) };
    sign(transaction, wallet)
}

/// Initcode that returns `runtime` as the contract's code.
pub fn deploy(runtime: &[u8]) -> Bytes {
    let length = u8::try_from(runtime.len()).unwrap();
    // PUSH1 length, DUP1, PUSH1 11, PUSH1 0, CODECOPY, PUSH1 0, RETURN
    let mut code = vec![0x60, length, 0x80, 0x60, 0x0b, 0x60, 0x00, 0x39, 0x60, 0x00, 0xf3];
    code.extend_from_slice(runtime);
    code.into()
}

/// Adds one to slot 0 and returns it.
pub const COUNTER: &[u8] = &alloy_primitives::hex!("600054600101806000556000526020 6000f3");
/// Reverts with its calldata.
pub const REVERTER: &[u8] = &alloy_primitives::hex!("3660006000373660 00fd");
/// LOG1 with its calldata and topic 0x2a.
pub const LOGGER: &[u8] = &alloy_primitives::hex!("366000600037602a366000a100");
/// Stores PREVRANDAO in slot 0.
pub const RANDOM: &[u8] = &alloy_primitives::hex!("4460005500");
/// Stores and returns the BLOCKHASH of the number in its calldata.
pub const HISTORIAN: &[u8] = &alloy_primitives::hex!("600035408060005560005260206000f3");
/// SELFDESTRUCT to the caller.
pub const SUICIDE: &[u8] = &alloy_primitives::hex!("33ff");
/// CREATE2 of its calldata, with its value and salt 0.
pub const FACTORY: &[u8] = &alloy_primitives::hex!("36600060003760003660003 4f500");
/// Loops until the gas is gone.
pub const BURNER: &[u8] = &alloy_primitives::hex!("5b600056");
