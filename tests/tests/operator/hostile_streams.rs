//! Engines that mean harm: what they send is refused or shown harmless, in bounded memory and time.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use lab::guests::{Misbehaviour, Vm};

use crate::lab::{Lab, MEMORY_BOUND_KIB, Piped, drain, peak_memory_kib, said};

const VERSION: &str = r#"{"Version":"28.0.0","ApiVersion":"1.48"}"#;
const ID: &str = "6f1c000000000000";

/// Reads a request and its body; its path without the version.
fn request(stream: &mut UnixStream) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    io::copy(&mut stream.take(length.unwrap_or(0)), &mut io::sink())?;
    let path = head.split(' ').nth(1).unwrap_or_default();
    Ok(Some(path.strip_prefix("/v1.48").unwrap_or(path).to_owned()))
}

fn json(stream: &mut UnixStream, body: &str) -> io::Result<()> {
    let length = body.len();
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// A guest whose engine is a plain one until a stream is asked for.
fn hostile(
    lab: &Lab,
    tty: bool,
    streams: impl Fn(&mut UnixStream, &str) -> io::Result<()> + Send + Sync + 'static,
) -> Vm {
    let guest = lab.network.vm("bad").ssh().engine_by(move |stream| {
        while let Some(path) = request(stream)? {
            match path.as_str() {
                "/_ping" | "/version" => json(stream, VERSION)?,
                path if path.contains("/resize") => json(stream, "{}")?,
                "/containers/c/json" => json(
                    stream,
                    &format!(r#"{{"Id":"{ID}","Config":{{"Tty":{tty},"OpenStdin":true}},"State":{{"Running":true}}}}"#),
                )?,
                "/containers/c/exec" => json(stream, &format!(r#"{{"Id":"{ID}"}}"#))?,
                path => return streams(stream, path),
            }
        }
        Ok(())
    });
    let guest = lab.prepared(guest);
    lab.register(&guest);
    guest
}

const BEGUN: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
const UPGRADED: &[u8] = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";

#[test]
fn wrong_frames_are_refused() {
    let lab = Lab::new();
    let _guest = hostile(&lab, false, |stream, path| {
        stream.write_all(if path.contains("/logs") { BEGUN } else { UPGRADED })?;
        stream.write_all(b"\x01\0\0\0\0\0\0\x05first\x1b[2Jwhat")
    });
    for (command, arguments, wanted) in
        [("logs", &["bad/c"][..], 4), ("attach", &["bad/c"], 4), ("exec", &["bad/c", "true"], 125)]
    {
        let (stdout, stderr, code) = said(&lab.output(command, arguments));
        assert_eq!((&*stdout, code), ("first", Some(wanted)), "{command}: {stderr}");
        assert!(stderr.contains("is not a container engine") && stderr.contains("0x1b"), "{command}: {stderr}");
    }
}

#[test]
fn a_stream_that_ends_in_the_middle_of_a_frame_is_told() {
    let lab = Lab::new();
    let _guest = hostile(&lab, false, |stream, _| {
        stream.write_all(BEGUN)?;
        stream.write_all(b"\x01\0\0\0\0\0\0\x09first")
    });
    let (stdout, stderr, code) = said(&lab.output("logs", &["bad/c"]));
    assert_eq!((&*stdout, code), ("first", Some(4)), "{stderr}");
    assert!(stderr.contains("in the middle of what the container printed"), "{stderr}");
}

#[test]
fn a_frame_of_four_gigabytes_is_passed_on_as_it_comes() {
    let lab = Lab::new();
    let _guest = hostile(&lab, false, |stream, path| {
        stream.write_all(if path.contains("/logs") { BEGUN } else { UPGRADED })?;
        stream.write_all(b"\x01\0\0\0\xff\xff\xff\xff")?;
        (0..640).try_for_each(|_| stream.write_all(&[b'x'; 100_000]))
    });
    for (command, arguments) in [("logs", &["bad/c"][..]), ("exec", &["bad/c", "true"])] {
        let (printed, peak, _) = drain(&mut lab.command(command, arguments));
        assert_eq!(printed.len(), 64_000_000, "{command}");
        assert!(peak < MEMORY_BOUND_KIB, "{command}: {peak} KiB");
    }
}

#[test]
fn a_flood_that_nobody_reads_stays_in_the_guest() {
    let lab = Lab::new();
    let _guest = hostile(&lab, true, |stream, path| {
        stream.write_all(if path.contains("/logs") { BEGUN } else { UPGRADED })?;
        loop {
            stream.write_all(&[b'x'; 100_000])?;
        }
    });
    let mut flooded = Piped::start(lab.command("logs", &["-f", "bad/c"]));
    flooded.read_until("x");
    // Nobody reads on: what it holds must stay the same.
    std::thread::sleep(Duration::from_secs(2));
    let peak = peak_memory_kib(flooded.child.id()).unwrap();
    assert!(peak < MEMORY_BOUND_KIB, "{peak} KiB");
    flooded.child.kill().unwrap();
    flooded.child.wait().unwrap();
}

#[test]
fn headers_without_an_end_and_answers_that_are_none_are_refused() {
    for misbehaviour in [
        Misbehaviour::EndlessHeaders,
        Misbehaviour::EndlessHeader,
        Misbehaviour::NotHttp,
        Misbehaviour::Status(500),
        Misbehaviour::Redirect,
        Misbehaviour::EndlessInterimReplies,
    ] {
        let lab = Lab::new();
        let guest = lab.prepared(lab.network.vm("bad").ssh().hostile_at(misbehaviour, "/containers/plain/"));
        lab.register(&guest);
        for (command, arguments) in
            [("logs", &["bad/plain"][..]), ("attach", &["bad/plain"]), ("exec", &["bad/plain", "true"])]
        {
            let output = Piped::start(lab.command(command, arguments)).finish_within(Duration::from_secs(45));
            let (stdout, stderr, code) = said(&output);
            assert!(matches!(code, Some(1 | 4 | 125)), "{misbehaviour:?} {command}: {code:?} {stderr}");
            assert!(stdout.is_empty() && stderr.len() < 2000, "{misbehaviour:?} {command}: {stderr}");
            assert!(!stderr.contains(['\u{1b}', '\u{202e}']), "{misbehaviour:?} {command}: {stderr}");
        }
    }
}

#[test]
fn an_id_that_means_something_in_a_path_is_not_used() {
    let lab = Lab::new();
    let guest = lab.network.vm("bad").ssh().engine_by(|stream| {
        while let Some(path) = request(stream)? {
            match path.as_str() {
                "/version" => json(stream, VERSION)?,
                "/containers/c/exec" => json(stream, r#"{"Id":"../containers/c/kill?x="}"#)?,
                _ => json(stream, r#"{"Id":"../containers/c/kill?x="}"#)?,
            }
        }
        Ok(())
    });
    let guest = lab.prepared(guest);
    lab.register(&guest);
    for (command, arguments) in [("exec", &["bad/c", "true"][..]), ("logs", &["bad/c"])] {
        let (_, stderr, _) = said(&lab.output(command, arguments));
        assert!(stderr.contains("no usable Id"), "{command}: {stderr}");
    }
}
