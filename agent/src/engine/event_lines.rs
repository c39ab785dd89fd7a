//! What happens in an engine, for people and their programs: each event as the engine's own JSON, or in words.
//!
//! The monitor's events are in [`super::event`]; it needs to know far less of them.

use std::collections::BTreeMap;
use std::fmt;

use hyper::Method;
use serde_json::Value;

use super::body::Body;
use super::event::MAX_EVENT;
use super::json::{Framing, Splitter};
use super::logs::Moment;
use super::query::Query;
use super::{Connection, Engine, Error, Sent, bad_json, path};

/// The request, as errors name it.
const EVENTS: &str = "GET /events";

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// None before this; none that have happened already if none.
    pub since: Option<Moment>,
    /// None after this; for ever if none.
    pub until: Option<Moment>,
    /// By name as the engine knows it, such as `container` and `type`, any of these texts.
    pub filters: BTreeMap<String, Vec<String>>,
}

/// Events while they come.
pub struct EventLines {
    body: Body,
    splitter: Splitter,
    rest: hyper::body::Bytes,
    _connection: Connection,
}

impl fmt::Debug for EventLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventLines")
    }
}

impl Engine {
    /// Asks for events.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn event_lines(mut self, wanted: &Wanted) -> Result<EventLines, Error> {
        let filters = (!wanted.filters.is_empty()).then(|| serde_json::json!(wanted.filters).to_string());
        let query = Query::default()
            .with_some("since", wanted.since.map(|moment| moment.to_string()).as_deref())
            .with_some("until", wanted.until.map(|moment| moment.to_string()).as_deref())
            .with_some("filters", filters.as_deref());
        let path = path(self.api_version(), &query.of("/events"));
        // Some engines begin their answer with the first event.
        let answer = self.connection.answer(Method::GET, &path, Sent::Nothing, EVENTS, None).await?;
        Ok(EventLines {
            body: Body::endless(answer.into_body(), EVENTS),
            splitter: Splitter::new(Framing::Stream, MAX_EVENT),
            rest: hyper::body::Bytes::new(),
            _connection: self.connection,
        })
    }
}

impl EventLines {
    /// Waits for the next event: one JSON object of at most [`MAX_EVENT`] bytes, as it came. `None` at the end. Dropping the
    /// future loses none.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        loop {
            let mut rest = &self.rest[..];
            let found = self.splitter.next(&mut rest).map_err(|bad| bad_json(EVENTS, &bad))?;
            let taken = self.rest.len() - rest.len();
            let _ = self.rest.split_to(taken);
            if let Some(object) = found {
                return Ok(Some(object));
            }
            match self.body.next().await? {
                Some(bytes) => self.rest = bytes,
                None => return Ok(None),
            }
        }
    }
}

/// An event, for people. Foreign text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// When it happened.
    pub moment: Option<Moment>,
    /// What it is about: `container`, `image`, ….
    pub kind: String,
    /// What happened.
    pub action: String,
    /// To which.
    pub id: String,
    /// What else is said of it, by name.
    pub attributes: BTreeMap<String, String>,
}

impl Told {
    /// From one JSON object; none if it is not an event.
    ///
    /// ```
    /// use agent::engine::event_lines::Told;
    /// let event = br#"{"Type":"container","Action":"die","Actor":{"ID":"1","Attributes":{"name":"web"}},"time":5}"#;
    /// assert_eq!(Told::read(event).unwrap().to_string(), "container die 1 (name=web)");
    /// ```
    #[must_use]
    pub fn read(object: &[u8]) -> Option<Self> {
        let event: Value = serde_json::from_str(&String::from_utf8_lossy(object)).ok()?;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let actor = event.get("Actor");
        let attributes = match actor.and_then(|actor| actor.get("Attributes")?.as_object()) {
            Some(all) => all.iter().map(|(name, value)| (name.clone(), text(Some(value)))).collect(),
            // Before API 1.22.
            None => event.get("from").map(|image| ("image".to_owned(), text(Some(image)))).into_iter().collect(),
        };
        let told = Self {
            moment: moment(&event),
            kind: event.get("Type").map_or_else(|| "container".to_owned(), |kind| text(Some(kind))),
            action: text(event.get("Action").or_else(|| event.get("status"))),
            id: text(actor.and_then(|actor| actor.get("ID")).or_else(|| event.get("id"))),
            attributes,
        };
        (!told.action.is_empty()).then_some(told)
    }
}

fn moment(event: &Value) -> Option<Moment> {
    const BILLION: i64 = 1_000_000_000;
    match event.get("timeNano").and_then(Value::as_i64).filter(|nanoseconds| *nanoseconds != 0) {
        Some(all) => Some(Moment {
            seconds: all.div_euclid(BILLION),
            nanoseconds: u32::try_from(all.rem_euclid(BILLION)).expect("less than a billion"),
        }),
        None => Some(Moment { seconds: event.get("time")?.as_i64()?, nanoseconds: 0 }),
    }
}

impl fmt::Display for Told {
    /// As `docker events` writes it, behind the time.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.kind, self.action, self.id)?;
        for (number, (name, text)) in self.attributes.iter().enumerate() {
            write!(f, "{}{name}={text}", if number == 0 { " (" } else { ", " })?;
        }
        f.write_str(if self.attributes.is_empty() { "" } else { ")" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_old_engines_are_told_too() {
        let told = Told::read(br#"{"status":"start","id":"6f1c","from":"busybox","time":1700000000}"#).unwrap();
        assert_eq!(told.to_string(), "container start 6f1c (image=busybox)");
        assert_eq!(told.moment, Some(Moment { seconds: 1_700_000_000, nanoseconds: 0 }));
    }

    #[test]
    fn the_exact_time_wins() {
        let told = Told::read(br#"{"Action":"die","time":5,"timeNano":5000000007}"#).unwrap();
        assert_eq!(told.moment.unwrap().to_string(), "5.000000007");
    }

    #[test]
    fn what_is_no_event_is_none() {
        for text in ["[]", "{}", "{\"Action\":7}", "{\"Action\":{}}", "x"] {
            assert_eq!(Told::read(text.as_bytes()), None, "{text}");
        }
    }
}
