//! Checks and steps as lines for people, and as values for programs: one form for all of them. A pure function.

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr as _;

use super::check::{Finding, Outcome};
use super::fault::Severity;
use super::id::Id;
use super::{PAGE, Walked};
use crate::operator::problem::in_shell;
use crate::operator::screen::{Colour, Screen};
use crate::quote::quoted;
use crate::reach::walk::{self, Walk};

/// A check or a step, and what became of it.
#[derive(Debug)]
pub struct Line {
    name: &'static str,
    test: &'static str,
    causes: &'static [&'static str],
    told: Told,
}

#[derive(Debug)]
enum Told {
    Passed(String),
    Wrong { id: Id, severity: Severity, reason: String, remedy: String },
    NotReached(String),
}

/// Of a host.
#[must_use]
pub fn of_host(findings: &[Finding]) -> Vec<Line> {
    let line = |Finding { check, outcome }: &Finding| {
        let told = match outcome {
            Outcome::Passed(seen) => Told::Passed(seen.clone()),
            Outcome::Found(fault) => Told::Wrong {
                id: fault.id(),
                severity: fault.severity(),
                reason: fault.to_string(),
                remedy: fault.remedy(),
            },
            Outcome::NotMade(why) => Told::NotReached(why.clone()),
        };
        Line { name: check.name(), test: check.test(), causes: check.causes(), told }
    };
    findings.iter().map(line).collect()
}

/// Of a path.
#[must_use]
pub fn of_path(walk: &Walk) -> Vec<Line> {
    let line = |finding: &walk::Finding| {
        let step = finding.step;
        let told = match &finding.outcome {
            walk::Outcome::Passed(seen) => Told::Passed(seen.clone()),
            walk::Outcome::Failed(trouble) => Told::Wrong {
                id: Id::of_trouble(trouble),
                severity: Severity::Failure,
                reason: trouble.to_string(),
                remedy: trouble.remedy(walk.family),
            },
            walk::Outcome::NotReached => Told::NotReached(String::new()),
        };
        Line { name: step.name(), test: step.test(), causes: step.causes(), told }
    };
    walk.findings.iter().map(line).collect()
}

impl Line {
    /// Whether there is something to be said about it.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        matches!(self.told, Told::Wrong { .. })
    }
}

/// Lines for people.
#[must_use]
pub fn text(lines: &[Line], screen: &Screen) -> String {
    lines.iter().map(|line| line.text(screen)).collect()
}

/// Of a host, only what is wrong, behind a count of what is not.
#[must_use]
pub fn in_short(lines: &[Line], screen: &Screen) -> String {
    let passed = lines.iter().filter(|line| matches!(line.told, Told::Passed(_))).count();
    let wrong: String = lines.iter().filter(|line| line.is_wrong()).map(|line| line.text(screen)).collect();
    let all = lines.len();
    format!("This host: {passed} of {all} checks are passed{}\n{wrong}", if wrong.is_empty() { "." } else { ":" })
}

/// Whose path follows, and where else it should be walked.
#[must_use]
pub fn heading(walked: &Walked, screen: &Screen) -> String {
    let name = quoted(&walked.name);
    let heading = match &walked.elsewhere {
        None => format!("The path to the engine of the VM {name}:"),
        Some(host) => format!(
            "The VM {name} runs on the host {}, where its path counts: call xscontainer doctor {} there. From this host:",
            quoted(host),
            in_shell(&walked.name)
        ),
    };
    wrapped("", "", &screen.line(&heading), screen)
}

impl Line {
    fn text(&self, screen: &Screen) -> String {
        let name = self.name;
        let said = |sign: &str, colour, words: &str| {
            let words = if words.is_empty() { name.to_owned() } else { format!("{name}: {words}") };
            let text = wrapped(sign, "      ", &screen.line(&words), screen);
            let signed = screen.in_colour(sign.trim_end(), Some(colour));
            text.strip_prefix(sign.trim_end()).map_or(text.clone(), |rest| format!("{signed}{rest}"))
        };
        let (id, severity, reason, remedy) = match &self.told {
            Told::Passed(seen) => return said("ok    ", Colour::Good, seen),
            Told::NotReached(why) => return said("-     ", Colour::Faint, why),
            Told::Wrong { id, severity, reason, remedy } => (id, severity, reason, remedy),
        };
        let mut text = match severity {
            Severity::Warning => said("warn  ", Colour::Doubtful, reason),
            Severity::Failure => said("FAIL  ", Colour::Bad, reason),
        };
        let mut add = |title: &str, words: &str| {
            let first = format!("      {title:<10} ");
            text += &wrapped(&first, &" ".repeat(first.len()), &screen.line(words), screen);
        };
        add("tested by", self.test);
        for cause in self.causes {
            add("often", cause);
        }
        add("remedy", remedy);
        add("see", &format!("{} in {PAGE}", id.as_str()));
        text
    }

