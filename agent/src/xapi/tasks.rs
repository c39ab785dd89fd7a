//! XAPI's tasks: something that it does on its own and reports on (xen-api ocaml/xapi/taskHelper.ml).
//!
//! Must not know what is done.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::client::Client;
use super::error::{Error, Failure};
use super::records::TaskRef;
use super::value::Value;

/// How a task stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not ended yet; also while it is being cancelled.
    Pending,
    /// Done.
    Success,
    /// Not done.
    Failure(Failure),
    /// Not done, because somebody did not want it any more.
    Cancelled,
}

/// Between two looks at a task: at first, and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// Makes a task for somebody to report to.
///
/// # Errors
/// [`Error`]; the task may have been made then. XAPI forgets it after a day (xen-api ocaml/xapi/db_gc_util.ml).
pub async fn create(client: &Client, name: &str, description: &str) -> Result<TaskRef, Error> {
    client.call_once("task.create", &[name.into(), description.into()]).await
}

/// How the task stands now.
///
/// # Errors
/// [`Error`]
pub async fn status(client: &Client, task: &TaskRef) -> Result<Status, Error> {
    let mut line = client.line().await;
    let method = "task.get_status";
    let status: String = line.call(method, &[task.into()]).await?;
    match status.as_str() {
        "pending" | "cancelling" => Ok(Status::Pending),
        "success" => Ok(Status::Success),
        "cancelled" => Ok(Status::Cancelled),
        "failure" => {
            let words: Vec<String> = line.call("task.get_error_info", &[task.into()]).await?;
            let mut words = words.into_iter();
            let code = words.next().unwrap_or_else(|| "(no reason given)".to_owned());
            Ok(Status::Failure(Failure { code, params: words.collect() }))
        }
        _ => Err(Error::Odd { method, wanted: "the status of a task" }),
    }
}

/// Waits until the task has ended, but no longer than `limit`; then it is still pending.
///
/// # Errors
/// [`Error`]
pub async fn ended(client: &Client, task: &TaskRef, limit: Duration) -> Result<Status, Error> {
    let end = Instant::now() + limit;
    let (mut pause, longest) = PAUSE;
    loop {
        let status = status(client, task).await?;
        if status != Status::Pending || Instant::now() >= end {
            return Ok(status);
        }
        sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

/// Forgets a task; one that had not ended when it was seen `last` is told to.
///
/// # Errors
/// [`Error`]
pub async fn destroy(client: &Client, task: &TaskRef, last: &Status) -> Result<(), Error> {
    let mut line = client.line().await;
    if *last == Status::Pending
        && let Err(error) = line.call::<()>("task.cancel", &[task.into()]).await
    {
        tracing::debug!(%error, "a task was not cancelled");
    }
    match line.call("task.destroy", &[Value::from(task)]).await {
        Err(error) if error.is_handle_invalid() => Ok(()),
        result => result,
    }
}
