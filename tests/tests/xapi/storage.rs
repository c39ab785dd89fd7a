//! VDIs and VBDs of the simulated XAPI: sizes, devices, and what is refused when.

use super::raw::{Lab, failure, record, text, value};
use lab::xapi::{DISK_GRANULE, NULL_REF, Ref, Value};

const EMPTY: &str = "<struct/>";
const NO: &str = "<boolean>0</boolean>";

/// A pool with an SR, a session and a VM that can plug.
struct Storage {
    lab: Lab,
    session: String,
    sr: Ref,
    vm: Ref,
}

impl Storage {
    fn start() -> Self {
        let lab = Lab::start();
        let session = text(&lab.login("test"));
        let sr = lab.xapi.add_sr("disks", &[&lab.xapi.host()]);
        let vm = lab.xapi.add_vm("web", []).unwrap();
        lab.xapi.add_guest_metrics(&vm, &[]).unwrap();
        Self { lab, session, sr, vm }
    }

    fn call(&self, method: &str, params: &[&str]) -> String {
        let params: String = params.iter().map(|param| text(param)).collect();
        self.lab.call(method, &format!("{}{params}", self.session))
    }

    fn create_vdi(&self, changes: &[(&str, &str)]) -> String {
        let usual = [
            ("SR", self.sr.as_str()),
            ("virtual_size", "1"),
            ("type", "user"),
            ("sharable", NO),
            ("read_only", NO),
            ("other_config", EMPTY),
            ("name_label", "disk"),
        ];
        self.lab.call("VDI.create", &format!("{}{}", self.session, record(&changed(&usual, changes))))
    }

    fn vdi(&self) -> Ref {
        made(&self.create_vdi(&[]))
    }

    fn create_vbd(&self, vdi: &str, changes: &[(&str, &str)]) -> String {
        let usual = [
            ("VM", self.vm.as_str()),
            ("VDI", vdi),
            ("userdevice", "autodetect"),
            ("mode", "rw"),
            ("type", "disk"),
            ("bootable", NO),
            ("empty", NO),
            ("other_config", EMPTY),
            ("qos_algorithm_type", ""),
            ("qos_algorithm_params", EMPTY),
        ];
        self.lab.call("VBD.create", &format!("{}{}", self.session, record(&changed(&usual, changes))))
    }

    fn vbd(&self, vdi: &Ref) -> Ref {
        made(&self.create_vbd(vdi.as_str(), &[]))
    }

    fn get(&self, object: &Ref, field: &str) -> Value {
        self.lab.xapi.get(object, field).unwrap()
    }
}

/// Members with other values; one without a value is left out.
fn changed<'a>(usual: &[(&'a str, &'a str)], changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let other = |name: &str| changes.iter().find(|(changed, _)| *changed == name).map(|(_, value)| *value);
    let members = usual.iter().map(|&(name, value)| (name, other(name).unwrap_or(value)));
    members.filter(|(_, value)| *value != "missing").collect()
}

fn made(reply: &str) -> Ref {
    Ref(value(reply).to_owned())
}

#[test]
fn sizes_are_rounded_up_to_two_mebibytes() {
    let storage = Storage::start();
    let granule = DISK_GRANULE;
    for (asked, got) in [(0, granule), (1, granule), (granule, granule), (granule + 1, 2 * granule)] {
        let vdi = made(&storage.create_vdi(&[("virtual_size", &asked.to_string())]));
        assert_eq!(storage.get(&vdi, "virtual_size"), got.into(), "{asked}");
        assert_eq!(storage.lab.xapi.disk(&vdi).len(), usize::try_from(got).unwrap());
    }
    assert_eq!(storage.get(&storage.sr, "virtual_allocation"), (5 * granule).into());
    assert_eq!(storage.get(&storage.sr, "VDIs").items().len(), 4);
}

