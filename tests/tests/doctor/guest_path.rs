//! Everything at which the path to an engine can end, each with a real guest.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use lab::guests::ssh_variants::{NO_FORWARDING, ONE_TRY};
use lab::guests::{Certificates, Flaw, Misbehaviour, Replay, Vm};
use lab::xapi::Ref;

use crate::lab::{Lab, wrong};

/// What a scenario leaves behind: everything must last until the path was walked.
struct Scene {
    vm: Ref,
    _guest: Option<Vm>,
    _replay: Option<Replay>,
}

impl From<Ref> for Scene {
    fn from(vm: Ref) -> Self {
        Self { vm, _guest: None, _replay: None }
    }
}

impl From<(Ref, Vm)> for Scene {
    fn from((vm, guest): (Ref, Vm)) -> Self {
        Self { vm, _guest: Some(guest), _replay: None }
    }
}

/// Makes a scene, and holds if the path ends by this, in the same words for people and for programs.
#[track_caller]
fn ends<S: Into<Scene>>(scene: impl FnOnce(&Lab) -> S, id: &str) {
    let lab = Lab::new();
    let scene = scene(&lab).into();
    let uuid = lab.uuid(&scene.vm);
    let (value, code) = lab.examined(&[&uuid]);
    assert_eq!(wrong(&value["steps"]), [id], "{value:#}");
    assert_eq!(code, 4, "{value:#}");
    let failed = value["steps"].as_array().unwrap().iter().find(|step| step["id"] == id).unwrap();
    for member in ["reason", "remedy", "tested_by"] {
        assert!(!failed[member].as_str().unwrap().is_empty(), "{failed}");
    }
}

macro_rules! scenarios {
    ($($id:literal $name:ident $scene:expr;)*) => {
        /// What is produced here.
        pub(crate) const IDS: &[&str] = &[$($id),*];

        $(
            #[test]
            fn $name() {
                ends($scene, $id);
            }
        )*
    };
}

