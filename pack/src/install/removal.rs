//! How a pack leaves a host: by the script that it ships, else by the default one; and what is left of it afterwards.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use super::REMOVAL_SCRIPT;
use super::host::{Host, Output, Said, Trouble};
use super::older::OlderPack;
use super::packages::{self, Companions};
use super::state::State;
use crate::{Error, Result};

/// With which script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// The one that the pack ships.
    Shipped,
    /// [`REMOVAL_SCRIPT`].
    Default,
}

/// What is to go.
#[derive(Debug, Clone)]
pub struct Removal {
    pub uuid: String,
    /// The label, where anything says it.
    pub label: Option<String>,
    pub script: Script,
    /// Whether that is [`REMOVAL_SCRIPT`], shipped or not: of no other is it known what it does.
    pub is_default: bool,
    /// The packages that will go, as far as rpm tells: what others need stays.
    pub packages: Vec<String>,
}

impl Removal {
    /// What removing a pack means on a host.
    ///
    /// # Errors
    /// [`Error`] of class `Tool` if rpm fails.
    pub fn of(host: &Host, uuid: &str, label: Option<&str>, prefer_default: bool) -> Result<Removal> {
        let all = packages::companions(host, &|| false)?;
        let of_pack = |one: &Companions| one.stamps.contains(uuid) || one.scripts.contains(uuid);
        let found = all.iter().find(|(_, one)| of_pack(one));
        let mut names = Vec::new();
        if let Some((label, one)) = found {
            names.extend(one.payload.iter().filter(|(_, installed)| **installed).map(|(name, _)| name.clone()));
            names.extend(one.update.is_some().then(|| format!("update-{label}")));
            names.extend(one.control.is_some().then(|| format!("control-{label}")));
        }
        let ships = host.path(&shipped(uuid)).is_file();
        let script = if ships && !prefer_default { Script::Shipped } else { Script::Default };
        let content = host.read(&shipped(uuid), REMOVAL_SCRIPT.len() as u64).ok().flatten();
        let ships_default = content.is_some_and(|content| content == REMOVAL_SCRIPT.as_bytes());
        Ok(Removal {
            uuid: uuid.into(),
            label: found.map(|(label, _)| label.clone()).or_else(|| label.map(str::to_owned)),
            script,
            is_default: script == Script::Default || ships_default,
            packages: names,
        })
    }

    /// Runs the script, which tells the person at the terminal what it does; its exit code.
    ///
    /// # Errors
    /// [`Error`] of class `Tool` if it cannot be run, or does not end in time. Then the host is as the script left it.
    pub fn run(&self, host: &Host, force: bool, limit: Duration) -> Result<Option<i32>> {
        let name = match self.script {
            Script::Shipped => shipped(&self.uuid),
            Script::Default => "the default removal script".into(),
        };
        let run = |mut command: Command| -> std::result::Result<Said, Trouble> {
            command.env("LC_ALL", "C");
            host.run_command(command, Output::Shown, Some(limit), &|| false)
        };
        let said = match self.script {
            Script::Shipped => {
                let mut command = Command::new(host.path(&name));
                command.args((force && self.is_default).then_some("--force"));
                run(command)
            }
            Script::Default => {
                let file = script_file().map_err(|e| Error::output(&std::env::temp_dir(), &e))?;
                let mut command = Command::new("sh");
                command.arg(file.path()).args(force.then_some("--force")).arg(&self.uuid);
                run(command)
            }
        };
        said.map(|said| said.code).map_err(|trouble| {
            Error::tool(name, trouble, "See with `suppack list` how far it came, then run the same command again")
        })
    }
}

/// Where a pack's removal script lies.
pub fn shipped(uuid: &str) -> String {
    format!("/var/update/{uuid}/remove")
}

fn script_file() -> std::io::Result<tempfile::NamedTempFile> {
    let mut file =
        tempfile::Builder::new().prefix("suppack-remove-").permissions(Permissions::from_mode(0o600)).tempfile()?;
    file.write_all(REMOVAL_SCRIPT.as_bytes())?;
    Ok(file)
}

/// What is left of a pack, in words, each with what to do about it.
pub fn remains(state: &State, removal: &Removal, packages: &[String]) -> Vec<(String, String)> {
    let mut left = Vec::new();
    for pack in state.packs.iter().filter(|pack| pack.uuid == removal.uuid) {
        left.push((
            format!("its stamp, /var/update/applied/{}", pack.uuid),
            format!("suppack remove --default {}", pack.uuid),
        ));
    }
    for name in packages {
        left.push((format!("its package {name}"), format!("rpm -e {name}")));
    }
    for leftover in state.leftovers.iter().filter(|leftover| leftover.uuid.as_ref() == Some(&removal.uuid)) {
        // That other hosts have it is told apart.
        if !leftover.what.starts_with("not on this host") {
            left.push((leftover.what.clone(), leftover.remedy.clone()));
        }
    }
    if let Some(reason) = &state.xapi_unknown {
        left.push((
            format!("perhaps XAPI's record of it: {reason}"),
            format!("when XAPI runs again: suppack remove {}", removal.uuid),
        ));
    }
    left
}

/// Removes a pack of the older format as its uninstaller does (supp-pack-build, `suppack-uninstall.sh`): packages, then
/// the registry, then XAPI's list.
///
/// # Errors
/// [`Error`] of class `Tool`: another pack needs it, or rpm refuses. Nothing is changed then.
pub fn remove_older(host: &Host, pack: &OlderPack) -> Result<Option<String>> {
    if !pack.needed_by.is_empty() {
        return Err(Error::tool(&pack.id, format!("is needed by {}", pack.needed_by.join(", ")), "Remove that first"));
    }
    let installed: Vec<&str> = pack
        .packages
        .iter()
        .map(String::as_str)
        .filter(|name| packages::is_installed(host, name, &|| false).unwrap_or(false))
        .collect();
    if !installed.is_empty() {
        packages::erase(host, &installed)?;
    }
    let folder = host.path(&format!("{}/{}", super::older::INSTALLED, pack.id));
    std::fs::remove_dir_all(&folder).map_err(|e| Error::output(&folder, &e))?;
    let uuid = host.inventory().ok().flatten().and_then(|inventory| inventory.host_uuid().map(str::to_owned));
    let Some(uuid) = uuid else { return Ok(Some("this host's uuid is not known".into())) };
    let refresh = ["host-refresh-pack-info".to_owned(), format!("host-uuid={uuid}")];
    let refresh: Vec<&str> = refresh.iter().map(String::as_str).collect();
    let said = host.run("xe", &refresh, Output::Kept, Some(Duration::from_secs(60)), &|| false);
    Ok(match said {
        Ok(said) if said.code == Some(0) => None,
        Ok(said) => Some(said.stderr.trim().to_owned()),
        Err(trouble) => Some(trouble.to_string()),
    })
}
