//! Views on the clients' own parsers: what XenCenter and Xen Orchestra make of the agent's documents is what the engine
//! said, whatever it said; and the same readers fail on documents of which they are known to fail.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed, in its helper functions too")]

mod answers;
mod clients;
mod engine;
mod hostile;

use std::collections::BTreeMap;

use agent::engine::{Container, Containers, Port};
use agent::view::{INFO, INFO_FIELDS, PS, Room, VERSION, VERSION_FIELDS, info, ps, version};
use agent::xapi::encode::sent_bytes;
use clients::{Document, Reading, list, read};
use engine::Replies;
use fastrand::Rng;
use hostile::Truth;
use serde_json::{Map, Value as Json, json};

/// Documents of each kind with hostile content.
const HOSTILE: u64 = 300;

fn list_of(containers: impl IntoIterator<Item = Container>, room: Room) -> ps::Ps {
    ps(&Containers { list: containers.into_iter().collect(), ..Containers::default() }, room)
}

/// What clients offer for a status; Xen Orchestra only for those that it knows.
fn offered(status: &str) -> Json {
    match status {
        "Up" => json!(["stop", "restart", "pause"]),
        "Up (Paused)" => json!(["unpause"]),
        "Exited (137)" => json!(["start"]),
        _ => json!([]),
    }
}

