//! The page of packs that nobody would make, as text; how it looks in a browser, the lab's `suppack_report` sees.

use std::path::Path;

use super::*;
use crate::check::{Check, Outcome, Reader, Set, Verdict};
use crate::dom0::{Ended, Landing, Played, Rehearsal, Rehearsed, Run};
use crate::verify::Verification;
use crate::verify::generations::{Answer, Basis, Says};

static CHECK: Check = Check {
    id: "rpm-places",
    reader: Reader::Rpm,
    set: Set::General,
    rule: "a rule",
    why: "a reason",
    remedy: "a remedy",
    source: "a source",
};

const HOSTILE: &str = "</style><script>alert(1)</script>\u{202e}<img src=x onerror=alert(2)>\"' onload='x";

fn verification(outcome: Outcome) -> Verification {
    let says = Says::Refused(vec![HOSTILE.into()]);
    Verification {
        iso: "pack.iso".into(),
        label: Some(HOSTILE.into()),
        version: Some(HOSTILE.into()),
        uuid: None,
        verdicts: vec![Verdict { check: &CHECK, host: Some(HOSTILE.into()), outcome }],
        basis: Basis::Asked,
        answers: vec![Answer { name: "8.2.1".into(), product: HOSTILE.into(), says }],
    }
}

fn rehearsal() -> Rehearsal {
    let run = Run {
        what: HOSTILE.into(),
        package: HOSTILE.into(),
        moment: None,
        arguments: vec![HOSTILE.into()],
        ended: Ended::Stopped(HOSTILE.into()),
        output: HOSTILE.into(),
        calls: vec![HOSTILE.into()],
    };
    let played = Played { scenario: "install", result: "FAILED", refusal: Some(HOSTILE.into()), runs: vec![run] };
    let host =
        Rehearsed { name: HOSTILE.into(), product: String::new(), origin: String::new(), scenarios: vec![played] };
    Rehearsal {
        verdicts: Vec::new(),
        hosts: vec![host],
        landings: Vec::<Landing>::new(),
        unproven: Some(HOSTILE.into()),
    }
}

fn shown(verification: &Verification, rehearsal: Option<&Rehearsal>) -> String {
    page(&Page {
        name: HOSTILE,
        report: Report { verification, rehearsal },
        inspection: &Inspection::unreadable(Path::new("pack.iso")),
        key: None,
        fingerprint: None,
        previous: None,
        hosts: &[],
    })
}

#[test]
fn what_a_pack_says_is_text_wherever_it_stands() {
    let text = shown(&verification(Outcome::Failed(vec![HOSTILE.into()])), Some(&rehearsal()));
    assert!(text.contains("Do not ship this pack") && text.contains("a remedy"));
    assert_eq!(
        (text.matches("<script").count(), text.matches("<style").count(), text.matches("<img").count()),
        (1, 1, 0)
    );
    assert!(!text.contains("onerror=alert(2)>") && !text.contains('\u{202e}') && text.contains("U+202E"));
}

#[test]
fn the_page_loads_nothing_and_its_policy_names_its_own_style_and_script() {
    let text = shown(&verification(Outcome::Passed("seen".into())), None);
    for loading in ["http://", "https://", "url(", "@import", "<img", "<script ", "<link", "<iframe", "<object"] {
        assert!(!text.replace("url(#arrow)", "").contains(loading), "{loading}");
    }
    assert!(text.contains("default-src &apos;none&apos;") || text.contains("default-src 'none'"), "{text}");
    for whole in [STYLE, SCRIPT] {
        assert!(text.contains(&format!(">{whole}</")));
        assert!(text.contains(&BASE64_STANDARD.encode(Sha256::digest(whole))));
    }
}

#[test]
fn the_verdict_says_what_was_not_done() {
    let passed = verification(Outcome::Passed("seen".into()));
    assert!(shown(&passed, None).contains("it was not rehearsed"));
    let open = verification(Outcome::NotChecked("why".into()));
    assert!(shown(&open, None).contains("as far as it could be checked"));
}

#[test]
fn the_same_facts_make_the_same_page() {
    let (verification, rehearsal) = (verification(Outcome::Failed(vec!["x".into()])), rehearsal());
    assert_eq!(shown(&verification, Some(&rehearsal)), shown(&verification, Some(&rehearsal)));
}

#[test]
fn sizes_have_units_that_people_know() {
    for (size, text) in
        [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_572_864, "1.5 MiB"), (u64::MAX, "16777216.0 TiB")]
    {
        assert_eq!(bytes(size).replace("16777215.9", "16777216.0"), text);
    }
}
