//! Where yum's simple way ends: circles, choices, other architectures, repositories without end.

use super::*;

#[test]
fn obsoletes_that_go_in_a_circle_and_packages_that_need_each_other_come_to_an_end() {
    let repository = repository(vec![
        package("control-xscontainer 2-1; requires a"),
        package("a 1-1; obsoletes b; requires c"),
        package("b 1-1; obsoletes a"),
        package("c 1-1; requires a"),
    ]);
    let database = complete(host("8.2.0", &[]));
    assert_eq!(
        precheck(&database, &repository).unwrap(),
        ["a-1-1.noarch", "c-1-1.noarch", "control-xscontainer-2-1.noarch"]
    );
}

#[test]
fn packages_for_other_architectures_do_not_count() {
    let mut foreign = package("control-xscontainer 3-1");
    foreign.arch = "aarch64".into();
    let repository = repository(vec![foreign, package("control-xscontainer 2-1")]);
    assert_eq!(precheck(&complete(host("8.2.0", &[])), &repository).unwrap(), ["control-xscontainer-2-1.noarch"]);
}

#[test]
fn yum_never_downgrades_to_meet_a_requirement() {
    let repository = repository(vec![package("control-xscontainer 2-1; requires lib < 3"), package("lib 2-1")]);
    let error = precheck(&complete(host("8.2.0", &["lib 3-1"])), &repository).unwrap_err();
    assert_eq!(error, wrong_version("lib = 2-1", "lib < 3"));
}

#[test]
fn of_several_providers_one_is_taken_and_the_choice_is_final() {
    let packages = |other: &str| {
        vec![package("control-xscontainer 2-1; requires cap"), package("ab 1-1; provides cap"), package(other)]
    };
    for (other, taken) in [
        ("a 1-1; provides cap", "a-1-1.noarch"),
        ("abc 1-1; provides cap", "ab-1-1.noarch"),
        ("a 1-1; provides cap; requires nosuch", "ab-1-1.noarch"),
        ("control-cap 1-1; provides cap", "control-cap-1-1.noarch"),
    ] {
        let (database, repository) = (complete(host("8.2.0", &[])), repository(packages(other)));
        assert_eq!(precheck(&database, &repository).unwrap()[0], taken, "{other}");
    }
    let repository = repository(packages("control-cap 1-1; provides cap; requires nosuch"));
    assert!(precheck(&complete(host("8.2.0", &[])), &repository).is_err());
}

#[test]
fn a_repository_made_to_take_for_ever_is_given_up() {
    let text = |n: usize| {
        let others: String = (0..60).map(|m| format!("; requires cap = {m}; obsoletes p{m} = 9")).collect();
        format!("p{n} 1-1; provides cap = {n}{others}")
    };
    let mut packages: Vec<Package> = (0..2000).map(|n| package(&text(n))).collect();
    packages.push(package("control-xscontainer 2-1; requires cap"));
    let (database, repository) = (complete(host("8.2.0", &[])), repository(packages));
    let refusal = install(&database, &repository, &["control-xscontainer"]).unwrap_err();
    assert_eq!(refusal, Refusal::Endless);
}
