//! Which family of distributions a template is for, and the text that VMs of each begin with. Pure.
//!
//! Families differ in how an engine comes into the VM and in what configures its networks. Names are XenServer's
//! (xenserver/guest-templates-json, `name_label` and `reference_label`) or any that people give.

use std::fmt;

/// Distributions that one text serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Any that reads the text; its engine is there already.
    General,
    /// Debian.
    Debian,
    /// Ubuntu.
    Ubuntu,
    /// Red Hat Enterprise Linux and what is made like it, from version 8, and Fedora.
    RedHat,
    /// openSUSE and SUSE Linux Enterprise.
    Suse,
    /// Flatcar Container Linux; `CoreOS` Container Linux, before it, reads the same.
    Flatcar,
}

/// Names that tell of a family wherever they are.
const ANYWHERE: [(&str, Family); 12] = [
    ("debian", Family::Debian),
    ("ubuntu", Family::Ubuntu),
    ("rocky", Family::RedHat),
    ("almalinux", Family::RedHat),
    ("centos", Family::RedHat),
    ("redhat", Family::RedHat),
    ("red hat", Family::RedHat),
    ("oracle linux", Family::RedHat),
    ("fedora", Family::RedHat),
    ("opensuse", Family::Suse),
    ("flatcar", Family::Flatcar),
    ("coreos", Family::Flatcar),
];

/// Names that tell of a family as words of their own; other words have them within.
const WORDS: [(&str, Family); 6] = [
    ("alma", Family::RedHat),
    ("rhel", Family::RedHat),
    ("oel", Family::RedHat),
    ("suse", Family::Suse),
    ("sle", Family::Suse),
    ("sles", Family::Suse),
];

/// The first version in which Red Hat's distributions have a Podman that answers as Docker does.
const FIRST_WITH_PODMAN: u32 = 8;

impl Family {
    /// All families.
    pub const ALL: [Self; 6] = [Self::General, Self::Debian, Self::Ubuntu, Self::RedHat, Self::Suse, Self::Flatcar];

    /// The family of a template: by the name that people see, or else by what XAPI remembers of the template that it was
    /// made from.
    ///
    /// ```
    /// use agent::config_drive::family::Family;
    ///
    /// assert_eq!(Family::of("Debian Bookworm 12", "debian-12"), Family::Debian);
    /// assert_eq!(Family::of("web servers", "rocky-9"), Family::RedHat);
    /// assert_eq!(Family::of("Windows 10 (64-bit)", "windows-10-64bit"), Family::General);
    /// ```
    #[must_use]
    pub fn of(name_label: &str, reference_label: &str) -> Self {
        [name_label, reference_label].into_iter().find_map(named).unwrap_or(Self::General)
    }

    /// The text, with its placeholders.
    #[must_use]
    pub fn text(self) -> &'static str {
        /// A family's own part, which ends within the list of files, and the files that all have.
        macro_rules! text {
            ($family:literal) => {
                concat!(
                    include_str!(concat!("../../../spec/config-drive/", $family, ".template")),
                    include_str!("../../../spec/config-drive/guest-agent.part")
                )
            };
        }
        match self {
            Self::General => text!("general"),
            Self::Debian => text!("debian"),
            Self::Ubuntu => text!("ubuntu"),
            Self::RedHat => text!("redhat"),
            Self::Suse => text!("suse"),
            Self::Flatcar => text!("flatcar"),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::General => "any distribution",
            Self::Debian => "Debian",
            Self::Ubuntu => "Ubuntu",
            Self::RedHat => "Red Hat and its relatives",
            Self::Suse => "SUSE",
            Self::Flatcar => "Flatcar",
        })
    }
}

/// The family that a name tells of; none if it tells of none, or of several.
fn named(name: &str) -> Option<Family> {
    let name = name.to_lowercase();
    let anywhere = ANYWHERE.iter().filter_map(|(known, family)| Some((name.find(known)?, *family)));
    let words = words(&name).filter_map(|(at, word)| {
        let (_, family) = WORDS.iter().find(|(known, _)| *known == word)?;
        Some((at, *family))
    });
    let mut found = anywhere.chain(words);
    let (at, family) = found.next()?;
    if found.any(|(_, other)| other != family) {
        return None;
    }
    let old = family == Family::RedHat && number(&name[at..]).is_some_and(|version| version < FIRST_WITH_PODMAN);
    Some(if old { Family::General } else { family })
}

