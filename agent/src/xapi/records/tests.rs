use std::collections::BTreeMap;

use super::super::decode::{DecodeError, Decoder, Limits};
use super::super::digest::Digest;
use super::super::encode;
use super::super::envelope::Reply;
use super::super::script::{metrics_record, record, vm_record};
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
            other_config_bytes: "xscontainer-monitorTrue".len() + "mac_seed1".len() + 2 * encode::ENTRY_MARKUP_BYTES,
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
#[test]
fn a_disk_has_the_fields_used_and_of_other_config_two_keys() {
    let config = record(&[("config-drive", "True"), ("content_id", "x"), ("xscontainer-vm", "v")]);
    let vdi: Vdi = parse(&record(&[
        ("uuid", "00000000-0000-0000-0000-000000000001"),
        ("SR", "OpaqueRef:sr"),
        ("virtual_size", "2097152"),
        ("is_a_snapshot", "<boolean>0</boolean>"),
        ("VBDs", "<array><data><value>OpaqueRef:vbd</value><value>OpaqueRef:NULL</value></data></array>"),
        ("other_config", &config),
    ]))
    .unwrap();
    assert_eq!(vdi.virtual_size, 2 << 20);
    assert_eq!(vdi.vbds, [VbdRef::new("OpaqueRef:vbd").unwrap()]);
    assert_eq!(vdi.other_config.keys().collect::<Vec<_>>(), [CONFIG_DRIVE, MADE_FOR]);
}

#[test]
fn of_all_networks_the_unusable_are_left_out() {
    let usable = record(&[("bridge", "xenapi"), ("other_config", "<struct/>")]);
    let all: All<Network> = read(&record(&[("OpaqueRef:1", &usable), ("OpaqueRef:2", "<struct/>")])).unwrap();
    assert_eq!(all.0.keys().collect::<Vec<_>>(), ["OpaqueRef:1"]);
}
