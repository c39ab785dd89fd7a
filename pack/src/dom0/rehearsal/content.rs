//! What the files of a pack are made of, as far as it decides whether they work in dom0.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use elf::ElfStream;
use elf::abi::{EM_X86_64, PT_INTERP};
use elf::endian::AnyEndian;

use crate::dom0::supply::Supply;
use crate::rpm::package::Evr;

/// What a file has in it that was not told where it will lie.
const BUILD_ROOT: &[u8] = b"/BUILDROOT/";

/// What is wrong with the files of a pack.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) programs: usize,
    /// Programs that dom0 cannot start.
    pub(super) foreign: Vec<String>,
    /// Programs that name an interpreter.
    pub(super) dynamic: Vec<String>,
    pub(super) build_paths: Vec<String>,
}

/// Looks into every regular file, for hosts with a glibc of this version.
///
/// # Errors
/// A file that was unpacked cannot be read.
pub(super) fn look_into(supply: &Supply, glibc: &str) -> io::Result<Faults> {
    let mut faults = Faults::default();
    for supplied in &supply.packages {
        for (index, file) in supplied.package.files.iter().enumerate() {
            let Some(content) = supplied.content(index) else { continue };
            if holds(content, BUILD_ROOT)? {
                faults.build_paths.push(file.path.clone());
            }
            if is_elf(content)? {
                faults.programs += 1;
                look_into_program(&file.path, content, glibc, &mut faults)?;
            }
        }
    }
    Ok(faults)
}

fn is_elf(path: &Path) -> io::Result<bool> {
    let mut magic = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut magic)?;
    Ok(magic == b"\x7fELF")
}

fn look_into_program(name: &str, content: &Path, glibc: &str, faults: &mut Faults) -> io::Result<()> {
    // The crate reads whole sections; a header may claim any length, so never more than the file has.
    let Ok(mut elf) = ElfStream::<AnyEndian, _>::open_stream(File::open(content)?) else {
        faults.foreign.push(format!("{name} is a damaged ELF file"));
        return Ok(());
    };
    if elf.ehdr.e_machine != EM_X86_64 {
        faults.foreign.push(format!("{name} is for another processor (ELF machine {})", elf.ehdr.e_machine));
    }
    if elf.segments().iter().any(|segment| segment.p_type == PT_INTERP) {
        faults.dynamic.push(format!("{name} needs a dynamic loader"));
    }
    let Ok(Some(versions)) = elf.symbol_version_table() else { return Ok(()) };
    let limit: Evr = Evr { epoch: None, version: glibc.into(), release: None };
    let mut newer: Vec<String> = Vec::new();
    // Version indexes count up from 2; 0 and 1 are the unversioned ones.
    for index in 0..u16::MAX.into() {
        let Ok(Some(requirement)) = versions.get_requirement(index) else {
            if versions.get_definition(index).is_err() {
                break;
            }
            continue;
        };
        let version = requirement.name.strip_prefix("GLIBC_").unwrap_or_default();
        let needed = Evr { epoch: None, version: version.into(), release: None };
        if version.starts_with(|c: char| c.is_ascii_digit()) && needed.compare(&limit).is_gt() {
            newer.push(requirement.name.to_owned());
        }
    }
    newer.sort();
    newer.dedup();
    if !newer.is_empty() {
        faults.foreign.push(format!("{name} needs {}", newer.join(", ")));
    }
    Ok(())
}

/// Whether a file holds some bytes.
fn holds(path: &Path, wanted: &[u8]) -> io::Result<bool> {
    let mut reader = BufReader::with_capacity(1 << 16, File::open(path)?);
    let mut window: Vec<u8> = Vec::with_capacity(1 << 17);
    loop {
        let read = reader.by_ref().take(1 << 16).read_to_end(&mut window)?;
        if window.windows(wanted.len()).any(|bytes| bytes == wanted) {
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
        // What may be the beginning of it stays.
        let keep = window.len().min(wanted.len() - 1);
        window.drain(..window.len() - keep);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_found_across_the_boundary_of_two_reads() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for at in [0, (1 << 16) - 5, 1 << 16, (1 << 17) - 1] {
            let mut bytes = vec![b'x'; (1 << 17) + 100];
            bytes[at..at + BUILD_ROOT.len()].copy_from_slice(BUILD_ROOT);
            std::fs::write(file.path(), &bytes).unwrap();
            assert!(holds(file.path(), BUILD_ROOT).unwrap(), "{at}");
        }
        std::fs::write(file.path(), vec![b'x'; 1 << 17]).unwrap();
        assert!(!holds(file.path(), BUILD_ROOT).unwrap());
    }
}
