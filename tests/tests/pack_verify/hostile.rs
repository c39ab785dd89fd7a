//! Images that mean harm: the verifier says so and ends, in little memory, and writes nothing.
//!
//! It runs in a process of its own that may write to no file, and may have no more memory than [`MOST_ADDRESSES`].

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lab::foreign::Role::{Payload, Update};
use lab::foreign::{Recipe, store_metadata};
use lab::tools::{command, outcome, succeed};

use super::change::{bytes, payload, spec};

/// Most memory that it may ever have, in KiB.
const MOST_MEMORY: u64 = 256 << 10;
/// Most bytes of address space: what keeps the machine alive if it is not bounded at all.
const MOST_ADDRESSES: u64 = 3 << 30;
/// Seconds after which it is taken for hanging. A guard only: far above what any of this takes on a busy machine.
const HANG_GUARD: &str = "240";

/// What the verifier said.
struct Judged {
    failed: BTreeMap<String, String>,
    not_checked: BTreeMap<String, String>,
}

/// Verifies an image.
fn judge(image: &Path, key: &Path) -> Judged {
    let lab = tempfile::tempdir().unwrap();
    let folder = |name: &str| {
        let folder = lab.path().join(name);
        fs::create_dir(&folder).unwrap();
        folder
    };
    let (work, temporary, home) = (folder("work"), folder("tmp"), folder("home"));
    let before = everything_in(image.parent().unwrap());
    let mut verify = command("timeout", ["--signal=KILL", HANG_GUARD, "prlimit", "--fsize=0", "--core=0"]);
    verify.arg(format!("--as={MOST_ADDRESSES}")).arg(env!("CARGO_BIN_EXE_verify_pack")).arg(image).arg(key);
    let said = outcome(verify.current_dir(work).env("TMPDIR", temporary).env("HOME", home));
    assert!(said.success, "the verifier ended with {:?}:\n{}", said.code, said.text);
    assert_eq!(everything_in(lab.path()), ["home", "tmp", "work"], "nothing is written");
    assert_eq!(everything_in(image.parent().unwrap()), before, "nothing is written");

    let said: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    let peak = said["peak"].as_u64().unwrap();
    println!("peak: {peak} KiB");
    assert!(peak <= MOST_MEMORY, "the verifier took {peak} KiB");
    let list = |name: &str| serde_json::from_value(said[name].clone()).unwrap();
    Judged { failed: list("failed"), not_checked: list("not_checked") }
}

fn everything_in(folder: &Path) -> Vec<String> {
    let mut all: Vec<String> = succeed(command("find", [folder]).args(["-mindepth", "1", "-printf", "%P\n"]))
        .lines()
        .map(str::to_owned)
        .collect();
    all.sort();
    all
}

/// Makes a pack, and has it judged.
fn judge_recipe(recipe: &Recipe) -> Judged {
    let pack = recipe.make();
    judge(&pack.image, &pack.key)
}

/// Judges a sound image with a change; it must be told as one that cannot be read. What was said.
fn unreadable(change: impl Fn(&mut Vec<u8>) + Send + Sync + 'static) -> String {
    let mut recipe = Recipe::xscontainer();
    recipe.when_imaged(move |image| bytes(image, &change));
    let mut judged = judge_recipe(&recipe);
    assert_eq!(judged.failed.keys().collect::<Vec<_>>(), ["xapi-image"], "{:?}", judged.failed);
    judged.failed.remove("xapi-image").unwrap()
}

/// Where the record of a file or folder begins in the hierarchy that Rock Ridge extends.
fn record(image: &[u8], plain_name: &str) -> usize {
    let found = image.windows(plain_name.len()).enumerate().find(|(at, window)| {
        // The identifier's length stands before it.
        *window == plain_name.as_bytes() && image[at - 1] as usize == plain_name.len()
    });
    found.unwrap_or_else(|| panic!("no record {plain_name}")).0 - 33
}

/// Sets a number of a record in both orders of bytes (ECMA-119 7.3.3).
fn set(image: &mut [u8], at: usize, value: u32) {
    image[at..at + 4].copy_from_slice(&value.to_le_bytes());
    image[at + 4..at + 8].copy_from_slice(&value.to_be_bytes());
}

fn get(image: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(image[at..at + 4].try_into().unwrap())
}

/// Where the Rock Ridge name of a record is: its NM field (IEEE P1282 4.1.4).
fn name_field(image: &[u8], plain_name: &str) -> usize {
    let start = record(image, plain_name);
    start + image[start..start + 255].windows(2).position(|window| window == b"NM").expect("a name")
}

const EXTENT: usize = 2;
const LENGTH: usize = 10;

#[test]
fn an_image_that_is_cut_off_anywhere() {
    let pack = Recipe::xscontainer().make();
    let whole = fs::read(&pack.image).unwrap();
    // Without the padding at its end, of which nothing is missed.
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap();
    for length in [1, 32_768, 34_816, 36_864, 57_344, end / 2, end - 8192] {
        fs::write(&pack.image, &whole[..length]).unwrap();
        let judged = judge(&pack.image, &pack.key);
        assert_eq!(judged.failed.keys().collect::<Vec<_>>(), ["xapi-image"], "{length} bytes: {:?}", judged.failed);
    }
}