/// Words of letters alone, and where they begin.
fn words(name: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut end = 0;
    name.split(|c: char| !c.is_alphabetic()).map(move |word| {
        let at = end + name[end..].find(word).unwrap_or(0);
        end = at + word.len();
        (at, word)
    })
}

/// The first number in a text.
fn number(text: &str) -> Option<u32> {
    let digits = text.split(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty())?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn templates_of_hosts_have_their_families() {
        for (name, label, family) in [
            ("Debian Bookworm 12", "debian-12", Family::Debian),
            ("Debian Buster 10", "debian-10", Family::Debian),
            ("Ubuntu Jammy Jellyfish 22.04", "ubuntu-22.04", Family::Ubuntu),
            ("Ubuntu Bionic Beaver 18.04", "ubuntu-18.04", Family::Ubuntu),
            ("Rocky Linux 9", "rocky-9", Family::RedHat),
            ("AlmaLinux 8", "alma-8", Family::RedHat),
            ("CentOS Stream 9", "centos-9", Family::RedHat),
            ("CentOS 8", "centos-8", Family::RedHat),
            ("Red Hat Enterprise Linux 8", "rhel-8", Family::RedHat),
            ("Oracle Linux 8", "oel-8", Family::RedHat),
            ("SUSE Linux Enterprise 15 (64-bit)", "sle-15-64bit", Family::Suse),
            ("CoreOS", "coreos", Family::Flatcar),
            // Their Podman has no service, and their Docker no group.
            ("CentOS 7", "centos-7", Family::General),
            ("Red Hat Enterprise Linux 7", "rhel-7", Family::General),
            ("Oracle Linux 7", "oel-7", Family::General),
            ("Scientific Linux 7", "sl-7", Family::General),
            ("Windows 10 (64-bit)", "windows-10-64bit", Family::General),
            ("Windows Server 2022 (64-bit)", "windows-server-2022-64bit", Family::General),
            ("Other install media", "other-install-media", Family::General),
            ("", "", Family::General),
        ] {
            assert_eq!(Family::of(name, label), family, "{name}");
            assert_eq!(Family::of("", label), family, "{label}");
        }
    }

    #[test]
    fn templates_of_people_have_the_family_that_they_name() {
        for (name, family) in [
            ("debian-12-golden", Family::Debian),
            ("DEBIAN12", Family::Debian),
            ("MyUbuntuTemplate", Family::Ubuntu),
            ("ubuntu2204_k8s", Family::Ubuntu),
            ("rockylinux9.4 (PHP 7)", Family::RedHat),
            ("rhel9", Family::RedHat),
            ("RedHat 9", Family::RedHat),
            ("alma_9", Family::RedHat),
            ("Fedora Server 41", Family::RedHat),
            ("CentOS-6.10", Family::General),
            ("rhel-server-7.9", Family::General),
            ("openSUSE Leap 15.6", Family::Suse),
            ("SLES15-SP5", Family::Suse),
            ("flatcar stable", Family::Flatcar),
            ("Größe Ⅷ – Debian", Family::Debian),
            // Names that are within others.
            ("Isles of Salma", Family::General),
            ("sleepy asus e-hotel", Family::General),
            ("Oracle database", Family::General),
        ] {
            assert_eq!(Family::of(name, ""), family, "{name}");
        }
    }

    #[test]
    fn what_a_name_leaves_open_the_first_template_tells() {
        assert_eq!(Family::of("web servers", "debian-12"), Family::Debian);
        assert_eq!(Family::of("Ubuntu, was Debian", "debian-12"), Family::Debian);
        assert_eq!(Family::of("Fedora CoreOS 41", "other-install-media"), Family::General);
        assert_eq!(Family::of("Ubuntu 24.04", "debian-12"), Family::Ubuntu, "the name comes first");
    }

    proptest! {
        #[test]
        fn any_names_have_a_family(name in "(?s).{0,40}", label in "[a-z0-9.-]{0,20}") {
            prop_assert!(Family::ALL.contains(&Family::of(&name, &label)));
        }

        #[test]
        fn case_does_not_matter(name in "[a-zA-Z0-9 ]{0,10}(debian|rhel|SLES|Rocky) ?[0-9]{0,2}") {
            prop_assert_eq!(named(&name.to_uppercase()), named(&name.to_lowercase()));
        }
    }
}
