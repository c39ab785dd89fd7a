//! An engine that gives the same replies every time, and what the agent makes of them.

use agent::engine::Engine;
use agent::view::{self, Room};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use crate::clients::Document;

/// What an engine replies.
#[derive(Clone, Copy)]
pub(crate) struct Replies {
    pub(crate) version: &'static str,
    pub(crate) info: &'static str,
    pub(crate) containers: &'static str,
}

/// The three documents of an engine: list, description, version.
pub(crate) fn documents(replies: Replies) -> Vec<Document> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (ours, theirs) = tokio::io::duplex(4096);
        tokio::spawn(reply(theirs, replies));
        let mut engine = Engine::open(ours).await.unwrap();
        let containers = engine.containers().await.unwrap();
        let info = engine.info(view::INFO_FIELDS).await.unwrap();
        let version = engine.version(view::VERSION_FIELDS).await.unwrap();
        vec![
            (view::PS, view::ps(&containers, Room::beside(0)).document),
            (view::INFO, view::info(&info)),
            (view::VERSION, view::version(&version)),
        ]
    })
}

async fn reply(mut stream: DuplexStream, replies: Replies) {
    loop {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => request.push(byte),
                Err(_) => return,
            }
        }
        let request = String::from_utf8(request).unwrap();
        let path = request.split(' ').nth(1).unwrap();
        let body = match path {
            _ if path.contains("/containers/json") => replies.containers,
            _ if path.ends_with("/info") => replies.info,
            _ if path.ends_with("/version") => replies.version,
            _ => "OK",
        };
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length:";
        stream.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes()).await.unwrap();
    }
}
