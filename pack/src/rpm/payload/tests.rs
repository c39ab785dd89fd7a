use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use rpm::{FileMode, FileOptions, PackageBuilder};

use super::*;
use crate::rpm::{Source, fixture};

const LIMIT: u64 = 1 << 20;

/// Every file's path, the paths of its other names, and its content.
type Files = Vec<(String, Vec<String>, Vec<u8>)>;

fn files_of(rpm: &Rpm) -> crate::Result<Files> {
    let entries = rpm.metadata().get_file_entries().unwrap();
    let path = |index: usize| format!("{}{}", entries[index].dirname(), entries[index].basename());
    let mut files = Vec::new();
    read(rpm, LIMIT, &mut |member, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map_err(|e| Error::tool("reader", e, ""))?;
        files.push((path(member.index), member.links.iter().map(|link| path(*link)).collect(), bytes));
        Ok(())
    })?;
    files.sort();
    Ok(files)
}

fn small() -> PackageBuilder {
    let mut builder = fixture::sample();
    for name in ["/usr/share/one", "/usr/share/other"] {
        builder.with_file_contents("shared", FileOptions::new(name).hardlink("shared")).unwrap();
    }
    builder.with_file_contents("", FileOptions::new("/usr/share/empty").mode(FileMode::regular(0o644))).unwrap();
    builder
}

/// The same package with another archive: each member of the true one as bytes, changed.
fn with_archive(change: impl FnOnce(Vec<Vec<u8>>) -> Vec<u8>) -> Rpm {
    let rpm = fixture::read(small());
    let mut archive = Vec::new();
    decompressor(&rpm).unwrap().read_to_end(&mut archive).unwrap();
    let mut members = Vec::new();
    let mut rest = archive.as_slice();
    while !rest.is_empty() {
        let before = rest;
        let member = newc::Reader::new(&mut rest).unwrap();
        let last = member.entry().is_trailer();
        member.finish().unwrap();
        members.push(before[..before.len() - rest.len()].to_vec());
        if last {
            break;
        }
    }
    let mut compressed = GzEncoder::new(Vec::new(), Compression::fast());
    compressed.write_all(&change(members)).unwrap();
    with_payload(&rpm, &compressed.finish().unwrap())
}

fn with_payload(rpm: &Rpm, payload: &[u8]) -> Rpm {
    let mut bytes = Vec::new();
    rpm.source().read_from(0).take(rpm.payload_offset()).read_to_end(&mut bytes).unwrap();
    bytes.extend_from_slice(payload);
    Rpm::read(Source::memory("sample.rpm", bytes)).unwrap()
}

fn refusal(rpm: &Rpm) -> String {
    files_of(rpm).unwrap_err().to_string()
}

fn member_named<'m>(members: &'m mut [Vec<u8>], name: &str) -> &'m mut Vec<u8> {
    let holds = |member: &Vec<u8>| member.windows(name.len()).any(|window| window == name.as_bytes());
    members.iter_mut().find(|member| holds(member)).unwrap()
}

fn replace(bytes: &mut [u8], old: &str, new: &str) {
    assert_eq!(old.len(), new.len());
    let at = bytes.windows(old.len()).position(|window| window == old.as_bytes()).unwrap();
    bytes[at..at + new.len()].copy_from_slice(new.as_bytes());
}

#[test]
fn every_file_but_ghosts_comes_with_its_content() {
    let file = |path: &str, content: &str| (path.to_owned(), Vec::new(), content.as_bytes().to_vec());
    let mut files = files_of(&fixture::read(small())).unwrap();
    let linked = files.iter().position(|(_, links, _)| !links.is_empty()).unwrap();
    let (path, links, content) = files.remove(linked);
    assert_eq!(content, b"shared");
    let mut names = [vec![path], links].concat();
    names.sort();
    assert_eq!(names, ["/usr/share/one", "/usr/share/other"]);
    assert_eq!(
        files,
        [
            file("/etc/sample.conf", "content\n"),
            file("/usr/bin/sample", "#!/bin/sh\n"),
            file("/usr/bin/sample-link", "sample"),
            file("/usr/share/empty", ""),
            file("/var/lib/sample", ""),
        ]
    );
}

#[test]
fn what_the_caller_leaves_unread_is_checked_too() {
    let unread = |rpm: &Rpm| read(rpm, LIMIT, &mut |_, _| Ok(()));
    unread(&fixture::read(small())).unwrap();
    let changed = with_archive(|mut members| {
        replace(member_named(&mut members, "content"), "content", "CONTENT");
        members.concat()
    });
    assert!(unread(&changed).unwrap_err().to_string().contains("./etc/sample.conf has not the digest"));
}

#[test]
fn an_error_of_the_caller_is_passed_on_as_it_is() {
    let rpm = fixture::read(small());
    let error = read(&rpm, LIMIT, &mut |_, _| Err(Error::tool("disk", "is full", "Free some"))).unwrap_err();
    assert_eq!(error.to_string(), "disk: is full. Free some");
}

#[test]
fn contents_and_targets_other_than_the_headers_are_refused() {
    for (member, old, new, problem) in [
        ("#!/bin/sh", "#!/bin/sh", "#!/bin/rm", "./usr/bin/sample has not the digest"),
        ("sample-link", "\0sample", "\0SAMPLE", "./usr/bin/sample-link is a link to something else"),
        ("shared", "shared", "SHARED", "has not the digest"),
    ] {
        let rpm = with_archive(|mut members| {
            replace(member_named(&mut members, member), old, new);
            members.concat()
        });
        let text = refusal(&rpm);
        assert!(text.contains(problem), "{text}");
    }
}

