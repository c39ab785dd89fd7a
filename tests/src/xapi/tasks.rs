//! Tasks: how the outcome of a piece of work stands in one.
//!
//! Follows xen-api ocaml/xapi/taskHelper.ml. Must not know what the work was.

use super::{
    dates::now,
    state::State,
    value::{Failure, Ref, Value},
    xmlrpc,
};

/// The fields of a task whose work has ended. A result is XML-RPC in itself; none is an empty text.
pub(super) fn outcome(result: Result<Value, Failure>) -> Vec<(&'static str, Value)> {
    let mut fields = vec![("progress", Value::Float(1.0)), ("finished", now())];
    match result {
        Ok(value) => {
            let mut encoded = String::new();
            if value.text() != Some("") {
                xmlrpc::encode(&value, &mut encoded);
            }
            fields.extend([("result", encoded.into()), ("status", "success".into())]);
        }
        Err(failure) => fields.extend([("error_info", failure.description()), ("status", "failure".into())]),
    }
    fields
}

/// A task for work that has begun.
///
/// # Errors
/// `INTERNAL_ERROR` only when the schema lacks a field of tasks.
pub(super) fn begin(state: &mut State, label: &str, session: &str) -> Result<Ref, Failure> {
    let fields = [("name_label", label.into()), ("session", session.into()), ("created", now())];
    state.database.create("task", None, fields)
}

/// Puts the outcome into a task; one that was cancelled or has ended stays as it is, and so does the world without it.
pub(super) fn end(state: &mut State, task: &Ref, result: Result<Value, Failure>) {
    if !state.get(task, "status").is_ok_and(|status| status.text() == Some("pending")) {
        return;
    }
    for (field, value) in outcome(result) {
        // The task exists, as was just seen, and the schema has the fields, as every asynchronous call shows.
        let _ = state.set(task.as_str(), field, value);
    }
}
