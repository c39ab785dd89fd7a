//! `xscontainer start`, `stop`, `restart`, `pause` and `unpause`.

use std::process::ExitCode;

use agent::engine::Action;
use agent::lending::Ask;
use agent::operator::find::Named;
use agent::operator::{Dom0, Problem, ask};
use clap::Args;
use serde_json::json;

use super::operator::{OperatorsPlace, fail, print, print_value};
use super::place::event_loop;

#[derive(Args)]
pub(crate) struct Options {
    /// By name or the first digits of its id; with its VM's name or uuid before it if several have it
    #[arg(value_name = "[VM/]CONTAINER", required = true)]
    containers: Vec<String>,

    /// Print what became of each as JSON, one in a line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    place: OperatorsPlace,
}

/// Acts on one container after the other, and prints each that is done with its VM; goes on after a failure, whose exit
/// code is that of the whole.
pub(crate) fn run(action: Action, options: &Options) -> anyhow::Result<ExitCode> {
    let dom0 = options.place.begin()?;
    event_loop()?.block_on(async {
        let mut whole = ExitCode::SUCCESS;
        for text in &options.containers {
            let code = match act(&dom0, action, text).await {
                Ok(name) if options.json => {
                    print_value(&json!({"container": text, "done": action.name(), "name": name}))
                }
                Ok(name) => print(&format!("{}\n", super::operator::screen().line(&name))),
                Err(problem) => fail(&problem, options.json),
            };
            if code != ExitCode::SUCCESS {
                whole = code;
            }
        }
        Ok(whole)
    })
}

async fn act(dom0: &Dom0, action: Action, text: &str) -> Result<String, Problem> {
    let target = ask::target(dom0, &Named::read(text)?).await?;
    ask::ask(dom0, &target.vm, &Ask::Act(action, target.container)).await?;
    Ok(format!("{}/{}", target.vm_name, target.name))
}
