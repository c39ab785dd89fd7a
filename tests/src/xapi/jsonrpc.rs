//! JSON-RPC as xapi reads and writes it: version 1 and version 2, each answered in its own shape.
//!
//! Follows mirage/ocaml-rpc src/lib/jsonrpc.ml and xen-api ocaml/xapi/api_server.ml. Must not know what calls mean.

use serde_json::{Map, Number, Value as Json};

use super::{
    value::{Failure, Value},
    xmlrpc::Call,
};

/// The version that the client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Without a `jsonrpc` member.
    One,
    /// `"jsonrpc": "2.0"`.
    Two,
}

/// A call with what the reply must mirror.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    /// The version to answer in.
    pub version: Version,
    /// The number or text that the reply carries.
    pub id: Json,
    /// The call.
    pub call: Call,
}

/// A body that is no call; xapi answers it with HTTP 500. Calls without an id (notifications) are among them.
#[derive(Debug, thiserror::Error)]
#[error("the request body is not a JSON-RPC call: {0}")]
pub(super) struct Malformed(String);

/// Reads a call.
///
/// # Errors
/// When the body is not JSON or lacks what a call of its version needs.
pub(super) fn decode_request(body: &[u8]) -> Result<Request, Malformed> {
    let json: Json = serde_json::from_slice(body).map_err(|error| Malformed(error.to_string()))?;
    let wrong = |field: &str| Malformed(format!("invalid field '{field}'"));
    let name = json["method"].as_str().ok_or_else(|| wrong("method"))?.to_owned();
    let version = match json.get("jsonrpc") {
        None => Version::One,
        Some(text) if text == "2.0" => Version::Two,
        Some(_) => return Err(wrong("jsonrpc")),
    };
    let params = match (version, json.get("params")) {
        (_, Some(Json::Array(params))) => params.iter().map(from_json).collect(),
        (Version::Two, None | Some(Json::Null)) => Vec::new(),
        (Version::Two, Some(named @ Json::Object(_))) => vec![from_json(named)],
        _ => return Err(wrong("params")),
    };
    let id = json.get("id").filter(|id| id.is_string() || id.is_i64()).ok_or_else(|| wrong("id"))?;
    Ok(Request { version, id: id.clone(), call: Call { name, params } })
}

/// The reply to `request`.
#[must_use]
pub(super) fn encode_reply(request: &Request, result: &Result<Value, Failure>) -> String {
    let mut reply = Map::new();
    if request.version == Version::Two {
        reply.insert("jsonrpc".into(), "2.0".into());
    }
    match (request.version, result) {
        (Version::One, Ok(value)) => {
            reply.insert("result".into(), to_json(value));
            reply.insert("error".into(), Json::Null);
        }
        (Version::One, Err(failure)) => {
            reply.insert("result".into(), Json::Null);
            reply.insert("error".into(), to_json(&failure.description()));
        }
        (Version::Two, Ok(value)) => {
            reply.insert("result".into(), to_json(value));
        }
        (Version::Two, Err(failure)) => {
            // The code says nothing; it is 1 because some clients take 0 for "no error" (api_server_common.ml).
            let error = serde_json::json!({"code": 1, "message": failure.code, "data": failure.params});
            reply.insert("error".into(), error);
        }
    }
    reply.insert("id".into(), request.id.clone());
    Json::Object(reply).to_string()
}

/// A value from JSON: whole numbers up to 64 bits stay integers; dates cannot be told from text.
#[must_use]
pub(super) fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Value::Int(integer),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::String(text.clone()),
        Json::Array(items) => Value::Array(items.iter().map(from_json).collect()),
        Json::Object(members) => Value::map(members.iter().map(|(name, value)| (name.clone(), from_json(value)))),
    }
}

/// A value as JSON: dates become text.
#[must_use]
pub(super) fn to_json(value: &Value) -> Json {
    match value {
        Value::String(text) | Value::DateTime(text) => Json::String(text.clone()),
        Value::Int(number) => (*number).into(),
        Value::Int32(number) => (*number).into(),
        Value::Float(number) => Number::from_f64(*number).map_or(Json::Null, Json::Number),
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Nil => Json::Null,
        Value::Array(items) => Json::Array(items.iter().map(to_json).collect()),
        Value::Struct(members) => {
            Json::Object(members.iter().map(|(name, value)| (name.clone(), to_json(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(request: &str, result: &Result<Value, Failure>) -> Json {
        let request = decode_request(request.as_bytes()).unwrap();
        serde_json::from_str(&encode_reply(&request, result)).unwrap()
    }

    #[test]
    fn the_reply_has_the_version_and_id_of_the_request() {
        let one = reply(r#"{"method":"a.b","params":[],"id":7}"#, &Ok(Value::Int(i64::MAX)));
        assert_eq!(one, serde_json::json!({"result": i64::MAX, "error": null, "id": 7}));
        let two = reply(r#"{"jsonrpc":"2.0","method":"a.b","id":"x"}"#, &Ok("v".into()));
        assert_eq!(two, serde_json::json!({"jsonrpc": "2.0", "result": "v", "id": "x"}));
    }

    #[test]
    fn a_failure_is_a_list_in_version_1_and_an_object_in_version_2() {
        let failure = Err(Failure::new("UUID_INVALID", &["VM", "u"]));
        let one = reply(r#"{"method":"a.b","params":[],"id":1}"#, &failure);
        assert_eq!(one, serde_json::json!({"result": null, "error": ["UUID_INVALID", "VM", "u"], "id": 1}));
        let two = reply(r#"{"jsonrpc":"2.0","method":"a.b","params":[],"id":1}"#, &failure);
        let error = serde_json::json!({"code": 1, "message": "UUID_INVALID", "data": ["VM", "u"]});
        assert_eq!(two, serde_json::json!({"jsonrpc": "2.0", "error": error, "id": 1}));
    }

    #[test]
    fn notifications_are_refused() {
        for body in [r#"{"jsonrpc":"2.0","method":"a.b","params":[]}"#, r#"{"method":"a.b","params":[],"id":null}"#] {
            assert!(decode_request(body.as_bytes()).is_err(), "{body}");
        }
    }
}
