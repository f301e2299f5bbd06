//! Free ports below those that the system gives to outgoing connections, so that a node which is down for a
//! moment finds its own again.

use std::net::{Ipv6Addr, TcpListener, UdpSocket};
use std::ops::Range;
use std::sync::atomic::{AtomicU16, Ordering};

/// Systems give outgoing connections ports from 32768 or above.
const RANGE: Range<u16> = 12_000..32_000;

/// Each test process begins somewhere else.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// `count` ports, free for TCP and UDP on both loopback addresses, not given before.
pub fn free_ports(count: usize) -> Vec<u16> {
    let span = RANGE.end - RANGE.start;
    let start = u16::try_from(std::process::id().wrapping_mul(97) % u32::from(span)).expect("below the span");
    let candidates = (0..span).map(|_| RANGE.start + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % span);
    let free: Vec<_> = candidates.filter(|&port| is_free(port)).take(count).collect();
    assert_eq!(free.len(), count, "no {count} free ports in {RANGE:?}");
    free
}

fn is_free(port: u16) -> bool {
    let v4 = ("127.0.0.1", port);
    let v6 = (Ipv6Addr::LOCALHOST, port);
    let v6_is_free = !has_ipv6() || (UdpSocket::bind(v6).is_ok() && TcpListener::bind(v6).is_ok());
    UdpSocket::bind(v4).is_ok() && TcpListener::bind(v4).is_ok() && v6_is_free
}

/// Whether this machine has an IPv6 loopback address.
pub fn has_ipv6() -> bool {
    UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}
