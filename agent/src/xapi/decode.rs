//! XML-RPC replies, decoded while they arrive: what is not wanted is passed over without being held.
//!
//! Knows the XML-RPC elements and limits; must not know XAPI's envelope, HTTP or time.

use tokio::io::AsyncBufRead;

use std::collections::BTreeMap;
use std::pin::Pin;

use super::digest::Reduced;
pub(super) use super::tokens::Tag;
pub use super::tokens::{DecodeError, Limits, VALUE_COST};
use super::tokens::{Token, Tokens};
use super::value::Value;

/// Which parts of a value are worth keeping.
#[derive(Debug)]
pub enum Keep {
    /// All of it.
    All,
    /// Of a struct, these members and what is to be kept of each; anything else whole.
    Members(&'static [(&'static str, Keep)]),
    /// Of a struct, the members whose names begin so, whole, and the others [reduced](Keep::Reduced); anything else whole.
    Prefixed(&'static str),
    /// Of a text, its digest and length; of structs and arrays nothing.
    Reduced,
    /// What the first or the second keeps.
    Either(&'static Keep, &'static Keep),
}

impl Keep {
    fn member(&self, name: &str) -> Option<&Keep> {
        match self {
            Keep::All => Some(&Keep::All),
            Keep::Members(members) => members.iter().find(|(member, _)| *member == name).map(|(_, keep)| keep),
            Keep::Prefixed(prefix) => Some(if name.starts_with(prefix) { &Keep::All } else { &Keep::Reduced }),
            Keep::Reduced => None,
            Keep::Either(one, other) => one.member(name).or_else(|| other.member(name)),
        }
    }
}

/// A struct or array being read: the depth inside it.
#[derive(Clone, Copy, Debug)]
pub struct Cursor(usize);

/// Reads one reply from a byte source.
///
/// The reading functions come in an order that mirrors the document. [`Decoder::member`] and [`Decoder::element`]
/// leave off right after a `<value>`; one of [`Decoder::value`], [`Decoder::skip`], [`Decoder::enter_struct`] or
/// [`Decoder::enter_array`] must follow, and the last two be read to their end.
pub struct Decoder<R> {
    tokens: Tokens<R>,
    limits: Limits,
    values_left: usize,
    bytes_left: usize,
}

impl<R: AsyncBufRead + Unpin + Send> Decoder<R> {
    /// A decoder at the beginning of `source`.
    pub fn new(source: R, limits: Limits) -> Self {
        Self { tokens: Tokens::new(source, limits), limits, values_left: limits.values, bytes_left: limits.kept_bytes }
    }

