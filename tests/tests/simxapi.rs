//! The program `simxapi`: starts, says where it listens, serves its database, ends on SIGTERM.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
    time::Duration,
};

#[test]
fn it_serves_its_database_until_sigterm() {
    let directory = tempfile::tempdir().unwrap();
    let (socket, database) = (directory.path().join("xapi"), directory.path().join("database.json"));
    std::fs::write(&database, r#"{"VM": [{"ref": "OpaqueRef:web", "name_label": "web", "resident_on": "@host"}]}"#)
        .unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_simxapi"))
        .args(["--listen", "127.0.0.1:0", "--socket"])
        .arg(&socket)
        .arg("--database")
        .arg(&database)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), format!("unix {}", socket.display()));
    let http = lines.next().unwrap().unwrap();

    let address = http.strip_prefix("http ").unwrap();
    let login = r#"{"id":1,"method":"session.login_with_password","params":["anyone","any"]}"#;
    let session = post(address, login);
    let session = session.split('"').find(|piece| piece.starts_with("OpaqueRef:")).unwrap().to_owned();
    let find = format!(r#"{{"id":1,"method":"VM.get_by_name_label","params":["{session}","web"]}}"#);
    assert_eq!(post(address, &find), r#"{"error":null,"id":1,"result":["OpaqueRef:web"]}"#);
    let hosts = format!(r#"{{"id":1,"method":"pool.get_all","params":["{session}"]}}"#);
    assert!(post(address, &hosts).contains(r#""result":["OpaqueRef:"#));

    let kill = format!("kill -TERM {}", program.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    assert_eq!(program.wait().unwrap().code(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn a_wrong_database_is_told_with_its_fault() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("database.json");
    std::fs::write(&database, r#"{"VM": [{"colour": "red"}]}"#).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_simxapi"))
        .arg("--socket")
        .arg(directory.path().join("xapi"))
        .arg("--database")
        .arg(&database)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.starts_with("simxapi: VM[0] in the database description"), "{message}");
}

#[test]
fn help_documents_every_option() {
    let output = Command::new(env!("CARGO_BIN_EXE_simxapi")).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for part in ["--socket", "--listen", "--database", "--password", "DATABASE FILES", "EXIT STATUS", "SIGTERM"] {
        assert!(help.contains(part), "{part} is missing in {help}");
    }
}

/// The body of the reply to a JSON-RPC call.
#[expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
fn post(address: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "POST /jsonrpc HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply.split_once("\r\n\r\n").unwrap().1.to_owned()
}
