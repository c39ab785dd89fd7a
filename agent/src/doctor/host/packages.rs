//! What is installed: rpm's word, XAPI's word, and this program's.

use super::super::fault::Fault;
use super::super::program;
use super::{Seen, Unpassed, in_time};
use crate::VERSION;
use crate::xapi::records::{All, PoolUpdate};
use crate::xapi::{Client, HostRef};

/// The package, and the label of its packs.
pub(in super::super) const NAME: &str = "xscontainer";

/// rpm says of a file of a package that it is missing, or how it differs: nine places of marks, blanks, a letter for the
/// kind of the file or none, the path (rpm(8), VERIFY OPTIONS).
const MISSING: &str = "missing";

/// Whether the package is of this program's version, and whole.
pub(super) async fn installed() -> Seen {
    let broken = Fault::RpmUnusable;
    let said = program::run("rpm", &["-q", "--qf", "%{VERSION}\\n", NAME]).await.map_err(broken)?;
    if !said.success {
        // Of a database that it cannot read it says this too, behind an error.
        return Err(match said.output.contains("is not installed") && said.errors.trim().is_empty() {
            true => Fault::NotInstalled,
            false => broken(said.last_words().to_owned()),
        }
        .into());
    }
    let package = said.output.lines().next().unwrap_or_default().trim();
    if package != VERSION {
        return Err(Fault::ProgramVersion { program: VERSION.to_owned(), package: package.to_owned() }.into());
    }
    let said = program::run("rpm", &["-V", NAME]).await.map_err(broken)?;
    let changed: Vec<String> = said.output.lines().filter_map(changed).map(str::to_owned).collect();
    match changed.is_empty() {
        true => Ok(VERSION.to_owned()),
        false => Err(Fault::FilesChanged(changed).into()),
    }
}

/// The file that a line of `rpm -V` complains about. Files of configuration and documentation may be changed.
fn changed(line: &str) -> Option<&str> {
    let path = line.get(line.find('/')?..)?;
    let mut marks = line.get(..line.len() - path.len())?.split_whitespace();
    let what = marks.next()?;
    let is_free = |kind: &str| matches!(kind, "c" | "d");
    let known = what == MISSING || what.len() == 9 && what.bytes().all(|mark| mark.is_ascii_graphic());
    (known && !marks.next().is_some_and(is_free)).then_some(path)
}

/// Whether XAPI has a pack of this version as applied to this host.
pub(super) async fn applied(client: &Client, here: &HostRef) -> Seen {
    let updates = updates(client).await.map_err(|error| Unpassed::Unknown(error.to_string()))?;
    let ours = updates.into_iter().filter(|update| update.name_label.starts_with(NAME) && update.hosts.contains(here));
    let packs: Vec<String> = ours.map(|update| update.version).collect();
    match packs.is_empty() {
        true => Err(Fault::PackMissing.into()),
        false if packs.iter().any(|version| version == VERSION) => Ok(VERSION.to_owned()),
        false => Err(Fault::PackVersion { packs, program: VERSION.to_owned() }.into()),
    }
}

/// Every pack that the pool knows.
pub(in super::super) async fn updates(client: &Client) -> Result<Vec<PoolUpdate>, crate::xapi::Error> {
    let method = "pool_update.get_all_records";
    let All(updates) = in_time(method, client.call::<All<PoolUpdate>>(method, &[])).await?;
    Ok(updates.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rpm_says_of_files_is_understood() {
        for (line, path) in [
            ("S.5....T.    /usr/bin/xscontainer", Some("/usr/bin/xscontainer")),
            ("missing     /etc/xapi.d/plugins/xscontainer", Some("/etc/xapi.d/plugins/xscontainer")),
            ("S.5....T.  c /etc/logrotate.d/xscontainer", None),
            ("missing   d /usr/share/doc/xscontainer/guide.md", None),
            ("error: cannot open Packages database in /var/lib/rpm", None),
            ("", None),
        ] {
            assert_eq!(changed(line), path, "{line}");
        }
    }
}
