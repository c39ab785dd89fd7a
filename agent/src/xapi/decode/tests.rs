//! Decoding of values: the forms that XAPI and others write, and hostile input.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use proptest::prelude::*;
use tokio::io::{AsyncRead, BufReader, ReadBuf};

use super::*;

/// Decodes a document that is one `<value>`.
async fn decode_from<R: AsyncBufRead + Unpin + Send>(
    source: R,
    limits: Limits,
    keep: &Keep,
) -> Result<Value, DecodeError> {
    let mut decoder = Decoder::new(source, limits);
    decoder.start(Tag::Value, "a value").await?;
    let value = decoder.value(keep).await?;
    decoder.finish().await?;
    Ok(value)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn decode_keeping(text: &[u8], keep: &Keep) -> Result<Value, DecodeError> {
    block_on(decode_from(text, Limits::XAPI, keep))
}

fn decode(text: &str) -> Result<Value, DecodeError> {
    decode_keeping(text.as_bytes(), &Keep::All)
}

fn text(text: &str) -> Value {
    Value::from(text)
}

fn members<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Struct(members.map(|(name, value)| (name.to_owned(), value)).into())
}

#[test]
fn every_form_of_a_scalar_is_read() {
    for (written, meant) in [
        ("<value>abc  </value>", text("abc  ")),
        ("<value>  abc\n</value>", text("  abc\n")),
        ("<value> \t\n</value>", text(" \t\n")),
        ("<value></value>", text("")),
        ("<value/>", text("")),
        ("<value><string/></value>", text("")),
        ("<value><string> a </string></value>", text(" a ")),
        ("<value>\n  <string>a</string>\n</value>", text("a")),
        ("<value>a&lt;&gt;&amp;&quot;&apos;&#65;&#x1F433;&#13;</value>", text("a<>&\"'A🐳\r")),
        ("<value>a\r\nb\rc</value>", text("a\nb\nc")),
        ("<value>a<![CDATA[<b> &amp; ]]>c</value>", text("a<b> &amp; c")),
        ("<value>a<!-- not this -->b<?nor this?></value>", text("ab")),
        ("<value>&#32;</value>", text(" ")),
        ("<value><i4>7</i4></value>", Value::Int(7)),
        ("<value><int> -7 </int></value>", Value::Int(-7)),
        ("<value><i8>9223372036854775807</i8></value>", Value::Int(i64::MAX)),
        ("<value><boolean>1</boolean></value>", Value::Bool(true)),
        ("<value><boolean>0</boolean></value>", Value::Bool(false)),
        ("<value><double>-1.5e3</double></value>", Value::Double(-1500.0)),
        ("<value><dateTime.iso8601>20261122T19:00:00Z</dateTime.iso8601></value>", text("20261122T19:00:00Z")),
        ("<value><base64>YWJj</base64></value>", text("YWJj")),
        ("<value><nil/></value>", Value::Nil),
        ("<value><nil></nil></value>", Value::Nil),
        ("\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<value>a</value>\n", text("a")),
    ] {
        assert_eq!(decode(written).unwrap(), meant, "{written}");
    }
}

#[test]
fn layout_between_elements_is_passed_over() {
    let written = "<value>\n <struct>\n  <member>\n   <name>a b</name>\n   <value>\n    <array>\n     <data>\n\
                   <value> x </value>\n <value/>\n </data>\n </array>\n </value>\n </member>\n </struct>\n</value>";
    assert_eq!(decode(written).unwrap(), members([("a b", Value::Array(vec![text(" x "), text("")]))]));
}

#[test]
fn empty_structs_and_arrays_are_read() {
    for written in
        ["<value><struct/></value>", "<value><struct></struct></value>", "<value><struct>\n</struct></value>"]
    {
        assert_eq!(decode(written).unwrap(), members([]));
    }
    for written in ["<value><array><data/></array></value>", "<value><array><data> </data></array></value>"] {
        assert_eq!(decode(written).unwrap(), Value::Array(vec![]));
    }
}

#[test]
fn of_members_with_the_same_name_the_last_counts() {
    let written = "<value><struct><member><name>a</name><value>1</value></member>\
                   <member><name>a</name><value>2</value></member></struct></value>";
    assert_eq!(decode(written).unwrap(), members([("a", text("2"))]));
}

