//! Containers of VMs in a table, and as programs read them. A pure function.

use serde_json::{Value, json};

use super::find::short_id;
use super::screen::{Colour, Screen};
use super::status::for_how_long;
use super::table::{Cell, Column, lines};
use crate::lending::standing::{List, Row};
use crate::view::status::is_up;

const COLUMNS: [Column; 8] = [
    Column::goes("VM", 1, 6),
    Column::goes("CONTAINER ID", 4, 12),
    Column::stays("NAME", 8),
    Column::stays("STATUS", 12),
    Column::goes("IMAGE", 2, 10),
    Column::goes("CREATED", 5, 7),
    Column::goes("PORTS", 3, 8),
    Column::goes("COMMAND", 6, 10),
];

/// Which containers are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// Those that run, paused or not.
    Up,
}

/// The containers in a table. `now` in seconds since 1970.
#[must_use]
pub fn text(lists: &[List], which: Which, now: u64, screen: &Screen) -> String {
    let rows: Vec<Vec<Cell>> = wanted(lists, which).map(|(list, row)| cells(list, row, now)).collect();
    let mut text = lines(&COLUMNS, &rows, screen);
    for list in lists.iter().filter(|list| list.rows.is_none()) {
        let line = screen.line(&format!(
            "The containers of {} are not seen, or too many to be kept: xscontainer status, xscontainer ps {}",
            list.name,
            super::problem::in_shell(&list.name)
        ));
        text += &format!("{}\n", screen.in_colour(&line, Some(Colour::Doubtful)));
    }
    text
}

/// Ids and nothing else, one in a line, as scripts want them.
#[must_use]
pub fn ids(lists: &[List], which: Which) -> String {
    wanted(lists, which).map(|(_, row)| format!("{}\n", row.id)).collect()
}

/// As programs read them.
#[must_use]
pub fn value(lists: &[List], which: Which) -> Value {
    let containers = wanted(lists, which).map(|(list, row)| {
        json!({
            "vm": list.vm, "vm_name": list.name, "id": row.id, "name": row.name, "image": row.image,
            "status": row.status, "created": row.created, "ports": row.ports, "command": row.command,
        })
    });
    let unseen = lists.iter().filter(|list| list.rows.is_none());
    json!({
        "containers": containers.collect::<Vec<_>>(),
        "not_seen": unseen.map(|list| json!({"vm": list.vm, "vm_name": list.name})).collect::<Vec<_>>(),
    })
}

fn wanted(lists: &[List], which: Which) -> impl Iterator<Item = (&List, &Row)> {
    let rows = lists.iter().flat_map(|list| list.rows.iter().flatten().map(move |row| (list, row)));
    rows.filter(move |(_, row)| which == Which::All || is_up(&row.status))
}

fn cells(list: &List, row: &Row, now: u64) -> Vec<Cell> {
    let colour = match row.status.as_str() {
        "Up" => Colour::Good,
        "Up (Paused)" => Colour::Doubtful,
        _ => Colour::Faint,
    };
    let created = u64::try_from(row.created).map(|created| format!("{} ago", for_how_long(created, now)));
    vec![
        list.name.as_str().into(),
        short_id(&row.id).into(),
        row.name.as_str().into(),
        Cell::coloured(row.status.as_str(), colour),
        row.image.as_str().into(),
        created.unwrap_or_default().into(),
        row.ports.as_str().into(),
        row.command.as_str().into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, status: &str) -> Row {
        Row {
            id: "0123456789abcdef".into(),
            name: name.into(),
            image: "nginx:1.25".into(),
            command: "nginx".into(),
            status: status.into(),
            created: 1000,
            ports: "80/tcp".into(),
        }
    }

    fn lists() -> Vec<List> {
        let list = |name: &str, rows| List { vm: "u".into(), name: name.into(), rows };
        vec![list("one", Some(vec![row("web", "Up"), row("old", "Exited (0)")])), list("two words", None)]
    }

    #[test]
    fn a_vm_whose_containers_are_not_seen_is_named() {
        let screen = Screen { width: None, colours: false, unicode: true };
        assert_eq!(
            text(&lists(), Which::Up, 1060, &screen),
            "VM   CONTAINER ID  NAME  STATUS  IMAGE       CREATED   PORTS   COMMAND\n\
             one  0123456789ab  web   Up      nginx:1.25  60 s ago  80/tcp  nginx\n\
             The containers of two words are not seen, or too many to be kept: xscontainer status, xscontainer ps \
             'two words'\n"
        );
        assert_eq!(ids(&lists(), Which::All).lines().count(), 2);
        assert_eq!(value(&lists(), Which::All)["containers"][1]["status"], "Exited (0)");
    }

    #[test]
    fn on_twenty_columns_name_and_status_are_left() {
        let screen = Screen { width: Some(20), colours: false, unicode: true };
        assert!(
            text(&lists()[..1], Which::All, 1060, &screen).starts_with("NAME  STATUS\nweb   Up\nold   Exited (0)\n")
        );
    }
}
