//! Values in the file: how they are written, what is allowed, and how they are shown. Must not know any key.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeValue;
use tracing::level_filters::LevelFilter;

use crate::log::{LEVELS, level_of};
use crate::quote::quoted;

/// A place for a value of one kind, and what is allowed there.
#[derive(Debug)]
pub enum Slot<'a> {
    /// A time.
    Time(&'a mut Duration, RangeInclusive<Duration>),
    /// A number of things.
    Count(&'a mut usize, RangeInclusive<usize>),
    /// A number of bytes.
    Size(&'a mut usize, RangeInclusive<usize>),
    /// Yes or no.
    Switch(&'a mut bool),
    /// A file by its whole path, whose name must end so; or none.
    File(&'a mut Option<PathBuf>, &'static str),
    /// How much is logged.
    Level(&'a mut LevelFilter),
}

/// The units of time, the largest first, in milliseconds.
const TIMES: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1)];

/// The units of size, the largest first, in bytes.
const SIZES: [(&str, u64); 3] = [("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Slot<'_> {
    /// Puts a value there.
    ///
    /// # Errors
    /// What is wrong with it, for people; nothing is changed then.
    pub fn set(&mut self, value: &DeValue<'_>) -> Result<(), String> {
        let allowed = self.allowed();
        let wrong = |what: String| format!("{what}; allowed is {allowed}");
        match self {
            Self::Time(place, range) => {
                let time = Duration::from_millis(measured(value, &TIMES).map_err(wrong)?);
                within(time, range, value).map_err(wrong)?;
                **place = time;
            }
            Self::Size(place, range) => {
                let size = usize::try_from(measured(value, &SIZES).map_err(wrong)?).unwrap_or(usize::MAX);
                within(size, range, value).map_err(wrong)?;
                **place = size;
            }
            Self::Count(place, range) => {
                let count = integer(value).ok_or_else(|| wrong(format!("{} is no whole number", said(value))))?;
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                within(count, range, value).map_err(wrong)?;
                **place = count;
            }
            Self::Switch(place) => match value {
                DeValue::Boolean(switch) => **place = *switch,
                other => return Err(wrong(format!("{} is neither true nor false", said(other)))),
            },
            Self::File(place, ending) => {
                let name = value.as_str().ok_or_else(|| wrong(format!("{} is no path", said(value))))?;
                let fits = name.starts_with('/') && name.ends_with(*ending) && !name.contains(char::is_control);
                match name.is_empty() || fits {
                    true => **place = (!name.is_empty()).then(|| name.into()),
                    false => return Err(wrong(format!("{} is no such path", said(value)))),
                }
            }
            Self::Level(place) => {
                let level = value.as_str().and_then(level_of);
                **place = level.ok_or_else(|| wrong(format!("{} is no level", said(value))))?;
            }
        }
        Ok(())
    }

    /// What is there, as it is written in the file.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Time(time, _) => format!("\"{}\"", Time(**time)),
            Self::Size(size, _) => format!("\"{}\"", Size(**size)),
            Self::Count(count, _) => count.to_string(),
            Self::Switch(switch) => switch.to_string(),
            Self::File(file, _) => {
                // As TOML and Rust both write it: control characters are refused.
                format!("{:?}", file.as_deref().map(Path::to_string_lossy).unwrap_or_default())
            }
            Self::Level(level) => format!("\"{level}\""),
        }
    }

    /// What may be there, for people.
    #[must_use]
    pub fn allowed(&self) -> String {
        match self {
            Self::Time(_, range) => format!("a time from \"{}\" to \"{}\"", Time(*range.start()), Time(*range.end())),
            Self::Size(_, range) => format!("a size from \"{}\" to \"{}\"", Size(*range.start()), Size(*range.end())),
            Self::Count(_, range) => format!("a number from {} to {}", range.start(), range.end()),
            Self::Switch(_) => "true or false".to_owned(),
            Self::File(_, ending) => format!("\"\", or a whole path that ends in \"{ending}\""),
            Self::Level(_) => LEVELS.map(|level| format!("\"{level}\"")).join(", "),
        }
    }
}

/// A time such as `90 s` or `10m`, from one millisecond on.
#[must_use]
pub fn time(text: &str) -> Option<Duration> {
    // `m` as sleep(1) has it: minutes.
    let minutes = text.strip_suffix('m').map(|number| format!("{number}min"));
    let text = minutes.as_deref().unwrap_or(text);
    number_with_unit(text, &TIMES).filter(|time| *time > 0).map(Duration::from_millis)
}

/// A number with a unit, in the smallest unit.
fn measured(value: &DeValue<'_>, units: &[(&str, u64)]) -> Result<u64, String> {
    if let Some(number) = integer(value) {
        return Err(format!("{number} has no unit"));
    }
    let text = value.as_str().and_then(|text| number_with_unit(text, units));
    let names = || units.iter().rev().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    text.ok_or_else(|| format!("{} is no text of a number and one of {}", said(value), names()))
}

fn number_with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = (text[..end].parse::<u64>().ok()?, text[end..].trim());
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor)
}

fn integer(value: &DeValue<'_>) -> Option<u64> {
    let number = value.as_integer()?;
    u64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()
}

fn within<T: PartialOrd>(number: T, range: &RangeInclusive<T>, value: &DeValue<'_>) -> Result<(), String> {
    match (number < *range.start(), number > *range.end()) {
        (true, _) => Err(format!("{} is too little", said(value))),
        (_, true) => Err(format!("{} is too much", said(value))),
        _ => Ok(()),
    }
}

/// What stands in the file, as far as it can be said in a few words.
fn said(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => quoted(text).to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(switch) => switch.to_string(),
        DeValue::Datetime(date) => date.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// In the largest unit in which it is a whole number.
fn shortest(f: &mut fmt::Formatter<'_>, number: u64, units: &[(&str, u64)]) -> fmt::Result {
    let fits = |(_, factor): &&(&str, u64)| number > 0 && number.is_multiple_of(*factor);
    let (unit, factor) = units.iter().find(fits).unwrap_or(&units[units.len() - 1]);
    write!(f, "{} {unit}", number / factor)
}

/// A time as it is written in the file.
#[derive(Clone, Copy, Debug)]
pub struct Time(pub Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shortest(f, u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX), &TIMES)
    }
}

struct Size(usize);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shortest(f, self.0 as u64, &SIZES)
    }
}
