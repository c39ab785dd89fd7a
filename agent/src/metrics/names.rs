//! What data sources are called: the same name for the same container, for ever, and nothing that a client takes for a data
//! source of the VM itself.
//!
//! Names are parts of `rrd_updates`' legends, which are cut at colons, and they decide how clients draw them: XenCenter before
//! 2023 looks for `memory` in a name to know that it counts bytes (xenadmin, `CustomDataGraph/DataSet.cs`), and Xen
//! Orchestra takes any that ends in `memory` for the VM's own (xen-orchestra, `xo-server/src/xapi-stats.mjs`). So a
//! container's name stands in the middle. Must not know what is measured when.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// Bytes of a container's name in a data source's.
const LABEL_BYTES: usize = 48;

/// What a data source counts, in words that XenCenter has axes for (xenadmin, `CustomDataGraph/DataSet.cs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Per cent.
    Percent,
    /// Bytes.
    Bytes,
    /// A number of things.
    Count,
}

impl Unit {
    /// For a page's metadata.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Percent => "percent",
            Self::Bytes => "B",
            Self::Count => "count",
        }
    }
}

/// A data source of a VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// What it counts.
    pub unit: Unit,
}

impl Series {
    fn new(name: impl Into<String>, description: impl Into<String>, unit: Unit) -> Self {
        Self { name: name.into(), description: description.into(), unit }
    }

    /// Those that every VM has, in the order of [`super::vm::VmUsage`]'s values.
    #[must_use]
    pub fn of_vm() -> [Self; 5] {
        [
            Self::new("containers_running", "Containers that run", Unit::Count),
            Self::new("containers_cpu", "CPU of all containers, 100 is one processor", Unit::Percent),
            Self::new("containers_memory_used", "Memory of all containers", Unit::Bytes),
            Self::new("containers_other_cpu", "CPU of containers without a graph of their own", Unit::Percent),
            Self::new("containers_other_memory_used", "Memory of containers without a graph of their own", Unit::Bytes),
        ]
    }

    /// Those of one container.
    #[must_use]
    pub fn of_container(label: &str, id: &str) -> [Self; 2] {
        let id = id.get(..12).unwrap_or(id);
        [
            Self::new(cpu(label), format!("CPU of container {label} ({id}), 100 is one processor"), Unit::Percent),
            Self::new(memory(label), format!("Memory of container {label} ({id})"), Unit::Bytes),
        ]
    }
}

/// The data sources' names of a container that is called so.
#[must_use]
pub fn of_container(label: &str) -> [String; 2] {
    [cpu(label), memory(label)]
}

fn cpu(label: &str) -> String {
    format!("container_{label}_cpu")
}

fn memory(label: &str) -> String {
    format!("container_{label}_memory_used")
}

/// The container's label in a data source's name; none if it is not one of a container.
#[must_use]
pub fn label_in(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("container_")?;
    rest.strip_suffix("_cpu").or_else(|| rest.strip_suffix("_memory_used"))
}

/// What stands for a container in names: its own name if that is harmless and short, as Docker's names are, else what is left
/// of it with a digest of the whole, so that two names stay two.
#[must_use]
pub fn label(name: &str) -> String {
    let is_harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if name.chars().all(is_harmless) && (1..=LABEL_BYTES).contains(&name.len()) {
        return name.to_owned();
    }
    let digest = Sha256::digest(name);
    let kept = name.chars().take(LABEL_BYTES - 9).map(|c| if is_harmless(c) { c } else { '_' });
    let mut label: String = kept.collect();
    label.push('_');
    for byte in &digest[..4] {
        let _ = write!(label, "{byte:02x}");
    }
    label
}

/// The same for one of several containers that say that they have the same name.
#[must_use]
pub fn label_with_id(name: &str, id: &str) -> String {
    label(&format!("{}_{}", label(name), id.get(..12).unwrap_or(id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_docker_allows_stay_as_they_are() {
        for name in ["web", "Web_1.db-2", &"x".repeat(48)] {
            assert_eq!(label(name), name);
        }
    }

    #[test]
    fn other_names_become_harmless_and_stay_apart() {
        let odd = ["", "a:b", "a b", "a\u{1b}[2J", "é", "ê", &"x".repeat(49), &"x".repeat(50), "a_b\n"];
        let labels: Vec<String> = odd.iter().map(|name| label(name)).collect();
        for label in &labels {
            let fits =
                label.len() <= LABEL_BYTES && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
            assert!(fits, "{label:?}");
        }
        let different: std::collections::BTreeSet<&String> = labels.iter().collect();
        assert_eq!(different.len(), odd.len());
    }

    #[test]
    fn the_digest_of_a_name_never_changes() {
        assert_eq!(label("a:b"), "a_b_6783a31e");
    }

    #[test]
    fn no_container_is_taken_for_the_vm_itself() {
        for name in ["memory", "x_memory", "cpu0", "latency", "s", "other", "running"] {
            for series in Series::of_container(&label(name), "0123456789abcdef") {
                assert!(!series.name.ends_with("memory") && series.name.starts_with("container_"), "{}", series.name);
                assert!(Series::of_vm().iter().all(|of_vm| of_vm.name != series.name), "{}", series.name);
                assert_eq!(label_in(&series.name), Some(name));
            }
        }
        assert!(
            Series::of_vm().iter().all(|series| label_in(&series.name).is_none() && !series.name.ends_with("memory"))
        );
    }
}
