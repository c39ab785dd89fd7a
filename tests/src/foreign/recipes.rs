//! Two valid packs: one of somebody else, and one that meets this project's policy.

use super::{Document, Hooks, Package, Recipe, Role};

impl Recipe {
    /// A pack of somebody else, with packages as others build them: an epoch, links, a ghost, a change log, scriptlets.
    pub fn general() -> Recipe {
        let mut recipe = Recipe::new("hello-agent", "2.3", [HELLO, HELLO_DATA]);
        recipe.package(Role::Update).macros.push(("payload_epoch".into(), "1:".into()));
        recipe
    }

    /// A pack that meets this project's policy, too.
    pub fn xscontainer() -> Recipe {
        let mut recipe = Recipe::new("xscontainer", "11.4.0", [AGENT, AGENT_DATA]);
        recipe.set("enforce-homogeneity", "false");
        recipe
    }

    fn new(label: &str, version: &str, payload: [&str; 2]) -> Recipe {
        let package = |role, spec: &str| Package {
            role,
            spec: spec.trim_start().to_owned(),
            macros: Vec::new(),
            signer: Some("rsa4096".into()),
        };
        let strings = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let attributes = [
            ("name-label", "@LABEL@"),
            ("version", "@VERSION@"),
            ("uuid", "@UUID@"),
            ("installation-size", "@SIZE@"),
            ("key", "@KEY@"),
            ("control", "control-@LABEL@"),
        ];
        Recipe {
            label: label.into(),
            version: version.into(),
            uuid: "3f0b6a52-8d4e-4c1b-9a77-5be2f1c0d346".into(),
            key: format!("RPM-GPG-KEY-{label}"),
            signer: "rsa4096".into(),
            document: Document {
                prolog: String::new(),
                root: "update".into(),
                attributes: attributes.map(|(name, value)| (name.into(), value.into())).into(),
                content: "<name-description>Says hello &amp; goodbye</name-description>".into(),
            },
            comps: COMPS.trim_start().into(),
            packages: vec![
                package(Role::Payload, payload[0]),
                package(Role::Payload, payload[1]),
                package(Role::Update, UPDATE),
                package(Role::Control, CONTROL),
            ],
            files: vec![("docs/README.txt".into(), "The sources are on request.\n".into())],
            createrepo: strings(&[
                "--checksum=sha256",
                "--general-compress-type=gz",
                "--simple-md-filenames",
                "--no-database",
                "--revision=1735689600",
                "--set-timestamp-to-revision",
            ]),
            genisoimage: strings(&["-r", "-J", "-joliet-long", "-V", "SUPPLEMENTAL PACK"]),
            image: "@LABEL@-@VERSION@.iso".into(),
            hooks: Hooks::default(),
        }
    }
}

const COMPS: &str = r#"
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">
<comps>
  <group>
    <id>update</id>
    <name>@LABEL@</name>
    <default>false</default>
    <uservisible>true</uservisible>
    <packagelist>
      <packagereq type="mandatory">update-@LABEL@</packagereq>
    </packagelist>
  </group>
</comps>
"#;

const UPDATE: &str = r#"
Name: update-@LABEL@
Version: @VERSION@
Release: 1
Summary: Supplemental pack @LABEL@
License: MIT
BuildArch: noarch
AutoReqProv: no
Source0: update.xml
Requires: @LABEL@ >= %{?payload_epoch}@VERSION@-1
Requires: @LABEL@-data >= @VERSION@-1
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
Requires: product-version < 8.4.0

%description
Requirements and scripts of the pack.

%install
mkdir -p %{buildroot}/var/update/@UUID@
printf '#!/bin/sh\necho ready\n' > %{buildroot}/var/update/@UUID@/precheck
printf '#!/bin/bash\nrpm -e @LABEL@\n' > %{buildroot}/var/update/@UUID@/remove

%files
%attr(0755,root,root) %dir /var/update/@UUID@
%attr(0755,root,root) /var/update/@UUID@/precheck
%attr(0755,root,root) /var/update/@UUID@/remove
"#;

