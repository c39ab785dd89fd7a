//! Directory records (ECMA-119 9.1) and how they fill sectors (6.8.1.1).
//!
//! Knows the record; must not know what its system use area means or which naming its identifier belongs to.

use super::{
    SECTOR, UnixSeconds,
    field::{both16, both32, read_both32},
};

/// Bytes before the identifier.
const FIXED: usize = 33;
/// Longest record: its length is recorded in one byte and is even.
pub(super) const LONGEST: usize = 254;
/// Identifier of a directory in itself, and of its parent (ECMA-119 7.6.2).
pub(super) const SELF: &[u8] = &[0];
/// See [`SELF`].
pub(super) const PARENT: &[u8] = &[1];

// File flags (ECMA-119 9.1.6).
const DIRECTORY: u8 = 1 << 1;
const ASSOCIATED: u8 = 1 << 2;
const MULTI_EXTENT: u8 = 1 << 7;

/// A run of bytes that begins with a sector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// First sector.
    pub(super) first: u32,
    /// Length in bytes.
    pub(super) bytes: u32,
}

impl Extent {
    /// One past the last sector.
    pub(super) fn end(self) -> u64 {
        u64::from(self.first) + super::sectors(self.bytes.into())
    }

    /// Of the directory whose record this is.
    pub(super) fn of_record(record: &[u8]) -> Option<Self> {
        Record::read(record).ok().filter(|record| record.directory).map(|record| record.extent)
    }
}

/// A directory record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record<'a, Date = UnixSeconds> {
    pub(super) identifier: &'a [u8],
    pub(super) directory: bool,
    pub(super) extent: Extent,
    pub(super) modified: Date,
    pub(super) system_use: &'a [u8],
}

impl Record<'_> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let length = length(self.identifier.len(), self.system_use.len());
        let mut record = Vec::with_capacity(length);
        // At most LONGEST, and the identifier within it: names are limited and SUSP entries moved out to fit.
        record.push(length as u8);
        record.push(0); // no extended attribute record
        record.extend(both32(self.extent.first));
        record.extend(both32(self.extent.bytes));
        record.extend(self.modified.short());
        record.push(if self.directory { DIRECTORY } else { 0 });
        record.extend([0, 0]); // not interleaved
        record.extend(both16(1)); // volume sequence number
        record.push(self.identifier.len() as u8);
        record.extend(self.identifier);
        record.resize(system_use_offset(self.identifier.len()), 0);
        record.extend(self.system_use);
        record.resize(length, 0);
        record
    }
}

