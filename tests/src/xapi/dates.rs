//! Dates as xapi writes them. Must not know anything else.

use std::time::{SystemTime, UNIX_EPOCH};

use super::value::Value;

/// The present time as xapi writes it: UTC with a trailing Z (xen-api ocaml/libs/clock/date.ml).
#[must_use]
pub(super) fn now() -> Value {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Value::DateTime(iso8601(seconds))
}

/// So many seconds later than now, or earlier.
#[must_use]
pub(super) fn later(seconds: i64) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Value::DateTime(iso8601(now.saturating_add_signed(seconds)))
}

/// Seconds since 1970 as `yyyymmddThh:mm:ssZ`, by the era arithmetic of the proleptic Gregorian calendar.
fn iso8601(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day_of_month:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(iso8601(0), "19700101T00:00:00Z");
        assert_eq!(iso8601(951_827_696), "20000229T12:34:56Z");
        assert_eq!(iso8601(1_590_969_600), "20200601T00:00:00Z");
    }
}
