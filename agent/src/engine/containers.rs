//! The list of containers: each element read into the few fields used, all of it within limits.
//!
//! Engines from Docker 1.6 on and Podman's service (`GET /containers/json` of the Docker Engine API). Must not know how
//! the bytes came.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::lenient::{List, Object, Text};

/// Containers kept of one list; the rest is counted.
pub const MAX_CONTAINERS: usize = 20_000;

/// Bytes kept of one list.
const MAX_KEPT: usize = 4 << 20;

/// Bytes of a command once the list is too long to keep all of them.
const SHORT_COMMAND: usize = 64;

/// What one container is reckoned to cost in memory beyond its texts, bytes.
const CONTAINER_COST: usize = 250;

/// Bytes of one element: labels are in it, which are passed over.
pub const MAX_ELEMENT: usize = 1 << 20;

/// A container, as its engine describes it. All texts are foreign and may hold anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its id: 12 to 64 lower-case hexadecimal digits.
    pub id: String,
    /// Its own name, without a slash; the first digits of its id if it has none.
    pub name: String,
    /// What it was made from.
    pub image: String,
    /// What runs in it.
    pub command: String,
    /// When it was made, seconds since 1970.
    pub created: i64,
    /// The engine's words for its state, such as `Up 3 minutes (Paused)`; may be empty.
    pub status: String,
    /// The engine's one word for its state, such as `running`; empty before API 1.23.
    pub state: String,
    /// The ports it offers.
    pub ports: Vec<Port>,
}

/// A port of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The address it is published at.
    pub ip: Option<String>,
    /// In the container.
    pub private: u16,
    /// On the machine, if it is published.
    pub public: Option<u16>,
    /// Such as `tcp`.
    pub protocol: String,
}

