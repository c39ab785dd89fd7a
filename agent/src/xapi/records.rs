//! References and records of XAPI's classes, with just the fields that are used (xen-api ocaml/idl/datamodel_vm.ml,
//! datamodel.ml). Must not know what they are used for.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use tokio::io::AsyncBufRead;

use super::decode::{DecodeError, Decoder, Keep};
use super::digest::Digest;
use super::encode;
use super::envelope::Reply;
use super::value::Value;

/// Defines the reference of a class.
macro_rules! reference {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// `None` for the null reference.
            #[must_use]
            pub fn new(text: &str) -> Option<Self> {
                (!is_null(text)).then(|| Self(text.to_owned()))
            }

            /// As it stands on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&$name> for Value {
            fn from(reference: &$name) -> Value {
                Value::from(reference.as_str())
            }
        }
    };
}

reference!(
    /// Refers to a VM, template or snapshot.
    VmRef
);
reference!(
    /// Refers to what a guest's tools report.
    VmGuestMetricsRef
);
reference!(
    /// Refers to a host of the pool.
    HostRef
);
reference!(
    /// Refers to the pool.
    PoolRef
);

/// `NULL` alone is how XenServer 6 wrote it.
fn is_null(text: &str) -> bool {
    matches!(text, "" | "OpaqueRef:NULL" | "NULL")
}

/// Defines the uuid of a class.
macro_rules! uuid {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// `None` unless it is 8-4-4-4-12 hexadecimal digits, so that it can be printed and used in names as it is.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                is_uuid(text).then(|| Self(text.to_owned()))
            }

            /// As it stands on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

uuid!(
    /// Names a VM for good, across pools and in logs.
    VmUuid
);
uuid!(
    /// Names a host; `INSTALLATION_UUID` of its inventory.
    HostUuid
);

/// 8-4-4-4-12 hexadecimal digits.
pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Whether a VM runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerState {
    /// Off.
    Halted,
    /// In memory, not scheduled.
    Paused,
    /// On.
    Running,
    /// Saved to disk.
    Suspended,
    /// A state that this program does not know; certainly not `Running`.
    Unknown,
}

impl PowerState {
    fn new(text: &str) -> Self {
        match text {
            "Halted" => Self::Halted,
            "Paused" => Self::Paused,
            "Running" => Self::Running,
            "Suspended" => Self::Suspended,
            _ => Self::Unknown,
        }
    }
}

/// A VM, template or snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vm {
    /// Its uuid.
    pub uuid: VmUuid,
    /// The name users gave it: any text.
    pub name_label: String,
    /// Whether it runs.
    pub power_state: PowerState,
    /// The host it runs on, if it does.
    pub resident_on: Option<HostRef>,
    /// What its guest tools report, once they did.
    pub guest_metrics: Option<VmGuestMetricsRef>,
    /// Whether it is a dom0.
    pub is_control_domain: bool,
    /// Whether it is a template.
    pub is_a_template: bool,
    /// Whether it is a snapshot.
    pub is_a_snapshot: bool,
    /// Of `other_config`, the keys that begin with [`OTHER_CONFIG_PREFIX`].
    pub other_config: BTreeMap<String, String>,
    /// Of `other_config`, which texts stand at the keys of [`Views`].
    pub views: Views,
    /// How long the rest of `other_config` is in a request, bytes.
    pub other_config_bytes: usize,
}

/// The documents in a VM's `other_config` that tell clients of its containers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Views {
    /// `docker_ps`.
    pub ps: Option<Digest>,
    /// `docker_info`.
    pub info: Option<Digest>,
    /// `docker_version`.
    pub version: Option<Digest>,
}

impl Views {
    /// The place of the document at `key` of `other_config`; none for other keys.
    #[must_use]
    pub fn at(&mut self, key: &str) -> Option<&mut Option<Digest>> {
        match key {
            "docker_ps" => Some(&mut self.ps),
            "docker_info" => Some(&mut self.info),
            "docker_version" => Some(&mut self.version),
            _ => None,
        }
    }
}

