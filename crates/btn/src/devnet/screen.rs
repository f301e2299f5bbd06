//! Where a devnet's words go: standard output for people, standard error where standard output carries JSON;
//! on a terminal the last line is rewritten in place.

use crate::output::print_note;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};

/// Moves to the line's start and clears it.
const CLEAR_LINE: &str = "\r\x1b[2K";

/// The screen of one devnet.
pub struct Screen {
    json: bool,
    terminal: bool,
    live: Mutex<String>,
}

impl Screen {
    /// A screen; `json` keeps standard output free for the one object.
    pub fn new(json: bool) -> Self {
        Self { json, terminal: !json && std::io::stdout().is_terminal(), live: Mutex::default() }
    }

    /// Whether standard output carries JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether the live line can be rewritten.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Says something that stays, above the live line.
    pub fn say(&self, text: &str) {
        if self.json {
            return print_note(text);
        }
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let mut output = std::io::stdout().lock();
        // Nobody may be reading any more; the network goes on.
        let _ = if live.is_empty() {
            writeln!(output, "{text}")
        } else {
            writeln!(output, "{CLEAR_LINE}{text}").and_then(|()| write!(output, "{live}"))
        };
        let _ = output.flush();
    }

    /// Rewrites the live line, or appends a line where there is no terminal.
    pub fn show_live(&self, text: &str) {
        if !self.terminal {
            return self.say(text);
        }
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let columns = usize::from(console::Term::stdout().size().1).saturating_sub(1);
        // A line that wraps could not be cleared.
        *live = text.chars().take(columns).collect();
        let mut output = std::io::stdout().lock();
        let _ = write!(output, "{CLEAR_LINE}{live}");
        let _ = output.flush();
    }

    /// Ends the live line, so that what follows starts on a fresh one.
    pub fn end_live(&self) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if !live.is_empty() {
            let _ = writeln!(std::io::stdout().lock());
            live.clear();
        }
    }
}