/// A list of containers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Containers {
    /// Those that were kept, in the engine's order; no two with the same id.
    pub list: Vec<Container>,
    /// How many more there were than can be kept.
    pub beyond_limit: usize,
    /// How many elements made no sense.
    pub unreadable: usize,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RawContainer {
    id: Text<64>,
    names: List<Text<256>, 32>,
    image: Text<512>,
    command: Text<4096>,
    created: Text<32>,
    status: Text<256>,
    state: Text<32>,
    ports: List<Object<RawPort>, 256>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawPort {
    #[serde(rename = "IP")]
    ip: Text<64>,
    #[serde(rename = "PrivatePort")]
    private: Text<8>,
    #[serde(rename = "PublicPort")]
    public: Text<8>,
    #[serde(rename = "Type")]
    protocol: Text<16>,
}

/// Puts a list together from its elements.
pub(super) struct Collector {
    found: Containers,
    /// Containers kept.
    most: usize,
    ids: BTreeSet<String>,
    kept: usize,
    commands_short: bool,
}

impl Collector {
    /// Keeps so many containers, at most [`MAX_CONTAINERS`].
    pub(super) fn up_to(most: usize) -> Self {
        let (found, ids) = (Containers::default(), BTreeSet::new());
        Self { found, most: most.min(MAX_CONTAINERS), ids, kept: 0, commands_short: false }
    }

    /// Reads one element.
    pub(super) fn push(&mut self, element: &[u8]) {
        let text = String::from_utf8_lossy(element);
        let Some(mut container) = serde_json::from_str(&text).ok().and_then(container) else {
            self.found.unreadable += 1;
            return;
        };
        if self.ids.contains(&container.id) {
            return;
        }
        if self.commands_short {
            shorten(&mut container);
        }
        if self.kept + cost(&container) > MAX_KEPT && !self.commands_short {
            self.commands_short = true;
            self.found.list.iter_mut().chain([&mut container]).for_each(shorten);
            self.kept = self.found.list.iter().map(cost).sum();
        }
        if self.found.list.len() == self.most || self.kept + cost(&container) > MAX_KEPT {
            self.found.beyond_limit += 1;
            return;
        }
        self.kept += cost(&container);
        self.ids.insert(container.id.clone());
        self.found.list.push(container);
    }

    pub(super) fn finish(self) -> Containers {
        self.found
    }
}

fn shorten(container: &mut Container) {
    let end = container.command.floor_char_boundary(SHORT_COMMAND);
    container.command.truncate(end);
    container.command.shrink_to_fit();
}

fn cost(container: &Container) -> usize {
    let Container { id, name, image, command, status, state, ports, created: _ } = container;
    // The id is held twice.
    let texts = 2 * id.len() + name.len() + image.len() + command.len() + status.len() + state.len();
    let port = |port: &Port| 64 + port.ip.as_ref().map_or(0, String::len) + port.protocol.len();
    CONTAINER_COST + texts + ports.iter().map(port).sum::<usize>()
}

fn container(raw: RawContainer) -> Option<Container> {
    let id = raw.id.or_empty();
    let is_id = (12..=64).contains(&id.len()) && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !is_id {
        return None;
    }
    let names = raw.names.0.into_iter().filter_map(|name| name.0);
    let name = own_name(names).unwrap_or_else(|| id[..12].to_owned());
    Some(Container {
        name,
        image: raw.image.or_empty(),
        command: raw.command.or_empty(),
        created: seconds(&raw.created.or_empty()),
        status: raw.status.or_empty(),
        state: raw.state.or_empty().to_ascii_lowercase(),
        ports: raw.ports.0.into_iter().filter_map(|port| port_from(port.0?)).collect(),
        id,
    })
}

/// A container's own name is the one without a further slash: Docker lists links to it, such as `/web/db`, as well.
fn own_name(names: impl Iterator<Item = String>) -> Option<String> {
    let mut names = names.map(|name| name.strip_prefix('/').map(str::to_owned).unwrap_or(name));
    names.find(|name| !name.is_empty() && !name.contains('/'))
}

fn port_from(raw: RawPort) -> Option<Port> {
    let number = |text: Text<8>| text.0.and_then(|text| text.parse::<u16>().ok());
    Some(Port {
        ip: raw.ip.0.filter(|ip| !ip.is_empty()),
        private: number(raw.private)?,
        public: number(raw.public).filter(|port| *port != 0),
        protocol: raw.protocol.or_empty(),
    })
}

/// Docker gives seconds; fractions are cut off, and what is no number is 0.
fn seconds(text: &str) -> i64 {
    let whole = text.split(['.', 'e', 'E']).next().unwrap_or_default();
    whole.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ID: &str = "3f1c2ab49d0e5b6778c9a0b1c2d3e4f5061728394a5b6c7d8e9f00112233aa01";

    fn collect(elements: impl IntoIterator<Item = Value>) -> Containers {
        let mut collector = Collector::up_to(MAX_CONTAINERS);
        elements.into_iter().for_each(|element| collector.push(element.to_string().as_bytes()));
        collector.finish()
    }

    fn one(element: Value) -> Container {
        collect([element]).list.remove(0)
    }

    #[test]
    fn dockers_element_is_read() {
        let container = one(json!({
            "Id": ID, "Names": ["/web/db", "/db"], "Image": "postgres:15", "ImageID": "sha256:1", "Command": "postgres",
            "Created": 1_466_755_300, "State": "running", "Status": "Up 3 minutes", "Labels": {"a": "b"},
            "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}, {"PrivatePort": 443, "Type": "tcp"}],
        }));
        let port = |ip: Option<&str>, private, public| Port {
            ip: ip.map(Into::into),
            private,
            public,
            protocol: "tcp".into(),
        };
        assert_eq!(
            container,
            Container {
                id: ID.into(),
                name: "db".into(),
                image: "postgres:15".into(),
                command: "postgres".into(),
                created: 1_466_755_300,
                status: "Up 3 minutes".into(),
                state: "running".into(),
                ports: vec![port(Some("0.0.0.0"), 80, Some(8080)), port(None, 443, None)],
            }
        );
    }

    #[test]
    fn podmans_nulls_and_gaps_are_read() {
        let container =
            one(json!({"Id": ID, "Names": null, "Command": null, "Ports": null, "Status": "", "State": "Running"}));
        assert_eq!((container.name.as_str(), container.command.as_str()), ("3f1c2ab49d0e", ""));
        assert_eq!((container.status.as_str(), container.state.as_str()), ("", "running"));
    }

    #[test]
    fn fields_of_other_types_are_missing_and_nothing_else_is() {
        let container = one(json!({
            "Id": ID, "Names": "x", "Image": {"deep": [1]}, "Command": ["a"], "Created": "1466755300", "Status": 7,
            "Ports": [1, "x", {"PrivatePort": "80", "PublicPort": 70000}, {"PrivatePort": null}],
        }));
        assert_eq!((container.image.as_str(), container.command.as_str(), container.status.as_str()), ("", "", "7"));
        assert_eq!(container.created, 1_466_755_300);
        assert_eq!(container.ports, [Port { ip: None, private: 80, public: None, protocol: String::new() }]);
    }

    #[test]
    fn an_element_without_an_id_costs_itself_only() {
        let found = collect([json!({"Id": "../x"}), json!({"Id": ID}), json!({"Id": ID.to_uppercase()}), json!({})]);
        assert_eq!((found.list.len(), found.unreadable), (1, 3));
    }

    #[test]
    fn of_two_with_the_same_id_the_first_counts() {
        let found = collect([json!({"Id": ID, "Image": "a"}), json!({"Id": ID, "Image": "b"})]);
        assert_eq!((found.list.len(), found.list[0].image.as_str()), (1, "a"));
    }

    #[test]
    fn texts_are_cut_at_a_character() {
        let container = one(json!({"Id": ID, "Names": ["é".repeat(500)]}));
        assert_eq!(container.name, "é".repeat(128));
    }

    fn many(count: usize, command: &str) -> Containers {
        collect((0..count).map(|n| json!({"Id": format!("{n:064x}"), "Command": command, "Names": [format!("/n{n}")]})))
    }

    #[test]
    fn a_long_list_loses_its_commands_before_its_containers() {
        let found = many(5000, &"x".repeat(4000));
        assert_eq!((found.list.len(), found.beyond_limit), (5000, 0));
        assert_eq!(found.list[0].command.len(), SHORT_COMMAND);
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_rest_counted() {
        let found = many(30_000, &"x".repeat(200));
        assert_eq!(found.list.len() + found.beyond_limit, 30_000);
        assert!(found.list.iter().map(cost).sum::<usize>() <= MAX_KEPT);
        assert!(found.list.len() > 5_000);
    }

    #[test]
    fn invalid_utf8_is_replaced() {
        let mut collector = Collector::up_to(MAX_CONTAINERS);
        collector.push(format!("{{\"Id\":\"{ID}\",\"Image\":\"a?b\"}}").replace('?', "\u{0}").as_bytes());
        collector.push(&[br#"{"Id":"000000000000","Image":"a"#.as_slice(), &[0xff], br#"b"}"#].concat());
        let found = collector.finish();
        assert_eq!(found.list[0].image, "a\u{fffd}b");
        // A raw control character is not JSON.
        assert_eq!(found.unreadable, 1);
    }

    #[test]
    fn fewer_can_be_kept_and_the_rest_is_counted() {
        let mut collector = Collector::up_to(2);
        (0..5).for_each(|n| collector.push(format!("{{\"Id\":\"{n:012}\"}}").as_bytes()));
        let found = collector.finish();
        assert_eq!((found.list.len(), found.beyond_limit), (2, 3));
    }
}
