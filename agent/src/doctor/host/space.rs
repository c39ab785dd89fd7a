//! Room: on disks, in the log, in memory.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use super::super::Places;
use super::super::fault::{Fault, Severity, size};
use super::service::Properties;
use super::{Seen, Unpassed};

/// A folder that needs room.
struct Room {
    place: &'static str,
    /// Bytes below which it is worth a look, and below which it fails.
    bytes: (u64, u64),
}

/// The log is of 5 MiB at most before it is rotated, and there are five old ones. A socket takes no room to speak of.
const ROOMS: [Room; 2] =
    [Room { place: "/var/log", bytes: (64 << 20, 4 << 20) }, Room { place: "/run", bytes: (8 << 20, 64 << 10) }];

/// Files that can be made, below which it is worth a look, and below which it fails.
const FILES: (u64, u64) = (1000, 10);

/// Bytes that are available in dom0 below which it is worth a look.
const DOM0_MEMORY: u64 = 96 << 20;

/// Whether there is room for the log and for sockets.
pub(super) fn disks(places: &Places) -> Seen {
    let mut seen = Vec::new();
    let mut faults = Vec::new();
    for Room { place, bytes: (short, full) } in ROOMS {
        let Ok(found) = rustix::fs::statvfs(places.of_root(place.trim_start_matches('/'))) else { continue };
        let bytes = found.f_bavail.saturating_mul(found.f_frsize);
        // Some file systems make inodes as they need them, and count none.
        let files = (found.f_files > 0).then_some(found.f_favail);
        let severity = match (bytes, files.unwrap_or(u64::MAX)) {
            (bytes, files) if bytes < full || files < FILES.1 => Some(Severity::Failure),
            (bytes, files) if bytes < short || files < FILES.0 => Some(Severity::Warning),
            _ => None,
        };
        match severity {
            Some(severity) => faults.push(Fault::Disk { place, bytes, files, severity }),
            None => seen.push(format!("{place} has {} left", size(bytes))),
        }
    }
    if faults.is_empty() { Ok(seen.join(", ")) } else { Err(faults.into()) }
}

/// Whether the log can be written. It is opened and left as it is.
pub(super) fn log(places: &Places) -> Seen {
    let file = places.log_file();
    match OpenOptions::new().append(true).open(&file) {
        Ok(_) => Ok(file.display().to_string()),
        // Whoever logs first makes it.
        Err(error) if error.kind() == io::ErrorKind::NotFound && file.parent().is_some_and(Path::is_dir) => {
            Ok("there is none yet".to_owned())
        }
        Err(error) => Err(Fault::LogUnwritable(file, error).into()),
    }
}

/// Whether the monitor and dom0 have memory left.
pub(super) fn memory(places: &Places, unit: &Properties) -> Seen {
    let mut seen = Vec::new();
    let mut faults = Vec::new();
    let kib = |file: &str, name: &str| {
        let text = fs::read_to_string(places.of_root(file)).ok()?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    let used = unit.process().and_then(|id| kib(&format!("proc/{id}/status"), "VmRSS")).map(|kib| kib << 10);
    match (used, unit.memory_limit()) {
        (Some(used), Some(limit)) if used > limit / 4 * 3 => faults.push(Fault::MonitorMemory { used, limit }),
        (Some(used), _) => seen.push(format!("the monitor has {}", size(used))),
        (None, _) => {}
    }
    match kib("proc/meminfo", "MemAvailable").map(|kib| kib << 10) {
        Some(left) if left < DOM0_MEMORY => faults.push(Fault::Dom0Memory(left)),
        Some(left) => seen.push(format!("dom0 has {} left", size(left))),
        None => {}
    }
    match faults.is_empty() {
        true if seen.is_empty() => Err(Unpassed::Unknown("/proc does not tell".to_owned())),
        true => Ok(seen.join(", ")),
        false => Err(faults.into()),
    }
}
