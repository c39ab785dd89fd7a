//! Standard output and standard error told apart in the one stream in which engines send them: eight bytes before each
//! piece, of which the first says where it belongs and the last four how long it is (Docker Engine API, "Attach to a
//! container", stream format).
//!
//! Nothing is collected: a piece of 4 GiB is passed on as it comes. Must not know how bytes come.

/// Bytes before each piece.
const HEADER: usize = 8;

/// Where something printed belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// Bytes that are no such stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a piece that belongs to neither output nor error: its first byte is {0:#04x}")]
pub struct BadFrame(u8);

/// Tells them apart.
///
/// ```
/// use agent::engine::frames::{Demultiplexer, Target};
/// let mut demultiplexer = Demultiplexer::framed();
/// let mut rest = &b"\x02\0\0\0\0\0\0\x03one"[..];
/// assert_eq!(demultiplexer.next(&mut rest), Ok(Some((Target::Error, &b"one"[..]))));
/// assert_eq!(demultiplexer.next(&mut rest), Ok(None));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demultiplexer(State);

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// A terminal has one output only, and nothing is before its pieces.
    Raw,
    /// This much of the next header.
    Header([u8; HEADER], usize),
    /// What is left of a piece.
    Piece(Target, u32),
}

impl Demultiplexer {
    /// For what a container without a terminal prints.
    #[must_use]
    pub fn framed() -> Self {
        Self(State::Header([0; HEADER], 0))
    }

    /// For what a terminal prints.
    #[must_use]
    pub fn raw() -> Self {
        Self(State::Raw)
    }

    /// The next part of a piece in `rest`, which is shortened; `None` when all of it is read.
    ///
    /// # Errors
    /// [`BadFrame`]
    pub fn next<'a>(&mut self, rest: &mut &'a [u8]) -> Result<Option<(Target, &'a [u8])>, BadFrame> {
        loop {
            if rest.is_empty() {
                return Ok(None);
            }
            match &mut self.0 {
                State::Raw => return Ok(Some((Target::Output, std::mem::take(rest)))),
                State::Header(header, read) => {
                    let taken = take(rest, HEADER - *read);
                    header[*read..*read + taken.len()].copy_from_slice(taken);
                    *read += taken.len();
                    // Told before the rest of the header has come: it may never.
                    let target = match header[0] {
                        // What was typed, which is shown with the output (moby, pkg/stdcopy/stdcopy.go).
                        0 | 1 => Target::Output,
                        // And errors of the engine's own.
                        2 | 3 => Target::Error,
                        other => return Err(BadFrame(other)),
                    };
                    if *read == HEADER {
                        let [.., a, b, c, d] = *header;
                        self.0 = State::Piece(target, u32::from_be_bytes([a, b, c, d]));
                    }
                }
                State::Piece(_, 0) => self.0 = State::Header([0; HEADER], 0),
                State::Piece(target, left) => {
                    let part = take(rest, usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= u32::try_from(part.len()).expect("no longer than what is left");
                    return Ok(Some((*target, part)));
                }
            }
        }
    }

    /// Whether the stream may end here.
    #[must_use]
    pub fn is_between_pieces(&self) -> bool {
        matches!(self.0, State::Raw | State::Header(_, 0) | State::Piece(_, 0))
    }
}

fn take<'a>(rest: &mut &'a [u8], most: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(rest.len().min(most));
    *rest = left;
    taken
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, text: &[u8]) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap().to_be_bytes();
        [&[kind, 0, 0, 0], &length[..], text].concat()
    }

    /// Everything that comes out, the parts of each run of one target put together.
    fn all<'a>(
        demultiplexer: &mut Demultiplexer,
        chunks: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Vec<(Target, Vec<u8>)>, BadFrame> {
        let mut found: Vec<(Target, Vec<u8>)> = Vec::new();
        for mut rest in chunks {
            while let Some((target, part)) = demultiplexer.next(&mut rest)? {
                match found.last_mut() {
                    Some((last, text)) if *last == target => text.extend_from_slice(part),
                    _ => found.push((target, part.to_vec())),
                }
            }
        }
        Ok(found)
    }

    proptest! {
        #[test]
        fn pieces_come_out_in_order_wherever_the_stream_is_cut(
            pieces in prop::collection::vec((0u8..4, prop::collection::vec(any::<u8>(), 0..20)), 0..8),
            cut in 1usize..12,
        ) {
            let stream: Vec<u8> = pieces.iter().flat_map(|(kind, text)| frame(*kind, text)).collect();
            let mut wanted: Vec<(Target, Vec<u8>)> = Vec::new();
            for (kind, text) in pieces.iter().filter(|(_, text)| !text.is_empty()) {
                let target = if *kind < 2 { Target::Output } else { Target::Error };
                match wanted.last_mut() {
                    Some((last, all)) if *last == target => all.extend_from_slice(text),
                    _ => wanted.push((target, text.clone())),
                }
            }
            let mut demultiplexer = Demultiplexer::framed();
            prop_assert_eq!(all(&mut demultiplexer, stream.chunks(cut)).unwrap(), wanted);
            prop_assert!(demultiplexer.is_between_pieces());
        }

        #[test]
        fn any_bytes_end_in_pieces_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = all(&mut Demultiplexer::framed(), bytes.chunks(7));
        }
    }

    #[test]
    fn the_longest_piece_is_passed_on_as_it_comes() {
        let mut demultiplexer = Demultiplexer::framed();
        let mut rest = &[&b"\x01\0\0\0\xff\xff\xff\xff"[..], b"begun"].concat()[..];
        assert_eq!(demultiplexer.next(&mut rest), Ok(Some((Target::Output, &b"begun"[..]))));
        assert!(!demultiplexer.is_between_pieces());
        assert!(size_of::<Demultiplexer>() <= 32);
    }

    #[test]
    fn something_else_is_told_at_its_first_byte() {
        let mut rest = &b"Hello"[..];
        assert_eq!(Demultiplexer::framed().next(&mut rest), Err(BadFrame(b'H')));
    }

    #[test]
    fn what_a_terminal_prints_stays_as_it_is() {
        let mut rest = &b"\x01\0\x1b[m"[..];
        let mut demultiplexer = Demultiplexer::raw();
        assert_eq!(demultiplexer.next(&mut rest), Ok(Some((Target::Output, &b"\x01\0\x1b[m"[..]))));
        assert_eq!(demultiplexer.next(&mut rest), Ok(None));
    }
}
