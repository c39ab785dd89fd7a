//! A simulated pool whose VMs are simulated guests that let it in.
//!
//! Must not know the agent, but for the names under which the original kept the pool's key and registered VMs.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::guests::{Network, Vm};
use crate::tools::succeed;
use crate::xapi::{Config, Ref, Value, Xapi};

/// A pool of one host, and a network that its VMs are on.
pub struct Pool {
    /// The pool's XAPI.
    pub xapi: Xapi,
    /// Where its VMs are.
    pub network: Network,
    private_key: String,
    public_key: String,
    _directory: tempfile::TempDir,
}

impl Default for Pool {
    fn default() -> Self {
        Self::new()
    }
}

impl Pool {
    /// A pool with a key as the original agent would have made it, but shorter.
    ///
    /// # Panics
    /// If XAPI cannot be served or a program is missing.
    #[must_use]
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap_or_else(|e| panic!("no temporary directory: {e}"));
        let key = directory.path().join("key");
        let make = ["-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f"];
        succeed(Command::new("ssh-keygen").args(make).arg(&key));
        let (private, public_key) = (read(&key), read(&key.with_extension("pub")));
        let xapi = Xapi::start(Config::at(&directory.path().join("xapi"))).unwrap_or_else(|e| panic!("{e}"));
        for (half, text) in [("private", &private), ("public", &public_key)] {
            let secret = made(xapi.add("secret", [("value", Value::from(text.as_str()))]));
            let uuid = made(xapi.get(&secret, "uuid"));
            let entry = format!("xscontainer-{half}-secret-uuid");
            made(xapi.set_entry(&xapi.pool(), "other_config", &entry, uuid.text().unwrap_or_default()));
        }
        Self { xapi, network: Network::new(), private_key: private, public_key, _directory: directory }
    }

    /// The key by which the pool logs in, in PEM.
    #[must_use]
    pub fn private_key(&self) -> &str {
        &self.private_key
    }

    /// The key that guests are to trust: a line as in a `.pub` file.
    #[must_use]
    pub fn public_key(&self) -> &str {
        &self.public_key
    }

    /// A guest that lets the pool in from now on.
    #[must_use]
    pub fn prepared(&self, guest: Vm) -> Vm {
        guest.authorize(&self.public_key);
        guest
    }

    /// A registered, running VM at the guest's address.
    pub fn register(&self, guest: &Vm) -> Ref {
        self.add_vm(guest.name(), &[("0/ip", &guest.address().to_string())], &[])
    }

    /// A registered, running VM that reports these addresses and has these entries beside.
    ///
    /// # Panics
    /// If XAPI does not take it.
    pub fn add_vm(&self, name: &str, networks: &[(&str, &str)], entries: &[(&str, &str)]) -> Ref {
        let usual = [("mac_seed", "1"), ("xscontainer-monitor", "True")];
        let config = Value::map(usual.iter().chain(entries).copied());
        let vm = made(self.xapi.add_vm(name, [("other_config", config)]));
        made(self.xapi.add_guest_metrics(&vm, networks));
        vm
    }
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

fn made<T>(result: Result<T, crate::xapi::Failure>) -> T {
    result.unwrap_or_else(|failure| panic!("the simulated XAPI refuses: {failure}"))
}
