//! What a node does before it opens a socket: reads genesis and keys, finds its level, opens its data directory.

use crate::checked;
use crate::config::{DEFAULT_CACHE_MIB, DEFAULT_SUPERVISOR_CACHE_MIB};
use crate::disk::{Disk, Journals};
use crate::genesis::load_genesis;
use crate::keys::{KeyDirectory, NodeKeys, Password, SupervisorNodeKeys};
use crate::{NodeConfig, voted};
use btn_chain::{Chain, genesis_batch, genesis_block};
use btn_crypto::{Committee, CommitteeKeys, SupervisorPublicKeys, Supervisors};
use btn_network::NetworkIdentity;
use btn_storage::{DataDirectory, OpenedJournal, RedbStore, Store, StoreReader};
use btn_types::{B256, Certificate, Genesis, JournalRecord, MemberIndex, NodeId};
use eyre::{WrapErr, eyre};
use std::path::Path;
use std::sync::Arc;

/// Bytes of a mebibyte.
const MIB: u64 = 1024 * 1024;

/// What a node is, by its identity's place in the genesis file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Level 1, at this place in the committee.
    Master(MemberIndex),
    /// Level 2.
    Supervisor,
}

/// A node's level with what it signs with.
pub(crate) enum Role {
    Master { member: MemberIndex, keys: NodeKeys },
    Supervisor { keys: SupervisorNodeKeys },
}

/// What [`open`] gives.
pub(crate) struct Opened {
    pub(crate) role: Role,
    pub(crate) facts: Facts,
    pub(crate) stored: Stored,
}

/// What does not change while a node runs.
#[derive(Clone)]
pub(crate) struct Facts {
    pub(crate) genesis: Arc<Genesis>,
    pub(crate) chain_hash: B256,
    pub(crate) committee: Committee,
    pub(crate) supervisors: Supervisors,
    pub(crate) node_id: NodeId,
    pub(crate) network_key: Arc<NetworkIdentity>,
    pub(crate) reader: Arc<dyn StoreReader>,
}

/// A node as its disk left it.
pub(crate) struct Stored {
    pub(crate) chain: Chain,
    pub(crate) tip_finalization: Option<Certificate>,
    pub(crate) records: Vec<JournalRecord>,
    pub(crate) disk: Disk,
    /// `false` where the log of what was signed is lost: the node follows and signs nothing.
    pub(crate) signs: bool,
}

/// Level of an identity.
///
/// # Errors
/// It is in neither list of the genesis file.
fn level_of(
    node_id: NodeId,
    committee: &Committee,
    supervisors: &Supervisors,
    genesis_file: &Path,
) -> eyre::Result<Level> {
    if let Some(member) = committee.index_of(node_id) {
        return Ok(Level::Master(member));
    }
    if supervisors.place_of(node_id).is_some() {
        return Ok(Level::Supervisor);
    }
    Err(eyre!(
        "node {node_id} is neither a master nor a supervisor of {}; use the keys of one of its nodes, or make a genesis \
         that lists this node (`btn genesis new`, with this node's node.json)",
        genesis_file.display()
    ))
}

/// Opens everything, in an order in which nothing is made before all that can be wrong has been looked at.
pub(crate) fn open(config: &NodeConfig) -> eyre::Result<Opened> {
    let genesis = Arc::new(load_genesis(&config.genesis)?);
    let is_checked = checked::is_marked(&config.data_dir, &genesis);
    let chain_hash = genesis_block(&genesis).hash();
    let (committee, supervisors) = registry(&genesis, chain_hash, is_checked)?;
    let (role, node_id) = unlock(config, &committee, &supervisors)?;
    let (directory, store) = open_data(config, &genesis, chain_hash, node_id, &role)?;
    if !is_checked {
        checked::mark_genesis_checked(&config.data_dir, &genesis)
            .wrap_err_with(|| format!("marking the genesis as checked in {}", config.data_dir.display()))?;
    }
    let (journals, records) = open_journal(&directory, &role)?;
    let reader = store.reader();
    let tip = reader.tip()?.ok_or_else(|| eyre!("the database is empty"))?;
    let tip_finalization = reader.finalization(tip.height)?;
    let chain =
        Chain::new(Arc::clone(&genesis), committee.clone(), supervisors.clone(), Arc::clone(&reader))?;
    let network_key = Arc::new(NetworkIdentity::from_pkcs8_der(role.network_key())?);
    let signs = matches!(journals, Journals::Kept(_));
    tracing::info!(
        node = %node_id.short(), role = role.name(), height = %tip.height, third_height = %chain.third_state().0,
        records = records.len(), signs, chain = %chain_hash, "data opened"
    );
    let disk = Disk::new(Box::new(store), journals, directory);
    let facts = Facts { genesis, chain_hash, committee, supervisors, node_id, network_key, reader };
    Ok(Opened { role, facts, stored: Stored { chain, tip_finalization, records, disk, signs } })
}

