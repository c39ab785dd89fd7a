//! What can be wrong with a host: in words, how bad it is, and what to do about it. Must not know how it is found.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::check::Check;
use super::id::Id;
use crate::access::AccessError;
use crate::certificates::{Date, Expiry};
use crate::config;
use crate::inventory::InventoryError;
use crate::operator::problem::in_shell;
use crate::quote::quoted;
use crate::xapi::{self, HostUuid};

/// VMs, files or certificates that are named; the rest is counted.
const NAMED: usize = 5;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Worth a look.
    Warning,
    /// Something does not work.
    Failure,
}

/// What is wrong. Texts that come from elsewhere are foreign.
#[derive(Debug)]
pub enum Fault {
    /// [`Id::Inventory`]
    Inventory(InventoryError),
    /// [`Id::Settings`]
    Settings(Vec<config::Fault>),
    /// [`Id::RpmUnusable`]
    RpmUnusable(String),
    /// [`Id::NotInstalled`]
    NotInstalled,
    /// [`Id::ProgramVersion`]
    ProgramVersion {
        /// The program's.
        program: String,
        /// The package's.
        package: String,
    },
    /// [`Id::FilesChanged`]: paths.
    FilesChanged(Vec<String>),
    /// [`Id::XapiSilent`]
    XapiSilent(xapi::Error),
    /// [`Id::HostUnknown`]
    HostUnknown(HostUuid),
    /// [`Id::PackMissing`]
    PackMissing,
    /// [`Id::PackVersion`]
    PackVersion {
        /// Those that XAPI has as applied.
        packs: Vec<String>,
        /// This program's.
        program: String,
    },
    /// [`Id::ServiceUnknown`]
    ServiceUnknown(String),
    /// [`Id::ServiceStopped`]: the unit's state.
    ServiceStopped(String),
    /// [`Id::ServiceDisabled`]: the unit file's state.
    ServiceDisabled(String),
    /// [`Id::ServiceRestarted`]: how often.
    ServiceRestarted(u64),
    /// [`Id::MonitorAbsent`]
    MonitorAbsent(String),
    /// [`Id::MonitorHung`]
    MonitorHung(String),
    /// [`Id::MonitorVersion`]: what it says.
    MonitorVersion(String),
    /// [`Id::MonitorXapiSilent`]: for how long.
    MonitorXapiSilent(Duration),
    /// [`Id::PluginMissing`]
    PluginMissing(PathBuf),
    /// [`Id::PluginNotExecutable`]: the file and its mode.
    PluginNotExecutable(PathBuf, u32),
    /// [`Id::PluginForeign`]
    PluginForeign(PathBuf),
    /// [`Id::PluginSilent`]
    PluginSilent(String),
    /// [`Id::PluginOld`]
    PluginOld,
    /// [`Id::NoPoolKey`] and what else can be wrong with keys.
    Keys(AccessError),
    /// [`Id::DiskShort`], [`Id::DiskFull`]
    Disk {
        /// The folder.
        place: &'static str,
        /// Bytes that are free.
        bytes: u64,
        /// Files that can be made; none where the file system does not count.
        files: Option<u64>,
        /// How bad that is.
        severity: Severity,
    },
    /// [`Id::LogUnwritable`]
    LogUnwritable(PathBuf, std::io::Error),
    /// [`Id::MonitorMemory`]
    MonitorMemory {
        /// Bytes that it has.
        used: u64,
        /// Bytes that it may have.
        limit: u64,
    },
    /// [`Id::Dom0Memory`]: bytes that are left.
    Dom0Memory(u64),
    /// [`Id::ClockBeforeProgram`]
    ClockBeforeProgram {
        /// What the clock says.
        now: Date,
        /// When the program was made.
        made: Date,
    },
    /// [`Id::ClockDiffers`], [`Id::ClockWrong`]: how many seconds this clock is ahead of the coordinator's.
    Clock {
        /// Seconds.
        ahead: i64,
        /// How bad that is.
        severity: Severity,
    },
    /// [`Id::DebugLeft`]: what leaves it on.
    DebugLeft(String),
    /// [`Id::VmsNotReached`]: names, and why.
    VmsNotReached(Vec<(String, String)>),
    /// [`Id::CertificatesEnd`]: VMs, and what ends.
    CertificatesEnd(Vec<(String, Expiry)>),
}

