//! Small worlds at random, of a kind in which yum and dnf agree: every capability has packages of one name as providers, and
//! each name one version in the repository, so that there is never a choice that one of them would take back. What is
//! obsoleted is not available itself: dnf's `upgrade` takes the successor then, yum's `install` the newer version.

use fastrand::Rng;
use pack::dom0::package::Package;

use crate::world::{World, name_of, read};

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// The world of a seed.
pub(crate) fn world(seed: u64) -> World {
    let mut rng = Rng::with_seed(seed);
    let offered: Vec<&str> = NAMES.into_iter().filter(|_| rng.u8(..10) < 8).collect();
    let available: Vec<String> = offered
        .iter()
        .map(|name| {
            let version = rng.u8(2..4);
            let mut text = package(&mut rng, name, version);
            if let Some(old) = NAMES.into_iter().find(|old| !offered.contains(old)).filter(|_| rng.u8(..4) == 0) {
                text.push_str(&format!("; obsoletes {old} < {}", rng.u8(1..3)));
            }
            text
        })
        .collect();
    let installed: Vec<&str> = NAMES.into_iter().filter(|_| rng.bool()).collect();
    let installed = installed.into_iter().map(|name| package(&mut rng, name, 1)).collect();
    let name = name_of(rng.choice(&available).expect("some names are available")).to_owned();
    World { installed: consistent(installed), available, name }
}

fn package(rng: &mut Rng, name: &str, version: u8) -> String {
    let mut text = format!("{name} {version}-1; provides cap-{name} = {version}");
    let others: Vec<&str> = NAMES.into_iter().filter(|other| *other != name).collect();
    for _ in 0..rng.u8(..3) {
        let prefix = if rng.bool() { "cap-" } else { "" };
        let bound = ["", "", " >= 1", " >= 2", " = 1", " = 2", " < 3"][rng.usize(..7)];
        text.push_str(&format!("; requires {prefix}{}{bound}", others[rng.usize(..others.len())]));
    }
    let other = others[rng.usize(..others.len())];
    match rng.u8(..12) {
        0 => text.push_str(&format!("; conflicts {other} < {}", rng.u8(2..4))),
        1 => text.push_str(&format!("; conflicts {other}")),
        2 | 3 => text.push_str(&format!("; file /opt/shared {}", rng.u8(..2))),
        _ => {}
    }
    text
}

/// Leaves out what a real host could not have.
fn consistent(mut texts: Vec<String>) -> Vec<String> {
    loop {
        let packages: Vec<Package> = texts.iter().map(|text| read(text)).collect();
        let fits = |at: usize| {
            let package = &packages[at];
            let mut others = packages.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, other)| other);
            let met = package.requires.iter().all(|wanted| {
                wanted.name.starts_with("rpmlib(") || packages.iter().any(|provider| provider.meets(wanted))
            });
            met && others.all(|other| {
                !package.conflicts.iter().any(|conflict| other.meets(conflict))
                    && (package.files.is_empty() || other.files.is_empty())
            })
        };
        let Some(misfit) = (0..packages.len()).find(|at| !fits(*at)) else { return texts };
        texts.remove(misfit);
    }
}
