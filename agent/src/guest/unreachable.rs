//! Every step between dom0 and the engine at which it can end, with what happened, to what, why, and what to do.
//!
//! Must not know how the steps are made.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::family::Family;
use crate::quote::quoted;

/// Why there is no stream to an engine.
#[derive(Debug)]
pub enum Unreachable {
    /// Nobody answers at the port, at any address.
    NoAnswer {
        /// The port.
        port: u16,
        /// What became of each address.
        tried: Vec<(IpAddr, io::Error)>,
    },
    /// Something answers that does not speak SSH, or stops doing so.
    NotSsh {
        /// Where.
        address: IpAddr,
        /// What is wrong with it.
        cause: String,
    },
    /// The SSH server offers only algorithms that are not trusted any more, or not known yet.
    NoCommonAlgorithm {
        /// Where.
        address: IpAddr,
        /// What is offered.
        cause: String,
    },
    /// The SSH server shows another key than the one remembered.
    HostKeyChanged {
        /// Where.
        address: IpAddr,
        /// The fingerprint remembered.
        known: String,
        /// The fingerprint shown.
        shown: String,
    },
    /// The account or the key is not accepted.
    LoginRefused {
        /// Where.
        address: IpAddr,
        /// The account.
        user: String,
    },
    /// The server does not pass streams on to the engine's socket, and there is no program in the guest that could.
    NoForwarding {
        /// Where.
        address: IpAddr,
    },
    /// There is no engine's socket in the guest.
    NoSocket {
        /// Where.
        address: IpAddr,
    },
    /// The engine's socket is not for this account.
    SocketDenied {
        /// Where.
        address: IpAddr,
        /// The account.
        user: String,
        /// The socket.
        socket: &'static str,
    },
    /// No TLS connection comes about.
    Tls {
        /// Where.
        address: IpAddr,
        /// What is wrong with it.
        fault: TlsFault,
    },
    /// A step takes too long.
    Slow {
        /// Where.
        address: IpAddr,
        /// The step.
        step: &'static str,
        /// How long it may take.
        limit: Duration,
    },
    /// The connection was there and is gone.
    Lost {
        /// Where.
        address: IpAddr,
        /// What is known of it.
        cause: String,
    },
}

/// What is wrong with a TLS connection.
#[derive(Debug, PartialEq, Eq)]
pub enum TlsFault {
    /// The engine's certificate is not valid yet, or not any more.
    Expired,
    /// The engine's certificate is not from the authority that the VM was prepared with.
    UnknownAuthority,
    /// The engine's certificate does not name the address.
    WrongName,
    /// The engine's certificate is not one for servers.
    NotForServers,
    /// The engine does not accept our certificate.
    OursRefused(String),
    /// Anything else.
    Other(String),
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer { port, tried } => {
                write!(f, "the VM does not answer on TCP port {port}")?;
                for (at, (address, cause)) in tried.iter().enumerate() {
                    write!(f, "{} {address}: {cause}", if at == 0 { ":" } else { ";" })?;
                }
                Ok(())
            }
            Self::NotSsh { address, cause } => {
                write!(f, "the server on port 22 of {address} does not speak SSH as it should: {cause}")
            }
            Self::NoCommonAlgorithm { address, cause } => {
                write!(f, "the SSH server of {address} has no algorithm in common with this host: {cause}")
            }
            Self::HostKeyChanged { address, known, shown } => write!(
                f,
                "the SSH server of {address} shows another host key than before: {shown} instead of {known}; somebody may \
                 be in between"
            ),
            Self::LoginRefused { address, user } => {
                write!(f, "the SSH server of {address} does not let user {} in with the pool's key", quoted(user))
            }
            Self::NoForwarding { address } => write!(
                f,
                "the SSH server of {address} does not forward to the engine's socket, and neither ncat nor the docker \
                 command is in the VM"
            ),
            Self::NoSocket { address } => {
                write!(f, "there is no container engine in the VM at {address}: it has no socket /var/run/docker.sock")
            }
            Self::SocketDenied { address, user, socket } => {
                write!(f, "user {} of the VM at {address} may not use the engine's socket {socket}", quoted(user))
            }
            Self::Tls { address, fault } => write!(f, "no TLS connection to port 2376 of {address}: {fault}"),
            Self::Slow { address, step, limit } => {
                write!(f, "{step} at {address} took longer than {} s", limit.as_secs())
            }
            Self::Lost { address, cause } => write!(f, "the connection to {address} was lost: {cause}"),
        }
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired => f.write_str("the engine's certificate has expired or is not valid yet"),
            Self::UnknownAuthority => {
                f.write_str("the engine's certificate is not from the authority that this VM was prepared with")
            }
            Self::WrongName => f.write_str("the engine's certificate does not name this address"),
            Self::NotForServers => f.write_str("the engine's certificate is not meant for servers"),
            Self::OursRefused(cause) => write!(f, "the engine does not accept this host's certificate ({cause})"),
            Self::Other(cause) => f.write_str(cause),
        }
    }
}

