//! What a support engineer gets: enough, and no secret.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use lab::guests::{Certificates, Flaw};

use crate::lab::Lab;

const PASSWORD: &str = "correct horse battery";

#[test]
fn a_report_has_everything_but_secrets() {
    let lab = Lab::new();
    let guest = lab.prepared(lab.network.vm("web").ssh().dockerd());
    guest.set_password("core", PASSWORD);
    let vm = lab.register(&guest);
    lab.set_entry(&vm, "xscontainer-sshhostkey", &guest.host_key_blob("ed25519"));
    let certificates = Certificates::new(guest.address(), Flaw::None);
    let texts = [&certificates.client_certificate, &certificates.client_key, &certificates.ca];
    let [certificate, key, authority] = texts.map(|text| lab.secret(text));
    let entries = [
        ("xscontainer-mode", "tls"),
        ("xscontainer-tls-client-cert", certificate.as_str()),
        ("xscontainer-tls-client-key", &key),
        ("xscontainer-tls-ca-cert", &authority),
    ];
    lab.add_vm("win", &[], &entries);
    lab.wait_for_status("it is seen", |status| {
        status["vms"].as_array().is_some_and(|vms| vms.iter().any(|vm| vm["state"] == "live"))
    });
    // What should never be in a log, is left out all the same.
    let log = lab.root.path().join("var/log/xscontainer.log");
    let session = lab.xapi.look(|state| state.database.refs("session"))[0].as_str().to_owned();
    let tempting = format!("INFO begun\nERROR \u{1b}[2J of {session}, secret {key}\n{}", lab.private_key());
    fs::write(&log, tempting).unwrap();

    let file = log.with_file_name("report.txt");
    let said = lab.doctor(&["web", "--report", &file.to_string_lossy()]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let report = fs::read_to_string(&file).unwrap();

    let named: Vec<String> = ["private", "public"].map(|half| lab.pool_secret(half)).into();
    for secret in named.iter().chain([&certificate, &key, &authority]) {
        assert!(!report.contains(secret.as_str()), "the secret {secret} is named");
    }
    assert!(!report.contains(PASSWORD) && !report.contains(&session) && !report.contains('\u{1b}'));
    for text in [lab.private_key(), certificates.client_key.as_str()] {
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            assert!(!report.contains(line), "{line} is in the report");
        }
    }

    let uuid = lab.uuid(&vm);
    for wanted in [
        "What is not: keys, passwords",
        "ok    XAPI answers, and knows this host",
        "ok    the engine answers",
        "\"result\":\"examined\"",
        "\"state\":\"live\"",
        &format!("xscontainer {} on 1 hosts", *crate::lab::VERSION),
        &format!("{uuid} \"web\" running"),
        "xscontainer-mode = tls",
        "xscontainer-tls-client-key = (left out)",
        &format!("Version     : {}", *crate::lab::VERSION),
        "== journalctl",
        "INFO begun",
        &guest.address().to_string(),
    ] {
        assert!(report.contains(wanted), "no {wanted:?} in\n{report}");
    }

    let again = lab.doctor(&["--report", &file.to_string_lossy()]);
    assert_eq!(again.code, Some(1), "{}", again.text);
    assert!(again.text.contains("exists already"), "{}", again.text);
    assert_eq!(fs::read_to_string(&file).unwrap(), report);
}

#[test]
fn without_a_name_the_report_gets_one_of_its_own_and_on_standard_output_it_is_nothing_but_the_report() {
    let lab = Lab::new();
    let folder = tempfile::tempdir().unwrap();
    let root = lab.root.path().to_string_lossy().into_owned();
    let mut command = lab.command(&["doctor", "--root", &root, "--report"]);
    let said = lab::tools::outcome(command.current_dir(folder.path()));
    assert_eq!(said.code, Some(0), "{}", said.text);
    let names: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert!(names.len() == 1 && names[0].starts_with("xscontainer-report-") && names[0].ends_with(".txt"), "{names:?}");
    let printed = lab.doctor(&["--report", "-"]);
    assert!(printed.text.starts_with("xscontainer ") && printed.text.contains("\n== xscontainer doctor\n"));
}
