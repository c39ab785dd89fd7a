//! One thing broken, for every check of the rehearsal.

use lab::foreign::Recipe;
use lab::foreign::Role::{Control, Payload, Update};

use super::change::{bytes, file, scriptlet, section, spec, tag};

/// One thing broken.
pub(crate) struct Case {
    /// The check that is for it.
    pub(crate) check: &'static str,
    /// What is broken, to follow "a pack whose".
    pub(crate) what: &'static str,
    pub(crate) change: fn(&mut Recipe),
    /// Hosts on which the check passes all the same.
    pub(crate) fine_on: &'static [&'static str],
    pub(crate) packs: Packs,
}

/// Whose pack it is broken in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packs {
    General,
    Xscontainer,
    Both,
}

const fn case(check: &'static str, what: &'static str, change: fn(&mut Recipe)) -> Case {
    Case { check, what, change, fine_on: &[], packs: Packs::Both }
}

const fn general(case: Case) -> Case {
    Case { packs: Packs::General, ..case }
}

const fn xscontainer(case: Case) -> Case {
    Case { packs: Packs::Xscontainer, ..case }
}

const fn fine_on(hosts: &'static [&'static str], case: Case) -> Case {
    Case { fine_on: hosts, ..case }
}

/// How the program is made.
const COMPILED: &str = "gcc -s -static -nostdlib -o program program.c";

/// Adds a command that changes the program when it is made.
fn program(recipe: &mut Recipe, command: &str) {
    spec(recipe, Payload, COMPILED, &format!("{COMPILED}\n{command}"));
}

/// Changes the last line of the precheck script.
fn precheck(recipe: &mut Recipe, last: &str) {
    spec(recipe, Control, "\necho ready\n", &format!("\n{last}\n"));
}

const OWN_REFUSAL: &str = r#"
if [ "$(rpm -q --whatprovides product-version --qf '%%{VERSION}')" = 8.1.0 ]; then
    echo '<error errorcode="UPDATE_PRECHECK_FAILED_WRONG_SERVER_VERSION"><found>8.1.0</found><required>8.2.0</required></error>'
    exit 1
fi
echo ready"#;

