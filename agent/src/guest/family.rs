//! What kind of system a guest says it is, and the commands by which things are mended there.
//!
//! Knows distributions; must not know what is wrong. What a guest says of itself decides only which words people read.

use std::collections::BTreeMap;

/// Systems that are administered alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Debian and Ubuntu.
    Debian,
    /// RHEL 8 and later, and what is made from it.
    RedHat,
    /// RHEL 7 and CentOS 7.
    RedHat7,
    /// SUSE.
    Suse,
    /// Flatcar and CoreOS.
    Flatcar,
    /// Windows Server.
    Windows,
    /// Nothing is known.
    #[default]
    Unknown,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Debian, Self::RedHat, Self::RedHat7, Self::Suse, Self::Flatcar, Self::Windows, Self::Unknown];

    /// From `os_version` of guest metrics: `distro`, `name` and `major`, as the guest tools report them
    /// (xenserver/xe-guest-utilities mk/xe-linux-distribution).
    #[must_use]
    pub fn of(os_version: &BTreeMap<String, String>) -> Self {
        let text = |key: &str| os_version.get(key).map(|text| text.to_ascii_lowercase()).unwrap_or_default();
        let said = format!("{} {}", text("distro"), text("name"));
        let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
        if has(&["windows"]) {
            Self::Windows
        } else if has(&["debian", "ubuntu"]) {
            Self::Debian
        } else if has(&["flatcar", "coreos"]) {
            Self::Flatcar
        } else if has(&["suse", "sles", "sled"]) {
            Self::Suse
        } else if has(&["rhel", "red hat", "centos", "rocky", "alma", "oracle", "scientific", "fedora"]) {
            match text("major") == "7" || said.contains(" 7.") || said.ends_with(" 7") {
                true => Self::RedHat7,
                false => Self::RedHat,
            }
        } else {
            Self::Unknown
        }
    }

    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Debian => "Debian, Ubuntu",
            Self::RedHat => "RHEL 8 and later, Rocky, Alma",
            Self::RedHat7 => "RHEL 7, CentOS 7",
            Self::Suse => "SUSE",
            Self::Flatcar => "Flatcar",
            Self::Windows => "Windows Server",
            Self::Unknown => "any system",
        }
    }

    /// How the guest tools are made to report.
    #[must_use]
    pub fn start_tools(self) -> &'static str {
        match self {
            Self::Windows => "Install the XenServer VM Tools for Windows in the VM, and start it again.",
            Self::Flatcar => "Give the VM a config drive whose text starts the guest agent.",
            _ => {
                "Install the guest tools in the VM (insert guest-tools.iso, mount it, run Linux/install.sh), and see that \
                 they run: systemctl status xe-linux-distribution or xe-daemon."
            }
        }
    }

    pub(super) fn start_ssh(self) -> &'static str {
        match self {
            Self::Debian => "apt-get install openssh-server; systemctl enable --now ssh",
            Self::RedHat | Self::RedHat7 => "yum install openssh-server; systemctl enable --now sshd",
            Self::Suse => "zypper install openssh; systemctl enable --now sshd",
            Self::Flatcar => "systemctl enable --now sshd.socket",
            Self::Windows | Self::Unknown => "systemctl enable --now sshd, or ssh on Debian and Ubuntu",
        }
    }

    pub(super) fn open_port(self, port: u16) -> String {
        match self {
            Self::Debian => format!("ufw allow {port}/tcp"),
            Self::RedHat | Self::RedHat7 | Self::Suse => {
                format!("firewall-cmd --permanent --add-port={port}/tcp; firewall-cmd --reload")
            }
            Self::Windows => format!(
                "New-NetFirewallRule -DisplayName \"Docker TLS\" -Direction Inbound -Protocol TCP -LocalPort {port} -Action \
                 Allow"
            ),
            Self::Flatcar | Self::Unknown => format!("let TCP port {port} through the VM's firewall, if it has one"),
        }
    }

    pub(super) fn start_engine(self) -> &'static str {
        match self {
            Self::Debian => "apt-get install docker.io; systemctl enable --now docker",
            Self::RedHat => {
                "dnf install podman; systemctl enable --now podman.socket; or Docker's own packages: systemctl enable --now \
                 docker"
            }
            Self::RedHat7 => "yum install docker; systemctl enable --now docker",
            Self::Suse => "zypper install docker; systemctl enable --now docker",
            Self::Flatcar => "systemctl enable --now docker.socket docker",
            Self::Windows => "Start-Service docker",
            Self::Unknown => "install Docker or Podman, then: systemctl enable --now docker, or podman.socket",
        }
    }

    pub(super) fn let_use_engine(self, user: &str) -> String {
        let user = in_commands(user);
        match self {
            Self::RedHat7 => format!(
                "groupadd docker; usermod -aG docker {user}; systemctl restart docker (the socket belongs to root:root there \
                 until the group exists)"
            ),
            Self::RedHat => format!(
                "with Docker: usermod -aG docker {user}; with Podman, let the socket belong to a group that the account is \
                 in: systemctl edit podman.socket, [Socket] SocketGroup=… SocketMode=0660, and let that group enter \
                 /run/podman"
            ),
            _ => format!("usermod -aG docker {user}"),
        }
    }

    pub(super) fn get_helper(self) -> &'static str {
        match self {
            Self::Debian => "apt-get install ncat",
            Self::RedHat => "dnf install nmap-ncat",
            Self::RedHat7 => {
                "yum install nmap-ncat (up to 7.3 OpenSSH is 6.6, which cannot forward to sockets, whatever its settings)"
            }
            Self::Suse => "zypper install ncat",
            Self::Flatcar | Self::Windows | Self::Unknown => "install ncat (package ncat or nmap-ncat)",
        }
    }
}

/// The name of an account as it stands in commands that people copy: a word in its place if a shell would make something of
/// it.
#[must_use]
pub fn in_commands(user: &str) -> &str {
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@');
    if user.chars().all(harmless) { user } else { "ACCOUNT" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(entries: &[(&str, &str)]) -> Family {
        Family::of(&entries.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect())
    }

    #[test]
    fn systems_are_known_by_what_their_tools_report() {
        let known = [
            (&[("distro", "debian"), ("name", "Debian GNU/Linux 12 (bookworm)"), ("major", "12")][..], Family::Debian),
            (&[("distro", "ubuntu"), ("name", "Ubuntu 22.04.4 LTS")], Family::Debian),
            (&[("distro", "rhel"), ("name", "Red Hat Enterprise Linux Server release 7.3 (Maipo)")], Family::RedHat7),
            (
                &[("distro", "centos"), ("name", "CentOS Linux release 7.9.2009 (Core)"), ("major", "7")],
                Family::RedHat7,
            ),
            (&[("distro", "rocky"), ("name", "Rocky Linux release 9.3 (Blue Onyx)"), ("major", "9")], Family::RedHat),
            (&[("distro", "sles"), ("name", "SUSE Linux Enterprise Server 15 SP5")], Family::Suse),
            (&[("name", "Flatcar Container Linux by Kinvolk 3815.2.0")], Family::Flatcar),
            (&[("distro", "windows"), ("name", "Microsoft Windows Server 2019 Standard")], Family::Windows),
            (&[("name", "Plan 9 from Bell Labs 7")], Family::Unknown),
            (&[], Family::Unknown),
        ];
        for (entries, family) in known {
            assert_eq!(of(entries), family, "{entries:?}");
        }
    }
}
