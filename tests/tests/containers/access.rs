//! Keys, accounts and ways in: what works, and what is said when it does not.

use lab::monitor::Monitor;

use crate::lab::{Lab, SOON, WIPED};

/// What the log says about why the VM's containers are not seen.
fn reason(monitor: &mut Monitor) -> String {
    monitor.wait_for_line("cannot see the VM's containers")
}

#[test]
fn a_pool_without_a_key_gets_one_which_both_hosts_use() {
    let lab = Lab::new();
    let pool = lab.xapi.pool();
    for half in ["private", "public"] {
        lab.xapi.remove_entry(&pool, "other_config", &format!("xscontainer-{half}-secret-uuid")).unwrap();
    }
    let secrets_before = lab.xapi.look(|state| state.database.refs("secret").len());
    let guest = lab.guest("web");
    let there = lab.xapi.new_host("host-2", "192.0.2.2").unwrap();
    let vm = lab.register(&guest);
    lab.register_on(&guest, "other", &there);
    let mut monitors = [lab.monitor(), Monitor::start_on(&lab.xapi, &there)];
    for monitor in &mut monitors {
        monitor.wait_for_line("cannot see the VM's containers");
    }
    let named = |half: &str| {
        let key = format!("xscontainer-{half}-secret-uuid");
        lab.xapi.look(|state| state.entry(&pool, "other_config", &key)).unwrap()
    };
    let (private, public) = (named("private"), named("public"));
    let secrets = lab.xapi.look(|state| state.database.refs("secret").len());
    assert_eq!(secrets, secrets_before + 2, "the loser's secrets are left");
    let text = |uuid: &str| {
        let found = lab.xapi.look(|state| state.database.find("secret", "uuid", &uuid.into()));
        lab.xapi.get(&found[0], "value").unwrap().text().unwrap().to_owned()
    };
    assert!(text(&private).starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
    assert!(text(&public).starts_with("ssh-rsa AAAA"));
    guest.authorize(&text(&public));
    lab.shows_within(WIPED, &monitors[0], &vm, &[]);
}

#[test]
fn a_host_key_that_changed_is_not_trusted_until_somebody_says_so() {
    let lab = Lab::new();
    let guest = lab.guest("web");
    let vm = lab.register(&guest);
    let mut monitor = lab.monitor();
    lab.shows(&monitor, &vm, &[]);
    let known = lab.entry(&vm, "xscontainer-sshhostkey").unwrap();
    guest.change_host_keys();
    let reason = monitor.wait_for_line("shows another host key than before");
    assert!(reason.contains("SHA256:") && reason.contains("xscontainer-sshhostkey"), "{reason}");
    lab.shows_nothing(WIPED, &monitor, &vm);
    assert_eq!(lab.entry(&vm, "xscontainer-sshhostkey"), Some(known));
    lab.xapi.remove_entry(&vm, "other_config", "xscontainer-sshhostkey").unwrap();
    lab.shows(&monitor, &vm, &[]);
    assert_eq!(lab.entry(&vm, "xscontainer-sshhostkey"), Some(guest.host_key_blob("ed25519")));
}

#[test]
fn a_host_key_of_any_kind_that_the_original_remembered_is_accepted() {
    for kind in ["rsa", "ecdsa", "ed25519"] {
        let lab = Lab::new();
        let guest = lab.guest("web");
        let key = guest.host_key_blob(kind);
        let address = guest.address().to_string();
        let vm = lab.add_vm("web", &[("0/ip", &address)], &[("xscontainer-sshhostkey", &key)]);
        let monitor = lab.monitor();
        lab.shows(&monitor, &vm, &[]);
        assert_eq!(lab.entry(&vm, "xscontainer-sshhostkey"), Some(key));
    }
}

#[test]
fn an_account_without_the_key_is_told_and_let_in_later() {
    let lab = Lab::new();
    let guest = lab.guest("web");
    guest.deauthorize();
    let vm = lab.register(&guest);
    let mut monitor = lab.monitor();
    let reason = reason(&mut monitor);
    assert!(reason.contains("does not let user \"core\" in"), "{reason}");
    lab.prepared_again(&guest);
    lab.shows_within(WIPED, &monitor, &vm, &[]);
}

#[test]
fn an_account_outside_of_group_docker_is_told() {
    let lab = Lab::new();
    let guest = lab.guest("web");
    guest.leave_docker_group();
    let vm = lab.register(&guest);
    let mut monitor = lab.monitor();
    let reason = reason(&mut monitor);
    assert!(
        reason.contains("may not use the engine's socket") && reason.contains("usermod -aG docker core"),
        "{reason}"
    );
    guest.join_docker_group();
    lab.shows_within(WIPED, &monitor, &vm, &[]);
}

#[test]
fn a_guest_without_an_engine_is_told() {
    let lab = Lab::new();
    let guest = lab.prepared(lab.network.vm("web").ssh());
    lab.register(&guest);
    let mut monitor = lab.monitor();
    assert!(reason(&mut monitor).contains("there is no container engine in the VM"));
}

/// The way in that the log names.
fn way(lab: &Lab, lines: &[&str], removed: &[&str]) -> String {
    let guest = lab.prepared(lab.network.vm("web").ssh_with(lines).dockerd());
    removed.iter().for_each(|program| guest.remove_program(program));
    let vm = lab.register(&guest);
    let mut monitor = lab.monitor();
    let line = monitor.wait("a verdict", |monitor| {
        let lines = monitor.lines();
        lines.into_iter().find(|line| line.contains("containers are seen") || line.contains("cannot see"))
    });
    if line.contains("are seen") {
        guest.run("one", &["sleep", "1000"]);
        lab.shows(&monitor, &vm, &[("one", "Up")]);
    }
    line
}

#[test]
fn the_servers_own_forwarding_is_the_way_where_it_may_be() {
    assert!(way(&Lab::new(), &[], &["ncat", "docker"]).contains("forwarded to the engine's socket"));
}

#[test]
fn ncat_is_the_way_where_forwarding_is_off() {
    assert!(way(&Lab::new(), &["AllowStreamLocalForwarding no"], &[]).contains("ncat in the VM"));
}

#[test]
fn the_docker_command_is_the_way_where_ncat_is_not() {
    let way = way(&Lab::new(), &["AllowStreamLocalForwarding no"], &["ncat"]);
    assert!(way.contains("the docker command in the VM"), "{way}");
}

#[test]
fn a_guest_without_any_way_is_told() {
    let way = way(&Lab::new(), &["AllowStreamLocalForwarding no"], &["ncat", "docker"]);
    assert!(way.contains("neither ncat nor the docker command"), "{way}");
}

#[test]
fn servers_that_know_only_old_algorithms_are_understood() {
    for lines in [
        &["PubkeyAcceptedAlgorithms ssh-rsa"][..],
        &["HostKeyAlgorithms ssh-rsa", "PubkeyAcceptedAlgorithms ssh-rsa"],
        &["KexAlgorithms diffie-hellman-group14-sha1", "MACs hmac-sha1", "Ciphers aes128-ctr"],
        &["KexAlgorithms diffie-hellman-group-exchange-sha1", "MACs hmac-sha1", "Ciphers aes128-ctr"],
    ] {
        let lab = Lab::new();
        let way = way(&lab, lines, &[]);
        assert!(way.contains("are seen"), "{lines:?}: {way}");
    }
}

#[test]
fn podmans_service_is_an_engine_too() {
    let lab = Lab::new();
    let guest = lab.prepared(lab.network.vm("web").ssh().podman());
    let vm = lab.register(&guest);
    let monitor = lab.monitor();
    lab.shows(&monitor, &vm, &[]);
    guest.run("one", &["sleep", "1000"]);
    lab.shows(&monitor, &vm, &[("one", "Up")]);
    guest.docker(&["stop", "-t", "0", "one"]);
    lab.shows(&monitor, &vm, &[("one", "Exited (137)")]);
    assert!(lab.entry(&vm, "docker_version").is_some());
}

#[test]
fn ipv6_is_the_way_where_there_is_nothing_else() {
    let lab = Lab::new();
    let guest = lab.guest("web");
    let vm = lab.add_vm("web", &[("0/ipv6/0", &guest.ipv6().to_string())], &[]);
    let monitor = lab.monitor();
    lab.shows(&monitor, &vm, &[]);
}

#[test]
fn addresses_that_lead_to_dom0_or_belong_to_two_vms_are_not_used() {
    let lab = Lab::new();
    let guest = lab.guest("web");
    let own = lab.network.dom0().to_string();
    let to_dom0 = lab.add_vm("dom0's", &[("0/ip", &own), ("1/ip", "127.0.0.1"), ("2/ip", "::ffff:127.0.0.1")], &[]);
    let address = guest.address().to_string();
    let one = lab.add_vm("one", &[("0/ip", &address)], &[]);
    let mut monitor = lab.monitor();
    lab.shows(&monitor, &one, &[]);
    let reason = monitor.wait_for_line("no address that the guest tools report can be used");
    assert!(reason.contains("is this host's own") && reason.contains("is a loopback address"), "{reason}");
    let other = lab.add_vm("other", &[("0/ip", &address)], &[]);
    lab.shows_nothing(SOON, &monitor, &one);
    monitor.wait_for_line("is reported by another running VM as well");
    assert_eq!(lab.entry(&other, "docker_ps"), None);
    assert_eq!(lab.entry(&to_dom0, "docker_ps"), None);
    lab.xapi.remove(&other).unwrap();
    lab.shows(&monitor, &one, &[]);
}
