//! The services of a host: what `systemctl` does to units, on a running host and in the chroot of an installation.
//!
//! Rules: systemd 219, systemctl(1), systemd.preset(5). Units, presets and enablement are files in the host's root; what
//! runs is kept here. Must not know who calls.

use std::collections::BTreeMap;

use super::root::Root;

/// Where units may lie, strongest first.
const UNIT_FOLDERS: [&str; 2] = ["/etc/systemd/system", "/usr/lib/systemd/system"];
/// Where presets may lie, strongest first.
const PRESET_FOLDERS: [&str; 2] = ["/etc/systemd/system-preset", "/usr/lib/systemd/system-preset"];
/// Unit and preset files are a few hundred bytes.
const MAX_FILE: u64 = 1 << 20;

/// Whether there is a systemd that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// A running host with its toolstack up.
    Running,
    /// The chroot in which the host installer puts packages: units are enabled, nothing is started.
    Installation,
}

/// What runs on a host, and what happened to it.
#[derive(Debug, Clone)]
pub(super) struct Services {
    pub stage: Stage,
    running: BTreeMap<String, Lifetimes>,
}

/// How often a unit was started and restarted so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Lifetimes {
    pub active: bool,
    pub starts: u32,
    pub restarts: u32,
}

/// What a call of `systemctl` comes to: an exit code and what it prints.
pub(super) type Answer = (u8, String);

impl Services {
    /// Services of a host on which the toolstack is up, or of one that is being installed.
    pub(super) fn new(stage: Stage) -> Services {
        let xapi = Lifetimes { active: stage == Stage::Running, ..Lifetimes::default() };
        Services { stage, running: BTreeMap::from([("xapi.service".to_owned(), xapi)]) }
    }

    /// What happened to a unit so far.
    pub(super) fn lifetimes(&self, unit: &str) -> Lifetimes {
        self.running.get(unit).copied().unwrap_or_default()
    }

    /// The host boots: what is enabled runs.
    pub(super) fn boot(&mut self, root: &Root) {
        *self = Services::new(Stage::Running);
        for unit in enabled_units(root) {
            self.running.insert(unit, Lifetimes { active: true, ..Lifetimes::default() });
        }
    }

    /// `systemctl ARGUMENTS`.
    ///
    /// # Errors
    /// A call whose effect is not known here.
    pub(super) fn systemctl(&mut self, root: &Root, arguments: &[String]) -> Result<Answer, String> {
        let mut quiet = false;
        let mut now = false;
        let mut words = Vec::new();
        for argument in arguments {
            match argument.as_str() {
                "-q" | "--quiet" => quiet = true,
                "--now" => now = true,
                "--no-reload" | "--no-block" | "--no-ask-password" | "--system" | "--no-pager" => {}
                option if option.starts_with('-') => return Err(format!("systemctl {option}")),
                word => words.push(word),
            }
        }
        let Some((verb, units)) = words.split_first() else { return Err("systemctl without a command".into()) };
        if matches!(*verb, "daemon-reload" | "daemon-reexec") {
            return Ok((0, String::new()));
        }
        if units.is_empty() {
            return Err(format!("systemctl {verb}"));
        }
        let (mut code, mut said) = (0, String::new());
        for unit in units {
            let unit = if unit.contains('.') { (*unit).to_owned() } else { format!("{unit}.service") };
            let (one, text) = self.one(root, verb, &unit, now)?;
            code = code.max(one);
            let muted = quiet && verb.starts_with("is-");
            if !text.is_empty() && !muted {
                said += &format!("{text}\n");
            }
        }
        Ok((code, said))
    }

