//! The processes in a container, whatever columns the guest's `ps` gives them, in those that XenCenter shows.
//!
//! XenCenter reads PID, CMD and TIME of every `Process`. An element without a text costs the whole list, and a row that
//! lacks one shows that of the row before (xenadmin XenAdmin/TabPages/DockerProcessPage.cs), so all three are always there.

use std::borrow::Cow;

use super::characters::clean;
use super::json::{Cursor, Value};
use super::xml::Document;
use super::{NotADocument, TOP};

/// Processes shown; the rest is counted.
pub const MAX_PROCESSES: usize = 20_000;

/// Bytes of a document, give or take one process.
const MAX_DOCUMENT: usize = 8 << 20;

/// Columns shown; the rest is part of the last one. `ps` knows about a hundred, of which it gives eight if not asked for
/// more.
const MAX_COLUMNS: usize = 64;

/// The columns that XenCenter shows.
const SHOWN: [&str; 3] = ["PID", "TIME", "CMD"];

/// What stands where nothing is known.
const NOTHING: &str = "-";

/// A cell, or a title: as text, whatever it was.
type Cell<'a> = Cow<'a, str>;

/// `docker_top`, of the answer to `GET /containers/{id}/top`: one JSON object.
///
/// ```
/// let json = r#"{"Titles":["PID","COMMAND"],"Processes":[["881","nginx: master process"]]}"#;
/// assert_eq!(
///     agent::view::top(json).unwrap(),
///     "<?xml version=\"1.0\" ?><docker_top><item><Process><PID>881</PID><CMD>nginx: master process</CMD>\
///      <TIME>-</TIME></Process></item></docker_top>"
/// );
/// ```
///
/// # Errors
/// [`NotADocument`]
pub fn top(json: &str) -> Result<String, NotADocument> {
    let (titles, rows) = read(json)?;
    let columns = Columns::of(titles);
    let mut xml = Document::for_xencenter();
    xml.element(TOP, |xml| {
        for (at, row) in rows.iter().enumerate() {
            if at == MAX_PROCESSES || xml.len() > MAX_DOCUMENT {
                let rest = format!("{} more processes are not shown", rows.len() - at);
                return push(xml, &SHOWN, &[NOTHING, NOTHING, &rest]);
            }
            push(xml, &columns.titles, &columns.cells(row));
        }
    });
    Ok(xml.finish())
}

/// Titles and rows.
fn read(json: &str) -> Result<(Vec<Cell<'_>>, Vec<Vec<Cell<'_>>>), NotADocument> {
    let unexpected = |what, came, expected| NotADocument::Unexpected { what, came, expected };
    let mut cursor = Cursor::new(json).map_err(|error| NotADocument::NotJson(error.to_string()))?;
    match cursor.value() {
        Value::Object => {}
        other => return Err(unexpected("the list of processes", other.kind(), "an object")),
    }
    let (mut titles, mut rows) = (None, None);
    while cursor.goes_on() {
        match &*cursor.name() {
            "Titles" => titles = Some(list(&mut cursor, cell).map_err(|came| unexpected("Titles", came, "a list"))?),
            "Processes" => rows = Some(list(&mut cursor, row).map_err(|came| unexpected("Processes", came, "a list"))?),
            _ => drop(cursor.skip()),
        }
    }
    // Podman's service gives null for lists without elements, as Go does.
    match (titles, rows) {
        (None, None) => {
            Err(unexpected("the list of processes", "an object without Titles and Processes", "one with them"))
        }
        (titles, rows) => {
            let (titles, rows) = (titles.unwrap_or_default(), rows.unwrap_or_default());
            match titles.is_empty() && !rows.is_empty() {
                true => Err(unexpected("Titles", "empty", "a list of columns")),
                false => Ok((titles, rows)),
            }
        }
    }
}

/// Reads a list; null is an empty one, and anything else an error that says what it is.
fn list<'a, T>(cursor: &mut Cursor<'a>, mut element: impl FnMut(&mut Cursor<'a>) -> T) -> Result<Vec<T>, &'static str> {
    match cursor.value() {
        Value::Null => Ok(Vec::new()),
        Value::List => {
            let mut all = Vec::new();
            while cursor.goes_on() {
                all.push(element(cursor));
            }
            Ok(all)
        }
        other => Err(other.kind()),
    }
}

/// Reads the cells of a process; a process that is no list has one.
fn row<'a>(cursor: &mut Cursor<'a>) -> Vec<Cell<'a>> {
    match cursor.clone().value() {
        Value::List => list(cursor, cell).unwrap_or_default(),
        _ => vec![cell(cursor)],
    }
}