    /// For programs; `what` it is, `check` or `step`.
    #[must_use]
    pub fn value(&self, what: &str) -> Value {
        let name = self.name;
        match &self.told {
            Told::Passed(seen) => json!({what: name, "outcome": "ok", "seen": seen}),
            Told::NotReached(why) => json!({what: name, "outcome": "not reached", "reason": why}),
            Told::Wrong { id, severity, reason, remedy } => json!({
                what: name,
                "outcome": match severity { Severity::Warning => "warning", Severity::Failure => "failed" },
                "id": id.as_str(), "reason": reason, "tested_by": self.test, "causes": self.causes, "remedy": remedy,
            }),
        }
    }
}

/// What was found, for programs.
#[must_use]
pub fn value(findings: &[Finding], walked: Option<&Walked>) -> Value {
    let checks: Vec<Value> = of_host(findings).iter().map(|line| line.value("check")).collect();
    let mut value = json!({"result": "examined", "version": crate::VERSION, "checks": checks});
    if let Some(walked) = walked {
        let steps: Vec<Value> = of_path(&walked.walk).iter().map(|line| line.value("step")).collect();
        value["vm"] = json!({"name": walked.name, "uuid": walked.uuid, "runs_on": walked.elsewhere});
        value["steps"] = steps.into();
    }
    value
}

/// `words` behind `first`, broken where the screen ends and then behind `next`.
fn wrapped(first: &str, next: &str, words: &str, screen: &Screen) -> String {
    let room = screen.width.unwrap_or(usize::MAX);
    let (mut text, mut line, mut is_empty) = (String::new(), first.to_owned(), true);
    for word in words.split(' ') {
        if !is_empty && line.width() + 1 + word.width() > room {
            text += line.trim_end();
            text.push('\n');
            line = next.to_owned();
            is_empty = true;
        }
        line += if is_empty { "" } else { " " };
        line += word;
        is_empty = false;
    }
    text + line.trim_end() + "\n"
}

#[cfg(test)]
mod tests {
    use super::super::check::Check;
    use super::super::fault::Fault;
    use super::*;

    const SCREEN: Screen = Screen { width: Some(60), colours: false, unicode: true };

    fn findings() -> Vec<Finding> {
        let finding = |check, outcome| Finding { check, outcome };
        vec![
            finding(Check::Inventory, Outcome::Passed("a uuid".into())),
            finding(Check::Package, Outcome::Found(Fault::RpmUnusable("\u{1b}[2J".into()))),
            finding(Check::Pack, Outcome::NotMade("XAPI does not answer".into())),
            finding(Check::Service, Outcome::Found(Fault::ServiceStopped("inactive (dead)".into()))),
        ]
    }

    #[test]
    fn every_line_has_its_sign_and_what_is_wrong_its_remedy_within_the_width() {
        let text = text(&of_host(&findings()), &SCREEN);
        assert!(
            text.starts_with("ok    the host knows its uuid: a uuid\nwarn  package and program agree: rpm"),
            "{text}"
        );
        for part in ["      tested by  rpm -q", "\\u{1b}[2J", "\n-     XAPI has the pack", "\nFAIL  the service runs"] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
        assert!(text.contains("\n      see        xsc-service-stopped in\n                 /usr/share/doc"), "{text}");
        assert!(text.lines().all(|line| line.width() <= 63), "{text}");
    }

    #[test]
    fn colours_change_no_text() {
        let coloured = text(&of_host(&findings()), &Screen { colours: true, ..SCREEN });
        let codes = ["\u{1b}[32m", "\u{1b}[33m", "\u{1b}[31m", "\u{1b}[2m", "\u{1b}[0m"];
        let plain = codes.iter().fold(coloured, |text, code| text.replace(code, ""));
        assert_eq!(plain, text(&of_host(&findings()), &SCREEN));
    }

    #[test]
    fn in_short_only_what_is_wrong_is_told() {
        let text = in_short(&of_host(&findings()), &Screen { width: None, ..SCREEN });
        assert!(text.starts_with("This host: 1 of 4 checks are passed:\nwarn  package"), "{text}");
        assert!(!text.contains("a uuid") && text.contains("\nFAIL  the service"), "{text}");
    }

    #[test]
    fn programs_get_names_that_stay() {
        let value = value(&findings(), None);
        let of = |at: usize, member: &str| value["checks"][at][member].clone();
        assert_eq!((of(0, "outcome"), of(1, "outcome")), ("ok".into(), "warning".into()));
        assert_eq!((of(2, "outcome"), of(3, "outcome")), ("not reached".into(), "failed".into()));
        assert_eq!(of(3, "id"), "xsc-service-stopped");
        assert!(!super::super::is_well(&findings()) && super::super::is_well(&findings()[..3]));
    }
}
