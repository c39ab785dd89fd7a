//! The captures that come with the program are what `pack/hosts/make` makes of the facts beside it.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

use std::fs;

use lab::packs;
use lab::tools::{command, fail, succeed};

#[test]
fn making_the_built_in_captures_gives_the_bytes_that_are_committed() {
    let hosts = packs::workspace().join("pack/hosts");
    let folder = tempfile::tempdir().unwrap();
    // Neither umask nor time zone nor the current folder may matter.
    let line = format!("umask 027 && exec '{}/make' \"$1\"", hosts.display());
    succeed(command("sh", ["-c", &line, "sh"]).arg(folder.path()).current_dir("/").env("TZ", "Asia/Tokyo"));
    let mut made = 0;
    for entry in fs::read_dir(folder.path()).unwrap() {
        let name = entry.unwrap().file_name();
        let (new, committed) = (fs::read(folder.path().join(&name)).unwrap(), fs::read(hosts.join(&name)).unwrap());
        assert!(new == committed, "{name:?} is not what pack/hosts/make makes: run it");
        made += 1;
    }
    assert_eq!(made, 4);
}

#[test]
fn facts_that_cannot_be_understood_are_refused_with_their_line() {
    for (facts, named) in [
        ("package a 1 1 noarch\nfile x /a\n", "1.0.txt, line 2"),
        ("requires a\n", "1.0.txt, line 1"),
        ("include nothing.txt\n", "nothing.txt"),
        ("package a 1 1 noarch\ninclude other.txt\n", "other.txt, line 1"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(packs::workspace().join("pack/hosts/make"), folder.path().join("make")).unwrap();
        fs::write(folder.path().join("1.0.txt"), facts).unwrap();
        fs::write(folder.path().join("other.txt"), "what\n").unwrap();
        // By its interpreter: a program that was just written may still be open in a child of another thread.
        let said = fail(&mut command("sh", [folder.path().join("make")]));
        assert!(said.contains(named), "{named}: {said}");
        assert!(!folder.path().join("1.0.tar.gz").exists());
    }
}
