//! Who signed what, how a host comes to trust the key, and by what the pack is known to be the same.

use maud::{Markup, html};

use super::Page;
use super::shown::Line;
use crate::inspect::{SignatureInfo, Verified};

/// Most signatures that are shown.
const MOST: usize = 1000;

/// Signatures and the key.
pub(super) fn section(page: &Page<'_>) -> Markup {
    let packages = page.inspection.packages.iter().filter_map(|file| file.found.known());
    let all: Vec<&SignatureInfo> =
        page.inspection.signatures.iter().chain(packages.map(|package| &package.signature)).collect();
    let good = all.iter().filter(|signature| matches!(signature.verified, Verified::Yes(_))).count();
    html! {
        @if let Some((file, certificate)) = page.key {
            dl class="facts" {
                div { dt { "Key of" } dd { (Line(&certificate.user_id())) } }
                div { dt { "Fingerprint" } dd class="mono" { (certificate.fingerprint()) } }
                div {
                    dt { "Expires" }
                    dd { @match certificate.expires() { Some(end) => (crate::inspect::time(end)), None => "never" } }
                }
            }
            h3 { "So that a host trusts it" }
            @let [by_tool, by_hand] = certificate.trust_commands(file);
            p { "Copy " code { (Line(file)) } " to the host and run there, as root:" }
            pre { code { (Line(&by_tool.join("\n"))) } }
            p { "or, where that tool is missing:" }
            pre { code { @for line in &by_hand { (Line(line)) "\n" } } }
        } @else {
            p { "No key was given, and none lies beside the pack: signatures are shown as they say, not verified." }
        }
        details open[all.len() <= 12] {
            summary { "Signatures: " (good) " of " (all.len()) " verified" }
            div class="inside" {
                div class="scroll" tabindex="0" role="region" aria-label="Signatures" {
                    table {
                        thead { tr { th scope="col" { "" } th scope="col" { "Of" } th scope="col" { "By key" } th scope="col" { "Made" } th scope="col" { "With" } } }
                        tbody { @for signature in all.iter().take(MOST) { (row(signature)) } }
                    }
                }
            }
        }
    }
}

fn row(signature: &SignatureInfo) -> Markup {
    let (class, word, why) = match &signature.verified {
        Verified::Yes(_) => ("good", "verified", None),
        Verified::No(why) => ("bad", "not valid", Some(why)),
        Verified::NotVerified(why) => ("open", "not verified", Some(why)),
        Verified::Absent => ("bad", "absent", None),
    };
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".into());
    html! {
        tr {
            td { span class={ "mark " (class) } { (word) } }
            td { (Line(&signature.of)) @if let Some(why) = why { div class="muted" { (Line(why)) } } }
            td class="mono" { (Line(&or_none(&signature.key_id))) }
            td { (Line(&or_none(&signature.made))) }
            td { (Line(&or_none(&signature.algorithms))) }
        }
    }
}

/// Digests by which anybody can tell that a pack is the same.
pub(super) fn identity(page: &Page<'_>) -> Markup {
    html! {
        @if let Some(fingerprint) = page.fingerprint {
            dl class="facts" {
                div { dt { "SHA-256 of the file" } dd class="mono" { (fingerprint.sha256) } }
                div { dt { "SHA-256 of the list of its " (fingerprint.files) " files" } dd class="mono" { (fingerprint.content_sha256) } }
            }
            p { "The second is the same whatever carries the files. In the mounted pack it is what this prints:" }
            pre { code { "find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum" } }
        } @else {
            p { "Digests were not made." }
        }
    }
}
