//! Certificates that somebody brings, made by openssl right and in every way wrong: the true reason is told.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use agent::certificates::check::Fault;
use agent::certificates::{Set, Whose, check};
use lab::tools::succeed;
use tempfile::TempDir;

/// Functions for scripts: `key NAME [KIND]`, `root NAME EXTENSIONS…`, `signed NAME BY DAYS EXTENSIONS…`, of which the last
/// may be run under another clock.
const FUNCTIONS: &str = r#"
key() { openssl genpkey -out $1-key.pem ${2:--algorithm RSA -pkeyopt rsa_keygen_bits:2048} 2>/dev/null; }
extensions() { printf '%s\n' "$@" > extensions; }
signed() {
    name=$1 by=$2 days=$3; shift 3
    [ -e $name-key.pem ] || key $name
    openssl req -new -key $name-key.pem -subj /CN=$name -out $name.csr
    extensions "$@"
    $clock openssl x509 -req ${digest:--sha256} -in $name.csr -CA $by.pem -CAkey $by-key.pem -CAcreateserial -days $days \
        -extfile extensions -out $name.pem 2>/dev/null
}
root() {
    name=$1; shift
    [ -e $name-key.pem ] || key $name
    openssl req -new -key $name-key.pem -subj /CN=$name -out $name.csr
    extensions "$@"
    $clock openssl x509 -req -sha256 -in $name.csr -signkey $name-key.pem -days ${days:-30} -extfile extensions \
        -out $name.pem 2>/dev/null
}
CA=basicConstraints=critical,CA:TRUE
SKI=subjectKeyIdentifier=hash
"#;

/// What a script leaves as `ca.pem`, `client.pem` and `client-key.pem`.
fn brought(script: &str) -> (Set, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    succeed(Command::new("sh").args(["-ec", &format!("{FUNCTIONS}{script}")]).current_dir(folder.path()));
    let read = |name: &str| text(&folder.path().join(name));
    (Set { authority: read("ca.pem"), certificate: read("client.pem"), key: read("client-key.pem").into() }, folder)
}

/// Of files of the binary form, what is left of them as a text.
fn text(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
}

fn judged(script: &str) -> Result<(), Fault> {
    check(&brought(script).0, SystemTime::now()).map(drop)
}

#[test]
fn right_ones_of_many_kinds_are_taken() {
    for script in [
        "root ca $CA; signed client ca 30 extendedKeyUsage=clientAuth",
        // Without any word on what it is for.
        "root ca $CA keyUsage=keyCertSign; signed client ca 30 subjectKeyIdentifier=hash",
        "root ca $CA; key client '-algorithm EC -pkeyopt ec_paramgen_curve:P-256'; signed client ca 30 $SKI",
        "key ca '-algorithm EC -pkeyopt ec_paramgen_curve:P-384'; root ca $CA
         key client '-algorithm ed25519'; signed client ca 30 $SKI",
        // A key of the older forms.
        "root ca $CA; signed client ca 30 $SKI; openssl rsa -traditional -in client-key.pem -out k 2>/dev/null; mv k client-key.pem",
        "root ca $CA; key client '-algorithm EC -pkeyopt ec_paramgen_curve:P-256'; signed client ca 30 $SKI
         openssl ec -in client-key.pem -out k 2>/dev/null; mv k client-key.pem",
        // Through another authority, and with a stranger among the authorities.
        "root ca $CA; signed middle ca 30 $CA; signed client middle 30 $SKI; cat middle.pem >> client.pem
         root other $CA; cat other.pem >> ca.pem",
        // An authority from before extensions.
        "key ca; openssl req -new -key ca-key.pem -subj /CN=ca -out ca.csr
         openssl x509 -req -in ca.csr -signkey ca-key.pem -days 30 -out ca.pem 2>/dev/null
         signed client ca 30 $SKI",
        // As editors and people leave texts.
        "root ca $CA; signed client ca 30 $SKI; sed -i 's/$/\\r/' client.pem client-key.pem
         openssl x509 -text -in ca.pem > t; mv t ca.pem",
    ] {
        assert_eq!(judged(script), Ok(()), "{script}");
    }
}

