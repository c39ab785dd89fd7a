//! Documents, as XenCenter gets them.

use proptest::prelude::*;
use quick_xml::events::Event;
use quick_xml::{Reader, XmlVersion};
use serde_json::json;

use super::*;
use crate::view::characters::faithful;

const DECLARATION: &str = "<?xml version=\"1.0\" ?>";

/// What is in the root.
fn inside(json: &str) -> String {
    let made = inspect(json).unwrap();
    let inside = made.strip_prefix(DECLARATION).and_then(|made| made.strip_prefix("<docker_inspect>"));
    let inside = inside.and_then(|made| made.strip_suffix("</docker_inspect>"));
    inside.unwrap_or_else(|| panic!("{made}")).to_owned()
}

#[test]
fn a_container_is_a_tree_in_the_engines_order() {
    let said = concat!(
        r#"{"Id":"3f1c2ab49d0e","Args":["-g","daemon off;"],"Config":{"Entrypoint":null,"Tty":false,"#,
        r#""ExposedPorts":{"80/tcp":{},"443/tcp":{}},"Labels":{}}}"#,
    );
    let expected = concat!(
        r#"<?xml version="1.0" ?><docker_inspect><Id>3f1c2ab49d0e</Id><Args><item>-g</item><item>daemon off;</item></Args>"#,
        r#"<Config><Entrypoint>None</Entrypoint><Tty>False</Tty><ExposedPorts>"#,
        r#"<SPECIAL_XS_ENCODED_ELEMENT name="80/tcp"/><SPECIAL_XS_ENCODED_ELEMENT name="443/tcp"/></ExposedPorts><Labels/>"#,
        r#"</Config></docker_inspect>"#,
    );
    assert_eq!(inspect(said).unwrap(), expected);
    assert_eq!(inspect("{}\n").unwrap(), format!("{DECLARATION}<docker_inspect/>"));
}

#[test]
fn numbers_are_as_the_engine_wrote_them() {
    let said = r#"{"a":[0,-1,1.50,1e+400,18446744073709551616,-123456789012345678901234567890,0.1e-7,true]}"#;
    let numbers =
        ["0", "-1", "1.50", "1e+400", "18446744073709551616", "-123456789012345678901234567890", "0.1e-7", "True"];
    assert_eq!(inside(said), format!("<a><item>{}</item></a>", numbers.join("</item><item>")));
}

#[test]
fn texts_keep_their_lines_and_blanks() {
    let said = json!({"Env": ["A= x\ty \r\nz\r", " \n "], "Cmd": "\u{1b}[2J\0\u{202e}<b>]]>&amp;\"'"});
    let expected = concat!(
        "<Cmd>\u{fffd}[2J\u{fffd}\u{fffd}&lt;b>]]&gt;&amp;amp;\"'</Cmd>",
        "<Env><item>A= x\ty \nz\n</item><item> \n </item></Env>",
    );
    assert_eq!(inside(&said.to_string()), expected);
}

#[test]
fn names_that_come_twice_or_are_empty_are_shown() {
    let said = r#"{"a":1,"a":2,"":3,"a b":4,"entry":[],"\"<&>'\n":5}"#;
    let expected = concat!(
        "<a>1</a><a>2</a><SPECIAL_XS_ENCODED_ELEMENT name=\"\">3</SPECIAL_XS_ENCODED_ELEMENT>",
        "<SPECIAL_XS_ENCODED_ELEMENT name=\"a b\">4</SPECIAL_XS_ENCODED_ELEMENT>",
        "<SPECIAL_XS_ENCODED_ELEMENT name=\"entry\"/>",
        "<SPECIAL_XS_ENCODED_ELEMENT name=\"&quot;&lt;&amp;>' \">5</SPECIAL_XS_ENCODED_ELEMENT>",
    );
    assert_eq!(inside(said), expected);
}

