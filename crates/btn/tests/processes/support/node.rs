//! One `btn node` process: started, killed, stopped; never left behind.

use super::rpc::Rpc;
use super::{PATIENCE, signal, until};
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// Lines of a log that are shown when a test fails.
const SHOWN_LINES: usize = 40;

/// A node, running or not.
pub struct Node {
    /// For people.
    pub name: String,
    /// Its configuration file.
    pub config: PathBuf,
    /// Its output, of all its runs.
    pub log: PathBuf,
    /// Its server.
    pub rpc: Rpc,
    child: Option<Child>,
}

impl Node {
    /// A node that does not run yet; its log is written beside its configuration.
    pub fn new(name: &str, config: PathBuf, rpc_port: u16) -> Self {
        let log = config.with_extension("log");
        let rpc = Rpc::new(format!("http://127.0.0.1:{rpc_port}"));
        Self { name: name.to_owned(), config, log, rpc, child: None }
    }

    /// Starts it. A node whose standard input closes stops, so it cannot outlive even a killed test.
    pub fn start(&mut self) {
        self.spawn(&["--exit-with-parent"], Stdio::piped());
    }

    /// Starts it as an operator does.
    pub fn start_plainly(&mut self) {
        self.spawn(&[], Stdio::null());
    }

    fn spawn(&mut self, arguments: &[&str], input: Stdio) {
        assert!(self.child.is_none(), "{} runs already", self.name);
        let log = OpenOptions::new().create(true).append(true).open(&self.log).expect("a log file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_btn"));
        command.arg("node").arg("--config").arg(&self.config).args(arguments);
        command.env_remove("CREDENTIALS_DIRECTORY").env("NO_COLOR", "1").stdin(input);
        command.stdout(log.try_clone().expect("a log file")).stderr(log);
        self.child = Some(command.spawn().expect("btn runs"));
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap_or_else(|| panic!("{} does not run", self.name)).id()
    }

    /// Whether it was started and neither killed nor stopped by the test.
    pub fn is_started(&self) -> bool {
        self.child.is_some()
    }

    /// SIGTERM; it must flush and leave without an error.
    pub fn stop(&mut self) {
        signal("TERM", &[self.pid()]);
        let status = self.wait();
        assert!(status.success(), "{} stopped with {status}", self.name);
    }

    /// Waits until it ends by itself or by a signal sent before.
    pub fn wait(&mut self) -> ExitStatus {
        let child = self.child.as_mut().unwrap_or_else(|| panic!("{} does not run", self.name));
        let what = format!("{} ends", self.name);
        let status = until(&what, PATIENCE, || child.try_wait().expect("a child to wait for"));
        self.child = None;
        status
    }

    /// Everything it has written.
    pub fn read_log(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Gone already, perhaps: then there is nothing to do.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            show_tail(&self.log);
        }
    }
}

/// Prints the end of a log of a test that fails.
pub fn show_tail(path: &Path) {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    let shown = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
    println!("-- the end of {}:\n{}", path.display(), shown.join("\n"));
}
