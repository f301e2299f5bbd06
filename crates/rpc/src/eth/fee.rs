//! What gas costs: the suggested tip, the gas price, and the fee history.
//!
//! Suggested tip: the [`TIP_PERCENTILE`]th percentile of the effective tips in the newest
//! [`TIP_SAMPLE_BLOCKS`] blocks, within floor and ceiling; [`TIP_DEFAULT_WEI`] where there were none, so that
//! wallets have something to offer on an idle network.

use crate::arguments::{Argument, Arguments, BlockNumber, Count};
use crate::context::{Context, Json, json, quantity};
use crate::limits::{
    MAX_FEE_HISTORY_BLOCKS, MAX_REWARD_PERCENTILES, TIP_CEILING_WEI, TIP_DEFAULT_WEI, TIP_FLOOR_WEI,
    TIP_PERCENTILE, TIP_SAMPLE_BLOCKS,
};
use crate::{BlockSelector, RpcError};
use alloy_consensus::{Header, Transaction as _};
use alloy_primitives::{U64, U128};
use btn_execution::next_base_fee;
use serde::Serialize;

/// `eth_gasPrice`: base fee of the next block plus the suggested tip.
pub(crate) fn gas_price(context: &Context, _: &Arguments<'_>) -> Result<Json, RpcError> {
    let header = existing_header(context, context.backend.latest_height())?;
    let base_fee = next_base_fee(&header, context.backend.chain_spec());
    quantity(suggested_tip(context)?.saturating_add(u128::from(base_fee)))
}

/// `eth_maxPriorityFeePerGas`: the suggested tip.
pub(crate) fn max_priority_fee(context: &Context, _: &Arguments<'_>) -> Result<Json, RpcError> {
    quantity(suggested_tip(context)?)
}

fn existing_header(context: &Context, height: u64) -> Result<Header, RpcError> {
    context.backend.header(height)?.ok_or_else(RpcError::header_not_found)
}

fn suggested_tip(context: &Context) -> Result<u128, RpcError> {
    let latest = context.backend.latest_height();
    if let Some(tip) = context.cached_tip(latest) {
        return Ok(tip);
    }
    let mut tips = Vec::new();
    for height in latest.saturating_sub(TIP_SAMPLE_BLOCKS - 1)..=latest {
        let header = existing_header(context, height)?;
        if header.gas_used == 0 {
            continue; // no transactions: spares reading the body
        }
        let entry = context.existing_block(BlockSelector::Number(height))?;
        let base_fee = header.base_fee_per_gas.unwrap_or_default();
        tips.extend(entry.block.transactions.iter().filter_map(|tx| tx.effective_tip_per_gas(base_fee)));
    }
    tips.sort_unstable();
    let place = tips.len().saturating_sub(1) * TIP_PERCENTILE / 100;
    let tip = tips.get(place).map_or(TIP_DEFAULT_WEI, |tip| (*tip).clamp(TIP_FLOOR_WEI, TIP_CEILING_WEI));
    context.remember_tip(latest, tip);
    Ok(tip)
}

/// Percentiles of tips that a fee history is asked for.
#[derive(Default)]
struct Percentiles(Vec<f64>);

impl Argument for Percentiles {
    fn read(json: &str) -> Result<Self, String> {
        serde_json::from_str(json)
            .map(Self)
            .map_err(|_| "json: cannot unmarshal into Go value of type []float64".to_owned())
    }
}

impl Percentiles {
    /// geth's checks and words.
    fn check(self) -> Result<Vec<f64>, RpcError> {
        if self.0.len() > MAX_REWARD_PERCENTILES {
            let text = format!("invalid reward percentile: over the query limit {MAX_REWARD_PERCENTILES}");
            return Err(RpcError::server(text));
        }
        let mut before: Option<(usize, f64)> = None;
        for (place, percentile) in self.0.iter().copied().enumerate() {
            if !(0.0..=100.0).contains(&percentile) {
                return Err(RpcError::server(format!("invalid reward percentile: {percentile:.6}")));
            }
            if let Some((earlier, above)) = before.filter(|(_, above)| percentile <= *above) {
                return Err(RpcError::server(format!(
                    "invalid reward percentile: #{earlier}:{above:.6} >= #{place}:{percentile:.6}"
                )));
            }
            before = Some((place, percentile));
        }
        Ok(self.0)
    }
}

