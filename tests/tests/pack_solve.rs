//! The rehearsal's solver against real rpm and dnf, in situations in which yum 3.4.3 and dnf do the same. Where they do
//! not (yum never goes back on a choice), yum's source is what the solver's own tests follow.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

#[path = "pack_solve/random.rs"]
mod random;
#[path = "pack_solve/world.rs"]
mod world;

use std::collections::BTreeMap;

use lab::tools::{command, stdout_of};
use pack::dom0::package::Dependency;

use world::World;

/// What both make of a world; they must agree.
fn outcome(installed: &[&str], available: &[&str], name: &str) -> Result<String, String> {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let world = World { installed: texts(installed), available: texts(available), name: name.into() };
    let (real, rehearsed) = (world.by_dnf(), world.by_rehearsal());
    match (&real, &rehearsed) {
        (Ok(real), Ok(rehearsed)) => assert_eq!(rehearsed, real, "{world:?}"),
        (Err(_), Err(_)) => {}
        _ => panic!("{world:?}\ndnf: {real:?}\nrehearsal: {rehearsed:?}"),
    }
    rehearsed.map(|names| names.join(" "))
}

fn accepts(installed: &[&str], available: &[&str], name: &str, after: &str) {
    assert_eq!(outcome(installed, available, name).as_deref(), Ok(after));
}

fn refuses(installed: &[&str], available: &[&str], name: &str, because: &str) {
    let refusal = outcome(installed, available, name).unwrap_err();
    assert!(refusal.contains(because), "{refusal}");
}

#[test]
fn requirements() {
    accepts(&[], &["a 1-1; requires b", "b 1-1; requires c >= 2", "c 2-1"], "a", "a-1-1 b-1-1 c-2-1");
    accepts(&[], &["a 1-1; requires product-version >= 8.2.0"], "a", "a-1-1");
    accepts(&[], &["a 1-1; requires /bin/sh"], "a", "a-1-1");
    accepts(&[], &["a 1-1; requires /opt/tool", "b 1-1; file /opt/tool x"], "a", "a-1-1 b-1-1");
    refuses(&[], &["a 1-1; requires b"], "a", "Requires: b\n");
    refuses(&[], &["a 1-1; requires b", "b 1-1; requires c"], "a", "Requires: c\n");
    refuses(&[], &["a 1-1; requires product-version < 8.2.0"], "a", "Requires: product-version < 8.2.0\n");
    refuses(&[], &["a 1-1; requires /opt/tool", "b 1-1; file /opt/other x"], "a", "Requires: /opt/tool\n");
}

#[test]
fn ranges_and_epochs() {
    let range = "a 1-1; requires b >= 2; requires b < 3";
    accepts(&[], &[range, "b 1-1", "b 2-1", "b 3-1"], "a", "a-1-1 b-2-1");
    refuses(&[], &[range, "b 1-1", "b 3-1"], "a", "Requires: b");
    accepts(&[], &["a 1-1; requires b >= 9", "b 1:1-1"], "a", "a-1-1 b-1-1");
    refuses(&["b 3-1"], &[range], "a", "Requires: b < 3\n    Installed: b-3-1.noarch");
}

#[test]
fn upgrades() {
    let user = |version: u8, bound: &str| format!("user {version}-1; requires lib {bound}");
    accepts(&["a 1-1"], &["a 2-1; requires b", "b 1-1"], "a", "a-2-1 b-1-1");
    accepts(&["lib 1-1"], &["a 1-1; requires lib >= 2", "lib 2-1"], "a", "a-1-1 lib-2-1");
    refuses(&["lib 1-1", &user(1, "= 1")], &["lib 2-1"], "lib", "Updated By: lib-2-1.noarch");
    accepts(&["lib 1-1", &user(1, "= 1")], &["lib 2-1", &user(2, "= 2")], "lib", "lib-2-1 user-2-1");
    accepts(
        &["c 1-1", "u 1-1; requires c = 1-1; requires p >= 1", "p 1-1"],
        &["c 2-1", "u 2-1; requires c = 2-1; requires p >= 2", "p 2-1"],
        "c",
        "c-2-1 p-2-1 u-2-1",
    );
}

#[test]
fn obsoletes() {
    accepts(&["old 1-1"], &["new 1-1; obsoletes old < 2; provides old = 2"], "new", "new-1-1");
    accepts(&["old 2-1"], &["new 1-1; obsoletes old < 2"], "new", "new-1-1 old-2-1");
    refuses(&["old 1-1", "user 1-1; requires old"], &["new 1-1; obsoletes old"], "new", "Obsoleted By: new-1-1.noarch");
    accepts(
        &["old 1-1", "user 1-1; requires old"],
        &["new 1-1; obsoletes old; provides old = 2"],
        "new",
        "new-1-1 user-1-1",
    );
}

