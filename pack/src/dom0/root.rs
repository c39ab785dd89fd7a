//! A host's root as a folder of the build machine: what lands in it, and what is left in it.
//!
//! Packs decide names, links and contents, so every path is resolved by the kernel as in a chroot (openat2(2),
//! `RESOLVE_IN_ROOT`): a link may lead anywhere inside the folder and never out of it. Must not know about packages or
//! scriptlets. Owners and setuid bits are not put on disk: who owns what is for the caller to keep in mind.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Uid};
use rustix::io::Errno;

mod clear;
mod list;

pub use list::{Entry, Kind, Limits};

/// Permissions that are put on disk: setuid and setgid would be real on the build machine.
const PERMISSIONS: u32 = 0o1777;

/// The folder that stands for a host's root. It is removed with everything in it when this is dropped.
#[derive(Debug)]
pub struct Root {
    home: PathBuf,
    home_fd: OwnedFd,
    folder: OwnedFd,
    owner: Option<u32>,
}

impl Root {
    /// Makes an empty root in a new folder within `within` that only this user may enter.
    ///
    /// # Errors
    /// Those of making the folders; `Unsupported` if this is root where no other user can be had to own them.
    pub fn create(within: &Path) -> io::Result<Root> {
        Root::owned(within, confined_user()?)
    }

    /// Like [`Root::create`], for files alone: everything belongs to this user, and no script may be run in it.
    ///
    /// # Errors
    /// Those of making the folders.
    pub fn for_files(within: &Path) -> io::Result<Root> {
        Root::owned(within, None)
    }

    fn owned(within: &Path, owner: Option<u32>) -> io::Result<Root> {
        // Only the owner may enter it, whatever the scripts of a pack do to the modes inside.
        let private = PermissionsExt::from_mode(0o700);
        let home = tempfile::Builder::new().prefix("host-").permissions(private).tempdir_in(within)?.keep();
        let open = || {
            let home_fd = rustix::fs::open(&home, FOLDER, Mode::empty())?;
            rustix::fs::mkdirat(&home_fd, ROOT, Mode::from_raw_mode(0o755))?;
            let folder = rustix::fs::openat(&home_fd, ROOT, FOLDER, Mode::empty())?;
            rustix::fs::fchmod(&folder, Mode::from_raw_mode(0o755))?;
            if let Some(owner) = owner {
                for fd in [&home_fd, &folder] {
                    rustix::fs::fchown(fd, Some(Uid::from_raw(owner)), Some(Gid::from_raw(owner)))?;
                }
            }
            Ok((home_fd, folder))
        };
        match open() {
            Ok((home_fd, folder)) => Ok(Root { home, home_fd, folder, owner }),
            Err(e) => {
                // Still empty, or as good as empty; the reason above is what matters.
                let _ = std::fs::remove_dir_all(&home);
                Err(e)
            }
        }
    }

    /// Where the root is on the build machine, for messages.
    pub fn path(&self) -> PathBuf {
        self.home.join(ROOT)
    }

    /// The folder around the root, which scripts never see.
    pub(super) fn home_path(&self) -> &Path {
        &self.home
    }

    /// Whom everything belongs to, and scripts run as, when this program runs as root.
    pub(super) fn owner(&self) -> Option<u32> {
        self.owner
    }

