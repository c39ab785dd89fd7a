//! Seconds since 1970 to and from the dates of ECMA-119 8.4.26.1 (17 bytes) and 9.1.5 (7 bytes), always UTC when
//! written. Knows no clock: the caller says what time it is.

use thiserror::Error;

const DAY: u64 = 86_400;
/// 2155-12-31T23:59:59Z: a 7-byte date counts years from 1900 in one byte (ECMA-119 9.1.5).
const LAST: u64 = 5_869_583_999;

/// A date of 17 bytes that says "not specified" (ECMA-119 8.4.26.1).
pub(super) const UNSPECIFIED: [u8; 17] = *b"0000000000000000\0";

/// A point in time in whole seconds since 1970-01-01T00:00:00Z, which ISO 9660 can record: up to the end of 2155.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSeconds(u64);

/// Why a time cannot be recorded.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "{seconds} seconds after 1970 is later than the year 2155, the last that an ISO 9660 image can record: check the \
     source of the time (SOURCE_DATE_EPOCH is in seconds, not in milliseconds)"
)]
pub struct TimeError {
    seconds: u64,
}

impl UnixSeconds {
    /// The point in time `seconds` after 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// The time is later than 2155.
    pub fn new(seconds: u64) -> Result<Self, TimeError> {
        if seconds > LAST {
            return Err(TimeError { seconds });
        }
        Ok(Self(seconds))
    }

    /// Seconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }

    /// The date of a directory record (ECMA-119 9.1.5), in UTC.
    pub(super) fn short(self) -> [u8; 7] {
        let (year, month, day) = civil(self.0 / DAY);
        let (hour, minute, second) = clock(self.0);
        // 0 to 255, because `new` refuses years after 2155.
        [(year - 1900) as u8, month, day, hour, minute, second, 0]
    }

    /// The date of a volume descriptor (ECMA-119 8.4.26.1), in UTC with no hundredths.
    pub(super) fn long(self) -> [u8; 17] {
        let (year, month, day) = civil(self.0 / DAY);
        let (hour, minute, second) = clock(self.0);
        let digits = format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}00\0");
        let mut date = UNSPECIFIED;
        date.copy_from_slice(digits.as_bytes());
        date
    }

    /// Reads a date of 7 bytes. None if it is not specified, no date at all, or before 1970.
    pub(super) fn from_short(date: &[u8]) -> Option<Self> {
        let [year, month, day, hour, minute, second, offset]: [u8; 7] = date.try_into().ok()?;
        from_parts(
            [1900 + u64::from(year), month.into(), day.into(), hour.into(), minute.into(), second.into()],
            offset,
        )
    }

    /// Reads a date of 17 bytes, under the conditions of [`Self::from_short`].
    pub(super) fn from_long(date: &[u8]) -> Option<Self> {
        let [digits @ .., offset]: &[u8; 17] = date.try_into().ok()?;
        let number = |range: std::ops::Range<usize>| -> Option<u64> {
            digits[range]
                .iter()
                .try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
        };
        from_parts(
            [number(0..4)?, number(4..6)?, number(6..8)?, number(8..10)?, number(10..12)?, number(12..14)?],
            *offset,
        )
    }
}

fn from_parts([year, month, day, hour, minute, second]: [u64; 6], offset: u8) -> Option<UnixSeconds> {
    let in_range = (1970..=2156).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !in_range {
        return None;
    }
    let local = days(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
    // Quarters of an hour east of Greenwich, so UTC is that much earlier.
    let seconds = local.checked_add_signed(-i64::from(offset.cast_signed()) * 900)?;
    UnixSeconds::new(seconds).ok()
}

fn clock(seconds: u64) -> (u8, u8, u8) {
    let of_day = seconds % DAY;
    ((of_day / 3600) as u8, (of_day / 60 % 60) as u8, (of_day % 60) as u8)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to this day. Counted, not computed: at most 186 years and 12 months.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let years: u64 = (1970..year).map(|year| 365 + u64::from(is_leap(year))).sum();
    let months: u64 = (1..month).map(|month| days_in_month(year, month)).sum();
    years + months + day - 1
}

/// Year, month and day, `days` after 1970-01-01.
fn civil(mut days: u64) -> (u64, u8, u8) {
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    while days >= days_in_month(year, month) {
        days -= days_in_month(year, month);
        month += 1;
    }
    (year, month as u8, days as u8 + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Expected values from `date -u -d @N`.
    #[test]
    fn known_times_have_their_calendar_dates() {
        for (seconds, short, long) in [
            (0, [70, 1, 1, 0, 0, 0, 0], b"1970010100000000\0"),
            (951_782_400, [100, 2, 29, 0, 0, 0, 0], b"2000022900000000\0"),
            (1_700_000_000, [123, 11, 14, 22, 13, 20, 0], b"2023111422132000\0"),
            (4_107_542_399, [200, 2, 28, 23, 59, 59, 0], b"2100022823595900\0"),
            (4_107_542_400, [200, 3, 1, 0, 0, 0, 0], b"2100030100000000\0"),
            (LAST, [255, 12, 31, 23, 59, 59, 0], b"2155123123595900\0"),
        ] {
            let time = UnixSeconds::new(seconds).unwrap();
            assert_eq!(time.short(), short, "{seconds}");
            assert_eq!(&time.long(), long, "{seconds}");
        }
    }

    #[test]
    fn a_time_after_2155_is_refused() {
        assert_eq!(UnixSeconds::new(LAST + 1), Err(TimeError { seconds: LAST + 1 }));
    }

    #[test]
    fn an_offset_east_of_greenwich_is_subtracted() {
        let noon_in_berlin = [123, 7, 1, 12, 0, 0, 8];
        assert_eq!(UnixSeconds::from_short(&noon_in_berlin), UnixSeconds::from_short(&[123, 7, 1, 10, 0, 0, 0]));
        let noon_in_new_york = [123, 7, 1, 12, 0, 0, (-16_i8).cast_unsigned()];
        assert_eq!(UnixSeconds::from_short(&noon_in_new_york), UnixSeconds::from_short(&[123, 7, 1, 16, 0, 0, 0]));
    }

    #[test]
    fn what_is_no_date_is_none() {
        assert_eq!(UnixSeconds::from_long(&UNSPECIFIED), None);
        assert_eq!(UnixSeconds::from_long(b"20231114 2132000\0"), None);
        assert_eq!(UnixSeconds::from_short(&[0; 7]), None);
        assert_eq!(UnixSeconds::from_short(&[123, 13, 1, 0, 0, 0, 0]), None);
        assert_eq!(UnixSeconds::from_short(&[70, 1, 1, 0, 0, 0, 1]), None, "before 1970");
    }

    proptest! {
        #[test]
        fn every_time_survives_both_forms(seconds in 0..=LAST) {
            let time = UnixSeconds::new(seconds).unwrap();
            prop_assert_eq!(UnixSeconds::from_short(&time.short()), Some(time));
            prop_assert_eq!(UnixSeconds::from_long(&time.long()), Some(time));
        }

        #[test]
        fn any_bytes_are_read_without_panic(short in any::<[u8; 7]>(), long in any::<[u8; 17]>()) {
            let _ = (UnixSeconds::from_short(&short), UnixSeconds::from_long(&long));
        }
    }
}