    /// Reads the value whose `<value>` was just read, to its end, keeping what `keep` says.
    ///
    /// # Errors
    /// [`DecodeError`] if the document goes on differently, breaks off, or has too much of something.
    pub fn value<'a>(
        &'a mut self,
        keep: &'a Keep,
    ) -> Pin<Box<dyn Future<Output = Result<Value, DecodeError>> + Send + 'a>> {
        // Boxed because it calls itself; `Limits::depth` bounds how often.
        Box::pin(async move {
            self.charge(VALUE_COST)?;
            let mut text = String::new();
            let mut layout = true;
            let tag = loop {
                match self.tokens.next(Some(&mut text)).await? {
                    Token::Text { layout: also } => layout &= also,
                    Token::End => return self.kept_text(text, keep),
                    Token::Start(tag) if layout => break tag,
                    _ => return Err(self.unexpected("a value")),
                }
            };
            let value = match tag {
                Tag::Struct => return self.rest_of_struct(keep).await,
                Tag::Array => return self.rest_of_array(keep).await,
                Tag::Text => {
                    let text = self.text().await?;
                    self.kept_text(text, keep)?
                }
                Tag::Int => Value::Int(self.scalar("an integer", |text| text.parse().ok()).await?),
                Tag::Double => Value::Double(self.scalar("a number", |text| text.parse().ok()).await?),
                Tag::Boolean => Value::Bool(self.scalar("0 or 1", boolean).await?),
                Tag::Nil => {
                    self.end().await?;
                    Value::Nil
                }
                _ => return Err(self.unexpected("a type of XML-RPC")),
            };
            self.end().await?;
            Ok(value)
        })
    }

    /// Passes over the value whose `<value>` was just read, holding nothing of it.
    ///
    /// # Errors
    /// [`DecodeError`] if the document goes on differently, or breaks off.
    pub async fn skip(&mut self) -> Result<(), DecodeError> {
        let outside = self.tokens.depth().saturating_sub(1);
        while self.tokens.depth() > outside {
            if self.tokens.next(None).await? == Token::Eof {
                return Err(DecodeError::Truncated);
            }
        }
        Ok(())
    }

    /// Enters the struct that the value just begun must be.
    ///
    /// # Errors
    /// [`DecodeError`] if the document goes on differently, or breaks off.
    pub async fn enter_struct(&mut self) -> Result<Cursor, DecodeError> {
        self.start(Tag::Struct, "a struct").await?;
        Ok(Cursor(self.tokens.depth()))
    }

    /// The name of the struct's next member, its value begun; `None` after the last, the struct's value then ended.
    ///
    /// # Errors
    /// [`DecodeError`] if the document goes on differently, or breaks off.
    pub async fn member(&mut self, cursor: Cursor) -> Result<Option<String>, DecodeError> {
        loop {
            match self.tokens.next(None).await? {
                Token::Text { layout: true } => {}
                // `</member>` of the member before
                Token::End if self.tokens.depth() == cursor.0 => {}
                Token::End if self.tokens.depth() + 1 == cursor.0 => {
                    self.end().await?;
                    return Ok(None);
                }
                Token::Start(Tag::Member) if self.tokens.depth() == cursor.0 + 1 => break,
                _ => return Err(self.unexpected("a member of a struct")),
            }
        }
        self.start(Tag::Name, "the name of a member").await?;
        let name = self.text().await?;
        self.start(Tag::Value, "the value of a member").await?;
        Ok(Some(name))
    }

    /// Enters the array that the value just begun must be.
    ///
    /// # Errors
    /// [`DecodeError`] if the document goes on differently, or breaks off.
    pub async fn enter_array(&mut self) -> Result<Cursor, DecodeError> {
        self.start(Tag::Array, "an array").await?;
        self.enter_data().await
    }

    /// Whether the array has another element, its value then begun; after the last, the array's value is ended.
    ///
    /// # Errors
    /// [`DecodeError`] if the document goes on differently, or breaks off.
    pub async fn element(&mut self, cursor: Cursor) -> Result<bool, DecodeError> {
        loop {
            match self.tokens.next(None).await? {
                Token::Text { layout: true } => {}
                Token::Start(Tag::Value) if self.tokens.depth() == cursor.0 + 1 => return Ok(true),
                Token::End if self.tokens.depth() + 1 == cursor.0 => break,
                _ => return Err(self.unexpected("an element of an array")),
            }
        }
        self.end().await?;
        self.end().await?;
        Ok(false)
    }

    /// The start of an element that must be `tag`.
    pub(super) async fn start(&mut self, tag: Tag, wanted: &'static str) -> Result<(), DecodeError> {
        let found = self.any_start(wanted).await?;
        if found == tag { Ok(()) } else { Err(self.unexpected(wanted)) }
    }

    /// The start of any element.
    pub(super) async fn any_start(&mut self, wanted: &'static str) -> Result<Tag, DecodeError> {
        loop {
            match self.tokens.next(None).await? {
                Token::Text { layout: true } => {}
                Token::Start(tag) => return Ok(tag),
                _ => return Err(self.unexpected(wanted)),
            }
        }
    }

    /// The end of the element opened last.
    pub(super) async fn end(&mut self) -> Result<(), DecodeError> {
        loop {
            match self.tokens.next(None).await? {
                Token::Text { layout: true } => {}
                Token::End => return Ok(()),
                _ => return Err(self.unexpected("the end of an element")),
            }
        }
    }

    /// The end of the document; reads the source to its end.
    pub(super) async fn finish(&mut self) -> Result<(), DecodeError> {
        loop {
            match self.tokens.next(None).await? {
                Token::Text { layout: true } => {}
                Token::Eof => return Ok(()),
                _ => return Err(self.unexpected("nothing after the reply")),
            }
        }
    }

    /// An error at this place of the document.
    pub(super) fn unexpected(&self, wanted: &'static str) -> DecodeError {
        self.tokens.unexpected(wanted)
    }

    async fn rest_of_struct(&mut self, keep: &Keep) -> Result<Value, DecodeError> {
        let cursor = Cursor(self.tokens.depth());
        let mut members = BTreeMap::new();
        while let Some(name) = self.member(cursor).await? {
            match keep.member(&name) {
                None => self.skip().await?,
                Some(keep) => {
                    self.charge_bytes(name.len())?;
                    let value = self.value(keep).await?;
                    members.insert(name, value);
                }
            }
        }
        Ok(Value::Struct(members))
    }

    async fn rest_of_array(&mut self, keep: &Keep) -> Result<Value, DecodeError> {
        let cursor = self.enter_data().await?;
        let mut elements = Vec::new();
        while self.element(cursor).await? {
            elements.push(self.value(keep).await?);
        }
        Ok(Value::Array(elements))
    }

    async fn enter_data(&mut self) -> Result<Cursor, DecodeError> {
        self.start(Tag::Data, "the data of an array").await?;
        Ok(Cursor(self.tokens.depth()))
    }

    /// Text up to the end of the element opened last, exactly as meant.
    pub(super) async fn text(&mut self) -> Result<String, DecodeError> {
        let mut text = String::new();
        loop {
            match self.tokens.next(Some(&mut text)).await? {
                Token::Text { .. } => {}
                Token::End => return Ok(text),
                _ => return Err(self.unexpected("text")),
            }
        }
    }

    async fn scalar<T>(&mut self, wanted: &'static str, parse: fn(&str) -> Option<T>) -> Result<T, DecodeError> {
        let text = self.text().await?;
        parse(text.trim_ascii()).ok_or_else(|| self.unexpected(wanted))
    }

    fn kept_text(&mut self, text: String, keep: &Keep) -> Result<Value, DecodeError> {
        if let Keep::Reduced = keep {
            return Ok(Value::Reduced(Reduced::of(&text)));
        }
        self.charge_bytes(text.len())?;
        Ok(Value::Text(text))
    }

    fn charge(&mut self, bytes: usize) -> Result<(), DecodeError> {
        self.values_left = self
            .values_left
            .checked_sub(1)
            .ok_or(DecodeError::Limit { what: "the number of values kept", limit: self.limits.values as u64 })?;
        self.charge_bytes(bytes)
    }

    fn charge_bytes(&mut self, bytes: usize) -> Result<(), DecodeError> {
        self.bytes_left = self
            .bytes_left
            .checked_sub(bytes)
            .ok_or(DecodeError::Limit { what: "bytes kept", limit: self.limits.kept_bytes as u64 })?;
        Ok(())
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "0" | "false" => Some(false),
        "1" | "true" => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
