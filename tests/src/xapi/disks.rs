//! `PUT /import_raw_vdi` and `GET /export_raw_vdi`: the bytes of disks over HTTP.
//!
//! Follows xen-api ocaml/xapi/import_raw_vdi.ml, export_raw_vdi.ml, importexport.ml and xapi_http.ml, for the format
//! raw alone and, over TCP, for sessions alone. What a request asks for is decided here, its bytes move here too; how
//! VDIs behave is the matter of `storage`.

use std::{io, sync::Arc};

use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    dispatch::{Endpoint, Origin},
    drives,
    faults::Fault,
    http::{Connection, Head, Manner, NOT_HTTP, error},
    program,
    query::Query,
    sessions,
    state::{Shared, State},
    storage, tasks,
    value::{Failure, NULL_REF, Ref, Value},
};

/// Bytes of a disk that are sent at once.
const PIECE: usize = 64 * 1024;

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transfer {
    Import,
    Export,
}

impl Transfer {
    /// What such a request is counted as.
    fn name(self) -> &'static str {
        match self {
            Self::Import => "PUT /import_raw_vdi",
            Self::Export => "GET /export_raw_vdi",
        }
    }
}

/// Whether a request is for a disk. The handler of the longest matching prefix takes it, so that a slash may follow.
pub(super) fn transfer(head: &Head) -> Option<Transfer> {
    match (head.method.as_str(), head.path().trim_end_matches('/')) {
        ("PUT", "/import_raw_vdi") => Some(Transfer::Import),
        ("GET", "/export_raw_vdi") => Some(Transfer::Export),
        _ => None,
    }
}

