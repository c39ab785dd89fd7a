//! Whole packs, made by other people's tools: dnf does in a real root what XAPI has yum do, and the rehearsal plays it.

use std::fs;
use std::sync::LazyLock;

use lab::foreign::{ForeignPack, Recipe, Role};
use lab::root::Repository;
use lab::tools::succeed;
use pack::check::Outcome;
use pack::dom0::{Played, Rehearsal, Rehearsed, Run, Subject, XapiError, rehearse};
use pack::image::PackImage;

use crate::packages::TRACE;
use crate::twins::{Twins, as_4_11_counts, bare_host};

/// Every scriptlet says that it runs.
const TRACED: &str = "
%pretrans
echo \"%{name} %%pretrans $1\" >> /var/log/trace
%pre
echo \"%{name} %%pre $1\" >> /var/log/trace
%post
echo \"%{name} %%post $1\" >> /var/log/trace
%preun
echo \"%{name} %%preun $1\" >> /var/log/trace
%postun
echo \"%{name} %%postun $1\" >> /var/log/trace
%posttrans
echo \"%{name} %%posttrans $1\" >> /var/log/trace
";

const AGENT: &str = "Name: @LABEL@
Version: @VERSION@
Release: 1
Summary: An agent
License: MIT
BuildArch: noarch
AutoReqProv: no
Requires: @LABEL@-data
%description
-
%install
mkdir -p %{buildroot}/opt/agent %{buildroot}/etc/lab
echo @VERSION@ > %{buildroot}/opt/agent/program
echo @VERSION@ > %{buildroot}/opt/agent/only-in-@VERSION@
ln -s program %{buildroot}/opt/agent/link
echo @VERSION@ > %{buildroot}/etc/lab/agent
%files
%attr(0755,root,root) %dir /opt/agent
%attr(0755,root,root) /opt/agent/program
%attr(0644,root,root) /opt/agent/only-in-@VERSION@
/opt/agent/link
%attr(0600,root,root) %config(noreplace) /etc/lab/agent
";

const DATA: &str = "Name: @LABEL@-data
Version: @VERSION@
Release: 1
Summary: Data
License: MIT
BuildArch: noarch
AutoReqProv: no
%description
-
%install
mkdir -p %{buildroot}/opt/data
echo @VERSION@ > %{buildroot}/opt/data/file
%files
%attr(0644,root,root) /opt/data/file
";

const ALL: [&str; 4] = ["hello-agent", "hello-agent-data", "update-hello-agent", "control-hello-agent"];

/// A pack with traced scriptlets in all packages.
fn recipe(version: &str, uuid: &str) -> Recipe {
    let mut recipe = Recipe::general();
    (recipe.version, recipe.uuid, recipe.key) = (version.into(), uuid.into(), "RPM-GPG-KEY-xscontainer".into());
    recipe.package(Role::Update).macros.clear();
    let mut payload = recipe.packages.iter_mut().filter(|package| package.role == Role::Payload);
    for spec in [AGENT, DATA] {
        payload.next().unwrap().spec = spec.into();
    }
    let removal = format!("rpm -e {}", ALL.join(" "));
    let control = recipe.package(Role::Control);
    control.spec = control.spec.replace("rpm -e @LABEL@", &removal);
    recipe.packages.iter_mut().for_each(|package| package.spec += TRACED);
    recipe
}

struct Made {
    pack: ForeignPack,
    image: PackImage,
    uuid: String,
}

fn make(recipe: &Recipe) -> Made {
    let pack = recipe.make();
    let image = PackImage::open(&pack.image).unwrap();
    Made { pack, image, uuid: recipe.uuid.clone() }
}

static FIRST: LazyLock<Made> = LazyLock::new(|| make(&recipe("1.0", "3f0b6a52-8d4e-4c1b-9a77-5be2f1c0d341")));
static SECOND: LazyLock<Made> = LazyLock::new(|| make(&recipe("2.0", "3f0b6a52-8d4e-4c1b-9a77-5be2f1c0d342")));

/// dnf does what XAPI 8.2 has yum do, whose `install` of an older package is an upgrade.
fn apply_by_dnf(twins: &Twins, made: &Made, verb: &str) {
    let repository = Repository::serve(&made.pack.tree);
    twins.real.trust(&made.pack.key);
    twins.real.dnf(&repository, &[verb, "control-hello-agent"]).succeed();
    succeed(&mut twins.real.chroot(&[&format!("/var/update/{}/precheck", made.uuid)]));
    twins.real.dnf(&repository, &[verb, "@update"]).succeed();
}

