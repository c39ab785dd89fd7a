//! The state of the source tree, as git tells it.

use std::path::Path;
use std::process::Command;

use pack::commands::now;
use pack::spec::{PackVersion, Released, SourceState};
use pack::{Error, Result};

/// The version and the time of what is built here.
pub(crate) struct Source {
    pub(crate) version: PackVersion,
    /// Seconds since 1970: the commit's, so that builds of one commit are alike.
    pub(crate) epoch: u32,
    /// One line for people.
    pub(crate) what: String,
    /// The whole hash of the commit, if git knows one.
    pub(crate) commit: Option<String>,
    pub(crate) tree: Tree,
}

/// What the tree is, compared with its commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tree {
    Clean,
    Modified,
    Unknown,
}

impl Tree {
    /// The word for it in statements of provenance.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Tree::Clean => "clean",
            Tree::Modified => "modified",
            Tree::Unknown => "unknown",
        }
    }
}

/// Looks at the tree. A tag `v<version>` on the commit names the version; a modified tree is refused unless allowed.
pub(crate) fn source(root: &Path, released: &Released, allow_dirty: bool) -> Result<Source> {
    let version = |state| PackVersion::of_source(released, &state);
    let head = match git(root, &["log", "-1", "--format=%ct %H"])? {
        Git::Said(head) => head,
        nothing => {
            let built = time_of_build();
            return describe(
                version(SourceState::Unknown { built })?,
                built,
                nothing.why().into(),
                None,
                Tree::Unknown,
            );
        }
    };
    let (time, commit) = head.split_once(' ').unwrap_or((&head, ""));
    let (hash, known) = (commit.get(..10).unwrap_or(commit), Some(commit.to_owned()));
    let time: u64 = time
        .parse()
        .map_err(|_| Error::tool("git", format!("gave {head:?} for the time of the commit"), "Check `git log -1`"))?;
    let changes = git(root, &["status", "--porcelain"])?.text();
    if let Some(first) = changes.lines().next() {
        if !allow_dirty {
            let count = changes.lines().count();
            return Err(Error::version(
                format!("of commit {hash}"),
                format!("the tree has {count} uncommitted change(s), such as {:?}", first.trim()),
                "Commit them, or give --allow-dirty to build a pack whose version says so",
            ));
        }
        // Two builds of a modified tree differ: each gets a version of its own, which rises.
        let built = time_of_build();
        let state = SourceState::Modified { time, built };
        let what = format!("commit {hash} with uncommitted changes");
        return describe(version(state)?, built, what, known, Tree::Modified);
    }
    let tags = git(root, &["tag", "--points-at", "HEAD", "--list", "v[0-9]*", "--sort=-version:refname"])?.text();
    match tags.lines().next().and_then(|tag| tag.strip_prefix('v')) {
        Some(tag) => {
            let what = format!("release {tag}, commit {hash}");
            describe(PackVersion::of_release(tag)?, time, what, known, Tree::Clean)
        }
        None => describe(version(SourceState::Commit { time })?, time, format!("commit {hash}"), known, Tree::Clean),
    }
}

fn describe(version: PackVersion, time: u64, what: String, commit: Option<String>, tree: Tree) -> Result<Source> {
    if time > now() {
        // Package builders put the earlier of both times into packages, so the bytes would depend on the clock.
        return Err(Error::version(
            &version,
            "its commit lies in the future by this machine's clock",
            "Correct the clock, or wait",
        ));
    }
    let epoch = u32::try_from(time)
        .map_err(|_| Error::version(&version, "its commit lies after 2106", "Correct the commit's date"))?;
    Ok(Source { version, epoch, what, commit, tree })
}

/// The time that a build of an uncommitted state bears: SOURCE_DATE_EPOCH, as reproducible-builds.org defines it, else
/// now.
fn time_of_build() -> u64 {
    std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|time| time.parse().ok()).unwrap_or_else(now)
}

/// What there is to learn from git.
enum Git {
    Said(String),
    NoRepository,
    NoProgram,
}

impl Git {
    fn text(self) -> String {
        match self {
            Git::Said(text) => text,
            Git::NoRepository | Git::NoProgram => String::new(),
        }
    }

    fn why(&self) -> &'static str {
        match self {
            Git::NoProgram => "an unknown commit, because git is not installed: the version says so (apt install git)",
            Git::Said(_) | Git::NoRepository => "a tree without a git repository: the version says so",
        }
    }
}

fn git(root: &Path, arguments: &[&str]) -> Result<Git> {
    let output = Command::new("git").arg("-C").arg(root).args(["-c", "safe.directory=*"]).args(arguments).output();
    match output {
        Ok(output) if output.status.success() => {
            Ok(Git::Said(String::from_utf8_lossy(&output.stdout).trim_end().to_owned()))
        }
        Ok(_) if !root.join(".git").exists() => Ok(Git::NoRepository),
        Ok(output) => {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let said = stderr.lines().next().unwrap_or("no message");
            Err(Error::tool(
                "git",
                format!("`git {}` failed: {said}", arguments.join(" ")),
                "The version comes from the commit: make one, or repair the repository",
            ))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Git::NoProgram),
        Err(e) => Err(Error::tool("git", format!("cannot be run: {e}"), "Repair its installation")),
    }
}
