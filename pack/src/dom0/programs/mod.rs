//! The host's own programs, as far as the scripts of packs call them: what they say follows from the rehearsed host.
//!
//! A call whose effect is not known here is noted: the script that made it is then not proven, whatever it does next.

mod query_format;
mod rpm;
mod xe;

use std::ffi::OsString;
use std::sync::Arc;

use super::confine::{Commands, Reply};
use super::host::Host;

/// Programs that scripts find in the host's root and that are played here.
pub(super) const PLAYED: [&str; 6] = [
    "/usr/bin/rpm",
    "/usr/bin/systemctl",
    "/usr/bin/xe",
    "/usr/sbin/xe-toolstack-restart",
    "/opt/xensource/bin/xe-toolstack-restart",
    "/usr/bin/yum",
];

/// How many bytes of calls are kept for reports. A script may make any number of them.
const MAX_NOTED: usize = 64 * 1024;
/// More arguments than any script has for a program.
const MAX_ARGUMENTS: usize = 1000;

/// How much of a call a message shows, in characters.
const MAX_SHOWN: usize = 300;

/// What shells say of a program that is not there.
const UNKNOWN: u8 = 127;

/// The host's programs during one script.
pub(super) struct Programs<'a> {
    host: &'a mut Host,
    calls: Vec<String>,
    room: usize,
    unplayed: Option<Unplayed>,
}

/// A call that could not be played, so that what the script did next says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unplayed {
    /// What it does is not known here.
    Unknown(String),
    /// It would not end.
    Hangs(String),
}

impl<'a> Programs<'a> {
    pub(super) fn new(host: &'a mut Host) -> Programs<'a> {
        Programs { host, calls: Vec::new(), room: MAX_NOTED, unplayed: None }
    }

    /// The calls that were made, and the first that could not be played.
    pub(super) fn finish(self) -> (Vec<String>, Option<Unplayed>) {
        (self.calls, self.unplayed)
    }
}

impl Commands for Programs<'_> {
    fn call(&mut self, program: &str, arguments: &[OsString]) -> Reply {
        let arguments: Vec<String> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let arguments = arguments.as_slice();
        let call = [&[program.to_owned()], arguments].concat().join(" ");
        if call.len() <= self.room {
            self.room -= call.len();
            self.calls.push(call.clone());
        }
        let answer = match program {
            _ if arguments.len() > MAX_ARGUMENTS => Err("more arguments than any script has".into()),
            // It waits for the lock that its own caller holds: rpm 4.11, lib/rpmlock.c.
            "rpm" if self.host.transacting && rpm::is_erasure(arguments) => {
                self.unplayed.get_or_insert(Unplayed::Hangs(call.clone()));
                Ok((1, "warning: waiting for transaction lock on /var/lib/rpm/.rpm.lock\n".into()))
            }
            "systemctl" => {
                let root = Arc::clone(&self.host.root);
                self.host.services.systemctl(&root, arguments)
            }
            "rpm" => rpm::rpm(self.host, arguments),
            "xe" => xe::xe(self.host, arguments),
            "xe-toolstack-restart" => {
                let root = Arc::clone(&self.host.root);
                self.host.toolstack.resync(&root);
                Ok((0, String::new()))
            }
            _ => Err(call.clone()),
        };
        let (code, output) = answer.unwrap_or_else(|problem| {
            self.unplayed.get_or_insert(Unplayed::Unknown(call.chars().take(MAX_SHOWN).collect()));
            (UNKNOWN, format!("{problem}: not known to the rehearsal\n"))
        });
        // rpm and systemctl answer questions on standard output even if the answer is no.
        let failed = code != 0 && (program == "xe" || ["error", "Failed"].iter().any(|word| output.starts_with(word)));
        let text = output.into_bytes();
        match failed || code == UNKNOWN {
            false => Reply { code, output: text, ..Reply::default() },
            true => Reply { code, errors: text, ..Reply::default() },
        }
    }
}
