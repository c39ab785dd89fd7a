//! A pool with a VM that has a disk and a CD drive, and what it looks like.

use agent::xapi::{Client, VmRef, VmUuid};
use lab::xapi::{Config, Ref, Value, Xapi};
use tempfile::TempDir;

/// The pool.
pub(crate) struct Pool {
    pub(crate) xapi: Xapi,
    pub(crate) vm: Ref,
    pub(crate) drive: Ref,
    /// Where the VM's disk is.
    pub(crate) first: Ref,
    /// The pool's default.
    pub(crate) default: Ref,
    _directory: TempDir,
}

/// What must be the same before and after.
#[derive(Debug, PartialEq)]
pub(crate) struct Look {
    drive: Value,
    empty: Value,
    other_config: Value,
    vdis: Vec<Ref>,
    vbds: Vec<Ref>,
    secrets: Vec<Ref>,
}

impl Pool {
    /// With an empty drive.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let xapi = Xapi::start(Config::at(&directory.path().join("xapi"))).unwrap();
        let (first, default) = (xapi.add_sr("first", &[&xapi.host()]), xapi.add_sr("default", &[&xapi.host()]));
        xapi.set(&xapi.pool(), "default_SR", &default).unwrap();
        let vm = xapi.add_vm("win", []).unwrap();
        let disk = xapi.add("VDI", [("SR", Value::from(&first)), ("virtual_size", (1 << 21).into())]).unwrap();
        let device = |vdi: &Ref, kind: &str, mode: &str, number: &str| {
            let fields = [
                ("VM", Value::from(&vm)),
                ("VDI", vdi.into()),
                ("type", kind.into()),
                ("mode", mode.into()),
                ("userdevice", number.into()),
                ("empty", (*vdi == Ref::null()).into()),
                ("currently_attached", true.into()),
            ];
            xapi.add("VBD", fields).unwrap()
        };
        device(&disk, "Disk", "RW", "0");
        let drive = device(&Ref::null(), "CD", "RO", "3");
        Self { xapi, vm, drive, first, default, _directory: directory }
    }

    /// With a disc in the drive.
    pub(crate) fn with_disc() -> (Self, Ref) {
        let pool = Self::new();
        let fields = [("SR", Value::from(&pool.default)), ("name_label", "guest-tools.iso".into())];
        let disc = pool.xapi.add("VDI", fields).unwrap();
        pool.put_in(&disc);
        (pool, disc)
    }

    /// Puts a disc into the drive, as somebody else would.
    pub(crate) fn put_in(&self, disc: &Ref) {
        self.xapi.set(&self.drive, "VDI", disc).unwrap();
        self.xapi.set(&self.drive, "empty", false).unwrap();
    }

    /// A new client, as of a new program.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.xapi.socket())
    }

    pub(crate) fn names(&self) -> (VmRef, VmUuid) {
        (VmRef::new(self.vm.as_str()).unwrap(), VmUuid::parse(&self.uuid(&self.vm)).unwrap())
    }

    pub(crate) fn uuid(&self, object: &Ref) -> String {
        self.xapi.get(object, "uuid").unwrap().text().unwrap().to_owned()
    }

    /// What is in the drive.
    pub(crate) fn disc(&self) -> Ref {
        Ref(self.xapi.get(&self.drive, "VDI").unwrap().text().unwrap().to_owned())
    }

    pub(crate) fn look(&self) -> Look {
        let refs = |class: &str| self.xapi.look(|state| state.database.refs(class));
        let get = |object: &Ref, field: &str| self.xapi.get(object, field).unwrap();
        let sorted = |value: Value| match value {
            Value::Struct(mut members) => {
                members.sort_by(|one, other| one.0.cmp(&other.0));
                Value::Struct(members)
            }
            other => other,
        };
        Look {
            drive: get(&self.drive, "VDI"),
            empty: get(&self.drive, "empty"),
            other_config: sorted(get(&self.vm, "other_config")),
            vdis: refs("VDI"),
            vbds: refs("VBD"),
            secrets: refs("secret"),
        }
    }
}
