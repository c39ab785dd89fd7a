//! A host: its root in a folder, its packages, its services and its toolstack's records.
//!
//! Knows how to run a script there; must not know in which order a pack is taken.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::capture::{Capture, GroupMode, PackageManager};
use super::confine::{self, Body, End, Script};
use super::database::{self, Database, Knowledge};
use super::package::{FileKind, Package};
use super::programs::{self, Programs, Unplayed};
use super::root::{Limits, Root};
use super::services::{Services, Stage};
use super::supply::Supplied;
use super::toolstack::{APPLIED, Toolstack};
use crate::rpm::scriptlet::{Moment, Scriptlet};

/// No scriptlet of a pack has reason to run for longer.
const TIME_LIMIT: Duration = Duration::from_secs(20);
/// No pack has reason to keep a host busy for longer, with all of its scripts together.
const TIME_ON_HOST: Duration = Duration::from_secs(120);

/// A host in a folder.
pub(super) struct Host {
    pub root: Arc<Root>,
    /// What is installed.
    pub packages: Vec<Installed>,
    /// Whether these are all packages of the host; else nobody knows what others there are.
    pub complete: bool,
    pub services: Services,
    pub toolstack: Toolstack,
    /// Every script that ran, in order.
    pub runs: Vec<Run>,
    pub package_manager: PackageManager,
    /// How XAPI has yum treat groups.
    pub groups: GroupMode,
    /// Bytes that are free on `/`, if known.
    pub free_bytes: Option<u64>,
    /// Whether scripts can be run confined on this machine.
    pub confined: bool,
    /// Whether a transaction is at work: rpm's database is locked meanwhile.
    pub(super) transacting: bool,
    /// What is left of [`TIME_ON_HOST`].
    time_left: Duration,
}

/// yum's notes about packages.
const YUMDB: &str = "/var/lib/yum/yumdb";
/// The note of the group that brought a package.
const GROUP_MARK: &str = "group_member";
/// A mark is a group's name.
const MAX_MARK: u64 = 1 << 12;

/// What every host has, whatever its packages are known to bring.
const FOLDERS: [&str; 11] = [
    "/etc/pki/rpm-gpg",
    "/etc/systemd/system/multi-user.target.wants",
    "/root",
    "/run",
    "/tmp",
    "/usr/lib/systemd/system",
    "/usr/lib/systemd/system-preset",
    "/var/lib/rpm",
    "/var/log",
    "/var/tmp",
    "/var/update/applied",
];
/// What stands for the identity of a host, which captures leave out.
const HOST_UUID: &str = "0c0ffee0-0000-4000-8000-000000000001";

/// An installed package.
#[derive(Debug, Clone)]
pub(super) struct Installed {
    pub package: Arc<Package>,
    /// Whether the package's list of files is known.
    pub files_known: bool,
    /// Where it came from, if it was put in during the rehearsal.
    pub supplied: Option<Arc<Supplied>>,
}

impl Installed {
    pub(super) fn of(supplied: Arc<Supplied>) -> Installed {
        Installed { package: Arc::new(supplied.package.clone()), files_known: true, supplied: Some(supplied) }
    }
}

/// A script that ran, or that could not be run here.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// `%post of xscontainer`, `precheck`, `remove`.
    pub what: String,
    /// The package that brought it.
    pub package: String,
    /// For a scriptlet.
    #[serde(skip)]
    pub moment: Option<Moment>,
    /// Its arguments: for a scriptlet the number of installed versions.
    pub arguments: Vec<String>,
    pub ended: Ended,
    /// Standard output and standard error.
    pub output: String,
    /// The host's programs that it called, with their arguments.
    pub calls: Vec<String>,
}

/// How a script ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// With an exit code.
    Exited(i32),
    /// It was ended, and why.
    Stopped(String),
    /// It, or something that it called, cannot be played here: what and why.
    NotProven(String),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Exited(code) => write!(f, "exit code {code}"),
            Ended::Stopped(how) => f.write_str(how),
            Ended::NotProven(reason) => write!(f, "not proven: {reason}"),
        }
    }
}

