//! Volume descriptors (ECMA-119 8, Joliet specification "SVD"): one sector each, from sector 16 on.
//!
//! Knows their fields; must not know how the rest of the image is laid out.

use super::{
    SECTOR, Volume,
    directory::Extent,
    field::{both16, both32, read_both16, read_both32},
    names::ucs2,
    time::UNSPECIFIED,
};

/// Sector of the first descriptor; those before it are left to the system (ECMA-119 6.2.1).
pub(super) const FIRST: u32 = 16;
const STANDARD_IDENTIFIER: &[u8] = b"CD001";
/// UCS-2 level 3, as every writer marks it; levels 1 and 2 are read as well (Joliet specification, "Escape Sequences").
const JOLIET_ESCAPES: [&[u8; 3]; 3] = [b"%/E", b"%/C", b"%/@"];
const ROOT_RECORD: std::ops::Range<usize> = 156..190;

/// Where a descriptor says things are.
pub(super) struct Places {
    /// Sectors in the image.
    pub(super) sectors: u32,
    /// Bytes in a path table.
    pub(super) path_table_bytes: u32,
    /// First sector of the little-endian path table.
    pub(super) path_table_l: u32,
    /// First sector of the big-endian path table.
    pub(super) path_table_m: u32,
    /// Directory record of the root.
    pub(super) root: Vec<u8>,
}

/// The primary volume descriptor (ECMA-119 8.4).
pub(super) fn primary(volume: &Volume, places: &Places) -> Vec<u8> {
    encode(1, volume, places, &[0; 32], |text, length| padded(text.bytes(), b" ", length))
}

/// The supplementary volume descriptor that stands for Joliet (ECMA-119 8.5).
pub(super) fn joliet(volume: &Volume, places: &Places) -> Vec<u8> {
    let mut escapes = [0; 32];
    escapes[..3].copy_from_slice(JOLIET_ESCAPES[0]);
    encode(2, volume, places, &escapes, |text, length| {
        // An odd byte at the end of a field belongs to no character.
        let mut field = padded(ucs2(text), &[0, b' '], length & !1);
        field.resize(length, 0);
        field
    })
}

/// The volume descriptor set terminator (ECMA-119 8.3).
pub(super) fn terminator() -> Vec<u8> {
    let mut sector = start(255);
    sector.resize(SECTOR, 0);
    sector
}

fn start(kind: u8) -> Vec<u8> {
    let mut sector = Vec::with_capacity(SECTOR);
    sector.push(kind);
    sector.extend(STANDARD_IDENTIFIER);
    sector.push(1); // version
    sector
}

fn padded(text: impl Iterator<Item = u8>, filler: &[u8], length: usize) -> Vec<u8> {
    text.chain(filler.iter().copied().cycle()).take(length).collect()
}

fn encode(
    kind: u8,
    volume: &Volume,
    places: &Places,
    escapes: &[u8; 32],
    text: impl Fn(&str, usize) -> Vec<u8>,
) -> Vec<u8> {
    let mut sector = start(kind);
    sector.push(0); // volume flags
    sector.extend(text("", 32)); // system: sectors 0 to 15 are for none
    sector.extend(text(volume.id, 32));
    sector.extend([0; 8]);
    sector.extend(both32(places.sectors));
    sector.extend(escapes);
    sector.extend(both16(1)); // volume set size
    sector.extend(both16(1)); // volume sequence number
    sector.extend(both16(SECTOR as u16));
    sector.extend(both32(places.path_table_bytes));
    sector.extend(places.path_table_l.to_le_bytes());
    sector.extend([0; 4]); // no second copy
    sector.extend(places.path_table_m.to_be_bytes());
    sector.extend([0; 4]); // no second copy
    sector.extend(&places.root);
    sector.extend(text("", 128)); // volume set
    sector.extend(text(volume.publisher, 128));
    sector.extend(text("", 128)); // data preparer
    sector.extend(text(volume.application, 128));
    sector.extend(text("", 37)); // copyright file
    sector.extend(text("", 37)); // abstract file
    sector.extend(text("", 37)); // bibliographic file
    sector.extend(volume.modified.long()); // created
    sector.extend(volume.modified.long()); // modified
    sector.extend(UNSPECIFIED); // expires
    sector.extend(UNSPECIFIED); // effective from
    sector.push(1); // file structure version
    sector.resize(SECTOR, 0);
    sector
}

/// A descriptor as far as reading an image needs it.
#[derive(Debug)]
pub(super) enum Found {
    /// The primary volume.
    Primary(Facts),
    /// The Joliet volume; of its texts only the root is used.
    Joliet(Extent),
    /// The last of the descriptors.
    Terminator,
    /// One that reading needs nothing of: boot record, partition, supplementary in another character set.
    Other,
}

/// What the primary volume descriptor says.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) id: String,
    pub(super) application: String,
    pub(super) publisher: String,
    pub(super) sectors: u32,
    pub(super) root: Extent,
}

