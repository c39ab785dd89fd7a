//! Programs of a guest that are not the machine's: absent ones, other ones, further ones.
//!
//! A guest shares the machine's programs; what is changed here is mounted over them, inside of the guest alone.

use std::path::Path;

use super::files;
use super::shell::quote;
use super::vm::Vm;

/// Where SELinux systems have `restorecon`, and where the stand-in writes down its calls.
const RESTORECON: &str = "/usr/sbin/restorecon";
const RESTORECON_CALLS: &str = "/var/log/restorecon-calls";

impl Vm {
    /// Makes a program as good as absent: it says what a shell would say.
    pub fn remove_program(&self, program: &str) {
        self.replace_program(
            program,
            &format!("#!/bin/sh\necho \"bash: line 1: {program}: command not found\" >&2\nexit 127\n"),
        );
    }

    /// Puts another executable in the place of a program, wherever that is; it must be installed.
    pub fn replace_program(&self, program: &str, text: &str) {
        let file = format!("run/replaced-{program}");
        files::write(&self.folder().join(&file), text);
        files::set_mode(&self.folder().join(&file), 0o755);
        let program = quote(program);
        self.script(&format!(
            "found=
             for folder in /usr/local/bin /usr/bin; do
                 [ -e $folder/{program} ] || continue
                 mount --bind /{file} $folder/{program}; found=yes
             done
             [ \"$found\" ]"
        ));
    }

    /// Adds an executable that the machine does not have, such as `/usr/sbin/getenforce`: the folder must exist, and is
    /// read-only afterwards.
    ///
    /// # Panics
    /// If it cannot be added.
    pub fn add_program(&self, path: &str, text: &str) {
        let (folder, name) = path.rsplit_once('/').unwrap_or_else(|| panic!("{path} is no path"));
        let own = format!("/run/programs{folder}");
        files::make_folder(&self.file(&own), 0o755);
        let file = self.file(&format!("{own}/{name}"));
        files::write(&file, text);
        files::set_mode(&file, 0o755);
        self.lay_over(&own, folder);
    }

    /// Makes it a system with SELinux as far as `/usr/sbin/restorecon` goes: it restores nothing and succeeds, and
    /// [`Vm::restorecon_calls`] tells how it was called. On Debian that folder is in root's search path alone.
    pub fn selinux(&self) {
        files::write(&self.file(RESTORECON_CALLS), "");
        // Anybody may call it.
        files::set_mode(&self.file(RESTORECON_CALLS), 0o666);
        self.add_program(RESTORECON, &format!("#!/bin/sh\necho \"$(id -un) $*\" >> {RESTORECON_CALLS}\n"));
    }

    /// Who called `restorecon` with which arguments, such as `core -R /home/core/.ssh`.
    ///
    /// # Panics
    /// If the guest was not made one of [`Vm::selinux`].
    #[must_use]
    pub fn restorecon_calls(&self) -> Vec<String> {
        self.script(&format!("cat {RESTORECON_CALLS}")).lines().map(str::to_owned).collect()
    }

    /// Shows the files of one folder beside those of another, in the place of the latter.
    fn lay_over(&self, upper: &str, folder: &str) {
        assert!(Path::new(folder).is_dir(), "the machine has no folder {folder}");
        let (upper, folder) = (quote(upper), quote(folder));
        // Not over an earlier one: overlays can be nested once only.
        self.script(&format!(
            "while mountpoint -q {folder}; do umount --lazy {folder}; done
             mount -t overlay -o ro,lowerdir={upper}:{folder} lab-programs {folder}"
        ));
    }
}
