//! What can go wrong between a client and xapi, on demand, and the record of what went over the wire.
//!
//! Must not know how a fault is carried out: `http` does that.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use super::value::Failure;

/// One thing that goes wrong with one call.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The connection ends without a reply, as when xapi is killed.
    Eof,
    /// The connection ends in the middle of the reply; the call has taken effect.
    Truncated,
    /// An HTTP reply whose body is neither XML nor JSON.
    Garbage,
    /// Bytes that are not HTTP.
    NotHttp,
    /// An HTTP 500 with an HTML body.
    Http500,
    /// No reply, on a connection that stays open until the client or the simulator ends it.
    Hang,
    /// The reply comes one byte at a time with this pause between bytes; the call has taken effect.
    SlowBytes(Duration),
    /// `HOST_STILL_BOOTING`, as while xapi starts.
    StillBooting,
    /// An API failure of the test's choice.
    Fails(Failure),
    /// The next `event.from` answers at once without events and with the token that it was given.
    EmptyEventsAtOnce,
}

/// The faults that wait for their call, in the order in which they were asked for.
#[derive(Debug, Default)]
pub struct Faults {
    waiting: VecDeque<(Option<String>, Fault)>,
}

impl Faults {
    /// Lets `fault` happen to the next call of `method`, or to the next call at all.
    pub fn add(&mut self, method: Option<&str>, fault: Fault) {
        let method = if fault == Fault::EmptyEventsAtOnce { Some("event.from") } else { method };
        self.waiting.push_back((method.map(str::to_owned), fault));
    }

    /// Takes the fault that was meant for a call of `method` (by its dotted name).
    pub fn take(&mut self, method: &str) -> Option<Fault> {
        let fits = |wanted: &Option<String>| wanted.as_deref().is_none_or(|wanted| wanted == method);
        let place = self.waiting.iter().position(|(wanted, _)| fits(wanted))?;
        self.waiting.remove(place).map(|(_, fault)| fault)
    }

    /// How many have not happened yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

/// What was counted since the start; restarts do not reset it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Calls by their dotted name, failed ones included.
    pub calls: BTreeMap<String, u64>,
    /// Connections accepted.
    pub connections: u64,
    /// Bytes of requests, heads included.
    pub bytes_in: u64,
    /// Bytes of replies, heads included.
    pub bytes_out: u64,
}

impl Counters {
    /// How often the method was called.
    #[must_use]
    pub fn calls(&self, method: &str) -> u64 {
        self.calls.get(method).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_for_one_method_lets_others_pass() {
        let mut faults = Faults::default();
        faults.add(Some("VM.get_all"), Fault::Eof);
        faults.add(None, Fault::EmptyEventsAtOnce);
        assert_eq!(faults.take("VM.get_record"), None);
        assert_eq!(faults.take("event.from"), Some(Fault::EmptyEventsAtOnce));
        assert_eq!(faults.take("VM.get_all"), Some(Fault::Eof));
        assert_eq!(faults.waiting(), 0);
    }
}
