//! What the agent reads of callers, guests and disks. Whatever it makes of an engine's words must be XML.

use std::fs;

use agent::config_drive::image::{self, Contents};
use agent::view;
use agent::xapi::VmUuid;
use agent::xapi::plugin_call::PluginCall;
use lab::packs;
use quick_xml::Reader;
use quick_xml::events::Event;

use super::fuzz;
use super::mutate::Shape;

#[test]
fn plugin_call() {
    let seed = b"<methodCall><methodName>get_top</methodName><params><param><value>OpaqueRef:s</value></param><param><value>\
        <struct><member><name>vmuuid</name><value>&lt;a&gt;</value></member><member><name>object</name><value/></member>\
        </struct></value></param></params></methodCall>";
    let read = |bytes: &[u8]| {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _ = runtime.block_on(PluginCall::read(text));
    };
    fuzz("plugin-call", Shape::Xml, vec![seed.to_vec()], Box::new(read));
}

fn reply(name: &str) -> Vec<u8> {
    fs::read(packs::workspace().join("tests/src/guests/replies").join(name)).unwrap()
}

fn is_xml(document: &str) {
    let mut reader = Reader::from_str(document);
    while reader.read_event().unwrap() != Event::Eof {}
}

#[test]
fn inspect() {
    let read = |bytes: &[u8]| {
        if let Ok(document) = view::inspect(&String::from_utf8_lossy(bytes)) {
            is_xml(&document);
        }
    };
    fuzz("inspect", Shape::Binary, vec![reply("inspect.json")], Box::new(read));
}

#[test]
fn top() {
    let read = |bytes: &[u8]| {
        if let Ok(document) = view::top(&String::from_utf8_lossy(bytes)) {
            is_xml(&document);
        }
    };
    fuzz("top", Shape::Binary, vec![reply("top.json")], Box::new(read));
}

#[test]
fn config_drive() {
    let vm = VmUuid::parse("0f00ba11-0000-0000-0000-000000000001").unwrap();
    let contents = Contents {
        vm: &vm,
        name: "a",
        host_name: "a",
        template: "#cloud-config",
        user_data: "#cloud-config",
        agent: &[],
    };
    let disk = image::build(&contents).unwrap();
    let read = |bytes: &[u8]| drop(image::text(bytes));
    fuzz("config-drive", Shape::Binary, vec![disk[..64 * 1024].to_vec()], Box::new(read));
}
