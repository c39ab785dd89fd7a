//! How things stand, for people and for programs. A pure function of what the monitor tells.

use serde_json::{Value, json};

use super::pool::OfHost;
use super::screen::{Colour, Screen};
use super::table::{Cell, Column, lines};
use crate::lending::Standing;
use crate::lending::standing::{VmStanding, VmState};

const COLUMNS: [Column; 7] = [
    Column::stays("VM", 8),
    Column::stays("STATE", 8),
    Column::goes("SINCE", 2, 5),
    Column::goes("UP/PAUSED/STOPPED", 1, 8),
    Column::goes("EVENTS/MIN", 5, 4),
    Column::goes("ENGINE", 3, 10),
    Column::goes("WAY", 4, 6),
];

const HOST: Column = Column::goes("HOST", 6, 6);

/// One host's VMs in a table, then what is wrong with them; VMs that nobody registered only if `all` of them are wanted.
/// `now` in seconds since 1970.
#[must_use]
pub fn text(standing: &Standing, all: bool, now: u64, screen: &Screen) -> String {
    let vms: Vec<&VmStanding> = standing.vms.iter().filter(|vm| all || is_registered(vm)).collect();
    let mut text = silence(standing, now, screen);
    if vms.is_empty() {
        text += match standing.vms.len() {
            0 => "No VM runs on this host.\n",
            _ => "No VM of this host is registered. See xscontainer status --all, and xscontainer prepare-vm --help.\n",
        };
        return text;
    }
    let rows: Vec<Vec<Cell>> = vms.iter().map(|vm| row(vm, now)).collect();
    text += &lines(&COLUMNS, &rows, screen);
    let others = standing.vms.len() - vms.len();
    if others > 0 {
        let more = format!("{others} more not registered: xscontainer status --all");
        text += &format!("{}\n", screen.in_colour(&more, Some(Colour::Faint)));
    }
    text + &troubles(vms.iter().map(|vm| (*vm, None)), screen)
}

/// All hosts' VMs in one table.
#[must_use]
pub fn pool_text(hosts: &[OfHost], all: bool, now: u64, screen: &Screen) -> String {
    let vms: Vec<(&VmStanding, &str)> = hosts
        .iter()
        .filter_map(|host| Some((host.standing.as_ref().ok()?, host.name.as_str())))
        .flat_map(|(standing, host)| standing.vms.iter().map(move |vm| (vm, host)))
        .filter(|(vm, _)| all || is_registered(vm))
        .collect();
    let columns: Vec<Column> = std::iter::once(HOST).chain(COLUMNS).collect();
    let rows: Vec<Vec<Cell>> =
        vms.iter().map(|(vm, host)| std::iter::once((*host).into()).chain(row(vm, now)).collect()).collect();
    let mut text = match rows.is_empty() {
        true => "No VM of the pool is registered.\n".to_owned(),
        false => lines(&columns, &rows, screen),
    };
    for host in hosts {
        match &host.standing {
            Ok(standing) => text += &silence(standing, now, screen),
            Err(why) => {
                let why = format!("{} does not answer: {why}", host.name);
                text += &format!("\n{}\n", screen.in_colour(&screen.line(&why), Some(Colour::Bad)));
            }
        }
    }
    text + &troubles(vms.iter().map(|(vm, host)| (*vm, Some(*host))), screen)
}

fn silence(standing: &Standing, now: u64, screen: &Screen) -> String {
    standing.xapi_silent_since.map_or_else(String::new, |since| {
        let text = format!(
            "XAPI does not answer the monitor, for {}; what follows may be old. See /var/log/xensource.log.",
            for_how_long(since, now)
        );
        format!("{}\n\n", screen.in_colour(&text, Some(Colour::Bad)))
    })
}

fn is_registered(vm: &VmStanding) -> bool {
    vm.state != VmState::NotRegistered
}

fn row(vm: &VmStanding, now: u64) -> Vec<Cell> {
    let (state, colour) = in_words(&vm.state);
    let counts = vm.containers.map(|counts| format!("{}/{}/{}", counts.up, counts.paused, counts.stopped));
    let (engine, way) = vm.engine.as_ref().map(|engine| (engine.identity.as_str(), engine.way.as_str())).unzip();
    let events = if vm.state == VmState::Live { vm.events_per_minute.to_string() } else { String::new() };
    vec![
        vm.name.as_str().into(),
        Cell::coloured(state, colour),
        vm.since.map(|since| for_how_long(since, now)).unwrap_or_default().into(),
        counts.unwrap_or_default().into(),
        events.into(),
        engine.unwrap_or_default().into(),
        way.unwrap_or_default().into(),
    ]
}

fn troubles<'a>(vms: impl Iterator<Item = (&'a VmStanding, Option<&'a str>)>, screen: &Screen) -> String {
    let of = |(vm, host): (&VmStanding, Option<&str>)| {
        let trouble = vm.trouble.as_ref().filter(|_| vm.state != VmState::Live)?;
        let host = host.map(|host| format!(" on {host}")).unwrap_or_default();
        let what = screen.line(&format!("{}{host}: {}", vm.name, trouble.reason));
        let remedy = screen.line(&format!("  {}", trouble.remedy));
        Some(format!("\n{}\n{remedy}\n", screen.in_colour(&what, Some(Colour::Bad))))
    };
    vms.filter_map(of).collect()
}

