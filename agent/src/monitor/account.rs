//! What the log says of one VM's troubles. Must not know what is tried.

use std::time::Duration;

use tokio::time::Instant;

use crate::guest::Family;
use crate::quote::quoted;
use crate::reach::Trouble;
use crate::reach::trouble::Kind;

/// How often the same trouble is mentioned again.
const REMINDER_INTERVAL: Duration = Duration::from_secs(600);

/// A line when a trouble begins or becomes another, one now and then, one when it is
/// over.
#[derive(Debug, Default)]
pub struct Account(Option<Ongoing>);

#[derive(Debug)]
struct Ongoing {
    kind: Kind,
    since: Instant,
    mentioned: Instant,
    failures: u64,
}

impl Account {
    /// Notes a failure to reach a guest of this family, to be followed by another try after `pause`.
    pub fn failed(&mut self, trouble: &Trouble, family: Family, pause: Duration) {
        let (now, kind) = (Instant::now(), trouble.kind());
        let pause_ms = pause.as_millis();
        let Some(ongoing) = self.0.as_mut().filter(|ongoing| ongoing.kind == kind) else {
            let remedy = trouble.remedy(family);
            tracing::warn!(reason = %trouble, remedy, pause_ms, "cannot see the VM's containers");
            let since = self.0.as_ref().map_or(now, |ongoing| ongoing.since);
            let failures = self.0.as_ref().map_or(0, |ongoing| ongoing.failures) + 1;
            self.0 = Some(Ongoing { kind, since, mentioned: now, failures });
            return;
        };
        ongoing.failures += 1;
        if now.duration_since(ongoing.mentioned) < REMINDER_INTERVAL {
            tracing::debug!(reason = %trouble, pause_ms, "still cannot see the VM's containers");
            return;
        }
        ongoing.mentioned = now;
        let (failures, seconds) = (ongoing.failures, ongoing.since.elapsed().as_secs());
        tracing::warn!(reason = %trouble, failures, seconds, "still cannot see the VM's containers");
    }

    /// Notes that the containers are seen; `by` says how.
    pub fn works(&mut self, by: &str, engine: &str) {
        match self.0.take() {
            Some(Ongoing { since, failures, .. }) => {
                let seconds = since.elapsed().as_secs();
                tracing::info!(by, engine = %quoted(engine), failures, seconds, "the VM's containers are seen again");
            }
            None => tracing::info!(by, engine = %quoted(engine), "the VM's containers are seen"),
        }
    }
}