/// The keys of `other_config` whose values are kept begin so; the rest of the map may be hundreds of KiB.
pub const OTHER_CONFIG_PREFIX: &str = "xscontainer-";

/// What a guest's tools report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VmGuestMetrics {
    /// Addresses by device and kind, such as `0/ip`; claims of the guest (xen-api ocaml/xapi/xapi_guest_agent.ml).
    pub networks: BTreeMap<String, String>,
}

/// A class whose records can be read.
pub trait Record: Sized {
    /// The fields used.
    const FIELDS: Keep;
    /// `X.get_record`.
    const GET_RECORD: &'static str;

    /// The record in `value`, which holds at least those of [`Record::FIELDS`] that the sender had.
    ///
    /// # Errors
    /// [`DecodeError::Record`]
    fn from_value(value: Value) -> Result<Self, DecodeError>;
}

impl Record for Vm {
    const FIELDS: Keep = Keep::Members(&[
        ("uuid", Keep::All),
        ("name_label", Keep::All),
        ("power_state", Keep::All),
        ("resident_on", Keep::All),
        ("guest_metrics", Keep::All),
        ("is_control_domain", Keep::All),
        ("is_a_template", Keep::All),
        ("is_a_snapshot", Keep::All),
        ("other_config", Keep::Prefixed(OTHER_CONFIG_PREFIX)),
    ]);
    const GET_RECORD: &'static str = "VM.get_record";

    fn from_value(value: Value) -> Result<Self, DecodeError> {
        let mut fields = Fields::new("VM", value)?;
        let OtherConfig { other_config, views, other_config_bytes } = fields.other_config()?;
        Ok(Self {
            uuid: fields.parsed("uuid", VmUuid::parse)?,
            name_label: fields.text("name_label")?,
            power_state: PowerState::new(&fields.text("power_state")?),
            resident_on: HostRef::new(&fields.text("resident_on")?),
            guest_metrics: VmGuestMetricsRef::new(&fields.text("guest_metrics")?),
            is_control_domain: fields.flag("is_control_domain")?.ok_or_else(|| fields.unusable("is_control_domain"))?,
            // Absent from hosts that had no such VMs in this class.
            is_a_template: fields.flag("is_a_template")?.unwrap_or(false),
            is_a_snapshot: fields.flag("is_a_snapshot")?.unwrap_or(false),
            other_config,
            views,
            other_config_bytes,
        })
    }
}

/// The pool that the host belongs to; a host alone is one too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its coordinator.
    pub master: Option<HostRef>,
    /// Of `other_config`, the keys that begin with [`OTHER_CONFIG_PREFIX`].
    pub other_config: BTreeMap<String, String>,
}

impl Record for Pool {
    const FIELDS: Keep = Keep::Members(&[("master", Keep::All), ("other_config", Keep::Prefixed(OTHER_CONFIG_PREFIX))]);
    const GET_RECORD: &'static str = "pool.get_record";

    fn from_value(value: Value) -> Result<Self, DecodeError> {
        let mut fields = Fields::new("pool", value)?;
        let master = HostRef::new(&fields.text("master")?);
        Ok(Self { master, other_config: fields.other_config()?.other_config })
    }
}

/// The pool's reference, which is the only one of its class.
impl Reply for PoolRef {
    async fn read<R: AsyncBufRead + Unpin + Send>(decoder: &mut Decoder<R>) -> Result<Self, DecodeError> {
        let only = match decoder.value(&Keep::All).await? {
            Value::Array(elements) => elements.into_iter().next(),
            _ => None,
        };
        let reference = only.as_ref().and_then(Value::as_text).and_then(PoolRef::new);
        reference.ok_or_else(|| decoder.unexpected("the reference of the pool"))
    }
}

impl Record for VmGuestMetrics {
    const FIELDS: Keep = Keep::Members(&[("networks", Keep::All)]);
    const GET_RECORD: &'static str = "VM_guest_metrics.get_record";

    fn from_value(value: Value) -> Result<Self, DecodeError> {
        let mut fields = Fields::new("VM_guest_metrics", value)?;
        Ok(Self { networks: fields.text_map("networks")? })
    }
}