impl Fault {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> Id {
        match self {
            Self::Inventory(_) => Id::Inventory,
            Self::Settings(_) => Id::Settings,
            Self::RpmUnusable(_) => Id::RpmUnusable,
            Self::NotInstalled => Id::NotInstalled,
            Self::ProgramVersion { .. } => Id::ProgramVersion,
            Self::FilesChanged(_) => Id::FilesChanged,
            Self::XapiSilent(_) => Id::XapiSilent,
            Self::HostUnknown(_) => Id::HostUnknown,
            Self::PackMissing => Id::PackMissing,
            Self::PackVersion { .. } => Id::PackVersion,
            Self::ServiceUnknown(_) => Id::ServiceUnknown,
            Self::ServiceStopped(_) => Id::ServiceStopped,
            Self::ServiceDisabled(_) => Id::ServiceDisabled,
            Self::ServiceRestarted(_) => Id::ServiceRestarted,
            Self::MonitorAbsent(_) => Id::MonitorAbsent,
            Self::MonitorHung(_) => Id::MonitorHung,
            Self::MonitorVersion(_) => Id::MonitorVersion,
            Self::MonitorXapiSilent(_) => Id::MonitorXapiSilent,
            Self::PluginMissing(_) => Id::PluginMissing,
            Self::PluginNotExecutable(..) => Id::PluginNotExecutable,
            Self::PluginForeign(_) => Id::PluginForeign,
            Self::PluginSilent(_) => Id::PluginSilent,
            Self::PluginOld => Id::PluginOld,
            Self::Keys(error) => Id::of_access(error),
            Self::Disk { severity: Severity::Warning, .. } => Id::DiskShort,
            Self::Disk { severity: Severity::Failure, .. } => Id::DiskFull,
            Self::LogUnwritable(..) => Id::LogUnwritable,
            Self::MonitorMemory { .. } => Id::MonitorMemory,
            Self::Dom0Memory(_) => Id::Dom0Memory,
            Self::ClockBeforeProgram { .. } => Id::ClockBeforeProgram,
            Self::Clock { severity: Severity::Warning, .. } => Id::ClockDiffers,
            Self::Clock { severity: Severity::Failure, .. } => Id::ClockWrong,
            Self::DebugLeft(_) => Id::DebugLeft,
            Self::VmsNotReached(_) => Id::VmsNotReached,
            Self::CertificatesEnd(_) => Id::CertificatesEnd,
        }
    }

