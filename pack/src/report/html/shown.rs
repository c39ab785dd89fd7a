//! Text of strangers on a page: what cannot be seen is written out, and nothing is without end.
//!
//! maud escapes what HTML means; this is about what a browser would draw nothing for, or draw elsewhere.

use maud::{Markup, Render, html};

/// Most characters of a name, a path or a line.
const LINE: usize = 400;
/// Most characters of a script or what it printed.
const BLOCK: usize = 20_000;

/// One line of somebody's text.
pub(super) struct Line<'t>(pub(super) &'t str);

/// Somebody's text with its lines.
pub(super) struct Block<'t>(pub(super) &'t str);

impl Render for Line<'_> {
    fn render(&self) -> Markup {
        pieces(self.0, LINE, |_| false)
    }
}

impl Render for Block<'_> {
    fn render(&self) -> Markup {
        pieces(self.0, BLOCK, |c| matches!(c, '\n' | '\t'))
    }
}

fn pieces(text: &str, most: usize, passes: fn(char) -> bool) -> Markup {
    let end = text.char_indices().nth(most).map_or(text.len(), |(at, _)| at);
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    let mut from = 0;
    for (at, c) in text[..end].char_indices().filter(|(_, c)| is_unseen(*c) && !passes(*c)) {
        pieces.extend([Piece::Seen(&text[from..at]), Piece::Unseen(c)]);
        from = at + c.len_utf8();
    }
    pieces.push(Piece::Seen(&text[from..end]));
    html! {
        @for piece in &pieces {
            @match piece {
                Piece::Seen(text) => (text),
                Piece::Unseen(c) => span class="unseen" { "U+" (format!("{:04X}", u32::from(*c))) },
            }
        }
        @if end < text.len() { "…" }
    }
}

enum Piece<'t> {
    Seen(&'t str),
    Unseen(char),
}

/// Whether a character would not be seen, or would move others: controls, what `escape_debug` takes for not printable,
/// and what sets the direction of text (Unicode Standard Annex 9).
fn is_unseen(c: char) -> bool {
    let escaped = || c.escape_debug().to_string().starts_with("\\u");
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        || escaped()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_written_out() {
        let shown = Line("a\u{202e}b\u{7}\n\u{200d}<i>").render().into_string();
        assert_eq!(
            shown,
            "a<span class=\"unseen\">U+202E</span>b<span class=\"unseen\">U+0007</span><span class=\"unseen\">U+000A</span>\
             <span class=\"unseen\">U+200D</span>&lt;i&gt;"
        );
        assert_eq!(Line("\u{202e}").render().into_string(), "<span class=\"unseen\">U+202E</span>");
        assert_eq!(Block("a\n\tb").render().into_string(), "a\n\tb");
        assert_eq!(Line("Größe – 日本").render().into_string(), "Größe – 日本");
    }

    #[test]
    fn nothing_is_without_end() {
        let shown = Line(&"ä".repeat(100_000)).render().into_string();
        assert_eq!(shown.chars().count(), LINE + 1);
        assert!(shown.ends_with('…'));
    }
}
