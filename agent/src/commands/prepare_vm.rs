//! `xscontainer prepare-vm`: its options, what it prints, and how it ends.

use std::env;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use agent::doctor::shown;
use agent::engine::Container;
use agent::operator::screen::Screen;
use agent::prepare::over_tls::Source;
use agent::prepare::{self, Dialogue, Job, Manner, Means, Order, Outcome, Problem, Undo};
use agent::view::status;
use agent::xapi::Client;
use clap::error::ErrorKind;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use tracing::level_filters::LevelFilter;

use super::ascii;
use super::operator::screen;
use super::place::{Place, event_loop};
use super::signals;

pub(crate) const AFTER_HELP: &str = "\
Examples:
  xscontainer-prepare-vm -v web -u core             ask for core's password, let the pool in
  xscontainer-prepare-vm -v web --check             only look, step by step
  xscontainer-prepare-vm -v web --remove            take the key out, forget everything
  xscontainer-prepare-vm -v web -u core --yes --password-stdin < file
  xscontainer-prepare-vm -v win --mode tls --generate-certs

Exit codes:
  0    done; with --check: every step works
  1    failed otherwise, the reason is on standard error
  2    wrong usage
  3    the VM cannot be prepared: unknown, not running, no VM, somebody is at it
  4    the VM cannot be reached, or something in it stands in the way
  5    a question was answered with no, or by nobody
  6    the login was refused
  7    a file cannot be used
  8    XAPI does not do what is needed
  9    prepared, but no containers were published in time
  129, 130, 143
       hung up, interrupted, terminated; what was not finished was taken back";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Way {
    /// Linux, over SSH
    Ssh,
    /// Windows Server, and any engine behind TLS on port 2376
    Tls,
}

#[derive(Args)]
pub(crate) struct Options {
    /// The VM: its uuid, or its name if no other has it
    #[arg(short = 'v', long = "vmuuid", value_name = "VM", visible_alias = "vm")]
    vm: String,

    /// How the VM is reached
    #[arg(long, value_enum, default_value = "ssh")]
    mode: Way,

    /// The account in the VM [default: asked for]
    #[arg(short, long, value_name = "ACCOUNT")]
    username: Option<String>,

    /// A private key that the account accepts, to log in with this once
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,

    /// Take the account's password from the first line of standard input
    #[arg(long, requires = "yes")]
    password_stdin: bool,

    /// For TLS: make certificates, and bring them to the VM on a disc in its CD drive; with --yes the engine is waited for,
    /// up to 15 minutes
    #[arg(long)]
    generate_certs: bool,

    /// For TLS: this host's certificate, with those between it and the authority, in PEM form
    #[arg(long, value_name = "FILE", requires_all = ["client_key", "ca_cert"], conflicts_with = "generate_certs")]
    client_cert: Option<PathBuf>,

    /// For TLS: the key of that certificate, without a passphrase
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,

    /// For TLS: the certificate of the authority that the engine's is from
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    ca_cert: Option<PathBuf>,

    /// Change nothing; try every step from this host to the VM's engine
    #[arg(long, conflicts_with_all = ["remove", "username", "identity", "password_stdin"])]
    check: bool,

    /// Take the pool's key out of the VM, and forget everything about it
    #[arg(long, conflicts_with_all = ["username", "identity", "password_stdin"])]
    remove: bool,

    /// With --remove: also if the VM cannot be reached; the key stays in it
    #[arg(long, requires = "remove")]
    force: bool,

    /// Answer every question with yes, the one about the SSH server's key too
    #[arg(short, long)]
    yes: bool,

    /// Print the result as JSON on standard output, everything else on standard error
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    place: Place,
}

impl Options {
    /// What is to be done.
    ///
    /// # Errors
    /// Options that do not fit together.
    fn order(&self) -> Result<Order, &'static str> {
        let with_tls = self.generate_certs || self.client_cert.is_some();
        if with_tls && self.mode != Way::Tls {
            return Err("certificates are for --mode tls");
        }
        Ok(match (self.check, self.remove, self.mode) {
            (true, ..) => Order::Check,
            (_, true, _) => Order::Remove { force: self.force },
            (.., Way::Ssh) => Order::Ssh {
                user: self.username.clone(),
                means: Means { own_key: self.identity.clone(), password_on_stdin: self.password_stdin },
            },
            (.., Way::Tls) => Order::Tls(match (&self.client_cert, &self.client_key, &self.ca_cert) {
                (Some(certificate), Some(key), Some(authority)) => {
                    let (certificate, key, authority) = (certificate.clone(), key.clone(), authority.clone());
                    Source::Own { certificate, key, authority }
                }
                _ if self.generate_certs => Source::Made,
                _ => return Err("--mode tls needs --generate-certs, or --client-cert, --client-key and --ca-cert"),
            }),
        })
    }
}

