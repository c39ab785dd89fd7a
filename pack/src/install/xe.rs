//! The toolstack of a pool, by the program `xe`: the updates that it knows, and what it does with them.
//!
//! Commands: xen-api, `ocaml/xapi-cli-server/cli_frontend.ml`. Must not know packs beyond their uuid.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::host::{Host, Output, Trouble};
use super::xe_error::Refusal;

/// A question; XAPI answers in milliseconds, or hangs.
const QUESTION: Duration = Duration::from_secs(60);
/// An image of some gigabytes over a slow network.
const UPLOAD: Duration = Duration::from_secs(3600);
/// A transaction of the package manager, on every host of a pool one after the other.
const TRANSACTION: Duration = Duration::from_secs(2 * 3600);

/// The toolstack.
pub struct Xe<'a> {
    host: &'a Host,
    stop: &'a dyn Fn() -> bool,
}

/// Why XAPI did not do it.
#[derive(Debug, thiserror::Error)]
pub enum XeError {
    /// It does not run, or does not answer.
    #[error("XAPI cannot be reached: {0}")]
    Down(String),
    #[error("{}", .0.explain().0)]
    Refused(Refusal),
    #[error("interrupted")]
    Interrupted,
}

/// An update that XAPI knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Update {
    pub uuid: String,
    pub label: String,
    pub version: String,
    /// Bytes that it says it takes.
    pub installation_size: u64,
    /// Uuids of the hosts that have it.
    pub hosts: Vec<String>,
    /// What to restart afterwards: words of `update.xml`.
    pub guidance: Vec<String>,
}

/// What `xe` says when nobody answers (xen-api, `ocaml/xe-cli/newcli.ml`), or when XAPI is on its way up or down.
const NOBODY: [&str; 7] = [
    "Connection refused",
    "No such file or directory (calling connect",
    "Failed to contact a running management agent",
    "Lost connection to the server",
    "Server internal error",
    "The host toolstack is still initialising",
    "Connection reset by peer",
];

impl<'a> Xe<'a> {
    /// The toolstack of a host; where XAPI can be left alone, `stop` ends the waiting.
    pub fn of(host: &'a Host, stop: &'a dyn Fn() -> bool) -> Xe<'a> {
        Xe { host, stop }
    }

    fn call(&self, arguments: &[&str], limit: Duration, stop: &dyn Fn() -> bool) -> Result<String, XeError> {
        let said =
            self.host.run("xe", arguments, Output::Kept, Some(limit), stop).map_err(|trouble| match trouble {
                Trouble::Interrupted => XeError::Interrupted,
                other => XeError::Down(format!("xe: {other}")),
            })?;
        match said.code {
            Some(0) => Ok(said.stdout),
            _ => {
                // Some versions print errors on standard output.
                let text = if said.stderr.trim().is_empty() { said.stdout } else { said.stderr };
                match NOBODY.iter().any(|words| text.contains(words)) {
                    true => Err(XeError::Down(text.trim().trim_end_matches('.').to_owned())),
                    false => Err(XeError::Refused(Refusal::parse(&text))),
                }
            }
        }
    }

    fn ask(&self, arguments: &[&str]) -> Result<String, XeError> {
        self.call(arguments, QUESTION, self.stop)
    }

    /// Starts something that XAPI does to its end, whether anybody waits or not.
    fn have_done(&self, arguments: &[&str]) -> Result<(), XeError> {
        self.call(arguments, TRANSACTION, &|| false).map(drop)
    }

    /// Every update that XAPI knows.
    ///
    /// # Errors
    /// [`XeError`].
    pub fn updates(&self) -> Result<Vec<Update>, XeError> {
        let fields = "params=uuid,name-label,version,installation-size,hosts,after-apply-guidance";
        let text = self.ask(&["update-list", fields])?;
        Ok(records(&text).into_iter().map(|record| Update::of(&record)).collect())
    }

    /// The update of a uuid, if XAPI knows it.
    ///
    /// # Errors
    /// [`XeError`].
    pub fn update(&self, uuid: &str) -> Result<Option<Update>, XeError> {
        Ok(self.updates()?.into_iter().find(|update| update.uuid == uuid))
    }

    /// The hosts of the pool: names by uuid.
    ///
    /// # Errors
    /// [`XeError`].
    pub fn hosts(&self) -> Result<BTreeMap<String, String>, XeError> {
        let text = self.ask(&["host-list", "params=uuid,name-label"])?;
        let named = |mut record: BTreeMap<String, String>| {
            let uuid = record.remove("uuid")?;
            let name = record.remove("name-label").filter(|name| !name.is_empty());
            Some((uuid.clone(), name.unwrap_or(uuid)))
        };
        Ok(records(&text).into_iter().filter_map(named).collect())
    }

    /// `update-upload`: the uuid of the update.
    ///
    /// # Errors
    /// [`XeError`].
    pub fn upload(&self, iso: &Path, storage: Option<&str>) -> Result<String, XeError> {
        let file = format!("file-name={}", iso.display());
        let storage = storage.map(|uuid| format!("sr-uuid={uuid}"));
        let arguments: Vec<&str> = ["update-upload", &file].into_iter().chain(storage.as_deref()).collect();
        self.call(&arguments, UPLOAD, self.stop).map(|said| said.trim().to_owned())
    }

    /// `update-precheck` on a host.
    ///
    /// # Errors
    /// [`XeError`].
    pub fn precheck(&self, uuid: &str, host: &str) -> Result<(), XeError> {
        self.have_done(&["update-precheck", &format!("uuid={uuid}"), &format!("host={host}")])
    }

    /// `update-apply` on a host.
    ///
    /// # Errors
    /// [`XeError`].
    pub fn apply(&self, uuid: &str, host: &str) -> Result<(), XeError> {
        self.have_done(&["update-apply", &format!("uuid={uuid}"), &format!("host={host}")])
    }

    /// `update-pool-apply`, on all hosts of the pool, one after the other.
    ///
    /// # Errors
    /// [`XeError`].
    pub fn apply_in_pool(&self, uuid: &str) -> Result<(), XeError> {
        self.have_done(&["update-pool-apply", &format!("uuid={uuid}")])
    }

    /// `update-pool-clean`: the image goes, the record stays.
    ///
    /// # Errors
    /// [`XeError`].
    pub fn clean(&self, uuid: &str) -> Result<(), XeError> {
        self.call(&["update-pool-clean", &format!("uuid={uuid}")], QUESTION, &|| false).map(drop)
    }

    /// `update-destroy`: the record goes, if no host has the update.
    ///
    /// # Errors
    /// [`XeError`].
    pub fn destroy(&self, uuid: &str) -> Result<(), XeError> {
        self.call(&["update-destroy", &format!("uuid={uuid}")], QUESTION, &|| false).map(drop)
    }
}

