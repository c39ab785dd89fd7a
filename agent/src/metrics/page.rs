//! The page from which xcp-rrdd reads data sources: version 2 of its plugin protocol
//! (xen-api, `doc/content/xcp-rrdd/design/plugin-protocol-v2.md` and `ocaml/xcp-rrdd/lib/transport/base/rrd_protocol_v2.ml`).
//!
//! ```text
//! "DATASOURCES"  crc32 of timestamp and values  crc32 of metadata  number of values      11 + 4 + 4 + 4 bytes
//! timestamp      values …                                                                8 bytes each
//! length of metadata  metadata: JSON                                                     4 + length bytes
//! ```
//!
//! All numbers are big-endian. xcp-rrdd maps the file into its memory when it learns of it, and looks whenever it wants: so
//! the file has its whole size and a valid page before it gets its name, is never made shorter (that would kill whoever
//! has it mapped), and is written in place. What is half-written does not pass the checksums. Must not know what is measured.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use super::crc32::crc32;
use super::names::Series;
use super::vm::Shown;
use crate::xapi::VmUuid;

/// Bytes of the file, of which those that are not used cost nothing: some 16,000 data sources.
pub const CAPACITY: usize = 4 << 20;

const HEADER: &[u8; 11] = b"DATASOURCES";

/// Where the timestamp is.
const DATA: usize = HEADER.len() + 12;

/// The page of one plugin. The file stays when this is dropped.
#[derive(Debug)]
pub struct Page {
    file: File,
    path: PathBuf,
    metadata: Vec<u8>,
    /// The VMs that the metadata is about.
    layout: Vec<(VmUuid, Arc<[Series]>)>,
    /// How many VMs of the layout fit into the file.
    fitting: usize,
    timestamp: f64,
}

impl Page {
    /// A page without data sources, in place of one that an earlier run may have left. The folder is made if it is missing,
    /// as all of xcp-rrdd's plugins do.
    ///
    /// # Errors
    /// Those of the system.
    pub fn create(folder: &Path, uid: &str, timestamp: f64) -> io::Result<Self> {
        match DirBuilder::new().mode(0o755).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let path = folder.join(uid);
        // xcp-rrdd passes over files that are called so.
        let draft = folder.join(format!("{uid}.tmp"));
        // It keeps to the file that it knows until that is gone.
        for leftover in [&path, &draft] {
            match fs::remove_file(leftover) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&draft)?;
        file.set_len(CAPACITY as u64)?;
        let (metadata, layout) = (encode(&[]), Vec::new());
        let page = Self { file, path, metadata, layout, fitting: 0, timestamp };
        page.put(&[], true)?;
        fs::rename(draft, &page.path)?;
        Ok(page)
    }

