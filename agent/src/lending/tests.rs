//! Both ends on a socket, without guests. Those with guests are the lab's.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};

use super::client::{NoAnswer, ask};
use super::server::{Server, Tells};
use super::standing::List;
use super::wire::{self, LevelChange, LevelNow, MAX_QUESTION, Question, Reply};
use super::*;
use crate::VERSION;
use crate::engine::{Action, ContainerName};
use crate::xapi::VmUuid;

fn socket() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.sock");
    (folder, path)
}

fn vm() -> VmUuid {
    VmUuid::parse("00000000-0000-0000-0000-000000000001").unwrap()
}

fn stop() -> Ask {
    Ask::Act(Action::Stop, ContainerName::parse("web").unwrap())
}

/// A monitor that watches nothing.
#[derive(Debug)]
struct Nothing;

impl Tells for Nothing {
    fn standing(&self) -> Standing {
        Standing { version: "mine".to_owned(), ..Standing::default() }
    }

    fn lists(&self, vm: Option<&VmUuid>) -> Vec<List> {
        vm.map(|vm| List { vm: vm.to_string(), name: String::new(), rows: None }).into_iter().collect()
    }

    fn log_level(&self, change: Option<LevelChange>) -> Result<LevelNow, String> {
        change.map(|change| LevelNow { level: change.level, until: None }).ok_or_else(|| "no".to_owned())
    }
}

/// Runs a server of an empty desk while `work` lasts.
async fn served<T>(path: &Path, work: impl Future<Output = T>) -> T {
    let server = Server::bind(path, Desk::default(), Arc::new(Nothing)).unwrap();
    tokio::select! {
        never = server.run() => match never {},
        done = work => done,
    }
}

#[tokio::test]
async fn the_socket_is_for_its_owner_and_goes_away_with_the_server() {
    let (_folder, path) = socket();
    let mode = served(&path, async { std::fs::metadata(&path).unwrap().permissions().mode() & 0o777 }).await;
    assert_eq!((mode, path.exists()), (0o600, false));
}

#[tokio::test]
async fn a_socket_that_was_left_behind_is_replaced() {
    let (_folder, path) = socket();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(UnixStream::connect(&path).await.is_err());
    served(&path, async { assert!(UnixStream::connect(&path).await.is_ok()) }).await;
}

#[tokio::test]
async fn a_vm_without_a_connection_is_left_to_whoever_asks() {
    let (_folder, path) = socket();
    let answer = served(&path, ask(&path, &vm(), &stop())).await;
    assert!(matches!(answer, Err(NoAnswer::NotAsked(why)) if why.contains("no connection")));
}

#[tokio::test]
async fn without_a_monitor_nothing_is_asked() {
    let (_folder, path) = socket();
    assert!(matches!(ask(&path, &vm(), &stop()).await, Err(NoAnswer::NotAsked(_))));
}

#[tokio::test]
async fn another_version_is_not_answered() {
    let (_folder, path) = socket();
    let reply: Reply = served(&path, async {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        let question = serde_json::json!({"version": "0", "request": "what this version does not know"});
        wire::write(&mut stream, &question).await.unwrap();
        wire::read(&mut stream, MAX_QUESTION).await.unwrap()
    })
    .await;
    assert_eq!(reply, Reply::NotLent(format!("the monitor is of version {VERSION}")));
}

#[tokio::test]
async fn the_monitor_tells_of_itself() {
    let (_folder, path) = socket();
    served(&path, async {
        assert_eq!(client::standing(&path).await.unwrap().version, "mine");
        assert_eq!(client::lists(&path, Some(&vm())).await.unwrap()[0].vm, vm().to_string());
        let change = LevelChange { level: "debug".to_owned(), seconds: Some(1) };
        assert_eq!(client::log_level(&path, Some(change)).await.unwrap().level, "debug");
        assert!(matches!(client::log_level(&path, None).await, Err(NoAnswer::NotAsked(why)) if why == "no"));
    })
    .await;
}

#[tokio::test]
async fn a_monitor_that_breaks_off_may_have_asked() {
    let (_folder, path) = socket();
    let listener = UnixListener::bind(&path).unwrap();
    let breaks_off = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _: Question = wire::read(&mut stream, MAX_QUESTION).await.unwrap();
    };
    let (vm, stop) = (vm(), stop());
    let (answer, ()) = tokio::join!(ask(&path, &vm, &stop), breaks_off);
    assert!(matches!(answer, Err(NoAnswer::BrokenOff(_))), "{answer:?}");
}

#[tokio::test]
async fn what_is_too_long_or_no_message_is_refused() {
    let long = [&u32::MAX.to_be_bytes()[..], b"x"].concat();
    let nonsense = [&4_u32.to_be_bytes()[..], b"\"\xff\xff\""].concat();
    let name = br#"{"version":"1","request":{"engine":{"vm":"x","ask":{"top":"a/../b"}}}}"#;
    let name = [&u32::try_from(name.len()).unwrap().to_be_bytes()[..], name].concat();
    for bytes in [long, nonsense, name] {
        let error = wire::read::<Question>(&mut &bytes[..], MAX_QUESTION).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    }
}
