//! A guest's own folders, and what in them hides the machine's.
//!
//! Must not know what runs in the guest, nor who may log in: see `accounts`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The folders that are the guest's own, and under which name they are in its folder.
pub(super) const OWN: [(&str, &str); 7] = [
    ("etc", "/etc"),
    ("home", "/home"),
    ("root", "/root"),
    ("run", "/run"),
    ("tmp", "/tmp"),
    ("lib", "/var/lib"),
    ("log", "/var/log"),
];

/// The group that may use the engine.
pub(super) const DOCKER: u32 = 995;

/// Makes the folders.
pub(super) fn make(folder: &Path) {
    for (own, _) in OWN {
        make_folder(&folder.join(own), 0o755);
    }
    set_mode(&folder.join("root"), 0o700);
    set_mode(&folder.join("tmp"), 0o1777);
    for path in ["etc/ssh", "etc/docker", "etc/containers", "etc/pam.d", "run/sshd", "run/lock"] {
        make_folder(&folder.join(path), 0o755);
    }
    write(
        &folder.join("etc/nsswitch.conf"),
        "passwd: files\ngroup: files\nshadow: files\nhosts: files\nservices: files\nprotocols: files\n",
    );
    write(&folder.join("etc/hosts"), "127.0.0.1 localhost\n");
    // Faster starts; without it programs still find their libraries.
    let _ = fs::copy("/etc/ld.so.cache", folder.join("etc/ld.so.cache"));
}

pub(super) fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
}

pub(super) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

pub(super) fn make_folder(path: &Path, mode: u32) {
    fs::create_dir_all(path).unwrap_or_else(|e| panic!("cannot make {}: {e}", path.display()));
    set_mode(path, mode);
}
