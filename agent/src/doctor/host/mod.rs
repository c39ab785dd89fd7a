//! The checks of a host, made one after the other. Nothing is changed; each may take so long and no longer.
//!
//! | module | looks at |
//! |---|---|
//! | `packages` | what is installed, by rpm and by XAPI |
//! | `service` | the service, the monitor in it, and what the monitor says |
//! | `plugin` | the file that XAPI runs, and what it answers |
//! | `space` | disks, the log, memory |
//! | `clock` | the time |
//! | `vms` | VMs that are not seen, certificates that end |

mod clock;
mod packages;
mod plugin;
mod service;
mod space;
mod vms;

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::Places;
use super::check::{Check, Finding, Outcome};
use super::fault::Fault;
use crate::access::PoolKey;
use crate::config::Config;
use crate::inventory;
use crate::lending::Standing;
use crate::xapi::{self, Client, HostRef, hosts};

pub(super) use packages::{NAME as PACKAGE, updates};
pub(super) use service::UNIT;

/// How long XAPI may take for one answer.
pub(super) const XAPI_LIMIT: Duration = Duration::from_secs(8);

/// How long all checks may take; those that are left then are not made.
const ALL_LIMIT: Duration = Duration::from_secs(30);

/// What a check gives: what was seen if it is passed.
type Seen = Result<String, Unpassed>;

/// Why a check is not passed.
#[derive(Debug)]
enum Unpassed {
    /// This is wrong.
    Faults(Vec<Fault>),
    /// Nobody knows, for this reason.
    Unknown(String),
}

impl From<Fault> for Unpassed {
    fn from(fault: Fault) -> Self {
        Self::Faults(vec![fault])
    }
}

impl From<Vec<Fault>> for Unpassed {
    fn from(faults: Vec<Fault>) -> Self {
        Self::Faults(faults)
    }
}

/// Makes all checks.
pub async fn examine(places: &Places) -> Vec<Finding> {
    let mut examination = Examination { findings: Vec::new(), end: Instant::now() + ALL_LIMIT };
    let client = Client::new(&places.dom0.socket);
    let here = examination.xapi(places, &client).await;
    let unit = examination.services(places).await;
    examination.note(Check::PluginFile, plugin::file(places));
    examination.of_pool(&client, here.as_ref()).await;
    examination.note(Check::Disk, space::disks(places));
    examination.note(Check::Log, space::log(places));
    examination.note(Check::Memory, space::memory(places, &unit.properties));
    let clock = clock::check(&client, here.is_some());
    examination.make(Check::Clock, clock).await;
    examination.note(Check::LogLevel, service::log_level(places, unit.level.as_ref()));
    match &unit.standing {
        Some(standing) => examination.note(Check::Vms, vms::reached(standing)),
        None => examination.skip(Check::Vms, "the monitor does not answer"),
    }
    match here.is_some() {
        true => examination.make(Check::Certificates, vms::certificates(&client)).await,
        false => examination.skip(Check::Certificates, NO_XAPI),
    }
    // Says so only to a log, if it does not work.
    let _ = timeout(XAPI_LIMIT, client.close()).await;
    examination.findings.sort_by_key(|finding| finding.check);
    examination.findings
}

const NO_XAPI: &str = "XAPI does not answer, or does not know this host";

/// What the service manager and the monitor told.
struct Unit {
    properties: service::Properties,
    standing: Option<Standing>,
    level: Option<crate::lending::wire::LevelNow>,
}

struct Examination {
    findings: Vec<Finding>,
    end: Instant,
}

impl Examination {
    fn note(&mut self, check: Check, seen: Seen) {
        let outcomes = match seen {
            Ok(evidence) => vec![Outcome::Passed(evidence)],
            Err(Unpassed::Faults(faults)) => faults.into_iter().map(Outcome::Found).collect(),
            Err(Unpassed::Unknown(why)) => vec![Outcome::NotMade(why)],
        };
        self.findings.extend(outcomes.into_iter().map(|outcome| Finding { check, outcome }));
    }

