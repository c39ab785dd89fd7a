//! What the commands with streams have in common: the container that one is about, and the way to it.

use std::process::ExitCode;

use agent::engine::{ContainerName, Engine};
use agent::operator::ask::{self, Pool};
use agent::operator::find::{self, Named};
use agent::operator::stream::{Manner, Way};
use agent::operator::{Dom0, Problem};

use super::operator::{OperatorsPlace, fail};
use super::place::event_loop;
use super::prepare_vm::is_utf8;

/// A container, found, and its VM's engine, reached.
pub(crate) struct Found {
    pub(crate) way: Way,
    pub(crate) engine: Engine,
    pub(crate) container: ContainerName,
}

/// Finds the container that `text` names, and opens the way to its engine.
pub(crate) async fn container(dom0: &Dom0, text: &str) -> Result<Found, Problem> {
    let target = ask::target(dom0, &Named::read(text)?).await?;
    let pool = Pool::read(dom0).await?;
    let opened = async {
        let (vm, record) = pool.vm(&target.vm)?;
        Way::open(&pool, vm, record).await
    };
    let opened = opened.await;
    pool.close().await;
    let (way, engine) = opened?;
    Ok(Found { way, engine, container: target.container })
}

/// Finds the VM of this name or uuid, and opens the way to its engine.
pub(crate) async fn vm(dom0: &Dom0, name: &str) -> Result<(Way, Engine), Problem> {
    let pool = Pool::read(dom0).await?;
    let opened = async {
        let (vm, record) = find::vm(&pool.state, name)?;
        Way::open(&pool, vm, record).await
    };
    let opened = opened.await;
    pool.close().await;
    opened
}

/// Does something, and says why if it does not succeed.
pub(crate) fn run(
    place: &OperatorsPlace,
    work: impl AsyncFnOnce(&Dom0) -> Result<u8, Problem>,
) -> anyhow::Result<ExitCode> {
    let dom0 = place.begin()?;
    let runtime = event_loop()?;
    let result = runtime.block_on(work(&dom0));
    // A stream may still be open.
    runtime.shutdown_background();
    Ok(result.map_or_else(|problem| fail(&problem, false), ExitCode::from))
}

/// How foreign text is shown: as is in files and pipes, harmless at terminals.
pub(crate) fn harmless() -> Manner {
    Manner::Harmless { unicode: is_utf8() }
}
