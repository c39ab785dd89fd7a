//! What the monitor says of itself to other programs of its host.

use std::time::SystemTime;

use super::board::{Board, seconds_of};
use crate::VERSION;
use crate::lending::server::Tells;
use crate::lending::standing::{List, Standing};
use crate::lending::wire::{LevelChange, LevelNow};
use crate::log::Log;
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

    fn log_level(&self, _change: Option<LevelChange>) -> Result<LevelNow, String> {
        let _ = &self.log;
        Err("this monitor does not know levels".to_owned())
    }
}
