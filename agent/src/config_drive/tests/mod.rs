//! The steps, against a XAPI in memory.

mod fake;

use std::collections::BTreeMap;

use fake::{Fake, State, TEMPLATE, VM, Vbd, Vdi, uuid_of};

use super::image::GRANULE;
use super::*;
use crate::xapi::script::{Answer, Request, failure};

const TEXT: &str = "#cloud-config\nhostname: %VMNAMETOHOSTNAME%\nkeys:\n  - ssh-rsa %CONTAINERRSAPUB%";

fn no_fault(_: &mut State, _: &Request) -> Option<Answer> {
    None
}

fn no() -> Answer {
    failure(&["INTERNAL_ERROR", "no"])
}

/// The only drive there is.
fn only(state: &State) -> (&Vdi, &Vbd) {
    assert_eq!((state.vdis.len(), state.vbds.len()), (1, 1), "{:?}", state.vbds);
    (state.vdis.values().next().unwrap(), state.vbds.values().next().unwrap())
}

#[tokio::test]
async fn a_vm_that_is_off_gets_a_drive_that_waits_for_its_start() {
    let fake = Fake::start(State::default(), no_fault);
    let uuid = fake.create(TEXT).await.unwrap();
    let state = fake.state();
    let (vdi, vbd) = only(&state);
    assert_eq!(uuid.as_str(), uuid_of(&vbd.vdi));
    assert_eq!((vbd.device.as_str(), vbd.attached, vbd.flagged), ("1", false, true));
    let config = [("config-drive", "True"), ("xscontainer-vm", VM)];
    assert_eq!(vdi.config, BTreeMap::from(config.map(|(key, text)| (key.to_owned(), text.to_owned()))));
    assert_eq!(vdi.content.len() % GRANULE, 0);
    assert_eq!(state.vm_config["xscontainer-monitor"], "False");
    assert_eq!(state.tasks, [""; 0]);
}

#[tokio::test]
async fn a_running_vm_has_the_new_drive_attached_and_the_old_one_gone() {
    let fake = Fake::start(State { running: true, ..State::default() }.with_old_drive(true), no_fault);
    fake.create(TEXT).await.unwrap();
    let vbd = only(&fake.state()).1.clone();
    assert_eq!((vbd.device.as_str(), vbd.attached), ("2", true));
    fake.create(TEXT).await.unwrap();
    assert_eq!(only(&fake.state()).1.device, "1");
}

#[tokio::test]
async fn the_text_comes_back_as_it_was_given() {
    let fake = Fake::start(State::default(), no_fault);
    let vdi = fake.create("#cloud-config%BR%a: %VMNAMETOHOSTNAME%\r\nb: 1\r\n\n").await.unwrap();
    let back = configuration(&fake.client(), &vdi).await.unwrap();
    assert_eq!(back, "#cloud-config\na: %VMNAMETOHOSTNAME%\nb: 1");
    assert!(fake.state().vm_config.is_empty());
    assert!(fake.server.calls("secret.get_value").is_empty());
}

#[tokio::test]
async fn with_the_preference_the_vm_gets_a_connection_to_the_host_internal_network() {
    let vifs = BTreeMap::from([("0".to_owned(), false)]);
    let fake = Fake::start(State { prefers: true, vifs, ..State::default() }, no_fault);
    fake.create("eth%HIN%").await.unwrap();
    let vifs = BTreeMap::from([("0".to_owned(), false), ("1".to_owned(), true)]);
    assert_eq!(fake.state().vifs, vifs);
    assert_eq!(fake.state().network_config["ip_disable_gw"], "true");
    assert!(only(&fake.state()).0.content.windows(5).any(|bytes| bytes == b"eth1\n"));
    fake.create("eth%HIN%").await.unwrap();
    assert_eq!(fake.state().vifs, vifs);
    assert_eq!(fake.server.calls("network.add_to_other_config").len(), 1);
}

#[tokio::test]
async fn without_the_preference_nothing_of_the_network_is_changed() {
    let fake = Fake::start(State::default(), no_fault);
    fake.create("a%HINEXISTS%b%ENDHINEXISTS%").await.unwrap();
    assert_eq!(fake.state().vifs, BTreeMap::new());
    assert_eq!(fake.state().network_config, BTreeMap::new());
}

/// Every call on the way to a drive that is in place, and what it is about if that matters.
const STEPS: [(&str, &str); 22] = [
    ("VM.get_by_uuid", ""),
    ("VM.get_record", ""),
    ("SR.get_by_uuid", ""),
    ("pool.get_all", ""),
    ("pool.get_record", ""),
    ("secret.get_value", ""),
    ("network.get_all_records", ""),
    ("VM.get_VIFs", ""),
    ("VIF.create", ""),
    ("VM.get_VBDs", ""),
    ("VBD.get_record", ""),
    ("VDI.get_record", ""),
    ("VDI.create", ""),
    ("VDI.get_uuid", ""),
    ("task.create", ""),
    ("PUT /import_raw_vdi", ""),
    ("task.get_status", ""),
    ("VBD.create", ""),
    ("VBD.plug", ""),
    ("VM.add_to_other_config", ""),
    ("VBD.unplug", "OpaqueRef:vbd-old"),
    ("VBD.destroy", "OpaqueRef:vbd-old"),
];

