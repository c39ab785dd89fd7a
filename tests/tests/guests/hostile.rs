//! The hostile engines do what they are named for: a real client meets the trouble.

use std::io::{Read, Write};

use lab::guests::{Misbehaviour, Network};
use lab::tools::{command, outcome};

use crate::get;

#[test]
fn every_misbehaviour_can_be_met_and_ends_with_its_engine() {
    let network = Network::new();
    for misbehaviour in Misbehaviour::ALL {
        let vm = network.vm("bad").hostile(misbehaviour);
        let place = if misbehaviour.place().is_empty() { "/version" } else { misbehaviour.place() };
        let mut ask =
            command("curl", ["-s", "-N", "-m", "1", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket"]);
        let said = outcome(ask.arg(vm.socket()).arg(format!("http://docker/v1.41{place}?all=1")));
        let text = said.text.as_str();
        match misbehaviour {
            Misbehaviour::Status(code) => assert_eq!(text, code.to_string()),
            Misbehaviour::Redirect => assert_eq!(text, "302"),
            Misbehaviour::NotJson
            | Misbehaviour::WrongTypes
            | Misbehaviour::StrangeNames
            | Misbehaviour::InvalidUtf8 => {
                assert_eq!((said.code, text), (Some(0), "200"));
            }
            Misbehaviour::DeepJson
            | Misbehaviour::MillionContainers
            | Misbehaviour::HugeContainer
            | Misbehaviour::TenMegabytes => assert_eq!(text, "200"),
            _ => assert_ne!(said.code, Some(0), "{misbehaviour:?}: {text}"),
        }
        assert_eq!(vm.hostile_requests().get(place), Some(&1), "{misbehaviour:?}");
        if !misbehaviour.place().is_empty() {
            assert!(get(&vm, "/version").contains("ApiVersion"), "the rest is plain");
        }
        vm.stop_engine();
        assert!(!outcome(vm.docker_command().arg("ps")).success);
    }
}

#[test]
fn an_engine_can_be_any_program() {
    let network = Network::new();
    let vm = network.vm("bad").engine_by(|stream| {
        let request = stream.read(&mut [0; 1024])?;
        stream.write_all(if request > 0 { b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi" } else { b"" })
    });
    assert_eq!(get(&vm, "/"), "hi");
}