/// What a request leads to.
enum Plan {
    /// An error of HTTP, after which the connection ends.
    Refuse(&'static str),
    /// Another host sees the disk.
    Redirect(String),
    Go(Work),
}

/// A transfer that has begun.
struct Work {
    task: Ref,
    vdi: Ref,
    size: usize,
    /// The control domain of the host that does it.
    dom0: Ref,
}

/// Answers a request, after which the connection ends.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<S>,
    endpoint: &Endpoint,
    shared: &Arc<Shared>,
    head: &Head,
    transfer: Transfer,
) -> io::Result<()> {
    let fault = shared.change(|state| {
        *state.counters.calls.entry(transfer.name().to_owned()).or_default() += 1;
        state.counters.bytes_in += head.size as u64;
        state.faults.take(transfer.name())
    });
    match &fault {
        Some(Fault::Eof) => return Ok(()),
        Some(Fault::Hang) => return connection.hang().await,
        Some(Fault::NotHttp) => return connection.write(NOT_HTTP, Manner::Whole).await,
        Some(Fault::Garbage) => {
            let garbage = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n<methodResponse><params>\x01{\"";
            return connection.write(garbage, Manner::Whole).await;
        }
        Some(Fault::Http500 | Fault::StillBooting) => {
            return connection.send(shared, head.version, error("500 Internal Error"), Manner::Whole).await;
        }
        Some(Fault::KillPlugin { after: false }) if program::kill_all(shared).await > 0 => return Ok(()),
        _ => {}
    }
    let query = Query::of(head);
    match shared.change(|state| plan(state, endpoint, head, &query, transfer)) {
        Plan::Refuse(status) => connection.send(shared, head.version, error(status), Manner::Whole).await,
        Plan::Redirect(location) => {
            let reply = format!(
                "HTTP/{} 302 Found\r\nconnection: close\r\ncache-control: no-cache, no-store\r\nlocation: {location}\r\n\r\n",
                head.version
            );
            connection.write(reply.as_bytes(), Manner::Whole).await
        }
        Plan::Go(work) => {
            let done = match transfer {
                Transfer::Import => import(connection, shared, head, &work, fault.as_ref()).await,
                Transfer::Export => export(connection, shared, head, &work, fault.as_ref()).await,
            };
            if fault == Some(Fault::KillPlugin { after: true }) {
                program::kill_all(shared).await;
            }
            done
        }
    }
}

fn plan(state: &mut State, endpoint: &Endpoint, head: &Head, query: &Query, transfer: Transfer) -> Plan {
    // On the unix socket everyone is root (xapi_http.ml, `assert_credentials_ok`).
    let session = query.get("session_id").unwrap_or(NULL_REF);
    if endpoint.origin == Origin::Tcp && sessions::check(&state.database, session).is_err() {
        return Plan::Refuse("401 Unauthorised");
    }
    let given = query.get("task_id").map(|task| Ref(task.to_owned()));
    let fail = |state: &mut State, status, failure| {
        if let Some(task) = &given {
            tasks::end(state, task, Err(failure));
        }
        Plan::Refuse(status)
    };
    // A VDI that there is none of is found out before anybody cares about the task, which goes on pending.
    let vdi = match query.get("vdi").map(|name| find(state, "VDI", name)) {
        Some(None) => return Plan::Refuse("500 Internal Error"),
        found => found.flatten(),
    };
    let sr = match (&vdi, query.get("sr_id"), query.get("sr_uuid")) {
        (Some(vdi), ..) => storage::reference(state, vdi.as_str(), "SR"),
        (None, Some(sr), _) if transfer == Transfer::Import => Ok(Ref(sr.to_owned())),
        (None, None, Some(uuid)) if transfer == Transfer::Import => {
            find(state, "SR", uuid).ok_or_else(|| Failure::new("UUID_INVALID", &["SR", uuid]))
        }
        _ => Err(Failure::new("VDI_MISSING", &[])),
    };
    let sr = match sr {
        Ok(sr) => sr,
        Err(failure) => return fail(state, "400 Bad Request", failure),
    };
    let (here, hosts) = (endpoint.host(state), storage::hosts_of(state, sr.as_str()));
    if !hosts.contains(&here) {
        let live = hosts.iter().find(|host| !state.offline.contains(host.as_str()));
        let address = live.and_then(|host| state.get(host, "address").ok());
        return match address.as_ref().and_then(Value::text) {
            Some(address) => Plan::Redirect(location(address, &head.target)),
            None => fail(state, "400 Bad Request", Failure::new("NO_HOSTS_AVAILABLE", &[])),
        };
    }
    let begun = match &given {
        Some(task) => state.get(task, "status").map(|_| task.clone()),
        None => tasks::begin(state, transfer.name(), session),
    };
    let Ok(task) = begun else {
        return Plan::Refuse("500 Internal Error");
    };
    match begin(state, head, query, vdi, &sr) {
        Ok(vdi) => {
            let size = storage::content(state, vdi.as_str()).len();
            let dom0 = storage::reference(state, here.as_str(), "control_domain").unwrap_or_else(|_| Ref::null());
            Plan::Go(Work { task, vdi, size, dom0 })
        }
        Err((status, failure)) => {
            tasks::end(state, &task, Err(failure));
            Plan::Refuse(status)
        }
    }
}

/// The VDI to work on; one is made for an upload that names only an SR.
fn begin(
    state: &mut State,
    head: &Head,
    query: &Query,
    vdi: Option<Ref>,
    sr: &Ref,
) -> Result<Ref, (&'static str, Failure)> {
    let refuse = |status, reason: String| Err((status, Failure::internal(&reason)));
    match query.get("format").unwrap_or("raw") {
        raw if raw.eq_ignore_ascii_case("raw") => {}
        other => return refuse("404 Not Found", format!("Unknown format {other}")),
    }
    if let Some(encoding) = &head.encoding {
        return refuse("404 Not Found", format!("Cannot handle encoding: {encoding}"));
    }
    if query.get("chunked").is_some() {
        return refuse("404 Not Found", "The simulator does not know the framing of chunked=true".to_owned());
    }
    match (vdi, head.length.and_then(|length| i64::try_from(length).ok())) {
        (Some(vdi), _) => Ok(vdi),
        (None, None) => refuse("400 Bad Request", "Not enough info supplied to import".to_owned()),
        (None, Some(length)) => {
            let record = Value::map([
                ("name_label", Value::from("Imported VDI")),
                ("SR", sr.into()),
                ("virtual_size", length.into()),
                ("type", "user".into()),
                ("sharable", false.into()),
                ("read_only", false.into()),
                ("other_config", Value::Struct(Vec::new())),
            ]);
            storage::create(state, &record).map_err(|failure| ("500 Internal Error", failure))
        }
    }
}

/// The object that a reference or a uuid stands for.
fn find(state: &State, class: &str, name: &str) -> Option<Ref> {
    if state.database.class_of(name).is_some_and(|found| found.name == class) {
        return Some(Ref(name.to_owned()));
    }
    state.database.find(class, "uuid", &name.into()).into_iter().next()
}

fn location(address: &str, target: &str) -> String {
    if address.contains(':') { format!("https://[{address}]{target}") } else { format!("https://{address}{target}") }
}

/// The head of a reply that says nothing yet about how it will end.
async fn begin_reply<S: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<S>,
    version: &str,
    work: &Work,
    more: &str,
    fault: Option<&Fault>,
) -> io::Result<()> {
    let manner = match fault {
        Some(Fault::SlowBytes(pause)) => Manner::Slow(*pause),
        Some(Fault::Truncated) => Manner::Truncated,
        _ => Manner::Whole,
    };
    let reply = format!(
        "HTTP/{version} 200 OK\r\nconnection: close\r\ncache-control: no-cache, no-store\r\ntask-id: {}\r\n\
         content-type: application/octet-stream\r\n{more}\r\n",
        work.task
    );
    connection.write(reply.as_bytes(), manner).await
}

