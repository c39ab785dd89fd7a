//! `xe`: what a pack's scripts ask the toolstack.
//!
//! Commands: xen-api, `ocaml/xapi-cli-server/cli_frontend.ml`, `cli_operations.ml`.

use std::sync::Arc;

use crate::dom0::host::Host;
use crate::dom0::services::{Answer, Stage};

/// `xe ARGUMENTS`.
///
/// # Errors
/// A call whose effect is not known here.
pub(super) fn xe(host: &mut Host, arguments: &[String]) -> Result<Answer, String> {
    let Some((command, parameters)) = arguments.split_first() else { return Err("xe without a command".into()) };
    if host.stage() == Stage::Installation {
        return Ok((1, "Error: Connection refused (calling connect )\n".into()));
    }
    let value = |key: &str| {
        parameters.iter().find_map(|p| p.strip_prefix(key).and_then(|rest| rest.strip_prefix('='))).map(str::to_owned)
    };
    let minimal = parameters.iter().any(|parameter| parameter == "--minimal");
    match command.as_str() {
        "update-resync-host" => {
            let root = Arc::clone(&host.root);
            host.toolstack.resync(&root);
            Ok((0, String::new()))
        }
        "update-list" | "patch-list" if minimal => {
            let known = host.toolstack.updates.iter().filter(|update| {
                value("uuid").is_none_or(|uuid| uuid == update.uuid)
                    && value("name-label").is_none_or(|label| label == update.label)
            });
            let shown = |update: &crate::dom0::toolstack::Update| match value("params").as_deref() {
                Some("hosts") => Some(if update.applied { host.toolstack.host_uuid.clone() } else { String::new() }),
                Some("name-label") => Some(update.label.clone()),
                None | Some("uuid") => Some(update.uuid.clone()),
                _ => None,
            };
            let shown: Option<Vec<String>> = known.map(shown).collect();
            let shown = shown.ok_or("xe update-list with other params")?;
            Ok((0, format!("{}\n", shown.join(","))))
        }
        "update-destroy" => {
            let uuid = value("uuid").ok_or("xe update-destroy without uuid")?;
            match host.toolstack.destroy(&uuid) {
                Ok(()) => Ok((0, String::new())),
                Err(error) => Ok((1, format!("{error}\n"))),
            }
        }
        "host-list" if minimal => Ok((0, format!("{}\n", host.toolstack.host_uuid))),
        _ => Err(format!("xe {command}")),
    }
}
