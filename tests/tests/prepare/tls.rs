//! From nothing to "its containers show", over TLS: Windows Server is played by dockerd on Linux, and the program on the disc by
//! the test, which puts the disc's files where it would.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use lab::guests::{Certificates, Flaw, Vm};
use lab::monitor::Monitor;
use lab::tools::succeed;
use lab::xapi::{Ref, Value};

use crate::lab::Lab;

/// Longer than three keys of 4096 bits take on a busy machine.
const KEYS: Duration = Duration::from_secs(120);

impl Lab {
    /// A CD drive for the VM, with this in it or nothing, and storage for discs.
    fn drive(&self, vm: &Ref, disc: Option<&Ref>) -> Ref {
        let sr = self.xapi.add_sr("default", &[&self.xapi.host()]);
        self.xapi.set(&self.xapi.pool(), "default_SR", &sr).unwrap();
        if let Some(disc) = disc {
            self.xapi.set(disc, "SR", &sr).unwrap();
        }
        let null = Ref::null();
        let fields = [
            ("VM", Value::from(vm)),
            ("VDI", disc.unwrap_or(&null).into()),
            ("type", "CD".into()),
            ("mode", "RO".into()),
            ("userdevice", "3".into()),
            ("empty", disc.is_none().into()),
            ("currently_attached", true.into()),
        ];
        self.xapi.add("VBD", fields).unwrap()
    }

    fn disc_in(&self, drive: &Ref) -> Option<Ref> {
        let vdi = Ref(self.xapi.get(drive, "VDI").unwrap().text().unwrap().to_owned());
        (vdi != Ref::null()).then_some(vdi)
    }

    fn secrets(&self) -> usize {
        self.xapi.look(|state| state.database.refs("secret").len())
    }
}

/// What is on a disc, read by somebody else's reader.
fn unpacked(image: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("disc.iso"), image).unwrap();
    succeed(Command::new("bsdtar").args(["-xf", "disc.iso"]).current_dir(folder.path()));
    folder
}

/// Starts the engine with the files for it, as the program on the disc does.
fn configured(guest: Vm, disc: &Path) -> Vm {
    let read = |file: &str| fs::read_to_string(disc.join(file)).unwrap();
    guest.dockerd_tls(&Certificates {
        ca: read("server/ca.pem"),
        server_certificate: read("server/server-cert.pem"),
        server_key: read("server/server-key.pem"),
        client_certificate: read("client/cert.pem"),
        client_key: read("client/key.pem"),
    })
}

#[test]
fn an_engine_is_prepared_with_the_disc_by_a_person_at_a_terminal_and_taken_out_again() {
    let lab = Lab::new();
    let guest = lab.network.vm("win");
    let vm = lab.vm(&guest);
    let drive = lab.drive(&vm, None);
    let before = lab.secrets();
    let _monitor = Monitor::start(&lab.xapi);
    let mut terminal = lab.at_terminal(&vm, &["--mode", "tls", "--generate-certs"]);
    terminal.expect(&format!("  {}", guest.address()));
    terminal.expect("Go on? (y/n): ");
    terminal.send_line("y");
    terminal.expect_within(KEYS, "Making keys: 3 of 3");
    terminal.expect("configure_tls.cmd");
    terminal.expect("Has it been run? (y/n): ");
    let disc = unpacked(&lab.xapi.disk(&lab.disc_in(&drive).unwrap()));
    // Too early, which is told.
    terminal.send_line("y");
    terminal.expect("does not answer on TCP port 2376");
    terminal.expect("Try again? (y/n): ");
    let guest = configured(guest, disc.path());
    guest.run("web-1", &["sleep", "1000"]);
    terminal.send_line("y");
    terminal.expect("Has it been run? (y/n): ");
    terminal.send_line("y");
    terminal.expect("The engine answers");
    terminal.expect("web-1");
    let ended = terminal.finish();
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    assert!(!ended.text.contains("BEGIN"), "{}", ended.text);
    assert_eq!(lab.disc_in(&drive), None);
    assert_eq!(lab.xapi.look(|state| state.database.refs("VDI").len()), 0);
    assert_eq!(lab.secrets(), before + 3);
    for (key, text) in [("mode", "tls"), ("tls-verify", "chain"), ("monitor", "True")] {
        assert_eq!(lab.entry(&vm, &format!("xscontainer-{key}")).as_deref(), Some(text), "{key}");
    }
    let said = lab.in_script(&vm, &["--check"], "");
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert!(said.text.contains("ok    the engine accepts this host's certificate"), "{}", said.text);

    let said = lab.in_script(&vm, &["--remove", "--yes"], "");
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert_eq!(lab.secrets(), before);
    assert!(lab.is_untouched(&vm), "{:?}", lab.entries(&vm));
}