#[test]
fn only_what_is_wanted_is_kept() {
    const KEEP: Keep = Keep::Members(&[
        ("a", Keep::All),
        ("map", Keep::Prefixed("xs-")),
        ("both", Keep::Either(&Keep::Members(&[("p", Keep::All)]), &Keep::Members(&[("q", Keep::All)]))),
    ]);
    let written = "<value><struct>\
        <member><name>a</name><value>1</value></member>\
        <member><name>b</name><value><array><data><value>x</value></data></array></value></member>\
        <member><name>map</name><value><struct>\
            <member><name>xs-1</name><value>y</value></member><member><name>other</name><value>z</value></member>\
        </struct></value></member>\
        <member><name>both</name><value><struct>\
            <member><name>p</name><value>1</value></member><member><name>q</name><value>2</value></member>\
            <member><name>r</name><value>3</value></member>\
        </struct></value></member>\
        </struct></value>";
    let kept = decode_keeping(written.as_bytes(), &KEEP).unwrap();
    let both = members([("p", text("1")), ("q", text("2"))]);
    let map = members([("xs-1", text("y")), ("other", Value::Reduced(Reduced::of("z")))]);
    assert_eq!(kept, members([("a", text("1")), ("map", map), ("both", both)]));
}

#[test]
fn what_is_not_wanted_costs_nothing_of_the_allowance() {
    let many = "<value>x</value>".repeat(1000);
    let written = format!(
        "<value><struct><member><name>b</name><value><array><data>{many}</data></array></value></member></struct></value>"
    );
    let limits = Limits { values: 1, kept_bytes: VALUE_COST, ..Limits::XAPI };
    let kept = block_on(decode_from(written.as_bytes(), limits, &Keep::Members(&[])));
    assert_eq!(kept.unwrap(), members([]));
}

#[test]
fn the_wrong_shape_is_refused() {
    for written in [
        "hello",
        "{\"jsonrpc\":\"2.0\"}",
        "<html><body>503</body></html>",
        "<value>a<string>b</string></value>",
        "<value><string>a</string>b</value>",
        "<value><string>a</string><string>b</string></value>",
        "<value><string><b>a</b></string></value>",
        "<value><colour>red</colour></value>",
        "<value><i4></i4></value>",
        "<value><i4>1.5</i4></value>",
        "<value><i4>99999999999999999999</i4></value>",
        "<value><boolean>2</boolean></value>",
        "<value><double>many</double></value>",
        "<value><nil>x</nil></value>",
        "<value><array></array></value>",
        "<value><array><value>a</value></array></value>",
        "<value><array><data>a</data></array></value>",
        "<value><struct><member><value>a</value><name>a</name></member></struct></value>",
        "<value><struct><member><name>a</name></member></struct></value>",
        "<value><struct><member></member></struct></value>",
        "<value><struct><member><name>a</name><value>1</value><value>2</value></member></struct></value>",
        "<value><struct>a</struct></value>",
        "<value>a</value><value>b</value>",
        "<!DOCTYPE value [<!ENTITY a 'aaaa'>]><value>&a;</value>",
        "",
    ] {
        let error = decode(written).unwrap_err();
        assert!(matches!(error, DecodeError::Shape { .. }), "{written}: {error:?}");
    }
}

#[test]
fn what_is_not_xml_is_refused() {
    for written in [
        &b"<value>&unknown;</value>"[..],
        b"<value>a & b</value>",
        b"<value>&#0;</value>",
        b"<value>&#xD800;</value>",
        b"<value>&#x110000;</value>",
        b"<value>a</string>",
        b"<value>a</value></value>",
        b"<value>\xff\xfe</value>",
        b"<value><\xc3></value>",
    ] {
        let error = decode_keeping(written, &Keep::All).unwrap_err();
        assert!(matches!(error, DecodeError::Xml(_)), "{}: {error:?}", written.escape_ascii());
    }
}

#[test]
fn every_proper_beginning_of_a_reply_is_refused() {
    let written = "<value><struct><member><name>a</name><value><array><data><value><i4>1</i4></value>\
                   <value>x&amp;<![CDATA[y]]><!-- z --></value></data></array></value></member></struct></value>";
    for end in 0..written.len() {
        assert!(decode(&written[..end]).is_err(), "{}", &written[..end]);
    }
}

