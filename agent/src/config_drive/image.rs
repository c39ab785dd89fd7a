//! A config drive as the bytes of a disk, and the text read back from one. Pure.
//!
//! The form is OpenStack's (its configuration drive, version 2), which cloud-init's `DataSourceConfigDrive` and Flatcar's
//! coreos-cloudinit read: a volume labelled `config-2` with files below `openstack/latest`.

use std::io::{Cursor, Read};

use medium::iso9660::{Image, ReadError, Tree, TreeError, UnixSeconds, Volume, WriteError, Writer};
use serde::Serialize;

use super::{iso, template};
use crate::xapi::VmUuid;

/// The label by which guests find the drive.
pub const LABEL: &str = "config-2";

/// Disks are multiples of this, as some storage has it (xen-api ocaml/xapi/import_raw_vdi.ml reads what it is given).
pub const GRANULE: usize = 2 << 20;

/// The largest disk that is looked at for a text, bytes; ours have a few MiB.
pub const MAX_IMAGE_BYTES: u64 = 64 << 20;

/// What guests run or read.
const USER_DATA: &str = "openstack/latest/user_data";
/// What it was made from, for whoever wants to change it.
const TEMPLATE: &str = "openstack/latest/user_data.template";
const META_DATA: &str = "openstack/latest/meta_data.json";
const AGENT: &str = "agent";

/// The date of everything on the drive, 2000-01-01: equal drives are equal bytes.
const DATE: u64 = 946_684_800;

/// What is on a drive.
#[derive(Clone, Debug)]
pub struct Contents<'a> {
    /// The VM's uuid. cloud-init takes it for the instance's, and does things once for each instance.
    pub vm: &'a VmUuid,
    /// What people call the VM.
    pub name: &'a str,
    /// What the VM calls itself.
    pub host_name: &'a str,
    /// The [normalised](template::normalised) text with its placeholders.
    pub template: &'a str,
    /// The text as [rendered](template::rendered) for the VM.
    pub user_data: &'a str,
    /// Files of the guest agent.
    pub agent: &'a [AgentFile],
}

/// A file of the guest agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentFile {
    /// Its name.
    pub name: &'static str,
    /// Whether guests run it.
    pub executable: bool,
    /// Its content.
    pub content: Vec<u8>,
}

/// Why there is no drive.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Names cannot be written.
    #[error("the config drive cannot be put together: {0}")]
    Tree(#[from] TreeError),
    /// The image cannot be written.
    #[error("the config drive cannot be put together: {0}")]
    Write(#[from] WriteError),
}

/// The members that cloud-init knows (cloudinit/sources/helpers/openstack.py).
#[derive(Serialize)]
struct MetaData<'a> {
    uuid: &'a str,
    name: &'a str,
    hostname: &'a str,
}

/// The drive, a multiple of [`GRANULE`] long.
///
/// # Errors
/// [`BuildError`], for no contents that are known.
pub fn build(contents: &Contents<'_>) -> Result<Vec<u8>, BuildError> {
    let Contents { vm, name, host_name, template, user_data, agent } = *contents;
    let meta_data = MetaData { uuid: vm.as_str(), name, hostname: host_name };
    let meta_data = serde_json::to_vec(&meta_data).expect("texts can be written as JSON");
    let texts = [(META_DATA, meta_data), (USER_DATA, as_file(user_data)), (TEMPLATE, as_file(template))];

    let mode = |file: &AgentFile| if file.executable { 0o755 } else { 0o644 };
    let paths = texts.iter().map(|(path, _)| ((*path).to_owned(), 0o644));
    let agent_paths = agent.iter().map(|file| (format!("{AGENT}/{}", file.name), mode(file)));
    let tree = Tree::new(paths.chain(agent_paths))?;
    let modified = UnixSeconds::new(DATE).expect("the year 2000 is before 2155");
    let volume = Volume { id: LABEL, application: "xscontainer", publisher: "", modified };
    let mut iso = Writer::new(Cursor::new(Vec::new()), &volume, tree)?;
    for (path, content) in &texts {
        iso.write(path, content.as_slice())?;
    }
    for file in agent {
        iso.write(&format!("{AGENT}/{}", file.name), file.content.as_slice())?;
    }
    let mut bytes = iso.finish()?.into_inner();
    bytes.resize(bytes.len().next_multiple_of(GRANULE), 0);
    Ok(bytes)
}

/// The last line of a file ends, too.
fn as_file(text: &str) -> Vec<u8> {
    format!("{text}\n").into_bytes()
}

/// Why a disk has no text.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// The disk is none of ours.
    #[error("the disk is no config drive: {0}")]
    Unreadable(#[from] ReadError),
    /// The image has other files.
    #[error("the disk is no config drive: it has neither {TEMPLATE} nor {USER_DATA}")]
    NoText,
    /// The text is too long to be one.
    #[error(
        "{path} on the config drive has {bytes} bytes, more than the {} that a configuration can have",
        template::MAX_BYTES
    )]
    TooLong {
        /// The file.
        path: &'static str,
        /// Its length.
        bytes: u32,
    },
    /// The image ends within the text.
    #[error("{path} on the config drive cannot be read: {cause}; make the drive anew")]
    Damaged {
        /// The file.
        path: &'static str,
        /// Why.
        cause: std::io::Error,
    },
    /// The text is none.
    #[error("{path} on the config drive is not UTF-8 text (byte {at}), so it cannot be shown; make the drive anew")]
    NotText {
        /// The file.
        path: &'static str,
        /// The first byte that is wrong.
        at: usize,
    },
}

