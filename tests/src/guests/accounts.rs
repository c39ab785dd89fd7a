//! A guest's accounts: who there is, with which password, groups and keys.
//!
//! They are text files, which login programs read anew every time: passwd(5), shadow(5), group(5). Must not know how
//! somebody logs in.

use std::fs;
use std::io::Write;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Command, Stdio};

use super::files;
use super::shell::quote;
use super::vm::Vm;

/// The account that every guest has.
const CORE: &str = "core";

/// The group that may use the engine.
const DOCKER: &str = "docker";

/// Places in an entry of shadow(5), from 0: the password's hash, and the day when it was last changed.
const HASH: usize = 1;
const LAST_CHANGE: usize = 2;

/// Where an account's files are, and whose they are.
struct Account {
    /// Its id, and its group's.
    owner: String,
    /// As a word of the shell.
    home: String,
}

impl Vm {
    /// Adds an account as a fresh installation makes it: a home with nothing in it, no password, no group but its own.
    /// Shells that let nobody work are `/usr/sbin/nologin`, `/bin/false` and, in part, `/bin/rbash`.
    ///
    /// # Panics
    /// If there is one of that name.
    pub fn add_account(&self, name: &str, shell: &str) {
        let accounts = entries(&self.file("/etc/passwd"));
        assert!(accounts.iter().all(|account| account[0] != name), "{} has an account {name}", self.name());
        // 1000 is `core`, the last is `nobody`.
        let id = accounts.iter().filter_map(|account| account[2].parse().ok()).filter(|id| *id < 60_000).max();
        let id = id.unwrap_or(1000_u32).max(1000) + 1;
        append(&self.file("/etc/passwd"), &format!("{name}:x:{id}:{id}::/home/{name}:{shell}"));
        append(&self.file("/etc/shadow"), &format!("{name}:*:1::::::"));
        append(&self.file("/etc/group"), &format!("{name}:x:{id}:"));
        // As useradd(8) makes it with Debian's HOME_MODE.
        self.script(&format!("install -d -m 700 -o {id} -g {id} /home/{}", quote(name)));
    }

    /// Gives an account a password, of at most 255 bytes and one line.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn set_password(&self, account: &str, password: &str) {
        let hash = hash(password);
        self.change_shadow(account, |fields| fields[HASH] = hash);
    }

    /// Lets an account's password be too old: whoever logs in with it must change it first. chage(1), `--lastday 0`.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn expire_password(&self, account: &str) {
        self.change_shadow(account, |fields| fields[LAST_CHANGE] = "0".to_owned());
    }

    /// Locks an account, keys included where sshd does without PAM: passwd(1), `--lock`.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn lock_account(&self, account: &str) {
        self.change_shadow(account, |fields| fields[HASH].insert(0, '!'));
    }

    /// Puts an account into a group, for logins from now on.
    ///
    /// # Panics
    /// If there is no such group.
    pub fn join_group(&self, account: &str, group: &str) {
        self.change_members(group, |members| members.push(account.to_owned()));
    }

    /// Takes an account out of a group, for logins from now on.
    ///
    /// # Panics
    /// If there is no such group.
    pub fn leave_group(&self, account: &str, group: &str) {
        self.change_members(group, |members| members.retain(|member| member != account));
    }

    /// Takes `core` out of group docker, for logins from now on.
    pub fn leave_docker_group(&self) {
        self.leave_group(CORE, DOCKER);
    }

    /// Puts `core` into group docker, where it is in the beginning.
    pub fn join_docker_group(&self) {
        self.join_group(CORE, DOCKER);
    }

    /// Lets the owner of a key log in as `core`: a line as in a `.pub` file.
    pub fn authorize(&self, public_key: &str) {
        self.authorize_for(CORE, public_key);
    }

    /// Lets the owner of a key log in to an account.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn authorize_for(&self, account: &str, public_key: &str) {
        let Account { owner, home } = self.account(account);
        self.script(&format!(
            "cd {home}; [ -d .ssh ] || install -d -m 700 -o {owner} -g {owner} .ssh
             printf '%s\\n' {} >> .ssh/authorized_keys",
            quote(public_key.trim())
        ));
    }

    /// Lets nobody log in as `core` with a key any more.
    pub fn deauthorize(&self) {
        self.script(&format!(": > {}/.ssh/authorized_keys", self.account(CORE).home));
    }

    /// Gives an account's `authorized_keys` exactly this content, with or without a line end: a file of the account's
    /// own that nobody else may read.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn set_authorized_keys(&self, account: &str, content: &str) {
        let Account { owner, home } = self.account(account);
        self.script(&format!(
            "cd {home}; [ -d .ssh ] || install -d -m 700 -o {owner} -g {owner} .ssh
             rm -f .ssh/authorized_keys; install -m 600 -o {owner} -g {owner} /dev/null .ssh/authorized_keys
             printf %s {} > .ssh/authorized_keys",
            quote(content)
        ));
    }

    /// The content of an account's `authorized_keys`, through links as the guest sees them; none if there is no such
    /// file.
    ///
    /// # Panics
    /// If there is no such account.
    #[must_use]
    pub fn authorized_keys(&self, account: &str) -> Option<String> {
        let file = format!("{}/.ssh/authorized_keys", self.account(account).home);
        // A mark behind it, so that its line end is not taken for the shell's.
        let said = self.script(&format!("[ ! -e {file} ] || {{ cat {file}; echo .; }}"));
        said.strip_suffix(".\n").map(str::to_owned)
    }

    /// Moves an account's `authorized_keys` into a file of this name in the home, and makes it a link to that.
    ///
    /// # Panics
    /// If there is no such account or file.
    pub fn link_authorized_keys(&self, account: &str, name: &str) {
        let Account { owner, home } = self.account(account);
        let target = format!("{home}/{}", quote(name));
        self.script(&format!(
            "cd {home}/.ssh; mv authorized_keys {target}; ln -s {target} authorized_keys; chown -h {owner}:{owner} \
             authorized_keys"
        ));
    }

    /// Removes an account's `~/.ssh`, which `core` has in the beginning and fresh accounts have not.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn remove_ssh_folder(&self, account: &str) {
        self.script(&format!("rm -rf {}/.ssh", self.account(account).home));
    }

    /// Lets a group write into an account's home, for which sshd refuses its keys: `StrictModes` of sshd_config(5). The
    /// group is one of others too, because Debian's sshd allows it for a group that an account has for itself.
    ///
    /// # Panics
    /// If there is no such account.
    pub fn open_home_to_group(&self, account: &str) {
        let Account { home, .. } = self.account(account);
        self.script(&format!("chgrp nogroup {home}; chmod g+w {home}"));
    }

    fn account(&self, name: &str) -> Account {
        let file = self.file("/etc/passwd");
        let found = entries(&file).into_iter().find(|entry| entry[0] == name);
        let entry = found.unwrap_or_else(|| panic!("{} has no account {name}", self.name()));
        Account { owner: entry[2].clone(), home: quote(&entry[5]) }
    }

    #[track_caller]
    fn change_shadow(&self, account: &str, edit: impl FnOnce(&mut Vec<String>)) {
        change(&self.file("/etc/shadow"), account, edit);
    }

    #[track_caller]
    fn change_members(&self, group: &str, edit: impl FnOnce(&mut Vec<String>)) {
        change(&self.file("/etc/group"), group, |fields| {
            let members = fields.pop().unwrap_or_default();
            let mut members: Vec<String> =
                members.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
            edit(&mut members);
            members.sort_unstable();
            members.dedup();
            fields.push(members.join(","));
        });
    }
}