scenarios! {
    "xsc-vm-not-running" not_running |lab: &Lab| {
        let vm = lab.add_vm("web", &[], &[]);
        lab.xapi.set(&vm, "power_state", "Halted").unwrap();
        vm
    };
    "xsc-setting-bad" setting_bad |lab: &Lab| at_nobody(lab, &[("xscontainer-mode", "telnet")]);
    "xsc-tls-switched-off" tls_switched_off |lab: &Lab| {
        lab.write("config.toml", "[monitor]\ntls = false\n");
        at_nobody(lab, &[("xscontainer-mode", "tls")])
    };
    "xsc-no-certificate" no_certificate |lab: &Lab| at_nobody(lab, &[("xscontainer-mode", "tls")]);
    "xsc-certificate-lost" certificate_lost |lab: &Lab| {
        let uuid = "0a1b2c3d-1111-2222-3333-444455556666";
        over_tls(lab, &lab.network.unused_address().to_string(), &[uuid.to_owned(), uuid.to_owned(), uuid.to_owned()])
    };
    "xsc-certificates-unusable" certificates_unusable |lab: &Lab| {
        let texts = [lab.secret("one"), lab.secret("two"), lab.secret("three")];
        over_tls(lab, &lab.network.unused_address().to_string(), &texts)
    };
    "xsc-no-address" no_address |lab: &Lab| lab.add_vm("web", &[], &[]);
    "xsc-no-usable-address" no_usable_address |lab: &Lab| lab.add_vm("web", &[("0/ip", "127.0.0.1")], &[]);
    "xsc-port-closed" port_closed |lab: &Lab| {
        let guest = lab.network.vm("web");
        (lab.register(&guest), guest)
    };
    "xsc-not-ssh" not_ssh |lab: &Lab| {
        let guest = lab.network.vm("web");
        listen(&guest, 22, "printf 'SSH-1.5-OldServer\\r\\n'; sleep 5");
        (lab.register(&guest), guest)
    };
    "xsc-no-common-algorithm" no_common_algorithm |lab: &Lab| {
        let guest = lab.prepared(lab.network.vm("web").ssh_with(&["KexAlgorithms diffie-hellman-group1-sha1"]));
        (lab.register(&guest), guest)
    };
    "xsc-host-key-changed" host_key_changed |lab: &Lab| {
        let guest = lab.guest();
        let vm = lab.register(&guest);
        lab.set_entry(&vm, "xscontainer-sshhostkey", &guest.host_key_blob("ed25519"));
        guest.change_host_keys();
        (vm, guest)
    };
    "xsc-login-refused" login_refused |lab: &Lab| {
        let guest = lab.guest();
        guest.deauthorize();
        (lab.register(&guest), guest)
    };
    "xsc-prepared-with-another-key" prepared_with_another_key |lab: &Lab| {
        let guest = lab.guest();
        guest.deauthorize();
        let vm = lab.register(&guest);
        lab.set_entry(&vm, "xscontainer-key-fingerprint", "SHA256:mpIvN1ljZL2U2kQlxSUV4bbQlGqmjmmIEmjdHxRkSI0");
        (vm, guest)
    };
    "xsc-step-slow" step_slow |lab: &Lab| {
        let guest = lab.network.vm("win");
        let certificates = Certificates::new(guest.address(), Flaw::None);
        listen(&guest, 2376, "sleep 60");
        (with_certificates(lab, &guest, &certificates), guest)
    };
    "xsc-connection-lost" connection_lost |lab: &Lab| {
        // Some servers end the connection instead of refusing a key.
        let guest = lab.prepared(lab.network.vm("web").ssh_with(ONE_TRY));
        guest.deauthorize();
        (lab.register(&guest), guest)
    };
    "xsc-no-engine" no_engine |lab: &Lab| {
        let guest = lab.guest();
        (lab.register(&guest), guest)
    };
    "xsc-engine-denied" engine_denied |lab: &Lab| {
        let guest = lab.prepared(lab.network.vm("web").ssh().dockerd());
        guest.leave_docker_group();
        (lab.register(&guest), guest)
    };
    "xsc-no-forwarding" no_forwarding |lab: &Lab| {
        let replay = Replay::start();
        let guest = lab.prepared(lab.network.vm("web").ssh_with(NO_FORWARDING).replay(&replay, 1));
        guest.remove_program("ncat");
        guest.remove_program("docker");
        Scene { vm: lab.register(&guest), _guest: Some(guest), _replay: Some(replay) }
    };
    "xsc-tls-expired" tls_expired |lab: &Lab| flawed(lab, Flaw::Expired);
    "xsc-tls-unknown-authority" tls_unknown_authority |lab: &Lab| flawed(lab, Flaw::OtherAuthority);
    "xsc-tls-wrong-name" tls_wrong_name |lab: &Lab| flawed(lab, Flaw::WrongName);
    "xsc-tls-not-for-servers" tls_not_for_servers |lab: &Lab| flawed(lab, Flaw::NoServerAuth);
    "xsc-tls-ours-refused" tls_ours_refused |lab: &Lab| {
        let guest = lab.network.vm("win");
        let certificates = Certificates::new(guest.address(), Flaw::None);
        let stranger = Certificates::new(guest.address(), Flaw::None);
        let guest = guest.dockerd_tls(&certificates);
        (with_certificates(lab, &guest, &Certificates { ca: certificates.ca.clone(), ..stranger }), guest)
    };
    "xsc-tls-failed" tls_failed |lab: &Lab| {
        let guest = lab.network.vm("win");
        let certificates = Certificates::new(guest.address(), Flaw::None);
        listen(&guest, 2376, "printf 'HTTP/1.1 400 Bad Request\\r\\n\\r\\n'; sleep 5");
        (with_certificates(lab, &guest, &certificates), guest)
    };
    "xsc-engine-closed" engine_closed |lab: &Lab| {
        let guest = lab.prepared(lab.network.vm("web").ssh().engine_by(|_| Ok(())));
        (lab.register(&guest), guest)
    };
    "xsc-engine-slow" engine_slow |lab: &Lab| hostile(lab, Misbehaviour::NeverAnswers);
    "xsc-engine-not-http" engine_not_http |lab: &Lab| hostile(lab, Misbehaviour::NotHttp);
    "xsc-not-an-engine" not_an_engine |lab: &Lab| hostile(lab, Misbehaviour::NotJson);
    "xsc-engine-failed" engine_failed |lab: &Lab| hostile(lab, Misbehaviour::Status(500));
    "xsc-engine-answer-too-big" engine_answer_too_big |lab: &Lab| hostile(lab, Misbehaviour::EndlessBody);
    "xsc-engine-too-old" engine_too_old |lab: &Lab| {
        let answer = |stream: &mut UnixStream, head: &str| {
            let body = r#"{"Version":"1.5.0","ApiVersion":"1.17"}"#;
            stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes())
        };
        answering(lab, answer)
    };
    "xsc-path-slow" path_slow |lab: &Lab| {
        // Never silent for long, and not done for long.
        let answer = |stream: &mut UnixStream, head: &str| {
            stream.write_all(format!("{head}Content-Length: 300\r\n\r\n").as_bytes())?;
            (0..300).try_for_each(|_| {
                std::thread::sleep(Duration::from_millis(200));
                stream.write_all(b" ")
            })
        };
        answering(lab, answer)
    };
}

