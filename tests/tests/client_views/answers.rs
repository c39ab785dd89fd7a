//! Answers on XenCenter's parser: the tree of a container's description, and the list of its processes.

use agent::view::{INSPECT, TOP, inspect, top};
use fastrand::Rng;
use serde_json::{Map, Value as Json, json};

use crate::clients::{Document, Reading, list, read};
use crate::{HOSTILE, hostile};

/// Entities that fast-xml-parser expands in one document.
const ENTITIES: usize = 1000;

fn inspected(json: &str) -> Document {
    (INSPECT, inspect(json).unwrap())
}

/// A text as it is to be shown.
fn shown(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let direction =
        |c| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let harms =
        |c: char| c.is_control() && !matches!(c, '\n' | '\t') || direction(c) || matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().map(|c| if harms(c) { '\u{fffd}' } else { c }).collect()
}

/// What is in a node for a value. Text of nothing but white space is none.
fn nodes(value: &Json) -> Vec<Json> {
    let leaf = |text: &str| if text.trim_matches([' ', '\t', '\n']).is_empty() { vec![] } else { vec![text.into()] };
    match value {
        Json::Null => leaf("None"),
        Json::Bool(true) => leaf("True"),
        Json::Bool(false) => leaf("False"),
        Json::Number(number) => leaf(&number.to_string()),
        Json::String(text) => leaf(&shown(text)),
        Json::Array(items) => items.iter().map(|item| json!(["item", nodes(item)])).collect(),
        Json::Object(members) => members
            .iter()
            .map(|(name, member)| json!([shown(name).replace(['\n', '\t'], " "), nodes(member)]))
            .collect(),
    }
}

/// A tree without leaves of nothing but white space, which one parser keeps.
fn without_blanks(tree: &Json) -> Json {
    let is_blank = |leaf: &Json| leaf.as_str().is_some_and(|text| text.trim_matches([' ', '\t', '\n']).is_empty());
    let node = |node: &Json| match node {
        Json::Array(node) => json!([node[0], without_blanks(&node[1])]),
        leaf => leaf.clone(),
    };
    list(tree).iter().filter(|node| !is_blank(node)).map(node).collect()
}

#[track_caller]
fn assert_tree(reading: &Reading, document: &str, expected: &[Json]) {
    assert_eq!(reading.xencenter.get("error"), None, "{document}");
    assert_eq!(list(&reading.xencenter["tree"]), expected, "{document}");
    let entities = document.matches('&').count() - document.matches("&amp;").count();
    if entities <= ENTITIES {
        assert_eq!(list(&without_blanks(&reading.xen_orchestra["tree"])), expected, "{document}");
    }
}

#[test]
fn whatever_is_said_of_a_container_is_shown_as_a_tree() {
    let said: Vec<Json> = (0..HOSTILE)
        .map(|seed| {
            let random = &mut Rng::with_seed(seed);
            let members = (0..8).map(|_| (hostile::text(random, 2), hostile::value(random, 5)));
            Json::Object(members.collect::<Map<_, _>>())
        })
        .collect();
    let documents: Vec<Document> = said.iter().map(|said| inspected(&said.to_string())).collect();
    for (seed, ((reading, said), (_, document))) in read(&documents).iter().zip(&said).zip(&documents).enumerate() {
        println!("seed {seed}: {said}");
        assert_tree(reading, document, &nodes(said));
    }
}

