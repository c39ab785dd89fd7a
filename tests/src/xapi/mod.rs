//! A simulated XAPI, the management API of XenServer and XCP-ng, good enough for real clients.
//!
//! Its rules come from xapi's published sources (xapi-project/xen-api, mirage/ocaml-rpc), never from what the agent does,
//! and it shares no code with the agent: it is the independent side of every test.
//!
//! ```
//! use lab::xapi::{Config, Xapi};
//!
//! let directory = tempfile::tempdir()?;
//! let xapi = Xapi::start(Config::at(&directory.path().join("xapi")))?;
//! let vm = xapi.add_vm("web", [])?;
//! xapi.set_entry(&vm, "other_config", "xscontainer-monitor", "True")?;
//! assert_eq!(xapi.look(|state| state.calls("VM.get_all_records")), 0);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod calls;
mod database;
mod dates;
mod disks;
mod dispatch;
mod drives;
mod events;
mod faults;
mod http;
mod jsonrpc;
mod methods;
mod output;
mod program;
mod query;
mod scene;
mod schema;
mod seed;
mod server;
mod sessions;
mod state;
mod storage;
mod tasks;
mod value;
pub(crate) mod xmlrpc;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use database::place_of;
use scene::HostSocket;
use server::Server;
use state::Shared;

pub use database::{Added, Database, Deletion, Row, Table};
pub use events::Pace;
pub use faults::{Counters, Fault, Faults};
pub use http::LONGEST_BODY;
pub use schema::{Class, Field, Kind};
pub use seed::{ONE_HOST, SeedError};
pub use sessions::SESSIONS_PER_ORIGINATOR;
pub use state::{DeadlinePassed, Plugin, State};
pub use storage::DISK_GRANULE;
pub use value::{Failure, NULL_REF, Ref, Value};

/// How a simulated XAPI starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// Path of the unix socket, at most 107 bytes; a file that is there is replaced.
    pub socket: PathBuf,
    /// TCP address to serve as well; port 0 takes a free one.
    pub listen: Option<SocketAddr>,
    /// The password of `root` over TCP. None lets everyone in.
    pub password: Option<String>,
    /// What a wrong password costs; 5 s in xapi.
    pub login_delay: Duration,
    /// The pauses of `event.from`.
    pub pace: Pace,
    /// The objects at the start, in the form of [`ONE_HOST`]. A description without hosts is added to `ONE_HOST`
    /// and may use its ids.
    pub database: String,
}

impl Config {
    /// One host, served on a unix socket.
    #[must_use]
    pub fn at(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
            listen: None,
            password: None,
            login_delay: Duration::from_secs(5),
            pace: Pace::default(),
            database: ONE_HOST.to_owned(),
        }
    }

    /// The same, served on a free TCP port of 127.0.0.1 as well.
    #[must_use]
    pub fn with_tcp(self) -> Self {
        Self { listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))), ..self }
    }
}

