//! What was found about a pack, as one page: for a browser or on paper, without a network and readable without scripts.
//!
//! Each part is a file; `style.css` is how all of it looks. Knows how facts are shown; must not know how they are found.
//! Everything that a pack says goes through `shown`, and a Content-Security-Policy lets nothing in but what is here.

mod checks;
mod graph;
mod layout;
mod scripts;
mod shown;
mod sizes;
mod tree;
mod treemap;
mod trust;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::Report;
use crate::dom0::capture::Capture;
use crate::fingerprint::Fingerprint;
use crate::inspect::Inspection;
use crate::openpgp::Certificate;
use shown::Line;

const STYLE: &str = include_str!("style.css");
/// For comfort only: before a page is printed, everything on it is opened, where the style alone cannot do that.
const SCRIPT: &str = "addEventListener('beforeprint',function(){document.querySelectorAll('details').forEach(function(d){d.open=true})});";

/// Everything that a page shows.
#[derive(Clone, Copy)]
pub struct Page<'a> {
    /// The name of the pack's file.
    pub name: &'a str,
    pub report: Report<'a>,
    pub inspection: &'a Inspection,
    /// The key that signed it, and the name of its file on hosts.
    pub key: Option<(&'a str, &'a Certificate)>,
    /// `None` if nobody made them.
    pub fingerprint: Option<&'a Fingerprint>,
    /// The release before, with which files are compared.
    pub previous: Option<&'a Inspection>,
    /// The hosts of the rehearsal; files are compared with the newest that took the pack if there is no release before.
    pub hosts: &'a [Capture],
}

/// The page.
pub fn page(page: &Page<'_>) -> String {
    let label = page.report.verification.label.as_deref().unwrap_or(page.name);
    let version = page.report.verification.version.as_deref().unwrap_or_default();
    let sections: [(&str, &str, Markup); 8] = [
        ("hosts", "Hosts", checks::hosts(page)),
        ("checks", "Checks", checks::checks(page)),
        ("tree", "In dom0", tree::section(page)),
        ("sizes", "Sizes", sizes::section(page)),
        ("dependencies", "Dependencies", graph::section(page)),
        ("scripts", "Scripts", scripts::section(page)),
        ("signatures", "Signatures", trust::section(page)),
        ("identity", "Same bytes", trust::identity(page)),
    ];
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (Line(label)) " " (Line(version)) " – supplemental pack" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a class="skip" href="#content" { "Skip to the content" }
                header {
                    h1 { (Line(label)) " " span class="version" { (Line(version)) } }
                    (about(page))
                    (checks::verdict(page))
                    nav aria-label="Parts of this page" {
                        ul { @for (id, title, _) in &sections { li { a href={ "#" (id) } { (title) } } } }
                    }
                }
                main id="content" tabindex="-1" {
                    @for (id, title, content) in &sections {
                        section id=(id) aria-labelledby={ (id) "-title" } {
                            h2 id={ (id) "-title" } { (title) }
                            (content)
                        }
                    }
                }
                footer { p { "Made by suppack from " (Line(page.name)) ". This page loads nothing and sends nothing." } }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    markup.into_string()
}

/// Nothing is loaded; the style and the script are those of this page, by their digests.
fn policy() -> String {
    let digest = |text: &str| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)));
    format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        digest(STYLE),
        digest(SCRIPT)
    )
}

fn about(page: &Page<'_>) -> Markup {
    let document = page.inspection.update.as_ref().and_then(|update| update.known());
    let attribute =
        |name: &str| document.and_then(|document| document.attribute(name)).filter(|value| !value.is_empty());
    let sizes = &page.inspection.sizes;
    html! {
        @if let Some(description) = document.and_then(|document| document.description.as_deref()) {
            p class="about" { (Line(description)) }
        }
        dl class="facts" {
            @for (name, value) in [
                ("File", Some(page.name)),
                ("UUID", attribute("uuid")),
                ("After applying", attribute("after-apply-guidance")),
                ("Same on all hosts of a pool", attribute("enforce-homogeneity")),
            ] {
                @if let Some(value) = value { div { dt { (name) } dd { (Line(value)) } } }
            }
            div { dt { "Packages" } dd { (page.inspection.packages.len()) ", " (bytes(sizes.packages)) } }
            div { dt { "Takes in dom0" } dd { (bytes(sizes.installed)) } }
        }
    }
}

/// A size for people.
fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let power = (bytes.ilog2() / 10).min(4);
    let tenths = u128::from(bytes) * 10 / (1_u128 << (10 * power));
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[power as usize - 1])
}

#[cfg(test)]
mod tests;
