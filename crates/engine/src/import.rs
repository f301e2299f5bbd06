//! Ranges of finalised blocks from others: worth nothing until the Finalization at their end is verified. Both
//! engines catch up by them.

use btn_chain::{Chain, ChainError};
use btn_storage::FinalizedBatch;
use btn_types::{Block, BlockMeta, BlockRange, Certificate, Height, VoteKind};
use std::sync::Arc;

/// What became of a range.
#[derive(Debug)]
pub(crate) enum Imported {
    /// All of it is final here already.
    Known,
    /// It has no Finalization: its blocks are kept up to this height, and the rest is to be asked for.
    Ahead(Height),
    /// It is final now.
    Final {
        /// The Finalization at its end, verified.
        finalization: Box<Certificate>,
        /// What is to be stored; `None` where the end was final already.
        batch: Option<FinalizedBatch>,
    },
}

/// Why a range is of no use.
#[derive(Debug)]
pub(crate) enum ImportError {
    /// It proves nothing: whoever sent it lies or is broken.
    Worthless(String),
    /// It may be right, and is not kept: a bound or a fault of ours.
    Refused(String),
    /// What the committee finalised cannot be: nothing is safe any more.
    Broken(String),
}

/// Takes a range in.
pub(crate) fn import(chain: &mut Chain, range: BlockRange) -> Result<Imported, ImportError> {
    let BlockRange { blocks, finalization } = range;
    let last = blocks.last().ok_or_else(|| ImportError::Worthless("it is empty".to_owned()))?;
    let (last, hash) = (last.height(), last.hash());
    if last <= chain.finalized().height {
        return Ok(Imported::Known);
    }
    if let Some(finalization) = &finalization {
        check_end(chain, &blocks, finalization).map_err(ImportError::Worthless)?;
        chain.remember_verified(finalization);
    }
    let blocks = linked_above(chain.finalized(), blocks).map_err(ImportError::Worthless)?;
    if let Some(fork) = fork_of(chain.finalized(), &blocks)
        && finalization.is_some()
    {
        return Err(ImportError::Broken(fork));
    }
    insert_all(chain, blocks, finalization.is_some())?;
    let Some(finalization) = finalization else { return Ok(Imported::Ahead(last)) };
    match chain.finalize(hash, finalization.clone()) {
        Ok(batch) => Ok(Imported::Final { finalization: Box::new(finalization), batch }),
        Err(error @ ChainError::InvalidFinalized { .. }) => Err(ImportError::Broken(error.to_string())),
        Err(error) => Err(ImportError::Refused(error.to_string())),
    }
}

fn insert_all(chain: &mut Chain, blocks: Vec<Arc<Block>>, is_final: bool) -> Result<(), ImportError> {
    for block in blocks {
        let height = block.height();
        match chain.insert(block) {
            Ok(_) => {}
            // Linked by hash to what the committee finalised, and invalid here.
            Err(error) if error.is_permanent() && is_final => {
                return Err(ImportError::Broken(format!("final block {height} is invalid here: {error}")));
            }
            Err(error) if error.is_permanent() || crate::blocks::is_not_its_body(&error) => {
                return Err(ImportError::Worthless(format!("block {height}: {error}")));
            }
            Err(error) => return Err(ImportError::Refused(format!("block {height}: {error}"))),
        }
    }
    Ok(())
}

/// Whether the certificate is a valid Finalization of the last block.
fn check_end(chain: &Chain, blocks: &[Block], finalization: &Certificate) -> Result<(), String> {
    let last = blocks.last().ok_or("it is empty")?;
    let (envelope, committee) = (&last.envelope, chain.committee());
    let digest =
        committee.domain().proposal(envelope.epoch, envelope.view, envelope.parent_view, last.hash());
    if finalization.kind != VoteKind::Finalize
        || digest != finalization.digest
        || finalization.view != envelope.view
    {
        return Err(format!("its Finalization of view {} is not its last block's", finalization.view));
    }
    committee.verify_certificate(finalization).map_err(|error| error.to_string())
}

/// The blocks above the tip, oldest first, after checking that they are linked by hash.
fn linked_above(tip: &BlockMeta, blocks: Vec<Block>) -> Result<Vec<Arc<Block>>, String> {
    let linked = blocks.windows(2).all(|pair| {
        pair[1].header.parent_hash == pair[0].hash() && pair[1].height() == pair[0].height().next()
    });
    if !linked {
        return Err("its blocks are not linked".to_owned());
    }
    Ok(blocks.into_iter().filter(|block| block.height() > tip.height).map(Arc::new).collect())
}

/// Blocks that end in a Finalization and begin on another block at our tip's height: finality has forked, which
/// more than f members must have signed.
fn fork_of(tip: &BlockMeta, blocks: &[Arc<Block>]) -> Option<String> {
    let first = blocks.first().filter(|first| first.height() == tip.height.next())?;
    let parent = first.header.parent_hash;
    let (height, hash) = (tip.height, tip.hash);
    (parent != hash).then(|| format!("two blocks are final at height {height}: {hash} here and {parent}"))
}
