//! A simulated xcp-rrdd: it finds pages in a folder, takes calls on a unix socket, looks at pages every five seconds, and keeps
//! what it saw of VMs' data sources.
//!
//! Its rules are those of xen-api's `ocaml/xcp-rrdd/bin/rrdd/rrdd_server.ml` (registration, and how long a page is passed over
//! after a bad look), `xcp_rrdd.ml` (discovery) and `ocaml/xapi-idl/rrd/rrd_interface.ml` (calls); a page is read by
//! [`page`]. Where the real one hears of files through inotify, this one looks often. Must not know the agent.

pub mod page;
mod server;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use page::{Bad, PageReader};

/// From one look at the pages to the next.
pub const STEP: Duration = Duration::from_secs(5);

/// The most looks that are left out after bad ones (`rrdd_server.ml`, `incr_skip_count`).
const SKIP_MAX: u32 = 256;

/// Between two looks at the folder.
const DISCOVERY: Duration = Duration::from_millis(20);

/// A simulated xcp-rrdd; ends when it is dropped.
pub struct Rrdd {
    shared: Arc<Shared>,
}

struct Shared {
    folder: PathBuf,
    socket: PathBuf,
    state: Mutex<State>,
}

/// What it knows.
#[derive(Default)]
pub struct State {
    /// Counts starts; what belongs to an earlier one ends.
    run: u64,
    plugins: BTreeMap<String, Plugin>,
    /// What is on record of each VM's data sources, by the VM's uuid and the source's name.
    pub recorded: BTreeMap<String, BTreeMap<String, Record>>,
    /// The calls, with the values of their arguments.
    pub calls: Vec<(String, Vec<String>)>,
    /// What was wrong with pages at looks.
    pub bad: Vec<Bad>,
    /// Good looks.
    pub looks: u64,
    next: Option<Instant>,
}

/// A data source on record.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// As its page described it last.
    pub source: page::Source,
    /// What was seen, none for what is no number.
    pub values: Vec<Option<f64>>,
}

struct Plugin {
    reader: PageReader,
    skip_first: u32,
    skip: u32,
}

impl Rrdd {
    /// Starts one whose pages are in a folder `metrics` of `folder`, and whose socket is beside that.
    ///
    /// # Panics
    /// If it cannot.
    #[must_use]
    pub fn start(folder: &Path) -> Self {
        let (socket, folder) = (folder.join("xcp-rrdd"), folder.join("metrics"));
        let shared = Arc::new(Shared { folder, socket, state: Mutex::default() });
        let rrdd = Self { shared };
        rrdd.go();
        rrdd
    }

    /// Where pages are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.shared.folder
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.shared.socket
    }

    /// Ends it: the socket is gone, connections are closed, and nobody looks at pages. What is on record stays, as it does in
    /// files.
    pub fn stop(&self) {
        let mut state = self.shared.lock();
        state.run += 1;
        state.plugins.clear();
        drop(state);
        let _ = fs::remove_file(&self.shared.socket);
    }

    /// Starts it again.
    ///
    /// # Panics
    /// If it cannot listen.
    pub fn go(&self) {
        let shared = &self.shared;
        fs::create_dir_all(&shared.folder).unwrap_or_else(|e| panic!("{}: {e}", shared.folder.display()));
        let run = {
            let mut state = shared.lock();
            state.run += 1;
            state.next = Some(Instant::now() + STEP);
            state.run
        };
        server::listen(shared, run);
        for work in [discover as fn(&Shared, u64), look] {
            let shared = Arc::clone(shared);
            thread::spawn(move || work(&shared, run));
        }
    }

    /// Looks at what it knows.
    pub fn see<T>(&self, see: impl FnOnce(&State) -> T) -> T {
        see(&self.shared.lock())
    }

    /// Waits until `find` finds something.
    ///
    /// # Panics
    /// If it does not in time.
    #[track_caller]
    pub fn wait<T>(&self, what: &str, limit: Duration, mut find: impl FnMut(&State) -> Option<T>) -> T {
        let end = Instant::now() + limit;
        loop {
            if let Some(found) = self.see(&mut find) {
                return found;
            }
            if Instant::now() >= end {
                let (bad, looks, names) = self.see(|state| {
                    let names: Vec<_> = state.recorded.values().flat_map(BTreeMap::keys).cloned().collect();
                    (state.bad.clone(), state.looks, names)
                });
                panic!("not within {limit:?}: {what}; {looks} good looks, bad ones {bad:?}, on record {names:?}");
            }
            thread::sleep(DISCOVERY);
        }
    }
}

