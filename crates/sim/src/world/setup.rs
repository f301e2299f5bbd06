//! What stands at a run's first moment, and how a process starts.

use super::{Event, Process, START_MS, World};
use crate::{Disk, Partition, transfers};
use btn_chain::Chain;
use btn_engine::{Feed, Identity, MasterEngine, Parameters};
use btn_storage::Store as _;
use std::sync::Arc;

impl World<'_> {
    pub(super) fn populate(&mut self) {
        for member in self.universe.committee.indices() {
            let processes = self.plan.byzantine.get(&member).map_or(1, |kind| kind.processes());
            for number in 0..processes {
                let error_ms = self.random.between(0, 2 * self.plan.skew_ms);
                let clock_error_ms =
                    i64::try_from(error_ms).unwrap_or(0) - i64::try_from(self.plan.skew_ms).unwrap_or(0);
                self.processes.push(Process {
                    member,
                    number,
                    is_honest: self.oracle.honest().contains(&member),
                    engine: None,
                    feed: Feed::new(self.universe.store.reader()),
                    disk: Disk::new(self.universe.store.clone()),
                    booted_at_ms: 0,
                    clock_error_ms,
                    alarm: None,
                });
            }
        }
    }

    pub(super) fn foresee(&mut self) {
        for process in 0..self.processes.len() {
            let at_ms = self.random.below(300);
            self.at(at_ms, Event::Start(process));
        }
        self.at(self.plan.fault_ms, Event::Heal);
        for at_ms in self.plan.blackouts_ms.clone() {
            self.at(at_ms, Event::Blackout);
        }
        for (from_ms, until_ms) in self.plan.partitions_ms.clone() {
            let partition = Partition::draw(self.scenario.members, &mut self.random);
            self.at(from_ms, Event::Cut(Some(partition)));
            self.at(until_ms, Event::Cut(None));
        }
        if self.plan.transfers {
            let span_ms = self.plan.fault_ms + 3 * START_MS;
            for (account, of_account) in transfers().iter().enumerate() {
                for _ in of_account {
                    let at_ms = self.random.below(span_ms);
                    self.at(at_ms, Event::Submit(account));
                }
            }
        }
    }

    /// A process as its disk left it.
    pub(super) fn boot(&self, at: usize) -> Result<MasterEngine, String> {
        let process = &self.processes[at];
        let reader = process.disk.store.reader();
        let tip = reader.tip().map_err(|error| error.to_string())?.ok_or("the database is empty")?;
        let tip_finalization = reader.finalization(tip.height).map_err(|error| error.to_string())?;
        let genesis = Arc::clone(&self.universe.genesis);
        let (committee, supervisors) = (self.universe.committee.clone(), self.universe.supervisors.clone());
        let chain = Chain::new(genesis, committee, supervisors, reader).map_err(|e| e.to_string())?;
        let signer = self.universe.signer(process.member);
        let identity = Identity::Member { index: process.member, signer };
        let parameters = Parameters::from(&self.plan.parameters);
        Ok(MasterEngine::new(chain, identity, parameters, tip_finalization, &process.disk.records()))
    }
}