#[test]
fn texts_that_are_something_else_are_told() {
    let good = "root ca $CA; signed client ca 30 $SKI; ";
    let broken = |how: &str| judged(&format!("{good}{how}")).unwrap_err();
    let encrypted = "openssl pkey -aes256 -passout pass:x -in client-key.pem -out k; mv k client-key.pem";
    assert_eq!(broken(encrypted), Fault::EncryptedKey);
    let older =
        "openssl rsa -traditional -aes128 -passout pass:x -in client-key.pem -out k 2>/dev/null; mv k client-key.pem";
    assert_eq!(broken(older), Fault::EncryptedKey);
    assert_eq!(broken("cp client-key.pem ca.pem"), Fault::KeyInstead(Whose::Authority));
    assert_eq!(broken("cp client-key.pem client.pem"), Fault::KeyInstead(Whose::Client));
    assert_eq!(broken("cp client.pem client-key.pem"), Fault::CertificateInstead);
    assert_eq!(broken("cp client.csr client.pem"), Fault::NoCertificate(Whose::Client));
    let binary = "openssl x509 -outform DER -in client.pem -out d; mv d client.pem";
    assert_eq!(broken(binary), Fault::NoCertificate(Whose::Client));
    assert_eq!(broken("openssl pkey -pubout -in client-key.pem -out k; mv k client-key.pem"), Fault::NoKey);
    assert_eq!(broken("head -c 600 client.pem > c; mv c client.pem"), Fault::Damaged(Whose::Client));
    assert_eq!(broken("key other; mv other-key.pem client-key.pem"), Fault::NotAPair);
    let old =
        "openssl x509 -req -in client.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -out client.pem 2>/dev/null";
    assert_eq!(broken(old), Fault::OldVersion(Whose::Client));
    // The certificates in the wrong order.
    let order = "signed middle ca 30 $CA; signed client middle 30 $SKI; cat middle.pem client.pem > c; mv c client.pem";
    assert_eq!(broken(order), Fault::NotAPair);
    let short = "key client '-algorithm RSA -pkeyopt rsa_keygen_bits:1024'; signed client ca 30 $SKI";
    assert_eq!(broken(short), Fault::KeyUnusable);
    let unknown = "key client '-algorithm EC -pkeyopt ec_paramgen_curve:secp521r1'; signed client ca 30 $SKI";
    assert_eq!(broken(unknown), Fault::KeyUnusable);
}

#[test]
fn dates_are_told_with_the_certificate_that_they_are_of() {
    let (past, future) = ("clock='faketime -f -20d'", "clock='faketime -f +5d'");
    for (script, whose, expired) in [
        (format!("root ca $CA; {past}; signed client ca 2 $SKI"), Whose::Client, true),
        (format!("root ca $CA; {future}; signed client ca 30 $SKI"), Whose::Client, false),
        (format!("{past}; days=2; root ca $CA; clock=; signed client ca 30 $SKI"), Whose::Authority, true),
        (format!("{future}; root ca $CA; clock=; signed client ca 30 $SKI"), Whose::Authority, false),
        (
            format!(
                "root ca $CA; {past}; signed middle ca 2 $CA; clock=; signed client middle 30 $SKI; cat middle.pem >> client.pem"
            ),
            Whose::Intermediate,
            true,
        ),
    ] {
        let fault = judged(&script).unwrap_err();
        let told = match &fault {
            Fault::Expired { whose, .. } => (*whose, true),
            Fault::NotValidYet { whose, .. } => (*whose, false),
            other => panic!("{other}: {script}"),
        };
        assert_eq!(told, (whose, expired), "{script}");
        assert!(fault.to_string().contains(" UTC"), "{fault}");
    }
}

#[test]
fn what_certificates_are_for_and_from_is_told() {
    assert_eq!(
        judged("root ca $CA; signed client ca 30 extendedKeyUsage=serverAuth").unwrap_err(),
        Fault::NotForClients
    );
    for extensions in ["basicConstraints=CA:FALSE", "subjectKeyIdentifier=hash", "$CA keyUsage=critical,cRLSign"] {
        let fault = judged(&format!("root ca {extensions}; signed client ca 30 $SKI")).unwrap_err();
        assert_eq!(fault, Fault::NotAnAuthority { subject: "CN=ca".into() }, "{extensions}");
    }
    let unknown = |issuer: &str| Fault::UnknownAuthority { issuer: format!("CN={issuer}"), authority: "CN=ca".into() };
    let stranger = "root ca $CA; root other $CA; signed client other 30 $SKI";
    assert_eq!(judged(stranger).unwrap_err(), unknown("other"));
    let twin = "root ca $CA; signed client ca 30 $SKI; rm ca-key.pem; root ca $CA";
    assert_eq!(judged(twin).unwrap_err(), unknown("ca"));
    let gap = "root ca $CA; signed middle ca 30 $CA; signed client middle 30 $SKI";
    assert_eq!(judged(gap).unwrap_err(), unknown("middle"));
    assert_eq!(judged("root ca $CA; digest=-sha1; signed client ca 30 $SKI").unwrap_err(), Fault::Algorithm);
    let no_authority =
        "root ca $CA; signed middle ca 30 $SKI; signed client middle 30 $SKI; cat middle.pem >> client.pem";
    let fault = judged(no_authority).unwrap_err();
    assert!(!fault.to_string().is_empty() && !fault.remedy().is_empty());
}
