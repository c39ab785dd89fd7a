//! The plugin: the file that XAPI runs, and what XAPI gets of it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::super::Places;
use super::super::fault::Fault;
use super::{Seen, XAPI_LIMIT};
use crate::plugin;
use crate::xapi::{Client, Error, HostRef, hosts};

/// The only folder in which XAPI looks for plugins (xen-api ocaml/xapi/xapi_plugins.ml).
const FOLDER: &str = "etc/xapi.d/plugins";

/// Bytes of the file that are read; ours has 80.
const MAX_BYTES: u64 = 4096;

/// Whether the file is there, can be run, and runs this program.
pub(super) fn file(places: &Places) -> Seen {
    let file = places.of_root(FOLDER).join(plugin::NAME);
    let mode = match fs::metadata(&file) {
        Ok(found) if found.is_file() => found.permissions().mode() & 0o7777,
        _ => return Err(Fault::PluginMissing(file).into()),
    };
    if mode & 0o111 == 0 {
        return Err(Fault::PluginNotExecutable(file, mode).into());
    }
    match read(&file) {
        Ok(text) if text.contains("xscontainer plugin ") => Ok(format!("{}, mode {mode:o}", file.display())),
        _ => Err(Fault::PluginForeign(file).into()),
    }
}

fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// Whether XAPI of this host gets an answer. That its monitor is silent is an answer too.
pub(super) async fn answer(client: &Client, here: &HostRef) -> Seen {
    let (function, arguments) = (plugin::STATUS, BTreeMap::new());
    let failure = match hosts::call_plugin(client, here, plugin::NAME, function, &arguments, XAPI_LIMIT).await {
        Ok(_) => return Ok(String::new()),
        Err(Error::Failure { failure, .. }) => failure,
        Err(error) => return Err(Fault::PluginSilent(error.to_string()).into()),
    };
    let is_word = failure.code == "XENAPI_PLUGIN_FAILURE" && !plugin::is_of_a_broken_plugin(&failure, plugin::STATUS);
    match failure.code.as_str() {
        _ if is_word => Ok(plugin::in_words(&failure)),
        "UNKNOWN_XENAPI_PLUGIN_FUNCTION" => Err(Fault::PluginOld.into()),
        _ => Err(Fault::PluginSilent(format!("XAPI gets no answer of the plugin: {failure}")).into()),
    }
}
