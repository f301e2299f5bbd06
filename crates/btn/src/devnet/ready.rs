//! Waits until every node has finalised a block that was not final when the devnet started.

use super::children::NodePlan;
use super::client::RpcClient;

/// One look at a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Progress {
    /// Height at its first answer.
    first: Option<u64>,
    /// Newest height.
    height: Option<u64>,
}

/// Follows all nodes until each has moved.
pub struct Readiness {
    client: RpcClient,
    nodes: Vec<(String, String, Progress)>,
}

impl Readiness {
    /// Nothing seen yet.
    pub fn new(client: RpcClient, plans: &[NodePlan]) -> Self {
        let node = |plan: &NodePlan| (plan.name.clone(), plan.rpc_url(), Progress::default());
        Self { client, nodes: plans.iter().map(node).collect() }
    }

    /// Asks each node that has not moved yet for its height; blocks.
    pub fn poll(&mut self) {
        for (_, url, progress) in &mut self.nodes {
            if !progress.has_moved() {
                progress.observe(self.client.height(url).ok());
            }
        }
    }

    /// Whether each node has answered, and so bound its ports.
    pub fn all_answer(&self) -> bool {
        self.nodes.iter().all(|(_, _, progress)| progress.first.is_some())
    }

    /// Whether each node has finalised a block since it first answered.
    pub fn is_ready(&self) -> bool {
        self.nodes.iter().all(|(_, _, progress)| progress.has_moved())
    }

    /// What is missing, in words.
    pub fn missing(&self) -> String {
        let waiting = self.nodes.iter().filter(|(_, _, progress)| !progress.has_moved());
        let words = waiting.map(|(name, _, progress)| match progress.height {
            None => format!("{name} does not answer"),
            Some(height) => format!("{name} is at height {height}"),
        });
        words.collect::<Vec<_>>().join(", ")
    }
}

impl Progress {
    fn observe(&mut self, height: Option<u64>) {
        self.first = self.first.or(height);
        self.height = height;
    }

    /// Genesis, height 0, is final by definition, so a fresh chain counts from there.
    fn has_moved(&self) -> bool {
        self.first.zip(self.height).is_some_and(|(first, height)| height > first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_that_is_continued_must_move_too() {
        let mut progress = Progress::default();
        for (height, moved) in
            [(None, false), (Some(7), false), (None, false), (Some(7), false), (Some(8), true)]
        {
            progress.observe(height);
            assert_eq!(progress.has_moved(), moved, "{height:?}");
        }
    }

    #[test]
    fn what_is_missing_is_said_by_name() {
        let node = |name: &str, first, height| (name.to_owned(), String::new(), Progress { first, height });
        let nodes = vec![
            node("node-1", Some(0), Some(1)),
            node("node-2", None, None),
            node("node-3", Some(0), Some(0)),
        ];
        let readiness = Readiness { client: RpcClient::new(), nodes };
        assert!(!readiness.is_ready() && !readiness.all_answer());
        assert_eq!(readiness.missing(), "node-2 does not answer, node-3 is at height 0");
    }
}
