//! The page about a pack, in a real browser: what people see, on a screen, in the dark, on a telephone and on paper.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod browser;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use browser::Browser;
use lab::packs::{self, build_from, key, workspace};
use lab::programs;
use lab::tools::{command, outcome};
use rpm::{BuildConfig, CompressionType, Dependency, FileMode, FileOptions, PackageBuilder, Scriptlet};
use serde_json::{Value, json};

const LOOK: &str = include_str!("look.js");
/// A telephone, and a screen.
const WIDTHS: [u32; 2] = [400, 1280];
/// What nobody should write into a pack.
const HOSTILE: &str = "</style><script>document.title='owned'</script><img src=http://127.0.0.1:9/x>";

/// Has `suppack` write the page about an image.
fn page(iso: &Path, options: &[&str], folder: &Path) -> PathBuf {
    let page = folder.join("page.html");
    let (iso, file) = (iso.to_str().unwrap(), page.to_str().unwrap());
    let said = outcome(&mut command(
        programs::suppack().to_str().unwrap(),
        [&["verify", iso, "--html", file][..], options].concat(),
    ));
    assert!(page.exists(), "{}", said.text);
    page
}

fn pictures() -> PathBuf {
    let folder = workspace().join("target/test/screenshots");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// What holds of every page, in light and dark, narrow and wide.
fn looks_right(browser: &mut Browser, name: &str, page: &Path, schemes: &[&str]) {
    for scheme in schemes {
        for width in WIDTHS {
            browser.open(page, width, scheme);
            assert_eq!(browser.requests(), [format!("file://{}", page.display())], "{name}: it loads something");
            assert_eq!(browser.complaints(), [""; 0], "{name}");
            browser.picture(&pictures().join(format!("{name}-{scheme}-{width}.png")));
            // Whatever is shut may have faults, too.
            for opened in [false, true] {
                if opened {
                    browser.value("document.querySelectorAll('details').forEach((d) => d.open = true)");
                }
                let seen = browser.value(LOOK);
                assert!(seen["texts"].as_u64().unwrap() > 20, "{seen}");
                for (fault, found) in seen["faults"].as_object().unwrap() {
                    assert_eq!(found, &json!([]), "{name}, {scheme}, {width} pixels, opened: {opened}: {fault}");
                }
            }
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn our_pack_has_a_page_that_people_can_use() {
    let folder = tempfile::tempdir().unwrap();
    let page = page(&programs::iso(), &["--host", "8.2.1"], folder.path());
    let mut browser = Browser::start();
    looks_right(&mut browser, "our-pack", &page, &["light", "dark"]);

    let sections = browser.value("[...document.querySelectorAll('main h2')].map((h) => h.textContent)");
    let expected =
        json!(["Hosts", "Checks", "In dom0", "Sizes", "Dependencies", "Scripts", "Signatures", "Same bytes"]);
    assert_eq!(sections, expected);
    for (part, wanted) in [
        ("#hosts", "8.2.1"),
        ("#tree", "xscontainer"),
        ("#scripts", "systemctl"),
        ("#signatures", "import-update-key"),
        ("#identity", "sha256sum"),
    ] {
        let said = browser.value(&format!("document.querySelector('{part}').textContent"));
        assert!(text(&said).contains(wanted), "{part}: {said}");
    }
    let sha256 = fs::read_to_string(format!("{}.sha256", programs::iso().display())).unwrap();
    let said = browser.value("document.querySelector('#identity').textContent");
    assert!(text(&said).contains(sha256.split(' ').next().unwrap()), "{said}");

    the_keyboard_reaches_everything_in_order(&mut browser, &page);
    paper_shows_what_is_shut(&mut browser, &page);
}

fn the_keyboard_reaches_everything_in_order(browser: &mut Browser, page: &Path) {
    browser.open(page, 1280, "light");
    let places = "[...document.querySelectorAll('a, summary, [tabindex=\"0\"]')].filter((e) => e.checkVisibility())";
    let count = browser.value(&format!("window.places = {places}; window.places.length")).as_u64().unwrap();
    assert!(count > 15, "{count}");
    let mut reached = Vec::new();
    for _ in 0..count {
        browser.tab();
        let seen = browser.value(
            "(() => { const e = document.activeElement, s = getComputedStyle(e), box = e.getBoundingClientRect(); \
             return [window.places.indexOf(e), s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2, \
             box.bottom > 0 && box.top < innerHeight]; })()",
        );
        assert_eq!((&seen[1], &seen[2]), (&json!(true), &json!(true)), "the focus is not seen at {seen}");
        reached.push(seen[0].as_u64().unwrap());
    }
    assert_eq!(reached, (0..count).collect::<Vec<_>>());
    // The first of them leads past the rest.
    assert_eq!(browser.value("window.places[0].hash"), json!("#content"));
}

fn paper_shows_what_is_shut(browser: &mut Browser, page: &Path) {
    browser.open(page, 800, "dark");
    let hidden = "[...document.querySelectorAll('details > *:not(summary)')].filter((e) => !e.checkVisibility() || \
         e.getBoundingClientRect().height === 0).length";
    assert!(
        browser.value(hidden).as_u64().unwrap() > 0,
        "everything is open on the screen, so that this shows nothing"
    );
    browser.media("print", "dark");
    assert_eq!(browser.value(hidden), json!(0));
    assert_eq!(browser.value("getComputedStyle(document.body).backgroundColor"), json!("rgb(255, 255, 255)"));
    browser.picture(&pictures().join("our-pack-paper.png"));
    browser.print(&pictures().join("our-pack.pdf"));
}

/// A payload, ready for a pack.
fn payload(folder: &Path, name: &str, fill: impl FnOnce(&mut PackageBuilder)) -> PathBuf {
    let mut builder = PackageBuilder::new(name, "1.0", "MIT", "noarch", "A package");
    let config = BuildConfig::v4().compression(CompressionType::Gzip).source_date(packs::EPOCH);
    builder.using_config(config).release("1");
    fill(&mut builder);
    let path = folder.join(format!("{name}-1.0-1.noarch.rpm"));
    builder.build().unwrap().write_file(&path).unwrap();
    path
}

#[test]
fn a_hostile_pack_is_shown_and_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let evil = payload(folder.path(), "evil", |builder| {
        builder.description(HOSTILE).vendor(HOSTILE);
        for name in [HOSTILE.replace('/', "|"), "\u{202e}gnp.exe".into(), "w".repeat(250)] {
            let options = FileOptions::new(format!("/usr/share/{name}")).mode(FileMode::regular(0o4777));
            builder.with_file_contents(HOSTILE, options).unwrap();
        }
        builder.post_install_script(Scriptlet::new(format!("echo '{HOSTILE}'\nsystemctl '{HOSTILE}'\n")));
        builder.requires(Dependency::any(HOSTILE));
    });
    let built = build_from("1.1", &[evil], &key("rsa4096"), tempfile::tempdir().unwrap());
    let page = page(&built.pack.iso.path, &["--host", "8.2.1"], folder.path());
    let mut browser = Browser::start();
    looks_right(&mut browser, "hostile", &page, &["light", "dark"]);
    assert_ne!(browser.value("document.title"), json!("owned"));
    assert_eq!(browser.value("document.querySelectorAll('script, img').length"), json!(1));
    let said = browser.value("document.body.textContent");
    assert!(text(&said).contains("Do not ship this pack") && text(&said).contains("U+202E"));
    assert!(text(&said).contains("document.title='owned'") && !text(&said).contains('\u{202e}'));
}

#[test]
fn what_is_no_pack_has_a_page_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let iso = folder.path().join("none.iso");
    fs::write(&iso, vec![0; 100_000]).unwrap();
    let page = page(&iso, &[], folder.path());
    let mut browser = Browser::start();
    looks_right(&mut browser, "no-pack", &page, &["dark"]);
    let said = browser.value("document.querySelector('.verdict').textContent");
    assert!(text(&said).contains("Do not ship this pack"), "{said}");
}

#[test]
fn two_hundred_packages_can_be_overlooked() {
    let folder = tempfile::tempdir().unwrap();
    let payloads: Vec<PathBuf> = (0..200)
        .map(|number| {
            payload(folder.path(), &format!("part-{number}"), |builder| {
                let options = FileOptions::new(format!("/usr/share/many/part-{number}")).mode(FileMode::regular(0o644));
                builder.with_file_contents("x".repeat(100 + number * 37), options).unwrap();
                for needed in [number + 7, number * 2 + 1].into_iter().filter(|needed| *needed < 200) {
                    builder.requires(Dependency::any(format!("part-{needed}")));
                }
            })
        })
        .collect();
    let built = build_from("1.1", &payloads, &key("encryption-subkey"), tempfile::tempdir().unwrap());
    let page = page(&built.pack.iso.path, &["--no-rehearsal"], folder.path());
    let mut browser = Browser::start();
    looks_right(&mut browser, "many", &page, &["light"]);
    // Every node stands clear of all others.
    let boxes = browser.value(
        "[...document.querySelectorAll('#dependencies .node rect')].map((r) => { const b = r.getBoundingClientRect(); \
         return [b.x, b.y].join(' '); })",
    );
    let boxes: Vec<&str> = boxes.as_array().unwrap().iter().map(text).collect();
    assert!(boxes.len() >= 200, "{}", boxes.len());
    assert_eq!(boxes.iter().collect::<BTreeSet<_>>().len(), boxes.len());
}
