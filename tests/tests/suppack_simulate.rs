//! `suppack simulate` and `suppack verify --host`: hosts by name, by file and by root folder, and what is told of them.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use lab::packs::{EPOCH, workspace};
use lab::programs;
use lab::tools::{Said, command, outcome, succeed};
use rpm::{BuildConfig, CompressionType, Dependency, PackageBuilder};
use serde_json::Value;

fn suppack(arguments: &[&str]) -> Said {
    outcome(Command::new(programs::suppack()).args(arguments))
}

/// A command about this project's pack.
fn about_our_pack(command: &str, arguments: &[&str]) -> Said {
    suppack(&[&[command, programs::iso().to_str().unwrap()][..], arguments].concat())
}

fn json(said: &Said) -> Value {
    serde_json::from_slice(&said.stdout).unwrap_or_else(|e| panic!("{e}: {}", said.text))
}

#[test]
fn an_unknown_host_is_told_with_the_nearest_name() {
    for command in ["verify", "simulate"] {
        let said = about_our_pack(command, &["--host", "stokholm"]);
        assert_eq!(said.code, Some(10), "{}", said.text);
        assert!(said.text.contains("perhaps stockholm") && said.text.contains("8.2.1, 8.3.0"), "{}", said.text);
    }
}

#[test]
fn verify_says_what_each_asked_host_does_with_the_pack() {
    let said = about_our_pack("verify", &["--host", "8.3", "--host", "XenServer 9", "--no-rehearsal", "--json"]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    let generations = &json(&said)["generations"];
    assert_eq!(generations["basis"], "asked");
    let answers: Vec<_> =
        generations["answers"].as_array().unwrap().iter().map(|a| (&a["name"], &a["answer"])).collect();
    assert_eq!(format!("{answers:?}"), r#"[(String("8.3.0"), String("taken")), (String("9"), String("taken"))]"#);
    let said = about_our_pack("verify", &["--host", "7.6", "--no-rehearsal"]);
    assert_eq!(said.code, Some(9), "{}", said.text);
    assert!(said.text.contains("7.6      refused: product-version >= 8.2.0"), "{}", said.text);
}

#[test]
fn only_what_was_asked_for_is_played_and_a_refusal_is_xapis() {
    let said = about_our_pack("simulate", &["--host", "8.1.0", "--host", "8.3.0", "--scenario", "remove", "--json"]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    let hosts = &json(&said)["rehearsal"]["hosts"];
    assert_eq!(hosts[0]["scenarios"].as_array().unwrap().len(), 1);
    let refusal = hosts[0]["scenarios"][0]["refusal"].as_str().unwrap();
    assert!(refusal.starts_with("UPDATE_PRECHECK_FAILED_WRONG_SERVER_VERSION"), "{refusal}");
    let played = hosts[1]["scenarios"].as_array().unwrap().iter().map(|played| played["scenario"].as_str().unwrap());
    assert_eq!(played.collect::<Vec<_>>(), ["install", "remove"]);
}

#[test]
fn a_host_without_a_capture_is_not_played() {
    let said = about_our_pack("simulate", &["--host", "9"]);
    assert_eq!(said.code, Some(10), "{}", said.text);
    assert!(said.text.contains("no capture"), "{}", said.text);
}

/// A root file system with rpm's database, as a host has it.
fn root(folder: &Path, version: &str) {
    let mut release = PackageBuilder::new("xcp-ng-release", version, "MIT", "noarch", "The release");
    let config = BuildConfig::v4().compression(CompressionType::Gzip).source_date(EPOCH);
    release.using_config(config).release("1");
    release.provides(Dependency::eq("product-version", version));
    release.provides(Dependency::any("/bin/sh"));
    let package = folder.with_extension("rpm");
    release.build().unwrap().write_file(&package).unwrap();
    for path in ["etc", "usr/bin", "opt/xensource/bin", "var/update/applied"] {
        fs::create_dir_all(folder.join(path)).unwrap();
    }
    fs::write(folder.join("etc/xensource-inventory"), format!("PRODUCT_BRAND='XCP-ng'\nPRODUCT_VERSION='{version}'\n"))
        .unwrap();
    for program in ["usr/bin/yum", "opt/xensource/bin/xapi"] {
        fs::write(folder.join(program), "#!/bin/sh\n").unwrap();
        fs::set_permissions(folder.join(program), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let (root, package) = (folder.to_str().unwrap(), package.to_str().unwrap());
    succeed(&mut command("rpm", ["--root", root, "--initdb"]));
    succeed(&mut command("rpm", ["--root", root, "-i", "--nodeps", "--force-debian", package]));
}

#[test]
fn a_root_folder_is_a_host() {
    let folder = tempfile::tempdir().unwrap();
    for (version, result) in [("8.2.1", "done"), ("8.0.0", "refused")] {
        let host = folder.path().join(version);
        root(&host, version);
        let said = about_our_pack("simulate", &["--root", host.to_str().unwrap(), "--scenario", "install", "--json"]);
        let hosts = &json(&said)["rehearsal"]["hosts"];
        assert_eq!(hosts[0]["product"], format!("XCP-ng {version}"), "{}", said.text);
        assert_eq!(hosts[0]["scenarios"][0]["result"], result, "{}", said.text);
    }
    let said = about_our_pack("simulate", &["--root", workspace().join("spec").to_str().unwrap()]);
    assert_eq!(said.code, Some(8), "{}", said.text);
    assert!(said.text.contains("xensource-inventory"), "{}", said.text);
}
