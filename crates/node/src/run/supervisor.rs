//! Starts a supervisor: links to masters, which it dials, and the engine's thread.

use super::Running;
use crate::NodeConfig;
use crate::backend::Links;
use crate::clock::Clock;
use crate::driver::SupervisorDriver;
use crate::keys::SupervisorNodeKeys;
use crate::metric_names;
use crate::open::{Facts, Stored};
use crate::publisher::Publisher;
use crate::shared::{Picture, Shared, Standing};
use crate::submissions;
use btn_engine::{Parameters, SupervisorEngine, SupervisorIdentity};
use btn_network::{MasterLinks, MasterLinksConfig, PeerConfig};
use eyre::eyre;
use std::sync::Arc;
use tokio::sync::watch;

/// Starts everything but RPC.
pub(super) fn start(
    config: &NodeConfig,
    facts: &Facts,
    stored: Stored,
    keys: SupervisorNodeKeys,
    clock: Clock,
) -> eyre::Result<Running> {
    metric_names::describe_supervisor();
    if config.listen.is_some() || config.listen_supervisors.is_some() {
        tracing::warn!(
            "this node is a supervisor, it dials out only: `listen` and `listen_supervisors` are not used"
        );
    }
    let Stored { chain, tip_finalization, records, disk, signs } = stored;
    let masters = masters(config, facts)?;
    let identity = match signs {
        true => SupervisorIdentity::Sealing { id: facts.node_id, signer: Box::new(keys.supervisor) },
        false => SupervisorIdentity::Abstaining,
    };
    let parameters = Parameters::from(&facts.genesis.consensus);
    let engine = SupervisorEngine::new(chain, identity, parameters, tip_finalization, &records);
    let (submitter, submissions) = submissions::channel();
    let standing = Standing::of_supervisor(&engine.status(), engine.chain());
    let view = engine.chain().view(standing.head)?;
    let picture = Picture { view, standing, finalized_at: None };
    let (summary, status) = watch::channel(picture.summary());
    let shared = Shared::new(picture.view, picture.standing, submitter);

    let (links, events) = MasterLinks::start(MasterLinksConfig {
        local: Arc::clone(&facts.network_key),
        chain: facts.chain_hash,
        node_id: facts.node_id,
        masters,
        links: config.supervision.links,
        status,
    })?;
    let driver = SupervisorDriver {
        engine,
        disk,
        publisher: Publisher::new(Arc::clone(&shared)),
        submissions,
        links: links.clone(),
        summary,
        clock,
    };
    let (stop, stopped) = watch::channel(false);
    let handle = tokio::runtime::Handle::current();
    let engine = tokio::task::spawn_blocking(move || handle.block_on(driver.run(events, stopped)));
    let closing = links.clone();
    let close = Box::pin(async move { closing.shutdown().await });
    Ok(Running { engine, stop, links: Links::Supervisor(links), shared, close })
}

/// All masters that can be dialled.
fn masters(config: &NodeConfig, facts: &Facts) -> eyre::Result<Vec<PeerConfig>> {
    let masters = super::masters(
        config,
        facts,
        |record| &record.supervisor_addresses,
        |given| &given.supervisor_addresses,
    )?;
    let all = masters.len();
    let masters: Vec<_> = masters.into_iter().filter(|master| !master.addresses.is_empty()).collect();
    if masters.is_empty() {
        return Err(eyre!(
            "no master of {} says where it listens for supervisors; ask for such addresses and write them down as \
             [[peer]] tables with supervisor_addresses",
            config.genesis.display()
        ));
    }
    if masters.len() < all {
        tracing::info!(known = masters.len(), masters = all, "some masters say no address for supervisors");
    }
    Ok(masters)
}
