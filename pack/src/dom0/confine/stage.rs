//! What a script finds around it: the build machine's programs in a host's root, and the stage from which it is started.
//!
//! The stage is a folder beside the root. It looks like the build machine as far as programs and libraries go, and nothing
//! of a pack is ever in it, so that what must still be done with privileges after the build machine's own root is gone
//! is done by trusted programs:
//!
//! ```text
//! stage/.build/usr/bin …   the build machine's folders, mounted read-only
//! stage/.build/call        stands in for programs that only a host has
//! stage/.build/lock        what a call holds, another one in each run
//! stage/usr, bin, lib …    links into .build
//! stage/old                where the build machine's root is until it is taken away
//! stage/root               the host's root, and at .build in it stage/.build again
//! ```

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::machine::Machine;
use crate::dom0::root::Root;

/// Where a script finds the build machine.
const BUILD: &str = "/.build";
/// The devices that a script may use.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];
/// Tools that are called by these names under `/.build`, whatever a pack puts in the host's own folders.
const TOOLS: [&str; 6] = ["sh", "umount", "setpriv", "chroot", "flock", "head"];
const CALL: &str = include_str!("call.sh");

/// Gives a host's root the programs that every host has, and the means to run scripts in it. Each of `commands`, absolute
/// paths, becomes a program that asks [`super::Commands`]. What is there already stays.
///
/// # Errors
/// Those of writing it.
pub(super) fn furnish(machine: &Machine, root: &Root, commands: &[&str]) -> io::Result<()> {
    for folder in ["usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "dev", "proc", "var", ".build"] {
        let folder = Path::new("/").join(folder);
        root.make_parents(&folder)?;
        root.make_folder(&folder, 0o755)?;
    }
    for folder in ["/tmp", "/var/tmp"] {
        root.make_folder(folder, 0o1777)?;
    }
    let link = |path: &Path, target: &Path| match root.look(path)? {
        Some(_) => Ok(()),
        None => root.make_parents(path).and_then(|()| root.symlink(path, target)),
    };
    for name in ["bin", "sbin", "lib", "lib64"] {
        link(&Path::new("/").join(name), &Path::new("usr").join(name))?;
    }
    for device in DEVICES {
        let path = Path::new("/dev").join(device);
        if root.look(&path)?.is_none() {
            root.write(&path, 0o666, &mut io::empty())?;
        }
    }
    for command in commands {
        link(Path::new(command), &Path::new(BUILD).join("call"))?;
    }
    for (path, file) in machine.programs.iter().chain(&machine.loaders) {
        link(path, &inside(file))?;
    }
    let stage = root.home_path().join("stage");
    match stage.exists() {
        true => Ok(()),
        false => build(machine, &stage),
    }
}

/// Makes the stage.
fn build(machine: &Machine, stage: &Path) -> io::Result<()> {
    for folder in ["", ".build", ".build/lock", ".build/usr", "old", "root"] {
        make_folder(&stage.join(folder))?;
    }
    for folder in &machine.folders {
        make_folder(&below(stage, Path::new(folder.path)))?;
    }
    for (path, target) in &machine.links {
        symlink(inside(target), below(stage, Path::new(path)))?;
    }
    for name in ["usr", "bin", "sbin", "lib", "lib64"] {
        symlink(Path::new(".build").join(name), stage.join(name))?;
    }
    // To unmount something, umount(8) reads what is mounted.
    symlink("old/proc", stage.join("proc"))?;
    for tool in TOOLS {
        symlink(inside(machine.tool(tool)), stage.join(".build").join(tool))?;
    }
    let call = stage.join(".build/call");
    fs::File::create_new(&call)?.write_all(CALL.as_bytes())?;
    fs::set_permissions(&call, fs::Permissions::from_mode(0o755))
}

/// Makes a folder that whoever scripts run as may enter, whatever the umask.
fn make_folder(path: &Path) -> io::Result<()> {
    fs::create_dir(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

/// The name under which a script finds a file of the build machine.
pub(super) fn inside(file: &Path) -> PathBuf {
    let relative = file.strip_prefix("/").unwrap_or(file);
    Path::new(BUILD).join(relative)
}

fn below(stage: &Path, path: &Path) -> PathBuf {
    stage.join(inside(path).strip_prefix("/").unwrap_or(path))
}

/// What is mounted where, as for mount(8), relative to the folder around root and stage. The stage comes to /tmp, which
/// every machine has; this happens in a namespace of its own.
pub(super) fn mounts(machine: &Machine, with_proc: bool) -> String {
    let mut table = String::from("./stage /tmp none bind,ro,nosuid,nodev 0 0\n");
    for folder in &machine.folders {
        // Without what is mounted in it, a folder may not be shown where the build machine's mounts are locked.
        let bind = if folder.mounts.is_empty() { "bind" } else { "rbind" };
        table += &format!("{0} /tmp/.build{0} none {bind},ro,nosuid,nodev 0 0\n", folder.path);
    }
    // What only one call of a run may hold at a time is the run's own: a call may make the caller run another script.
    table += "tmpfs /tmp/.build/lock tmpfs ro,nosuid,nodev,noexec,size=4k 0 0\n";
    table += "./root /tmp/root none bind,nosuid,nodev 0 0\n";
    table += "/tmp/.build /tmp/root/.build none rbind,ro,nosuid,nodev 0 0\n";
    for device in DEVICES {
        // Read-only keeps the device's own mode and owner as they are; it can be written to all the same.
        table += &format!("/dev/{device} /tmp/root/dev/{device} none bind,ro,nosuid,noexec 0 0\n");
    }
    if with_proc {
        table += "proc /tmp/root/proc proc ro,nosuid,nodev,noexec 0 0\n";
    }
    table
}

/// What is mounted in the build machine's folders, as `setup.sh` expects it.
pub(super) fn mounts_to_lock(machine: &Machine) -> String {
    let mounts = machine.folders.iter().flat_map(|folder| &folder.mounts);
    mounts.map(|(path, options)| format!("{}={options}", path.display())).collect::<Vec<_>>().join(" ")
}
