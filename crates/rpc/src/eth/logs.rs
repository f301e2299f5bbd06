//! `eth_getLogs` over finalised blocks, bounded in blocks, logs and bytes.

use super::filter::{LogFilter, LogRange};
use crate::arguments::Arguments;
use crate::context::{Context, Json, json, not_found};
use crate::format::LogPlace;
use crate::limits::{MAX_LOG_BYTES, MAX_LOG_RANGE_BLOCKS, MAX_LOGS};
use crate::{BlockSelector, RpcError};
use alloy_consensus::Header;
use alloy_rpc_types_eth::Log;

/// `eth_getLogs`
pub(crate) fn logs(context: &Context, arguments: &Arguments<'_>) -> Result<Json, RpcError> {
    let filter: LogFilter = arguments.required(0)?;
    filter.check()?;
    let mut found = Found::default();
    match filter.range {
        LogRange::Block(hash) => {
            let entry = context.backend.block(BlockSelector::Hash(hash))?;
            let entry = entry.ok_or_else(|| RpcError::server("unknown block"))?;
            found.search(context, &filter, &entry.block.header)?;
        }
        LogRange::Heights(from, to) => {
            let newest = Newest::of(context);
            if let Some((from, to)) = heights(newest, from, to)? {
                for height in from..=to {
                    let header = context.backend.header(height)?;
                    let header = header.ok_or_else(|| not_found(BlockSelector::Number(height)))?;
                    found.search(context, &filter, &header)?;
                }
            }
        }
    }
    json(&found.logs)
}

/// What the tags of a range mean.
#[derive(Clone, Copy)]
struct Newest {
    latest: u64,
    third: u64,
}

impl Newest {
    fn of(context: &Context) -> Self {
        // In this order, so that `finalized` is never above `latest`.
        let third = context.backend.third_height();
        Self { latest: context.backend.latest_height(), third }
    }
}

/// First and last height to look at; `None` where the range lies wholly above the newest block, or above the
/// newest finalized one if it is to end there, as it does for a client that asks for what is new and finds nothing.
fn heights(
    Newest { latest, third }: Newest,
    lower: BlockSelector,
    upper: BlockSelector,
) -> Result<Option<(u64, u64)>, RpcError> {
    if lower == BlockSelector::Pending || upper == BlockSelector::Pending {
        return Err(RpcError::invalid_params("pending logs are not supported"));
    }
    if let (BlockSelector::Number(from), BlockSelector::Number(to)) = (lower, upper)
        && from > to
    {
        return Err(RpcError::invalid_params("invalid block range params"));
    }
    let height = |selector| match selector {
        BlockSelector::Number(height) => height,
        BlockSelector::Finalized => third,
        _ => latest,
    };
    let (from, to) = (height(lower), height(upper).min(latest));
    if from > latest || (upper == BlockSelector::Finalized && from > to) {
        return Ok(None);
    }
    if from > to {
        return Err(RpcError::invalid_params("invalid block range params"));
    }
    if to - from >= MAX_LOG_RANGE_BLOCKS {
        return Err(RpcError::limit(format!("exceed maximum block range: {MAX_LOG_RANGE_BLOCKS}")));
    }
    Ok(Some((from, to)))
}

#[derive(Default)]
struct Found {
    logs: Vec<Log>,
    bytes: usize,
}

impl Found {
    /// Adds a block's logs that match.
    fn search(&mut self, context: &Context, filter: &LogFilter, header: &Header) -> Result<(), RpcError> {
        if header.logs_bloom.is_zero() || !filter.may_match(&header.logs_bloom) {
            return Ok(());
        }
        let entry = context.existing_block(BlockSelector::Number(header.number))?;
        let receipts = context.backend.receipts(header.number)?.ok_or_else(RpcError::header_not_found)?;
        let place = LogPlace { block_hash: entry.hash, number: header.number, timestamp: header.timestamp };
        let mut log_index = 0;
        for (index, (receipt, transaction)) in receipts.iter().zip(&entry.block.transactions).enumerate() {
            for log in receipt.logs() {
                if filter.matches(log) {
                    self.add(place.log(log.clone(), *transaction.tx_hash(), index as u64, log_index))?;
                }
                log_index += 1;
            }
        }
        Ok(())
    }

    fn add(&mut self, log: Log) -> Result<(), RpcError> {
        if self.logs.len() == MAX_LOGS {
            return Err(RpcError::limit(format!("query returned more than {MAX_LOGS} results")));
        }
        self.bytes += log.inner.data.data.len();
        if self.bytes > MAX_LOG_BYTES {
            return Err(RpcError::limit(format!(
                "query returned more than {MAX_LOG_BYTES} bytes of log data"
            )));
        }
        self.logs.push(log);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    //! The bounds of a search.

    use super::*;
    use BlockSelector::{Finalized, Latest, Number, Pending};
    use btn_types::B256;

    #[test]
    fn ranges_are_resolved_and_bounded() {
        let newest = Newest { latest: 20_000, third: 19_997 };
        let table = [
            (Latest, Latest, Ok(Some((20_000, 20_000)))),
            (Number(1), Number(10_000), Ok(Some((1, 10_000)))),
            (Number(0), Number(10_000), Err("exceed maximum block range: 10000")),
            (Number(10_001), Latest, Ok(Some((10_001, 20_000)))),
            (Number(10_000), Latest, Err("exceed maximum block range: 10000")),
            (Number(15_000), Number(u64::MAX), Ok(Some((15_000, 20_000)))),
            (Number(20_001), Latest, Ok(None)),
            (Number(20_001), Number(30_000), Ok(None)),
            (Number(30_000), Number(20_001), Err("invalid block range params")),
            (Number(5), Number(4), Err("invalid block range params")),
            (Latest, Number(4), Err("invalid block range params")),
            (Number(19_990), Finalized, Ok(Some((19_990, 19_997)))),
            (Finalized, Latest, Ok(Some((19_997, 20_000)))),
            (Number(19_998), Finalized, Ok(None)),
            (Latest, Finalized, Ok(None)),
            (Finalized, Finalized, Ok(Some((19_997, 19_997)))),
            (Number(0), Pending, Err("pending logs are not supported")),
        ];
        for (from, to, expected) in table {
            let actual = heights(newest, from, to).map_err(|error| error.message);
            assert_eq!(actual, expected.map_err(str::to_owned), "{from:?} to {to:?}");
        }
        assert_eq!(heights(newest, Number(0), Latest).map_err(|error| error.code), Err(-32005));
    }

    fn log(bytes: usize) -> Log {
        let place = LogPlace { block_hash: B256::ZERO, number: 1, timestamp: 1 };
        let data = alloy_primitives::LogData::new_unchecked(Vec::new(), vec![0; bytes].into());
        place.log(alloy_primitives::Log { address: Default::default(), data }, B256::ZERO, 0, 0)
    }

    #[test]
    fn results_are_bounded_in_number_and_bytes() {
        let mut found = Found::default();
        for _ in 0..MAX_LOGS {
            found.add(log(0)).expect("within the bound");
        }
        let error = found.add(log(0)).expect_err("one more");
        assert_eq!((error.code, error.message.as_str()), (-32005, "query returned more than 10000 results"));

        let mut found = Found::default();
        found.add(log(MAX_LOG_BYTES)).expect("within the bound");
        let error = found.add(log(1)).expect_err("one byte more");
        assert_eq!((error.code, found.logs.len()), (-32005, 1));
    }
}