/// Characters that a client may be commanded by, or fail on.
fn is_harmful(c: char) -> bool {
    let direction =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || direction || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// The shown text is the engine's, but for white space and what harms, of which nothing is left. Angle brackets may have
/// become characters like them.
#[track_caller]
fn assert_same_text(shown: &Json, said: &str) {
    let shown = shown.as_str().unwrap();
    assert_eq!(shown.chars().find(|c| is_harmful(*c)), None, "{said:?} is shown as {shown:?}");
    let essence = |text: &str| -> String {
        let kept = text.chars().filter(|c| !c.is_whitespace() && !is_harmful(*c) && *c != '\u{fffd}');
        kept.map(|c| match c {
            '‹' => '<',
            '›' => '>',
            c => c,
        })
        .collect()
    };
    assert_eq!(essence(shown), essence(said), "{said:?} is shown as {shown:?}");
}

fn spelled(port: &Port) -> String {
    let ip = port.ip.as_ref().map(|ip| format!("IP {ip}; ")).unwrap_or_default();
    let public = port.public.map(|public| format!("PublicPort {public}; ")).unwrap_or_default();
    format!("{ip}{public}PrivatePort {}; Type {}", port.private, port.protocol)
}

#[track_caller]
fn assert_shown(reading: &Reading, truths: &[Truth]) {
    let (xencenter, xen_orchestra) = reading.rows();
    assert_eq!((xencenter.len(), xen_orchestra.len()), (truths.len(), truths.len()));
    assert_eq!(reading.xencenter["objects"], truths.len());
    let by_id: BTreeMap<&str, &Truth> = truths.iter().map(|truth| (truth.container.id.as_str(), truth)).collect();
    let mut before = i64::MAX;
    for (theirs, others) in xencenter.iter().zip(xen_orchestra) {
        let Truth { container, status, state } = by_id[theirs["id"].as_str().unwrap()];
        assert!(container.created <= before, "the newest come first");
        before = container.created;
        let created = container.created.clamp(0, 253_402_300_799);
        assert_eq!((&theirs["created"], &others["created"]), (&created.into(), &(1000 * created).into()));
        assert_eq!(
            (&theirs["container"], &others["container"]),
            (&container.id[..10].into(), &container.id[..10].into())
        );
        assert_eq!((&theirs["status"], &others["status"]), (&(*status).into(), &(*status).into()));
        assert_eq!((&theirs["state"], &others["commands"]), (&(*state).into(), &offered(status)));
        for field in ["name", "command"] {
            assert_eq!(theirs[field], others[field], "Xen Orchestra trims and XenCenter does not");
        }
        let nameless = container.name.chars().all(|c| c.is_whitespace() || c.is_control());
        assert_same_text(&theirs["name"], if nameless { &container.id[..12] } else { &container.name });
        assert_same_text(&theirs["command"], &container.command);
        assert_same_text(&theirs["image"], &container.image);
        let mut expected: Vec<String> = container.ports.iter().map(spelled).collect();
        let mut found: Vec<&str> = list(&theirs["ports"]).iter().map(|port| port.as_str().unwrap()).collect();
        expected.sort();
        found.sort_unstable();
        assert_eq!(found, expected);
    }
}

#[test]
fn whatever_containers_are_called_both_clients_show_each_for_what_it_is() {
    let truths: Vec<Vec<Truth>> = (0..HOSTILE).map(|seed| hostile::containers(&mut Rng::with_seed(seed))).collect();
    let document = |truths: &Vec<Truth>| {
        let made = list_of(truths.iter().map(|truth| truth.container.clone()), Room::beside(0));
        assert!(made.left_out.is_nothing());
        (PS, made.document)
    };
    let documents: Vec<Document> = truths.iter().map(document).collect();
    for (seed, (reading, truths)) in read(&documents).iter().zip(&truths).enumerate() {
        println!("seed {seed}");
        assert_shown(reading, truths);
    }
}

#[test]
fn whatever_an_engine_says_of_itself_both_clients_read_the_same_of_it() {
    let mut said = Vec::new();
    let mut documents = Vec::new();
    for seed in 0..HOSTILE {
        let random = &mut Rng::with_seed(seed);
        let of_info = random.bool();
        let description = hostile::description(random, if of_info { INFO_FIELDS } else { VERSION_FIELDS });
        documents.push(match of_info {
            true => (INFO, info(&description)),
            false => (VERSION, version(&description)),
        });
        said.push(description);
    }
    for (seed, (reading, said)) in read(&documents).iter().zip(&said).enumerate() {
        println!("seed {seed}: {}", documents[seed].1);
        reading.assert_read();
        let (theirs, others) = (&reading.xencenter["fields"], &reading.xen_orchestra["fields"]);
        assert_eq!(theirs.as_object().unwrap().len(), said.len());
        for (name, value) in said {
            match value {
                Json::String(text) => {
                    assert_eq!(theirs[name], others[name]);
                    assert_same_text(&theirs[name], text);
                }
                Json::Null => assert_eq!((&theirs[name], &others[name]), (&"None".into(), &"None".into())),
                Json::Bool(truth) => assert_eq!(theirs[name], if *truth { "True" } else { "False" }),
                _ => assert!(others.get(name).is_some()),
            }
        }
    }
}

#[test]
fn names_that_mean_something_to_a_client_or_its_parser_are_read_as_names() {
    let labels = json!({
        "hasOwnProperty": "a", "b c": "d", "__proto__": {"x": "y"}, "docker_info": {"Driver": "another"}, "xml": "z",
    });
    let said = Map::from_iter([("Driver".to_owned(), "overlay2".into()), ("Labels".to_owned(), labels)]);
    let reading = read(&[(INFO, info(&said))]).remove(0);
    reading.assert_read();
    assert_eq!(reading.xencenter["fields"]["Driver"], "overlay2");
    let (names, labels) =
        (["__proto__", "b c", "docker_info", "hasOwnProperty", "xml"], &reading.xen_orchestra["fields"]["Labels"]);
    let read: Vec<&Json> = list(&labels["SPECIAL_XS_ENCODED_ELEMENT"]).iter().map(|label| &label["name"]).collect();
    assert_eq!(read, names);
}

fn many(count: usize, command: &str) -> Vec<Truth> {
    let container = |n: usize| Container {
        id: format!("{n:064x}"),
        name: format!("name-{n}"),
        image: "nginx:1.25".into(),
        command: command.into(),
        created: 1_466_755_200 + i64::try_from(n).unwrap(),
        status: if n.is_multiple_of(3) { "Up 3 minutes" } else { "Exited (137) 3 minutes ago" }.into(),
        state: String::new(),
        ports: vec![],
    };
    let truth = |n| match n % 3 {
        0 => Truth { container: container(n), status: "Up", state: "running" },
        _ => Truth { container: container(n), status: "Exited (137)", state: "halted" },
    };
    (0..count).map(truth).collect()
}

#[test]
fn the_longest_lists_are_read_whole() {
    // The last needs more entities than fast-xml-parser expands.
    let lists = [many(20_000, "nginx"), many(700, &"x&\"".repeat(200)), many(250, "<!-- < > -->")];
    let made: Vec<_> =
        lists.iter().map(|list| list_of(list.iter().map(|truth| truth.container.clone()), Room::beside(0))).collect();
    let documents: Vec<Document> = made.iter().map(|made| (PS, made.document.clone())).collect();
    let readings = read(&documents);
    for ((reading, made), list) in readings.iter().zip(&made).zip(&lists) {
        assert!(sent_bytes(&made.document) <= 180 * 1024);
        let (xencenter, xen_orchestra) = reading.rows();
        let shown = list.len() - made.left_out.stopped - made.left_out.running;
        assert_eq!((xencenter.len(), xen_orchestra.len()), (shown, shown));
        assert_eq!(reading.xencenter["objects"], shown);
    }
    assert!(made[0].left_out.running > 0 && made[1].left_out.commands > 0, "these were too long");
    assert_shown(&readings[2], &lists[2]);
}

/// Of what Docker lists: an alias first, a health check, ports in two families; of what it says of itself: components with
/// versions of their own.
const DOCKER: Replies = Replies {
    version: r#"{"Platform":{"Name":"Docker Engine - Community"},"Components":[{"Name":"Engine","Version":"99"}],
        "Version":"20.10.23","ApiVersion":"1.41","MinAPIVersion":"1.12","GitCommit":"6051f14","GoVersion":"go1.18.10",
        "Os":"linux","Arch":"amd64","KernelVersion":"5.10.0","BuildTime":"2023-01-19T17:34:14.000000000+00:00"}"#,
    info: r#"{"ID":"ABCD:EFGH","Containers":3,"Images":12,"Driver":"overlay2","DriverStatus":[["Backing Filesystem","extfs"]],
        "SystemTime":"2023-01-20T10:00:00Z","NFd":24,"NGoroutines":36,"NEventsListener":1,"IPv4Forwarding":true,
        "IndexServerAddress":"https://index.docker.io/v1/","KernelVersion":"5.10.0","MemTotal":2095857664,"NCPU":2,
        "Name":"coreos1","Labels":null}"#,
    containers: r#"[{"Id":"3f1c2ab49d0e5b6778c9a0b1c2d3e4f5061728394a5b6c7d8e9f00112233aa01","Names":["/proxy/web","/web-1"],
        "Image":"nginx:1.25","Command":"sh -c \"a && b < in.txt\"","Created":1466755400,"State":"running",
        "Status":"Up 2 hours (healthy)","Labels":{"entry":"x","io.k8s:pod name":"y"},
        "Ports":[{"PrivatePort":443,"Type":"tcp"},{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"}]},
        {"Id":"99aa2ab49d0e5b6778c9a0b1c2d3e4f5061728394a5b6c7d8e9f00112233aa02","Names":["/Db_Main"],"Image":"postgres",
        "Command":"postgres","Created":1466755300,"State":"paused","Status":"Up 3 minutes (Paused)","Ports":[]},
        {"Id":"77bb2ab49d0e5b6778c9a0b1c2d3e4f5061728394a5b6c7d8e9f00112233aa03","Names":["/job"],"Image":"busybox",
        "Command":"sleep 9","Created":1466755200,"State":"exited","Status":"Exited (137) 4 minutes ago","Ports":[]}]"#,
};

