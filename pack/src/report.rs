//! What was found about a pack, for people and for programs.
//!
//! Knows how findings are shown; must not know what is checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::Serialize;
use serde_json::{Value, json};

use crate::check::{Outcome, Reader, Verdict};
use crate::dom0::{Landing, Played, Rehearsal, Run};
use crate::verify::Verification;

/// Columns that texts are wrapped to.
const WIDTH: usize = 80;

/// Everything that was found about a pack.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    pub verification: &'a Verification,
    /// `None` if it was not asked for, or if checks failed without which no host would come so far.
    pub rehearsal: Option<&'a Rehearsal>,
}

/// Checks of one reader, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Count {
    pub passed: usize,
    pub failed: usize,
    pub not_checked: usize,
}

impl Report<'_> {
    /// Every verdict, those of the rehearsal last.
    pub fn verdicts(&self) -> impl Iterator<Item = &Verdict> {
        self.verification.verdicts.iter().chain(self.rehearsal.iter().flat_map(|rehearsal| &rehearsal.verdicts))
    }

    /// The broken rules.
    pub fn failures(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts().filter(|verdict| verdict.failed())
    }

    /// Whether no rule is broken.
    pub fn passed(&self) -> bool {
        self.failures().next().is_none()
    }

    /// Verdicts by reader, counted.
    pub fn counts(&self) -> BTreeMap<Reader, Count> {
        let mut counts: BTreeMap<Reader, Count> = BTreeMap::new();
        for verdict in self.verdicts() {
            let count = counts.entry(verdict.check.reader).or_default();
            match verdict.outcome {
                Outcome::Passed(_) => count.passed += 1,
                Outcome::Failed(_) => count.failed += 1,
                Outcome::NotChecked(_) => count.not_checked += 1,
            }
        }
        counts
    }

    /// As JSON: `report.json`.
    pub fn to_json(&self) -> Value {
        let verification = self.verification;
        let counts: BTreeMap<String, Count> =
            self.counts().into_iter().map(|(reader, count)| (reader.to_string(), count)).collect();
        json!({
            "format": 1,
            "passed": self.passed(),
            "pack": { "label": verification.label, "version": verification.version, "uuid": verification.uuid },
            "readers": counts,
            "checks": self.verdicts().collect::<Vec<_>>(),
            "rehearsal": self.rehearsal.map(|rehearsal| json!({
                "scriptlets_proven": rehearsal.unproven.is_none(),
                "hosts": rehearsal.hosts,
                "in_dom0": rehearsal.landings,
            })),
        })
    }

    /// How many rules are broken, whatever the number of hosts.
    pub fn broken_rules(&self) -> usize {
        self.failures().map(|verdict| verdict.check.id).collect::<BTreeSet<_>>().len()
    }

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
        let mut text = String::new();
        // The same on several hosts is told once.
        let mut broken: Vec<(&Verdict, Vec<&str>)> = Vec::new();
        for verdict in self.failures() {
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
        // The same reason on several hosts is one line.
        let mut reasons: Vec<(&str, &str, Vec<&str>)> = Vec::new();
        // What waits for another check is told by number.
        let mut waiting: BTreeMap<&str, usize> = BTreeMap::new();
        for verdict in self.verdicts() {
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
}

impl Rehearsal {
    /// One row per scenario, one column per host.
    pub fn hosts_text(&self) -> String {
        let mut text = format!("  {:<29}", "rehearsed on");
        for host in &self.hosts {
            let _ = write!(text, " {:>11}", host.name);
        }
        text.push('\n');
        let mut names: Vec<&str> = Vec::new();
        for played in self.hosts.iter().flat_map(|host| &host.scenarios) {
            if !names.contains(&played.scenario) {
                names.push(played.scenario);
            }
        }
        for name in names {
            let _ = write!(text, "  {name:<29}");
            for host in &self.hosts {
                let played = host.scenarios.iter().find(|played| played.scenario == name);
                let _ = write!(text, " {:>11}", played.map_or("-", |played| played.result));
            }
            text.push('\n');
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
        let Some(host) =
            self.hosts.iter().rev().find(|host| host.scenarios.iter().any(|played| !played.runs.is_empty()))
        else {
            return String::new();
        };
        let mut text = format!("  {:<50} {:<8} result\n", format!("scripts in order, on {}", host.name), "argument");
        for Played { scenario, runs, .. } in &host.scenarios {
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
