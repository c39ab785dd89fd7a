//! What only the writer itself can be asked, most of it about refusals.

use std::io::Cursor;

use super::*;

const VOLUME: fn() -> Volume<'static> =
    || Volume { id: "test", application: "", publisher: "", modified: UnixSeconds::new(1_700_000_000).unwrap() };

fn writer(paths: &[&str]) -> Writer<Cursor<Vec<u8>>> {
    let tree = Tree::new(paths.iter().map(|path| (*path, 0o644))).unwrap();
    Writer::new(Cursor::new(Vec::new()), &VOLUME(), tree).unwrap()
}

#[test]
fn content_begins_at_a_sector_and_is_padded_with_zeros() {
    let mut iso = writer(&["a", "b"]);
    let first = iso.next as usize * SECTOR;
    assert_eq!(iso.write("b", &[7; 3000][..]).unwrap(), 3000);
    assert_eq!(iso.write("a", &[8; 1][..]).unwrap(), 1);
    let image = iso.finish().unwrap().into_inner();
    let expected = [vec![7; 3000], vec![0; 1096], vec![8; 1], vec![0; 2047]].concat();
    assert!(image[first..] == expected);
}

#[test]
fn a_path_is_written_once_and_only_if_named() {
    let mut iso = writer(&["a"]);
    assert!(matches!(iso.write("b", io::empty()), Err(WriteError::Unknown { .. })));
    iso.write("a", io::empty()).unwrap();
    assert!(matches!(iso.write("a", io::empty()), Err(WriteError::Twice { .. })));
    iso.finish().unwrap();
}

#[test]
fn finishing_without_all_paths_is_refused() {
    let mut iso = writer(&["a", "b", "c"]);
    iso.write("b", io::empty()).unwrap();
    let message = iso.finish().unwrap_err().to_string();
    assert_eq!(message, "\"a\" (and 1 more) was never written to the image: write every path before finishing");
}

#[test]
fn a_file_up_to_the_limit_is_written_and_beyond_it_refused() {
    let mut iso = writer(&["a", "b", "c"]);
    iso.limit = BUFFER as u64 + 5;
    assert_eq!(iso.write("a", io::repeat(1).take(BUFFER as u64 + 5)).unwrap(), BUFFER as u64 + 5);
    let error = iso.write("b", io::repeat(1)).unwrap_err();
    assert!(matches!(error, WriteError::TooLarge { limit, .. } if limit == BUFFER as u64 + 5));
    assert!(matches!(iso.write("c", io::empty()), Err(WriteError::Broken)));
    assert!(matches!(iso.finish(), Err(WriteError::Broken)));
}

#[test]
fn more_sectors_than_can_be_numbered_are_refused() {
    let mut iso = writer(&["a", "b"]);
    iso.next = u32::MAX - 1;
    iso.out = Cursor::new(Vec::new());
    // Refused before a byte is written, so nothing is allocated.
    assert!(matches!(iso.write("a", &[0; 2 * SECTOR][..]), Err(WriteError::Full)));
}

#[test]
fn an_output_with_content_is_refused() {
    let tree = Tree::new([("a", 0o644)]).unwrap();
    let error = Writer::new(Cursor::new(vec![0; 7]), &VOLUME(), tree).unwrap_err();
    assert!(matches!(error, WriteError::NotEmpty { bytes: 7 }));
}

#[test]
fn a_source_that_fails_is_told_from_an_output_that_fails() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("bad disk"))
        }
    }
    impl Write for Fails {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::other("no space"))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl Seek for Fails {
        fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
            Ok(0)
        }
    }
    assert!(matches!(writer(&["a"]).write("a", Fails), Err(WriteError::Source { .. })));
    let mut iso = Writer::new(Fails, &VOLUME(), Tree::new([("a", 0o644)]).unwrap()).unwrap();
    assert!(matches!(iso.write("a", &b"x"[..]), Err(WriteError::Output { .. })));
}

#[test]
fn a_source_in_small_pieces_gives_the_same_image() {
    struct Dribble<'a>(&'a [u8]);
    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(777).min(self.0.len());
            self.0.read(&mut buffer[..length])
        }
    }
    let content: Vec<u8> = (0..BUFFER * 2 + 9).map(|n| (n % 251) as u8).collect();
    let mut whole = writer(&["a"]);
    whole.write("a", &content[..]).unwrap();
    let mut pieces = writer(&["a"]);
    pieces.write("a", Dribble(&content)).unwrap();
    assert!(whole.finish().unwrap().into_inner() == pieces.finish().unwrap().into_inner());
}

/// Sizes are recorded in unsigned 32 bits; the output forgets, so this costs time only.
#[test]
fn four_gibibytes_are_one_byte_too_many() {
    #[derive(Default)]
    struct Forgets(u64);
    impl Write for Forgets {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl Seek for Forgets {
        fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
            Ok(self.0)
        }
    }
    /// Zeros of a given number, cheaper than writing them.
    struct Leaves(u64);
    impl Read for Leaves {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.0.min(buffer.len() as u64);
            self.0 -= length;
            Ok(length as usize)
        }
    }
    let tree = || Tree::new([("a", 0o644), ("b", 0o644)]).unwrap();
    let mut iso = Writer::new(Forgets::default(), &VOLUME(), tree()).unwrap();
    assert_eq!(iso.write("a", Leaves((1 << 32) - 1)).unwrap(), (1 << 32) - 1);
    let error = iso.write("b", Leaves(1 << 32)).unwrap_err();
    assert!(matches!(error, WriteError::TooLarge { limit: 4_294_967_295, .. }), "{error}");
}
