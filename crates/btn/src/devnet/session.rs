//! One run of a devnet: start, table, ready, live line, stop.

use super::accounts::{DevAccount, funded_accounts};
use super::children::{ChildEvent, Children};
use super::live::{Observer, POLL};
use super::plan::{NodePlan, in_words};
use super::ready::Readiness;
use super::screen::Screen;
use super::summary::{ids, ready_object, summary};
use crate::client::RpcClient;
use crate::output::print_line;
use crate::signals::{StopSignals, exit_on_second_signal};
use btn_types::{Genesis, NodeId};
use eyre::{WrapErr as _, eyre};
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Receiver;
use tokio::task::spawn_blocking;

/// A network that is not ready by then will not be.
const READY_TIMEOUT: Duration = Duration::from_secs(600);

/// How often it is said what is missing until then.
const READY_NOTE_INTERVAL: Duration = Duration::from_secs(15);

/// State of one run.
pub struct Session {
    screen: Screen,
    genesis: Genesis,
    plans: Vec<NodePlan>,
    accounts: Vec<DevAccount>,
    was_reset: bool,
    /// Process ids, 0 before the first start.
    pids: Vec<u32>,
    alive: Vec<bool>,
    ready: bool,
    start: Instant,
}

impl Session {
    /// A run of these nodes, masters first, each level in the order of the genesis file. `start` is when the user
    /// gave the command.
    ///
    /// # Errors
    /// The test accounts cannot be derived.
    pub fn new(
        screen: Screen,
        genesis: Genesis,
        plans: Vec<NodePlan>,
        was_reset: bool,
        start: Instant,
    ) -> eyre::Result<Self> {
        let (pids, alive) = (vec![0; plans.len()], vec![true; plans.len()]);
        let accounts = funded_accounts()?;
        Ok(Self { screen, genesis, plans, accounts, was_reset, pids, alive, ready: false, start })
    }

    /// Runs until a signal comes or the network fails; leaves no process behind.
    ///
    /// # Errors
    /// Why the network failed.
    pub async fn run(mut self, program: &Path, ports_lock: Option<File>) -> eyre::Result<()> {
        let mut signals = StopSignals::listen()?;
        let (children, events) = Children::start(program, &self.plans);
        let result = tokio::select! {
            name = signals.next() => {
                self.screen.end_live();
                let (masters, supervisors) = (self.genesis.nodes.len(), self.genesis.supervisors.len());
                self.screen.say(&format!("{name}: stopping {}", in_words(masters, supervisors)));
                Ok(())
            }
            result = self.serve(events, ports_lock) => {
                self.screen.end_live();
                result
            }
        };
        exit_on_second_signal();
        children.stop().await;
        if result.is_ok() {
            self.screen.say("All nodes have stopped; the same command continues the chain");
        }
        result
    }

    async fn serve(
        &mut self,
        mut events: Receiver<ChildEvent>,
        ports_lock: Option<File>,
    ) -> eyre::Result<()> {
        while self.pids.contains(&0) {
            let event = events.recv().await;
            self.take_in(event)?;
        }
        self.screen.say(&summary(&self.genesis, &self.plans, &self.pids, &self.accounts));
        if self.was_reset {
            self.screen.say(
                "This is a new chain: if MetaMask knew the old one, clear its activity data (Settings, Advanced).",
            );
        }
        let state = if self.genesis.supervisors.is_empty() { "final" } else { "final and sealed" };
        self.screen.say(&format!("Waiting until a block is {state} on every node"));
        self.wait_until_ready(&mut events, ports_lock).await?;
        self.ready = true;
        let ready_after_s = self.start.elapsed().as_secs_f64();
        self.screen.say(&format!("ready after {ready_after_s:.1} s; Ctrl-C stops it"));
        if self.screen.is_json() {
            let object = ready_object(&self.genesis, &self.plans, &self.pids, &self.accounts, ready_after_s);
            print_line(&serde_json::to_string(&object)?);
        }
        self.follow(events).await
    }

