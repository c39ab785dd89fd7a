//! From which level on lines are logged: changed at any time, for good or for a while. Must not know who asks for it.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{Registry, reload};

/// All levels, from the fewest lines to the most.
pub const LEVELS: [LevelFilter; 5] =
    [LevelFilter::ERROR, LevelFilter::WARN, LevelFilter::INFO, LevelFilter::DEBUG, LevelFilter::TRACE];

/// The longest that a level may last for a while.
pub const LONGEST_PASSING: Duration = Duration::from_secs(7 * 86_400);

/// The level of this name.
#[must_use]
pub fn level_of(name: &str) -> Option<LevelFilter> {
    LEVELS.into_iter().find(|level| level.to_string() == name)
}

/// What holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// At present.
    pub now: LevelFilter,
    /// If that is for a while: how long it lasts still, and what comes then.
    pub then: Option<(Duration, LevelFilter)>,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.now)?;
        self.then.map_or(Ok(()), |(left, level)| write!(f, ", for {} s more, then {level}", left.as_secs()))
    }
}

/// The level of one log.
#[derive(Debug)]
pub(super) struct Levels {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    usual: LevelFilter,
    /// A level for a while, and until when.
    passing: Option<(LevelFilter, Instant)>,
    filter: Option<reload::Handle<LevelFilter, Registry>>,
}

impl Levels {
    pub(super) fn new() -> Self {
        let state = State { usual: LevelFilter::INFO, passing: None, filter: None };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// What lets through what is to be logged, from `usual` on.
    pub(super) fn filter(&self, usual: LevelFilter) -> reload::Layer<LevelFilter, Registry> {
        let (layer, handle) = reload::Layer::new(usual);
        let mut state = self.lock();
        (state.usual, state.filter) = (usual, Some(handle));
        layer
    }

    pub(super) fn set(&self, level: LevelFilter, lasting: Option<Duration>) {
        let mut state = self.lock();
        match lasting {
            None => (state.usual, state.passing) = (level, None),
            Some(lasting) => state.passing = Some((level, Instant::now() + lasting)),
        }
        state.apply();
        self.changed.notify_one();
    }

    /// Another usual level; one for a while stays.
    pub(super) fn set_usual(&self, level: LevelFilter) {
        let mut state = self.lock();
        state.usual = level;
        state.apply();
    }

    pub(super) fn get(&self) -> Level {
        let state = self.lock();
        let left = |until: Instant| until.saturating_duration_since(Instant::now());
        Level { now: state.now(), then: state.passing.map(|(_, until)| (left(until), state.usual)) }
    }

    /// Ends levels that are for a while in time; for ever.
    pub(super) async fn keep_time(&self) -> Infallible {
        loop {
            let until = self.lock().passing.map(|(_, until)| until);
            let ends = async {
                match until {
                    Some(until) => sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.changed.notified() => {}
                () = ends => self.go_back(),
            }
        }
    }

    fn go_back(&self) {
        let level = {
            let mut state = self.lock();
            if state.passing.is_none_or(|(_, until)| until > Instant::now()) {
                return;
            }
            state.passing = None;
            state.apply();
            state.usual
        };
        tracing::info!(%level, "the log has its usual level again");
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No method panics half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn now(&self) -> LevelFilter {
        self.passing.map_or(self.usual, |(level, _)| level)
    }

    fn apply(&self) {
        // It fails only when nothing is logged any more.
        let _ = self.filter.as_ref().map(|filter| filter.reload(self.now()));
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{sleep, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_level_for_a_while_goes_back_by_itself() {
        let levels = Levels::new();
        let life = async {
            levels.set(LevelFilter::DEBUG, Some(Duration::from_secs(600)));
            sleep(Duration::from_secs(200)).await;
            let then = Some((Duration::from_secs(400), LevelFilter::INFO));
            assert_eq!(levels.get(), Level { now: LevelFilter::DEBUG, then });
            assert_eq!(levels.get().to_string(), "debug, for 400 s more, then info");
            // Longer than first asked for.
            levels.set(LevelFilter::TRACE, Some(Duration::from_secs(600)));
            sleep(Duration::from_secs(599)).await;
            assert_eq!(levels.get().now, LevelFilter::TRACE);
            sleep(Duration::from_secs(2)).await;
            assert_eq!(levels.get(), Level { now: LevelFilter::INFO, then: None });
        };
        tokio::select! {
            never = levels.keep_time() => match never {},
            () = life => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_level_for_good_ends_one_for_a_while_and_another_usual_one_does_not() {
        let levels = Levels::new();
        levels.set(LevelFilter::DEBUG, Some(Duration::from_secs(600)));
        levels.set_usual(LevelFilter::WARN);
        assert_eq!(levels.get().then.map(|(_, usual)| usual), Some(LevelFilter::WARN));
        levels.set(LevelFilter::ERROR, None);
        let _ = timeout(Duration::from_secs(3600), levels.keep_time()).await;
        assert_eq!(levels.get(), Level { now: LevelFilter::ERROR, then: None });
    }
}
