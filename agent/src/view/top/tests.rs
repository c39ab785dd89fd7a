//! Documents, as XenCenter gets them.

use proptest::prelude::*;
use quick_xml::events::Event;
use quick_xml::{Reader, XmlVersion};
use serde_json::{Value as Json, json};

use super::*;

fn made(said: &Json) -> String {
    top(&said.to_string()).unwrap()
}

/// The rows of a document: names of elements with their texts.
fn rows(document: &str) -> Vec<Vec<(String, String)>> {
    let mut reader = Reader::from_str(document);
    let (mut rows, mut path) = (Vec::<Vec<(String, String)>>::new(), Vec::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Decl(_) => {}
            Event::Start(start) => {
                let mut name = start.name().as_ref().to_owned();
                for attribute in start.attributes() {
                    name = attribute.unwrap().normalized_value(XmlVersion::Implicit1_0).unwrap().into_owned();
                }
                path.push(name.clone());
                match path.len() {
                    3 => rows.push(Vec::new()),
                    4 => rows.last_mut().unwrap().push((name, String::new())),
                    depth => assert!(depth < 3, "{document}"),
                }
            }
            Event::Empty(start) => assert_eq!(start.name().as_ref(), "docker_top"),
            Event::End(_) => drop(path.pop()),
            Event::Text(text) => rows.last_mut().unwrap().last_mut().unwrap().1.push_str(&text.xml10_content()),
            Event::GeneralRef(name) => {
                let c = match &*name {
                    "amp" => '&',
                    "lt" => '<',
                    "gt" => '>',
                    other => panic!("{other:?}"),
                };
                rows.last_mut().unwrap().last_mut().unwrap().1.push(c);
            }
            Event::Eof => break,
            other => panic!("{other:?}"),
        }
    }
    rows
}

/// The cells that XenCenter shows, row by row.
fn shown(said: &Json) -> Vec<[String; 3]> {
    let cell = |row: &[(String, String)], name: &str| {
        let mut found = row.iter().filter(|(title, _)| title == name).map(|(_, text)| text.clone());
        let text = found.next().unwrap_or_else(|| panic!("no {name} in {row:?}"));
        assert!(!text.trim().is_empty() && found.next().is_none(), "{row:?}");
        text
    };
    rows(&made(said)).iter().map(|row| ["PID", "CMD", "TIME"].map(|name| cell(row, name))).collect()
}

#[test]
fn dockers_columns_are_shown_and_nothing_is_ever_empty() {
    let said = json!({
        "Titles": ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"],
        "Processes": [
            ["root", "881", "860", "0", "10:01", "?", "00:00:02", "nginx: master process"],
            ["", "902", "", "", "", "", "", "nginx: worker process"],
        ],
    });
    let expected = concat!(
        r#"<?xml version="1.0" ?><docker_top><item><Process><UID>root</UID><PID>881</PID><PPID>860</PPID><C>0</C>"#,
        r#"<STIME>10:01</STIME><TTY>?</TTY><TIME>00:00:02</TIME><CMD>nginx: master process</CMD></Process></item>"#,
        r#"<item><Process><PID>902</PID><TIME>-</TIME><CMD>nginx: worker process</CMD></Process></item></docker_top>"#,
    );
    assert_eq!(made(&said), expected);
}

