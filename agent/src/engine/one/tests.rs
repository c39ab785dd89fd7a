//! Engines that are asked for something about one container, played by a script.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep, timeout};

use super::super::tests::{Does, VERSION, endless_chunk, engine, head, json, opened};
use super::*;

fn web() -> ContainerName {
    ContainerName::parse("Web_1").unwrap()
}

fn says(status: &str, body: &str) -> Does {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    Does::Sends(vec![format!("HTTP/1.1 {status}\r\n{length}\r\n{body}").into_bytes()])
}

#[tokio::test(start_paused = true)]
async fn every_request_names_the_container_and_the_engines_version() {
    let done = || says("204 No Content", "");
    let script = [vec![json(VERSION)], vec![json(""); 5], vec![json("{}"), json("{}")]].concat();
    let (stream, seen) = engine(script);
    let mut engine = Engine::open(stream).await.unwrap();
    for action in Action::ALL {
        engine.act(&web(), action).await.unwrap();
    }
    engine.inspect(&web()).await.unwrap();
    engine.top(&web()).await.unwrap();
    let expected = [
        "GET /version HTTP/1.1",
        "POST /v1.41/containers/Web_1/start HTTP/1.1",
        "POST /v1.41/containers/Web_1/stop HTTP/1.1",
        "POST /v1.41/containers/Web_1/restart HTTP/1.1",
        "POST /v1.41/containers/Web_1/pause HTTP/1.1",
        "POST /v1.41/containers/Web_1/unpause HTTP/1.1",
        "GET /v1.41/containers/Web_1/json HTTP/1.1",
        "GET /v1.41/containers/Web_1/top HTTP/1.1",
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
    opened(vec![done()]).await.act(&web(), Action::Stop).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_action_is_sent_with_an_empty_body_of_a_known_length() {
    let (ours, mut theirs) = tokio::io::duplex(4096);
    let request = tokio::spawn(async move {
        let mut requests = Vec::new();
        for answer in [format!("{}{VERSION}", version_head()), "HTTP/1.1 204 No Content\r\n\r\n".to_owned()] {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(theirs.read_u8().await.unwrap());
            }
            requests.push(String::from_utf8(request).unwrap().to_lowercase());
            theirs.write_all(answer.as_bytes()).await.unwrap();
        }
        requests.remove(1)
    });
    Engine::open(ours).await.unwrap().act(&web(), Action::Start).await.unwrap();
    let request = request.await.unwrap();
    assert!(request.contains("\r\ncontent-length: 0\r\n") && !request.contains("transfer-encoding"), "{request}");
}

fn version_head() -> String {
    String::from_utf8(head(&format!("Content-Length: {}\r\n", VERSION.len()))).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_in_the_engines_words() {
    for (status, body, expected) in [
        ("304 Not Modified", "", "304: \"the container runs already\""),
        ("404 Not Found", r#"{"message":"No such container: Web_1"}"#, "404: \"No such container: Web_1\""),
        (
            "409 Conflict",
            r#"{"message":"cannot start a paused container"}"#,
            "409: \"cannot start a paused container\"",
        ),
        (
            "500 Internal Server Error",
            r#"{"cause":"x","message":"container state improper"}"#,
            "500: \"container state improper\"",
        ),
        ("500 Internal Server Error", "oci runtime error: \u{1b}[2J\n", r#"500: "oci runtime error: \u{1b}[2J""#),
        ("302 Found", "x", "302: \"x\""),
    ] {
        let error = opened(vec![says(status, body)]).await.act(&web(), Action::Start).await.unwrap_err();
        let told = format!("the engine answered the request to start the container with HTTP status {expected}");
        assert_eq!(error.to_string(), told);
        assert!(!error.remedy().is_empty());
    }
    let error = opened(vec![says("304 Not Modified", "")]).await.act(&web(), Action::Stop).await.unwrap_err();
    assert!(error.to_string().ends_with("304: \"the container does not run\""), "{error}");
    // A document that comes with another status than 200 is none.
    let error = opened(vec![says("204 No Content", "")]).await.inspect(&web()).await.unwrap_err();
    assert!(matches!(error, Error::Status { status: 204, .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn podmans_silence_about_processes_means_that_there_are_none() {
    let error = opened(vec![json("\n")]).await.top(&web()).await.unwrap_err();
    assert!(matches!(error, Error::Status { status: 200, .. }), "{error}");
    assert!(error.to_string().contains("does not run, or is paused"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_is_done_is_done_whatever_follows() {
    for body in [vec![b'x'; 10 << 20], b"{\"half\":".to_vec()] {
        let head = head("Content-Length: 999999999\r\n");
        let mut engine = opened(vec![Does::Sends(vec![head, body])]).await;
        timeout(Duration::from_secs(60), engine.act(&web(), Action::Stop)).await.unwrap().unwrap();
    }
}

/// An engine that begins its answer after a while.
async fn slow(after: Duration, answer: String) -> Engine {
    let (ours, mut theirs) = tokio::io::duplex(4096);
    tokio::spawn(async move {
        let mut buffer = [0; 1000];
        assert!(theirs.read(&mut buffer).await.unwrap() > 0);
        theirs.write_all(format!("{}{VERSION}", version_head()).as_bytes()).await.unwrap();
        assert!(theirs.read(&mut buffer).await.unwrap() > 0);
        sleep(after).await;
        let _ = theirs.write_all(answer.as_bytes()).await;
        std::future::pending::<()>().await;
    });
    Engine::open(ours).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_action_may_take_as_long_as_a_container_needs_to_end() {
    let done = "HTTP/1.1 204 No Content\r\n\r\n".to_owned();
    let second = Duration::from_secs(1);
    slow(ACTION_LIMIT - second, done.clone()).await.act(&web(), Action::Stop).await.unwrap();
    let begun = Instant::now();
    let error = slow(ACTION_LIMIT + second, done).await.act(&web(), Action::Stop).await.unwrap_err();
    assert_eq!(error.to_string(), "the engine did not answer the request to stop the container within 120 s");
    assert!(begun.elapsed() < ACTION_LIMIT + second);
}

#[tokio::test(start_paused = true)]
async fn a_document_has_its_time_as_a_whole() {
    let answer = |body: &str| format!("{}{body}", String::from_utf8(head("Content-Length: 8\r\n")).unwrap());
    let late = DOCUMENT_LIMIT - Duration::from_secs(1);
    assert_eq!(slow(late, answer("{\"a\": 1}")).await.top(&web()).await.unwrap(), "{\"a\": 1}");
    let begun = Instant::now();
    let error = slow(late, answer("{\"a\"")).await.inspect(&web()).await.unwrap_err();
    assert!(matches!(error, Error::Slow { what: INSPECT, limit: DOCUMENT_LIMIT }), "{error}");
    assert!(begun.elapsed() <= DOCUMENT_LIMIT);
}

#[tokio::test(start_paused = true)]
async fn a_document_is_the_engines_own_text() {
    let text = r#"{"b":1.50e+3,"a":18446744073709551616,"a":"\u00e9\ud800","c":{"d":[]}}"#;
    assert_eq!(opened(vec![json(&format!(" {text}\n"))]).await.inspect(&web()).await.unwrap(), text);
    let bytes = [head("Content-Length: 9\r\n"), b"{\"a\":\"\xff\"}".to_vec()].concat();
    let text = opened(vec![Does::Sends(vec![bytes])]).await.top(&web()).await.unwrap();
    assert_eq!(text, "{\"a\":\"\u{fffd}\"}");
}

#[tokio::test(start_paused = true)]
async fn a_document_is_bounded() {
    let long = |length: usize| json(&format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8)));
    assert_eq!(opened(vec![long(MAX_TOP)]).await.top(&web()).await.unwrap().len(), MAX_TOP);
    assert_eq!(opened(vec![long(MAX_INSPECT)]).await.inspect(&web()).await.unwrap().len(), MAX_INSPECT);
    for does in [long(MAX_TOP + 1), json(&format!("{{\"a\":{}}}", "[".repeat(1000)))] {
        let error = opened(vec![does]).await.top(&web()).await.unwrap_err();
        assert!(matches!(error, Error::TooMuch { .. }), "{error}");
        assert!(error.remedy().contains("docker top"));
    }
    let invalid = [b"{\"a\":\"".to_vec(), vec![0xff; MAX_TOP - 8], b"\"}".to_vec()].concat();
    let head = head(&format!("Content-Length: {}\r\n", invalid.len()));
    let error = opened(vec![Does::Sends(vec![head, invalid])]).await.top(&web()).await.unwrap_err();
    assert!(matches!(error, Error::TooMuch { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn whatever_a_hostile_engine_does_ends_in_an_error_in_time() {
    let chunked = head("Transfer-Encoding: chunked\r\n");
    for (name, does, expected) in [
        ("never answers", Does::Sends(vec![]), "did not answer"),
        ("closes at once", Does::Closes, "closed the connection"),
        ("endless headers", Does::Repeats(b"X-Filler: aaaaaaaaaaaaaaaaaaaaa\r\n".to_vec()), "not a container engine"),
        ("stops in the body", Does::Sends(vec![head("Content-Length: 99\r\n"), b"{".to_vec()]), "did not answer"),
        ("ten megabytes", Does::Sends(vec![chunked, endless_chunk(b"{\"a\":\"", b'a', 10 << 20)]), "too much"),
        ("nothing", json(""), "not a container engine"),
        ("a list", json("[]"), "not a container engine"),
        ("a text", json("\"{}\""), "not a container engine"),
        ("two objects", json("{}{}"), "not a container engine"),
        ("an object and more", json("{} x"), "not a container engine"),
        ("no JSON in brackets", json("{a:1}"), "not a container engine"),
        ("a control character", json("{\"a\":\"\u{1b}\"}"), "not a container engine"),
        ("half an object", json("{\"a\":1"), "closed the connection"),
        ("not found", says("404 Not Found", "{}"), "status 404"),
    ] {
        let mut engine = opened(vec![does]).await;
        let answer = timeout(Duration::from_secs(60), engine.inspect(&web())).await;
        let error = answer.unwrap_or_else(|_| panic!("{name}: no end")).unwrap_err();
        assert!(error.to_string().contains(expected), "{name}: {error}");
        assert!(!error.remedy().is_empty());
    }
}
