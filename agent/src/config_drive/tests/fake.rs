//! A XAPI with one VM, its disks and connections, kept in memory; any call can be made to fail.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use crate::access::PoolKey;
use crate::config_drive::{self, Error, Places};
use crate::guest::ssh::keys;
use crate::xapi::script::{Answer, Request, Server, failure, record, success, vm_record};
use crate::xapi::{Client, SrUuid, VdiUuid, VmUuid};

pub(super) const VM: &str = "00000000-0000-0000-0000-000000000001";
pub(super) const TEMPLATE: &str = "00000000-0000-0000-0000-0000000000aa";
const SR: &str = "00000000-0000-0000-0002-000000000001";
const SECRET: &str = "00000000-0000-0000-0003-000000000001";

/// A disk.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Vdi {
    pub(super) config: BTreeMap<String, String>,
    pub(super) content: Vec<u8>,
    pub(super) is_a_snapshot: bool,
}

/// A connection of a disk to a VM.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Vbd {
    pub(super) vm: String,
    pub(super) vdi: String,
    pub(super) device: String,
    pub(super) attached: bool,
    pub(super) flagged: bool,
}

/// What there is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    pub(super) running: bool,
    pub(super) prefers: bool,
    pub(super) vdis: BTreeMap<String, Vdi>,
    pub(super) vbds: BTreeMap<String, Vbd>,
    /// By device: whether it is on the host-internal network.
    pub(super) vifs: BTreeMap<String, bool>,
    pub(super) tasks: Vec<String>,
    pub(super) network_config: BTreeMap<String, String>,
    pub(super) vm_config: BTreeMap<String, String>,
    pub(super) made: u32,
}

impl State {
    /// Without the number of things made, which only grows.
    pub(super) fn lasting(&self) -> State {
        State { made: 0, ..self.clone() }
    }

    fn new_name(&mut self, class: &str) -> String {
        self.made += 1;
        format!("OpaqueRef:{class}-{}", self.made)
    }

    /// A drive as the original left it, on device 1.
    pub(super) fn with_old_drive(mut self, attached: bool) -> State {
        let config = BTreeMap::from([("config-drive".to_owned(), "True".to_owned())]);
        self.vdis.insert("OpaqueRef:vdi-old".into(), Vdi { config, ..Vdi::default() });
        let vbd = Vbd {
            vm: "OpaqueRef:vm".into(),
            vdi: "OpaqueRef:vdi-old".into(),
            device: "1".into(),
            attached,
            flagged: true,
        };
        self.vbds.insert("OpaqueRef:vbd-old".into(), vbd);
        self
    }
}

/// The XAPI.
pub(super) struct Fake {
    pub(super) server: Server,
    state: Arc<Mutex<State>>,
}

fn pem() -> &'static str {
    static PEM: OnceLock<String> = OnceLock::new();
    PEM.get_or_init(|| keys::generate_blocking(2048).1.to_string())
}

impl Fake {
    /// With this in it. `fault` sees every call first and may answer it, or change things.
    pub(super) fn start(
        state: State,
        mut fault: impl FnMut(&mut State, &Request) -> Option<Answer> + Send + 'static,
    ) -> Self {
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| {
            let mut state = shared.lock().unwrap();
            let answer = fault(&mut state, request).or_else(|| answer(&mut state, request));
            answer.unwrap_or_else(|| panic!("unexpected call of {} {:?}", request.method, request.params))
        });
        Self { server, state }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn client(&self) -> Client {
        Client::new(&self.server.socket())
    }

    pub(super) async fn create(&self, configuration: &str) -> Result<VdiUuid, Error> {
        let client = self.client();
        let places = Places { template: "/nowhere".into(), tools_folder: "/nowhere".into() };
        let (vm, sr) = (VmUuid::parse(VM).unwrap(), SrUuid::parse(SR).unwrap());
        let key = PoolKey::new(client.clone());
        config_drive::create(&client, &key, &places, &vm, &sr, configuration).await
    }
}

/// The uuid of a disk, made of its reference; others need none.
pub(super) fn uuid_of(vdi: &str) -> String {
    let number: u32 = vdi.bytes().map(u32::from).sum();
    format!("00000000-0000-0000-0001-{number:012}")
}

fn list<'a>(references: impl IntoIterator<Item = &'a String>) -> String {
    let values: String = references.into_iter().map(|reference| format!("<value>{reference}</value>")).collect();
    format!("<array><data>{values}</data></array>")
}

fn map(entries: &BTreeMap<String, String>) -> String {
    record(&entries.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect::<Vec<_>>())
}

fn flag(yes: bool) -> &'static str {
    if yes { "<boolean>1</boolean>" } else { "<boolean>0</boolean>" }
}

fn gone(class: &str, reference: &str) -> Answer {
    failure(&["HANDLE_INVALID", class, reference])
}

