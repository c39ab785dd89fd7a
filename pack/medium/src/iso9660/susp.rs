//! System use entries (SUSP 1.10) that carry Rock Ridge (RRIP 1991A): names, modes and times in directory records.
//!
//! Knows the entries; must not know where continuation areas are or how names are checked.
//!
//! RRIP 1991A rather than 1.12: the PX entry then has no file serial number, which would have to be invented, and
//! mkisofs writes the same.

use super::{
    UnixSeconds, directory,
    field::{both32, read_both32},
};

const SP_LENGTH: usize = 7;
const PX_LENGTH: usize = 36;
const TF_LENGTH: usize = 26;
const CE_LENGTH: usize = 28;
const ER_LENGTH: usize = 8 + ROCK_RIDGE.len();
const NM_FIXED: usize = 5;

const ROCK_RIDGE: &[u8] = b"RRIP_1991A";
/// Identifiers of Rock Ridge in its versions (RRIP 1.09, IEEE P1282 draft, and what some writers make of it).
const ROCK_RIDGE_NAMES: [&[u8]; 3] = [ROCK_RIDGE, b"IEEE_P1282", b"IEEE_1282"];

// File types of POSIX in `st_mode`.
/// Mask of the type.
pub(super) const S_IFMT: u32 = 0o170_000;
/// Directory.
pub(super) const S_IFDIR: u32 = 0o040_000;
/// Regular file.
pub(super) const S_IFREG: u32 = 0o100_000;

/// What the entries say about a file or directory. Owner and group are always 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct Posix {
    pub(super) mode: u32,
    pub(super) links: u32,
    pub(super) modified: UnixSeconds,
}

/// A place in the image outside directory records, for entries that do not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) sector: u32,
    pub(super) offset: u32,
    pub(super) bytes: u32,
}

/// Bytes that a named entry takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lengths {
    /// In the directory record.
    pub(super) inline: usize,
    /// In a continuation area; 0 if all fits the record.
    pub(super) continued: usize,
}

/// How much the entries for a name take, next to an identifier of `identifier_length` bytes.
pub(super) fn lengths(name: &str, identifier_length: usize) -> Lengths {
    let name_length = NM_FIXED + name.len();
    let inline = PX_LENGTH + TF_LENGTH + name_length;
    if directory::length(identifier_length, inline) <= directory::LONGEST {
        Lengths { inline, continued: 0 }
    } else {
        Lengths { inline: PX_LENGTH + TF_LENGTH + CE_LENGTH, continued: name_length }
    }
}

/// Bytes in what [`root_itself`] gives.
pub(super) const ROOT_ITSELF: usize = SP_LENGTH + PX_LENGTH + TF_LENGTH + ER_LENGTH;
/// Bytes in what [`unnamed`] gives.
pub(super) const UNNAMED: usize = PX_LENGTH + TF_LENGTH;

/// Entries of the root's record of itself, where SUSP and Rock Ridge announce themselves (SUSP 5.3, 5.5).
pub(super) fn root_itself(posix: Posix) -> Vec<u8> {
    let mut entries = b"SP\x07\x01\xbe\xef\0".to_vec();
    entries.extend(unnamed(posix));
    entries.extend(*b"ER");
    entries.extend([ER_LENGTH as u8, 1, ROCK_RIDGE.len() as u8, 0, 0, 1]);
    entries.extend(ROCK_RIDGE);
    entries
}

/// Entries of a directory's record of itself or of its parent.
pub(super) fn unnamed(posix: Posix) -> Vec<u8> {
    let mut entries = b"PX\x24\x01".to_vec();
    for number in [posix.mode, posix.links, 0, 0] {
        entries.extend(both32(number));
    }
    // Modified, accessed, attributes changed, in short form (RRIP 4.1.6).
    entries.extend(b"TF\x1a\x01\x0e");
    for _ in 0..3 {
        entries.extend(posix.modified.short());
    }
    entries
}

/// Entries of a file or directory with a name: those for its record and those for `continuation`, the area that
/// [`lengths`] asked for.
pub(super) fn named(name: &str, posix: Posix, continuation: Option<Area>) -> (Vec<u8>, Vec<u8>) {
    let mut nm = b"NM".to_vec();
    // At most 255, because names have at most MAX_NAME_BYTES.
    nm.extend([(NM_FIXED + name.len()) as u8, 1, 0]);
    nm.extend(name.as_bytes());

    let mut inline = unnamed(posix);
    let Some(area) = continuation else {
        inline.extend(nm);
        return (inline, Vec::new());
    };
    inline.extend(b"CE\x1c\x01");
    for number in [area.sector, area.offset, area.bytes] {
        inline.extend(both32(number));
    }
    (inline, nm)
}

/// What the entries of one record say, as far as reading needs it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    /// Name, in pieces put together.
    pub(super) name: Option<Vec<u8>>,
    /// `st_mode`.
    pub(super) mode: Option<u32>,
    pub(super) modified: Option<UnixSeconds>,
    /// Bytes to skip in every other record, if SUSP is in use (SUSP 5.3).
    pub(super) skip: Option<u8>,
    /// Rock Ridge announces itself.
    pub(super) rock_ridge: bool,
    name_continues: bool,
}