#[test]
fn a_record_without_a_member_is_refused_and_types_are_read_in_any_case() {
    let storage = Storage::start();
    for member in ["SR", "virtual_size", "type", "sharable", "read_only", "other_config"] {
        assert!(
            storage.create_vdi(&[(member, "missing")]).contains(&format!("Dispatcher_FieldNotFound(&quot;{member}"))
        );
    }
    for member in ["VM", "VDI", "userdevice", "mode", "type", "empty", "other_config", "qos_algorithm_type"] {
        let reply = storage.create_vbd(NULL_REF, &[(member, "missing")]);
        assert!(reply.contains(&format!("Dispatcher_FieldNotFound(&quot;{member}")), "{reply}");
    }
    let vdi = made(&storage.create_vdi(&[("type", "Metadata"), ("name_label", "missing")]));
    assert_eq!(storage.get(&vdi, "type"), "metadata".into());
    assert_eq!(storage.get(&vdi, "name_label"), "".into());
    assert!(storage.create_vdi(&[("type", "floppy")]).contains("INTERNAL_ERROR"));
}

#[test]
fn an_sr_needs_space_and_a_host() {
    let storage = Storage::start();
    storage.lab.xapi.set(&storage.sr, "physical_size", 3 * DISK_GRANULE).unwrap();
    let vdi = storage.vdi();
    let size = 2 * DISK_GRANULE + 1;
    let full = failure(&["SR_FULL", &(3 * DISK_GRANULE).to_string(), &(2 * DISK_GRANULE).to_string()]);
    assert_eq!(storage.create_vdi(&[("virtual_size", &size.to_string())]), full);
    assert_eq!(value(&storage.call("VDI.destroy", &[vdi.as_str()])), "");
    made(&storage.create_vdi(&[("virtual_size", &size.to_string())]));

    let nowhere = storage.lab.xapi.add_sr("nowhere", &[]);
    assert_eq!(storage.create_vdi(&[("SR", nowhere.as_str())]), failure(&["SR_NO_PBDS", nowhere.as_str()]));
    assert_eq!(storage.create_vdi(&[("SR", "gone")]), failure(&["HANDLE_INVALID", "SR", "gone"]));
}

#[test]
fn a_vdi_stays_while_it_is_attached_and_takes_its_vbds_along() {
    let storage = Storage::start();
    let vdi = storage.vdi();
    let vbd = storage.vbd(&vdi);
    assert_eq!(storage.get(&vdi, "VBDs"), Value::set([&vbd]));
    assert_eq!(value(&storage.call("VBD.plug", &[vbd.as_str()])), "");
    let destroy = || storage.call("VDI.destroy", &[vdi.as_str()]);
    assert_eq!(destroy(), failure(&["VDI_IN_USE", vdi.as_str(), "destroy"]));
    assert_eq!(value(&storage.call("VBD.unplug", &[vbd.as_str()])), "");
    assert_eq!(value(&destroy()), "");
    assert_eq!(destroy(), failure(&["HANDLE_INVALID", "VDI", vdi.as_str()]));
    assert!(storage.lab.xapi.get(&vbd, "uuid").is_err());
    assert_eq!(storage.get(&storage.vm, "VBDs"), Value::set::<Value>([]));
}

#[test]
fn devices_are_found_and_clash_under_all_their_names() {
    let storage = Storage::start();
    let vdi = storage.vdi();
    let create = |device: &str| storage.create_vbd(vdi.as_str(), &[("userdevice", device)]);
    made(&create("1"));
    let first = made(&create("autodetect"));
    assert_eq!(storage.get(&first, "userdevice"), "0".into());
    for name in ["0", "1", "hdb", "sdb", "xvdb"] {
        assert_eq!(create(name), failure(&["DEVICE_ALREADY_EXISTS", name]));
    }
    for name in ["16", "-1", "", "xvdz", "tape"] {
        assert_eq!(create(name), failure(&["INVALID_DEVICE", name]));
    }
    made(&create("xvdc"));
    let fourth = made(&create("autodetect"));
    assert_eq!(storage.get(&fourth, "userdevice"), "3".into());
    (4..16).for_each(|_| drop(made(&create("autodetect"))));
    assert_eq!(create("autodetect"), failure(&["INVALID_DEVICE", "autodetect"]));
}

