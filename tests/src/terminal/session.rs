//! The processes of a terminal's session, and their end.
//!
//! Must not know what they do.

use std::fs;
use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};

/// Kills every process of the session that a child leads, in whichever job of a shell: setsid(2). A process that began
/// a session of its own has left the terminal and stays.
pub(super) fn kill(leader: &Child) {
    // The second look finds what was being started during the first.
    for _ in 0..2 {
        for process in processes().filter(|process| session_of(*process) == Some(leader.id())) {
            // It fails for one that has just ended.
            let _ = Pid::from_raw(process).map(|process| kill_process(process, Signal::KILL));
        }
    }
}

fn processes() -> impl Iterator<Item = i32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The number of a process's session: the sixth field of its `stat`, the second of which is a name in parentheses
/// (proc(5)).
fn session_of(process: i32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(3)?.parse().ok()
}
