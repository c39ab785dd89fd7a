//! The scriptlets that an upgrade runs, in their order.
//!
//! Two transactions: XAPI's precheck brings the control package, `apply` the rest (xen-api,
//! `scripts/extensions/pool_update.precheck`, `pool_update.apply`). Within one: rpm 4.11 `lib/transaction.c`, `lib/psm.c`.

use serde::Serialize;

use super::packages::{Fate, PackageChange};
use super::{attribute, package};
use crate::dom0::order::{providers_first, requirers_first};
use crate::inspect::{Inspection, PackageInfo, ScriptletInfo};
use crate::rpm::package::Package;
use crate::rpm::scriptlet::Moment;

/// A scriptlet that runs.
#[derive(Debug, Serialize)]
pub struct Run {
    /// `precheck` or `apply`.
    pub step: &'static str,
    pub package: String,
    #[serde(flatten)]
    pub scriptlet: ScriptletInfo,
    /// Its argument: how many packages of the name there will be then.
    pub argument: usize,
    pub novelty: Novelty,
}

/// Whether a host ran a scriptlet before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Novelty {
    /// The package had none of that kind.
    New,
    /// It had another.
    Changed,
    /// It had the very same.
    Same,
    /// It is of the package that goes.
    Old,
}

pub(super) fn runs(a: &Inspection, b: &Inspection, packages: &[PackageChange]) -> Vec<Run> {
    let is_control = |name: &str| attribute(b, "control") == Some(name);
    let mut runs = Vec::new();
    for step in ["precheck", "apply"] {
        let in_step = |change: &&PackageChange| is_control(&change.name) == (step == "precheck");
        let coming = packages.iter().filter(in_step).filter(|change| change.comes());
        let coming: Vec<&Package> = coming.filter_map(|change| Some(&package(b, &change.name)?.facts)).collect();
        let going =
            packages.iter().filter(in_step).filter(|change| matches!(change.fate, Fate::Upgraded | Fate::Obsoleted(_)));
        let going: Vec<&Package> = going.filter_map(|change| Some(&package(a, &change.name)?.facts)).collect();
        runs.extend(transaction(a, b, step, providers_first(coming), requirers_first(going)));
    }
    runs
}

fn transaction(
    a: &Inspection,
    b: &Inspection,
    step: &'static str,
    coming: Vec<&Package>,
    going: Vec<&Package>,
) -> Vec<Run> {
    // rpm counts no packages for what runs before and after everything else.
    const NOT_COUNTED: usize = 0;
    let mut runs = Vec::new();
    let mut run = |pack: &Inspection, package_facts: &Package, moment: Moment, argument: usize, going: bool| {
        let Some(info) = package(pack, &package_facts.name) else { return };
        let Some(scriptlet) = scriptlet(info, moment) else { return };
        let before = package(a, &info.name).map(|old| self::scriptlet(old, moment));
        let novelty = match before {
            _ if going => Novelty::Old,
            Some(Some(old)) if old == scriptlet => Novelty::Same,
            Some(Some(_)) => Novelty::Changed,
            _ => Novelty::New,
        };
        runs.push(Run { step, package: info.nevra.clone(), scriptlet: scriptlet.clone(), argument, novelty });
    };
    let upgraded = |new: &Package| going.iter().any(|old| old.name == new.name);
    for new in &coming {
        run(b, new, Moment::PreTrans, NOT_COUNTED, false);
    }
    for new in &coming {
        let count = 1 + usize::from(upgraded(new));
        run(b, new, Moment::Pre, count, false);
        run(b, new, Moment::Post, count, false);
    }
    for old in &going {
        let left = usize::from(coming.iter().any(|new| new.name == old.name));
        run(a, old, Moment::PreUn, left, true);
        run(a, old, Moment::PostUn, left, true);
    }
    for new in &coming {
        run(b, new, Moment::PostTrans, NOT_COUNTED, false);
    }
    runs
}

fn scriptlet(package: &PackageInfo, moment: Moment) -> Option<&ScriptletInfo> {
    package.scriptlets.iter().find(|scriptlet| scriptlet.moment == moment.to_string())
}
