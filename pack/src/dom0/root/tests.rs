use std::os::unix::fs::{MetadataExt, symlink};

use super::*;

fn root() -> Root {
    Root::create(&std::env::temp_dir()).unwrap()
}

/// A folder outside of every root, with a file in it.
fn outside() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("canary"), "alive").unwrap();
    folder
}

fn paths(root: &Root) -> Vec<String> {
    let entries = root.list(&Limits::default()).unwrap();
    entries.iter().map(|entry| entry.path.to_str().unwrap().to_owned()).collect()
}

#[test]
fn only_the_user_may_enter_it() {
    let root = root();
    let home = std::fs::metadata(root.path().parent().unwrap()).unwrap();
    assert_eq!(home.permissions().mode() & 0o777, 0o700);
}

#[test]
fn links_that_lead_outside_lead_inside_instead() {
    let (root, outside) = (root(), outside());
    let target = outside.path().to_str().unwrap();
    root.symlink("/absolute", target).unwrap();
    root.symlink("/relative", format!("../../../../../../../..{target}")).unwrap();
    for link in ["/absolute", "/relative"] {
        assert_eq!(root.read(format!("{link}/canary"), 100).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(
            root.write(format!("{link}/new"), 0o644, &mut &b"x"[..]).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        assert!(!root.remove(format!("{link}/canary")).unwrap());
        assert_eq!(root.look(format!("{link}/canary")).unwrap(), None);
    }
    // With the same path made inside, that is where they lead.
    root.make_parents(format!("{target}/new")).unwrap();
    root.write("/absolute/new", 0o644, &mut &b"inside"[..]).unwrap();
    assert_eq!(root.read("/relative/new", 100).unwrap(), b"inside");
    assert_eq!(root.read(format!("/../../{target}/new"), 100).unwrap(), b"inside");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
    assert_eq!(std::fs::read_to_string(outside.path().join("canary")).unwrap(), "alive");
}

#[test]
fn a_link_with_the_name_of_a_new_file_is_replaced_and_not_followed() {
    let root = root();
    root.write("/target", 0o644, &mut &b"old"[..]).unwrap();
    root.symlink("/name", "target").unwrap();
    root.write("/name", 0o644, &mut &b"new"[..]).unwrap();
    assert_eq!(root.read("/target", 100).unwrap(), b"old");
    assert!(matches!(root.look("/name").unwrap().unwrap().kind, Kind::File { size: 3, .. }));
}

#[test]
fn a_link_to_a_folder_counts_as_one() {
    let root = root();
    root.make_folder("/usr", 0o755).unwrap();
    root.symlink("/bin", "usr").unwrap();
    assert!(!root.make_folder("/bin", 0o755).unwrap());
    root.write("/bin/sh", 0o755, &mut io::empty()).unwrap();
    assert!(root.make_folder("/bin/sh", 0o755).is_err());
    assert!(!root.make_folder("/", 0o755).unwrap());
    assert_eq!(paths(&root), ["/bin", "/usr", "/usr/sh"]);
}

#[test]
fn names_that_are_none_are_refused() {
    let root = root();
    for path in ["", ".", "..", "/usr/..", "a\0b"] {
        assert!(root.write(path, 0o644, &mut io::empty()).is_err(), "{path:?}");
    }
    assert!(root.write("/", 0o644, &mut io::empty()).is_err());
    assert!(root.remove_folder("/").is_err());
    assert!(paths(&root).is_empty());
}

#[test]
fn permissions_land_on_disk_without_setuid() {
    let root = root();
    root.write("/program", 0o6751, &mut &b"x"[..]).unwrap();
    root.make_folder("/shared", 0o3777).unwrap();
    root.make_folder("/closed", 0o500).unwrap();
    let mode = |path: &str| root.look(path).unwrap().unwrap().mode;
    assert_eq!((mode("/program"), mode("/shared"), mode("/closed")), (0o751, 0o1777, 0o700));
}

#[test]
fn nothing_belongs_to_the_build_machines_root() {
    let root = root();
    root.make_folder("/folder", 0o755).unwrap();
    root.write("/file", 0o644, &mut io::empty()).unwrap();
    root.symlink("/link", "file").unwrap();
    for name in ["", "folder", "file", "link"] {
        let metadata = std::fs::symlink_metadata(root.path().join(name)).unwrap();
        assert_ne!((metadata.uid(), metadata.gid()), (0, 0), "/{name}");
    }
}

#[test]
fn folders_go_only_when_they_are_empty() {
    let root = root();
    root.make_parents("/etc/sample/conf").unwrap();
    root.symlink("/link", "etc").unwrap();
    assert!(!root.remove_folder("/etc").unwrap());
    assert!(root.remove_folder("/etc/sample").unwrap());
    assert!(root.remove_folder("/etc").unwrap());
    assert!(root.remove_folder("/etc").unwrap(), "it is gone already");
    assert!(root.remove_folder("/link").is_err());
    assert!(root.remove("/link").unwrap());
    assert!(!root.remove("/link").unwrap());
}

#[test]
fn a_failed_write_leaves_nothing() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("damaged"))
        }
    }
    let root = root();
    assert_eq!(root.write("/file", 0o644, &mut Failing).unwrap_err().to_string(), "damaged");
    assert!(paths(&root).is_empty());
}

