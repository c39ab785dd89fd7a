//! `xscontainer logs`: what a container has printed, and prints.

use super::Way;
use super::output::{Manner, Output};
use super::problem::Problem;
use crate::engine::logs::{Logs, Wanted};
use crate::engine::{ContainerName, Engine};

/// Prints it; the exit code.
///
/// # Errors
/// [`Problem`]
pub async fn run(
    way: &Way,
    mut engine: Engine,
    container: &ContainerName,
    wanted: &Wanted,
    manner: Manner,
) -> Result<u8, Problem> {
    let traits = engine.traits(container).await.map_err(|error| way.problem(error))?;
    let mut output = Output::begin(manner);
    let gone = output.gone();
    let printing = async {
        let asked = engine.logs(&traits.id, traits.tty, wanted).await;
        let mut logs = match asked {
            Ok(logs) => logs,
            Err(error) => return Err(way.why(error).await),
        };
        print(way, &mut logs, &mut output).await
    };
    let printed = tokio::select! {
        biased;
        printed = printing => printed,
        problem = gone => Err(problem),
        problem = way.lost() => Err(problem),
    };
    // What came before a problem is shown before it.
    output.finish().await?;
    printed.map(|()| 0)
}

async fn print(way: &Way, logs: &mut Logs, output: &mut Output) -> Result<(), Problem> {
    loop {
        match logs.next().await {
            Ok(Some((target, part))) => output.write(target, part).await?,
            Ok(None) => return Ok(()),
            Err(error) => return Err(way.why(error).await),
        }
    }
}
