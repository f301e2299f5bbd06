//! Positional parameters, read as geth reads them and refused in its words: hex quantities, hex data, block
//! tags.

use crate::limits::MAX_ECHO_CHARACTERS;
use crate::{BlockSelector, RpcError};
use btn_types::{Address, B256, Bytes, U256};
use serde_json::value::RawValue;

/// The `params` of one request, split but not yet read.
pub(crate) struct Arguments<'a>(Vec<&'a RawValue>);

impl<'a> Arguments<'a> {
    /// Splits `params`, which may be absent, `null` or an array of at most `most` values.
    pub(crate) fn parse(params: Option<&'a str>, most: usize) -> Result<Self, RpcError> {
        let Some(params) = params.map(str::trim).filter(|params| !params.is_empty() && *params != "null")
        else {
            return Ok(Self(Vec::new()));
        };
        let values: Vec<&RawValue> =
            serde_json::from_str(params).map_err(|_| RpcError::invalid_params("non-array args"))?;
        if values.len() > most {
            return Err(RpcError::invalid_params(format!("too many arguments, want at most {most}")));
        }
        Ok(Self(values))
    }

    /// The value at a place, which must be there and not `null`.
    pub(crate) fn required<T: Argument>(&self, place: usize) -> Result<T, RpcError> {
        self.optional(place)?
            .ok_or_else(|| RpcError::invalid_params(format!("missing value for required argument {place}")))
    }

    /// The value at a place, unless it is absent or `null`.
    pub(crate) fn optional<T: Argument>(&self, place: usize) -> Result<Option<T>, RpcError> {
        let Some(raw) = self.0.get(place).filter(|raw| raw.get() != "null") else { return Ok(None) };
        let value = T::read(raw.get());
        value
            .map(Some)
            .map_err(|reason| RpcError::invalid_params(format!("invalid argument {place}: {reason}")))
    }
}

/// A value that can be read from a parameter.
pub(crate) trait Argument: Sized {
    /// Reads JSON text; the error is a reason in geth's words.
    fn read(json: &str) -> Result<Self, String>;
}

/// The text of a JSON string.
fn string(json: &str, go_type: &str) -> Result<String, String> {
    serde_json::from_str(json)
        .map_err(|_| format!("json: cannot unmarshal non-string into Go value of type {go_type}"))
}

/// A client's own text, short enough for an error message.
pub(crate) fn echo(text: &str) -> String {
    text.chars().take(MAX_ECHO_CHARACTERS).collect()
}

/// Digits after `0x`.
fn hex_digits<'a>(text: &'a str, go_type: &str) -> Result<&'a str, String> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match digits {
        Some(digits) if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => Ok(digits),
        Some(_) => Err(format!("json: cannot unmarshal invalid hex string into Go value of type {go_type}")),
        None => Err(format!(
            "json: cannot unmarshal hex string without 0x prefix into Go value of type {go_type}"
        )),
    }
}

/// Data of any length.
pub(crate) fn data(json: &str, go_type: &str) -> Result<Bytes, String> {
    let text = string(json, go_type)?;
    let digits = hex_digits(&text, go_type)?;
    let odd = || format!("json: cannot unmarshal hex string of odd length into Go value of type {go_type}");
    hex::decode(digits).map(Bytes::from).map_err(|_| odd())
}

/// Data of exactly `N` bytes.
fn fixed<const N: usize>(text: &str, go_type: &str) -> Result<[u8; N], String> {
    let digits = hex_digits(text, go_type)?;
    let mut bytes = [0; N];
    hex::decode_to_slice(digits, &mut bytes)
        .map_err(|_| format!("hex string has length {}, want {} for {go_type}", digits.len(), 2 * N))?;
    Ok(bytes)
}

/// A quantity of at most 64 bits: `0x0` or digits without a leading zero.
pub(crate) fn quantity(text: &str) -> Result<u64, String> {
    let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) else {
        return Err(
            if text.is_empty() { "empty hex string" } else { "hex string without 0x prefix" }.to_owned()
        );
    };
    if digits.is_empty() {
        return Err(r#"hex string "0x""#.to_owned());
    }
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err("invalid hex string".to_owned());
    }
    if digits.len() > 1 && digits.starts_with('0') {
        return Err("hex number with leading zero digits".to_owned());
    }
    u64::from_str_radix(digits, 16).map_err(|_| "hex number > 64 bits".to_owned())
}

