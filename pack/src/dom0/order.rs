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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Packages by the letters of the names of what they require, as in `a:bc`.
    fn order(packages: &[&str]) -> String {
        let packages = packages.iter().map(|text| {
            let (name, requires) = text.split_once(':').unwrap();
            let requires = requires.chars().map(|name| name.to_string().parse().unwrap()).collect();
            Package { requires, ..Package::new(name, "1".parse().unwrap(), "noarch") }
        });
        providers_first(packages.collect()).into_iter().map(|package| package.name).collect()
    }

    #[test]
    fn what_is_required_comes_first_and_names_decide_the_rest() {
        assert_eq!(order(&["a:b", "b:c", "c:"]), "cba");
        assert_eq!(order(&["c:", "b:", "a:"]), "abc");
        assert_eq!(order(&["a:z", "b:", "z:"]), "bza");
        assert_eq!(order(&["a:a", "b:x"]), "ab");
    }

    #[test]
    fn a_circle_is_broken_at_its_first_name() {
        assert_eq!(order(&["a:b", "b:a"]), "ab");
        assert_eq!(order(&["c:b", "b:c", "d:c", "a:"]), "abcd");
    }

    proptest! {
        #[test]
        fn without_a_circle_every_provider_is_before_its_requirers(edges in prop::collection::vec((0_u8..12, 0_u8..12), 0..40)) {
            let letter = |n: u8| char::from(b'a' + n);
            let edges: Vec<(u8, u8)> = edges.into_iter().filter(|(a, b)| a * 5 % 13 < b * 5 % 13).collect();
            let texts: Vec<String> = (0..12).map(|n| {
                let requires: String = edges.iter().filter(|(a, _)| *a == n).map(|(_, b)| letter(*b)).collect();
                format!("{}:{requires}", letter(n))
            }).collect();
            let sequence = order(&texts.iter().map(String::as_str).collect::<Vec<_>>());
            prop_assert_eq!(sequence.len(), 12);
            for (requirer, provider) in edges {
                prop_assert!(sequence.find(letter(provider)) < sequence.find(letter(requirer)), "{sequence}");
            }
        }
    }
}
