//! What all process tests share: taking turns, waiting on conditions, and random choices that can be repeated.

pub mod certificates;
pub mod journal;
pub mod load;
pub mod network;
pub mod node;
pub mod ports;
pub mod rpc;
pub mod seals;
pub mod wallet;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long anything may take that has no reason to take long: generous, for machines that build meanwhile.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition is looked at.
pub const POLL: Duration = Duration::from_millis(20);

/// Repeats the choices of an earlier run.
const SEED_VARIABLE: &str = "BTN_TEST_SEED";

static TURN: Mutex<()> = Mutex::new(());

/// Waits for this test's turn, which lasts until the guard is dropped.
pub fn take_turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks until there is something, and gives it.
#[track_caller]
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < limit, "not within {} s: {what}", limit.as_secs());
        std::thread::sleep(POLL);
    }
}

/// Random choices of one test, whose seed is printed.
pub fn random(test: &str) -> StdRng {
    let given = std::env::var(SEED_VARIABLE).ok().map(|text| text.parse().expect("a number as seed"));
    let seed: u64 = given.unwrap_or_else(rand::random);
    println!("{test}: seed {seed}; repeat with {SEED_VARIABLE}={seed}");
    StdRng::seed_from_u64(seed)
}

/// Lets a random time pass. The moment is the choice: nothing is waited for.
pub fn pass_time(random: &mut StdRng, longest_ms: u64) -> Duration {
    let (time, start) = (Duration::from_millis(random.random_range(0..longest_ms)), Instant::now());
    until("the moment that was chosen", PATIENCE, || (start.elapsed() >= time).then_some(()));
    time
}

/// Sends a signal to processes, all at once. The shell's own `kill`: the test stays free of unsafe code.
pub fn signal(name: &str, pids: &[u32]) -> bool {
    let pids: Vec<_> = pids.iter().map(u32::to_string).collect();
    let script = format!("kill -{name} {} 2>/dev/null", pids.join(" "));
    Command::new("sh").args(["-c", &script]).status().expect("a shell").success()
}

/// Whether there is such a process.
pub fn is_alive(pid: u32) -> bool {
    signal("0", &[pid])
}