    /// Shows the values of these VMs, with this time in seconds since 1970. The number of VMs for which there is no room.
    ///
    /// # Errors
    /// Those of the system; also if somebody took the file away.
    pub fn write(&mut self, timestamp: f64, vms: &[(VmUuid, Shown)]) -> io::Result<usize> {
        if !self.is_in_place() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "somebody removed the file"));
        }
        // The same checksum twice would mean that there is no update.
        self.timestamp = if timestamp.to_bits() == self.timestamp.to_bits() { timestamp.next_up() } else { timestamp };
        let same = |(vm, shown): &(VmUuid, Shown), (before, series): &(VmUuid, Arc<[Series]>)| {
            vm == before && Arc::ptr_eq(&shown.series, series)
        };
        let is_new =
            vms.len() != self.layout.len() || !vms.iter().zip(&self.layout).all(|(now, before)| same(now, before));
        if is_new {
            self.layout = vms.iter().map(|(vm, shown)| (vm.clone(), Arc::clone(&shown.series))).collect();
            (self.fitting, self.metadata) = fit(&self.layout);
        }
        let values: Vec<f64> =
            vms.iter().take(self.fitting).flat_map(|(_, shown)| shown.values.iter().copied()).collect();
        self.put(&values, is_new)?;
        Ok(vms.len() - self.fitting)
    }

    /// Takes the file away; xcp-rrdd forgets the plugin then.
    pub fn remove(self) {
        if self.is_in_place() {
            let _ = fs::remove_file(&self.path);
        }
    }

    fn is_in_place(&self) -> bool {
        let inode = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let (ours, there) = (self.file.metadata().map(inode), fs::symlink_metadata(&self.path).map(inode));
        matches!((ours, there), (Ok(ours), Ok(there)) if ours == there)
    }

    /// One write, so that whoever looks meanwhile sees as little as possible of two pages.
    fn put(&self, values: &[f64], with_metadata: bool) -> io::Result<()> {
        let mut page = Vec::with_capacity(size(values.len(), if with_metadata { self.metadata.len() } else { 0 }));
        page.extend_from_slice(HEADER);
        page.extend_from_slice(&[0; 4]);
        page.extend_from_slice(&crc32(&self.metadata).to_be_bytes());
        page.extend_from_slice(&to_u32(values.len()).to_be_bytes());
        page.extend_from_slice(&self.timestamp.to_be_bytes());
        values.iter().for_each(|value| page.extend_from_slice(&value.to_be_bytes()));
        let checksum = crc32(&page[DATA..]);
        page[HEADER.len()..HEADER.len() + 4].copy_from_slice(&checksum.to_be_bytes());
        if with_metadata {
            page.extend_from_slice(&to_u32(self.metadata.len()).to_be_bytes());
            page.extend_from_slice(&self.metadata);
        }
        self.file.write_all_at(&page, 0)
    }
}

fn size(values: usize, metadata: usize) -> usize {
    DATA + 8 + 8 * values + 4 + metadata
}

/// Never cut off: [`CAPACITY`] is less.
fn to_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// As many of the VMs as there is room for, and the metadata of those.
fn fit(layout: &[(VmUuid, Arc<[Series]>)]) -> (usize, Vec<u8>) {
    let mut fitting = layout.len();
    loop {
        let values = layout[..fitting].iter().map(|(_, series)| series.len()).sum();
        let metadata = encode(&layout[..fitting]);
        if size(values, metadata.len()) <= CAPACITY || fitting == 0 {
            return (fitting, metadata);
        }
        // Metadata is nearly all, so the next guess is nearly right.
        fitting = (fitting * CAPACITY / size(values, metadata.len())).min(fitting - 1);
    }
}

