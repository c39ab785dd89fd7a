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

/// The host's programs during one script.
pub(super) struct Programs<'a> {
    host: &'a mut Host,
    calls: Vec<String>,
    unknown: Vec<String>,
}

impl<'a> Programs<'a> {
    pub(super) fn new(host: &'a mut Host) -> Programs<'a> {
        Programs { host, calls: Vec::new(), unknown: Vec::new() }
    }

    /// The calls that were made, and those of them that are not known.
    pub(super) fn finish(self) -> (Vec<String>, Vec<String>) {
        (self.calls, self.unknown)
    }
}

impl Commands for Programs<'_> {
    fn call(&mut self, program: &str, arguments: &[OsString]) -> Reply {
        let arguments: Vec<String> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let arguments = arguments.as_slice();
        let call = [&[program.to_owned()], arguments].concat().join(" ");
        self.calls.push(call.clone());
        let answer = match program {
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
            self.unknown.push(call);
            (127, format!("{problem}: not known to the rehearsal\n"))
        });
        // What a program that failed says goes to its standard error.
        let text = output.into_bytes();
        match code {
            0 => Reply { code, output: text, ..Reply::default() },
            _ => Reply { code, errors: text, ..Reply::default() },
        }
    }
}
