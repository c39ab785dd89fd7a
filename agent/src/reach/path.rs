//! The path from dom0 to a VM's engine: every step of it, how it is tested, and what usually is wrong where it ends.
//!
//! Whoever explains why containers are not seen speaks from this list. Must not know who wants to know.

use super::trouble::Trouble;
use crate::access::Mode;
use crate::engine;
use crate::guest::Unreachable;

/// A step, in the order of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The VM runs.
    Running,
    /// What XAPI stores about the way in makes sense.
    Settings,
    /// The guest tools report an address.
    Address,
    /// One of the addresses may be used, and leads somewhere.
    Usable,
    /// The port is open.
    Port,
    /// What answers there speaks SSH.
    Greeting,
    /// It is the server that it was before.
    HostKey,
    /// It lets the pool's key in.
    Login,
    /// The engine's socket is there.
    Socket,
    /// The account may use it.
    Permission,
    /// There is a way from the login to the socket.
    Forwarding,
    /// The engine's certificate is what it should be.
    Certificate,
    /// The engine accepts ours.
    Admission,
    /// The engine answers.
    Answer,
    /// It is not too old.
    Version,
}

impl Step {
    /// The path over SSH or over TLS.
    #[must_use]
    pub fn path(mode: Mode) -> &'static [Self] {
        use Step::*;
        match mode {
            Mode::Ssh => &[
                Running, Settings, Address, Usable, Port, Greeting, HostKey, Login, Socket, Permission, Forwarding,
                Answer, Version,
            ],
            Mode::Tls => &[Running, Settings, Address, Usable, Port, Certificate, Admission, Answer, Version],
        }
    }

    /// What is true once the step is made.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "the VM runs",
            Self::Settings => "XAPI has what the way in needs",
            Self::Address => "the guest tools report an address",
            Self::Usable => "an address can be used from this host",
            Self::Port => "the port is open",
            Self::Greeting => "an SSH server answers",
            Self::HostKey => "its host key is the one known",
            Self::Login => "the pool's key is accepted",
            Self::Socket => "the engine's socket is there",
            Self::Permission => "the account may use the socket",
            Self::Forwarding => "the socket can be reached from the login",
            Self::Certificate => "the engine's certificate is accepted",
            Self::Admission => "the engine accepts this host's certificate",
            Self::Answer => "the engine answers",
            Self::Version => "the engine is recent enough",
        }
    }

    /// How it is tested.
    #[must_use]
    pub fn test(self) -> &'static str {
        match self {
            Self::Running => "power_state of the VM in XAPI",
            Self::Settings => "the VM's other_config keys xscontainer-…, and the secrets that they and the pool's name",
            Self::Address => "networks of the VM's guest metrics in XAPI",
            Self::Usable => "kind of address, other VMs' claims, and the host's routes",
            Self::Port => "a TCP connection to port 22, or 2376 for TLS, to all usable addresses at once",
            Self::Greeting => "the SSH server's greeting and the key exchange",
            Self::HostKey => "comparison with the VM's other_config key xscontainer-sshhostkey",
            Self::Login => "a login as xscontainer-username with the pool's key",
            Self::Socket => "test -S /var/run/docker.sock or /run/podman/podman.sock in the VM",
            Self::Permission => "test -r and -w of the socket as that account",
            Self::Forwarding => "a stream by direct-streamlocal@openssh.com, ncat -U, or docker system dial-stdio",
            Self::Certificate => "the TLS handshake: authority, dates, use, and if so prepared the address",
            Self::Admission => "the engine's answer to the handshake",
            Self::Answer => "GET /version",
            Self::Version => "ApiVersion in that answer, at least 1.18 (Docker 1.6)",
        }
    }

    /// What usually is wrong where the path ends here.
    #[must_use]
    pub fn causes(self) -> &'static [&'static str] {
        match self {
            Self::Running => &["the VM is halted, paused or suspended"],
            Self::Settings => &["a key was changed by hand", "the VM came from another pool", "a secret was destroyed"],
            Self::Address => &["no guest tools in the VM, or they do not run", "the VM has no network yet"],
            Self::Usable => &["this host has no network to the VM", "two VMs report the same address"],
            Self::Port => &["no SSH server, or an engine without TLS", "a firewall in the VM or in between"],
            Self::Greeting => &["another service on port 22", "an SSH server that is very old, or overloaded"],
            Self::HostKey => {
                &["the VM was reinstalled, or copied from another", "another machine has the VM's address"]
            }
            Self::Login => &[
                "the VM was not prepared, or for another account or pool",
                "the account's home folder or ~/.ssh may be written by others, which sshd does not accept",
                "sshd_config allows other accounts or other key files only",
            ],
            Self::Socket => &["no engine is installed, or it is not started"],
            Self::Permission => {
                &["the account is not in the socket's group", "on RHEL 7 the socket belongs to root:root"]
            }
            Self::Forwarding => &[
                "AllowStreamLocalForwarding no, or DisableForwarding yes, in sshd_config",
                "OpenSSH before 6.7 (RHEL 7.3 and earlier), and no ncat",
                "an account without a usable shell",
            ],
            Self::Certificate => &["an expired certificate", "a clock that is wrong", "an address that has changed"],
            Self::Admission => &["the engine was given another authority", "this host's certificate has expired"],
            Self::Answer => &["the engine hangs or starts", "something else has the engine's socket or port"],
            Self::Version => &["Docker before 1.6"],
        }
    }
}

impl Trouble {
    /// The step at which the path ends by it.
    #[must_use]
    pub fn step(&self) -> Step {
        match self {
            Self::NotRunning(_) => Step::Running,
            Self::Setting(_) | Self::SwitchedOff | Self::Access(_) | Self::Xapi(_) => Step::Settings,
            Self::NoAddress(candidates) if candidates.refused.is_empty() => Step::Address,
            Self::NoAddress(_) => Step::Usable,
            Self::OtherKey { .. } => Step::Login,
            Self::Guest(unreachable) => unreachable.step(),
            Self::Engine(engine::Error::TooOld(_) | engine::Error::Lacks { .. }) => Step::Version,
            Self::Engine(_) | Self::Slow { .. } => Step::Answer,
        }
    }
}

impl Unreachable {
    /// The step at which the path ends by it.
    #[must_use]
    pub fn step(&self) -> Step {
        use crate::guest::unreachable::TlsFault;
        match self {
            Self::NoAnswer { .. } => Step::Port,
            Self::NotSsh { .. } | Self::NoCommonAlgorithm { .. } => Step::Greeting,
            Self::HostKeyChanged { .. } => Step::HostKey,
            Self::LoginRefused { .. } | Self::Slow { .. } | Self::Lost { .. } => Step::Login,
            Self::NoSocket { .. } => Step::Socket,
            Self::SocketDenied { .. } => Step::Permission,
            Self::NoForwarding { .. } => Step::Forwarding,
            Self::Tls { fault: TlsFault::OursRefused(_), .. } => Step::Admission,
            Self::Tls { .. } => Step::Certificate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_paths_are_in_order_and_every_step_is_explained() {
        for mode in [Mode::Ssh, Mode::Tls] {
            let path = Step::path(mode);
            assert!(path.is_sorted(), "{path:?}");
            for step in path {
                assert!(!step.name().is_empty() && !step.test().is_empty() && !step.causes().is_empty(), "{step:?}");
            }
        }
    }
}
