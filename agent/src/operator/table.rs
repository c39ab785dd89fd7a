//! Tables that fit a terminal: columns get what they need, then give up width, then go, and at last rows become lists.
//! Must not know what is in them.

use unicode_width::UnicodeWidthStr;

use super::screen::{Colour, Screen};

/// Blanks between two columns.
const GAP: usize = 2;

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// What stands above it.
    pub title: &'static str,
    /// Where the width does not suffice: columns of the highest rank go first, those of rank 0 never.
    pub rank: u8,
    /// How narrow it may become, columns of the terminal.
    pub least: usize,
}

impl Column {
    /// A column that stays, and may become as narrow as `least`.
    #[must_use]
    pub const fn stays(title: &'static str, least: usize) -> Self {
        Self { title, rank: 0, least }
    }

    /// A column that goes where there is no room, and may become as narrow as `least` before.
    #[must_use]
    pub const fn goes(title: &'static str, rank: u8, least: usize) -> Self {
        Self { title, rank, least }
    }
}

/// What stands in one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    colour: Option<Colour>,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, colour: None }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl Cell {
    /// A text in a colour.
    #[must_use]
    pub fn coloured(text: impl Into<String>, colour: Colour) -> Self {
        Self { text: text.into(), colour: Some(colour) }
    }
}

/// The table as lines, each ended. Every row has a cell for each column; texts may be foreign.
#[must_use]
pub fn lines(columns: &[Column], rows: &[Vec<Cell>], screen: &Screen) -> String {
    let rows: Vec<Vec<Cell>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| Cell { text: screen.line(&cell.text), colour: cell.colour }).collect())
        .collect();
    match widths(columns, &rows, screen.width) {
        Some(widths) => in_columns(columns, &rows, &widths, screen),
        None => in_lists(columns, &rows, screen),
    }
}

/// How wide each column is, none for those that go; `None` if those that stay do not fit.
fn widths(columns: &[Column], rows: &[Vec<Cell>], room: Option<usize>) -> Option<Vec<Option<usize>>> {
    let wanted = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.text.width()).max();
        columns[at].title.width().max(cells.unwrap_or(0))
    };
    let wanted: Vec<usize> = (0..columns.len()).map(wanted).collect();
    let Some(room) = room else { return Some(wanted.into_iter().map(Some).collect()) };
    let least = |at: usize| wanted[at].min(columns[at].least.max(columns[at].title.width()));
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    let total = |kept: &[usize], width: &dyn Fn(usize) -> usize| {
        kept.iter().map(|at| width(*at)).sum::<usize>() + GAP * kept.len().saturating_sub(1)
    };
    while total(&kept, &least) > room {
        let goes = kept.iter().copied().filter(|at| columns[*at].rank > 0).max_by_key(|at| columns[*at].rank)?;
        kept.retain(|at| *at != goes);
    }
    let mut widths = wanted.clone();
    let mut surplus = total(&kept, &|at| widths[at]).saturating_sub(room);
    while surplus > 0 {
        // The widest gives, so that short ones stay whole.
        let widest = kept.iter().copied().filter(|at| widths[*at] > least(*at)).max_by_key(|at| widths[*at])?;
        widths[widest] -= 1;
        surplus -= 1;
    }
    Some((0..columns.len()).map(|at| kept.contains(&at).then_some(widths[at])).collect())
}

