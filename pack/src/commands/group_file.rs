//! `suppack group-file`: the comps file by which hosts find what to install.

use std::path::{Path, PathBuf};

use clap::Args;

use super::print;
use crate::rpm::{Rpm, Source};
use crate::spec::is_word;
use crate::{Error, Result, update};

/// Print the comps file of a pack, as the DDK's create-group-file made it.
///
/// The builder makes the same one by itself; this is for packs by other tools, and to begin one of your own with. XAPI installs
/// the group "update"; host installers take the group "drivers" of a driver disk.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 done, 2 wrong usage, 3 the label, 4 an RPM, 7 cannot write")]
pub struct GroupFile {
    /// The pack's label
    #[arg(short, long, value_name = "LABEL")]
    pub label: String,
    /// RPM files with the drivers of a driver disk
    #[arg(long, value_name = "RPM", num_args = 1..)]
    pub drivers: Vec<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// [`Error`] of class `Spec` for the label, of class `Payload` for an RPM.
pub fn run(flags: &GroupFile) -> anyhow::Result<()> {
    if !is_word(&flags.label) {
        let problem = format!("--label is {:?}", flags.label);
        return Err(Error::spec(Path::new("group-file"), problem, "Use letters, digits, '_' and '-' only").into());
    }
    let mut names = flags.drivers.iter().map(|file| name_of(file)).collect::<Result<Vec<String>>>()?;
    names.sort_unstable();
    names.dedup();
    let comps = update::comps(&flags.label, &names);
    Ok(print(&String::from_utf8_lossy(&comps))?)
}

fn name_of(file: &Path) -> Result<String> {
    let source = Source::open(file)
        .map_err(|e| Error::payload(file, format!("cannot be read: {e}"), "Check the path and its permissions"))?;
    Ok(Rpm::read(source)?.name().to_owned())
}
