//! What yum does with packs: the rules that were found by running it.

mod limits;

use super::*;
use crate::dom0::database::{Installed, Knowledge};
use crate::dom0::plan::Unchecked;
use crate::dom0::xapi_error::{Subject, XapiError, of_apply, of_precheck};

/// `NAME VERSION-RELEASE`, then dependencies such as `requires NAME >= 1`, each after a semicolon.
fn package(text: &str) -> Package {
    let mut clauses = text.split(';').map(str::trim);
    let (name, evr) = clauses.next().and_then(|head| head.split_once(' ')).unwrap();
    let mut package = Package::new(name, evr.parse().unwrap(), "noarch");
    for clause in clauses {
        let (kind, dependency) = clause.split_once(' ').unwrap();
        let dependency = dependency.parse().unwrap();
        match kind {
            "requires" => package.requires.push(dependency),
            "provides" => package.provides.push(dependency),
            "conflicts" => package.conflicts.push(dependency),
            "obsoletes" => package.obsoletes.push(dependency),
            _ => panic!("{clause:?}"),
        }
    }
    package
}

fn release(version: &str) -> Package {
    package(&format!(
        "xcp-ng-release {version}-1; provides product-version = {version}; provides xs-presets = 1.3; provides /bin/sh;
         obsoletes control-xscontainer = 1.0-1"
    ))
}

fn host(version: &str, others: &[&str]) -> Vec<Installed> {
    let mut all = vec![Installed::new(release(version))];
    all.extend(others.iter().map(|text| Installed::new(package(text))));
    all
}

fn complete(installed: Vec<Installed>) -> Database {
    Database::new(installed, Knowledge::All)
}

/// A pack of three packages in one version, as this project builds it.
fn pack_of(version: &str) -> Vec<Package> {
    vec![
        package(&format!("control-xscontainer {version}-1; requires product-version >= 8.2.0; requires /bin/sh")),
        package(&format!(
            "update-xscontainer {version}-1; requires xscontainer >= {version}-1; requires control-xscontainer"
        )),
        package(&format!("xscontainer {version}-1; requires /bin/sh; requires rpmlib(CompressedFileNames) <= 3.0.4-1")),
    ]
}

fn repository(packages: Vec<Package>) -> Repository {
    Repository::new("xscontainer", packages)
}

fn names(plan: &Plan<'_>) -> Vec<String> {
    plan.members.iter().map(|member| member.package.to_string()).collect()
}

fn gone(plan: &Plan<'_>) -> Vec<String> {
    plan.erasures().iter().map(|installed| installed.package.to_string()).collect()
}

const SUBJECT: Subject<'_> = Subject { label: "xscontainer", reference: "OpaqueRef:1" };

fn precheck(database: &Database, repository: &Repository) -> Result<Vec<String>, XapiError> {
    let plan = install(database, repository, &["control-xscontainer"]);
    plan.map(|plan| names(&plan)).map_err(|refusal| of_precheck(SUBJECT, &refusal.to_string()))
}

fn apply<'a>(database: &'a Database, repository: &'a Repository, mode: GroupMode) -> Result<Plan<'a>, XapiError> {
    upgrade_group(database, repository, "update", &["update-xscontainer"], mode)
        .map_err(|refusal| of_apply(&refusal.to_string()))
}

fn wrong_version(found: &str, required: &str) -> XapiError {
    XapiError::WrongServerVersion { label: "xscontainer".into(), found: found.into(), required: required.into() }
}

#[test]
fn a_fresh_host_takes_control_at_precheck_and_the_rest_when_applied() {
    for (version, mode) in [("8.2.0", GroupMode::Objects), ("8.2.1", GroupMode::Objects), ("8.3.0", GroupMode::Compat)]
    {
        let (database, repository) = (complete(host(version, &[])), repository(pack_of("11.0.0")));
        let plan = install(&database, &repository, &["control-xscontainer"]).unwrap();
        assert_eq!(names(&plan), ["control-xscontainer-11.0.0-1.noarch"]);
        assert!(plan.unknown.is_empty());
        let database = database.after(&plan);
        let plan = apply(&database, &repository, mode).unwrap();
        assert_eq!(names(&plan), ["xscontainer-11.0.0-1.noarch", "update-xscontainer-11.0.0-1.noarch"]);
        let database = database.after(&plan);
        assert_eq!(database.get("update-xscontainer").unwrap().group_member.as_deref(), Some("update"));
        assert_eq!(database.get("xscontainer").unwrap().group_member, None);
    }
}

