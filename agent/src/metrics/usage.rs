//! What two readings of a container say of the time between them: the formulas of `docker stats`
//! (docker/cli, `cli/command/container/stats_helpers.go`). Must not know where readings come from.

use tokio::time::Instant;

use crate::engine::Stats;

/// More processors than any machine has, where an engine does not say how many there are.
const UNKNOWN_CPUS: u32 = 4096;

/// What a container used, and when.
#[derive(Clone, Debug)]
pub struct Reading {
    /// As the engine said it.
    pub stats: Stats,
    /// When the answer came.
    pub at: Instant,
}

/// Time on processors between two readings, per cent: 100 is one processor on Linux, and all of them on Windows. None if
/// the container was started anew in between, or if no time went by.
#[must_use]
pub fn cpu_percent(before: &Reading, now: &Reading) -> Option<f64> {
    let used = now.stats.cpu.checked_sub(before.stats.cpu)?.as_secs_f64();
    let elapsed = now.at.saturating_duration_since(before.at).as_secs_f64();
    let machine = now.stats.machine.saturating_sub(before.stats.machine).as_secs_f64();
    let cpus = f64::from(now.stats.cpus.unwrap_or(UNKNOWN_CPUS));
    let (share, most) = match now.stats.cpus {
        _ if now.stats.is_windows => (used / (elapsed * cpus), 1.0),
        Some(_) if machine > 0.0 => (used / machine * cpus, cpus),
        _ => (used / elapsed, cpus),
    };
    share.is_finite().then(|| 100.0 * share.min(most))
}

/// Memory in use of what there may be, per cent; none without a limit.
#[must_use]
pub fn memory_percent(stats: &Stats) -> Option<f64> {
    stats.memory_limit.map(|limit| 100.0 * stats.memory as f64 / limit as f64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Readings with so much time on processors, of all of them, and so long apart.
    fn percent(before: Stats, now: Stats, elapsed: Duration) -> Option<f64> {
        let at = Instant::now();
        cpu_percent(&Reading { stats: before, at }, &Reading { stats: now, at: at + elapsed })
    }

    fn stats(cpu: u64, machine: u64, cpus: Option<u32>) -> Stats {
        Stats { cpu: Duration::from_secs(cpu), machine: Duration::from_secs(machine), cpus, ..Stats::default() }
    }

    const SECONDS: Duration = Duration::from_secs(5);

    #[test]
    fn a_hundred_is_one_processor() {
        // The machine's own time counts, not ours: between the readings it had 4 s with 4 processors.
        assert_eq!(percent(stats(10, 100, Some(4)), stats(14, 116, Some(4)), SECONDS), Some(100.0));
        assert_eq!(percent(stats(10, 0, Some(4)), stats(20, 0, Some(4)), SECONDS), Some(200.0));
        assert_eq!(percent(stats(10, 0, None), stats(20, 0, None), SECONDS), Some(200.0));
    }

    #[test]
    fn on_windows_it_is_all_of_them() {
        let windows = |cpu| Stats { is_windows: true, ..stats(cpu, 0, Some(4)) };
        assert_eq!(percent(windows(10), windows(20), SECONDS), Some(50.0));
    }

    #[test]
    fn a_container_that_was_started_anew_has_no_use_yet() {
        assert_eq!(percent(stats(10, 100, Some(4)), stats(1, 116, Some(4)), SECONDS), None);
        assert_eq!(percent(stats(10, 0, Some(4)), stats(11, 0, Some(4)), Duration::ZERO), None);
        assert_eq!(percent(stats(10, 0, Some(4)), stats(10, 0, Some(4)), Duration::ZERO), None);
    }

    #[test]
    fn what_cannot_be_is_cut_to_what_can() {
        assert_eq!(percent(stats(0, 100, Some(2)), stats(u64::MAX / 4, 101, Some(2)), SECONDS), Some(200.0));
        assert_eq!(percent(stats(0, 100, Some(2)), stats(u64::MAX / 4, 7, Some(2)), SECONDS), Some(200.0));
        let most = percent(stats(0, 0, None), stats(u64::MAX / 4, 0, None), Duration::from_nanos(1));
        assert_eq!(most, Some(409_600.0));
    }

    #[test]
    fn memory_is_of_its_limit() {
        let of = |memory, memory_limit| memory_percent(&Stats { memory, memory_limit, ..Stats::default() });
        assert_eq!([of(50, Some(200)), of(50, None)], [Some(25.0), None]);
    }
}
