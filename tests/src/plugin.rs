//! The program `xscontainer plugin`, installed as a plugin of the simulated XAPI: known by what callers get and by its log.
//!
//! Must not know the agent's library.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::monitor::{Monitor, whole_lines};
use crate::programs;
use crate::xapi::{Failure, Ref, Xapi};

/// The plugin of one host; files go when this is dropped.
pub struct Plugin {
    host: Ref,
    directory: TempDir,
}

impl Plugin {
    /// Installs it on the coordinator, beside this monitor or none.
    #[must_use]
    pub fn install(xapi: &Xapi, monitor: Option<&Monitor>) -> Self {
        Self::install_on(xapi, &xapi.host(), xapi.socket(), monitor)
    }

    /// Installs it on `host`, whose XAPI listens on `socket`.
    ///
    /// # Panics
    /// If a file cannot be written, or there is no such host.
    #[must_use]
    pub fn install_on(xapi: &Xapi, host: &Ref, socket: &Path, monitor: Option<&Monitor>) -> Self {
        let directory = tempfile::tempdir().unwrap_or_else(|e| panic!("no temporary directory: {e}"));
        let file = |name: &str| directory.path().join(name);
        let uuid = xapi.get(host, "uuid").ok().and_then(|uuid| uuid.text().map(str::to_owned));
        let uuid = uuid.unwrap_or_else(|| panic!("the simulated pool has no such host"));
        write(&file("inventory"), &format!("INSTALLATION_UUID='{uuid}'\n"));
        create_folder(&file("iso"));
        let agent_socket = monitor.map_or_else(|| file("no.sock"), Monitor::agent_socket);
        // In place of the file that the pack installs, which differs from this one in its paths.
        let script = format!(
            "#!/bin/sh\nexec {} plugin --socket {} --inventory {} --agent-socket {} --template {} --tools-folder {} \
             --log-file {} --verbose -- \"$@\"\n",
            programs::agent().display(),
            socket.display(),
            file("inventory").display(),
            agent_socket.display(),
            file("template").display(),
            file("iso").display(),
            file("log").display(),
        );
        write(&file("plugin"), &script);
        let mode = fs::set_permissions(file("plugin"), fs::Permissions::from_mode(0o755));
        mode.unwrap_or_else(|e| panic!("cannot make the plugin executable: {e}"));
        xapi.install_plugin(host, "xscontainer", &file("plugin"));
        Self { host: host.clone(), directory }
    }

    /// Calls a function on this host, as clients do.
    ///
    /// # Errors
    /// The failure that clients get.
    pub fn call(&self, xapi: &Xapi, function: &str, arguments: &[(&str, &str)]) -> Result<String, Failure> {
        xapi.call_plugin(&self.host, "xscontainer", function, arguments)
    }

    /// The program that XAPI runs.
    #[must_use]
    pub fn program(&self) -> PathBuf {
        self.directory.path().join("plugin")
    }

    /// Where an administrator puts a text of his own for config drives.
    #[must_use]
    pub fn template(&self) -> PathBuf {
        self.directory.path().join("template")
    }

    /// Where the host has its ISO images of guest tools.
    #[must_use]
    pub fn tools_folder(&self) -> PathBuf {
        self.directory.path().join("iso")
    }

    /// The log so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        whole_lines(&self.directory.path().join("log"))
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
}

fn create_folder(path: &Path) {
    fs::create_dir(path).unwrap_or_else(|e| panic!("cannot make {}: {e}", path.display()));
}
