//! The ways from a login to the engine's socket: the server's own forwarding, else a program in the guest.
//!
//! Commands are fixed texts: nothing that comes from anywhere is ever put into one.

use std::net::IpAddr;

use russh::client::{Handle, Handler};
use russh::{ChannelMsg, ChannelOpenFailure, Error};

use super::keys::UserName;
use crate::guest::unreachable::Unreachable;
use crate::guest::{BoxedStream, Way};

/// Docker's socket.
const DOCKER: &str = "/var/run/docker.sock";

/// The socket of Podman's service, which speaks the same.
const PODMAN: &str = "/run/podman/podman.sock";

/// Bytes of a survey that are read.
const MAX_SURVEY: usize = 4096;

/// A way to the engine's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// The server forwards to the socket (OpenSSH 6.7 and later, PROTOCOL 2.4).
    Forwarded(&'static str),
    /// `ncat` in the guest.
    Ncat(&'static str),
    /// `docker system dial-stdio` in the guest (Docker 18.09 and later).
    DialStdio,
}

/// The doors that cost no program in the guest.
pub(super) const FORWARDED: [Door; 2] = [Door::Forwarded(DOCKER), Door::Forwarded(PODMAN)];

impl Door {
    pub(super) fn way(self) -> Way {
        Way(match self {
            Self::Forwarded(PODMAN) => "SSH, forwarded to Podman's socket",
            Self::Forwarded(_) => "SSH, forwarded to the engine's socket",
            Self::Ncat(_) => "SSH, ncat in the VM",
            Self::DialStdio => "SSH, the docker command in the VM",
        })
    }

    /// A stream through this door; `None` if the server says that there is none.
    pub(super) async fn open<H: Handler>(self, handle: &Handle<H>) -> Result<Option<BoxedStream>, Error> {
        let command = match self {
            Self::Forwarded(socket) => {
                return match handle.channel_open_direct_streamlocal(socket).await {
                    Ok(channel) => Ok(Some(Box::new(channel.into_stream()))),
                    Err(Error::ChannelOpenFailure(
                        ChannelOpenFailure::ConnectFailed
                        | ChannelOpenFailure::AdministrativelyProhibited
                        | ChannelOpenFailure::UnknownChannelType,
                    )) => Ok(None),
                    Err(error) => Err(error),
                };
            }
            Self::Ncat(DOCKER) => "exec ncat -U /var/run/docker.sock",
            Self::Ncat(_) => "exec ncat -U /run/podman/podman.sock",
            Self::DialStdio => "exec docker system dial-stdio",
        };
        let channel = handle.channel_open_session().await?;
        channel.exec(false, command).await?;
        Ok(Some(Box::new(channel.into_stream())))
    }
}

/// Says which of the sockets is there and may be used, and which helpers. Single quotes in none of it, so that every
/// login shell passes it on to sh as it is.
const SURVEY: &str = "exec /bin/sh -c 'for s in /var/run/docker.sock /run/podman/podman.sock; do \
    if [ -S $s ]; then if [ -r $s ] && [ -w $s ]; then echo usable $s; else echo denied $s; fi; fi; done; \
    ncat --version >/dev/null 2>&1 && echo ncat; docker --version >/dev/null 2>&1 && echo docker; echo end'";

/// What a guest has.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    usable: Option<&'static str>,
    denied: Option<&'static str>,
    ncat: bool,
    docker: bool,
    /// Whether it was answered to the end.
    complete: bool,
}

/// Looks around in the guest.
pub(super) async fn survey<H: Handler>(handle: &Handle<H>) -> Result<Survey, Error> {
    let mut channel = handle.channel_open_session().await?;
    channel.exec(false, SURVEY).await?;
    let mut said = Vec::new();
    while let Some(message) = channel.wait().await {
        if let ChannelMsg::Data { data } = message {
            let room = MAX_SURVEY - said.len();
            said.extend_from_slice(&data[..data.len().min(room)]);
            if said.len() == MAX_SURVEY {
                break;
            }
        }
    }
    Ok(Survey::read(&String::from_utf8_lossy(&said)))
}

impl Survey {
    /// A login shell may have said something of its own before.
    fn read(said: &str) -> Self {
        let mut survey = Self::default();
        for line in said.lines() {
            let known = |socket: &str| [DOCKER, PODMAN].into_iter().find(|known| *known == socket);
            match line.trim().split_once(' ') {
                Some(("usable", socket)) => survey.usable = survey.usable.or(known(socket)),
                Some(("denied", socket)) => survey.denied = survey.denied.or(known(socket)),
                Some(_) => {}
                None => match line.trim() {
                    "ncat" => survey.ncat = true,
                    "docker" => survey.docker = true,
                    "end" => survey.complete = true,
                    _ => {}
                },
            }
        }
        survey
    }

    /// The door to try, given that the server forwards to none of the sockets.
    pub(super) fn door(&self, address: IpAddr, user: &UserName) -> Result<Door, Unreachable> {
        match (self.usable, self.denied) {
            (Some(socket), _) if self.ncat => Ok(Door::Ncat(socket)),
            (Some(DOCKER), _) if self.docker => Ok(Door::DialStdio),
            (Some(_), _) => Err(Unreachable::NoForwarding { address }),
            (None, Some(socket)) => Err(Unreachable::SocketDenied { address, user: user.as_str().to_owned(), socket }),
            (None, None) if self.complete => Err(Unreachable::NoSocket { address }),
            (None, None) => Err(Unreachable::NoForwarding { address }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(said: &str) -> Result<Door, String> {
        let user = UserName::parse("core").unwrap();
        Survey::read(said).door(IpAddr::from([10, 0, 0, 7]), &user).map_err(|error| error.to_string())
    }

    #[test]
    fn the_lightest_helper_that_is_there_is_taken() {
        assert_eq!(door("usable /var/run/docker.sock\nncat\ndocker\nend\n"), Ok(Door::Ncat(DOCKER)));
        assert_eq!(door("usable /var/run/docker.sock\ndocker\nend\n"), Ok(Door::DialStdio));
        assert_eq!(door("usable /run/podman/podman.sock\nncat\nend\n"), Ok(Door::Ncat(PODMAN)));
    }

    #[test]
    fn what_is_missing_is_told() {
        assert!(door("usable /var/run/docker.sock\nend\n").unwrap_err().contains("neither ncat nor"));
        assert!(door("denied /var/run/docker.sock\nncat\nend\n").unwrap_err().contains("may not use"));
        assert!(door("ncat\ndocker\nend\n").unwrap_err().contains("no container engine"));
    }

    #[test]
    fn a_guest_that_answers_something_else_is_not_believed() {
        let answers = ["", "This account is currently not available.\n", "usable /etc/shadow\n", "ncat\n"];
        for said in answers {
            assert!(door(said).unwrap_err().contains("does not forward"), "{said}");
        }
    }

    #[test]
    fn greetings_of_a_login_shell_do_not_matter() {
        assert_eq!(door("Welcome!\nusable /var/run/docker.sock \r\nncat\r\nend\r\n"), Ok(Door::Ncat(DOCKER)));
    }
}
