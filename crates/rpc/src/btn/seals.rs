//! The second level: a block's seals with all that checks them, and who may seal (C8).

use crate::arguments::{Arguments, BlockReference, Count};
use crate::context::{Context, Json, json};
use crate::format::{BlockState, RegistryObject, SealObject, SupervisorsObject};
use crate::limits::{MAX_COVERING_DISTANCE, MAX_SEALS_SHOWN, MAX_SUPERVISORS_PAGE};
use crate::{BlockEntry, BlockSelector, RpcError, SupervisorsInfo};
use alloy_primitives::U64;
use btn_crypto::Domain;
use btn_types::{B256, Seal};
use serde::Serialize;
use serde_json::Value;

/// `btn_getSeals`' answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SealsAnswer {
    number: U64,
    hash: B256,
    /// What the seals draw on; `null` for genesis, and for a pending block on a parent that is not final either.
    core: Option<B256>,
    state: BlockState,
    /// Whether it has a Finalization, its own or a descendant's.
    r#final: bool,
    /// The block with enough seals of its own that covers this one: itself, or a descendant.
    covered_by: Option<U64>,
    #[serde(flatten)]
    registry: RegistryObject,
    /// Seals of this block known here.
    count: U64,
    seals: Vec<SealObject>,
}

/// `btn_getSeals`: of a final block or of the pending one; `null` for any other.
pub(crate) fn get_seals(context: &Context, arguments: &Arguments<'_>) -> Result<Json, RpcError> {
    let BlockReference(selector) = arguments.required(0)?;
    let backend = &context.backend;
    // Asked before the block: the pending one, whose height may be passed by another meanwhile, is never called
    // final by mistake.
    let latest = backend.latest_height();
    let Some(entry) = backend.block(selector)? else { return json(&Value::Null) };
    let number = entry.block.header.number;
    let is_final = selector != BlockSelector::Pending || number <= latest;
    let supervisors = backend.supervisors();
    let seals = distinct_seals(context, &entry)?;
    let (state, covered_by) = if is_final {
        final_state(context, &supervisors, number, seals.len())?
    } else {
        own_state(&supervisors, number, seals.len())
    };
    json(&SealsAnswer {
        number: U64::from(number),
        hash: entry.hash,
        core: core(context, &entry, &seals)?,
        state,
        r#final: is_final,
        covered_by: covered_by.map(U64::from),
        registry: RegistryObject::from(&*supervisors),
        count: U64::from(seals.len()),
        seals: seal_objects(context, &supervisors, seals)?,
    })
}

/// Seals that name this very block, one of each supervisor, ascending by supervisor.
fn distinct_seals(context: &Context, entry: &BlockEntry) -> Result<Vec<Seal>, RpcError> {
    let mut seals = context.backend.seals(entry)?;
    seals.retain(|seal| seal.block_hash == entry.hash);
    seals.sort_by_key(|seal| seal.supervisor);
    seals.dedup_by_key(|seal| seal.supervisor);
    Ok(seals)
}

/// State of a final block, and what covers it.
fn final_state(
    context: &Context,
    supervisors: &SupervisorsInfo,
    number: u64,
    own_seals: usize,
) -> Result<(BlockState, Option<u64>), RpcError> {
    let third = context.backend.third_height();
    if number > third {
        return Ok(own_state(supervisors, number, own_seals));
    }
    // Nobody seals genesis: it is given.
    if own_seals >= supervisors.quorum || number == 0 {
        return Ok((BlockState::Third, Some(number)));
    }
    for above in number + 1..=third.min(number.saturating_add(MAX_COVERING_DISTANCE)) {
        let entry = context.existing_block(BlockSelector::Number(above))?;
        if distinct_seals(context, &entry)?.len() >= supervisors.quorum {
            return Ok((BlockState::Third, Some(above)));
        }
    }
    // What moved the third state there was enough seals on that very block.
    Ok((BlockState::Third, Some(third)))
}

/// State of a block that nothing above it covers.
fn own_state(supervisors: &SupervisorsInfo, number: u64, own_seals: usize) -> (BlockState, Option<u64>) {
    if own_seals >= supervisors.quorum {
        (BlockState::Second, Some(number))
    } else {
        (BlockState::First, None)
    }
}

/// `core(B)` (C3). It needs the parent's seed; where that is not to be had, the seals, which the node has checked,
/// tell it.
fn core(context: &Context, entry: &BlockEntry, seals: &[Seal]) -> Result<Option<B256>, RpcError> {
    let (header, envelope) = (&entry.block.header, &entry.block.envelope);
    let Some(below) = header.number.checked_sub(1) else { return Ok(None) };
    let parent = context.backend.header(below)?.filter(|parent| parent.hash_slow() == header.parent_hash);
    let Some(parent) = parent else { return Ok(seals.first().map(|seal| seal.core)) };
    let domain = Domain::new(context.backend.genesis_hash());
    // The seed of genesis is made from its hash, so its header cannot carry it.
    let parent_seed = if below == 0 { domain.genesis_seed() } else { parent.mix_hash };
    let (clerk, signature) = (envelope.clerk, &envelope.clerk_signature);
    let height = entry.block.height();
    Ok(Some(domain.core(envelope.epoch, envelope.view, height, parent_seed, clerk, signature)))
}

fn seal_objects(
    context: &Context,
    supervisors: &SupervisorsInfo,
    seals: Vec<Seal>,
) -> Result<Vec<SealObject>, RpcError> {
    let object = |seal: Seal| {
        let id = seal.supervisor;
        let index = supervisors.records.binary_search_by_key(&id, |record| record.id).ok();
        let membership = context.backend.membership(id);
        let (Some(index), Some(membership)) = (index, membership) else {
            return Err(RpcError::internal(format!("a stored seal is of {id}, which is not registered")));
        };
        Ok(SealObject::new(seal, index, membership))
    };
    seals.into_iter().take(MAX_SEALS_SHOWN).map(object).collect()
}

/// `btn_getSupervisors`: a page of the registry, from a place on.
pub(crate) fn get_supervisors(context: &Context, arguments: &Arguments<'_>) -> Result<Json, RpcError> {
    let Count(from) = arguments.optional(0)?.unwrap_or(Count(0));
    let Count(count) = arguments.optional(1)?.unwrap_or(Count(MAX_SUPERVISORS_PAGE));
    let supervisors = context.backend.supervisors();
    let count = count.min(MAX_SUPERVISORS_PAGE);
    json(&SupervisorsObject::page(&supervisors, from, count, context.backend.genesis_hash()))
}
