//! What containers use, for graphs: as data sources of their VMs, from which xcp-rrdd makes the history that XenCenter draws,
//! and if wanted in a file for Prometheus' node-exporter.
//!
//! ```text
//! lending::Desk ─► sample: one task a VM ─► vm: figures ─► select, names ─► page ═ /dev/shm/metrics ═► xcp-rrdd
//!                   engine, one question         │                           register: when it looks ─┘
//!                   at a time                    └─► prometheus ═ FILE.prom ═► node-exporter
//! ```
//!
//! Nothing here listens. Must not know how guests are reached, nor what XAPI shows.
//!
//! | module | knows |
//! |---|---|
//! | [`usage`] | what two readings say of the time between them |
//! | `sample` | whom to ask when |
//! | [`vm`] | the containers of a VM, and what is shown of them |
//! | [`select`] | which containers have graphs |
//! | [`names`] | what data sources are called |
//! | [`page`] | xcp-rrdd's plugin protocol |
//! | [`register`] | what is said to xcp-rrdd |
//! | [`prometheus`] | Prometheus' text format |

mod crc32;
pub mod names;
pub mod page;
pub mod prometheus;
pub mod register;
mod sample;
pub mod select;
pub mod usage;
pub mod vm;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, sleep};

use crate::lending::Desk;
use crate::quote::quoted;
use crate::xapi::VmUuid;
use page::Page;
use register::Rrdd;
use sample::Sampler;
use vm::{Shown, VmUsage};

/// Where xcp-rrdd finds pages (xen-api, `ocaml/xcp-rrdd/bin/rrdd/rrdd_server.ml`, `base_path`).
pub const DEFAULT_RRD_FOLDER: &str = "/dev/shm/metrics";

/// Where xcp-rrdd listens (xen-api, `ocaml/xapi-idl/rrd/rrd_interface.ml`).
pub const DEFAULT_RRDD_SOCKET: &str = "/var/lib/xcp/xcp-rrdd";

/// What the page is called.
pub const UID: &str = "xscontainer";

/// xcp-rrdd looks at pages every five seconds, and less and less often at one that did not change in between
/// (`rrdd_server.ml`, `incr_skip_count`).
const STEP: Duration = Duration::from_secs(5);

/// The page is written so long before it is looked at, as the toolstack's own plugins do it (xen-api,
/// `ocaml/xcp-rrdd/bin/rrdp-iostat/rrdp_iostat.ml`, `neg_shift`). Whoever would look now has looked by then.
const AHEAD: Duration = Duration::from_millis(500);

/// Between two files for Prometheus: it asks every 15 s or less often.
const PROMETHEUS_INTERVAL: Duration = Duration::from_secs(15);

/// Labels whose history is given up between two pages.
const FORGOTTEN_AT_ONCE: usize = 20;

/// Labels that wait for that. More are not given up.
const FORGOTTEN_WAITING: usize = 10_000;

/// What is measured, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether anything is.
    pub enabled: bool,
    /// From one reading of a container to the next.
    pub interval: Duration,
    /// Containers of a VM that have graphs of their own. Each costs two data sources, and each of those 6 KiB in xcp-rrdd.
    pub top: usize,
    /// Containers of a VM about which its engine is asked in an interval.
    pub sample_max: usize,
    /// Where xcp-rrdd finds pages.
    pub rrd_folder: PathBuf,
    /// Where xcp-rrdd listens.
    pub rrdd_socket: PathBuf,
    /// The file for Prometheus.
    pub prometheus_file: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: STEP,
            top: 5,
            sample_max: 100,
            rrd_folder: DEFAULT_RRD_FOLDER.into(),
            rrdd_socket: DEFAULT_RRDD_SOCKET.into(),
            prometheus_file: None,
        }
    }
}

/// Gives the names that VMs have for people. Foreign.
pub type Names = Arc<dyn Fn(&VmUuid) -> String + Send + Sync>;

/// The metrics of this host's VMs.
pub struct Metrics {
    settings: Settings,
    desk: Desk,
    names: Names,
    rrdd: Rrdd,
    page: Option<Page>,
    samplers: BTreeMap<VmUuid, Sampler>,
    /// What xcp-rrdd is still to give up: VM and label.
    forgotten: VecDeque<(VmUuid, String)>,
    prometheus_at: Instant,
    told: BTreeSet<Topic>,
}

/// What the log tells once, until it is good again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Topic {
    Page,
    Rrdd,
    Room,
    Prometheus,
}

impl Metrics {
    /// Of the VMs whose connections are on `desk`. Does nothing before [`Metrics::run`].
    #[must_use]
    pub fn new(settings: Settings, desk: Desk, names: Names) -> Self {
        Self {
            rrdd: Rrdd::new(&settings.rrdd_socket, UID),
            settings,
            desk,
            names,
            page: None,
            samplers: BTreeMap::new(),
            forgotten: VecDeque::new(),
            prometheus_at: Instant::now(),
            told: BTreeSet::new(),
        }
    }

    /// Runs for ever. Dropping the future stops it; then call [`Metrics::close`].
    pub async fn run(&mut self) -> Infallible {
        if !self.settings.enabled {
            return std::future::pending().await;
        }
        loop {
            self.keep_page().await;
            self.keep_samplers().await;
            let wait = self.until_next_page().await;
            sleep(wait).await;
            self.show().await;
        }
    }

