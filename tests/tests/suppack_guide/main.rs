//! The guide for pack authors: everything in it is done in the guide's order, and prints what the guide says.

#![expect(clippy::unwrap_used, reason = "in scenarios a panic is the report of a failure")]

mod author;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use lab::guide::{Step, Where, is_as_told, read};
use lab::packs::workspace;

use author::Author;

/// Commands for which another machine is needed, and what executes them.
const ELSEWHERE: [(&str, &str); 4] = [
    ("suppack install --check acme-agent-2.4.iso", "suppack_host"),
    ("suppack install --trust-key RPM-GPG-KEY-acme acme-agent-2.4.iso", "suppack_host"),
    ("suppack list", "suppack_host"),
    ("suppack remove acme-agent", "suppack_host"),
];

fn source() -> PathBuf {
    workspace().join("pack/guide/src")
}

/// The files of the chapters, in the order of the table of contents.
fn chapters() -> Vec<String> {
    let summary = fs::read_to_string(source().join("SUMMARY.md")).unwrap();
    summary.lines().filter_map(|line| Some(line.split_once("](")?.1.strip_suffix(')')?.to_owned())).collect()
}

#[test]
fn everything_in_the_guide_works_and_prints_what_it_says() {
    let author = Author::new();
    let mut done = 0;
    let mut elsewhere: BTreeSet<&str> = ELSEWHERE.iter().map(|(text, _)| *text).collect();
    for chapter in chapters() {
        for step in read(&fs::read_to_string(source().join(&chapter)).unwrap()) {
            match step {
                Step::File { name, content } => author.write(&name, &content),
                Step::Command(command) if elsewhere.remove(command.text.as_str()) => {}
                Step::Command(command) => {
                    let said = match command.place {
                        Where::BuildMachine => author.run(&command.text),
                        place => panic!("{chapter}: nobody types at {place:?} here: {}", command.text),
                    };
                    let told = command.output.join("\n");
                    assert!(
                        is_as_told(&command.output, &said),
                        "{chapter}: {}\n--- printed\n{said}--- the guide says\n{told}",
                        command.text
                    );
                    done += 1;
                }
            }
        }
    }
    assert!(elsewhere.is_empty(), "the guide no longer has: {elsewhere:?}");
    assert!(done > 20, "only {done} commands were found");
}

#[test]
fn every_page_is_in_the_table_of_contents_and_every_link_leads_somewhere() {
    let listed: BTreeSet<String> = chapters().into_iter().collect();
    let files = fs::read_dir(source()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let written: BTreeSet<String> = files.filter(|name| name != "SUMMARY.md").collect();
    assert_eq!(listed, written);
    for page in &written {
        let text = fs::read_to_string(source().join(page)).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("https://") {
                continue;
            }
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            let file = if file.is_empty() { page.as_str() } else { file };
            assert!(written.contains(file), "{page} leads to {link}");
            assert!(place.is_empty() || anchors(&source().join(file)).contains(place), "{page} leads to {link}");
        }
    }
}

/// The places in a page that can be linked to, as mdBook names them: its headings.
fn anchors(page: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(page).unwrap();
    let headings = text
        .lines()
        .filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')));
    let word = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    headings.map(|title| title.to_lowercase().replace(' ', "-").chars().filter(|c| word(*c)).collect()).collect()
}
