//! The order in which packages are installed: what a package requires comes before it.
//!
//! Packages without an order between them stay in the order that they were given in.

use std::collections::{BTreeMap, BTreeSet};

use crate::rpm::package::Package;

/// An order of packages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ordered {
    /// Places in the list that was given.
    pub order: Vec<usize>,
    /// Packages that require each other, so that none of them can come first. Hosts install them in one step.
    pub cycles: Vec<Vec<usize>>,
}

/// Orders packages.
pub fn order(packages: &[Package]) -> Ordered {
    let needs = needs(packages);
    let mut ordered = Ordered::default();
    let mut left: BTreeSet<usize> = (0..packages.len()).collect();
    let mut open: Vec<usize> = needs.iter().map(BTreeSet::len).collect();
    let mut wanted_by: Vec<Vec<usize>> = vec![Vec::new(); packages.len()];
    for (index, needed) in needs.iter().enumerate() {
        needed.iter().for_each(|needed| wanted_by[*needed].push(index));
    }
    let mut ready: BTreeSet<usize> = left.iter().copied().filter(|index| open[*index] == 0).collect();
    while !left.is_empty() {
        let next: Vec<usize> = match ready.pop_first() {
            Some(index) => vec![index],
            // Every package that is left needs another one that is left: some form a circle that needs no other.
            None => {
                let circle = circle(&needs, &left);
                ordered.cycles.push(circle.clone());
                circle
            }
        };
        for index in &next {
            left.remove(index);
            ready.remove(index);
        }
        for index in next {
            ordered.order.push(index);
            for wanting in &wanted_by[index] {
                open[*wanting] = open[*wanting].saturating_sub(1);
                if open[*wanting] == 0 && left.contains(wanting) {
                    ready.insert(*wanting);
                }
            }
        }
    }
    ordered
}

/// For every package the others that it requires and that only these packages offer.
pub(crate) fn needs(packages: &[Package]) -> Vec<BTreeSet<usize>> {
    let mut offering: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for (index, package) in packages.iter().enumerate() {
        let names = package.provides.iter().map(|provided| provided.name.as_str());
        let paths = package.files.iter().map(|file| file.path.as_str());
        names.chain(paths).for_each(|name| _ = offering.entry(name).or_default().insert(index));
    }
    let of = |(index, package): (usize, &Package)| {
        let mut needed = BTreeSet::new();
        for wanted in package.requires.iter().filter(|wanted| !wanted.name.starts_with("rpmlib(")) {
            // What it offers itself orders nothing.
            if package.meets(wanted) {
                continue;
            }
            let others = offering.get(wanted.name.as_str()).into_iter().flatten().copied();
            needed.extend(others.filter(|other| *other != index && packages[*other].meets(wanted)));
        }
        needed
    };
    packages.iter().enumerate().map(of).collect()
}

/// Packages that all need each other, and no other that is left. There are such if every one needs another one.
fn circle(needs: &[BTreeSet<usize>], left: &BTreeSet<usize>) -> Vec<usize> {
    let reached = |from: usize| -> BTreeSet<usize> {
        let mut seen = BTreeSet::new();
        let mut next = vec![from];
        while let Some(index) = next.pop() {
            next.extend(needs[index].iter().filter(|needed| left.contains(needed) && seen.insert(**needed)));
        }
        seen
    };
    // Walk on to what reaches ever less: that ends in a circle.
    let mut current = left.first().copied().expect("something is left");
    let mut reach = reached(current);
    while let Some(smaller) = reach.iter().copied().find(|index| !reached(*index).contains(&current)) {
        current = smaller;
        reach = reached(current);
    }
    reach.insert(current);
    reach.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, requires: &[&str]) -> Package {
        let mut package = Package::new(name, "1-1".parse().unwrap(), "noarch");
        package.requires = requires.iter().map(|text| text.parse().unwrap()).collect();
        package
    }

    fn names(packages: &[Package]) -> (Vec<&str>, Vec<Vec<&str>>) {
        let name = |index: &usize| packages[*index].name.as_str();
        let ordered = order(packages);
        let cycles = ordered.cycles.iter().map(|cycle| cycle.iter().map(name).collect()).collect();
        (ordered.order.iter().map(name).collect(), cycles)
    }

    #[test]
    fn what_is_required_comes_first_and_the_rest_stays() {
        let packages = [
            package("app", &["lib >= 1", "/bin/sh", "rpmlib(FileDigests) <= 4.6.0-1"]),
            package("zeta", &[]),
            package("base", &["base"]),
            package("lib", &["base"]),
        ];
        assert_eq!(names(&packages).0, ["zeta", "base", "lib", "app"]);
        assert!(names(&packages).1.is_empty());
    }

    #[test]
    fn a_version_that_does_not_meet_the_requirement_orders_nothing() {
        let packages = [package("app", &["lib >= 2"]), package("lib", &[])];
        assert_eq!(names(&packages).0, ["app", "lib"]);
    }

    #[test]
    fn packages_that_require_each_other_are_told_and_come_together() {
        let packages = [
            package("top", &["one"]),
            package("one", &["two"]),
            package("two", &["one", "low"]),
            package("self", &["low"]),
            package("low", &[]),
        ];
        let (order, cycles) = names(&packages);
        assert_eq!(order, ["low", "self", "one", "two", "top"]);
        assert_eq!(cycles, [["one", "two"]]);
    }
}