#[test]
fn what_lies_too_deep_is_shown_as_json() {
    let deep = |levels: usize| format!("{{\"a\":{}\"x\"{}}}", "[".repeat(levels), "]".repeat(levels));
    let made = inside(&deep(MAX_DEPTH - 1));
    assert!(made.contains("<item>x</item>"), "{made}");
    let made = inside(&deep(MAX_DEPTH + 1));
    assert_eq!(made.matches("<item>").count(), MAX_DEPTH - 1);
    assert!(made.contains("<item>[[\"x\"]]</item>"), "{made}");
}

#[test]
fn hostile_nesting_costs_neither_stack_nor_time() {
    // With more work at every level than at the one before, this would take hours.
    let levels = 1_500_000;
    for (open, close) in [("[", "]"), ("{\"\":", "}")] {
        let said = format!("{{\"a\":{}1{},\"b\":2}}", open.repeat(levels), close.repeat(levels));
        assert!(inside(&said).ends_with("<b>2</b>"));
    }
}

#[test]
fn what_is_no_description_is_an_error_that_says_what_came() {
    let error = |said: &str| inspect(said).unwrap_err().to_string();
    assert_eq!(error("[]"), "the description of the container is a list where an object should be");
    assert_eq!(error(" null"), "the description of the container is null where an object should be");
    for said in
        ["", "{", "{\"a\":1}{}", "{\"a\":01}", "{\"a\":\"\u{1b}\"}", "<html>", "{'a':1}", "{\"a\":NaN}", "\u{feff}{}"]
    {
        assert!(matches!(inspect(said), Err(NotADocument::NotJson(_))), "{said}");
    }
}

#[test]
fn a_document_is_bounded() {
    let long = format!("{{\"a\":[{}1]}}", "1,".repeat(2 << 20));
    assert_eq!(inspect(&long), Err(NotADocument::TooLong(MAX_INSPECT_DOCUMENT)));
    let names = format!("{{{}\"\":1}}", "\"\":1,".repeat(600_000));
    assert_eq!(inspect(&names), Err(NotADocument::TooLong(MAX_INSPECT_DOCUMENT)));
    assert!(inspect(&format!("{{\"a\":\"{}\"}}", "x".repeat(4 << 20))).is_ok());
}

/// JSON as anybody may write it: names that come twice, numbers of any length.
#[derive(Clone, Debug)]
enum Json {
    Word(&'static str, &'static str),
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    fn write(&self, text: &mut String) {
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        match self {
            Self::Word(word, _) => text.push_str(word),
            Self::Number(number) => text.push_str(number),
            Self::Text(said) => text.push_str(&quoted(said)),
            Self::List(items) => {
                text.push('[');
                for (at, item) in items.iter().enumerate() {
                    text.push_str(if at > 0 { " ,\n" } else { "" });
                    item.write(text);
                }
                text.push(']');
            }
            Self::Object(members) => {
                text.push('{');
                for (at, (name, member)) in members.iter().enumerate() {
                    text.push_str(if at > 0 { "," } else { " " });
                    text.push_str(&quoted(name));
                    text.push_str(" :\t");
                    member.write(text);
                }
                text.push('}');
            }
        }
    }

    /// The lines that a client is to read.
    fn shown(&self, lines: &mut Vec<String>) {
        let mut leaf = |text: &str| {
            if !text.is_empty() {
                lines.push(format!("= {text}"));
            }
        };
        match self {
            Self::Word(_, shown) => leaf(shown),
            Self::Number(number) => leaf(number),
            Self::Text(text) => leaf(&faithful(text).collect::<String>()),
            Self::List(items) => {
                for item in items {
                    lines.push("( item".into());
                    item.shown(lines);
                    lines.push(")".into());
                }
            }
            Self::Object(members) => {
                for (name, member) in members {
                    let name: String = faithful(name).map(|c| if matches!(c, '\n' | '\t') { ' ' } else { c }).collect();
                    lines.push(format!("( {name}"));
                    member.shown(lines);
                    lines.push(")".into());
                }
            }
        }
    }
}