#[test]
fn names_other_than_the_headers_are_refused() {
    for (new, problem) in [
        ("./usr/bin/escape", "./usr/bin/escape is not in the header's list"),
        ("./../../../../xx", "./../../../../xx is not in the header's list"),
        ("./etc/sample.con", "is not in the header's list"),
    ] {
        let rpm = with_archive(|mut members| {
            let member = member_named(&mut members, "./usr/share/empt");
            replace(member, "./usr/share/empt", new);
            members.concat()
        });
        let text = refusal(&rpm);
        // The last letter stays.
        assert!(text.contains(&problem.replace(" is not", "y is not")), "{text}");
    }
}

#[test]
fn a_file_that_comes_twice_or_never_is_refused() {
    let twice = with_archive(|mut members| {
        let member = member_named(&mut members, "sample.conf").clone();
        members.insert(0, member);
        members.concat()
    });
    assert!(refusal(&twice).contains("./etc/sample.conf comes twice"));
    let never = with_archive(|mut members| {
        members.retain(|member| !member.windows(11).any(|window| window == b"sample.conf"));
        members.concat()
    });
    assert!(refusal(&never).contains("etc/sample.conf is missing"));
}

#[test]
fn a_hard_link_without_content_is_refused() {
    let rpm = with_archive(|mut members| {
        members.retain(|member| !member.windows(6).any(|window| window == b"shared"));
        members.concat()
    });
    let text = refusal(&rpm);
    assert!(text.contains("usr/share/") && text.contains("is missing"), "{text}");
}

#[test]
fn a_file_longer_or_shorter_than_in_the_header_is_refused() {
    for (size, said) in [("ffffffff", "4294967295 bytes"), ("00000004", "4 bytes"), ("00000000", "0 bytes")] {
        let rpm = with_archive(|mut members| {
            member_named(&mut members, "sample.conf")[54..62].copy_from_slice(size.as_bytes());
            members.concat()
        });
        let text = refusal(&rpm);
        assert!(text.contains(&format!("./etc/sample.conf has {said} where the header says 8")), "{text}");
    }
}

#[test]
fn a_ghost_with_content_is_refused() {
    let mut ghost = newc::Builder::new("./var/log/sample.log").mode(0o100_644).write(Vec::new(), 1);
    ghost.write_all(b"x").unwrap();
    let ghost = ghost.finish().unwrap();
    let rpm = with_archive(|mut members| {
        members.insert(0, ghost);
        members.concat()
    });
    assert!(refusal(&rpm).contains("./var/log/sample.log is a ghost"));
}

#[test]
fn an_archive_without_end_or_with_more_after_it_is_refused() {
    let endless = with_archive(|mut members| {
        members.pop();
        members.concat()
    });
    assert!(refusal(&endless).contains("cannot be read"));
    for more in [vec![b'x'], vec![0; 1 << 20]] {
        let rpm = with_archive(|members| [members.concat(), more].concat());
        let text = refusal(&rpm);
        assert!(text.contains("goes on after its end"), "{text}");
    }
    files_of(&with_archive(|members| [members.concat(), vec![0; 512]].concat())).unwrap();
}

#[test]
fn an_archive_larger_than_the_limit_is_refused() {
    let error = read(&fixture::read(small()), 600, &mut |_, _| Ok(())).unwrap_err();
    assert!(error.to_string().contains("larger than 600 bytes"), "{error}");
}

#[test]
fn a_name_without_end_takes_no_memory() {
    let rpm = with_archive(|members| {
        let mut member = members[0][..110].to_vec();
        member[94..102].copy_from_slice(b"7fffffff");
        member.resize(LIMIT as usize, b'x');
        member
    });
    let text = refusal(&rpm);
    assert!(text.contains("more of it than there can be"), "{text}");
}

#[test]
fn a_dictionary_beyond_the_bound_is_refused() {
    // Properties and a dictionary of 2 GiB, as in an .lzma file.
    let mut payload = vec![0x5d];
    payload.extend_from_slice(&0x8000_0000_u32.to_le_bytes());
    payload.extend_from_slice(&[0xff; 32]);
    let rpm = fixture::read(small());
    let mut bytes = Vec::new();
    with_payload(&rpm, &payload).source().read_from(0).read_to_end(&mut bytes).unwrap();
    // The tag's value, with the NUL of the longer name cut off.
    let at = bytes.windows(5).position(|window| window == b"gzip\0").unwrap();
    bytes[at..at + 4].copy_from_slice(b"lzma");
    let rpm = Rpm::read(Source::memory("sample.rpm", bytes)).unwrap();
    let text = refusal(&rpm);
    assert!(text.contains("lzma"), "{text}");
}

proptest! {
    #[test]
    fn no_damage_makes_it_panic(at in 0_usize..2000, value: u8, cut in prop_oneof![Just(0), 0_usize..2000]) {
        let rpm = with_archive(|members| {
            let mut archive = members.concat();
            let length = archive.len();
            archive[at % length] = value;
            archive.truncate(length.saturating_sub(cut));
            archive
        });
        let _ = files_of(&rpm);
    }
}
