//! What a test sets up beyond single objects: storage, further hosts, plugin programs, faults by number.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, MutexGuard, PoisonError},
};

use super::{
    Xapi,
    dispatch::{Endpoint, Origin, dispatch},
    faults::Fault,
    server::Server,
    sessions,
    state::Shared,
    storage,
    value::{Failure, Ref, Value},
    xmlrpc::Call,
};

/// The socket of a host.
pub(super) struct HostSocket {
    host: Ref,
    path: PathBuf,
    /// None while the simulator is stopped.
    server: Option<Server>,
}

impl HostSocket {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn server(&self) -> Option<&Server> {
        self.server.as_ref()
    }

    pub(super) fn stop(&mut self) {
        self.server = None;
    }

    pub(super) fn serve(&mut self, shared: &Arc<Shared>) -> io::Result<()> {
        self.server = Some(Server::start(shared.clone(), Some(self.host.clone()), &self.path, None)?);
        Ok(())
    }
}

impl Xapi {
    /// Makes an SR that is attached to these hosts, and not for the others of the pool. It has no limit until its field
    /// `physical_size` is set.
    ///
    /// # Panics
    /// If the schema lacks a field of it.
    pub fn add_sr(&self, name: &str, hosts: &[&Ref]) -> Ref {
        let made = || -> Result<Ref, Failure> {
            let shared = Value::from(hosts.len() > 1);
            let fields = [("name_label", name.into()), ("type", "ext".into()), ("content_type", "user".into())];
            let sr = self.add("SR", fields.into_iter().chain([("shared", shared)]))?;
            for &host in hosts {
                self.add("PBD", [("SR", (&sr).into()), ("host", host.into()), ("currently_attached", true.into())])?;
            }
            Ok(sr)
        };
        made().unwrap_or_else(|failure| panic!("the schema has no SR with PBDs: {failure}"))
    }

    /// Everything on a VDI, zeros where nothing was written; nothing for what is no VDI.
    #[must_use]
    pub fn disk(&self, vdi: &Ref) -> Vec<u8> {
        self.look(|state| storage::content(state, vdi.as_str()))
    }

    /// Writes to a VDI from its beginning; what does not fit is left out.
    pub fn set_disk(&self, vdi: &Ref, content: &[u8]) {
        self.shared.change(|state| {
            let size = storage::content(state, vdi.as_str()).len();
            storage::write(state, vdi.as_str(), content[..content.len().min(size)].to_vec());
        });
    }

    /// Serves a further unix socket, on which a client is on `host`: the same database, other reachable SRs. It stops
    /// and restarts with the simulator; that of [`Xapi::socket`] remains the coordinator's.
    ///
    /// # Errors
    /// When there is no such host or the socket cannot be bound; its path is a little longer than the coordinator's.
    pub fn serve_host(&self, host: &Ref) -> io::Result<PathBuf> {
        if !self.look(|state| state.class(host).is_ok_and(|class| class.name == "host")) {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no host {host}")));
        }
        let mut sockets = self.host_sockets();
        if let Some(present) = sockets.iter().find(|socket| socket.host == *host) {
            return Ok(present.path.clone());
        }
        let mut path = self.socket.clone().into_os_string();
        path.push(format!(".{}", sockets.len() + 2));
        let mut socket = HostSocket { host: host.clone(), path: path.into(), server: None };
        socket.serve(&self.shared)?;
        let path = socket.path.clone();
        sockets.push(socket);
        Ok(path)
    }

    pub(super) fn host_sockets(&self) -> MutexGuard<'_, Vec<HostSocket>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets `host.call_plugin` on `host` run `program` for the plugin `name`, as xapi runs the files in
    /// `/etc/xapi.d/plugins`. It goes before what [`Xapi::set_plugin`] lets answer.
    pub fn install_plugin(&self, host: &Ref, name: &str, program: &Path) {
        // Plugins run in another folder; without a present folder the path is as good as it gets.
        let program = std::path::absolute(program).unwrap_or_else(|_| program.to_owned());
        self.shared.change(|state| state.programs.insert((host.0.clone(), name.to_owned()), program));
    }

    /// What `host.call_plugin` gives to a client that calls it in a session of its own on the coordinator.
    ///
    /// # Errors
    /// The API's failure.
    ///
    /// # Panics
    /// If the system gives no more resources.
    pub fn call_plugin(
        &self,
        host: &Ref,
        name: &str,
        function: &str,
        arguments: &[(&str, &str)],
    ) -> Result<String, Failure> {
        let coordinator = self.host();
        let session = self.shared.change(|state| sessions::open(&mut state.database, &coordinator, "root", "lab"))?;
        let arguments = Value::map(arguments.iter().copied());
        let params = [Value::from(&session), host.into(), name.into(), function.into(), arguments];
        let call = Call { name: "host.call_plugin".to_owned(), params: params.to_vec() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
        let endpoint = Endpoint { origin: Origin::Unix, host: None };
        let result = runtime.block_on(dispatch(&self.shared, &endpoint, &call));
        self.shared.change(|state| sessions::close(&mut state.database, session.as_str()))?;
        Ok(result?.text().unwrap_or_default().to_owned())
    }

    /// Lets nothing be forwarded to `host` any more: `HOST_OFFLINE`. Its own socket goes on.
    pub fn set_offline(&self, host: &Ref) {
        self.shared.change(|state| state.offline.insert(host.0.clone()));
    }

    /// Lets the clock of `host` be so many seconds ahead of the real time, or behind: `host.get_servertime`.
    pub fn set_clock(&self, host: &Ref, seconds: i64) {
        self.shared.change(|state| state.clocks.insert(host.0.clone(), seconds));
    }

    /// Ends what [`Xapi::set_offline`] did.
    pub fn set_online(&self, host: &Ref) {
        self.shared.change(|state| state.offline.remove(host.as_str()));
    }

    /// Counts every request from now on, calls and disks alike, from 1. Faults that wait for a number are forgotten.
    pub fn count_from_now(&self) {
        self.shared.change(|state| state.faults.count_from_now());
    }

    /// The requests since [`Xapi::count_from_now`]: methods by their dotted names, `PUT /import_raw_vdi` and
    /// `GET /export_raw_vdi`.
    #[must_use]
    pub fn counted(&self) -> Vec<String> {
        self.look(|state| state.faults.counted().to_vec())
    }

    /// Lets `fault` happen to the request that will be counted as number `n`, from 1.
    pub fn fault_at(&self, n: usize, fault: Fault) {
        self.shared.change(|state| state.faults.add_at(n, fault));
    }
}
