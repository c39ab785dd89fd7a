//! XML-RPC as xapi reads and writes it.
//!
//! The output forms are those of mirage/ocaml-rpc src/lib/xmlrpc.ml: untyped strings, integers as untyped decimals,
//! `<i4>` for 32-bit ones only. Must not know what the calls mean.

use std::{collections::VecDeque, fmt::Write as _};

use quick_xml::{Reader, events::Event};

use super::{
    schema::is_xml_char,
    value::{Failure, Value},
};

/// A document nested deeper than this is refused: the decoder calls itself.
const DEEPEST: usize = 64;

/// One call: its name and parameters as they were sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    /// `Class.method` or `Class_method`.
    pub name: String,
    /// The session first, for most methods.
    pub params: Vec<Value>,
}

/// A document that is no method call; xapi answers it with HTTP 500.
#[derive(Debug, thiserror::Error)]
#[error("the request body is not an XML-RPC method call: {0}")]
pub(crate) struct Malformed(pub String);

/// Reads a `methodCall` document.
///
/// # Errors
/// When it is not one, or carries characters that XML does not allow.
pub(crate) fn decode_call(body: &[u8]) -> Result<Call, Malformed> {
    let text = std::str::from_utf8(body).map_err(|error| Malformed(error.to_string()))?;
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    if let Some(character) = text.chars().find(|&character| !is_xml_char(character)) {
        return Err(Malformed(format!("it contains the character {character:?}")));
    }
    let mut source = Source { reader: Reader::from_str(&text), ahead: VecDeque::new() };
    source.open("methodCall")?;
    source.open("methodName")?;
    let name = source.text_until_tag()?.trim().to_owned();
    source.close("methodName")?;
    let mut params = Vec::new();
    if source.opens("params")? {
        while source.opens("param")? {
            source.open("value")?;
            params.push(value(&mut source, 0)?);
            source.close("param")?;
        }
        source.close("params")?;
    }
    source.close("methodCall")?;
    Ok(Call { name, params })
}

/// The reply to a call: `Status` and `Value`, or `Status` and `ErrorDescription`.
#[must_use]
pub(crate) fn encode_reply(result: &Result<Value, Failure>) -> String {
    let (status, member, value) = match result {
        Ok(value) => ("Success", "Value", value.clone()),
        Err(failure) => ("Failure", "ErrorDescription", failure.description()),
    };
    encode_bare(&Value::map([("Status", Value::from(status)), (member, value)]))
}

/// A reply without the envelope of `Status` and `Value`, as `system.listMethods` gets it.
#[must_use]
pub(super) fn encode_bare(value: &Value) -> String {
    let mut out = String::from("<?xml version=\"1.0\"?><methodResponse><params><param>");
    encode(value, &mut out);
    out.push_str("</param></params></methodResponse>");
    out
}

/// One value with its `<value>` element, as it also stands in a task's `result`.
pub(super) fn encode(value: &Value, out: &mut String) {
    out.push_str("<value>");
    match value {
        Value::String(text) => escape(text, out),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Int32(number) => wrap("i4", &number.to_string(), out),
        Value::Float(number) => wrap("double", &general(*number), out),
        Value::Bool(truth) => wrap("boolean", if *truth { "1" } else { "0" }, out),
        Value::DateTime(date) => wrap("dateTime.iso8601", date, out),
        Value::Nil => out.push_str("<nil/>"),
        Value::Array(items) => {
            out.push_str("<array><data>");
            items.iter().for_each(|item| encode(item, out));
            out.push_str("</data></array>");
        }
        Value::Struct(members) => {
            out.push_str("<struct>");
            for (name, value) in members {
                // The encoder does not escape names: a map key with `<` in it makes xapi's own reply malformed.
                let _ = write!(out, "<member><name>{name}</name>");
                encode(value, out);
                out.push_str("</member>");
            }
            out.push_str("</struct>");
        }
    }
    out.push_str("</value>");
}

fn wrap(tag: &str, content: &str, out: &mut String) {
    let _ = write!(out, "<{tag}>{content}</{tag}>");
}

/// Text as it stands between tags: four characters escaped, control characters dropped.
pub(super) fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' | ' '.. => out.push(character),
            _ => {}
        }
    }
}

