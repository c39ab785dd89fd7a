//! Documents, as clients get them.

use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;

use super::*;
use crate::engine::Port;

const ALL: Room = Room(Limits::MOST.list);

fn container(n: usize) -> Container {
    Container {
        id: format!("{n:064x}"),
        name: format!("name-{n}"),
        image: "nginx:1.25".into(),
        command: "nginx -g 'daemon off;'".into(),
        created: 1_466_755_200 + i64::try_from(n).unwrap(),
        status: "Up 3 minutes".into(),
        state: "running".into(),
        ports: vec![],
    }
}

fn made(list: Vec<Container>, room: Room) -> Ps {
    ps(&Containers { list, ..Containers::default() }, room)
}

#[test]
fn three_states_ports_and_awkward_characters() {
    let port =
        |ip: Option<&str>, private, public| Port { ip: ip.map(Into::into), private, public, protocol: "tcp".into() };
    let running = Container {
        id: "3f1c2ab49d0e5b6778c9a0b1c2d3e4f5061728394a5b6c7d8e9f00112233aa01".into(),
        name: "web-1".into(),
        image: "nginx:1.25".into(),
        command: "sh -c \"a && b < in.txt\"".into(),
        created: 1_466_755_400,
        status: "Up 2 hours (healthy)".into(),
        state: "running".into(),
        ports: vec![port(Some("0.0.0.0"), 80, Some(8080)), port(None, 443, None)],
    };
    let paused = Container {
        id: "99aa2ab49d0e5b6778c9a0b1c2d3e4f5061728394a5b6c7d8e9f00112233aa02".into(),
        name: "Db_Main".into(),
        image: "postgres".into(),
        command: "postgres".into(),
        created: 1_466_755_300,
        status: "Up 3 minutes (Paused)".into(),
        state: "paused".into(),
        ports: vec![],
    };
    let exited = Container {
        id: "77bb2ab49d0e5b6778c9a0b1c2d3e4f5061728394a5b6c7d8e9f00112233aa03".into(),
        name: "job".into(),
        image: "busybox".into(),
        command: "sleep 9".into(),
        created: 1_466_755_200,
        status: "Exited (137) 4 minutes ago".into(),
        state: "exited".into(),
        ports: vec![],
    };
    let expected = concat!(
        r#"<?xml version="1.0" ?><docker_ps><item><entry><id>3f1c2ab49d0e5b6778c9a0b1c2d3e4f5061728394a5b6c7d8e9f00112233aa01</id>"#,
        r#"<names>web-1</names><container>3f1c2ab49d</container><status>Up</status><created>1466755400</created>"#,
        r#"<image>nginx:1.25</image><command>sh -c "a &amp;&amp; b &lt; in.txt"</command><ports><item><IP>0.0.0.0</IP>"#,
        r#"<PrivatePort>80</PrivatePort><PublicPort>8080</PublicPort><Type>tcp</Type></item><item><PrivatePort>443</PrivatePort>"#,
        r#"<Type>tcp</Type></item></ports></entry></item><item><entry>"#,
        r#"<id>99aa2ab49d0e5b6778c9a0b1c2d3e4f5061728394a5b6c7d8e9f00112233aa02</id><names>Db_Main</names>"#,
        r#"<container>99aa2ab49d</container><status>Up (Paused)</status><created>1466755300</created><image>postgres</image>"#,
        r#"<command>postgres</command><ports/></entry></item><item><entry>"#,
        r#"<id>77bb2ab49d0e5b6778c9a0b1c2d3e4f5061728394a5b6c7d8e9f00112233aa03</id><names>job</names>"#,
        r#"<container>77bb2ab49d</container><status>Exited (137)</status><created>1466755200</created><image>busybox</image>"#,
        r#"<command>sleep 9</command><ports/></entry></item></docker_ps>"#,
    );
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let all = [&running, &paused, &exited];
        let made = made(order.map(|at| all[at].clone()).to_vec(), ALL);
        assert_eq!(made.document, expected);
        assert!(made.left_out.is_nothing());
    }
}