    /// The check that finds it.
    #[must_use]
    pub fn check(&self) -> Check {
        match self {
            Self::Inventory(_) => Check::Inventory,
            Self::Settings(_) => Check::Settings,
            Self::RpmUnusable(_) | Self::NotInstalled | Self::ProgramVersion { .. } | Self::FilesChanged(_) => {
                Check::Package
            }
            Self::XapiSilent(_) | Self::HostUnknown(_) => Check::Xapi,
            Self::PackMissing | Self::PackVersion { .. } => Check::Pack,
            Self::ServiceUnknown(_)
            | Self::ServiceStopped(_)
            | Self::ServiceDisabled(_)
            | Self::ServiceRestarted(_) => Check::Service,
            Self::MonitorAbsent(_) | Self::MonitorHung(_) | Self::MonitorVersion(_) | Self::MonitorXapiSilent(_) => {
                Check::Monitor
            }
            Self::PluginMissing(_) | Self::PluginNotExecutable(..) | Self::PluginForeign(_) => Check::PluginFile,
            Self::PluginSilent(_) | Self::PluginOld => Check::Plugin,
            Self::Keys(_) => Check::PoolKey,
            Self::Disk { .. } => Check::Disk,
            Self::LogUnwritable(..) => Check::Log,
            Self::MonitorMemory { .. } | Self::Dom0Memory(_) => Check::Memory,
            Self::ClockBeforeProgram { .. } | Self::Clock { .. } => Check::Clock,
            Self::DebugLeft(_) => Check::LogLevel,
            Self::VmsNotReached(_) => Check::Vms,
            Self::CertificatesEnd(_) => Check::Certificates,
        }
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::Disk { severity, .. } | Self::Clock { severity, .. } => *severity,
            Self::Settings(_)
            | Self::RpmUnusable(_)
            | Self::FilesChanged(_)
            | Self::PackMissing
            | Self::PackVersion { .. }
            | Self::ServiceUnknown(_)
            | Self::ServiceDisabled(_)
            | Self::ServiceRestarted(_)
            | Self::Keys(AccessError::NoPoolKey)
            | Self::MonitorMemory { .. }
            | Self::Dom0Memory(_)
            | Self::DebugLeft(_)
            | Self::VmsNotReached(_)
            | Self::CertificatesEnd(_) => Severity::Warning,
            _ => Severity::Failure,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Inventory(_) => "Run this in dom0. If it is dom0, compare the file with what xe host-list prints.",
            Self::Settings(_) => {
                "Set it right (man xscontainer.toml), look again with xscontainer config check, and let the \
                 service take it: systemctl reload xscontainer-monitor"
            }
            Self::RpmUnusable(_) => "Try rpm -q xscontainer; if it hangs, see whether another program uses rpm or yum.",
            Self::NotInstalled => "Install the pack: xe update-upload, then xe update-apply.",
            Self::ProgramVersion { .. } => {
                "Apply the pack again, and start the service anew: systemctl restart \
                 xscontainer-monitor"
            }
            Self::FilesChanged(_) => {
                "See what was changed (rpm -V xscontainer); to get the files back, apply the pack \
                 again."
            }
            Self::XapiSilent(_) => {
                "See systemctl status xapi and /var/log/xensource.log; to start it anew: \
                 xe-toolstack-restart"
            }
            Self::HostUnknown(_) => {
                "Compare INSTALLATION_UUID in /etc/xensource-inventory with what xe host-list prints."
            }
            Self::PackMissing => {
                "If the pack was installed by rpm, apply it by xe update-apply, so that the pool knows it."
            }
            Self::PackVersion { .. } => {
                "Let XAPI look again: xe-toolstack-restart. If it stays, apply the pack of the \
                 version that you want."
            }
            Self::ServiceUnknown(_) => "Try systemctl status xscontainer-monitor.",
            Self::ServiceStopped(_) => {
                "Start it: systemctl start xscontainer-monitor. If it ends again, see systemctl \
                 status xscontainer-monitor and /var/log/xscontainer.log"
            }
            Self::ServiceDisabled(_) => "Let it start with the host: systemctl enable xscontainer-monitor",
            Self::ServiceRestarted(_) => "See /var/log/xscontainer.log for what ended it, and report it.",
            Self::MonitorAbsent(_) => {
                "Start it anew: systemctl restart xscontainer-monitor. If it stays, see \
                 /var/log/xscontainer.log"
            }
            Self::MonitorHung(_) => {
                "The service manager starts it anew within a minute; by hand: systemctl restart \
                 xscontainer-monitor. Report it, with xscontainer doctor --report."
            }
            Self::MonitorVersion(_) => "Start it anew: systemctl restart xscontainer-monitor",
            Self::MonitorXapiSilent(_) => {
                "If XAPI answers this program, wait for a minute; then systemctl restart \
                 xscontainer-monitor. See /var/log/xensource.log"
            }
            Self::PluginMissing(_) | Self::PluginForeign(_) | Self::PluginOld => "Apply the pack again.",
            Self::PluginNotExecutable(file, _) => return format!("chmod 755 {}", in_shell(&file.to_string_lossy())),
            Self::PluginSilent(_) => {
                "See /var/log/xscontainer.log and /var/log/xensource.log; apply the pack again if the \
                 plugin ends badly."
            }
            Self::Keys(error) => return error.remedy(),
            Self::Disk { place, .. } => return format!("See what needs the room: du -x {place} | sort -n | tail"),
            Self::LogUnwritable(..) => {
                "See mount and dmesg; a file system that became read-only has a broken disk. Then: \
                 systemctl kill -s HUP xscontainer-monitor"
            }
            Self::MonitorMemory { .. } => {
                "It is started anew if it needs more than it may have, and views are gone for a \
                 moment. Remove containers that are not needed, and report it."
            }
            Self::Dom0Memory(_) => {
                "See what needs it (top, sorted by M), or give dom0 more: \
                 /opt/xensource/libexec/xen-cmdline --set-xen dom0_mem=… and a restart of the host"
            }
            Self::ClockBeforeProgram { .. } | Self::Clock { .. } => {
                "Give the hosts of the pool a time server (xsconsole, or \
                 chronyc sources), and see that the clock follows it: timedatectl"
            }
            Self::DebugLeft(_) => {
                "Set it back: xscontainer log-level info. If there is such a file, take it away too: \
                 rm -f /opt/xensource/packages/files/xscontainer/devlogging_enabled"
            }
            Self::VmsNotReached(vms) => {
                let name = vms.first().map_or("VM".to_owned(), |(name, _)| in_shell(name));
                return format!("Walk the path to each: xscontainer doctor {name}");
            }
            Self::CertificatesEnd(_) => {
                "Prepare the VM for TLS again, with new certificates for both sides: \
                 xscontainer-prepare-vm -v VM --mode tls"
            }
        }
        .to_owned()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inventory(error) => error.fmt(f),
            Self::Settings(faults) => {
                let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
                write!(f, "{}; there the usual holds", some(&faults))
            }
            Self::RpmUnusable(why) => write!(f, "rpm does not say what is installed: {why}"),
            Self::NotInstalled => f.write_str("no package xscontainer is installed"),
            Self::ProgramVersion { program, package } => {
                write!(f, "this program is of version {program}, the package of {}", quoted(package))
            }
            Self::FilesChanged(files) => {
                let files: Vec<String> = files.iter().map(|file| quoted(file).to_string()).collect();
                write!(f, "missing or changed since they were installed: {}", some(&files))
            }
            Self::XapiSilent(error) => error.fmt(f),
            Self::HostUnknown(uuid) => write!(f, "XAPI knows no host with this one's uuid {uuid}"),
            Self::PackMissing => f.write_str("XAPI has no pack xscontainer as applied to this host"),
            Self::PackVersion { packs, program } => {
                let packs: Vec<String> = packs.iter().map(|version| quoted(version).to_string()).collect();
                write!(f, "XAPI has the pack of version {} as applied, this program is of {program}", some(&packs))
            }
            Self::ServiceUnknown(why) => write!(f, "systemctl does not say how the service is: {why}"),
            Self::ServiceStopped(state) => write!(f, "xscontainer-monitor.service is {}", quoted(state)),
            Self::ServiceDisabled(state) => {
                write!(f, "xscontainer-monitor.service runs, and does not start with the host: it is {}", quoted(state))
            }
            Self::ServiceRestarted(times) => {
                write!(f, "xscontainer-monitor.service runs, and ended by itself {times} times before")
            }
            Self::MonitorAbsent(why) | Self::MonitorVersion(why) => f.write_str(why),
            Self::MonitorHung(why) => write!(f, "the monitor takes a question and does not answer: {why}"),
            Self::MonitorXapiSilent(time) => write!(f, "XAPI does not answer the monitor, for {} s", time.as_secs()),
            Self::PluginMissing(file) => write!(f, "there is no file {}", file.display()),
            Self::PluginNotExecutable(file, mode) => {
                write!(f, "{} has the mode {mode:o}, with which XAPI cannot run it", file.display())
            }
            Self::PluginForeign(file) => write!(f, "{} does not run this program", file.display()),
            Self::PluginSilent(why) => f.write_str(why),
            Self::PluginOld => {
                f.write_str("the plugin does not know the function get_status: it is of an older version")
            }
            Self::Keys(error) => error.fmt(f),
            Self::Disk { place, bytes, files, .. } => {
                write!(f, "{place} has {} left", size(*bytes))?;
                files.map_or(Ok(()), |files| write!(f, ", and room for {files} more files"))
            }
            Self::LogUnwritable(file, error) => write!(f, "cannot append to {}: {error}", file.display()),
            Self::MonitorMemory { used, limit } => {
                write!(f, "the monitor has {} of the {} that it may have", size(*used), size(*limit))
            }
            Self::Dom0Memory(bytes) => write!(f, "dom0 has {} of memory left", size(*bytes)),
            Self::ClockBeforeProgram { now, made } => {
                write!(f, "it is {now} here, and this program was made at {made}")
            }
            Self::Clock { ahead, .. } => {
                let side = if *ahead > 0 { "ahead of" } else { "behind" };
                write!(f, "this clock is {} s {side} that of the pool's coordinator", ahead.unsigned_abs())
            }
            Self::DebugLeft(why) => f.write_str(why),
            Self::VmsNotReached(vms) => {
                let vms: Vec<String> = vms.iter().map(|(name, why)| format!("{}: {why}", quoted(name))).collect();
                f.write_str(&some(&vms))
            }
            Self::CertificatesEnd(all) => {
                let all: Vec<String> = all.iter().map(|(vm, expiry)| format!("of {}, {expiry}", quoted(vm))).collect();
                f.write_str(&some(&all))
            }
        }
    }
}

/// Some of many, the rest counted.
fn some(all: &[String]) -> String {
    let named = all[..all.len().min(NAMED)].join("; ");
    match all.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}; and {more} more"),
    }
}

/// Bytes as people say them.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..=0xf_ffff => format!("{} KiB", bytes >> 10),
        0x10_0000..=0x3fff_ffff => format!("{} MiB", bytes >> 20),
        _ => format!("{}.{} GiB", bytes >> 30, (bytes >> 20) % 1024 * 10 / 1024),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_their_unit() {
        for (bytes, text) in [(0, "0 KiB"), (1 << 20, "1 MiB"), ((1 << 30) - 1, "1023 MiB"), (3 << 29, "1.5 GiB")] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn of_many_some_are_named() {
        let files = (0..7).map(|n| format!("/f{n}")).collect();
        let text = Fault::FilesChanged(files).to_string();
        assert!(text.ends_with("\"/f4\"; and 2 more"), "{text}");
    }
}