impl<'a> Record<'a, Option<UnixSeconds>> {
    /// Reads a record that takes up all of `record`.
    fn read(record: &'a [u8]) -> Result<Self, &'static str> {
        if record.len() < FIXED + 1 || usize::from(record[0]) != record.len() {
            return Err("has a record of impossible length");
        }
        let identifier_length = usize::from(record[32]);
        let identifier =
            record.get(FIXED..FIXED + identifier_length).ok_or("has a name that is longer than its record")?;
        if identifier.is_empty() {
            return Err("has a record without a name");
        }
        let flags = record[25];
        if flags & MULTI_EXTENT != 0 {
            return Err("has a file of several extents (4 GiB or more), which this reader does not support");
        }
        if flags & ASSOCIATED != 0 {
            return Err("has an associated file, which this reader does not support");
        }
        if record[26] != 0 || record[27] != 0 {
            return Err("has an interleaved file, which this reader does not support");
        }
        let first = read_both32(record, 2).ok_or("has a record with two different places in its two byte orders")?;
        let bytes = read_both32(record, 10).ok_or("has a record with two different sizes in its two byte orders")?;
        // The extended attribute record precedes the content in the same extent (ECMA-119 9.1.2).
        let first = first.checked_add(record[1].into()).ok_or("has a record that points beyond any image")?;
        Ok(Self {
            identifier,
            directory: flags & DIRECTORY != 0,
            extent: Extent { first, bytes },
            modified: UnixSeconds::from_short(&record[18..25]),
            system_use: record.get(system_use_offset(identifier_length)..).unwrap_or_default(),
        })
    }
}

/// The identifier is followed by a filler byte if the area after it would begin at an odd offset.
fn system_use_offset(identifier_length: usize) -> usize {
    (FIXED + identifier_length).next_multiple_of(2)
}

/// Bytes in a record with an identifier and a system use area of these lengths.
pub(super) fn length(identifier_length: usize, system_use_length: usize) -> usize {
    (system_use_offset(identifier_length) + system_use_length).next_multiple_of(2)
}

/// Where something of `length` bytes goes, if `offset` bytes are taken and it must not cross the end of a sector.
pub(super) fn place(offset: usize, length: usize) -> usize {
    if offset % SECTOR + length > SECTOR { offset.next_multiple_of(SECTOR) } else { offset }
}

/// Appends a record where [`place`] puts it.
pub(super) fn append(directory: &mut Vec<u8>, record: &[u8]) {
    directory.resize(place(directory.len(), record.len()), 0);
    directory.extend(record);
}

/// The records in one sector of a directory, up to the first error.
pub(super) fn records(sector: &[u8]) -> impl Iterator<Item = Result<Record<'_, Option<UnixSeconds>>, &'static str>> {
    let mut rest = sector;
    std::iter::from_fn(move || {
        // A length of zero: the rest of the sector is unused.
        let length = usize::from(*rest.first()?);
        if length == 0 {
            return None;
        }
        let Some((record, after)) = rest.split_at_checked(length) else {
            rest = &[];
            return Some(Err("has a record that crosses the end of a sector"));
        };
        let record = Record::read(record);
        rest = if record.is_ok() { after } else { &[] };
        Some(record)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record<'a>(identifier: &'a [u8], system_use: &'a [u8]) -> Record<'a> {
        let extent = Extent { first: 0x0102_0304, bytes: 0x0506_0708 };
        Record { identifier, directory: false, extent, modified: UnixSeconds::new(1_700_000_000).unwrap(), system_use }
    }

    /// Offsets are the byte positions of ECMA-119 9.1 less one.
    #[test]
    fn a_record_has_its_fields_where_the_standard_says() {
        assert_eq!(
            record(b"A.;1", b"SU!").encode(),
            [
                &[42, 0][..],
                &[4, 3, 2, 1, 1, 2, 3, 4],
                &[8, 7, 6, 5, 5, 6, 7, 8],
                &[123, 11, 14, 22, 13, 20, 0],
                &[0, 0, 0],
                &[1, 0, 0, 1],
                &[4],
                b"A.;1\0",
                b"SU!\0",
            ]
            .concat()
        );
    }

    #[test]
    fn a_record_is_read_as_written() {
        for identifier in [&b"A.;1"[..], b"AB.;1"] {
            let written = record(identifier, b"SU");
            let bytes = written.encode();
            let read = records(&bytes).next().unwrap().unwrap();
            assert_eq!((read.identifier, read.extent), (identifier, written.extent));
            assert_eq!((read.modified, read.system_use), (Some(written.modified), &b"SU"[..]));
        }
    }

    #[test]
    fn a_record_never_crosses_the_end_of_a_sector() {
        assert_eq!(place(0, 2048), 0);
        assert_eq!(place(1948, 100), 1948);
        assert_eq!(place(1950, 100), 2048);
        let mut directory = vec![1; 2000];
        append(&mut directory, &[2; 50]);
        assert_eq!((directory.len(), directory[2047], directory[2048]), (2098, 0, 2));
    }

    #[test]
    fn hostile_records_end_the_sector_with_an_error() {
        let good = record(b"A.;1", b"").encode();
        let changed = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            bytes.extend(&good);
            records(&bytes).map(Result::err).collect::<Vec<_>>()
        };
        assert_eq!(changed(0, 1), [Some("has a record of impossible length")]);
        assert_eq!(changed(0, 33), [Some("has a record of impossible length")]);
        assert_eq!(changed(0, 255), [Some("has a record that crosses the end of a sector")]);
        assert_eq!(changed(32, 0), [Some("has a record without a name")]);
        assert_eq!(changed(32, 200), [Some("has a name that is longer than its record")]);
        assert_eq!(changed(2, 0), [Some("has a record with two different places in its two byte orders")]);
        assert_eq!(changed(10, 0), [Some("has a record with two different sizes in its two byte orders")]);
        assert_eq!(changed(0, 0), [] as [Option<&str>; 0], "unused");
        assert!(changed(25, MULTI_EXTENT)[0].is_some_and(|reason| reason.contains("several extents")));
        assert!(changed(25, ASSOCIATED)[0].is_some_and(|reason| reason.contains("associated")));
        assert!(changed(26, 1)[0].is_some_and(|reason| reason.contains("interleaved")));
    }
}
