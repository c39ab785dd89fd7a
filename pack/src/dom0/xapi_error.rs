//! What XAPI 8.2 reports about a pack: its error codes, and how it reads them out of what yum and precheck scripts print.
//!
//! The rules are those of the scripts `pool_update.precheck` and `pool_update.apply` (xen-api, `scripts/extensions/`, tags
//! v1.249.0 to v1.249.42). They take texts apart with regular expressions, and so garble some: with a wrong version and a
//! missing package at once, what was "found" is a line about the other problem. The same happens here.

use std::fmt;

use quick_xml::Reader;
use quick_xml::events::Event;

/// An error of XAPI's API (xen-api, `ocaml/xapi-consts/api_errors.ml`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XapiError {
    /// The pack is malformed or incomplete; its label, where XAPI gives it, and what is wrong.
    InvalidUpdate { label: Option<String>, reason: String },
    /// The image is gone.
    CannotFindUpdate,
    /// A pack with this uuid is known, with another image.
    UpdateAlreadyExists { uuid: String },
    /// The host has it already; the reference of the pack.
    UpdateAlreadyApplied { update: String },
    /// There is no record of this class and uuid.
    UuidInvalid { class: String, uuid: String },
    /// A host still has the update.
    UpdateIsApplied,
    /// XAPI itself failed.
    Internal { text: String },
    /// A folder has too little space for the metadata of packs.
    OutOfSpace { folder: String },
    /// The host has too little space for what the pack says it needs, in bytes.
    PrecheckOutOfSpace { label: String, available: u64, required: u64 },
    /// The host provides something in another version than the pack requires.
    WrongServerVersion { label: String, found: String, required: String },
    /// The host lacks something; what, joined by spaces.
    PrerequisiteMissing { label: String, requirements: String },
    /// The host has something that the pack conflicts with.
    ConflictPresent { label: String, conflicts: String },
    /// The host does not have the key that the pack names.
    GpgkeyNotImported { label: String },
    /// A licence does not cover a feature.
    LicenceRestriction { label: String, feature: String },
    /// A disc is in a VM's drive; the reference of the pack.
    IsoMounted { update: String },
    /// A VM is running; the reference of the pack.
    VmRunning { update: String },
    /// Anything else before the pack is applied, as text.
    PrecheckUnknown { label: String, text: String },
    /// Anything that goes wrong while it is applied, as text.
    ApplyFailed { text: String },
}

impl fmt::Display for XapiError {
    /// As XAPI logs it: `CODE: [ parameter; parameter ]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: [ {} ]", self.code(), self.params().join("; "))
    }
}

impl XapiError {
    /// The first item of the error as the API has it.
    pub fn code(&self) -> &'static str {
        match self {
            XapiError::InvalidUpdate { .. } => "INVALID_UPDATE",
            XapiError::CannotFindUpdate => "CANNOT_FIND_UPDATE",
            XapiError::UpdateAlreadyExists { .. } => "UPDATE_ALREADY_EXISTS",
            XapiError::UpdateAlreadyApplied { .. } => "UPDATE_ALREADY_APPLIED",
            XapiError::UuidInvalid { .. } => "UUID_INVALID",
            XapiError::UpdateIsApplied => "UPDATE_IS_APPLIED",
            XapiError::Internal { .. } => "INTERNAL_ERROR",
            XapiError::OutOfSpace { .. } => "OUT_OF_SPACE",
            XapiError::PrecheckOutOfSpace { .. } => "UPDATE_PRECHECK_FAILED_OUT_OF_SPACE",
            XapiError::WrongServerVersion { .. } => "UPDATE_PRECHECK_FAILED_WRONG_SERVER_VERSION",
            XapiError::PrerequisiteMissing { .. } => "UPDATE_PRECHECK_FAILED_PREREQUISITE_MISSING",
            XapiError::ConflictPresent { .. } => "UPDATE_PRECHECK_FAILED_CONFLICT_PRESENT",
            XapiError::GpgkeyNotImported { .. } => "UPDATE_PRECHECK_FAILED_GPGKEY_NOT_IMPORTED",
            XapiError::LicenceRestriction { .. } => "LICENCE_RESTRICTION",
            XapiError::IsoMounted { .. } => ISO_MOUNTED,
            XapiError::VmRunning { .. } => VM_RUNNING,
            XapiError::PrecheckUnknown { .. } => "UPDATE_PRECHECK_FAILED_UNKNOWN_ERROR",
            XapiError::ApplyFailed { .. } => "UPDATE_APPLY_FAILED",
        }
    }

    /// The items after the code.
    pub fn params(&self) -> Vec<String> {
        let strings = |items: &[&String]| items.iter().map(|item| (*item).clone()).collect();
        match self {
            XapiError::CannotFindUpdate | XapiError::UpdateIsApplied => Vec::new(),
            XapiError::UuidInvalid { class, uuid } => strings(&[class, uuid]),
            XapiError::Internal { text } => strings(&[text]),
            XapiError::InvalidUpdate { label: Some(label), reason } => strings(&[label, reason]),
            XapiError::InvalidUpdate { label: None, reason } => strings(&[reason]),
            XapiError::UpdateAlreadyExists { uuid } => strings(&[uuid]),
            XapiError::OutOfSpace { folder } => strings(&[folder]),
            XapiError::PrecheckOutOfSpace { label, available, required } => {
                vec![label.clone(), available.to_string(), required.to_string()]
            }
            XapiError::WrongServerVersion { label, found, required } => strings(&[label, found, required]),
            XapiError::PrerequisiteMissing { label, requirements: text }
            | XapiError::ConflictPresent { label, conflicts: text }
            | XapiError::LicenceRestriction { label, feature: text }
            | XapiError::PrecheckUnknown { label, text } => strings(&[label, text]),
            XapiError::GpgkeyNotImported { label } => strings(&[label]),
            XapiError::UpdateAlreadyApplied { update }
            | XapiError::IsoMounted { update }
            | XapiError::VmRunning { update } => strings(&[update]),
            XapiError::ApplyFailed { text } => strings(&[text]),
        }
    }
}