#[rustfmt::skip]
pub(crate) const CASES: &[Case] = &[
    case("dom0-content", "file has another digest than its header says", |r| {
        r.package(Payload).macros.push(("_binary_payload".into(), "w.ufdio".into()));
        let label = r.label.clone();
        r.when_signed(move |tree| bytes(tree, &label, b"070701", (b"enable ", b"ENABLE ")));
    }),
    case("dom0-content", "archive has another name than its header", |r| {
        r.package(Payload).macros.push(("_binary_payload".into(), "w.ufdio".into()));
        let label = r.label.clone();
        r.when_signed(move |tree| bytes(tree, &label, b"070701", (b"./usr/bin/", b"./usr/BIN/")));
    }),
    case("dom0-content", "file is a device", |r| spec(r, Payload, "\n%files\n", "\n%files\n%dev(c, 1, 3) /usr/share/null\n")),
    general(case("dom0-programs", "program needs today's C library", |r| {
        program(r, "echo 'int main(void) { return 0; }' > program.c && gcc -o program program.c");
    })),
    case("dom0-programs", "program is for another processor", |r| program(r, "printf '\\267' | dd of=program bs=1 seek=18 conv=notrunc status=none")),
    case("dom0-programs", "program is cut off in its headers", |r| program(r, "truncate -s 40 program")),
    xscontainer(case("dom0-static", "program needs a dynamic loader", |r| program(r, "gcc -s -nostdlib -pie -o program program.c"))),
    case("dom0-build-paths", "script names the folder where it was built", |r| file(r, "%attr(0755,root,root)", "/usr/bin/hello", "printf '#!/bin/sh\\n. /home/joe/rpmbuild/BUILDROOT/x/usr/share/x\\n'")),
    case("dom0-build-paths", "program names the folder where it was built", |r| program(r, "echo /root/rpmbuild/BUILDROOT/x >> program")),
    case("dom0-dependencies", "update package requires what nobody provides", |r| tag(r, Update, "Requires: nobody-provides-this")),
    case("dom0-dependencies", "payload requires a library that hosts lack", |r| tag(r, Payload, "Requires: libnowhere.so.1()(64bit)")),
    case("dom0-conflicts", "file belongs to the toolstack", |r| file(r, "%attr(0700,root,root)", "/etc/xapi.d/plugins/install-supp-pack", "echo x")),
    case("dom0-conflicts", "folder is the system's, with another mode", |r| spec(r, Payload, "\n%files\n", "\n%files\n%attr(0700,root,root) %dir /etc/logrotate.d\n")),
    case("dom0-install", "precheck prints blank lines only", |r| {
        precheck(r, "echo; echo");
        spec(r, Control, "if [ -d /var/lib/yum ]", "exec 2> /dev/null\nif [ -d /var/lib/yum ]");
    }),
    case("dom0-install", "precheck fails", |r| precheck(r, "echo no; exit 1")),
    case("dom0-install", "precheck is ended by a signal", |r| precheck(r, "kill -9 $$")),
    case("dom0-install", "stamp is not owned", |r| {
        spec(r, Update, "install -D -m 0644 %{SOURCE0} %{buildroot}/var/update/applied/@UUID@", "");
        spec(r, Update, "%attr(0644,root,root) /var/update/applied/@UUID@", "");
    }),
    case("dom0-install", "stamp is taken away by a scriptlet", |r| spec(r, Update, "%files\n", "%post\nrm -f /var/update/applied/@UUID@\n\n%files\n")),
    case("dom0-install", "service is started and is gone after a restart", |r| spec(r, Payload, "systemctl preset @UNIT@", "systemctl disable @UNIT@")),
    case("dom0-install", "service is started again and again", |r| scriptlet(r, "%post", "[ $1 -ne 1 ] || { systemctl restart @UNIT@; systemctl restart @UNIT@; }")),
    case("dom0-refusal", "refusal of old hosts comes when it is applied", |r| {
        spec(r, Control, "Requires: product-version >= 8.2.0\n", "");
        tag(r, Update, "Requires: product-version >= 8.2.0");
    }),
    case("dom0-refusal", "precheck script refuses old hosts, where its package then stays", |r| {
        spec(r, Control, "Requires: product-version >= 8.2.0\n", "");
        precheck(r, OWN_REFUSAL);
    }),
    general(case("dom0-taken", "host does not exist yet", |r| spec(r, Control, ">= 8.2.0", ">= 99"))),
    xscontainer(case("dom0-releases", "requirement leaves out 8.2.0", |r| spec(r, Control, ">= 8.2.0", ">= 8.2.1"))),
    xscontainer(case("dom0-releases", "requirement lets 8.1.0 in", |r| spec(r, Control, ">= 8.2.0", ">= 8.1.0"))),
    case("dom0-scriptlets", "%pre fails", |r| section(r, "%pre\nexit 1")),
    case("dom0-scriptlets", "%pre fails on upgrades only", |r| section(r, "%pre\n[ $1 -eq 1 ]")),
    case("dom0-scriptlets", "%posttrans fails", |r| section(r, "%posttrans\nexit 3")),
    case("dom0-scriptlets", "%postun fails", |r| scriptlet(r, "%postun", "trap 'exit 1' EXIT")),
    case("dom0-scriptlets", "scriptlet fails without systemd", |r| section(r, "%posttrans\n[ -d /run/systemd/system ]")),
    case("dom0-scriptlets", "scriptlet calls what no host has", |r| section(r, "%posttrans\nno-such-program")),
    case("dom0-installer", "service is enabled on running hosts only", |r| scriptlet(r, "%post", "[ -d /run/systemd/system ] || exit 0")),
    case("dom0-installer", "stamp does not survive the host installer", |r| spec(r, Update, "%files\n", "%post\n[ -d /run/systemd/system ] || rm -f /var/update/applied/@UUID@\n\n%files\n")),
    case("dom0-upgrade", "service is restarted twice", |r| scriptlet(r, "%post", "[ $1 -eq 1 ] || systemctl restart @UNIT@.service")),
    case("dom0-upgrade", "service is stopped by the old version", |r| spec(r, Payload, "%preun\nif [ $1 -eq 0 ]; then", "%preun\nif true; then")),
    case("dom0-upgrade", "configuration is overwritten", |r| scriptlet(r, "%post", "[ $1 -eq 1 ] || echo > /etc/logrotate.d/@LABEL@")),
    case("dom0-upgrade", "update package requires this very control package", |r| spec(r, Update, "Requires: control-@LABEL@", "Requires: control-@LABEL@ = @VERSION@-1")),
    fine_on(&["8.3.0"], case("dom0-upgrade-installed", "precheck does not mend yum's mark", |r| spec(r, Control, "if [ -d /var/lib/yum ]", "if false"))),
    xscontainer(case("dom0-original", "agent is older than the original", |r| {
        spec(r, Payload, "Version: @VERSION@", "Version: 10.0.3");
        spec(r, Update, ">= @VERSION@-1", ">= 10.0.3-1");
    })),
    case("dom0-removal", "removal leaves a file", |r| scriptlet(r, "%post", "echo x > /var/log/@LABEL@.state")),
    case("dom0-removal", "removal leaves the payload", |r| spec(r, Control, "control-@LABEL@ @LABEL@\n", "control-@LABEL@\n")),
    case("dom0-removal", "removal does not make XAPI forget", |r| spec(r, Control, "xe update-destroy uuid=@UUID@\n", "")),
    case("dom0-removal", "removal fails at its end", |r| spec(r, Control, "xe update-destroy uuid=@UUID@\n", "xe update-destroy uuid=@UUID@\nexit 1\n")),
    case("dom0-removal", "removal cannot be started", |r| spec(r, Control, "#!/bin/sh\nset -e", "#!/usr/bin/no-such-shell\nset -e")),
];
