//! XenCenter's and Xen Orchestra's readings of documents: their rules on their parsers, .NET's `XmlDocument` (mono's) and
//! npm's fast-xml-parser. Must not know how documents are made.
//!
//! A reading is `{"document", "error"}` if the client fails on the document, else `{"document", "rows"}` of a list
//! and `{"document", "fields"}` of a description. A row of XenCenter's has `id`, `name`, `status`, `state` (`running`,
//! `paused`, `halted`), `commands` (what its menus offer), `container`, `created`, `image`, `command` and `ports`, one of
//! Xen Orchestra's has `name`, `command`, `created` (milliseconds), `status`, `container` and `commands`. XenCenter's list
//! has `objects` too: how many containers it takes the rows for. `{"document", "tree"}` is the reading of a container's
//! description, nodes as `[label, children]` and leaves as texts, and XenCenter's of a list of processes
//! `{"document", "processes"}`, rows of PID, CMD and TIME; of that too, the other parser reads a tree.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::{env, fs};

use lab::tools::succeed;
use serde_json::Value as Json;

/// A document and its key in `other_config`, or its root if it is an answer.
pub(crate) type Document = (&'static str, String);

/// What both clients read in a document.
pub(crate) struct Reading {
    pub(crate) xencenter: Json,
    pub(crate) xen_orchestra: Json,
}

impl Reading {
    /// Both lists of rows, none of which failed.
    #[track_caller]
    pub(crate) fn rows(&self) -> (&[Json], &[Json]) {
        self.assert_read();
        (list(&self.xencenter["rows"]), list(&self.xen_orchestra["rows"]))
    }

    /// Neither client failed.
    #[track_caller]
    pub(crate) fn assert_read(&self) {
        for reading in [&self.xencenter, &self.xen_orchestra] {
            assert_eq!(reading.get("error"), None, "{}", reading["document"]);
        }
    }
}

/// The elements of a JSON array.
#[track_caller]
pub(crate) fn list(value: &Json) -> &[Json] {
    value.as_array().unwrap()
}

/// What both clients make of documents, each in one process.
pub(crate) fn read(documents: &[Document]) -> Vec<Reading> {
    let folder = tempfile::tempdir().unwrap();
    for (n, (key, text)) in documents.iter().enumerate() {
        fs::write(folder.path().join(format!("{n:05}.{key}")), text).unwrap();
    }
    let xencenter = readings(Command::new("mono").arg(&*XENCENTER).arg(folder.path()).env("TZ", "UTC"));
    let script = scripts().join("xen_orchestra_views.mjs");
    let node = env::var_os("LAB_NODE").unwrap_or_else(|| "node".into());
    let modules = env::var_os("LAB_NODE_MODULES").map_or_else(usual_modules, PathBuf::from);
    assert!(modules.exists(), "{} is missing; run `cargo xtask test` or set LAB_NODE_MODULES", modules.display());
    let xen_orchestra = readings(Command::new(node).arg(script).arg(folder.path()).env("LAB_NODE_MODULES", modules));
    assert_eq!((xencenter.len(), xen_orchestra.len()), (documents.len(), documents.len()));
    xencenter
        .into_iter()
        .zip(xen_orchestra)
        .map(|(xencenter, xen_orchestra)| Reading { xencenter, xen_orchestra })
        .collect()
}

fn readings(command: &mut Command) -> Vec<Json> {
    succeed(command).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

fn usual_modules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/lab/node_modules")
}

/// The program with XenCenter's rules, compiled.
static XENCENTER: LazyLock<PathBuf> = LazyLock::new(|| {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("XenCenterViews.exe");
    let source = scripts().join("XenCenterViews.cs");
    let out = format!("-out:{}", program.display());
    succeed(Command::new("mcs").args(["-warnaserror", "-r:System.Xml.dll", &out]).arg(source));
    program
});
