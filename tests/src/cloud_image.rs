//! A cloud image of Debian 12 without a kernel: a root made by the real debootstrap, in which the real cloud-init starts
//! with a config drive, and what the VM installs is installed by the real apt.
//!
//! No service manager runs: services are enabled, not started. Must not know what is on a drive.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::tools::{Said, outcome, succeed};

/// How a root is made. A root that was made in another way is made anew.
const RECIPE: &str = include_str!("cloud_image/make.sh");

/// How something runs in a root.
const RUN: &str = include_str!("cloud_image/run.sh");

/// What the four services of cloud-init run when a VM starts, in their order (its systemd/cloud-*.service).
const STAGES: [&str; 4] = [
    "cloud-init init --local",
    "cloud-init init",
    "cloud-init modules --mode=config",
    "cloud-init modules --mode=final",
];

/// A VM of the image. Its files go when this is dropped.
pub struct Machine {
    root: TempDir,
}

impl Machine {
    /// A VM that has not started yet. The first one ever makes the image, which takes a minute or two and Debian's mirror;
    /// it is kept in `target/lab`.
    ///
    /// # Panics
    /// If there is no image and it cannot be made.
    #[must_use]
    pub fn new() -> Self {
        let machine = Self { root: tempfile::tempdir().expect("a folder") };
        succeed(Command::new("cp").args(["-a", "-T", "--reflink=auto"]).arg(image()).arg(machine.root.path()));
        machine
    }

    /// Starts it for the first time, with a drive; what cloud-init said.
    ///
    /// # Panics
    /// If a stage fails.
    pub fn start(&self, drive: &Path) -> String {
        let said = self.run(drive, &STAGES.join(" && "));
        assert!(said.success, "{}", said.text);
        said.text
    }

    /// Runs a script in it, as root, while it has a drive.
    #[must_use]
    pub fn run(&self, drive: &Path, script: &str) -> Said {
        outcome(Command::new("sh").args(["-c", RUN, "run"]).arg(self.root.path()).arg(drive).arg(script))
    }

    /// A file in it, by its absolute path there.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    /// The text of a file in it.
    ///
    /// # Panics
    /// If it cannot be read.
    #[must_use]
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|e| panic!("{path} in the VM: {e}"))
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

/// The image, made if it is not there. It has its final name when it is whole, and its recipe beside it after that.
fn image() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/lab");
    let [root, part, recipe] = ["debian-12", "debian-12.part", "debian-12.recipe"].map(|name| folder.join(name));
    fs::create_dir_all(&folder).expect("made");
    let lock = File::create(folder.join("debian-12.lock")).expect("made");
    lock.lock().expect("locked");
    if fs::read_to_string(&recipe).is_ok_and(|text| text == RECIPE) {
        return root;
    }
    succeed(Command::new("rm").args(["-rf", "--one-file-system"]).arg(&recipe).arg(&root).arg(&part));
    // What debootstrap mounts is gone with the namespace, even if it is killed.
    let mut make = Command::new("unshare");
    succeed(make.args(["--mount", "--propagation", "private", "sh", "-c", RECIPE, "make"]).arg(&part));
    fs::rename(&part, &root).expect("renamed");
    fs::write(recipe, RECIPE).expect("written");
    root
}
