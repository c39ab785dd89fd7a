//! Config drives made, read and replaced through XAPI's plugin.

use std::fs;
use std::process::Command;

use lab::plugin::Plugin;
use lab::pool::Pool;
use lab::tools::succeed;
use lab::xapi::{Failure, Ref, Value};

/// A pool with storage, a VM and the plugin.
pub(crate) struct Lab {
    pub(crate) pool: Pool,
    pub(crate) plugin: Plugin,
    pub(crate) sr: Ref,
    pub(crate) vm: Ref,
}

impl Lab {
    /// With a VM that is halted, as a new one is.
    pub(crate) fn new() -> Self {
        let pool = Pool::new();
        let sr = pool.xapi.add_sr("local", &[&pool.xapi.host()]);
        let halted =
            [("power_state", Value::from("Halted")), ("resident_on", Ref::null().into()), ("domid", (-1).into())];
        let vm = pool.xapi.add_vm("Web Server 1", halted).unwrap();
        let plugin = Plugin::install(&pool.xapi, None);
        Self { pool, plugin, sr, vm }
    }

    pub(crate) fn uuid(&self, object: &Ref) -> String {
        self.pool.xapi.get(object, "uuid").unwrap().text().unwrap().to_owned()
    }

    pub(crate) fn create(&self, configuration: &str) -> Result<String, Failure> {
        let (vm, sr) = (self.uuid(&self.vm), self.uuid(&self.sr));
        let arguments = [("vmuuid", vm.as_str()), ("sruuid", &sr), ("configuration", configuration)];
        self.plugin.call(&self.pool.xapi, "create_config_drive", &arguments)
    }

    /// Makes a drive; gives its disk.
    #[track_caller]
    pub(crate) fn created(&self, configuration: &str) -> Ref {
        let said = self.create(configuration).unwrap();
        let uuid = said.strip_prefix("True").unwrap();
        let found = self.pool.xapi.look(|state| state.database.find("VDI", "uuid", &uuid.into()));
        assert_eq!(found.len(), 1, "{said}");
        found[0].clone()
    }

    pub(crate) fn read(&self, vdi: &Ref) -> Result<String, Failure> {
        self.plugin.call(&self.pool.xapi, "get_config_drive_configuration", &[("vdiuuid", &self.uuid(vdi))])
    }

    /// The disks that the VM has, and whether each is a config drive by both its flags.
    pub(crate) fn drives(&self) -> Vec<Ref> {
        self.pool.xapi.look(|state| {
            let vbds = state.database.find("VBD", "VM", &(&self.vm).into());
            let disk = |vbd: &Ref| Ref(state.get(vbd, "VDI").unwrap().text().unwrap().to_owned());
            vbds.iter()
                .inspect(|vbd| assert_eq!(state.entry(vbd, "other_config", "config-drive").as_deref(), Some("True")))
                .map(disk)
                .inspect(|vdi| assert_eq!(state.entry(vdi, "other_config", "config-drive").as_deref(), Some("True")))
                .collect()
        })
    }

    pub(crate) fn count(&self, class: &str) -> usize {
        self.pool.xapi.look(|state| state.database.refs(class).len())
    }
}

#[test]
fn a_drive_is_made_read_back_and_replaced() {
    let lab = Lab::new();
    let text = "#cloud-config\nhostname: %VMNAMETOHOSTNAME%\nssh_authorized_keys:\n  - ssh-rsa %CONTAINERRSAPUB%\n# ]]> & é 🐳";
    let first = lab.created(text);
    assert_eq!(lab.drives(), std::slice::from_ref(&first));
    assert_eq!(lab.read(&first), Ok(format!("True{text}")));
    assert_eq!(
        lab.pool.xapi.look(|state| state.entry(&lab.vm, "other_config", "xscontainer-monitor")).as_deref(),
        Some("False")
    );
    // XenCenter sends line feeds, people on a command line what they can type.
    let second = lab.created("#cloud-config%BR%hostname: a\r\n# b  \n\n");
    assert_eq!(lab.drives(), std::slice::from_ref(&second));
    assert_eq!(lab.read(&second), Ok("True#cloud-config\nhostname: a\n# b".to_owned()));
    assert!(lab.pool.xapi.get(&first, "uuid").is_err(), "the old disk is gone");
    assert_eq!((lab.count("VDI"), lab.count("VBD"), lab.count("task")), (1, 1, 0));
}

