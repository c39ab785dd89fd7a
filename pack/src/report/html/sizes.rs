//! What takes how much: a map whose areas are the sizes of files in dom0, and the same as tables.

use maud::{Markup, html};

use super::shown::Line;
use super::tree::packages;
use super::treemap::{Area, squarified};
use super::{Page, bytes};

const WHOLE: Area = Area { x: 0.0, y: 0.0, width: 1000.0, height: 380.0 };
/// Most rectangles of one package; the rest of it is one more.
const MOST_OF_PACKAGE: usize = 20;
/// Most packages that have rectangles; the rest is one more.
const MOST_PACKAGES: usize = 150;
/// Most rows of a table.
const MOST_ROWS: usize = 100;
/// As many as `style.css` has.
const COLOURS: usize = 6;

struct Piece {
    name: String,
    package: String,
    class: String,
    bytes: u64,
}

/// The part of the page.
pub(super) fn section(page: &Page<'_>) -> Markup {
    let mut found: Vec<_> = packages(page.inspection).collect();
    found.sort_by(|a, b| b.installed_size.cmp(&a.installed_size).then_with(|| a.nevra.cmp(&b.nevra)));
    let pieces = pieces(&found);
    let sizes: Vec<u64> = pieces.iter().map(|piece| piece.bytes).collect();
    let areas = squarified(&sizes, WHOLE);
    let mut files: Vec<_> = found.iter().flat_map(|package| &package.files).filter(|file| file.bytes > 0).collect();
    files.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.path.cmp(&b.path)));
    html! {
        @if pieces.is_empty() {
            p { "No package brings a file with content." }
        } @else {
            p { "Areas are the sizes of files in dom0, coloured by package. The tables below say the same." }
            div class="scroll map" tabindex="0" role="region" aria-label="Map of sizes" {
                svg viewBox="0 0 1000 380" role="img" aria-label={ "Sizes of " (files.len()) " files in " (found.len()) " packages" } {
                    g class="map" { @for (piece, area) in pieces.iter().zip(&areas) { (rectangle(piece, area)) } }
                }
            }
            ul class="legend" {
                @for (index, package) in found.iter().enumerate().take(COLOURS).filter(|(_, package)| package.installed_size > 0) {
                    li {
                        svg viewBox="0 0 10 10" aria-hidden="true" { rect class={ "p" (index) } width="10" height="10" {} }
                        (Line(&package.name)) " " span class="muted" { (bytes(package.installed_size)) }
                    }
                }
            }
        }
        details {
            summary { "Packages" }
            div class="inside" {
                div class="scroll" tabindex="0" role="region" aria-label="Packages and their sizes" {
                    table {
                        thead { tr {
                            th scope="col" { "Package" } th scope="col" class="number" { "On the medium" }
                            th scope="col" class="number" { "In dom0" } th scope="col" { "Licence" }
                        } }
                        tbody {
                            @for file in page.inspection.packages.iter().take(MOST_ROWS) {
                                tr {
                                    @match &file.found {
                                        crate::inspect::Told::Known(package) => {
                                            td { (Line(&package.nevra)) @if let Some(summary) = &package.summary { div class="muted" { (Line(summary)) } } }
                                            td class="number" { (bytes(file.bytes)) }
                                            td class="number" { (bytes(package.installed_size)) }
                                            td { (Line(package.license.as_deref().unwrap_or("–"))) }
                                        },
                                        crate::inspect::Told::Unknown { problem } => {
                                            td { (Line(&file.path)) div class="muted" { (Line(problem)) } }
                                            td class="number" { (bytes(file.bytes)) }
                                            td class="number" { "–" } td { "–" }
                                        },
                                    }
                                }
                            }
                        }
                    }
                }
                (more(page.inspection.packages.len()))
            }
        }
        details {
            summary { "Largest files" }
            div class="inside" {
                div class="scroll" tabindex="0" role="region" aria-label="Largest files" {
                    table {
                        thead { tr { th scope="col" class="number" { "Size" } th scope="col" { "File" } } }
                        tbody {
                            @for file in files.iter().take(MOST_ROWS) {
                                tr { td class="number" { (bytes(file.bytes)) } td class="mono" { (Line(&file.path)) } }
                            }
                        }
                    }
                }
                (more(files.len()))
            }
        }
    }
}

fn more(rows: usize) -> Markup {
    html! { @if rows > MOST_ROWS { p class="muted" { "and " (rows - MOST_ROWS) " more" } } }
}

/// The rectangles, the largest first.
fn pieces(packages: &[&crate::inspect::PackageInfo]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut left = 0_u64;
    for (index, package) in packages.iter().enumerate() {
        let mut files: Vec<_> = package.files.iter().filter(|file| file.bytes > 0).collect();
        files.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.path.cmp(&b.path)));
        let rest = files.split_off(files.len().min(MOST_OF_PACKAGE));
        let rest_bytes = rest.iter().map(|file| file.bytes).fold(0, u64::saturating_add);
        if index >= MOST_PACKAGES {
            left = files.iter().map(|file| file.bytes).fold(left.saturating_add(rest_bytes), u64::saturating_add);
            continue;
        }
        let class = if index < COLOURS { format!("p{index}") } else { "rest".into() };
        let piece = |name: String, bytes| Piece { name, package: package.name.clone(), class: class.clone(), bytes };
        pieces.extend(files.iter().map(|file| piece(file.path.clone(), file.bytes)));
        if rest_bytes > 0 {
            pieces.push(piece(format!("{} smaller files", rest.len()), rest_bytes));
        }
    }
    if left > 0 {
        let name = format!("{} smaller packages", packages.len() - MOST_PACKAGES);
        pieces.push(Piece { name, package: "others".into(), class: "rest".into(), bytes: left });
    }
    pieces.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    pieces
}

fn rectangle(piece: &Piece, area: &Area) -> Markup {
    // What a character takes, about; a name that does not fit is in the title alone.
    const CHARACTER: f64 = 7.2;
    let name = piece.name.rsplit('/').next().unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of characters, above 0")]
    let room = ((area.width - 12.0) / CHARACTER).max(0.0) as usize;
    let fits = room >= 5 && area.height >= 22.0;
    html! {
        g {
            title { (Line(&piece.name)) ", " (bytes(piece.bytes)) ", " (Line(&piece.package)) }
            rect class=(piece.class) x=(tenth(area.x)) y=(tenth(area.y)) width=(tenth(area.width)) height=(tenth(area.height)) rx="4" {}
            @if fits {
                text x=(tenth(area.x + 7.0)) y=(tenth(area.y + 17.0)) { (Line(&cut(name, room))) }
                @if area.height >= 40.0 && area.width >= 74.0 {
                    text class="note" x=(tenth(area.x + 7.0)) y=(tenth(area.y + 33.0)) { (bytes(piece.bytes)) }
                }
            }
        }
    }
}

/// So many characters of a text.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

fn tenth(number: f64) -> String {
    format!("{number:.1}")
}