    /// Makes a folder; says whether it is new. One that is there, or a link to one, stays as it is. Its owner can always
    /// list and change it on disk, whatever the mode.
    ///
    /// # Errors
    /// Those of mkdir(2): something else has that name, or the folder around it is missing.
    pub fn make_folder(&self, path: impl AsRef<Path>, mode: u32) -> io::Result<bool> {
        let Some((parent, name)) = self.locate(path.as_ref())? else { return Ok(false) };
        match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o700)) {
            Ok(()) => {
                self.give(&parent, name)?;
                rustix::fs::chmodat(&parent, name, permissions(mode | 0o700), AtFlags::empty())?;
                Ok(true)
            }
            Err(Errno::EXIST) => {
                // A link to a folder is one for rpm, too.
                self.open(path.as_ref(), OFlags::PATH | OFlags::DIRECTORY)?;
                Ok(false)
            }
            Err(e) => Err(e.into()),
        }
    }

    /// Sets the permissions of a folder, or of the one that a link leads to. Its owner can always list and change it.
    ///
    /// # Errors
    /// Those of opening it and of chmod(2).
    pub fn set_folder_mode(&self, path: impl AsRef<Path>, mode: u32) -> io::Result<()> {
        let folder = self.open(path.as_ref(), OFlags::RDONLY | OFlags::DIRECTORY)?;
        Ok(rustix::fs::fchmod(&folder, permissions(mode | 0o700))?)
    }

    /// Makes the folders around a path that are missing, with mode 0755 as rpm does.
    ///
    /// # Errors
    /// Those of [`Root::make_folder`].
    pub fn make_parents(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let mut parents: Vec<&Path> = path.as_ref().ancestors().skip(1).collect();
        parents.reverse();
        parents
            .into_iter()
            .filter(|parent| parent.file_name().is_some())
            .try_for_each(|parent| self.make_folder(parent, 0o755).map(drop))
    }

    /// Writes a file from a stream in place of any file or link of that name; returns its length.
    ///
    /// # Errors
    /// Those of the stream and of writing. What was written before a failure is removed.
    pub fn write(&self, path: impl AsRef<Path>, mode: u32, content: &mut dyn Read) -> io::Result<u64> {
        let (parent, name) = self.locate_named(path.as_ref())?;
        unlink_if_there(&parent, name)?;
        let create = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(&parent, name, create, Mode::from_raw_mode(0o600))?);
        let written = self.give(&parent, name).and_then(|()| io::copy(content, &mut file)).and_then(|length| {
            rustix::fs::fchmod(&file, permissions(mode))?;
            Ok(length)
        });
        if written.is_err() {
            let _ = rustix::fs::unlinkat(&parent, name, AtFlags::empty());
        }
        written
    }

    /// Makes a symbolic link in place of any file or link of that name. Its target may be anything.
    ///
    /// # Errors
    /// Those of symlink(2).
    pub fn symlink(&self, path: impl AsRef<Path>, target: impl AsRef<Path>) -> io::Result<()> {
        let (parent, name) = self.locate_named(path.as_ref())?;
        unlink_if_there(&parent, name)?;
        rustix::fs::symlinkat(target.as_ref(), &parent, name)?;
        self.give(&parent, name)
    }

    /// Makes another name for a file (not for what a link leads to) in place of any file or link of that name.
    ///
    /// # Errors
    /// Those of link(2).
    pub fn hard_link(&self, path: impl AsRef<Path>, existing: impl AsRef<Path>) -> io::Result<()> {
        let (from, existing) = self.locate_named(existing.as_ref())?;
        let (to, name) = self.locate_named(path.as_ref())?;
        unlink_if_there(&to, name)?;
        Ok(rustix::fs::linkat(&from, existing, &to, name, AtFlags::empty())?)
    }

    /// Makes a file of the build machine appear under a name, without copying it, in place of any file or link of that
    /// name. From then on it belongs to the root's owner, with this mode.
    ///
    /// # Errors
    /// Those of link(2), as when the file is on another file system.
    pub fn adopt(&self, path: impl AsRef<Path>, mode: u32, file: &Path) -> io::Result<()> {
        let (parent, name) = self.locate_named(path.as_ref())?;
        unlink_if_there(&parent, name)?;
        rustix::fs::linkat(rustix::fs::CWD, file, &parent, name, AtFlags::empty())?;
        self.give(&parent, name)?;
        Ok(rustix::fs::chmodat(&parent, name, permissions(mode), AtFlags::empty())?)
    }

    /// Renames a file, link or folder, in place of any file or link that has the new name.
    ///
    /// # Errors
    /// Those of rename(2).
    pub fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
        let (from, old) = self.locate_named(from.as_ref())?;
        let (to, new) = self.locate_named(to.as_ref())?;
        Ok(rustix::fs::renameat(&from, old, &to, new)?)
    }

    /// Removes a file or link; says whether there was one.
    ///
    /// # Errors
    /// Those of unlink(2); a folder is not removed.
    pub fn remove(&self, path: impl AsRef<Path>) -> io::Result<bool> {
        let Some((parent, name)) = absent_is_none(self.locate_named(path.as_ref()))? else { return Ok(false) };
        unlink_if_there(&parent, name)
    }

    /// Removes a folder if it is empty; says whether it is gone now. A link to a folder is none.
    ///
    /// # Errors
    /// Those of rmdir(2), but for what is absent or not empty.
    pub fn remove_folder(&self, path: impl AsRef<Path>) -> io::Result<bool> {
        let Some((parent, name)) = absent_is_none(self.locate_named(path.as_ref()))? else { return Ok(true) };
        match rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(true),
            Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// What has that name, without following a link of that name: its type, permissions, and size or target. Files are
    /// not digested.
    ///
    /// # Errors
    /// Those of stat(2), but for what is absent.
    pub fn look(&self, path: impl AsRef<Path>) -> io::Result<Option<Entry>> {
        let path = path.as_ref();
        let Some(located) = absent_is_none(self.locate(path))? else { return Ok(None) };
        let (parent, name) = located.unwrap_or((self.folder.try_clone()?, OsStr::new(".")));
        match rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Entry::of(&parent, name, path.into(), &stat).map(Some),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// The content of a regular file of at most `limit` bytes. Links are followed inside the root.
    ///
    /// # Errors
    /// Those of reading; `FileTooLarge`; `InvalidInput` if it is not a regular file.
    pub fn read(&self, path: impl AsRef<Path>, limit: u64) -> io::Result<Vec<u8>> {
        // Not to wait at a pipe that something left there.
        let file = File::from(self.open(path.as_ref(), OFlags::RDONLY | OFlags::NONBLOCK)?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let mut content = Vec::new();
        match file.take(limit.saturating_add(1)).read_to_end(&mut content)? as u64 > limit {
            true => Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("longer than {limit} bytes"))),
            false => Ok(content),
        }
    }

    /// Everything in the root, in the order of paths, without the root itself.
    ///
    /// # Errors
    /// Those of reading it; `FileTooLarge` if there is more than the limits allow.
    pub fn list(&self, limits: &Limits) -> io::Result<Vec<Entry>> {
        list::list(self, limits)
    }

    /// Whether something has that name.
    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.look(path).is_ok_and(|entry| entry.is_some())
    }

    /// Whether a path is that of a folder, or of a link to one.
    pub fn is_folder(&self, path: impl AsRef<Path>) -> bool {
        self.open(path.as_ref(), OFlags::PATH | OFlags::DIRECTORY).is_ok()
    }

    /// The names in a folder, in their order; none if there is no such folder. Those that are no UTF-8 are left out.
    pub fn names(&self, folder: impl AsRef<Path>) -> Vec<String> {
        let Ok(folder) = self.open(folder.as_ref(), OFlags::RDONLY | OFlags::DIRECTORY) else { return Vec::new() };
        let names = list::names(&folder, MOST_NAMES).ok().flatten().unwrap_or_default();
        let mut names: Vec<String> = names.into_iter().filter_map(|name| name.into_string().ok()).collect();
        names.sort();
        names
    }

    /// Opens what a path leads to, as a process would whose root this is.
    fn open(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let path = if path.as_os_str().is_empty() { Path::new("/") } else { path };
        loop {
            match rustix::fs::openat2(&self.folder, path, flags | OFlags::CLOEXEC, Mode::empty(), within) {
                // The kernel could not rule out that something was renamed meanwhile, anywhere on the machine: openat2(2).
                Err(Errno::AGAIN | Errno::INTR) => {}
                opened => return Ok(opened?),
            }
        }
    }

    /// The folder that holds a path's last name, and that name; none for the root itself.
    fn locate<'p>(&self, path: &'p Path) -> io::Result<Option<(OwnedFd, &'p OsStr)>> {
        match path.components().next_back() {
            Some(Component::Normal(name)) => {
                let parent = self.open(path.parent().unwrap_or(path), OFlags::PATH | OFlags::DIRECTORY)?;
                Ok(Some((parent, name)))
            }
            Some(Component::RootDir) => Ok(None),
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} names no file", path.display()))),
        }
    }

    fn locate_named<'p>(&self, path: &'p Path) -> io::Result<(OwnedFd, &'p OsStr)> {
        self.locate(path)?.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "/ is the root itself"))
    }

    /// Hands something new over to whom everything belongs to.
    fn give(&self, parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
        let Some(owner) = self.owner else { return Ok(()) };
        let (user, group) = (Uid::from_raw(owner), Gid::from_raw(owner));
        Ok(rustix::fs::chownat(parent, name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)?)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // Whatever stays behind is in a folder for temporary files, and no reason to fail.
        let _ = clear::clear(&self.home_fd).and_then(|()| std::fs::remove_dir(&self.home));
    }
}