fn in_words(state: &VmState) -> (String, Colour) {
    let (text, colour) = match state {
        VmState::WaitingForAddress => ("waiting for an address", Colour::Doubtful),
        VmState::Connecting => ("connecting", Colour::Doubtful),
        VmState::Synchronising => ("synchronising", Colour::Doubtful),
        VmState::Live => ("live", Colour::Good),
        VmState::BackingOff => ("not reached", Colour::Bad),
        VmState::NotWatched(why) => (why.as_str(), Colour::Faint),
        VmState::NotRegistered => ("not registered", Colour::Faint),
    };
    (text.to_owned(), colour)
}

/// A time span in its largest unit, as people say it in a table.
#[must_use]
pub fn for_how_long(since: u64, now: u64) -> String {
    let seconds = now.saturating_sub(since);
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// One host, as programs read it.
#[must_use]
pub fn value(standing: &Standing) -> Value {
    json!({
        "version": standing.version,
        "host": standing.host,
        "started": standing.started,
        "xapi_silent_since": standing.xapi_silent_since,
        "vms": standing.vms.iter().map(vm_value).collect::<Vec<_>>(),
    })
}

/// All hosts, as programs read them.
#[must_use]
pub fn pool_value(hosts: &[OfHost]) -> Value {
    let of = |host: &OfHost| match &host.standing {
        Ok(standing) => json!({"name": host.name, "monitor": value(standing)}),
        Err(why) => json!({"name": host.name, "error": why}),
    };
    json!({"hosts": hosts.iter().map(of).collect::<Vec<_>>()})
}

fn vm_value(vm: &VmStanding) -> Value {
    let state = match &vm.state {
        VmState::WaitingForAddress => "waiting-for-address",
        VmState::Connecting => "connecting",
        VmState::Synchronising => "synchronising",
        VmState::Live => "live",
        VmState::BackingOff => "not-reached",
        VmState::NotWatched(_) => "not-watched",
        VmState::NotRegistered => "not-registered",
    };
    let why = if let VmState::NotWatched(why) = &vm.state { Some(why) } else { None };
    json!({
        "uuid": vm.uuid,
        "name": vm.name,
        "state": state,
        "why": why,
        "since": vm.since,
        "way": vm.engine.as_ref().map(|engine| &engine.way),
        "engine": vm.engine.as_ref().map(|engine| &engine.identity),
        "containers": vm.containers.map(|counts| json!({"up": counts.up, "paused": counts.paused, "stopped": counts.stopped})),
        "events_per_minute": vm.events_per_minute,
        "trouble": vm.trouble.as_ref().map(|trouble| json!({"reason": trouble.reason, "remedy": trouble.remedy})),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lending::standing::{Counts, EngineStanding, TroubleStanding};

    const SCREEN: Screen = Screen { width: Some(100), colours: false, unicode: true };

    fn vm(name: &str, state: VmState) -> VmStanding {
        VmStanding {
            uuid: String::new(),
            name: name.to_owned(),
            state,
            since: Some(1000),
            engine: None,
            containers: None,
            events_per_minute: 0,
            trouble: None,
        }
    }

    fn standing() -> Standing {
        let engine = EngineStanding { way: "SSH".into(), identity: "Docker 20.10.24, API 1.41".into() };
        let trouble = TroubleStanding { reason: "nobody answers".into(), remedy: "Start it.".into() };
        let counts = Counts { up: 3, paused: 0, stopped: 1 };
        let live = VmStanding {
            engine: Some(engine),
            containers: Some(counts),
            events_per_minute: 7,
            ..vm("web", VmState::Live)
        };
        let lost = VmStanding { trouble: Some(trouble), ..vm("db\u{1b}", VmState::BackingOff) };
        Standing { vms: vec![lost, vm("other", VmState::NotRegistered), live], ..Standing::default() }
    }

    #[test]
    fn what_is_wrong_comes_with_its_remedy() {
        assert_eq!(
            text(&standing(), false, 1200, &SCREEN),
            "VM        STATE        SINCE  UP/PAUSED/STOPPED  EVENTS/MIN  ENGINE                     WAY\n\
             db\\u{1b}  not reached  3 min\n\
             web       live         3 min  3/0/1              7           Docker 20.10.24, API 1.41  SSH\n\
             1 more not registered: xscontainer status --all\n\
             \n\
             db\\u{1b}: nobody answers\n  Start it.\n"
        );
        let all = text(&standing(), true, 1200, &SCREEN);
        assert!(all.contains("\nother     not registered"), "{all}");
    }

    #[test]
    fn a_host_that_does_not_answer_is_named() {
        let hosts = [
            OfHost { name: "xen1".into(), standing: Ok(standing()) },
            OfHost { name: "xen2".into(), standing: Err("the host is down".into()) },
        ];
        let text = pool_text(&hosts, false, 1200, &Screen { width: None, ..SCREEN });
        assert!(text.starts_with("HOST  VM"), "{text}");
        assert!(text.contains("\nxen2 does not answer: the host is down\n"), "{text}");
        assert!(text.contains("\ndb\\u{1b} on xen1: nobody answers\n"), "{text}");
    }

    #[test]
    fn times_are_told_in_their_largest_unit() {
        for (seconds, text) in [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172_800, "2 days")] {
            assert_eq!(for_how_long(0, seconds), text);
        }
    }
}
