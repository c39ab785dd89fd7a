//! A script at work: answers what it asks, takes its output, and ends it when it must end.
//!
//! Must not know how it was started or what it may see.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Signal};

use super::call::{self, Request};
use super::{Commands, End, MAX_OUTPUT, Ran};

/// How long it may take at most until processes that were killed are gone.
const REAPING: Duration = Duration::from_secs(10);

/// A script at work.
pub(super) struct Started {
    child: Child,
    /// Requests and replies; none once the other side is gone.
    socket: Option<UnixStream>,
    /// The script's output; none once nothing can write to it any more.
    pipe: Option<io::PipeReader>,
    arrived: Vec<u8>,
    replies: Vec<u8>,
    ready: bool,
    output: Vec<u8>,
    cut: bool,
}

impl Started {
    /// `socket` does not wait; `pipe` is the output. The process leads a group of its own.
    pub(super) fn new(child: Child, socket: UnixStream, pipe: io::PipeReader) -> Started {
        Started {
            child,
            socket: Some(socket),
            pipe: Some(pipe),
            arrived: Vec::new(),
            replies: Vec::new(),
            ready: false,
            output: Vec::new(),
            cut: false,
        }
    }

    /// Answers it and takes its output until every process of it is gone.
    pub(super) fn attend(mut self, ends: Instant, commands: &mut dyn Commands) -> io::Result<Ran> {
        let mut killed = None;
        let attended = self.attend_until(ends, commands).and_then(|end| {
            killed = end;
            match killed {
                None => Ok(None),
                Some(_) => {
                    self.kill();
                    self.socket = None;
                    self.attend_until(Instant::now() + REAPING, commands)
                }
            }
        });
        if attended.is_err() || self.pipe.is_some() {
            self.kill();
        }
        let status = self.child.wait()?;
        if attended? == Some(End::TimedOut) {
            return Err(io::Error::other("a script was killed, and is still there"));
        }
        let end = match killed {
            Some(end) => end,
            None if self.ready => end_of(status),
            None => {
                let reason = String::from_utf8_lossy(&self.output).trim().to_owned();
                return Err(io::Error::other(format!("scripts cannot be confined here: {reason} ({status})")));
            }
        };
        Ok(Ran { end, output: self.output, cut: self.cut })
    }

    /// Until everything is closed, or it must be killed.
    fn attend_until(&mut self, ends: Instant, commands: &mut dyn Commands) -> io::Result<Option<End>> {
        while self.socket.is_some() || self.pipe.is_some() {
            let left = ends.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Some(End::TimedOut));
            }
            let (socket, pipe) = self.wait(left)?;
            if pipe {
                self.take_output()?;
            }
            if socket && let Err(reason) = self.talk(commands)? {
                return Ok(Some(End::Garbled(reason)));
            }
        }
        Ok(None)
    }

    /// Waits until the socket, the pipe or both can be used.
    fn wait(&self, left: Duration) -> io::Result<(bool, bool)> {
        // As long as a reply is not taken no other request is read.
        let wanted = if self.replies.is_empty() { PollFlags::IN } else { PollFlags::OUT };
        let socket = self.socket.as_ref().map(|socket| PollFd::new(socket, wanted));
        let pipe = self.pipe.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN));
        let has_socket = socket.is_some();
        let mut waiting: Vec<PollFd> = socket.into_iter().chain(pipe).collect();
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        match rustix::event::poll(&mut waiting, Some(&left)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        let mut usable = waiting.iter().map(|fd| !fd.revents().is_empty());
        let socket = has_socket && usable.next().unwrap_or(false);
        Ok((socket, usable.next().unwrap_or(false)))
    }

    fn take_output(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        let mut buffer = [0; 16 * 1024];
        let length = pipe.read(&mut buffer)?;
        if length == 0 {
            self.pipe = None;
        }
        let room = MAX_OUTPUT - self.output.len();
        self.cut |= length > room;
        self.output.extend(buffer.iter().take(length.min(room)));
        Ok(())
    }

    /// Takes requests and gives replies, as far as possible without waiting.
    fn talk(&mut self, commands: &mut dyn Commands) -> io::Result<Result<(), &'static str>> {
        let Some(socket) = &mut self.socket else { return Ok(Ok(())) };
        if !self.replies.is_empty() {
            match socket.write(&self.replies) {
                Ok(written) => drop(self.replies.drain(..written)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                // Nobody is left to take it.
                Err(_) => self.replies.clear(),
            }
            return Ok(Ok(()));
        }
        let mut buffer = [0; 16 * 1024];
        match socket.read(&mut buffer) {
            Ok(0) => self.socket = None,
            Ok(length) => self.arrived.extend(buffer.iter().take(length)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => self.socket = None,
            Err(e) => return Err(e),
        }
        loop {
            match call::take(&mut self.arrived) {
                Ok(None) => return Ok(Ok(())),
                Ok(Some(Request::Ready)) if !self.ready => self.ready = true,
                // One at a time, so that what waits to be sent is bounded.
                Ok(Some(Request::Call { program, arguments })) if self.ready && self.replies.is_empty() => {
                    self.replies = commands.call(&program, &arguments).encode();
                }
                Ok(Some(_)) => return Ok(Err("it comes out of turn")),
                Err(reason) => return Ok(Err(reason)),
            }
        }
    }

    /// Ends the first process of its namespace, and with it every other.
    fn kill(&mut self) {
        // They have not been waited for: the number still is theirs.
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.kill();
    }
}

fn end_of(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) if code > 128 => End::Killed(code - 128),
        (Some(code), _) => End::Exited(code),
        (None, signal) => End::Killed(signal.unwrap_or(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_read_as_shells_write_them() {
        // As waitpid(2) gives them: the exit code in the second byte, a signal in the first.
        assert_eq!(end_of(ExitStatus::from_raw(3 << 8)), End::Exited(3));
        assert_eq!(end_of(ExitStatus::from_raw(137 << 8)), End::Killed(9));
        assert_eq!(end_of(ExitStatus::from_raw(15)), End::Killed(15));
    }
}
