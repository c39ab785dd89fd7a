//! Replies of `event.from` (xen-api ocaml/xapi/xapi_event.ml, ocaml/xapi-types/event_types.ml), and the state that
//! they add up to.
//!
//! XAPI merges events, orders them by kind and forgets old deletions, so they are never counted: only the snapshots
//! in them count. Must not know when replies are asked for.

use std::collections::BTreeMap;

use tokio::io::AsyncBufRead;

use super::client::Client;
use super::decode::{DecodeError, Decoder, Keep};
use super::envelope::Reply;
use super::error::Error;
use super::records::{Record, Vm, VmGuestMetrics, VmGuestMetricsRef, VmRef};
use super::value::Value;

/// The classes whose events are read, as `event.from` spells them.
pub const CLASSES: [&str; 2] = ["vm", "vm_guest_metrics"];

/// One reply of `event.from`.
#[derive(Debug)]
pub struct Batch {
    /// What happened to objects of [`CLASSES`], in the order given.
    pub events: Vec<Event>,
    /// Where the next call goes on; never empty.
    pub token: String,
    /// How many VMs there are in the pool now, if told.
    pub live_vms: Option<i64>,
    /// How many guest metrics there are in the pool now, if told.
    pub live_guest_metrics: Option<i64>,
}

/// What a reply says about one object.
#[derive(Debug)]
pub enum Event {
    /// About a VM.
    Vm(VmRef, Seen<Vm>),
    /// About guest metrics.
    GuestMetrics(VmGuestMetricsRef, Seen<VmGuestMetrics>),
}

/// What is known of an object.
#[derive(Debug)]
pub enum Seen<T> {
    /// Its record.
    Record(T),
    /// It exists or did lately, but its record did not come along: ask for it.
    Unknown,
    /// Its record came along and makes no sense.
    Unusable(DecodeError),
    /// It does not exist any more.
    Gone,
}

/// The VMs and guest metrics of the pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// All VMs, templates and snapshots.
    pub vms: BTreeMap<VmRef, Vm>,
    /// All guest metrics.
    pub guest_metrics: BTreeMap<VmGuestMetricsRef, VmGuestMetrics>,
}

/// The pool's state at this moment.
///
/// # Errors
/// [`Error`]
pub async fn state(client: &Client) -> Result<State, Error> {
    let classes = Value::Array(CLASSES.map(Value::from).to_vec());
    let batch: Batch = client.call("event.from", &[classes, "".into(), Value::Double(0.0)]).await?;
    let mut state = State::default();
    for event in batch.events {
        match event {
            Event::Vm(vm, seen) => drop(put(&mut state.vms, vm, seen)),
            Event::GuestMetrics(metrics, seen) => drop(put(&mut state.guest_metrics, metrics, seen)),
        }
    }
    Ok(state)
}

/// Puts what is known of one object into its table; `None` if the table said so already.
///
/// [`Seen::Unknown`] changes nothing: ask for the record first. Neither does [`Seen::Unusable`].
pub fn put<K: Ord, T: PartialEq>(table: &mut BTreeMap<K, T>, key: K, seen: Seen<T>) -> Option<Put> {
    match seen {
        Seen::Record(record) => {
            if table.get(&key) == Some(&record) {
                return None;
            }
            table.insert(key, record);
            Some(Put::Changed)
        }
        Seen::Unknown | Seen::Unusable(_) => None,
        Seen::Gone => table.remove(&key).map(|_| Put::Removed),
    }
}

/// What [`put`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The record is new or another.
    Changed,
    /// There was a record, and there is none now.
    Removed,
}

/// Of an event, what is kept. The class may stand after the snapshot, so the fields of both classes are kept.
const EVENT: Keep = Keep::Members(&[
    ("class", Keep::All),
    ("operation", Keep::All),
    ("ref", Keep::All),
    ("snapshot", Keep::Either(&Vm::FIELDS, &VmGuestMetrics::FIELDS)),
]);

/// Of the counts of all classes, those that are used.
const COUNTS: Keep = Keep::Members(&[("vm", Keep::All), ("vm_guest_metrics", Keep::All)]);

impl Reply for Batch {
    async fn read<R: AsyncBufRead + Unpin + Send>(decoder: &mut Decoder<R>) -> Result<Self, DecodeError> {
        let mut events = Vec::new();
        let mut token = String::new();
        let mut counts = Value::Nil;
        let cursor = decoder.enter_struct().await?;
        while let Some(name) = decoder.member(cursor).await? {
            match name.as_str() {
                "events" => {
                    let cursor = decoder.enter_array().await?;
                    while decoder.element(cursor).await? {
                        let event = decoder.value(&EVENT).await?;
                        events.extend(event_from(event)?);
                    }
                }
                "token" => token = String::read(decoder).await?,
                "valid_ref_counts" => counts = decoder.value(&COUNTS).await?,
                _ => decoder.skip().await?,
            }
        }
        if token.is_empty() {
            return Err(decoder.unexpected("the token of an event.from reply"));
        }
        let count = |class: &str| match &counts {
            Value::Struct(counts) => counts.get(class).and_then(Value::as_int),
            _ => None,
        };
        Ok(Self { events, token, live_vms: count("vm"), live_guest_metrics: count("vm_guest_metrics") })
    }
}

/// The event in `value`; `None` if it is of a class that is not followed.
fn event_from(value: Value) -> Result<Option<Event>, DecodeError> {
    let unusable = |field| DecodeError::Record { class: "event", field };
    let Value::Struct(mut members) = value else {
        return Err(unusable("(it is not a struct)"));
    };
    let mut text = |field| match members.remove(field) {
        Some(Value::Text(text)) => Ok(text),
        _ => Err(unusable(field)),
    };
    let (class, operation, reference) = (text("class")?, text("operation")?, text("ref")?);
    let snapshot = members.remove("snapshot");
    if class.eq_ignore_ascii_case("vm") {
        let reference = VmRef::new(&reference).ok_or_else(|| unusable("ref"))?;
        return Ok(Some(Event::Vm(reference, seen(&operation, snapshot))));
    }
    if class.eq_ignore_ascii_case("vm_guest_metrics") {
        let reference = VmGuestMetricsRef::new(&reference).ok_or_else(|| unusable("ref"))?;
        return Ok(Some(Event::GuestMetrics(reference, seen(&operation, snapshot))));
    }
    Ok(None)
}

/// A snapshot that is missing, or empty as XAPI's void is, says no more than that something happened.
fn seen<T: Record>(operation: &str, snapshot: Option<Value>) -> Seen<T> {
    match (operation, snapshot) {
        ("del", _) => Seen::Gone,
        (_, Some(record @ Value::Struct(_))) => T::from_value(record).map_or_else(Seen::Unusable, Seen::Record),
        _ => Seen::Unknown,
    }
}