#[test]
fn what_docker_says_is_what_both_clients_show() {
    let readings = read(&engine::documents(DOCKER));
    let (xencenter, xen_orchestra) = readings[0].rows();
    let shown = |field: &str| xencenter.iter().map(|row| row[field].clone()).collect::<Json>();
    assert_eq!(shown("name"), json!(["web-1", "Db_Main", "job"]));
    assert_eq!(shown("state"), json!(["running", "paused", "halted"]));
    assert_eq!(shown("command"), json!(["sh -c \"a && b < in.txt\"", "postgres", "sleep 9"]));
    assert_eq!(
        xencenter[0]["ports"],
        json!(["IP 0.0.0.0; PublicPort 8080; PrivatePort 80; Type tcp", "PrivatePort 443; Type tcp"])
    );
    let offered: Json = xen_orchestra.iter().map(|row| row["commands"].clone()).collect();
    assert_eq!(offered, json!([["stop", "restart", "pause"], ["unpause"], ["start"]]));
    assert_eq!(
        readings[1].xencenter["fields"],
        json!({
            "ID": "ABCD:EFGH", "Name": "coreos1", "Containers": "3", "Images": "12", "Driver": "overlay2",
            "DriverStatus": "Backing Filesystemextfs", "IPv4Forwarding": "True", "KernelVersion": "5.10.0",
            "IndexServerAddress": "https://index.docker.io/v1/", "MemTotal": "2095857664", "NCPU": "2", "Labels": "None",
        })
    );
    let version = json!({
        "Version": "20.10.23", "ApiVersion": "1.41", "GitCommit": "6051f14", "GoVersion": "go1.18.10", "Os": "linux",
        "Arch": "amd64", "KernelVersion": "5.10.0",
    });
    assert_eq!((&readings[2].xencenter["fields"], &readings[2].xen_orchestra["fields"]), (&version, &version));
}

