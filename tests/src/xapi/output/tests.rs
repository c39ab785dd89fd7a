//! Outputs of plugins and what the caller gets of them.

use super::*;

fn success(value: &str) -> String {
    response(&format!(
        "<struct><member><name>Status</name><value>Success</value></member>\
         <member><name>Value</name>{value}</member></struct>"
    ))
}

fn response(content: &str) -> String {
    format!("<methodResponse><params><param><value>{content}</value></param></params></methodResponse>")
}

fn unparsable(output: &[u8]) -> String {
    let failure = read(output).unwrap_err();
    assert_eq!(failure.code, "XENAPI_PLUGIN_FAILURE", "{failure}");
    assert_eq!(failure.params[..2], ["failed to parse plugin output", &*String::from_utf8_lossy(output)]);
    failure.params[2].clone()
}

#[test]
fn a_string_may_be_typed_or_not_and_empty_in_four_ways() {
    for (value, text) in [
        ("<value>a</value>", "a"),
        ("<value><string>a</string></value>", "a"),
        ("<value/>", ""),
        ("<value></value>", ""),
        ("<value><string/></value>", ""),
        ("<value><string></string></value>", ""),
        ("<value>a<!-- b -->c<![CDATA[<&>]]>&lt;&#x41;</value>", "ac<&><A"),
    ] {
        assert_eq!(read(success(value).as_bytes()), Ok(text.to_owned()), "{value}");
    }
}

#[test]
fn white_space_alone_is_nothing_and_around_text_it_stays() {
    assert_eq!(read(success("<value> \t\n\r\n </value>").as_bytes()), Ok(String::new()));
    assert_eq!(read(success("<value> \n a\t</value>").as_bytes()), Ok(" \n a\t".to_owned()));
    assert_eq!(read(success("<value>\u{a0}</value>").as_bytes()), Ok("\u{a0}".to_owned()));
}

#[test]
fn line_ends_become_line_feeds_unless_they_are_references() {
    assert_eq!(read(success("<value>1\r\n2\r3&#13;\n</value>").as_bytes()), Ok("1\n2\n3\r\n".to_owned()));
}

#[test]
fn declaration_layout_and_what_follows_do_not_matter() {
    let document = success("<value>a</value>").replace("><", ">\n  <");
    for output in [
        format!("<?xml version='1.0'?>\n{document}\n"),
        format!("<?xml version='1.0' encoding='UTF-8'?><!DOCTYPE methodResponse>{document}"),
        format!("\u{feff}{document}"),
        format!("\n{document}"),
        format!("{document}\nTraceback <"),
        format!("{document}{}", success("<value>b</value>")),
    ] {
        assert_eq!(read(output.as_bytes()), Ok("a".to_owned()), "{output}");
    }
}

#[test]
fn the_plugins_own_failure_comes_through_verbatim() {
    let failed = response(
        "<struct><member><name>ErrorDescription</name><value><array><data><value>CODE</value><value/>\
         <value><string> a </string></value></data></array></value></member>\
         <member><name>Status</name><value>Failure</value></member></struct>",
    );
    assert_eq!(read(failed.as_bytes()), Err(Failure::new("CODE", &["", " a "])));
}

#[test]
fn a_fault_is_told_with_its_code() {
    let fault = "<methodResponse><fault><value><struct>\
                 <member><name>faultCode</name><value><int>-7</int></value></member>\
                 <member><name>faultString</name><value>why</value></member></struct></value></fault></methodResponse>";
    assert_eq!(read(fault.as_bytes()), Err(Failure::new("XENAPI_PLUGIN_FAILURE", &["fault", "-7", "why"])));
}

#[test]
fn what_is_no_xml_is_told_with_its_line() {
    assert_eq!(unparsable(b""), "unexpected end of input line 1");
    assert_eq!(unparsable(b"True"), "expected a root element line 1");
    assert_eq!(unparsable(b"<a>\n<b>\n&nbsp;</b></a>").split(" line ").last(), Some("3"));
    for output in [
        &b"<a>\xff</a>"[..],
        b"<a>",
        b"<a></b>",
        b"</a>",
        b"<a>\x01</a>",
        b"<a>&#1;</a>",
        b"<a>&#xFFFE;</a>",
        "<a>\u{ffff}</a>".as_bytes(),
        b"<a>& b</a>",
        b"<a>]]></a>",
        b"<a b></a>",
        b"<a b='1' b='2'></a>",
        b"<1a/>",
        b"<x:a/>",
        b"<a><![CDATA[</a>",
        b"\n<?xml version='1.0'?><a/>",
        b"<?xml version='1.0' encoding='EBCDIC'?><a/>",
        b"text <a/>",
        b"&lt;<a/>",
        b"<a>\x00</a>",
    ] {
        unparsable(output);
    }
    unparsable("<a>".repeat(10_000).as_bytes());
}

#[test]
fn xml_of_another_shape_is_an_internal_error() {
    let array = "<value><array><data></data></array></value>";
    let failed = |description: &str| {
        response(&format!(
            "<struct><member><name>Status</name><value>Failure</value></member>\
             <member><name>ErrorDescription</name>{description}</member></struct>"
        ))
    };
    for output in [
        "<a/>".to_owned(),
        "<methodResponse/>".to_owned(),
        response("text"),
        response("<struct/>"),
        success("<value>a</value>").replace("<value>a", "<value type='string'>a"),
        success("<value>a</value>").replace("<params>", "<params a='1'>"),
        success("<value>a</value>").replace("<methodResponse>", "<methodResponse xmlns='a'>"),
        success("<value>a</value>").replace("Success", "Victory"),
        success("<value>a</value>").replace("<name>Value", "<name>Worth"),
        success("<value>a</value>").replace("<params>", "<params><param><value/></param>"),
        success("<value><int>1</int></value>"),
        success("<value>a<string>b</string></value>"),
        success("<value><string>a</string><string>b</string></value>"),
        success(array),
        success("<value><nil/></value>"),
        failed(array),
        failed("<value>CODE</value>"),
        failed("<value><array><data><value><int>1</int></value></data></array></value>"),
    ] {
        let failure = read(output.as_bytes()).unwrap_err();
        assert_eq!(failure.code, "INTERNAL_ERROR", "{output}");
    }
}