#[test]
fn a_folder_that_is_within_itself() {
    unreadable(|image| {
        // That of the root, which the volume descriptor names (ECMA-119 8.4.18).
        let root = get(image, 16 * 2048 + 156 + EXTENT);
        let at = record(image, "DOCS");
        set(image, at + EXTENT, root);
    });
}

#[test]
fn a_folder_that_is_another_one_as_well() {
    unreadable(|image| {
        let (docs, packages) = (record(image, "DOCS"), record(image, "PACKAGES"));
        let place = get(image, packages + EXTENT);
        set(image, docs + EXTENT, place);
    });
}

#[test]
fn a_folder_that_goes_on_for_gigabytes() {
    unreadable(|image| {
        let at = record(image, "DOCS");
        set(image, at + LENGTH, !2047);
    });
}

#[test]
fn a_name_that_is_there_twice() {
    let said = unreadable(|image| {
        let at = name_field(image, "OTHER_XM.GZ;1");
        image[at + 5..at + 17].copy_from_slice(b"comps.xml.gz");
    });
    assert!(said.contains("comps.xml.gz"), "{said}");
}

#[test]
fn names_that_lead_elsewhere() {
    for name in [b"../x", b"/etc", b"a/.."] {
        unreadable(move |image| {
            let at = name_field(image, "DOCS");
            image[at + 5..at + 9].copy_from_slice(name);
        });
    }
    // The flags CURRENT, PARENT and HOST, which stand for names.
    for flag in [2, 4, 32] {
        unreadable(move |image| {
            let at = name_field(image, "DOCS");
            image[at + 4] |= flag;
        });
    }
}

#[test]
fn a_file_that_is_larger_than_the_image() {
    unreadable(|image| {
        let at = record(image, "UPDATE.XML;1");
        set(image, at + LENGTH, u32::MAX);
    });
    unreadable(|image| {
        let at = record(image, "UPDATE.XML;1");
        set(image, at + EXTENT, u32::MAX);
    });
}

#[test]
fn a_volume_that_is_larger_than_the_file() {
    // ECMA-119 8.4.8.
    unreadable(|image| set(image, 16 * 2048 + 80, u32::MAX));
}

#[test]
fn every_file_is_the_whole_image() {
    let mut recipe = Recipe::xscontainer();
    recipe.when_imaged(|image| {
        bytes(image, |image| {
            let sectors = get(image, 16 * 2048 + 80);
            for name in ["UPDATE.XML;1", "REPOMD.XML;1", "PRIMARY_.GZ;1", "COMPS.XML;1"] {
                let at = record(image, name);
                set(image, at + EXTENT, 16);
                set(image, at + LENGTH, (sectors - 16) * 2048);
            }
        });
    });
    let judged = judge_recipe(&recipe);
    assert!(judged.failed.contains_key("xapi-document"), "{:?}", judged.failed);
}

/// Ten gigabytes of blanks, as small as a compressor makes them: a part, again and again, which is one stream to every
/// reader.
fn bomb(compressor: &str) -> Vec<u8> {
    let part = "head -c 104857600 /dev/zero | tr '\\0' ' ' | ";
    outcome(&mut command("sh", ["-c", &format!("{part}{compressor}")])).stdout.repeat(100)
}

#[test]
fn metadata_that_unpacks_to_ten_gigabytes() {
    let gzip = bomb("gzip -9n");
    for (kind, check) in [("primary", "yum-packages"), ("group_gz", "yum-group"), ("filelists", "yum-repomd")] {
        let bomb = gzip.clone();
        let mut recipe = Recipe::xscontainer();
        recipe.when_indexed(move |tree| {
            let name = if kind == "group_gz" { "comps.xml.gz".to_owned() } else { format!("{kind}.xml.gz") };
            store_metadata(tree, kind, &name, &bomb);
            if kind == "filelists" {
                // Nobody reads these; only a checksum of what they unpack to makes anybody unpack them.
                let stated = format!("<data type=\"{kind}\"><open-size>10485760000</open-size>");
                let repomd = tree.join("repodata/repomd.xml");
                super::change::in_file(&repomd, &format!("<data type=\"{kind}\">"), &stated);
            }
        });
        let judged = judge_recipe(&recipe);
        assert_eq!(judged.failed.keys().collect::<Vec<_>>(), [check], "{kind}: {:?}", judged.failed);
        assert!(judged.failed[check].contains("unpacks to more than"), "{:?}", judged.failed);
    }
}

#[test]
fn a_stamp_of_a_hundred_megabytes() {
    let mut recipe = Recipe::xscontainer();
    spec(
        &mut recipe,
        Update,
        "\n%files\n",
        "head -c 104857600 /dev/zero > %{buildroot}/var/update/applied/@UUID@\n\n%files\n",
    );
    let judged = judge_recipe(&recipe);
    assert!(judged.failed.is_empty(), "{:?}", judged.failed);
    assert!(judged.not_checked["xapi-stamp"].contains("unpacks to more than"), "{:?}", judged.not_checked);
}

