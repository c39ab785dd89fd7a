//! VMs of other hosts: how things stand with the whole pool, and containers there.

use lab::monitor::Monitor;
use lab::plugin::Plugin;

use crate::lab::{Lab, run, said};

#[test]
fn the_whole_pool_is_seen_from_one_host_with_the_hosts_that_do_not_answer() {
    let (lab, guest, vm) = Lab::web();
    run(&guest, "one", &[], "exec sleep 100000");
    let here = Monitor::start(&lab.xapi);
    let _here_plugin = Plugin::install(&lab.xapi, Some(&here));
    let there = lab.xapi.new_host("host two", "192.0.2.2").unwrap();
    let socket = lab.xapi.serve_host(&there).unwrap();
    lab.xapi.set(&vm, "resident_on", &there).unwrap();
    let monitor = Monitor::start_on(&lab.xapi, &there);
    let _there_plugin = Plugin::install_on(&lab.xapi, &there, &socket, Some(&monitor));
    lab.xapi.new_host("without the pack", "192.0.2.3").unwrap();
    let down = lab.xapi.new_host("down", "192.0.2.4").unwrap();
    lab.xapi.set_offline(&down);

    let seen = lab.wait(|| {
        let (text, _, code) = lab.ask(&here, "status", &["--pool"]);
        (code == Some(0) && text.contains("live")).then_some(text)
    });
    let line = seen.lines().find(|line| line.contains("live")).unwrap();
    assert!(line.starts_with("host two") && line.contains(" web "), "{seen}");
    assert!(seen.contains("without the pack does not answer: the pack is not installed on it"), "{seen}");
    assert!(seen.contains("down does not answer: the host is down"), "{seen}");

    // Acting is done there, and seen there at once.
    let (stdout, stderr, code) = lab.ask(&here, "stop", &["web/one"]);
    assert_eq!((&*stdout, code), ("web/one\n", Some(0)), "{stderr}");
    let (text, ..) = lab.ask(&monitor, "ps", &[]);
    assert!(text.contains("Exited (137)"), "{text}");
    // Looking goes over the network, where there is one.
    let (_, stderr, code) = said(&lab.asking(&here, "inspect", &["web/one"]).output().unwrap());
    assert_eq!(code, Some(0), "{stderr}");
}
