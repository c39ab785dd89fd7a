//! The administrator's guide: every command of it is executed in a simulated dom0, with a real guest, in the guide's order.

#![expect(clippy::unwrap_used, reason = "in scenarios a panic is the report of a failure")]

mod lab;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ::lab::guide::{Command, Step, Where, read};

use lab::Lab;

/// Commands that are not executed here, and what executes them.
const ELSEWHERE: [(&str, &str); 8] = [
    ("/opt/xensource/debug/import-update-key RPM-GPG-KEY-xscontainer", "nothing: it is the host's own"),
    ("xe-install-supplemental-pack xscontainer-VERSION.iso", "pack_install, dom0 of the pack"),
    ("update=$(xe update-upload file-name=xscontainer-VERSION.iso)", "pack_install, dom0 of the pack"),
    ("xe update-pool-apply uuid=$update", "pack_install, dom0 of the pack"),
    ("xe update-pool-clean uuid=$update", "pack_install, dom0 of the pack"),
    ("xscontainer-prepare-vm -v win --mode tls --generate-certs", "tls_preparing"),
    ("xe vm-data-source-list uuid=UUID", "metrics"),
    ("$(rpm -ql control-xscontainer | grep '^/var/update/.*/remove$')", "pack_install"),
];

/// Commands for systems that cannot be had here.
const NOT_RUN: [&str; 2] = [
    "firewall-cmd --permanent --add-rich-rule='rule family=ipv4 source address=10.0.0.11 port port=22 protocol=tcp accept'",
    "firewall-cmd --reload",
];

fn guide() -> Vec<Command> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/dom0/usr/share/doc/xscontainer/guide.md");
    let steps = read(&fs::read_to_string(file).unwrap()).into_iter();
    let commands = steps.filter_map(|step| match step {
        Step::Command(command) => Some(command),
        Step::File { .. } => None,
    });
    commands.collect()
}

#[test]
fn every_command_of_the_guide_works() {
    let guide = guide();
    let known: BTreeSet<&str> = guide.iter().map(|command| command.text.as_str()).collect();
    for text in ELSEWHERE.iter().map(|(text, _)| *text).chain(NOT_RUN) {
        assert!(known.contains(text), "the guide no longer has: {text}");
    }
    assert!(guide.len() > 50, "only {} commands were found", guide.len());

    let lab = Lab::new();
    let mut section = String::new();
    for command in &guide {
        if command.section != section {
            section.clone_from(&command.section);
            lab.begin(&section);
        }
        let text = command.text.as_str();
        if ELSEWHERE.iter().any(|(elsewhere, _)| *elsewhere == text) || NOT_RUN.contains(&text) {
            continue;
        }
        match command.place {
            Where::Dom0 => lab.in_dom0(text),
            Where::Vm => lab.in_vm(&section, text),
            Where::Windows | Where::BuildMachine => {}
        }
    }
}
