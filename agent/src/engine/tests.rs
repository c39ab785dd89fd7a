//! Engines played by a script on an in-memory stream.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::*;

pub(super) const VERSION: &str = r#"{"Version":"20.10.24","ApiVersion":"1.41","Components":[{"Name":"Engine"}]}"#;

/// What the engine does with a request.
#[derive(Clone)]
pub(super) enum Does {
    /// Answers with status 200 and this JSON.
    Json(String),
    /// Sends these pieces, and then nothing, for ever.
    Sends(Vec<Vec<u8>>),
    /// Sends these bytes again and again.
    Repeats(Vec<u8>),
    /// Closes the stream.
    Closes,
}

pub(super) fn json(text: &str) -> Does {
    Does::Json(text.to_owned())
}

pub(super) fn head(extra: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{extra}\r\n").into_bytes()
}

/// A stream to an engine that answers requests in turn, and the request lines it saw.
pub(super) fn engine(script: Vec<Does>) -> (DuplexStream, Arc<Mutex<Vec<String>>>) {
    let (ours, mut theirs) = tokio::io::duplex(4096);
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let lines = Arc::clone(&seen);
    tokio::spawn(async move {
        for does in script {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                match theirs.read_u8().await {
                    Ok(byte) => request.push(byte),
                    Err(_) => return,
                }
            }
            let request = String::from_utf8(request).unwrap();
            lines.lock().unwrap().push(request.lines().next().unwrap().to_owned());
            let sent = match does {
                Does::Json(body) => {
                    let head = head(&format!("Content-Length: {}\r\n", body.len()));
                    theirs.write_all(&[head, body.into_bytes()].concat()).await
                }
                Does::Sends(pieces) => {
                    for piece in pieces {
                        if theirs.write_all(&piece).await.is_err() {
                            return;
                        }
                    }
                    std::future::pending().await
                }
                Does::Repeats(bytes) => loop {
                    if theirs.write_all(&bytes).await.is_err() {
                        return;
                    }
                },
                Does::Closes => return,
            };
            if sent.is_err() {
                return;
            }
        }
        std::future::pending::<()>().await;
    });
    (ours, seen)
}

pub(super) async fn opened(then: Vec<Does>) -> Engine {
    let script = [vec![json(VERSION)], then].concat();
    Engine::open(engine(script).0).await.unwrap()
}

async fn subscribed(pieces: Vec<Vec<u8>>) -> Result<Events, Error> {
    Engine::events(engine(vec![Does::Sends(pieces)]).0, ApiVersion(1, 41), Limits::default()).await
}

