//! The name of everything that can be wrong: stable, for scripts, for the page about troubles, and for search machines.
//!
//! Must not know how anything is found.

use crate::access::AccessError;
use crate::engine;
use crate::guest::Unreachable;
use crate::guest::unreachable::TlsFault;
use crate::reach::Trouble;

/// Defines the names, each with the text that people and programs see.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $text:literal,)*) => {
        /// What is wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Id {
            $($(#[$doc])* $name,)*
        }

        impl Id {
            /// All of them, in the order of the page about troubles.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Such as `xsc-login-refused`. Never changes.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("xsc-", $text),)*
                }
            }
        }
    };
}

ids! {
    /// The host's inventory does not say which host this is.
    Inventory "inventory-unusable",
    /// Settings are wrong, so that the usual ones hold.
    Settings "settings-wrong",
    /// The package manager does not answer.
    RpmUnusable "rpm-unusable",
    /// No package has this program.
    NotInstalled "package-missing",
    /// Package and program are of different versions.
    ProgramVersion "program-version",
    /// Files of the package are missing, or were changed.
    FilesChanged "files-changed",
    /// XAPI does not answer.
    XapiSilent "xapi-silent",
    /// XAPI does not know this host.
    HostUnknown "host-unknown",
    /// XAPI has no pack as applied to this host.
    PackMissing "pack-missing",
    /// The pack that XAPI has as applied is of another version.
    PackVersion "pack-version",
    /// The service manager does not answer.
    ServiceUnknown "service-unknown",
    /// The service does not run.
    ServiceStopped "service-stopped",
    /// The service does not start with the host.
    ServiceDisabled "service-disabled",
    /// The service ended by itself and was started again.
    ServiceRestarted "service-restarted",
    /// Nobody listens on the monitor's socket.
    MonitorAbsent "monitor-absent",
    /// The monitor takes questions, and does not answer.
    MonitorHung "monitor-hung",
    /// The monitor that runs is of another version.
    MonitorVersion "monitor-version",
    /// XAPI does not answer the monitor.
    MonitorXapiSilent "monitor-xapi-silent",
    /// There is no plugin.
    PluginMissing "plugin-missing",
    /// The plugin cannot be run.
    PluginNotExecutable "plugin-not-executable",
    /// Somebody else's plugin has the name.
    PluginForeign "plugin-foreign",
    /// XAPI gets no answer of the plugin.
    PluginSilent "plugin-silent",
    /// The plugin does not know what it is asked.
    PluginOld "plugin-old",
    /// The pool has no key yet.
    NoPoolKey "no-pool-key",
    /// The pool's key is named, and not there.
    PoolKeyLost "pool-key-lost",
    /// What should name the pool's key does not.
    PoolKeyUnnamed "pool-key-unnamed",
    /// What is named as the pool's key is none.
    PoolKeyUnusable "pool-key-unusable",
    /// XAPI does not do what is needed, such as giving keys.
    XapiRefuses "xapi-refuses",
    /// There is hardly room left.
    DiskShort "disk-short",
    /// There is no room left.
    DiskFull "disk-full",
    /// The log cannot be written.
    LogUnwritable "log-unwritable",
    /// The monitor needs nearly all the memory that it may have.
    MonitorMemory "monitor-memory",
    /// dom0 has hardly any memory left.
    Dom0Memory "dom0-memory",
    /// It is earlier than when this program was made.
    ClockBeforeProgram "clock-before-program",
    /// The clock differs a little from the coordinator's.
    ClockDiffers "clock-differs",
    /// The clock differs a lot from the coordinator's.
    ClockWrong "clock-wrong",
    /// Debug messages are logged.
    DebugLeft "debug-left-on",
    /// The containers of registered VMs are not seen.
    VmsNotReached "vms-not-reached",
    /// Certificates for engines end soon, or have ended.
    CertificatesEnd "certificates-end",
    /// The VM does not run.
    NotRunning "vm-not-running",
    /// A key of the VM makes no sense.
    BadSetting "setting-bad",
    /// It is to be reached over TLS, which is switched off.
    TlsSwitchedOff "tls-switched-off",
    /// A certificate is not named.
    NoCertificate "no-certificate",
    /// A certificate is named, and not there.
    CertificateLost "certificate-lost",
    /// Certificates are not what they should be.
    CertificatesUnusable "certificates-unusable",
    /// The guest tools report nothing.
    NoAddress "no-address",
    /// Nothing of what they report can be used.
    NoUsableAddress "no-usable-address",
    /// Nobody answers at the port.
    PortClosed "port-closed",
    /// It is no SSH server.
    NotSsh "not-ssh",
    /// An SSH server of another age.
    NoCommonAlgorithm "no-common-algorithm",
    /// Another SSH server.
    HostKeyChanged "host-key-changed",
    /// The SSH server does not let the pool in.
    LoginRefused "login-refused",
    /// The VM was prepared by another pool.
    OtherKey "prepared-with-another-key",
    /// A step on the way in takes too long.
    StepSlow "step-slow",
    /// The connection went away.
    ConnectionLost "connection-lost",
    /// There is no engine.
    NoSocket "no-engine",
    /// The account may not use the engine.
    SocketDenied "engine-denied",
    /// There is no way from the login to the engine.
    NoForwarding "no-forwarding",
    /// The engine's certificate is out of date.
    TlsExpired "tls-expired",
    /// The engine's certificate is somebody else's.
    TlsUnknownAuthority "tls-unknown-authority",
    /// The engine's certificate is for another address.
    TlsWrongName "tls-wrong-name",
    /// The engine's certificate is a client's.
    TlsNotForServers "tls-not-for-servers",
    /// The engine does not accept ours.
    TlsOursRefused "tls-ours-refused",
    /// No TLS comes about otherwise.
    TlsOther "tls-failed",
    /// The engine broke off.
    EngineClosed "engine-closed",
    /// The engine does not answer.
    EngineSlow "engine-slow",
    /// It is no engine, it does not even speak HTTP.
    EngineNotHttp "engine-not-http",
    /// It is no engine.
    NotAnEngine "not-an-engine",
    /// The engine reports a failure.
    EngineStatus "engine-failed",
    /// The engine's answer is beyond measure.
    EngineTooMuch "engine-answer-too-big",
    /// The engine is too old.
    EngineTooOld "engine-too-old",
    /// All of it takes too long.
    PathSlow "path-slow",
}

