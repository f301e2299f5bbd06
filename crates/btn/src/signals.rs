//! When a process should stop: signals, and the end of standard input for children of `btn devnet`.

use eyre::WrapErr as _;
use std::io::Read as _;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// Exit code after a second signal, as shells count it for SIGINT.
const EXIT_INTERRUPTED: i32 = 130;

/// Signals closer together than this are one wish.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

/// The signals that stop a node or devnet: Ctrl-C, `kill`, and a terminal that is closed.
pub struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl StopSignals {
    /// Starts to listen. Needs a tokio runtime.
    ///
    /// # Errors
    /// The system refuses the handlers.
    pub fn listen() -> eyre::Result<Self> {
        let listen = |kind| signal(kind).wrap_err("signals cannot be listened to");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for one of them and gives its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.hangup.recv() => "SIGHUP",
        }
    }
}

/// From a moment on one more signal ends the process at once, whatever it is still doing. Signals before that
/// moment count as the first one: `timeout` and some shells send theirs twice.
pub fn exit_on_second_signal() {
    tokio::spawn(async move {
        tokio::time::sleep(SAME_SIGNAL).await;
        let Ok(mut signals) = StopSignals::listen() else { return };
        let name = signals.next().await;
        tracing::warn!("{name} again: leaving without waiting");
        std::process::exit(EXIT_INTERRUPTED);
    });
}

/// Completes when standard input ends, which is when the parent process is gone, however it went.
pub fn stdin_closed() -> oneshot::Receiver<()> {
    let (sender, receiver) = oneshot::channel();
    // A thread of its own: the runtime would wait for a read in its pool before it can end.
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut buffer = [0; 64];
        while matches!(input.read(&mut buffer), Ok(count) if count > 0) {}
        let _ = sender.send(());
    });
    receiver
}