/// The metadata: an object with a member for each value, in their order. Names are unique for each VM only; xcp-rrdd reads
/// the object as a list (xen-api, `rrd_protocol_v2.ml`), as its own plugins need it to. Every member is a text
/// (`rrd_rpc.ml`, `assoc_opt`).
fn encode(layout: &[(VmUuid, Arc<[Series]>)]) -> Vec<u8> {
    let mut text = String::from("{\"datasources\":{");
    for (vm, series) in layout {
        for Series { name, description, unit } in series.iter() {
            if !text.ends_with('{') {
                text.push(',');
            }
            let described = json!({
                "description": description, "owner": format!("vm {vm}"), "value_type": "float", "type": "gauge",
                "default": "true", "units": unit.name(), "min": "0.0", "max": "inf",
            });
            text += &format!("{}:{described}", json!(name));
        }
    }
    text += "}}";
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::names::Unit;
    use super::*;

    fn vm(number: usize) -> VmUuid {
        VmUuid::parse(&format!("00000000-0000-0000-0000-{number:012}")).unwrap()
    }

    fn shown(names: &[&str], values: &[f64]) -> Shown {
        let series = names.iter().map(|name| Series {
            name: (*name).to_owned(),
            description: "d".to_owned(),
            unit: Unit::Bytes,
        });
        Shown { series: series.collect(), values: values.to_vec(), forgotten: Vec::new() }
    }

    #[test]
    fn every_byte_has_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let mut page = Page::create(&folder.path().join("metrics"), "x", 1.0).unwrap();
        page.write(2.0, &[(vm(1), shown(&["a"], &[1.5])), (vm(2), shown(&["a"], &[f64::NAN]))]).unwrap();
        let bytes = fs::read(folder.path().join("metrics/x")).unwrap();
        assert_eq!(bytes.len(), CAPACITY);
        assert_eq!(&bytes[..11], HEADER);
        assert_eq!(bytes[11..15], crc32(&bytes[23..47]).to_be_bytes());
        assert_eq!(bytes[19..23], 2_u32.to_be_bytes());
        assert_eq!(bytes[23..31], 2.0_f64.to_be_bytes());
        assert_eq!(bytes[31..39], 1.5_f64.to_be_bytes());
        assert_eq!(bytes[39..47], f64::NAN.to_be_bytes());
        let one = |vm: VmUuid| {
            format!(
                "\"a\":{{\"default\":\"true\",\"description\":\"d\",\"max\":\"inf\",\"min\":\"0.0\",\"owner\":\"vm {vm}\",\
                 \"type\":\"gauge\",\"units\":\"B\",\"value_type\":\"float\"}}"
            )
        };
        let metadata = format!("{{\"datasources\":{{{},{}}}}}", one(vm(1)), one(vm(2)));
        assert_eq!(bytes[47..51], to_u32(metadata.len()).to_be_bytes());
        assert_eq!(bytes[51..51 + metadata.len()], *metadata.as_bytes());
        assert_eq!(bytes[15..19], crc32(metadata.as_bytes()).to_be_bytes());
    }

    #[test]
    fn the_file_stays_the_same_one_and_no_two_pages_have_the_same_checksum() {
        let folder = tempfile::tempdir().unwrap();
        let mut page = Page::create(folder.path(), "x", 1.0).unwrap();
        let path = folder.path().join("x");
        let inode = fs::metadata(&path).unwrap().ino();
        let mut checksums = std::collections::BTreeSet::new();
        let values = shown(&["a"], &[1.0]);
        for timestamp in [5.0, 5.0, 4.0] {
            page.write(timestamp, &[(vm(1), values.clone())]).unwrap();
            assert!(checksums.insert(fs::read(&path).unwrap()[11..15].to_vec()));
        }
        assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
        assert_eq!(fs::metadata(&path).unwrap().len(), CAPACITY as u64);
    }

    #[test]
    fn what_is_left_of_an_earlier_run_is_replaced_not_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "old").unwrap();
        let old = File::open(&path).unwrap();
        Page::create(folder.path(), "x", 1.0).unwrap();
        assert_eq!((old.metadata().unwrap().len(), old.metadata().unwrap().nlink()), (3, 0));
        assert!(!folder.path().join("x.tmp").exists());
    }

    #[test]
    fn a_file_that_somebody_removed_or_replaced_is_noticed_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let mut page = Page::create(folder.path(), "x", 1.0).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(page.write(2.0, &[]).is_err());
        fs::write(&path, "another's").unwrap();
        assert!(page.write(2.0, &[]).is_err());
        page.remove();
        assert_eq!(fs::read(&path).unwrap(), b"another's");
    }

    #[test]
    fn vms_for_which_there_is_no_room_are_left_out_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut page = Page::create(folder.path(), "x", 1.0).unwrap();
        let names: Vec<String> = (0..100).map(|number| format!("{number:050}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let all = shown(&names, &[1.0; 100]);
        let vms: Vec<_> = (0..500).map(|number| (vm(number), all.clone())).collect();
        let left_out = page.write(2.0, &vms).unwrap();
        assert!((200..400).contains(&left_out), "{left_out}");
        let bytes = fs::read(folder.path().join("x")).unwrap();
        assert_eq!(bytes.len(), CAPACITY);
        let count = u32::from_be_bytes(bytes[19..23].try_into().unwrap());
        assert_eq!(count as usize, 100 * (500 - left_out));
        // With fewer there is room again.
        assert_eq!(page.write(3.0, &vms[..10]).unwrap(), 0);
    }
}
