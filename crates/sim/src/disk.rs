//! A node's disk: what survives a crash. And how well the runner uses it: the faithful one, and broken ones that
//! a campaign must find out.

use btn_storage::MemoryStore;
use btn_types::{JournalRecord, Message};

/// How the simulated node treats its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// As C6 demands: each group is whole and durable before anything after it happens.
    Faithful,
    /// Writes no journal at all.
    NoJournal,
    /// Says that a group is synced when it is not: a crash loses the newest one.
    LosesLastGroup,
    /// A crash brings an old copy of the whole disk back.
    RestoresBackup,
    /// Two live engines share one member's keys, and the member counts as honest.
    SharedKeys,
    /// Disks are faithful, but f + 1 members run twice: one more than the committee bears (C1).
    TooManyTwins,
    /// Keeps proposals, bodies and certificates, but no votes.
    ForgetsVotes,
    /// Keeps own votes and bodies, but no certificates.
    ForgetsCertificates,
    /// Says everything once: no vote or proposal again, and no message that shows what it holds (C6.5 ⚠).
    ResendsNothing,
    /// Never hands finalised blocks to a laggard.
    AnswersNoRange,
    /// Keeps everything but a supervisor's own seals.
    ForgetsSeals,
    /// Supervisors that seal whatever is announced count as honest.
    SealsAnything,
    /// No supervisor ever seals.
    NobodySeals,
}

impl Runner {
    /// All of them, the faithful one first.
    pub const ALL: [Self; 13] = [
        Self::Faithful,
        Self::NoJournal,
        Self::LosesLastGroup,
        Self::RestoresBackup,
        Self::SharedKeys,
        Self::TooManyTwins,
        Self::ForgetsVotes,
        Self::ForgetsCertificates,
        Self::ResendsNothing,
        Self::AnswersNoRange,
        Self::ForgetsSeals,
        Self::SealsAnything,
        Self::NobodySeals,
    ];

    /// Its name, for replays.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Faithful => "faithful",
            Self::NoJournal => "no-journal",
            Self::LosesLastGroup => "loses-last-group",
            Self::RestoresBackup => "restores-backup",
            Self::SharedKeys => "shared-keys",
            Self::TooManyTwins => "too-many-twins",
            Self::ForgetsVotes => "forgets-votes",
            Self::ForgetsCertificates => "forgets-certificates",
            Self::ResendsNothing => "resends-nothing",
            Self::AnswersNoRange => "answers-no-range",
            Self::ForgetsSeals => "forgets-seals",
            Self::SealsAnything => "seals-anything",
            Self::NobodySeals => "nobody-seals",
        }
    }

    /// Whether a vote that was journaled counts as given: it cannot be forgotten and given otherwise.
    #[must_use]
    pub const fn remembers_votes(self) -> bool {
        !matches!(
            self,
            Self::NoJournal
                | Self::LosesLastGroup
                | Self::RestoresBackup
                | Self::SharedKeys
                | Self::ForgetsVotes
        )
    }

    const fn keeps(self, record: &JournalRecord) -> bool {
        match self {
            Self::ForgetsVotes => !matches!(record, JournalRecord::Voted(_)),
            Self::ForgetsCertificates => !matches!(record, JournalRecord::Certificate(_)),
            Self::ForgetsSeals => !matches!(record, JournalRecord::Sealed(_)),
            _ => true,
        }
    }

    /// Whether a message leaves the node, where that does not depend on earlier ones.
    #[must_use]
    pub const fn sends(self, message: &Message) -> bool {
        match self {
            Self::ResendsNothing => !matches!(message, Message::Certificates(_)),
            Self::AnswersNoRange => !matches!(message, Message::Range(_)),
            _ => true,
        }
    }
}

/// How many groups pass between two backups of [`Runner::RestoresBackup`].
const BACKUP_EVERY_GROUPS: u64 = 16;

/// Journal and database of one node.
#[derive(Clone, Default)]
pub struct Disk {
    /// The database.
    pub store: MemoryStore,
    groups: Vec<Vec<JournalRecord>>,
    written: u64,
    backup: Option<Box<Disk>>,
}

impl Disk {
    /// A disk with this database and an empty journal.
    #[must_use]
    pub const fn new(store: MemoryStore) -> Self {
        Self { store, groups: Vec::new(), written: 0, backup: None }
    }

    /// Appends a group.
    pub fn append(&mut self, runner: Runner, mut records: Vec<JournalRecord>) {
        if runner == Runner::NoJournal {
            return;
        }
        records.retain(|record| runner.keeps(record));
        if runner == Runner::RestoresBackup && self.written.is_multiple_of(BACKUP_EVERY_GROUPS) {
            self.backup = None;
            self.backup = Some(Box::new(self.clone()));
        }
        self.written += 1;
        self.groups.push(records);
    }

    /// Replaces the journal by what is still needed.
    pub fn compact(&mut self, runner: Runner, live: Vec<JournalRecord>) {
        if runner != Runner::NoJournal {
            self.groups.clear();
            self.append(runner, live);
        }
    }

    /// What a crash does to the disk.
    pub fn crash(&mut self, runner: Runner) {
        match runner {
            Runner::LosesLastGroup => drop(self.groups.pop()),
            Runner::RestoresBackup => {
                if let Some(backup) = self.backup.take() {
                    *self = *backup;
                }
            }
            _ => {}
        }
    }

    /// The journal, oldest first.
    #[must_use]
    pub fn records(&self) -> Vec<JournalRecord> {
        self.groups.iter().flatten().cloned().collect()
    }

    /// Whether the journal has a record of which this is true; the newest are looked at first.
    pub fn has(&self, is_it: impl Fn(&JournalRecord) -> bool) -> bool {
        self.groups.iter().rev().flatten().any(is_it)
    }
}