/// `%.16g` of C's printf: sixteen significant digits, trailing zeros dropped, an exponent below -4 and from 16 on.
fn general(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{number:.15e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trim_zeros(digits), exponent.abs());
    }
    let decimals = usize::try_from(15 - exponent).unwrap_or(0);
    trim_zeros(&format!("{number:.decimals$}")).to_owned()
}

fn trim_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// What the decoder tells apart; a self-closed element comes as its start and its end.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Open(String),
    Close(String),
    Text(String),
    End,
}

/// Tokens of a document, with those that were looked at but not taken.
struct Source<'a> {
    reader: Reader<&'a [u8]>,
    ahead: VecDeque<Token>,
}

impl Source<'_> {
    fn peek(&mut self) -> Result<&Token, Malformed> {
        let token = self.next()?;
        self.ahead.push_front(token);
        Ok(&self.ahead[0])
    }

    fn next(&mut self) -> Result<Token, Malformed> {
        match self.ahead.pop_front() {
            Some(token) => Ok(token),
            None => self.read(),
        }
    }

    /// The next token; text in several pieces (references, CDATA) comes as one.
    fn read(&mut self) -> Result<Token, Malformed> {
        let mut text = String::new();
        let token = loop {
            match self.reader.read_event().map_err(malformed)? {
                Event::Text(piece) => text.push_str(&piece),
                Event::CData(piece) => text.push_str(&piece),
                Event::GeneralRef(name) => text.push(character(&name)?),
                Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::DocType(_) => {}
                Event::Start(tag) => break Token::Open(tag.name().as_ref().to_owned()),
                Event::Empty(tag) => {
                    let name = tag.name().as_ref().to_owned();
                    self.ahead.push_back(Token::Close(name.clone()));
                    break Token::Open(name);
                }
                Event::End(tag) => break Token::Close(tag.name().as_ref().to_owned()),
                Event::Eof => break Token::End,
            }
        };
        if text.is_empty() {
            return Ok(token);
        }
        self.ahead.push_front(token);
        Ok(Token::Text(text))
    }

    fn skip_layout(&mut self) -> Result<(), Malformed> {
        if matches!(self.peek()?, Token::Text(text) if text.trim().is_empty()) {
            self.next()?;
        }
        Ok(())
    }

    fn opens(&mut self, name: &str) -> Result<bool, Malformed> {
        self.skip_layout()?;
        let opens = matches!(self.peek()?, Token::Open(open) if open == name);
        if opens {
            self.next()?;
        }
        Ok(opens)
    }

    fn open(&mut self, name: &str) -> Result<(), Malformed> {
        if self.opens(name)? { Ok(()) } else { Err(Malformed(format!("<{name}> is missing"))) }
    }

    fn close(&mut self, name: &str) -> Result<(), Malformed> {
        self.skip_layout()?;
        match self.next()? {
            Token::Close(close) if close == name => Ok(()),
            token => Err(Malformed(format!("</{name}> is missing, {token:?} found"))),
        }
    }

    fn text_until_tag(&mut self) -> Result<String, Malformed> {
        if let Token::Text(text) = self.peek()? {
            let text = text.clone();
            self.next()?;
            return Ok(text);
        }
        Ok(String::new())
    }
}

/// The content of a `<value>` whose start was read, up to and with its end.
fn value(source: &mut Source<'_>, depth: usize) -> Result<Value, Malformed> {
    if depth > DEEPEST {
        return Err(Malformed(format!("values nest deeper than {DEEPEST}")));
    }
    let text = source.text_until_tag()?;
    let Token::Open(kind) = source.peek()?.clone() else {
        source.close("value")?;
        return Ok(Value::String(text));
    };
    if !text.trim().is_empty() {
        return Err(Malformed(format!("text stands before <{kind}>")));
    }
    source.next()?;
    let read = typed(source, &kind, depth)?;
    source.close(&kind)?;
    source.close("value")?;
    Ok(read)
}

