//! Draw seeds follow C3 on every branch, through finality and restarts: compared with a naive reading of the
//! rule over the whole history.

use super::fixture::Fixture;
use crate::{BlockMeta, PoolLimits};
use btn_types::limits::MIN_LOTTERY_PERIOD_BLOCKS;
use btn_types::{B256, Height};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// All blocks ever made, final or not.
#[derive(Default)]
struct History(BTreeMap<B256, BlockMeta>);

impl History {
    /// The rule as C3 has it, for a block `ahead` heights above `parent`: walk back to the last block of period
    /// p − 2.
    fn draw_seed(&self, parent: B256, ahead: u64, period_blocks: u64, genesis_seed: B256) -> B256 {
        let height = self.0[&parent].height.0 + ahead;
        let period = height / period_blocks;
        if period < 2 {
            return genesis_seed;
        }
        let mut block = &self.0[&parent];
        while block.height.0 / period_blocks != period - 2 {
            block = &self.0[&block.parent];
        }
        block.seed
    }
}

/// One step of a random history.
#[derive(Clone, Debug)]
enum Step {
    /// Build on one of the newest blocks, skipping some views.
    Grow { back: usize, skipped: u64 },
    /// Finalise the parent of the newest block.
    Finalize,
    /// Crash, and lose what was not final.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (0usize..3, 0u64..2).prop_map(|(back, skipped)| Step::Grow { back, skipped }),
        2 => Just(Step::Finalize),
        1 => Just(Step::Restart),
    ]
}

fn check(period_blocks: u64, steps: &[Step]) {
    let mut fixture = Fixture::with(4, period_blocks, PoolLimits::default());
    let genesis_seed = fixture.committee.domain().genesis_seed();
    let mut history = History::default();
    let genesis = *fixture.chain.finalized();
    history.0.insert(genesis.hash, genesis);
    let mut newest = vec![genesis.hash];
    let mut view = 0;
    for step in steps {
        match *step {
            Step::Grow { back, skipped } => {
                let parent = newest[newest.len().saturating_sub(1 + back)];
                view += 1 + skipped;
                let hash = fixture.grow(parent, view);
                history.0.insert(hash, fixture.meta(hash));
                newest.push(hash);
            }
            Step::Finalize => {
                let target = history.0[newest.last().unwrap()].parent;
                if fixture
                    .chain
                    .meta(target)
                    .is_some_and(|meta| meta.height > fixture.chain.finalized().height)
                {
                    fixture.finalize(target);
                    newest.retain(|hash| fixture.chain.meta(*hash).is_some());
                }
            }
            Step::Restart => {
                fixture.chain = fixture.restarted();
                newest = vec![fixture.chain.finalized().hash];
                view = view.max(fixture.chain.finalized().view.0);
            }
        }
        for hash in &newest {
            let draw_seed = |ahead| history.draw_seed(*hash, ahead, period_blocks, genesis_seed);
            let meta = fixture.meta(*hash);
            assert_eq!(meta.child_draw_seed, draw_seed(1), "children of {} at {}", hash, meta.height);
            // In shorter periods the later draw may hang on blocks that do not exist yet.
            if period_blocks >= MIN_LOTTERY_PERIOD_BLOCKS {
                assert_eq!(meta.later_draw_seed, draw_seed(3), "two views later, at {}", meta.height);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn draw_seeds_match_the_rule(period_blocks in 1u64..7, steps in prop::collection::vec(step(), 1..40)) {
        check(period_blocks, &steps);
    }
}

#[test]
fn two_branches_at_a_periods_edge_have_two_seeds() {
    let mut fixture = Fixture::with(4, 2, PoolLimits::default());
    let genesis = fixture.genesis_hash();
    let low = [fixture.grow(genesis, 1), fixture.grow(genesis, 2)];
    assert_ne!(fixture.meta(low[0]).seed, fixture.meta(low[1]).seed);
    // Heights 2 and 3 still draw on the genesis seed, 4 and 5 on the last block of period 0: height 1.
    for (branch, first) in low.into_iter().enumerate() {
        let mut head = first;
        for view in 3..6 {
            let draws_on = fixture.meta(head).child_draw_seed;
            let expected = if fixture.meta(head).height < Height(3) {
                fixture.committee.domain().genesis_seed()
            } else {
                fixture.meta(first).seed
            };
            assert_eq!(draws_on, expected, "branch {branch}");
            head = fixture.grow(head, view);
        }
    }
}
