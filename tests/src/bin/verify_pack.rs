//! Verifies an image in a process of its own, so that a test can bound what that takes and see what it took.
//!
//! `verify_pack IMAGE [KEY]` prints one JSON object: `failed` and `not_checked` (check id → what was found), and `peak`,
//! the most memory that the process ever had, in KiB.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use lab::packs::{EPOCH, Unwatched};
use pack::check::Outcome;
use pack::verify::{GivenKey, Policy, ShippedKey, verify};

fn main() {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let image = arguments.next().expect("usage: verify_pack IMAGE [KEY]");
    let key_file = arguments.next();
    let armored = key_file.as_ref().map(|file| fs::read(file).expect("the key can be read"));
    let name = key_file.as_deref().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    let key = armored.as_ref().map(|armored| GivenKey { file_name: &name, armored });
    let now = u64::from(EPOCH) + 86_400;
    let policy = Policy { xscontainer: true, key, shipped_key: ShippedKey::Beside, now, ..Policy::default() };
    let verification = verify(&image, &policy, &Unwatched);

    let mut failed = BTreeMap::new();
    let mut not_checked = BTreeMap::new();
    for verdict in &verification.verdicts {
        match &verdict.outcome {
            Outcome::Passed(_) => {}
            Outcome::Failed(problems) => _ = failed.insert(verdict.check.id, problems.join("\n")),
            Outcome::NotChecked(why) => _ = not_checked.insert(verdict.check.id, why.clone()),
        }
    }
    println!("{}", serde_json::json!({ "failed": failed, "not_checked": not_checked, "peak": peak() }));
}

/// proc(5): the peak of the resident set.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("proc(5)");
    line.trim_end_matches("kB").trim().parse().expect("a number")
}