const HELLO: &str = r#"
Name: @LABEL@
Epoch: 1
Version: @VERSION@
Release: 1
Summary: Says <hello> & "goodbye"
License: MIT
Vendor: Somebody
URL: https://example.org/?a=1&b=2
BuildArch: noarch
AutoReqProv: no
Requires: /bin/sh, bash >= 4.0, @LABEL@-data
Requires(post): coreutils
Provides: hello-server = @VERSION@
Conflicts: hello-rival < 2
Obsoletes: hello-old < 2

%description
Text with "quotes", <angles>, & ampersands.

%install
mkdir -p %{buildroot}/usr/bin %{buildroot}/etc/hello %{buildroot}/var/log %{buildroot}/usr/share/hello
printf '#!/bin/sh\necho hello\n' > %{buildroot}/usr/bin/hello
ln -s hello %{buildroot}/usr/bin/goodbye
echo text > %{buildroot}/usr/share/hello/first
ln %{buildroot}/usr/share/hello/first %{buildroot}/usr/share/hello/second
echo greeting=hello > %{buildroot}/etc/hello/conf
touch %{buildroot}/var/log/hello.log

%post
echo installed > /dev/null

%preun -p /bin/bash
:

%postun -p <lua>
x = 1

%files
%attr(0755,root,root) /usr/bin/hello
/usr/bin/goodbye
%attr(0644,root,root) /usr/share/hello/first
%attr(0644,root,root) /usr/share/hello/second
%attr(0755,root,root) %dir /usr/share/hello
%attr(0755,root,root) %dir /etc/hello
%attr(0640,root,bin) %config /etc/hello/conf
%attr(0644,root,root) %ghost /var/log/hello.log

%changelog
* Tue Jan 02 2024 Somebody <somebody@example.org> - 2.3-1
- Second change & more

* Mon Jan 01 2024 Somebody <somebody@example.org> - 2.2-1
- First change
"#;

const HELLO_DATA: &str = r#"
Name: @LABEL@-data
Version: @VERSION@
Release: 1
Summary: What is said
License: MIT
BuildArch: x86_64
AutoReqProv: no

%description
What is said.

%install
mkdir -p %{buildroot}/usr/share/hello-data
head -c 70000 /dev/zero > %{buildroot}/usr/share/hello-data/large
: > %{buildroot}/usr/share/hello-data/empty

%files
%attr(0755,root,root) %dir /usr/share/hello-data
%attr(0644,root,root) /usr/share/hello-data/large
%attr(0644,root,root) /usr/share/hello-data/empty
"#;

const AGENT: &str = r#"
Name: @LABEL@
Version: @VERSION@
Release: 1
Summary: An agent
License: MIT
BuildArch: x86_64
AutoReqProv: no
Requires: /bin/sh

%description
An agent.

%install
cd %{buildroot}
mkdir -p usr/bin usr/lib/systemd/system etc/logrotate.d etc/xensource/bugtool etc/xapi.d/plugins
printf '#!/bin/sh\n:\n' > usr/bin/agent
printf '#!/usr/bin/python\n' > etc/xapi.d/plugins/agent
printf '[Service]\nExecStart=/usr/bin/agent\n' > usr/lib/systemd/system/agent.service
printf '/var/log/agent.log {\n}\n' > etc/logrotate.d/agent
printf '<capability pii="no" max_size="1" mime="text/plain"/>\n' > etc/xensource/bugtool/agent.xml

%post
:

%files
%attr(0755,root,root) /usr/bin/agent
%attr(0755,root,root) /etc/xapi.d/plugins/agent
%attr(0644,root,root) /usr/lib/systemd/system/agent.service
%attr(0644,root,root) %config(noreplace) /etc/logrotate.d/agent
%attr(0644,root,root) /etc/xensource/bugtool/agent.xml
"#;

const AGENT_DATA: &str = r#"
Name: @LABEL@-data
Version: @VERSION@
Release: 1
Summary: Data of an agent
License: MIT
BuildArch: noarch
AutoReqProv: no

%description
Data of an agent.

%install
mkdir -p %{buildroot}/usr/share/agent
echo data > %{buildroot}/usr/share/agent/data

%files
%attr(0755,root,root) %dir /usr/share/agent
%attr(0644,root,root) /usr/share/agent/data
"#;
