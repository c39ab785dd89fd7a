//! `rpm -e`: refused if another package needs one of them, else done with their scriptlets.

use super::database::EraseRefused;
use super::host::Host;
use super::package::Package;
use super::transaction::{self, Erasure};

/// Erases packages by name.
///
/// # Errors
/// What rpm says when it refuses or a scriptlet stops it, or why the host's folder cannot be changed.
pub(super) fn erase(host: &mut Host, names: &[String], nodeps: bool) -> Result<(), String> {
    let database = host.database();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let packages: Vec<Package> = match database.erase(&names) {
        Ok(erasure) => erasure.packages.iter().map(|installed| installed.package.clone()).collect(),
        Err(EraseRefused::Needed(_)) if nodeps => {
            database.installed().map(|i| &i.package).filter(|p| names.contains(&p.name.as_str())).cloned().collect()
        }
        Err(refused) => return Err(format!("error: {refused}")),
    };
    let erasures: Vec<Erasure> = packages.into_iter().map(|package| Erasure { package, replaced_by: None }).collect();
    let failures = transaction::transact(host, &[], &erasures).map_err(|e| format!("error: {e}"))?;
    match failures.is_empty() {
        true => Ok(()),
        false => Err(failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}