#[test]
fn the_drive_holds_what_guests_read() {
    let lab = Lab::new();
    let vdi = lab.created("#cloud-config\nhostname: %XSVMNAMETOHOSTNAME%\n# ssh-rsa %XSCONTAINERRSAPUB%");
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("drive.iso");
    fs::write(&image, lab.pool.xapi.disk(&vdi)).unwrap();
    succeed(Command::new("bsdtar").arg("-xf").arg(&image).arg("-C").arg(folder.path()));
    let file = |name: &str| fs::read_to_string(folder.path().join("openstack/latest").join(name)).unwrap();
    let key = lab.pool.public_key().split(' ').nth(1).unwrap();
    assert_eq!(file("user_data").trim_end(), format!("#cloud-config\nhostname: webserver1\n# ssh-rsa {key}"));
    let meta: serde_json::Value = serde_json::from_str(&file("meta_data.json")).unwrap();
    assert_eq!(meta["uuid"], lab.uuid(&lab.vm));
    // The key's line is commented out, so nobody may manage the VM.
    assert_eq!(lab.pool.xapi.look(|state| state.entry(&lab.vm, "other_config", "xscontainer-monitor")), None);
}

#[test]
fn a_running_vm_gets_its_drive_at_once() {
    let lab = Lab::new();
    for (field, value) in [("power_state", Value::from("Running")), ("resident_on", lab.pool.xapi.host().into())] {
        lab.pool.xapi.set(&lab.vm, field, value).unwrap();
    }
    lab.pool.xapi.add_guest_metrics(&lab.vm, &[]).unwrap();
    for text in ["a", "b"] {
        let vdi = lab.created(text);
        assert_eq!(lab.drives(), std::slice::from_ref(&vdi));
        let vbd = lab.pool.xapi.look(|state| state.database.find("VBD", "VDI", &(&vdi).into())).remove(0);
        assert_eq!(lab.pool.xapi.get(&vbd, "currently_attached"), Ok(true.into()));
        assert_eq!(lab.pool.xapi.get(&vbd, "mode"), Ok("RO".into()));
    }
}

#[test]
fn the_default_is_built_in_or_an_administrators() {
    let lab = Lab::new();
    let default = |template: &str| {
        lab.plugin.call(&lab.pool.xapi, "get_config_drive_default", &[("templateuuid", template)]).unwrap()
    };
    let built_in = default("any");
    assert!(built_in.starts_with("True#cloud-config\n") && built_in.contains("- ssh-rsa %CONTAINERRSAPUB%"));
    assert!(!built_in.contains('\r') && built_in.trim() == built_in && !built_in.contains("HINEXISTS"), "{built_in}");
    fs::write(lab.plugin.template(), "#cloud-config\r\n# ours\r\n").unwrap();
    let ubuntu = lab.pool.xapi.add_vm("Ubuntu Noble Numbat 24.04", [("is_a_template", true.into())]).unwrap();
    let theirs = default(&lab.uuid(&ubuntu));
    assert!(theirs.starts_with("True#cloud-config\n# ours\n"), "{theirs}");
    assert!(theirs.ends_with(&lab.plugin.template().display().to_string()), "it says where it is from: {theirs}");
}