#[test]
fn names_and_hard_links_can_be_changed() {
    let root = root();
    root.write("/one", 0o644, &mut &b"x"[..]).unwrap();
    root.hard_link("/two", "/one").unwrap();
    root.rename("/one", "/one.rpmsave").unwrap();
    assert_eq!(paths(&root), ["/one.rpmsave", "/two"]);
    assert_eq!(std::fs::metadata(root.path().join("two")).unwrap().nlink(), 2);
}

#[test]
fn reading_is_bounded_and_waits_for_nobody() {
    let root = root();
    root.write("/file", 0o644, &mut &b"four"[..]).unwrap();
    assert_eq!(root.read("/file", 4).unwrap(), b"four");
    assert_eq!(root.read("/file", 3).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    rustix::fs::mkfifoat(&root.folder, "pipe", Mode::RWXU).unwrap();
    assert_eq!(root.read("/pipe", 4).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert!(root.read("/", 4).is_err());
}

#[test]
fn a_listing_has_everything_in_order_with_digests() {
    let root = root();
    root.make_folder("/b", 0o755).unwrap();
    root.write("/b/abc", 0o640, &mut &b"abc"[..]).unwrap();
    root.symlink("/a", "/nowhere").unwrap();
    rustix::fs::mkfifoat(&root.folder, "c", Mode::RUSR).unwrap();
    let entries = root.list(&Limits::default()).unwrap();
    let kinds: Vec<&Kind> = entries.iter().map(|entry| &entry.kind).collect();
    let sha256 = Some("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".to_owned());
    assert_eq!(kinds, [&Kind::Link("/nowhere".into()), &Kind::Folder, &Kind::File { size: 3, sha256 }, &Kind::Other]);
    assert_eq!(paths(&root), ["/a", "/b", "/b/abc", "/c"]);
    let undigested = root.list(&Limits { digested: 2, ..Limits::default() }).unwrap();
    assert_eq!(undigested[2].kind, Kind::File { size: 3, sha256: None });
}

#[test]
fn a_listing_is_bounded() {
    let root = root();
    root.make_parents("/1/2/3/4").unwrap();
    let limits = Limits { entries: 3, depth: 4, digested: 0 };
    assert_eq!(root.list(&limits).unwrap().len(), 3);
    assert_eq!(root.list(&Limits { entries: 2, ..limits }).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    assert_eq!(root.list(&Limits { depth: 3, ..limits }).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
}

#[test]
fn it_is_removed_with_whatever_is_in_it() {
    let outside = outside();
    let root = root();
    let home = root.path().parent().unwrap().to_owned();
    root.make_folder("/closed", 0o700).unwrap();
    root.write("/closed/file", 0, &mut io::empty()).unwrap();
    root.write("/moved-1", 0o644, &mut io::empty()).unwrap();
    symlink(outside.path(), root.path().join("link")).unwrap();
    // Deeper than paths can be long, and than files can be open.
    let mut folder = root.folder.try_clone().unwrap();
    for _ in 0..3000 {
        rustix::fs::mkdirat(&folder, "deep", Mode::RWXU).unwrap();
        folder = rustix::fs::openat(&folder, "deep", FOLDER, Mode::empty()).unwrap();
    }
    rustix::fs::mkdirat(&folder, "closed", Mode::empty()).unwrap();
    std::fs::set_permissions(root.path().join("closed"), std::fs::Permissions::from_mode(0o000)).unwrap();
    drop(root);
    assert!(!home.exists());
    assert_eq!(std::fs::read_to_string(outside.path().join("canary")).unwrap(), "alive");
}