/// The lines that a reader of XML reads.
fn read(document: &str) -> Vec<String> {
    let mut reader = Reader::from_str(document);
    reader.config_mut().check_end_names = true;
    let (mut lines, mut text, mut depth) = (Vec::new(), String::new(), 0_usize);
    let end_text = |lines: &mut Vec<String>, text: &mut String| {
        if !text.is_empty() {
            lines.push(format!("= {}", std::mem::take(text)));
        }
    };
    loop {
        let event = reader.read_event().unwrap();
        if !matches!(event, Event::Text(_) | Event::GeneralRef(_)) {
            end_text(&mut lines, &mut text);
        }
        match event {
            Event::Decl(_) => {}
            Event::Start(ref start) | Event::Empty(ref start) => {
                let mut name = start.name().as_ref().to_owned();
                for attribute in start.attributes() {
                    let attribute = attribute.unwrap();
                    assert_eq!((name.as_str(), attribute.key.as_ref()), ("SPECIAL_XS_ENCODED_ELEMENT", "name"));
                    name = attribute.normalized_value(XmlVersion::Implicit1_0).unwrap().into_owned();
                }
                assert!(name != "SPECIAL_XS_ENCODED_ELEMENT" || start.attributes().next().is_some());
                lines.push(format!("( {name}"));
                match event {
                    Event::Start(_) => depth += 1,
                    _ => lines.push(")".into()),
                }
            }
            Event::End(_) => {
                depth -= 1;
                lines.push(")".into());
            }
            Event::Text(piece) => {
                assert!(!piece.contains("]]>"), "{document}");
                text.push_str(&piece.xml10_content());
            }
            Event::GeneralRef(name) => text.push(match &*name {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                other => panic!("&{other};"),
            }),
            Event::Eof => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(depth, 0);
    lines
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,8}",
        any::<String>(),
        "[<>&\"'\\]\\[!/;#x0-9a-z\u{0}\u{1b}\u{85}\u{202e}\u{fffe}\u{ffff}\u{feff}\r\n\t -]{0,20}",
        prop::sample::select(vec!["]]>", "<!--", "-->", "<![CDATA[", "&#10;", "<?xml?>", "</docker_inspect>", "é🐳"])
            .prop_map(str::to_owned),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z_][A-Za-z0-9_.-]{0,8}",
        text(),
        prop::sample::select(vec![
            "",
            "entry",
            "item",
            "__proto__",
            "xmlns",
            "80/tcp",
            "SPECIAL_XS_ENCODED_ELEMENT",
            "name"
        ])
        .prop_map(str::to_owned),
    ]
}

fn any_json() -> impl Strategy<Value = Json> {
    let words = vec![Json::Word("null", "None"), Json::Word("true", "True"), Json::Word("false", "False")];
    let leaf = prop_oneof![
        prop::sample::select(words),
        "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,5})?".prop_map(Json::Number),
        text().prop_map(Json::Text),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::List),
            prop::collection::vec((name(), inner), 0..6).prop_map(Json::Object),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_an_engine_says_a_reader_reads_the_same(members in prop::collection::vec((name(), any_json()), 0..5)) {
        let said = Json::Object(members);
        let mut text = String::new();
        said.write(&mut text);
        let document = inspect(&text).unwrap();
        let mut expected = vec!["( docker_inspect".to_owned()];
        said.shown(&mut expected);
        expected.push(")".into());
        prop_assert_eq!(read(&document), expected);
        prop_assert_eq!(inspect(&text).unwrap(), document.clone(), "the same JSON gives the same bytes");
        for forbidden in ["<![CDATA[", "<!--", "&#", "\r"] {
            prop_assert!(!document.contains(forbidden), "{} in {}", forbidden, document);
        }
        let allowed = |c: char| matches!(c, '\n' | '\t') || !(c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'));
        let is_allowed = document.chars().all(allowed);
        prop_assert!(is_allowed, "{:?}", document);
    }
}
