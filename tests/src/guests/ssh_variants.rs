//! What an sshd is like that is not as usual: lines of `sshd_config` for [`Vm::ssh_with`], and of PAM's configuration
//! for [`Vm::configure_pam`].
//!
//! Without any of them, sshd takes passwords and keys, forwards everything, and does without PAM. Two of them together:
//! `&[PASSWORD_ONLY, ONE_TRY].concat()`. What they mean is in sshd_config(5) and pam_unix(8).
//!
//! [`Vm::ssh_with`]: super::Vm::ssh_with
//! [`Vm::configure_pam`]: super::Vm::configure_pam

/// Keys only, as in most cloud images.
pub const KEYS_ONLY: &[&str] = &["PasswordAuthentication no"];

/// Passwords only, by the method `password`: no key ever lets anybody in.
pub const PASSWORD_ONLY: &[&str] = &["PubkeyAuthentication no"];

/// Keys, and passwords by the method `keyboard-interactive` only, which PAM asks for.
pub const KEYBOARD_INTERACTIVE: &[&str] =
    &["UsePAM yes", "KbdInteractiveAuthentication yes", "PasswordAuthentication no"];

/// Everything with PAM behind it, as Debian and its kin install it: keys, `password`, and no `keyboard-interactive`.
pub const PAM: &[&str] = &["UsePAM yes"];

/// A password and a key, one after the other.
pub const KEY_AND_PASSWORD: &[&str] = &["AuthenticationMethods publickey,password"];

/// Sockets are not forwarded; TCP connections are.
pub const NO_SOCKET_FORWARDING: &[&str] = &["AllowStreamLocalForwarding no"];

/// Nothing is forwarded.
pub const NO_FORWARDING: &[&str] = &["DisableForwarding yes"];

/// Key exchange, host key and checksums with SHA-1 alone, as servers of 2013 with hardening of their time.
pub const SHA1_ONLY: &[&str] =
    &["KexAlgorithms diffie-hellman-group14-sha1", "MACs hmac-sha1", "HostKeyAlgorithms ssh-rsa", "Ciphers aes128-ctr"];

/// Keys of RSA with SHA-2 signatures alone.
pub const RSA_SHA2_ONLY: &[&str] = &["PubkeyAcceptedAlgorithms rsa-sha2-256,rsa-sha2-512"];

/// Keys of RSA with SHA-1 signatures alone.
pub const SSH_RSA_ONLY: &[&str] = &["PubkeyAcceptedAlgorithms ssh-rsa"];

/// No keys of RSA.
pub const NO_RSA_KEYS: &[&str] = &["PubkeyAcceptedAlgorithms ssh-ed25519,ecdsa-sha2-nistp256"];

/// Keys are looked for in a folder of the administrator's; `~/.ssh/authorized_keys` is never read.
pub const KEYS_ELSEWHERE: &[&str] = &["AuthorizedKeysFile /etc/ssh/authorized_keys/%u"];

/// The first attempt is the last.
pub const ONE_TRY: &[&str] = &["MaxAuthTries 1"];

/// Three attempts, keys and passwords together.
pub const THREE_TRIES: &[&str] = &["MaxAuthTries 3"];

/// An account that nobody has is the only one that is let in: passwords and keys are refused as if they were wrong.
pub const OTHERS_ONLY: &[&str] = &["AllowUsers nobody-here"];

/// Whatever is asked for, something else runs; it succeeds.
pub const FORCED_COMMAND: &[&str] = &["ForceCommand /bin/echo This service allows no commands."];

/// Files alone: no commands.
pub const SFTP_ONLY: &[&str] = &["ForceCommand internal-sftp"];

/// PAM asks for the account's password. Wrong ones cost no time here.
pub const PAM_PASSWORD: &[&str] = &[
    "auth required pam_unix.so nodelay",
    "account required pam_unix.so",
    "password required pam_unix.so",
    "session required pam_permit.so",
];

/// PAM asks for the account's password, and then for another one that may be anything: stands for a second factor.
pub const PAM_TWO_QUESTIONS: &[&str] = &[
    "auth required pam_unix.so nodelay",
    // It asks by itself instead of taking what pam_unix was told, and finds no such database.
    "auth optional pam_userdb.so db=/nonexistent",
    "account required pam_unix.so",
    "session required pam_permit.so",
];