impl Update {
    fn of(record: &BTreeMap<String, String>) -> Update {
        let text = |key: &str| record.get(key).cloned().unwrap_or_default();
        let list = |key: &str| {
            let items = record.get(key).map_or("", String::as_str).split([',', ';']);
            items.map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
        };
        Update {
            uuid: text("uuid"),
            label: text("name-label"),
            version: text("version"),
            installation_size: text("installation-size").parse().unwrap_or(0),
            hosts: list("hosts"),
            guidance: list("after-apply-guidance"),
        }
    }
}

/// What stands behind the name of a field: a value, a set or a map, to be read or written.
const KINDS: [&str; 6] = [" ( RO)", " ( RW)", " (SRO)", " (SRW)", " (MRO)", " (MRW)"];

/// The records of a list as `xe` prints it: `   name ( RO): value`, records apart by blank lines.
fn records(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut records = vec![BTreeMap::new()];
    for line in text.lines() {
        let field = KINDS.iter().find_map(|kind| line.split_once(kind));
        let field = field.and_then(|(name, rest)| Some((name.trim(), rest.split_once(':')?.1.trim())));
        match (field, records.last_mut()) {
            (Some((name, value)), Some(record)) => {
                // Every record begins with its uuid: a description may have a blank line.
                if name == "uuid" && record.contains_key("uuid") {
                    records.push(BTreeMap::from([(name.to_owned(), value.to_owned())]));
                } else {
                    record.insert(name.to_owned(), value.to_owned());
                }
            }
            _ => continue,
        }
    }
    records.retain(|record| record.contains_key("uuid"));
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_xe_is_read() {
        let text = "uuid ( RO)                 : u1\n              name-label ( RO): a\n                 hosts (SRO): h1, h2\n\n\n\
                    uuid ( RO)                 : u2\n              name-label ( RO): b: c\n    after-apply-guidance (SRO): restartXAPI\n\n\n";
        let updates: Vec<Update> = records(text).iter().map(Update::of).collect();
        assert_eq!(updates.len(), 2);
        assert_eq!(
            (updates[0].uuid.as_str(), updates[0].hosts.as_slice()),
            ("u1", &["h1".to_owned(), "h2".into()][..])
        );
        assert_eq!(
            (updates[1].label.as_str(), updates[1].guidance.as_slice()),
            ("b: c", &["restartXAPI".to_owned()][..])
        );
    }
}
