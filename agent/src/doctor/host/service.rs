//! The service: what the service manager knows of it, and what the monitor in it answers.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::Places;
use super::super::fault::Fault;
use super::super::program;
use super::Seen;
use crate::lending::Standing;
use crate::lending::client::{self as monitor, NoAnswer};
use crate::lending::wire::LevelNow;

/// The unit.
pub(in super::super) const UNIT: &str = "xscontainer-monitor.service";

/// Switches debug messages on by being there.
const DEBUG_SWITCH: &str = "opt/xensource/packages/files/xscontainer/devlogging_enabled";

/// What is asked of the service manager. Not every systemd has all of them: 219 has no NRestarts.
const PROPERTIES: [&str; 9] = [
    "LoadState",
    "ActiveState",
    "SubState",
    "Result",
    "UnitFileState",
    "ActiveEnterTimestamp",
    "NRestarts",
    "MainPID",
    "MemoryLimit",
];

/// What the service manager says, by name.
#[derive(Debug, Default)]
pub(super) struct Properties(BTreeMap<String, String>);

impl Properties {
    fn of(output: &str) -> Self {
        let pairs = output.lines().filter_map(|line| line.split_once('='));
        Self(pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect())
    }

    fn text(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    /// The service's process.
    pub(super) fn process(&self) -> Option<u32> {
        self.text("MainPID").parse().ok().filter(|id| *id > 0)
    }

    /// Bytes of memory that it may have.
    pub(super) fn memory_limit(&self) -> Option<u64> {
        // Without a limit it is "infinity", or the greatest number that there is.
        self.text("MemoryLimit").parse().ok().filter(|limit| *limit < u64::MAX)
    }
}

/// Asks the service manager.
pub(super) async fn properties() -> Result<Properties, String> {
    let mut arguments = vec!["show"];
    for property in PROPERTIES {
        arguments.extend(["-p", property]);
    }
    arguments.push(UNIT);
    let said = program::run("systemctl", &arguments).await?;
    match said.success {
        true => Ok(Properties::of(&said.output)),
        false => Err(said.last_words().to_owned()),
    }
}

/// Whether it runs, and will run after a restart of the host.
pub(super) fn state(properties: &Properties) -> Seen {
    let (active, sub, result) =
        (properties.text("ActiveState"), properties.text("SubState"), properties.text("Result"));
    if properties.text("LoadState") == "not-found" {
        return Err(Fault::ServiceStopped("not installed".to_owned()).into());
    }
    if active != "active" {
        let why = if matches!(result, "" | "success") { String::new() } else { format!(", {result}") };
        return Err(Fault::ServiceStopped(format!("{active} ({sub}{why})")).into());
    }
    let mut faults = Vec::new();
    let enabled = properties.text("UnitFileState");
    if enabled != "enabled" {
        faults.push(Fault::ServiceDisabled(enabled.to_owned()));
    }
    if let Ok(times @ 1..) = properties.text("NRestarts").parse() {
        faults.push(Fault::ServiceRestarted(times));
    }
    match faults.is_empty() {
        true => Ok(format!("since {}", properties.text("ActiveEnterTimestamp"))),
        false => Err(faults.into()),
    }
}

/// What the monitor says of itself and its log.
pub(super) async fn monitor(places: &Places) -> Result<(Standing, Option<LevelNow>), Fault> {
    let socket = &places.dom0.agent_socket;
    let standing = monitor::standing(socket).await.map_err(silent)?;
    Ok((standing, monitor::log_level(socket, None).await.ok()))
}

fn silent(why: NoAnswer) -> Fault {
    match why {
        NoAnswer::NotAsked(why) if why.contains("version") => Fault::MonitorVersion(why),
        NoAnswer::NotAsked(why) => Fault::MonitorAbsent(why),
        NoAnswer::BrokenOff(_) => Fault::MonitorHung(why.to_string()),
    }
}

/// Whether it is all right by its own word.
pub(super) fn seen(standing: &Standing) -> Seen {
    match standing.xapi_silent_since {
        Some(since) => {
            let time = Duration::from_secs(super::super::now().saturating_sub(since));
            Err(Fault::MonitorXapiSilent(time).into())
        }
        None => {
            let registered = standing.vms.iter().filter(|vm| vm.since.is_some()).count();
            Ok(format!("version {}, {registered} VMs watched", standing.version))
        }
    }
}

/// Whether debug messages are left on.
pub(super) fn log_level(places: &Places, level: Option<&LevelNow>) -> Seen {
    let switch = places.of_root(DEBUG_SWITCH);
    if switch.exists() {
        return Err(Fault::DebugLeft(format!("{} lets debug messages be logged", switch.display())).into());
    }
    match level {
        Some(LevelNow { level, until: None }) if matches!(level.as_str(), "debug" | "trace") => {
            Err(Fault::DebugLeft(format!("the monitor logs messages of level {level}, with no end set")).into())
        }
        Some(LevelNow { level, .. }) => Ok(level.clone()),
        None => Ok("there is no switch for them; the monitor does not answer".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Unpassed;
    use super::*;

    fn of(changes: &[(&str, &str)]) -> Properties {
        let usual = [
            ("LoadState", "loaded"),
            ("ActiveState", "active"),
            ("SubState", "running"),
            ("Result", "success"),
            ("UnitFileState", "enabled"),
            ("ActiveEnterTimestamp", "Sat 2026-11-28 10:00:00 UTC"),
        ];
        let lines: Vec<String> = usual.iter().chain(changes).map(|(name, value)| format!("{name}={value}")).collect();
        Properties::of(&lines.join("\n"))
    }

    fn found(changes: &[(&str, &str)]) -> String {
        match state(&of(changes)) {
            Ok(seen) => seen,
            Err(Unpassed::Faults(faults)) => faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            Err(Unpassed::Unknown(why)) => why,
        }
    }

    #[test]
    fn what_the_service_manager_says_is_understood() {
        assert_eq!(found(&[]), "since Sat 2026-11-28 10:00:00 UTC");
        assert!(found(&[("ActiveState", "failed"), ("SubState", "failed"), ("Result", "oom")]).contains("failed, oom"));
        assert!(found(&[("LoadState", "not-found"), ("ActiveState", "inactive")]).contains("not installed"));
        let both = found(&[("UnitFileState", "disabled"), ("NRestarts", "3")]);
        assert!(both.contains("disabled") && both.contains("3 times"), "{both}");
        assert_eq!(of(&[("MemoryLimit", "67108864")]).memory_limit(), Some(64 << 20));
        for none in ["infinity", "18446744073709551615", ""] {
            assert_eq!(of(&[("MemoryLimit", none)]).memory_limit(), None);
        }
    }
}
