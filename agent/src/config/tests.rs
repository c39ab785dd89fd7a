use std::path::{Path, PathBuf};
use std::time::Duration;

use expect_test::expect_file;

use super::*;

fn read(text: &str) -> Read {
    Read::text(Path::new("/etc/x"), text)
}

/// What is wrong in a file of one or more lines.
#[track_caller]
fn faults(text: &str) -> Vec<String> {
    let read = read(text);
    assert!(!read.faults.is_empty(), "{text}");
    read.faults.iter().map(ToString::to_string).collect()
}

/// Below `spec/dom0`; `UPDATE_EXPECT=1 cargo test -p agent config::` writes it anew.
fn delivered(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/dom0").join(path)
}

#[test]
fn the_file_that_is_delivered_is_made_from_the_table() {
    expect_file![delivered("etc/xscontainer/config.toml")].assert_eq(&text::file());
}

#[test]
fn the_manual_page_that_is_delivered_is_made_from_the_table() {
    expect_file![delivered("usr/share/man/man5/xscontainer.toml.5")].assert_eq(&text::manual());
}

#[test]
fn the_file_as_it_is_delivered_changes_nothing() {
    assert_eq!(read(&text::file()), Read::default());
}

#[test]
fn every_key_can_be_set_to_its_usual_value_as_it_is_written_there() {
    let set: String = text::file()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(key) if !key.is_empty() && !key.starts_with(' ') => format!("{key}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let read = read(&set);
    assert_eq!((read.faults, read.config), (vec![], Config::default()));
    assert_eq!(read.lines.len(), table::all().count());
}

#[test]
fn what_is_shown_of_a_file_reads_as_the_same() {
    let one = read("[monitor]\ntold-after = \"90 s\"\n[ssh]\nallow-sha1 = false\n[view]\nlist-max = \"100 KiB\"");
    assert_eq!(one.faults, []);
    assert_eq!(one.config.monitor.vm.told_after, Duration::from_secs(90));
    assert_eq!((one.config.sha1, one.config.monitor.view.list), (false, 100 << 10));
    let shown = text::effective(&one);
    assert_eq!(read(&shown).config, one.config);
    let words: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    for line in ["told-after = \"90 s\" # line 2", "wiped-after = \"10 s\" # usual"] {
        assert!(words.contains(&line.split(' ').collect()), "{shown}");
    }
}

#[test]
fn no_two_keys_set_the_same_and_each_sets_something() {
    for (section, key) in table::all() {
        let mut config = Config::default();
        let other = match key.slot(&mut config) {
            value::Slot::Time(_, range) => {
                let usual = key.slot(&mut Config::default()).shown();
                let ends = [*range.start(), *range.end()].map(|end| format!("\"{}\"", value::Time(end)));
                ends.into_iter().find(|end| *end != usual).unwrap()
            }
            value::Slot::Count(_, range) => range.start().to_string(),
            value::Slot::Size(_, range) => format!("\"{} B\"", range.start()),
            value::Slot::Switch(switch) => (!*switch).to_string(),
            value::Slot::File(_, ending) => format!("\"/x{ending}\""),
            value::Slot::Level(_) => "\"trace\"".to_owned(),
        };
        let read = read(&format!("[{}]\n{} = {other}", section.name, key.name));
        assert_eq!(read.faults, [], "{}", key.name);
        let changes = read.config.changes(&Config::default());
        let keys: Vec<&str> = changes.iter().map(|change| change.key.as_str()).collect();
        assert_eq!(keys, [format!("{}.{}", section.name, key.name)]);
    }
}

#[test]
fn a_key_that_does_not_exist_is_a_fault_that_names_the_one_that_was_meant() {
    for (text, fault) in [
        (
            "[monitor]\n\nwiped-afer = \"9 s\"",
            "/etc/x:3: there is no key wiped-afer below [monitor]; did you mean wiped-after?",
        ),
        (
            "[monitor]\nallow-sha1 = true",
            "/etc/x:2: there is no key allow-sha1 below [monitor]; it belongs below [ssh]",
        ),
        ("[monitor]\ncolour = 1", "/etc/x:2: there is no key colour below [monitor]"),
        ("[monitr]\ntls = true", "/etc/x:1: there is no section or key monitr; did you mean monitor?"),
        ("told-after = \"9 s\"", "/etc/x:1: there is no section or key told-after; it belongs below [monitor]"),
        ("\"\\u001b[2J\" = 1", "/etc/x:1: there is no section or key \"\\u{1b}[2J\""),
        ("monitor = 5", "/etc/x:1: monitor is a section: write [monitor]"),
    ] {
        assert_eq!(faults(text), [fault]);
    }
}

#[test]
fn a_value_that_is_not_allowed_is_a_fault_that_says_what_is() {
    let time = "allowed is a time from \"1 s\" to \"10 min\"";
    for (value, what) in [
        ("10", "10 has no unit"),
        ("\"10\"", "\"10\" is no text of a number and one of ms, s, min, h, d"),
        ("\"10 sec\"", "\"10 sec\" is no text of a number and one of ms, s, min, h, d"),
        ("\"-1 s\"", "\"-1 s\" is no text of a number and one of ms, s, min, h, d"),
        ("\"99999999999999999999 d\"", "\"99999999999999999999 d\" is no text of a number and one of ms, s, min, h, d"),
        ("\"9999999999999 d\"", "\"9999999999999 d\" is no text of a number and one of ms, s, min, h, d"),
        ("\"999 ms\"", "\"999 ms\" is too little"),
        ("\"11 min\"", "\"11 min\" is too much"),
        ("true", "true is no text of a number and one of ms, s, min, h, d"),
        ("[1]", "a list is no text of a number and one of ms, s, min, h, d"),
        ("{ a = 1 }", "a table is no text of a number and one of ms, s, min, h, d"),
    ] {
        let fault = format!("/etc/x:2: monitor.wiped-after: {what}; {time}");
        assert_eq!(faults(&format!("[monitor]\nwiped-after = {value}")), [fault]);
    }
    for (text, fault) in [
        (
            "[monitor]\ntls = \"no\"",
            "/etc/x:2: monitor.tls: \"no\" is neither true nor false; allowed is true or false",
        ),
        (
            "[engine]\ncontainers-max = 20001",
            "/etc/x:2: engine.containers-max: 20001 is too much; allowed is a number from 10 to 20000",
        ),
        (
            "[engine]\ncontainers-max = -1",
            "/etc/x:2: engine.containers-max: -1 is no whole number; allowed is a number from 10 to 20000",
        ),
        (
            "[view]\nlist-max = \"181 KiB\"",
            "/etc/x:2: view.list-max: \"181 KiB\" is too much; allowed is a size from \"16 KiB\" to \"180 KiB\"",
        ),
        (
            "[metrics]\nprometheus-file = \"x.prom\"",
            "/etc/x:2: metrics.prometheus-file: \"x.prom\" is no such path; allowed is \"\", or a whole path that ends in \".prom\"",
        ),
        (
            "[log]\nlevel = \"loud\"",
            "/etc/x:2: log.level: \"loud\" is no level; allowed is \"error\", \"warn\", \"info\", \"debug\", \"trace\"",
        ),
    ] {
        assert_eq!(faults(text), [fault]);
    }
}

#[test]
fn what_is_right_in_a_file_with_faults_counts() {
    let read =
        read("[monitor]\ntold-after = \"9 s\"\nwiped-after = 7\nlist-intervall = \"2 s\"\n[ssh]\nallow-sha1 = false");
    assert_eq!(read.faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [Some(3), Some(4)]);
    let mut expected = Config { sha1: false, ..Config::default() };
    expected.monitor.vm.told_after = Duration::from_secs(9);
    assert_eq!(read.config, expected);
}

#[test]
fn of_what_is_no_toml_nothing_counts() {
    let text = "[monitor]\ntold-after = \"9 s\"\ntls = \n";
    let fault = faults(text).remove(0);
    assert!(fault.starts_with("/etc/x:3: no TOML: ") && fault.ends_with("Nothing of the file counts"), "{fault}");
    assert_eq!(read(text).config, Config::default());
    assert!(faults("[monitor]\ntls = true\ntls = false")[0].starts_with("/etc/x:3: no TOML: "));
}

#[test]
fn many_faults_are_told_up_to_a_limit() {
    let text: String = (0..1000).map(|n| format!("k{n} = 1\n")).collect();
    assert_eq!(faults(&text).len(), 20);
}

#[test]
fn a_file_that_does_not_exist_says_nothing_and_one_that_cannot_be_read_is_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(Config::read(&folder.path().join("none")), Read::default());
    let read = Config::read(folder.path());
    assert!(read.faults[0].to_string().contains("cannot be read: "), "{read:?}");
    assert_eq!(read.config, Config::default());
    let binary = folder.path().join("binary");
    std::fs::write(&binary, [0xff, 0xfe]).unwrap();
    assert_eq!(Config::read(&binary).faults.len(), 1);
}

#[test]
fn changes_are_told_with_both_values() {
    let now = read("[monitor]\ntold-after = \"5 min\"").config;
    let changes = now.changes(&Config::default());
    let change = Changed {
        key: "monitor.told-after".into(),
        before: "\"2 min\"".into(),
        now: "\"5 min\"".into(),
        restart: false,
    };
    assert_eq!(changes, [change]);
    assert_eq!(now.changes(&now), []);
}

#[test]
fn the_manual_page_has_every_key() {
    let page = text::manual();
    for (_, key) in table::all() {
        assert!(page.contains(&format!(".BR {} ", key.name.replace('-', "\\-"))), "{}", key.name);
    }
}

mod random {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_a_file_holds_is_read_without_harm(text in "(\\[(monitor|engine|x)\\]\n|[a-z-]{1,12} = (\"[0-9a-zµ ]{0,9}\"|-?[0-9]{1,30}|\\[\\]|1979-05-27)\n|.{0,20}\n){0,9}") {
            let read = read(&text);
            prop_assert!(read.faults.len() <= 20);
            prop_assert!(read.faults.iter().all(|fault| !fault.to_string().contains(char::is_control)));
        }
    }
}
