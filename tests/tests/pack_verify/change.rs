//! Small changes of packs, for the cases.

use std::fs;
use std::path::{Path, PathBuf};

use lab::foreign::{Recipe, Role};
use lab::tools::command;

/// Replaces a text, which must be there.
pub(crate) fn replace(text: &mut String, from: &str, to: &str) {
    assert!(text.contains(from), "{from:?} is not in {text}");
    *text = text.replace(from, to);
}

/// Replaces a text in a package's spec.
pub(crate) fn spec(recipe: &mut Recipe, role: Role, from: &str, to: &str) {
    replace(&mut recipe.package(role).spec, from, to);
}

/// Adds a line such as `Requires: other` to a package.
pub(crate) fn tag(recipe: &mut Recipe, role: Role, line: &str) {
    spec(recipe, role, "\nSummary:", &format!("\n{line}\nSummary:"));
}

/// Adds a file to a package; `attributes` as in a `%files` section.
pub(crate) fn file(recipe: &mut Recipe, role: Role, attributes: &str, path: &str) {
    spec(
        recipe,
        role,
        "%install\n",
        &format!("%install\n(mkdir -p $(dirname %{{buildroot}}{path}) && echo x > %{{buildroot}}{path})\n"),
    );
    spec(recipe, role, "%files\n", &format!("%files\n{attributes} {path}\n"));
}

/// Adds a section, such as a scriptlet, to a package.
pub(crate) fn section(recipe: &mut Recipe, role: Role, text: &str) {
    spec(recipe, role, "%files\n", &format!("{text}\n\n%files\n"));
}

/// Replaces a text in a file, which must have it.
pub(crate) fn in_file(file: &Path, from: &str, to: &str) {
    let mut text = fs::read_to_string(file).unwrap();
    replace(&mut text, from, to);
    fs::write(file, text).unwrap();
}

/// Changes the bytes of a file.
pub(crate) fn bytes(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).unwrap();
    change(&mut bytes);
    fs::write(file, bytes).unwrap();
}

/// The package whose name begins so.
pub(crate) fn package(tree: &Path, start: &str) -> PathBuf {
    let folder = fs::read_dir(tree.join("Packages")).unwrap();
    let mut found: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with(start));
    found.sort();
    found.into_iter().next().unwrap_or_else(|| panic!("no package {start}"))
}

/// One of the payload packages.
pub(crate) fn payload(tree: &Path) -> PathBuf {
    let rpms = command("sh", ["-c", "ls \"$0\"/Packages/*-data-*.rpm"]).arg(tree).output().unwrap();
    PathBuf::from(String::from_utf8(rpms.stdout).unwrap().trim())
}