#[test]
fn a_vbd_that_makes_no_sense_is_not_made() {
    let storage = Storage::start();
    let vdi = storage.vdi();
    let (vdi, yes) = (vdi.as_str(), "<boolean>1</boolean>");
    let refused = |changes: &[(&str, &str)], expected: &[&str]| {
        assert_eq!(storage.create_vbd(vdi, changes), failure(expected), "{changes:?}");
    };
    refused(&[("VM", "gone")], &["HANDLE_INVALID", "VM", "gone"]);
    refused(&[("VDI", "gone")], &["HANDLE_INVALID", "VDI", "gone"]);
    refused(&[("type", "CD")], &["VBD_CDS_MUST_BE_READONLY"]);
    refused(&[("empty", yes)], &["VBD_NOT_REMOVABLE_MEDIA", "in constructor"]);
    let fixed = made(&storage.create_vdi(&[("read_only", yes)]));
    refused(&[("VDI", fixed.as_str())], &["VDI_READONLY", fixed.as_str()]);
    let log = made(&storage.create_vdi(&[("type", "cbt_metadata")]));
    refused(&[("VDI", log.as_str())], &["VDI_INCOMPATIBLE_TYPE", log.as_str(), "cbt_metadata"]);
}

#[test]
fn plugging_needs_a_running_vm_with_drivers_and_is_done_once() {
    let storage = Storage::start();
    let (lab, vm) = (&storage.lab, &storage.vm);
    let vbd = storage.vbd(&storage.vdi());
    let (plug, unplug) = (|| storage.call("VBD.plug", &[vbd.as_str()]), || storage.call("VBD.unplug", &[vbd.as_str()]));
    assert_eq!(unplug(), failure(&["DEVICE_ALREADY_DETACHED", vbd.as_str()]));
    lab.xapi.set(vm, "power_state", "Halted").unwrap();
    assert_eq!(plug(), failure(&["VM_BAD_POWER_STATE", vm.as_str(), "Running", "Halted"]));
    lab.xapi.set(vm, "power_state", "Running").unwrap();
    let metrics = Ref(storage.get(vm, "guest_metrics").text().unwrap().to_owned());
    lab.xapi.set(&metrics, "PV_drivers_detected", false).unwrap();
    assert_eq!(plug(), failure(&["VM_MISSING_PV_DRIVERS", vm.as_str()]));
    lab.xapi.set(&metrics, "can_use_hotplug_vbd", "no").unwrap();
    assert!(plug().contains("OPERATION_NOT_ALLOWED"));
    lab.xapi.set(&metrics, "can_use_hotplug_vbd", "yes").unwrap();
    assert_eq!(value(&plug()), "");
    assert_eq!(storage.get(&vbd, "currently_attached"), true.into());
    assert_eq!(storage.get(&vbd, "device"), "xvda".into());
    assert_eq!(plug(), failure(&["DEVICE_ALREADY_ATTACHED", vbd.as_str()]));

    let uuids = [&vbd, vm].map(|object| storage.get(object, "uuid").text().unwrap().to_owned());
    let attached = format!("VBD '{}' still attached to '{}'", uuids[0], uuids[1]);
    assert_eq!(storage.call("VBD.destroy", &[vbd.as_str()]), failure(&["OPERATION_NOT_ALLOWED", &attached]));
    lab.xapi.set(&vbd, "unpluggable", false).unwrap();
    assert_eq!(unplug(), failure(&["VBD_NOT_UNPLUGGABLE", vbd.as_str()]));
    lab.xapi.set(&vbd, "unpluggable", true).unwrap();
    assert_eq!(value(&unplug()), "");
    assert_eq!(value(&storage.call("VBD.destroy", &[vbd.as_str()])), "");
    assert_eq!(plug(), failure(&["HANDLE_INVALID", "VBD", vbd.as_str()]));
}

#[test]
fn one_writes_or_many_read() {
    let storage = Storage::start();
    let vdi = storage.vdi();
    let (writer, reader) = (storage.vbd(&vdi), made(&storage.create_vbd(vdi.as_str(), &[("mode", "RO")])));
    let second = made(&storage.create_vbd(vdi.as_str(), &[("mode", "RO")]));
    let call = |method: &str, vbd: &Ref| storage.call(method, &[vbd.as_str()]);
    let in_use = failure(&["VDI_IN_USE", vdi.as_str()]);
    assert_eq!(value(&call("VBD.plug", &reader)), "");
    assert_eq!(value(&call("VBD.plug", &second)), "");
    assert_eq!(call("VBD.plug", &writer), in_use);
    assert_eq!(value(&call("VBD.unplug", &reader)), "");
    assert_eq!(value(&call("VBD.unplug", &second)), "");
    assert_eq!(value(&call("VBD.plug", &writer)), "");
    assert_eq!(call("VBD.plug", &reader), in_use);
    storage.lab.xapi.set(&vdi, "sharable", true).unwrap();
    assert_eq!(value(&call("VBD.plug", &reader)), "");
}

