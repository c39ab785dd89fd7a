//! The time: certificates are good or not by it, and logs of several hosts can be read together.

use std::time::SystemTime;

use super::super::fault::{Fault, Severity};
use super::{NO_XAPI, Seen, in_time};
use crate::certificates::Date;
use crate::xapi::{Client, hosts};

/// Seconds by which it may differ before it is worth a look, and before it is wrong.
const DIFFERS: u64 = 10;
const WRONG: u64 = 120;

/// Whether it is later than when this program was made, and what it is on the pool's coordinator.
pub(super) async fn check(client: &Client, has_xapi: bool) -> Seen {
    let now = SystemTime::now();
    // The date in the package, which rpm gives the file.
    let made = std::env::current_exe().and_then(|file| file.metadata()?.modified());
    if let Some(made) = made.ok().filter(|made| *made > now) {
        return Err(Fault::ClockBeforeProgram { now: Date(now), made: Date(made) }.into());
    }
    if !has_xapi {
        return Ok(format!("it is {}; {NO_XAPI}", Date(now)));
    }
    let asking = async { hosts::server_time(client, &hosts::coordinator(client).await?).await };
    let before = SystemTime::now();
    let Ok(there) = in_time("host.get_servertime", asking).await else {
        return Ok(format!("it is {}; the coordinator does not say what it is there", Date(now)));
    };
    let ahead = ahead(before, SystemTime::now(), there);
    match ahead.unsigned_abs() {
        0..DIFFERS => Ok(format!("it is {}, as on the pool's coordinator", Date(now))),
        DIFFERS..WRONG => Err(Fault::Clock { ahead, severity: Severity::Warning }.into()),
        _ => Err(Fault::Clock { ahead, severity: Severity::Failure }.into()),
    }
}

/// Seconds that our clock is ahead of one that said `there` somewhen between `before` and `after`.
fn ahead(before: SystemTime, after: SystemTime, there: SystemTime) -> i64 {
    let seconds = |time: SystemTime| match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(until) => -i64::try_from(until.duration().as_secs()).unwrap_or(i64::MAX),
    };
    let (before, after, there) = (seconds(before), seconds(after), seconds(there));
    match there {
        _ if there < before => before.saturating_sub(there),
        _ if there > after => after.saturating_sub(there),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_time_that_asking_takes_is_no_difference() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        for (there, difference) in [(100, 0), (107, 0), (95, 5), (120, -13)] {
            assert_eq!(ahead(at(100), at(107), at(there)), difference, "{there}");
        }
    }
}
