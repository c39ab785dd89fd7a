//! The build machine: which of its programs a host's scripts can use, and where they and their libraries are.
//!
//! Must not know about hosts or packs. Works where /bin is a folder and where it is a link, with glibc and with musl, and
//! where the programs are BusyBox.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use elf::ElfStream;
use elf::endian::AnyEndian;

/// Where the build machine's programs and libraries are.
const FOLDERS: [&str; 8] = ["/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/bin", "/sbin", "/lib", "/lib64"];

/// Programs of CentOS 7's base system, by the folder in which they are there: what every host has (bash, coreutils,
/// diffutils, findutils, gawk, grep, gzip, procps-ng, sed, tar, util-linux, which, xz, bzip2).
const USR_BIN: &str = "\
    arch awk base64 basename bash bunzip2 bzcat bzip2 cat chgrp chmod chown cksum cmp comm cp csplit cut date dd df diff \
    diff3 dir dirname du echo egrep env expand expr factor false fgrep find flock fmt fold gawk getopt grep groups gunzip \
    gzip head hostid id install join kill link ln logname ls md5sum mkdir mkfifo mknod mktemp mountpoint mv nice nl nohup \
    nproc numfmt od paste pathchk pgrep pkill pr printenv printf ps ptx pwd readlink realpath renice rev rm rmdir sdiff \
    sed seq setsid sh sha1sum sha224sum sha256sum sha384sum sha512sum shred shuf sleep sort split stat stdbuf stty sum \
    sync tac tail tar tee test timeout touch tr true truncate tsort tty uname unexpand uniq unlink unxz users vdir wc \
    which who whoami xargs xz xzcat yes zcat zgrep";
const USR_SBIN: &str = "chroot";
/// What puts a script into its confinement, from util-linux and coreutils.
const TOOLS: [&str; 8] = ["unshare", "setpriv", "mount", "umount", "pivot_root", "chroot", "flock", "head"];

/// What of the build machine a script sees, below `/.build`.
#[derive(Debug)]
pub(super) struct Machine {
    /// Folders to be mounted there under their own names.
    pub(super) folders: Vec<Folder>,
    /// Names that are links on the build machine, and the folders that they lead to.
    pub(super) links: Vec<(&'static str, PathBuf)>,
    /// Where a host has a program, and the build machine's file.
    pub(super) programs: Vec<(PathBuf, PathBuf)>,
    /// Dynamic loaders, by the names that programs ask for, and their files.
    pub(super) loaders: Vec<(PathBuf, PathBuf)>,
    /// Where the loaders find libraries.
    pub(super) libraries: Vec<PathBuf>,
    tools: Vec<(&'static str, PathBuf)>,
}

/// A folder of the build machine.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: &'static str,
    /// What else is mounted in it, and with which options that must stay.
    pub(super) mounts: Vec<(PathBuf, String)>,
}

impl Machine {
    /// Looks at the build machine.
    ///
    /// # Errors
    /// What is missing.
    pub(super) fn look() -> Result<Machine, String> {
        let mut machine = Machine {
            folders: Vec::new(),
            links: Vec::new(),
            programs: Vec::new(),
            loaders: Vec::new(),
            libraries: Vec::new(),
            tools: Vec::new(),
        };
        let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(|e| format!("/proc/self/mountinfo: {e}"))?;
        for path in FOLDERS {
            match fs::symlink_metadata(path) {
                Ok(metadata) if metadata.is_dir() => {
                    machine.folders.push(Folder { path, mounts: mounts_in(path, &mounts)? });
                }
                Ok(_) => machine.links.extend(fs::canonicalize(path).ok().map(|target| (path, target))),
                Err(_) => {}
            }
        }
        let links = std::mem::take(&mut machine.links);
        machine.links = links.into_iter().filter(|(_, target)| machine.shows(target)).collect();
        for tool in TOOLS.into_iter().chain(["sh"]) {
            let file = machine.find(tool);
            let file = file.ok_or_else(|| format!("{tool} is missing: install util-linux and coreutils"))?;
            if ["unshare", "setpriv", "mount"].contains(&tool) && file.ends_with("busybox") {
                return Err(format!("{tool} is BusyBox's, which cannot do enough: install util-linux"));
            }
            machine.tools.push((tool, file));
        }
        machine.find_programs();
        machine.find_libraries();
        Ok(machine)
    }

    /// The file of a program that confinement needs.
    pub(super) fn tool(&self, name: &str) -> &Path {
        let found = self.tools.iter().find(|(tool, _)| *tool == name);
        found.map(|(_, file)| file.as_path()).expect("Machine::look found every tool")
    }

    /// The build machine's bash, if it has one.
    pub(super) fn bash(&self) -> Option<PathBuf> {
        self.find("bash")
    }

    /// Whether a file is in one of the folders that scripts see.
    fn shows(&self, file: &Path) -> bool {
        self.folders.iter().any(|folder| file.starts_with(folder.path))
    }

    fn find(&self, program: &str) -> Option<PathBuf> {
        let found = FOLDERS.iter().filter_map(|folder| fs::canonicalize(Path::new(folder).join(program)).ok());
        found.into_iter().find(|file| file.is_file() && self.shows(file))
    }