/// What scriptlets wrote down in the real root since the last look.
fn real_trace(twins: &Twins) -> Vec<String> {
    let path = twins.real.path().join(&TRACE[1..]);
    let trace = fs::read_to_string(&path).unwrap_or_default();
    fs::remove_file(path).unwrap();
    trace.lines().map(as_4_11_counts).collect()
}

fn scenario<'a>(host: &'a Rehearsed, name: &str) -> &'a Played {
    host.scenarios.iter().find(|played| played.scenario == name).unwrap()
}

/// The scriptlets of a scenario, as they write themselves down.
fn trace_of(played: &Played) -> Vec<String> {
    let line = |run: &Run| {
        let (_, name) = run.what.split_once(" of ")?;
        Some(format!("{name} {} {}", run.moment?, run.arguments.join(" ")))
    };
    played.runs.iter().filter_map(line).collect()
}

/// What the removal is said to leave, as the root's list of files has it.
fn left_of(rehearsal: &Rehearsal) -> Vec<String> {
    let verdict = rehearsal.verdicts.iter().find(|verdict| verdict.check.id == "dom0-removal").unwrap();
    let Outcome::Failed(problems) = &verdict.outcome else { panic!("{verdict:?}") };
    let paths = problems.iter().filter_map(|problem| problem.strip_suffix(" is left"));
    paths.map(|path| format!(".{path}")).collect()
}

#[test]
fn scenarios_run_the_scriptlets_and_leave_the_files_that_rpm_does() {
    let hosts = [bare_host("8.2.1")];
    let subject = Subject {
        image: &SECOND.image,
        previous: Some(&FIRST.image),
        xscontainer: false,
        hosts: &hosts,
        scenarios: &[],
    };
    let rehearsal = rehearse(subject, &lab::packs::Unwatched).unwrap();
    let host = &rehearsal.hosts[0];
    let twins = Twins::new();
    let before = twins.real.files();
    apply_by_dnf(&twins, &FIRST, "install");
    real_trace(&twins);
    apply_by_dnf(&twins, &SECOND, "upgrade");
    assert_eq!(trace_of(scenario(host, "upgrade")), real_trace(&twins), "upgrade");
    succeed(twins.real.rpm().arg("-e").args(ALL));
    let mut left = twins.real.files();
    left.retain(|path| !before.contains(path) && !path.ends_with("/RPM-GPG-KEY-xscontainer"));
    // Of packs of others, folders that no package owns are let pass.
    left.retain(|path| !twins.real.path().join(path).is_dir());
    assert_eq!(left_of(&rehearsal), left, "left by the removal");
    assert_eq!(trace_of(scenario(host, "remove")), real_trace(&twins), "remove");
    let twins = Twins::new();
    apply_by_dnf(&twins, &SECOND, "install");
    assert_eq!(trace_of(scenario(host, "install")), real_trace(&twins), "install");
    let results: Vec<&str> = host.scenarios.iter().map(|played| played.result).collect();
    assert_eq!(results, ["done", "FAILED", "done", "done", "done"], "only the removal leaves things");
}

#[test]
fn a_pack_its_upgrade_and_its_removal_leave_the_same_files() {
    let mut twins = Twins::new();
    for (made, verb) in [(&*FIRST, "install"), (&*SECOND, "upgrade")] {
        apply_by_dnf(&twins, made, verb);
        twins.rehearsed.apply(&made.image).unwrap().unwrap();
        twins.agree();
        twins.write("/etc/lab/agent", "by the administrator\n");
    }
    assert!(twins.erase(&ALL));
    // `/opt/data` is of no package, and rpm leaves such folders.
    assert_eq!(twins.paths(), ["/etc/lab", "/etc/lab/agent.rpmnew", "/etc/lab/agent.rpmsave", "/opt", "/opt/data"]);
}

/// Both refuse a pack, dnf when it is asked for these; what dnf says, and XAPI's error.
fn refused(twins: &mut Twins, made: &Made, asked: &[&str]) -> (String, XapiError) {
    let repository = Repository::serve(&made.pack.tree);
    twins.real.trust(&made.pack.key);
    let (last, before) = asked.split_last().unwrap();
    for name in before {
        twins.real.dnf(&repository, &["install", name]).succeed();
    }
    let said = twins.real.dnf(&repository, &["install", last]).fail();
    let error = twins.rehearsed.apply(&made.image).unwrap().unwrap_err();
    twins.agree();
    (said, error)
}

