//! What an RPM is in a pack of the older format: a package or a driver, and for which kernel.
//!
//! Rules: supp-pack-build, `xcp/supplementalpack.py`, `Package`.

use rpm::IndexTag;

use crate::rpm::Rpm;

/// What an RPM is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// An ordinary package.
    Plain,
    /// The kernel, which is installed beside the one that runs.
    Kernel,
    /// Kernel modules for one kernel. The label is the driver's name, without what comes after it in the RPM's.
    Driver { label: String, kernel: String },
    /// Firmware and rules of udev, for any kernel.
    Firmware,
}

impl Kind {
    /// Of a package, by its name, group and files.
    pub fn of(rpm: &Rpm) -> Kind {
        let name = rpm.name();
        if name == "kernel" {
            return Kind::Kernel;
        }
        let group = rpm.metadata().header.get_entry_data_as_i18n_string(IndexTag::RPMTAG_GROUP).unwrap_or_default();
        let kernels = kernels(rpm);
        let driver = |kernel: &str| -> Option<Kind> {
            // `<driver>-<kernel>-modules`, and `<driver>-modules-<kernel>` as newer kits have it.
            let label = name
                .strip_suffix("-modules")
                .and_then(|name| name.strip_suffix(kernel)?.strip_suffix('-'))
                .or_else(|| name.strip_suffix(kernel)?.strip_suffix("-modules-"))?;
            Some(Kind::Driver { label: label.into(), kernel: kernel.into() })
        };
        if let Some(driver) = kernels.iter().find_map(|kernel| driver(kernel)) {
            return driver;
        }
        if !group.ends_with("/Kernel") {
            return Kind::Plain;
        }
        // Without modules the name alone says it.
        match name.strip_suffix("-modules").and_then(|name| name.rsplit_once('-')) {
            Some((label, kernel)) => Kind::Driver { label: label.into(), kernel: kernel.into() },
            None => Kind::Firmware,
        }
    }

    /// The word of `XS-PACKAGES`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Kind::Plain | Kind::Kernel => "rpm",
            Kind::Driver { .. } | Kind::Firmware => "driver-rpm",
        }
    }

    /// The kernel that a driver is for.
    pub fn kernel(&self) -> Option<&str> {
        match self {
            Kind::Driver { kernel, .. } => Some(kernel),
            Kind::Firmware => Some("any"),
            _ => None,
        }
    }

    /// The first file that such a package must not have, and why.
    pub fn misplaced(&self, rpm: &Rpm) -> Option<(String, &'static str)> {
        let below = |path: &str, folder: &str| {
            path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        paths(rpm).into_iter().find_map(|path| {
            let why = match self {
                Kind::Plain if path.starts_with("/lib/modules/") || path.starts_with("/boot/vmlinu") => {
                    "which only a driver may have: its name must be <driver>-<kernel>-modules, its group */Kernel"
                }
                Kind::Firmware
                    if !["/etc", "/lib/firmware", "/usr/share/doc"].iter().any(|folder| below(&path, folder)) =>
                {
                    "but drivers for any kernel have files in /etc, /lib/firmware and /usr/share/doc only"
                }
                Kind::Driver { kernel, .. } if below(&path, &format!("/lib/modules/{kernel}/kernel")) => {
                    "where it would replace the kernel's own: use extra or updates"
                }
                _ => return None,
            };
            Some((path, why))
        })
    }
}

fn paths(rpm: &Rpm) -> Vec<String> {
    let entries = rpm.metadata().get_file_entries().unwrap_or_default();
    entries.iter().map(|file| format!("{}{}", file.dirname(), file.basename())).collect()
}

/// The kernels that it has modules for.
fn kernels(rpm: &Rpm) -> Vec<String> {
    let of = |path: &String| {
        let (kernel, _) = path.strip_prefix("/lib/modules/")?.split_once('/')?;
        Some(kernel.to_owned())
    };
    let mut kernels: Vec<String> = paths(rpm).iter().filter_map(of).collect();
    kernels.sort_unstable();
    kernels.dedup();
    kernels
}

#[cfg(test)]
mod tests {
    use rpm::{FileMode, FileOptions, PackageBuilder};

    use super::*;
    use crate::rpm::fixture;

    fn package(name: &str, group: &str, files: &[&str]) -> Rpm {
        let mut builder = PackageBuilder::new(name, "1", "GPLv2", "x86_64", "A package");
        builder.using_config(rpm::BuildConfig::v4().compression(rpm::CompressionType::Gzip)).group(group);
        for file in files {
            builder.with_file_contents("x", FileOptions::new(*file).mode(FileMode::regular(0o644))).unwrap();
        }
        fixture::read(builder)
    }

    #[test]
    fn names_groups_and_files_tell_drivers() {
        let driver = |label: &str, kernel: &str| Kind::Driver { label: label.into(), kernel: kernel.into() };
        for (name, group, file, kind) in [
            ("tool", "Applications/System", "/usr/bin/tool", Kind::Plain),
            ("kernel", "System Environment/Kernel", "/boot/vmlinuz-4.4", Kind::Kernel),
            ("enic-4.4.0+2-modules", "Base/Kernel", "/lib/modules/4.4.0+2/extra/enic.ko", driver("enic", "4.4.0+2")),
            ("enic-modules-4.4.0+2", "", "/lib/modules/4.4.0+2/updates/enic.ko", driver("enic", "4.4.0+2")),
            (
                "e1000e-2.6.32.43-0.4.1.xs-modules",
                "Base/Kernel",
                "/lib/modules/2.6.32.43-0.4.1.xs/extra/e.ko",
                driver("e1000e", "2.6.32.43-0.4.1.xs"),
            ),
            ("bnx2-firmware", "Base/Kernel", "/lib/firmware/bnx2.fw", Kind::Firmware),
            ("qla-2.6-modules", "Base/Kernel", "/etc/qla.conf", driver("qla", "2.6")),
        ] {
            let rpm = package(name, group, &[file]);
            assert_eq!(Kind::of(&rpm), kind, "{name}");
            assert_eq!(kind.misplaced(&rpm), None, "{name}");
        }
    }

    #[test]
    fn files_that_a_kind_must_not_have_are_told() {
        for (name, group, file) in [
            ("tool", "Applications/System", "/lib/modules/4.4.0+2/extra/tool.ko"),
            ("tool", "Applications/System", "/boot/vmlinuz-4.4"),
            ("bnx2-firmware", "Base/Kernel", "/usr/bin/bnx2"),
            ("bnx2-firmware", "Base/Kernel", "/etcetera"),
            ("enic-4.4.0+2-modules", "Base/Kernel", "/lib/modules/4.4.0+2/kernel/drivers/enic.ko"),
        ] {
            let rpm = package(name, group, &[file]);
            let (path, _) = Kind::of(&rpm).misplaced(&rpm).unwrap();
            assert_eq!(path, file);
        }
    }
}
