//! The node processes of a devnet: started, restarted when they die, stopped together.
//!
//! Each child is in a process group of its own, so a Ctrl-C on the terminal reaches only the devnet. A child
//! stops when its standard input closes. Closing it is how the devnet asks, and the system closes it where
//! the devnet is killed: no child outlives its parent.

use super::plan::NodePlan;
use crate::files::tail;
use eyre::WrapErr as _;
use std::fs::{File, OpenOptions};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// How long a child may take to flush and leave before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// A child that lived shorter than this died of its start.
const LONG_LIFE: Duration = Duration::from_secs(5);

/// Deaths at the start, one after the other, after which a child is given up.
const MAX_QUICK_DEATHS: u32 = 4;

/// Wait before the first restart; doubled for each quick death.
const FIRST_DELAY: Duration = Duration::from_millis(300);

/// Longest wait before a restart.
const MAX_DELAY: Duration = Duration::from_secs(10);

/// Log files longer than this are put aside when their node is started.
const MAX_LOG_BYTES: u64 = 16 * 1024 * 1024;

/// Lines of a dead node's log that are shown.
const TAIL_LINES: usize = 12;

/// Most bytes of them.
const TAIL_BYTES: u64 = 8 * 1024;

/// Events kept for the devnet; it reads them all the time.
const EVENT_QUEUE: usize = 256;

/// SIGKILL and SIGTERM: somebody else ended the child, so it isn't the child's fault.
const OUTSIDE_SIGNALS: [i32; 2] = [9, 15];

/// What happened to a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChildEvent {
    /// It runs.
    Started {
        /// Position in the list of plans.
        index: usize,
        /// Process id.
        pid: u32,
    },
    /// It ended and will be started again.
    Died {
        /// Position in the list of plans.
        index: usize,
        /// In words.
        how: String,
        /// Its last words in the log, of this run only.
        last_words: String,
        /// Wait before the restart.
        delay: Duration,
    },
    /// It ended at its start too many times in a row.
    GivenUp {
        /// Position in the list of plans.
        index: usize,
        /// The last end, in words.
        how: String,
        /// Its last words in the log, of this run only.
        last_words: String,
    },
}

/// All children of a devnet.
pub struct Children {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Children {
    /// Starts one process of `program` per plan. Events arrive in the channel.
    pub fn start(program: &Path, plans: &[NodePlan]) -> (Self, mpsc::Receiver<ChildEvent>) {
        Self::start_with(program, plans, FIRST_DELAY)
    }

    fn start_with(
        program: &Path,
        plans: &[NodePlan],
        first_delay: Duration,
    ) -> (Self, mpsc::Receiver<ChildEvent>) {
        let (events, receiver) = mpsc::channel(EVENT_QUEUE);
        let stop = watch::Sender::new(false);
        let mut tasks = JoinSet::new();
        for (index, plan) in plans.iter().cloned().enumerate() {
            let keeper =
                Keeper { index, plan, program: program.to_owned(), first_delay, events: events.clone() };
            tasks.spawn(keeper.keep(stop.subscribe()));
        }
        (Self { stop, tasks }, receiver)
    }

    /// Stops all and waits until the last is gone.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Keeps one child alive.
struct Keeper {
    index: usize,
    plan: NodePlan,
    program: PathBuf,
    first_delay: Duration,
    events: mpsc::Sender<ChildEvent>,
}

impl Keeper {
    async fn keep(self, mut stop: watch::Receiver<bool>) {
        let index = self.index;
        let mut quick_deaths = 0;
        while !*stop.borrow() {
            let start = Instant::now();
            let log_start = self.log_length();
            let end = match self.spawn() {
                Err(error) => End { how: format!("{error:#}"), by_itself: true },
                Ok(child) => match self.watch(child, &mut stop).await {
                    Some(end) => end,
                    None => return,
                },
            };
            quick_deaths = if end.by_itself && start.elapsed() < LONG_LIFE { quick_deaths + 1 } else { 0 };
            let (how, last_words) = (end.how, tail(&self.plan.log, log_start, TAIL_LINES, TAIL_BYTES));
            if quick_deaths >= MAX_QUICK_DEATHS {
                self.tell(ChildEvent::GivenUp { index, how, last_words }).await;
                return;
            }
            let delay = restart_delay(self.first_delay, quick_deaths);
            self.tell(ChildEvent::Died { index, how, last_words, delay }).await;
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = stopped(&mut stop) => return,
            }
        }
    }

    /// Waits for the child's end; `None` where the devnet stops.
    async fn watch(&self, mut child: Child, stop: &mut watch::Receiver<bool>) -> Option<End> {
        // Taken out: tokio would close it before it waits.
        let input = child.stdin.take();
        if let Some(pid) = child.id() {
            self.tell(ChildEvent::Started { index: self.index, pid }).await;
        }
        tokio::select! {
            status = child.wait() => Some(End::of(status)),
            () = stopped(stop) => {
                drop(input);
                if tokio::time::timeout(STOP_TIMEOUT, child.wait()).await.is_err() {
                    // Errors here mean that it has just gone.
                    let _ = child.kill().await;
                }
                None
            }
        }
    }

    fn log_length(&self) -> u64 {
        // Put aside first, so that the position holds for the run that follows.
        let _ = put_aside(&self.plan.log);
        std::fs::metadata(&self.plan.log).map_or(0, |metadata| metadata.len())
    }

    fn spawn(&self) -> eyre::Result<Child> {
        let log = open_log(&self.plan.log)?;
        let mut command = Command::new(&self.program);
        command.arg("node").arg("--config").arg(&self.plan.config).arg("--exit-with-parent");
        if !self.plan.is_master() {
            // At home they have machines of their own; here they must not slow down the masters.
            command.arg("--low-priority");
        }
        command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        command.process_group(0).kill_on_drop(true);
        command.spawn().wrap_err_with(|| format!("{} cannot be started", self.program.display()))
    }

    async fn tell(&self, event: ChildEvent) {
        // Nobody listens any more only while everything ends.
        let _ = self.events.send(event).await;
    }
}

/// Waits until the devnet stops.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, and the devnet with it.
    let _ = stop.wait_for(|&stop| stop).await;
}

/// How a child ended.
struct End {
    how: String,
    by_itself: bool,
}

impl End {
    fn of(status: std::io::Result<ExitStatus>) -> Self {
        match status {
            Err(error) => Self { how: format!("cannot be waited for: {error}"), by_itself: true },
            Ok(status) => match status.signal() {
                Some(signal) => Self {
                    how: format!("was ended by signal {signal}"),
                    by_itself: !OUTSIDE_SIGNALS.contains(&signal),
                },
                None => Self {
                    how: format!("stopped with exit code {}", status.code().unwrap_or(-1)),
                    by_itself: true,
                },
            },
        }
    }
}

fn restart_delay(first: Duration, quick_deaths: u32) -> Duration {
    first.saturating_mul(1 << quick_deaths.min(16)).min(MAX_DELAY)
}

fn put_aside(path: &Path) -> std::io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > MAX_LOG_BYTES) {
        std::fs::rename(path, path.with_extension("log.old"))?;
    }
    Ok(())
}

fn open_log(path: &Path) -> eyre::Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.wrap_err_with(|| format!("log file {} cannot be opened", path.display()))
}

#[cfg(test)]
mod tests;
