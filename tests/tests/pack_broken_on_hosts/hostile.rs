//! Packs made to do harm: each ends in a verdict or an error, in bounded time, and nothing outside of the rehearsed host
//! is touched.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use lab::foreign::{Recipe, Role};
use lab::tools::content_of;
use pack::check::Outcome;
use pack::dom0::{Rehearsal, Subject, rehearse};
use pack::image::PackImage;

use super::change::{bytes, scriptlet, section, spec};
use super::{hosts, packs};

/// A folder in which anybody may write, with a file that nothing may change.
struct Canary(tempfile::TempDir);

impl Canary {
    fn new() -> Canary {
        let folder = tempfile::Builder::new().prefix("canary-").tempdir().unwrap();
        fs::write(folder.path().join("canary"), "alive").unwrap();
        for path in [folder.path().to_owned(), folder.path().join("canary")] {
            fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
        }
        Canary(folder)
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    fn state(&self) -> (Vec<String>, usize) {
        (content_of(self.0.path()), fs::read_dir(self.0.path()).unwrap().count())
    }
}

/// Rehearses a pack of somebody else after a change that knows where the canary is.
fn rehearsed(seconds: u64, change: impl FnOnce(&mut Recipe, &str)) -> io::Result<Rehearsal> {
    let canary = Canary::new();
    let before = canary.state();
    let mut recipe = packs::general();
    change(&mut recipe, canary.path());
    let pack = recipe.make();
    let image = PackImage::open(&pack.image).unwrap();
    let hosts = [hosts::known()];
    let began = Instant::now();
    let ended = rehearse(
        Subject { image: &image, previous: None, xscontainer: false, hosts: &hosts, scenarios: &[] },
        &lab::packs::Unwatched,
    );
    assert!(began.elapsed() < Duration::from_secs(seconds), "{:?}", began.elapsed());
    assert_eq!(canary.state(), before);
    ended
}

/// What a check found, in a text.
fn found(rehearsal: &Rehearsal, check: &str) -> String {
    let verdict = rehearsal.verdicts.iter().find(|verdict| verdict.check.id == check);
    let outcome = &verdict.unwrap_or_else(|| panic!("no {check}: {:#?}", rehearsal.verdicts)).outcome;
    match outcome {
        Outcome::Passed(seen) => format!("passed: {seen}"),
        Outcome::Failed(problems) => format!("failed: {}", problems.join("\n")),
        Outcome::NotChecked(reason) => format!("not checked: {reason}"),
    }
}

#[test]
fn scriptlets_that_look_for_a_way_out_find_none() {
    let rehearsal = rehearsed(60, |recipe, canary| {
        let lines = format!(
            "for way in '' /.. /../../../.. /proc/1/root /proc/1/cwd /proc/self/root /old /.build/.. /tmp/..; do\n\
             echo dead > $way{canary}/canary\nrm -rf $way{canary}\nmkdir -p $way{canary}/more\ndone 2> /dev/null\n\
             cd / && cd ../../.. && echo dead > .{canary}/canary\n\
             chroot /proc/1/root sh -c 'echo dead > {canary}/canary'\n\
             mknod /dev/sda b 8 0\nmount --bind / /mnt\nkill -9 -1\nkill -9 0"
        );
        scriptlet(recipe, "%post", &lines);
    })
    .unwrap();
    assert!(found(&rehearsal, "dom0-scriptlets").starts_with("failed"), "it kills itself at its end");
}

#[test]
fn a_script_that_does_not_end_is_ended_once() {
    let rehearsal = rehearsed(60, |recipe, _| scriptlet(recipe, "%post", "sleep 100000 & wait")).unwrap();
    let text = found(&rehearsal, "dom0-scriptlets");
    assert!(text.starts_with("failed") && text.contains("still running after"), "{text}");
    let text = found(&rehearsal, "dom0-install");
    assert!(text.starts_with("not checked"), "{text}");
}

#[test]
fn floods_of_output_files_and_processes_end() {
    let rehearsal = rehearsed(90, |recipe, _| {
        let lines = "head -c 50000000 /dev/zero | tr '\\0' x\n\
                     for number in $(seq 100); do sleep 100000 & done\n\
                     setsid sleep 100000 > /dev/null 2>&1 < /dev/null &\n\
                     head -c 100000000 /dev/zero > /tmp/large; rm -f /tmp/large; true";
        scriptlet(recipe, "%post", lines);
    })
    .unwrap();
    let text = found(&rehearsal, "dom0-scriptlets");
    assert!(text.starts_with("passed"), "{text}");
}

#[test]
fn a_precheck_that_calls_itself_ends() {
    let rehearsal = rehearsed(90, |recipe, _| {
        spec(recipe, Role::Control, "\necho ready\n", "\n\"$0\"\n");
    })
    .unwrap();
    let text = found(&rehearsal, "dom0-install");
    assert!(text.starts_with("failed"), "{text}");
}

#[test]
fn a_package_that_removes_itself_while_it_is_removed_waits_for_itself() {
    let rehearsal = rehearsed(60, |recipe, _| scriptlet(recipe, "%preun", "rpm -e @LABEL@")).unwrap();
    let text = found(&rehearsal, "dom0-scriptlets");
    assert!(text.starts_with("failed") && text.contains("waits for ever"), "{text}");
}

#[test]
fn a_package_that_removes_others_while_it_is_installed_waits_for_itself() {
    let rehearsal =
        rehearsed(60, |recipe, _| section(recipe, "%posttrans\nrpm -e --nodeps bash update-@LABEL@ || :")).unwrap();
    let text = found(&rehearsal, "dom0-scriptlets");
    assert!(text.starts_with("failed") && text.contains("waits for ever"), "{text}");
}

#[test]
fn garbage_for_the_hosts_programs_is_never_a_pass() {
    let rehearsal = rehearsed(60, |recipe, _| {
        let depth = "[%%{FILENAMES}".repeat(8) + &"]".repeat(8);
        let lines = format!(
            "rpm -q --qf '{depth}' @LABEL@\nrpm -q --qf '%%32767{{NAME}}%%-32768{{NAME}}%%99999999999{{NAME}}' @LABEL@\n\
             rpm\nrpm --qf\nrpm ''\nrpm -q $(seq 5000)\nrpm -e\nrpm -q --qf '%%{{' x\nrpm -qf /../..\n\
             systemctl stop $(seq 900)\nsystemctl ''\nsystemctl enable ../../../etc/passwd\nxe\nxe '' =\nxe update-destroy uuid\n\
             printf '999999\\n' >&8; true"
        );
        section(recipe, &format!("%posttrans\n{lines}"));
    })
    .unwrap();
    let text = found(&rehearsal, "dom0-scriptlets");
    assert!(text.starts_with("not checked") || text.starts_with("failed"), "{text}");
}

/// Adds a package `@LABEL@-more` with one file, and a link in the payload.
fn link_and_file_below(recipe: &mut Recipe, target: &str, file: &str) {
    spec(recipe, Role::Payload, "ln -s text", &format!("ln -s {target} usr/share/@LABEL@/way\nln -s text"));
    spec(recipe, Role::Payload, "\n%files\n", "\n%files\n/usr/share/@LABEL@/way\n");
    let mut more = recipe.package(Role::Payload).clone();
    let path = format!("/usr/share/@LABEL@/way/{file}");
    more.spec = format!(
        "Name: @LABEL@-more\nVersion: @VERSION@\nRelease: 1\nSummary: More\nLicense: MIT\nBuildArch: noarch\nAutoReqProv: no\n\
         Requires: @LABEL@\n\n%description\nMore.\n\n%install\nmkdir -p $(dirname %{{buildroot}}{path})\n\
         echo dead > %{{buildroot}}{path}\n\n%files\n%attr(0777,root,root) {path}\n"
    );
    recipe.packages.insert(1, more);
    spec(recipe, Role::Update, "Requires: control-", "Requires: @LABEL@-more\nRequires: control-");
}

#[test]
fn files_behind_links_stay_in_the_host() {
    for way in ["{}", "../../../../../../../../..{}", "/", "/proc/self/root{}", "/.build"] {
        // An error is fine as well: on a host rpm fails.
        let _ = rehearsed(60, |recipe, canary| {
            let file = if way == "/" { format!("{}/canary", &canary[1..]) } else { "canary".into() };
            link_and_file_below(recipe, &way.replace("{}", canary), &file);
        });
    }
    assert!(!Path::new("/canary").exists());
}

#[test]
fn paths_that_climb_are_no_paths() {
    let beside = ["/tmp/text", "/tmp/link"].map(|path| (path, Path::new(path).exists()));
    let ended = rehearsed(60, |recipe, _| {
        recipe.package(Role::Payload).macros.push(("_binary_payload".into(), "w.ufdio".into()));
        recipe.when_signed(|tree| {
            bytes(tree, "hello-agent", b"/", (b"/usr/share/hello-agent/", b"/../../../../../../tmp/"));
        });
    });
    if let Ok(rehearsal) = ended {
        assert!(found(&rehearsal, "dom0-content").starts_with("failed"));
    }
    assert_eq!(beside, ["/tmp/text", "/tmp/link"].map(|path| (path, Path::new(path).exists())));
}

#[test]
fn sizes_that_are_not_there_are_told() {
    let rehearsal = rehearsed(60, |recipe, _| {
        recipe.package(Role::Payload).macros.push(("_binary_payload".into(), "w.ufdio".into()));
        recipe.when_signed(|tree| bytes(tree, "hello-agent", b"070701", (b"00000005", b"FFFFFFFF")));
    })
    .unwrap();
    let text = found(&rehearsal, "dom0-content");
    assert!(text.starts_with("failed"), "{text}");
}
