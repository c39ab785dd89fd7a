//! `xscontainer doctor`: its options, what it prints, and how it ends.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use agent::doctor::{self, Finding, Places, Walked, report, shown};
use agent::operator::Problem;
use clap::Args;
use serde_json::Value;

use super::operator::{Common, fail, print, print_value, screen};
use super::place::event_loop;

pub(crate) const AFTER_HELP: &str = "\
Examples:
  xscontainer doctor                        examine this host
  xscontainer doctor web                    walk the path to the engine of the VM web, too
  xscontainer doctor --report report.txt    what a support engineer needs, without secrets

Exit codes:
  0    nothing is wrong, or there are warnings only; with --report: it is written
  1    it could not be done, the reason is on standard error
  2    wrong usage
  3    no such VM, or the name may mean several
  4    the path to the VM's engine ends somewhere
  6    something is wrong with this host
  141  whoever read the output has gone

Everything that can be found is explained in /usr/share/doc/xscontainer/troubleshooting.md";

/// The path to a VM ends somewhere.
const PATH_ENDS: u8 = 4;

/// Something is wrong with the host.
const HOST_FAILS: u8 = 6;

#[derive(Args)]
pub(crate) struct Options {
    /// Walk the path to the engine of this VM too, by name or uuid
    vm: Option<String>,

    /// Write all of it, and logs, into a new file; - for standard output [default: a name with host and date]
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = false, conflicts_with = "json")]
    report: Option<Option<PathBuf>>,

    /// The folder that dom0's files are below, but those that other options name
    #[arg(long, value_name = "PATH", default_value = "/", hide_short_help = true)]
    root: PathBuf,

    #[command(flatten)]
    common: Common,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let dom0 = options.common.place.begin()?;
    let places = Places { dom0, config: options.common.place.config.clone(), root: options.root.clone() };
    event_loop()?.block_on(async {
        let walked = match &options.vm {
            Some(vm) => Some(doctor::walk_to(&places.dom0, vm).await),
            None => None,
        };
        let walked = match walked {
            Some(Err(problem @ (Problem::NoVm(_) | Problem::SeveralVms(..)))) => {
                return Ok(fail(&problem, options.common.json));
            }
            walked => walked,
        };
        let findings = doctor::examine(&places).await;
        if let Some(file) = &options.report {
            let walked = walked.and_then(Result::ok);
            let text = report::gather(&places, &findings, walked.as_ref()).await;
            return Ok(write(file.clone().unwrap_or_else(report::usual_name).as_path(), &text));
        }
        let printed = match options.common.json {
            true => print_value(&value(&findings, walked.as_ref())),
            false => print(&text(&findings, walked.as_ref())),
        };
        Ok(if printed == ExitCode::SUCCESS { code(&findings, walked.as_ref()) } else { printed })
    })
}

fn value(findings: &[Finding], walked: Option<&Result<Walked, Problem>>) -> Value {
    let mut value = shown::value(findings, walked.and_then(|walked| walked.as_ref().ok()));
    if let Some(Err(problem)) = walked {
        value["error"] = problem.to_string().into();
    }
    value
}

fn text(findings: &[Finding], walked: Option<&Result<Walked, Problem>>) -> String {
    let (screen, host) = (screen(), shown::of_host(findings));
    match walked {
        None => shown::text(&host, &screen),
        Some(Ok(walked)) => {
            let path = shown::text(&shown::of_path(&walked.walk), &screen);
            format!("{}\n{}{path}", shown::in_short(&host, &screen), shown::heading(walked, &screen))
        }
        Some(Err(problem)) => {
            let why = screen.line(&format!("The path to the VM's engine cannot be walked: {problem}"));
            format!("{}\n{why}\n", shown::in_short(&host, &screen))
        }
    }
}

fn code(findings: &[Finding], walked: Option<&Result<Walked, Problem>>) -> ExitCode {
    match walked {
        Some(Ok(walked)) if walked.walk.trouble().is_some() => ExitCode::from(PATH_ENDS),
        Some(Err(_)) => ExitCode::from(HOST_FAILS),
        _ if doctor::is_well(findings) => ExitCode::SUCCESS,
        _ => ExitCode::from(HOST_FAILS),
    }
}

fn write(file: &Path, text: &str) -> ExitCode {
    if file.as_os_str() == OsStr::new("-") {
        return print(text);
    }
    match report::write(file, text) {
        Ok(()) => {
            let _ = writeln!(std::io::stdout(), "written: {}", screen().line(&file.to_string_lossy()));
            ExitCode::SUCCESS
        }
        Err(error) => fail(&Problem::Io(format!("cannot write the report {}", file.display()), error), false),
    }
}