fn answer(state: &mut State, request: &Request) -> Option<Answer> {
    // The session comes first.
    let params: Vec<&str> = request.params.iter().map(String::as_str).collect();
    let first = params.get(1).copied().unwrap_or_default();
    let Some(call) = request.method.split_once('.') else { return transfer(state, request) };
    match call {
        ("session", _) => Some(success("OpaqueRef:session")),
        ("pool" | "secret", _) => pool(state, request),
        ("VM", method) => vm(state, method, &params),
        ("network", method) => network(state, method, &params),
        ("VIF", method) => vif(state, method, request, first),
        ("SR", "get_by_uuid") => Some(success("OpaqueRef:sr")),
        ("VDI", method) => vdi(state, method, request, &params),
        ("VBD", method) => vbd(state, method, request, first),
        ("task", method) => task(state, method, first),
        _ => None,
    }
}

fn pool(state: &State, request: &Request) -> Option<Answer> {
    Some(match request.method.as_str() {
        "pool.get_all" => success(&list([&"OpaqueRef:pool".to_owned()])),
        "pool.get_record" => {
            let config = record(&[
                ("xscontainer-private-secret-uuid", SECRET),
                ("xscontainer-public-secret-uuid", SECRET),
                ("xscontainer-use-hostinternalnetwork", if state.prefers { "Yes" } else { "0" }),
            ]);
            success(&record(&[("master", "OpaqueRef:here"), ("other_config", &config)]))
        }
        "secret.get_by_uuid" => success("OpaqueRef:secret"),
        "secret.get_value" => success(pem()),
        _ => return None,
    })
}

fn vm(state: &mut State, method: &str, params: &[&str]) -> Option<Answer> {
    Some(match method {
        "get_by_uuid" if params[1] == VM => success("OpaqueRef:vm"),
        "get_by_uuid" if params[1] == TEMPLATE => success("OpaqueRef:template"),
        "get_name_label" if params[1] == "OpaqueRef:template" => success("web servers"),
        "get_reference_label" if params[1] == "OpaqueRef:template" => success("debian-12"),
        "get_by_uuid" => failure(&["UUID_INVALID", "VM", params[1]]),
        "get_record" if params[1] == "OpaqueRef:dom0" => success(&vm_record(9, &[("is_control_domain", flag(true))])),
        "get_record" if params[1] != "OpaqueRef:vm" => success(&vm_record(2, &[])),
        "get_record" => {
            let power = if state.running { "Running" } else { "Halted" };
            success(&vm_record(1, &[("name_label", "Web 1"), ("power_state", power)]))
        }
        "get_VBDs" => success(&list(state.vbds.iter().filter(|(_, vbd)| vbd.vm == params[1]).map(|(name, _)| name))),
        "get_VIFs" => {
            success(&list(&state.vifs.keys().map(|device| format!("OpaqueRef:vif-{device}")).collect::<Vec<_>>()))
        }
        "add_to_other_config" => match state.vm_config.contains_key(params[2]) {
            true => failure(&["MAP_DUPLICATE_KEY", "VM", "other_config", params[1], params[2]]),
            false => {
                state.vm_config.insert(params[2].to_owned(), params[3].to_owned());
                success("")
            }
        },
        _ => return None,
    })
}

fn network(state: &mut State, method: &str, params: &[&str]) -> Option<Answer> {
    Some(match method {
        "get_all_records" => {
            let internal = record(&[("bridge", "xenapi"), ("other_config", &map(&state.network_config))]);
            let other = record(&[("bridge", "xenbr0"), ("other_config", "<struct/>")]);
            success(&record(&[("OpaqueRef:net-0", &other), ("OpaqueRef:net-1", &internal)]))
        }
        "remove_from_other_config" => {
            state.network_config.remove(params[2]);
            success("")
        }
        "add_to_other_config" => {
            state.network_config.insert(params[2].to_owned(), params[3].to_owned());
            success("")
        }
        _ => return None,
    })
}

fn vif(state: &mut State, method: &str, request: &Request, first: &str) -> Option<Answer> {
    let device = first.trim_start_matches("OpaqueRef:vif-");
    Some(match method {
        "get_record" => match state.vifs.get(device) {
            None => gone("VIF", first),
            Some(internal) => {
                let network = if *internal { "OpaqueRef:net-1" } else { "OpaqueRef:net-0" };
                success(&record(&[("device", device), ("network", network)]))
            }
        },
        "create" => {
            let device = request.member("device")?;
            if state.vifs.contains_key(&device) {
                return Some(failure(&["DEVICE_ALREADY_EXISTS", &device]));
            }
            state.vifs.insert(device.clone(), request.member("network")? == "OpaqueRef:net-1");
            success(&format!("OpaqueRef:vif-{device}"))
        }
        "destroy" => match state.vifs.remove(device) {
            Some(_) => success(""),
            None => gone("VIF", first),
        },
        _ => return None,
    })
}

