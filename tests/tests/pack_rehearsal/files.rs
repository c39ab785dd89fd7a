//! What lands, what leaves, and what is left.

use crate::twins::Twins;

#[test]
fn files_of_every_kind_land_and_leave() {
    let mut twins = Twins::new();
    twins.take(&["a 1
        dir 0750 /opt/owned
        file 0644 /opt/owned/file text
        file 0755 /opt/owned/program text
        file 0000 /opt/owned/secret text
        file 4755 /opt/owned/setuid text
        file 0640,daemon,bin /opt/owned/owners text
        file 0644 /opt/unowned/deep/file text
        link /opt/owned/link file
        link /opt/owned/dangling /nowhere
        link /opt/owned/folder ../unowned
        same /opt/owned/second /opt/owned/file
        dir 1777 /opt/sticky
        dir 0700,daemon,daemon /opt/private
        ghost 0644 /opt/owned/ghost text
        %post [ /opt/owned/file -ef /opt/owned/second ] && echo more >> /opt/owned/second"]);
    twins.erase(&["a"]);
    let left = twins.paths();
    assert_eq!(left, ["/opt", "/opt/unowned", "/opt/unowned/deep"]);
}

#[test]
fn files_that_vanish_are_removed_and_files_that_move_stay() {
    let mut twins = Twins::new();
    twins.take(&[
        "a 1\n dir 0755 /opt/a\n file 0644 /opt/a/moves text\n file 0644 /opt/a/vanishes text\n file 0644 /opt/a/b/deep text",
        "b 1\n file 0644 /opt/b text",
    ]);
    twins.write("/opt/a/b/foreign", "not of any package\n");
    twins.take(&[
        "a 2\n dir 0755 /opt/a\n Requires: b >= 2",
        "b 2\n file 0644 /opt/b text\n file 0600 /opt/a/moves other",
    ]);
    let paths = twins.paths();
    assert!(paths.contains(&"/opt/a/moves".to_owned()) && !paths.contains(&"/opt/a/vanishes".to_owned()));
    twins.erase(&["a", "b"]);
    assert!(twins.paths().contains(&"/opt/a/b/foreign".to_owned()));
}

#[test]
fn a_file_of_two_packages_leaves_with_the_last_one() {
    let shared = "dir 0755 /opt/shared\n file 0644 /opt/shared/file text";
    let mut twins = Twins::new();
    twins.take(&[&format!("a 1\n{shared}"), &format!("b 1\n{shared}\n Requires: a")]);
    twins.erase(&["b"]);
    assert!(twins.paths().contains(&"/opt/shared/file".to_owned()));
    twins.erase(&["a"]);
    assert!(!twins.paths().contains(&"/opt/shared".to_owned()));
}

#[test]
fn kinds_and_modes_change_with_the_version() {
    let mut twins = Twins::new();
    twins.take(&["a 1
        dir 0755 /opt/folder
        file 0644 /opt/becomes-link text
        link /opt/becomes-file folder/target
        link /opt/becomes-folder nowhere
        file 0644 /opt/becomes-folder-too text
        link /opt/elsewhere one
        file 0600 /opt/mode text
        file 0644 /opt/becomes-ghost text
        ghost 0644 /opt/was-ghost text"]);
    twins.take(&["a 2
        dir 0700 /opt/folder
        link /opt/becomes-link folder
        file 0644 /opt/becomes-file text
        dir 0755 /opt/becomes-folder
        dir 0755 /opt/becomes-folder-too
        link /opt/elsewhere two
        file 0755 /opt/mode text
        ghost 0644 /opt/becomes-ghost text
        file 0644 /opt/was-ghost new"]);
    twins.erase(&["a"]);
    assert_eq!(twins.paths(), ["/opt"]);
}

#[test]
fn what_others_put_in_the_place_of_files_is_no_obstacle_to_removal() {
    let mut twins = Twins::new();
    twins.take(&["a 1
        file 0644 /opt/file text
        dir 0755 /opt/folder
        file 0644 /opt/gone text
        %preun rm /opt/file /opt/gone; mkdir /opt/file; rmdir /opt/folder; echo text > /opt/folder"]);
    twins.erase(&["a"]);
    assert_eq!(twins.paths(), ["/opt"]);
}

#[test]
fn ghost_folders_leave_too() {
    let mut twins = Twins::new();
    twins.take(&["a 1\n file 0644 /opt/a text\n %post mkdir /opt/cache"]);
    twins.take(&["a 2\n file 0644 /opt/a text\n ghostdir 0755 /opt/cache"]);
    twins.erase(&["a"]);
    assert_eq!(twins.paths(), ["/opt"]);
}

#[test]
fn packages_that_reach_a_file_by_two_paths_do_not_lose_it() {
    let mut twins = Twins::new();
    twins.take(&["a 1\n file 0644 /usr/bin/lab-tool one\n file 0644 /opt/a one"]);
    twins.take(&["a 2\n file 0644 /usr/bin/lab-tool two\n file 0644 /opt/a one"]);
    twins.erase(&["a"]);
}

#[test]
fn a_folder_does_not_become_something_else() {
    for (old, new) in [
        ("dir 0755 /opt/there", "link /opt/there elsewhere"),
        ("dir 0755 /opt/there", "file 0644 /opt/there text"),
        ("dir 0755 /opt/elsewhere\n link /opt/there elsewhere", "dir 0755 /opt/elsewhere\n dir 0755 /opt/there"),
    ] {
        let mut twins = Twins::new();
        twins.take(&[&format!("a 1\n{old}")]);
        let (done, real, rehearsed) = twins.try_install(&[&format!("a 2\n{new}")]);
        let words = "file /opt/there from install of a-2-1.noarch conflicts with file from package a-1-1.noarch";
        assert!(!done && real.contains(words) && rehearsed.contains(words), "{old} {new}\n{real}\n{rehearsed}");
        twins.agree();
    }
}
