//! What the log says, from XAPI's events to the line. Time is simulated.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::xapi::HostUuid;
use crate::xapi::script::{Answer, Server, added, batch, event, success, vm_record};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs the monitor for a simulated hour against these answers of `event.from`; gives the lines without their times,
/// but for those of the VMs' tasks.
async fn lines_logged(events: Vec<Answer>) -> Vec<String> {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);

    let server = Server::xapi(events, |request| match request.method.as_str() {
        "VM.remove_from_other_config" | "message.create" => Some(success("")),
        "message.get" => Some(success("<struct/>")),
        _ => None,
    });
    let host_uuid = HostUuid::parse("0a1b2c3d-1111-2222-3333-444455556666").unwrap();
    let mut monitor = Monitor::new(&server.socket(), host_uuid, channel::channel(Settings::default()).1);
    assert!(timeout(Duration::from_secs(3600), monitor.run()).await.is_err());
    let lines = lines.0.lock().unwrap().clone();
    let lines = String::from_utf8(lines).unwrap();
    let of_tasks = |line: &&str| line.contains("vm{") || line.contains("view taken away");
    lines.lines().filter(|line| !of_tasks(line)).map(|line| line.trim().to_owned()).collect()
}

fn vm_event(fields: &[(&str, &str)]) -> Vec<String> {
    vec![event("vm", "mod", "OpaqueRef:vm-1", &vm_record(1, fields))]
}

const WATCHING: &str = r#"INFO watching VM uuid=00000000-0000-0000-0000-000000000001 name="vm 1""#;

fn no_longer(reason: &str) -> String {
    format!(r#"INFO no longer watching VM uuid=00000000-0000-0000-0000-000000000001 name="vm 1" reason={reason}"#)
}

#[tokio::test(start_paused = true)]
async fn a_vm_is_named_when_it_comes_goes_and_comes_back() {
    let mut migrated = vm_event(&[("resident_on", "OpaqueRef:there")]);
    migrated.extend(added(2));
    let lines = lines_logged(vec![
        batch("1,0", &added(1)),
        batch("2,0", &migrated),
        batch("3,0", &vm_event(&[])),
        batch("4,0", &[event("vm_guest_metrics", "del", "OpaqueRef:metrics-1", "")]),
        batch("5,0", &added(1)[1..]),
        batch("6,0", &[event("vm", "del", "OpaqueRef:vm-1", "")]),
        // Keeps the rest of the hour quiet.
        Answer::Hang,
    ])
    .await;
    let expected = [
        WATCHING.to_owned(),
        "INFO snapshot of the pool complete vms=1 guest_metrics=1 watched=1".to_owned(),
        no_longer("migrated away"),
        WATCHING.replace('1', "2"),
        WATCHING.to_owned(),
        no_longer("no guest metrics"),
        WATCHING.to_owned(),
        no_longer("destroyed"),
    ];
    assert_eq!(lines[..expected.len()], expected);
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_vanished_during_an_outage_is_no_longer_watched_after_it() {
    let lines = lines_logged(vec![batch("1,0", &added(1)), Answer::Close, batch("1,0", &[]), Answer::Hang]).await;
    assert_eq!(lines[4], no_longer("destroyed"), "{lines:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_name_cannot_forge_a_line_or_command_the_terminal() {
    let mut events = added(1).to_vec();
    events.extend(vm_event(&[("name_label", "x\"\nINFO watching VM\u{9b}2J")]));
    let lines = lines_logged(vec![batch("1,0", &events), Answer::Hang]).await;
    assert!(lines[0].ends_with(r#"name="x\"\nINFO watching VM\u{9b}2J""#), "{lines:#?}");
}

#[tokio::test(start_paused = true)]
async fn an_outage_takes_a_line_when_it_begins_a_few_while_it_lasts_and_one_when_it_is_over() {
    let mut events = vec![batch("1,0", &added(1))];
    events.extend(vec![Answer::Body("garbage".into()); 60]);
    events.extend([batch("2,0", &added(1)), Answer::Hang]);
    let lines = lines_logged(events).await;
    assert_eq!(
        lines[2],
        "WARN XAPI is not available; trying again until it is error=event.from: the document is not in the expected form \
         near byte 7: wanted methodResponse"
    );
    let over = lines.iter().position(|line| line.starts_with("INFO XAPI is available again failures=60")).unwrap();
    let reminders = &lines[3..over];
    assert!((1..=2).contains(&reminders.len()), "{lines:#?}");
    assert!(reminders.iter().all(|line| line.starts_with("WARN XAPI is still not available error=event.from")));
}
