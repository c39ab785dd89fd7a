//! What the monitor says of itself to other programs of its host.

use std::time::{Duration, SystemTime};

use super::board::{Board, seconds_of};
use crate::VERSION;
use crate::lending::server::Tells;
use crate::lending::standing::{List, Standing};
use crate::lending::wire::{LevelChange, LevelNow};
use crate::log::{self, Level, Log};
use crate::quote::quoted;
use crate::xapi::{HostUuid, Silence, VmUuid};

/// Answers for one monitor.
#[derive(Debug)]
pub struct Teller {
    board: Board,
    silence: Silence,
    host: HostUuid,
    started: SystemTime,
    log: Log,
}

impl Teller {
    /// Of the monitor of `host`, which starts now, and logs to `log`.
    #[must_use]
    pub fn new(board: Board, silence: Silence, host: HostUuid, log: Log) -> Self {
        Self { board, silence, host, started: SystemTime::now(), log }
    }
}

impl Tells for Teller {
    fn standing(&self) -> Standing {
        Standing {
            version: VERSION.to_owned(),
            host: self.host.to_string(),
            started: seconds_of(self.started),
            xapi_silent_since: self.silence.since(),
            vms: self.board.standing(),
        }
    }

    fn lists(&self, vm: Option<&VmUuid>) -> Vec<List> {
        self.board.lists(vm)
    }

    fn log_level(&self, change: Option<LevelChange>) -> Result<LevelNow, String> {
        if let Some(LevelChange { level, seconds }) = change {
            let known = log::level_of(&level).ok_or_else(|| format!("there is no level {}", quoted(&level)))?;
            let lasting = seconds.map(Duration::from_secs);
            if lasting.is_some_and(|lasting| lasting > log::LONGEST_PASSING) {
                let days = log::LONGEST_PASSING.as_secs() / 86_400;
                return Err(format!("a level for a while lasts at most {days} days"));
            }
            let before = self.log.level().now;
            // Before or after, whichever of the two lets it be seen.
            let say = || tracing::info!(%before, now = %known, seconds, "the log's level is changed on request");
            if known < before {
                say();
            }
            self.log.set_level(known, lasting);
            if known >= before {
                say();
            }
        }
        let Level { now, then } = self.log.level();
        let then = then.map(|(left, then)| (left.as_secs(), then.to_string()));
        Ok(LevelNow { level: now.to_string(), until: then })
    }
}
