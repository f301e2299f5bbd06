//! A small JSON-RPC client over HTTP: the devnet asks its own nodes, `btn status` any node.

use eyre::{WrapErr as _, eyre};
use serde_json::{Value, json};
use std::time::Duration;

/// A node that takes longer is as good as absent.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);

/// Calls methods of nodes; blocks the calling thread.
#[derive(Clone)]
pub struct RpcClient {
    agent: ureq::Agent,
}

impl RpcClient {
    /// A client that goes straight to the node, whatever proxy the environment names.
    pub fn new() -> Self {
        let config = ureq::Agent::config_builder().timeout_global(Some(CALL_TIMEOUT)).proxy(None).build();
        Self { agent: config.new_agent() }
    }

    /// Calls a method.
    ///
    /// # Errors
    /// The node does not answer, or answers with an error.
    pub fn call(&self, url: &str, method: &str, params: &Value) -> eyre::Result<Value> {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut response =
            self.agent.post(url).send_json(&request).wrap_err_with(|| format!("{url} does not answer"))?;
        let mut answer: Value =
            response.body_mut().read_json().wrap_err_with(|| format!("{url} does not speak JSON"))?;
        if let Some(error) = answer.get("error") {
            return Err(eyre!("{method} at {url}: {error}"));
        }
        answer.get_mut("result").map(Value::take).ok_or_else(|| eyre!("{method} at {url}: no result"))
    }

    /// Heights of the newest final block and of the newest block in the third state.
    ///
    /// # Errors
    /// As [`RpcClient::call`].
    pub fn heights(&self, url: &str) -> eyre::Result<Heights> {
        let status = self.call(url, "btn_status", &json!([]))?;
        let number = |name: &str| {
            let value = &status[name];
            quantity(value).ok_or_else(|| eyre!("btn_status at {url}: `{name}` is {value}, not a number"))
        };
        Ok(Heights { latest: number("height")?, third: number("thirdHeight")? })
    }
}

/// How far a node has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heights {
    /// Newest final block.
    pub latest: u64,
    /// Newest block in the third state: final and sealed.
    pub third: u64,
}

/// A number as JSON-RPC writes it: `"0x1f"`, or a plain JSON number.
pub fn quantity(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => u64::from_str_radix(text.strip_prefix("0x")?, 16).ok(),
        other => other.as_u64(),
    }
}

/// How many seals an answer of `btn_getSeals` counts; `None` where the node knows no such block.
pub fn seal_count(answer: &Value) -> Option<u64> {
    quantity(&answer["count"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_hexadecimal_or_plain() {
        assert_eq!(quantity(&json!("0x1f")), Some(31));
        assert_eq!(quantity(&json!(31)), Some(31));
        assert_eq!(quantity(&json!("31")), None);
        assert_eq!(quantity(&json!(null)), None);
    }

    #[test]
    fn a_node_that_is_absent_is_named() {
        // Port 9 of loopback: nobody listens on it.
        let message = RpcClient::new().heights("http://127.0.0.1:9").unwrap_err().to_string();
        assert_eq!(message, "http://127.0.0.1:9 does not answer");
    }
}
