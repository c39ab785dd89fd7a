//! Random changes of the kinds that break readers. Knows the shapes of data, not what any of it means.

use fastrand::Rng;

/// What a reader's input looks like, which is where changes hurt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Numbers of fixed width, offsets, lengths.
    Binary,
    /// Elements, attributes, entities.
    Xml,
}

/// Most bytes that a change may make of an input.
const MAX_LENGTH: usize = 4 << 20;

/// Texts that XML readers stumble over.
const TOKENS: [&str; 24] = [
    "<!DOCTYPE a [<!ENTITY b \"bb\"><!ENTITY c \"&b;&b;\">]>",
    "<!DOCTYPE comps PUBLIC \"",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<?xml version=\"1.0\" encoding=\"UTF-16\"?>",
    "<?",
    "?>",
    "&b;",
    "&#0;",
    "&#x110000;",
    "&#xD800;",
    "&amp",
    "<",
    ">",
    "/>",
    "</",
    "\"",
    "='",
    " xmlns=\"a\" xmlns:b=\"c\"",
    "\u{0}",
    "\u{feff}",
    "\u{202e}",
];

/// Values that readers of numbers, versions and paths stumble over.
const VALUES: [&str; 17] = [
    "",
    "0",
    "-1",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999999999",
    "1e9",
    " 1",
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "repodata/repomd.xml",
    "sha256",
    "é\u{301}",
];

/// A changed copy of a seed: some changes after another. `others` are what may be spliced in.
pub(crate) fn mutate(rng: &mut Rng, shape: Shape, seed: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..rng.usize(1..=6) {
        match shape {
            Shape::Xml if rng.u8(..4) != 0 => change_xml(rng, &mut bytes),
            _ => change_bytes(rng, &mut bytes, others),
        }
        bytes.truncate(MAX_LENGTH);
    }
    bytes
}

/// A place in it, more often one that is not zero: images and archives are mostly padding.
fn place(rng: &mut Rng, bytes: &[u8]) -> usize {
    (0..8).map(|_| rng.usize(..bytes.len())).find(|at| bytes[*at] != 0).unwrap_or_else(|| rng.usize(..bytes.len()))
}

fn span(rng: &mut Rng, length: usize) -> std::ops::Range<usize> {
    let start = rng.usize(..length);
    let most = (length - start).min(if rng.bool() { 64 } else { 8192 });
    start..start + rng.usize(..=most)
}

fn change_bytes(rng: &mut Rng, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
    if bytes.is_empty() {
        bytes.push(rng.u8(..));
        return;
    }
    let at = place(rng, bytes);
    match rng.u8(..9) {
        0 => bytes[at] ^= 1 << rng.u8(..8),
        1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, 0x2f, 0x2e, rng.u8(..)][rng.usize(..8)],
        2 | 3 => set_integer(rng, bytes, at),
        4 => bytes.truncate(at),
        5 => drop(bytes.drain(span(rng, bytes.len()))),
        6 => {
            let block = bytes[span(rng, bytes.len())].to_vec();
            let to = rng.usize(..=bytes.len());
            bytes.splice(to..to, block);
        }
        7 => {
            // Over what is there, so that offsets after it stay right.
            let block = bytes[span(rng, bytes.len())].to_vec();
            let end = (at + block.len()).min(bytes.len());
            bytes[at..end].copy_from_slice(&block[..end - at]);
        }
        _ => {
            let other = &others[rng.usize(..others.len())];
            if !other.is_empty() {
                let tail = other[rng.usize(..other.len())..].to_vec();
                bytes.truncate(at);
                bytes.extend(tail);
            }
        }
    }
}

/// Puts a number at the edge of something where one may be.
fn set_integer(rng: &mut Rng, bytes: &mut [u8], at: usize) {
    let width = [1, 2, 4, 8][rng.usize(..4)];
    // Numbers of headers are mostly aligned.
    let at = if rng.bool() { at / width * width } else { at };
    let Some(field) = bytes.get_mut(at..at + width) else { return };
    let now = field.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let edges = [
        0,
        1,
        2,
        0x7f,
        0x80,
        0xff,
        0x100,
        0x7fff,
        0x8000,
        0xffff,
        0x1_0000,
        0xff_ffff,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_fff0,
        0xffff_ffff,
        i64::MAX as u64,
        1 << 63,
        u64::MAX,
        now.wrapping_add(1),
        now.wrapping_sub(1),
        now.wrapping_mul(2),
    ];
    let value = edges[rng.usize(..edges.len())];
    let (big, little) = (value.to_be_bytes(), value.to_le_bytes());
    match rng.bool() {
        true => field.copy_from_slice(&big[8 - width..]),
        false => field.copy_from_slice(&little[..width]),
    }
}

fn change_xml(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let tokens = tokens(bytes);
    if tokens.is_empty() {
        bytes.extend(TOKENS[rng.usize(..TOKENS.len())].bytes());
        return;
    }
    let one = tokens[rng.usize(..tokens.len())].clone();
    let other = tokens[rng.usize(..tokens.len())].clone();
    match rng.u8(..9) {
        // Swapped.
        0 => {
            let (first, second) = if one.start < other.start { (one, other) } else { (other, one) };
            if first.end <= second.start {
                let parts = [&bytes[..first.start], &bytes[second.clone()], &bytes[first.end..second.start]];
                *bytes = [&parts.concat(), &bytes[first], &bytes[second.end..]].concat();
            }
        }
        1 => drop(bytes.drain(one)),
        2 => {
            let copy = bytes[one].to_vec();
            bytes.splice(other.start..other.start, copy);
        }
        // Very many.
        3 => {
            let copy = bytes[one.clone()].to_vec();
            let length = (copy.len() << rng.u8(..14)).min(MAX_LENGTH / 2);
            bytes.splice(one.start..one.start, copy.into_iter().cycle().take(length));
        }
        4 | 5 => {
            let token = TOKENS[rng.usize(..TOKENS.len())];
            bytes.splice(one.start..one.start, token.bytes());
        }
        _ => {
            // The value of an attribute, or a text.
            let value = VALUES[rng.usize(..VALUES.len())];
            let quotes: Vec<usize> = one.clone().filter(|at| bytes[*at] == b'"').collect();
            match quotes.len() / 2 {
                0 if bytes[one.start] != b'<' => drop(bytes.splice(one, value.bytes())),
                0 => {}
                pairs => {
                    let pair = rng.usize(..pairs) * 2;
                    bytes.splice(quotes[pair] + 1..quotes[pair + 1], value.bytes());
                }
            }
        }
    }
}

/// Where tags and the texts between them are.
fn tokens(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut tokens = Vec::new();
    let mut start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let end = match byte {
            b'<' => at,
            b'>' => at + 1,
            _ => continue,
        };
        if start < end {
            tokens.push(start..end);
            start = end;
        }
    }
    tokens
}