impl Id {
    /// Of what ends the path to an engine.
    #[must_use]
    pub fn of_trouble(trouble: &Trouble) -> Self {
        match trouble {
            Trouble::NotRunning(_) => Self::NotRunning,
            Trouble::Setting(_) => Self::BadSetting,
            Trouble::SwitchedOff => Self::TlsSwitchedOff,
            Trouble::NoAddress(candidates) if candidates.refused.is_empty() => Self::NoAddress,
            Trouble::NoAddress(_) => Self::NoUsableAddress,
            Trouble::Access(error) => Self::of_access(error),
            Trouble::Xapi(_) => Self::XapiRefuses,
            Trouble::Guest(unreachable) => Self::of_unreachable(unreachable),
            Trouble::OtherKey { .. } => Self::OtherKey,
            Trouble::Engine(error) => Self::of_engine(error),
            Trouble::Slow { .. } => Self::PathSlow,
        }
    }

    /// Of what is wrong with keys in XAPI.
    #[must_use]
    pub fn of_access(error: &AccessError) -> Self {
        match error {
            AccessError::Xapi(_) => Self::XapiRefuses,
            AccessError::NoPoolKey => Self::NoPoolKey,
            AccessError::PoolKeyLost(_) => Self::PoolKeyLost,
            AccessError::PoolKeyUnnamed(_) => Self::PoolKeyUnnamed,
            AccessError::PoolKeyUnusable(..) => Self::PoolKeyUnusable,
            AccessError::NoCertificate(_) => Self::NoCertificate,
            AccessError::CertificateLost(_) => Self::CertificateLost,
            AccessError::CertificatesUnusable(_) => Self::CertificatesUnusable,
        }
    }

    fn of_unreachable(unreachable: &Unreachable) -> Self {
        match unreachable {
            Unreachable::NoAnswer { .. } => Self::PortClosed,
            Unreachable::NotSsh { .. } => Self::NotSsh,
            Unreachable::NoCommonAlgorithm { .. } => Self::NoCommonAlgorithm,
            Unreachable::HostKeyChanged { .. } => Self::HostKeyChanged,
            Unreachable::LoginRefused { .. } => Self::LoginRefused,
            Unreachable::NoForwarding { .. } => Self::NoForwarding,
            Unreachable::NoSocket { .. } => Self::NoSocket,
            Unreachable::SocketDenied { .. } => Self::SocketDenied,
            Unreachable::Tls { fault, .. } => match fault {
                TlsFault::Expired => Self::TlsExpired,
                TlsFault::UnknownAuthority => Self::TlsUnknownAuthority,
                TlsFault::WrongName => Self::TlsWrongName,
                TlsFault::NotForServers => Self::TlsNotForServers,
                TlsFault::OursRefused(_) => Self::TlsOursRefused,
                TlsFault::Other(_) => Self::TlsOther,
            },
            Unreachable::Slow { .. } => Self::StepSlow,
            Unreachable::Lost { .. } => Self::ConnectionLost,
        }
    }

    fn of_engine(error: &engine::Error) -> Self {
        match error {
            engine::Error::Closed(_) => Self::EngineClosed,
            engine::Error::Slow { .. } => Self::EngineSlow,
            engine::Error::NotHttp(_) => Self::EngineNotHttp,
            engine::Error::NotAnEngine { .. } => Self::NotAnEngine,
            engine::Error::Status { .. } => Self::EngineStatus,
            engine::Error::TooMuch { .. } => Self::EngineTooMuch,
            engine::Error::TooOld(_) | engine::Error::Lacks { .. } => Self::EngineTooOld,
        }
    }
}