impl Unreachable {
    /// What to do about it, in a guest of this family.
    #[must_use]
    pub fn remedy(&self, family: Family) -> String {
        match self {
            Self::NoAnswer { port: 22, .. } => format!(
                "See that the VM is up, that its SSH server runs ({}), and that its firewall lets this host in on TCP port 22 \
                 ({}).",
                family.start_ssh(),
                family.open_port(22)
            ),
            Self::NoAnswer { port, .. } => format!(
                "See that the VM is up, that its engine listens on TCP port {port} (prepare it for TLS), and that its \
                 firewall lets this host in there ({}).",
                family.open_port(*port)
            ),
            Self::NotSsh { .. } => {
                "See what listens there, and the log of the VM's SSH server (journalctl -u sshd or -u ssh).".to_owned()
            }
            Self::NoCommonAlgorithm { .. } => "Update the VM's SSH server.".to_owned(),
            Self::HostKeyChanged { .. } => "If the VM was reinstalled or its keys were made anew, compare the new fingerprint \
                with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` (or another host key) prints on the VM's \
                console, then forget the old key: xe vm-param-remove uuid=VM param-name=other-config \
                param-key=xscontainer-sshhostkey"
                .to_owned(),
            Self::LoginRefused { .. } => "Prepare the VM again (xscontainer-prepare-vm -v VM -u ACCOUNT), also if it came from \
                another pool; if that was done, see that the account's home folder belongs to it and that nobody else may \
                write there."
                .to_owned(),
            Self::NoForwarding { .. } => format!(
                "Set `AllowStreamLocalForwarding yes` in the VM's /etc/ssh/sshd_config (OpenSSH 6.7 or later), or: {}.",
                family.get_helper()
            ),
            Self::NoSocket { .. } => format!("Install an engine in the VM and start it: {}.", family.start_engine()),
            Self::SocketDenied { user, .. } => {
                format!("Let the account use the engine, in the VM: {}.", family.let_use_engine(user))
            }
            Self::Tls { fault, .. } => fault.remedy().to_owned(),
            Self::Slow { .. } => "Look at the load of the VM and at the network in between.".to_owned(),
            Self::Lost { .. } => "If it does not come back by itself, look at the VM and at the network in between.".to_owned(),
        }
    }
}

impl TlsFault {
    fn remedy(&self) -> &'static str {
        match self {
            Self::Expired => "Compare the clocks of VM and host; if they are right, give the engine a new certificate.",
            Self::UnknownAuthority | Self::OursRefused(_) => {
                "Prepare the VM again with certificates of one authority on both sides."
            }
            Self::WrongName => {
                "Give the engine a certificate that names the VM's address, and the VM an address that stays."
            }
            Self::NotForServers => "Give the engine a certificate with the extended key usage serverAuth.",
            Self::Other(_) => "See the engine's log and its settings tlsverify, tlscacert, tlscert and tlskey.",
        }
    }
}
