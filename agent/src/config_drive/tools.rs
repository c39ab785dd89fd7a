//! The guest agent's files, from the image with the guest tools that a host keeps for its VMs.
//!
//! Knows names of files and images; must not know what becomes of them. What is missing is a remark, never an error: a
//! drive without the agent is still a drive.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use medium::iso9660::{Entry, Image};

use super::image::AgentFile;
use super::iso;

/// Where hosts keep the image.
pub const DEFAULT_FOLDER: &str = "/opt/xensource/packages/iso";

/// The files, in the image's folder [`FOLDER`], and whether guests run them.
const FILES: [(&str, bool); 8] = [
    ("xe-daemon", true),
    ("xe-linux-distribution", true),
    ("xe-linux-distribution.service", false),
    ("xen-vcpu-hotplug.rules", false),
    ("install.sh", true),
    ("versions.deb", false),
    ("versions.rpm", false),
    ("versions.tgz", false),
];

const FOLDER: &str = "Linux";

/// All files together have at most so many bytes; real ones have about 5 MiB.
const MAX_BYTES: u64 = 32 << 20;

/// What was found.
#[derive(Debug, Default)]
pub struct Agent {
    /// Files, as many as there are.
    pub files: Vec<AgentFile>,
    /// Why there are no more, for the log.
    pub remarks: Vec<String>,
}

impl Agent {
    fn none(remark: String) -> Self {
        Self { files: Vec::new(), remarks: vec![remark] }
    }
}

/// The guest agent of the newest image in `folder`. Reads files: not for a thread that must not wait.
#[must_use]
pub fn agent(folder: &Path) -> Agent {
    let Some(path) = newest(folder) else {
        return Agent::none(format!("this host has no image of guest tools ({}/*tools-*.iso)", folder.display()));
    };
    let opened = File::open(&path).map_err(|error| error.to_string());
    let read = opened.and_then(|file| {
        let mut image = Image::open(file).map_err(|error| error.to_string())?;
        let entries = iso::entries(&mut image).map_err(|error| error.to_string())?;
        Ok(files(&mut image, &entries))
    });
    match read {
        Ok(mut agent) => {
            let source = |remark: &String| format!("{}: {remark}", path.display());
            agent.remarks = agent.remarks.iter().map(source).collect();
            agent
        }
        Err(error) => Agent::none(format!("the image of guest tools {} cannot be read: {error}", path.display())),
    }
}

fn files<R: Read + Seek>(image: &mut Image<R>, entries: &[Entry]) -> Agent {
    let mut agent = Agent::default();
    let mut left = MAX_BYTES;
    for (name, executable) in FILES {
        let path = format!("{FOLDER}/{name}");
        let Some(entry) = iso::file(entries, &path) else {
            agent.remarks.push(format!("there is no {path}"));
            continue;
        };
        let bytes = u64::from(entry.bytes);
        if bytes > left {
            return Agent::none(format!("the guest agent has more than {MAX_BYTES} bytes"));
        }
        left -= bytes;
        let mut content = Vec::new();
        let read = image.read(entry).map_err(|error| error.to_string());
        match read.and_then(|mut file| file.read_to_end(&mut content).map_err(|error| error.to_string())) {
            Ok(_) => agent.files.push(AgentFile { name, executable, content }),
            Err(error) => agent.remarks.push(format!("{path} cannot be read: {error}")),
        }
    }
    agent
}

/// The image with the highest version in its name; one without a version, as a link may be, comes last.
fn newest(folder: &Path) -> Option<PathBuf> {
    let names = fs::read_dir(folder).ok()?.filter_map(|file| file.ok()?.file_name().into_string().ok());
    let images = names.filter_map(|name| Some((version(&name)?, name)));
    images.max().map(|(_, name)| folder.join(name))
}

/// The numbers in an image's name after `tools`; none if it is no image of guest tools.
fn version(name: &str) -> Option<Vec<u64>> {
    let (_, version) = name.strip_suffix(".iso")?.split_once("tools")?;
    let numbers = version.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    (version.is_empty() || version.starts_with('-'))
        .then(|| numbers.map(|digits| digits.parse().unwrap_or(u64::MAX)).collect())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use medium::iso9660::{Tree, UnixSeconds, Volume, Writer};

    use super::*;

    fn iso(paths: &[&str]) -> Vec<u8> {
        let tree = Tree::new(paths.iter().map(|path| (*path, 0o644))).unwrap();
        let modified = UnixSeconds::new(0).unwrap();
        let volume = Volume { id: "tools", application: "", publisher: "", modified };
        let mut iso = Writer::new(Cursor::new(Vec::new()), &volume, tree).unwrap();
        for path in paths {
            iso.write(path, path.as_bytes()).unwrap();
        }
        iso.finish().unwrap().into_inner()
    }

    #[test]
    fn the_newest_image_is_the_one_with_the_highest_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let newest_of = |names: &[&str]| {
            for name in names {
                fs::write(folder.path().join(name), "").unwrap();
            }
            newest(folder.path()).map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        };
        assert_eq!(newest_of(&[]), None);
        assert_eq!(newest_of(&["readme.txt", "debian-12.iso", "toolset-9.iso", "xs-tools-1.txt"]), None);
        assert_eq!(newest_of(&["guest-tools.iso"]).unwrap(), "guest-tools.iso");
        assert_eq!(newest_of(&["xs-tools-9.4.0-1.iso", "xs-tools-9.4.0.iso"]).unwrap(), "xs-tools-9.4.0-1.iso");
        assert_eq!(newest_of(&["guest-tools-10.2.0-1.iso"]).unwrap(), "guest-tools-10.2.0-1.iso");
    }

    #[test]
    fn the_agents_files_are_found_whatever_the_case() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<String> = FILES.iter().map(|(name, _)| format!("LINUX/{}", name.to_uppercase())).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).chain(["Windows/setup.exe"]).collect();
        fs::write(folder.path().join("xs-tools-1.iso"), iso(&paths)).unwrap();
        let agent = agent(folder.path());
        assert_eq!(agent.remarks, [""; 0]);
        let names: Vec<_> = agent.files.iter().map(|file| (file.name, file.executable)).collect();
        assert_eq!(names, FILES);
        assert_eq!(agent.files[0].content, b"LINUX/XE-DAEMON");
    }

    #[test]
    fn what_is_missing_is_a_remark() {
        let folder = tempfile::tempdir().unwrap();
        let remark = |folder: &Path| agent(folder).remarks.join("; ");
        assert!(remark(&folder.path().join("none")).contains("no image of guest tools"));
        fs::write(folder.path().join("xs-tools-1.iso"), "no image").unwrap();
        assert!(remark(folder.path()).contains("xs-tools-1.iso cannot be read: not an ISO 9660 image"));
        fs::write(folder.path().join("xs-tools-2.iso"), iso(&["Linux/xe-daemon"])).unwrap();
        assert_eq!(agent(folder.path()).files.len(), 1);
        assert!(remark(folder.path()).contains("xs-tools-2.iso: there is no Linux/install.sh"));
    }
}
