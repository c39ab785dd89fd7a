//! XML-RPC requests in the form XAPI reads. Knows nothing of sessions or HTTP.

use std::fmt::Write as _;

use super::value::Value;

/// Bytes of a request body that XAPI accepts: 300 KiB (xen-api ocaml/xapi-consts/constants.ml,
/// `http_limit_max_rpc_size`); it answers anything longer with HTTP 500.
pub const MAX_REQUEST_BYTES: usize = 300 * 1024;

/// Why a request cannot be written down.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// XML 1.0 has no way to carry this character, not even as a reference (XML 1.0, 2.2).
    #[error("a parameter holds the character U+{0:04X}, which XML cannot carry; clean the text before sending it")]
    IllegalCharacter(u32),
    /// XML-RPC has no form for infinities and NaN.
    #[error("a parameter is a floating-point number without a decimal form; send a finite one")]
    NotFinite,
    /// Longer than [`MAX_REQUEST_BYTES`].
    #[error("the request is {0} bytes long, XAPI takes at most {MAX_REQUEST_BYTES}; send less at a time")]
    TooLong(usize),
}

/// The body of a call of `method` with `params` in their order.
///
/// # Errors
/// See [`EncodeError`].
pub fn request<'a>(method: &str, params: impl IntoIterator<Item = &'a Value>) -> Result<String, EncodeError> {
    let mut out = String::from("<?xml version=\"1.0\"?>\n<methodCall><methodName>");
    push_text(&mut out, method)?;
    out.push_str("</methodName><params>");
    for param in params {
        out.push_str("<param>");
        push_value(&mut out, param)?;
        out.push_str("</param>");
    }
    out.push_str("</params></methodCall>\n");
    if out.len() > MAX_REQUEST_BYTES {
        return Err(EncodeError::TooLong(out.len()));
    }
    Ok(out)
}

fn push_value(out: &mut String, value: &Value) -> Result<(), EncodeError> {
    out.push_str("<value>");
    match value {
        Value::Text(text) => {
            out.push_str("<string>");
            push_text(out, text)?;
            out.push_str("</string>");
        }
        Value::Date(date) => {
            out.push_str("<dateTime.iso8601>");
            push_text(out, date)?;
            out.push_str("</dateTime.iso8601>");
        }
        Value::Int(number) => push_display(out, "string", number),
        Value::Bool(yes) => push_display(out, "boolean", &u8::from(*yes)),
        Value::Double(number) if number.is_finite() => push_display(out, "double", &format_args!("{number:?}")),
        Value::Double(_) => return Err(EncodeError::NotFinite),
        // Nobody sends what was not kept; XAPI would refuse it.
        Value::Nil | Value::Reduced(_) => out.push_str("<nil/>"),
        Value::Array(items) => {
            out.push_str("<array><data>");
            for item in items {
                push_value(out, item)?;
            }
            out.push_str("</data></array>");
        }
        Value::Struct(members) => {
            out.push_str("<struct>");
            for (name, member) in members {
                out.push_str("<member><name>");
                push_text(out, name)?;
                out.push_str("</name>");
                push_value(out, member)?;
                out.push_str("</member>");
            }
            out.push_str("</struct>");
        }
    }
    out.push_str("</value>");
    Ok(())
}

fn push_display(out: &mut String, tag: &str, number: &dyn std::fmt::Display) {
    write!(out, "<{tag}>{number}</{tag}>").expect("writing to a String cannot fail");
}

/// A carriage return is written as a reference: a bare one would reach the reader as a line feed (XML 1.0, 2.11).
fn push_text(out: &mut String, text: &str) -> Result<(), EncodeError> {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' => out.push(c),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => return Err(EncodeError::IllegalCharacter(c.into())),
            _ => out.push(c),
        }
    }
    Ok(())
}

/// How long `text` is in a request, bytes. Characters that cannot be sent count as nothing.
#[must_use]
pub fn sent_bytes(text: &str) -> usize {
    let of = |c: char| match c {
        '&' | '\r' => 5,
        '<' | '>' => 4,
        '"' => 6,
        _ => c.len_utf8(),
    };
    text.chars().map(of).sum()
}

/// How long the markup of one entry of a map is in a request, bytes: XenCenter and Xen Orchestra write white space or
/// none, `string` or none, so the longer form counts.
pub const ENTRY_MARKUP_BYTES: usize = 96;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn encoded(value: Value) -> String {
        let body = request("m", [&value]).unwrap();
        let start = body.find("<param>").unwrap() + "<param>".len();
        body[start..body.find("</param>").unwrap()].to_owned()
    }

    #[test]
    fn each_kind_of_value_has_the_form_that_xapi_reads() {
        for (value, expected) in [
            (Value::from("a<&>\"']]>"), "<string>a&lt;&amp;&gt;&quot;']]&gt;</string>"),
            (Value::from("a\r\n\tb  "), "<string>a&#13;\n\tb  </string>"),
            (Value::from(""), "<string></string>"),
            (Value::from("é🐳"), "<string>é🐳</string>"),
            (Value::Int(i64::MIN), "<string>-9223372036854775808</string>"),
            (Value::Bool(true), "<boolean>1</boolean>"),
            (Value::Double(30.0), "<double>30.0</double>"),
            (Value::Nil, "<nil/>"),
            (
                Value::Array(vec![Value::from("a"), Value::Bool(false)]),
                "<array><data><value><string>a</string></value><value><boolean>0</boolean></value></data></array>",
            ),
            (
                Value::Struct(BTreeMap::from([("k<".to_owned(), Value::from("v"))])),
                "<struct><member><name>k&lt;</name><value><string>v</string></value></member></struct>",
            ),
        ] {
            assert_eq!(encoded(value), format!("<value>{expected}</value>"));
        }
    }

    #[test]
    fn a_request_names_its_method_and_keeps_the_order_of_parameters() {
        let body = request("VM.get_record", [&Value::from("s"), &Value::from("vm")]).unwrap();
        assert_eq!(
            body,
            "<?xml version=\"1.0\"?>\n<methodCall><methodName>VM.get_record</methodName><params>\
             <param><value><string>s</string></value></param><param><value><string>vm</string></value></param>\
             </params></methodCall>\n"
        );
    }

    #[test]
    fn characters_that_xml_cannot_carry_are_refused() {
        for c in ['\0', '\u{8}', '\u{1b}', '\u{ffff}'] {
            let error = request("m", [&Value::from(c.to_string())]).unwrap_err();
            assert_eq!(error, EncodeError::IllegalCharacter(c.into()));
        }
    }

    #[test]
    fn numbers_without_a_decimal_form_are_refused() {
        for number in [f64::NAN, f64::INFINITY] {
            assert_eq!(request("m", [&Value::Double(number)]), Err(EncodeError::NotFinite));
        }
    }

    #[test]
    fn a_request_longer_than_xapi_takes_is_refused_before_it_is_sent() {
        let long = Value::from("x".repeat(MAX_REQUEST_BYTES));
        assert!(matches!(request("m", [&long]), Err(EncodeError::TooLong(_))));
    }
}