#[test]
fn the_host_installer_takes_both_names_in_one_transaction() {
    let (database, repository) = (complete(host("8.2.1", &[])), repository(pack_of("11.0.0")));
    let plan = install(&database, &repository, &["control-xscontainer", "update-xscontainer"]).unwrap();
    let order = ["control-xscontainer", "xscontainer", "update-xscontainer"];
    assert_eq!(plan.members.iter().map(|member| member.package.name.as_str()).collect::<Vec<_>>(), order);
    assert!(plan.members.iter().all(|member| member.group.is_none()));
}

#[test]
fn a_host_that_is_too_old_refuses_with_both_versions() {
    let (database, repository) = (complete(host("8.1.0", &[])), repository(pack_of("11.0.0")));
    let error = precheck(&database, &repository).unwrap_err();
    assert_eq!(error, wrong_version("product-version = 8.1.0", "product-version >= 8.2.0"));
    assert_eq!(error.code(), "UPDATE_PRECHECK_FAILED_WRONG_SERVER_VERSION");
    assert_eq!(error.params(), ["xscontainer", "product-version = 8.1.0", "product-version >= 8.2.0"]);
}

#[test]
fn a_range_refuses_by_the_bound_that_is_violated() {
    let repository = repository(vec![package(
        "control-xscontainer 2-1; requires product-version >= 8.2.0; requires product-version < 8.3.0",
    )]);
    for version in ["8.2.0", "8.2.1"] {
        assert!(precheck(&complete(host(version, &[])), &repository).is_ok(), "{version}");
    }
    let error = precheck(&complete(host("8.1.0", &[])), &repository).unwrap_err();
    assert_eq!(error, wrong_version("product-version = 8.1.0", "product-version >= 8.2.0"));
    let error = precheck(&complete(host("8.3.0", &[])), &repository).unwrap_err();
    assert_eq!(error, wrong_version("product-version = 8.3.0", "product-version < 8.3.0"));
}

#[test]
fn an_upgrade_follows_the_mark_in_objects_mode_and_does_without_in_compat_mode() {
    let old = ["control-xscontainer 10-1", "update-xscontainer 10-1; requires xscontainer >= 10-1", "xscontainer 10-1"];
    let repository = repository(pack_of("11.0.0"));
    let cases = [
        (Some("update"), GroupMode::Objects, true),
        (None, GroupMode::Objects, false),
        (Some("other"), GroupMode::Objects, false),
        (Some("update"), GroupMode::Compat, true),
        (None, GroupMode::Compat, true),
    ];
    for (mark, mode, upgraded) in cases {
        let mut installed = host("8.2.0", &old);
        for installed in installed.iter_mut().filter(|installed| installed.package.name == "update-xscontainer") {
            installed.group_member = mark.map(str::to_owned);
        }
        let database = complete(installed);
        let plan = apply(&database, &repository, mode).unwrap();
        if upgraded {
            assert_eq!(names(&plan), ["xscontainer-11.0.0-1.noarch", "update-xscontainer-11.0.0-1.noarch"]);
            assert_eq!(gone(&plan), ["update-xscontainer-10-1.noarch", "xscontainer-10-1.noarch"]);
            assert_eq!(plan.upgrades().count(), 2);
            let mark = database.after(&plan).get("update-xscontainer").unwrap().group_member.clone();
            assert_eq!(mark.as_deref(), Some("update"));
        } else {
            assert!(plan.members.is_empty());
            let passed_by = Note::NotOfGroup { package: "update-xscontainer".into(), group: "update".into() };
            assert_eq!(plan.notes, [passed_by]);
        }
    }
}

#[test]
fn the_same_or_an_older_version_is_a_success_that_does_nothing() {
    let repository = repository(pack_of("11.0.0"));
    for installed in ["11.0.0", "11.0.1"] {
        let others: Vec<Installed> = pack_of(installed).into_iter().map(Installed::new).collect();
        let database = complete(host("8.2.1", &[]).into_iter().chain(others).collect());
        assert_eq!(precheck(&database, &repository), Ok(Vec::new()));
        for mode in [GroupMode::Objects, GroupMode::Compat] {
            assert!(apply(&database, &repository, mode).unwrap().members.is_empty());
        }
    }
}

#[test]
fn an_exact_pin_on_control_makes_the_next_precheck_install_everything() {
    let pinned = |version: &str| {
        let mut pack = pack_of(version);
        let requires = &mut pack[1].requires[1];
        *requires = format!("control-xscontainer = {version}-1").parse().unwrap();
        pack
    };
    let others = pinned("10.0.0").into_iter().map(Installed::new);
    let database = complete(host("8.2.0", &[]).into_iter().chain(others).collect());
    let repository = repository(pinned("11.0.0"));
    assert_eq!(
        precheck(&database, &repository).unwrap(),
        ["control-xscontainer-11.0.0-1.noarch", "xscontainer-11.0.0-1.noarch", "update-xscontainer-11.0.0-1.noarch"]
    );
}

