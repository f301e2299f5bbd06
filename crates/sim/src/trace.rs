//! What happened, in order: hashed as a whole (C11.14), the newest part kept for people.

use btn_types::{B256, MemberIndex, Message, View};
use std::collections::VecDeque;
use std::fmt;

/// Entries kept for the report of a failure.
const TAIL: usize = 120;

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A message arrived.
    Deliver(MemberIndex, &'static str, u64, u64),
    /// A message was sent.
    Send(Option<MemberIndex>, &'static str, u64, u64),
    /// A timer rang.
    Wake,
    /// A link came up.
    Connected(MemberIndex),
    /// A group of so many records was synced.
    Journal(u64),
    /// A height was committed.
    Commit(u64, u64),
    /// The process died.
    Crash,
    /// The process started.
    Start,
    /// A transfer was submitted.
    Submit(u64),
    /// Links failed, as this mask says for the first member.
    Partition(u64),
    /// All faults ended.
    Heal,
    /// Something came over a link between the levels.
    Hear(&'static str),
}

/// One line of the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Simulated time.
    pub at_ms: u64,
    /// Process, by its number in the world; supervisors count from 1,000.
    pub process: usize,
    /// What happened.
    pub what: What,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8} ms  process {}  ", self.at_ms, self.process)?;
        match self.what {
            What::Deliver(from, name, view, digest) => {
                write!(f, "<- {from}: {name} view {view} {:08x}", digest >> 32)
            }
            What::Send(None, name, view, digest) => {
                write!(f, "-> all: {name} view {view} {:08x}", digest >> 32)
            }
            What::Send(Some(to), name, view, digest) => {
                write!(f, "-> {to}: {name} view {view} {:08x}", digest >> 32)
            }
            What::Commit(height, hash) => write!(f, "commits height {height} {:08x}", hash >> 32),
            what => write!(f, "{what:?}"),
        }
    }
}

/// The trace of a run.
#[derive(Clone, Debug)]
pub struct Trace {
    hash: u64,
    length: u64,
    tail: VecDeque<Entry>,
    is_printed: bool,
}

impl Trace {
    /// An empty trace; `is_printed` shows every entry on stderr as it comes.
    #[must_use]
    pub fn new(is_printed: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, length: 0, tail: VecDeque::with_capacity(TAIL), is_printed }
    }

    /// Takes an entry in.
    pub fn push(&mut self, entry: Entry) {
        if self.is_printed {
            eprintln!("{entry}");
        }
        for word in words(&entry) {
            self.hash = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29);
        }
        self.length += 1;
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(entry);
    }

    /// Hash over everything so far.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// Entries so far.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// The newest entries, one a line.
    #[must_use]
    pub fn tail(&self) -> String {
        self.tail.iter().map(|entry| format!("{entry}\n")).collect()
    }
}

fn words(entry: &Entry) -> [u64; 6] {
    let all = u64::from(u16::MAX) + 1;
    let name_word = |name: &str| name.bytes().fold(0u64, |word, byte| word.rotate_left(8) ^ u64::from(byte));
    let what = match entry.what {
        What::Deliver(from, name, view, digest) => [1, u64::from(from.0) ^ name_word(name), view, digest],
        What::Send(to, name, view, digest) => {
            [2, to.map_or(all, |to| u64::from(to.0)) ^ name_word(name), view, digest]
        }
        What::Wake => [3, 0, 0, 0],
        What::Connected(member) => [4, u64::from(member.0), 0, 0],
        What::Journal(records) => [5, records, 0, 0],
        What::Commit(height, hash) => [6, height, hash, 0],
        What::Crash => [7, 0, 0, 0],
        What::Start => [8, 0, 0, 0],
        What::Submit(number) => [9, number, 0, 0],
        What::Partition(mask) => [10, mask, 0, 0],
        What::Heal => [11, 0, 0, 0],
        What::Hear(name) => [12, name_word(name), 0, 0],
    };
    [entry.at_ms, entry.process as u64, what[0], what[1], what[2], what[3]]
}

/// First eight bytes of a digest.
pub(crate) fn first_word(digest: &B256) -> u64 {
    digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// Name, view and digest of a message, as far as it has them.
pub(crate) fn label(message: &Message) -> (&'static str, u64, u64) {
    let (view, digest) = match message {
        Message::Proposal(message) => (message.proposal.view, first_word(&message.proposal.block_hash)),
        Message::Vote(message) => {
            return (vote_name(message), message.vote.view.0, first_word(&message.vote.digest));
        }
        Message::Certificate(message) => (message.certificate.view, first_word(&message.certificate.digest)),
        Message::Certificates(certificates) => {
            (certificates.last().map_or(View(0), |last| last.view), certificates.len() as u64)
        }
        Message::Range(range) => match &range.finalization {
            Some(finalization) => (finalization.view, first_word(&finalization.digest)),
            None => (View(0), range.blocks.len() as u64),
        },
        Message::Seals(seals) => (View(0), seals.last().map_or(0, |seal| first_word(&seal.block_hash))),
        Message::Candidacy(_) | Message::Fetch(_) | Message::Transactions(_) => (View(0), 0),
    };
    (message.name(), view.0, digest)
}

const fn vote_name(message: &btn_types::VoteMessage) -> &'static str {
    match message.vote.kind {
        btn_types::VoteKind::Notarize => "notarize",
        btn_types::VoteKind::Nullify => "nullify",
        btn_types::VoteKind::Finalize => "finalize",
    }
}
