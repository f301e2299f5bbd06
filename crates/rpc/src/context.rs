//! What every method is given: the backend, the configuration, and places to run in.

use crate::{Backend, BlockEntry, BlockSelector, RpcConfig, RpcError, limits};
use serde::Serialize;
use serde_json::value::RawValue;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// A result that is JSON already, made on the thread that did the work.
pub(crate) type Json = Box<RawValue>;

/// How much a method may cost, and thus where it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    /// Memory only: runs in place.
    Light,
    /// Reads the disk: runs on a blocking thread.
    Read,
    /// Executes or reads much: runs on a blocking thread, few at a time.
    Heavy,
}

/// Places to run in, so many of each kind.
pub(crate) struct Workers {
    reads: Arc<Semaphore>,
    heavy: Arc<Semaphore>,
}

impl Workers {
    fn new(reads: usize, heavy: usize) -> Self {
        Self { reads: Arc::new(Semaphore::new(reads.max(1))), heavy: Arc::new(Semaphore::new(heavy.max(1))) }
    }

    /// Runs `work` where its cost allows.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        cost: Cost,
        work: impl FnOnce() -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let permits = match cost {
            Cost::Light => return work(),
            Cost::Read => &self.reads,
            Cost::Heavy => &self.heavy,
        };
        let permit = Arc::clone(permits).acquire_owned().await.map_err(RpcError::internal)?;
        let task = tokio::task::spawn_blocking(move || {
            // Moved in, so that it is held until the work ends even if the client has gone away.
            let _permit = permit;
            work()
        });
        task.await.map_err(RpcError::internal)?
    }
}

/// Shared by all requests.
pub(crate) struct Context {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) config: RpcConfig,
    pub(crate) workers: Workers,
    /// Height and suggested tip: computed once per finalised block.
    tip: Mutex<Option<(u64, u128)>>,
}

impl Context {
    pub(crate) fn new(config: RpcConfig, backend: Arc<dyn Backend>) -> Self {
        let workers = Workers::new(limits::MAX_CONCURRENT_READS, config.max_concurrent_heavy);
        Self { backend, config, workers, tip: Mutex::new(None) }
    }

    /// A block that must exist.
    pub(crate) fn existing_block(&self, selector: BlockSelector) -> Result<BlockEntry, RpcError> {
        self.backend.block(selector)?.ok_or_else(|| not_found(selector))
    }

    /// The tip remembered for this height.
    pub(crate) fn cached_tip(&self, height: u64) -> Option<u128> {
        let tip = self.tip.lock().unwrap_or_else(PoisonError::into_inner);
        tip.filter(|(known, _)| *known == height).map(|(_, tip)| tip)
    }

    /// Remembers the tip of a height.
    pub(crate) fn remember_tip(&self, height: u64, wei: u128) {
        *self.tip.lock().unwrap_or_else(PoisonError::into_inner) = Some((height, wei));
    }
}

/// geth's words for a block that is not there.
pub(crate) fn not_found(selector: BlockSelector) -> RpcError {
    match selector {
        BlockSelector::Hash(_) => RpcError::header_for_hash_not_found(),
        _ => RpcError::header_not_found(),
    }
}

/// Serialises a result.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<Json, RpcError> {
    serde_json::value::to_raw_value(value).map_err(RpcError::internal)
}

/// A quantity as JSON: hex without leading zeros.
pub(crate) fn quantity(value: impl Into<u128>) -> Result<Json, RpcError> {
    json(&format!("{:#x}", value.into()))
}

#[cfg(test)]
mod tests {
    //! Heavy work is bounded, and its failures are told.

    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::task::JoinSet;

    #[test]
    fn heavy_work_runs_as_wide_as_allowed_and_no_wider() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
        let workers = Arc::new(Workers::new(8, 2));
        // Pairs meet at the barrier: with less width than two nobody would get through.
        let (meeting, active) = (Arc::new(Barrier::new(2)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = JoinSet::new();
        for _ in 0..32 {
            let (workers, meeting, active) = (workers.clone(), meeting.clone(), active.clone());
            let work = move || {
                let width = active.fetch_add(1, Ordering::SeqCst) + 1;
                meeting.wait();
                active.fetch_sub(1, Ordering::SeqCst);
                Ok(width)
            };
            tasks.spawn_on(async move { workers.run(Cost::Heavy, work).await }, runtime.handle());
        }
        let widths = runtime.block_on(tasks.join_all());
        let widest = widths.into_iter().map(|width| width.expect("no error")).max();
        assert_eq!(widest, Some(2));
    }

    #[test]
    fn a_panic_is_an_internal_error() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let workers = Workers::new(1, 1);
        for _ in 0..2 {
            // The second time shows that the place was given back.
            let failed: Result<(), RpcError> =
                runtime.block_on(workers.run(Cost::Read, || panic!("on purpose")));
            assert_eq!(failed.map_err(|error| error.code), Err(-32603));
        }
    }
}
