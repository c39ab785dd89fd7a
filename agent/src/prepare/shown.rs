//! The end of preparing a VM: the monitor of its host publishes its containers, which is waited for and shown.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::dialogue::Dialogue;
use super::job::Job;
use super::problem::{Doing, Problem};
use crate::engine::{Container, Engine};
use crate::guest::Connection;
use crate::quote::quoted;
use crate::reach::Trouble;
use crate::view;

/// How long the first view may take. The monitor of a host that has just learned of a VM needs a second or two.
const LIMIT: Duration = Duration::from_secs(45);

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(300);

/// An engine, and the way to it, which must last as long.
#[derive(Debug)]
pub struct Reached {
    /// The engine.
    pub engine: Engine,
    /// The way.
    pub connection: Connection,
}

/// A VM whose containers show.
#[derive(Debug)]
pub struct Prepared {
    /// What its engine is. Foreign.
    pub engine: String,
    /// What it runs. Foreign.
    pub containers: Vec<Container>,
}

/// Waits for the VM's first view, and shows what is in it.
///
/// # Errors
/// [`Problem::NotShown`], and those of the way to it.
pub async fn wait(job: &Job, dialogue: &Dialogue, reached: Reached) -> Result<Prepared, Problem> {
    let Reached { mut engine, connection: _connection } = reached;
    dialogue.say("The VM is registered. Waiting for its containers to be published.");
    let until = Instant::now() + LIMIT;
    while job.now().await?.views.ps.is_none() {
        if Instant::now() >= until {
            let host = match (&job.elsewhere, &job.record.resident_on) {
                (Some(host), _) => host.clone(),
                (None, Some(host)) => {
                    job.client.call("host.get_name_label", &[host.into()]).await.doing("name the VM's host")?
                }
                (None, None) => String::new(),
            };
            return Err(Problem::NotShown { waited: LIMIT.as_secs(), host });
        }
        sleep(PAUSE).await;
    }
    let mut containers = engine.containers().await.map_err(|error| job.ends_at(Trouble::Engine(error)))?.list;
    containers.sort_by(|one, other| one.name.cmp(&other.name));
    show(&containers, dialogue);
    Ok(Prepared { engine: engine.identity().to_string(), containers })
}

/// Containers named; the rest is counted.
const NAMED: usize = 20;

fn show(containers: &[Container], dialogue: &Dialogue) {
    let count = containers.len();
    dialogue.say(match count {
        0 => "Clients show the VM now. It has no containers yet.".to_owned(),
        1 => "Clients show its container now:".to_owned(),
        _ => format!("Clients show its {count} containers now:"),
    });
    for container in containers.iter().take(NAMED) {
        let (name, image) = (quoted(&container.name).to_string(), quoted(&container.image).to_string());
        let status = view::status::normalised(&container.status, &container.state);
        dialogue.say(format_args!("  {name:24} {status:14} {image}"));
    }
    if count > NAMED {
        dialogue.say(format_args!("  and {} more", count - NAMED));
    }
}