const ISO_MOUNTED: &str = "PATCH_PRECHECK_FAILED_ISO_MOUNTED";
const VM_RUNNING: &str = "PATCH_PRECHECK_FAILED_VM_RUNNING";
const REQUIRES: &str = "Requires: ";

/// A pack as XAPI names it in errors.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'s> {
    pub label: &'s str,
    /// The opaque reference of the `pool_update` record.
    pub reference: &'s str,
}

/// What the precheck reports when `yum install control-…` failed with this output.
pub fn of_precheck(subject: Subject<'_>, output: &str) -> XapiError {
    let label = subject.label.to_owned();
    if output.contains("Error downloading packages:\n") {
        return XapiError::InvalidUpdate { label: Some(label), reason: "Missing package(s) in the update".into() };
    }
    if output.contains("Gpg Keys not imported") {
        return XapiError::GpgkeyNotImported { label };
    }
    if output.contains(ISO_MOUNTED) {
        return XapiError::IsoMounted { update: subject.reference.into() };
    }
    if output.contains(VM_RUNNING) {
        return XapiError::VmRunning { update: subject.reference.into() };
    }
    match yum_error(output) {
        Some(text) => of_yum_error(label, output, text),
        None => of_error_element(label, output),
    }
}

/// What applying reports when `yum upgrade @update` failed with this output.
pub fn of_apply(output: &str) -> XapiError {
    if output.contains("Error downloading packages:\n") {
        return XapiError::InvalidUpdate { label: None, reason: "Missing package(s) in the update.".into() };
    }
    XapiError::ApplyFailed { text: yum_error(output).unwrap_or(output).to_owned() }
}

/// How ready a host is, as a precheck that succeeds reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Livepatch {
    /// `ok`: nothing about live patches.
    NotApplicable,
    /// `ok_livepatch_complete`.
    Complete,
    /// `ok_livepatch_incomplete`.
    Incomplete,
}

/// What the precheck reports after the pack's own script, which printed this and ended with 0 or not.
///
/// # Errors
/// [`XapiError`].
pub fn of_precheck_script(label: &str, success: bool, output: &str) -> Result<Livepatch, XapiError> {
    if !success {
        return Err(of_error_element(label.into(), output));
    }
    if !output.contains('\n') {
        return Ok(Livepatch::NotApplicable);
    }
    match output.split_whitespace().next() {
        Some("PATCH_PRECHECK_LIVEPATCH_COMPLETE") => Ok(Livepatch::Complete),
        Some("PATCH_PRECHECK_LIVEPATCH_INCOMPLETE") => Ok(Livepatch::Incomplete),
        Some(_) => Ok(Livepatch::NotApplicable),
        None => Err(XapiError::PrecheckUnknown { label: label.into(), text: "list index out of range".into() }),
    }
}

/// What follows the first `Error: `, up to yum's advice.
fn yum_error(output: &str) -> Option<&str> {
    let (_, text) = output.split_once("Error: ").filter(|(_, text)| !text.is_empty())?;
    match text.split_once("You could try ") {
        Some((before, advice)) if !advice.is_empty() => Some(before),
        _ => Some(text),
    }
}