/// Podman's service: nulls, no status in words, capital letters in the state.
const PODMAN: Replies = Replies {
    version: r#"{"Version":"4.3.1","ApiVersion":"1.41","Components":[{"Name":"Podman Engine","Version":"4.3.1"}],"Os":"linux"}"#,
    info: r#"{"ID":"","Driver":"overlay","IPv4Forwarding":true,"Labels":null,"DriverStatus":[]}"#,
    containers: r#"[{"Id":"1111111111111111111111111111111111111111111111111111111111111111","Names":["/pod"],"Image":"a",
        "Command":null,"Ports":null,"Created":1700000000,"State":"Running","Status":""},
        {"Id":"2222222222222222222222222222222222222222222222222222222222222222","Names":null,"Image":null,
        "Created":1600000000,"State":"configured","Status":"","Ports":null}]"#,
};

#[test]
fn what_podman_says_is_what_both_clients_show() {
    let readings = read(&engine::documents(PODMAN));
    let (xencenter, xen_orchestra) = readings[0].rows();
    assert_eq!((&xencenter[0]["state"], &xen_orchestra[0]["status"]), (&json!("running"), &json!("Up")));
    assert_eq!((&xencenter[0]["command"], &xencenter[0]["ports"]), (&json!(""), &json!([])));
    assert_eq!((&xencenter[1]["state"], &xencenter[1]["status"]), (&json!("halted"), &json!("Created")));
    assert_eq!((&xencenter[1]["name"], &xen_orchestra[1]["name"]), (&json!("222222222222"), &json!("222222222222")));
    assert_eq!(readings[1].xencenter["fields"]["IPv4Forwarding"], "True");
    assert_eq!(readings[2].xen_orchestra["fields"]["Version"], "4.3.1");
}

#[test]
fn a_machine_without_containers_is_an_empty_list() {
    let readings = read(&[(PS, list_of([], Room::beside(0)).document)]);
    assert_eq!(readings[0].rows(), ([].as_slice(), [].as_slice()));
}