#[tokio::test]
async fn whatever_fails_leaves_the_vm_as_it_was() {
    for (method, object) in STEPS {
        let gateway = BTreeMap::from([("ip_disable_gw".to_owned(), "true".to_owned())]);
        let before = State { running: true, prefers: true, network_config: gateway, ..State::default() };
        let before = before.with_old_drive(true);
        let fake = Fake::start(before.clone(), move |_, request| {
            let concerns = object.is_empty() || request.params.iter().any(|param| param == object);
            let refusal = || match request.method.starts_with("PUT") {
                true => Answer::Raw(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec()),
                false => no(),
            };
            (request.method == method && concerns).then(refusal)
        });
        let error = fake.create(TEXT).await.unwrap_err();
        let mut after = fake.state().lasting();
        // By then the VM has been marked, which does no harm.
        after.vm_config.clear();
        if method == "VBD.destroy" {
            // It was unplugged, and its guest may have seen that.
            after.vbds.get_mut("OpaqueRef:vbd-old").unwrap().attached = true;
        }
        assert_eq!(after, before, "{method}: {error}");
    }
}

#[tokio::test]
async fn a_drive_that_the_guest_uses_is_told_with_the_remedy() {
    let before = State { running: true, ..State::default() }.with_old_drive(true);
    let fake = Fake::start(before, |_, request| {
        let old = request.method == "VBD.unplug" && request.params[1] == "OpaqueRef:vbd-old";
        old.then(|| failure(&["DEVICE_DETACH_REJECTED", "VBD", "OpaqueRef:vbd-old", "busy"]))
    });
    let error = fake.create(TEXT).await.unwrap_err().to_string();
    assert!(error.contains("DEVICE_DETACH_REJECTED") && error.contains("unmount it in the VM"), "{error}");
}

#[tokio::test]
async fn an_old_disk_that_cannot_be_destroyed_is_left_to_the_next_call() {
    let mut refusals = 1;
    let fake = Fake::start(State::default().with_old_drive(false), move |_, request| {
        (request.method == "VDI.destroy" && std::mem::take(&mut refusals) == 1).then(no)
    });
    fake.create(TEXT).await.unwrap();
    assert_eq!(fake.state().vdis.len(), 2);
    assert_eq!(fake.state().vbds.len(), 1);
    fake.create(TEXT).await.unwrap();
    only(&fake.state());
}

#[tokio::test]
async fn only_what_calls_for_this_vm_have_left_is_swept_away() {
    let vdi = |made_for: &str, is_a_snapshot| {
        let config = [("config-drive", "True"), ("xscontainer-vm", made_for)];
        let config = config.map(|(key, text)| (key.to_owned(), text.to_owned())).into();
        Vdi { config, is_a_snapshot, ..Vdi::default() }
    };
    let used = Vbd {
        vm: "OpaqueRef:clone".into(),
        vdi: "OpaqueRef:used".into(),
        device: "9".into(),
        attached: false,
        flagged: true,
    };
    let vdis = BTreeMap::from([
        ("OpaqueRef:left".to_owned(), vdi(VM, false)),
        ("OpaqueRef:snapshot".to_owned(), vdi(VM, true)),
        ("OpaqueRef:used".to_owned(), vdi(VM, false)),
        ("OpaqueRef:other".to_owned(), vdi("00000000-0000-0000-0000-000000000002", false)),
    ]);
    let vbds = BTreeMap::from([("OpaqueRef:vbd-used".to_owned(), used)]);
    let fake = Fake::start(State { vdis, vbds, ..State::default() }, no_fault);
    fake.create(TEXT).await.unwrap();
    let state = fake.state();
    let left: Vec<_> = state.vdis.keys().filter(|name| !name.contains("vdi-")).collect();
    assert_eq!(left, ["OpaqueRef:other", "OpaqueRef:snapshot", "OpaqueRef:used"]);
}

#[tokio::test]
async fn a_disk_that_was_made_although_the_answer_was_lost_is_swept_away() {
    let fake = Fake::start(State::default(), |state, request| {
        let lost = request.method == "VDI.create";
        lost.then(|| {
            let config = [("config-drive", "True"), ("xscontainer-vm", VM)];
            let config = config.map(|(key, text)| (key.to_owned(), text.to_owned())).into();
            state.vdis.insert("OpaqueRef:lost".into(), Vdi { config, ..Vdi::default() });
            Answer::Close
        })
    });
    fake.create(TEXT).await.unwrap_err();
    assert!(fake.state().vdis.is_empty());
}

