//! Where a node stands, as both levels tell each other.

use btn_chain::Chain;
use btn_types::View;
use btn_types::supervision::StatusSummary;

/// The summary of a chain; `view` is the highest view known. The state root is the one this node computed: a block
/// becomes final here only where its own execution gave the root in the header.
pub(crate) fn summary(chain: &Chain, view: View) -> StatusSummary {
    let tip = chain.finalized();
    // The tip's block is in memory.
    let block = chain.block(tip.hash).ok().flatten();
    StatusSummary {
        height: tip.height,
        hash: tip.hash,
        state_root: block.map(|block| block.header.state_root).unwrap_or_default(),
        third_height: chain.third_state().0,
        view,
    }
}
