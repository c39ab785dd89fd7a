//! The agent's `engine` with engines: real dockerd and podman, replayed and hostile ones.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed, in its helper functions too")]

mod hostile;
mod real;
mod replayed;

use agent::engine::{Action, ContainerName, Engine, Error};
use lab::guests::Vm;
use tokio::net::UnixStream;

/// Lets the agent talk with a VM's engine, over its socket and a connection of its own.
fn talk<T>(vm: &Vm, talk: impl AsyncFnOnce(&mut Engine) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = UnixStream::connect(vm.socket()).await.unwrap();
        talk(&mut Engine::open(stream).await.unwrap()).await
    })
}

fn name(text: &str) -> ContainerName {
    ContainerName::parse(text).unwrap()
}

fn act(vm: &Vm, container: &str, action: Action) -> Result<(), Error> {
    talk(vm, async |engine| engine.act(&name(container), action).await)
}

fn inspect(vm: &Vm, container: &str) -> Result<String, Error> {
    talk(vm, async |engine| engine.inspect(&name(container)).await)
}

fn top(vm: &Vm, container: &str) -> Result<String, Error> {
    talk(vm, async |engine| engine.top(&name(container)).await)
}

/// The status of a refusal, and what the engine said.
#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, Error>) -> (u16, String) {
    match answer.unwrap_err() {
        Error::Status { status, message, .. } => (status, message),
        other => panic!("{other}"),
    }
}
