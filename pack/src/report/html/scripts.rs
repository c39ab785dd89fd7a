//! Scripts of the pack: their text, and how they ran in the rehearsal, with what they called.

use maud::{Markup, html};

use super::Page;
use super::shown::{Block, Line};
use super::tree::packages;
use crate::dom0::{Ended, Rehearsed, Run};
use crate::inspect::{PackageInfo, ScriptletInfo};

/// Most packages whose scripts are shown.
const MOST_PACKAGES: usize = 300;
/// Most runs of one scenario.
const MOST_RUNS: usize = 300;
/// Most calls of one run.
const MOST_CALLS: usize = 200;

/// The part of the page.
pub(super) fn section(page: &Page<'_>) -> Markup {
    let with: Vec<&PackageInfo> =
        packages(page.inspection).filter(|package| !package.scriptlets.is_empty() || package.has_triggers).collect();
    let hosts: Vec<&Rehearsed> = page.report.rehearsal.map_or(Vec::new(), |rehearsal| {
        rehearsal.hosts.iter().filter(|host| host.scenarios.iter().any(|played| !played.runs.is_empty())).collect()
    });
    html! {
        @if let Some(newest) = hosts.last() {
            h3 { "As they ran on " (Line(&newest.name)) }
            (host(newest, true))
            @for other in hosts.iter().rev().skip(1) {
                details {
                    summary { "On " (Line(&other.name)) }
                    div class="inside" { (host(other, false)) }
                }
            }
        } @else {
            p { "No script was run in a rehearsal." }
        }
        @if with.is_empty() {
            p { "No package has scriptlets." }
        } @else {
            h3 { "Their text" }
            @for package in with.iter().take(MOST_PACKAGES) {
                details open[with.len() == 1] {
                    summary {
                        (Line(&package.name)) " "
                        span class="muted" {
                            @for scriptlet in &package.scriptlets { (scriptlet.moment) " " }
                            @if package.has_triggers { "triggers" }
                        }
                    }
                    div class="inside" { @for scriptlet in &package.scriptlets { (text(scriptlet)) } }
                }
            }
        }
    }
}

fn host(host: &Rehearsed, newest: bool) -> Markup {
    html! {
        @for (index, played) in host.scenarios.iter().enumerate().filter(|(_, played)| !played.runs.is_empty()) {
            details open[newest && index == 0] {
                summary {
                    strong { (played.scenario) } " "
                    span class="muted" { (played.runs.len()) @if played.runs.len() == 1 { " script, " } @else { " scripts, " } (played.result) }
                }
                div class="inside" {
                    ol { @for run in played.runs.iter().take(MOST_RUNS) { (ran(run)) } }
                    @if played.runs.len() > MOST_RUNS { p { "and " (played.runs.len() - MOST_RUNS) " more" } }
                }
            }
        }
    }
}

fn ran(run: &Run) -> Markup {
    let class = match run.ended {
        Ended::Exited(0) => "good",
        Ended::NotProven(_) => "open",
        _ => "bad",
    };
    html! {
        li {
            code { (Line(&run.what)) @for argument in &run.arguments { " " (Line(argument)) } } " "
            span class={ "mark " (class) } { @if class == "good" { "done" } @else if class == "open" { "not proven" } @else { "failed" } }
            @if class != "good" { div class="small" { (Line(&run.ended.to_string())) } }
            @if !run.calls.is_empty() {
                div class="small muted" { "called" }
                pre { code { @for call in run.calls.iter().take(MOST_CALLS) { (Line(call)) "\n" } } }
                @if run.calls.len() > MOST_CALLS { div class="small muted" { "and " (run.calls.len() - MOST_CALLS) " more" } }
            }
            @if !run.output.trim().is_empty() {
                div class="small muted" { "printed" }
                pre { code { (Block(run.output.trim_end())) } }
            }
        }
    }
}

fn text(scriptlet: &ScriptletInfo) -> Markup {
    html! {
        p class="small" {
            code { (scriptlet.moment) } " by " code { (Line(&scriptlet.program.join(" "))) }
            @if scriptlet.expands { ", with macros that rpm expands" }
        }
        @if let Some(body) = &scriptlet.body { pre { code { (Block(body)) } } }
    }
}
