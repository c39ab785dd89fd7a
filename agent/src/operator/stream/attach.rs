//! `xscontainer attach`: a container's own input and output, for as long as somebody wants.

use std::io::Write as _;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::Way;
use super::input::Input;
use super::keys::{DetachKeys, Matcher};
use super::output::{Manner, Output};
use super::problem::Problem;
use super::session::{Left, converse};
use super::signals::{Changed, Named, Signals, Window};
use super::terminal::{self, RawMode};
use crate::engine::exec::Size;
use crate::engine::logs::Parts;
use crate::engine::{self, ContainerName, Engine, Traits};

/// How long an engine may take, after a container's output has ended, to know that the container has.
const END_LIMIT: Duration = Duration::from_secs(10);

/// So many wishes to end, which the container does not follow, end this program; as Docker's does.
const WISHES: u32 = 3;

/// How to attach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What is typed, or comes by a pipe, goes to the container, if it takes input.
    pub input: bool,
    /// Signals go to the container, if it has no terminal.
    pub pass_signals: bool,
    /// What leaves it.
    pub keys: DetachKeys,
}

enum Ended {
    Left(Left),
    Signal(u8),
}

/// Attaches; the exit code: the container's, 0 if it was left.
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
    match &traits {
        Traits { paused: true, .. } => return Err(Problem::State("paused")),
        Traits { running: false, .. } => return Err(Problem::State("not running")),
        _ => {}
    }
    let input = wanted.input && traits.input;
    let typed = input && traits.tty;
    if typed && !terminal::is_typed_at() {
        return Err(Problem::NotATerminal);
    }
    // Asked before anything is seen of it: a container that goes by itself is known no longer afterwards.
    let end = ask_for_end(way, &traits.id).await?;
    let manner = if traits.tty { Manner::AsItIs } else { manner };
    match at_terminal(way, engine, &traits, input, typed, wanted, manner).await? {
        Ended::Signal(code) => Ok(code),
        Ended::Left(Left::Detached) => {
            let _ = writeln!(std::io::stderr(), "\nread escape sequence");
            Ok(0)
        }
        Ended::Left(Left::Ended) => match timeout(END_LIMIT, end).await {
            Ok(Ok(Ok(code))) => Ok(u8::try_from(code & 0xff).unwrap_or(u8::MAX)),
            Ok(Ok(Err(error))) => Err(way.why(error).await),
            Ok(Err(_)) | Err(_) => Err(Problem::Ended),
        },
    }
}

async fn ask_for_end(way: &Way, id: &ContainerName) -> Result<AbortOnDropHandle<Result<i64, engine::Error>>, Problem> {
    let (mut engine, id) = (way.stream().await?, id.clone());
    Ok(AbortOnDropHandle::new(tokio::spawn(async move { engine.wait(&id).await })))
}

/// The part in which the terminal may be the container's. It is given back when this returns.
async fn at_terminal(
    way: &Way,
    engine: Engine,
    traits: &Traits,
    input: bool,
    typed: bool,
    wanted: &Wanted,
    manner: Manner,
) -> Result<Ended, Problem> {
    let mut window = Window::watch().map_err(Problem::Terminal)?;
    let passes = wanted.pass_signals && !traits.tty;
    let mut signals = match (typed, passes) {
        (true, _) => Some(Signals::ending().map_err(Problem::Terminal)?),
        (_, true) => Some(Signals::to_pass_on().map_err(Problem::Terminal)?),
        _ => None,
    };
    let mode = match typed {
        true => Some(RawMode::begin().map_err(Problem::Terminal)?),
        false => None,
    };
    let keys = wanted.keys.to_string();
    let attached = engine.attach(&traits.id, input, traits.tty.then_some(&*keys)).await;
    let raw = attached.map_err(|error| way.problem(error))?;
    let mut output = Output::begin(manner);
    let gone = output.gone();
    let parts = Parts::new(!traits.tty, "the request to attach to the container");
    let input = input.then(|| (Input::begin(), typed.then(|| Matcher::new(&wanted.keys))));
    let ended = {
        let resizing = async {
            if traits.tty {
                redraw(way, &traits.id).await;
                loop {
                    if let (Changed::Owner, Some(mode)) = (window.changed().await, &mode) {
                        let _ = mode.again();
                    }
                    resize(way, &traits.id, terminal::size()).await;
                }
            }
            std::future::pending::<()>().await;
        };
        let signalled = async {
            match &mut signals {
                Some(signals) if passes => pass_on(way, &traits.id, signals).await,
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
        return Ok(Ended::Signal(code));
    }
    output.finish().await?;
    ended
}

/// Passes signals on until somebody insists; the exit code then.
async fn pass_on(way: &Way, id: &ContainerName, signals: &mut Signals) -> u8 {
    let mut wishes = 0;
    loop {
        let signal: Named = signals.next().await;
        wishes += u32::from(signal.is_wish_to_end());
        if wishes == WISHES {
            return signal.exit_code();
        }
        let sent = async { way.stream().await?.kill(id, signal.name).await.map_err(|error| way.problem(error)) };
        if let Err(problem) = sent.await {
            // It may have ended a moment ago, which is seen elsewhere.
            tracing::debug!(signal = signal.name, %problem, "a signal could not be passed on");
        }
    }
}

/// A program redraws what it shows when its terminal changes its size: to another and back, as Docker does.
async fn redraw(way: &Way, id: &ContainerName) {
    let size = terminal::size();
    let other =
        size.map(|Size { columns, rows }| Size { columns: columns.saturating_add(1), rows: rows.saturating_add(1) });
    resize(way, id, other).await;
    resize(way, id, size).await;
}

async fn resize(way: &Way, id: &ContainerName, size: Option<Size>) {
    if let (Some(size), Ok(mut engine)) = (size, way.stream().await) {
        let _ = engine.resize(id, size).await;
    }
}