#[test]
fn without_the_pin_the_precheck_upgrades_control_alone() {
    let others = pack_of("10.0.0").into_iter().map(Installed::new);
    let database = complete(host("8.2.0", &[]).into_iter().chain(others).collect());
    let repository = repository(pack_of("11.0.0"));
    assert_eq!(precheck(&database, &repository).unwrap(), ["control-xscontainer-11.0.0-1.noarch"]);
}

#[test]
fn a_control_package_that_the_release_obsoletes_vanishes_and_the_pack_is_refused_late() {
    let repository = repository(vec![
        package("control-xscontainer 1.0-1; requires product-version >= 8.2.0"),
        package("update-xscontainer 1.0-1; requires xscontainer >= 11-1; requires control-xscontainer"),
        package("xscontainer 11-1"),
    ]);
    let database = complete(host("8.2.0", &[]));
    let plan = install(&database, &repository, &["control-xscontainer"]).unwrap();
    assert!(plan.members.is_empty());
    assert!(matches!(&plan.notes[..], [Note::Obsoleted { by, .. }] if by == "xcp-ng-release-8.2.0-1.noarch"));
    let Err(XapiError::ApplyFailed { text }) = apply(&database, &repository, GroupMode::Objects) else {
        panic!("applied");
    };
    assert!(text.contains("Requires: control-xscontainer"), "{text}");
}

#[test]
fn an_agent_older_than_the_original_leaves_the_original_or_is_refused() {
    for (operator, refused) in [(">=", false), ("=", true)] {
        let mut pack = pack_of("2.0");
        pack[1].requires[0] = format!("xscontainer {operator} 2.0-1").parse().unwrap();
        let database = complete(host("8.2.0", &["xscontainer 10.0.4-1"]));
        let repository = repository(pack);
        match (apply(&database, &repository, GroupMode::Objects), refused) {
            (Ok(plan), false) => {
                assert_eq!(names(&plan), ["control-xscontainer-2.0-1.noarch", "update-xscontainer-2.0-1.noarch"]);
                assert_eq!(database.after(&plan).get("xscontainer").unwrap().package.evr.to_string(), "10.0.4-1");
            }
            (Err(XapiError::ApplyFailed { text }), true) => assert!(text.contains("Requires: xscontainer = 2.0-1")),
            (other, _) => panic!("{operator}: {other:?}"),
        }
    }
}

#[test]
fn an_agent_of_another_name_takes_the_originals_place() {
    let database = complete(host("8.2.0", &["xscontainer 10.0.4-1"]));
    let repository = repository(vec![
        package("update-xscontainer 2-1; requires agent"),
        package("agent 2-1; obsoletes xscontainer < 11; provides xscontainer = 11"),
    ]);
    let plan = apply(&database, &repository, GroupMode::Objects).unwrap();
    assert_eq!(names(&plan), ["agent-2-1.noarch", "update-xscontainer-2-1.noarch"]);
    let replaced: Vec<_> = plan.obsoletes().map(|(old, new)| (old.package.name.as_str(), new.name.as_str())).collect();
    assert_eq!(replaced, [("xscontainer", "agent")]);
}

#[test]
fn what_nobody_provides_is_a_missing_prerequisite() {
    let repository = repository(vec![package(
        "control-xscontainer 2-1; requires nosuchcap >= 5; requires other; requires product-version >= 8.2.0",
    )]);
    let error = precheck(&complete(host("8.2.0", &[])), &repository).unwrap_err();
    assert_eq!(error.code(), "UPDATE_PRECHECK_FAILED_PREREQUISITE_MISSING");
    assert_eq!(error.params(), ["xscontainer", "nosuchcap >= 5 other"]);
}

#[test]
fn a_wrong_version_and_a_missing_package_at_once_are_garbled_as_xapi_garbles_them() {
    let repository =
        repository(vec![package("control-xscontainer 2-1; requires product-version = 8.2.0; requires nosuch")]);
    let error = precheck(&complete(host("8.1.0", &[])), &repository).unwrap_err();
    assert_eq!(error, wrong_version("Requires: nosuch", "product-version = 8.2.0"));
    let mut installed = host("8.3.0", &[]);
    installed[0].package.provides.push("platform-version = 3.3.0".parse().unwrap());
    let repository = Repository::new(
        "x",
        [package("control-xscontainer 2-1; requires product-version = 8.2.0; requires platform-version = 3.2.0")],
    );
    let error = precheck(&complete(installed), &repository).unwrap_err();
    assert_eq!(error, wrong_version("platform-version = 3.3.0", "product-version = 8.2.0"));
}

#[test]
fn a_conflict_with_something_installed_is_named() {
    let repository = repository(vec![package("control-xscontainer 2-1; conflicts xs-presets")]);
    let error = precheck(&complete(host("8.2.0", &[])), &repository).unwrap_err();
    assert_eq!(error.code(), "UPDATE_PRECHECK_FAILED_CONFLICT_PRESENT");
    assert_eq!(error.params(), ["xscontainer", "xs-presets"]);
}