/// A guest whose engine answers every request so.
fn answering(lab: &Lab, answer: impl Fn(&mut UnixStream, &str) -> io::Result<()> + Send + Sync + 'static) -> (Ref, Vm) {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let guest = lab.network.vm("web").ssh().engine_by(move |stream| {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            request.push(byte[0]);
        }
        answer(stream, head)?;
        io::copy(stream, &mut io::sink()).map(drop)
    });
    let guest = lab.prepared(guest);
    (lab.register(&guest), guest)
}

/// A VM at an address that nobody has.
fn at_nobody(lab: &Lab, entries: &[(&str, &str)]) -> Ref {
    lab.add_vm("web", &[("0/ip", &lab.network.unused_address().to_string())], entries)
}

/// A VM whose keys name these secrets: the client's certificate, its key, the authority's certificate.
fn over_tls(lab: &Lab, address: &str, [certificate, key, authority]: &[String; 3]) -> Ref {
    let entries = [
        ("xscontainer-mode", "tls"),
        ("xscontainer-tls-verify", "name"),
        ("xscontainer-tls-client-cert", certificate.as_str()),
        ("xscontainer-tls-client-key", key),
        ("xscontainer-tls-ca-cert", authority),
    ];
    lab.add_vm("win", &[("0/ip", address)], &entries)
}

fn with_certificates(lab: &Lab, guest: &Vm, certificates: &Certificates) -> Ref {
    let texts = [&certificates.client_certificate, &certificates.client_key, &certificates.ca];
    over_tls(lab, &guest.address().to_string(), &texts.map(|text| lab.secret(text)))
}

fn flawed(lab: &Lab, flaw: Flaw) -> (Ref, Vm) {
    let guest = lab.network.vm("win");
    let certificates = Certificates::new(guest.address(), flaw);
    let guest = guest.dockerd_tls(&certificates);
    (with_certificates(lab, &guest, &certificates), guest)
}

fn hostile(lab: &Lab, misbehaviour: Misbehaviour) -> (Ref, Vm) {
    let guest = lab.prepared(lab.network.vm("web").ssh().hostile(misbehaviour));
    (lab.register(&guest), guest)
}

/// Lets a shell command speak with everybody who connects to a port of the guest.
fn listen(guest: &Vm, port: u16, speak: &str) {
    let address = guest.address();
    std::fs::write(guest.file("/tmp/speak"), format!("#!/bin/sh\n{speak}\n")).unwrap();
    guest.script(&format!(
        "chmod 755 /tmp/speak
         ncat -l -k {address} {port} -e /tmp/speak >/dev/null 2>&1 &
         for wait in {{1..2000}}; do
             (: > /dev/tcp/{address}/{port}) 2>/dev/null && break; read -rt 0.01 <> <(:) || :
         done"
    ));
}