impl Argument for Address {
    fn read(json: &str) -> Result<Self, String> {
        fixed(&string(json, "common.Address")?, "common.Address").map(Self::new)
    }
}

impl Argument for B256 {
    fn read(json: &str) -> Result<Self, String> {
        fixed(&string(json, "common.Hash")?, "common.Hash").map(Self::new)
    }
}

impl Argument for Bytes {
    fn read(json: &str) -> Result<Self, String> {
        data(json, "hexutil.Bytes")
    }
}

impl Argument for bool {
    fn read(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|_| {
            let kind = match json.as_bytes().first() {
                Some(b'"') => "string",
                Some(b'{') => "object",
                Some(b'[') => "array",
                _ => "number",
            };
            format!("json: cannot unmarshal {kind} into Go value of type bool")
        })
    }
}

/// A storage key: up to 32 bytes of hex, shorter ones filled with zeros on the left.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct StorageKey(pub(crate) U256);

impl Argument for StorageKey {
    fn read(json: &str) -> Result<Self, String> {
        let text = string(json, "string")?;
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(&text);
        if digits.len() > 64 {
            return Err("unable to decode storage key: hex string too long, want at most 32 bytes".to_owned());
        }
        let key = if digits.is_empty() { Ok(U256::ZERO) } else { U256::from_str_radix(digits, 16) };
        key.map(Self).map_err(|_| "unable to decode storage key: hex string invalid".to_owned())
    }
}

/// A count: a number, a decimal or a hex string, as `eth_feeHistory` takes it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) u64);

impl Argument for Count {
    fn read(json: &str) -> Result<Self, String> {
        let text = json.trim_matches('"');
        text.parse().or_else(|_| quantity(text)).map(Self)
    }
}

/// A block by tag or number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockNumber(pub(crate) BlockSelector);

/// Reads a tag or a number (C5: `latest` = `safe` = newest Finalization, `finalized` = newest block in the
/// third state).
pub(crate) fn block_number(text: &str) -> Result<BlockSelector, String> {
    match text {
        "latest" | "safe" => Ok(BlockSelector::Latest),
        "finalized" => Ok(BlockSelector::Finalized),
        "pending" => Ok(BlockSelector::Pending),
        "earliest" => Ok(BlockSelector::Number(0)),
        _ => {
            let number = quantity(text)?;
            if i64::try_from(number).is_err() {
                return Err("block number larger than int64".to_owned());
            }
            Ok(BlockSelector::Number(number))
        }
    }
}

impl Argument for BlockNumber {
    fn read(json: &str) -> Result<Self, String> {
        // A bare number is taken like geth takes it: as text without quotes, which then lacks its 0x.
        let text = serde_json::from_str::<String>(json).unwrap_or_else(|_| json.to_owned());
        block_number(&text).map(Self)
    }
}

/// A block by tag, number or hash (EIP-1898).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockReference(pub(crate) BlockSelector);

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockObject {
    block_number: Option<String>,
    block_hash: Option<String>,
}

impl Argument for BlockReference {
    fn read(json: &str) -> Result<Self, String> {
        if json.starts_with('{') {
            let object: BlockObject = serde_json::from_str(json).map_err(|error| error.to_string())?;
            return match (object.block_number, object.block_hash) {
                (Some(_), Some(_)) => {
                    Err("cannot specify both BlockHash and BlockNumber, choose one or the other".to_owned())
                }
                (Some(number), None) => block_number(&number).map(Self),
                (None, Some(hash)) => hash_selector(&hash).map(Self),
                (None, None) => Err("neither blockNumber nor blockHash given".to_owned()),
            };
        }
        let text = string(json, "string")?;
        // Sixty-six characters are a hash even where a number could be meant, as in geth.
        if text.len() == 66 { hash_selector(&text) } else { block_number(&text) }.map(Self)
    }
}

fn hash_selector(text: &str) -> Result<BlockSelector, String> {
    fixed(text, "common.Hash").map(B256::new).map(BlockSelector::Hash)
}

#[cfg(test)]
mod tests;