    fn find_programs(&mut self) {
        for (folder, names) in [("/usr/bin", USR_BIN), ("/usr/sbin", USR_SBIN)] {
            for name in names.split_whitespace() {
                // A host's sh is bash, and its scripts may count on it.
                let file = match name {
                    "sh" => self.find("bash").or_else(|| self.find("sh")),
                    _ => self.find(name),
                };
                self.programs.extend(file.map(|file| (Path::new(folder).join(name), file)));
            }
        }
    }

    fn find_libraries(&mut self) {
        let tools = self.tools.iter().map(|(_, file)| file);
        let files: BTreeSet<&PathBuf> = self.programs.iter().map(|(_, file)| file).chain(tools).collect();
        let wanted: BTreeSet<PathBuf> = files.into_iter().filter_map(|file| loader_of(file).ok().flatten()).collect();
        for loader in wanted {
            let file = fs::canonicalize(&loader).ok().filter(|file| self.shows(file));
            self.loaders.extend(file.map(|file| (loader, file)));
        }
        for folder in ["/lib64", "/usr/lib64", "/lib", "/usr/lib"] {
            // Debian keeps the libraries of each architecture in a folder of its own, such as x86_64-linux-gnu.
            let inner = fs::read_dir(folder).into_iter().flatten().flatten();
            let inner = inner.filter(|entry| entry.file_name().to_string_lossy().contains("-linux-"));
            for folder in inner.map(|entry| entry.path()).chain([PathBuf::from(folder)]) {
                let folder = fs::canonicalize(folder).ok().filter(|folder| folder.is_dir() && self.shows(folder));
                self.libraries.extend(folder.filter(|folder| !self.libraries.contains(folder)));
            }
        }
    }
}

/// The dynamic loader that a program asks for, if it is an ELF file that does.
fn loader_of(program: &Path) -> io::Result<Option<PathBuf>> {
    let Ok(mut file) = ElfStream::<AnyEndian, _>::open_stream(File::open(program)?) else { return Ok(None) };
    let interpreter = file.segments().iter().find(|segment| segment.p_type == elf::abi::PT_INTERP).copied();
    let Some(interpreter) = interpreter else { return Ok(None) };
    let name = file.segment_data(&interpreter).map_err(io::Error::other)?;
    let name = std::str::from_utf8(name).map_err(io::Error::other)?;
    Ok(Some(name.trim_end_matches('\0').into()))
}

/// What else is mounted in a folder, from the text of /proc/self/mountinfo: proc_pid_mountinfo(5).
fn mounts_in(folder: &str, mountinfo: &str) -> Result<Vec<(PathBuf, String)>, String> {
    let mut mounts = Vec::new();
    for line in mountinfo.lines() {
        let mut fields = line.split(' ').skip(4);
        let (Some(path), Some(options)) = (fields.next(), fields.next()) else { continue };
        if path == folder || !Path::new(path).starts_with(folder) {
            continue;
        }
        if path.contains(['\\', '=']) {
            return Err(format!("something is mounted on {path}, whose name cannot be given on"));
        }
        // A namespace may not drop these of a mount that it was given.
        let kept = options.split(',').filter(|option| ["noexec", "noatime", "nodiratime"].contains(option));
        mounts.push((path.into(), kept.fold(String::new(), |text, option| text + "," + option)));
    }
    mounts.sort();
    mounts.dedup();
    Ok(mounts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mounted_in_a_folder_is_found_with_the_options_that_must_stay() {
        let mountinfo = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
60 22 0:41 / /usr/lib/wsl/drivers ro,nosuid,nodev,noatime - 9p drivers ro
61 22 0:42 / /usr/lib/games rw,noexec,relatime - tmpfs none rw
62 22 0:43 / /usr/library rw - tmpfs none rw
63 22 0:44 / /usr/lib rw - tmpfs none rw
";
        let mounts = mounts_in("/usr/lib", mountinfo).unwrap();
        assert_eq!(
            mounts,
            [
                (PathBuf::from("/usr/lib/games"), ",noexec".to_owned()),
                (PathBuf::from("/usr/lib/wsl/drivers"), ",noatime".to_owned()),
            ]
        );
        assert!(mounts_in("/usr/lib", "1 1 0:1 / /usr/lib/a\\040b rw - tmpfs none rw").is_err());
    }

    #[test]
    fn programs_and_their_loaders_are_found_where_scripts_see_them() {
        let machine = Machine::look().unwrap();
        let (_, sh) = machine.programs.iter().find(|(path, _)| path == Path::new("/usr/bin/sh")).unwrap();
        assert!(machine.shows(sh), "{}", sh.display());
        if let Some(loader) = loader_of(sh).unwrap() {
            assert!(machine.loaders.iter().any(|(path, _)| *path == loader), "{}", loader.display());
        }
        assert!(!machine.shows(Path::new("/etc/passwd")) && !machine.shows(Path::new("/usr/binary")));
    }

    #[test]
    fn what_is_no_program_has_no_loader() {
        let mut text = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut text, b"#!/bin/sh\n").unwrap();
        assert_eq!(loader_of(text.path()).unwrap(), None);
    }
}