    fn skip(&mut self, check: Check, why: &str) {
        self.findings.push(Finding { check, outcome: Outcome::NotMade(why.to_owned()) });
    }

    /// Makes a check unless the time is up.
    async fn make(&mut self, check: Check, work: impl Future<Output = Seen>) {
        let left = self.end.saturating_duration_since(Instant::now());
        match timeout(left, work).await {
            Ok(seen) => self.note(check, seen),
            Err(_) => self.skip(check, "the checks before it took too long"),
        }
    }

    /// Inventory, settings, packages and XAPI; this host, if XAPI knows it.
    async fn xapi(&mut self, places: &Places, client: &Client) -> Option<HostRef> {
        let uuid = inventory::host_uuid(&places.dom0.inventory);
        let uuid = match uuid {
            Ok(uuid) => {
                self.note(Check::Inventory, Ok(uuid.to_string()));
                Some(uuid)
            }
            Err(error) => {
                self.note(Check::Inventory, Err(Fault::Inventory(error).into()));
                None
            }
        };
        let read = Config::read(&places.config);
        let settings = match read.faults.is_empty() {
            true => Ok(format!("{} are not as usual", read.lines.len())),
            false => Err(Fault::Settings(read.faults).into()),
        };
        self.note(Check::Settings, settings);
        self.make(Check::Package, packages::installed()).await;
        let mut here = None;
        match uuid {
            Some(uuid) => {
                let looking = async {
                    match in_time("host.get_by_uuid", hosts::by_uuid(client, &uuid)).await {
                        Ok(host) => {
                            here = Some(host);
                            Ok(places.dom0.socket.display().to_string())
                        }
                        Err(error) if error.is_uuid_invalid() => Err(Fault::HostUnknown(uuid.clone()).into()),
                        Err(error) => Err(Fault::XapiSilent(error).into()),
                    }
                };
                self.make(Check::Xapi, looking).await;
            }
            None => self.skip(Check::Xapi, "the host does not know its uuid"),
        }
        match &here {
            Some(host) => self.make(Check::Pack, packages::applied(client, host)).await,
            None => self.skip(Check::Pack, NO_XAPI),
        }
        here
    }

    /// The service and the monitor in it.
    async fn services(&mut self, places: &Places) -> Unit {
        let mut properties = service::Properties::default();
        let looking = async {
            properties = service::properties().await.map_err(Fault::ServiceUnknown)?;
            service::state(&properties)
        };
        self.make(Check::Service, looking).await;
        let (mut standing, mut level) = (None, None);
        let asking = async {
            let (told, now) = service::monitor(places).await?;
            let seen = service::seen(&told);
            (standing, level) = (Some(told), now);
            seen
        };
        self.make(Check::Monitor, asking).await;
        Unit { properties, standing, level }
    }

    /// What only XAPI can tell.
    async fn of_pool(&mut self, client: &Client, here: Option<&HostRef>) {
        let Some(here) = here else {
            self.skip(Check::Plugin, NO_XAPI);
            self.skip(Check::PoolKey, NO_XAPI);
            return;
        };
        self.make(Check::Plugin, plugin::answer(client, here)).await;
        let key = async {
            let looking = PoolKey::new(client.clone());
            match timeout(XAPI_LIMIT, looking.look()).await {
                Ok(Ok(fingerprint)) => Ok(fingerprint),
                Ok(Err(error)) => Err(Fault::Keys(error).into()),
                Err(_) => Err(Fault::Keys(slow("secret.get_value").into()).into()),
            }
        };
        self.make(Check::PoolKey, key).await;
    }
}

/// What XAPI says, if it says it in time.
pub(super) async fn in_time<T>(
    method: &'static str,
    call: impl Future<Output = Result<T, xapi::Error>>,
) -> Result<T, xapi::Error> {
    timeout(XAPI_LIMIT, call).await.unwrap_or_else(|_| Err(slow(method)))
}

fn slow(method: &'static str) -> xapi::Error {
    xapi::Error::Slow { method, step: "the answer", limit: XAPI_LIMIT }
}
