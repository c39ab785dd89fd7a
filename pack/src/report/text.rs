//! What was found, for terminals: 80 columns, and nothing in it that a terminal would obey.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Report;
use crate::check::{Outcome, Verdict};
use crate::dom0::{Landing, Played, Rehearsal, Rehearsed, Run};
use crate::verify::generations::{Answer, Basis, Says};

/// Columns that texts are wrapped to.
const WIDTH: usize = 80;

impl Report<'_> {
    /// One line on what all of it comes to.
    pub fn verdict_text(&self) -> String {
        let open = self.verdicts().filter(|verdict| matches!(verdict.outcome, Outcome::NotChecked(_))).count();
        let rehearsed = if self.rehearsal.is_some() { "" } else { " It was not rehearsed." };
        let not_checked = match open {
            0 => String::new(),
            1 => " One check could not be made.".into(),
            _ => format!(" {open} checks could not be made."),
        };
        match self.broken_rules() {
            0 => format!("No rule is broken.{not_checked}{rehearsed}"),
            1 => format!("One rule is broken: a host would refuse it, or do nothing.{rehearsed}"),
            broken => format!("{broken} rules are broken: a host would refuse it, or do nothing.{rehearsed}"),
        }
    }

    /// The broken rules, each with what was found, why it matters and what to do.
    pub fn failures_text(&self) -> String {
        failures_text(self.failures())
    }

    /// The same of the rehearsal alone.
    pub fn rehearsal_failures_text(&self) -> String {
        let verdicts = self.rehearsal.iter().flat_map(|rehearsal| &rehearsal.verdicts);
        failures_text(verdicts.filter(|verdict| verdict.failed()))
    }

    /// A line per reader, and what was not checked.
    pub fn checks_text(&self) -> String {
        let mut text = String::from("  checked by                       passed  failed  not checked\n");
        let number = |count: usize| if count == 0 { "-".to_owned() } else { count.to_string() };
        for (reader, count) in self.counts() {
            let _ = writeln!(
                text,
                "  {:<32} {:>6}  {:>6}  {:>11}",
                reader.to_string(),
                number(count.passed),
                number(count.failed),
                number(count.not_checked)
            );
        }
        text
    }

    /// What was not checked, and why.
    pub fn not_checked_text(&self) -> String {
        not_checked_text(self.verdicts())
    }

    /// The same of the rehearsal alone.
    pub fn rehearsal_not_checked_text(&self) -> String {
        not_checked_text(self.rehearsal.iter().flat_map(|rehearsal| &rehearsal.verdicts))
    }

    /// Every check with what was seen.
    pub fn details_text(&self) -> String {
        let mut text = String::new();
        for verdict in self.verdicts() {
            let host = verdict.host.as_ref().map_or(String::new(), |host| format!(" on {host}"));
            let (word, seen) = match &verdict.outcome {
                Outcome::Passed(seen) => ("passed", seen.clone()),
                Outcome::Failed(found) => ("FAILED", found.join("; ")),
                Outcome::NotChecked(reason) => ("not checked", reason.clone()),
            };
            wrapped(&mut text, &format!("  {word:<11} {}{host}: ", verdict.check.id), "              ", &seen);
        }
        text
    }

    /// What each host generation says.
    pub fn answers_text(&self) -> String {
        let basis = match self.verification.basis {
            Basis::Asked => "asked for",
            Basis::Claimed => "as the pack's own requirements claim",
            Basis::All => "the pack's requirements tell none apart",
        };
        let mut text = format!("  hosts: {basis}\n");
        for Answer { name, says, .. } in self.answers() {
            let (word, reasons) = match &says {
                Says::Taken => ("taken", &[][..]),
                Says::Refused(reasons) => ("refused", reasons.as_slice()),
                Says::NotKnown(reasons) => ("not known", reasons.as_slice()),
            };
            let first = format!("    {name:<8} {word}");
            match reasons.split_first() {
                None => {
                    let _ = writeln!(text, "{first}");
                }
                Some((reason, others)) => {
                    wrapped(&mut text, &format!("{first}: "), "             ", reason);
                    others.iter().for_each(|reason| wrapped(&mut text, "             ", "             ", reason));
                }
            }
        }
        if self.verification.answers.is_empty() { String::new() } else { text }
    }
}

impl Rehearsal {
    /// One row per scenario, one column per host.
    pub fn hosts_text(&self) -> String {
        let mut text = format!("  {:<29}", "rehearsed on");
        for host in &self.hosts {
            let _ = write!(text, " {:>11}", host.name);
        }
        text.push('\n');
        for name in self.scenarios() {
            let _ = write!(text, "  {name:<29}");
            for host in &self.hosts {
                let played = host.scenarios.iter().find(|played| played.scenario == name);
                let _ = write!(text, " {:>11}", played.map_or("-", |played| played.result));
            }
            text.push('\n');
        }
        text
    }

    /// What hosts said that refused the pack, in a step of a scenario.
    pub fn refusals_text(&self) -> String {
        let mut text = String::new();
        for host in &self.hosts {
            for Played { scenario, refusal, .. } in &host.scenarios {
                if let Some(refusal) = refusal {
                    wrapped(&mut text, &format!("  {scenario} on {}: ", host.name), "    ", refusal);
                }
            }
        }
        text
    }

