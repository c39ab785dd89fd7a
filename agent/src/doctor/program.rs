//! A program of dom0, run for what it says: for so long, for so many bytes, with nothing to read. Must not know which.

use std::env;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::time::timeout;

/// How long one may take.
pub const LIMIT: Duration = Duration::from_secs(5);

/// Bytes that are read of standard output, and of standard error.
pub const MAX_OUTPUT: u64 = 128 * 1024;

/// Where programs are looked for if nobody says; dom0's own.
const USUAL_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin:/opt/xensource/bin";

/// What a program said.
#[derive(Debug)]
pub struct Said {
    /// Whether it ended with 0.
    pub success: bool,
    /// Its standard output. Foreign.
    pub output: String,
    /// Its standard error. Foreign.
    pub errors: String,
}

impl Said {
    /// For people, if it did not do what was wanted: its last words.
    #[must_use]
    pub fn last_words(&self) -> &str {
        let lines = self.output.lines().chain(self.errors.lines());
        lines.map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it said nothing")
    }
}

/// Runs `program`, as root's shell would find it, in the C locale.
///
/// # Errors
/// Why it cannot be run or did not end, in words.
pub async fn run(program: &str, arguments: &[&str]) -> Result<Said, String> {
    let path = env::var_os("PATH").unwrap_or_else(|| USUAL_PATH.into());
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", path).env("LC_ALL", "C").kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let running = async {
        let mut child = command.spawn()?;
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let (output, errors) = tokio::join!(beginning(output), beginning(errors));
        let success = child.wait().await?.success();
        Ok::<_, io::Error>(Said { success, output, errors })
    };
    match timeout(LIMIT, running).await {
        Ok(Ok(said)) => Ok(said),
        Ok(Err(error)) => Err(format!("{program} cannot be run: {error}")),
        Err(_) => Err(format!("{program} did not end within {} s", LIMIT.as_secs())),
    }
}

/// Reads so far; who writes more then finds nobody there.
async fn beginning(source: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(source) = source {
        let _ = source.take(MAX_OUTPUT).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_is_run_for_what_it_says() {
        let said = run("sh", &["-c", "echo one; echo two >&2; exit 3"]).await.unwrap();
        assert_eq!((said.success, said.output.as_str(), said.last_words()), (false, "one\n", "two"));
        let missing = run("there-is-no-such-program", &[]).await.unwrap_err();
        assert!(missing.contains("cannot be run"), "{missing}");
    }

    #[tokio::test]
    async fn a_program_that_does_not_end_or_stop_is_ended() {
        let said = run("sh", &["-c", "while :; do echo and so on; done"]).await.unwrap();
        assert!(!said.success && said.output.len() as u64 == MAX_OUTPUT);
        tokio::time::pause();
        let slow = run("sleep", &["1000"]).await.unwrap_err();
        assert!(slow.contains("did not end within 5 s"), "{slow}");
    }
}