/// Reads a cell: a text, or the JSON of something else.
fn cell<'a>(cursor: &mut Cursor<'a>) -> Cell<'a> {
    match cursor.clone().value() {
        Value::Text(text) => {
            cursor.skip();
            text
        }
        Value::Null => {
            cursor.skip();
            Cow::Borrowed("")
        }
        _ => Cow::Borrowed(cursor.skip()),
    }
}

/// Titles, as they are shown; none of them twice.
struct Columns {
    titles: Vec<String>,
    /// For each cell that a row may have, which title it belongs to; none for one whose title came before.
    places: Vec<Option<usize>>,
    /// Whether rows are lines that have to be split as the line of titles was.
    lines: bool,
}

impl Columns {
    fn of(titles: Vec<Cell<'_>>) -> Self {
        let mut titles: Vec<String> = titles.iter().map(|title| clean(title).collect()).collect();
        // Podman gives what `ps` in the container says line by line, if it is not one that it knows.
        let lines = titles.len() == 1 && titles[0].contains(char::is_whitespace);
        if lines {
            titles = titles[0].split_whitespace().map(str::to_owned).collect();
        }
        titles.truncate(MAX_COLUMNS);
        rename(&mut titles);
        let mut shown: Vec<String> = Vec::new();
        let mut places = Vec::new();
        for title in titles {
            let known = shown.contains(&title);
            places.push((!known).then_some(shown.len()));
            if !known {
                shown.push(title);
            }
        }
        for title in SHOWN {
            if !shown.iter().any(|known| known == title) {
                shown.push(title.to_owned());
            }
        }
        Self { titles: shown, places, lines }
    }

    /// The cells of a row in the order of the titles, empty where there is none. What is left over belongs to the last
    /// column, which is the command wherever it may hold blanks.
    fn cells(&self, row: &[Cell<'_>]) -> Vec<String> {
        let mut cells = vec![String::new(); self.titles.len()];
        let line = if self.lines { row.join(" ") } else { String::new() };
        let pieces: Vec<&str> = match self.lines {
            true => words(&line, self.places.len()),
            false => row.iter().map(|cell| &**cell).collect(),
        };
        for (at, piece) in pieces.into_iter().enumerate() {
            let last = self.places.len().saturating_sub(1);
            let Some(Some(place)) = self.places.get(at.min(last)) else { continue };
            if at > last {
                cells[*place].push(' ');
            }
            cells[*place].push_str(piece);
        }
        cells
    }
}

/// Gives the columns that XenCenter shows the names by which it knows them.
fn rename(titles: &mut [String]) {
    // What Docker gives on Windows (moby, daemon/top_windows.go).
    let windows = titles.iter().any(|title| title == "Private Working Set");
    call(titles, "COMMAND", "CMD");
    if windows {
        call(titles, "Name", "CMD");
        call(titles, "CPU", "TIME");
    }
}

/// Calls the first column of a name by another, unless there is one of that.
fn call(titles: &mut [String], name: &str, shown: &str) {
    if !titles.iter().any(|title| title == shown)
        && let Some(title) = titles.iter_mut().find(|title| *title == name)
    {
        shown.clone_into(title);
    }
}

/// The first words of a line, and what is left of it as the last of `most` pieces.
fn words(line: &str, most: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() && pieces.len() + 1 < most {
        let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        pieces.push(word);
        rest = after.trim_start();
    }
    pieces.push(rest);
    pieces
}

/// A process: an element for each cell that shows something, and for the columns that XenCenter shows in any case.
fn push(xml: &mut Document, titles: &[impl AsRef<str>], cells: &[impl AsRef<str>]) {
    xml.element("item", |xml| {
        xml.element("Process", |xml| {
            for (title, cell) in titles.iter().zip(cells) {
                let (title, cell) = (title.as_ref(), cell.as_ref());
                if clean(cell).next().is_some() {
                    xml.foreign_element(title, |xml| xml.text(cell));
                } else if SHOWN.contains(&title) {
                    xml.leaf(title, NOTHING);
                }
            }
        });
    });
}

#[cfg(test)]
mod tests;
