//! A guest's sshd: started, stopped, killed and paused with its sessions, and its host keys.

use std::fs;
use std::process::Command;
use std::sync::PoisonError;

use super::vm::Vm;
use super::{files, ssh_variants, wait_until};
use crate::tools::{command, stdout_of, succeed};

/// The kinds of host keys that a guest has, as `ssh-keygen -t` names them. RSA is short, because it is made often.
const HOST_KEYS: [(&str, &str); 3] = [("ed25519", "256"), ("ecdsa", "256"), ("rsa", "2048")];

/// What PAM does for sshd: pam.conf(5).
const PAM_FILE: &str = "/etc/pam.d/sshd";

impl Vm {
    /// Starts an sshd on its addresses.
    #[must_use]
    pub fn ssh(self) -> Self {
        self.ssh_with(&[])
    }

    /// Starts an sshd with lines of `sshd_config` that win over the usual ones; see [`ssh_variants`].
    #[must_use]
    pub fn ssh_with(self, lines: &[&str]) -> Self {
        self.configure_ssh(lines);
        self.make_host_keys(&HOST_KEYS);
        self.start_ssh();
        self
    }

    /// Starts an sshd with one host key of a kind that is quickly made: for many VMs.
    #[must_use]
    pub fn ssh_light(self) -> Self {
        self.make_host_keys(&HOST_KEYS[..1]);
        self.start_ssh();
        self
    }

    /// Replaces the lines of `sshd_config` that win, for the next start.
    pub fn configure_ssh(&self, lines: &[&str]) {
        *self.sshd_config.lock().unwrap_or_else(PoisonError::into_inner) = lines.join("\n");
    }

    /// Replaces what PAM does for sshd, where it is used at all; see [`ssh_variants`].
    pub fn configure_pam(&self, lines: &[&str]) {
        files::write(&self.file(PAM_FILE), &(lines.join("\n") + "\n"));
    }

    /// Starts sshd.
    ///
    /// # Panics
    /// If it does not listen in the end; its log is in the message.
    pub fn start_ssh(&self) {
        let lines = self.sshd_config.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut config = format!(
            "{lines}\nPort 22\nListenAddress {}\nListenAddress {}\nUsePAM no\nUseDNS no\nLogLevel VERBOSE\n\
             KbdInteractiveAuthentication no\nPrintMotd no\nPidFile /run/sshd.pid\nMaxStartups 1000\n",
            self.v4(),
            self.ipv6()
        );
        for (kind, _) in HOST_KEYS {
            if self.file(&format!("/etc/ssh/ssh_host_{kind}_key")).exists() {
                config.push_str(&format!("HostKey /etc/ssh/ssh_host_{kind}_key\n"));
            }
        }
        files::write(&self.file("/etc/ssh/sshd_config"), &config);
        if !self.file(PAM_FILE).exists() {
            self.configure_pam(ssh_variants::PAM_PASSWORD);
        }
        let _ = fs::remove_file(self.file("/run/sshd.pid"));
        self.script("/usr/sbin/sshd -E /var/log/sshd.log");
        // It is written once it listens (sshd.c).
        let id = self.file("/run/sshd.pid");
        wait_until(
            || format!("sshd of {} listens; its log:\n{}", self.name(), self.ssh_log()),
            || fs::read_to_string(&id).is_ok_and(|id| id.ends_with('\n')),
        );
    }

    /// Ends sshd with its sessions, as `systemctl stop` and a shutdown do: connections are closed.
    pub fn stop_ssh(&self) {
        self.kill("sshd");
    }

    /// Ends the sessions and leaves sshd listening.
    pub fn end_ssh_sessions(&self) {
        self.script(
            "read -r listener < /run/sshd.pid
             for process in /proc/[0-9]*; do
                 { read -r name < $process/comm; } 2>/dev/null || continue
                 [ $name != sshd ] || [ $process = /proc/$listener ] || kill -KILL ${process#/proc/} 2>/dev/null || :
             done",
        );
    }

    /// Stops sshd and its sessions where they are: the kernel still takes connections, and nobody answers.
    pub fn pause_ssh(&self) {
        self.signal("STOP", "sshd");
    }

    /// Lets sshd and its sessions go on.
    pub fn resume_ssh(&self) {
        self.signal("CONT", "sshd");
    }

    /// Gives it other host keys, as after a reinstallation, and starts sshd anew.
    pub fn change_host_keys(&self) {
        self.stop_ssh();
        let kinds = HOST_KEYS.into_iter().filter(|(kind, _)| self.host_key_file(kind).exists()).collect::<Vec<_>>();
        self.make_host_keys(&kinds);
        self.start_ssh();
    }

    /// The base64 of a public host key, of a kind as `ed25519`, `ecdsa` or `rsa`.
    ///
    /// # Panics
    /// If it has none of that kind.
    #[must_use]
    pub fn host_key_blob(&self, kind: &str) -> String {
        let path = self.host_key_file(kind);
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        text.split_whitespace().nth(1).expect("kind, key, comment").to_owned()
    }

    /// The fingerprint of a host key as people compare it, `SHA256:` and base64: of a kind as `ed25519`, `ecdsa` or
    /// `rsa`.
    ///
    /// # Panics
    /// If it has none of that kind.
    #[must_use]
    pub fn host_key_fingerprint(&self, kind: &str) -> String {
        let shown = stdout_of(command("ssh-keygen", ["-l", "-f"]).arg(self.host_key_file(kind)));
        shown.split_whitespace().nth(1).expect("size, fingerprint, comment").to_owned()
    }

    /// Who was let in so far, and by which method: such as `publickey for core` or `keyboard-interactive/pam for core`.
    #[must_use]
    pub fn logins(&self) -> Vec<String> {
        self.attempts("Accepted ")
    }

    /// What was refused so far: such as `password for core`.
    #[must_use]
    pub fn refused_logins(&self) -> Vec<String> {
        self.attempts("Failed ")
    }

    fn attempts(&self, outcome: &str) -> Vec<String> {
        let log = self.ssh_log();
        let attempts = log.lines().filter_map(|line| line.strip_prefix(outcome)?.split_once(" from "));
        attempts.map(|(attempt, _)| attempt.to_owned()).collect()
    }

    /// What sshd logged so far.
    #[must_use]
    pub fn ssh_log(&self) -> String {
        fs::read_to_string(self.file("/var/log/sshd.log")).unwrap_or_default()
    }

    /// How many connections of SSH it has: sessions that were let in, and those that still log in.
    #[must_use]
    pub fn ssh_connections(&self) -> usize {
        let listing = "ss -H -t -n state established \"( sport = :22 )\"";
        self.script(&format!("{listing} src {}", self.v4())).lines().count()
            + self.script(&format!("{listing} src [{}]", self.ipv6())).lines().count()
    }

    fn host_key_file(&self, kind: &str) -> std::path::PathBuf {
        self.file(&format!("/etc/ssh/ssh_host_{kind}_key.pub"))
    }

    fn make_host_keys(&self, kinds: &[(&str, &str)]) {
        for (kind, bits) in kinds {
            let file = self.file(&format!("/etc/ssh/ssh_host_{kind}_key"));
            let _ = fs::remove_file(&file);
            let mut make = Command::new("ssh-keygen");
            make.args(["-q", "-t", kind, "-b", bits, "-N", "", "-C", self.name(), "-f"]).arg(&file);
            succeed(&mut make);
        }
    }
}
