//! The data is sound, and says what the rehearsal's captures say.

use std::collections::BTreeSet;

use super::*;

#[test]
fn every_name_means_one_generation_and_every_part_has_a_source() {
    let mut names = BTreeSet::new();
    for generation in Generation::all() {
        for name in generation.names() {
            assert!(names.insert(name.to_ascii_lowercase()), "{name} is there twice");
        }
        let stack = &generation.stack;
        let sources =
            [&stack.rpm.source, &stack.manager.source, &stack.gpg.source, &stack.libc.source, &stack.programs.source];
        for source in sources.into_iter().chain([&generation.source]) {
            assert!(!source.is_empty() && !source.ends_with('.'), "{}: {source:?}", generation.name);
        }
    }
    for name in ["6.5", "7.0", "7.1", "7.6", "8.0", "8.1.0", "8.2.0", "8.2.1", "8.3.0", "8.4", "9"] {
        assert!(Generation::find(name).is_some(), "{name}");
    }
}

#[test]
fn the_format_changed_with_7_1() {
    let older: Vec<&str> = Generation::taking(Format::Older).map(|generation| generation.name.as_str()).collect();
    assert_eq!(older, ["6.5", "7.0"]);
    assert_eq!(Generation::taking(Format::Update).next().unwrap().name, "7.1");
}

#[test]
fn versions_rise_from_generation_to_generation() {
    for capability in ["product-version", "platform-version"] {
        let versions: Vec<&String> = Generation::all().iter().filter_map(|g| g.provides.get(capability)).collect();
        for pair in versions.windows(2) {
            assert!(!crate::spec::rpm_compare(pair[0], pair[1]).is_gt(), "{capability}: {pair:?}");
        }
    }
}

/// Two files that say the same of a host must not differ.
#[test]
fn built_in_captures_say_the_same() {
    let captures = Capture::built_in();
    let named = Generation::all().iter().filter_map(|generation| generation.capture.as_deref());
    assert_eq!(named.collect::<Vec<_>>(), captures.iter().map(|capture| capture.name.as_str()).collect::<Vec<_>>());
    for capture in &captures {
        let generation = Generation::of(capture).unwrap();
        assert_eq!(generation.capture.as_ref(), Some(&capture.name));
        for (capability, version) in &generation.provides {
            let wanted: Dependency = format!("{capability} = {version}").parse().unwrap();
            let met = capture.packages.iter().any(|installed| installed.package.meets(&wanted));
            assert!(met, "{} has no {wanted}", capture.name);
        }
        assert_eq!(generation.stack.manager.program, "yum");
    }
}

#[test]
fn the_stack_of_today_is_that_of_el_7() {
    assert_eq!((el7().rpm.version.as_str(), el7().libc.glibc.as_str()), ("4.11.3", "2.17"));
    assert!(Generation::all().iter().any(|generation| generation.stack.rpm.compressors.contains(&"zstd".into())));
}

#[test]
fn requirements_are_met_within_their_bounds_or_not_known() {
    let meets = |name: &str, wanted: &str| Generation::find(name).unwrap().meets(&wanted.parse().unwrap());
    assert_eq!(meets("8.2.1", "product-version >= 8.2.0"), Some(true));
    assert_eq!(meets("8.1.0", "product-version >= 8.2.0"), Some(false));
    assert_eq!(meets("8.2.1", "product-version = 8.2.0"), Some(false));
    assert_eq!(meets("8.2.0", "kernel-uname-r = 4.19.0+1"), Some(true));
    assert_eq!(meets("8.0", "kernel-uname-r = 4.19.0+1"), None);
    assert_eq!(meets("8.2.1", "/bin/sh"), None);
}

#[test]
fn names_are_taken_in_any_case_and_wrong_ones_get_a_hint() {
    assert_eq!(Generation::named("xenserver 9").unwrap().name, "9");
    assert_eq!(Generation::named("8.2").unwrap().name, "8.2.1");
    let error = Generation::named("stokholm").unwrap_err().to_string();
    assert!(error.contains("perhaps stockholm") && error.contains("8.2.0"), "{error}");
    let error = Generation::named("\u{1b}[2J").unwrap_err().to_string();
    assert!(!error.contains('\u{1b}') && !error.contains("perhaps"), "{error}");
}

#[test]
fn what_is_not_listed_is_missing_only_where_the_list_is_complete() {
    let programs = |name: &str| &Generation::find(name).unwrap().stack.programs;
    assert_eq!(programs("8.2.1").has("/usr/bin/perl"), Some(true));
    assert_eq!(programs("8.2.1").has("/usr/bin/python3"), Some(false));
    assert_eq!(programs("9").has("/usr/bin/python3"), Some(true));
    assert_eq!(programs("9").has("/usr/bin/python2"), Some(false));
    assert_eq!(programs("9").has("/usr/bin/perl"), None);
    assert_eq!(programs("9").has_name("python2"), Some(false));
}

#[test]
fn data_with_an_unknown_key_or_stack_is_refused() {
    assert!(parse(&DATA.replacen("caret = false", "carets = false", 1)).is_err());
    assert!(parse(&DATA.replacen("stack = \"el5\"", "stack = \"el4\"", 1)).unwrap_err().contains("6.5"));
}