#[test]
fn ports_in_another_order_give_the_same_list() {
    let port = |private, public| Port { ip: None, private, public, protocol: "tcp".into() };
    let ports = [port(80, None), port(80, Some(8080)), port(443, None)];
    let with = |order: [usize; 3]| {
        let ports = order.map(|at| ports[at].clone()).to_vec();
        made(vec![Container { ports, ..container(1) }], ALL).document
    };
    assert_eq!(with([2, 1, 0]), with([0, 1, 2]));
}

#[test]
fn a_name_of_which_nothing_can_be_shown_is_the_short_id() {
    let list = vec![Container { name: " \u{1b}\n".into(), ..container(1) }];
    assert!(made(list, ALL).document.contains("<names>000000000000</names>"));
}

/// JavaScript's page fails on a date that is none; .NET shows the number.
#[test]
fn a_time_beyond_all_calendars_is_the_nearest_within() {
    for (created, shown) in [(i64::MIN, 0), (-1, 0), (1_466_755_200, 1_466_755_200), (i64::MAX, LAST_SECOND)] {
        let document = made(vec![Container { created, ..container(1) }], ALL).document;
        assert!(document.contains(&format!("<created>{shown}</created>")), "{document}");
    }
}

#[test]
fn no_containers_are_an_empty_list_and_never_an_empty_text() {
    assert_eq!(made(vec![], ALL).document, r#"<?xml version="1.0" ?><docker_ps/>"#);
    assert_eq!(made(vec![container(1)], Room(0)).document, r#"<?xml version="1.0" ?><docker_ps/>"#);
}

#[test]
fn three_hundred_typical_containers_have_room() {
    let typical = |n| Container {
        ports: vec![Port { ip: Some("0.0.0.0".into()), private: 80, public: Some(8080), protocol: "tcp".into() }],
        ..container(n)
    };
    let made = made((0..300).map(typical).collect(), Room::beside(2000));
    assert!(made.left_out.is_nothing(), "{}", made.left_out);
}

/// Each step takes room away until one more thing must be left out.
#[test]
fn what_is_left_out_first_is_long_commands_then_ports_then_stopped_then_the_oldest_running() {
    let port = Port { ip: None, private: 80, public: None, protocol: "tcp".into() };
    let list: Vec<Container> = (0..4)
        .map(|n| Container {
            command: "x".repeat(300),
            ports: vec![port.clone()],
            status: if n % 2 == 0 { "Up 3 minutes" } else { "Exited (0) 3 minutes ago" }.into(),
            ..container(n)
        })
        .collect();
    let full = sent_bytes(&made(list.clone(), ALL).document);
    let mut steps = Vec::new();
    // What frames the list is counted as if it were sent twice.
    for room in (0..=full + 100).rev() {
        let made = made(list.clone(), Room(room));
        assert!(sent_bytes(&made.document) <= room || made.document.ends_with("<docker_ps/>"));
        if steps.last() != Some(&made.left_out) {
            steps.push(made.left_out);
        }
    }
    let step = |commands, ports, stopped, running| LeftOut { commands, ports, stopped, running, beyond_limit: 0 };
    let expected = [
        step(0, 0, 0, 0),
        step(4, 0, 0, 0),
        step(4, 2, 0, 0),
        step(3, 1, 1, 0),
        step(2, 0, 2, 0),
        step(1, 0, 2, 1),
        step(0, 0, 2, 2),
    ];
    assert_eq!(steps, expected);
    let two_left = made(list, Room(full / 3)).document;
    assert!(two_left.contains("name-2") && !two_left.contains("name-1"), "{two_left}");
}

#[test]
fn thousands_of_containers_are_cut_to_the_newest_running_ones() {
    let list = (0..5000)
        .map(|n| Container { status: if n < 100 { "Up 1 hour" } else { "Exited (0) ago" }.into(), ..container(n) })
        .collect();
    let made = made(list, Room::beside(10_000));
    assert!(sent_bytes(&made.document) <= Limits::MOST.list);
    assert!((0..100).all(|n| made.document.contains(&format!("<names>name-{n}</names>"))));
    assert!(made.document.contains("<names>name-4999</names>"));
    assert_eq!(made.left_out.running, 0);
    assert!(made.left_out.to_string().contains("stopped containers are not shown"));
}

#[test]
fn room_is_what_the_rest_of_the_map_leaves() {
    assert_eq!(Room::beside(0), Room(Limits::MOST.list));
    assert_eq!(Room::beside(200 * 1024), Room(36 * 1024));
    assert_eq!(Room::beside(300 * 1024), Room(0));
    let lower = Limits { list: 64 * 1024, map: 100 * 1024 };
    assert_eq!(Room::beside_within(0, lower), Room(64 * 1024));
    assert_eq!(Room::beside_within(50 * 1024, lower), Room(26 * 1024));
    let higher = Limits { list: 1 << 20, map: 1 << 20 };
    assert_eq!(Room::beside_within(0, higher), Room::beside(0));
}

/// What a reader that knows nothing of ours finds: names of elements, texts, and how many entities other than `&amp;`.
fn read_back(document: &str) -> (Vec<String>, Vec<String>, usize) {
    let mut reader = Reader::from_str(document);
    let (mut names, mut texts, mut entities) = (Vec::new(), Vec::new(), 0);
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) | Event::Empty(tag) => names.push(tag.name().as_ref().to_owned()),
            Event::Text(text) => texts.push(text.xml10_content().into_owned()),
            Event::GeneralRef(name) => entities += usize::from(&*name != "amp"),
            Event::End(_) | Event::Decl(_) => {}
            Event::Eof => return (names, texts, entities),
            other => panic!("{other:?}"),
        }
    }
}

