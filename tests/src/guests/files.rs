//! A guest's own folders: accounts, keys, and what hides the machine's.
//!
//! Must not know what runs in the guest.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

/// The folders that are the guest's own, and under which name they are in its folder.
pub(super) const OWN: [(&str, &str); 6] =
    [("etc", "/etc"), ("home", "/home"), ("run", "/run"), ("tmp", "/tmp"), ("lib", "/var/lib"), ("log", "/var/log")];

/// The user's id.
const CORE: u32 = 1000;

/// The group that may use the engine.
pub(super) const DOCKER: u32 = 995;

/// Makes the folders with the user `core`, who is in group docker.
pub(super) fn make(folder: &Path) {
    for (own, _) in OWN {
        make_folder(&folder.join(own), 0o755);
    }
    set_mode(&folder.join("tmp"), 0o1777);
    for path in ["etc/ssh", "etc/docker", "etc/containers", "run/sshd", "run/lock", "home/core/.ssh"] {
        make_folder(&folder.join(path), 0o755);
    }
    for path in ["home/core", "home/core/.ssh"] {
        let path = folder.join(path);
        chown(&path, Some(CORE), Some(CORE)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }
    write(
        &folder.join("etc/passwd"),
        "root:x:0:0::/root:/bin/bash\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n\
         nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\ncore:x:1000:1000::/home/core:/bin/bash\n",
    );
    // An asterisk: no password fits, yet the account is not locked, so that keys do.
    write(&folder.join("etc/shadow"), "root:*:1::::::\nsshd:*:1::::::\nnobody:*:1::::::\ncore:*:1::::::\n");
    write_groups(folder, true);
    write(
        &folder.join("etc/nsswitch.conf"),
        "passwd: files\ngroup: files\nshadow: files\nhosts: files\nservices: files\nprotocols: files\n",
    );
    write(&folder.join("etc/hosts"), "127.0.0.1 localhost\n");
    // Faster starts; without it programs still find their libraries.
    let _ = fs::copy("/etc/ld.so.cache", folder.join("etc/ld.so.cache"));
}

/// Writes the groups, with `core` in group docker or not.
pub(super) fn write_groups(folder: &Path, core_in_docker: bool) {
    let member = if core_in_docker { "core" } else { "" };
    write(
        &folder.join("etc/group"),
        &format!("root:x:0:\nnogroup:x:65534:\nshadow:x:42:\ncore:x:1000:\ndocker:x:{DOCKER}:{member}\n"),
    );
}

/// Lets the owner of a key in as `core`.
pub(super) fn authorize(folder: &Path, public_key: &str) {
    let file = folder.join("home/core/.ssh/authorized_keys");
    let keys = fs::read_to_string(&file).unwrap_or_default();
    write(&file, &format!("{keys}{}\n", public_key.trim()));
}

/// Lets nobody in any more.
pub(super) fn deauthorize(folder: &Path) {
    write(&folder.join("home/core/.ssh/authorized_keys"), "");
}

pub(super) fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
}

pub(super) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

fn make_folder(path: &Path, mode: u32) {
    fs::create_dir_all(path).unwrap_or_else(|e| panic!("cannot make {}: {e}", path.display()));
    set_mode(path, mode);
}