/// The reply begins before the disk is attached, let alone written: only the task tells how it ends.
async fn import<S: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<S>,
    shared: &Shared,
    head: &Head,
    work: &Work,
    fault: Option<&Fault>,
) -> io::Result<()> {
    let begun = begin_reply(connection, head.version, work, "", fault).await;
    let Some(attached) = Attached::attach(shared, work, "RW") else {
        return Ok(());
    };
    begun?;
    let (body, received) = receive(connection, head.length, work.size).await;
    shared.change(|state| state.counters.bytes_in += body.len() as u64);
    if let Some(Fault::Fails(failure)) = fault {
        attached.detach(Err(failure.clone()));
        return Ok(());
    }
    shared.change(|state| storage::write(state, work.vdi.as_str(), body));
    attached.detach(received.map(|()| (&work.vdi).into()));
    Ok(())
}

/// The body, as much of it as came and fits, and what is wrong with it.
async fn receive<S: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<S>,
    length: Option<usize>,
    size: usize,
) -> (Vec<u8>, Result<(), Failure>) {
    let wanted = length.unwrap_or(usize::MAX);
    let mut ended = false;
    while connection.received.len() < wanted && connection.received.len() <= size && !ended {
        ended = connection.fill().await.unwrap_or(0) == 0;
    }
    let mut body = std::mem::take(&mut connection.received);
    body.truncate(wanted);
    let whole = body.len() <= size && length.is_none_or(|length| body.len() == length);
    body.truncate(size);
    (body, if whole { Ok(()) } else { Err(io_error()) })
}

async fn export<S: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<S>,
    shared: &Shared,
    head: &Head,
    work: &Work,
    fault: Option<&Fault>,
) -> io::Result<()> {
    let Some(attached) = Attached::attach(shared, work, "RO") else {
        return connection.send(shared, head.version, error("500 Internal Error"), Manner::Whole).await;
    };
    let (content, uuid) = shared.look(|state| {
        let uuid = state.get(&work.vdi, "uuid").ok();
        (storage::content(state, work.vdi.as_str()), uuid.and_then(|uuid| uuid.text().map(str::to_owned)))
    });
    let name = format!("content-disposition: attachment; filename=\"{}.raw\"\r\n", uuid.unwrap_or_default());
    let whole_head = fault.filter(|fault| **fault != Fault::Truncated);
    begin_reply(connection, head.version, work, &name, whole_head).await?;
    if let Some(Fault::Fails(failure)) = fault {
        attached.detach(Err(failure.clone()));
        return Ok(());
    }
    let sent = if fault == Some(&Fault::Truncated) { &content[..content.len() * 3 / 4] } else { &content };
    for piece in sent.chunks(PIECE) {
        connection.write(piece, Manner::Whole).await?;
    }
    shared.change(|state| state.counters.bytes_out += sent.len() as u64);
    attached.detach(if sent.len() == content.len() { Ok("".into()) } else { Err(io_error()) });
    Ok(())
}

/// What a transfer that broke off leaves in its task.
fn io_error() -> Failure {
    Failure::new("VDI_IO_ERROR", &["Device I/O errors"])
}

/// A disk that is attached to a control domain, until its transfer has ended one way or another.
struct Attached<'a> {
    shared: &'a Shared,
    vbd: Ref,
    task: Ref,
    result: Result<Value, Failure>,
}

impl<'a> Attached<'a> {
    /// None when the disk cannot be attached, which is in the task then.
    fn attach(shared: &'a Shared, work: &Work, mode: &str) -> Option<Self> {
        let attached = shared.change(|state| {
            let attached = drives::attach_to_dom0(state, &work.dom0, work.vdi.as_str(), mode);
            attached.map_err(|failure| tasks::end(state, &work.task, Err(failure))).ok()
        });
        let broken_off = Err(io_error());
        attached.map(|vbd| Self { shared, vbd, task: work.task.clone(), result: broken_off })
    }

    /// Detaches and lets the task end with `result`, in one step for all who look.
    fn detach(mut self, result: Result<Value, Failure>) {
        self.result = result;
    }
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        let result = std::mem::replace(&mut self.result, Err(io_error()));
        self.shared.change(|state| {
            // A test may have taken the VBD away, which leaves nothing to detach.
            let _ = state.set(self.vbd.as_str(), "currently_attached", false);
            let _ = drives::destroy(state, self.vbd.as_str());
            tasks::end(state, &self.task, result);
        });
    }
}