#[test]
fn the_default_is_for_the_template() {
    let lab = Lab::new();
    let of = |template: &str| {
        let text = lab.plugin.call(&lab.pool.xapi, "get_config_drive_default", &[("templateuuid", template)]).unwrap();
        text.rsplit_once(", for ").unwrap().1.to_owned()
    };
    for (name, label, family) in [
        ("Rocky Linux 9", "rocky-9", "Red Hat and its relatives"),
        ("CoreOS", "coreos", "Flatcar"),
        ("web servers", "ubuntu-22.04", "Ubuntu"),
        ("Other install media", "other-install-media", "any distribution"),
    ] {
        let fields = [("is_a_template", true.into()), ("reference_label", label.into())];
        let template = lab.uuid(&lab.pool.xapi.add_vm(name, fields).unwrap());
        assert_eq!(of(&template), family, "{name}");
        assert_eq!(of(&template.to_uppercase()), family, "{name}");
    }
    for nobodys in ["00000000-0000-0000-0000-00000000abcd", "any", ""] {
        assert_eq!(of(nobodys), "any distribution", "{nobodys}");
    }
}

#[test]
fn a_long_text_is_kept_and_one_that_the_command_line_cannot_carry_is_refused() {
    let lab = Lab::new();
    let long = format!("#cloud-config\n{}", "# <x> & ]]>\n".repeat(5_000)).trim_end().to_owned();
    let vdi = lab.created(&long);
    assert_eq!(lab.read(&vdi), Ok(format!("True{long}")));
    assert!(lab.create(&"x".repeat(140_000)).is_err());
    assert_eq!(lab.drives(), [vdi]);
    let longest = "x".repeat(120_000);
    let vdi = lab.created(&longest);
    assert_eq!(lab.read(&vdi), Ok(format!("True{longest}")));
}

#[test]
fn the_host_that_has_the_storage_does_it() {
    let lab = Lab::new();
    let xapi = &lab.pool.xapi;
    let there = xapi.new_host("host-2", "192.0.2.2").unwrap();
    let socket = xapi.serve_host(&there).unwrap();
    let plugin = Plugin::install_on(xapi, &there, &socket, None);
    let dead = xapi.new_host("host-3", "192.0.2.3").unwrap();
    xapi.set_offline(&dead);
    let lab = Lab { sr: xapi.add_sr("theirs", &[&dead, &there]), ..lab };
    let vdi = lab.created("a");
    assert_eq!(lab.drives(), std::slice::from_ref(&vdi));
    assert_eq!(lab.read(&vdi), Ok("Truea".to_owned()));
    assert_eq!(
        plugin.lines().iter().filter(|line| line.contains("plugin call function")).count(),
        2,
        "{:?}",
        plugin.lines()
    );
    lab.pool.xapi.set_offline(&there);
    assert_eq!(lab.read(&vdi).unwrap_err().code, "HOST_OFFLINE");
}

#[test]
fn what_is_not_there_is_named() {
    let lab = Lab::new();
    let xapi = &lab.pool.xapi;
    let nobodys = "00000000-0000-0000-0000-00000000abcd";
    let (vm, sr) = (lab.uuid(&lab.vm), lab.uuid(&lab.sr));
    for (vm, sr, class) in [(nobodys, sr.as_str(), "VM"), (&vm, nobodys, "SR")] {
        let arguments = [("vmuuid", vm), ("sruuid", sr), ("configuration", "a")];
        let failure = lab.plugin.call(xapi, "create_config_drive", &arguments).unwrap_err();
        assert_eq!(
            (failure.code.as_str(), &failure.params[..]),
            ("UUID_INVALID", &[class.to_owned(), nobodys.to_owned()][..])
        );
    }
    let failure = lab.plugin.call(xapi, "get_config_drive_configuration", &[("vdiuuid", nobodys)]).unwrap_err();
    assert_eq!(failure.params, ["VDI", nobodys]);
    assert_eq!((lab.count("VDI"), lab.count("VBD"), lab.count("task")), (0, 0, 0));
}
