use std::path::Path;

use expect_test::expect;
use proptest::prelude::*;
use uuid::uuid;

use super::*;
use crate::dom0::UpdateInfo;
use crate::rpm::{Signed, fixture};
use crate::spec::{Guidance, PackSpec, PackVersion};

fn spec() -> PackSpec {
    let mut spec = PackSpec::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec")).unwrap();
    spec.description = "Shows <containers> & \"more\"".into();
    spec
}

fn document(spec: &PackSpec) -> Vec<u8> {
    let uuid = uuid!("0ce0c2b3-4f11-5c53-9dda-674c694980e1");
    update_document(spec, &PackVersion::new("11.0.0").unwrap(), uuid, 2_432_000)
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn update_xml_says_what_xapi_reads() {
    expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <update name-label="xscontainer" version="11.0.0" uuid="0ce0c2b3-4f11-5c53-9dda-674c694980e1" installation-size="2432000" key="RPM-GPG-KEY-xscontainer" control="control-xscontainer">
          <name-description>Shows &lt;containers&gt; &amp; &quot;more&quot;</name-description>
        </update>
    "#]].assert_eq(&text(document(&spec())));
}

#[test]
fn guidance_and_homogeneity_are_said_only_if_there_are_any() {
    let mut spec = spec();
    spec.guidance = vec![Guidance::RestartXapi, Guidance::RestartHost];
    spec.enforce_homogeneity = true;
    let text = text(document(&spec));
    assert!(text.contains(r#"after-apply-guidance="restartXAPI,restartHost""#), "{text}");
    assert!(text.contains(r#"enforce-homogeneity="true""#), "{text}");
}

#[test]
fn update_xml_is_read_back() {
    let read = UpdateInfo::parse(&document(&spec())).unwrap();
    assert_eq!((read.label.as_str(), read.version.as_str()), ("xscontainer", "11.0.0"));
    assert_eq!(
        (read.key.as_deref(), read.control.as_deref()),
        (Some("RPM-GPG-KEY-xscontainer"), Some("control-xscontainer"))
    );
}

#[test]
fn a_description_of_one_quotation_mark_is_one() {
    for description in ["\"", "&", "<", "\u{a0}"] {
        let spec = PackSpec { description: description.into(), ..spec() };
        assert!(UpdateInfo::parse(&document(&spec)).is_ok(), "{description:?}");
    }
}

#[test]
fn an_update_xml_that_xapi_would_refuse_is_refused() {
    for bytes in [
        &b""[..],
        b"<update",
        b"<other/>",
        b"<update uuid=\"x\"/>",
        b"\xff\xfe",
        b"<update name-label=\"a\" version=\"1\"/>",
    ] {
        assert!(UpdateInfo::parse(bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn comps_has_the_group_that_xapi_installs() {
    let comps = comps("xscontainer", &[]);
    assert_eq!(group_packages(&comps, GROUP).unwrap(), ["update-xscontainer"]);
    expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">
        <comps>
          <group>
            <id>update</id>
            <name>xscontainer</name>
            <default>false</default>
            <uservisible>true</uservisible>
            <packagelist>
              <packagereq type="mandatory">update-xscontainer</packagereq>
            </packagelist>
          </group>
        </comps>
    "#]]
    .assert_eq(&text(comps));
}

#[test]
fn a_comps_file_by_which_yum_would_silently_do_nothing_is_noticed() {
    let good = text(comps("sample", &[]));
    for (from, to) in [
        ("<id>update</id>", "<id>updates</id>"),
        ("\"-//Red Hat, Inc.//DTD Comps info//EN\" \"comps.dtd\"", "&quot;-//Red Hat&quot;"),
        ("</comps>", ""),
    ] {
        assert!(good.contains(from), "{from}");
        assert!(group_packages(good.replace(from, to).as_bytes(), GROUP).is_err(), "{to}");
    }
    let optional = good.replace("mandatory", "optional");
    assert!(group_packages(optional.as_bytes(), GROUP).unwrap().is_empty());
}

fn sample_repodata() -> Repodata {
    let rpm = fixture::read(fixture::sample());
    let signed = Signed::new(&rpm, &fixture::digests(&rpm), vec![7; 566]).unwrap();
    let entry = Entry { package: &signed, path: "Packages/sample-1.2.3-4.noarch.rpm".into(), sha256: "ab".repeat(32) };
    repodata(&[entry], &comps("sample", &[]), 1_700_000_000)
}

fn unpacked(repodata: &Repodata, name: &str) -> String {
    let (_, stored) = repodata.files.iter().find(|(file, _)| *file == name).unwrap();
    std::io::read_to_string(flate2::read::GzDecoder::new(stored.as_slice())).unwrap()
}

#[test]
fn primary_lists_what_resolving_needs() {
    expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="1">
          <package type="rpm">
            <name>sample</name>
            <arch>noarch</arch>
            <version epoch="0" ver="1.2.3" rel="4"/>
            <checksum type="sha256" pkgid="YES">abababababababababababababababababababababababababababababababab</checksum>
            <summary>A sample</summary>
            <description>A sample</description>
            <packager/>
            <url/>
            <time file="1700000000" build="1700000000"/>
            <size package="2803" installed="24" archive="668"/>
            <location href="Packages/sample-1.2.3-4.noarch.rpm"/>
            <format>
              <rpm:license>MIT</rpm:license>
              <rpm:vendor/>
              <rpm:group>Unspecified</rpm:group>
              <rpm:buildhost/>
              <rpm:sourcerpm>(none)</rpm:sourcerpm>
              <rpm:header-range start="936" end="2585"/>
              <rpm:provides>
                <rpm:entry name="config(sample)" flags="EQ" epoch="0" ver="1.2.3" rel="4"/>
                <rpm:entry name="sample" flags="EQ" epoch="0" ver="1.2.3" rel="4"/>
              </rpm:provides>
              <file>/etc/sample.conf</file>
              <file>/usr/bin/sample</file>
              <file>/usr/bin/sample-link</file>
            </format>
          </package>
        </metadata>
    "#]].assert_eq(&unpacked(&sample_repodata(), "primary.xml.gz"));
}

#[test]
fn filelists_lists_every_file() {
    expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <filelists xmlns="http://linux.duke.edu/metadata/filelists" packages="1">
          <package pkgid="abababababababababababababababababababababababababababababababab" name="sample" arch="noarch">
            <version epoch="0" ver="1.2.3" rel="4"/>
            <file>/etc/sample.conf</file>
            <file>/usr/bin/sample</file>
            <file>/usr/bin/sample-link</file>
            <file type="dir">/var/lib/sample</file>
            <file type="ghost">/var/log/sample.log</file>
          </package>
        </filelists>
    "#]]
    .assert_eq(&unpacked(&sample_repodata(), "filelists.xml.gz"));
}

#[test]
fn other_lists_packages() {
    expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <otherdata xmlns="http://linux.duke.edu/metadata/other" packages="1">
          <package pkgid="abababababababababababababababababababababababababababababababab" name="sample" arch="noarch">
            <version epoch="0" ver="1.2.3" rel="4"/>
          </package>
        </otherdata>
    "#]]
    .assert_eq(&unpacked(&sample_repodata(), "other.xml.gz"));
}

#[test]
fn repomd_names_every_file_with_its_checksum() {
    let repodata = sample_repodata();
    let repomd = String::from_utf8(repodata.repomd().to_vec()).unwrap();
    for (name, content) in &repodata.files[1..] {
        let checksum = crate::digest::sha256_hex(content.as_slice()).unwrap();
        assert!(repomd.contains(&format!("repodata/{name}")) && repomd.contains(&checksum), "{name}");
    }
    let names: Vec<&str> = repodata.files.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, Repodata::NAMES);
}

proptest! {
    /// The specification refuses an empty one.
    #[test]
    fn any_description_gives_a_document_that_xapi_reads(description in "\\PC{0,40}[!-~]\\PC{0,40}") {
        let mut spec = spec();
        spec.description = description;
        let document = document(&spec);
        prop_assert!(UpdateInfo::parse(&document).is_ok());
        // The text is there once it is unescaped.
        let text = std::str::from_utf8(&document).unwrap();
        let inner = text.split_once("<name-description>").unwrap().1.split_once("</name-description>").unwrap().0;
        prop_assert_eq!(quick_xml::escape::unescape(inner).unwrap(), spec.description);
    }

    #[test]
    fn any_bytes_as_comps_are_read_or_refused(bytes: Vec<u8>) {
        let _ = group_packages(&bytes, GROUP);
        let _ = UpdateInfo::parse(&bytes);
    }

    #[test]
    fn damaged_comps_are_read_or_refused(at in 0_usize..400, value: u8) {
        let mut bytes = comps("sample", &[]);
        let at = at.min(bytes.len() - 1);
        bytes[at] = value;
        let _ = group_packages(&bytes, GROUP);
    }
}
