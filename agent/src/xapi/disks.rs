//! The contents of disks, through XAPI's HTTP handlers on its socket, where nobody has to log in
//! (xen-api ocaml/xapi/import_raw_vdi.ml, export_raw_vdi.ml, xapi_http.ml).
//!
//! Must not know what is on a disk.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, LOCATION, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::client::Client;
use super::error::{Error, Failure};
use super::patient::Patient;
use super::records::{TaskRef, VdiUuid};
use super::tasks::{self, Status};
use super::transport::{AbortOnDrop, CONNECT_LIMIT};
use crate::quote::quoted;

/// How long XAPI may take to begin its answer: it connects the disk to dom0 first.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// How long nothing may come in the middle of a disk.
const IDLE_LIMIT: Duration = Duration::from_secs(60);

/// How long a whole disk may take, either way.
const TRANSFER_LIMIT: Duration = Duration::from_secs(600);

/// How long XAPI may take to say that a disk is written, after it took all of it: it disconnects the disk from dom0.
const TASK_LIMIT: Duration = Duration::from_secs(120);

/// The largest answer to an import that is put up with, bytes; XAPI's is empty.
const MAX_IMPORT_ANSWER: usize = 64 * 1024;

const IMPORT: &str = "PUT /import_raw_vdi";
const EXPORT: &str = "GET /export_raw_vdi";

/// Why the content of a disk did not get to or from XAPI.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// This host does not have the storage; another does.
    #[error(
        "this host is not connected to the storage of disk {vdi}; the host at {} is, and has to be asked",
        quoted(host)
    )]
    Redirected {
        /// The disk.
        vdi: VdiUuid,
        /// The address of that host.
        host: String,
    },
    /// XAPI cannot be spoken to.
    #[error(transparent)]
    Xapi(#[from] Error),
    /// XAPI took the content and could not write it.
    #[error("XAPI could not write disk {vdi}, it reports {failure}; /var/log/xensource.log and SMlog may say more")]
    NotWritten {
        /// The disk.
        vdi: VdiUuid,
        /// The reason given.
        failure: Failure,
    },
    /// Somebody cancelled it.
    #[error("writing disk {0} was cancelled by somebody; do it again")]
    Cancelled(VdiUuid),
    /// XAPI took the content and does not get done.
    #[error("XAPI has not finished writing disk {vdi} after {} s; its storage is overloaded or hangs", TASK_LIMIT.as_secs())]
    Unfinished {
        /// The disk.
        vdi: VdiUuid,
    },
    /// XAPI could not read it.
    #[error("XAPI could not read disk {vdi}, it reports {failure}; /var/log/xensource.log and SMlog may say more")]
    NotRead {
        /// The disk.
        vdi: VdiUuid,
        /// The reason given.
        failure: Failure,
    },
    /// Less came than the disk has.
    #[error("of disk {vdi} only {got} of {wanted} bytes came; /var/log/xensource.log may say why")]
    CutOff {
        /// The disk.
        vdi: VdiUuid,
        /// What came, bytes.
        got: u64,
        /// What the disk has, bytes.
        wanted: u64,
    },
}

/// Writes `content` to the beginning of a disk that is at least as large. Done when XAPI says so, whose HTTP answer
/// comes before it has read anything and so means nothing: a task tells.
///
/// # Errors
/// [`TransferError`]; what is on the disk is not known then.
pub async fn import(client: &Client, vdi: &VdiUuid, content: Bytes) -> Result<(), TransferError> {
    let task = tasks::create(client, "Import of a disk", &format!("of xscontainer, disk {vdi}")).await?;
    let mut last = Status::Pending;
    let result = import_for(client, vdi, content, &task, &mut last).await;
    forget(client, &task, &last).await;
    result
}

async fn forget(client: &Client, task: &TaskRef, last: &Status) {
    if let Err(error) = tasks::destroy(client, task, last).await {
        tracing::warn!(%error, "a task of XAPI could not be destroyed; XAPI forgets it after a day");
    }
}

