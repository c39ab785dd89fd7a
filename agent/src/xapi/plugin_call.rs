//! What XAPI hands to a plugin, and what it wants back (xen-api ocaml/xapi/xapi_plugins.ml, ocaml/libs/http-lib/xMLRPC.ml;
//! mirage/ocaml-rpc src/lib/xmlrpc.ml).
//!
//! Must not know which functions there are.

use std::collections::BTreeMap;

use super::decode::{DecodeError, Decoder, Keep, Limits, Tag};
use super::error::Failure;
use super::session::SessionRef;
use super::value::Value;
use crate::quote::quoted;

/// A call of a plugin's function.
#[derive(Debug)]
pub struct PluginCall {
    /// The function's name: any text.
    pub function: String,
    /// The session of whoever called: his rights, and not ours to end.
    pub session: SessionRef,
    /// What it is called with: any texts.
    pub arguments: BTreeMap<String, String>,
}

/// A text that is no such call.
#[derive(Debug)]
pub struct BadCall {
    /// The function that it names, as far as it was read.
    pub function: String,
    /// Why.
    pub cause: BadCallCause,
}

/// Why a text is no such call.
#[derive(Debug, thiserror::Error)]
pub enum BadCallCause {
    /// It is something else.
    #[error("it is not a call as XAPI makes it: {0}")]
    Document(#[from] DecodeError),
    /// An argument comes twice, so that nobody can say which is meant.
    #[error("the argument {} comes twice", quoted(.0))]
    Twice(String),
    /// An argument is not a text.
    #[error("the argument {} is not a text", quoted(.0))]
    NotText(String),
}

impl PluginCall {
    /// Reads the one argument that XAPI gives to a plugin's program.
    ///
    /// # Errors
    /// [`BadCall`]
    pub async fn read(text: &str) -> Result<Self, BadCall> {
        let mut function = String::new();
        let read = Self::read_into(&mut function, text).await;
        let (session, arguments) = read.map_err(|cause| BadCall { function: function.clone(), cause })?;
        Ok(Self { function, session, arguments })
    }

    async fn read_into(
        function: &mut String,
        text: &str,
    ) -> Result<(SessionRef, BTreeMap<String, String>), BadCallCause> {
        let mut call = Decoder::new(text.as_bytes(), Limits::XAPI);
        call.start(Tag::MethodCall, "methodCall").await?;
        call.start(Tag::MethodName, "methodName").await?;
        *function = call.text().await?;
        call.start(Tag::Params, "params").await?;
        call.start(Tag::Param, "the session").await?;
        call.start(Tag::Value, "the session").await?;
        let Value::Text(session) = call.value(&Keep::All).await? else {
            return Err(call.unexpected("the session's reference").into());
        };
        call.end().await?;
        call.start(Tag::Param, "the arguments").await?;
        call.start(Tag::Value, "the arguments").await?;
        let mut arguments = BTreeMap::new();
        let cursor = call.enter_struct().await?;
        while let Some(name) = call.member(cursor).await? {
            let Value::Text(text) = call.value(&Keep::All).await? else { return Err(BadCallCause::NotText(name)) };
            if arguments.contains_key(&name) {
                return Err(BadCallCause::Twice(name));
            }
            arguments.insert(name, text);
        }
        for _ in [Tag::Param, Tag::Params, Tag::MethodCall] {
            call.end().await?;
        }
        call.finish().await?;
        Ok((SessionRef::lent(session), arguments))
    }
}

/// The document by which XAPI's caller gets `text`. What XML cannot carry is replaced.
#[must_use]
pub fn success(text: &str) -> String {
    document(&format!("{}{}", member("Status", "Success"), member("Value", text)))
}

/// The document by which XAPI's caller gets this failure. The program must still exit with 0.
#[must_use]
pub fn failure(failure: &Failure) -> String {
    let texts = std::iter::once(&failure.code).chain(&failure.params);
    let data: String = texts.map(|text| format!("<value>{}</value>", escaped(text))).collect();
    let description =
        format!("<member><name>ErrorDescription</name><value><array><data>{data}</data></array></value></member>");
    document(&format!("{}{description}", member("Status", "Failure")))
}

fn document(members: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><methodResponse><params><param><value><struct>{members}</struct></value></param></params>\
         </methodResponse>"
    )
}