impl Host {
    /// A host as it was captured, in a folder that goes away with it.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub(super) fn of(capture: &Capture, stage: Stage, confined: bool) -> io::Result<Host> {
        let root = match confined {
            true => Root::create(&std::env::temp_dir())?,
            false => Root::for_files(&std::env::temp_dir())?,
        };
        // EL 7 merged these folders into /usr; packages still name files by either path.
        for merged in ["bin", "lib", "lib64", "sbin"] {
            root.make_parents(format!("/usr/{merged}"))?;
            root.make_folder(format!("/usr/{merged}"), 0o755)?;
            root.symlink(format!("/{merged}"), format!("usr/{merged}"))?;
        }
        let mut folders: BTreeSet<&str> = FOLDERS.into_iter().collect();
        for file in capture.packages.iter().flat_map(|installed| &installed.package.files) {
            match &file.kind {
                FileKind::Directory => _ = folders.insert(&file.path),
                _ => folders.extend(file.path.rsplit_once('/').map(|(folder, _)| folder).filter(|f| !f.is_empty())),
            }
        }
        if capture.package_manager == PackageManager::Yum {
            folders.insert(YUMDB);
        }
        if stage == Stage::Running {
            folders.insert("/run/systemd/system");
        }
        for folder in folders {
            root.make_parents(folder)?;
            root.make_folder(folder, 0o755)?;
        }
        for (name, text) in &capture.presets {
            let path = format!("/usr/lib/systemd/system-preset/{name}");
            root.write(&path, 0o644, &mut text.as_bytes())?;
        }
        for (uuid, stamp) in &capture.applied {
            root.write(format!("{APPLIED}/{uuid}"), 0o644, &mut stamp.as_slice())?;
        }
        let mut inventory: String = capture.inventory.iter().map(|(key, value)| format!("{key}='{value}'\n")).collect();
        inventory += &format!("INSTALLATION_UUID='{HOST_UUID}'\n");
        root.write("/etc/xensource-inventory", 0o644, &mut inventory.as_bytes())?;
        let packages = capture.packages.iter().map(|installed| Installed {
            package: Arc::new(installed.package.clone()),
            files_known: installed.files_known,
            supplied: None,
        });
        if confined {
            confine::furnish(&root, &programs::PLAYED)?;
        }
        let mut toolstack = Toolstack::new(HOST_UUID);
        toolstack.resync(&root);
        Ok(Host {
            packages: packages.collect(),
            complete: capture.complete,
            package_manager: capture.package_manager,
            groups: capture.group_mode,
            free_bytes: capture.free_bytes,
            services: Services::new(stage),
            toolstack,
            runs: Vec::new(),
            confined,
            transacting: false,
            time_left: TIME_ON_HOST,
            root: Arc::new(root),
        })
    }

    /// What a solver needs to know of the host.
    pub(super) fn database(&self) -> Database {
        let installed = self.packages.iter().map(|installed| database::Installed {
            package: Package::clone(&installed.package),
            files_known: installed.files_known,
            group_member: self.group_mark(installed),
        });
        let knowledge = if self.complete { Knowledge::All } else { Knowledge::Some };
        Database::new(installed.collect(), knowledge)
    }

    /// Where yum notes something of a package: rpm's digest of its header names the folder (yum 3.4.3, `yum/rpmsack.py`).
    fn yumdb(installed: &Installed) -> Option<String> {
        let supplied = installed.supplied.as_ref()?;
        let package = &supplied.package;
        let evr = super::package::Evr { epoch: None, ..package.evr.clone() };
        let first = package.name.chars().next()?;
        Some(format!("{YUMDB}/{first}/{}-{}-{evr}-{}", supplied.header_sha1, package.name, package.arch))
    }

    fn group_mark(&self, installed: &Installed) -> Option<String> {
        let path = format!("{}/{GROUP_MARK}", Host::yumdb(installed)?);
        self.root.read(&path, MAX_MARK).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// yum notes what it installed, and for which group.
    ///
    /// # Errors
    /// The host's folder cannot be changed.
    pub(super) fn note_installed(&self, name: &str, group: Option<&str>) -> io::Result<()> {
        if self.package_manager != PackageManager::Yum {
            return Ok(());
        }
        let Some(folder) = self.installed(name).and_then(Host::yumdb) else { return Ok(()) };
        for (note, text) in [("reason", Some("user")), (GROUP_MARK, group)] {
            if let Some(text) = text {
                let path = format!("{folder}/{note}");
                self.root.make_parents(&path)?;
                self.root.write(&path, 0o644, &mut text.as_bytes())?;
            }
        }
        Ok(())
    }

    /// The folders of yum's notes about packages.
    pub(super) fn yum_notes(&self, packages: &[Package]) -> Vec<String> {
        let named = |installed: &&Installed| packages.iter().any(|package| *package == *installed.package);
        self.packages.iter().filter(named).filter_map(Host::yumdb).collect()
    }

    /// yum forgets what it noted.
    ///
    /// # Errors
    /// The host's folder cannot be changed.
    pub(super) fn forget_notes(&self, folder: &str) -> io::Result<()> {
        for note in ["reason", GROUP_MARK] {
            self.root.remove(format!("{folder}/{note}"))?;
        }
        self.root.remove_folder(folder).map(drop)
    }

    /// Every path in the host's root.
    ///
    /// # Errors
    /// It cannot be listed.
    pub(super) fn paths(&self) -> io::Result<BTreeSet<String>> {
        let entries = self.root.list(&Limits { digested: 0, ..Limits::default() })?;
        Ok(entries.into_iter().map(|entry| entry.path.to_string_lossy().into_owned()).collect())
    }

    /// Runs a scriptlet of a package; whether rpm goes on: what stops it is a failure before files land or leave.
    pub(super) fn run_scriptlet(
        &mut self,
        package: &Package,
        scriptlet: &Scriptlet,
        argument: usize,
    ) -> io::Result<bool> {
        let arguments = vec![argument.to_string()];
        let Scriptlet { moment, program, body, expands } = scriptlet;
        let run = Run {
            what: format!("{moment} of {}", package.name),
            package: package.to_string(),
            moment: Some(*moment),
            arguments: arguments.clone(),
            ended: Ended::Exited(0),
            output: String::new(),
            calls: Vec::new(),
        };
        if program.first().is_some_and(|program| program == "<lua>") {
            self.runs.push(Run { ended: Ended::NotProven("Lua runs inside rpm".into()), ..run });
            return Ok(true);
        }
        if *expands {
            self.runs.push(Run { ended: Ended::NotProven("rpm expands macros in it".into()), ..run });
            return Ok(true);
        }
        let body = body.as_deref().map_or(Body::None, |text| Body::Text(text.as_bytes()));
        let run = self.run(run, program, body, &arguments)?;
        let good = !matches!(run.ended, Ended::Exited(1..) | Ended::Stopped(_));
        self.runs.push(run);
        Ok(good || !matches!(moment, Moment::PreTrans | Moment::Pre | Moment::PreUn))
    }

    /// Runs a program that lies in the host's root, as root would from a shell; what became of it.
    pub(super) fn run_program(&mut self, what: &str, package: &str, path: &str) -> io::Result<Run> {
        let run = Run {
            what: what.to_owned(),
            package: package.to_owned(),
            moment: None,
            arguments: Vec::new(),
            ended: Ended::Exited(0),
            output: String::new(),
            calls: Vec::new(),
        };
        let run = self.run(run, &[], Body::Path(path), &[])?;
        self.runs.push(run.clone());
        Ok(run)
    }

    fn run(&mut self, run: Run, interpreter: &[String], body: Body<'_>, arguments: &[String]) -> io::Result<Run> {
        if !self.confined {
            return Ok(Run { ended: Ended::NotProven("scripts cannot be confined on this machine".into()), ..run });
        }
        if self.hangs() {
            return Ok(Run { ended: Ended::NotProven("no time is left: an earlier script took it".into()), ..run });
        }
        let (began, time_limit) = (Instant::now(), TIME_LIMIT.min(self.time_left));
        let environment = [("HOME".to_owned(), "/root".to_owned())];
        let script = Script { interpreter, body, arguments, environment: &environment, time_limit };
        let root = Arc::clone(&self.root);
        let mut programs = Programs::new(self);
        let ran = confine::run(&root, &script, &mut programs)?;
        let (calls, stopped) = programs.finish();
        self.time_left = match ran.end {
            End::TimedOut => Duration::ZERO,
            _ => self.time_left.saturating_sub(began.elapsed()),
        };
        let ended = match (ran.end, stopped) {
            (_, Some(Unplayed::Hangs(call))) => Ended::Stopped(format!(
                "it called `{call}`, which waits for ever for the transaction that runs the script"
            )),
            // What it did is not known, so neither is whether it went well.
            (_, Some(Unplayed::Unknown(call))) => {
                Ended::NotProven(format!("it called `{call}`, which the rehearsal cannot play"))
            }
            (End::Exited(code), None) => Ended::Exited(code),
            (End::Killed(signal), None) => Ended::Stopped(format!("ended by signal {signal}")),
            (End::Garbled(how), None) => Ended::Stopped(how.to_owned()),
            (End::TimedOut, None) => Ended::Stopped(format!("still running after {} s", time_limit.as_secs())),
        };
        let mut output = String::from_utf8_lossy(&ran.output).into_owned();
        if ran.cut {
            output.push_str("\n[cut]\n");
        }
        Ok(Run { ended, output, calls, ..run })
    }

    /// The host boots for the first time, or again: its services start, and the toolstack reads what is applied.
    ///
    /// # Errors
    /// The host's folder cannot be changed.
    pub(super) fn boot(&mut self) -> io::Result<()> {
        let root = Arc::clone(&self.root);
        // What tells scriptlets that systemd runs: sd_booted(3).
        root.make_parents("/run/systemd/system")?;
        root.make_folder("/run/systemd/system", 0o755)?;
        self.services.boot(&root);
        self.toolstack.resync(&root);
        Ok(())
    }

    /// Whether the scripts used up their time, so that no more are run.
    pub(super) fn hangs(&self) -> bool {
        self.time_left.is_zero()
    }

    /// Whether a systemd runs.
    pub(super) fn stage(&self) -> Stage {
        self.services.stage
    }

    /// The installed package of a name; the newest, should there be several.
    pub(super) fn installed(&self, name: &str) -> Option<&Installed> {
        let of_name = self.packages.iter().filter(|installed| installed.package.name == name);
        of_name.max_by(|a, b| a.package.evr.compare(&b.package.evr))
    }
}
