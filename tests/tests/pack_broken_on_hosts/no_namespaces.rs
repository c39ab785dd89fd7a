//! A machine that lets nobody make user namespaces: no script can be kept in there, so none is run.

use std::path::Path;
use std::process::Command;

use lab::programs;
use lab::tools::outcome;

use super::packs;

/// `cargo xtask verify` in a user namespace that permits none within it.
#[test]
fn scripts_that_cannot_be_confined_are_not_proven() {
    let pack = packs::general().make();
    let mut verify = Command::new("unshare");
    verify.args([
        "--user",
        "--map-root-user",
        "sh",
        "-c",
        "echo 0 > /proc/sys/user/max_user_namespaces; exec \"$@\"",
        "sh",
    ]);
    verify.arg(programs::xtask()).args(["verify", "--rules", "general"]).arg(&pack.image);
    verify.env("CARGO_MANIFEST_DIR", Path::new(env!("CARGO_MANIFEST_DIR")).join("../xtask"));
    let said = outcome(&mut verify);
    assert_eq!(said.code, Some(11), "{}", said.text);
    assert!(said.text.contains("scriptlets not proven"), "{}", said.text);
}