#[test]
fn a_path_that_works_is_shown_as_prepare_vm_shows_it_and_nothing_is_changed_on_the_way() {
    let lab = Lab::new();
    let guest = lab.prepared(lab.network.vm("web").ssh().dockerd());
    let vm = lab.register(&guest);
    lab.set_entry(&vm, "xscontainer-sshhostkey", &guest.host_key_blob("ed25519"));
    let uuid = lab.uuid(&vm);
    lab.wait_for_status("it is seen", |status| status["vms"][0]["state"] == "live");
    let (files, entries) = (guest.snapshot_files(&["/home", "/etc"]), lab.xapi.get(&vm, "other_config").unwrap());
    lab.xapi.count_from_now();
    let said = lab.doctor(&[&uuid]);
    let counted = lab.xapi.counted();
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert!(said.text.starts_with("This host: 17 of 17 checks are passed.\n"), "{}", said.text);
    files.assert_same(&guest.snapshot_files(&["/home", "/etc"]));
    assert_eq!(lab.xapi.get(&vm, "other_config").unwrap(), entries);
    let looks = ["session.", "event.from", "host.call_plugin"];
    let changes = |call: &&String| !call.contains(".get_") && !looks.iter().any(|look| call.starts_with(look));
    assert_eq!(counted.iter().find(changes), None, "{counted:?}");
    let checked = lab::tools::outcome(&mut {
        let mut command = std::process::Command::new(&lab.program);
        command.args(["prepare-vm", "--check", "-v", &uuid, "--socket"]).arg(&lab.socket);
        command.arg("--inventory").arg(lab.inventory());
        command
    });
    assert!(said.text.ends_with(&checked.text), "{}\n{}", said.text, checked.text);
    assert!(checked.text.contains("ok    the engine answers: \"Docker "), "{}", checked.text);
}

#[test]
fn where_the_path_ends_the_line_names_the_page() {
    let lab = Lab::new();
    let vm = lab.add_vm("web \u{1b}[2J", &[("0/ip", "127.0.0.1")], &[]);
    let said = lab.doctor(&[&lab.uuid(&vm)]);
    assert_eq!(said.code, Some(4), "{}", said.text);
    let name = "see        xsc-no-usable-address in /usr/share/doc/xscontainer/troubleshooting.md\n";
    assert!(said.text.contains(name), "{}", said.text);
    assert!(!said.text.contains('\u{1b}'), "{:?}", said.text);
}

#[test]
fn a_vm_of_another_host_is_walked_to_from_here_with_a_word_where_it_counts() {
    let lab = Lab::new();
    let there = lab.xapi.new_host("host-2", "192.0.2.2").unwrap();
    let guest = lab.prepared(lab.network.vm("web").ssh().dockerd());
    let vm = lab.register(&guest);
    lab.xapi.set(&vm, "resident_on", &there).unwrap();
    let said = lab.doctor(&["web"]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert!(
        said.text.contains("runs on the host \"host-2\"") && said.text.contains("doctor web there"),
        "{}",
        said.text
    );
    assert!(said.text.contains("ok    the engine answers"), "{}", said.text);
}

#[test]
fn a_vm_that_nobody_knows_and_a_name_of_several_are_told() {
    let lab = Lab::new();
    assert_eq!(lab.doctor(&["web"]).code, Some(3));
    lab.add_vm("web", &[], &[]);
    lab.add_vm("web", &[], &[]);
    let said = lab.doctor(&["web"]);
    assert!(said.code == Some(3) && said.text.contains("2 VMs have the name"), "{}", said.text);
}

#[test]
fn without_xapi_the_host_is_examined_all_the_same() {
    let mut lab = Lab::new();
    lab.xapi.stop();
    let said = lab.doctor(&["web"]);
    assert_eq!(said.code, Some(6), "{}", said.text);
    assert!(said.text.contains("FAIL  XAPI answers") && said.text.contains("cannot be walked"), "{}", said.text);
}
