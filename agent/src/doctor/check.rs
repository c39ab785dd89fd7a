//! What is looked at on a host: every check, how it is tested, and what usually is wrong where it is not passed.
//!
//! The order is that in which they are made: what comes earlier explains what comes later. Must not know how a check is
//! made.

use super::fault::Fault;

/// A check of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// The host knows which one it is.
    Inventory,
    /// What an administrator set can be understood.
    Settings,
    /// What is installed is one whole.
    Package,
    /// XAPI answers, and knows the host.
    Xapi,
    /// XAPI knows the pack.
    Pack,
    /// The service runs.
    Service,
    /// The monitor answers.
    Monitor,
    /// The plugin is there.
    PluginFile,
    /// XAPI can call the plugin.
    Plugin,
    /// The pool has its key.
    PoolKey,
    /// There is room for logs and sockets.
    Disk,
    /// The log can be written.
    Log,
    /// There is memory.
    Memory,
    /// The clock is right.
    Clock,
    /// The log has what is usual in it.
    LogLevel,
    /// Registered VMs are seen.
    Vms,
    /// Certificates last.
    Certificates,
}

impl Check {
    /// All, in their order.
    pub const ALL: [Self; 17] = [
        Self::Inventory,
        Self::Settings,
        Self::Package,
        Self::Xapi,
        Self::Pack,
        Self::Service,
        Self::Monitor,
        Self::PluginFile,
        Self::Plugin,
        Self::PoolKey,
        Self::Disk,
        Self::Log,
        Self::Memory,
        Self::Clock,
        Self::LogLevel,
        Self::Vms,
        Self::Certificates,
    ];

    /// What is true if it is passed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Inventory => "the host knows its uuid",
            Self::Settings => "the settings are understood",
            Self::Package => "package and program agree",
            Self::Xapi => "XAPI answers, and knows this host",
            Self::Pack => "XAPI has the pack of this version",
            Self::Service => "the service runs, and starts with the host",
            Self::Monitor => "the monitor answers",
            Self::PluginFile => "the plugin is in its place",
            Self::Plugin => "XAPI gets answers of the plugin",
            Self::PoolKey => "the pool has its key",
            Self::Disk => "there is room for the log and for sockets",
            Self::Log => "the log can be written",
            Self::Memory => "there is memory",
            Self::Clock => "the clock is right",
            Self::LogLevel => "no debug messages are left on",
            Self::Vms => "the registered VMs of this host are seen",
            Self::Certificates => "certificates for engines last 30 days and more",
        }
    }

    /// How it is tested.
    #[must_use]
    pub fn test(self) -> &'static str {
        match self {
            Self::Inventory => "INSTALLATION_UUID in /etc/xensource-inventory",
            Self::Settings => "reading /etc/xscontainer/config.toml, as xscontainer config check does",
            Self::Package => "rpm -q xscontainer, rpm -V xscontainer, and xscontainer --version",
            Self::Xapi => "a login on XAPI's local socket, and host.get_by_uuid",
            Self::Pack => "pool_update records whose name begins with xscontainer, and their hosts",
            Self::Service => "systemctl show xscontainer-monitor.service",
            Self::Monitor => "a question on /run/xscontainer/agent.sock",
            Self::PluginFile => "/etc/xapi.d/plugins/xscontainer: that it is there, its mode, and what it runs",
            Self::Plugin => "host.call_plugin of this host's XAPI, function get_status",
            Self::PoolKey => "xscontainer-private-secret-uuid in the pool's other_config, and the secret that it names",
            Self::Disk => "statvfs of /var/log and /run: free bytes, free inodes",
            Self::Log => "opening /var/log/xscontainer.log to append",
            Self::Memory => {
                "VmRSS of the service's process beside MemoryLimit of its unit, and MemAvailable in /proc/meminfo"
            }
            Self::Clock => "the date of the program's file, and host.get_servertime of the pool's coordinator",
            Self::LogLevel => {
                "whether /opt/xensource/packages/files/xscontainer/devlogging_enabled exists, and the monitor's answer"
            }
            Self::Vms => "what the monitor says of each VM",
            Self::Certificates => "the dates in the secrets that registered VMs with xscontainer-mode tls name",
        }
    }

    /// What usually is wrong where it is not passed.
    #[must_use]
    pub fn causes(self) -> &'static [&'static str] {
        match self {
            Self::Inventory => &["this is not dom0", "the file was written by hand"],
            Self::Settings => &["a slip of the pen", "a key of another version"],
            Self::Package => &["a program that was copied here by hand", "an update that broke off"],
            Self::Xapi => &["the toolstack starts, hangs or is stopped", "the host was taken out of its pool"],
            Self::Pack => &["the package was installed by rpm instead of xe update-apply", "XAPI's list is old"],
            Self::Service => &["somebody stopped it", "it cannot start; its log says why"],
            Self::Monitor => &["the service does not run", "it runs from before an update"],
            Self::PluginFile => &["somebody changed or removed it"],
            Self::Plugin => &["the file of the check before", "XAPI is overloaded"],
            Self::PoolKey => &["no VM was prepared yet", "a secret was destroyed, or the database is an old backup"],
            Self::Disk => &["logs of other programs", "files that somebody left there"],
            Self::Log => &["a file system that is read-only, after an error of its disk"],
            Self::Memory => &["dom0 has too little memory for this many VMs", "another program of dom0 has it"],
            Self::Clock => &["no time server", "a battery that is empty"],
            Self::LogLevel => &["somebody looked for an error, and forgot it"],
            Self::Vms => &["the VMs' own troubles"],
            Self::Certificates => &["time"],
        }
    }
}

/// What became of a check.
#[derive(Debug)]
pub enum Outcome {
    /// It is passed; what was seen.
    Passed(String),
    /// It is not.
    Found(Fault),
    /// It could not be made, for this reason.
    NotMade(String),
}

/// A check that was made, or come to.
#[derive(Debug)]
pub struct Finding {
    /// Which.
    pub check: Check,
    /// What became of it.
    pub outcome: Outcome,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_in_order_and_every_one_is_explained() {
        assert!(Check::ALL.is_sorted());
        assert_eq!(Check::ALL.last().map(|last| *last as usize + 1), Some(Check::ALL.len()), "one is missing");
        for check in Check::ALL {
            assert!(!check.name().is_empty() && !check.test().is_empty() && !check.causes().is_empty(), "{check:?}");
        }
    }
}
