//! Hosts of the pool: which one this is, what time it is there, and a plugin's function called on another.
//!
//! Must not know what plugins do.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use time::{Date, Month, OffsetDateTime, Time};

use super::client::Client;
use super::error::Error;
use super::records::{HostRef, HostUuid, PoolRef};
use super::value::Value;

/// The host of this uuid.
///
/// # Errors
/// [`Error`]
pub async fn by_uuid(client: &Client, uuid: &HostUuid) -> Result<HostRef, Error> {
    let reference: String = client.call("host.get_by_uuid", &[Value::from(uuid.as_str())]).await?;
    HostRef::new(&reference).ok_or(Error::Odd { method: "host.get_by_uuid", wanted: "a host" })
}

/// All hosts of the pool, with their name labels.
///
/// # Errors
/// [`Error`]
pub async fn names(client: &Client) -> Result<Vec<(HostRef, String)>, Error> {
    let all: Vec<String> = client.call("host.get_all", &[]).await?;
    let mut named = Vec::new();
    for host in all.iter().filter_map(|host| HostRef::new(host)) {
        let name = client.call("host.get_name_label", &[Value::from(&host)]).await?;
        named.push((host, name));
    }
    Ok(named)
}

/// The pool's coordinator.
///
/// # Errors
/// [`Error`]
pub async fn coordinator(client: &Client) -> Result<HostRef, Error> {
    let pool: PoolRef = client.call("pool.get_all", &[]).await?;
    let reference: String = client.call("pool.get_master", &[Value::from(&pool)]).await?;
    HostRef::new(&reference).ok_or(Error::Odd { method: "pool.get_master", wanted: "a host" })
}

/// What time it is on a host, to the second.
///
/// # Errors
/// [`Error`]
pub async fn server_time(client: &Client, host: &HostRef) -> Result<SystemTime, Error> {
    let date: String = client.call("host.get_servertime", &[Value::from(host)]).await?;
    moment(&date).ok_or(Error::Odd { method: "host.get_servertime", wanted: "a date" })
}

/// A date as XAPI writes it: `20261122T19:04:59Z`, always UTC (xen-api ocaml/libs/clock/date.ml).
fn moment(date: &str) -> Option<SystemTime> {
    let digits: String = date.trim_end_matches('Z').chars().filter(|c| !matches!(c, '-' | ':')).collect();
    let (day, time) = digits.split_once('T')?;
    let number = |text: &str, at: std::ops::Range<usize>| text.get(at)?.parse::<u8>().ok();
    let month = Month::try_from(number(day, 4..6)?).ok()?;
    let date = Date::from_calendar_date(day.get(..4)?.parse().ok()?, month, number(day, 6..8)?).ok()?;
    let time = Time::from_hms(number(time, 0..2)?, number(time, 2..4)?, number(time, 4..6)?).ok()?;
    Some(OffsetDateTime::new_utc(date, time).into())
}

/// Calls a function of the plugin `plugin` on `host`, which may take as long as `limit`.
///
/// # Errors
/// [`Error`]; a failure of the function is an `Error::Failure`.
pub async fn call_plugin(
    client: &Client,
    host: &HostRef,
    plugin: &str,
    function: &str,
    arguments: &BTreeMap<String, String>,
    limit: Duration,
) -> Result<String, Error> {
    let arguments = arguments.iter().map(|(key, text)| (key.clone(), Value::from(text.as_str()))).collect();
    let params = [Value::from(host), plugin.into(), function.into(), Value::Struct(arguments)];
    client.line_within(limit).await.call_once("host.call_plugin", &params).await
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn dates_are_read_in_both_forms() {
        let wanted = UNIX_EPOCH + Duration::from_secs(951_827_696);
        for date in ["20000229T12:34:56Z", "2000-02-29T12:34:56Z", "20000229T12:34:56"] {
            assert_eq!(moment(date), Some(wanted), "{date}");
        }
        for date in ["", "T", "20000230T12:34:56Z", "now", "2000022é12:34:56Z", "20000229T12:34"] {
            assert_eq!(moment(date), None, "{date}");
        }
    }
}