/// Writes the databases of a new guest: the accounts that any system has, and `core`, who is in group docker and whose
/// home has an empty `~/.ssh`.
pub(super) fn make(folder: &Path) {
    files::write(
        &folder.join("etc/passwd"),
        "root:x:0:0::/root:/bin/bash\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n\
         nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\ncore:x:1000:1000::/home/core:/bin/bash\n",
    );
    // An asterisk: no password fits, yet the account is not locked, so that keys do.
    files::write(&folder.join("etc/shadow"), "root:*:1::::::\nsshd:*:1::::::\nnobody:*:1::::::\ncore:*:1::::::\n");
    files::set_mode(&folder.join("etc/shadow"), 0o600);
    files::write(
        &folder.join("etc/group"),
        &format!("root:x:0:\nnogroup:x:65534:\nshadow:x:42:\ncore:x:1000:\n{DOCKER}:x:{}:core\n", files::DOCKER),
    );
    for path in ["home/core", "home/core/.ssh"] {
        let path = folder.join(path);
        files::make_folder(&path, 0o755);
        chown(&path, Some(1000), Some(1000)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }
}

/// The hash by which a password is known: crypt(5), SHA-512.
fn hash(password: &str) -> String {
    let mut openssl = Command::new("openssl");
    openssl.args(["passwd", "-6", "-stdin"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = openssl.spawn().unwrap_or_else(|e| panic!("openssl cannot be run: {e}"));
    let mut input = child.stdin.take().expect("piped");
    input.write_all(format!("{password}\n").as_bytes()).unwrap_or_else(|e| panic!("openssl takes no password: {e}"));
    drop(input);
    let output = child.wait_with_output().unwrap_or_else(|e| panic!("openssl does not end: {e}"));
    let hash = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(output.status.success() && hash.starts_with("$6$"), "openssl made no hash");
    hash
}

/// The entries of a database, with their fields.
fn entries(file: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect()
}

fn append(file: &Path, entry: &str) {
    let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    files::write(file, &format!("{text}{entry}\n"));
}

/// Changes the entry of a name.
#[track_caller]
fn change(file: &Path, name: &str, edit: impl FnOnce(&mut Vec<String>)) {
    let mut entries = entries(file);
    let entry = entries.iter_mut().find(|entry| entry[0] == name);
    edit(entry.unwrap_or_else(|| panic!("{} has no entry {name}", file.display())));
    let lines: Vec<String> = entries.iter().map(|entry| entry.join(":") + "\n").collect();
    files::write(file, &lines.concat());
}
