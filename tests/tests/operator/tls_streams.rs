//! The same over TLS, where every stream is a connection of its own.

use std::time::Duration;

use lab::guests::{Certificates, Flaw, Vm};
use lab::xapi::Value;

use crate::lab::{Lab, Piped, run, said};

fn win() -> (Lab, Vm) {
    let lab = Lab::new();
    let guest = lab.network.vm("win");
    let certificates = Certificates::new(guest.address(), Flaw::None);
    let guest = guest.dockerd_tls(&certificates);
    let [certificate, key, authority] = [&certificates.client_certificate, &certificates.client_key, &certificates.ca]
        .map(|text| {
            let secret = lab.xapi.add("secret", [("value", Value::from(text.as_str()))]).unwrap();
            lab.xapi.get(&secret, "uuid").unwrap().text().unwrap().to_owned()
        });
    let entries = [
        ("xscontainer-mode", "tls"),
        ("xscontainer-tls-client-cert", &*certificate),
        ("xscontainer-tls-client-key", &key),
        ("xscontainer-tls-ca-cert", &authority),
        ("xscontainer-tls-verify", "name"),
    ];
    lab.add_vm("win", &[("0/ip", &guest.address().to_string())], &entries);
    (lab, guest)
}

#[test]
fn streams_go_over_tls() {
    let (lab, guest) = win();
    run(&guest, "box", &[], "echo out; echo err >&2; sleep 1000");
    crate::lab::until_printed(&guest, "box", "err");
    assert_eq!(said(&lab.output("logs", &["win/box"])), ("out\n".to_owned(), "err\n".to_owned(), Some(0)));
    let line = "head -c 1000000 /dev/zero | x exec -i win/box busybox sha256sum; head -c 1000000 /dev/zero | sha256sum";
    let (stdout, stderr, _) = said(&lab.in_shell(line));
    let sums: Vec<&str> = stdout.lines().collect();
    assert!(sums.len() == 2 && sums[0] == sums[1], "{stdout}{stderr}");
    let mut terminal = lab.at_terminal("exec", &["-it", "win/box", "sh"]);
    terminal.expect("# ");
    terminal.send_line("until [ \"$(busybox stty size)\" = '24 80' ]; do sleep 0.05; done; exit 5");
    assert_eq!(terminal.finish().code, Some(5));
}

#[test]
fn a_vm_that_falls_silent_is_noticed_over_tls_too() {
    let (lab, guest) = win();
    run(&guest, "box", &[], "echo first; sleep 1000");
    let mut follows = Piped::start(lab.command("logs", &["-f", "win/box"]));
    follows.read_until("first\n");
    guest.drop_packets();
    let (_, stderr, code) = said(&follows.finish_within(Duration::from_secs(40)));
    assert_eq!(code, Some(4), "{stderr}");
    assert!(!stderr.is_empty() && stderr.lines().count() <= 2, "{stderr}");
}
