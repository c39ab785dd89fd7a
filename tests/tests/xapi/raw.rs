//! A client of bytes: requests as literal text, replies as they come. Knows nothing of XML-RPC.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use lab::xapi::{Config, Xapi};

/// Longer than anything here takes; a test that reaches it has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A simulator on a socket in a directory that lives as long as it.
pub(crate) struct Lab {
    pub(crate) xapi: Xapi,
    _directory: tempfile::TempDir,
}

impl Lab {
    pub(crate) fn start() -> Self {
        Self::start_with(|config| config)
    }

    pub(crate) fn start_with(configure: impl FnOnce(Config) -> Config) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let xapi = Xapi::start(configure(Config::at(&directory.path().join("xapi")))).unwrap();
        Self { xapi, _directory: directory }
    }

    /// What the simulator sends until it ends the connection.
    pub(crate) fn exchange(&self, request: &[u8]) -> Vec<u8> {
        exchange(self.xapi.socket(), request)
    }

    /// The body of the reply to an XML-RPC call whose parameters are given as XML.
    pub(crate) fn call(&self, method: &str, params: &str) -> String {
        let params = params.trim();
        self.post("/", &format!("<methodCall><methodName>{method}</methodName><params>{params}</params></methodCall>"))
    }

    /// The body of the reply to a POST.
    pub(crate) fn post(&self, path: &str, body: &str) -> String {
        let reply = String::from_utf8(self.exchange(post(path, body).as_bytes())).unwrap();
        reply.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {reply:?}")).1.to_owned()
    }

    /// The reference of a new session.
    pub(crate) fn login(&self, originator: &str) -> String {
        let params = format!("{}{}{}{}", text("root"), text(""), text("1.0"), text(originator));
        value(&self.call("session.login_with_password", &params)).to_owned()
    }
}

/// An HTTP/1.0 request, after which the connection ends.
pub(crate) fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A string parameter.
pub(crate) fn text(text: &str) -> String {
    format!("<param><value><string>{text}</string></value></param>")
}

/// A record as a parameter; values are the content of `<value>`.
pub(crate) fn record(members: &[(&str, &str)]) -> String {
    let members = members.iter();
    let members: String =
        members.map(|(name, value)| format!("<member><name>{name}</name><value>{value}</value></member>")).collect();
    format!("<param><value><struct>{members}</struct></value></param>")
}

/// What stands in a successful reply's `Value`.
pub(crate) fn value(body: &str) -> &str {
    body.strip_prefix("<?xml version=\"1.0\"?><methodResponse><params><param><value><struct><member><name>Status</name><value>Success</value></member><member><name>Value</name><value>")
        .and_then(|rest| rest.strip_suffix("</value></member></struct></value></param></params></methodResponse>"))
        .unwrap_or_else(|| panic!("no success: {body}"))
}

/// The failed reply with this code and these parameters.
pub(crate) fn failure(description: &[&str]) -> String {
    let items: String = description.iter().map(|item| format!("<value>{item}</value>")).collect();
    format!(
        "<?xml version=\"1.0\"?><methodResponse><params><param><value><struct><member><name>Status</name><value>Failure</value></member><member><name>ErrorDescription</name><value><array><data>{items}</data></array></value></member></struct></value></param></params></methodResponse>"
    )
}

/// What the simulator sends on a socket until it ends the connection.
pub(crate) fn exchange(socket: &Path, request: &[u8]) -> Vec<u8> {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(request);
    let mut reply = Vec::new();
    match stream.read_to_end(&mut reply) {
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => panic!("{error} after {reply:?}"),
        _ => reply,
    }
}