#[test]
fn documents_that_are_bombs() {
    let laughs: String = (1..30).map(|n| format!("<!ENTITY l{n} \"&l{};&l{};\">", n - 1, n - 1)).collect();
    let laughs = format!("<!DOCTYPE update [<!ENTITY l0 \"ha\">{laughs}]>");
    let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    let wide = "<a/>".repeat(1_000_000);
    for (prolog, content) in [(laughs.as_str(), "&l29;"), ("", &deep), ("", &wide)] {
        let mut recipe = Recipe::xscontainer();
        recipe.document.prolog = prolog.into();
        recipe.document.content += content;
        let judged = judge_recipe(&recipe);
        assert_eq!(judged.failed.keys().collect::<Vec<_>>(), ["xapi-document"], "{:?}", judged.failed);
    }
}

/// The fields of a header's beginning: number of entries, bytes of data (rpm 4.11 `lib/header.c`).
const ENTRIES: usize = 8;
const DATA: usize = 12;

#[test]
fn package_headers_that_lie() {
    fn word(package: &[u8], at: usize) -> u32 {
        u32::from_be_bytes(package[at..at + 4].try_into().unwrap())
    }
    /// Where the main header begins: behind lead and signature header, whose length is padded to eight.
    fn main_header(package: &[u8]) -> usize {
        (96 + 16 + word(package, 96 + ENTRIES) as usize * 16 + word(package, 96 + DATA) as usize).next_multiple_of(8)
    }
    // What is put where, from the beginning of a header; its second entry begins at 32: tag, type, offset, count.
    let lies: [(&str, usize, u32); 8] = [
        ("too many entries", ENTRIES, u32::MAX),
        ("as many entries as are legal", ENTRIES, 0xffff),
        ("too much data", DATA, 0x7f7f_7f7f),
        ("as much data as is legal", DATA, 0xff_ffff),
        ("an offset before the data", 32 + 8, u32::MAX),
        ("an offset behind the data", 32 + 8, 0x10_0000),
        ("an endless count", 32 + 12, 0x7f7f_7f7f),
        ("an unknown type", 32 + 4, 17),
    ];
    for in_signature in [true, false] {
        for (what, offset, value) in lies {
            let mut recipe = Recipe::xscontainer();
            recipe.when_indexed(move |tree| {
                bytes(&payload(tree), |package| {
                    let at = offset + if in_signature { 96 } else { main_header(package) };
                    package[at..at + 4].copy_from_slice(&value.to_be_bytes());
                });
            });
            let judged = judge_recipe(&recipe);
            assert_eq!(judged.failed.keys().collect::<Vec<_>>(), ["rpm-headers"], "{what}: {:?}", judged.failed);
        }
    }
}

#[test]
fn five_thousand_packages() {
    let mut recipe = Recipe::xscontainer();
    recipe.genisoimage.push("-cache-inodes".into());
    recipe.when_indexed(|tree| copies(&payload(tree), 5000));
    let judged = judge_recipe(&recipe);
    assert_eq!(judged.failed.keys().collect::<Vec<_>>(), ["rpm-headers", "yum-packages"]);
}

#[test]
fn many_packages_of_many_files() {
    let mut recipe = Recipe::xscontainer();
    recipe.genisoimage.push("-cache-inodes".into());
    let many = "mkdir -p %{buildroot}/usr/share/many\n\
        (cd %{buildroot}/usr/share/many && seq -f 'a-file-with-a-name-of-some-length-%%06g' 20000 | xargs touch)\n";
    spec(&mut recipe, Payload, "%install\n", &format!("%install\n{many}"));
    spec(&mut recipe, Payload, "%files\n", "%files\n/usr/share/many\n");
    recipe.when_indexed(|tree| {
        let package = super::change::package(tree, "xscontainer-1");
        copies(&package, 200);
    });
    let judged = judge_recipe(&recipe);
    assert_eq!(judged.failed.keys().collect::<Vec<_>>(), ["rpm-headers", "yum-packages"]);
}

#[test]
fn many_packages_that_require_much() {
    let mut recipe = Recipe::xscontainer();
    recipe.genisoimage.push("-cache-inodes".into());
    let much = "%{lua: for i = 1, 60000 do print(string.format('Requires: c%05d >= 1\\n', i)) end}";
    spec(&mut recipe, Payload, "\nSummary:", &format!("\n{much}\nSummary:"));
    recipe.when_indexed(|tree| {
        let package = super::change::package(tree, "xscontainer-1");
        println!("{} bytes", fs::metadata(&package).unwrap().len());
        copies(&package, 200);
    });
    let judged = judge_recipe(&recipe);
    assert_eq!(judged.failed.keys().collect::<Vec<_>>(), ["rpm-headers", "yum-packages"]);
}

/// Gives a file many names.
fn copies(file: &Path, count: usize) {
    let name = |index| -> PathBuf { file.with_file_name(format!("copy-{index}.rpm")) };
    (0..count).for_each(|index| fs::hard_link(file, name(index)).unwrap());
}
