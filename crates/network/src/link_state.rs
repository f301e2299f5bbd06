//! How the link to one peer stands, as operators see it, and what was logged of it already.

use crate::LinkError;
use quinn::Connection;
use std::mem::{Discriminant, discriminant};
use std::time::SystemTime;

/// State of the link to one peer.
#[derive(Clone)]
pub(crate) struct LinkState {
    pub connection: Option<Connection>,
    pub since: SystemTime,
    pub last_error: Option<String>,
    /// Kinds of refusal logged; forgotten when a link stands. Kinds, not texts: the words may be the peer's.
    logged_refusals: Vec<Discriminant<LinkError>>,
    /// Kinds of violation logged; never forgotten, or a misbehaving peer could fill the disk.
    logged_violations: Vec<Discriminant<LinkError>>,
}

impl Default for LinkState {
    fn default() -> Self {
        Self {
            connection: None,
            since: SystemTime::now(),
            last_error: None,
            logged_refusals: Vec::new(),
            logged_violations: Vec::new(),
        }
    }
}

impl LinkState {
    /// No link came to stand. Returns whether this is to be logged: the first of its kind since a link stood.
    pub(crate) fn refused(&mut self, error: &LinkError) -> bool {
        self.last_error = Some(error.to_string());
        is_first(&mut self.logged_refusals, error)
    }

    /// A link stands.
    pub(crate) fn connected(&mut self, connection: &Connection) {
        self.connection = Some(connection.clone());
        self.since = SystemTime::now();
        self.last_error = None;
        self.logged_refusals.clear();
    }

    /// The link ended for this reason. Returns whether this is to be logged: each kind of violation only once.
    pub(crate) fn ended(&mut self, error: &LinkError) -> bool {
        self.last_error = Some(error.to_string());
        !error.is_violation() || is_first(&mut self.logged_violations, error)
    }

    /// No link stands any more.
    pub(crate) fn gone(&mut self) {
        self.connection = None;
        self.since = SystemTime::now();
    }
}

/// Whether an error is the first of its kind; there are no more kinds than variants.
fn is_first(logged: &mut Vec<Discriminant<LinkError>>, error: &LinkError) -> bool {
    let kind = discriminant(error);
    let is_first = !logged.contains(&kind);
    if is_first {
        logged.push(kind);
    }
    is_first
}