const CONTROL: &str = "control-hello-agent";

/// A pack whose control package says one more thing.
fn with_control(line: &str) -> Made {
    let mut recipe = recipe("1.0", "3f0b6a52-8d4e-4c1b-9a77-5be2f1c0d343");
    let control = recipe.package(Role::Control);
    control.spec = control.spec.replace("Requires: /bin/sh\n", &format!("Requires: /bin/sh\n{line}\n"));
    make(&recipe)
}

#[test]
fn a_host_that_is_too_old_names_the_version() {
    let (said, error) = refused(&mut Twins::of_release("8.1.0"), &FIRST, &[CONTROL]);
    let required = "product-version >= 8.2.0";
    assert!(
        said.contains(&format!("nothing provides {required} needed by control-hello-agent-1.0-1.noarch")),
        "{said}"
    );
    assert_eq!(error.code(), "UPDATE_PRECHECK_FAILED_WRONG_SERVER_VERSION");
    assert_eq!(error.params(), ["hello-agent", "product-version = 8.1.0", required]);
}

#[test]
fn a_host_that_lacks_something_names_it() {
    let made = with_control("Requires: storage-magic >= 3");
    let (said, error) = refused(&mut Twins::new(), &made, &[CONTROL]);
    assert!(said.contains("nothing provides storage-magic >= 3 needed by control-hello-agent"), "{said}");
    assert_eq!(error.code(), "UPDATE_PRECHECK_FAILED_PREREQUISITE_MISSING");
    assert_eq!(error.params(), ["hello-agent", "storage-magic >= 3"]);
}

#[test]
fn a_host_that_has_what_the_pack_conflicts_with_names_it() {
    let made = with_control("Conflicts: xcp-ng-release < 9");
    let (said, error) = refused(&mut Twins::new(), &made, &[CONTROL]);
    assert!(said.contains("conflicts with xcp-ng-release < 9"), "{said}");
    assert_eq!(error.code(), "UPDATE_PRECHECK_FAILED_CONFLICT_PRESENT");
    assert_eq!(error.params(), ["hello-agent", "xcp-ng-release < 9"]);
}

#[test]
fn a_file_of_the_host_is_named_in_rpms_words() {
    let mut recipe = recipe("1.0", "3f0b6a52-8d4e-4c1b-9a77-5be2f1c0d344");
    let payload = recipe.package(Role::Payload);
    payload.spec = payload.spec.replace("/etc/lab/agent", "/etc/xcp-ng-release");
    let mut twins = Twins::new();
    let (said, error) = refused(&mut twins, &make(&recipe), &[CONTROL, "@update"]);
    let conflict = said.lines().find(|line| line.contains(" conflicts with file from package ")).unwrap().trim();
    assert_eq!(error.code(), "UPDATE_APPLY_FAILED");
    assert!(error.params()[0].contains(conflict), "{conflict}\n{error}");
}

#[test]
fn a_control_package_whose_pre_fails_says_so_in_the_precheck() {
    let failing = |script: &str| {
        let mut recipe = recipe("1.0", "3f0b6a52-8d4e-4c1b-9a77-5be2f1c0d345");
        let control = recipe.package(Role::Control);
        control.spec = control.spec.replace("%pre\n", &format!("%pre\n{script}\n"));
        refused(&mut Twins::new(), &make(&recipe), &[CONTROL])
    };
    let (said, error) = failing("echo not today; exit 1");
    assert!(said.contains("not today") && said.contains("scriptlet failed, exit status 1"), "{said}");
    assert_eq!(error.code(), "UPDATE_PRECHECK_FAILED_UNKNOWN_ERROR");
    assert!(error.params()[1].contains("not today"), "{error}");
    // What XAPI reads out of the text (xen-api, `scripts/extensions/pool_update.precheck`).
    let xml = "<error errorcode=\"UPDATE_PRECHECK_FAILED_WRONG_SERVER_VERSION\"><found>8</found><required>9</required></error>";
    let (_, error) = failing(&format!("echo '{xml}'; exit 1"));
    assert_eq!(error.params(), ["hello-agent", "8", "9"]);
}
