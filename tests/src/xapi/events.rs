//! `event.from` and `event.inject`.
//!
//! Follows xen-api ocaml/xapi/xapi_event.ml and ocaml/xapi-aux/throttle.ml. Computes events from the state that the
//! database keeps, so changes between two calls melt into one. Must not know wire formats.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::{
    database::{Database, Row, Table},
    schema::Class,
    sessions,
    state::Shared,
    value::{Failure, Value},
};

/// How long `event.from` waits when the time-out is no finite, non-negative number.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// The pauses of `event.from` (xen-api ocaml/xapi/xapi_globs.ml, `event_from_delay`).
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Before the first look, unless only tasks are watched.
    pub before: Duration,
    /// Between a wake-up and the next look; doubles up to `longest` if that finds nothing.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let longest = Duration::from_millis(50);
        Self { before: longest, first: longest / 8, longest }
    }
}

/// What a client wants to hear of. Classes are compared in lower case.
#[derive(Clone, Debug, PartialEq)]
enum Subscription {
    All,
    Class(String),
    Object(String, String),
}

impl Subscription {
    fn parse(text: &str) -> Self {
        match text.split_once('/') {
            _ if text == "*" => Self::All,
            Some((class, reference)) => Self::Object(class.to_lowercase(), reference.to_owned()),
            None => Self::Class(text.to_lowercase()),
        }
    }

    fn matches(&self, class: &str, reference: &str) -> bool {
        match self {
            Self::All => true,
            Self::Class(wanted) => wanted == class,
            Self::Object(wanted, object) => wanted == class && object == reference,
        }
    }

    fn touches(&self, class: &str) -> bool {
        match self {
            Self::All => true,
            Self::Class(wanted) | Self::Object(wanted, _) => wanted == class,
        }
    }
}

/// How far a client has seen: database changes and, apart from them, messages.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Token {
    database: i64,
    messages: i64,
}

impl Token {
    fn parse(text: &str) -> Result<Self, Failure> {
        if text.is_empty() {
            return Ok(Self { database: 0, messages: 0 });
        }
        let parse = |(database, messages): (&str, &str)| {
            Some(Self { database: database.parse().ok()?, messages: messages.parse().ok()? })
        };
        let token = text.split_once(',').and_then(parse);
        token.ok_or_else(|| Failure::new("EVENT_FROM_TOKEN_PARSE_FAILURE", &[text]))
    }

    /// Zero-padded, so that tokens can be compared as text.
    fn print(self) -> String {
        format!("{:020},{:020}", self.database, self.messages)
    }
}

/// Waits for events, as `event.from(session, classes, token, timeout)`.
///
/// # Errors
/// `EVENT_FROM_TOKEN_PARSE_FAILURE`, and `SESSION_INVALID` when the session ends while the call waits.
pub(super) async fn from(
    shared: &Shared,
    session: &str,
    classes: &[String],
    token: &str,
    timeout: f64,
) -> Result<Value, Failure> {
    let deadline = Instant::now() + Duration::try_from_secs_f64(timeout).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
    let subscriptions: Vec<_> = classes.iter().map(|class| Subscription::parse(class)).collect();
    let since = Token::parse(token)?;
    let pace = shared.pace;
    if !subscriptions.iter().all(|wanted| wanted.touches("task") && *wanted != Subscription::All) {
        sleep(pace.before).await;
    }
    let mut pause = pace.first;
    let mut changes = shared.changes();
    let mut waiting = None;
    loop {
        changes.mark_unchanged();
        let look = || shared.look(|state| batch(&state.database, session, &subscriptions, since));
        if let Some(reply) = look()?.unless_empty(Instant::now() >= deadline) {
            return Ok(reply);
        }
        waiting.get_or_insert_with(|| Waiting::begin(shared));
        // The sender lives in `shared`, so an error is the deadline alone.
        let woken = timeout_at(deadline, changes.changed()).await.is_ok();
        if woken && !look()?.empty {
            sleep(pause.min(pace.longest)).await;
            pause = pace.longest.min(pause * 2);
        }
    }
}

/// The reply to an `event.from` that tells nothing and keeps the token.
pub(super) fn nothing(database: &Database, token: &str) -> Value {
    reply(database, Vec::new(), token.to_owned())
}

/// Marks an object as changed and returns a token from before that: `event.inject(session, class, ref)`.
///
/// # Errors
/// `HANDLE_INVALID` unless the object exists and `class` is its class in exact case.
pub(super) fn inject(database: &mut Database, class: &str, reference: &str) -> Result<Value, Failure> {
    let found = database.class_of(reference).filter(|found| found.name == class && found.stored);
    let found = found.ok_or_else(|| Failure::handle_invalid(class, reference))?;
    let generation = database.touch(found, reference)?;
    Ok(Token { database: generation - 1, messages: 0 }.print().into())
}