impl Drop for Rrdd {
    fn drop(&mut self) {
        self.stop();
    }
}

impl State {
    /// The last value of a VM's data source; none if there is none, or it is no number.
    #[must_use]
    pub fn value(&self, vm: &str, name: &str) -> Option<f64> {
        *self.recorded.get(vm)?.get(name)?.values.last()?
    }

    /// Whether a plugin is known.
    #[must_use]
    pub fn knows(&self, uid: &str) -> bool {
        self.plugins.contains_key(uid)
    }

    /// Registers a plugin unless it is known; its file is mapped from now on, whatever becomes of its name.
    fn register(&mut self, folder: &Path, uid: &str) {
        if !self.plugins.contains_key(uid)
            && let Ok(reader) = PageReader::open(&folder.join(uid))
        {
            self.plugins.insert(uid.to_owned(), Plugin { reader, skip_first: 1, skip: 0 });
        }
    }

    fn until_next(&self) -> f64 {
        let Some(next) = self.next else { return -1.0 };
        let now = Instant::now();
        if next >= now { (next - now).as_secs_f64() } else { -(now - next).as_secs_f64() }
    }

    fn look(&mut self) {
        for plugin in self.plugins.values_mut() {
            if plugin.skip > 0 {
                plugin.skip -= 1;
                continue;
            }
            match plugin.reader.read() {
                Ok(page) => {
                    (plugin.skip_first, plugin.skip) = (1, 0);
                    self.looks += 1;
                    record(&mut self.recorded, page);
                }
                Err(bad) => {
                    plugin.skip_first = (plugin.skip_first * 2).min(SKIP_MAX);
                    plugin.skip = plugin.skip_first;
                    self.bad.push(bad);
                }
            }
        }
    }
}

/// Data sources of VMs go on record if they are to by default.
fn record(recorded: &mut BTreeMap<String, BTreeMap<String, Record>>, page: page::Page) {
    for (source, value) in page.sources {
        let Some(vm) = source.owner.strip_prefix("vm ").map(str::to_owned) else { continue };
        if !source.default {
            continue;
        }
        let record = recorded.entry(vm).or_default().entry(source.name.clone());
        let record = record.or_insert_with(|| Record { source: source.clone(), values: Vec::new() });
        record.source = source;
        record.values.push(Some(value).filter(|value| !value.is_nan()));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is(&self, run: u64) -> bool {
        self.lock().run == run
    }
}

/// Registers files that come, and forgets those that go; first what goes, as a file that is replaced does both.
fn discover(shared: &Shared, run: u64) {
    let mut known: BTreeMap<String, u64> = BTreeMap::new();
    while shared.is(run) {
        let files = fs::read_dir(&shared.folder).into_iter().flatten().flatten();
        let is_page = |name: &str| !name.ends_with(".tmp") && !name.starts_with("tap-");
        let now: BTreeMap<String, u64> = files
            .filter_map(|file| Some((file.file_name().into_string().ok()?, file.metadata().ok()?.ino())))
            .filter(|(name, _)| is_page(name))
            .collect();
        let mut state = shared.lock();
        if state.run == run {
            for (name, inode) in &known {
                if now.get(name) != Some(inode) {
                    state.plugins.remove(name);
                }
            }
            for name in now.keys() {
                state.register(&shared.folder, name);
            }
        }
        drop(state);
        known = now;
        thread::sleep(DISCOVERY);
    }
}

fn look(shared: &Shared, run: u64) {
    loop {
        let next = {
            let mut state = shared.lock();
            if state.run != run {
                return;
            }
            let due = state.next.is_none_or(|next| next <= Instant::now());
            if due {
                state.look();
                state.next = state.next.map(|next| next + STEP);
            }
            state.next
        };
        let wait = next.map_or(STEP, |next| next.saturating_duration_since(Instant::now()));
        thread::sleep(wait.min(Duration::from_millis(100)));
    }
}
