//! Certificates that were made, as openssl and dockerd judge them.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use agent::certificates::make::Order;
use agent::certificates::{self as x509, Expiry, KEY_BITS, Set, Whose};
use agent::engine::Engine;
use agent::guest::tls::{Connection, Identity, Verify};
use lab::guests::{Certificates, Network};
use lab::tools::{fail, stdout_of, succeed};
use tempfile::TempDir;

use crate::{made, wait};

/// What openssl says of a certificate.
fn said(folder: &Path, file: &str, arguments: &[&str]) -> String {
    let mut openssl = Command::new("openssl");
    stdout_of(openssl.args(["x509", "-noout", "-in", file]).args(arguments).current_dir(folder))
}

fn verify(folder: &Path, purpose: &str, file: &str) -> Command {
    let mut openssl = Command::new("openssl");
    openssl.args(["verify", "-x509_strict", "-CAfile", "ca.pem", "-purpose", purpose, file]).current_dir(folder);
    openssl
}

/// The texts as files.
fn files(server: &Set, client: &Set) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(server.authority, client.authority);
    let texts = [
        ("ca.pem", &server.authority),
        ("server.pem", &server.certificate),
        ("server-key.pem", &server.key),
        ("client.pem", &client.certificate),
        ("client-key.pem", &client.key),
    ];
    for (name, text) in texts {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn openssl_finds_them_right_in_every_respect() {
    let addresses: [IpAddr; 2] = ["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()];
    let now = SystemTime::now();
    let order = Order { host_name: "xen1", addresses: &addresses, key_bits: KEY_BITS };
    let made = wait(x509::make(&order, now, |_| ())).unwrap();
    let files = files(&made.server, &made.client);
    let folder = files.path();

    succeed(&mut verify(folder, "sslserver", "server.pem"));
    succeed(&mut verify(folder, "sslclient", "client.pem"));
    fail(&mut verify(folder, "sslclient", "server.pem"));
    fail(&mut verify(folder, "sslserver", "client.pem"));

    let subject = |file: &str| said(folder, file, &["-subject", "-issuer", "-nameopt", "RFC2253"]);
    assert_eq!(subject("ca.pem"), "subject=O=xen1.xscontainer\nissuer=O=xen1.xscontainer\n");
    assert_eq!(subject("server.pem"), "subject=CN=_ignored_\nissuer=O=xen1.xscontainer\n");
    assert_eq!(subject("client.pem"), "subject=CN=client\nissuer=O=xen1.xscontainer\n");

    let names = said(folder, "server.pem", &["-ext", "subjectAltName"]);
    assert!(names.contains("IP Address:127.0.0.1, IP Address:192.0.2.7, IP Address:2001:DB8:0:0:0:0:0:7"), "{names}");
    let usage = |file: &str| said(folder, file, &["-ext", "keyUsage,extendedKeyUsage,basicConstraints"]);
    let of_ca = usage("ca.pem");
    assert!(of_ca.contains("Key Usage: critical\n    Certificate Sign, CRL Sign"), "{of_ca}");
    assert!(of_ca.contains("Basic Constraints: critical\n    CA:TRUE, pathlen:0"), "{of_ca}");
    for (file, purpose) in [("server.pem", "TLS Web Server"), ("client.pem", "TLS Web Client")] {
        let said = usage(file);
        assert!(said.contains("Key Usage: critical\n    Digital Signature, Key Encipherment"), "{said}");
        assert!(said.contains(&format!("{purpose} Authentication\n")) && said.contains("CA:FALSE"), "{said}");
    }

    let day = Duration::from_secs(24 * 60 * 60);
    let at = |time: SystemTime| {
        let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        stdout_of(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M:%SZ", "-d"]).arg(format!("@{seconds}")))
    };
    let mut serials = Vec::new();
    for file in ["ca.pem", "server.pem", "client.pem"] {
        let dates = said(folder, file, &["-startdate", "-enddate", "-dateopt", "iso_8601"]);
        assert_eq!(dates, format!("notBefore={}notAfter={}", at(now - day), at(now + day * 730)));
        let text = said(folder, file, &["-text"]);
        assert!(text.contains("Public-Key: (4096 bit)") && text.contains("sha256WithRSAEncryption"), "{text}");
        serials.push(said(folder, file, &["-serial"]));
    }
    serials.sort();
    serials.dedup();
    assert!(
        serials.len() == 3 && serials.iter().all(|serial| serial.trim().len() == "serial=".len() + 32),
        "{serials:?}"
    );

    for name in ["server", "client"] {
        let (certificate, key) = (format!("{name}.pem"), format!("{name}-key.pem"));
        assert!(fs::read_to_string(folder.join(&key)).unwrap().starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
        succeed(Command::new("openssl").args(["rsa", "-check", "-noout", "-in", &key]).current_dir(folder));
        let public = stdout_of(Command::new("openssl").args(["pkey", "-pubout", "-in", &key]).current_dir(folder));
        assert_eq!(said(folder, &certificate, &["-pubkey"]), public);
    }
}

#[test]
fn a_real_engine_and_we_accept_each_other_with_them() {
    let network = Network::new();
    let guest = network.vm("win");
    let addresses: [IpAddr; 2] = [guest.address(), guest.ipv6().into()];
    let made = made(&addresses);
    let certificates = Certificates {
        ca: made.server.authority.clone(),
        server_certificate: made.server.certificate.clone(),
        server_key: made.server.key.to_string(),
        client_certificate: made.client.certificate.clone(),
        client_key: made.client.key.to_string(),
    };
    let _guest = guest.dockerd_tls(&certificates);
    let Set { authority, certificate, key } = &made.client;
    for (address, verify) in addresses.into_iter().flat_map(|it| [(it, Verify::Chain), (it, Verify::Name)]) {
        let identity = Identity::new(authority, certificate, key, verify).unwrap();
        wait(async {
            let connection = Connection::open(&[address], &identity).await.unwrap();
            Engine::open(connection.stream().await.unwrap()).await.unwrap();
            let whose = |expiry: &Expiry| (expiry.whose, expiry.subject.clone());
            let expiries: Vec<_> = connection.expiries().iter().map(whose).collect();
            assert_eq!(
                expiries,
                [
                    (Whose::Authority, "O=xen1.xscontainer".into()),
                    (Whose::Client, "CN=client".into()),
                    (Whose::Engine, "CN=_ignored_".into())
                ]
            );
        });
    }
    let stranger = crate::made(&addresses);
    let identity = Identity::new(authority, &stranger.client.certificate, &stranger.client.key, Verify::Chain).unwrap();
    wait(async {
        // With TLS 1.3 the refusal comes in place of the first answer.
        let connection = Connection::open(&addresses[..1], &identity).await.unwrap();
        assert!(Engine::open(connection.stream().await.unwrap()).await.is_err());
    });
}