#[test]
fn a_cut_reply_is_called_cut_short() {
    for written in
        ["<value>", "<value>a", "<value><struct><member>", "<value><str", "<value><![CDATA[x", "<value><!-- "]
    {
        assert!(matches!(decode(written), Err(DecodeError::Truncated)), "{written}: {:?}", decode(written));
    }
}

#[test]
fn error_messages_are_one_bounded_line() {
    let name = "\u{1b}\u{7}".repeat(10_000);
    let error = decode(&format!("<value>a</{name}>")).unwrap_err().to_string();
    assert!(error.len() < 2000 && error.chars().all(|c| !c.is_control()), "{error}");
}

/// Gives `beginning`, then `pattern` for ever.
struct Endless {
    beginning: &'static [u8],
    pattern: &'static [u8],
    at: usize,
}

impl AsyncRead for Endless {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while into.remaining() > 0 {
            let rest = if self.at < self.beginning.len() {
                &self.beginning[self.at..]
            } else {
                &self.pattern[(self.at - self.beginning.len()) % self.pattern.len()..]
            };
            let amount = rest.len().min(into.remaining());
            into.put_slice(&rest[..amount]);
            self.at += amount;
        }
        Poll::Ready(Ok(()))
    }
}

#[test]
fn endless_replies_run_into_the_limit_for_what_they_have_too_much_of() {
    let limits =
        Limits { total_bytes: 8 << 20, piece_bytes: 1 << 20, string_bytes: 1 << 20, values: 10_000, ..Limits::XAPI };
    let skip_all = Keep::Members(&[]);
    for (beginning, pattern, keep, too_much) in [
        (&b""[..], &b"<value><array><data>"[..], &Keep::All, "the depth of elements"),
        (b"<value><struct><member><name>x</name><value>", b"<a>", &skip_all, "the depth of elements"),
        (b"<value>", b"x", &Keep::All, "bytes in one piece of XML"),
        (b"<value><struct><member><name>x</name><value>", b"x", &skip_all, "bytes in one piece of XML"),
        (b"<", b"x", &Keep::All, "bytes in one piece of XML"),
        (b"<value a='", b"x", &Keep::All, "bytes in one piece of XML"),
        (b"<!--", b"x", &Keep::All, "bytes in one piece of XML"),
        (b"<?", b"x", &Keep::All, "bytes in one piece of XML"),
        (b"<!DOCTYPE ", b"x", &Keep::All, "bytes in one piece of XML"),
        (b"<value>&", b"x", &Keep::All, "bytes in one piece of XML"),
        (b"<value><![CDATA[", b"x", &Keep::All, "bytes in one piece of XML"),
        (b"<value>", b"xxxxxxxx&amp;", &Keep::All, "bytes in one string"),
        (b"<value><struct><member><name>", b"xxxxxxxx&amp;", &skip_all, "bytes in one string"),
        (b"<value><array><data>", b"<value>x</value>", &Keep::All, "the number of values kept"),
        (b"<value><struct>", b"<member><name>x</name><value>y</value></member>", &skip_all, "bytes in one reply"),
        (b"", b"<!-- x -->", &Keep::All, "bytes in one reply"),
        (b"", b" \n", &Keep::All, "bytes in one piece of XML"),
        (b"<value>a</value>", b"<?x?> ", &Keep::All, "bytes in one reply"),
    ] {
        let source = BufReader::new(Endless { beginning, pattern, at: 0 });
        let error = block_on(decode_from(source, limits, keep)).unwrap_err();
        let case = format!("{}{}", beginning.escape_ascii(), pattern.escape_ascii());
        assert!(matches!(error, DecodeError::Limit { what, .. } if what == too_much), "{case}: {error:?}");
    }
}

#[test]
fn long_strings_together_run_into_the_limit_of_bytes_kept() {
    let one = format!("<value>{}</value>", "x".repeat(100_000));
    let written = format!("<value><array><data>{}</data></array></value>", one.repeat(20));
    let limits = Limits { kept_bytes: 1 << 20, ..Limits::XAPI };
    let error = block_on(decode_from(written.as_bytes(), limits, &Keep::All)).unwrap_err();
    assert!(matches!(error, DecodeError::Limit { what: "bytes kept", .. }), "{error:?}");
}