fn vdi(state: &mut State, method: &str, request: &Request, params: &[&str]) -> Option<Answer> {
    let reference = params.get(1).copied().unwrap_or_default();
    let vbds = state.vbds.iter().filter(|(_, vbd)| vbd.vdi == reference);
    Some(match method {
        "create" => {
            let name = state.new_name("vdi");
            let keys = ["config-drive", "xscontainer-vm"];
            let config = keys.iter().filter_map(|key| Some(((*key).to_owned(), request.member(key)?))).collect();
            let size: usize = request.member("virtual_size")?.parse().unwrap();
            let vdi = Vdi { config, content: vec![0; size], is_a_snapshot: false };
            state.vdis.insert(name.clone(), vdi);
            success(&name)
        }
        "get_by_name_label" => success(&list(state.vdis.keys())),
        "get_by_uuid" => match state.vdis.keys().find(|name| uuid_of(name) == reference) {
            Some(name) => success(name),
            None => failure(&["UUID_INVALID", "VDI", reference]),
        },
        _ if !state.vdis.contains_key(reference) => gone("VDI", reference),
        "get_uuid" => success(&uuid_of(reference)),
        "get_record" => {
            let vdi = &state.vdis[reference];
            success(&record(&[
                ("uuid", &uuid_of(reference)),
                ("SR", "OpaqueRef:sr"),
                ("virtual_size", &vdi.content.len().to_string()),
                ("is_a_snapshot", flag(vdi.is_a_snapshot)),
                ("VBDs", &list(vbds.map(|(name, _)| name))),
                ("other_config", &map(&vdi.config)),
            ]))
        }
        "destroy" => {
            if vbds.into_iter().any(|(_, vbd)| vbd.attached) {
                return Some(failure(&["VDI_IN_USE", reference, "destroy"]));
            }
            state.vbds.retain(|_, vbd| vbd.vdi != reference);
            state.vdis.remove(reference);
            success("")
        }
        "add_to_other_config" => {
            state.vdis.get_mut(reference)?.config.insert(params[2].to_owned(), params[3].to_owned());
            success("")
        }
        _ => return None,
    })
}

fn vbd(state: &mut State, method: &str, request: &Request, reference: &str) -> Option<Answer> {
    if method == "create" {
        let device = request.member("userdevice")?;
        if state.vbds.values().any(|vbd| vbd.device == device) {
            return Some(failure(&["DEVICE_ALREADY_EXISTS", &device]));
        }
        let name = state.new_name("vbd");
        let (vm, vdi) = (request.member("VM")?, request.member("VDI")?);
        let flagged = request.member("config-drive").is_some();
        assert_eq!((request.member("mode").as_deref(), request.member("type").as_deref()), (Some("RO"), Some("Disk")));
        state.vbds.insert(name.clone(), Vbd { vm, vdi, device, attached: false, flagged });
        return Some(success(&name));
    }
    let running = state.running;
    let Some(vbd) = state.vbds.get_mut(reference) else { return Some(gone("VBD", reference)) };
    Some(match method {
        "get_record" => {
            let config = if vbd.flagged { record(&[("config-drive", "True")]) } else { "<struct/>".to_owned() };
            success(&record(&[
                ("VM", &vbd.vm),
                ("VDI", &vbd.vdi),
                ("currently_attached", flag(vbd.attached)),
                ("other_config", &config),
            ]))
        }
        "plug" | "unplug" if !running => failure(&["VM_BAD_POWER_STATE", "OpaqueRef:vm", "Running", "Halted"]),
        "plug" => {
            vbd.attached = true;
            success("")
        }
        "unplug" if !vbd.attached => failure(&["DEVICE_ALREADY_DETACHED", reference]),
        "unplug" => {
            vbd.attached = false;
            success("")
        }
        "destroy" if vbd.attached => failure(&["OPERATION_NOT_ALLOWED", "attached"]),
        "destroy" => {
            state.vbds.remove(reference);
            success("")
        }
        _ => return None,
    })
}

fn task(state: &mut State, method: &str, reference: &str) -> Option<Answer> {
    Some(match method {
        "create" => {
            let name = state.new_name("task");
            state.tasks.push(name.clone());
            success(&name)
        }
        "get_status" => success("success"),
        "cancel" => success(""),
        "destroy" => {
            state.tasks.retain(|task| task != reference);
            success("")
        }
        _ => return None,
    })
}

fn transfer(state: &mut State, request: &Request) -> Option<Answer> {
    let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".as_slice();
    let uuid = request.params.first()?.strip_prefix("vdi=")?.get(..36)?;
    let vdi = state.vdis.iter_mut().find(|(name, _)| uuid_of(name) == uuid)?.1;
    Some(match request.method.as_str() {
        "PUT /import_raw_vdi" => {
            assert_eq!(request.body.len(), vdi.content.len());
            vdi.content.clone_from(&request.body);
            Answer::Raw(head.to_vec())
        }
        "GET /export_raw_vdi" => Answer::Raw([head, &vdi.content].concat()),
        _ => return None,
    })
}