#[test]
fn a_cd_drive_takes_one_disc_at_a_time() {
    let storage = Storage::start();
    let (disc, other) = (storage.vdi(), storage.vdi());
    let cd = [("type", "cd"), ("mode", "ro"), ("empty", "<boolean>1</boolean>")];
    let drive = made(&storage.create_vbd(NULL_REF, &cd));
    let insert = |vdi: &Ref| storage.call("VBD.insert", &[drive.as_str(), vdi.as_str()]);
    let eject = || storage.call("VBD.eject", &[drive.as_str()]);
    assert_eq!(eject(), failure(&["VBD_IS_EMPTY", drive.as_str()]));
    assert_eq!(insert(&Ref("gone".into())), failure(&["HANDLE_INVALID", "VDI", "gone"]));
    assert_eq!(value(&insert(&disc)), "");
    assert_eq!(storage.get(&drive, "VDI"), (&disc).into());
    assert_eq!(storage.get(&drive, "empty"), false.into());
    assert_eq!(insert(&other), failure(&["VBD_NOT_EMPTY", drive.as_str()]));
    storage.lab.xapi.set(&storage.vm, "power_state", "Suspended").unwrap();
    assert!(eject().contains("VM_BAD_POWER_STATE"));
    storage.lab.xapi.set(&storage.vm, "power_state", "Running").unwrap();
    assert_eq!(value(&eject()), "");
    assert_eq!(storage.get(&drive, "VDI"), NULL_REF.into());
    assert!(storage.call("VBD.plug", &[drive.as_str()]).contains("HVM CDROMs cannot be hotplugged"));

    storage.lab.xapi.set(&disc, "managed", false).unwrap();
    assert_eq!(insert(&disc), failure(&["VDI_NOT_MANAGED", disc.as_str()]));
    storage.lab.xapi.set(&disc, "managed", true).unwrap();

    let hard = storage.vbd(&disc);
    let fixed = failure(&["VBD_NOT_REMOVABLE_MEDIA", hard.as_str()]);
    assert_eq!(storage.call("VBD.insert", &[hard.as_str(), other.as_str()]), fixed);
    assert_eq!(storage.call("VBD.eject", &[hard.as_str()]), fixed);
}

#[test]
fn a_disc_for_a_running_vm_must_be_where_the_vm_is() {
    let storage = Storage::start();
    let (xapi, vm) = (&storage.lab.xapi, &storage.vm);
    let other = xapi.new_host("host-2", "192.0.2.2").unwrap();
    let away = xapi.add_sr("away", &[&other]);
    let disc = made(&storage.create_vdi(&[("SR", away.as_str())]));
    let cd = [("type", "CD"), ("mode", "RO"), ("empty", "<boolean>1</boolean>")];
    let drive = made(&storage.create_vbd(NULL_REF, &cd));
    let insert = || storage.call("VBD.insert", &[drive.as_str(), disc.as_str()]);
    xapi.set(&drive, "currently_attached", true).unwrap();
    assert_eq!(insert(), failure(&["SR_NOT_ATTACHED", away.as_str()]));
    xapi.set(vm, "resident_on", &other).unwrap();
    assert_eq!(value(&insert()), "");
    assert_eq!(storage.call("VDI.destroy", &[disc.as_str()]), failure(&["VDI_IN_USE", disc.as_str(), "destroy"]));
    assert_eq!(value(&storage.call("VBD.eject", &[drive.as_str()])), "");
    assert_eq!(value(&storage.call("VDI.destroy", &[disc.as_str()])), "");
}

#[test]
fn storage_calls_have_an_asynchronous_form() {
    let storage = Storage::start();
    let task = made(&storage.call("Async.VDI.destroy", &[storage.vdi().as_str()]));
    assert_eq!(storage.get(&task, "status"), "success".into());
    assert_eq!(storage.get(&task, "result"), "".into());
}