#[test]
fn what_is_special_in_a_description_is_shown_as_it_is() {
    let labels = concat!(
        r#"{"Labels":{"entry":"a","io.k8s:pod name":"b","80/tcp":"c","":"d","xmlns:x":"e","1a":"f","%":"g","a":"1","a":"2","#,
        r#""\"<&'>]]>":"h","SPECIAL_XS_ENCODED_ELEMENT":"i","__proto__":"j","hasOwnProperty":"k","é":"l","a=b":"m"}}"#,
    );
    let numbers =
        r#"{"Memory":18446744073709551616,"Nano":-123456789012345678901234567890,"Small":1.50e-400,"Zero":-0}"#;
    let texts = r#"{"Env":["A= b\tc\nd ","\u001b[31m\u0000x","<![CDATA[y]]>","&amp;&#0;","  "],"None":null,"Args":[],"Tty":false}"#;
    let brackets = format!(r#"{{"Cmd":["{}"]}}"#, "<".repeat(2000));
    let deep = format!(r#"{{"a":{}"x"{}}}"#, "[".repeat(40), "]".repeat(40));
    let documents = [labels, numbers, texts, &brackets, &deep].map(inspected);
    let readings = read(&documents);
    let label = |name: &str, text: &str| json!([name, [text]]);
    let expected = [
        ("entry", "a"),
        ("io.k8s:pod name", "b"),
        ("80/tcp", "c"),
        ("", "d"),
        ("xmlns:x", "e"),
        ("1a", "f"),
        ("%", "g"),
        ("a", "1"),
        ("a", "2"),
        ("\"<&'>]]>", "h"),
        ("SPECIAL_XS_ENCODED_ELEMENT", "i"),
        ("__proto__", "j"),
        ("hasOwnProperty", "k"),
        ("é", "l"),
        ("a=b", "m"),
    ]
    .map(|(name, text)| label(name, text));
    assert_tree(&readings[0], &documents[0].1, &[json!(["Labels", expected])]);
    let expected = [
        ("Memory", "18446744073709551616"),
        ("Nano", "-123456789012345678901234567890"),
        ("Small", "1.50e-400"),
        ("Zero", "-0"),
    ]
    .map(|(name, text)| label(name, text));
    assert_tree(&readings[1], &documents[1].1, &expected);
    let mut env =
        ["A= b\tc\nd ", "\u{fffd}[31m\u{fffd}x", "<![CDATA[y]]>", "&amp;&#0;"].map(|text| label("item", text)).to_vec();
    // XenCenter takes blanks alone for nothing.
    env.push(json!(["item", []]));
    let expected = [json!(["Env", env]), label("None", "None"), json!(["Args", []]), label("Tty", "False")];
    assert_tree(&readings[2], &documents[2].1, &expected);
    assert_tree(&readings[3], &documents[3].1, &[json!(["Cmd", [label("item", &"<".repeat(2000))]])]);
    assert!(readings[3].xen_orchestra.get("error").is_some(), "which is why that one gets other documents");
    let nested = (0..40).fold(json!("x"), |inside, _| json!(["item", [inside]]));
    assert_tree(&readings[4], &documents[4].1, &[json!(["a", [nested]])]);
}

/// What XenCenter shows of lists of processes.
fn processes(said: &[Json]) -> Vec<Json> {
    let documents: Vec<Document> = said.iter().map(|said| (TOP, top(&said.to_string()).unwrap())).collect();
    let readings = read(&documents);
    for (reading, (_, document)) in readings.iter().zip(&documents) {
        assert_eq!(reading.xencenter.get("error"), None, "{document}");
        assert_eq!(
            list(&reading.xen_orchestra["tree"]).len(),
            list(&reading.xencenter["processes"]).len(),
            "{document}"
        );
    }
    readings.iter().map(|reading| reading.xencenter["processes"].clone()).collect()
}

#[test]
fn whatever_columns_processes_come_with_three_are_shown() {
    let said = [
        json!({
            "Titles": ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"],
            "Processes": [
                ["root", "881", "860", "0", "10:01", "?", "00:00:02", "nginx: master process"],
                ["", "902", "", "", "", "", "", "sh -c \"a && b < c\" ]]>\u{1b}!"],
            ],
        }),
        json!({"Titles": ["PID   USER     COMMAND"], "Processes": [["    1 root     sleep 1000"]]}),
        json!({
            "Titles": ["Name", "PID", "CPU", "Private Working Set"],
            "Processes": [["smss.exe", "9488", "00:00:00.046", "184.3kB"]],
        }),
        json!({"Titles": ["USER", "PID", "%CPU", "Process", "COMMAND"], "Processes": [["a", "1", "0.1", "x", "y"], [], ["b"]]}),
        json!({"Titles": ["PID"], "Processes": null}),
        json!({"Titles": ["PID", "CMD"], "Processes": vec![["1", "<"]; 900]}),
    ];
    let shown = processes(&said);
    let expected =
        json!([["881", "nginx: master process", "00:00:02"], ["902", "sh -c \"a && b < c\" ]]>\u{fffd}!", "-"]]);
    assert_eq!(shown[0], expected);
    assert_eq!(shown[1], json!([["1", "sleep 1000", "-"]]));
    assert_eq!(shown[2], json!([["9488", "smss.exe", "00:00:00.046"]]));
    assert_eq!(shown[3], json!([["1", "y", "-"], ["-", "-", "-"], ["-", "-", "-"]]));
    assert_eq!(shown[4], json!([]));
    assert_eq!(shown[5], json!(vec![["1", "<", "-"]; 900]));
}

#[test]
fn hostile_processes_are_rows_with_something_in_every_cell() {
    let cells = |random: &mut Rng, most: usize| -> Vec<String> {
        (0..random.usize(..=most)).map(|_| hostile::text(random, 2)).collect()
    };
    let said: Vec<Json> = (0..HOSTILE)
        .map(|seed| {
            let random = &mut Rng::with_seed(seed);
            let titles = [vec!["PID".to_owned()], cells(random, 6)].concat();
            let rows: Vec<_> = (0..random.usize(..6)).map(|_| cells(random, 8)).collect();
            json!({ "Titles": titles, "Processes": rows })
        })
        .collect();
    for (said, shown) in said.iter().zip(processes(&said)) {
        assert_eq!(list(&shown).len(), list(&said["Processes"]).len(), "{said}");
        let cells = list(&shown).iter().flat_map(list).map(|cell| cell.as_str().unwrap());
        assert!(cells.clone().all(|cell| !cell.trim().is_empty()), "{said}");
        assert!(cells.clone().all(|cell| cell.chars().all(|c| !c.is_control())), "{said}");
    }
}

/// What the agent must never write, so that a reader that takes everything is seen.
#[test]
fn the_reader_fails_on_answers_on_which_the_client_fails() {
    let of = |root: &'static str, inside: &str| (root, format!("<?xml version=\"1.0\" ?><{root}>{inside}</{root}>"));
    let readings = read(&[
        of(TOP, "<item><Process><PID/><CMD>a</CMD><TIME>b</TIME></Process></item>"),
        of(INSPECT, "<SPECIAL_XS_ENCODED_ELEMENT>a</SPECIAL_XS_ENCODED_ELEMENT>"),
        of(INSPECT, "<a>\u{1b}</a>"),
        of(INSPECT, "<a:b/>"),
        of(TOP, "<Process><PID>1</PID><CMD>a</CMD><TIME>b</TIME></Process><Process><PID>2</PID></Process>"),
        of(INSPECT, "<a><![CDATA[b]]></a>"),
    ]);
    for reading in &readings[..4] {
        assert!(reading.xencenter.get("error").is_some(), "{}", reading.xencenter);
    }
    assert_eq!(readings[4].xencenter["processes"], json!([["1", "a", "b"], ["2", "a", "b"]]), "the row before shows");
    assert_eq!(readings[5].xencenter["tree"], json!([["a", ["#cdata-section"]]]));
}
