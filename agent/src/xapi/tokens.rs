//! The XML of a reply as tokens of XML-RPC, within limits; character data decoded as XML 1.0 says.
//!
//! Knows which elements XML-RPC has, not how they nest.

use tokio::io::AsyncBufRead;

use quick_xml::Reader;
use quick_xml::errors::{Error as XmlError, SyntaxError};
use quick_xml::events::Event;

use super::bounded::{Bounded, Exhausted};
use crate::quote::quoted;

/// How much of a reply is put up with.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// XML elements open at a time. XAPI's deepest reply, an event with a record that holds a map, has 21.
    pub depth: usize,
    /// Bytes of one string, and of one member name, that is kept.
    pub string_bytes: usize,
    /// Values kept of one reply.
    pub values: usize,
    /// Bytes kept of one reply: strings and names, plus [`VALUE_COST`] for each value.
    pub kept_bytes: usize,
    /// Bytes of one piece of XML (a tag, a comment, text up to the next tag or reference), kept or not.
    pub piece_bytes: u64,
    /// Bytes of one reply, kept or not.
    pub total_bytes: u64,
}

impl Limits {
    /// For replies of XAPI. A request may carry 300 KiB (xen-api ocaml/xapi-consts/constants.ml), so no value that a
    /// client wrote is longer, but for what a plugin answers on another host, such as a container's description. The
    /// total leaves room for 7,000 VMs and snapshots whose maps are all that long.
    pub const XAPI: Limits = Limits {
        depth: 64,
        string_bytes: 20 << 20,
        values: 1_000_000,
        kept_bytes: 64 << 20,
        piece_bytes: 20 << 20,
        total_bytes: 2 << 30,
    };
}

/// What one kept value is reckoned to cost in memory beyond its text, bytes.
pub const VALUE_COST: usize = 64;

/// Why a reply cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes stopped coming or the connection broke.
    #[error("the document broke off: {0}")]
    Read(String),
    /// The document ended inside an element.
    #[error("the document is cut short")]
    Truncated,
    /// Not well-formed XML, or not UTF-8.
    #[error("the document is not well-formed XML: {0}")]
    Xml(String),
    /// Well-formed, but not what stands at this place in such a reply.
    #[error("the document is not in the expected form near byte {at}: wanted {wanted}")]
    Shape {
        /// What would have been right.
        wanted: &'static str,
        /// Offset in the body, bytes.
        at: u64,
    },
    /// More than [`Limits`] allow.
    #[error("the document has too much of something: {what} is limited to {limit}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The limit, in the unit `what` names.
        limit: u64,
    },
    /// An XML-RPC `<fault>`.
    #[error("the server answered with fault {code}: {}", quoted(.text))]
    Fault {
        /// `faultCode`.
        code: i64,
        /// `faultString`.
        text: String,
    },
    /// A decoded record lacks a field or holds it in another form.
    #[error("a record of class {class} has no usable field {field}")]
    Record {
        /// The class, as XAPI spells it.
        class: &'static str,
        /// The field.
        field: &'static str,
    },
}

/// The XML-RPC elements; everything else is [`Tag::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    MethodCall,
    MethodName,
    MethodResponse,
    Fault,
    Params,
    Param,
    Value,
    Struct,
    Member,
    Name,
    Array,
    Data,
    /// `string`, and `dateTime.iso8601` and `base64`, which are kept as text.
    Text,
    Int,
    Boolean,
    Double,
    Nil,
    Other,
}

impl Tag {
    fn of(name: &[u8]) -> Tag {
        match name {
            b"methodCall" => Tag::MethodCall,
            b"methodName" => Tag::MethodName,
            b"methodResponse" => Tag::MethodResponse,
            b"fault" => Tag::Fault,
            b"params" => Tag::Params,
            b"param" => Tag::Param,
            b"value" => Tag::Value,
            b"struct" => Tag::Struct,
            b"member" => Tag::Member,
            b"name" => Tag::Name,
            b"array" => Tag::Array,
            b"data" => Tag::Data,
            b"string" | b"dateTime.iso8601" | b"base64" => Tag::Text,
            b"int" | b"i4" | b"i8" => Tag::Int,
            b"boolean" => Tag::Boolean,
            b"double" => Tag::Double,
            b"nil" => Tag::Nil,
            _ => Tag::Other,
        }
    }
}