/// `eth_feeHistory`'s answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FeeHistory {
    oldest_block: U64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reward: Option<Vec<Vec<U128>>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    base_fee_per_gas: Vec<U64>,
    /// `null` where no block was asked for, as in geth.
    gas_used_ratio: Option<Vec<f64>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    base_fee_per_blob_gas: Vec<U64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    blob_gas_used_ratio: Vec<f64>,
}

/// `eth_feeHistory`
pub(crate) fn history(context: &Context, arguments: &Arguments<'_>) -> Result<Json, RpcError> {
    let Count(count) = arguments.required(0)?;
    let BlockNumber(newest) = arguments.required(1)?;
    let percentiles = arguments.optional::<Percentiles>(2)?.unwrap_or_default().check()?;
    let newest = newest_height(context, newest)?;
    let count = count.min(MAX_FEE_HISTORY_BLOCKS).min(newest.saturating_add(1));
    let oldest = newest + 1 - count;
    let (mut base_fees, mut ratios, mut rewards) = (Vec::new(), Vec::new(), Vec::new());
    let mut next = None;
    for height in oldest..=newest {
        if count == 0 {
            break;
        }
        let header = existing_header(context, height)?;
        base_fees.push(U64::from(header.base_fee_per_gas.unwrap_or_default()));
        ratios.push(header.gas_used as f64 / header.gas_limit.max(1) as f64);
        if !percentiles.is_empty() {
            rewards.push(block_rewards(context, &header, &percentiles)?);
        }
        next = Some(next_base_fee(&header, context.backend.chain_spec()));
    }
    base_fees.extend(next.map(U64::from));
    json(&FeeHistory {
        oldest_block: U64::from(if count == 0 { 0 } else { oldest }),
        reward: (!rewards.is_empty()).then_some(rewards),
        // Blobs do not exist here: their price is the protocol's least, 1 wei, and none is used.
        base_fee_per_blob_gas: vec![U64::from(1); base_fees.len()],
        blob_gas_used_ratio: vec![0.0; ratios.len()],
        base_fee_per_gas: base_fees,
        gas_used_ratio: (count > 0).then_some(ratios),
    })
}

/// Height of the newest block of a history. The pending block has none of its own: geth's answer where it has
/// no pending block is the latest, too.
fn newest_height(context: &Context, selector: BlockSelector) -> Result<u64, RpcError> {
    let latest = context.backend.latest_height();
    match selector {
        BlockSelector::Number(height) if height > latest => {
            Err(RpcError::server(format!("request beyond head block: requested {height}, head {latest}")))
        }
        BlockSelector::Number(height) => Ok(height),
        BlockSelector::Finalized => Ok(context.backend.third_height()),
        _ => Ok(latest),
    }
}

/// Tips of a block at each percentile of its gas.
fn block_rewards(context: &Context, header: &Header, percentiles: &[f64]) -> Result<Vec<U128>, RpcError> {
    if header.gas_used == 0 {
        return Ok(vec![U128::ZERO; percentiles.len()]);
    }
    let entry = context.existing_block(BlockSelector::Number(header.number))?;
    let receipts = context.backend.receipts(header.number)?.ok_or_else(RpcError::header_not_found)?;
    let base_fee = header.base_fee_per_gas.unwrap_or_default();
    let mut gas_before = 0;
    let mut tips: Vec<(u128, u64)> = Vec::with_capacity(receipts.len());
    for (transaction, receipt) in entry.block.transactions.iter().zip(&receipts) {
        let gas = receipt.cumulative_gas_used().saturating_sub(gas_before);
        gas_before = receipt.cumulative_gas_used();
        tips.push((transaction.effective_tip_per_gas(base_fee).unwrap_or_default(), gas));
    }
    tips.sort_unstable();
    let at = |percentile: &f64| {
        let threshold = (header.gas_used as f64 * percentile / 100.0) as u64;
        let mut sum = 0;
        let reached = tips.iter().find(|(_, gas)| {
            sum += gas;
            sum >= threshold
        });
        U128::from(reached.or(tips.last()).map_or(0, |(tip, _)| *tip))
    };
    Ok(percentiles.iter().map(at).collect())
}