/// Reads one descriptor; the error is a sentence part after "the descriptor".
pub(super) fn read(sector: &[u8; SECTOR]) -> Result<Found, &'static str> {
    if &sector[1..6] != STANDARD_IDENTIFIER {
        return Err("is not marked CD001");
    }
    match sector[0] {
        255 => Ok(Found::Terminator),
        1 => Ok(Found::Primary(facts(sector)?)),
        2 if JOLIET_ESCAPES.iter().any(|escape| sector[88..].starts_with(*escape)) => {
            Ok(Found::Joliet(facts(sector)?.root))
        }
        _ => Ok(Found::Other),
    }
}

fn facts(sector: &[u8; SECTOR]) -> Result<Facts, &'static str> {
    if read_both16(sector, 128).map(usize::from) != Some(SECTOR) {
        return Err("has a logical block size other than 2048");
    }
    Ok(Facts {
        id: text(&sector[40..72]),
        publisher: text(&sector[318..446]),
        application: text(&sector[574..702]),
        sectors: read_both32(sector, 80).ok_or("has two different volume sizes in its two byte orders")?,
        root: Extent::of_record(&sector[ROOT_RECORD]).ok_or("has no proper record of the root directory")?,
    })
}

/// A text that is safe to print: what is not printable ASCII is replaced.
fn text(field: &[u8]) -> String {
    let printable = |byte: &u8| {
        if matches!(byte, b' '..=b'~') { char::from(*byte) } else { char::REPLACEMENT_CHARACTER }
    };
    let end = field.iter().rposition(|byte| !matches!(byte, 0 | b' ')).map_or(0, |last| last + 1);
    field[..end].iter().map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iso9660::{UnixSeconds, directory};

    fn places() -> Places {
        let modified = UnixSeconds::new(0).unwrap();
        let root = directory::Record {
            identifier: &[0],
            directory: true,
            extent: Extent { first: 23, bytes: 2048 },
            modified,
            system_use: &[],
        };
        Places { sectors: 0x1234, path_table_bytes: 22, path_table_l: 19, path_table_m: 20, root: root.encode() }
    }

    fn volume() -> Volume<'static> {
        let modified = UnixSeconds::new(1_700_000_000).unwrap();
        Volume { id: "config-2", application: "suppack", publisher: "somebody", modified }
    }

    /// Offsets are the byte positions of ECMA-119 8.4 less one.
    #[test]
    fn the_primary_descriptor_has_its_fields_where_the_standard_says() {
        let sector = primary(&volume(), &places());
        assert_eq!(sector.len(), SECTOR);
        assert_eq!(&sector[..8], b"\x01CD001\x01\0");
        assert_eq!(&sector[40..72], format!("{:32}", "config-2").as_bytes());
        assert_eq!(&sector[80..88], b"\x34\x12\0\0\0\0\x12\x34");
        assert_eq!(&sector[120..132], b"\x01\0\0\x01\x01\0\0\x01\0\x08\x08\0");
        assert_eq!(&sector[132..140], b"\x16\0\0\0\0\0\0\x16");
        assert_eq!(&sector[140..156], b"\x13\0\0\0\0\0\0\0\0\0\0\x14\0\0\0\0");
        assert_eq!(&sector[156..158], b"\x22\0");
        assert_eq!(&sector[318..326], b"somebody");
        assert_eq!(&sector[574..581], b"suppack");
        assert_eq!(&sector[813..847], b"2023111422132000\x002023111422132000\0");
        assert_eq!(&sector[847..883], b"0000000000000000\x000000000000000000\0\x01\0");
        assert!(sector[883..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn the_joliet_descriptor_is_ucs2_level_3() {
        let sector = joliet(&volume(), &places());
        assert_eq!(&sector[..8], b"\x02CD001\x01\0");
        assert_eq!(&sector[40..60], b"\0c\0o\0n\0f\0i\0g\0-\x002\0 \0 ");
        assert_eq!(&sector[88..92], b"%/E\0");
        assert_eq!(
            &sector[702..740],
            b"\0 \0 \0 \0 \0 \0 \0 \0 \0 \0 \0 \0 \0 \0 \0 \0 \0 \0 \0\0",
            "18 spaces and an odd byte"
        );
        assert_eq!(&sector[813..817], b"2023");
    }

    #[test]
    fn a_descriptor_is_read_as_written() {
        let sector = primary(&volume(), &places()).try_into().unwrap();
        let Ok(Found::Primary(facts)) = read(&sector) else { panic!("{:?}", read(&sector)) };
        assert_eq!(
            (facts.id.as_str(), facts.application.as_str(), facts.publisher.as_str()),
            ("config-2", "suppack", "somebody")
        );
        assert_eq!((facts.sectors, facts.root), (0x1234, Extent { first: 23, bytes: 2048 }));
        assert!(matches!(read(&joliet(&volume(), &places()).try_into().unwrap()), Ok(Found::Joliet(_))));
        assert!(matches!(read(&terminator().try_into().unwrap()), Ok(Found::Terminator)));
    }

    #[test]
    fn a_hostile_text_cannot_forge_output() {
        assert_eq!(text(b"a\x1b[2J\nb\xff  \0"), "a\u{fffd}[2J\u{fffd}b\u{fffd}");
    }

    #[test]
    fn other_block_sizes_are_refused() {
        let mut sector: [u8; SECTOR] = primary(&volume(), &places()).try_into().unwrap();
        sector[128..132].copy_from_slice(&both16(512));
        assert_eq!(read(&sector).unwrap_err(), "has a logical block size other than 2048");
    }
}