#[test]
fn conflicts() {
    refuses(&["b 1-1"], &["a 1-1; conflicts b"], "a", "a conflicts with b-1-1.noarch");
    refuses(&["b 1-1; conflicts a"], &["a 1-1"], "a", "b conflicts with a-1-1.noarch");
    refuses(
        &[],
        &["a 1-1; conflicts b; requires c", "c 1-1; requires b", "b 1-1"],
        "a",
        "a conflicts with b-1-1.noarch",
    );
    accepts(&["b 1-1"], &["a 1-1; conflicts b < 1"], "a", "a-1-1 b-1-1");
    accepts(&["b 1-1"], &["a 1-1; conflicts b < 2", "b 2-1"], "a", "a-1-1 b-2-1");
}

#[test]
fn files() {
    refuses(&["b 1-1; file /opt/x one"], &["a 1-1; file /opt/x two"], "a", "file /opt/x from install of a-1-1.noarch");
    accepts(&["b 1-1; file /opt/x one"], &["a 1-1; file /opt/x one"], "a", "a-1-1 b-1-1");
    accepts(&["b 1-1; file /opt/x one"], &["a 1-1; file /opt/x two; obsoletes b"], "a", "a-1-1");
    accepts(&["a 1-1; file /opt/x one"], &["a 2-1; file /opt/x two"], "a", "a-2-1");
    let both = ["a 1-1; requires b; file /opt/x one", "b 1-1; file /opt/x two"];
    refuses(&[], &both, "a", "file /opt/x conflicts between attempted installs of ");
}

/// Two hundred were compared when this was written; a few are enough to notice what changes.
#[test]
fn small_random_worlds() {
    let (mut accepted, mut refused) = (0, 0);
    for seed in 0..25 {
        let world = random::world(seed);
        let (real, rehearsed) = (world.by_dnf(), world.by_rehearsal());
        match (&real, &rehearsed) {
            (Ok(real), Ok(rehearsed)) => {
                assert_eq!(rehearsed, real, "seed {seed}: {world:#?}");
                accepted += 1;
            }
            (Err(_), Err(_)) => refused += 1,
            _ => panic!("seed {seed}: {world:#?}\ndnf: {real:?}\nrehearsal: {rehearsed:?}"),
        }
    }
    assert!(accepted > 4 && refused > 4, "{accepted} accepted, {refused} refused: too much of one kind");
}

#[test]
fn erasing_is_refused_where_rpm_refuses_it() {
    for seed in 100..106 {
        random::world(seed).compare_erasures();
    }
}

/// rpm since 4.13 takes a side without a release for every release where that side has `=`; rpm 4.11 of the hosts does not.
fn by_the_newer_rule((wanted, wanted_evr): (&str, &str), (offered, offered_evr): (&str, &str)) -> bool {
    let released = |evr: &str| evr.contains('-');
    released(wanted_evr) != released(offered_evr)
        && if released(wanted_evr) { offered.contains('=') } else { wanted.contains('=') }
}

#[test]
fn ranges_overlap_as_rpm_has_it() {
    let script = "import rpm, itertools
S = {'<': 2, '<=': 10, '=': 8, '>=': 12, '>': 4}
E = ['1.0', '1.0-1', '1.0-2', '1.1-1', '1:0.5-1', '0:1.0-1', '1.0~rc1-1', '1.0.1']
for a, e, b, f in itertools.product(S, E, S, E):
    met = rpm.ds(('a', S[a], e), 'requires').Compare(rpm.ds(('a', S[b], f), 'provides'))
    print(a, e, b, f, int(met))";
    // The interpreter that dnf's own bindings are for.
    let table = stdout_of(&mut command("/usr/bin/python3", ["-c", script]));
    let mut differences: BTreeMap<bool, usize> = BTreeMap::new();
    for line in table.lines() {
        let &[a, e, b, f, met] = line.split(' ').collect::<Vec<_>>().as_slice() else { panic!("{line}") };
        let parse = |operator: &str, evr: &str| format!("a {operator} {evr}").parse::<Dependency>().unwrap();
        let agrees = parse(a, e).is_met_by(&parse(b, f)) == (met == "1");
        assert!(agrees || by_the_newer_rule((a, e), (b, f)), "{line}");
        *differences.entry(agrees).or_default() += 1;
    }
    assert_eq!(differences, BTreeMap::from([(true, 1576), (false, 24)]));
}
