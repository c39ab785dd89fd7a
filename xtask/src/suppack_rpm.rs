//! `cargo xtask suppack`: the program for pack authors as one static program, and its RPM, in target/suppack.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use pack::commands::terminal::{self, Terminal};
use pack::commands::{interrupt, print};
use pack::rpm::agent::check_static;
use pack::rpm::program::{Program, ProgramFile};
use pack::spec::Released;
use pack::{Error, Result};

use crate::agent_rpm::{self, PROFILE, TARGET};
use crate::commit::{self, Source};
use crate::flags::SuppackRpm;
use crate::root;
use crate::suppack_pages::{self, Edition};

const NAME: &str = "suppack";
/// The DDK's commands, which this program is when it is called so.
const ALSO: [&str; 2] = ["build-update", "build-supplemental-pack"];

/// Runs the command.
pub(crate) fn run(flags: &SuppackRpm) -> anyhow::Result<()> {
    interrupt::watch()?;
    let root = root();
    let source = commit::source(&root, &Released::read(&root.join("spec"))?, flags.allow_dirty)?;
    let terminal = Terminal::new(flags.quiet);
    terminal.note(format_args!("{NAME} {} from {}", source.version, source.what));
    let rpm = build(&root, &source, &terminal)?;
    terminal.finish();
    if !flags.quiet {
        print(&format!("{}\n{}\n", program(&root).display(), rpm.display()))?;
    }
    Ok(())
}

/// Where the finished program is.
fn program(root: &Path) -> PathBuf {
    root.join("target/suppack").join(NAME)
}

/// Builds program and RPM; the path of the RPM.
pub(crate) fn build(root: &Path, source: &Source, terminal: &Terminal) -> Result<PathBuf> {
    terminal.step_of_program("compile", "cargo build: suppack as one static program");
    // The profile of the agent: what both use is compiled once.
    agent_rpm::cargo_build(root, "pack", source, terminal)?;
    let built = root.join("target").join(TARGET).join(PROFILE).join(NAME);
    check_static(&built)?;
    let read = |path: &Path| {
        fs::read(path)
            .map_err(|e| Error::spec(path, format!("cannot be read: {e}"), "It is part of the package; restore it"))
    };
    let content = read(&built)?;
    terminal.detail(format_args!("{NAME}, static, {}", terminal::size(content.len() as u64)));

    terminal.step_of_program("package", "program, manual pages, completions");
    let file = |path: String, mode, doc, content| ProgramFile { path, mode, doc, content };
    let mut files = vec![file(format!("/usr/bin/{NAME}"), 0o755, false, content.clone())];
    let pages = suppack_pages::pages(Edition { version: source.version.as_str(), time: source.epoch })
        .map_err(|e| Error::tool("clap_mangen", format!("failed: {e}"), "Report this"))?;
    let page = |name: &str| format!("/usr/share/man/man1/{name}");
    let mut links = Vec::new();
    for name in ALSO {
        links.push((format!("/usr/bin/{name}"), NAME.to_owned()));
        let own = format!("{NAME}-{name}.1");
        if pages.iter().any(|(page, _)| *page == own) {
            links.push((page(&format!("{name}.1")), own));
        }
    }
    files.extend(pages.into_iter().map(|(name, text)| file(page(&name), 0o644, true, text)));
    let completions = suppack_pages::completions().into_iter();
    files.extend(completions.map(|(path, script)| file(path.into(), 0o644, false, script)));
    for name in ["LICENSE", "README.md"] {
        files.push(file(format!("/usr/share/doc/{NAME}/{name}"), 0o644, true, read(&root.join(name))?));
    }
    let package = Program {
        name: NAME,
        version: &source.version,
        summary: "Builds, shows, proves, signs, compares and installs supplemental packs",
        description: "One static program for supplemental packs of XenServer, Citrix Hypervisor and XCP-ng, in the format of \
            7.1 and later and in the older one. It takes the place of the tools of the vendor's DDK.",
        licence: "BSD-2-Clause",
        vendor: "The xscontainer developers",
        epoch: source.epoch,
        files,
        links,
    };
    let rpm = root.join("target/suppack").join(package.file_name());
    write(&rpm, &package.package()?, 0o644)?;
    write(&program(root), &content, 0o755)?;
    terminal.detail(format_args!("an RPM of {}", terminal::size(fs::metadata(&rpm).map_or(0, |file| file.len()))));
    Ok(rpm)
}

/// Writes a file, which appears when it is whole.
fn write(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = || {
        fs::create_dir_all(folder)?;
        let permissions = fs::Permissions::from_mode(mode);
        let mut file = tempfile::Builder::new().permissions(permissions.clone()).tempfile_in(folder)?;
        file.write_all(content)?;
        file.as_file().set_permissions(permissions)?;
        file.persist(path).map(drop).map_err(|e| e.error)
    };
    written().map_err(|e| Error::output(path, &e))
}