#[tokio::test(start_paused = true)]
async fn the_engines_own_version_is_in_every_path_but_the_first() {
    let (stream, seen) = engine(vec![json(VERSION), json("[]"), json("{}"), json("{}"), json("OK")]);
    let mut engine = Engine::open(stream).await.unwrap();
    assert_eq!(engine.identity().to_string(), "Docker 20.10.24, API 1.41");
    engine.containers().await.unwrap();
    engine.info(&[]).await.unwrap();
    engine.version(&[]).await.unwrap();
    engine.ping().await.unwrap();
    let expected = [
        "GET /version HTTP/1.1",
        "GET /v1.41/containers/json?all=1 HTTP/1.1",
        "GET /v1.41/info HTTP/1.1",
        "GET /v1.41/version HTTP/1.1",
        "GET /_ping HTTP/1.1",
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn only_the_fields_asked_for_are_kept() {
    let mut engine = opened(vec![json(r#"{"ID":"a","NFd":7,"Images":3}"#)]).await;
    let info = engine.info(&["ID", "Images", "Name"]).await.unwrap();
    assert_eq!(serde_json::to_string(&info).unwrap(), r#"{"ID":"a","Images":3}"#);
}

#[tokio::test(start_paused = true)]
async fn podman_is_called_by_its_name() {
    let version = r#"{"Version":"4.3.1","ApiVersion":"1.41","Components":[{"Name":"Podman Engine"}]}"#;
    let engine = Engine::open(engine(vec![json(version)]).0).await.unwrap();
    assert_eq!(engine.identity().to_string(), "Podman 4.3.1, API 1.41");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_engine_is_told_from_one_that_is_too_old() {
    for (answer, expected) in [
        (r#"{"ApiVersion":"1.17"}"#, "too old: its API version is 1.17"),
        (r#"{"ApiVersion":"1.x"}"#, "an ApiVersion that is none"),
        (r#"{"ApiVersion":"1.99999"}"#, "an ApiVersion that is none"),
        (r#"{"ApiVersion":141}"#, "no ApiVersion"),
        ("[]", "not a JSON object"),
        ("<html></html>", "not a JSON object"),
    ] {
        let error = Engine::open(engine(vec![json(answer)]).0).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let error = Engine::open(engine(vec![Does::Sends(vec![b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()])]).0).await.unwrap_err();
    assert!(matches!(error, Error::NotHttp(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_error_is_told_in_the_engines_words() {
    let answer = |body: &str| {
        let length = body.len();
        Does::Sends(vec![format!("HTTP/1.1 400 Bad Request\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()])
    };
    let message = r#"{"message":"client version 1.9 is too old"}"#;
    for (body, expected) in [(message, "client version 1.9 is too old"), ("page not found", "page not found")] {
        let error = opened(vec![answer(body)]).await.containers().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the engine answered GET /containers/json with HTTP status 400: {expected:?}")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn events_are_read_wherever_they_are_split() {
    let body = "{\"status\":\"start\",\"id\":\"a\"}\n{\"Type\":\"network\",\"Action\":\"connect\"} {\"Type\":\"container\",\"Action\":\"die\"}";
    let chunk = format!("{:x}\r\n{body}\r\n", body.len()).into_bytes();
    let bytes = [head("Transfer-Encoding: chunked\r\n"), chunk].concat();
    let pieces = bytes.iter().map(|byte| vec![*byte]).collect();
    let mut events = subscribed(pieces).await.unwrap();
    let mut actions = Vec::new();
    for _ in 0..3 {
        actions.push(events.next().await.unwrap().action);
    }
    assert_eq!(actions, ["start", "connect", "die"]);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_stands_before_the_first_event_and_may_be_silent_for_hours() {
    let mut events = subscribed(vec![head("Transfer-Encoding: chunked\r\n")]).await.unwrap();
    assert!(timeout(Duration::from_secs(10 * 3600), events.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn events_without_chunks_end_with_the_connection() {
    let (stream, _) = engine(vec![Does::Json(String::new()), Does::Closes]);
    let mut events = Engine::events(stream, ApiVersion(1, 41), Limits::default()).await.unwrap();
    assert!(matches!(events.next().await, Err(Error::Closed(_))));
}

#[tokio::test(start_paused = true)]
async fn an_event_is_not_lost_by_giving_up_waiting_for_it() {
    let body: Vec<u8> = b"26\r\n{\"Type\":\"container\",\"Action\":\"start\"}\r\n".to_vec();
    let (ours, mut theirs) = tokio::io::duplex(4096);
    tokio::spawn(async move {
        assert!(theirs.read(&mut [0; 1000]).await.unwrap() > 0);
        theirs.write_all(&head("Transfer-Encoding: chunked\r\n")).await.unwrap();
        for byte in body {
            tokio::time::sleep(Duration::from_millis(100)).await;
            theirs.write_all(&[byte]).await.unwrap();
        }
        std::future::pending::<()>().await;
    });
    let mut events = Engine::events(ours, ApiVersion(1, 41), Limits::default()).await.unwrap();
    let mut given_up = 0;
    let event = loop {
        match timeout(Duration::from_millis(70), events.next()).await {
            Ok(event) => break event.unwrap(),
            Err(_) => given_up += 1,
        }
    };
    assert_eq!(event.action, "start");
    assert!(given_up > 10);
}

#[tokio::test(start_paused = true)]
async fn old_engines_are_not_asked_for_kinds_of_events() {
    for (api, expected) in
        [(ApiVersion(1, 21), "GET /v1.21/events HTTP/1.1"), (ApiVersion(1, 22), "GET /v1.22/events?filters=")]
    {
        let (stream, seen) = engine(vec![Does::Sends(vec![head("Transfer-Encoding: chunked\r\n")])]);
        let _events = Engine::events(stream, api, Limits::default()).await.unwrap();
        assert!(seen.lock().unwrap()[0].starts_with(expected));
    }
}

/// What hostile engines do with a request for the list, and what is said of it.
fn hostilities() -> Vec<(&'static str, Does, &'static str)> {
    let chunked = head("Transfer-Encoding: chunked\r\n");
    let body = |body: &[u8]| Does::Sends(vec![head("Content-Length: 999999999\r\n"), body.to_vec()]);
    vec![
        ("never answers", Does::Sends(vec![]), "did not answer"),
        ("closes at once", Does::Closes, "closed the connection"),
        ("closes in the head", Does::Sends(vec![b"HTTP/1.1 200 OK\r\nConte".to_vec()]), "did not answer"),
        (
            "endless headers",
            Does::Repeats(b"X-Filler: aaaaaaaaaaaaaaaaaaaaaaaa\r\n".to_vec()),
            "not a container engine",
        ),
        ("an endless header", Does::Repeats(vec![b'a'; 1000]), "not a container engine"),
        ("stops in the body", body(b"[{\"Id\":"), "did not answer"),
        (
            "an endless string",
            Does::Sends(vec![chunked.clone(), endless_chunk(b"[{\"Id\":\"", b'a', 3 << 20)]),
            "too much",
        ),
        ("endless brackets", body(&[b"[{\"a\":".to_vec(), vec![b'['; 1 << 20]].concat()), "too much"),
        ("not a list", json("{\"Id\":1}"), "not a container engine"),
        ("a list of numbers", json("[1,2]"), "not a container engine"),
        ("half a list", json("[{\"Id\":\"a\"},"), "closed the connection"),
        ("an endless list", Does::Sends(vec![chunked, endless_chunk(b"[", b' ', 20 << 20)]), "too much"),
    ]
}

pub(super) fn endless_chunk(begin: &[u8], filler: u8, length: usize) -> Vec<u8> {
    [format!("{:x}\r\n", begin.len() + length).into_bytes(), begin.to_vec(), vec![filler; length]].concat()
}

#[tokio::test(start_paused = true)]
async fn whatever_a_hostile_engine_does_ends_in_an_error_in_time() {
    for (name, does, expected) in hostilities() {
        let mut engine = opened(vec![does]).await;
        let answer = timeout(Duration::from_secs(60), engine.containers()).await;
        let error = answer.unwrap_or_else(|_| panic!("{name}: no end")).unwrap_err();
        assert!(error.to_string().contains(expected), "{name}: {error}");
        assert!(!error.remedy().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_drips_is_given_up() {
    let (ours, mut theirs) = tokio::io::duplex(4096);
    tokio::spawn(async move {
        assert!(theirs.read(&mut [0; 1000]).await.unwrap() > 0);
        let head = head("Content-Length: 1000000\r\n");
        let bytes = head.into_iter().chain(std::iter::repeat(b' '));
        for byte in bytes {
            tokio::time::sleep(Duration::from_millis(900)).await;
            if theirs.write_all(&[byte]).await.is_err() {
                return;
            }
        }
    });
    let begun = tokio::time::Instant::now();
    assert!(matches!(Engine::open(ours).await, Err(Error::Slow { .. })));
    assert!(begun.elapsed() <= Duration::from_secs(40));
}

#[tokio::test(start_paused = true)]
async fn garbage_among_events_costs_the_stream() {
    for garbage in [vec![b'x'; 100], [b"{\"a\":\"".to_vec(), vec![b'a'; 1 << 20]].concat()] {
        let chunk = [format!("{:x}\r\n", garbage.len()).into_bytes(), garbage].concat();
        let mut events = subscribed(vec![head("Transfer-Encoding: chunked\r\n"), chunk]).await.unwrap();
        let end = timeout(Duration::from_secs(60), events.next()).await.unwrap();
        assert!(end.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_list_is_read_whole() {
    let element = |n: usize| format!(r#"{{"Id":"{n:064x}","Names":["/n{n}"],"Labels":{{"a":"{}"}}}}"#, "x".repeat(500));
    let list = format!("[{}]", (0..2000).map(element).collect::<Vec<_>>().join(","));
    let found = opened(vec![json(&list)]).await.containers().await.unwrap();
    assert_eq!((found.list.len(), found.beyond_limit, found.unreadable), (2000, 0, 0));
}