fn of_yum_error(label: String, output: &str, text: &str) -> XapiError {
    if text.contains(" conflicts with ") && output.contains("--> Processing Conflict:") {
        let conflicts: Vec<&str> = output.lines().filter_map(conflict_of).collect();
        if !conflicts.is_empty() {
            let conflicts = conflicts.join(" ").trim_end().into();
            return XapiError::ConflictPresent { label, conflicts };
        }
    } else if text.contains(REQUIRES) && (text.contains("Installed: ") || text.contains("Updated By: ")) {
        if let Some((required, found)) = versions_of(text) {
            return XapiError::WrongServerVersion { label, found: found.into(), required: required.into() };
        }
    } else if text.contains(REQUIRES) {
        // The last line counts only if a line ends it.
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        let requirements: Vec<&str> =
            complete.lines().filter_map(|line| line.split_once(REQUIRES)).map(|(_, need)| need).collect();
        if !requirements.is_empty() {
            let requirements = requirements.join(" ").trim_end().into();
            return XapiError::PrerequisiteMissing { label, requirements };
        }
    }
    XapiError::PrecheckUnknown { label, text: text.into() }
}

/// What is conflicted with, from yum's line about it.
fn conflict_of(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("--> Processing Conflict:")?;
    let (_, conflict) = rest.rsplit_once("conflicts ")?;
    (!conflict.is_empty()).then_some(conflict)
}

/// The first requirement of a text, and whatever stands behind the last two spaces.
fn versions_of(text: &str) -> Option<(&str, &str)> {
    let (_, rest) = text.split_once(REQUIRES)?;
    let (required, rest) = rest.split_once('\n')?;
    let (before, found) = rest.rsplit_once("  ")?;
    (!before.is_empty() && !found.is_empty()).then_some((required.trim_end(), found.trim_end()))
}

/// An error that a scriptlet or a precheck script gives as XML somewhere in its output.
fn of_error_element(label: String, output: &str) -> XapiError {
    let unknown = |text: &str| XapiError::PrecheckUnknown { label: label.clone(), text: text.to_owned() };
    let start = output.find("<error errorcode=");
    let end = output.rfind("</error>").map(|end| end + "</error>".len());
    let Some(xml) = start.zip(end).and_then(|(start, end)| output.get(start..end)) else {
        return unknown(output);
    };
    let Some(element) = ErrorElement::parse(xml) else {
        return unknown(output);
    };
    let missing = || unknown("list index out of range");
    match element.code.as_str() {
        "UPDATE_PRECHECK_FAILED_WRONG_SERVER_VERSION" => match (element.child("found"), element.child("required")) {
            (Some(found), Some(required)) => XapiError::WrongServerVersion { label, found, required },
            _ => missing(),
        },
        "LICENCE_RESTRICTION" => match element.child("feature") {
            Some(feature) => XapiError::LicenceRestriction { label, feature },
            None => missing(),
        },
        _ => unknown(&format!("<?xml version=\"1.0\" ?>{xml}")),
    }
}

/// `<error errorcode="…">` with texts in children.
struct ErrorElement {
    code: String,
    children: Vec<(String, String)>,
}

impl ErrorElement {
    fn parse(xml: &str) -> Option<ErrorElement> {
        let mut reader = Reader::from_str(xml);
        let mut element: Option<ErrorElement> = None;
        let mut depth = 0_usize;
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => {
                    depth += 1;
                    let name = start.name().as_ref().to_owned();
                    match &mut element {
                        None => {
                            let code = start.try_get_attribute("errorcode").ok()??;
                            let code = code.normalized_value(quick_xml::XmlVersion::Implicit1_0).ok()?.into_owned();
                            element = Some(ErrorElement { code, children: Vec::new() });
                        }
                        Some(element) => element.children.push((name, String::new())),
                    }
                }
                Event::End(_) => depth = depth.checked_sub(1)?,
                Event::Text(text) if depth > 1 => {
                    append(&mut element, &text.xml_content(quick_xml::XmlVersion::Implicit1_0));
                }
                Event::GeneralRef(reference) if depth > 1 => match reference.resolve_char_ref().ok()? {
                    Some(character) => append(&mut element, character.encode_utf8(&mut [0; 4])),
                    None => {
                        append(&mut element, quick_xml::escape::resolve_predefined_entity(&reference)?);
                    }
                },
                Event::Eof => return element.filter(|_| depth == 0),
                _ => {}
            }
        }
    }

    fn child(&self, name: &str) -> Option<String> {
        let (_, text) = self.children.iter().find(|(child, _)| child == name)?;
        (!text.is_empty()).then(|| text.clone())
    }
}

