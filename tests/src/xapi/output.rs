//! The output of a plugin: an XML document of one exact shape.
//!
//! Follows xen-api ocaml/libs/http-lib/xMLRPC.ml (`From`) and ocaml/libs/xml-light2/xml.ml, which is stricter than what
//! xapi reads of its clients: no attributes, no other types. Must not know how the output came about.

use std::fmt;

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use super::{
    schema::is_xml_char,
    value::Failure,
    xmlrpc::{Malformed, character},
};

/// A document nested deeper than this is refused, to bound the simulator's stack.
const DEEPEST: usize = 512;

/// What the caller of the plugin gets.
///
/// # Errors
/// The plugin's own failure; `XENAPI_PLUGIN_FAILURE` for a fault and for what is no XML; `INTERNAL_ERROR` for XML of
/// another shape.
pub(super) fn read(output: &[u8]) -> Result<String, Failure> {
    let root = parse(output).map_err(|error| {
        let output = String::from_utf8_lossy(output);
        Failure::new("XENAPI_PLUGIN_FAILURE", &["failed to parse plugin output", &output, &error.to_string()])
    })?;
    match response(&root) {
        Ok(Response::Success(text)) => Ok(text.to_owned()),
        Ok(Response::Failure(code, params)) => Err(Failure::new(code, &params)),
        Ok(Response::Fault(code, reason)) => {
            Err(Failure::new("XENAPI_PLUGIN_FAILURE", &["fault", &code.to_string(), reason]))
        }
        Err(Shape(what)) => Err(Failure::internal(&format!("XMLRPC.RunTimeTypeError({what})"))),
    }
}

/// An element or text; white space alone is no text.
#[derive(Debug, PartialEq)]
enum Node {
    Element { name: String, attributes: bool, children: Vec<Node> },
    Text(String),
}

/// What is wrong with a document, and in which line.
#[derive(Debug)]
struct NotXml {
    reason: String,
    line: usize,
}

impl fmt::Display for NotXml {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} line {}", self.reason, self.line)
    }
}

/// An element that is open.
struct Open {
    name: String,
    attributes: bool,
    children: Vec<Node>,
    text: String,
}

impl Open {
    /// Text ends where a tag begins. What consists of spaces, tabs and line feeds is dropped.
    fn end_text(&mut self) {
        let text = std::mem::take(&mut self.text);
        if text.contains(|character| !matches!(character, ' ' | '\t' | '\n')) {
            self.children.push(Node::Text(text));
        }
    }
}