/// Longest name that is put together.
const LONGEST_NAME: usize = 255;

impl Attributes {
    /// Reads the entries in one area and returns the area that continues them. The error is a sentence part.
    pub(super) fn absorb(&mut self, mut area: &[u8]) -> Result<Option<Area>, &'static str> {
        let mut continuation = None;
        // Fewer than four bytes at the end are filler (SUSP 4), and so are zeros.
        while let [a, b, length, _version, ..] = *area {
            if area.iter().all(|byte| *byte == 0) {
                break;
            }
            let length = usize::from(length);
            if length < 4 || length > area.len() {
                return Err("has a system use entry of impossible length");
            }
            let (entry, rest) = area.split_at(length);
            area = rest;
            match &[a, b] {
                b"SP" => self.skip(entry)?,
                b"ER" => self.extension(entry)?,
                b"PX" => self.mode(entry)?,
                b"TF" => self.times(entry)?,
                b"NM" => self.name(entry)?,
                b"CE" if continuation.is_some() => {
                    return Err("has two continuations in one system use area");
                }
                b"CE" => continuation = Some(continued(entry)?),
                b"CL" | b"PL" | b"RE" => {
                    return Err("has a relocated directory, which this reader does not support");
                }
                b"ST" => return Ok(continuation),
                _ => {}
            }
        }
        Ok(continuation)
    }

    fn skip(&mut self, entry: &[u8]) -> Result<(), &'static str> {
        let [_, _, _, _, 0xbe, 0xef, skip, ..] = *entry else {
            return Err("has a system use marker without its check bytes");
        };
        self.skip = Some(skip);
        Ok(())
    }

    fn extension(&mut self, entry: &[u8]) -> Result<(), &'static str> {
        let length = entry.get(4).copied().unwrap_or_default();
        let name = entry.get(8..8 + usize::from(length)).ok_or("has a system use extension that is cut off")?;
        self.rock_ridge |= ROCK_RIDGE_NAMES.contains(&name);
        Ok(())
    }

    fn mode(&mut self, entry: &[u8]) -> Result<(), &'static str> {
        let mode = read_both32(entry, 4);
        self.mode = Some(mode.ok_or("has a Rock Ridge mode that is cut off or ambiguous")?);
        Ok(())
    }

    fn name(&mut self, entry: &[u8]) -> Result<(), &'static str> {
        const CONTINUES: u8 = 1;
        let [_, _, _, _, flags, ref piece @ ..] = *entry else {
            return Err("has a Rock Ridge name that is cut off");
        };
        if flags & !CONTINUES != 0 {
            return Err("has a Rock Ridge name that stands for another directory");
        }
        if self.name.is_some() && !self.name_continues {
            return Err("has two Rock Ridge names");
        }
        self.name_continues = flags & CONTINUES != 0;
        let name = self.name.get_or_insert_default();
        if name.len() + piece.len() > LONGEST_NAME {
            return Err("has a Rock Ridge name of more than 255 bytes");
        }
        name.extend(piece);
        Ok(())
    }

    fn times(&mut self, entry: &[u8]) -> Result<(), &'static str> {
        // Times are recorded in this order, each if its bit is set (RRIP 4.1.6).
        const CREATED: u8 = 1 << 0;
        const MODIFIED: u8 = 1 << 1;
        const LONG_FORM: u8 = 1 << 7;
        let [_, _, _, _, flags, ref times @ ..] = *entry else {
            return Err("has Rock Ridge times that are cut off");
        };
        if flags & MODIFIED == 0 {
            return Ok(());
        }
        let width = if flags & LONG_FORM != 0 { 17 } else { 7 };
        let start = if flags & CREATED != 0 { width } else { 0 };
        let date = times.get(start..start + width).ok_or("has Rock Ridge times that are cut off")?;
        self.modified = if width == 17 { UnixSeconds::from_long(date) } else { UnixSeconds::from_short(date) };
        Ok(())
    }
}