    /// Takes page and file away.
    pub async fn close(mut self) {
        self.samplers.clear();
        if let Some(file) = &self.settings.prometheus_file {
            let _ = std::fs::remove_file(file);
        }
        let Some(page) = self.page.take() else { return };
        page.remove();
        // Without an answer it is seen that the file is gone.
        let _ = self.rrdd.deregister().await;
    }

    /// Makes the page if there is none.
    async fn keep_page(&mut self) {
        if self.page.is_some() {
            return;
        }
        // What it may still know of an earlier page is another file, or one that it looks at seldom by now.
        let _ = self.rrdd.deregister().await;
        let folder = self.settings.rrd_folder.to_string_lossy().into_owned();
        match Page::create(&self.settings.rrd_folder, UID, seconds_now()) {
            Ok(page) => {
                self.page = Some(page);
                self.is_good(Topic::Page);
            }
            Err(error) => self.tell(Topic::Page, || {
                tracing::warn!(folder = %quoted(&folder), %error, "cannot make a page for xcp-rrdd: no graphs of containers");
            }),
        }
    }

    /// Has a sampler for each VM to which there is a connection.
    async fn keep_samplers(&mut self) {
        let vms = self.desk.vms();
        self.samplers.retain(|vm, sampler| vms.binary_search(vm).is_ok() && !sampler.has_ended());
        let mut answers = true;
        for vm in vms {
            if self.samplers.contains_key(&vm) {
                continue;
            }
            let recorded = if answers { self.rrdd.recorded(&vm).await } else { Ok(Vec::new()) };
            answers &= recorded.is_ok();
            let usage = VmUsage::new(&self.settings, recorded.unwrap_or_default());
            let name = (self.names)(&vm);
            let sampler = Sampler::start(&self.settings, self.desk.clone(), vm.clone(), &name, usage);
            self.samplers.insert(vm, sampler);
        }
    }

    /// How long to wait before the page is written. Registers, too, in case that xcp-rrdd was started anew.
    async fn until_next_page(&mut self) -> Duration {
        match self.rrdd.register().await {
            Ok(next) => {
                self.is_good(Topic::Rrdd);
                let wait = next.saturating_sub(AHEAD);
                if wait < Duration::from_millis(100) { wait + STEP } else { wait }
            }
            Err(error) => {
                self.tell(
                    Topic::Rrdd,
                    || tracing::warn!(error = %quoted(&error), "no graphs of containers until it answers"),
                );
                STEP
            }
        }
    }

    /// Writes what is known now.
    async fn show(&mut self) {
        let now = Instant::now();
        let shown: Vec<(VmUuid, Shown)> =
            self.samplers.iter().map(|(vm, sampler)| (vm.clone(), sampler.usage().show(now))).collect();
        for (vm, shown) in &shown {
            self.forgotten.extend(shown.forgotten.iter().map(|label| (vm.clone(), label.clone())));
        }
        self.forgotten.truncate(FORGOTTEN_WAITING);
        if let Some(page) = &mut self.page {
            match page.write(seconds_now(), &shown) {
                Ok(0) => self.is_good(Topic::Room),
                Ok(left_out) => self
                    .tell(Topic::Room, || tracing::warn!(left_out, "too many VMs for one page: some have no graphs")),
                Err(error) => {
                    tracing::warn!(%error, "cannot write the page for xcp-rrdd; making it anew");
                    self.page = None;
                }
            }
        }
        self.forget().await;
        if self.settings.prometheus_file.is_some() && now >= self.prometheus_at {
            self.prometheus_at = now + PROMETHEUS_INTERVAL;
            self.write_prometheus(now).await;
        }
    }

    /// Lets xcp-rrdd give up history.
    async fn forget(&mut self) {
        for _ in 0..FORGOTTEN_AT_ONCE {
            let Some((vm, label)) = self.forgotten.front() else { return };
            for name in names::of_container(label) {
                if let Err(error) = self.rrdd.forget(vm, &name).await {
                    tracing::debug!(%error, "history is not given up yet");
                    return;
                }
            }
            self.forgotten.pop_front();
        }
    }

    async fn write_prometheus(&mut self, now: Instant) {
        let Some(file) = self.settings.prometheus_file.clone() else { return };
        let vms: Vec<prometheus::Vm> =
            self.samplers.iter().map(|(vm, sampler)| self.for_prometheus(vm, sampler, now)).collect();
        let path = file.to_string_lossy().into_owned();
        let written = tokio::task::spawn_blocking(move || prometheus::write(&file, &prometheus::text(&vms)));
        match written.await {
            Ok(Ok(())) => self.is_good(Topic::Prometheus),
            Ok(Err(error)) => self.tell(Topic::Prometheus, || {
                tracing::warn!(file = %quoted(&path), %error, "cannot write the file for Prometheus; will keep trying");
            }),
            Err(_) => {}
        }
    }

    fn for_prometheus(&self, vm: &VmUuid, sampler: &Sampler, now: Instant) -> prometheus::Vm {
        let usage = sampler.usage();
        let containers = usage.readings(now).map(|(id, name, stats)| prometheus::Container {
            id: id.to_owned(),
            name: name.to_owned(),
            stats: stats.clone(),
        });
        prometheus::Vm {
            uuid: vm.to_string(),
            name: (self.names)(vm),
            running: usage.running().unwrap_or(0),
            containers: containers.collect(),
        }
    }

    fn tell(&mut self, topic: Topic, tell: impl FnOnce()) {
        if self.told.insert(topic) {
            tell();
        }
    }

    fn is_good(&mut self, topic: Topic) {
        self.told.remove(&topic);
    }
}

/// Seconds since 1970.
fn seconds_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