/// `last` becomes what the task was seen to be.
async fn import_for(
    client: &Client,
    vdi: &VdiUuid,
    content: Bytes,
    task: &TaskRef,
    last: &mut Status,
) -> Result<(), TransferError> {
    let target = format!("/import_raw_vdi?vdi={vdi}&format=raw&task_id={}", in_query(task.as_str()));
    let sent = match timeout(TRANSFER_LIMIT, put(client, &target, content)).await {
        Ok(sent) => sent,
        Err(_) => Err(Error::Slow { method: IMPORT, step: "sending the disk", limit: TRANSFER_LIMIT }.into()),
    };
    *last = match sent {
        Ok(()) => tasks::ended(client, task, TASK_LIMIT).await?,
        Err(Refusal::Redirected(host)) => return Err(TransferError::Redirected { vdi: vdi.clone(), host }),
        // XAPI closes the connection when it fails; the task knows better why.
        Err(Refusal::Xapi(error)) => match tasks::status(client, task).await {
            Ok(failure @ Status::Failure(_)) => failure,
            _ => return Err(error.into()),
        },
    };
    match last.clone() {
        Status::Success => Ok(()),
        Status::Failure(failure) => Err(TransferError::NotWritten { vdi: vdi.clone(), failure }),
        Status::Cancelled => Err(TransferError::Cancelled(vdi.clone())),
        Status::Pending => Err(TransferError::Unfinished { vdi: vdi.clone() }),
    }
}

async fn put(client: &Client, target: &str, content: Bytes) -> Result<(), Refusal> {
    let (answer, _connection) = exchange(client, IMPORT, Method::PUT, target, content).await?;
    // The connection must stay until XAPI closes it, which is when it has read all.
    let mut body = Patient::new(answer.into_body(), TRANSFER_LIMIT);
    let mut left = MAX_IMPORT_ANSWER;
    while let Some(Ok(frame)) = body.frame().await {
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        if left == 0 {
            return Err(Error::Odd { method: IMPORT, wanted: "an empty answer" }.into());
        }
    }
    Ok(())
}

/// The first `bytes` of a disk that has at least so many, all of which are held in memory.
///
/// # Errors
/// [`TransferError`]
pub async fn export(client: &Client, vdi: &VdiUuid, bytes: u64) -> Result<Vec<u8>, TransferError> {
    // Without one of ours XAPI makes one, which nobody takes away.
    let task = tasks::create(client, "Export of a disk", &format!("of xscontainer, disk {vdi}")).await?;
    let mut last = Status::Pending;
    let result = export_for(client, vdi, bytes, &task, &mut last).await;
    forget(client, &task, &last).await;
    result
}

/// `last` becomes what the task was seen to be.
async fn export_for(
    client: &Client,
    vdi: &VdiUuid,
    bytes: u64,
    task: &TaskRef,
    last: &mut Status,
) -> Result<Vec<u8>, TransferError> {
    let target = format!("/export_raw_vdi?vdi={vdi}&format=raw&task_id={}", in_query(task.as_str()));
    let got = match timeout(TRANSFER_LIMIT, get(client, &target, bytes)).await {
        Ok(got) => got,
        Err(_) => Err(Error::Slow { method: EXPORT, step: "receiving the disk", limit: TRANSFER_LIMIT }.into()),
    };
    let content = got.map_err(|refusal| match refusal {
        Refusal::Redirected(host) => TransferError::Redirected { vdi: vdi.clone(), host },
        Refusal::Xapi(error) => error.into(),
    })?;
    // XAPI gives no length; when it fails in the middle it just closes the connection.
    let got = content.len() as u64;
    if got < bytes {
        return Err(TransferError::CutOff { vdi: vdi.clone(), got, wanted: bytes });
    }
    *last = tasks::ended(client, task, TASK_LIMIT).await?;
    match last.clone() {
        Status::Failure(failure) => Err(TransferError::NotRead { vdi: vdi.clone(), failure }),
        // All of it came, whatever XAPI is still about.
        Status::Success | Status::Cancelled | Status::Pending => Ok(content),
    }
}

