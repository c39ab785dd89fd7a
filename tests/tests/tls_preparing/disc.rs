//! The disc as other people's readers see it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use agent::prepare::tls::disc;
use lab::tools::{stdout_of, succeed};

use crate::made;

const PROGRAM: &str = include_str!("../../../spec/tls-disc/configure_tls.cmd");
const SETTINGS: &str = include_str!("../../../spec/tls-disc/daemon.json");

/// The files below a folder, by their paths.
fn below(folder: &Path) -> BTreeMap<String, String> {
    let found = stdout_of(Command::new("find").args([".", "-type", "f", "-printf", "%P\n"]).current_dir(folder));
    found.lines().map(|path| (path.to_owned(), fs::read_to_string(folder.join(path)).unwrap())).collect()
}

#[test]
fn every_reader_finds_the_same_under_the_label() {
    let made = made(&["192.0.2.7".parse().unwrap()]);
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disc.iso");
    fs::write(&image, disc::image(&made, SystemTime::now()).unwrap()).unwrap();
    let windows = |text: &str| text.replace('\n', "\r\n");
    let (server, client) = (&made.server, &made.client);
    let wanted: BTreeMap<String, String> = [
        ("server/ca.pem", server.authority.clone()),
        ("server/server-cert.pem", server.certificate.clone()),
        ("server/server-key.pem", server.key.to_string()),
        ("client/ca.pem", client.authority.clone()),
        ("client/cert.pem", client.certificate.clone()),
        ("client/key.pem", client.key.to_string()),
        ("daemon.json", windows(SETTINGS)),
        ("configure_tls.cmd", windows(PROGRAM)),
    ]
    .map(|(path, text)| (path.to_owned(), text))
    .into();

    let into = |name: &str| {
        let into = folder.path().join(name);
        fs::create_dir(&into).unwrap();
        into
    };
    let (libarchive, libisofs, joliet) = (into("libarchive"), into("libisofs"), into("joliet"));
    succeed(Command::new("bsdtar").arg("-xf").arg(&image).arg("-C").arg(&libarchive));
    succeed(
        Command::new("xorriso").args(["-osirrox", "on", "-indev"]).arg(&image).arg("-extract").arg("/").arg(&libisofs),
    );
    // What Windows looks at.
    let mut no_rock_ridge = Command::new("bsdtar");
    no_rock_ridge.args(["--options", "!rockridge", "-xf"]).arg(&image);
    succeed(no_rock_ridge.arg("-C").arg(&joliet));
    for folder in [libarchive, libisofs, joliet] {
        assert_eq!(below(&folder), wanted, "{}", folder.display());
    }

    let said = stdout_of(Command::new("isoinfo").args(["-d", "-i"]).arg(&image));
    assert!(said.contains("Volume id: Container TLS\n"), "{said}");
    let said = stdout_of(Command::new("isoinfo").args(["-J", "-f", "-i"]).arg(&image));
    assert!(said.contains("/server/server-key.pem\n"), "{said}");
    let said = stdout_of(Command::new("blkid").args(["-p", "-o", "export"]).arg(&image));
    assert!(said.contains("LABEL=Container\\ TLS\n"), "{said}");
}