/// A call that waits, for as long as this lives.
struct Waiting<'a>(&'a Shared);

impl<'a> Waiting<'a> {
    fn begin(shared: &'a Shared) -> Self {
        shared.change(|state| state.waiting += 1);
        Self(shared)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.waiting -= 1);
    }
}

struct Batch {
    empty: bool,
    reply: Value,
}

impl Batch {
    fn unless_empty(self, expired: bool) -> Option<Value> {
        (expired || !self.empty).then_some(self.reply)
    }
}

/// Everything since a token: messages first, then all creations, all changes, all deletions.
fn batch(database: &Database, session: &str, subscriptions: &[Subscription], since: Token) -> Result<Batch, Failure> {
    sessions::check(database, session)?;
    let mut seen = Token { database: since.database, messages: 0 };
    let (mut created, mut changed, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
    let mut events = Vec::new();
    for table in database.tables().iter().filter(|table| table.class.events) {
        let class = table.class.name.to_lowercase();
        if !subscriptions.iter().any(|wanted| wanted.touches(&class)) {
            continue;
        }
        let wanted = |reference: &str| subscriptions.iter().any(|wanted| wanted.matches(&class, reference));
        if !table.class.stored {
            seen.messages = messages(table, since.messages, &class, wanted, &mut events);
            continue;
        }
        for (reference, row) in table.rows.iter().filter(|(reference, _)| wanted(reference)) {
            if row.modified <= since.database {
                continue;
            }
            seen.database = seen.database.max(row.modified);
            let record = Some(record(table.class, row));
            if row.created > since.database {
                created.push(event(row.created, &class, "add", reference, record));
            } else {
                changed.push(event(row.modified, &class, "mod", reference, record));
            }
        }
        // What was made after the token and is gone again was never known to the client.
        for gone in table.deletions.iter().filter(|gone| wanted(&gone.reference)) {
            if gone.deleted > since.database && gone.created <= since.database {
                seen.database = seen.database.max(gone.deleted);
                deleted.push(event(gone.deleted, &class, "del", &gone.reference, None));
            }
        }
    }
    events.extend(created.into_iter().chain(changed).chain(deleted));
    Ok(Batch { empty: events.is_empty(), reply: reply(database, events, seen.print()) })
}

/// Messages are no database rows: their events carry the id 0 and every deletion since the token is told.
fn messages(table: &Table, since: i64, class: &str, wanted: impl Fn(&str) -> bool, events: &mut Vec<Value>) -> i64 {
    let mut seen = since;
    for (reference, row) in table.rows.iter().filter(|(_, row)| row.created > since) {
        seen = seen.max(row.created);
        if wanted(reference) {
            events.push(event(0, class, "add", reference, Some(record(table.class, row))));
        }
    }
    for gone in table.deletions.iter().filter(|gone| gone.deleted > since) {
        seen = seen.max(gone.deleted);
        if wanted(&gone.reference) {
            events.push(event(0, class, "del", &gone.reference, None));
        }
    }
    seen
}

fn record(class: &Class, row: &Row) -> Value {
    Value::map(class.fields.iter().map(|field| field.name).zip(row.fields.iter().cloned()))
}

fn event(id: i64, class: &str, operation: &str, reference: &str, snapshot: Option<Value>) -> Value {
    let mut members = vec![
        ("id", Value::String(id.to_string())),
        // The time of the change is not kept; xapi writes this constant.
        ("timestamp", "0.0".into()),
        ("class", class.into()),
        ("operation", operation.into()),
        ("ref", reference.into()),
    ];
    members.extend(snapshot.map(|record| ("snapshot", record)));
    Value::map(members)
}

fn reply(database: &Database, events: Vec<Value>, token: String) -> Value {
    let stored = database.tables().iter().filter(|table| table.class.stored);
    let count = |table: &Table| Value::Int32(i32::try_from(table.rows.len()).unwrap_or(i32::MAX));
    let counts = Value::map(stored.map(|table| (table.class.name.to_lowercase(), count(table))));
    Value::map([("events", Value::Array(events)), ("valid_ref_counts", counts), ("token", token.into())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_compare_as_text() {
        let (lower, higher) = (Token { database: 99, messages: 5 }, Token { database: 100, messages: 0 });
        assert!(lower.print() < higher.print());
        assert_eq!(Token::parse(&higher.print()), Ok(higher));
    }

    #[test]
    fn a_token_without_exactly_one_comma_is_refused() {
        for text in ["1", "1,2,3", "a,b", ","] {
            assert_eq!(Token::parse(text), Err(Failure::new("EVENT_FROM_TOKEN_PARSE_FAILURE", &[text])));
        }
    }
}