/// The first document in the output; what follows it is not looked at.
fn parse(output: &[u8]) -> Result<Node, NotXml> {
    let valid = std::str::from_utf8(output).map_err(|error| {
        let before = &output[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        NotXml { reason: "malformed character stream".to_owned(), line }
    })?;
    let text = valid.strip_prefix('\u{feff}').unwrap_or(valid).replace("\r\n", "\n").replace('\r', "\n");
    let at = |offset: usize, reason: String| NotXml { reason, line: 1 + text[..offset].matches('\n').count() };
    if let Some((offset, character)) = text.char_indices().find(|&(_, character)| !is_xml_char(character)) {
        return Err(at(offset, format!("illegal character {character:?}")));
    }
    let mut reader = Reader::from_str(&text);
    let mut open: Vec<Open> = Vec::new();
    loop {
        let before = usize::try_from(reader.buffer_position()).unwrap_or(0);
        let wrong = |reason: String| at(before, reason);
        let event = reader.read_event().map_err(|error| wrong(error.to_string()))?;
        let closed = match event {
            Event::Start(tag) => {
                if open.len() == DEEPEST {
                    return Err(wrong("elements nest too deep".to_owned()));
                }
                let element = element(&tag).map_err(wrong)?;
                open.last_mut().into_iter().for_each(Open::end_text);
                open.push(element);
                continue;
            }
            Event::Empty(tag) => element(&tag).map_err(wrong)?,
            // That the names of start and end agree is seen to by the reader.
            Event::End(_) => match open.pop() {
                Some(element) => element,
                None => return Err(wrong("no element is open".to_owned())),
            },
            Event::Text(piece) if piece.contains("]]>") => return Err(wrong("illegal sequence ]]>".to_owned())),
            Event::Text(piece) => {
                match open.last_mut() {
                    Some(element) => element.text.push_str(&piece),
                    None if piece.trim_matches([' ', '\t', '\n']).is_empty() => {}
                    None => return Err(wrong("expected a root element".to_owned())),
                }
                continue;
            }
            Event::CData(_) | Event::GeneralRef(_) if open.is_empty() => {
                return Err(wrong("expected a root element".to_owned()));
            }
            Event::CData(piece) => {
                open.last_mut().into_iter().for_each(|element| element.text.push_str(&piece));
                continue;
            }
            Event::GeneralRef(name) => {
                let character = character(&name).map_err(|Malformed(reason)| wrong(reason))?;
                open.last_mut().into_iter().for_each(|element| element.text.push(character));
                continue;
            }
            Event::Decl(declaration) => {
                if before > 0 {
                    return Err(wrong("an XML declaration not at the beginning".to_owned()));
                }
                let encoding = declaration.encoding().transpose().map_err(|error| wrong(error.to_string()))?;
                if encoding.is_some_and(|name| !["utf-8", "us-ascii"].contains(&name.to_ascii_lowercase().as_str())) {
                    return Err(wrong("unknown encoding".to_owned()));
                }
                continue;
            }
            Event::DocType(_) if !open.is_empty() => return Err(wrong("a DTD within an element".to_owned())),
            Event::Comment(_) | Event::PI(_) | Event::DocType(_) => continue,
            Event::Eof => return Err(wrong("unexpected end of input".to_owned())),
        };
        let mut closed = closed;
        closed.end_text();
        let Open { name, attributes, children, .. } = closed;
        let node = Node::Element { name, attributes, children };
        match open.last_mut() {
            None => return Ok(node),
            Some(parent) => {
                parent.end_text();
                parent.children.push(node);
            }
        }
    }
}

fn element(tag: &BytesStart<'_>) -> Result<Open, String> {
    let name = tag.name().as_ref().to_owned();
    let begins = |character: char| character.is_alphabetic() || character == '_';
    let goes_on = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-' | '.');
    // A prefix would have to be bound, by an attribute, and then be no longer part of the name.
    if !name.starts_with(begins) || !name.chars().all(goes_on) {
        return Err(format!("{name:?} is no name of an element"));
    }
    let mut attributes = false;
    for attribute in tag.attributes() {
        attribute.map_err(|error| error.to_string())?;
        attributes = true;
    }
    Ok(Open { name, attributes, children: Vec::new(), text: String::new() })
}

enum Response<'a> {
    Success(&'a str),
    Failure(&'a str, Vec<&'a str>),
    Fault(i32, &'a str),
}

/// A document of another shape, and what was expected.
struct Shape(String);

fn response(root: &Node) -> Result<Response<'_>, Shape> {
    let content = only(root, &["methodResponse"])?;
    match content {
        Node::Element { name, .. } if name == "params" => {
            let params = unbox(content, &["params"])?;
            let [param] = params else {
                return Err(shape("a single return value"));
            };
            status(&members(only(param, &["param"])?)?)
        }
        Node::Element { name, .. } if name == "fault" => {
            let members = members(only(content, &["fault"])?)?;
            let code = member(&members, "faultCode")?;
            let code = text_of(only(only(code, &["value"])?, &["i4", "int"])?)?;
            let code = code.parse().map_err(|_| shape("a 32-bit faultCode"))?;
            Ok(Response::Fault(code, string(member(&members, "faultString")?)?))
        }
        _ => Err(shape("params or fault")),
    }
}

fn status<'a>(members: &[(&'a str, &'a Node)]) -> Result<Response<'a>, Shape> {
    match string(member(members, "Status")?)? {
        "Success" => Ok(Response::Success(string(member(members, "Value")?)?)),
        "Failure" => {
            let array = only(only(member(members, "ErrorDescription")?, &["value"])?, &["array"])?;
            let words = unbox(array, &["data"])?.iter().map(string).collect::<Result<Vec<_>, _>>()?;
            let (code, params) = words.split_first().ok_or_else(|| shape("a code in ErrorDescription"))?;
            Ok(Response::Failure(code, params.to_vec()))
        }
        _ => Err(shape("the Status Success or Failure")),
    }
}

/// The members of a `<value><struct>`; the first of a name counts.
fn members(node: &Node) -> Result<Vec<(&str, &Node)>, Shape> {
    let members = unbox(only(node, &["value"])?, &["struct"])?.iter();
    members
        .map(|node| match unbox(node, &["member"])? {
            [name, value] => match unbox(name, &["name"])? {
                [] => Ok(("", value)),
                [name] => Ok((text_of(name)?, value)),
                _ => Err(shape("text in <name>")),
            },
            _ => Err(shape("a name and a value in <member>")),
        })
        .collect()
}

fn member<'a>(members: &[(&'a str, &'a Node)], name: &str) -> Result<&'a Node, Shape> {
    let found = members.iter().find(|(present, _)| *present == name);
    found.map(|(_, value)| *value).ok_or_else(|| shape(name))
}

/// A `<value>` that holds a string, typed or not.
fn string(node: &Node) -> Result<&str, Shape> {
    match unbox(node, &["value"])? {
        [] => Ok(""),
        [Node::Text(text)] => Ok(text),
        [typed] => match unbox(typed, &["string"])? {
            [] => Ok(""),
            [text] => text_of(text),
            _ => Err(shape("a string")),
        },
        _ => Err(shape("a string")),
    }
}

fn text_of(node: &Node) -> Result<&str, Shape> {
    match node {
        Node::Text(text) => Ok(text),
        Node::Element { name, .. } => Err(shape(&format!("text instead of <{name}>"))),
    }
}

fn only<'a>(node: &'a Node, names: &[&str]) -> Result<&'a Node, Shape> {
    match unbox(node, names)? {
        [child] => Ok(child),
        _ => Err(shape(&format!("one thing in <{}>", names[0]))),
    }
}

/// What is in an element of one of these names and without attributes.
fn unbox<'a>(node: &'a Node, names: &[&str]) -> Result<&'a [Node], Shape> {
    match node {
        Node::Element { name, attributes: false, children } if names.contains(&name.as_str()) => Ok(children),
        _ => Err(shape(&format!("<{}> without attributes", names[0]))),
    }
}

fn shape(expected: &str) -> Shape {
    Shape(format!("{expected} expected"))
}

#[cfg(test)]
mod tests;
