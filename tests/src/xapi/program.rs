//! Plugins that are programs, run as xapi runs them.
//!
//! Follows xen-api ocaml/xapi/xapi_plugins.ml (`call_plugin`), ocaml/libs/http-lib/xMLRPC.ml (`To`) and
//! ocaml/forkexecd. Must not know what a plugin does; its output is read by `output`.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, ErrorKind, Read, Seek, SeekFrom},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use tokio::{
    process::{Child, Command},
    sync::watch,
    time::sleep,
};

use super::{output, state::Shared, value::Failure, xmlrpc::escape};

/// The whole environment of a plugin (xen-api ocaml/forkexecd/lib/forkhelpers.ml,
/// `default_path_env_pair`).
const PATH: &str = "/sbin:/usr/sbin:/bin:/usr/bin";

/// How often a program is tried that somebody else has open for writing: a test that writes scripts while another of
/// its threads starts a process sees that for a moment.
const BUSY_TRIES: u32 = 200;
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// A program that runs, for those who want to end it.
#[derive(Debug)]
pub(super) struct Running {
    child: u32,
    kill: watch::Sender<bool>,
}

/// Runs a plugin to its end, however long that takes, and reads what it said.
///
/// The program has one argument, no input, an environment of nothing but `PATH`, files for output and the root as its
/// folder, and no descriptors of this process. It goes on when the client that called it is gone, and ends with the
/// simulator.
///
/// # Errors
/// What xapi makes of its output; `INTERNAL_ERROR` when it cannot be started, as with an argument longer than Linux
/// takes (`MAX_ARG_STRLEN`, 128 KiB).
pub(super) async fn run(
    shared: &Arc<Shared>,
    program: &Path,
    session: &str,
    function: &str,
    arguments: &[(String, String)],
) -> Result<String, Failure> {
    let broken = |error: io::Error| Failure::internal(&format!("cannot run {}: {error}", program.display()));
    let (mut stdout, mut stderr) = (tempfile::tempfile().map_err(broken)?, tempfile::tempfile().map_err(broken)?);
    let mut command = command(program, &argument(session, function, arguments));
    command.env_clear().env("PATH", PATH).current_dir("/");
    command.stdin(Stdio::null()).stdout(stdout.try_clone().map_err(broken)?);
    command.stderr(stderr.try_clone().map_err(broken)?).kill_on_drop(true);
    let mut tries = 1;
    let child = loop {
        match command.spawn() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES => {
                tries += 1;
                sleep(BUSY_PAUSE).await;
            }
            spawned => break spawned.map_err(broken)?,
        }
    };
    let id = child.id().unwrap_or_default();
    let (kill, killed) = watch::channel(false);
    shared.change(|state| state.running.push(Running { child: id, kill }));
    // A task of its own, because the task of the connection ends with the connection.
    let end = tokio::spawn(wait(child, killed, Registered { shared: shared.clone(), child: id }));
    let status = end.await.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(broken)?;
    let (stdout, stderr) = (content(&mut stdout).map_err(broken)?, content(&mut stderr).map_err(broken)?);
    judge(status, &stdout, &stderr)
}

/// The program with its argument. What Rust opens is close-on-exec; what this process has inherited may not be, and then
/// a shell closes it, which afterwards is the program.
fn command(program: &Path, argument: &str) -> Command {
    let inherited = inherited();
    if inherited.is_empty() {
        let mut command = Command::new(program);
        command.arg(argument);
        return command;
    }
    let close: String = inherited.iter().map(|descriptor| format!("exec {descriptor}>&-; ")).collect();
    // Not sh, which cannot close what is above 9 everywhere; and bash would add to the environment.
    let mut command = Command::new("/bin/bash");
    command.arg("-c").arg(format!("{close}exec -c /usr/bin/env PATH={PATH} \"$0\" \"$1\"")).arg(program).arg(argument);
    command
}

/// The descriptors beyond the standard ones that a program would get (proc(5), `/proc/pid/fdinfo`).
fn inherited() -> Vec<u32> {
    const CLOSE_ON_EXEC: u32 = 0o2_000_000;
    let stays_open = |descriptor: &u32| {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}")).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).map(str::trim);
        let flags = flags.and_then(|flags| u32::from_str_radix(flags, 8).ok());
        flags.is_some_and(|flags| flags & CLOSE_ON_EXEC == 0)
    };
    let entries = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let descriptors = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    descriptors.filter(|descriptor| *descriptor > 2 && stays_open(descriptor)).collect()
}

