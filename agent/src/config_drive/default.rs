//! The text that a new VM begins with: its [`Family`]'s, or the one that an administrator left on the host.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::error::Error;
use super::family::Family;
use super::template;

/// Where an administrator's text is, since the original.
pub const OVERRIDE: &str = "/opt/xensource/packages/files/xscontainer/cloud-config.template";

/// The text for a VM of a family, [normalised](template::normalised), with a last line that says where it is from. An
/// administrator's at `path` is for all families. Without `prefers` the sections for VMs on the host-internal network are
/// left out: no VM is put there.
///
/// # Errors
/// [`Error::Template`] if there is a file at `path` and it cannot be read, is too long, or no UTF-8 text.
pub fn text(path: &Path, family: Family, prefers: bool) -> Result<String, Error> {
    let unusable = |cause| Error::Template { path: path.to_owned(), cause };
    let (text, source) = match read(path) {
        Ok(text) => (text, path.display().to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            (family.text().to_owned(), format!("built into xscontainer, for {family}"))
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

    fn built_in(family: Family, prefers: bool) -> String {
        text(Path::new("/nowhere/cloud-config.template"), family, prefers).unwrap()
    }

    /// Every built-in text, and whether VMs are put on the host-internal network.
    fn all() -> impl Iterator<Item = (Family, bool)> {
        Family::ALL.into_iter().flat_map(|family| [(family, false), (family, true)])
    }

    #[test]
    fn the_built_in_texts_are_ready_for_clients() {
        for (family, prefers) in all() {
            let text = built_in(family, prefers);
            assert!(text.starts_with("#cloud-config\n"));
            assert!(text.ends_with(&format!("\n\n# Template: built into xscontainer, for {family}")), "{text}");
            assert_eq!(text, template::normalised(&text));
            assert!(template::marks_monitorable(&text), "{family}");
            assert_eq!(template::wants_device(&text), prefers, "{family}");
            let untidy = |line: &&str| *line != line.trim_end() || line.len() > 120 || !line.is_ascii();
            assert_eq!(text.lines().find(untidy), None, "{family}");
        }
    }

    #[test]
    fn every_placeholder_of_the_built_in_texts_is_known() {
        let values =
            template::Values { host_name: "web1".into(), public_key: Some("AAAAB3".into()), device: Some("1".into()) };
        for (family, prefers) in all() {
            let text = template::rendered(&built_in(family, prefers), &values);
            // What a script has of percent signs is no placeholder.
            let left: Vec<&str> = text.lines().filter(|line| line.contains('%') && !line.contains("${")).collect();
            assert_eq!(left, [""; 0], "{family}");
            assert_eq!(text.contains("eth1"), prefers, "{family}");
        }
    }

    #[test]
    fn an_administrators_text_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cloud-config.template");
        std::fs::write(&path, "\n#cloud-config\r\na: %HINEXISTS%b%ENDHINEXISTS%\r\n\r\n").unwrap();
        let source = format!("\n\n# Template: {}", path.display());
        assert_eq!(text(&path, Family::Debian, false).unwrap(), format!("#cloud-config\na:{source}"));
        assert_eq!(
            text(&path, Family::General, true).unwrap(),
            format!("#cloud-config\na: %HINEXISTS%b%ENDHINEXISTS%{source}")
        );
    }

    #[test]
    fn a_text_that_cannot_be_used_is_named_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cloud-config.template");
        for (content, because) in [(b"\xff".to_vec(), "UTF-8"), (vec![b'x'; template::MAX_BYTES + 1], "more than")] {
            std::fs::write(&path, content).unwrap();
            let error = text(&path, Family::Debian, false).unwrap_err().to_string();
            assert!(
                error.contains(because) && error.contains("cloud-config.template") && error.contains("remove it"),
                "{error}"
            );
        }
    }
}