    fn one(&mut self, root: &Root, verb: &str, unit: &str, now: bool) -> Result<Answer, String> {
        let installing = self.stage == Stage::Installation;
        let good = Ok((0, String::new()));
        match verb {
            "preset" | "enable" | "reenable" | "disable" => {
                let Some(text) = unit_text(root, unit) else {
                    let code = if verb == "disable" { 0 } else { 1 };
                    return Ok((code, format!("Failed to execute operation: No such file or directory ({unit})")));
                };
                let enable = verb.ends_with("enable") || (verb == "preset" && preset_enables(root, unit));
                enablement(root, unit, &text, enable)?;
                if now && !installing {
                    self.one(root, if enable { "start" } else { "stop" }, unit, false)?;
                }
                good
            }
            "is-enabled" => match links(root, unit).is_empty() {
                true => Ok((1, "disabled".into())),
                false => Ok((0, "enabled".into())),
            },
            "is-active" | "is-failed" if installing => Ok((if verb == "is-active" { 3 } else { 1 }, "unknown".into())),
            "is-active" => match self.lifetimes(unit).active {
                true => Ok((0, "active".into())),
                false => Ok((3, "inactive".into())),
            },
            "is-failed" => Ok((1, "inactive".into())),
            "start" | "stop" | "restart" | "try-restart" | "condrestart" | "reload-or-restart" | "reload"
                if installing =>
            {
                Ok((0, "Running in chroot, ignoring request.".into()))
            }
            "start" | "restart" | "try-restart" | "condrestart" | "reload-or-restart"
                if unit_text(root, unit).is_none() && unit != "xapi.service" =>
            {
                Ok((5, format!("Failed to {verb} {unit}: Unit not found.")))
            }
            "start" => {
                let lifetimes = self.running.entry(unit.into()).or_default();
                lifetimes.starts += u32::from(!lifetimes.active);
                lifetimes.active = true;
                good
            }
            "stop" => match self.running.get_mut(unit) {
                Some(lifetimes) => {
                    lifetimes.active = false;
                    good
                }
                None if unit_text(root, unit).is_some() => good,
                None => Ok((5, format!("Failed to stop {unit}: Unit {unit} not loaded."))),
            },
            "restart" | "reload-or-restart" => {
                let lifetimes = self.running.entry(unit.into()).or_default();
                lifetimes.restarts += 1;
                lifetimes.active = true;
                good
            }
            "try-restart" | "condrestart" => {
                if let Some(lifetimes) = self.running.get_mut(unit) {
                    lifetimes.restarts += u32::from(lifetimes.active);
                }
                good
            }
            _ => Err(format!("systemctl {verb}")),
        }
    }
}

/// Whether a unit is enabled.
pub(super) fn is_enabled(root: &Root, unit: &str) -> bool {
    !links(root, unit).is_empty()
}

fn unit_text(root: &Root, unit: &str) -> Option<String> {
    let read = |folder: &&str| root.read(format!("{folder}/{unit}"), MAX_FILE).ok();
    UNIT_FOLDERS.iter().find_map(read).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether a unit that can be enabled is to be so by a preset.
pub(super) fn is_wanted(root: &Root, unit: &str) -> bool {
    preset(root, unit) == Some(true) && unit_text(root, unit).is_some_and(|text| !wanted_by(&text).is_empty())
}

/// systemd enables what no line mentions.
fn preset_enables(root: &Root, unit: &str) -> bool {
    preset(root, unit).unwrap_or(true)
}

/// Whether the first preset line that matches enables the unit; none if no line does.
fn preset(root: &Root, unit: &str) -> Option<bool> {
    // A file of a stronger folder hides one of the same name.
    let mut files: BTreeMap<String, &str> = BTreeMap::new();
    for folder in PRESET_FOLDERS {
        for name in root.names(folder) {
            if name.ends_with(".preset") {
                files.entry(name).or_insert(folder);
            }
        }
    }
    let texts = files.iter().filter_map(|(name, folder)| root.read(format!("{folder}/{name}"), MAX_FILE).ok());
    for text in texts {
        for line in String::from_utf8_lossy(&text).lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                [verb @ ("enable" | "disable"), pattern] if matches(pattern, unit) => return Some(*verb == "enable"),
                _ => {}
            }
        }
    }
    None
}

/// Shell patterns as presets have them: `*` and `?`.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, t) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Where `[Install]` says that links to the unit belong.
fn wanted_by(text: &str) -> Vec<String> {
    let mut section = "";
    let mut folders = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        }
        for (key, suffix) in [("WantedBy=", "wants"), ("RequiredBy=", "requires")] {
            if let Some(targets) = line.strip_prefix(key).filter(|_| section == "[Install]") {
                let safe = |target: &&str| !target.contains('/');
                folders.extend(targets.split_whitespace().filter(safe).map(|target| format!("{target}.{suffix}")));
            }
        }
    }
    folders
}

