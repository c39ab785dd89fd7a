//! What XAPI puts around every result: `methodResponse`, and in it `Status` with `Value` or `ErrorDescription`
//! (xen-api ocaml/libs/http-lib/xMLRPC.ml; mirage/ocaml-rpc src/lib/xmlrpc.ml).
//!
//! Must not know any result's meaning.

use tokio::io::AsyncBufRead;

use super::decode::{DecodeError, Decoder, Keep, Tag};
use super::error::Failure;
use super::value::Value;

/// A result that can be read from a reply while it arrives.
pub trait Reply: Sized + Send {
    /// Reads the value that was just begun, to its end.
    ///
    /// # Errors
    /// [`DecodeError`] if it is not such a result.
    fn read<R>(decoder: &mut Decoder<R>) -> impl Future<Output = Result<Self, DecodeError>> + Send
    where
        R: AsyncBufRead + Unpin + Send;
}

/// Any result, whole.
impl Reply for Value {
    async fn read<R: AsyncBufRead + Unpin + Send>(decoder: &mut Decoder<R>) -> Result<Self, DecodeError> {
        decoder.value(&Keep::All).await
    }
}

/// A result that is a string.
impl Reply for String {
    async fn read<R: AsyncBufRead + Unpin + Send>(decoder: &mut Decoder<R>) -> Result<Self, DecodeError> {
        match decoder.value(&Keep::All).await? {
            Value::Text(text) => Ok(text),
            _ => Err(decoder.unexpected("a string")),
        }
    }
}

/// A result that is a list of strings.
impl Reply for Vec<String> {
    async fn read<R: AsyncBufRead + Unpin + Send>(decoder: &mut Decoder<R>) -> Result<Self, DecodeError> {
        let cursor = decoder.enter_array().await?;
        let mut texts = Vec::new();
        while decoder.element(cursor).await? {
            texts.push(String::read(decoder).await?);
        }
        Ok(texts)
    }
}

/// A call without a result: XAPI answers with an empty string.
impl Reply for () {
    async fn read<R: AsyncBufRead + Unpin + Send>(decoder: &mut Decoder<R>) -> Result<Self, DecodeError> {
        decoder.skip().await
    }
}

/// Reads a whole reply: the result, or the failure that XAPI reports instead.
///
/// # Errors
/// [`DecodeError`] if it is neither.
pub async fn response<T, R>(decoder: &mut Decoder<R>) -> Result<Result<T, Failure>, DecodeError>
where
    T: Reply,
    R: AsyncBufRead + Unpin + Send,
{
    decoder.start(Tag::MethodResponse, "methodResponse").await?;
    match decoder.any_start("params or fault").await? {
        Tag::Params => {}
        Tag::Fault => return Err(fault(decoder).await?),
        _ => return Err(decoder.unexpected("params or fault")),
    }
    decoder.start(Tag::Param, "a param").await?;
    decoder.start(Tag::Value, "a value").await?;
    let result = status(decoder).await?;
    for _ in [Tag::Param, Tag::Params, Tag::MethodResponse] {
        decoder.end().await?;
    }
    decoder.finish().await?;
    Ok(result)
}

async fn status<T, R>(decoder: &mut Decoder<R>) -> Result<Result<T, Failure>, DecodeError>
where
    T: Reply,
    R: AsyncBufRead + Unpin + Send,
{
    let cursor = decoder.enter_struct().await?;
    let mut status = None;
    let mut result = None;
    let mut description = None;
    while let Some(name) = decoder.member(cursor).await? {
        match name.as_str() {
            "Status" => status = Some(String::read(decoder).await?),
            "Value" => result = Some(T::read(decoder).await?),
            "ErrorDescription" => description = Some(failure(decoder).await?),
            _ => decoder.skip().await?,
        }
    }
    match status.as_deref() {
        Some("Success") => result.map(Ok).ok_or_else(|| decoder.unexpected("the Value of a success")),
        Some("Failure") => description.map(Err).ok_or_else(|| decoder.unexpected("the ErrorDescription of a failure")),
        _ => Err(decoder.unexpected("a Status of Success or Failure")),
    }
}

async fn failure<R: AsyncBufRead + Unpin + Send>(decoder: &mut Decoder<R>) -> Result<Failure, DecodeError> {
    let mut texts = Vec::<String>::read(decoder).await?.into_iter();
    match texts.next() {
        Some(code) => Ok(Failure { code, params: texts.collect() }),
        None => Err(decoder.unexpected("the code of a failure")),
    }
}

