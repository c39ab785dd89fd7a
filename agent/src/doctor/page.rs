//! The page about troubles, made of the very texts that are printed: what can be wrong with a host and with the path to a
//! VM's engine, how it is tested, what usually is the cause, and what to do.
//!
//! `UPDATE_EXPECT=1 cargo test -p agent doctor::page` writes it anew.

use std::fmt::Write as _;

use super::check::Check;
use super::example::{Example, example};
use super::fault::{Fault, Severity};
use super::id::Id;
use crate::access::Mode;
use crate::guest::Family;
use crate::reach::Trouble;
use crate::reach::path::Step;

const INTRODUCTION: &str = "\
# Troubleshooting

`xscontainer doctor` examines this host, `xscontainer doctor VM` walks the path to a VM's engine as well. Neither changes
anything. A line that is not `ok` ends with a name such as `xsc-login-refused`, under which it is explained here; `--json` has
it as `id`. This page is made of the same texts by the same program, so that both always say the same.

If nothing here helps: `xscontainer doctor --report FILE` writes what a support engineer needs to know.
";

/// The page.
#[must_use]
pub fn text() -> String {
    let mut page = INTRODUCTION.to_owned();
    page += "\n## Names\n\n";
    for id in Id::ALL {
        let _ = writeln!(page, "- [{0}](#{0})", id.as_str());
    }
    page += "\n## The host\n";
    for check in Check::ALL {
        section(&mut page, check.name(), check.test(), check.causes());
        for (id, fault) in host_faults().filter(|(_, fault)| fault.check() == check) {
            let sign = if fault.severity() == Severity::Warning { "warn" } else { "FAIL" };
            entry(&mut page, id, &format!("{sign}  {}: {fault}", check.name()), &[(fault.remedy(), Vec::new())]);
        }
    }
    page += "\n## The path to a VM's engine\n\nOver SSH and over TLS it has these steps; it ends at the first that fails.\n";
    for step in steps() {
        section(&mut page, step.name(), step.test(), step.causes());
        for (id, trouble) in troubles().filter(|(_, trouble)| trouble.step() == step) {
            entry(&mut page, id, &format!("FAIL  {}: {trouble}", step.name()), &remedies(&trouble));
        }
        if step == Step::Settings {
            let keys = host_faults().filter(|(_, fault)| matches!(fault, Fault::Keys(_)));
            let keys: Vec<String> = keys.map(|(id, _)| format!("[{0}](#{0})", id.as_str())).collect();
            let _ = write!(page, "\nThe pool's key counts here too: {}.\n", keys.join(", "));
        }
    }
    page
}

fn host_faults() -> impl Iterator<Item = (Id, Fault)> {
    Id::ALL.iter().filter_map(|&id| match example(id) {
        Example::Host(fault) => Some((id, fault)),
        Example::Path(_) => None,
    })
}

fn troubles() -> impl Iterator<Item = (Id, Trouble)> {
    Id::ALL.iter().filter_map(|&id| match example(id) {
        Example::Path(trouble) => Some((id, *trouble)),
        Example::Host(_) => None,
    })
}

/// The steps of both paths, in order.
fn steps() -> Vec<Step> {
    let mut steps = [Step::path(Mode::Ssh), Step::path(Mode::Tls)].concat();
    steps.sort();
    steps.dedup();
    steps
}

fn section(page: &mut String, name: &str, test: &str, causes: &[&str]) {
    let _ = write!(page, "\n### {}\n\nTested by: {}.\n\nOften:\n\n", capital(name), marked(test));
    for cause in causes {
        let _ = writeln!(page, "- {}", marked(cause));
    }
}

fn entry(page: &mut String, id: Id, printed: &str, remedies: &[(String, Vec<Family>)]) {
    let _ = write!(page, "\n#### {}\n\n```text\n{printed}\n```\n\n", id.as_str());
    match remedies {
        [(remedy, _)] => {
            let _ = writeln!(page, "{}", marked(remedy));
        }
        several => {
            for (remedy, families) in several {
                let names: Vec<&str> = families.iter().map(|family| family.name()).collect();
                let _ = writeln!(page, "- {}: {}", names.join("; "), marked(remedy));
            }
        }
    }
}

/// What to do, and the families for whom it is the same.
fn remedies(trouble: &Trouble) -> Vec<(String, Vec<Family>)> {
    let mut all: Vec<(String, Vec<Family>)> = Vec::new();
    for family in Family::ALL {
        let remedy = trouble.remedy(family);
        match all.iter_mut().find(|(known, _)| *known == remedy) {
            Some((_, families)) => families.push(family),
            None => all.push((remedy, vec![family])),
        }
    }
    all
}

/// With what Markdown would take for its own marked as text, but in what is marked as code already.
fn marked(text: &str) -> String {
    let mut is_code = false;
    text.chars().fold(String::new(), |mut marked, c| {
        is_code ^= c == '`';
        if !is_code && matches!(c, '*' | '_' | '<' | '[' | '\\') {
            marked.push('\\');
        }
        marked.push(c);
        marked
    })
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_page_in_the_pack_says_what_this_program_says() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/dom0/usr/share/doc/xscontainer/troubleshooting.md");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(file, text()).unwrap();
        }
        let found = fs::read_to_string(Path::new(file)).unwrap();
        assert!(found == text(), "{file} is of before a change: UPDATE_EXPECT=1 cargo test -p agent doctor::page");
    }

    #[test]
    fn every_name_is_explained_once() {
        let page = text();
        for id in Id::ALL {
            assert_eq!(page.matches(&format!("\n#### {}\n", id.as_str())).count(), 1, "{}", id.as_str());
        }
    }
}
