use rpm::{BuildConfig, Dependency, PackageBuilder};
use serde_json::Value;
use uuid::Uuid;

use super::*;
use crate::rpm::fixture;

fn part(name: &str, licence: &str, uses: &[&str], texts: &[&str]) -> Part {
    Part {
        name: name.into(),
        version: "1.0.0".into(),
        purl: purl::of_crate(name, "1.0.0"),
        licence: Some(licence.into()),
        sha256: Some("ab".repeat(32)),
        repository: None,
        uses: uses.iter().map(|name| purl::of_crate(name, "1.0.0")).collect(),
        texts: texts.iter().map(ToString::to_string).collect(),
    }
}

fn supply() -> Supply {
    let parts = vec![
        part("one", "MIT/Apache-2.0", &["two"], &["The MIT Licence  \n\nby one\n"]),
        part("two", "As you like \u{1b}[2J", &[], &["\nThe MIT Licence\n\nby one", "Another"]),
    ];
    let origin = Origin {
        build_type: "urn:test:1".into(),
        parameters: BTreeMap::from([("rpm".into(), Parameter::Texts(vec!["a.rpm".into()]))]),
        materials: vec![
            Material { name: "urn:test:source".into(), digest: ("gitCommit".into(), "0".repeat(40)) },
            Material { name: "Cargo.lock".into(), digest: ("sha256".into(), "1".repeat(64)) },
        ],
        ..Origin::default()
    };
    let roots = vec![purl::of_crate("one", "1.0.0")];
    Supply { compiled: vec![Compiled { package: "tool".into(), roots, parts }], origin }
}

fn documents(supply: &Supply) -> Documents {
    let package = |name: &str, requires: &[&str]| {
        let mut builder = PackageBuilder::new(name, "1", "MIT", "noarch", "A package");
        builder.using_config(BuildConfig::v4().source_date(1_700_000_000_u32));
        requires.iter().for_each(|name| _ = builder.requires(Dependency::any(*name)));
        fixture::read(builder)
    };
    let (tool, library) = (package("tool", &["library", "/bin/sh"]), package("library", &[]));
    let packages = [
        Packed { rpm: &library, path: "Packages/library.rpm", sha256: &"c".repeat(64) },
        Packed { rpm: &tool, path: "Packages/tool.rpm", sha256: &"d".repeat(64) },
    ];
    let contents = Contents {
        label: "pack",
        version: "1.2",
        description: "A pack",
        uuid: Uuid::nil(),
        epoch: 1_700_000_000,
        packages: &packages,
        files: &[("update.xml", b"<update/>")],
    };
    Documents::new(supply, &contents)
}

fn json(documents: &[(&str, Vec<u8>)], index: usize) -> Value {
    serde_json::from_slice(&documents[index].1).unwrap()
}

fn depends_on(bom: &Value, reference: &str) -> Vec<String> {
    let found = bom["dependencies"].as_array().unwrap().iter().find(|dependency| dependency["ref"] == reference);
    let found = found.unwrap_or_else(|| panic!("{reference}"))["dependsOn"].as_array().unwrap();
    found.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[test]
fn packages_depend_on_packages_and_on_what_was_compiled_into_them() {
    let bom = json(&documents(&supply()).inside(), 0);
    let references: Vec<&str> =
        bom["components"].as_array().unwrap().iter().map(|component| component["bom-ref"].as_str().unwrap()).collect();
    let [one, two, library, tool] = references[..] else { panic!("{references:?}") };
    assert_eq!(depends_on(&bom, "pkg:generic/pack@1.2"), [library, tool]);
    assert_eq!(depends_on(&bom, tool), [one, library]);
    assert_eq!(depends_on(&bom, one), [two]);
    assert_eq!(depends_on(&bom, two), Vec::<String>::new());
    assert_eq!(bom["metadata"]["timestamp"], "2023-11-14T22:13:20Z");
    assert_eq!(bom["components"][0]["licenses"][0]["expression"], "MIT OR Apache-2.0");
    assert_eq!(bom["components"][1]["licenses"][0]["license"]["name"], "As you like \u{1b}[2J");
    assert_eq!(bom["components"][3]["hashes"][0]["content"], "d".repeat(64));
}

#[test]
fn the_same_content_has_the_same_number_and_any_change_another() {
    let number = |bom: &Value| bom["serialNumber"].as_str().unwrap().to_owned();
    let first = documents(&supply());
    assert_eq!(first.inside(), documents(&supply()).inside());
    let mut changed = supply();
    changed.compiled[0].parts[0].licence = None;
    let numbers = [
        number(&json(&first.inside(), 0)),
        number(&json(&first.beside("pack.iso", &"e".repeat(64)), 0)),
        number(&json(&documents(&changed).inside(), 0)),
    ];
    assert_eq!(numbers.iter().collect::<std::collections::BTreeSet<_>>().len(), 3, "{numbers:?}");
    assert!(numbers.iter().all(|number| number.strip_prefix("urn:uuid:").unwrap().parse::<Uuid>().is_ok()));
}

#[test]
fn inside_the_subjects_are_the_files_and_beside_the_image_as_well() {
    let documents = documents(&supply());
    let (inside, beside) = (documents.inside(), documents.beside("pack.iso", &"e".repeat(64)));
    let statement = json(&inside, 1);
    let subjects = |statement: &Value| -> Vec<(String, String)> {
        let subjects = statement["subject"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        subjects.map(|subject| (text(&subject["name"]), text(&subject["digest"]["sha256"]))).collect()
    };
    let digest = |bytes: &[u8]| sha256(bytes).unwrap();
    let mut expected = vec![
        (LICENCES.to_owned(), digest(&inside[2].1)),
        ("Packages/library.rpm".into(), "c".repeat(64)),
        ("Packages/tool.rpm".into(), "d".repeat(64)),
        (SBOM.into(), digest(&inside[0].1)),
        ("update.xml".into(), digest(b"<update/>")),
    ];
    assert_eq!(subjects(&statement), expected);
    expected.insert(0, ("pack.iso".into(), "e".repeat(64)));
    assert_eq!(subjects(&json(&beside, 1)), expected);
    let definition = &statement["predicate"]["buildDefinition"];
    assert_eq!(definition["externalParameters"]["rpm"][0], "a.rpm");
    assert_eq!(definition["resolvedDependencies"][0]["uri"], "urn:test:source");
    assert_eq!(definition["resolvedDependencies"][1]["name"], "Cargo.lock");
}

#[test]
fn a_text_that_several_have_is_there_once_and_no_text_commands_a_terminal() {
    let inside = documents(&supply()).inside();
    let text = String::from_utf8(inside[2].1.clone()).unwrap();
    assert_eq!(text.matches("The MIT Licence\n\nby one").count(), 1, "{text}");
    assert!(text.contains("one 1.0.0, two 1.0.0\n") && text.contains("Another"), "{text}");
    assert!(text.contains("MIT OR Apache-2.0") && text.contains("As you like \u{fffd}[2J"), "{text}");
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
}
