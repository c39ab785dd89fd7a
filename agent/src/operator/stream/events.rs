//! `xscontainer events`: what happens in a VM's engine.

use std::fmt::Write as _;

use hyper::body::Bytes;

use super::output::{Manner, Output};
use super::printable::Printable;
use super::problem::Problem;
use super::{Way, times};
use crate::engine::event_lines::{EventLines, Told, Wanted};
use crate::engine::frames::Target;
use crate::engine::{self, Engine};

/// How events are written, one a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people, as `docker events` does.
    Words,
    /// As the engine's own JSON.
    Json,
}

/// Prints them; the exit code.
///
/// # Errors
/// [`Problem`]; also when an engine ends what should have no end.
pub async fn run(way: &Way, engine: Engine, wanted: &Wanted, form: Form, manner: Manner) -> Result<u8, Problem> {
    let mut output = Output::begin(manner);
    let gone = output.gone();
    let printing = async {
        match engine.event_lines(wanted).await {
            Ok(mut events) => print(way, &mut events, wanted.until.is_some(), form, &mut output).await,
            Err(error) => Err(way.why(error).await),
        }
    };
    let printed = tokio::select! {
        biased;
        printed = printing => printed,
        problem = gone => Err(problem),
        problem = way.lost() => Err(problem),
    };
    output.finish().await?;
    printed.map(|()| 0)
}

async fn print(
    way: &Way,
    events: &mut EventLines,
    may_end: bool,
    form: Form,
    output: &mut Output,
) -> Result<(), Problem> {
    loop {
        match events.next().await {
            Ok(Some(object)) => {
                if let Some(line) = line(object, form) {
                    output.write(Target::Output, line).await?;
                }
            }
            Ok(None) if may_end => return Ok(()),
            Ok(None) => return Err(way.why(engine::Error::Closed("the events ended".to_owned())).await),
            Err(error) => return Err(way.why(error).await),
        }
    }
}

/// One line, with its end; none for what is no event.
fn line(mut object: Vec<u8>, form: Form) -> Option<Bytes> {
    match form {
        Form::Json => {
            object.push(b'\n');
            Some(object.into())
        }
        Form::Words => {
            let told = Told::read(&object)?;
            let time = told.moment.map(times::shown).unwrap_or_default();
            let mut line = String::new();
            // A label with a line feed in it must not look like another event, wherever this goes.
            for c in Printable::new(true).push(told.to_string().as_bytes()).chars() {
                match c {
                    '\n' => line.push_str("^J"),
                    c => line.push(c),
                }
            }
            let mut shown = String::new();
            writeln!(shown, "{time} {line}").expect("a string takes everything");
            Some(shown.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_its_labels_hold() {
        let event =
            br#"{"Type":"container","Action":"start","Actor":{"ID":"6f","Attributes":{"x":"a\nb\u001b[2J"}},"time":5}"#;
        let shown = line(event.to_vec(), Form::Words).unwrap();
        let shown = std::str::from_utf8(&shown).unwrap();
        assert!(shown.ends_with(" container start 6f (x=a^Jb^[[2J)\n"), "{shown}");
        assert_eq!(shown.matches('\n').count(), 1);
    }

    #[test]
    fn json_stays_as_it_came() {
        let event = br#"{ "Action": "start", "n": 1e2 }"#;
        assert_eq!(line(event.to_vec(), Form::Json).unwrap(), [&event[..], b"\n"].concat());
    }
}
