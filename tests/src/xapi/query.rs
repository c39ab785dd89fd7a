//! The parameters of an HTTP request: its query and its cookies, which xapi takes for the same.
//!
//! Follows xen-api ocaml/libs/http-lib/http.ml. Must not know what parameters mean.

use super::http::Head;

/// Parameters in the order in which they were sent, cookies last.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// The parameters of a request.
    pub(super) fn of(head: &Head) -> Self {
        let query = head.target.split_once('?').map(|(_, query)| query).unwrap_or_default();
        let cookies = head.cookies.as_deref().unwrap_or_default();
        let pairs = query.split('&').chain(cookies.split(';').map(str::trim));
        Self(pairs.filter_map(|pair| pair.split_once('=')).map(|(key, value)| (decode(key), decode(value))).collect())
    }

    /// The first value of a parameter.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(present, _)| present == key).map(|(_, value)| value.as_str())
    }
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        let digit = |place: usize| after.get(place).and_then(|&byte| char::from(byte).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.extend(u8::try_from(high * 16 + low));
                rest = &after[2..];
            }
            (b'+', ..) => bytes.push(b' '),
            (byte, ..) => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        assert_eq!(decode("OpaqueRef%3a1+2%20%C3%A9%4%"), "OpaqueRef:1 2 é%4%");
    }
}
