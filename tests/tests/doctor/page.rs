//! The page about troubles, and the scenarios here, are about the same.

use std::collections::BTreeSet;
use std::fs;

use crate::{guest_path, host};

#[test]
fn everything_on_the_page_is_produced_here_and_nothing_else() {
    let page = lab::packs::workspace().join("spec/dom0/usr/share/doc/xscontainer/troubleshooting.md");
    let page = fs::read_to_string(page).unwrap();
    let explained: BTreeSet<&str> = page.lines().filter_map(|line| line.strip_prefix("#### ")).collect();
    let produced: BTreeSet<&str> = [host::IDS, host::OTHER_IDS, guest_path::IDS].concat().into_iter().collect();
    assert_eq!(explained, produced);
}