fn enablement(root: &Root, unit: &str, text: &str, enable: bool) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("systemctl could not change a link of {unit}: {e}");
    for link in links(root, unit) {
        if !enable {
            root.remove(&link).map_err(failed)?;
        }
    }
    for folder in wanted_by(text).iter().filter(|_| enable) {
        let folder = format!("/etc/systemd/system/{folder}");
        let link = format!("{folder}/{unit}");
        if !root.exists(&link) {
            root.make_parents(&link).map_err(failed)?;
            root.symlink(&link, format!("/usr/lib/systemd/system/{unit}")).map_err(failed)?;
        }
    }
    Ok(())
}

/// The links that enable a unit.
fn links(root: &Root, unit: &str) -> Vec<String> {
    let folders = root.names("/etc/systemd/system");
    let folders = folders.iter().filter(|name| name.ends_with(".wants") || name.ends_with(".requires"));
    folders.map(|folder| format!("/etc/systemd/system/{folder}/{unit}")).filter(|link| root.exists(link)).collect()
}

fn enabled_units(root: &Root) -> Vec<String> {
    let folders = root.names("/etc/systemd/system");
    let wants = folders.iter().filter(|name| name.ends_with(".wants") || name.ends_with(".requires"));
    wants.flat_map(|folder| root.names(format!("/etc/systemd/system/{folder}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: &str = "[Service]\nExecStart=/usr/bin/x\n[Install]\nWantedBy=multi-user.target\n";

    fn host(stage: Stage, preset: &str) -> (Root, Services) {
        let root = Root::create(&std::env::temp_dir()).unwrap();
        for (path, text) in [
            ("/usr/lib/systemd/system/x.service", UNIT),
            ("/usr/lib/systemd/system-preset/80-x.preset", preset),
            ("/usr/lib/systemd/system-preset/99-default.preset", "disable *\n"),
        ] {
            root.make_parents(path).unwrap();
            root.write(path, 0o644, &mut text.as_bytes()).unwrap();
        }
        (root, Services::new(stage))
    }

    fn call(root: &Root, services: &mut Services, arguments: &str) -> Result<Answer, String> {
        services.systemctl(root, &arguments.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_first_preset_that_matches_decides() {
        for (preset, enabled) in [("enable x.service\n", true), ("# nothing\n", false), ("disable x*\n", false)] {
            let (root, mut services) = host(Stage::Installation, preset);
            call(&root, &mut services, "preset x.service").unwrap();
            assert_eq!(is_enabled(&root, "x.service"), enabled, "{preset}");
            let code = if enabled { 0 } else { 1 };
            assert_eq!(call(&root, &mut services, "is-enabled x").unwrap().0, code);
        }
    }

    #[test]
    fn disabling_takes_the_links_away() {
        let (root, mut services) = host(Stage::Running, "");
        call(&root, &mut services, "enable x").unwrap();
        assert!(root.exists("/etc/systemd/system/multi-user.target.wants/x.service"));
        call(&root, &mut services, "--no-reload disable x.service").unwrap();
        assert!(!is_enabled(&root, "x.service"));
    }

    #[test]
    fn nothing_starts_in_the_chroot_of_the_installer() {
        let (root, mut services) = host(Stage::Installation, "");
        assert_eq!(call(&root, &mut services, "start x.service").unwrap().0, 0);
        assert_eq!(call(&root, &mut services, "is-active --quiet xapi.service").unwrap().0, 3);
        assert_eq!(services.lifetimes("x.service"), Lifetimes::default());
    }

    #[test]
    fn starts_and_restarts_are_counted() {
        let (root, mut services) = host(Stage::Running, "");
        for arguments in ["try-restart x", "start x", "start x", "try-restart x.service", "restart x"] {
            call(&root, &mut services, arguments).unwrap();
        }
        assert_eq!(services.lifetimes("x.service"), Lifetimes { active: true, starts: 1, restarts: 2 });
    }

    #[test]
    fn calls_of_unknown_effect_are_told() {
        let (root, mut services) = host(Stage::Running, "");
        for arguments in ["mask x", "show x", "--user start x", "start"] {
            assert!(call(&root, &mut services, arguments).is_err(), "{arguments}");
        }
    }
}
