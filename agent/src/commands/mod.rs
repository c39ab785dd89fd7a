//! The commands of `xscontainer`: their options, exit codes and signals. Must not know how anything is done.

pub(crate) mod act;
pub(crate) mod attach;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod exec;
pub(crate) mod key;
pub(crate) mod logs;
pub(crate) mod look;
pub(crate) mod monitor;
pub(crate) mod operator;
mod place;
pub(crate) mod plugin;
pub(crate) mod prepare_vm;
mod signals;
pub(crate) mod stats;
mod target;

/// JSON that is harmless on a terminal, whatever foreign text is in it: what is not ASCII is escaped.
fn ascii(value: &serde_json::Value) -> String {
    ascii_text(&value.to_string())
}

/// The same of JSON that is written already; its line feeds stay.
fn ascii_text(json: &str) -> String {
    let is_shown = |c: char| c == '\n' || c.is_ascii() && !c.is_ascii_control();
    json.chars().fold(String::new(), |mut shown, c| {
        match is_shown(c) {
            true => shown.push(c),
            false => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| shown += &format!("\\u{unit:04x}")),
        }
        shown
    })
}