impl Role {
    /// As the log shows it.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Master { .. } => "master",
            Self::Supervisor { .. } => "supervisor",
        }
    }

    fn network_key(&self) -> &[u8] {
        match self {
            Self::Master { keys, .. } => keys.network.pkcs8(),
            Self::Supervisor { keys } => keys.network.pkcs8(),
        }
    }

    const fn default_cache_mib(&self) -> u64 {
        match self {
            Self::Master { .. } => DEFAULT_CACHE_MIB,
            Self::Supervisor { .. } => DEFAULT_SUPERVISOR_CACHE_MIB,
        }
    }

    /// What the journal of this level holds, and what comes of its loss.
    const fn lost_journal(&self) -> &'static str {
        match self {
            Self::Master { .. } => {
                "the journal of this node's votes is lost: it follows the chain but signs nothing, because it \
                 could sign twice in one view; see docs/operators.md, \"A lost journal\""
            }
            Self::Supervisor { .. } => {
                "the log of this node's seals is lost: it verifies and follows the chain but abstains from \
                 sealing, because it could seal two blocks on one core; see docs/operators.md, \"A lost journal\""
            }
        }
    }
}

/// Committee and supervisors of genesis with their keys; these are checked where that was not done before.
fn registry(genesis: &Genesis, chain: B256, is_checked: bool) -> eyre::Result<(Committee, Supervisors)> {
    let (masters, sealers) = if is_checked {
        (CommitteeKeys::from_checked_genesis(genesis)?, SupervisorPublicKeys::from_checked_genesis(genesis)?)
    } else {
        (CommitteeKeys::from_genesis(genesis)?, SupervisorPublicKeys::from_genesis(genesis)?)
    };
    let committee = Committee::from_genesis(genesis, chain, masters);
    Ok((committee, Supervisors::from_genesis(genesis, chain, sealers)))
}

/// Finds the node's level by the public part of its lottery key, then opens the keys of that level.
fn unlock(
    config: &NodeConfig,
    committee: &Committee,
    supervisors: &Supervisors,
) -> eyre::Result<(Role, NodeId)> {
    let directory = KeyDirectory::new(config.key_dir.clone());
    let node_id = directory.id()?;
    let level = level_of(node_id, committee, supervisors, &config.genesis)?;
    let password = match (&config.password, &config.password_file) {
        (Some(password), _) => password.clone(),
        (None, Some(path)) => Password::read(path)?,
        (None, None) => {
            return Err(eyre!(
                "no password for the keys; name a file by `password_file` in the configuration"
            ));
        }
    };
    // Opening compares the public part with the private one, so the identity is certain now.
    let role = match level {
        Level::Master(member) => Role::Master { member, keys: directory.unlock(&password)? },
        Level::Supervisor => Role::Supervisor { keys: directory.unlock_supervisor(&password)? },
    };
    Ok((role, node_id))
}

/// Opens the data directory, or makes it at the very first start. Keys that have signed on this chain before
/// get no fresh journal: what they signed is unknown, so the node only follows (C6, C8, "a lost log").
fn open_data(
    config: &NodeConfig,
    genesis: &Genesis,
    chain: B256,
    node_id: NodeId,
    role: &Role,
) -> eyre::Result<(DataDirectory, RedbStore)> {
    let identity = btn_storage::Identity { chain, node_id };
    let path = &config.data_dir;
    let directory = match DataDirectory::is_initialised(path)? {
        true => DataDirectory::open(path, identity)?,
        // Decided before anything is made: a crash in between must not leave a fresh journal behind.
        false if voted::is_marked(&config.key_dir, chain)? => {
            DataDirectory::create_without_journal(path, identity)?
        }
        false => DataDirectory::create(path, identity)?,
    };
    voted::mark(&config.key_dir, chain)
        .wrap_err_with(|| format!("marking {} as used on this chain", config.key_dir.display()))?;
    let cache_mib = config.storage.cache_mib.unwrap_or(role.default_cache_mib());
    let cache_bytes = usize::try_from(cache_mib * MIB).unwrap_or(usize::MAX);
    let mut store = directory.open_store(cache_bytes)?;
    if store.reader().tip()?.is_none() {
        store.commit(genesis_batch(genesis)).wrap_err("writing the genesis block")?;
    }
    Ok((directory, store))
}

fn open_journal(directory: &DataDirectory, role: &Role) -> eyre::Result<(Journals, Vec<JournalRecord>)> {
    match directory.open_journal()? {
        OpenedJournal::Ready(journal, records) => Ok((Journals::Kept(journal), records)),
        OpenedJournal::Lost => {
            tracing::error!(directory = %directory.path().display(), "{}", role.lost_journal());
            Ok((Journals::Lost, Vec::new()))
        }
    }
}
