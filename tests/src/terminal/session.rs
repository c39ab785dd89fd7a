//! The processes of a terminal's session, and their end.
//!
//! Must not know what they do.

use std::fs;
use std::process::Child;

use rustix::process::{Pid, Signal, getsid, kill_process};

/// Kills every process of the session that a child leads, in whichever job of a shell: setsid(2). A process that began
/// a session of its own has left the terminal and stays.
pub(super) fn kill(leader: &Child) {
    let Some(session) = i32::try_from(leader.id()).ok().and_then(Pid::from_raw) else { return };
    // The second look finds what was being started during the first.
    for process in [processes, processes].into_iter().flat_map(|look| look()) {
        if getsid(Some(process)) == Ok(session) {
            // It fails for one that has just ended.
            let _ = kill_process(process, Signal::KILL);
        }
    }
}

fn processes() -> Vec<Pid> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw)).collect()
}
