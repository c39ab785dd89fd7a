//! A VM that came from another pool is recognised, and prepared again.

use lab::guests::ssh_variants::PAM;
use lab::plugin::Plugin;
use lab::xapi::Value;

use crate::lab::{Lab, PASSWORD};

#[test]
fn a_vm_from_another_pool_is_recognised_and_prepared_again() {
    let (old, new) = (Lab::new(), Lab::new());
    let guest = old.fresh_light("web", PAM);
    let there = old.vm(&guest);
    old.pretend_to_show(&there);
    old.prepared_by_script(&there);

    // As it is when a VM is exported and imported: with its entries.
    let here = new.vm(&guest);
    let mut entries = old.entries(&there);
    entries.push(("docker_ps".to_owned(), "<docker_ps/>".to_owned()));
    let entries = entries.iter().map(|(key, text)| (key.as_str(), text.as_str()));
    new.xapi.set(&here, "other_config", Value::map(entries)).unwrap();
    let said = new.in_script(&here, &["--check"], "");
    assert_eq!(said.code, Some(4), "{}", said.text);
    assert!(said.text.contains("by another pool") && said.text.contains("keeps its access"), "{}", said.text);

    let said = new.in_script(&here, &["-u", "core", "--yes", "--password-stdin"], &format!("{PASSWORD}\n"));
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert_eq!(new.in_script(&here, &["--check"], "").code, Some(0));
    // As the documentation says: the old pool keeps its access.
    assert_eq!(old.in_script(&there, &["--check"], "").code, Some(0));
    assert_eq!(guest.authorized_keys("core").unwrap().lines().count(), 2);
}

/// cloud-init takes a VM with another instance id for a new one, and configures it anew.
#[test]
fn a_config_drive_made_anew_has_the_new_pools_key_and_another_instance_id() {
    let drive = |lab: &Lab| {
        let plugin = Plugin::install(&lab.xapi, None);
        let sr = lab.xapi.add_sr("local", &[&lab.xapi.host()]);
        let vm = lab.add_vm("web", &[], &[]);
        let text = "#cloud-config\nssh_authorized_keys:\n  - ssh-rsa %CONTAINERRSAPUB%";
        let (vm_uuid, sr_uuid) = (lab.uuid(&vm), lab.uuid(&sr));
        let arguments = [("vmuuid", vm_uuid.as_str()), ("sruuid", &sr_uuid), ("configuration", text)];
        plugin.call(&lab.xapi, "create_config_drive", &arguments).unwrap();
        let vdi = lab.xapi.look(|state| state.database.refs("VDI"))[0].clone();
        (String::from_utf8_lossy(&lab.xapi.disk(&vdi)).into_owned(), vm_uuid)
    };
    let (old, new) = (Lab::new(), Lab::new());
    let ((_, old_uuid), (disk, uuid)) = (drive(&old), drive(&new));
    let key = |lab: &Lab| lab.public_key().split_whitespace().nth(1).unwrap().to_owned();
    assert!(disk.contains(&key(&new)) && disk.contains(&uuid));
    assert!(!disk.contains(&key(&old)) && !disk.contains(&old_uuid));
}
