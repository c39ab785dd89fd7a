//! Troubles of a guest's disk: full, read-only, immutable files.
//!
//! They are mounts inside of the guest, so that they end with it: [`Vm::file`] does not see them.

use super::shell::quote;
use super::vm::Vm;

/// Enough for what homes hold here.
const SIZE: &str = "1m";

/// The name of their file system, by which it is known again.
const HOMES: &str = "lab-homes";

/// What takes up the room, beside the homes.
const FILLER: &str = "/home/.filler";

impl Vm {
    /// Fills the file system of all homes to the last block: nothing can be written (ENOSPC), yet empty files and
    /// folders can be made, and a file's last block can be used up, as on any file system.
    ///
    /// # Panics
    /// If it cannot be mounted.
    pub fn fill_homes(&self) {
        self.put_homes_into_memory();
        // The last blocks may be fewer than a large write needs. The machine's own disk is never filled.
        self.script(&format!(
            "grep -q '^{HOMES} /home ' /proc/mounts
             ! cat /dev/zero 2>/dev/null >> {FILLER}
             ! dd if=/dev/zero bs=1 count=4096 2>/dev/null >> {FILLER}"
        ));
    }

    /// Makes room again.
    pub fn free_homes(&self) {
        self.script(&format!("rm -f {FILLER}"));
    }

    /// Makes a folder with all below it, or a file, read-only (EROFS), root included. A file can then neither be
    /// replaced nor removed (EBUSY).
    ///
    /// # Panics
    /// If there is none.
    pub fn make_read_only(&self, path: &str) {
        let path = quote(path);
        self.script(&format!("mount --bind {path} {path}; mount -o remount,bind,ro {path}"));
    }

    /// Ends what [`Vm::make_read_only`] did.
    ///
    /// # Panics
    /// If it did not.
    pub fn make_writable(&self, path: &str) {
        self.script(&format!("umount {}", quote(path)));
    }

    /// Makes a file or folder in a home immutable (EPERM), root included, as `chattr +i` does. Needs Linux 6.0: the
    /// homes are put into memory for it, where earlier ones have no such flag, because on the machine's disk it would
    /// outlive a killed test.
    ///
    /// # Panics
    /// If there is none.
    pub fn make_immutable(&self, path: &str) {
        self.put_homes_into_memory();
        self.script(&format!("chattr +i {}", quote(path)));
    }

    /// Ends what [`Vm::make_immutable`] did.
    ///
    /// # Panics
    /// If there is none.
    pub fn make_mutable(&self, path: &str) {
        self.script(&format!("chattr -i {}", quote(path)));
    }

    /// Moves all homes into a small file system of their own, with everything in them.
    fn put_homes_into_memory(&self) {
        // Sessions that are in a home stay in the one on the disk.
        self.script(&format!(
            "! grep -q '^{HOMES} /home ' /proc/mounts || exit 0
             mkdir -p /run/homes; mount -t tmpfs -o mode=755,size={SIZE} {HOMES} /run/homes
             cp -a /home/. /run/homes/; mount --move /run/homes /home"
        ));
    }
}