/// A record as it was read, not looked at yet: a reply with an unusable record is still a reply.
pub struct Raw<T>(Value, PhantomData<T>);

impl<T: Record> Raw<T> {
    /// The record.
    ///
    /// # Errors
    /// [`DecodeError::Record`]
    pub fn parse(self) -> Result<T, DecodeError> {
        T::from_value(self.0)
    }
}

impl<T: Record + Send> Reply for Raw<T> {
    async fn read<R: AsyncBufRead + Unpin + Send>(decoder: &mut Decoder<R>) -> Result<Self, DecodeError> {
        Ok(Self(decoder.value(&T::FIELDS).await?, PhantomData))
    }
}

/// What is kept of an `other_config`.
#[derive(Default)]
struct OtherConfig {
    other_config: BTreeMap<String, String>,
    views: Views,
    other_config_bytes: usize,
}

/// The members of a record, taken out one by one.
struct Fields {
    class: &'static str,
    members: BTreeMap<String, Value>,
}

impl Fields {
    fn new(class: &'static str, value: Value) -> Result<Self, DecodeError> {
        match value {
            Value::Struct(members) => Ok(Self { class, members }),
            _ => Err(DecodeError::Record { class, field: "(it is not a struct)" }),
        }
    }

    fn text(&mut self, field: &'static str) -> Result<String, DecodeError> {
        match self.members.remove(field) {
            Some(Value::Text(text)) => Ok(text),
            _ => Err(self.unusable(field)),
        }
    }

    fn parsed<T>(&mut self, field: &'static str, parse: fn(&str) -> Option<T>) -> Result<T, DecodeError> {
        let text = self.text(field)?;
        parse(&text).ok_or_else(|| self.unusable(field))
    }

    fn flag(&mut self, field: &'static str) -> Result<Option<bool>, DecodeError> {
        match self.members.remove(field) {
            None => Ok(None),
            Some(Value::Bool(yes)) => Ok(Some(yes)),
            Some(_) => Err(self.unusable(field)),
        }
    }

    fn text_map(&mut self, field: &'static str) -> Result<BTreeMap<String, String>, DecodeError> {
        let Some(Value::Struct(members)) = self.members.remove(field) else {
            return Err(self.unusable(field));
        };
        let texts = members.into_iter().map(|(key, value)| match value {
            Value::Text(text) => Ok((key, text)),
            _ => Err(self.unusable(field)),
        });
        texts.collect()
    }

    /// An `other_config` read with [`Keep::Prefixed`].
    fn other_config(&mut self) -> Result<OtherConfig, DecodeError> {
        let field = "other_config";
        let Some(Value::Struct(members)) = self.members.remove(field) else {
            return Err(self.unusable(field));
        };
        let mut found = OtherConfig::default();
        for (key, value) in members {
            let value_bytes = match value {
                Value::Text(text) => {
                    let bytes = encode::sent_bytes(&text);
                    found.other_config.insert(key.clone(), text);
                    bytes
                }
                Value::Reduced(reduced) => match found.views.at(&key) {
                    Some(place) => {
                        *place = Some(reduced.digest);
                        continue;
                    }
                    None => reduced.sent_bytes,
                },
                _ => return Err(self.unusable(field)),
            };
            found.other_config_bytes += encode::sent_bytes(&key) + value_bytes + encode::ENTRY_MARKUP_BYTES;
        }
        Ok(found)
    }

    fn unusable(&self, field: &'static str) -> DecodeError {
        DecodeError::Record { class: self.class, field }
    }
}

