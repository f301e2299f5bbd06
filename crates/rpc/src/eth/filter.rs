//! What `eth_getLogs` is asked for, read and refused as geth does.

use crate::arguments::{Argument, block_number};
use crate::limits::{MAX_LOG_ADDRESSES, MAX_LOG_TOPIC_ALTERNATIVES};
use crate::{BlockSelector, RpcError};
use alloy_primitives::{Bloom, BloomInput, Log};
use btn_types::{Address, B256};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Most topics of a log (EVM).
const MAX_TOPICS: usize = 4;

/// Where to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogRange {
    /// One block.
    Block(B256),
    /// From one to another, both included.
    Heights(BlockSelector, BlockSelector),
}

/// Which logs are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogFilter {
    pub(crate) range: LogRange,
    /// Empty = any.
    addresses: Vec<Address>,
    /// By place; empty = any.
    topics: Vec<Vec<B256>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FilterObject<'a> {
    #[serde(borrow, default)]
    block_hash: Option<&'a RawValue>,
    from_block: Option<String>,
    to_block: Option<String>,
    #[serde(borrow, default)]
    address: Option<&'a RawValue>,
    #[serde(borrow, default)]
    topics: Option<Vec<Option<&'a RawValue>>>,
}

/// One value or a list of them; `null` and the empty list mean any.
fn alternatives<T: Argument>(raw: Option<&RawValue>) -> Result<Vec<T>, String> {
    match raw.map(RawValue::get) {
        None | Some("null") => Ok(Vec::new()),
        Some(list) if list.starts_with('[') => {
            let list: Vec<&RawValue> = serde_json::from_str(list).map_err(|error| error.to_string())?;
            list.into_iter().map(|value| T::read(value.get())).collect()
        }
        Some(value) => T::read(value).map(|value| vec![value]),
    }
}

impl Argument for LogFilter {
    fn read(json: &str) -> Result<Self, String> {
        let object: FilterObject<'_> = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let hash = object.block_hash.filter(|raw| raw.get() != "null");
        let range = match (hash, &object.from_block, &object.to_block) {
            (Some(hash), None, None) => LogRange::Block(B256::read(hash.get())?),
            (Some(_), _, _) => {
                let text = "cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other";
                return Err(text.to_owned());
            }
            (None, from, to) => {
                let read =
                    |text: &Option<String>| text.as_deref().map_or(Ok(BlockSelector::Latest), block_number);
                LogRange::Heights(read(from)?, read(to)?)
            }
        };
        let addresses =
            alternatives(object.address).map_err(|reason| format!("invalid address in filter: {reason}"))?;
        let topics = object.topics.unwrap_or_default();
        let topics: Result<Vec<_>, _> = topics.into_iter().map(alternatives).collect();
        let topics = topics.map_err(|reason| format!("invalid topic(s): {reason}"))?;
        Ok(Self { range, addresses, topics })
    }
}

impl LogFilter {
    /// Checks the bounds.
    pub(crate) fn check(&self) -> Result<(), RpcError> {
        if self.topics.len() > MAX_TOPICS {
            return Err(RpcError::invalid_params("exceed max topics"));
        }
        if self.addresses.len() > MAX_LOG_ADDRESSES
            || self.topics.iter().any(|list| list.len() > MAX_LOG_TOPIC_ALTERNATIVES)
        {
            return Err(RpcError::invalid_params(format!(
                "exceed max addresses or topics per search position: at most {MAX_LOG_ADDRESSES}"
            )));
        }
        Ok(())
    }

    /// Whether a block with this bloom can hold a log that matches.
    pub(crate) fn may_match(&self, bloom: &Bloom) -> bool {
        let holds = |raw: &[u8]| bloom.contains_input(BloomInput::Raw(raw));
        let any =
            |mut values: std::slice::Iter<'_, B256>| values.len() == 0 || values.any(|value| holds(&value.0));
        (self.addresses.is_empty() || self.addresses.iter().any(|address| holds(&address.0.0)))
            && self.topics.iter().all(|list| any(list.iter()))
    }

    /// Whether a log matches.
    pub(crate) fn matches(&self, log: &Log) -> bool {
        let topics = log.topics();
        (self.addresses.is_empty() || self.addresses.contains(&log.address))
            && self.topics.len() <= topics.len()
            && self.topics.iter().zip(topics).all(|(list, topic)| list.is_empty() || list.contains(topic))
    }
}