/// Why a simulated XAPI did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The objects at the start cannot be made.
    #[error(transparent)]
    Database(#[from] SeedError),
    /// A socket cannot be served.
    #[error("cannot serve {socket} or its TCP address: {source}; choose another path or port")]
    Socket {
        /// The unix socket.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A running simulated XAPI. Everything ends when it is dropped.
pub struct Xapi {
    shared: Arc<Shared>,
    socket: PathBuf,
    /// After the first start with the port that was given then.
    listen: Option<SocketAddr>,
    server: Option<Server>,
    /// The sockets of further hosts.
    hosts: Mutex<Vec<HostSocket>>,
}

impl Xapi {
    /// Makes the database and serves it.
    ///
    /// # Errors
    /// When the description of the objects is wrong or a socket cannot be bound.
    pub fn start(config: Config) -> Result<Self, StartError> {
        let mut state = State::default();
        seed::load(&mut state.database, &config.database)?;
        let shared = Arc::new(Shared::new(state, config.pace, config.password, config.login_delay));
        let hosts = Mutex::default();
        let mut xapi = Self { shared, socket: config.socket, listen: config.listen, server: None, hosts };
        xapi.serve()?;
        Ok(xapi)
    }

    /// The unix socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The TCP address, if one is served.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.listen
    }

    /// Reads the state.
    pub fn look<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        self.shared.look(read)
    }

    /// Waits until `check` finds something, looking after every call and change.
    ///
    /// # Errors
    /// When it finds nothing within `deadline`; `what` says in the message what was waited for.
    pub async fn wait_for<T>(
        &self,
        what: &str,
        deadline: Duration,
        check: impl FnMut(&State) -> Option<T>,
    ) -> Result<T, DeadlinePassed> {
        self.shared.wait_for(what, deadline, check).await
    }

    /// As [`Xapi::wait_for`], for tests without a runtime.
    ///
    /// # Errors
    /// As [`Xapi::wait_for`].
    pub fn block_until<T>(
        &self,
        what: &str,
        deadline: Duration,
        check: impl FnMut(&State) -> Option<T>,
    ) -> Result<T, DeadlinePassed> {
        self.shared.block_until(what, deadline, check)
    }

    /// The pool coordinator, which is the first host.
    #[must_use]
    pub fn host(&self) -> Ref {
        self.look(State::coordinator)
    }

    /// The pool.
    #[must_use]
    pub fn pool(&self) -> Ref {
        self.look(|state| state.database.refs("pool").into_iter().next()).unwrap_or_else(Ref::null)
    }

    /// Makes an object.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` for what the data model does not have.
    pub fn add<'a>(&self, class: &str, fields: impl IntoIterator<Item = (&'a str, Value)>) -> Result<Ref, Failure> {
        self.shared.change(|state| state.database.create(class, None, fields))
    }

    /// Makes a running VM on the coordinator; `fields` add to that or change it.
    ///
    /// # Errors
    /// As [`Xapi::add`].
    pub fn add_vm<'a>(
        &self,
        name: &'a str,
        fields: impl IntoIterator<Item = (&'a str, Value)>,
    ) -> Result<Ref, Failure> {
        let memory = 1_i64 << 30;
        let usual = [
            ("name_label", Value::from(name)),
            ("power_state", "Running".into()),
            ("resident_on", self.host().into()),
            ("domid", 1.into()),
            ("memory_static_max", memory.into()),
            ("memory_dynamic_max", memory.into()),
            ("memory_dynamic_min", memory.into()),
            ("memory_target", memory.into()),
        ];
        self.add("VM", usual.into_iter().chain(fields))
    }

    /// Gives a VM guest metrics with these `networks`, such as `("0/ip", "10.0.0.7")`.
    ///
    /// # Errors
    /// `HANDLE_INVALID` without such a VM.
    pub fn add_guest_metrics(&self, vm: &Ref, networks: &[(&str, &str)]) -> Result<Ref, Failure> {
        let fields = [
            ("networks", Value::map(networks.iter().copied())),
            ("live", true.into()),
            ("PV_drivers_detected", true.into()),
            ("last_updated", dates::now()),
        ];
        let metrics = self.add("VM_guest_metrics", fields)?;
        self.set(vm, "guest_metrics", &metrics)?;
        Ok(metrics)
    }

    /// Adds a host to the pool.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` only when the schema lacks a field of hosts.
    pub fn new_host(&self, name: &str, address: &str) -> Result<Ref, Failure> {
        let fields = [("name_label", name), ("hostname", name), ("address", address)];
        self.add("host", fields.map(|(field, value)| (field, value.into())))
    }

    /// A field of an object.
    ///
    /// # Errors
    /// As [`State::get`].
    pub fn get(&self, object: &Ref, field: &str) -> Result<Value, Failure> {
        self.look(|state| state.get(object, field))
    }

    /// Changes a field of an object, writable for clients or not.
    ///
    /// # Errors
    /// `HANDLE_INVALID` without such an object, `INTERNAL_ERROR` for what the data model does not have.
    pub fn set(&self, object: &Ref, field: &str, value: impl Into<Value>) -> Result<(), Failure> {
        self.shared.change(|state| state.set(object.as_str(), field, value))
    }

    /// Changes one entry of a map field in one step.
    ///
    /// # Errors
    /// As [`Xapi::set`].
    pub fn set_entry(&self, object: &Ref, field: &str, key: &str, value: &str) -> Result<(), Failure> {
        self.shared.change(|state| {
            let mut map = state.get(object, field)?;
            let Value::Struct(members) = &mut map else {
                return Err(Failure::internal("not a map"));
            };
            members.retain(|(present, _)| present != key);
            members.push((key.to_owned(), value.into()));
            let class = state.class(object)?;
            state.database.set(class, object.as_str(), place_of(class, field)?, map)
        })
    }

    /// Takes one entry out of a map field.
    ///
    /// # Errors
    /// As [`Xapi::set`].
    pub fn remove_entry(&self, object: &Ref, field: &str, key: &str) -> Result<(), Failure> {
        self.shared.change(|state| {
            let class = state.class(object)?;
            state.database.remove_from_map(class, object.as_str(), place_of(class, field)?, key)
        })
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// `HANDLE_INVALID` without such an object.
    pub fn remove(&self, object: &Ref) -> Result<(), Failure> {
        self.shared.change(|state| {
            let class = state.class(object)?;
            state.database.destroy(class, object.as_str())
        })
    }

    /// Lets `host.call_plugin` answer for the plugin `name`.
    pub fn set_plugin(
        &self,
        name: &str,
        plugin: impl Fn(&str, &[(String, String)]) -> Result<String, Failure> + Send + Sync + 'static,
    ) {
        self.shared.change(|state| state.plugins.insert(name.to_owned(), Arc::new(plugin)));
    }

    /// Keeps a list of the entries that are added to maps from now on; gives those added since the last time.
    pub fn take_added(&self) -> Vec<Added> {
        self.shared.change(|state| state.database.added.replace(Vec::new())).unwrap_or_default()
    }

    /// Lets `fault` happen to the next call of any method.
    pub fn fail_next(&self, fault: Fault) {
        self.shared.change(|state| state.faults.add(None, fault));
    }

    /// Lets `fault` happen to the next call of `method` (dotted name).
    pub fn fail_next_call(&self, method: &str, fault: Fault) {
        self.shared.change(|state| state.faults.add(Some(method), fault));
    }

    /// Closes all sessions; calls that wait in them fail.
    pub fn invalidate_sessions(&self) {
        self.shared.change(|state| sessions::close_all(&mut state.database));
    }

    /// Ends all connections, in the middle of their calls too; new ones are welcome.
    pub fn drop_connections(&self) {
        let hosts = self.host_sockets();
        self.server.iter().chain(hosts.iter().filter_map(HostSocket::server)).for_each(Server::drop_connections);
    }

    /// Stops serving: connections end, the socket file vanishes, the database stays.
    pub fn stop(&mut self) {
        self.server = None;
        self.host_sockets().iter_mut().for_each(HostSocket::stop);
    }

    /// Stops, forgets all sessions and serves the same database at the same addresses.
    ///
    /// # Errors
    /// When a socket cannot be bound again.
    pub fn restart(&mut self) -> Result<(), StartError> {
        self.stop();
        self.invalidate_sessions();
        self.serve()
    }

    fn serve(&mut self) -> Result<(), StartError> {
        let server = Server::start(self.shared.clone(), None, &self.socket, self.listen);
        let server = server.map_err(|source| StartError::Socket { socket: self.socket.clone(), source })?;
        self.listen = server.address();
        self.server = Some(server);
        for host in self.host_sockets().iter_mut() {
            host.serve(&self.shared).map_err(|source| StartError::Socket { socket: host.path().to_owned(), source })?;
        }
        Ok(())
    }
}