/// A host's reference as a result, never null.
impl Reply for HostRef {
    async fn read<R: AsyncBufRead + Unpin + Send>(decoder: &mut Decoder<R>) -> Result<Self, DecodeError> {
        let text = String::read(decoder).await?;
        HostRef::new(&text).ok_or_else(|| decoder.unexpected("the reference of a host"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode::Limits;
    use super::super::script::{metrics_record, vm_record};
    use super::*;

    fn read<T: Reply>(inside: &str) -> Result<T, DecodeError> {
        let text = format!("<value>{inside}</value>");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut decoder = Decoder::new(text.as_bytes(), Limits::XAPI);
            decoder.start(super::super::decode::Tag::Value, "a value").await?;
            T::read(&mut decoder).await
        })
    }

    fn parse<T: Record + Send>(inside: &str) -> Result<T, DecodeError> {
        read::<Raw<T>>(inside)?.parse()
    }

    #[test]
    fn a_vm_has_the_fields_used_and_of_other_config_our_keys() {
        let vm: Vm = parse(&vm_record(7, &[("name_label", " a&lt;b ")])).unwrap();
        assert_eq!(
            vm,
            Vm {
                uuid: VmUuid::parse("00000000-0000-0000-0000-000000000007").unwrap(),
                name_label: " a<b ".into(),
                power_state: PowerState::Running,
                resident_on: HostRef::new("OpaqueRef:here"),
                guest_metrics: VmGuestMetricsRef::new("OpaqueRef:metrics-7"),
                is_control_domain: false,
                is_a_template: false,
                is_a_snapshot: false,
                other_config: BTreeMap::from([("xscontainer-monitor".into(), "True".into())]),
                views: Views { ps: Some(Digest::of("<docker_ps/>")), info: None, version: None },
                other_config_bytes: "xscontainer-monitorTrue".len()
                    + "mac_seed1".len()
                    + 2 * encode::ENTRY_MARKUP_BYTES,
            }
        );
    }

    #[test]
    fn other_entries_are_counted_as_they_are_sent() {
        let bytes = |config: &str| parse::<Vm>(&vm_record(1, &[("other_config", config)])).unwrap().other_config_bytes;
        let entry = |text: &str| format!("<struct><member><name>k</name><value>{text}</value></member></struct>");
        let empty = bytes(&entry(""));
        // `"` is longer in a request than in XAPI's reply.
        assert_eq!(bytes(&entry("&lt;\"&amp;é")) - empty, "&lt;&quot;&amp;é".len());
        assert_eq!(bytes("<struct/>"), 0);
    }

    #[test]
    fn null_references_are_none_however_written() {
        for null in ["OpaqueRef:NULL", "NULL", ""] {
            let vm: Vm = parse(&vm_record(1, &[("resident_on", null), ("guest_metrics", null)])).unwrap();
            assert_eq!((vm.resident_on, vm.guest_metrics), (None, None), "{null}");
        }
    }

    #[test]
    fn power_states_are_told_apart_and_new_ones_are_not_running() {
        for (text, state) in [
            ("Halted", PowerState::Halted),
            ("Paused", PowerState::Paused),
            ("Running", PowerState::Running),
            ("Suspended", PowerState::Suspended),
            ("Sleepwalking", PowerState::Unknown),
        ] {
            let vm: Vm = parse(&vm_record(1, &[("power_state", text)])).unwrap();
            assert_eq!(vm.power_state, state);
        }
    }

    #[test]
    fn a_field_of_another_type_is_named() {
        for (field, value) in [
            ("uuid", "../../etc"),
            ("uuid", "00000000-0000-0000-0000-00000000000g"),
            ("name_label", "<i4>1</i4>"),
            ("power_state", "<nil/>"),
            ("resident_on", "<struct/>"),
            ("guest_metrics", "<boolean>1</boolean>"),
            ("is_control_domain", "true"),
            ("is_a_snapshot", "1"),
            ("other_config", "x"),
        ] {
            let error = parse::<Vm>(&vm_record(1, &[(field, value)])).unwrap_err();
            assert_eq!(error.to_string(), format!("a record of class VM has no usable field {field}"));
        }
    }

    #[test]
    fn guest_metrics_have_their_addresses() {
        let metrics: VmGuestMetrics = parse(&metrics_record("10.1.2.3")).unwrap();
        assert_eq!(metrics.networks["0/ipv4/0"], "10.1.2.3");
        assert!(parse::<VmGuestMetrics>("<struct/>").is_err());
    }

    #[test]
    fn a_null_host_is_no_host() {
        assert!(read::<HostRef>("OpaqueRef:NULL").is_err());
    }
}