    async fn wait_until_ready(
        &mut self,
        events: &mut Receiver<ChildEvent>,
        mut ports_lock: Option<File>,
    ) -> eyre::Result<()> {
        let mut readiness = Readiness::new(RpcClient::new(), &self.plans);
        let mut last_note = Instant::now();
        loop {
            let look = spawn_blocking(move || {
                readiness.poll();
                readiness
            });
            readiness = look.await.wrap_err("looking at the nodes failed")?;
            if readiness.is_ready() {
                return Ok(());
            }
            if readiness.all_answer() {
                drop(ports_lock.take());
            }
            if self.start.elapsed() > READY_TIMEOUT {
                return Err(eyre!("not ready after {} s: {}", READY_TIMEOUT.as_secs(), readiness.missing()));
            }
            if last_note.elapsed() > READY_NOTE_INTERVAL {
                self.screen.say(&format!("Still waiting: {}", readiness.missing()));
                last_note = Instant::now();
            }
            self.pass_time(events).await?;
        }
    }

    /// Shows the live line, and what happens to the nodes, until the network fails.
    async fn follow(&mut self, mut events: Receiver<ChildEvent>) -> eyre::Result<()> {
        if self.screen.is_json() {
            loop {
                let event = events.recv().await;
                self.take_in(event)?;
            }
        }
        let ids: Vec<NodeId> = ids(&self.genesis);
        let mut observer = Observer::new(RpcClient::new(), &self.plans, &ids, self.screen.is_terminal());
        loop {
            let look = spawn_blocking(move || {
                let line = observer.look();
                (observer, line)
            });
            let line;
            (observer, line) = look.await.wrap_err("looking at the nodes failed")?;
            if let Some(line) = line {
                self.screen.show_live(&line);
            }
            self.pass_time(&mut events).await?;
        }
    }

    /// Takes in what happens until the next look at the nodes.
    async fn pass_time(&mut self, events: &mut Receiver<ChildEvent>) -> eyre::Result<()> {
        let next_look = tokio::time::Instant::now() + POLL;
        while let Ok(event) = tokio::time::timeout_at(next_look, events.recv()).await {
            self.take_in(event)?;
        }
        Ok(())
    }

    fn take_in(&mut self, event: Option<ChildEvent>) -> eyre::Result<()> {
        match event {
            Some(ChildEvent::Started { index, pid }) => {
                if self.pids[index] != 0 {
                    self.screen.say(&format!("{} runs again as process {pid}", self.plans[index].name));
                }
                self.pids[index] = pid;
                Ok(())
            }
            Some(ChildEvent::Died { index, how, last_words, delay }) => {
                let (name, pid, delay_s) = (&self.plans[index].name, self.pids[index], delay.as_secs_f64());
                // Later the log file is enough: a killed node is nothing unusual.
                let last_words = if self.ready { String::new() } else { self.quote(index, &last_words) };
                self.screen.say(&format!(
                    "{name} (process {pid}) {how}; it is started again in {delay_s:.1} s{last_words}"
                ));
                Ok(())
            }
            Some(ChildEvent::GivenUp { index, how, last_words }) => {
                self.alive[index] = false;
                let name = &self.plans[index].name;
                let words =
                    format!("{name} {how} again and again and is given up{}", self.quote(index, &last_words));
                if !self.ready || !self.alive.contains(&true) {
                    return Err(eyre!(words));
                }
                self.screen.say(&words);
                Ok(())
            }
            None => Err(eyre!("no node is left")),
        }
    }

    fn quote(&self, index: usize, last_words: &str) -> String {
        let log = self.plans[index].log.display();
        if last_words.is_empty() {
            return format!("; it said nothing in {log}");
        }
        format!("; the end of {log}:\n  {}", last_words.replace('\n', "\n  "))
    }
}
