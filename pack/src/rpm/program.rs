//! A package with a program that runs anywhere, for whoever builds packs: hosts can install it, too.

use rpm::{BuildConfig, CompressionType, FileMode, FileOptions, PackageBuilder};

use super::{Rpm, Source, el7};
use crate::spec::PackVersion;
use crate::{Error, Result};

/// What is packaged.
#[derive(Debug, Clone)]
pub struct Program<'a> {
    pub name: &'a str,
    pub version: &'a PackVersion,
    pub summary: &'a str,
    pub description: &'a str,
    /// An SPDX expression.
    pub licence: &'a str,
    pub vendor: &'a str,
    /// Build time and time stamp of files, in seconds since 1970.
    pub epoch: u32,
    pub files: Vec<ProgramFile>,
    /// Links: absolute path, and target as it is written into the link.
    pub links: Vec<(String, String)>,
}

/// A file, owned by root.
#[derive(Debug, Clone)]
pub struct ProgramFile {
    /// Absolute path.
    pub path: String,
    /// Permission bits.
    pub mode: u16,
    /// Documentation.
    pub doc: bool,
    pub content: Vec<u8>,
}

impl Program<'_> {
    /// The file name of the package.
    pub fn file_name(&self) -> String {
        format!("{}-{}-1.x86_64.rpm", self.name, self.version)
    }

    /// The package. It requires nothing but rpm itself.
    ///
    /// # Errors
    /// [`Error`] of class `Payload` if it cannot be made, or if the oldest host would not take it.
    pub fn package(&self) -> Result<Vec<u8>> {
        let failed = |e: rpm::Error| {
            let name = self.file_name();
            Error::payload(name.as_ref(), format!("cannot be packaged: {e}"), "Correct what it names")
        };
        let config = BuildConfig::v4().compression(CompressionType::Gzip).source_date(self.epoch).reserved_space(None);
        let version = self.version.as_str();
        let mut builder = PackageBuilder::new(self.name, version, self.licence, "x86_64", self.summary);
        builder
            .using_config(config)
            .release("1")
            .description(self.description)
            .vendor(self.vendor)
            .group("Development/Tools")
            .build_host("localhost");
        for file in &self.files {
            let options = FileOptions::new(&file.path).mode(FileMode::regular(file.mode));
            let options = if file.doc { options.doc() } else { options };
            builder.with_file_contents(file.content.as_slice(), options).map_err(failed)?;
        }
        for (path, target) in &self.links {
            builder.with_symlink(FileOptions::symlink(path, target)).map_err(failed)?;
        }
        let mut bytes = Vec::new();
        builder.build().and_then(|package| package.write(&mut bytes)).map_err(failed)?;
        el7::check(&Rpm::read(Source::memory(&self.file_name(), bytes.clone()))?)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpm::package::{FileKind, Package};

    #[test]
    fn a_program_is_packaged_with_its_links_and_the_same_bytes_again() {
        let version = PackVersion::new("1.2").unwrap();
        let program = Program {
            name: "tool",
            version: &version,
            summary: "A tool",
            description: "A tool for tests",
            licence: "MIT",
            vendor: "Nobody",
            epoch: 1_700_000_000,
            files: vec![ProgramFile { path: "/usr/bin/tool".into(), mode: 0o755, doc: false, content: b"x".into() }],
            links: vec![("/usr/bin/old-tool".into(), "tool".into())],
        };
        let bytes = program.package().unwrap();
        assert_eq!(bytes, program.package().unwrap());
        let rpm = Rpm::read(Source::memory("tool.rpm", bytes)).unwrap();
        assert_eq!(rpm.file_name(), program.file_name());
        let package = Package::of(&rpm).unwrap();
        let file = |path: &str| package.files.iter().find(|file| file.path == path).unwrap();
        assert_eq!(file("/usr/bin/old-tool").kind, FileKind::Link("tool".into()));
        assert_eq!(file("/usr/bin/tool").mode & 0o7777, 0o755);
        assert!(package.requires.iter().all(|wanted| wanted.name.starts_with("rpmlib(")), "{:?}", package.requires);
    }
}
