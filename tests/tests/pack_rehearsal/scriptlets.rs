//! Which scriptlets run, in which order, with which argument.

use crate::twins::Twins;

const LOWER: &str = "lower 1\n traced\n file 0644 /opt/lower one\n Requires: /bin/sh";
const MIDDLE: &str = "middle 1\n traced\n file 0644 /opt/middle one\n Requires: lower";
const UPPER: &str = "upper 1\n traced\n file 0644 /opt/upper one\n Requires: middle";

const NEXT: [&str; 3] = [
    "lower 2\n traced\n file 0644 /opt/lower two",
    "middle 2\n traced\n file 0644 /opt/middle two\n Requires: lower >= 2",
    "upper 2\n traced\n file 0644 /opt/upper two\n Requires: middle >= 2",
];

#[test]
fn providers_come_first_and_go_last() {
    let mut twins = Twins::new();
    twins.take(&[UPPER, LOWER, MIDDLE]);
    let installed = twins.trace();
    assert_eq!(installed.len(), 12);
    assert_eq!(installed[0], "lower %pretrans 0");
    assert_eq!(installed[3..5], ["lower %pre 1", "lower %post 1"]);
    twins.take(&NEXT);
    let upgraded = twins.trace().split_off(installed.len());
    assert_eq!(upgraded.len(), 18);
    assert_eq!(upgraded[3..5], ["lower %pre 2", "lower %post 2"]);
    assert_eq!(upgraded[9..11], ["upper %preun 1", "upper %postun 1"]);
    assert_eq!(upgraded[17], "upper %posttrans 0");
    twins.erase(&["middle", "lower", "upper"]);
    assert_eq!(twins.trace().last().unwrap(), "lower %postun 0");
    assert!(!twins.paths().contains(&"/opt/upper".to_owned()));
}

#[test]
fn some_are_upgraded_some_are_new_and_some_are_obsoleted() {
    let mut twins = Twins::new();
    twins.take(&[LOWER, "old 1\n traced\n file 0644 /opt/old one\n Requires: lower"]);
    twins.take(&[
        "lower 2\n traced\n file 0644 /opt/lower two",
        "new 1\n traced\n file 0644 /opt/old two\n Obsoletes: old\n Requires: lower >= 2",
    ]);
    assert!(twins.trace().contains(&"old %postun 0".to_owned()));
    assert!(twins.trace().contains(&"new %pre 1".to_owned()));
    twins.erase(&["new", "lower"]);
}

#[test]
fn every_moment_sees_the_files_that_are_there_then() {
    let look = ["%pretrans", "%pre", "%post", "%preun", "%postun", "%posttrans"]
        .map(|moment| format!("{moment} echo \"{moment} $1 $(cat /opt/file 2>&1)\" | cat >> /var/log/trace"))
        .join("\n");
    let package = |version: u8| format!("a {version}\n{look}\n file 0644 /opt/file version {version}");
    let mut twins = Twins::new();
    let quiet = |text: String| text.replace("2>&1", "2>/dev/null").replace("\"%", "\"%%");
    twins.take(&[&quiet(package(1))]);
    twins.take(&[&quiet(package(2))]);
    twins.erase(&["a"]);
    assert!(twins.trace().contains(&"%pre 2 version 1".to_owned()), "{:?}", twins.trace());
    assert!(twins.trace().contains(&"%postun 1 version 2".to_owned()));
}

#[test]
fn what_scriptlets_do_with_files_is_done() {
    let mut twins = Twins::new();
    twins.take(&["a 1
        file 0644 /opt/brought text
        ghost 0600 /opt/data/made -
        dir 0755 /opt/data
        %post echo made > /opt/data/made
        %post echo stays > /opt/data/stays
        %postun [ $1 -gt 0 ] || rm -r /opt/data"]);
    twins.take(&["a 2
        file 0644 /opt/brought text
        ghost 0600 /opt/data/made -
        dir 0755 /opt/data
        %post echo again >> /opt/data/made
        %postun [ $1 -gt 0 ] || rm -r /opt/data"]);
    twins.erase(&["a"]);
    assert!(!twins.paths().contains(&"/opt/data".to_owned()));
}
