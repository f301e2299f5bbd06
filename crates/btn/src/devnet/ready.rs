//! Waits until every node, of both levels, has a block final and one in the third state that were not when the
//! devnet started.

use super::plan::{NodePlan, in_words};
use crate::client::{Heights, RpcClient};

/// Most nodes that are named; of more the number is enough.
const MAX_NAMED: usize = 5;

/// One look at a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Progress {
    /// Heights at its first answer.
    first: Option<Heights>,
    /// Newest heights.
    newest: Option<Heights>,
}

/// Follows all nodes until each has moved.
pub struct Readiness {
    client: RpcClient,
    nodes: Vec<Watched>,
}

struct Watched {
    name: String,
    is_master: bool,
    url: String,
    progress: Progress,
}

impl Readiness {
    /// Nothing seen yet.
    pub fn new(client: RpcClient, plans: &[NodePlan]) -> Self {
        let node = |plan: &NodePlan| Watched {
            name: plan.name.clone(),
            is_master: plan.is_master(),
            url: plan.rpc_url(),
            progress: Progress::default(),
        };
        Self { client, nodes: plans.iter().map(node).collect() }
    }

    /// Asks each node that has not moved yet for its heights; blocks.
    pub fn poll(&mut self) {
        for node in self.nodes.iter_mut().filter(|node| !node.progress.has_moved()) {
            node.progress.observe(self.client.heights(&node.url).ok());
        }
    }

    /// Whether each node has answered, and so bound its ports.
    pub fn all_answer(&self) -> bool {
        self.nodes.iter().all(|node| node.progress.first.is_some())
    }

    /// Whether each node has seen both states reached since it first answered.
    pub fn is_ready(&self) -> bool {
        self.waiting().next().is_none()
    }

    fn waiting(&self) -> impl Iterator<Item = &Watched> {
        self.nodes.iter().filter(|node| !node.progress.has_moved())
    }

    /// What is missing, in words.
    pub fn missing(&self) -> String {
        let mut words: Vec<_> = self.waiting().take(MAX_NAMED).map(Watched::describe).collect();
        let others = || self.waiting().skip(MAX_NAMED);
        let (masters, all) = (others().filter(|node| node.is_master).count(), others().count());
        match (masters, all - masters) {
            (0, 0) => {}
            (0, supervisors) => words.push(format!("and {supervisors} more supervisors")),
            (masters, supervisors) => words.push(format!("and {} more", in_words(masters, supervisors))),
        }
        words.join(", ")
    }
}

impl Watched {
    fn describe(&self) -> String {
        let name = &self.name;
        match self.progress.newest {
            None => format!("{name} does not answer"),
            Some(Heights { latest, third }) => {
                format!("{name} is at height {latest}, third state at {third}")
            }
        }
    }
}

impl Progress {
    fn observe(&mut self, heights: Option<Heights>) {
        self.first = self.first.or(heights);
        self.newest = heights;
    }

    /// Genesis, height 0, is final and sealed by definition, so a fresh chain counts from there.
    fn has_moved(&self) -> bool {
        let moved =
            |(first, newest): (Heights, Heights)| newest.latest > first.latest && newest.third > first.third;
        self.first.zip(self.newest).is_some_and(moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(latest: u64, third: u64) -> Option<Heights> {
        Some(Heights { latest, third })
    }

    #[test]
    fn a_chain_that_is_continued_must_move_too_in_both_states() {
        let mut progress = Progress::default();
        for (heights, moved) in [
            (None, false),
            (at(7, 6), false),
            (None, false),
            (at(7, 7), false),
            (at(8, 6), false),
            (at(8, 7), true),
        ] {
            progress.observe(heights);
            assert_eq!(progress.has_moved(), moved, "{heights:?}");
        }
    }

    fn watched(name: &str, first: Option<Heights>, newest: Option<Heights>) -> Watched {
        let is_master = name.starts_with("node");
        Watched { name: name.into(), is_master, url: String::new(), progress: Progress { first, newest } }
    }

    #[test]
    fn what_is_missing_is_said_by_name() {
        let nodes = vec![
            watched("node-1", at(0, 0), at(1, 1)),
            watched("node-2", None, None),
            watched("supervisor-3", at(0, 0), at(2, 0)),
        ];
        let readiness = Readiness { client: RpcClient::new(), nodes };
        assert!(!readiness.is_ready() && !readiness.all_answer());
        assert_eq!(
            readiness.missing(),
            "node-2 does not answer, supervisor-3 is at height 2, third state at 0"
        );
    }

    #[test]
    fn a_long_list_is_cut() {
        let nodes = (1..=8).map(|number| watched(&format!("supervisor-{number}"), None, None)).collect();
        let readiness = Readiness { client: RpcClient::new(), nodes };
        assert!(readiness.missing().ends_with("supervisor-5 does not answer, and 3 more supervisors"));
    }
}