/// A piece of the document. An end always belongs to the element opened last: the XML reader sees to that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Start(Tag),
    End,
    /// Text; `layout` if it is white space only and written as such.
    Text {
        layout: bool,
    },
    Eof,
}

/// Cuts a reply into [`Token`]s.
pub(super) struct Tokens<R> {
    xml: Reader<Bounded<R>>,
    limits: Limits,
    buffer: Vec<u8>,
    depth: usize,
}

impl<R: AsyncBufRead + Unpin + Send> Tokens<R> {
    pub(super) fn new(source: R, limits: Limits) -> Self {
        let mut xml = Reader::from_reader(Bounded::new(source, limits.piece_bytes, limits.total_bytes));
        xml.config_mut().expand_empty_elements = true;
        Self { xml, limits, buffer: Vec::new(), depth: 0 }
    }

    /// Elements open at this place.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// An error at this place.
    pub(super) fn unexpected(&self, wanted: &'static str) -> DecodeError {
        DecodeError::Shape { wanted, at: self.xml.buffer_position() }
    }

    /// The next piece; its text, if wanted, is added to `text`.
    pub(super) async fn next(&mut self, mut text: Option<&mut String>) -> Result<Token, DecodeError> {
        loop {
            self.buffer.clear();
            self.xml.get_mut().begin_piece();
            let event = match self.xml.read_event_into_async(&mut self.buffer).await {
                Ok(event) => event,
                Err(error) => return Err(self.read_error(error)),
            };
            let token = match event {
                Event::Start(tag) => {
                    self.depth += 1;
                    if self.depth > self.limits.depth {
                        return Err(DecodeError::Limit {
                            what: "the depth of elements",
                            limit: self.limits.depth as u64,
                        });
                    }
                    Token::Start(Tag::of(tag.name().as_ref().as_bytes()))
                }
                Event::End(_) => {
                    self.depth -= 1;
                    Token::End
                }
                Event::Text(piece) => {
                    let piece = piece.xml10_content();
                    push(&mut text, &piece, self.limits.string_bytes)?;
                    Token::Text { layout: piece.trim_ascii().is_empty() }
                }
                Event::CData(piece) => {
                    push(&mut text, &piece.xml10_content(), self.limits.string_bytes)?;
                    Token::Text { layout: false }
                }
                Event::GeneralRef(reference) => {
                    let character = match reference.resolve_char_ref() {
                        Ok(Some(character)) => Some(character),
                        Ok(None) => named_entity(&reference),
                        Err(_) => None,
                    };
                    let Some(character) = character else {
                        let name = quoted(&reference).to_string();
                        return Err(DecodeError::Xml(format!("the reference {name} stands for no character")));
                    };
                    push(&mut text, character.encode_utf8(&mut [0; 4]), self.limits.string_bytes)?;
                    Token::Text { layout: false }
                }
                Event::Eof if self.depth > 0 => return Err(DecodeError::Truncated),
                Event::Eof => Token::Eof,
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
                // Entities would be declared there; XML-RPC has none.
                Event::DocType(_) => return Err(self.unexpected("no document type")),
                Event::Empty(_) => return Err(self.unexpected("a start tag")),
            };
            return Ok(token);
        }
    }

    fn read_error(&self, error: quick_xml::Error) -> DecodeError {
        match error {
            XmlError::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<Exhausted>()) {
                Some(Exhausted::Piece) => {
                    DecodeError::Limit { what: "bytes in one piece of XML", limit: self.limits.piece_bytes }
                }
                Some(Exhausted::Total) => {
                    DecodeError::Limit { what: "bytes in one reply", limit: self.limits.total_bytes }
                }
                None => DecodeError::Read(error.to_string()),
            },
            XmlError::Syntax(error) if error != SyntaxError::InvalidBangMarkup => DecodeError::Truncated,
            other => DecodeError::Xml(quoted(&other.to_string()).to_string()),
        }
    }
}

fn push(text: &mut Option<&mut String>, piece: &str, limit: usize) -> Result<(), DecodeError> {
    let Some(text) = text else { return Ok(()) };
    if text.len() + piece.len() > limit {
        return Err(DecodeError::Limit { what: "bytes in one string", limit: limit as u64 });
    }
    text.push_str(piece);
    Ok(())
}

/// The five entities that need no declaration (XML 1.0, 4.6).
fn named_entity(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}