    /// What lands where, with mode and owner.
    pub fn landings_text(&self, size: &dyn Fn(u64) -> String) -> String {
        let mut text = format!("  {:<4}  {:<9} {:>9}  in dom0\n", "mode", "owner", "size");
        for Landing { path, mode, owner, size: bytes, note, .. } in &self.landings {
            let size = bytes.map_or(String::new(), size);
            let note = note.map_or(String::new(), |note| format!("  ({note})"));
            let _ = writeln!(text, "  {mode}  {owner:<9} {size:>9}  {}{note}", printable(path));
        }
        text
    }

    /// The scripts that ran on the newest host that took the pack, in order, with what they called.
    pub fn scripts_text(&self) -> String {
        self.hosts.iter().rev().find(|host| host.has_runs()).map_or(String::new(), Rehearsed::scripts_text)
    }
}

impl Rehearsed {
    /// Whether any script ran there.
    pub fn has_runs(&self) -> bool {
        self.scenarios.iter().any(|played| !played.runs.is_empty())
    }

    /// The scripts that ran there, in order, with what they called.
    pub fn scripts_text(&self) -> String {
        let mut text = format!("  {:<50} {:<8} result\n", format!("scripts in order, on {}", self.name), "argument");
        for Played { scenario, runs, .. } in &self.scenarios {
            let _ = writeln!(text, "  {scenario}");
            for Run { what, arguments, ended, calls, .. } in runs {
                let _ = writeln!(text, "    {what:<48} {:<8} {ended}", arguments.join(" "));
                for call in calls {
                    let _ = writeln!(text, "      {}", printable(call));
                }
            }
        }
        text
    }
}

/// Text of a pack without what would confuse a terminal, and not without end.
fn printable(text: &str) -> String {
    const MOST: usize = 300;
    let cut = if text.chars().count() > MOST { "…" } else { "" };
    let shown = text.chars().take(MOST).map(|c| if c.is_control() { '\u{fffd}' } else { c });
    shown.chain(cut.chars()).collect()
}

fn labelled(text: &mut String, label: &str, line: &str) {
    wrapped(text, &format!("  {label:<7} "), "          ", line);
}

/// Writes `line` after `first`, wrapped between words, with `rest` before each further line.
fn wrapped(text: &mut String, first: &str, rest: &str, line: &str) {
    let mut current = first.to_owned();
    let mut fresh = true;
    let line: String =
        line.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect();
    for word in line.split_whitespace() {
        if !fresh && current.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(text, "{}", current.trim_end());
            current = rest.to_owned();
            fresh = true;
        }
        if !fresh {
            current.push(' ');
        }
        current.push_str(word);
        fresh = false;
    }
    let _ = writeln!(text, "{}", current.trim_end());
}

fn failures_text<'v>(failures: impl Iterator<Item = &'v Verdict>) -> String {
    let mut text = String::new();
    // The same on several hosts is told once.
    let mut broken: Vec<(&Verdict, Vec<&str>)> = Vec::new();
    for verdict in failures {
        let same = |(other, _): &&mut (&Verdict, Vec<&str>)| {
            (other.check.id, &other.outcome) == (verdict.check.id, &verdict.outcome)
        };
        match broken.iter_mut().find(same) {
            Some((_, hosts)) => hosts.extend(verdict.host.as_deref()),
            None => broken.push((verdict, verdict.host.as_deref().into_iter().collect())),
        }
    }
    for (verdict, hosts) in broken {
        let check = verdict.check;
        let on = if hosts.is_empty() { String::new() } else { format!(", on {}", hosts.join(", ")) };
        let _ = writeln!(text, "\nFAILED  {}  ({}{on})", check.id, check.reader);
        if let Outcome::Failed(found) = &verdict.outcome {
            found.iter().for_each(|line| labelled(&mut text, "found", line));
        }
        for (label, line) in
            [("rule", check.rule), ("why", check.why), ("remedy", check.remedy), ("source", check.source)]
        {
            labelled(&mut text, label, line);
        }
    }
    text
}

/// What was not checked, and why.
fn not_checked_text<'v>(verdicts: impl Iterator<Item = &'v Verdict>) -> String {
    // The same reason on several hosts is one line.
    let mut reasons: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    // What waits for another check is told by number.
    let mut waiting: BTreeMap<&str, usize> = BTreeMap::new();
    for verdict in verdicts {
        let Outcome::NotChecked(reason) = &verdict.outcome else { continue };
        let host = verdict.host.as_deref();
        if reason.starts_with("needs ") {
            *waiting.entry(reason).or_default() += 1;
            continue;
        }
        match reasons.iter_mut().find(|(id, known, _)| (*id, *known) == (verdict.check.id, reason)) {
            Some((_, _, hosts)) => hosts.extend(host),
            None => reasons.push((verdict.check.id, reason, host.into_iter().collect())),
        }
    }
    let mut text = String::new();
    for (id, reason, hosts) in reasons {
        let hosts = if hosts.is_empty() { String::new() } else { format!(" on {}", hosts.join(", ")) };
        wrapped(&mut text, &format!("  not checked: {id}{hosts}: "), "    ", reason);
    }
    for (reason, count) in waiting {
        let checks = if count == 1 { "another check".to_owned() } else { format!("{count} other checks") };
        let _ = writeln!(
            text,
            "  not checked: {checks}, which {}",
            reason.replacen("needs", if count == 1 { "needs" } else { "need" }, 1)
        );
    }
    text
}
