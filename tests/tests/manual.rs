//! The manual pages that the package brings, read by mandoc.

use std::fs;
use std::path::Path;

use lab::tools::{command, outcome};

#[test]
fn mandoc_finds_nothing_wrong_in_any_page() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/dom0/usr/share/man");
    let mut count = 0;
    for section in ["man5", "man8"] {
        for page in fs::read_dir(pages.join(section)).unwrap() {
            let said = outcome(command("mandoc", ["-T", "lint", "-W", "warning"]).arg(page.unwrap().path()));
            // A date would say when it was made, and the bytes would depend on that.
            let faults: Vec<&str> = said.text.lines().filter(|line| !line.contains("missing date")).collect();
            assert_eq!(faults, Vec::<&str>::new());
            count += 1;
        }
    }
    assert!(count > 10, "{count} pages");
}
