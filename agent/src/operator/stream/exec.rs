//! `xscontainer exec`: a command in a container that runs, as if it ran here.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Way;
use super::input::Input;
use super::keys::{DetachKeys, Matcher};
use super::output::{Manner, Output};
use super::problem::Problem;
use super::session::{Left, converse};
use super::signals::{Changed, Signals, Window};
use super::terminal::{self, RawMode};
use crate::engine::exec::{ExecId, ExecState, Order};
use crate::engine::logs::Parts;
use crate::engine::{ContainerName, Engine};

/// How long an engine may take, after a command's output has ended, to know that the command has.
const END_LIMIT: Duration = Duration::from_secs(10);

/// How long the terminal of a command that was just started may take to be there.
const TERMINAL_LIMIT: Duration = Duration::from_secs(5);

/// The first pause between two tries.
const PAUSE: Duration = Duration::from_millis(10);

/// Runs it; the exit code: the command's own.
///
/// # Errors
/// [`Problem`]
pub async fn run(
    way: &Way,
    mut engine: Engine,
    container: &ContainerName,
    mut order: Order,
    keys: &DetachKeys,
    manner: Manner,
) -> Result<u8, Problem> {
    let typed = order.tty && order.input && !order.detached;
    if typed && !terminal::is_typed_at() {
        return Err(Problem::NotATerminal);
    }
    if order.tty {
        order.size = terminal::size();
        order.detach_keys = Some(keys.to_string());
    }
    let refused = |error| way.problem(error).at_start();
    let id = engine.create_exec(container, &order).await.map_err(refused)?;
    if order.detached {
        engine.start_exec_detached(&id, order.tty).await.map_err(refused)?;
        return Ok(0);
    }
    let manner = if order.tty { Manner::AsItIs } else { manner };
    let left = at_terminal(way, engine, &id, &order, typed.then_some(keys), manner).await?;
    match left {
        Ended::Left(Left::Detached) => Ok(0),
        Ended::Left(Left::Ended) => exit_code(way, &id).await.map_err(Problem::after_start),
        Ended::Signal(code) => Ok(code),
    }
}

enum Ended {
    Left(Left),
    Signal(u8),
}

/// The part in which the terminal may be the command's. It is given back when this returns.
async fn at_terminal(
    way: &Way,
    engine: Engine,
    id: &ExecId,
    order: &Order,
    keys: Option<&DetachKeys>,
    manner: Manner,
) -> Result<Ended, Problem> {
    let mut window = Window::watch().map_err(Problem::Terminal)?;
    // Before the mode is changed, so that no signal ends the program in between.
    let mut signals = match keys {
        Some(_) => Some(Signals::ending().map_err(Problem::Terminal)?),
        None => None,
    };
    let mode = match keys {
        Some(_) => Some(RawMode::begin().map_err(Problem::Terminal)?),
        None => None,
    };
    let raw = engine.start_exec(id, order.tty).await.map_err(|error| way.problem(error).at_start())?;
    let mut output = Output::begin(manner);
    let gone = output.gone();
    let parts = Parts::new(!order.tty, "the request to start a command in the container");
    let input = order.input.then(|| (Input::begin(), keys.map(Matcher::new)));
    let ended = {
        let resizing = async {
            if order.tty {
                begin_size(way, id).await;
                loop {
                    if let (Changed::Owner, Some(mode)) = (window.changed().await, &mode) {
                        let _ = mode.again();
                    }
                    resize(way, id).await;
                }
            }
            std::future::pending::<()>().await;
        };
        let signalled = async {
            match &mut signals {
                Some(signals) => signals.next().await.exit_code(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            left = converse(way, raw, parts, input, &mut output) => left.map(Ended::Left),
            code = signalled => Ok(Ended::Signal(code)),
            problem = gone => Err(problem),
            problem = way.lost() => Err(problem),
            () = resizing => Ok(Ended::Left(Left::Ended)),
        }
    };
    if let Ok(Ended::Signal(code)) = ended {
        // Whoever is to end does not wait for a terminal that is stopped.
        return Ok(Ended::Signal(code));
    }
    output.finish().await.map_err(Problem::after_start)?;
    ended.map_err(Problem::after_start)
}

/// Tells the command the size of its terminal, which may not be there yet.
async fn begin_size(way: &Way, id: &ExecId) {
    let until = Instant::now() + TERMINAL_LIMIT;
    let mut pause = PAUSE;
    while !resize(way, id).await && Instant::now() < until {
        sleep(pause).await;
        pause *= 2;
    }
}

async fn resize(way: &Way, id: &ExecId) -> bool {
    let Some(size) = terminal::size() else { return true };
    match way.stream().await {
        Ok(mut engine) => engine.resize_exec(id, size).await.is_ok(),
        Err(_) => false,
    }
}

/// Docker may end a command's output a moment before it knows how the command ended.
async fn exit_code(way: &Way, id: &ExecId) -> Result<u8, Problem> {
    let until = Instant::now() + END_LIMIT;
    let mut engine = way.stream().await?;
    let mut pause = PAUSE;
    loop {
        match engine.exec_state(id).await {
            // A code is a byte; engines that know none write -1.
            Ok(ExecState::Ended(code)) => return Ok(u8::try_from(code & 0xff).unwrap_or(u8::MAX)),
            Ok(ExecState::Running) if Instant::now() >= until => return Err(Problem::Ended),
            Ok(ExecState::Running) => {}
            Err(error) => return Err(way.why(error).await),
        }
        sleep(pause).await;
        pause *= 2;
    }
}
