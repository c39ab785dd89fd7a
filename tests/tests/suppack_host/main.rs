//! `suppack` on a host: packs by other people's tools are installed, listed and removed, with real rpm, dnf and gpg, and a
//! toolstack by the public rules, which refuses and goes down wherever it can.
#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

mod installing;
mod older;
mod removing;
mod trouble;

use std::sync::LazyLock;

use lab::foreign::{ForeignPack, Recipe, Role};
use lab::programs;
use lab::tools::Said;
use lab::updates::{THIS, UpdateHost};

/// The shipped removal script is the default one, as `suppack build` ships it.
const REMOVAL_SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../pack/src/install/remove.sh");
const SECOND_UUID: &str = "7d0b6a52-8d4e-4c1b-9a77-5be2f1c0d347";

static FIRST: LazyLock<ForeignPack> = LazyLock::new(|| recipe().make());
static SECOND: LazyLock<ForeignPack> = LazyLock::new(|| {
    let mut recipe = recipe();
    recipe.version = "2.4".into();
    recipe.uuid = SECOND_UUID.into();
    recipe.make()
});

/// Somebody's pack `hello-agent` 2.3, with the default removal script and advice to restart XAPI.
fn recipe() -> Recipe {
    let mut recipe = Recipe::general();
    recipe.set("after-apply-guidance", "restartXAPI");
    let script = format!("cp {REMOVAL_SCRIPT} %{{buildroot}}/var/update/@UUID@/remove");
    let control = recipe.package(Role::Control);
    control.spec = control
        .spec
        .replace("printf '#!/bin/bash\\nrpm -e @LABEL@\\n' > %{buildroot}/var/update/@UUID@/remove", &script);
    assert!(control.spec.contains(&script));
    recipe
}

fn uuid() -> String {
    recipe().uuid
}

/// A host with `suppack`, and with a pack's image and key in root's home.
fn host_with(pack: &ForeignPack) -> UpdateHost {
    let host = UpdateHost::of_release("8.2.1", 2);
    bring(&host, pack);
    host
}

fn bring(host: &UpdateHost, pack: &ForeignPack) {
    host.copy(&programs::suppack());
    host.copy(&pack.image);
    host.copy(&pack.key);
}

/// `suppack` with these words.
fn suppack(host: &UpdateHost, words: &str) -> Said {
    host.run(&format!("./suppack {words}"))
}

/// The same, which must end with this exit code; what it said.
fn ends(host: &UpdateHost, code: i32, words: &str) -> String {
    let said = suppack(host, words);
    assert_eq!(said.code, Some(code), "suppack {words}:\n{}", said.text);
    said.text
}

/// Installs a pack for good.
fn install(host: &UpdateHost, image: &str) {
    ends(host, 0, &format!("install --yes --trust-key RPM-GPG-KEY-hello-agent {image}"));
}

/// A pack is there, as the host installer puts one in and XAPI finds it when it starts.
fn put_in(host: &UpdateHost, pack: &ForeignPack) {
    for package in std::fs::read_dir(pack.tree.join("Packages")).unwrap() {
        host.copy(&package.unwrap().path());
    }
    host.must(&format!("rpm -i --nosignature *hello-agent-*.rpm && xe update-resync-host host-uuid={THIS}"));
}

/// Everything that can be seen of a pack on a host: packages, stamps, records and images of XAPI.
fn seen(host: &UpdateHost) -> (Vec<String>, Vec<String>, (Vec<String>, usize)) {
    (host.packages(), host.stamps(), host.records())
}

fn nothing() -> (Vec<String>, Vec<String>, (Vec<String>, usize)) {
    (Vec::new(), Vec::new(), (Vec::new(), 0))
}

fn packages(version: &str) -> Vec<String> {
    ["control-hello-agent", "hello-agent", "hello-agent-data", "update-hello-agent"]
        .map(|name| format!("{name}-{version}"))
        .to_vec()
}
