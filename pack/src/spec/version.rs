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
    /// [`Error`] of class `Version` for text that rpm cannot compare.
    pub fn new(text: &str) -> Result<PackVersion> {
        if !is_rpm_version(text) {
            return Err(Error::version(
                text,
                "is not a version that hosts can compare",
                "Use digits, letters and dots, such as 11.0.0",
            ));
        }
        Ok(PackVersion(text.into()))
    }

    /// Refuses 1.0 of xscontainer: release packages of XCP-ng and XenServer carry `Obsoletes: control-xscontainer = 1.0-1`,
    /// which removes the control package of such a pack again.
    ///
    /// # Errors
    /// [`Error`] of class `Version`.
    pub fn check_label(&self, label: &str) -> Result<()> {
        match label == "xscontainer" && rpm_compare(&self.0, "1.0") == Ordering::Equal {
            true => Err(Error::version(
                self,
                "is the version of the original pack, which product releases obsolete",
                "Choose a higher one",
            )),
            false => Ok(()),
        }
    }

    /// The version of a release: three numbers, so that versions of commits after it, which have a fourth one, lie below
    /// the next release.
    ///
    /// # Errors
    /// [`Error::version`] for anything else.
    pub fn of_release(text: &str) -> Result<PackVersion> {
        match is_release(text) {
            true => PackVersion::new(text),
            false => Err(Error::version(
                text,
                "is not of the form 11.0.0",
                "Name the tag of a release v11.0.0, with three numbers",
            )),
        }
    }

    /// The version as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The version of a build that is not a release.
    ///
    /// A commit's is the last release's and the commit's time: it lies above that release and below the next one, and
    /// rises from commit to commit. A build with changes on top lies just below its commit's, and a build of an unknown
    /// state below all commits', so that a host that has one takes the proper pack later.
    ///
    /// # Errors
    /// [`Error`] of class `Version` if a time is none.
    pub fn of_source(released: &Released, source: &SourceState) -> Result<PackVersion> {
        // Before the first release: below 11.0.0, which replaces 10.0.4 of the original.
        let base = released.newest().map_or("10.99", |release| release.version.as_str());
        PackVersion::new(&match *source {
            SourceState::Commit { time } => format!("{base}.{}", utc_digits(time)?),
            SourceState::Modified { time, built } => {
                format!("{base}.{}~{}.dirty", utc_digits(time)?, utc_digits(built)?)
            }
            SourceState::Unknown { built } => format!("{base}.0~{}.dirty", utc_digits(built)?),
        })
    }
}

impl fmt::Display for PackVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The state of the source tree that a pack is built from; times in seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub enum SourceState {
    /// A commit, of that time.
    Commit { time: u64 },
    /// A commit with changes on top, built at that time.
    Modified { time: u64, built: u64 },
    /// Nobody knows, built at that time.
    Unknown { built: u64 },
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
    /// [`Error`] of class `Spec` if it is missing or malformed, or if its versions do not rise.
    pub fn read(folder: &Path) -> Result<Released> {
        let file = folder.join("released.toml");
        let text = fs::read_to_string(&file).map_err(|e| {
            Error::spec(
                &file,
                format!("cannot be read: {e}"),
                "It must exist, even without a release; `git checkout spec` restores it",
            )
        })?;
        let released: Released = toml::from_str(&text).map_err(|e| super::document::malformed(&file, &text, &e))?;
        if let Some(release) = released.release.iter().find(|release| !is_release(&release.version)) {
            return Err(Error::spec(
                &file,
                format!("release {} is not of the form 11.0.0", release.version),
                "Releases have three numbers: versions of commits, which have four, then lie below the next release",
            ));
        }
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

    /// Every release, oldest first.
    pub fn all(&self) -> &[Release] {
        &self.release
    }

    /// The last release.
    pub fn newest(&self) -> Option<&Release> {
        self.release.last()
    }

    /// Refuses a version that hosts with an earlier release would ignore. The newest release itself may be built again.
    ///
    /// # Errors
    /// [`Error`] of class `Version`.
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

/// Three numbers.
fn is_release(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() == 3
        && parts.iter().all(|part| !part.is_empty() && part.len() < 9 && part.bytes().all(|b| b.is_ascii_digit()))
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

/// What rpm 4.11 takes as a release.
pub(crate) fn is_rpm_release(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+~".contains(&b))
}

/// `yyyymmddHHMMSS` in UTC.
fn utc_digits(seconds: u64) -> Result<String> {
    let time = i64::try_from(seconds).ok().and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0));
    let time = time.ok_or_else(|| {
        Error::version(
            seconds,
            "is not a time in seconds since 1970",
            "Correct the commit's date, or SOURCE_DATE_EPOCH",
        )
    })?;
    Ok(time.format("%Y%m%d%H%M%S").to_string())
}