fn continued(entry: &[u8]) -> Result<Area, &'static str> {
    let number = |offset| read_both32(entry, offset).ok_or("has a continuation that is cut off or ambiguous");
    let area = Area { sector: number(4)?, offset: number(12)?, bytes: number(20)? };
    // Linux demands the same (fs/isofs/rock.c, rock_continue).
    if u64::from(area.offset) + u64::from(area.bytes) > super::SECTOR as u64 {
        return Err("has a continuation that crosses the end of a sector");
    }
    Ok(area)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn posix() -> Posix {
        Posix { mode: S_IFREG | 0o644, links: 1, modified: UnixSeconds::new(1_700_000_000).unwrap() }
    }

    fn absorbed(area: &[u8]) -> Result<Attributes, &'static str> {
        let mut attributes = Attributes::default();
        attributes.absorb(area).map(|_| attributes)
    }

    #[test]
    fn entries_are_laid_out_as_the_standard_says() {
        let (inline, continued) = named("a.rpm", posix(), None);
        assert_eq!(
            inline,
            [
                &b"PX\x24\x01\xa4\x81\0\0\0\0\x81\xa4\x01\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"[..],
                b"TF\x1a\x01\x0e\x7b\x0b\x0e\x16\x0d\x14\0\x7b\x0b\x0e\x16\x0d\x14\0\x7b\x0b\x0e\x16\x0d\x14\0",
                b"NM\x0a\x01\0a.rpm",
            ]
            .concat()
        );
        assert_eq!(continued, []);
    }

    #[test]
    fn the_root_announces_susp_first_and_rock_ridge() {
        let entries = root_itself(posix());
        assert!(entries.starts_with(b"SP\x07\x01\xbe\xef\0PX"));
        assert!(entries.ends_with(b"ER\x12\x01\x0a\0\0\x01RRIP_1991A"));
        assert_eq!(entries.len(), ROOT_ITSELF);
        let read = absorbed(&entries).unwrap();
        assert_eq!((read.skip, read.rock_ridge), (Some(0), true));
    }

    #[test]
    fn a_name_that_does_not_fit_the_record_is_continued() {
        for length in 1..=250 {
            let name = "n".repeat(length);
            let lengths = lengths(&name, 33);
            let area = Area { sector: 7, offset: 8, bytes: lengths.continued as u32 };
            let (inline, continued) = named(&name, posix(), (lengths.continued > 0).then_some(area));
            assert_eq!((inline.len(), continued.len()), (lengths.inline, lengths.continued));
            assert!(directory::length(33, inline.len()) <= directory::LONGEST);
            assert_eq!(lengths.continued > 0, length > 121);

            let mut read = Attributes::default();
            let next = read.absorb(&inline).unwrap();
            assert_eq!(next, (length > 121).then_some(area));
            assert_eq!(read.absorb(&continued), Ok(None));
            assert_eq!(read.name.as_deref(), Some(name.as_bytes()));
            assert_eq!((read.mode, read.modified), (Some(0o100_644), Some(posix().modified)));
        }
    }

    #[test]
    fn a_name_in_pieces_is_put_together() {
        assert_eq!(absorbed(b"NM\x07\x01\x01abNM\x06\x01\0c").unwrap().name.unwrap(), b"abc");
    }

    #[test]
    fn areas_that_lie_are_refused() {
        for (area, because) in [
            (&b"PX\x24\x01"[..], "impossible length"),
            (b"PX\x03\x01aaaa", "impossible length"),
            (b"PX\0\x01aaaa", "impossible length"),
            (b"PX\x08\x01aaaa", "mode"),
            (b"NM\x04\x01", "name that is cut off"),
            (b"NM\x05\x01\x02", "another directory"),
            (b"NM\x05\x01\x04", "another directory"),
            (b"NM\x06\x01\0aNM\x06\x01\0b", "two Rock Ridge names"),
            (b"TF\x05\x01\x02", "times"),
            (b"TF\x0c\x01\x03aaaaaaa", "times"),
            (b"SP\x07\x01\xbe\xee\0", "check bytes"),
            (b"ER\x08\x01\x0a\0\0\x01", "extension"),
            (b"CE\x04\x01", "continuation"),
            (b"RE\x04\x01", "relocated"),
        ] {
            let reason = absorbed(area).unwrap_err();
            assert!(reason.contains(because), "{area:?}: {reason}");
        }
        let pieces = [&b"NM\xff\x01\x01"[..], &[b'a'; 250], b"NM\x0b\x01\x01", &[b'a'; 6]].concat();
        assert_eq!(absorbed(&pieces).unwrap_err(), "has a Rock Ridge name of more than 255 bytes");
    }

    #[test]
    fn a_continuation_stays_within_a_sector() {
        let entry = |offset, bytes| [&b"CE\x1c\x01"[..], &both32(9), &both32(offset), &both32(bytes)].concat();
        assert_eq!(continued(&entry(2000, 48)), Ok(Area { sector: 9, offset: 2000, bytes: 48 }));
        assert!(continued(&entry(2000, 49)).is_err());
        assert!(continued(&entry(u32::MAX, u32::MAX)).is_err());
        assert!(absorbed(&[entry(0, 1), entry(0, 1)].concat()).unwrap_err().contains("two continuations"));
    }

    #[test]
    fn unknown_entries_and_filler_are_skipped() {
        assert_eq!(absorbed(b"XX\x06\x01abNM\x06\x01\0a\0\0\0").unwrap().name.unwrap(), b"a");
        assert_eq!(absorbed(b"NM\x06\x01\0aST\x04\x01NM\x06\x01\0b").unwrap().name.unwrap(), b"a");
        assert_eq!(absorbed(&[0; 9]), Ok(Attributes::default()));
    }

    proptest! {
        #[test]
        fn any_area_is_read_without_panic(area in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = absorbed(&area);
        }
    }
}
