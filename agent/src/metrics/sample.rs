//! Asks the engine of a VM what its containers use, round after round, over the connection that the monitor has.
//!
//! One question at a time for each VM, so that a VM that is slow, or sends much, costs its own figures only. Must not know
//! what is made of the answers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use super::Settings;
use super::vm::VmUsage;
use crate::engine::{self, Engine};
use crate::guest::Unreachable;
use crate::lending::{Desk, Lent};
use crate::quote::quoted;
use crate::xapi::VmUuid;

/// How long opening a stream to the engine may take.
const OPEN_LIMIT: Duration = Duration::from_secs(10);

/// Rounds that are left out after one that failed.
const PAUSE_ROUNDS: u32 = 6;

/// The containers of one VM, and the task that keeps asking about them. Dropping it ends the task.
#[derive(Debug)]
pub(super) struct Sampler {
    usage: Arc<Mutex<VmUsage>>,
    task: AbortOnDropHandle<()>,
}

/// Why a round did not come to its end.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Engine(#[from] engine::Error),
    #[error("{0}")]
    Guest(Unreachable),
    #[error("the engine takes longer than {} s to open a connection", OPEN_LIMIT.as_secs())]
    Slow,
}

/// The engine of a VM as it was met last.
struct Met {
    lent: Lent,
    engine: Engine,
    /// How often the monitor had looked at the containers when they were listed; none before.
    listed: Option<u64>,
}

impl Sampler {
    /// Begins to ask within the next interval: not all VMs at once.
    pub(super) fn start(settings: &Settings, desk: Desk, vm: VmUuid, name: &str, usage: VmUsage) -> Self {
        let usage = Arc::new(Mutex::new(usage));
        let span = tracing::info_span!("vm", uuid = %vm, name = %quoted(name));
        let work = sample(settings.interval, desk, vm, Arc::clone(&usage));
        Self { usage, task: AbortOnDropHandle::new(tokio::spawn(work.instrument(span))) }
    }

    /// Whether it asks no longer, after an internal error.
    pub(super) fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    pub(super) fn usage(&self) -> MutexGuard<'_, VmUsage> {
        lock(&self.usage)
    }
}

fn lock(usage: &Mutex<VmUsage>) -> MutexGuard<'_, VmUsage> {
    usage.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn sample(interval: Duration, desk: Desk, vm: VmUuid, usage: Arc<Mutex<VmUsage>>) {
    sleep(interval.mul_f64(fastrand::f64())).await;
    let mut met = None;
    let mut is_told = false;
    loop {
        let begun = Instant::now();
        let mut next = begun + interval;
        if let Some(lent) = desk.borrow(&vm) {
            match round(lent, &mut met, &usage).await {
                Ok(()) => {
                    let took = begun.elapsed();
                    if took <= interval {
                        is_told = false;
                    } else if !std::mem::replace(&mut is_told, true) {
                        tracing::info!(
                            took_ms = took.as_millis(),
                            "the engine is slow to say what containers use; graphs have gaps"
                        );
                    }
                }
                Err(trouble) => {
                    met = None;
                    next += interval * PAUSE_ROUNDS;
                    // A connection that is gone is for the monitor to tell.
                    if desk.borrow(&vm).is_some() && !std::mem::replace(&mut is_told, true) {
                        tracing::warn!(%trouble, "cannot see what the containers use; will keep trying");
                    }
                }
            }
        } else {
            met = None;
        }
        // An engine that takes longer than the interval has a pause all the same, and so have we.
        sleep_until(next.max(Instant::now() + interval / 2)).await;
    }
}

/// Asks about the containers whose turn it is.
async fn round(lent: Lent, met: &mut Option<Met>, usage: &Mutex<VmUsage>) -> Result<(), Trouble> {
    let Met { lent, engine, listed } = match met {
        Some(met) if met.lent.is_same(&lent) => met,
        _ => {
            let engine =
                timeout(OPEN_LIMIT, lent.engine()).await.map_err(|_| Trouble::Slow)?.map_err(Trouble::Guest)?;
            met.insert(Met { lent, engine, listed: None })
        }
    };
    let looks = lent.looks();
    if *listed != Some(looks) {
        let containers = engine.running_containers().await?;
        lock(usage).listed(&containers, Instant::now());
        *listed = Some(looks);
    }
    let turn = lock(usage).turn();
    for name in turn {
        let stats = match engine.stats(&name).await {
            Ok(stats) => Some(stats),
            // It ended meanwhile, or has none for another reason of its own.
            Err(engine::Error::Status { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        lock(usage).answered(name.as_str(), stats, Instant::now());
    }
    Ok(())
}
