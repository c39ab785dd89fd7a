//! One example of everything that can be wrong, as it is printed. A pure function; every name has one.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::fault::{Fault, Severity};
use super::id::Id;
use crate::access::{self, AccessError, Settings};
use crate::certificates::{Date, Expiry, Whose};
use crate::config::{self, Read};
use crate::engine;
use crate::guest::ssh::keys::KeyError;
use crate::guest::tls::IdentityError;
use crate::guest::unreachable::TlsFault;
use crate::guest::{Candidates, Unreachable, address};
use crate::inventory::{self, InventoryError};
use crate::reach::{Rules, Trouble};
use crate::xapi::secrets::SecretUuid;
use crate::xapi::{self, DEFAULT_SOCKET, Failure, HostUuid, PowerState};

/// What an example is of.
#[derive(Debug)]
pub enum Example {
    /// Of a host.
    Host(Fault),
    /// Of the path to a VM's engine.
    Path(Box<Trouble>),
}

const GUEST: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 17));
const UUID: &str = "0a1b2c3d-1111-2222-3333-444455556666";
const LIMIT: Duration = Duration::from_secs(10);
const PLUGIN: &str = "/etc/xapi.d/plugins/xscontainer";
const VERSION: &str = "GET /version";

/// The example of a name.
#[must_use]
pub fn example(id: Id) -> Example {
    use Fault as F;
    Example::Host(match id {
        Id::Inventory => F::Inventory(InventoryError::NoUuid { path: PathBuf::from(inventory::DEFAULT_INVENTORY) }),
        Id::Settings => F::Settings(Read::text(Path::new(config::DEFAULT_FILE), "[log]\nlevel = \"loud\"\n").faults),
        Id::RpmUnusable => F::RpmUnusable("rpm did not end within 5 s".to_owned()),
        Id::NotInstalled => F::NotInstalled,
        Id::ProgramVersion => F::ProgramVersion { program: "11.1.0".into(), package: "11.0.0".into() },
        Id::FilesChanged => F::FilesChanged(vec!["/usr/lib/systemd/system/xscontainer-monitor.service".into()]),
        Id::XapiSilent => F::XapiSilent(xapi::Error::Connect {
            socket: DEFAULT_SOCKET.into(),
            cause: io::Error::from_raw_os_error(CONNECTION_REFUSED),
        }),
        Id::HostUnknown => F::HostUnknown(HostUuid::parse(UUID).expect("a uuid")),
        Id::PackMissing => F::PackMissing,
        Id::PackVersion => F::PackVersion { packs: vec!["11.0.0".into()], program: "11.1.0".into() },
        Id::ServiceUnknown => F::ServiceUnknown("systemctl did not end within 5 s".to_owned()),
        Id::ServiceStopped => F::ServiceStopped("failed (failed, exit-code)".to_owned()),
        Id::ServiceDisabled => F::ServiceDisabled("disabled".to_owned()),
        Id::ServiceRestarted => F::ServiceRestarted(2),
        Id::MonitorAbsent => {
            F::MonitorAbsent("the monitor cannot be asked: No such file or directory (os error 2)".to_owned())
        }
        Id::MonitorHung => F::MonitorHung("the monitor broke off before it answered (timed out)".to_owned()),
        Id::MonitorVersion => F::MonitorVersion("the monitor is of version 11.0.0".to_owned()),
        Id::MonitorXapiSilent => F::MonitorXapiSilent(Duration::from_secs(90)),
        Id::PluginMissing => F::PluginMissing(PLUGIN.into()),
        Id::PluginNotExecutable => F::PluginNotExecutable(PLUGIN.into(), 0o644),
        Id::PluginForeign => F::PluginForeign(PLUGIN.into()),
        Id::PluginSilent => F::PluginSilent(
            failed("host.call_plugin", "XENAPI_PLUGIN_FAILURE", &["non-zero exit", "", "Killed"]).to_string(),
        ),
        Id::PluginOld => F::PluginOld,
        Id::NoPoolKey => F::Keys(AccessError::NoPoolKey),
        Id::PoolKeyLost => F::Keys(AccessError::PoolKeyLost(secret())),
        Id::PoolKeyUnnamed => F::Keys(AccessError::PoolKeyUnnamed("xscontainer-private-secret-uuid")),
        Id::PoolKeyUnusable => F::Keys(AccessError::PoolKeyUnusable(secret(), KeyError::Unreadable)),
        Id::XapiRefuses => F::Keys(AccessError::Xapi(failed("secret.get_value", "INTERNAL_ERROR", &["Not_found"]))),
        Id::DiskShort => {
            F::Disk { place: "/var/log", bytes: 40 << 20, files: Some(90_000), severity: Severity::Warning }
        }
        Id::DiskFull => F::Disk { place: "/var/log", bytes: 0, files: Some(90_000), severity: Severity::Failure },
        Id::LogUnwritable => {
            F::LogUnwritable(Path::new("/var/log/xscontainer.log").to_owned(), io::Error::from_raw_os_error(READ_ONLY))
        }
        Id::MonitorMemory => F::MonitorMemory { used: 60 << 20, limit: 64 << 20 },
        Id::Dom0Memory => F::Dom0Memory(50 << 20),
        Id::ClockBeforeProgram => F::ClockBeforeProgram { now: Date(moment(0)), made: Date(moment(1_795_374_000)) },
        Id::ClockDiffers => F::Clock { ahead: 42, severity: Severity::Warning },
        Id::ClockWrong => F::Clock { ahead: -3600, severity: Severity::Failure },
        Id::DebugLeft => F::DebugLeft(
            "/opt/xensource/packages/files/xscontainer/devlogging_enabled lets debug messages be logged".to_owned(),
        ),
        Id::VmsNotReached => {
            F::VmsNotReached(vec![("web".to_owned(), Unreachable::NoSocket { address: GUEST }.to_string())])
        }
        Id::CertificatesEnd => F::CertificatesEnd(vec![(
            "win".to_owned(),
            Expiry { whose: Whose::Client, subject: "CN=client".into(), not_after: moment(1_795_374_000) },
        )]),
        _ => return Example::Path(Box::new(trouble(id))),
    })
}

