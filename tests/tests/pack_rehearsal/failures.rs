//! Scriptlets that fail, and files that cannot land.

use crate::twins::Twins;

const OTHER: &str = "other 1\n traced\n file 0644 /opt/other one\n Requires: a";

fn failing(version: u8, scriptlet: &str) -> String {
    format!("a {version}\n traced\n file 0644 /opt/a version {version}\n {scriptlet} exit 1")
}

fn plain(version: u8) -> String {
    format!("a {version}\n traced\n file 0644 /opt/a version {version}")
}

#[test]
fn a_package_whose_pre_fails_is_left_out_and_the_others_come() {
    let mut twins = Twins::new();
    let (done, said) = twins.install(&[&failing(1, "%pre"), OTHER]);
    assert!(!done && said.contains("%prein(a-1-1.noarch) scriptlet failed, exit status 1"), "{said}");
    twins.agree();
    assert!(twins.trace().contains(&"other %post 1".to_owned()));
    assert!(!twins.trace().contains(&"a %posttrans 0".to_owned()));
}

#[test]
fn a_package_whose_pretrans_fails_is_left_out() {
    let mut twins = Twins::new();
    assert!(!twins.install(&[&failing(1, "%pretrans")]).0);
    twins.agree();
    assert_eq!(twins.trace(), ["a %pretrans 0"]);
}

#[test]
fn the_older_version_stays_if_pre_fails() {
    let mut twins = Twins::new();
    twins.take(&[&plain(1)]);
    assert!(!twins.install(&[&failing(2, "%pre")]).0);
    twins.agree();
    assert!(twins.rehearsed.packages().any(|package| package.to_string() == "a-1-1.noarch"));
}

#[test]
fn what_would_be_obsoleted_stays_if_pre_fails() {
    let mut twins = Twins::new();
    twins.take(&["old 1\n traced\n file 0644 /opt/old one"]);
    assert!(!twins.install(&[&format!("{}\n Obsoletes: old", failing(1, "%pre"))]).0);
    twins.agree();
    assert!(twins.paths().contains(&"/opt/old".to_owned()));
}

#[test]
fn other_failures_are_warnings() {
    let all = |version| failing(version, "%post") + "\n %postun exit 1\n %posttrans exit 1";
    let mut twins = Twins::new();
    twins.take(&[&all(1)]);
    twins.take(&[&all(2)]);
    assert!(twins.erase(&["a"]));
    assert_eq!(twins.trace().last().unwrap(), "a %postun 0");
}

#[test]
fn a_package_whose_preun_fails_stays() {
    let mut twins = Twins::new();
    twins.take(&[&failing(1, "%preun"), OTHER]);
    assert!(!twins.erase(&["a", "other"]));
    assert!(twins.paths().contains(&"/opt/a".to_owned()) && !twins.paths().contains(&"/opt/other".to_owned()));
}

#[test]
fn both_versions_are_there_if_the_older_ones_preun_fails() {
    let mut twins = Twins::new();
    twins.take(&[&failing(1, "%preun")]);
    assert!(!twins.install(&[&plain(2)]).0);
    twins.agree();
    assert_eq!(twins.rehearsed.packages().filter(|package| package.name == "a").count(), 2);
}

#[test]
fn a_file_does_not_land_on_a_folder() {
    let mut twins = Twins::new();
    twins.write("/opt/a/something", "of nobody\n");
    let (done, said) = twins.install(&[&plain(1)]);
    assert!(!done && said.contains("unpacking of archive failed on file /opt/a"), "{said}");
    twins.agree();
}