async fn fault<R: AsyncBufRead + Unpin + Send>(decoder: &mut Decoder<R>) -> Result<DecodeError, DecodeError> {
    decoder.start(Tag::Value, "the value of a fault").await?;
    let Value::Struct(members) = decoder.value(&Keep::All).await? else {
        return Err(decoder.unexpected("a struct that describes the fault"));
    };
    let code = members.get("faultCode").and_then(Value::as_int).unwrap_or_default();
    let text = members.get("faultString").and_then(Value::as_text).unwrap_or_default().to_owned();
    Ok(DecodeError::Fault { code, text })
}

#[cfg(test)]
mod tests {
    use super::super::decode::Limits;
    use super::*;

    fn read<T: Reply>(body: &str) -> Result<Result<T, Failure>, DecodeError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(response(&mut Decoder::new(body.as_bytes(), Limits::XAPI)))
    }

    fn envelope(members: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?><methodResponse><params><param><value><struct>{members}</struct></value></param>\
             </params></methodResponse>"
        )
    }

    const OK: &str = "<member><name>Status</name><value>Success</value></member>";
    const VALUE: &str = "<member><name>Value</name><value>OpaqueRef:1</value></member>";
    const BAD: &str = "<member><name>Status</name><value>Failure</value></member>";
    const DESCRIPTION: &str = "<member><name>ErrorDescription</name><value><array><data><value>HANDLE_INVALID</value>\
                               <value>VM</value><value>OpaqueRef:2</value></data></array></value></member>";

    #[test]
    fn a_success_gives_its_value_whatever_the_order_of_members() {
        for members in [format!("{OK}{VALUE}"), format!("{VALUE}{OK}")] {
            assert_eq!(read::<String>(&envelope(&members)).unwrap().unwrap(), "OpaqueRef:1");
        }
    }

    #[test]
    fn a_failure_gives_code_and_parameters() {
        let failure = read::<String>(&envelope(&format!("{BAD}{DESCRIPTION}"))).unwrap().unwrap_err();
        assert_eq!(failure.code, "HANDLE_INVALID");
        assert_eq!(failure.params, ["VM", "OpaqueRef:2"]);
    }

    #[test]
    fn a_call_without_result_accepts_the_empty_string() {
        let empty = "<member><name>Value</name><value></value></member>";
        read::<()>(&envelope(&format!("{OK}{empty}"))).unwrap().unwrap();
    }

    #[test]
    fn an_incomplete_envelope_is_refused() {
        let no_code =
            DESCRIPTION.replace("<value>HANDLE_INVALID</value><value>VM</value><value>OpaqueRef:2</value>", "");
        for members in [
            OK.to_owned(),
            VALUE.to_owned(),
            BAD.to_owned(),
            String::new(),
            format!("{BAD}{no_code}"),
            OK.replace("Success", "Maybe") + VALUE,
        ] {
            let error = read::<Value>(&envelope(&members)).unwrap_err();
            assert!(matches!(error, DecodeError::Shape { .. }), "{members}: {error}");
        }
    }

    #[test]
    fn a_fault_is_told_apart_from_a_failure() {
        let body = "<methodResponse><fault><value><struct>\
                    <member><name>faultCode</name><value><int>-32601</int></value></member>\
                    <member><name>faultString</name><value><string>no\nsuch</string></value></member>\
                    </struct></value></fault></methodResponse>";
        let error = read::<Value>(body).unwrap_err();
        assert_eq!(error.to_string(), "the server answered with fault -32601: \"no\\nsuch\"");
    }

    #[test]
    fn a_second_document_after_the_reply_is_refused() {
        let twice = envelope(&format!("{OK}{VALUE}")).repeat(2).replace("<?xml version=\"1.0\"?>", "");
        assert!(matches!(read::<String>(&twice), Err(DecodeError::Shape { .. })));
    }

    #[test]
    fn a_result_of_another_type_is_refused() {
        let number = "<member><name>Value</name><value><i4>1</i4></value></member>";
        assert!(matches!(read::<String>(&envelope(&format!("{OK}{number}"))), Err(DecodeError::Shape { .. })));
    }
}
