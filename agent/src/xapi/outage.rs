//! What the log says while something does not work: a line when it begins, one now and then, one when it is over.
//! Knows nothing of pauses or of what is tried.

use std::time::Duration;

use tokio::time::Instant;

use super::error::Error;

/// How often an outage that goes on is mentioned again.
pub(super) const REMINDER_INTERVAL: Duration = Duration::from_secs(600);

/// Whether XAPI fails us at present, and since when.
#[derive(Debug, Default)]
pub(super) struct Outage(Option<Ongoing>);

#[derive(Debug)]
struct Ongoing {
    since: Instant,
    mentioned: Instant,
    failures: u64,
}

impl Outage {
    /// Notes a failure, to be followed by another try after `pause`.
    pub(super) fn failed(&mut self, error: &Error, pause: Duration) {
        let now = Instant::now();
        let Some(ongoing) = &mut self.0 else {
            tracing::warn!(%error, "XAPI is not available; trying again until it is");
            self.0 = Some(Ongoing { since: now, mentioned: now, failures: 1 });
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
        if let Some(Ongoing { since, failures, .. }) = self.0.take() {
            tracing::info!(failures, seconds = since.elapsed().as_secs(), "XAPI is available again");
        }
    }
}
