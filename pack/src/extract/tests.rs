//! Packs in folders, extracted.

use std::os::unix::fs::{MetadataExt, symlink};

use rpm::{FileMode, FileOptions, PackageBuilder};

use super::*;
use crate::rpm::fixture;

struct Unwatched;

impl Progress for Unwatched {
    fn step(&self, _: &str) {}
    fn made(&self, _: &str) {}
    fn advance(&self, _: u64, _: u64) {}
    fn interrupted(&self) -> bool {
        false
    }
}

fn pack(packages: Vec<(&str, PackageBuilder)>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("Packages")).unwrap();
    fs::write(folder.path().join("update.xml"), "<update/>").unwrap();
    fs::set_permissions(folder.path().join("update.xml"), Permissions::from_mode(0o4640)).unwrap();
    symlink("/etc/passwd", folder.path().join("link")).unwrap();
    for (name, package) in packages {
        fs::write(folder.path().join("Packages").join(name), fixture::bytes_of(package)).unwrap();
    }
    folder
}

fn extracted(pack: &TempDir, only: &[&str], rpm_content: bool) -> (TempDir, Result<Extracted>) {
    let out = tempfile::tempdir().unwrap();
    let contents = Contents::open(pack.path()).unwrap();
    let only: Vec<String> = only.iter().map(ToString::to_string).collect();
    let folder = out.path().join("new");
    let result = extract(&Request { contents: &contents, folder: &folder, only: &only, rpm_content }, &Unwatched);
    (out, result)
}

fn names(folder: &Path) -> Vec<String> {
    let walk = walkdir::WalkDir::new(folder).min_depth(1).sort_by_file_name();
    walk.into_iter().map(|e| e.unwrap().path().strip_prefix(folder).unwrap().display().to_string()).collect()
}

#[test]
fn everything_lands_but_links_and_special_bits() {
    let (out, result) = extracted(&pack(vec![("sample.rpm", fixture::sample())]), &[], true);
    let done = result.unwrap();
    assert_eq!((done.files, done.packages), (2, 1));
    assert_eq!(done.notes.len(), 2, "{:?}", done.notes);
    let new = out.path().join("new");
    assert_eq!(
        names(&new).join(" "),
        "Packages Packages/sample.files Packages/sample.files/etc Packages/sample.files/etc/sample.conf \
         Packages/sample.files/usr Packages/sample.files/usr/bin Packages/sample.files/usr/bin/sample \
         Packages/sample.files/usr/bin/sample-link Packages/sample.files/var Packages/sample.files/var/lib \
         Packages/sample.files/var/lib/sample Packages/sample.rpm update.xml"
    );
    assert_eq!(fs::metadata(new.join("update.xml")).unwrap().mode() & 0o7777, 0o640);
    assert_eq!(fs::read(new.join("Packages/sample.files/etc/sample.conf")).unwrap(), b"content\n");
    let link = fs::read_link(new.join("Packages/sample.files/usr/bin/sample-link")).unwrap();
    assert_eq!(link, Path::new("sample"));
}

#[test]
fn only_what_is_named_lands() {
    let pack = pack(vec![("a.rpm", fixture::sample()), ("b.rpm", fixture::sample())]);
    let (out, result) = extracted(&pack, &["Packages/b.rpm"], false);
    result.unwrap();
    assert_eq!(names(&out.path().join("new")), ["Packages", "Packages/b.rpm"]);
    let (out, result) = extracted(&pack, &["/Packages/"], false);
    result.unwrap();
    assert_eq!(names(&out.path().join("new")), ["Packages", "Packages/a.rpm", "Packages/b.rpm"]);
    let (out, result) = extracted(&pack, &["Pack"], false);
    assert!(result.unwrap_err().to_string().contains("has no file or folder \"Pack\""));
    assert!(names(out.path()).is_empty());
}

#[test]
fn what_is_there_stays() {
    let pack = pack(Vec::new());
    let contents = Contents::open(pack.path()).unwrap();
    let out = tempfile::tempdir().unwrap();
    let request = Request { contents: &contents, folder: out.path(), only: &[], rpm_content: false };
    assert_eq!(extract(&request, &Unwatched).unwrap_err().class(), crate::Class::Output);
    assert!(names(out.path()).is_empty());
}

#[test]
fn a_package_cannot_write_elsewhere_and_leaves_nothing() {
    let file = |builder: &mut PackageBuilder, path: &str| {
        builder.with_file_contents("x", FileOptions::new(path).mode(FileMode::regular(0o644))).unwrap();
    };
    let mut upwards = fixture::sample();
    file(&mut upwards, "/usr/../../../outside");
    let mut through = fixture::sample();
    through.with_symlink(FileOptions::symlink("/a", "/tmp")).unwrap();
    file(&mut through, "/a/through-a-link");
    let mut planted = fixture::sample();
    planted.with_symlink(FileOptions::symlink("/d", "/tmp")).unwrap();
    planted.with_symlink(FileOptions::symlink("/d/sub/planted", "/etc/passwd")).unwrap();
    let refusals =
        [(upwards, "leads elsewhere"), (through, "below one of its links"), (planted, "below one of its links")];
    for (package, reason) in refusals {
        let (out, result) = extracted(&pack(vec![("hostile.rpm", package)]), &[], true);
        let error = result.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
        assert!(names(out.path()).is_empty());
    }
}