fn entry(inside: &str) -> Document {
    (PS, format!("<?xml version=\"1.0\" ?><docker_ps><item><entry><id>1</id>{inside}</entry></item></docker_ps>"))
}

/// What the agent must never write, so that a reader that takes everything is seen.
#[test]
fn the_readers_fail_on_what_the_clients_fail_on() {
    let [xencenter, xen_orchestra] = [(true, false), (false, true)];
    let both = (true, true);
    let quotes = "<command>&quot;</command>".repeat(1001);
    let cases: Vec<(&str, Document, (bool, bool))> = vec![
        ("nothing", (PS, String::new()), both),
        ("white space before the declaration", (PS, " <?xml version=\"1.0\" ?><docker_ps/>".into()), xencenter),
        ("a prefix that is not declared", entry("<labels><a:b>x</a:b></labels>"), xencenter),
        ("a control character", entry("<command>\u{1b}[31m</command>"), xencenter),
        ("a character that is none", entry("<command>\u{ffff}</command>"), xencenter),
        ("1001 entities", entry(&quotes), xen_orchestra),
        ("another root", (PS, "<docker><item/></docker>".into()), xen_orchestra),
        ("an item without an entry", (PS, "<docker_ps><item/><item>x</item></docker_ps>".into()), xen_orchestra),
        ("a name that JavaScript calls", entry("<a><hasOwnProperty/><b/><b/></a>"), xen_orchestra),
        ("a start without an end", (PS, "<docker_ps><item>".into()), both),
        ("a description of another kind", (INFO, "<docker_version/>".into()), xen_orchestra),
        ("an ampersand", (INFO, "<docker_info><Name>a & b</Name></docker_info>".into()), xencenter),
        ("an empty description", (VERSION, String::new()), both),
        ("1000 entities", entry(&quotes.replacen("&quot;", "", 1)), (false, false)),
        ("a good list", entry("<command/>"), (false, false)),
    ];
    let documents: Vec<Document> = cases.iter().map(|(_, document, _)| document.clone()).collect();
    for (reading, (what, _, fails)) in read(&documents).iter().zip(&cases) {
        let failed = (reading.xencenter.get("error").is_some(), reading.xen_orchestra.get("error").is_some());
        assert_eq!(failed, *fails, "{what}: {} {}", reading.xencenter, reading.xen_orchestra);
    }
}

/// What clients read without failing, and wrongly.
#[test]
fn the_readers_are_misled_where_the_clients_are() {
    let readings = read(&[
        entry("<labels><entry>x</entry></labels>"),
        entry("</entry></item><item><entry><id>1</id>"),
        entry("<created>1466755200.5</created>"),
        entry("<ports>&lt;item&gt;&lt;PrivatePort&gt;80&lt;/PrivatePort&gt;&lt;/item&gt;</ports>"),
        entry("<status>Up 3 minutes</status>"),
        entry("<command>a&#10;b &amp;amp;</command>"),
        entry("<Names>web</Names>"),
    ]);
    let xencenter = |n: usize| readings[n].rows().0;
    let xen_orchestra = |n: usize| &readings[n].rows().1[0];
    assert_eq!(xencenter(0).len(), 2, "a nested entry is a container");
    assert_eq!(readings[1].xencenter["objects"], 1, "two with one id are one");
    assert_eq!(xencenter(2)[0]["created"], 14_667_552_005_i64, "a fraction is read as thousands");
    assert_eq!(xencenter(3)[0]["ports"], json!([]), "escaped ports are none");
    assert_eq!(xen_orchestra(4)["commands"], json!([]), "a time in the status takes the buttons away");
    assert_eq!(xen_orchestra(5)["command"], "a&#10;b &amp;", "a numeric reference and one level too many stay");
    assert_eq!(xencenter(6)[0]["name"], "", "names of elements have their case");
}