/// What comes, but no more than `bytes`. It is read to its end all the same, or XAPI would count it as broken off.
async fn get(client: &Client, target: &str, bytes: u64) -> Result<Vec<u8>, Refusal> {
    let (answer, _connection) = exchange(client, EXPORT, Method::GET, target, Bytes::new()).await?;
    let mut body = Patient::new(answer.into_body(), IDLE_LIMIT);
    let mut content = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        let data = frame.into_data().unwrap_or_default();
        let wanted = usize::try_from(bytes - content.len() as u64).unwrap_or(usize::MAX);
        content.extend_from_slice(&data[..data.len().min(wanted)]);
    }
    Ok(content)
}

/// Why there is nothing to read or write.
enum Refusal {
    /// To the host at this address.
    Redirected(String),
    Xapi(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Xapi(error)
    }
}

/// Sends a request on a connection of its own, which lives as long as what is returned with a positive answer.
async fn exchange(
    client: &Client,
    method: &'static str,
    verb: Method,
    target: &str,
    body: Bytes,
) -> Result<(Response<Incoming>, (SendRequest<Full<Bytes>>, AbortOnDrop)), Refusal> {
    let socket = client.socket();
    let stream = timeout(CONNECT_LIMIT, UnixStream::connect(socket))
        .await
        .map_err(|_| Error::Slow { method, step: "connecting", limit: CONNECT_LIMIT })?
        .map_err(|cause| Error::Connect { socket: socket.to_owned(), cause })?;
    let (mut sender, driver) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|cause| Error::Http { method, cause })?;
    let driver = AbortOnDrop(tokio::spawn(async move {
        // Its error also reaches whoever waits for the answer.
        let _ = driver.await;
    }));
    // XAPI reads no chunked bodies; hyper gives the length of this one.
    let request = Request::builder()
        .method(verb)
        .uri(target)
        .header(HOST, "localhost")
        .header(USER_AGENT, format!("xscontainer/{}", crate::VERSION))
        .body(Full::new(body))
        .map_err(|_| Error::Odd { method, wanted: "references that go into a request" })?;
    let answer = timeout(ANSWER_LIMIT, sender.send_request(request))
        .await
        .map_err(|_| Error::Slow { method, step: "the answer", limit: ANSWER_LIMIT })?
        .map_err(|cause| Error::Http { method, cause })?;
    match answer.status() {
        StatusCode::OK => Ok((answer, (sender, driver))),
        StatusCode::FOUND => {
            let location = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            let host = location.and_then(host_of).ok_or(Error::Odd { method, wanted: "the address of a host" })?;
            Err(Refusal::Redirected(host.to_owned()))
        }
        status => Err(Error::Status { method, status: status.as_u16() }.into()),
    }
}

/// The host in a URL; the rest may hold a session's reference, which nobody may see.
fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    Some(&rest[..end]).filter(|host| !host.is_empty() && !host.contains('@'))
}