/// Any value, with text that XML can carry.
fn any_value() -> impl Strategy<Value = Value> {
    let any_text = "([ -~\t\n\r]|[é🐳\u{a0}\u{2028}]){0,20}";
    let leaf = prop_oneof![
        any_text.prop_map(Value::Text),
        any::<i64>().prop_map(Value::Int),
        any::<bool>().prop_map(Value::Bool),
        (-1e300..1e300_f64).prop_map(Value::Double),
        Just(Value::Nil),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::btree_map(any_text, inner, 0..6).prop_map(Value::Struct),
        ]
    })
}

/// Writes XML-RPC in forms picked by `style`, on its own: shares nothing with [`super::super::encode`].
fn write(value: &Value, style: &mut impl FnMut() -> u8) -> String {
    let escaped = |text: &str, style: &mut dyn FnMut() -> u8| -> String {
        let one = |c: char| match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '\r' => "&#13;".to_owned(),
            c if style().is_multiple_of(7) => format!("&#x{:X};", u32::from(c)),
            c if style().is_multiple_of(11) && c != ']' => format!("<![CDATA[{c}]]>"),
            c if style().is_multiple_of(13) => format!("<!-- -->{c}"),
            c => c.to_string(),
        };
        text.chars().map(one).collect()
    };
    let layout = ["", "\n", " \t"][usize::from(style() % 3)];
    let inside = match value {
        Value::Text(text) if style().is_multiple_of(2) => return format!("<value>{}</value>", escaped(text, style)),
        Value::Text(text) if text.is_empty() => "<string/>".to_owned(),
        Value::Text(text) => format!("<string>{}</string>", escaped(text, style)),
        Value::Int(number) => {
            let tag = ["int", "i4", "i8"][usize::from(style() % 3)];
            format!("<{tag}>{layout}{number}</{tag}>")
        }
        Value::Bool(yes) => format!("<boolean>{}</boolean>", u8::from(*yes)),
        Value::Double(number) => format!("<double>{number:e}</double>"),
        Value::Nil => "<nil/>".to_owned(),
        Value::Date(_) | Value::Reduced(_) => unreachable!("not among the values made here"),
        Value::Array(items) => {
            let items: String = items.iter().map(|item| write(item, style) + layout).collect();
            format!("<array>{layout}<data>{items}</data></array>")
        }
        Value::Struct(items) => {
            let one = |(name, item): (&String, &Value)| {
                let name = escaped(name, style);
                format!("<member>{layout}<name>{name}</name>{layout}{}</member>{layout}", write(item, style))
            };
            format!("<struct>{layout}{}</struct>", items.iter().map(one).collect::<String>())
        }
    };
    format!("<value>{layout}{inside}{layout}</value>")
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_back_however_the_bytes_are_dealt_out(
        value in any_value(), seed in any::<u64>(), chunk in 1_usize..40,
    ) {
        let mut random = fastrand::Rng::with_seed(seed);
        let written = write(&value, &mut || random.u8(..));
        let source = BufReader::with_capacity(chunk, written.as_bytes());
        let read = block_on(decode_from(source, Limits::XAPI, &Keep::All));
        prop_assert_eq!(read.map_err(|error| format!("{error}: {written}")), Ok(value));
    }

    #[test]
    fn what_the_encoder_writes_is_read_back_with_integers_as_text(value in any_value()) {
        let body = super::super::encode::request("m", [&value]).unwrap();
        let (_, rest) = body.split_once("<param>").unwrap();
        let (written, _) = rest.split_once("</param>").unwrap();
        prop_assert_eq!(decode(written).map_err(|error| error.to_string()), Ok(integers_as_text(value)));
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_keeping(&bytes, &Keep::All);
    }

    #[test]
    fn a_reply_with_one_byte_changed_is_decoded_or_refused(value in any_value(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut written = write(&value, &mut || 1).into_bytes();
        let at = at.index(written.len());
        written[at] = byte;
        let _ = decode_keeping(&written, &Keep::All);
        let _ = decode_keeping(&written, &Keep::Members(&[]));
    }
}

fn integers_as_text(value: Value) -> Value {
    match value {
        Value::Int(number) => Value::Text(number.to_string()),
        Value::Array(items) => Value::Array(items.into_iter().map(integers_as_text).collect()),
        Value::Struct(items) => {
            Value::Struct(items.into_iter().map(|(name, item)| (name, integers_as_text(item))).collect())
        }
        other => other,
    }
}
