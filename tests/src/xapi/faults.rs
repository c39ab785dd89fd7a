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
    /// SIGKILL for the plugin programs that run at that moment.
    ///
    /// Before the request: it is not carried out and its connection ends, unless no program runs, which changes nothing.
    /// After it: it has taken effect, and the programs are gone before the reply leaves.
    KillPlugin {
        /// Whether the request takes effect first.
        after: bool,
    },
}

/// The faults that wait for their call, in the order in which they were asked for, and those that wait for a number.
#[derive(Debug, Default)]
pub struct Faults {
    waiting: VecDeque<(Option<String>, Fault)>,
    /// The names of the requests since counting began; none before that.
    counted: Option<Vec<String>>,
    /// By the number that their request will have.
    numbered: BTreeMap<usize, Fault>,
}

impl Faults {
    /// Lets `fault` happen to the next call of `method`, or to the next call at all.
    pub fn add(&mut self, method: Option<&str>, fault: Fault) {
        let method = if fault == Fault::EmptyEventsAtOnce { Some("event.from") } else { method };
        self.waiting.push_back((method.map(str::to_owned), fault));
    }

    /// Counts requests from one on, and forgets the faults that wait for numbers of an earlier count.
    pub fn count_from_now(&mut self) {
        self.counted = Some(Vec::new());
        self.numbered.clear();
    }

    /// The names of the requests that were counted, in the order in which they came.
    #[must_use]
    pub fn counted(&self) -> &[String] {
        self.counted.as_deref().unwrap_or_default()
    }

    /// Lets `fault` happen to the request that is counted as number `n`, from 1. Without a count one begins.
    pub fn add_at(&mut self, n: usize, fault: Fault) {
        self.counted.get_or_insert_default();
        self.numbered.insert(n, fault);
    }

    /// Counts a request and takes the fault that was meant for it: for its number first, then for its name, which is a
    /// method's dotted name or, for disks, such as `PUT /import_raw_vdi`.
    pub fn take(&mut self, method: &str) -> Option<Fault> {
        if let Some(counted) = &mut self.counted {
            counted.push(method.to_owned());
            if let Some(fault) = self.numbered.remove(&counted.len()) {
                return Some(fault);
            }
        }
        let fits = |wanted: &Option<String>| wanted.as_deref().is_none_or(|wanted| wanted == method);
        let place = self.waiting.iter().position(|(wanted, _)| fits(wanted))?;
        self.waiting.remove(place).map(|(_, fault)| fault)
    }

    /// How many have not happened yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len() + self.numbered.len()
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

    #[test]
    fn a_fault_with_a_number_comes_at_that_request_of_the_latest_count() {
        let mut faults = Faults::default();
        faults.add_at(1, Fault::Hang);
        faults.count_from_now();
        faults.add_at(2, Fault::Eof);
        faults.add(Some("VM.get_all"), Fault::Garbage);
        assert_eq!(faults.take("pool.get_all"), None);
        assert_eq!(faults.take("VM.get_all"), Some(Fault::Eof));
        assert_eq!(faults.take("VM.get_all"), Some(Fault::Garbage));
        assert_eq!(faults.counted(), ["pool.get_all", "VM.get_all", "VM.get_all"]);
    }
}