#[test]
fn no_processes_are_an_empty_list() {
    for said in [
        json!({"Titles": ["PID"], "Processes": []}),
        json!({"Titles": ["PID"], "Processes": null}),
        json!({"Titles": null, "Processes": null}),
        json!({"Titles": ["PID"]}),
        json!({"Processes": [], "Titles": null, "more": {"Titles": 1}}),
    ] {
        assert_eq!(made(&said), r#"<?xml version="1.0" ?><docker_top/>"#, "{said}");
    }
}

#[test]
fn a_command_is_shown_by_whatever_name_it_comes() {
    let busybox =
        json!({"Titles": ["PID", "USER", "TIME", "COMMAND"], "Processes": [["1", "root", "0:00", "sleep 1000"]]});
    assert_eq!(shown(&busybox), [["1", "sleep 1000", "0:00"]]);
    let both = json!({"Titles": ["COMMAND", "CMD", "PID"], "Processes": [["sleep", "sleep 1000", "1"]]});
    assert_eq!(shown(&both), [["1", "sleep 1000", "-"]]);
    let windows = json!({
        "Titles": ["Name", "PID", "CPU", "Private Working Set"],
        "Processes": [["smss.exe", "9488", "00:00:00.046", "184.3kB"]],
    });
    assert_eq!(shown(&windows), [["9488", "smss.exe", "00:00:00.046"]]);
    // Only on Windows is the time called so.
    let linux = json!({"Titles": ["PID", "CPU", "Name"], "Processes": [["1", "3", "x"]]});
    assert_eq!(shown(&linux), [["1", "-", "-"]]);
}

#[test]
fn lines_of_a_ps_that_podman_does_not_know_are_split() {
    let said = json!({
        "Titles": ["PID   USER     COMMAND"],
        "Processes": [["    1 root     sleep 1000"], ["   12 root     sh -c a  b"], [" 7"], [""]],
    });
    assert_eq!(shown(&said), [["1", "sleep 1000", "-"], ["12", "sh -c a  b", "-"], ["7", "-", "-"], ["-", "-", "-"]]);
    let procps = json!({
        "Titles": ["UID          PID    PPID  C STIME TTY          TIME CMD"],
        "Processes": [["root           1       0  0 10:01 ?        00:00:00 /bin/x -a b"]],
    });
    assert_eq!(shown(&procps), [["1", "/bin/x -a b", "00:00:00"]]);
}

#[test]
fn rows_may_have_fewer_or_more_cells_than_there_are_titles() {
    let said = json!({"Titles": ["PID", "TIME", "CMD"], "Processes": [[], ["1"], ["2", "0:00", "sh", "-c", "x"]]});
    assert_eq!(shown(&said), [["-", "-", "-"], ["1", "-", "-"], ["2", "sh -c x", "0:00"]]);
}

#[test]
fn a_title_that_comes_twice_is_shown_once() {
    let said = json!({"Titles": ["PID", "TIME", "PID", "TIME", "CMD"], "Processes": [["1", "a", "2", "b", "x"]]});
    assert_eq!(rows(&made(&said)), [[("PID", "1"), ("TIME", "a"), ("CMD", "x")].map(|(a, b)| (a.into(), b.into()))]);
}

#[test]
fn odd_titles_are_written_otherwise() {
    let said = json!({"Titles": ["%CPU", "PID", "", "Process", "a\nb"], "Processes": [["0.1", "1", "x", "y", "z"]]});
    let expected = concat!(
        "<Process><SPECIAL_XS_ENCODED_ELEMENT name=\"%CPU\">0.1</SPECIAL_XS_ENCODED_ELEMENT><PID>1</PID>",
        "<SPECIAL_XS_ENCODED_ELEMENT name=\"\">x</SPECIAL_XS_ENCODED_ELEMENT>",
        "<SPECIAL_XS_ENCODED_ELEMENT name=\"Process\">y</SPECIAL_XS_ENCODED_ELEMENT>",
        "<SPECIAL_XS_ENCODED_ELEMENT name=\"a b\">z</SPECIAL_XS_ENCODED_ELEMENT><TIME>-</TIME><CMD>-</CMD></Process>",
    );
    let made = made(&said);
    assert!(made.contains(expected), "{made}");
}

#[test]
fn texts_are_on_one_line() {
    let said = json!({"Titles": ["PID", "CMD"], "Processes": [["\n1 ", "a\r\nb\u{1b}[2J <&>"], [" \t", "\n"]]});
    assert_eq!(shown(&said), [["1", "a  b\u{fffd}[2J <&>", "-"], ["-", "-", "-"]]);
}

#[test]
fn values_of_other_types_are_shown_as_they_came() {
    let said = r#"{"Titles":["PID",7,"CMD"],"Processes":[[1,2.50,null],[{"a":[1]},true,["sh","-c"]],"3",4,null,[]]}"#;
    let document = top(said).unwrap();
    let rows = rows(&document);
    let cells = |at: usize| rows[at].iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>();
    assert_eq!(cells(0), ["1", "2.50", "-", "-"]);
    assert_eq!(cells(1), [r#"{"a":[1]}"#, "true", r#"["sh","-c"]"#, "-"]);
    assert_eq!([cells(2), cells(3), cells(4), cells(5)], [["3", "-", "-"], ["4", "-", "-"], ["-"; 3], ["-"; 3]]);
}

#[test]
fn what_is_no_list_of_processes_is_an_error_that_says_what_came() {
    for (said, expected) in [
        ("[]", "the list of processes is a list where an object should be"),
        ("{}", "the list of processes is an object without Titles and Processes where one with them should be"),
        (
            r#"{"message":"no"}"#,
            "the list of processes is an object without Titles and Processes where one with them should be",
        ),
        (r#"{"Titles":"PID","Processes":[]}"#, "Titles is a text where a list should be"),
        (r#"{"Titles":["PID"],"Processes":{"a":1}}"#, "Processes is an object where a list should be"),
        (r#"{"Titles":["PID"],"Processes":7}"#, "Processes is a number where a list should be"),
        (r#"{"Titles":null,"Processes":[["1"]]}"#, "Titles is empty where a list of columns should be"),
        (r#"{"Processes":[["1"]]}"#, "Titles is empty where a list of columns should be"),
    ] {
        assert_eq!(top(said).unwrap_err().to_string(), expected, "{said}");
    }
    assert!(matches!(top("ps: not found"), Err(NotADocument::NotJson(_))));
}

#[test]
fn lists_are_bounded_and_the_rest_is_counted() {
    let many = |count: usize, title: &str, cell: &str| {
        let row = format!("[{cell}]");
        format!("{{\"Titles\":[{title}],\"Processes\":[{}]}}", vec![row; count].join(","))
    };
    let read = |said: &str| {
        let document = top(said).unwrap();
        assert!(document.len() < MAX_DOCUMENT + (1 << 20), "{}", document.len());
        rows(&document)
    };
    let last = |rows: &[Vec<(String, String)>]| rows.last().unwrap().last().unwrap().1.clone();
    let rows = read(&many(MAX_PROCESSES, "\"PID\"", "\"1\""));
    assert_eq!((rows.len(), last(&rows)), (MAX_PROCESSES, "-".into()));
    let rows = read(&many(MAX_PROCESSES + 100_000, "\"PID\"", "1"));
    assert_eq!((rows.len(), last(&rows)), (MAX_PROCESSES + 1, "100000 more processes are not shown".into()));
    let long_title = format!("\"{}\"", "\\\"".repeat(100_000));
    let rows = read(&many(100_000, &long_title, "1"));
    assert!(rows.len() < 100 && last(&rows).ends_with("more processes are not shown"), "{}", rows.len());
    let wide = many(1, &vec!["\"x\""; 5000].join(","), &vec!["1"; 5000].join(","));
    assert_eq!(read(&wide).len(), 1);
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "PID",
            "CMD",
            "TIME",
            "COMMAND",
            "Name",
            "CPU",
            "Private Working Set",
            "%CPU",
            "",
            " ",
            "\n",
            "1",
            "Process",
            "PID   USER     COMMAND",
            "]]>",
            "&lt;",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
        "[<>&\"'\\]\u{0}\u{1b}\u{202e}\u{fffe}\u{feff}\u{a0}\r\n\t a]{0,12}",
    ]
}

fn any_cell() -> impl Strategy<Value = Json> {
    prop_oneof![
        8 => any_text().prop_map(Json::from),
        1 => any::<i64>().prop_map(Json::from),
        1 => Just(Json::Null),
        1 => any_text().prop_map(|text| json!([text, { text.as_str(): [] }])),
    ]
}

proptest! {
    #[test]
    fn every_row_shows_all_three_columns_whatever_came(
        titles in prop::collection::vec(any_cell(), 1..8),
        processes in prop::collection::vec(prop::collection::vec(any_cell(), 0..10), 0..6),
    ) {
        let said = json!({ "Titles": titles, "Processes": processes });
        prop_assert_eq!(shown(&said).len(), processes.len());
        let document = made(&said);
        prop_assert_eq!(made(&said), document.clone());
        prop_assert!(document.chars().all(|c| !c.is_control()), "{:?}", document);
        for row in rows(&document) {
            let mut titles: Vec<&String> = row.iter().map(|(title, _)| title).collect();
            titles.sort();
            titles.dedup();
            prop_assert_eq!(titles.len(), row.len(), "{}", document);
        }
    }
}