#[test]
fn ctrl_c_while_the_disc_is_in_takes_it_out_and_puts_the_old_one_back() {
    let lab = Lab::new();
    let guest = lab.network.vm("win");
    let vm = lab.vm(&guest);
    let tools = lab.xapi.add("VDI", [("name_label", "guest-tools.iso".into())]).unwrap();
    let drive = lab.drive(&vm, Some(&tools));
    let mut terminal = lab.at_terminal(&vm, &["--mode", "tls", "--generate-certs"]);
    terminal.expect("Go on? (y/n): ");
    terminal.send_line("y");
    terminal.expect("The CD drive holds \"guest-tools.iso\"");
    terminal.send_line("y");
    terminal.expect_within(KEYS, "Has it been run? (y/n): ");
    assert_ne!(lab.disc_in(&drive).as_ref(), Some(&tools));
    terminal.press_ctrl_c();
    let ended = terminal.finish();
    assert_eq!(ended.code, Some(130), "{}", ended.text);
    assert_eq!(lab.disc_in(&drive), Some(tools));
    assert_eq!(lab.xapi.look(|state| state.database.refs("VDI").len()), 1);
    assert!(lab.is_untouched(&vm), "{:?}", lab.entries(&vm));
}

#[test]
fn what_stands_in_the_way_of_a_disc_is_told_before_keys_are_made() {
    let lab = Lab::new();
    let guest = lab.network.vm("win");
    let vm = lab.vm(&guest);
    let said = lab.in_script(&vm, &["--mode", "tls", "--generate-certs", "--yes"], "");
    assert_eq!(said.code, Some(3), "{}", said.text);
    assert!(said.text.contains("has no CD drive") && said.text.contains("xe vbd-create"), "{}", said.text);
    let tools = lab.xapi.add("VDI", [("name_label", "guest-tools.iso".into())]).unwrap();
    let drive = lab.drive(&vm, Some(&tools));
    let said = lab.in_script(&vm, &["--mode", "tls", "--generate-certs"], "y\nn\n");
    assert_eq!(said.code, Some(5), "{}", said.text);
    assert_eq!(lab.disc_in(&drive), Some(tools));
    assert!(lab.is_untouched(&vm));
}

#[test]
fn certificates_of_ones_own_are_checked_and_tried_before_they_are_kept() {
    let lab = Lab::new();
    let guest = lab.network.vm("win");
    let certificates = Certificates::new(guest.address(), Flaw::None);
    let other = Certificates::new(guest.address(), Flaw::None);
    let guest = guest.dockerd_tls(&certificates);
    let vm = lab.vm(&guest);
    lab.pretend_to_show(&vm);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let files = [
        file("cert", &certificates.client_certificate),
        file("key", &certificates.client_key),
        file("ca", &certificates.ca),
        file("other-key", &other.client_key),
        file("other-ca", &other.ca),
        file("other-cert", &other.client_certificate),
    ];
    let [cert, key, ca, other_key, other_ca, other_cert] = &files;
    let before = lab.secrets();
    let with = |cert: &str, key: &str, ca: &str| {
        let own = ["--mode", "tls", "--yes", "--client-cert", cert, "--client-key", key, "--ca-cert", ca];
        lab.in_script(&vm, &own, "")
    };
    for (said, code, words) in [
        (with(cert, other_key, ca), 7, "not that of"),
        (with(cert, key, "/nowhere"), 7, "/nowhere"),
        (with(cert, cert, ca), 7, "key"),
        // Right in themselves, and not those of the engine.
        (with(other_cert, other_key, other_ca), 4, "not from the authority"),
    ] {
        assert_eq!(said.code, Some(code), "{}", said.text);
        assert!(said.text.contains(words), "no {words:?} in {}", said.text);
        assert!(lab.is_untouched(&vm) && lab.secrets() == before, "{:?}", lab.entries(&vm));
    }
    let said = with(cert, key, ca);
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert_eq!(lab.entry(&vm, "xscontainer-tls-verify").as_deref(), Some("name"));
    assert_eq!(lab.secrets(), before + 3);
    // Again: those that are replaced go.
    assert_eq!(with(cert, key, ca).code, Some(0));
    assert_eq!(lab.secrets(), before + 3);
}

#[test]
fn options_that_do_not_fit_together_are_wrong_usage() {
    let lab = Lab::new();
    for arguments in [
        &["-v", "web", "--mode", "tls"][..],
        &["-v", "web", "--generate-certs"],
        &["-v", "web", "--mode", "tls", "--client-cert", "a"],
        &["-v", "web", "--check", "--remove"],
        &["-v", "web", "--password-stdin"],
        &[],
    ] {
        let said = crate::lab::run(lab.command("prepare-vm", arguments), "");
        assert_eq!(said.code, Some(2), "{arguments:?}: {}", said.text);
    }
}