/// `text` as a value in a query (RFC 3986, 3.4).
fn in_query(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xapi::script::{Answer, Request, Server, failure, success};

    const VDI: &str = "00000000-0000-0000-0000-000000000001";

    fn vdi() -> VdiUuid {
        VdiUuid::parse(VDI).unwrap()
    }

    /// A XAPI whose task stands as `statuses` say, one after the other, and that answers a transfer so.
    fn server(statuses: &[&'static str], transfer: Answer) -> Server {
        let mut statuses = statuses.to_vec();
        Server::start(move |request: &Request| match request.method.as_str() {
            "task.create" => success("OpaqueRef:task"),
            "task.get_status" if statuses.len() > 1 => success(statuses.remove(0)),
            "task.get_status" => success(statuses[0]),
            "task.get_error_info" => success("<array><data><value>SR_FULL</value><value>1</value></data></array>"),
            IMPORT | EXPORT => transfer.clone(),
            _ => success("OpaqueRef:session"),
        })
    }

    /// As XAPI answers transfers: without a length, the connection closed at the end.
    fn answer(status: &str, body: &[u8]) -> Answer {
        let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nTask-id: OpaqueRef:task\r\n\r\n");
        Answer::Raw([head.as_bytes(), body].concat())
    }

    async fn imported(server: &Server, content: &'static [u8]) -> Result<(), TransferError> {
        import(&Client::new(&server.socket()), &vdi(), Bytes::from_static(content)).await
    }

    #[tokio::test]
    async fn a_disk_is_written_when_the_task_says_so() {
        let server = server(&["pending", "pending", "success"], answer("200 OK", b""));
        imported(&server, &[7; 4 << 20]).await.unwrap();
        let put = &server.calls(IMPORT)[0];
        assert_eq!(put.params, [format!("vdi={VDI}&format=raw&task_id=OpaqueRef:task")]);
        assert!(put.body == [7; 4 << 20], "{} bytes", put.body.len());
        assert_eq!(server.calls("task.get_status").len(), 3);
        assert_eq!(server.calls("task.destroy").len(), 1);
        assert!(server.calls("task.cancel").is_empty());
    }

    #[tokio::test]
    async fn a_failed_task_is_the_reason_even_if_the_answer_was_good_or_the_connection_broke() {
        for transfer in [answer("200 OK", b""), Answer::Close] {
            let server = server(&["failure"], transfer);
            let error = imported(&server, b"x").await.unwrap_err().to_string();
            assert!(error.contains("\"SR_FULL\" of \"1\"") && error.contains(VDI), "{error}");
            assert_eq!(server.calls("task.destroy").len(), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_never_ends_is_cancelled_and_destroyed() {
        let server = server(&["pending"], answer("200 OK", b""));
        let error = imported(&server, b"x").await.unwrap_err();
        assert!(matches!(error, TransferError::Unfinished { .. }), "{error}");
        assert_eq!((server.calls("task.cancel").len(), server.calls("task.destroy").len()), (1, 1));
    }

    #[tokio::test]
    async fn another_hosts_address_is_told_without_the_session() {
        let head =
            "HTTP/1.1 302 Found\r\nLocation: https://10.0.0.2/import_raw_vdi?session_id=OpaqueRef:secret\r\n\r\n";
        let server = server(&["pending"], Answer::Raw(head.into()));
        for error in [
            imported(&server, b"x").await.unwrap_err(),
            export(&Client::new(&server.socket()), &vdi(), 1).await.unwrap_err(),
        ] {
            assert!(matches!(&error, TransferError::Redirected { host, .. } if host == "10.0.0.2"), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        assert_eq!(server.calls("task.destroy").len(), 2);
    }

    #[tokio::test]
    async fn a_task_that_cannot_be_made_sends_nothing() {
        let server = Server::start(|request| match request.method.as_str() {
            "task.create" => failure(&["INTERNAL_ERROR", "full"]),
            _ => success("OpaqueRef:session"),
        });
        assert!(imported(&server, b"x").await.is_err());
        assert!(server.calls(IMPORT).is_empty());
    }

    #[tokio::test]
    async fn a_disk_is_read_to_the_length_asked_for_and_no_further() {
        let server = server(&["success"], answer("200 OK", &[9; 5000]));
        let client = Client::new(&server.socket());
        assert_eq!(export(&client, &vdi(), 5000).await.unwrap(), [9; 5000]);
        assert_eq!(export(&client, &vdi(), 4096).await.unwrap(), [9; 4096]);
        let error = export(&client, &vdi(), 5001).await.unwrap_err().to_string();
        assert!(error.contains("only 5000 of 5001 bytes"), "{error}");
    }

    #[tokio::test]
    async fn a_refusal_is_told_with_its_status() {
        let server = server(&["pending"], answer("500 Internal Server Error", b"<html>"));
        let error = imported(&server, b"x").await.unwrap_err();
        assert!(matches!(error, TransferError::Xapi(Error::Status { status: 500, .. })), "{error}");
    }

    #[test]
    fn only_the_host_of_a_url_is_taken() {
        for (url, host) in [
            ("https://10.0.0.2/x?session_id=1", Some("10.0.0.2")),
            ("https://[fe80::1]:443", Some("[fe80::1]:443")),
            ("/import_raw_vdi", None),
            ("https:///x", None),
            ("https://user:secret@host/", None),
        ] {
            assert_eq!(host_of(url), host, "{url}");
        }
        assert_eq!(in_query("OpaqueRef:a b&c"), "OpaqueRef:a%20b%26c");
    }
}