#[cfg(test)]
mod tests {
    //! Reading and matching of filters.

    use super::*;
    use alloy_primitives::{Bytes, LogData};

    fn log(address: u8, topics: &[u8]) -> Log {
        let topics = topics.iter().map(|topic| B256::repeat_byte(*topic)).collect();
        Log { address: Address::repeat_byte(address), data: LogData::new_unchecked(topics, Bytes::new()) }
    }

    fn filter(json: &str) -> LogFilter {
        LogFilter::read(json).expect(json)
    }

    #[test]
    fn filters_match_by_address_and_topics() {
        let (a, one, two) = (Address::repeat_byte(1), B256::repeat_byte(1), B256::repeat_byte(2));
        let table = [
            ("{}".to_owned(), log(1, &[]), true),
            (format!(r#"{{"address":"{a}"}}"#), log(1, &[]), true),
            (format!(r#"{{"address":"{a}"}}"#), log(2, &[]), false),
            (format!(r#"{{"address":["{a}"]}}"#), log(1, &[]), true),
            (r#"{"address":[],"topics":[]}"#.to_owned(), log(2, &[]), true),
            (format!(r#"{{"topics":["{one}"]}}"#), log(2, &[1]), true),
            (format!(r#"{{"topics":["{one}"]}}"#), log(2, &[2, 1]), false),
            (format!(r#"{{"topics":["{one}"]}}"#), log(2, &[]), false),
            (format!(r#"{{"topics":[null,"{two}"]}}"#), log(2, &[9, 2]), true),
            (format!(r#"{{"topics":[["{one}","{two}"]]}}"#), log(2, &[2]), true),
            (r#"{"topics":[null,null]}"#.to_owned(), log(2, &[2]), false),
            (r#"{"topics":[[],null]}"#.to_owned(), log(2, &[2, 3]), true),
        ];
        for (json, log, expected) in table {
            let filter = filter(&json);
            assert_eq!(filter.matches(&log), expected, "{json} on {log:?}");
            let mut bloom = Bloom::ZERO;
            bloom.accrue_log(&log);
            assert!(!expected || filter.may_match(&bloom), "the bloom hides {json} on {log:?}");
        }
        let elsewhere = filter(&format!(r#"{{"address":"{a}"}}"#));
        assert!(!elsewhere.may_match(&Bloom::ZERO), "an empty block is skipped");
    }

    #[test]
    fn ranges_default_to_latest_and_exclude_a_hash() {
        let latest = LogRange::Heights(BlockSelector::Latest, BlockSelector::Latest);
        assert_eq!(filter("{}").range, latest);
        assert_eq!(filter(r#"{"blockHash":null,"fromBlock":null}"#).range, latest);
        let from = LogRange::Heights(BlockSelector::Number(1), BlockSelector::Latest);
        assert_eq!(filter(r#"{"fromBlock":"0x1"}"#).range, from);
        let hash = B256::repeat_byte(3);
        assert_eq!(filter(&format!(r#"{{"blockHash":"{hash}"}}"#)).range, LogRange::Block(hash));
        let both = format!(r#"{{"blockHash":"{hash}","toBlock":"0x1"}}"#);
        assert!(LogFilter::read(&both).expect_err("both").starts_with("cannot specify both BlockHash"));
    }

    #[test]
    fn filters_have_bounds() {
        let address = format!("\"{}\"", Address::ZERO);
        let most =
            filter(&format!(r#"{{"address":[{}]}}"#, vec![address.as_str(); MAX_LOG_ADDRESSES].join(",")));
        assert_eq!(most.check(), Ok(()));
        let more = filter(&format!(
            r#"{{"address":[{}]}}"#,
            vec![address.as_str(); MAX_LOG_ADDRESSES + 1].join(",")
        ));
        assert_eq!(more.check().map_err(|error| error.code), Err(-32602));
        assert_eq!(filter(r#"{"topics":[null,null,null,null]}"#).check(), Ok(()));
        let topics = filter(r#"{"topics":[null,null,null,null,null]}"#).check().expect_err("five topics");
        assert_eq!(topics.message, "exceed max topics");
    }
}
