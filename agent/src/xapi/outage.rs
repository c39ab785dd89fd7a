//! What the log says while something does not work: a line when it begins, one now and then, one when it is over.
//! Knows nothing of pauses or of what is tried.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::error::Error;

/// How often an outage that goes on is mentioned again.
pub(super) const REMINDER_INTERVAL: Duration = Duration::from_secs(600);

/// Since when XAPI does not answer, for whoever wants to know; clones share it.
#[derive(Clone, Debug)]
pub struct Silence(Arc<AtomicU64>);

impl Silence {
    /// Since now.
    fn begin() -> Self {
        Self(Arc::new(AtomicU64::new(now())))
    }

    /// Seconds since 1970; none while it answers.
    #[must_use]
    pub fn since(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|since| *since > 0)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs().max(1))
}

/// Whether XAPI fails us at present, and since when.
#[derive(Debug)]
pub(super) struct Outage {
    ongoing: Option<Ongoing>,
    silence: Silence,
}

impl Default for Outage {
    fn default() -> Self {
        Self { ongoing: None, silence: Silence::begin() }
    }
}

#[derive(Debug)]
struct Ongoing {
    since: Instant,
    mentioned: Instant,
    failures: u64,
}

impl Outage {
    /// For others to read.
    pub(super) fn silence(&self) -> Silence {
        self.silence.clone()
    }

    /// Notes a failure, to be followed by another try after `pause`.
    pub(super) fn failed(&mut self, error: &Error, pause: Duration) {
        let now = Instant::now();
        let Some(ongoing) = &mut self.ongoing else {
            tracing::warn!(%error, "XAPI is not available; trying again until it is");
            if self.silence.since().is_none() {
                self.silence.0.store(self::now(), Ordering::Relaxed);
            }
            self.ongoing = Some(Ongoing { since: now, mentioned: now, failures: 1 });
            return;
        };
        ongoing.failures += 1;
        if now.duration_since(ongoing.mentioned) < REMINDER_INTERVAL {
            tracing::debug!(%error, pause_ms = pause.as_millis(), "XAPI is still not available");
            return;
        }
        ongoing.mentioned = now;
        let (failures, seconds) = (ongoing.failures, ongoing.since.elapsed().as_secs());
        tracing::warn!(%error, failures, seconds, "XAPI is still not available");
    }

    /// Notes that it works.
    pub(super) fn over(&mut self) {
        self.silence.0.store(0, Ordering::Relaxed);
        if let Some(Ongoing { since, failures, .. }) = self.ongoing.take() {
            tracing::info!(failures, seconds = since.elapsed().as_secs(), "XAPI is available again");
        }
    }
}
