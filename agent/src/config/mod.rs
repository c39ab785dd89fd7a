//! What an administrator can set in `/etc/xscontainer/config.toml`: one table of keys, from which the file's text, its manual
//! page and the reading of it are made.
//!
//! The rooms own what is set, with the usual values; this maps names to it. They must not know this.
//!
//! A file with faults is not refused as a whole: what is right in it counts, and each key at fault keeps its usual value.
//! A monitor that did not start because of a slip of the pen, or of a key that a newer version has no more, would show
//! nothing at all. While it runs, it keeps what it has until the file is right.
//!
//! | module | knows |
//! |---|---|
//! | [`table`] | every section and key, and what it sets |
//! | [`value`] | times, sizes and switches: how they are written, and what is allowed |
//! | [`read`](mod@read) | a file's text, and every fault in it |
//! | [`text`] | the file as it is delivered, and the manual page |

pub mod read;
pub mod table;
pub mod text;
pub mod value;

use std::path::Path;

use tracing::level_filters::LevelFilter;

use crate::{metrics, monitor};

pub use read::{Fault, Read};

/// Where the file is.
pub const DEFAULT_FILE: &str = "/etc/xscontainer/config.toml";

/// Everything that can be set. Made by [`Read::file`], or the usual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// From which level on lines are logged.
    pub level: LevelFilter,
    /// Of the monitor; its rules for ways in and its messages are the plugin's, too.
    pub monitor: monitor::settings::Settings,
    /// What containers use. Folder and socket of xcp-rrdd are not settings.
    pub metrics: metrics::Settings,
    /// Whether SHA-1 is offered to SSH servers.
    pub sha1: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            level: LevelFilter::INFO,
            monitor: monitor::settings::Settings::default(),
            metrics: metrics::Settings::default(),
            sha1: true,
        }
    }
}

/// A key whose value is another one than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Section and name, such as `monitor.told-after`.
    pub key: String,
    /// As it was, in the file's form.
    pub before: String,
    /// As it is.
    pub now: String,
    /// Whether it holds only after a restart.
    pub restart: bool,
}

impl Config {
    /// Reads a file. One that does not exist says nothing.
    #[must_use]
    pub fn read(file: &Path) -> Read {
        Read::file(file)
    }

    /// What is other than in `before`.
    #[must_use]
    pub fn changes(&self, before: &Self) -> Vec<Changed> {
        let (mut now, mut before) = (self.clone(), before.clone());
        let changed = table::all().filter_map(|(section, key)| {
            let (before, now) = (key.slot(&mut before).shown(), key.slot(&mut now).shown());
            let key_name = format!("{}.{}", section.name, key.name);
            (before != now).then_some(Changed { key: key_name, before, now, restart: key.restart })
        });
        changed.collect()
    }
}

#[cfg(test)]
mod tests;
