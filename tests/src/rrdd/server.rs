//! Calls on xcp-rrdd's socket: XML-RPC by HTTP, answered as xen-api's `ocaml/xapi-idl/lib_test/test_data/rrd/` shows it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::Shared;
use crate::xapi::xmlrpc::{Call, decode_call, encode_reply};
use crate::xapi::{Failure, Value};

/// Between two looks whether it is to go on.
const PAUSE: Duration = Duration::from_millis(20);

/// Listens until another run begins.
///
/// # Panics
/// If it cannot.
pub(super) fn listen(shared: &Arc<Shared>, run: u64) {
    let _ = std::fs::remove_file(&shared.socket);
    let bound =
        UnixListener::bind(&shared.socket).and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    let listener = bound.unwrap_or_else(|e| panic!("{}: {e}", shared.socket.display()));
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        while shared.is(run) {
            match listener.accept() {
                Ok((stream, _)) => {
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || serve(&shared, run, &stream));
                }
                Err(_) => thread::sleep(PAUSE),
            }
        }
    });
}

/// Answers a client until it ends.
fn serve(shared: &Shared, run: u64, stream: &UnixStream) -> Option<()> {
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(PAUSE * 50)).ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        let mut first = String::new();
        loop {
            let mut line = String::new();
            match reader.read_line(&mut line) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(_) if first.is_empty() && line.is_empty() && shared.is(run) => continue,
                Err(_) => return None,
            }
            if first.is_empty() {
                first = line;
            } else if line.trim().is_empty() {
                break;
            } else if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        if !shared.is(run) {
            return None;
        }
        let (status, answer) = match decode_call(&body) {
            Ok(call) if first.starts_with("POST / ") => ("200 OK", encode_reply(&answer(shared, call))),
            _ => ("401 Unauthorised", String::new()),
        };
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: keep-alive\r\n\r\n", answer.len());
        let mut stream = stream;
        stream.write_all(format!("{head}{answer}").as_bytes()).ok()?;
    }
}

fn answer(shared: &Shared, call: Call) -> Result<Value, Failure> {
    let members = match call.params.into_iter().next() {
        Some(Value::Struct(members)) => members,
        _ => Vec::new(),
    };
    let text = |name: &str| {
        let found = members.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.text());
        found.map(str::to_owned).ok_or_else(|| Failure::new("InternalError", &[&format!("no argument {name}")]))
    };
    let arguments = members.iter().filter_map(|(_, value)| value.text().map(str::to_owned)).collect();
    let mut state = shared.lock();
    state.calls.push((call.name.clone(), arguments));
    match call.name.as_str() {
        "Plugin.Local.register" => {
            let (uid, info, protocol) = (text("uid")?, text("info")?, text("protocol")?);
            if info != "Five_Seconds" || !matches!(protocol.as_str(), "V1" | "V2") {
                return Err(Failure::new("InternalError", &["no such sampling frequency or protocol"]));
            }
            state.register(&shared.folder, &uid);
            // Of one that is not known because there is no file: -1.
            let known = state.knows(&uid);
            Ok(Value::Float(if known { state.until_next() } else { -1.0 }))
        }
        "Plugin.Local.next_reading" => {
            Ok(Value::Float(if state.knows(&text("uid")?) { state.until_next() } else { -1.0 }))
        }
        "Plugin.Local.deregister" => {
            let uid = text("uid")?;
            state.plugins.remove(&uid);
            Ok(Value::Nil)
        }
        "query_possible_vm_dss" => {
            let of_vm = state.recorded.get(&text("vm_uuid")?);
            let source = |(name, record): (&String, &super::Record)| {
                let texts =
                    [("name", name), ("description", &record.source.description), ("units", &record.source.units)];
                let mut members: Vec<(String, Value)> =
                    texts.into_iter().map(|(key, value)| (key.to_owned(), Value::from(value.as_str()))).collect();
                members.extend(["enabled", "standard"].map(|key| (key.to_owned(), Value::Bool(true))));
                members.extend(
                    [("min", 0.0), ("max", f64::INFINITY)].map(|(key, value)| (key.to_owned(), Value::Float(value))),
                );
                Value::Struct(members)
            };
            Ok(Value::Array(of_vm.into_iter().flatten().map(source).collect()))
        }
        "forget_vm_ds" => {
            let (vm, name) = (text("vm_uuid")?, text("ds_name")?);
            if let Some(of_vm) = state.recorded.get_mut(&vm) {
                of_vm.remove(&name);
            }
            Ok(Value::Nil)
        }
        other => Err(Failure::new("InternalError", &[&format!("no such call: {other}")])),
    }
}