fn in_columns(columns: &[Column], rows: &[Vec<Cell>], widths: &[Option<usize>], screen: &Screen) -> String {
    let titles: Vec<Cell> = columns.iter().map(|column| Cell::coloured(column.title, Colour::Strong)).collect();
    let last = widths.iter().rposition(Option::is_some);
    let mut text = String::new();
    for row in std::iter::once(&titles).chain(rows) {
        for (at, (cell, width)) in row.iter().zip(widths).enumerate() {
            let Some(width) = *width else { continue };
            let shown = cut(&cell.text, width, screen);
            let blanks = if Some(at) == last { 0 } else { width.saturating_sub(shown.width()) + GAP };
            text += &screen.in_colour(&shown, cell.colour);
            text.extend(std::iter::repeat_n(' ', blanks));
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}

fn in_lists(columns: &[Column], rows: &[Vec<Cell>], screen: &Screen) -> String {
    let room = screen.width.unwrap_or(usize::MAX);
    let mut text = String::new();
    for (nth, row) in rows.iter().enumerate() {
        if nth > 0 {
            text.push('\n');
        }
        for (column, cell) in columns.iter().zip(row).filter(|(_, cell)| !cell.text.is_empty()) {
            let title = format!("{}: ", column.title);
            let left = room.saturating_sub(title.width());
            let shown = cut(&cell.text, if left < 8 { room } else { left }, screen);
            text += &screen.in_colour(&title, Some(Colour::Strong));
            text += if left < 8 { "\n" } else { "" };
            text += &screen.in_colour(&shown, cell.colour);
            text.push('\n');
        }
    }
    text
}

/// The beginning of `text` that has room in `width` columns, with a sign that it was cut.
fn cut(text: &str, width: usize, screen: &Screen) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let sign = if screen.unicode { "…" } else { "~" };
    // Characters may be wider together than alone, so that whole beginnings are measured.
    let ends = text.char_indices().map(|(at, _)| at);
    let fits = ends.take_while(|end| text[..*end].width() < width).last().unwrap_or(0);
    format!("{}{sign}", &text[..fits])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COLUMNS: [Column; 4] = [
        Column::stays("NAME", 6),
        Column::stays("STATUS", 8),
        Column::goes("IMAGE", 1, 8),
        Column::goes("COMMAND", 2, 8),
    ];

    fn rows() -> Vec<Vec<Cell>> {
        vec![
            vec!["web".into(), Cell::coloured("Up", Colour::Good), "nginx".into(), "nginx -g 'daemon off;'".into()],
            vec!["a-long-name".into(), "Exited (137)".into(), "registry.example.com/größe:1".into(), "".into()],
        ]
    }

    fn shown(width: Option<usize>) -> String {
        lines(&COLUMNS, &rows(), &Screen { width, colours: false, unicode: true })
    }

    #[test]
    fn in_a_pipe_everything_is_whole() {
        assert_eq!(
            shown(None),
            "NAME         STATUS        IMAGE                         COMMAND\n\
             web          Up            nginx                         nginx -g 'daemon off;'\n\
             a-long-name  Exited (137)  registry.example.com/größe:1\n"
        );
    }

    #[test]
    fn the_widest_columns_give_and_then_go() {
        assert_eq!(
            shown(Some(60)),
            "NAME         STATUS        IMAGE             COMMAND\n\
             web          Up            nginx             nginx -g 'daem…\n\
             a-long-name  Exited (137)  registry.exampl…\n"
        );
        assert_eq!(
            shown(Some(30)),
            "NAME       STATUS     IMAGE\n\
             web        Up         nginx\n\
             a-long-n…  Exited (…  registr…\n"
        );
    }

    #[test]
    fn where_nothing_fits_rows_become_lists() {
        assert_eq!(
            shown(Some(14)),
            "NAME: web\nSTATUS: \nUp\nIMAGE: \nnginx\nCOMMAND: \nnginx -g 'dae…\n\
             \n\
             NAME: a-long-…\nSTATUS: \nExited (137)\nIMAGE: \nregistry.exam…\n"
        );
    }

    #[test]
    fn colours_do_not_count_as_width() {
        let screen = Screen { width: Some(40), colours: true, unicode: true };
        let coloured = lines(&COLUMNS, &rows(), &screen);
        let plain = lines(&COLUMNS, &rows(), &Screen { colours: false, ..screen });
        let stripped =
            ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[32m"].iter().fold(coloured, |text, code| text.replace(code, ""));
        assert_eq!(stripped, plain);
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_terminal(
            width in 8_usize..120,
            texts in prop::collection::vec("(\\PC|\u{2764}\u{fe0f}|\u{fe0f}){0,40}", 8),
        ) {
            let rows: Vec<Vec<Cell>> = texts.chunks(4).map(|row| row.iter().map(|text| text.as_str().into()).collect()).collect();
            let shown = lines(&COLUMNS, &rows, &Screen { width: Some(width), colours: false, unicode: true });
            for line in shown.lines() {
                prop_assert!(line.trim_end().width() <= width.max(9), "{line:?} in {width}");
            }
        }
    }
}
