//! `xscontainer key`: the pool's key shown and changed.

use std::io::Write as _;
use std::process::ExitCode;

use agent::access::{KEY_COMMENT, PoolKey};
use agent::prepare::rotate::{Rotated, Rotation, TakenBack};
use agent::prepare::{Dialogue, Manner, Problem};
use agent::xapi::Client;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tracing::level_filters::LevelFilter;

use super::ascii;
use super::place::{Place, event_loop};
use super::prepare_vm::is_utf8;
use super::signals;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Print the public half, as it stands in ~/.ssh/authorized_keys of VMs. Makes the key if there is none.
    Show(Show),

    /// Make a new key, put it into every VM that can be reached, make it the pool's, and take the old one out.
    ///
    /// Needs no restart anywhere: the monitors of all hosts take the new key when a VM wants it. VMs that cannot be reached
    /// are listed, and keep the old key; they have to be prepared again. Config drives name the old key until they are made
    /// anew, and are listed too. A change that was interrupted is taken back, or finished by the next call.
    #[command(after_help = ROTATE_AFTER_HELP)]
    Rotate(Rotate),
}

const ROTATE_AFTER_HELP: &str = "\
Exit codes:
  0    every VM has the new key
  1    failed otherwise, the reason is on standard error
  2    wrong usage
  3    somebody else is changing the key
  5    VMs that cannot be reached were not to be left behind; nothing is changed
  8    XAPI does not do what is needed
  10   the key is changed, and some VMs do not have it, or still have the old one too
  129, 130, 143
       hung up, interrupted, terminated";

#[derive(Args)]
pub(crate) struct Show {
    #[command(flatten)]
    place: Place,
}

#[derive(Args)]
pub(crate) struct Rotate {
    /// Change the key although some VMs cannot be reached
    #[arg(long)]
    leave_behind: bool,

    /// Answer every usual question with yes
    #[arg(short, long)]
    yes: bool,

    /// Print the result as JSON on standard output, everything else on standard error
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Show(Show { place }) => show(&place),
        Command::Rotate(options) => rotate(&options),
    }
}

fn show(place: &Place) -> anyhow::Result<ExitCode> {
    let _log = place.begin_log(LevelFilter::WARN)?;
    let key = event_loop()?.block_on(async {
        let client = Client::new(&place.socket);
        let key = PoolKey::new(client.clone()).get().await;
        client.close().await;
        key
    })?;
    writeln!(std::io::stdout(), "{}", key.public_line(KEY_COMMENT))?;
    Ok(ExitCode::SUCCESS)
}

fn rotate(options: &Rotate) -> anyhow::Result<ExitCode> {
    let place = &options.place;
    let (_log, _) = place.begin(Some(LevelFilter::WARN))?;
    let dialogue = Dialogue::new(Manner { yes: options.yes, quiet: options.json, unicode: is_utf8() });
    let runtime = event_loop()?;
    let code = runtime.block_on(async {
        let client = Client::new(&place.socket);
        let result = match Rotation::new(&client, &place.inventory, &dialogue).await {
            Ok(rotation) => until_signal(&rotation, options, &dialogue).await,
            Err(problem) => Err(problem),
        };
        let code = report(result, options, &dialogue);
        client.close().await;
        code
    });
    runtime.shutdown_background();
    Ok(ExitCode::from(code))
}

async fn until_signal(rotation: &Rotation<'_>, options: &Rotate, dialogue: &Dialogue) -> Result<Rotated, Problem> {
    let result = tokio::select! {
        biased;
        signal = signals::any() => Err(match signal {
            Ok(signal) => Problem::Interrupted(signal),
            Err(cause) => Problem::File("signals".into(), cause),
        }),
        result = rotation.run(options.leave_behind) => result,
    };
    if result.is_err() {
        match rotation.take_back().await {
            Ok(TakenBack::New) => dialogue.say("The new key is the pool's, or about to be. Call this again to finish."),
            Ok(TakenBack::Old) => dialogue.say("The pool's key is the one it was."),
            Ok(TakenBack::Nothing) => {}
            Err(problem) => {
                dialogue.say(format_args!("What was done could not be taken back: {problem}. Call this again."));
            }
        }
    }
    result
}

fn report(result: Result<Rotated, Problem>, options: &Rotate, dialogue: &Dialogue) -> u8 {
    let (code, value) = match result {
        Ok(done) => {
            dialogue.say(format_args!("The pool's key is {} now.", done.fingerprint));
            for (uuid, _) in &done.missed {
                dialogue.say(format_args!("Prepare again: {uuid}"));
            }
            for uuid in &done.config_drives {
                dialogue.say(format_args!("Needs a new config drive before it is ever started from it: {uuid}"));
            }
            let whole = done.missed.is_empty() && done.stays.is_empty();
            (if whole { 0 } else { 10 }, rotated_value(&done))
        }
        Err(problem) => {
            let remedy = problem.remedy();
            let _ = writeln!(std::io::stderr(), "xscontainer: {}", dialogue.printable(&problem.to_string()));
            if let Some(remedy) = &remedy {
                let _ = writeln!(std::io::stderr(), "  {}", dialogue.printable(remedy));
            }
            (problem.exit_code(), json!({"error": problem.to_string(), "remedy": remedy}))
        }
    };
    if options.json {
        let _ = writeln!(std::io::stdout(), "{}", ascii(&value));
    }
    code
}

fn rotated_value(done: &Rotated) -> Value {
    let with_reason = |list: &[(String, String)]| -> Vec<Value> {
        list.iter().map(|(uuid, reason)| json!({"vm": uuid, "reason": reason})).collect()
    };
    json!({
        "result": "rotated",
        "fingerprint": done.fingerprint,
        "reached": done.reached,
        "missed": with_reason(&done.missed),
        "old_key_stays": with_reason(&done.stays),
        "config_drives": done.config_drives,
    })
}