fn typed(source: &mut Source<'_>, kind: &str, depth: usize) -> Result<Value, Malformed> {
    match kind {
        "array" => {
            let mut items = Vec::new();
            source.open("data")?;
            while source.opens("value")? {
                items.push(value(source, depth + 1)?);
            }
            source.close("data")?;
            return Ok(Value::Array(items));
        }
        "struct" => {
            let mut members = Vec::new();
            while source.opens("member")? {
                source.open("name")?;
                let name = source.text_until_tag()?;
                source.close("name")?;
                source.open("value")?;
                members.push((name, value(source, depth + 1)?));
                source.close("member")?;
            }
            return Ok(Value::Struct(members));
        }
        "nil" => return Ok(Value::Nil),
        _ => {}
    }
    let text = source.text_until_tag()?;
    let wrong = || Malformed(format!("<{kind}> contains {text:?}"));
    match kind {
        "string" => Ok(Value::String(text)),
        "int" | "i4" | "i8" => text.trim().parse().map(Value::Int).map_err(|_| wrong()),
        "double" => text.trim().parse().map(Value::Float).map_err(|_| wrong()),
        "boolean" => match text.trim() {
            "1" => Ok(Value::Bool(true)),
            "0" => Ok(Value::Bool(false)),
            _ => Err(wrong()),
        },
        "dateTime.iso8601" => Ok(Value::DateTime(text)),
        _ => Err(Malformed(format!("the type <{kind}> is unknown"))),
    }
}

fn malformed(error: impl std::fmt::Display) -> Malformed {
    Malformed(error.to_string())
}

/// The character that the reference `&name;` stands for.
///
/// # Errors
/// When it is none, or one that XML does not allow.
pub(super) fn character(name: &str) -> Result<char, Malformed> {
    let unknown = || Malformed(format!("the reference &{name}; stands for no character that XML allows"));
    let code = match name {
        "lt" => return Ok('<'),
        "gt" => return Ok('>'),
        "amp" => return Ok('&'),
        "quot" => return Ok('"'),
        "apos" => return Ok('\''),
        _ => name.strip_prefix('#').ok_or_else(unknown)?,
    };
    let number = match code.strip_prefix('x') {
        Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16),
        None => code.parse(),
    };
    let character = number.ok().and_then(char::from_u32).ok_or_else(unknown)?;
    if is_xml_char(character) { Ok(character) } else { Err(unknown()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_have_the_form_of_percent_16g() {
        for (number, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (60.1, "60.1"),
            (1e15, "1000000000000000"),
            (1e16, "1e+16"),
            (1e-5, "1e-05"),
            (1.0 / 3.0, "0.3333333333333333"),
            (-2.5, "-2.5"),
        ] {
            assert_eq!(general(number), text);
        }
    }

    #[test]
    fn whitespace_before_an_element_is_layout_and_alone_is_text() {
        let body = "<methodCall><methodName>a</methodName><params><param><value> <string> b </string></value></param>\
                    <param><value>  </value></param></params></methodCall>";
        assert_eq!(decode_call(body.as_bytes()).unwrap().params, [Value::from(" b "), "  ".into()]);
    }

    #[test]
    fn a_carriage_return_survives_only_as_a_character_reference() {
        let body = b"<methodCall><methodName>a</methodName><params><param><value>1\r\n2&#13;&#xA;</value></param></params></methodCall>";
        assert_eq!(decode_call(body).unwrap().params, [Value::from("1\n2\r\n")]);
    }

    #[test]
    fn self_closed_values_are_empty_strings() {
        let body = b"<methodCall><methodName>a</methodName><params><param><value/></param><param><value><string/></value></param></params></methodCall>";
        assert_eq!(decode_call(body).unwrap().params, [Value::from(""), "".into()]);
    }

    #[test]
    fn deep_nesting_is_refused() {
        let open = "<value><array><data>".repeat(5_000);
        let body = format!("<methodCall><methodName>a</methodName><params><param>{open}");
        let error = decode_call(body.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("deeper"), "{error}");
    }

    #[test]
    fn control_characters_are_refused_even_as_references() {
        for text in ["\u{1}", "&#1;", "&#xFFFF;"] {
            let body = format!(
                "<methodCall><methodName>a</methodName><params><param><value>{text}</value></param></params></methodCall>"
            );
            assert!(decode_call(body.as_bytes()).is_err(), "{text:?}");
        }
    }
}
