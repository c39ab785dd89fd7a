//! A certificate authority for one VM: its server's and its client's certificates, right or with a flaw.
//!
//! Made by openssl(1) in the form in which such sets are stored: RSA, SHA-256, keys in PKCS#1.

use std::fs;
use std::net::IpAddr;
use std::process::Command;

use super::files;
use super::vm::Vm;
use crate::tools::succeed;

/// What is wrong with the server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing.
    None,
    /// It names another address.
    WrongName,
    /// It is no longer valid.
    Expired,
    /// It may be used by clients only.
    NoServerAuth,
    /// Another authority signed it, of the same name.
    OtherAuthority,
}

/// The texts, as PEM.
#[derive(Clone)]
pub struct Certificates {
    /// The authority's certificate.
    pub ca: String,
    /// The server's certificate.
    pub server_certificate: String,
    /// The server's key.
    pub server_key: String,
    /// The client's certificate.
    pub client_certificate: String,
    /// The client's key.
    pub client_key: String,
}

impl Certificates {
    /// A new authority with a server at an address, and a client.
    ///
    /// # Panics
    /// If openssl fails.
    #[must_use]
    pub fn new(server: IpAddr, flaw: Flaw) -> Self {
        Self::lasting(server, flaw, 730, 730)
    }

    /// The same, with certificates of server and client that are good for so many days.
    ///
    /// # Panics
    /// If openssl fails.
    #[must_use]
    pub fn lasting(server: IpAddr, flaw: Flaw, server_days: u32, client_days: u32) -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("no temporary folder: {e}"));
        let name = if flaw == Flaw::WrongName { "192.0.2.77".to_owned() } else { server.to_string() };
        let usage = if flaw == Flaw::NoServerAuth { "clientAuth" } else { "serverAuth" };
        let signer = if flaw == Flaw::OtherAuthority { "other" } else { "ca" };
        // Signed ten days ago for two: its end must not be before its beginning, which would be another flaw.
        let (clock, days) = if flaw == Flaw::Expired { ("faketime -f -10d", 2) } else { ("", server_days) };
        let script = format!(
            "authority() {{
                 openssl genrsa -traditional -out $1-key.pem 2048
                 openssl req -x509 -new -sha256 -key $1-key.pem -subj /O=lab.xscontainer -days 730 -out $1.pem \
                     -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
             }}
             certificate() {{
                 openssl genrsa -traditional -out $1-key.pem 2048
                 openssl req -new -sha256 -key $1-key.pem -subj /CN=$1 -out $1.csr
                 printf '%s\\n' \"$4\" > $1.ext
                 $5 openssl x509 -req -sha256 -in $1.csr -CA $2.pem -CAkey $2-key.pem -CAcreateserial -days $3 \
                     -extfile $1.ext -out $1.pem
             }}
             authority ca
             [ {signer} = ca ] || authority {signer}
             certificate server {signer} {days} 'subjectAltName=IP:{name}
             extendedKeyUsage={usage}' '{clock}'
             certificate client ca {client_days} extendedKeyUsage=clientAuth"
        );
        succeed(Command::new("sh").args(["-ec", &script]).current_dir(folder.path()));
        let read = |name: &str| {
            fs::read_to_string(folder.path().join(name)).unwrap_or_else(|e| panic!("openssl made no {name}: {e}"))
        };
        Self {
            ca: read("ca.pem"),
            server_certificate: read("server.pem"),
            server_key: read("server-key.pem"),
            client_certificate: read("client.pem"),
            client_key: read("client-key.pem"),
        }
    }
}

impl Vm {
    /// Starts a real dockerd that also listens on port 2376 of its addresses, for clients with a certificate.
    #[must_use]
    pub fn dockerd_tls(self, certificates: &Certificates) -> Self {
        self.install_certificates(certificates);
        let (v4, v6) = (format!("tcp://{}:2376", self.address()), format!("tcp://[{}]:2376", self.ipv6()));
        self.dockerd_with(&[
            "-H",
            &v4,
            "-H",
            &v6,
            "--tlsverify",
            "--tlscacert=/etc/docker/ca.pem",
            "--tlscert=/etc/docker/server.pem",
            "--tlskey=/etc/docker/server-key.pem",
        ])
    }

    /// Replaces what dockerd shows and trusts, for its next start.
    pub fn install_certificates(&self, certificates: &Certificates) {
        files::write(&self.file("/etc/docker/ca.pem"), &certificates.ca);
        files::write(&self.file("/etc/docker/server.pem"), &certificates.server_certificate);
        files::write(&self.file("/etc/docker/server-key.pem"), &certificates.server_key);
    }
}