/// More names than any folder of interest has.
const MOST_NAMES: usize = 10_000;

/// The name of the root within its home.
const ROOT: &str = "root";
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Nobody's user ID: above those that systemd (docs/UIDS-GIDS.md) and useradd give to users and containers.
const NOBODY_AT_ALL: u32 = 2_000_000_000;
/// The overflow user, for containers in which only the first 65,536 IDs exist.
const NOBODY: u32 = 65_534;

/// Whom to hand everything to where this program runs as root: scripts must not run as the build machine's root.
fn confined_user() -> io::Result<Option<u32>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let map = std::fs::read_to_string("/proc/self/uid_map")?;
    let mapped = |id: u32| {
        map.lines().any(|line| {
            let mut numbers = line.split_whitespace().filter_map(|number| number.parse::<u64>().ok());
            let (first, _, count) = (numbers.next(), numbers.next(), numbers.next());
            first.zip(count).is_some_and(|(first, count)| (first..first.saturating_add(count)).contains(&u64::from(id)))
        })
    };
    match [NOBODY_AT_ALL, NOBODY].into_iter().find(|id| mapped(*id)) {
        Some(id) => Ok(Some(id)),
        None => Err(io::Error::new(io::ErrorKind::Unsupported, "root has no other user to give a host's files to")),
    }
}

fn permissions(mode: u32) -> Mode {
    Mode::from_raw_mode(mode & PERMISSIONS)
}

fn unlink_if_there(parent: &OwnedFd, name: &OsStr) -> io::Result<bool> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(e),
    }
}

fn is_folder(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

#[cfg(test)]
mod tests;