/// The elements of a list.
const OURS: [&str; 15] = [
    "docker_ps",
    "item",
    "entry",
    "id",
    "names",
    "container",
    "status",
    "created",
    "image",
    "command",
    "ports",
    "IP",
    "PrivatePort",
    "PublicPort",
    "Type",
];

fn hostile_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[<>&\"'\\]]{0,40}",
        "(<entry>|</entry>|\\]\\]>|<!\\[CDATA\\[|<!--|&#0;|&#10;|\u{1b}|\u{202e}|\u{0}|\r\n| ){0,10}",
    ]
}

prop_compose! {
    fn hostile_container()(
        id in "[0-9a-f]{12,64}",
        name in hostile_text(),
        image in hostile_text(),
        command in hostile_text(),
        status in hostile_text(),
        state in hostile_text(),
        protocol in hostile_text(),
        created: i64,
    ) -> Container {
        let ports = vec![Port { ip: Some(name.clone()), private: 1, public: None, protocol }];
        Container { id, name, image, command, created, status, state, ports }
    }
}

proptest! {
    #[test]
    fn no_container_can_break_the_document(list in prop::collection::vec(hostile_container(), 0..20), room in 0_usize..20_000) {
        let count = list.len();
        let made = made(list, Room(room));
        let document = made.document;
        prop_assert!(document.starts_with("<?xml version=\"1.0\" ?><docker_ps"));
        prop_assert!(sent_bytes(&document) <= room || document.ends_with("<docker_ps/>"));
        let (names, texts, entities) = read_back(&document);
        let shown = names.iter().filter(|name| *name == "entry").count();
        prop_assert_eq!(shown + made.left_out.stopped + made.left_out.running, count);
        let other = names.iter().find(|name| !OURS.contains(&name.as_str()));
        prop_assert_eq!(other, None);
        prop_assert!(entities <= super::super::xml::MAX_ENTITIES);
        let commanding = texts.iter().find(|text| text.contains(|c: char| c.is_control() || c == '\u{202e}'));
        prop_assert_eq!(commanding, None);
        prop_assert!(!document.contains("&quot;") && !document.contains("&#") && !document.contains("<![CDATA["));
    }
}
