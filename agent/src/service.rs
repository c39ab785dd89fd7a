//! What the service manager is told: readiness, signs of life, a line of status (sd_notify(3)).
//!
//! Without a service manager nothing is told and nothing is missing. Must not know what the service does.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often the status is told if no signs of life are asked for.
const STATUS_INTERVAL: Duration = Duration::from_secs(10);

/// The service that this process is for its manager.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    heartbeat: Duration,
}

impl Service {
    /// As `NOTIFY_SOCKET` and `WATCHDOG_USEC` of the environment say.
    #[must_use]
    pub fn from_environment() -> Self {
        let mut microseconds = 0;
        let watched = sd_notify::watchdog_enabled(false, &mut microseconds);
        // Twice as often as needed, as sd_watchdog_enabled(3) recommends.
        let heartbeat = if watched { Duration::from_micros(microseconds) / 2 } else { STATUS_INTERVAL };
        Self { heartbeat: heartbeat.clamp(Duration::from_millis(10), STATUS_INTERVAL) }
    }

    /// Tells that the service has started.
    pub fn ready(self) {
        tell(&[NotifyState::Ready]);
    }

    /// Tells that the event loop goes round, and how things stand.
    pub fn alive(self, status: &str) {
        tell(&[NotifyState::Watchdog, NotifyState::Status(status)]);
    }

    /// Tells that the service ends.
    pub fn stopping(self) {
        tell(&[NotifyState::Stopping]);
    }

    /// When to call [`Service::alive`].
    #[must_use]
    pub fn heartbeat(self) -> Heartbeat {
        let mut beats = interval(self.heartbeat);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Heartbeat(beats)
    }
}

/// Beats in time with the manager's watchdog.
#[derive(Debug)]
pub struct Heartbeat(Interval);

impl Heartbeat {
    /// Waits for the next beat.
    pub async fn next(&mut self) {
        self.0.tick().await;
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, state) {
        tracing::debug!(%error, "cannot tell the service manager");
    }
}
