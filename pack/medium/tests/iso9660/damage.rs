//! Images changed at random: never a panic, never a path that leads elsewhere, and an end soon.

use std::{
    io::{self, Cursor},
    time::{Duration, Instant},
};

use medium::iso9660::{Image, Naming, SECTOR};
use proptest::prelude::*;

use crate::fixture::{record, set, small, system_use};

/// Does everything that can be done with an image and checks what callers rely on.
fn exercise(bytes: &[u8]) {
    let begun = Instant::now();
    if let Ok(mut image) = Image::open(Cursor::new(bytes)) {
        for naming in [Naming::RockRidge, Naming::Joliet, Naming::Plain] {
            for entry in image.entries(naming).unwrap_or_default() {
                let plain = |name: &str| !matches!(name, "" | "." | "..") && !name.contains(['\\', '\0', '\n']);
                assert!(entry.path.split('/').all(plain), "{:?}", entry.path);
                if entry.is_file() {
                    let read = io::copy(&mut image.read(&entry).unwrap(), &mut io::sink()).unwrap();
                    assert_eq!(read, u64::from(entry.bytes));
                }
            }
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "took {:?}", begun.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn changed_bytes_never_cause_a_panic(
        // All that is not content or zeros: 16 sectors of nothing, then less than 20 that count.
        changes in proptest::collection::vec((16 * SECTOR..36 * SECTOR, any::<u8>()), 1..20),
    ) {
        let mut image = small();
        for (offset, value) in changes {
            image[offset] = value;
        }
        exercise(&image);
    }

    /// Changes both recordings of a number, which single bytes hardly ever do.
    #[test]
    fn changed_numbers_never_cause_a_panic(
        identifier in proptest::sample::select(vec![
            &b"DIR"[..], b"SUB", b"ONE.BIN;1", b"EMPTY.;1", b"\0d\0i\0r", b"\0s\0u\0b",
        ]),
        sector in prop_oneof![0..40_u32, any::<u32>()],
        bytes in prop_oneof![0..5_u32, (0..40_u32).prop_map(|n| n * 2048), any::<u32>()],
        flags in prop_oneof![3 => Just(None), 1 => any::<u8>().prop_map(Some)],
    ) {
        let mut image = small();
        let record = record(&image, identifier);
        set(&mut image, record + 2, sector);
        set(&mut image, record + 10, bytes);
        image[record + 25] = flags.unwrap_or(image[record + 25]);
        exercise(&image);
    }

    #[test]
    fn any_system_use_area_never_causes_a_panic(
        area in proptest::collection::vec(
            prop_oneof![
                3 => proptest::sample::select(vec![*b"NM", *b"PX", *b"TF", *b"CE", *b"SP", *b"ER", *b"ST", *b"SL"])
                    .prop_flat_map(|s| (Just(s), 4..60_u8)).prop_map(|(s, length)| vec![s[0], s[1], length, 1]),
                5 => proptest::collection::vec(any::<u8>(), 1..30),
            ],
            1..12,
        ).prop_map(|parts| parts.concat()),
    ) {
        let mut image = small();
        let record = record(&image, b"ONE.BIN;1");
        let (start, end) = (system_use(&image, record, b"PX"), record + usize::from(image[record]));
        let length = area.len().min(end - start);
        image[start..start + length].copy_from_slice(&area[..length]);
        exercise(&image);
    }

    #[test]
    fn any_bytes_are_no_image(bytes in proptest::collection::vec(any::<u8>(), 0..40 * SECTOR)) {
        prop_assert!(Image::open(Cursor::new(bytes)).is_err());
    }
}
