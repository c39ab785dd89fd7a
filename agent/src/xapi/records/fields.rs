//! The members of a record, taken out one by one with a word for what is wrong. Knows no class.

use std::collections::BTreeMap;

use super::super::decode::DecodeError;
use super::super::encode;
use super::super::value::Value;
use super::vm::Views;

/// What is kept of an `other_config`.
#[derive(Default)]
pub(super) struct OtherConfig {
    pub(super) other_config: BTreeMap<String, String>,
    pub(super) views: Views,
    pub(super) other_config_bytes: usize,
}

/// The members of a record, taken out one by one.
pub(super) struct Fields {
    class: &'static str,
    members: BTreeMap<String, Value>,
}

impl Fields {
    pub(super) fn new(class: &'static str, value: Value) -> Result<Self, DecodeError> {
        match value {
            Value::Struct(members) => Ok(Self { class, members }),
            _ => Err(DecodeError::Record { class, field: "(it is not a struct)" }),
        }
    }

    pub(super) fn text(&mut self, field: &'static str) -> Result<String, DecodeError> {
        match self.members.remove(field) {
            Some(Value::Text(text)) => Ok(text),
            _ => Err(self.unusable(field)),
        }
    }

    pub(super) fn parsed<T>(&mut self, field: &'static str, parse: fn(&str) -> Option<T>) -> Result<T, DecodeError> {
        let text = self.text(field)?;
        parse(&text).ok_or_else(|| self.unusable(field))
    }

    pub(super) fn flag(&mut self, field: &'static str) -> Result<Option<bool>, DecodeError> {
        match self.members.remove(field) {
            None => Ok(None),
            Some(Value::Bool(yes)) => Ok(Some(yes)),
            Some(_) => Err(self.unusable(field)),
        }
    }

    pub(super) fn text_map(&mut self, field: &'static str) -> Result<BTreeMap<String, String>, DecodeError> {
        let Some(Value::Struct(members)) = self.members.remove(field) else {
            return Err(self.unusable(field));
        };
        let texts = members.into_iter().map(|(key, value)| match value {
            Value::Text(text) => Ok((key, text)),
            _ => Err(self.unusable(field)),
        });
        texts.collect()
    }

    /// A map of texts that is not in every reply.
    pub(super) fn optional_text_map(&mut self, field: &'static str) -> Result<BTreeMap<String, String>, DecodeError> {
        match self.members.contains_key(field) {
            true => self.text_map(field),
            false => Ok(BTreeMap::new()),
        }
    }

    /// A number, which XAPI writes as a text.
    pub(super) fn number(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        let number = self.members.remove(field).and_then(|value| value.as_int());
        number.and_then(|number| u64::try_from(number).ok()).ok_or_else(|| self.unusable(field))
    }

    /// A flag that XAPI always sends.
    pub(super) fn certain_flag(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        self.flag(field)?.ok_or_else(|| self.unusable(field))
    }

    /// A list of references; null ones are left out.
    pub(super) fn references<T>(
        &mut self,
        field: &'static str,
        parse: fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, DecodeError> {
        let Some(Value::Array(elements)) = self.members.remove(field) else {
            return Err(self.unusable(field));
        };
        Ok(elements.iter().filter_map(Value::as_text).filter_map(parse).collect())
    }

    /// An `other_config` read with [`Keep::Prefixed`](super::super::decode::Keep::Prefixed).
    pub(super) fn other_config(&mut self) -> Result<OtherConfig, DecodeError> {
        let field = "other_config";
        let Some(Value::Struct(members)) = self.members.remove(field) else {
            return Err(self.unusable(field));
        };
        let mut found = OtherConfig::default();
        for (key, value) in members {
            let value_bytes = match value {
                Value::Text(text) => {
                    let bytes = encode::sent_bytes(&text);
                    found.other_config.insert(key.clone(), text);
                    bytes
                }
                Value::Reduced(reduced) => match found.views.at(&key) {
                    Some(place) => {
                        *place = Some(reduced.digest);
                        continue;
                    }
                    None => reduced.sent_bytes,
                },
                _ => return Err(self.unusable(field)),
            };
            found.other_config_bytes += encode::sent_bytes(&key) + value_bytes + encode::ENTRY_MARKUP_BYTES;
        }
        Ok(found)
    }

    pub(super) fn unusable(&self, field: &'static str) -> DecodeError {
        DecodeError::Record { class: self.class, field }
    }
}