/// Kills the programs that run and waits until they are gone; says how many there were.
pub(super) async fn kill_all(shared: &Shared) -> usize {
    let mut changes = shared.changes();
    let killed: Vec<u32> = shared.look(|state| {
        let kill = |running: &Running| {
            running.kill.send_replace(true);
            running.child
        };
        state.running.iter().map(kill).collect()
    });
    loop {
        changes.mark_unchanged();
        if !shared.look(|state| state.running.iter().any(|running| killed.contains(&running.child))) {
            return killed.len();
        }
        // Cannot fail: the sender is in `shared`.
        let _ = changes.changed().await;
    }
}

/// The entry of a program in the list of those that run, for as long as it runs.
struct Registered {
    shared: Arc<Shared>,
    child: u32,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.shared.change(|state| state.running.retain(|running| running.child != self.child));
    }
}

async fn wait(mut child: Child, mut killed: watch::Receiver<bool>, registered: Registered) -> io::Result<ExitStatus> {
    let ended = tokio::select! {
        status = child.wait() => Some(status),
        _ = killed.wait_for(|killed| *killed) => None,
    };
    let status = match ended {
        Some(status) => status,
        // Kills and waits.
        None => match child.kill().await {
            Ok(()) => child.wait().await,
            Err(error) => Err(error),
        },
    };
    drop(registered);
    status
}

/// The document that a plugin gets: no XML declaration, no attributes, an empty text as `<value/>`.
fn argument(session: &str, function: &str, arguments: &[(String, String)]) -> String {
    let mut call = String::from("<methodCall><methodName>");
    escape(function, &mut call);
    call.push_str("</methodName><params><param>");
    value(session, &mut call);
    call.push_str("</param><param><value>");
    call.push_str(if arguments.is_empty() { "<struct/>" } else { "<struct>" });
    for (key, text) in arguments {
        call.push_str("<member><name>");
        escape(key, &mut call);
        call.push_str("</name>");
        value(text, &mut call);
        call.push_str("</member>");
    }
    call.push_str(if arguments.is_empty() { "" } else { "</struct>" });
    call.push_str("</value></param></params></methodCall>");
    call
}

fn value(text: &str, out: &mut String) {
    if text.is_empty() {
        out.push_str("<value/>");
        return;
    }
    out.push_str("<value>");
    escape(text, out);
    out.push_str("</value>");
}

fn content(file: &mut File) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut content)?;
    Ok(content)
}

/// What the caller gets: only the output of a program that ended well is read.
fn judge(status: ExitStatus, stdout: &[u8], stderr: &[u8]) -> Result<String, Failure> {
    if status.success() {
        return output::read(stdout);
    }
    let mut reason = String::from("non-zero exit");
    if let Some(signal) = status.signal() {
        reason = "signal: ".to_owned();
        match signal_name(signal) {
            Some(name) => reason.push_str(name),
            None => write!(reason, "{signal}").unwrap_or_default(),
        }
    }
    let (stdout, stderr) = (String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr));
    Err(Failure::new("XENAPI_PLUGIN_FAILURE", &[&reason, &stdout, &stderr]))
}

/// The names of signals that end programs (signal(7)).
fn signal_name(number: i32) -> Option<&'static str> {
    Some(match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_argument_is_escaped_and_without_control_characters() {
        let arguments = [("a<b".to_owned(), "\u{1}<&>\"'\n\t\r é".to_owned()), ("empty".to_owned(), String::new())];
        assert_eq!(
            argument("OpaqueRef:s", "f&g", &arguments),
            "<methodCall><methodName>f&amp;g</methodName><params><param><value>OpaqueRef:s</value></param><param><value>\
             <struct><member><name>a&lt;b</name><value>&lt;&amp;&gt;&quot;'\n\t\r é</value></member>\
             <member><name>empty</name><value/></member></struct></value></param></params></methodCall>"
        );
        assert!(argument("s", "f", &[]).contains("<value><struct/></value>"));
    }

    #[test]
    fn how_a_program_ended_comes_before_what_it_said() {
        let good = b"<methodResponse/>";
        let failure = |reason: &str| Err(Failure::new("XENAPI_PLUGIN_FAILURE", &[reason, "<methodResponse/>", "why"]));
        assert_eq!(judge(ExitStatus::from_raw(3 << 8), good, b"why"), failure("non-zero exit"));
        assert_eq!(judge(ExitStatus::from_raw(9), good, b"why"), failure("signal: SIGKILL"));
        assert_eq!(judge(ExitStatus::from_raw(40), good, b"why"), failure("signal: 40"));
    }
}