fn member(name: &str, text: &str) -> String {
    format!("<member><name>{name}</name><value>{}</value></member>", escaped(text))
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // As it is, it would be read as a line feed.
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' => out.push(c),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::xapi::envelope::response;

    fn run<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
    }

    fn read(text: &str) -> Result<PluginCall, BadCall> {
        run(PluginCall::read(text))
    }

    /// As XAPI writes it: untyped values, `<value/>` for an empty text.
    fn call(members: &str) -> String {
        format!(
            "<methodCall><methodName>get_top</methodName><params><param><value>OpaqueRef:s</value></param>\
             <param><value><struct>{members}</struct></value></param></params></methodCall>"
        )
    }

    #[test]
    fn a_call_as_xapi_writes_it_is_read() {
        let text = call(
            "<member><name>vmuuid</name><value>a &lt;b&gt; &amp; c\nd</value></member>\
             <member><name>object</name><value/></member>",
        );
        let read = read(&text).unwrap();
        assert_eq!(read.function, "get_top");
        let arguments: Vec<(&str, &str)> =
            read.arguments.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect();
        assert_eq!(arguments, [("object", ""), ("vmuuid", "a <b> & c\nd")]);
        assert!(!format!("{read:?}").contains("OpaqueRef"), "the session is a credential");
    }

    #[test]
    fn a_call_as_pythons_library_writes_it_is_read() {
        // xmlrpc.client.dumps(("OpaqueRef:s", {"vmuuid": "x", "object": ""}), "get_top") of Python 3.11
        let text = "<?xml version='1.0'?>\n<methodCall>\n<methodName>get_top</methodName>\n<params>\n<param>\n\
            <value><string>OpaqueRef:s</string></value>\n</param>\n<param>\n<value><struct>\n<member>\n\
            <name>vmuuid</name>\n<value><string>x</string></value>\n</member>\n<member>\n<name>object</name>\n\
            <value><string></string></value>\n</member>\n</struct></value>\n</param>\n</params>\n</methodCall>\n";
        assert_eq!(read(text).unwrap().arguments.len(), 2);
        assert!(read(&text.replace("<string>x</string>", "<int>1</int>")).is_err());
    }

    #[test]
    fn what_is_no_call_is_told() {
        for (text, wanted) in [
            ("", "wanted methodCall"),
            ("x", "wanted methodCall"),
            ("<methodResponse/>", "wanted methodCall"),
            ("<methodCall><methodName>a</methodName></methodCall>", "wanted params"),
            ("<methodCall><methodName>a</methodName><params/></methodCall>", "wanted the session"),
            (&call("<member><name>a</name><value><struct/></value></member>"), "\"a\" is not a text"),
            (&call("<member><name>a</name><value/></member>").repeat(2), "nothing after"),
            (&call(&"<member><name>a</name><value>1</value></member>".repeat(2)), "\"a\" comes twice"),
        ] {
            let error = read(text).unwrap_err().cause.to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }

    fn returned(document: &str) -> Result<String, Failure> {
        run(response(&mut Decoder::new(document.as_bytes(), Limits::XAPI))).unwrap()
    }

    #[test]
    fn what_xml_cannot_carry_is_replaced() {
        assert_eq!(returned(&success("a\u{1b}b\0c\u{ffff}")), Ok("a\u{fffd}b\u{fffd}c\u{fffd}".to_owned()));
    }

    proptest! {
        #[test]
        fn texts_come_back_as_they_were(text in "[^\u{0}-\u{8}\u{b}\u{c}\u{e}-\u{1f}\u{fffe}\u{ffff}]{0,40}") {
            prop_assert_eq!(returned(&success(&format!("True{text}"))), Ok(format!("True{text}")));
            let wanted = Failure { code: "CODE".to_owned(), params: vec![format!("a{text}"), String::new()] };
            prop_assert_eq!(returned(&failure(&wanted)), Err(wanted));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}") {
            let _ = read(&text);
            let _ = read(&call(&text));
        }
    }
}
