//! JSON read without trust: a field of an unexpected type is missing, not an error for what it is part of.
//!
//! Knows serde; must not know what the fields mean.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor, value};

/// A text of at most `N` bytes, cut at a character; numbers and truth values are texts too. Anything else is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text<const N: usize>(pub(super) Option<String>);

impl<const N: usize> Text<N> {
    pub(super) fn or_empty(self) -> String {
        self.0.unwrap_or_default()
    }
}

/// The first `N` elements of a list; anything else is an empty one.
#[derive(Clone, Debug)]
pub(super) struct List<T, const N: usize>(pub(super) Vec<T>);

impl<T, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// An object of its own type; anything else is none.
#[derive(Clone, Debug)]
pub(super) struct Object<T>(pub(super) Option<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

/// The first `N` values of an object's members, whatever they are called; anything else has none.
#[derive(Clone, Debug)]
pub(super) struct Members<T, const N: usize>(pub(super) Vec<T>);

impl<T, const N: usize> Default for Members<T, N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// Visits anything on behalf of `T`.
struct Anything<T>(PhantomData<T>);

/// What visitors of [`Anything`] do with JSON that is not what is wanted: they pass over it.
macro_rules! pass_over {
    (scalars) => {
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok(Default::default())
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok(Default::default())
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok(Default::default())
        }
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok(Default::default())
        }
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok(Default::default())
        }
    };
    (null) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("anything")
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Default::default())
        }
    };
    (list) => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            Ok(Default::default())
        }
    };
    (object) => {
        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
            while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(Default::default())
        }
    };
}

impl<'de, const N: usize> Visitor<'de> for Anything<Text<N>> {
    type Value = Text<N>;

    fn visit_str<E: Error>(self, text: &str) -> Result<Text<N>, E> {
        Ok(Text(Some(text[..text.floor_char_boundary(N)].to_owned())))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Text<N>, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Text<N>, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Text<N>, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Text<N>, E> {
        self.visit_str(if truth { "true" } else { "false" })
    }

    pass_over!(null);
    pass_over!(list);
    pass_over!(object);
}

impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for Anything<List<T, N>> {
    type Value = List<T, N>;

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while found.len() < N {
            match items.next_element()? {
                Some(item) => found.push(item),
                None => return Ok(List(found)),
            }
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(List(found))
    }

    pass_over!(null);
    pass_over!(scalars);
    pass_over!(object);
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Anything<Object<T>> {
    type Value = Object<T>;

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        T::deserialize(value::MapAccessDeserializer::new(members)).map(|object| Object(Some(object)))
    }

    pass_over!(null);
    pass_over!(scalars);
    pass_over!(list);
}

impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for Anything<Members<T, N>> {
    type Value = Members<T, N>;

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while found.len() < N {
            match members.next_entry::<IgnoredAny, T>()? {
                Some((_, value)) => found.push(value),
                None => return Ok(Members(found)),
            }
        }
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Members(found))
    }

    pass_over!(null);
    pass_over!(scalars);
    pass_over!(list);
}

impl<'de, const N: usize> Deserialize<'de> for Text<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything::<Self>(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for List<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything::<Self>(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything::<Self>(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for Members<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything::<Self>(PhantomData))
    }
}
