//! A pack leaves: by its own script, by the default one, without XAPI, and when something is in the way.

use lab::foreign::{ForeignPack, Role};
use lab::updates::UpdateHost;

use super::{FIRST, REMOVAL_SCRIPT, ends, host_with, nothing, packages, put_in, recipe, seen, uuid};

fn installed() -> UpdateHost {
    host_of(&FIRST)
}

fn host_of(pack: &ForeignPack) -> UpdateHost {
    let host = host_with(pack);
    put_in(&host, pack);
    host
}

/// A package of the administrator's own that needs this.
fn needs(host: &UpdateHost, name: &str, requirement: &str) {
    host.must(&format!(
        "printf 'Name: {name}\\nVersion: 1\\nRelease: 1\\nSummary: x\\nLicense: x\\nBuildArch: noarch\\nRequires: {requirement}\\n\
         %%description\\nx\\n%%files\\n' > {name}.spec && rpmbuild --quiet -bb --define '_topdir /root/build' {name}.spec && \
         rpm -i build/RPMS/noarch/{name}-1-1.noarch.rpm"
    ));
}

#[test]
fn without_xapi_the_packages_go_and_it_is_said_what_remains() {
    let host = installed();
    host.stop_xapi();
    let said = ends(&host, 13, "remove --yes hello-agent");
    assert!(said.contains(&format!("xe update-destroy uuid={}", uuid())), "{said}");
    assert_eq!((host.packages(), host.stamps()), (Vec::new(), Vec::new()));
    host.must("rm -rf /run/xapi");
    assert!(ends(&host, 0, "list").contains("its stamp is gone"));
    ends(&host, 0, &format!("remove --yes {}", uuid()));
    assert_eq!(seen(&host), nothing());
}

#[test]
fn xapi_may_go_down_at_every_step_of_a_removal() {
    let host = installed();
    for command in ["update-resync-host", "update-destroy"] {
        for when in ["before", "after"] {
            host.break_at(command, when);
            let said = ends(&host, 13, "remove --yes hello-agent");
            assert!(said.contains("XAPI could not be told"), "{command} {when}: {said}");
            host.must("rm -rf /run/xapi");
            let known = host.records().0;
            ends(&host, if known.is_empty() { 12 } else { 0 }, &format!("remove --yes {}", uuid()));
            assert_eq!(seen(&host), nothing(), "{command} {when}");
            put_in(&host, &FIRST);
        }
    }
}

#[test]
fn what_others_need_stays_and_is_named() {
    let host = installed();
    needs(&host, "mine", "hello-agent-data");
    let said = ends(&host, 0, "remove --yes hello-agent");
    assert!(said.contains("hello-agent-data stays: mine-1-1.noarch needs it"), "{said}");
    assert_eq!(host.packages(), ["hello-agent-data-2.3", "mine-1"]);
    assert_eq!((host.stamps(), host.records()), (Vec::new(), (Vec::new(), 0)));
}

#[test]
fn a_package_of_the_product_stays() {
    let mut recipe = recipe();
    let data = recipe.packages.get_mut(1).unwrap();
    data.spec = data.spec.replace("License: MIT", "License: MIT\nVendor: XCP-ng");
    let host = host_of(&recipe.make());
    let said = ends(&host, 0, "remove --yes hello-agent");
    assert!(said.contains("hello-agent-data stays: it is a package of XCP-ng"), "{said}");
    assert_eq!(host.packages(), ["hello-agent-data-2.3"]);
}

#[test]
fn a_pack_that_another_needs_is_not_removed() {
    let host = installed();
    needs(&host, "mine", "update-hello-agent");
    let said = ends(&host, 8, "remove --yes hello-agent");
    assert!(said.contains("is needed by (installed) mine-1-1.noarch"), "{said}");
    assert_eq!(host.stamps(), [uuid()]);
}

