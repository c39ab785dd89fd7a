//! `cargo xtask pack`: from the source tree to a signed ISO.

use std::path::{Path, PathBuf};

use pack::build::{self, Draft, Request};
use pack::dom0::capture::Capture;
use pack::openpgp::Signer;
use pack::spec::{OutputKind, PackSpec, Released};
use pack::{Error, Result};

use crate::flags::Pack;
use crate::tools::GENERATE_RPM;
use crate::{agent_rpm, commit, reproduce, root, supply};
use pack::commands::proof::Stage;
use pack::commands::publish::{self, Older, Publication};
use pack::commands::terminal::Terminal;
use pack::commands::{interrupt, signer};

/// Runs the command.
pub(crate) fn run(flags: &Pack) -> anyhow::Result<u8> {
    match build_pack(flags) {
        // Whatever failed, failed because of the signal.
        Err(_) if interrupt::interrupted() => Err(Error::interrupted().into()),
        result => Ok(result?),
    }
}

fn build_pack(flags: &Pack) -> Result<u8> {
    if let Some(iso) = &flags.reproduce {
        return reproduce::run(flags, iso);
    }
    let terminal = Terminal::new(flags.quiet || flags.json);
    let root = root();
    let folder = root.join("spec");
    let spec = PackSpec::read(&folder)?;
    let released = Released::read(&folder)?;
    let source = commit::source(&root, &released, flags.allow_dirty)?;
    let output = flags.output.clone().unwrap_or_else(|| root.join("target/pack"));
    terminal.note(format_args!("{} {} from {}", spec.label, source.version, source.what));
    // Key and folder come first: nobody wants to wait for a compiler to learn that a passphrase is wrong.
    build::check_output(&output)?;
    let signer = signer::signer(&flags.key, &terminal)?;
    interrupt::watch()?;

    let tree = Tree { root: &root, spec: &spec, released: &released, source: &source };
    let (draft, payloads) = tree.build(&root, &flags.rpm, &*signer, &output, &terminal)?;
    let older = Older {
        spec: &spec,
        version: &source.version,
        signer: &*signer,
        payloads: &payloads,
        epoch: source.epoch,
        xscontainer: flags.rpm.is_empty(),
        outputs: &[OutputKind::LegacyIso],
        output: &output,
    };
    let older = publish::older(&older, &terminal)?;
    let hosts = Capture::built_in();
    let publication = Publication {
        spec: &spec,
        version: &source.version,
        signer: &*signer,
        // Other payloads under this project's label are not this project's pack.
        xscontainer: flags.rpm.is_empty(),
        released: Some(&released),
        rpm_keys: &[],
        accepted: &[],
        stage: Some(Stage { hosts: &hosts, previous: flags.previous.as_deref(), scenarios: &[] }),
        quiet: flags.quiet,
        json: flags.json,
    };
    publish::publish(draft, Some(older), &publication, &terminal)
}

/// A source tree, looked at.
pub(crate) struct Tree<'a> {
    pub(crate) root: &'a Path,
    pub(crate) spec: &'a PackSpec,
    pub(crate) released: &'a Released,
    pub(crate) source: &'a commit::Source,
}

impl Tree<'_> {
    /// Builds the pack of the tree, with the agent's RPM or, if there are any, with ready ones. Programs that commands
    /// install lie in the workspace `tools`. With the packages that it was built of.
    pub(crate) fn build(
        &self,
        tools: &Path,
        ready: &[PathBuf],
        signer: &dyn Signer,
        output: &Path,
        terminal: &Terminal,
    ) -> Result<(Draft, Vec<PathBuf>)> {
        let Tree { root, spec, released, source } = *self;
        let (payloads, supply) = match ready {
            [] => {
                let generate_rpm = GENERATE_RPM.program(tools, terminal)?;
                let rpm = agent_rpm::build(root, spec, source, &generate_rpm, terminal)?;
                (vec![rpm], supply::of_tree(root, spec, source, terminal)?)
            }
            ready => (ready.to_vec(), supply::of_ready(source, ready)?),
        };
        let request = Request {
            spec,
            version: &source.version,
            released,
            payloads: &payloads,
            signer,
            epoch: source.epoch,
            supply: Some(&supply),
            output,
        };
        let draft = build::build(&request, terminal)?;
        Ok((draft, payloads))
    }
}
