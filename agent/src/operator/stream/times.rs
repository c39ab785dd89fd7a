//! Times as `docker logs --since` takes them: how long ago (`90s`, `1h30m`), seconds since the epoch, or a date with a time
//! and a zone, as many of them as are given (moby, `api/types/time/timestamp.go`).

use std::time::Duration;

use chrono::{DateTime, FixedOffset, Local, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, TimeZone, Utc};

use crate::engine::logs::Moment;

/// A text that is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time: give how long ago (42m, 1h30m), seconds since 1970, or a date such as 2006-01-02T15:04:05")]
pub struct BadTime(String);

/// Reads a time, given what the clock says; a date without a zone is one of this host's.
///
/// # Errors
/// [`BadTime`]
///
/// ```
/// use agent::operator::stream::times;
/// let now = chrono::DateTime::from_timestamp(1_000_000, 0).unwrap();
/// assert_eq!(times::read("1h", now).unwrap().to_string(), "996400");
/// assert_eq!(times::read("1970-01-02T00:00:01Z", now).unwrap().to_string(), "86401");
/// ```
pub fn read(text: &str, now: DateTime<Utc>) -> Result<Moment, BadTime> {
    let ago = || duration(text).filter(|_| text != "0").and_then(|ago| now.checked_sub_signed(ago)).map(whole);
    ago().or_else(|| unix(text)).or_else(|| date(text).map(exact)).ok_or_else(|| BadTime(text.to_owned()))
}

/// Docker's own precision of what is relative.
fn whole(time: DateTime<Utc>) -> Moment {
    Moment { seconds: time.timestamp(), nanoseconds: 0 }
}

fn exact(time: DateTime<FixedOffset>) -> Moment {
    Moment { seconds: time.timestamp(), nanoseconds: time.timestamp_subsec_nanos() }
}

/// A moment as people of this host read it: `2006-01-02T15:04:05.000000000+01:00`.
#[must_use]
pub fn shown(moment: Moment) -> String {
    let time = DateTime::from_timestamp(moment.seconds, moment.nanoseconds);
    time.map(|time| time.with_timezone(&Local).to_rfc3339_opts(SecondsFormat::Nanos, true)).unwrap_or_default()
}

/// Go's durations: numbers with units, one after the other.
fn duration(text: &str) -> Option<chrono::TimeDelta> {
    const UNITS: [(&str, f64); 8] =
        [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("μs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut seconds = 0.0;
    loop {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let (_, unit, size) = UNITS
            .iter()
            .filter(|(unit, _)| after.starts_with(unit))
            .map(|(unit, size)| (unit.len(), *unit, *size))
            .max_by_key(|(length, ..)| *length)?;
        seconds += number.parse::<f64>().ok()? * size;
        rest = &after[unit.len()..];
        if rest.is_empty() {
            let length = Duration::try_from_secs_f64(seconds).ok()?;
            return chrono::TimeDelta::from_std(length).ok().map(|delta| delta * sign);
        }
    }
}

/// Seconds since the epoch, with up to nine digits after a point.
fn unix(text: &str) -> Option<Moment> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(seconds.strip_prefix('-').unwrap_or(seconds)) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    Some(Moment { seconds: seconds.parse().ok()?, nanoseconds: format!("{fraction:0<9}").parse().ok()? })
}

fn date(text: &str) -> Option<DateTime<FixedOffset>> {
    const DATE: usize = "2006-01-02".len();
    let day = NaiveDate::parse_from_str(text.get(..DATE)?, "%Y-%m-%d").ok()?;
    let rest = &text[DATE..];
    let zone_at = rest.find(['Z', 'z', '+', '-']);
    let (time, zone) = rest.split_at(zone_at.unwrap_or(rest.len()));
    let time = match time.strip_prefix(['T', 't']) {
        Some(time) => ["%H:%M:%S%.f", "%H:%M"]
            .iter()
            .find_map(|format| NaiveTime::parse_from_str(time, format).ok())
            .or_else(|| NaiveTime::from_hms_opt(time.parse().ok().filter(|_| time.len() == 2)?, 0, 0))?,
        None if time.is_empty() => NaiveTime::MIN,
        None => return None,
    };
    let local = NaiveDateTime::new(day, time);
    match zone {
        "" => Local.from_local_datetime(&local).earliest().map(|time| time.fixed_offset()),
        "Z" | "z" => Some(local.and_utc().fixed_offset()),
        zone => {
            // Of the hours and minutes of a zone both are needed.
            let (hours, minutes) = zone.get(1..)?.split_once(':').filter(|(h, m)| h.len() == 2 && m.len() == 2)?;
            let seconds = hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60;
            let east = if zone.starts_with('-') { -seconds } else { seconds };
            FixedOffset::east_opt(east)?.from_local_datetime(&local).single()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn at(text: &str) -> Option<String> {
        read(text, DateTime::from_timestamp(NOW, 500_000_000).unwrap()).ok().map(|moment| moment.to_string())
    }

    fn ago(seconds: i64) -> Option<String> {
        Some((NOW - seconds).to_string())
    }

    #[test]
    fn how_long_ago_is_as_go_writes_it() {
        for (text, wanted) in
            [("42m", 2520), ("1h30m", 5400), ("1.5h", 5400), ("90s", 90), ("2h0m10s", 7210), ("-1m", -60), ("+1s", 1)]
        {
            assert_eq!(at(text), ago(wanted), "{text}");
        }
        assert_eq!(at("300ms"), ago(0));
        assert_eq!(at("700ms"), ago(1));
    }

    #[test]
    fn numbers_are_seconds_since_the_epoch() {
        assert_eq!(at("0").as_deref(), Some("0"));
        assert_eq!(at("1136073600").as_deref(), Some("1136073600"));
        assert_eq!(at("1136073600.000000001").as_deref(), Some("1136073600.000000001"));
        assert_eq!(at("1136073600.5").as_deref(), Some("1136073600.500000000"));
    }

    #[test]
    fn dates_may_lack_what_is_zero() {
        for (text, wanted) in [
            ("2006-01-02T15:04:05.000000001Z", "1136214245.000000001"),
            ("2006-01-02T15:04:05z", "1136214245"),
            ("2006-01-02T15:04:05+01:00", "1136210645"),
            ("2006-01-02T15:04-07:30", "1136241240"),
            ("2006-01-02T15Z", "1136214000"),
            ("2006-01-02Z", "1136160000"),
            ("2006-01-02+01:00", "1136156400"),
        ] {
            assert_eq!(at(text).as_deref(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn a_date_without_a_zone_is_one_of_this_host() {
        let local = Local.with_ymd_and_hms(2006, 1, 2, 15, 4, 5).earliest().unwrap();
        assert_eq!(at("2006-01-02T15:04:05"), Some(local.timestamp().to_string()));
        let shown = shown(Moment { seconds: local.timestamp(), nanoseconds: 7 });
        assert!(shown.starts_with("2006-01-02T15:04:05.000000007"), "{shown}");
    }

    #[test]
    fn anything_else_is_no_time() {
        for text in [
            "",
            "x",
            "1x",
            "1h30",
            "h",
            ".",
            "1.2.3",
            "--1",
            "2006",
            "2006-13-02",
            "2006-01-02T",
            "2006-01-02T25",
            "2006-01-02 15:04",
            "2006-01-02T15:04:05+1",
            "2006-01-02T15:04:05+25:00",
            "1.0000000000",
            "99999999999999999999h",
            "2006-01-02é",
        ] {
            let is_a_number = text == "2006";
            assert_eq!(at(text).is_some(), is_a_number, "{text}");
        }
    }
}
