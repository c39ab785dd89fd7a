//! Versions of the older format, compared as its readers do: part by part as numbers, and if one ends first, the longer
//! is the greater (python-libs, `xcp/version.py`).

use std::cmp::Ordering;

use crate::spec::legacy::{Test, is_dotted};

/// Compares two versions; none if one is not made of numbers, on which readers disagree or fail.
pub fn compare(a: &str, b: &str) -> Option<Ordering> {
    let parts = |version: &str| -> Option<Vec<u64>> {
        // A build may follow, and does not count.
        let (version, _) = version.split_once('-').unwrap_or((version, ""));
        is_dotted(version).then(|| version.split('.').filter_map(|part| part.parse().ok()).collect())
    };
    // Vectors compare like this: part by part, then by length.
    Some(parts(a)?.cmp(&parts(b)?))
}

/// Whether a version meets a test.
pub fn meets(have: &str, test: Test, wanted: &str) -> Option<bool> {
    let order = compare(have, wanted)?;
    Some(match test {
        Test::Eq => order.is_eq(),
        Test::Ne => order.is_ne(),
        Test::Lt => order.is_lt(),
        Test::Gt => order.is_gt(),
        Test::Le => order.is_le(),
        Test::Ge => order.is_ge(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_numbers_and_the_longer_is_the_greater() {
        for (lower, higher) in [("7.0.0", "7.0.1"), ("1.2", "1.2.0"), ("1.9", "1.10"), ("6.5", "7")] {
            assert_eq!(compare(lower, higher), Some(Ordering::Less), "{lower} {higher}");
            assert_eq!(compare(higher, lower), Some(Ordering::Greater), "{lower} {higher}");
        }
        assert_eq!(compare("1.02-17", "1.2-18c"), Some(Ordering::Equal));
        assert_eq!(compare("1.x", "1.2"), None);
    }

    #[test]
    fn every_test_is_known() {
        let met: Vec<&str> = Test::ALL
            .into_iter()
            .filter(|test| meets("7.0.0", *test, "7.0.0").is_some_and(|met| met))
            .map(Test::as_str)
            .collect();
        assert_eq!(met, ["eq", "le", "ge"]);
        assert_eq!(meets("6.5.0", Test::Lt, "7.0.0"), Some(true));
        assert_eq!(meets("7.0.1", Test::Ne, "7.0.0"), Some(true));
        assert_eq!(meets("7.0.1", Test::Gt, "7.0.0"), Some(true));
    }
}