#[tokio::test]
async fn a_drive_that_is_another_vms_too_stays_with_that() {
    let mut before = State::default().with_old_drive(false);
    let shared = Vbd { vm: "OpaqueRef:other".into(), device: "7".into(), ..before.vbds["OpaqueRef:vbd-old"].clone() };
    before.vbds.insert("OpaqueRef:vbd-other".into(), shared);
    let fake = Fake::start(before, no_fault);
    fake.create(TEXT).await.unwrap();
    let state = fake.state();
    assert!(state.vdis.contains_key("OpaqueRef:vdi-old") && state.vbds.contains_key("OpaqueRef:vbd-other"));
    assert_eq!(state.vbds.len(), 2);
}

#[tokio::test]
async fn of_two_calls_at_the_same_moment_the_one_that_sees_the_other_gives_way() {
    let fake = Fake::start(State::default(), |state, request| {
        if request.method == "VBD.create" {
            *state = std::mem::take(state).with_old_drive(false);
        }
        None
    });
    let error = fake.create(TEXT).await.unwrap_err();
    assert!(matches!(error, Error::Overtaken(_)), "{error}");
    assert!(only(&fake.state()).1.vdi.ends_with("old"));
}

#[tokio::test]
async fn storage_that_only_another_host_has_is_told_as_such_and_leaves_nothing() {
    let redirect = |_: &mut State, request: &Request| {
        let head = "HTTP/1.1 302 Found\r\nLocation: https://10.0.0.2/x?session_id=OpaqueRef:s\r\n\r\n";
        (request.method.starts_with("PUT") || request.method.starts_with("GET")).then(|| Answer::Raw(head.into()))
    };
    let before = State::default().with_old_drive(false);
    let fake = Fake::start(before.clone(), redirect);
    let old = VdiUuid::parse(&uuid_of("OpaqueRef:vdi-old")).unwrap();
    for error in [fake.create(TEXT).await.unwrap_err(), configuration(&fake.client(), &old).await.unwrap_err()] {
        assert!(matches!(&error, Error::Redirected { host } if host == "10.0.0.2"), "{error}");
    }
    assert_eq!(fake.state().lasting(), before);
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let absent = |_: &mut State, request: &Request| {
        (request.method.ends_with(".get_by_uuid")).then(|| failure(&["UUID_INVALID", "X", "y"]))
    };
    let fake = Fake::start(State::default(), absent);
    assert!(matches!(fake.create(TEXT).await.unwrap_err(), Error::NoVm(_)));
    let vdi = VdiUuid::parse(VM).unwrap();
    assert!(matches!(configuration(&fake.client(), &vdi).await.unwrap_err(), Error::NoVdi(_)));
}

#[tokio::test]
async fn a_disk_that_is_no_drive_is_told_without_reading_much() {
    let mut state = State::default().with_old_drive(false);
    state.vdis.get_mut("OpaqueRef:vdi-old").unwrap().content = vec![0; 1 << 20];
    let fake = Fake::start(state, no_fault);
    let vdi = VdiUuid::parse(&uuid_of("OpaqueRef:vdi-old")).unwrap();
    let error = configuration(&fake.client(), &vdi).await.unwrap_err().to_string();
    assert!(error.contains("not an ISO 9660 image"), "{error}");
    fake.state().vdis.get_mut("OpaqueRef:vdi-old").unwrap().content = vec![0; (64 << 20) + 1];
    let error = configuration(&fake.client(), &vdi).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    assert_eq!(fake.server.calls("GET /export_raw_vdi").len(), 1);
}

#[tokio::test]
async fn the_default_text_leaves_the_network_out_unless_it_is_preferred() {
    for prefers in [false, true] {
        let fake = Fake::start(State { prefers, ..State::default() }, no_fault);
        let text = default_text(&fake.client(), &Places::default(), None).await.unwrap();
        assert_eq!(template::wants_device(&text), prefers);
    }
}

#[tokio::test]
async fn the_default_text_is_for_the_template_and_the_general_one_if_it_is_not_known() {
    let nobodys = "00000000-0000-0000-0000-00000000abcd";
    for (uuid, method, family) in [
        (TEMPLATE, "", Family::Debian),
        (nobodys, "", Family::General),
        (TEMPLATE, "VM.get_by_uuid", Family::General),
        (TEMPLATE, "VM.get_name_label", Family::General),
        (TEMPLATE, "VM.get_reference_label", Family::General),
    ] {
        let fake = Fake::start(State::default(), move |_, request| (request.method == method).then(no));
        let uuid = VmUuid::parse(uuid).unwrap();
        let text = default_text(&fake.client(), &Places::default(), Some(&uuid)).await.unwrap();
        assert!(text.ends_with(&format!(", for {family}")), "{uuid}, {method} fails: {text}");
    }
}
