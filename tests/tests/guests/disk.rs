//! Troubles of a guest's disk, and what is in its folders.

use lab::guests::{Network, Vm};

/// What `core` is told by a shell; empty if all is well.
fn as_core(vm: &Vm, script: &str) -> String {
    let script = format!("setpriv --reuid core --regid core --clear-groups sh -c {script:?} 2>&1 || :");
    vm.script(&script)
}

#[test]
fn homes_are_full_and_have_room_again() {
    let network = Network::new();
    let vm = network.vm("web");
    vm.set_authorized_keys("core", "key\n");
    let before = vm.snapshot_files(&["/home/core"]);
    vm.fill_homes();
    before.assert_same(&vm.snapshot_files(&["/home/core"]));
    assert!(as_core(&vm, "cp /etc/passwd ~core/file").contains("No space left on device"));
    assert_eq!(before.changes(&vm.snapshot_files(&["/home/core"])).len(), 1, "an empty file");
    vm.free_homes();
    assert_eq!(as_core(&vm, "cp /etc/passwd ~core/file"), "");
}

#[test]
fn a_home_is_read_only_for_root_too() {
    let network = Network::new();
    let vm = network.vm("web");
    vm.make_read_only("/home/core");
    assert!(as_core(&vm, "touch ~core/file").contains("Read-only file system"));
    assert!(vm.script("touch ~core/file 2>&1 || :").contains("Read-only file system"));
    vm.make_writable("/home/core");
    assert_eq!(as_core(&vm, "touch ~core/file"), "");
}

#[test]
fn a_file_is_immutable_or_read_only() {
    let network = Network::new();
    let vm = network.vm("web");
    vm.set_authorized_keys("core", "key\n");
    let keys = "/home/core/.ssh/authorized_keys";
    let change = "cd ~core/.ssh; echo more >> authorized_keys; touch new; mv -f new authorized_keys; rm -f new";
    vm.make_immutable(keys);
    let before = vm.snapshot_files(&["/home"]);
    let said = as_core(&vm, change);
    assert_eq!(said.matches("Operation not permitted").count(), 2, "{said}");
    before.assert_same(&vm.snapshot_files(&["/home"]));
    vm.make_mutable(keys);
    vm.make_read_only(keys);
    let said = as_core(&vm, change);
    assert!(said.contains("Read-only file system") && said.contains("Device or resource busy"), "{said}");
    before.assert_same(&vm.snapshot_files(&["/home"]));
    vm.make_writable(keys);
    assert_eq!(as_core(&vm, change), "");
    assert_eq!(vm.authorized_keys("core").as_deref(), Some(""));
}

#[test]
fn keys_are_what_they_were_made() {
    let network = Network::new();
    let vm = network.vm("web");
    assert_eq!(vm.authorized_keys("core"), None);
    let content = "# mine\n\nssh-ed25519 AAAA it's me";
    vm.set_authorized_keys("core", content);
    vm.link_authorized_keys("core", "keys");
    assert_eq!(vm.authorized_keys("core").as_deref(), Some(content));
    let listing = vm.snapshot_files(&["/home/core"]).to_string();
    assert!(listing.contains("/.ssh/authorized_keys: link 1000:1000 to /home/core/keys\n"), "{listing}");
    assert!(listing.contains("/keys: file 600 1000:1000 32 bytes "), "{listing}");
    vm.authorize("ssh-rsa BBBB other");
    assert_eq!(vm.authorized_keys("core"), Some(format!("{content}ssh-rsa BBBB other\n")), "a line end was missing");
}

#[test]
fn restorecon_tells_who_called_it() {
    let network = Network::new();
    let vm = network.vm("web");
    assert!(vm.script("command -v restorecon || echo none").contains("none"));
    vm.selinux();
    assert_eq!(vm.restorecon_calls(), [""; 0]);
    assert_eq!(as_core(&vm, "/usr/sbin/restorecon -R /home/core/.ssh"), "");
    vm.script("restorecon -v /etc");
    assert_eq!(vm.restorecon_calls(), ["core -R /home/core/.ssh", "root -v /etc"]);
    vm.add_program("/usr/sbin/getenforce", "#!/bin/sh\necho Enforcing\n");
    assert_eq!(vm.script("getenforce; restorecon x"), "Enforcing\n");
    assert!(vm.ssh().logins().is_empty(), "sshd runs beside them");
}
