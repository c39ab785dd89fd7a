//! A VM that came from another pool is recognised, and prepared again.

use lab::guests::ssh_variants::PAM;
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