pub(crate) fn run(options: Options) -> anyhow::Result<ExitCode> {
    let order =
        options.order().unwrap_or_else(|why| clap::Error::raw(ErrorKind::ArgumentConflict, format!("{why}\n")).exit());
    let usual = (options.place.log_file.is_none()).then_some(LevelFilter::OFF);
    let (_log, config) = options.place.begin(usual)?;
    let rules = config.monitor.reach;
    let dialogue = Dialogue::new(Manner { yes: options.yes, quiet: options.json, unicode: is_utf8() });
    let runtime = event_loop()?;
    let code = runtime.block_on(async {
        let mut undo = Undo::default();
        let client = Client::new(&options.place.socket);
        let result = {
            let work = async {
                let job = Job::find(client.clone(), &options.place.inventory, &options.vm, rules).await;
                let result = match &job {
                    Ok(job) => prepare::carry_out(job, &order, &dialogue, &mut undo).await,
                    Err(_) => Err(Problem::Declined("")),
                };
                job.and(result)
            };
            tokio::select! {
                biased;
                signal = signals::any() => Err(match signal {
                    Ok(signal) => Problem::Interrupted(signal),
                    Err(cause) => Problem::File("signals".into(), cause),
                }),
                result = work => result,
            }
        };
        for left in undo.all().await {
            let _ = writeln!(std::io::stderr(), "xscontainer: could not be taken back: {left}");
        }
        client.close().await;
        report(result, &options, &dialogue)
    });
    // A thread may still wait for an answer.
    runtime.shutdown_background();
    Ok(ExitCode::from(code))
}

fn report(result: Result<Outcome, Problem>, options: &Options, dialogue: &Dialogue) -> u8 {
    let (code, value) = match result {
        Ok(Outcome::Checked(walk)) => {
            let lines = shown::of_path(&walk);
            let _ = match options.json {
                true => std::io::stderr().write_all(shown::text(&lines, &unlimited()).as_bytes()),
                false => std::io::stdout().write_all(shown::text(&lines, &screen()).as_bytes()),
            };
            let steps: Vec<Value> = lines.iter().map(|line| line.value("step")).collect();
            (if walk.trouble().is_some() { 4 } else { 0 }, json!({"result": "checked", "steps": steps}))
        }
        Ok(Outcome::Prepared(prepared)) => {
            let containers: Vec<Value> = prepared.containers.iter().map(container_value).collect();
            (0, json!({"result": "prepared", "engine": prepared.engine, "containers": containers}))
        }
        Ok(Outcome::Removed(removed)) => (0, json!({"result": "removed", "key_taken_out": removed.from_guest})),
        Err(problem) => {
            let remedy = problem.remedy();
            let _ = writeln!(std::io::stderr(), "xscontainer: {}", dialogue.printable(&problem.to_string()));
            if let Some(remedy) = &remedy {
                let _ = writeln!(std::io::stderr(), "  {}", dialogue.printable(remedy));
            }
            let step = problem.step();
            (problem.exit_code(), json!({"error": problem.to_string(), "remedy": remedy, "step": step}))
        }
    };
    if options.json {
        let _ = writeln!(std::io::stdout(), "{}", ascii(&value));
    }
    code
}

/// A file, or somebody who reads what is not the result.
fn unlimited() -> Screen {
    Screen { width: None, colours: false, unicode: is_utf8() }
}

fn container_value(container: &Container) -> Value {
    let status = status::normalised(&container.status, &container.state);
    json!({"id": container.id, "name": container.name, "image": container.image, "status": status})
}

/// Whether the locale's character set is UTF-8: setlocale(3) takes the first of these that is set.
pub(super) fn is_utf8() -> bool {
    let set =
        ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| env::var(name).ok().filter(|text| !text.is_empty()));
    set.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}