/// The text that a drive was made from, or else the one that is for guests; [normalised](template::normalised). Believes
/// nothing that the image says.
///
/// # Errors
/// [`TextError`]
pub fn text(disk: &[u8]) -> Result<String, TextError> {
    let mut image = Image::open(Cursor::new(disk))?;
    let entries = iso::entries(&mut image)?;
    let found = [TEMPLATE, USER_DATA].into_iter().find_map(|path| Some((path, iso::file(&entries, path)?)));
    let (path, entry) = found.ok_or(TextError::NoText)?;
    if entry.bytes as usize > template::MAX_BYTES {
        return Err(TextError::TooLong { path, bytes: entry.bytes });
    }
    let mut bytes = Vec::new();
    image.read(entry)?.read_to_end(&mut bytes).map_err(|cause| TextError::Damaged { path, cause })?;
    let text =
        String::from_utf8(bytes).map_err(|error| TextError::NotText { path, at: error.utf8_error().valid_up_to() })?;
    Ok(template::normalised(&text))
}

#[cfg(test)]
mod tests {
    use medium::iso9660::Naming;
    use proptest::prelude::*;

    use super::*;

    fn vm() -> VmUuid {
        VmUuid::parse("0f00ba11-0000-0000-0000-000000000001").unwrap()
    }

    fn drive(template: &str, agent: &[AgentFile]) -> Vec<u8> {
        let vm = vm();
        build(&Contents {
            vm: &vm,
            name: "Web \"1\"\n",
            host_name: "web1",
            template,
            user_data: "#cloud-config",
            agent,
        })
        .unwrap()
    }

    fn agent_file(name: &'static str, executable: bool) -> AgentFile {
        AgentFile { name, executable, content: name.into() }
    }

    /// A foreign image with one file.
    fn foreign(path: &str, content: &[u8]) -> Vec<u8> {
        let tree = Tree::new([(path, 0o644)]).unwrap();
        let volume = Volume { id: LABEL, application: "", publisher: "", modified: UnixSeconds::new(0).unwrap() };
        let mut iso = Writer::new(Cursor::new(Vec::new()), &volume, tree).unwrap();
        iso.write(path, content).unwrap();
        iso.finish().unwrap().into_inner()
    }

    #[test]
    fn a_drive_has_its_files_in_every_naming() {
        let drive = drive("t", &[agent_file("xe-daemon", true), agent_file("versions.deb", false)]);
        assert_eq!(drive.len() % GRANULE, 0);
        let mut image = Image::open(Cursor::new(drive)).unwrap();
        assert_eq!(image.volume_id(), "config-2");
        for naming in [Naming::RockRidge, Naming::Joliet] {
            let entries = image.entries(naming).unwrap();
            let files: Vec<_> = entries.iter().filter(|entry| entry.is_file()).map(|entry| &entry.path).collect();
            let wanted = ["agent/versions.deb", "agent/xe-daemon", META_DATA, USER_DATA, TEMPLATE];
            assert_eq!(files, wanted, "{naming}");
        }
        let entries = image.entries(Naming::RockRidge).unwrap();
        assert_eq!(iso::file(&entries, "agent/xe-daemon").unwrap().mode, Some(0o100_755));
    }

    #[test]
    fn the_meta_data_has_a_stable_instance_id() {
        let mut image = Image::open(Cursor::new(drive("t", &[]))).unwrap();
        let entries = iso::entries(&mut image).unwrap();
        let mut json = String::new();
        image.read(iso::file(&entries, META_DATA).unwrap()).unwrap().read_to_string(&mut json).unwrap();
        assert_eq!(json, r#"{"uuid":"0f00ba11-0000-0000-0000-000000000001","name":"Web \"1\"\n","hostname":"web1"}"#);
    }

    #[test]
    fn equal_contents_are_equal_bytes() {
        assert!(drive("t", &[agent_file("a", true)]) == drive("t", &[agent_file("a", true)]));
    }

    #[test]
    fn a_drive_of_others_gives_what_guests_read() {
        assert_eq!(
            text(&foreign("OPENSTACK/LATEST/USER_DATA", b"#cloud-config\r\na: b\r\n")).unwrap(),
            "#cloud-config\na: b"
        );
    }

    #[test]
    fn what_is_no_config_drive_is_told() {
        for (disk, because) in [
            (vec![0; GRANULE], "not an ISO 9660 image"),
            (Vec::new(), "not an ISO 9660 image"),
            (foreign("readme", b"x"), "neither openstack/latest/user_data.template nor"),
            (foreign(TEMPLATE, b"ok\xff"), "not UTF-8 text (byte 2)"),
            (foreign(TEMPLATE, &vec![b'x'; template::MAX_BYTES + 1]), "has 1048577 bytes"),
        ] {
            let error = text(&disk).unwrap_err().to_string();
            assert!(error.contains(because), "{error}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_text_comes_back_as_it_was_given(given in "(?s).{0,200}") {
            let template = template::normalised(&given);
            prop_assert_eq!(text(&drive(&template, &[])).unwrap(), template);
        }

        #[test]
        fn a_damaged_drive_never_does_harm(at in 0_usize..80 * 1024, byte in any::<u8>()) {
            let mut disk = drive("t", &[]);
            disk[at] = byte;
            let _ = text(&disk);
        }

        #[test]
        fn a_drive_cut_off_never_does_harm(length in 0_usize..100 * 1024) {
            let _ = text(&drive("t", &[])[..length]);
        }
    }
}
