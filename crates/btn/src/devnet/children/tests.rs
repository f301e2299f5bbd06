//! Children that are shell scripts in place of nodes.

use super::*;
use crate::devnet::plan::Role;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use tempfile::TempDir;

fn program(directory: &TempDir, script: &str) -> PathBuf {
    let path = directory.path().join("program");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn plan(directory: &TempDir) -> NodePlan {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    NodePlan {
        name: "node-1".into(),
        role: Role::Supervisor,
        directory: directory.path().into(),
        config: directory.path().join("config.toml"),
        log: directory.path().join("node.log"),
        rpc: address,
    }
}

fn is_running(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[tokio::test]
async fn a_child_is_told_by_its_standard_input_and_leaves() {
    let directory = tempfile::tempdir().unwrap();
    // `cat` ends when its input does; what follows shows that the child was not killed.
    let program = program(&directory, "cat; echo \"flushed $*\"");
    let (children, mut events) = Children::start(&program, &[plan(&directory)]);
    let Some(ChildEvent::Started { index: 0, pid }) = events.recv().await else { panic!("not started") };
    assert!(is_running(pid));
    children.stop().await;
    assert!(!is_running(pid));
    assert_eq!(events.recv().await, None);
    let log = std::fs::read_to_string(directory.path().join("node.log")).unwrap();
    let config = directory.path().join("config.toml");
    assert_eq!(
        log,
        format!("flushed node --config {} --exit-with-parent --low-priority\n", config.display())
    );
}

#[tokio::test]
async fn a_killed_child_is_restarted() {
    let directory = tempfile::tempdir().unwrap();
    let script = "here=$(dirname $0); [ -e $here/killed ] || { touch $here/killed; kill -9 $$; }; cat";
    let program = program(&directory, script);
    let (children, mut events) = Children::start(&program, &[plan(&directory)]);
    let Some(ChildEvent::Started { pid: first, .. }) = events.recv().await else { panic!("not started") };
    let how = "was ended by signal 9".to_owned();
    assert_eq!(
        events.recv().await,
        Some(ChildEvent::Died { index: 0, how, last_words: String::new(), delay: FIRST_DELAY })
    );
    let Some(ChildEvent::Started { pid: second, .. }) = events.recv().await else { panic!("not restarted") };
    assert_ne!(first, second);
    children.stop().await;
    assert!(!is_running(second));
}

#[tokio::test]
async fn a_child_that_dies_of_its_start_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let program = program(&directory, "echo \"run $$\"; exit 3");
    let (children, mut events) =
        Children::start_with(&program, &[plan(&directory)], Duration::from_millis(1));
    let (mut starts, mut deaths, mut last_pid) = (0, 0, 0);
    let last = loop {
        match events.recv().await {
            Some(ChildEvent::Started { pid, .. }) => (starts, last_pid) = (starts + 1, pid),
            // One line: nothing of the runs before.
            Some(ChildEvent::Died { last_words, .. }) if last_words == format!("run {last_pid}") => {
                deaths += 1
            }
            other => break other,
        }
    };
    let (how, last_words) = ("stopped with exit code 3".to_owned(), format!("run {last_pid}"));
    assert_eq!(last, Some(ChildEvent::GivenUp { index: 0, how, last_words }));
    assert_eq!((starts, deaths), (MAX_QUICK_DEATHS, MAX_QUICK_DEATHS - 1));
    children.stop().await;
}

#[test]
fn restarts_wait_longer_each_time_up_to_a_limit() {
    assert_eq!(restart_delay(FIRST_DELAY, 0), FIRST_DELAY);
    assert_eq!(restart_delay(FIRST_DELAY, 2), FIRST_DELAY * 4);
    assert_eq!(restart_delay(FIRST_DELAY, u32::MAX), MAX_DELAY);
}

#[test]
fn a_long_log_is_put_aside_once() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("node.log");
    File::create(&log).unwrap().set_len(MAX_LOG_BYTES + 1).unwrap();
    put_aside(&log).unwrap();
    open_log(&log).unwrap();
    put_aside(&log).unwrap();
    assert_eq!(std::fs::metadata(&log).unwrap().len(), 0);
    assert_eq!(std::fs::metadata(directory.path().join("node.log.old")).unwrap().len(), MAX_LOG_BYTES + 1);
}
