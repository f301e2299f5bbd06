//! Checks `host:port` as operators write it: a host name, an IPv4 address, or an IPv6 address in brackets.

use std::net::{Ipv4Addr, Ipv6Addr};
use thiserror::Error;

/// Most characters of a host name (RFC 1035).
const MAX_HOST_CHARACTERS: usize = 253;

/// Most characters between two dots of a host name (RFC 1035).
const MAX_LABEL_CHARACTERS: usize = 63;

/// Why an address is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// No port at the end.
    #[error(
        "address `{0}` has no port; write host:port, for example example.org:30303 or [2001:db8::1]:30303"
    )]
    NoPort(String),
    /// The port is not a number from 1 to 65535.
    #[error("address `{address}`: port `{port}` must be a number from 1 to 65535")]
    Port {
        /// The whole address.
        address: String,
        /// The part after the last colon.
        port: String,
    },
    /// The host is no name and no IP address.
    #[error(
        "address `{address}`: `{host}` is neither a host name nor an IP address (an IPv6 address stands in brackets, as in [2001:db8::1]:30303)"
    )]
    Host {
        /// The whole address.
        address: String,
        /// The part before the last colon.
        host: String,
    },
}

/// What stands before the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A name to be resolved.
    Name(String),
    /// IPv4.
    V4(Ipv4Addr),
    /// IPv6.
    V6(Ipv6Addr),
}

/// Splits and checks `host:port`.
///
/// # Errors
/// [`AddressError`], with the form that is expected.
pub fn parse_address(address: &str) -> Result<(Host, u16), AddressError> {
    let Some((host, port)) = address.rsplit_once(':') else {
        return Err(AddressError::NoPort(address.to_owned()));
    };
    if host.starts_with('[') && !host.ends_with(']') {
        return Err(AddressError::NoPort(address.to_owned()));
    }
    let host = parse_host(host)
        .ok_or_else(|| AddressError::Host { address: address.to_owned(), host: host.to_owned() })?;
    let bad_port = || AddressError::Port { address: address.to_owned(), port: port.to_owned() };
    // `u16::from_str` takes a leading plus sign, people do not.
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad_port());
    }
    match port.parse() {
        Ok(port) if port != 0 => Ok((host, port)),
        _ => Err(bad_port()),
    }
}

fn parse_host(host: &str) -> Option<Host> {
    if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inner.parse().ok().map(Host::V6);
    }
    if let Ok(address) = host.parse() {
        return Some(Host::V4(address));
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= MAX_LABEL_CHARACTERS
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    // A last label of digits alone is a mistyped IPv4 address (RFC 3696).
    let numeric =
        name.rsplit('.').next().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    let valid = name.len() <= MAX_HOST_CHARACTERS && name.split('.').all(is_label) && !numeric;
    valid.then(|| Host::Name(host.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ipv4_and_ipv6_are_accepted() {
        assert_eq!(
            parse_address("node-1.example.org:30303"),
            Ok((Host::Name("node-1.example.org".into()), 30303))
        );
        assert_eq!(parse_address("localhost:1"), Ok((Host::Name("localhost".into()), 1)));
        assert_eq!(parse_address("192.0.2.7:65535"), Ok((Host::V4(Ipv4Addr::new(192, 0, 2, 7)), 65535)));
        assert_eq!(parse_address("[::1]:30303"), Ok((Host::V6(Ipv6Addr::LOCALHOST), 30303)));
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        for bad in ["example.org", "[::1]", "30303", ""] {
            assert!(matches!(parse_address(bad), Err(AddressError::NoPort(_))), "{bad}");
        }
        for bad in ["a:0", "a:65536", "a:", "a:+1", "a:x"] {
            assert!(matches!(parse_address(bad), Err(AddressError::Port { .. })), "{bad}");
        }
        for bad in
            ["::1:30303", ":1", "a b:1", "a..b:1", "-a:1", "192.0.2.777:1", "192.0.2:1", "[::x]:1", "ä:1"]
        {
            assert!(matches!(parse_address(bad), Err(AddressError::Host { .. })), "{bad}");
        }
        let long = format!("{}:1", "a".repeat(64));
        assert!(parse_address(&long).is_err());
    }
}