fn trouble(id: Id) -> Trouble {
    use Unreachable as U;
    let tls = |fault| U::Tls { address: GUEST, fault };
    let quoted = |text: &str| format!("{text:?}");
    Trouble::Guest(match id {
        Id::NotRunning => return Trouble::NotRunning(PowerState::Halted),
        Id::BadSetting => {
            let entries = BTreeMap::from([(access::MODE_KEY.to_owned(), "telnet".to_owned())]);
            return Trouble::Setting(Settings::read(&entries).expect_err("no mode"));
        }
        Id::TlsSwitchedOff => return Trouble::SwitchedOff,
        Id::NoCertificate => return Trouble::Access(AccessError::NoCertificate(access::TLS_KEY)),
        Id::CertificateLost => return Trouble::Access(AccessError::CertificateLost(access::TLS_KEY)),
        Id::CertificatesUnusable => {
            return Trouble::Access(AccessError::CertificatesUnusable(IdentityError::NotAKey));
        }
        Id::NoAddress => return Trouble::NoAddress(Candidates::default()),
        Id::NoUsableAddress => {
            let refused = vec![(GUEST, address::Refusal::NoRoute)];
            return Trouble::NoAddress(Candidates { refused, ..Candidates::default() });
        }
        Id::PortClosed => {
            U::NoAnswer { port: 22, tried: vec![(GUEST, io::Error::from_raw_os_error(CONNECTION_REFUSED))] }
        }
        Id::NotSsh => U::NotSsh { address: GUEST, cause: quoted("Bad protocol version") },
        Id::NoCommonAlgorithm => {
            U::NoCommonAlgorithm { address: GUEST, cause: quoted("No common kex algorithm; it offers …") }
        }
        Id::HostKeyChanged => {
            U::HostKeyChanged { address: GUEST, known: "SHA256:mpIv…".into(), shown: "SHA256:Qb2t…".into() }
        }
        Id::LoginRefused => U::LoginRefused { address: GUEST, user: "core".into() },
        Id::OtherKey => {
            let (prepared, ours) = ("SHA256:mpIv…".to_owned(), "SHA256:Qb2t…".to_owned());
            return Trouble::OtherKey { address: GUEST, user: "core".into(), prepared, ours };
        }
        Id::StepSlow => U::Slow { address: GUEST, step: "the TLS handshake", limit: LIMIT },
        Id::ConnectionLost => U::Lost { address: GUEST, cause: quoted("Disconnected") },
        Id::NoSocket => U::NoSocket { address: GUEST },
        Id::SocketDenied => U::SocketDenied { address: GUEST, user: "core".into(), socket: "/var/run/docker.sock" },
        Id::NoForwarding => U::NoForwarding { address: GUEST },
        Id::TlsExpired => tls(TlsFault::Expired),
        Id::TlsUnknownAuthority => tls(TlsFault::UnknownAuthority),
        Id::TlsWrongName => tls(TlsFault::WrongName),
        Id::TlsNotForServers => tls(TlsFault::NotForServers),
        Id::TlsOursRefused => tls(TlsFault::OursRefused("UnknownCA".into())),
        Id::TlsOther => tls(TlsFault::Other(quoted("received corrupt message of type InvalidContentType"))),
        Id::PathSlow => return Trouble::Slow { what: "connecting", limit: Rules::default().connect_limit },
        _ => return Trouble::Engine(engine_error(id)),
    })
}

