//! The verdict, what each host says, and every check by its reader.

use maud::{Markup, html};

use super::Page;
use super::shown::Line;
use crate::check::{Outcome, Reader, Verdict};
use crate::verify::generations::{Basis, Says};

/// Most lines of one check.
const MOST_LINES: usize = 50;

/// What all of it comes to.
pub(super) fn verdict(page: &Page<'_>) -> Markup {
    let report = &page.report;
    let open = report.verdicts().filter(|verdict| matches!(verdict.outcome, Outcome::NotChecked(_))).count();
    let (class, title) = match (report.passed(), open, report.rehearsal) {
        (false, ..) => ("bad", "Do not ship this pack"),
        (true, 0, Some(rehearsal)) if rehearsal.unproven.is_none() => ("good", "Hosts will take this pack"),
        (true, 0, None) => ("open", "Nothing is wrong, and it was not rehearsed"),
        (true, ..) => ("open", "Nothing is wrong as far as it could be checked"),
    };
    html! {
        div class={ "verdict " (class) } role="status" {
            strong { (title) }
            p { (report.verdict_text()) }
            @if let Some(reason) = report.rehearsal.and_then(|rehearsal| rehearsal.unproven.as_deref()) {
                p { "Scripts were not run: " (Line(reason)) "." }
            }
        }
    }
}

/// What each host generation says, and what was rehearsed where.
pub(super) fn hosts(page: &Page<'_>) -> Markup {
    let answers = page.report.answers();
    let basis = match page.report.verification.basis {
        Basis::Asked => "These hosts were asked for.",
        Basis::Claimed => "The pack's own requirements claim these hosts.",
        Basis::All => "The pack requires nothing that tells hosts apart, so it is held to all that know its format.",
    };
    html! {
        @if answers.is_empty() {
            p { "Nothing could be asked of hosts: the pack cannot be read so far." }
        } @else {
            p { (basis) }
            ul class="hosts" {
                @for answer in &answers {
                    @let (class, word, reasons) = match &answer.says {
                        Says::Taken => ("good", "taken", &[][..]),
                        Says::Refused(reasons) => ("bad", "refused", reasons.as_slice()),
                        Says::NotKnown(reasons) => ("open", "not known", reasons.as_slice()),
                    };
                    li class=(class) {
                        span class="mark" { (word) }
                        div {
                            strong { (Line(&answer.name)) } " " span class="muted" { (Line(&answer.product)) }
                            @if answer.says == Says::Taken && !is_rehearsed(page, &answer.name) {
                                div class="muted small" { "by its rules; it was not rehearsed there" }
                            }
                            (lines(reasons))
                        }
                    }
                }
            }
        }
        @if let Some(rehearsal) = page.report.rehearsal {
            @if !rehearsal.hosts.is_empty() {
                h3 { "Rehearsed" }
                div class="scroll" tabindex="0" role="region" aria-label="Scenarios by host" {
                    table {
                        thead { tr { th scope="col" { "Scenario" } @for host in &rehearsal.hosts { th scope="col" { (Line(&host.name)) } } } }
                        tbody {
                            @for scenario in rehearsal.scenarios() {
                                tr {
                                    th scope="row" { (scenario) }
                                    @for host in &rehearsal.hosts {
                                        @let played = host.scenarios.iter().find(|played| played.scenario == scenario);
                                        td { @match played { Some(played) => (result(played.result)), None => "–" } }
                                    }
                                }
                            }
                        }
                    }
                }
                @for host in &rehearsal.hosts {
                    @for played in &host.scenarios {
                        @if let Some(refusal) = &played.refusal {
                            p class="small" { "On " (Line(&host.name)) ", " (played.scenario) ": " code { (Line(refusal)) } }
                        }
                    }
                }
            }
        }
    }
}

fn is_rehearsed(page: &Page<'_>, name: &str) -> bool {
    page.report.rehearsal.is_some_and(|rehearsal| rehearsal.hosts.iter().any(|host| host.name == name))
}

fn result(result: &str) -> Markup {
    let class = match result {
        "done" => "good",
        "FAILED" => "bad",
        _ => "open",
    };
    html! { span class={ "mark " (class) } { (result) } }
}

/// Every check, by reader; what failed is open.
pub(super) fn checks(page: &Page<'_>) -> Markup {
    let failed: Vec<&Verdict> = page.report.failures().collect();
    html! {
        @if !failed.is_empty() {
            h3 { "What is broken" }
            ul class="checks" { @for verdict in &failed { (check(verdict)) } }
            h3 { "By reader" }
        }
        @for (reader, count) in page.report.counts() {
            @let of_reader: Vec<&Verdict> = page.report.verdicts().filter(|verdict| verdict.check.reader == reader).collect();
            details {
                summary {
                    strong { (reader.to_string()) } " "
                    span class="muted" { (whose(reader)) }
                    " " span class="mark good" { (count.passed) " passed" }
                    @if count.failed > 0 { " " span class="mark bad" { (count.failed) " failed" } }
                    @if count.not_checked > 0 { " " span class="mark open" { (count.not_checked) " not checked" } }
                }
                div class="inside" { ul class="checks" { @for verdict in of_reader { (check(verdict)) } } }
            }
        }
    }
}

fn whose(reader: Reader) -> &'static str {
    match reader {
        Reader::Xapi => "the toolstack",
        Reader::Yum => "installs packages",
        Reader::Rpm => "puts files and runs scriptlets",
        Reader::Gpg => "verifies signatures",
        Reader::XenCenter | Reader::XenOrchestra => "a client",
        Reader::HostInstaller => "installs hosts",
        Reader::LegacyInstaller => "installs packs on 7.0 and before",
        Reader::Dom0 => "a host as a whole",
    }
}

fn check(verdict: &Verdict) -> Markup {
    let (class, word, found) = match &verdict.outcome {
        Outcome::Passed(seen) => ("good", "passed", std::slice::from_ref(seen)),
        Outcome::Failed(found) => ("bad", "failed", found.as_slice()),
        Outcome::NotChecked(why) => ("open", "not checked", std::slice::from_ref(why)),
    };
    let about = verdict.check;
    html! {
        li class=(class) {
            span class="mark" { (word) }
            div {
                code { (about.id) }
                @if let Some(host) = &verdict.host { " on " (Line(host)) }
                div { (about.rule) "." }
                div class="muted small" { (lines(found)) }
                @if verdict.failed() {
                    dl class="why" {
                        dt { "why" } dd { (about.why) }
                        dt { "remedy" } dd { (about.remedy) }
                        dt { "source" } dd { (about.source) }
                    }
                }
            }
        }
    }
}

fn lines(lines: &[String]) -> Markup {
    html! {
        @for line in lines.iter().take(MOST_LINES) { div { (Line(line)) } }
        @if lines.len() > MOST_LINES { div { "and " (lines.len() - MOST_LINES) " more" } }
    }
}
