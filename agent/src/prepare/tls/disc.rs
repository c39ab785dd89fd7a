//! The disc by which a VM's engine gets its certificates: an image that holds private keys, made in memory. Pure.
//!
//! Its form is the original agent's (xenserver/xscontainer src/xscontainer/util/tls_cert.py), so that descriptions of it
//! still fit; the program on it is ours.

use std::io::Cursor;
use std::time::SystemTime;

use medium::iso9660::{Tree, TreeError, UnixSeconds, Volume, WriteError, Writer};
use zeroize::Zeroizing;

use crate::certificates::make::Made;

/// What Windows calls the disc.
pub const LABEL: &str = "Container TLS";

/// The program that people run in the VM.
pub const PROGRAM: &str = "configure_tls.cmd";

/// Disks are multiples of this, as some storage has it.
const GRANULE: usize = 2 << 20;

/// With the line ends of the repository; Windows wants its own.
const PROGRAM_TEXT: &str = include_str!("../../../../spec/tls-disc/configure_tls.cmd");

/// Docker's own, with paths of the usual place; the program puts others in (Docker's documentation, "Docker Engine on
/// Windows" and "Protect the Docker daemon socket").
const SETTINGS: &str = include_str!("../../../../spec/tls-disc/daemon.json");

/// The last date that an image can hold ends before 2156; until then, a clock that is beyond it is wrong.
const LAST_DATE: u64 = 5_869_583_999;

/// Why there is no disc.
#[derive(Debug, thiserror::Error)]
pub enum DiscError {
    /// Names cannot be written.
    #[error("the disc with the certificates cannot be put together: {0}")]
    Tree(#[from] TreeError),
    /// The image cannot be written.
    #[error("the disc with the certificates cannot be put together: {0}")]
    Write(#[from] WriteError),
}

/// The image, a multiple of 2 MiB long, with dates of `now`.
///
/// # Errors
/// [`DiscError`], for nothing that is known.
pub fn image(made: &Made, now: SystemTime) -> Result<Zeroizing<Vec<u8>>, DiscError> {
    let files = files(made);
    let tree = Tree::new(files.iter().map(|(path, _)| ((*path).to_owned(), 0o644)))?;
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let modified = UnixSeconds::new(seconds.min(LAST_DATE)).expect("LAST_DATE is before 2156");
    let volume = Volume { id: LABEL, application: "xscontainer", publisher: "", modified };
    // With room for all of it from the start: memory that it grew out of would not be wiped.
    let bytes = Vec::with_capacity(GRANULE);
    let mut iso = Writer::new(Cursor::new(bytes), &volume, tree)?;
    for (path, content) in &files {
        iso.write(path, content.as_bytes())?;
    }
    let mut bytes = Zeroizing::new(iso.finish()?.into_inner());
    let length = bytes.len().next_multiple_of(GRANULE);
    bytes.resize(length, 0);
    Ok(bytes)
}

/// What is on the disc, by paths.
fn files(made: &Made) -> [(&'static str, Zeroizing<String>); 8] {
    let text = |text: &str| Zeroizing::new(text.to_owned());
    let Made { server, client } = made;
    [
        ("server/ca.pem", text(&server.authority)),
        ("server/server-cert.pem", text(&server.certificate)),
        ("server/server-key.pem", server.key.clone()),
        ("client/ca.pem", text(&client.authority)),
        ("client/cert.pem", text(&client.certificate)),
        ("client/key.pem", client.key.clone()),
        ("daemon.json", windows(SETTINGS)),
        (PROGRAM, windows(PROGRAM_TEXT)),
    ]
}

/// With the line ends of Windows.
fn windows(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.replace('\n', "\r\n"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use medium::iso9660::{Image, Naming};

    use super::*;
    use crate::certificates::Set;

    fn made() -> Made {
        let set = |side: &str| Set {
            authority: "authority\n".into(),
            certificate: format!("{side} certificate\n"),
            key: format!("{side} key\n").into(),
        };
        Made { server: set("server"), client: set("client") }
    }

    #[test]
    fn the_disc_holds_the_files_under_their_names_for_every_reader() {
        let bytes = image(&made(), SystemTime::now()).unwrap();
        assert_eq!(bytes.len(), GRANULE);
        let mut iso = Image::open(Cursor::new(bytes.as_slice())).unwrap();
        for naming in [Naming::RockRidge, Naming::Joliet] {
            let entries = iso.entries(naming).unwrap();
            let found: BTreeSet<&str> =
                entries.iter().filter(|entry| entry.is_file()).map(|entry| &*entry.path).collect();
            let wanted = files(&made());
            assert_eq!(found, wanted.iter().map(|(path, _)| *path).collect());
        }
    }

    #[test]
    fn a_clock_that_is_far_off_keeps_nobody_from_a_disc() {
        for now in
            [SystemTime::UNIX_EPOCH - Duration::from_secs(9), SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 34)]
        {
            image(&made(), now).unwrap();
        }
    }

    #[test]
    fn the_program_is_plain_text_of_windows() {
        let text = windows(PROGRAM_TEXT);
        assert!(text.is_ascii());
        assert!(text.lines().count() > 100 && text.split_inclusive('\n').all(|line| line.ends_with("\r\n")));
        assert!(!text.contains('\t'));
    }

    #[test]
    fn every_label_that_the_program_goes_to_is_there() {
        let labels: BTreeSet<&str> = PROGRAM_TEXT.lines().filter_map(|line| line.strip_prefix(':')).collect();
        let mut used = BTreeSet::new();
        for before in ["goto ", "call :"] {
            let rest = PROGRAM_TEXT.split(before).skip(1);
            used.extend(rest.filter_map(|rest| rest.split_whitespace().next()));
        }
        assert_eq!(used, labels);
    }

    #[test]
    fn the_settings_name_the_files_where_the_program_puts_them() {
        let settings: serde_json::Value = serde_json::from_str(SETTINGS).unwrap();
        assert_eq!(settings["hosts"], serde_json::json!(["tcp://0.0.0.0:2376", "npipe://"]));
        assert_eq!(settings["tlsverify"], true);
        for (key, file) in [("tlscacert", "ca.pem"), ("tlscert", "server-cert.pem"), ("tlskey", "server-key.pem")] {
            assert_eq!(settings[key], format!("C:/ProgramData/docker/certs.d/{file}"));
        }
    }
}
