//! Two packs that a host takes without a fault, by other people's tools: one of somebody else, and one that meets this
//! project's policy. Every case breaks one thing in one of them.

use lab::foreign::{Recipe, Role};

/// A pack of somebody else: a daemon with a unit, a preset, a configuration file and scriptlets, as others write them.
pub(crate) fn general() -> Recipe {
    with(Recipe::general(), "greeter")
}

/// A pack that meets this project's policy, too: the names of the original, and a static program.
pub(crate) fn xscontainer() -> Recipe {
    with(Recipe::xscontainer(), "xscontainer-monitor")
}

/// Puts these packages in the place of a recipe's.
fn with(mut recipe: Recipe, unit: &str) -> Recipe {
    recipe.packages.remove(1);
    for (role, spec) in [(Role::Payload, PAYLOAD), (Role::Update, UPDATE), (Role::Control, CONTROL)] {
        let package = recipe.package(role);
        package.spec = spec.trim_start().replace("@UNIT@", unit);
        package.macros.clear();
    }
    recipe
}

const UPDATE: &str = r#"
Name: update-@LABEL@
Version: @VERSION@
Release: 1
Summary: Supplemental pack @LABEL@
License: MIT
BuildArch: noarch
AutoReqProv: no
Source0: update.xml
Requires: @LABEL@ >= @VERSION@-1
Requires: control-@LABEL@

%description
The stamp of the pack.

%install
install -D -m 0644 %{SOURCE0} %{buildroot}/var/update/applied/@UUID@

%files
%attr(0644,root,root) /var/update/applied/@UUID@
"#;

const CONTROL: &str = r#"
Name: control-@LABEL@
Version: @VERSION@
Release: 1
Summary: Requirements of supplemental pack @LABEL@
License: MIT
BuildArch: noarch
AutoReqProv: no
Requires: /bin/sh
Requires: product-version >= 8.2.0

%description
Requirements and scripts of the pack.

%install
mkdir -p %{buildroot}/var/update/@UUID@
cat > %{buildroot}/var/update/@UUID@/precheck <<'EOF'
#!/bin/sh
if [ -d /var/lib/yum ]; then
    id=$(rpm -q --qf '%%{SHA1HEADER}-%%{NAME}-%%{VERSION}-%%{RELEASE}-%%{ARCH}\n' update-@LABEL@) &&
        mkdir -p "/var/lib/yum/yumdb/u/$id" && printf update > "/var/lib/yum/yumdb/u/$id/group_member"
fi
echo ready
EOF
cat > %{buildroot}/var/update/@UUID@/remove <<'EOF'
#!/bin/sh
set -e
. /etc/xensource-inventory
rpm -e update-@LABEL@ control-@LABEL@ @LABEL@
xe update-resync-host host-uuid="$INSTALLATION_UUID"
xe update-destroy uuid=@UUID@
EOF

%files
%attr(0755,root,root) %dir /var/update/@UUID@
%attr(0755,root,root) /var/update/@UUID@/precheck
%attr(0755,root,root) /var/update/@UUID@/remove
"#;

const PAYLOAD: &str = r#"
Name: @LABEL@
Version: @VERSION@
Release: 1
Summary: A daemon
License: MIT
BuildArch: x86_64
AutoReqProv: no
Requires: /bin/sh

%description
A daemon.

%build
echo 'void _start(void) { for (;;) __builtin_ia32_pause(); }' > program.c
gcc -s -static -nostdlib -o program program.c

%install
cd %{buildroot}
mkdir -p usr/bin usr/share/@LABEL@ usr/lib/systemd/system usr/lib/systemd/system-preset etc/logrotate.d
cp %{_builddir}/program usr/bin/@UNIT@
printf '[Service]\nExecStart=/usr/bin/@UNIT@\n\n[Install]\nWantedBy=multi-user.target\n' > usr/lib/systemd/system/@UNIT@.service
echo 'enable @UNIT@.service' > usr/lib/systemd/system-preset/80-@LABEL@.preset
printf '/var/log/@LABEL@.log {\n}\n' > etc/logrotate.d/@LABEL@
echo text > usr/share/@LABEL@/text
ln -s text usr/share/@LABEL@/link

%post
if [ $1 -eq 1 ]; then
    systemctl preset @UNIT@.service
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload
        systemctl start @UNIT@.service
    fi
fi

%preun
if [ $1 -eq 0 ]; then
    systemctl --no-reload disable @UNIT@.service
    systemctl stop @UNIT@.service
fi

%postun
systemctl daemon-reload
if [ $1 -ge 1 ]; then
    systemctl try-restart @UNIT@.service
fi

%files
%attr(0755,root,root) /usr/bin/@UNIT@
%attr(0644,root,root) /usr/lib/systemd/system/@UNIT@.service
%attr(0644,root,root) /usr/lib/systemd/system-preset/80-@LABEL@.preset
%attr(0644,root,root) %config(noreplace) /etc/logrotate.d/@LABEL@
%attr(0755,root,root) %dir /usr/share/@LABEL@
%attr(0644,root,root) /usr/share/@LABEL@/text
/usr/share/@LABEL@/link
"#;