fn append(element: &mut Option<ErrorElement>, text: &str) {
    if let Some((_, content)) = element.as_mut().and_then(|element| element.children.last_mut()) {
        content.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: Subject<'_> = Subject { label: "x", reference: "OpaqueRef:1" };

    #[test]
    fn yums_output_is_read_as_xapi_reads_it() {
        let advice = " You could try using --skip-broken to work around the problem\n You could try running: rpm -Va\n";
        let missing =
            format!("Error: Package: c (x)\n    Requires: a >= 5 b\nError: Package: d (x)\n    Requires: e\n{advice}");
        let wrong = format!(
            "Error: Package: c (x)\n    Requires: product-version >= 8.2.0\n    Installed: r (installed)\n        \
             product-version = 8.1.0\n{advice}"
        );
        let conflict = format!(
            "--> Processing Conflict: c-1 conflicts foo >= 2\nError: c conflicts with foo-3-1.noarch\n{advice}"
        );
        let cases: [(&str, &[&str]); 11] = [
            (&missing, &["UPDATE_PRECHECK_FAILED_PREREQUISITE_MISSING", "x", "a >= 5 b e"]),
            (
                &wrong,
                &[
                    "UPDATE_PRECHECK_FAILED_WRONG_SERVER_VERSION",
                    "x",
                    "product-version = 8.1.0",
                    "product-version >= 8.2.0",
                ],
            ),
            (&conflict, &["UPDATE_PRECHECK_FAILED_CONFLICT_PRESENT", "x", "foo >= 2"]),
            ("Error downloading packages:\n  404", &["INVALID_UPDATE", "x", "Missing package(s) in the update"]),
            ("Error: Gpg Keys not imported", &["UPDATE_PRECHECK_FAILED_GPGKEY_NOT_IMPORTED", "x"]),
            ("say PATCH_PRECHECK_FAILED_ISO_MOUNTED", &["PATCH_PRECHECK_FAILED_ISO_MOUNTED", "OpaqueRef:1"]),
            ("say PATCH_PRECHECK_FAILED_VM_RUNNING", &["PATCH_PRECHECK_FAILED_VM_RUNNING", "OpaqueRef:1"]),
            ("Error: Nothing to do\n", &["UPDATE_PRECHECK_FAILED_UNKNOWN_ERROR", "x", "Nothing to do\n"]),
            ("something else", &["UPDATE_PRECHECK_FAILED_UNKNOWN_ERROR", "x", "something else"]),
            (
                "pre: <error errorcode=\"UPDATE_PRECHECK_FAILED_WRONG_SERVER_VERSION\">\n<found>8.9</found>\n\
                 <required>8.2 &amp; up</required></error> failed",
                &["UPDATE_PRECHECK_FAILED_WRONG_SERVER_VERSION", "x", "8.9", "8.2 & up"],
            ),
            (
                "<error errorcode=\"LICENCE_RESTRICTION\"></error>",
                &["UPDATE_PRECHECK_FAILED_UNKNOWN_ERROR", "x", "list index out of range"],
            ),
        ];
        for (output, expected) in cases {
            let error = of_precheck(SUBJECT, output);
            let mut items = vec![error.code().to_owned()];
            items.extend(error.params());
            assert_eq!(items, expected, "{output}");
        }
    }

    #[test]
    fn applying_reports_yums_text_without_its_advice() {
        let text = |output: &str| of_apply(output).params().concat();
        assert_eq!(
            text("x\nError: Package: a\n    Requires: b\n You could try this\n"),
            "Package: a\n    Requires: b\n "
        );
        assert_eq!(text("no colon"), "no colon");
        let error = of_apply("Error downloading packages:\n");
        assert_eq!(error.to_string(), "INVALID_UPDATE: [ Missing package(s) in the update. ]");
    }

    #[test]
    fn a_precheck_script_succeeds_with_any_word_but_not_with_blank_lines() {
        let unknown = XapiError::PrecheckUnknown { label: "x".into(), text: "list index out of range".into() };
        for (output, expected) in [
            ("", Ok(Livepatch::NotApplicable)),
            ("ok\n", Ok(Livepatch::NotApplicable)),
            ("PATCH_PRECHECK_LIVEPATCH_COMPLETE\n", Ok(Livepatch::Complete)),
            ("PATCH_PRECHECK_LIVEPATCH_COMPLETE", Ok(Livepatch::NotApplicable)),
            ("PATCH_PRECHECK_LIVEPATCH_INCOMPLETE x\n", Ok(Livepatch::Incomplete)),
            ("\n\n", Err(unknown)),
        ] {
            assert_eq!(of_precheck_script("x", true, output), expected, "{output:?}");
        }
        assert!(of_precheck_script("x", false, "ok\n").is_err());
    }

    #[test]
    fn broken_xml_in_an_output_is_no_error_of_its_own() {
        for output in
            ["<error errorcode=", "<error errorcode=\"a\"><b></error>", "</error><error errorcode=\"LICENCE\">"]
        {
            let expected = XapiError::PrecheckUnknown { label: "x".into(), text: output.into() };
            assert_eq!(of_precheck(SUBJECT, output), expected);
        }
    }
}
