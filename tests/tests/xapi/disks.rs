//! The bytes of disks over HTTP: what the reply says, what the task says, and what is on the disk then.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
};

use super::raw::{DEADLINE, Lab, exchange, failure, text};
use lab::xapi::{Config, DISK_GRANULE, Failure, Fault, Ref, State, Value};

/// A pool of two hosts, an SR that only the first one sees, a disk on it and a task.
struct Disks {
    lab: Lab,
    sr: Ref,
    vdi: Ref,
    task: Ref,
}

impl Disks {
    fn start() -> Self {
        Self::start_with(|config| config)
    }

    fn start_with(configure: impl FnOnce(Config) -> Config) -> Self {
        let lab = Lab::start_with(configure);
        let sr = lab.xapi.add_sr("disks", &[&lab.xapi.host()]);
        let vdi = lab.xapi.add("VDI", [("SR", Value::from(&sr)), ("virtual_size", DISK_GRANULE.into())]).unwrap();
        let task = lab.xapi.add("task", []).unwrap();
        Self { lab, sr, vdi, task }
    }

    /// The request line of a transfer that reports to the task.
    fn line(&self, method: &str, path: &str, more: &str) -> String {
        format!("{method} {path}?vdi={}&task_id={}{more} HTTP/1.1\r\n", self.vdi, self.task)
    }

    fn put(&self, headers: &str, body: &[u8]) -> String {
        let head = format!("{}{headers}\r\n", self.line("PUT", "/import_raw_vdi", ""));
        String::from_utf8(self.lab.exchange(&[head.as_bytes(), body].concat())).unwrap()
    }

    fn get(&self) -> Vec<u8> {
        self.lab.exchange(format!("{}\r\n", self.line("GET", "/export_raw_vdi/", "&format=raw")).as_bytes())
    }

    /// Status, result and error of the task.
    fn outcome(&self) -> (String, String, Vec<String>) {
        outcome(&self.lab, &self.task)
    }

    fn uuid(&self) -> String {
        self.lab.xapi.get(&self.vdi, "uuid").unwrap().text().unwrap().to_owned()
    }

    /// Attaches the disk to a VM as that would be at its start.
    fn attach(&self, mode: &str) -> Ref {
        let fields = [("VDI", Value::from(&self.vdi)), ("mode", mode.into()), ("currently_attached", true.into())];
        self.lab.xapi.add("VBD", fields).unwrap()
    }
}

fn outcome(lab: &Lab, task: &Ref) -> (String, String, Vec<String>) {
    let words = |value: Value| value.items().iter().map(|item| item.text().unwrap().to_owned()).collect();
    let text = |field: &str| lab.xapi.get(task, field).unwrap().text().unwrap().to_owned();
    (text("status"), text("result"), words(lab.xapi.get(task, "error_info").unwrap()))
}

fn success(result: &str) -> (String, String, Vec<String>) {
    ("success".into(), result.into(), Vec::new())
}

fn failed(error: &[&str]) -> (String, String, Vec<String>) {
    ("failure".into(), String::new(), error.iter().map(|&word| word.to_owned()).collect())
}

fn pending() -> (String, String, Vec<String>) {
    ("pending".into(), String::new(), Vec::new())
}

const BROKEN: [&str; 2] = ["VDI_IO_ERROR", "Device I/O errors"];

#[test]
fn what_is_imported_comes_out_again() {
    let disks = Disks::start();
    let reply = disks.put("Content-Length: 5\r\n", b"he\0lo");
    let expected = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncache-control: no-cache, no-store\r\ntask-id: {}\r\n\
         content-type: application/octet-stream\r\n\r\n",
        disks.task
    );
    assert_eq!(reply, expected);
    assert_eq!(disks.outcome(), success(&format!("<value>{}</value>", disks.vdi)));
    let mut content = vec![0; usize::try_from(DISK_GRANULE).unwrap()];
    content[..5].copy_from_slice(b"he\0lo");
    assert_eq!(disks.lab.xapi.disk(&disks.vdi), content);

    let task = disks.lab.xapi.add("task", []).unwrap();
    let disks = Disks { task, ..disks };
    let reply = disks.get();
    let end = reply.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(reply[..end].to_vec()).unwrap();
    let name = format!("content-disposition: attachment; filename=\"{}.raw\"\r\n", disks.uuid());
    assert!(head.contains(&name) && !head.to_lowercase().contains("content-length"), "{head}");
    assert_eq!(reply[end..], content);
    assert_eq!(disks.outcome(), success(""));
    // Nothing is attached any more.
    assert!(disks.lab.xapi.look(|state| state.database.refs("VBD")).is_empty());
}