#[test]
fn a_conflict_that_an_upgrade_ends_is_none() {
    let database = complete(host("8.2.0", &["tool 1-1; conflicts control-xscontainer"]));
    let repository = repository(vec![package("control-xscontainer 2-1"), package("tool 2-1")]);
    assert_eq!(precheck(&database, &repository).unwrap(), ["control-xscontainer-2-1.noarch", "tool-2-1.noarch"]);
}

#[test]
fn requirements_are_met_over_several_levels_by_the_newest_version() {
    let repository = repository(vec![
        package("update-xscontainer 2-1; requires a"),
        package("a 1-1; requires nobody"),
        package("a 2-1; requires cap >= 2"),
        package("b 1-1; provides cap = 1"),
        package("b 3-1; provides cap = 3; requires c = 1"),
        package("c 1-1"),
    ]);
    let database = complete(host("8.2.0", &["b 1-1; provides cap = 1"]));
    let plan = apply(&database, &repository, GroupMode::Objects).unwrap();
    assert_eq!(names(&plan), ["c-1-1.noarch", "b-3-1.noarch", "a-2-1.noarch", "update-xscontainer-2-1.noarch"]);
    assert_eq!(gone(&plan), ["b-1-1.noarch"]);
}

#[test]
fn an_upgrade_that_breaks_what_is_installed_is_refused() {
    let database = complete(host("8.2.0", &["lib 1-1; provides abi = 1", "user 1-1; requires abi = 1"]));
    let repository = repository(vec![package("lib 2-1; provides abi = 2")]);
    let refusal = install(&database, &repository, &["lib"]).unwrap_err();
    let expected = "Error: Package: user-1-1.noarch (installed)\n    Requires: abi = 1\n    \
                    Removing: lib-1-1.noarch (installed)\n        abi = 1\n    \
                    Updated By: lib-2-1.noarch (xscontainer)\n        abi = 2\n \
                    You could try using --skip-broken to work around the problem\n \
                    You could try running: rpm -Va --nofiles --nodigest\n";
    assert_eq!(refusal.to_string(), expected);
}

#[test]
fn a_product_update_is_refused_while_an_exact_pin_is_installed() {
    let repository = Repository::new("updates", [release("8.2.1")]);
    for (bound, refused) in [("= 8.2.0", true), (">= 8.2.0", false)] {
        let control = format!("control-other 2-1; requires product-version {bound}");
        let database = complete(host("8.2.0", &[&control]));
        assert_eq!(install(&database, &repository, &["xcp-ng-release"]).is_err(), refused, "{bound}");
    }
}

#[test]
fn features_that_the_hosts_rpm_lacks_are_found_after_the_solving() {
    let repository = repository(vec![package("control-xscontainer 2-1; requires rpmlib(PayloadIsZstd) <= 5.4.18-1")]);
    let error = precheck(&complete(host("8.2.0", &[])), &repository).unwrap_err();
    assert_eq!(error.code(), "UPDATE_PRECHECK_FAILED_UNKNOWN_ERROR");
    assert!(
        error.params()[1].contains("rpmlib(PayloadIsZstd) <= 5.4.18-1 is needed by control-xscontainer-2-1.noarch")
    );
}

#[test]
fn a_name_that_nobody_has_is_an_error_for_install_and_none_for_a_group() {
    let (database, repository) = (complete(host("8.2.0", &[])), repository(Vec::new()));
    let error = precheck(&database, &repository).unwrap_err();
    assert_eq!(error.params(), ["xscontainer", "Nothing to do\n"]);
    assert!(apply(&database, &repository, GroupMode::Compat).unwrap().members.is_empty());
}

#[test]
fn a_host_that_is_partly_known_leaves_open_what_it_does_not_know() {
    let database = Database::new(host("8.2.0", &[]), Knowledge::Some);
    let repository = repository(vec![
        package("control-xscontainer 2-1; requires python-paramiko; requires product-version >= 8.2.0; conflicts foo"),
        package("update-xscontainer 2-1; requires xs-presets >= 1.4"),
    ]);
    let plan = install(&database, &repository, &["control-xscontainer"]).unwrap();
    let package = "control-xscontainer-2-1.noarch".to_owned();
    let requirement = "python-paramiko".parse().unwrap();
    assert_eq!(
        plan.unknown,
        [
            Unchecked::Requirement { package: package.clone(), requirement },
            Unchecked::Conflict { package, conflict: "foo".parse().unwrap() },
        ]
    );
    // Another version of something that is known is a definite no all the same.
    assert!(apply(&database, &repository, GroupMode::Objects).is_err());
}
