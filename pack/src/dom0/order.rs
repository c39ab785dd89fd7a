//! The order in which a transaction of rpm works: what is required before what requires it.
//!
//! Knows nothing of hosts and packs.

use std::collections::BTreeSet;

use super::package::Package;
use super::package_set::PackageSet;

/// Packages in the order in which they are installed: each after what it requires. Of those that could be next, the first
/// by name; where packages require each other in a circle, the first by name goes first.
pub fn providers_first<P: AsRef<Package>>(packages: Vec<P>) -> Vec<P> {
    let mut packages = packages;
    packages.sort_by(|a, b| {
        let (a, b) = (a.as_ref(), b.as_ref());
        a.name.cmp(&b.name).then_with(|| a.evr.compare(&b.evr))
    });
    let set: PackageSet<&Package> = packages.iter().map(AsRef::as_ref).collect();
    let count = packages.len();
    let (mut waits_for, mut waited_for) = (vec![0_usize; count], vec![Vec::new(); count]);
    for (at, package) in set.iter() {
        let providers: BTreeSet<usize> =
            package.requires.iter().flat_map(|wanted| set.providers(wanted)).filter(|found| *found != at).collect();
        waits_for[at] = providers.len();
        for provider in providers {
            waited_for[provider].push(at);
        }
    }
    let (mut ready, mut waiting): (BTreeSet<usize>, BTreeSet<usize>) = (0..count).partition(|at| waits_for[*at] == 0);
    let mut sequence = Vec::with_capacity(count);
    while let Some(next) = ready.pop_first().or_else(|| waiting.pop_first()) {
        sequence.push(next);
        for requirer in &waited_for[next] {
            waits_for[*requirer] -= 1;
            if waits_for[*requirer] == 0 && waiting.remove(requirer) {
                ready.insert(*requirer);
            }
        }
    }
    let mut packages: Vec<Option<P>> = packages.into_iter().map(Some).collect();
    sequence.into_iter().filter_map(|at| packages[at].take()).collect()
}

/// Packages in the order in which they are erased: each before what it requires.
pub fn requirers_first<P: AsRef<Package>>(packages: Vec<P>) -> Vec<P> {
    let mut packages = providers_first(packages);
    packages.reverse();
    packages
}