#[test]
fn kernel_modules_are_removed_only_by_force() {
    let mut recipe = recipe();
    let data = recipe.packages.get_mut(1).unwrap();
    data.spec = data.spec.replace("/usr/share/hello-data", "/lib/modules/4.19.0+1/updates");
    let host = host_of(&recipe.make());
    let said = ends(&host, 8, "remove --yes hello-agent");
    assert!(said.contains("kernel modules are in hello-agent-data"), "{said}");
    assert_eq!(host.packages(), packages("2.3"));
    let said = ends(&host, 0, "remove --yes --force hello-agent");
    assert!(said.contains("Restart the host"), "{said}");
    assert_eq!(seen(&host), nothing());
}

#[test]
fn a_script_of_the_authors_own_is_used_and_what_it_leaves_is_told() {
    let mut recipe = recipe();
    let control = recipe.package(Role::Control);
    control.spec = control.spec.replace(
        &format!("cp {REMOVAL_SCRIPT} "),
        "printf '#!/bin/sh\\nrpm -e update-@LABEL@ @LABEL@\\necho bye\\n' > ",
    );
    let host = host_of(&recipe.make());
    let said = ends(&host, 13, "remove --yes hello-agent");
    assert!(said.contains("bye\n") && said.contains("rpm -e hello-agent-data"), "{said}");
    assert!(said.contains("XAPI counts this host as having it"), "{said}");
    ends(&host, 0, &format!("remove --yes --default {}", uuid()));
    host.must("rpm -e hello-agent-data");
    assert_eq!(seen(&host), nothing());
}

#[test]
fn a_script_that_hangs_is_ended() {
    let mut recipe = recipe();
    let control = recipe.package(Role::Control);
    control.spec = control.spec.replace(&format!("cp {REMOVAL_SCRIPT} "), "printf '#!/bin/sh\\nsleep 1000\\n' > ");
    let host = host_of(&recipe.make());
    let said = ends(&host, 8, "remove --yes --time-limit 1 hello-agent");
    assert!(said.contains("did not end within 1 seconds"), "{said}");
    ends(&host, 0, "remove --yes --default hello-agent");
    assert_eq!(seen(&host), nothing());
}

#[test]
fn a_scriptlet_that_fails_leaves_its_package_which_is_told() {
    let mut recipe = recipe();
    let payload = recipe.package(Role::Payload);
    payload.spec = payload.spec.replace("%preun -p /bin/bash\n:", "%preun -p /bin/bash\nexit 1");
    let host = host_of(&recipe.make());
    let said = ends(&host, 13, "remove --yes hello-agent");
    assert!(said.contains("rpm -e hello-agent"), "{said}");
    host.must("rpm -e --noscripts hello-agent; rpm -e hello-agent-data 2>/dev/null || :");
    ends(&host, 0, "list");
}

/// The script alone, twice, by every shell that it may meet.
#[test]
fn the_script_can_be_run_twice_by_every_shell() {
    let host = installed();
    let script = host.copy(std::path::Path::new(REMOVAL_SCRIPT));
    for shell in ["dash", "bash", "busybox sh"] {
        let check = host.must(&format!("{shell} {script} --check {}", uuid()));
        assert!(check.starts_with("Would remove "), "{shell}: {check}");
        assert_eq!(host.packages(), packages("2.3"));
        let said = host.must(&format!("{shell} {script} {}", uuid()));
        assert!(said.contains("Removed ") && said.contains("Nothing of the pack is left.\n"), "{shell}: {said}");
        let said = host.must(&format!("{shell} {script} {}", uuid()));
        assert!(
            said.starts_with("No package of") && said.contains("Nothing of the pack is left.\n"),
            "{shell}: {said}"
        );
        assert_eq!(seen(&host), nothing(), "{shell}");
        put_in(&host, &FIRST);
    }
}

#[test]
fn leftovers_of_every_kind_are_listed() {
    let host = installed();
    host.must("rpm -e update-hello-agent && printf x > /var/update/applied/11111111-2222-4333-8444-555555555555");
    let said = ends(&host, 0, "list");
    // Without the breaks between lines.
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("control-hello-agent is installed without the pack"), "{said}");
    assert!(said.contains("11111111-2222-4333-8444-555555555555 cannot be read"), "{said}");
    assert!(said.contains("XAPI counts this host as having it, but its stamp is gone"), "{said}");
}
