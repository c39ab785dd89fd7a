//! Containers as the monitor keeps them for other programs of its host: short, harmless texts. A pure function.

use crate::engine::{Container, Containers, Port};
use crate::lending::standing::{Counts, Row};
use crate::view::{characters, status};

/// Characters of a name.
const NAME: usize = 200;

/// Characters of a reason or a remedy.
const LINE: usize = 1000;

/// Characters of an image, a command or a list of ports.
const SHORT: usize = 128;

/// Bytes of one VM's list; a longer one is not kept at all, so that what is kept is whole.
const MAX_LIST: usize = 1 << 20;

/// What a row costs beside its texts, bytes.
const ROW_COST: usize = 160;

/// The containers counted, and in rows unless they are too many: by name.
pub(super) fn of(containers: &Containers) -> (Counts, Option<Vec<Row>>) {
    let mut counts = Counts::default();
    let mut rows: Vec<Row> = containers.list.iter().map(row).collect();
    for row in &rows {
        match row.status.as_str() {
            "Up (Paused)" => counts.paused += 1,
            "Up" => counts.up += 1,
            _ => counts.stopped += 1,
        }
    }
    let whole = containers.beyond_limit == 0 && bytes(&rows) <= MAX_LIST;
    rows.sort_by(|one, other| (&one.name, &one.id).cmp(&(&other.name, &other.id)));
    (counts, whole.then_some(rows))
}

/// What rows cost in memory, about.
pub(super) fn bytes(rows: &[Row]) -> usize {
    let texts = |row: &Row| {
        row.id.len() + row.name.len() + row.image.len() + row.command.len() + row.status.len() + row.ports.len()
    };
    rows.iter().map(|row| ROW_COST + texts(row)).sum()
}

/// A container as it is kept.
#[must_use]
pub fn row(container: &Container) -> Row {
    Row {
        id: container.id.clone(),
        name: name(&container.name),
        image: short(&container.image),
        command: short(&container.command),
        status: status::normalised(&container.status, &container.state),
        created: container.created,
        ports: ports(&container.ports),
    }
}

fn ports(ports: &[Port]) -> String {
    let mut all: Vec<String> = Vec::new();
    for port in ports {
        let inside = format!("{}/{}", port.private, port.protocol);
        let text = match (&port.ip, port.public) {
            (Some(ip), Some(public)) if ip.contains(':') => format!("[{ip}]:{public}->{inside}"),
            (Some(ip), Some(public)) => format!("{ip}:{public}->{inside}"),
            (None, Some(public)) => format!("{public}->{inside}"),
            (_, None) => inside,
        };
        if !all.contains(&text) {
            all.push(text);
        }
        if all.len() > SHORT {
            break;
        }
    }
    all.sort();
    short(&all.join(", "))
}

/// A name in one harmless line.
pub(super) fn name(text: &str) -> String {
    cut(text, NAME)
}

/// A reason in one harmless line.
pub(super) fn line(text: &str) -> String {
    cut(text, LINE)
}

fn short(text: &str) -> String {
    cut(text, SHORT)
}

fn cut(text: &str, characters: usize) -> String {
    let mut clean = characters::clean(text);
    let mut shown: String = clean.by_ref().take(characters).collect();
    if clean.next().is_some() {
        shown.pop();
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_commands_a_terminal_does_not_get_into_a_row() {
        let container = Container {
            id: "0123456789ab".into(),
            name: "a".into(),
            image: "x\u{1b}[2J".into(),
            command: "y".repeat(SHORT + 1),
            created: 1,
            status: "Up 3 minutes".into(),
            state: "running".into(),
            ports: vec![
                Port { ip: Some("::".into()), private: 80, public: Some(8080), protocol: "tcp".into() },
                Port { ip: None, private: 443, public: None, protocol: "tcp".into() },
            ],
        };
        let row = row(&container);
        assert_eq!(row.image, "x\u{fffd}[2J");
        assert_eq!(row.command, format!("{}…", "y".repeat(SHORT - 1)));
        assert_eq!(row.ports, "443/tcp, [::]:8080->80/tcp");
    }

    #[test]
    fn a_list_that_is_too_long_is_only_counted() {
        let container = |n: usize| Container {
            id: format!("{n:064x}"),
            name: format!("c{n}"),
            image: "i".repeat(100),
            command: String::new(),
            created: 0,
            status: "Up".into(),
            state: String::new(),
            ports: Vec::new(),
        };
        let all = Containers { list: (0..4000).map(container).collect(), ..Containers::default() };
        assert_eq!(of(&all), (Counts { up: 4000, ..Counts::default() }, None));
    }
}
