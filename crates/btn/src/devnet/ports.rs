//! Finds free ports: a run of consecutive ones, at the wished place or above it.

use eyre::eyre;
use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a start waits for another devnet of this machine to bind its ports.
const PORTS_LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// How often it looks.
const PORTS_LOCK_POLL: Duration = Duration::from_millis(50);

/// What the ports are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// JSON-RPC.
    Tcp,
    /// Links between nodes.
    Udp,
}

impl Protocol {
    fn is_free(self, port: u16) -> bool {
        match self {
            Self::Tcp => TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok(),
            Self::Udp => UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok(),
        }
    }
}

/// Consecutive ports that were free a moment ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortRun {
    /// The lowest.
    pub first: u16,
    /// The port in the wished run that was taken, where the run had to move.
    pub taken: Option<u16>,
}

/// The first run of `count` free loopback ports at `wanted` or above.
///
/// # Errors
/// There is none below 65536.
pub fn free_ports(protocol: Protocol, wanted: u16, count: u16) -> eyre::Result<PortRun> {
    find_run(wanted, count, |port| protocol.is_free(port)).ok_or_else(|| {
        eyre!("no {count} consecutive free {protocol:?} ports from {wanted} up; give a lower --rpc-port")
    })
}

fn find_run(wanted: u16, count: u16, is_free: impl Fn(u16) -> bool) -> Option<PortRun> {
    let mut first = wanted;
    let mut taken = None;
    loop {
        let last = first.checked_add(count.checked_sub(1)?)?;
        match (first..=last).find(|&port| !is_free(port)) {
            None => return Some(PortRun { first, taken }),
            Some(port) => {
                taken.get_or_insert(port);
                first = port.checked_add(1)?;
            }
        }
    }
}

/// Held between looking for ports and binding them, so that two networks that start together do not choose
/// the same. `None` where another user made the lock or the wait is over: then the choice is a bet, and a node
/// that loses it says so and is restarted.
#[must_use]
pub fn lock_ports() -> Option<File> {
    let path = std::env::temp_dir().join("btn-devnet-ports.lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = file.or_else(|_| File::open(&path)).ok()?;
    let start = Instant::now();
    while file.try_lock().is_err() {
        if start.elapsed() > PORTS_LOCK_TIMEOUT {
            return None;
        }
        sleep(PORTS_LOCK_POLL);
    }
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_moves_above_what_is_taken() {
        let free = |taken: &'static [u16]| move |port: u16| !taken.contains(&port);
        assert_eq!(find_run(100, 4, free(&[])), Some(PortRun { first: 100, taken: None }));
        assert_eq!(find_run(100, 4, free(&[100])), Some(PortRun { first: 101, taken: Some(100) }));
        assert_eq!(find_run(100, 4, free(&[102, 105])), Some(PortRun { first: 106, taken: Some(102) }));
        assert_eq!(find_run(65_533, 3, free(&[])), Some(PortRun { first: 65_533, taken: None }));
        assert_eq!(find_run(65_534, 3, free(&[])), None);
        assert_eq!(find_run(65_533, 3, free(&[65_533])), None);
        assert_eq!(find_run(100, 0, free(&[])), None);
    }

    #[test]
    fn bound_ports_are_seen_as_taken() {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = tcp.local_addr().unwrap().port();
        assert!(!Protocol::Tcp.is_free(port));
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert!(!Protocol::Udp.is_free(udp.local_addr().unwrap().port()));
        // Another program may bind the port in between, so only the taken one is certain.
        if port < u16::MAX {
            assert!(free_ports(Protocol::Tcp, port, 1).unwrap().first > port);
        }
    }
}
