//! The version of a pack: where it comes from, and why it must rise.
//!
//! A host compares versions as rpm does and installs a pack only over a lower one. For an equal or higher one yum finds
//! nothing to do and XAPI reports success, so a version that does not rise must be refused here.

use std::cmp::Ordering;
use std::fmt;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use uuid::Uuid;

use crate::{Error, Result};

/// A version that rpm 4.11 accepts in a package's name, and that is not one which product releases obsolete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackVersion(String);

impl PackVersion {
    /// Checks a version.
    ///
    /// # Errors
    /// [`Error::Version`] for text that rpm cannot compare, and for 1.0: release packages of XCP-ng and XenServer carry
    /// `Obsoletes: control-xscontainer = 1.0-1`, which removes the control package of such a pack again.
    pub fn new(text: &str) -> Result<PackVersion> {
        if !is_rpm_version(text) {
            return Err(Error::version(
                text,
                "is not a version that hosts can compare",
                "Use digits, letters and dots, such as 11.0.0",
            ));
        }
        if rpm_compare(text, "1.0") == Ordering::Equal {
            return Err(Error::version(
                text,
                "is the version of the original pack, which product releases obsolete",
                "Choose a higher one",
            ));
        }
        Ok(PackVersion(text.into()))
    }

    /// The version as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The version of a build that is not a release: the last release's version, then the time.
    ///
    /// It lies above that release and below the next one, whatever its number, and rises from commit to commit.
    ///
    /// # Errors
    /// [`Error::version`] if the commit's time is none.
    pub fn of_commit(released: &Released, commit: &Commit) -> Result<PackVersion> {
        // Before the first release: below 11.0.0, which replaces 10.0.4 of the original.
        let base = released.newest().map_or("10.99", |release| release.version.as_str());
        let time = utc_digits(commit.time).ok_or_else(|| {
            Error::version(
                commit.time,
                "is not a time in seconds since 1970",
                "Correct the commit's date, or SOURCE_DATE_EPOCH",
            )
        })?;
        PackVersion::new(&match commit.modified {
            false => format!("{base}.{time}"),
            true => format!("{base}.{time}.dirty"),
        })
    }
}

impl fmt::Display for PackVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The state of the source tree that a pack is built from.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Seconds since 1970: the commit's time, or for a modified tree the time of the build.
    pub time: u64,
    /// Whether the tree differs from the commit.
    pub modified: bool,
}

/// `released.toml`: the releases that left the project, oldest first.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Released {
    #[serde(default)]
    release: Vec<Release>,
}

/// One release.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    pub version: String,
    pub uuid: Uuid,
    /// For people.
    pub date: String,
}

impl Released {
    /// Reads `released.toml` of a folder.
    ///
    /// # Errors
    /// [`Error::Spec`] if it is missing or malformed, or if its versions do not rise.
    pub fn read(folder: &Path) -> Result<Released> {
        let file = folder.join("released.toml");
        let text = fs::read_to_string(&file).map_err(|e| {
            Error::spec(
                &file,
                format!("cannot be read: {e}"),
                "It must exist, even without a release; `git checkout spec` restores it",
            )
        })?;
        let released: Released = toml::from_str(&text).map_err(|e| super::malformed(&file, &text, &e))?;
        for pair in released.release.windows(2) {
            if rpm_compare(&pair[0].version, &pair[1].version) != Ordering::Less {
                return Err(Error::spec(
                    &file,
                    format!("release {} follows {}, which is not lower", pair[1].version, pair[0].version),
                    "List releases oldest first, each with a higher version",
                ));
            }
        }
        Ok(released)
    }

    /// The last release.
    pub fn newest(&self) -> Option<&Release> {
        self.release.last()
    }

    /// Refuses a version that hosts with an earlier release would ignore. The newest release itself may be built again.
    ///
    /// # Errors
    /// [`Error::Version`].
    pub fn check_rises(&self, version: &PackVersion, uuid: Uuid) -> Result<()> {
        let Some(newest) = self.newest() else { return Ok(()) };
        match rpm_compare(version.as_str(), &newest.version) {
            Ordering::Greater => Ok(()),
            Ordering::Equal if uuid == newest.uuid => Ok(()),
            Ordering::Equal => Err(Error::version(
                version,
                format!("was released on {} with other content (uuid {})", newest.date, newest.uuid),
                "A host that has that release would ignore this pack: raise the version, or build the release's own commit with its key",
            )),
            Ordering::Less => Err(Error::version(
                version,
                format!("is not above {}, which was released on {}", newest.version, newest.date),
                "A host that has that release would ignore this pack: raise the version",
            )),
        }
    }
}

/// Compares two versions as rpm does.
pub(crate) fn rpm_compare(a: &str, b: &str) -> Ordering {
    rpm_version::rpm_evr_compare(a, b)
}

/// What rpm 4.11 takes as a version: no `-`, which ends it, and no `^`, which it does not know.
pub(crate) fn is_rpm_version(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.as_bytes()[0].is_ascii_digit()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+~".contains(&b))
}

/// `yyyymmddHHMMSS` in UTC.
fn utc_digits(seconds: u64) -> Option<String> {
    let time = chrono::DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0)?;
    Some(time.format("%Y%m%d%H%M%S").to_string())
}
