//! Points in time as people read them. Knows no certificates.

use std::fmt;
use std::time::SystemTime;

use time::OffsetDateTime;

/// A point in time, shown to the minute in UTC: `2026-11-22 19:04 UTC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(pub SystemTime);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = OffsetDateTime::from(self.0);
        let (month, day) = (u8::from(date.month()), date.day());
        write!(f, "{:04}-{month:02}-{day:02} {:02}:{:02} UTC", date.year(), date.hour(), date.minute())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_date_is_shown_to_the_minute() {
        let at = |seconds| Date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).to_string();
        assert_eq!(at(1_795_374_299), "2026-11-22 19:04 UTC");
        assert_eq!(at(0), "1970-01-01 00:00 UTC");
    }
}
