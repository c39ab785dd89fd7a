//! Small changes of packs, for the cases. Each must change something.

use std::fs;
use std::path::{Path, PathBuf};

use lab::foreign::{Recipe, Role};

/// Replaces a text in a package's spec.
pub(crate) fn spec(recipe: &mut Recipe, role: Role, from: &str, to: &str) {
    let spec = &mut recipe.package(role).spec;
    let unit = if spec.contains("/usr/bin/greeter") { "greeter" } else { "xscontainer-monitor" };
    let (from, to) = (from.replace("@UNIT@", unit), to.replace("@UNIT@", unit));
    assert!(spec.contains(&from), "{from:?} is not in {spec}");
    *spec = spec.replace(&from, &to);
}

/// Adds a line such as `Requires: other` to a package.
pub(crate) fn tag(recipe: &mut Recipe, role: Role, line: &str) {
    spec(recipe, role, "\nSummary:", &format!("\n{line}\nSummary:"));
}

/// Adds a file to the payload: what a shell command, run in the root, writes.
pub(crate) fn file(recipe: &mut Recipe, attributes: &str, path: &str, command: &str) {
    let relative = path.trim_start_matches('/');
    installing(recipe, &format!("mkdir -p $(dirname {relative})\n{command} > {relative}"));
    spec(recipe, Role::Payload, "\n%files\n", &format!("\n%files\n{attributes} {path}\n"));
}

/// Adds shell commands that put files into the payload's root, in which they run.
pub(crate) fn installing(recipe: &mut Recipe, commands: &str) {
    spec(recipe, Role::Payload, "ln -s text", &format!("{commands}\nln -s text"));
}

/// Adds lines to the beginning of a scriptlet that the payload has.
pub(crate) fn scriptlet(recipe: &mut Recipe, name: &str, lines: &str) {
    spec(recipe, Role::Payload, &format!("\n{name}\n"), &format!("\n{name}\n{lines}\n"));
}

/// Adds a section, such as a scriptlet, to the payload.
pub(crate) fn section(recipe: &mut Recipe, text: &str) {
    spec(recipe, Role::Payload, "\n%files\n", &format!("\n{text}\n\n%files\n"));
}

/// Replaces bytes in the package whose name begins so, wherever they are from a place on that begins with `after`.
pub(crate) fn bytes(tree: &Path, start: &str, after: &[u8], (from, to): (&[u8], &[u8])) {
    assert_eq!(from.len(), to.len(), "nothing may move");
    let file = package(tree, start);
    let mut bytes = fs::read(&file).unwrap();
    let first = (0..bytes.len()).find(|at| bytes[*at..].starts_with(after)).unwrap();
    let places: Vec<usize> = (first..bytes.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
    assert!(!places.is_empty(), "{:?} is not there", String::from_utf8_lossy(from));
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    fs::write(&file, bytes).unwrap();
}

/// The package whose name begins so.
fn package(tree: &Path, start: &str) -> PathBuf {
    let folder = fs::read_dir(tree.join("Packages")).unwrap();
    let mut found = folder.map(|entry| entry.unwrap().path());
    found.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(start)).unwrap()
}
