//! The text that a new VM begins with: built in, or the one that an administrator left on the host.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::error::Error;
use super::template;

/// Where an administrator's text is, since the original.
pub const OVERRIDE: &str = "/opt/xensource/packages/files/xscontainer/cloud-config.template";

const BUILT_IN: &str = include_str!("../../../spec/config-drive/cloud-config.template");

/// The text, [normalised](template::normalised), with a last line that says where it is from. Without `prefers` the
/// sections for VMs on the host-internal network are left out: no VM is put there.
///
/// # Errors
/// [`Error::Template`] if there is a file at `path` and it cannot be read, is too long, or no UTF-8 text.
pub fn text(path: &Path, prefers: bool) -> Result<String, Error> {
    let unusable = |cause| Error::Template { path: path.to_owned(), cause };
    let (text, source) = match read(path) {
        Ok(text) => (text, path.display().to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            (BUILT_IN.to_owned(), "built into xscontainer".to_owned())
        }
        Err(error) => return Err(unusable(error)),
    };
    let text = template::normalised(&text);
    let text = if prefers { text } else { template::without_sections(&text) };
    Ok(format!("{}\n\n# Template: {source}", text.trim_end()))
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(template::MAX_BYTES as u64 + 1).read_to_string(&mut text)?;
    match text.len() > template::MAX_BYTES {
        true => Err(io::Error::other(format!("it has more than {} bytes", template::MAX_BYTES))),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built_in(prefers: bool) -> String {
        text(Path::new("/nowhere/cloud-config.template"), prefers).unwrap()
    }

    #[test]
    fn the_built_in_text_is_ready_for_clients() {
        for prefers in [false, true] {
            let text = built_in(prefers);
            assert!(text.starts_with("#cloud-config\n"));
            assert!(text.ends_with("\n\n# Template: built into xscontainer"), "{text}");
            assert_eq!(text, template::normalised(&text));
            assert!(template::marks_monitorable(&text));
            assert_eq!(template::wants_device(&text), prefers);
            assert!(text.lines().all(|line| line == line.trim_end() && line.len() <= 120), "{text}");
        }
    }

    #[test]
    fn every_placeholder_of_the_built_in_text_is_known() {
        let values =
            template::Values { host_name: "web1".into(), public_key: Some("AAAAB3".into()), device: Some("1".into()) };
        let text = template::rendered(&built_in(true), &values);
        assert!(!text.contains('%') && text.contains("eth1"), "{text}");
    }

    #[test]
    fn an_administrators_text_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cloud-config.template");
        std::fs::write(&path, "\n#cloud-config\r\na: %HINEXISTS%b%ENDHINEXISTS%\r\n\r\n").unwrap();
        let source = format!("\n\n# Template: {}", path.display());
        assert_eq!(text(&path, false).unwrap(), format!("#cloud-config\na:{source}"));
        assert_eq!(text(&path, true).unwrap(), format!("#cloud-config\na: %HINEXISTS%b%ENDHINEXISTS%{source}"));
    }

    #[test]
    fn a_text_that_cannot_be_used_is_named_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cloud-config.template");
        for (content, because) in [(b"\xff".to_vec(), "UTF-8"), (vec![b'x'; template::MAX_BYTES + 1], "more than")] {
            std::fs::write(&path, content).unwrap();
            let error = text(&path, false).unwrap_err().to_string();
            assert!(
                error.contains(because) && error.contains("cloud-config.template") && error.contains("remove it"),
                "{error}"
            );
        }
    }
}