fn engine_error(id: Id) -> engine::Error {
    use engine::Error as E;
    match id {
        Id::EngineClosed => E::Closed("the stream ended".into()),
        Id::EngineSlow => E::Slow { what: VERSION, limit: LIMIT },
        Id::EngineNotHttp => E::NotHttp("\"invalid HTTP version parsed\"".into()),
        Id::NotAnEngine => E::NotAnEngine { what: VERSION, cause: "no ApiVersion".into() },
        Id::EngineStatus => E::Status { what: VERSION, status: 500, message: "no space left on device".into() },
        Id::EngineTooMuch => E::TooMuch { what: VERSION, limit: "65536 bytes".into() },
        _ => E::TooOld("1.15".into()),
    }
}

/// errno(3) of Linux.
const CONNECTION_REFUSED: i32 = 111;
const READ_ONLY: i32 = 30;

fn failed(method: &'static str, code: &str, params: &[&str]) -> xapi::Error {
    let params = params.iter().map(|param| (*param).to_owned()).collect();
    xapi::Error::Failure { method, failure: Failure { code: code.to_owned(), params } }
}

fn secret() -> SecretUuid {
    SecretUuid::parse(UUID).expect("a uuid")
}

fn moment(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_an_example_and_a_remedy() {
        for &id in Id::ALL {
            let (found, text, remedy) = match example(id) {
                Example::Host(fault) => (fault.id(), fault.to_string(), fault.remedy()),
                Example::Path(trouble) => {
                    (Id::of_trouble(&trouble), trouble.to_string(), trouble.remedy(crate::guest::Family::Unknown))
                }
            };
            assert_eq!(found, id, "the example of another");
            assert!(!text.is_empty() && !remedy.is_empty(), "{id:?}");
        }
    }

    #[test]
    fn no_two_have_the_same_name() {
        let names: std::collections::BTreeSet<&str> = Id::ALL.iter().map(|id| id.as_str()).collect();
        assert_eq!(names.len(), Id::ALL.len());
    }
}
