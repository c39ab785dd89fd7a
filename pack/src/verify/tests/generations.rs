//! What a pack is held to: the generations that it claims, or those that were asked for.

use ::rpm::{Dependency, PackageBuilder, Scriptlet};

use super::broken::{control_with, package, store};
use super::plan::*;
use super::*;
use crate::generation::Generation;
use crate::verify::generations::{Basis, Says};

/// A pack's verification for some generations; for those that it claims if there are none.
fn verified(change: fn(&mut Plan), asked: &[&str]) -> Verification {
    let mut plan = Plan::default();
    change(&mut plan);
    plan.generations = asked.iter().map(|name| Generation::find(name).unwrap()).collect();
    plan.verify()
}

fn failed(verification: &Verification) -> Vec<&'static str> {
    failures(verification).into_iter().map(|(check, _)| check).collect()
}

fn says<'v>(verification: &'v Verification, name: &str) -> &'v Says {
    &verification.answers.iter().find(|answer| answer.name == name).unwrap().says
}

fn names(verification: &Verification) -> Vec<&str> {
    verification.answers.iter().map(|answer| answer.name.as_str()).collect()
}

/// A control package with another requirement.
fn requiring(plan: &mut Plan, dependency: Dependency) {
    plan.control = builder("control-xscontainer", VERSION, "noarch");
    plan.control.requires(dependency);
}

fn rich(plan: &mut Plan) {
    plan.payload[0].requires(Dependency::any("(a or b)"));
}

#[test]
fn a_pack_is_held_to_the_generations_that_meet_what_it_requires() {
    let verification = verified(|_| {}, &[]);
    assert_eq!(verification.basis, Basis::Claimed);
    assert_eq!(names(&verification), ["8.2.0", "8.2.1", "8.3.0", "8.4.0", "9"]);
    for (requirement, expected) in [
        (Dependency::eq("platform-version", "3.2.1"), &["8.2.1"][..]),
        (Dependency::less("product-version", "7.3.0"), &["7.1", "7.2"]),
    ] {
        let mut plan = Plan::default();
        requiring(&mut plan, requirement);
        assert_eq!(names(&plan.verify()), expected);
    }
}

#[test]
fn a_pack_that_requires_nothing_of_the_host_is_held_to_all_that_take_its_format() {
    for requirement in [Dependency::any("/bin/sh"), Dependency::eq("product-version", "12.1")] {
        let mut plan = Plan::default();
        requiring(&mut plan, requirement);
        let verification = plan.verify();
        assert_eq!((verification.basis, names(&verification)[0]), (Basis::All, "7.1"));
        assert_eq!(verification.answers.len(), Generation::all().len() - 2);
    }
}

/// A pack for new hosts only is not failed for what only older ones cannot read.
#[test]
fn each_generation_is_asked_by_its_own_limits() {
    for (host, check, change) in [
        ("9", "rpm-features", rich as fn(&mut Plan)),
        ("9", "rpm-archive-size", |p| p.package = package(PAYLOAD, |bytes| hide_signature_tag(bytes, 1007))),
        ("9", "rpm-interpreters", |p| {
            p.payload[0].post_install_script(Scriptlet::new("pass").prog(vec!["/usr/bin/python3"]));
        }),
        ("9", "xapi-precheck", |p| p.control = control_with("precheck", "#!/usr/bin/python3\n", 0o755)),
        ("9", "yum-compression", |p| p.stored = store("filelists.xml.gz", b"\x28\xb5\x2f\xfdrest")),
        ("8.3.0", "rpm-interpreters", |p| {
            p.payload[0].post_install_script(Scriptlet::new("1").prog(vec!["/usr/bin/perl"]));
        }),
    ] {
        let good = verified(change, &[host]);
        assert_eq!((failed(&good), good.basis), (vec![], Basis::Asked), "{check}");
        assert_eq!(says(&good, host), &Says::Taken, "{check}");
        let other = if host == "9" { "8.2.1" } else { "9" };
        let bad = verified(change, &[other]);
        match other {
            "8.2.1" => {
                assert_eq!(failed(&bad), [check]);
                let Says::Refused(reasons) = says(&bad, other) else { panic!("{check}: {:?}", bad.answers) };
                assert!(reasons.iter().any(|reason| reason.contains(check)), "{reasons:?}");
            }
            // Whether it has perl is not known.
            _ => assert!(matches!(says(&bad, other), Says::NotKnown(_)), "{:?}", bad.answers),
        }
    }
}

#[test]
fn one_generation_may_refuse_what_another_takes() {
    let verification = verified(rich, &["8.3.0", "9"]);
    assert_eq!(failed(&verification), ["rpm-features"]);
    let Says::Refused(reasons) = says(&verification, "8.3.0") else { panic!("{:?}", verification.answers) };
    assert!(reasons[0].contains("rich dependency") && reasons[0].contains("8.3.0"), "{reasons:?}");
    assert_eq!(says(&verification, "9"), &Says::Taken);
}

#[test]
fn a_host_that_the_pack_is_not_for_refuses_it() {
    let verification = verified(|_| {}, &["7.0", "8.1.0", "8.2.0"]);
    assert_eq!(failed(&verification), ["dom0-generations"]);
    let Says::Refused(reasons) = says(&verification, "7.0") else { panic!() };
    assert!(reasons[0].contains("older format"), "{reasons:?}");
    let Says::Refused(reasons) = says(&verification, "8.1.0") else { panic!() };
    assert!(reasons[0].contains("product-version >= 8.2.0 is required, and 8.1.0 has"), "{reasons:?}");
    assert_eq!(says(&verification, "8.2.0"), &Says::Taken);
}

#[test]
fn what_any_host_would_stumble_over_leaves_the_answer_open() {
    let verification = verified(|p| p.document = p.document.replace("control=", "ctl="), &["8.2.1"]);
    assert_eq!(failed(&verification), ["xapi-control"]);
    assert!(matches!(says(&verification, "8.2.1"), Says::NotKnown(_)), "{:?}", verification.answers);
}

#[test]
fn an_image_that_cannot_be_read_has_no_answers() {
    let verification = Plan { image: Box::new(|image| image.fill(0)), ..Plan::default() }.verify();
    assert!(verification.answers.is_empty());
}

#[test]
fn the_limits_of_6_5_are_told_too() {
    let mut plan = Plan::default();
    plan.payload.push(PackageBuilder::new("other", "1~rc", "MIT", "noarch", "Another"));
    plan.generations = vec![Generation::find("6.5").unwrap()];
    let verification = plan.verify();
    let Says::Refused(reasons) = says(&verification, "6.5") else { panic!("{:?}", verification.answers) };
    assert!(reasons.iter().any(|reason| reason.contains("rpm 4.4.2.3")), "{reasons:?}");
}
