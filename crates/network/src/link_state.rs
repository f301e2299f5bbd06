//! How the link to one peer stands, as operators see it, and what was logged of it already.

use crate::LinkError;
use quinn::Connection;
use std::time::SystemTime;

/// State of the link to one peer.
#[derive(Clone)]
pub(crate) struct LinkState {
    pub connection: Option<Connection>,
    pub since: SystemTime,
    pub last_error: Option<String>,
    /// The refusal logged last; forgotten when a link stands.
    logged_refusal: Option<String>,
    /// The violation logged last; never forgotten, or a misbehaving peer could fill the disk.
    logged_violation: Option<String>,
}

impl Default for LinkState {
    fn default() -> Self {
        Self {
            connection: None,
            since: SystemTime::now(),
            last_error: None,
            logged_refusal: None,
            logged_violation: None,
        }
    }
}

impl LinkState {
    /// No link came to stand. Returns whether this is to be logged: unless it is what was logged last.
    pub(crate) fn refused(&mut self, error: &LinkError) -> bool {
        let text = error.to_string();
        self.last_error = Some(text.clone());
        self.logged_refusal.replace(text) != self.last_error
    }

    /// A link stands.
    pub(crate) fn connected(&mut self, connection: &Connection) {
        self.connection = Some(connection.clone());
        self.since = SystemTime::now();
        self.last_error = None;
        self.logged_refusal = None;
    }

    /// The link ended for this reason. Returns whether this is to be logged: the same violation only once.
    pub(crate) fn ended(&mut self, error: &LinkError) -> bool {
        let text = error.to_string();
        self.last_error = Some(text.clone());
        !error.is_violation() || self.logged_violation.replace(text) != self.last_error
    }

    /// No link stands any more.
    pub(crate) fn gone(&mut self) {
        self.connection = None;
        self.since = SystemTime::now();
    }
}
