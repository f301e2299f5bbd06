//! What a method answers when it cannot answer: geth's codes and geth's words (wallets match on them).

use btn_types::{Bytes, StateError};
use jsonrpsee::types::ErrorObjectOwned;
use thiserror::Error;

/// Codes of JSON-RPC errors.
pub mod code {
    /// The body is not JSON.
    pub const PARSE: i32 = -32_700;
    /// JSON, but not a request.
    pub const INVALID_REQUEST: i32 = -32_600;
    /// No such method.
    pub const METHOD_NOT_FOUND: i32 = -32_601;
    /// Arguments missing, too many or malformed.
    pub const INVALID_PARAMS: i32 = -32_602;
    /// Our fault.
    pub const INTERNAL: i32 = -32_603;
    /// Everything geth has no better code for: transactions, execution, unknown blocks.
    pub const SERVER: i32 = -32_000;
    /// A named limit was passed (EIP-1474).
    pub const LIMIT_EXCEEDED: i32 = -32_005;
    /// Execution reverted; `data` holds what the contract returned.
    pub const REVERTED: i32 = 3;
}

/// An error as the client sees it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message} (code {code})")]
pub struct RpcError {
    /// One of [`code`], or a code the backend chose.
    pub code: i32,
    /// One line for people and for wallets that match on it.
    pub message: String,
    /// What a reverted call returned.
    pub data: Option<Bytes>,
}

impl RpcError {
    /// An error without data.
    #[must_use]
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// Code -32000: a transaction, a call or a block reference that the chain does not take.
    #[must_use]
    pub fn server(message: impl Into<String>) -> Self {
        Self::new(code::SERVER, message)
    }

    /// Code -32602.
    #[must_use]
    pub fn invalid_params(message: impl Into<String>) -> Self {
        Self::new(code::INVALID_PARAMS, message)
    }

    /// Code -32603: a failing disk or a bug. The cause is for the operator's log; the client is told only
    /// that it is not its fault.
    #[must_use]
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "an RPC request failed inside the node");
        Self::new(code::INTERNAL, "internal error: the node could not read its data, see its log")
    }

    /// Code -32005.
    #[must_use]
    pub fn limit(message: impl Into<String>) -> Self {
        Self::new(code::LIMIT_EXCEEDED, message)
    }

    /// The block asked for by number does not exist, in geth's words.
    #[must_use]
    pub fn header_not_found() -> Self {
        Self::server("header not found")
    }

    /// The block asked for by hash does not exist, in geth's words.
    #[must_use]
    pub fn header_for_hash_not_found() -> Self {
        Self::server("header for hash not found")
    }

    /// State of an older block, which this version does not keep; worded like geth's.
    #[must_use]
    pub fn state_not_available(height: u64, latest: u64) -> Self {
        Self::server(format!(
            "historical state of block {height} is not available: this node keeps only the newest state \
             (block {latest}); ask for \"latest\" or \"pending\""
        ))
    }

    /// State of the newest block in the third state, where that lies below the newest final block: only the
    /// state after the latter is kept. Answering with another block's state would call final what its seals do
    /// not cover yet.
    #[must_use]
    pub fn finalized_state_not_available(third: u64, latest: u64) -> Self {
        Self::server(format!(
            "historical state of block {third} (\"finalized\") is not available: this node keeps only the newest state, of \
             block {latest}, whose seals are still pending; ask again in a moment, or for \"safe\" (final, not \
             yet sealed)"
        ))
    }

    /// Execution reverted with this output (code 3). `Error(string)` and `Panic(uint256)` are spelt out.
    #[must_use]
    pub fn reverted(output: Bytes) -> Self {
        let message =
            btn_execution::revert_reason(&output).unwrap_or_else(|| "execution reverted".to_owned());
        Self { code: code::REVERTED, message, data: Some(output) }
    }

    /// JSON, but not a request; in geth's words.
    pub(crate) fn invalid_request() -> Self {
        Self::new(code::INVALID_REQUEST, "invalid request")
    }

    /// No such method, in geth's words.
    pub(crate) fn method_not_found(method: &str) -> Self {
        let method: String = method.chars().take(crate::limits::MAX_ECHO_CHARACTERS).collect();
        Self::new(code::METHOD_NOT_FOUND, format!("the method {method} does not exist/is not available"))
    }
}

impl From<StateError> for RpcError {
    fn from(error: StateError) -> Self {
        Self::internal(error)
    }
}

impl From<RpcError> for ErrorObjectOwned {
    fn from(error: RpcError) -> Self {
        Self::owned(error.code, error.message, error.data)
    }
}
