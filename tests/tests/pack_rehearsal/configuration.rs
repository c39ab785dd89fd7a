//! What becomes of configuration files, changed by the administrator or not.

use crate::twins::Twins;

const FILES: [&str; 4] = ["/etc/lab/replaced", "/etc/lab/kept", "/etc/lab/replaced-same", "/etc/lab/kept-same"];

/// A version with four configuration files, two of which are the same in every version.
fn version(version: u8) -> String {
    format!(
        "a {version}
        config 0644 /etc/lab/replaced version {version}
        noreplace 0644 /etc/lab/kept version {version}
        config 0644 /etc/lab/replaced-same same
        noreplace 0644 /etc/lab/kept-same same"
    )
}

fn saved(twins: &Twins) -> Vec<String> {
    twins.paths().into_iter().filter(|path| path.contains(".rpm")).collect()
}

#[test]
fn unchanged_ones_are_replaced() {
    let mut twins = Twins::new();
    twins.take(&[&version(1)]);
    twins.take(&[&version(2)]);
    twins.erase(&["a"]);
    assert_eq!(saved(&twins), [""; 0]);
}

#[test]
fn changed_ones_are_saved_or_kept_where_the_new_version_has_something_new() {
    let mut twins = Twins::new();
    twins.take(&[&version(1)]);
    FILES.iter().for_each(|file| twins.write(file, "by the administrator\n"));
    twins.take(&[&version(2)]);
    assert_eq!(saved(&twins), ["/etc/lab/kept.rpmnew", "/etc/lab/replaced.rpmsave"]);
    twins.erase(&["a"]);
    assert_eq!(saved(&twins).len(), 5);
}

#[test]
fn what_was_changed_to_what_the_new_version_brings_is_not_saved() {
    let mut twins = Twins::new();
    twins.take(&[&version(1)]);
    FILES[..2].iter().for_each(|file| twins.write(file, "version 2\n"));
    twins.take(&[&version(2)]);
    assert_eq!(saved(&twins), [""; 0]);
}

#[test]
fn removed_ones_come_again() {
    let mut twins = Twins::new();
    twins.take(&[&version(1)]);
    FILES.iter().for_each(|file| twins.remove(file));
    twins.take(&[&version(2)]);
    twins.erase(&["a"]);
}

#[test]
fn those_that_were_there_before_the_first_installation() {
    let mut twins = Twins::new();
    FILES[..2].iter().for_each(|file| twins.write(file, "by the administrator\n"));
    FILES[2..].iter().for_each(|file| twins.write(file, "same\n"));
    twins.take(&[&version(1)]);
    assert_eq!(saved(&twins), ["/etc/lab/kept.rpmnew", "/etc/lab/replaced.rpmorig"]);
    twins.erase(&["a"]);
}

#[test]
fn those_that_vanish_or_stop_being_configuration() {
    let mut twins = Twins::new();
    twins.take(&["a 1
        config 0644 /etc/lab/vanishes version 1
        noreplace 0644 /etc/lab/vanishes-too version 1
        config 0644 /etc/lab/becomes-plain version 1
        file 0644 /etc/lab/was-plain version 1
        file 0644 /etc/lab/plain version 1"]);
    for name in ["vanishes", "vanishes-too", "becomes-plain", "was-plain", "plain"] {
        twins.write(&format!("/etc/lab/{name}"), "by the administrator\n");
    }
    twins.take(&["a 2
        file 0644 /etc/lab/becomes-plain version 2
        noreplace 0644 /etc/lab/was-plain version 2
        file 0644 /etc/lab/plain version 2"]);
    assert_eq!(
        saved(&twins),
        [
            "/etc/lab/becomes-plain.rpmsave",
            "/etc/lab/vanishes-too.rpmsave",
            "/etc/lab/vanishes.rpmsave",
            "/etc/lab/was-plain.rpmnew",
        ]
    );
}

#[test]
fn those_that_move_to_another_package() {
    let mut twins = Twins::new();
    twins.take(&[&version(1), "b 1\n file 0644 /opt/b one"]);
    FILES.iter().for_each(|file| twins.write(file, "by the administrator\n"));
    twins.take(&["a 2\n file 0644 /opt/a two\n Requires: b >= 2", &version(2).replace("a 2\n", "b 2\n")]);
    assert_eq!(saved(&twins).len(), 2);
    twins.erase(&["a", "b"]);
}

#[test]
fn links_and_ghosts() {
    let mut twins = Twins::new();
    twins.take(&["a 1
        configlink /etc/lab/link one
        ghostconfig 0644 /etc/lab/ghost text
        file 0644 /opt/a one
        %post echo made > /etc/lab/ghost"]);
    twins.take(&["a 2
        configlink /etc/lab/link two
        ghostconfig 0644 /etc/lab/ghost text
        file 0644 /opt/a two"]);
    twins.remove("/etc/lab/link");
    twins.write("/etc/lab/link", "a file now\n");
    twins.erase(&["a"]);
    assert!(twins.paths().contains(&"/etc/lab/ghost".to_owned()), "rpm never removes these");
}

#[test]
fn what_scriptlets_do_to_them_in_the_middle_comes_too_late() {
    let edit = |version: u8| {
        format!(
            "a {version}
            config 0644 /etc/lab/replaced version {version}
            noreplace 0644 /etc/lab/kept version {version}
            %pre [ $1 -eq 1 ] || echo edited | cat > /etc/lab/replaced
            %pre [ $1 -eq 1 ] || echo edited | cat > /etc/lab/kept
            %preun [ $1 -gt 0 ] || echo edited | cat > /etc/lab/kept"
        )
    };
    let mut twins = Twins::new();
    twins.take(&[&edit(1)]);
    twins.take(&[&edit(2)]);
    twins.erase(&["a"]);
    assert_eq!(saved(&twins), [""; 0]);
}