#[test]
fn a_second_import_leaves_what_it_does_not_reach() {
    let disks = Disks::start();
    disks.lab.xapi.set_disk(&disks.vdi, b"abcdef");
    disks.put("Content-Length: 3\r\n", b"xyz");
    assert_eq!(disks.lab.xapi.disk(&disks.vdi)[..7], *b"xyzdef\0");
}

#[test]
fn the_reply_begins_before_the_body_and_the_disk_is_in_use_meanwhile() {
    let disks = Disks::start();
    let mut stream = UnixStream::connect(disks.lab.xapi.socket()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let head = format!("{}Content-Length: 3\r\n\r\n", disks.line("PUT", "/import_raw_vdi/", ""));
    stream.write_all(head.as_bytes()).unwrap();
    let mut status = [0; 15];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200 OK");
    let attached = |state: &State| (!state.database.refs("VBD").is_empty()).then_some(());
    disks.lab.xapi.block_until("the disk is attached", DEADLINE, attached).unwrap();
    assert_eq!(disks.outcome(), pending());
    let session = text(&disks.lab.login("test"));
    let destroy = || disks.lab.call("VDI.destroy", &format!("{session}{}", text(disks.vdi.as_str())));
    assert_eq!(destroy(), failure(&["VDI_IN_USE", disks.vdi.as_str(), "destroy"]));
    stream.write_all(b"abc").unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert_eq!(disks.outcome().0, "success");
    assert!(destroy().contains("Success"));
}

#[test]
fn an_import_that_is_cut_short_or_too_long_fails_its_task_alone() {
    let size = usize::try_from(DISK_GRANULE).unwrap();
    for (headers, body, outcome) in [
        // The client's last word is that it writes no more.
        ("Content-Length: 9\r\n", vec![b'a'; 4], failed(&BROKEN)),
        ("", vec![b'a'; size + 1], failed(&BROKEN)),
        ("Content-Length: 2097153\r\n", vec![b'a'; size + 1], failed(&BROKEN)),
        // The length that Xen Orchestra gives when it knows none.
        ("Content-Length: 1125899906842624\r\n", vec![b'a'; size], failed(&BROKEN)),
    ] {
        let disks = Disks::start();
        let mut stream = UnixStream::connect(disks.lab.xapi.socket()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let head = format!("{}{headers}\r\n", disks.line("PUT", "/import_raw_vdi", ""));
        stream.write_all(head.as_bytes()).unwrap();
        // The simulator may have had enough before the end.
        let _ = stream.write_all(&body);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        let ended = |state: &State| (state.get(&disks.task, "status") != Ok("pending".into())).then_some(());
        disks.lab.xapi.block_until("the task ends", DEADLINE, ended).unwrap();
        assert_eq!(disks.outcome(), outcome, "{headers}");
        assert_eq!(disks.lab.xapi.disk(&disks.vdi)[..4], *b"aaaa");
        assert!(disks.lab.xapi.look(|state| state.database.refs("VBD")).is_empty());
    }
}

#[test]
fn an_import_without_a_task_makes_one_and_names_it() {
    let disks = Disks::start();
    let request = format!("PUT /import_raw_vdi?vdi={} HTTP/1.0\r\nContent-Length: 1\r\n\r\na", disks.uuid());
    let reply = String::from_utf8(disks.lab.exchange(request.as_bytes())).unwrap();
    let task = reply.lines().find_map(|line| line.strip_prefix("task-id: ")).unwrap();
    assert_eq!(outcome(&disks.lab, &Ref(task.to_owned())).0, "success");
}

#[test]
fn an_import_into_an_sr_makes_the_disk() {
    let disks = Disks::start();
    let sr_uuid = disks.lab.xapi.get(&disks.sr, "uuid").unwrap();
    let sr_uuid = sr_uuid.text().unwrap();
    for sr in [format!("sr_id={}", disks.sr), format!("sr_uuid={sr_uuid}")] {
        let task = disks.lab.xapi.add("task", []).unwrap();
        let request = format!("PUT /import_raw_vdi?{sr}&task_id={task} HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc");
        disks.lab.exchange(request.as_bytes());
        let (status, result, _) = outcome(&disks.lab, &task);
        assert_eq!(status, "success");
        let vdi = result.strip_prefix("<value>").unwrap().strip_suffix("</value>").unwrap();
        let vdi = Ref(vdi.to_owned());
        assert_eq!(disks.lab.xapi.get(&vdi, "name_label"), Ok("Imported VDI".into()));
        assert_eq!(disks.lab.xapi.disk(&vdi)[..4], *b"abc\0");
    }
}

#[test]
fn what_cannot_be_done_is_refused() {
    let disks = Disks::start();
    let refused = |query: &str, headers: &str, status: &str, outcome: &(String, String, Vec<String>)| {
        let task = disks.lab.xapi.add("task", []).unwrap();
        let request = format!("PUT /import_raw_vdi?task_id={task}&{query} HTTP/1.1\r\n{headers}\r\n");
        let reply = String::from_utf8(disks.lab.exchange(request.as_bytes())).unwrap();
        assert!(reply.starts_with(&format!("HTTP/1.1 {status}")), "{query} {headers}: {reply}");
        assert_eq!(self::outcome(&disks.lab, &task), *outcome, "{query} {headers}");
    };
    let (vdi, sr) = (format!("vdi={}", disks.vdi), format!("sr_id={}", disks.sr));
    let internal = |reason: &str| failed(&["INTERNAL_ERROR", reason]);
    refused(&vdi, "Transfer-Encoding: chunked\r\n", "404", &internal("Cannot handle encoding: chunked"));
    refused(&format!("{vdi}&format=zip"), "", "404", &internal("Unknown format zip"));
    refused(&sr, "", "400", &internal("Not enough info supplied to import"));
    refused("", "", "400", &failed(&["VDI_MISSING"]));
    refused("sr_uuid=gone", "", "400", &failed(&["UUID_INVALID", "SR", "gone"]));
    refused("sr_id=gone", "", "400", &failed(&["NO_HOSTS_AVAILABLE"]));
    // Such a task is forgotten.
    refused("vdi=gone", "", "500", &pending());
    let reply = disks.lab.exchange(format!("PUT /import_raw_vdi?task_id=gone&{vdi} HTTP/1.1\r\n\r\n").as_bytes());
    assert!(reply.starts_with(b"HTTP/1.1 500"));
    assert!(disks.lab.exchange(b"PUT /import HTTP/1.1\r\n\r\n").starts_with(b"HTTP/1.1 404"));
}

#[test]
fn a_disk_that_a_vm_writes_to_can_be_neither_written_nor_read() {
    let disks = Disks::start();
    disks.attach("RW");
    assert!(disks.put("Content-Length: 1\r\n", b"a").starts_with("HTTP/1.1 200 OK"));
    let in_use = failed(&["VDI_IN_USE", disks.vdi.as_str()]);
    assert_eq!(disks.outcome(), in_use);
    let task = disks.lab.xapi.add("task", []).unwrap();
    let disks = Disks { task, ..disks };
    assert!(disks.get().starts_with(b"HTTP/1.1 500"));
    assert_eq!(disks.outcome(), in_use);
}

#[test]
fn a_disk_that_a_vm_reads_can_be_read() {
    let disks = Disks::start();
    disks.attach("RO");
    assert!(disks.get().starts_with(b"HTTP/1.1 200 OK"));
    assert_eq!(disks.outcome(), success(""));
}

#[test]
fn a_host_without_the_sr_names_one_that_has_it() {
    let disks = Disks::start();
    let second = disks.lab.xapi.new_host("host-2", "192.0.2.2").unwrap();
    let socket = disks.lab.xapi.serve_host(&second).unwrap();
    assert_eq!(disks.lab.xapi.serve_host(&second).unwrap(), socket);
    let line = disks.line("PUT", "/import_raw_vdi", "&format=raw");
    let reply = String::from_utf8(exchange(&socket, format!("{line}Content-Length: 0\r\n\r\n").as_bytes())).unwrap();
    let target = line.split(' ').nth(1).unwrap();
    assert!(reply.starts_with("HTTP/1.1 302 Found\r\n"), "{reply}");
    assert!(reply.contains(&format!("\r\nlocation: https://192.0.2.1{target}\r\n")), "{reply}");
    assert_eq!(disks.outcome(), pending());

    // The other way round, over an address of the other family.
    disks.lab.xapi.set(&second, "address", "2001:db8::2").unwrap();
    let sr = disks.lab.xapi.add_sr("second", &[&second]);
    disks.lab.xapi.set(&disks.vdi, "SR", &sr).unwrap();
    assert!(
        String::from_utf8(disks.get()).unwrap().contains("\r\nlocation: https://[2001:db8::2]/export_raw_vdi/?vdi=")
    );
    disks.lab.xapi.set_offline(&second);
    assert!(disks.get().starts_with(b"HTTP/1.1 400"));
    assert_eq!(disks.outcome(), failed(&["NO_HOSTS_AVAILABLE"]));
}

#[test]
fn a_session_of_a_hosts_socket_is_on_that_host_and_survives_nothing() {
    let mut disks = Disks::start();
    let second = disks.lab.xapi.new_host("host-2", "192.0.2.2").unwrap();
    let socket = disks.lab.xapi.serve_host(&second).unwrap();
    let login = "<methodCall><methodName>session.login_with_password</methodName><params><param><value>root</value>\
                 </param><param><value/></param></params></methodCall>";
    let login = super::raw::post("/", login);
    exchange(&socket, login.as_bytes());
    let session = disks.lab.xapi.look(|state| state.sessions("")[0].clone());
    assert_eq!(disks.lab.xapi.get(&session, "this_host"), Ok((&second).into()));
    disks.lab.xapi.stop();
    assert!(UnixStream::connect(&socket).is_err());
    disks.lab.xapi.restart().unwrap();
    exchange(&socket, login.as_bytes());
    assert_eq!(disks.lab.xapi.look(|state| state.sessions("").len()), 1);
}

#[test]
fn over_tcp_a_session_is_needed() {
    let disks = Disks::start_with(Config::with_tcp);
    let over_tcp = |request: String| {
        let mut stream = std::net::TcpStream::connect(disks.lab.xapi.address().unwrap()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply
    };
    let line = disks.line("PUT", "/import_raw_vdi", "");
    assert!(over_tcp(format!("{line}Content-Length: 0\r\n\r\n")).starts_with("HTTP/1.1 401 "));
    let session = disks.lab.login("test");
    let cookie = format!("{line}Cookie: a=b; session_id={session}\r\nContent-Length: 0\r\n\r\n");
    assert!(over_tcp(cookie).starts_with("HTTP/1.1 200 "));
    assert_eq!(disks.outcome().0, "success");
}

#[test]
fn transfers_are_counted_and_fail_on_demand() {
    let disks = Disks::start();
    disks.lab.xapi.count_from_now();
    disks.lab.xapi.fault_at(1, Fault::Eof);
    disks.lab.xapi.fault_at(3, Fault::Fails(Failure::new("SR_BACKEND_FAILURE_46", &["", "no", ""])));
    assert_eq!(disks.put("Content-Length: 1\r\n", b"a"), "");
    disks.lab.call("pool.get_all", "");
    assert!(disks.put("Content-Length: 1\r\n", b"a").starts_with("HTTP/1.1 200"));
    assert_eq!(disks.outcome(), failed(&["SR_BACKEND_FAILURE_46", "", "no", ""]));
    assert_eq!(disks.lab.xapi.disk(&disks.vdi)[0], 0);
    let task = disks.lab.xapi.add("task", []).unwrap();
    let disks = Disks { task, ..disks };
    disks.lab.xapi.fail_next_call("GET /export_raw_vdi", Fault::Truncated);
    assert!(disks.get().len() < usize::try_from(DISK_GRANULE).unwrap());
    assert_eq!(disks.outcome(), failed(&BROKEN));
    let names = ["PUT /import_raw_vdi", "pool.get_all", "PUT /import_raw_vdi", "GET /export_raw_vdi"];
    assert_eq!(disks.lab.xapi.counted(), names);
}
