//! temporary
use std::io::{self, Read};

use super::Rpm;

pub fn each(
    rpm: &Rpm,
    _limit: u64,
    mut take: impl FnMut(usize, &mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    let mut stream: Box<dyn Read> = Box::new(flate2::read::MultiGzDecoder::new(rpm.source().read_from(rpm.payload_offset())));
    let entries = rpm.metadata().get_file_entries().map_err(io::Error::other)?;
    loop {
        let mut reader = cpio::NewcReader::new(stream)?;
        if reader.entry().is_trailer() {
            return Ok(());
        }
        let name = reader.entry().name().trim_start_matches('.').to_owned();
        let index = entries.iter().position(|e| format!("{}{}", e.dirname(), e.basename()) == name);
        if let Some(index) = index.filter(|i| entries[*i].file_type() == rpm::FileType::Regular) {
            take(index, &mut reader)?;
        }
        stream = reader.finish()?;
    }
}
