//! The test programs of the workspace, run two at a time: most of their tests wait for something, and the last tests of one
//! must not leave the other processor idle.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::tools::cargo;
use pack::commands::interrupt;

/// Programs at a time.
const AT_A_TIME: usize = 2;

/// Those that take longest begin first; all others follow in cargo's order.
const LONGEST: [&str; 9] = [
    "pack_command",
    "containers",
    "pack_broken_on_hosts",
    "pack_verify",
    "fuzz",
    "operator",
    "prepare",
    "metrics",
    "config_drive",
];

/// Between two looks at a running program.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// One test program.
struct Program {
    name: String,
    file: PathBuf,
    /// Its package's folder.
    folder: PathBuf,
}

/// Builds all test programs below `root`, runs them with these variables, and prints what each says when it has ended; then
/// the examples in documentation.
///
/// # Errors
/// If one does not build or fails; all others are run all the same.
pub(crate) fn run(root: &std::path::Path, variables: &[(&str, PathBuf)]) -> anyhow::Result<()> {
    let mut programs = build(root)?;
    programs.sort_by_key(|program| LONGEST.iter().position(|name| *name == program.name).unwrap_or(LONGEST.len()));
    let outputs = root.join("target/test/programs");
    fs::create_dir_all(&outputs)?;
    let threads = thread::available_parallelism().map_or(2, usize::from) + 1;
    // From the end on.
    programs.reverse();
    let (waiting, failed) = (Mutex::new(programs), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let Some(program) = waiting.lock().ok().and_then(|mut waiting| waiting.pop()) else { return };
                    if interrupt::interrupted() {
                        return;
                    }
                    let output = outputs.join(format!("{}.log", program.name));
                    let begun = Instant::now();
                    let passed = run_one(&program, &output, threads, variables);
                    let text = fs::read(&output).unwrap_or_default();
                    // In one piece, whoever else prints.
                    let mut stdout = io::stdout().lock();
                    let head = format!("\n     Running {} ({:.0} s)\n", program.name, begun.elapsed().as_secs_f64());
                    let _ = io::Write::write_all(&mut stdout, &[head.as_bytes(), &text].concat());
                    if !matches!(passed, Ok(true)) {
                        let why = passed.err().map(|error| format!(" ({error})")).unwrap_or_default();
                        failed
                            .lock()
                            .map(|mut failed| failed.push(format!("{}{why}", program.name)))
                            .unwrap_or_default();
                    }
                }
            });
        }
    });
    if interrupt::interrupted() {
        bail!("interrupted");
    }
    let mut documentation = cargo(root);
    documentation.args(["test", "--workspace", "--features", "lab/lab", "--doc", "--no-fail-fast"]);
    let mut failed = failed.into_inner().unwrap_or_default();
    if !interrupt::run(&mut documentation)?.success() {
        failed.push("the examples in documentation".to_owned());
    }
    match failed.is_empty() {
        true => Ok(()),
        false => bail!("some tests failed, see above: {}", failed.join(", ")),
    }
}

fn build(root: &std::path::Path) -> anyhow::Result<Vec<Program>> {
    // Tests of other packages run it, so that cargo does not build it for them.
    let mut suppack = cargo(root);
    suppack.args(["build", "--workspace", "--features", "lab/lab", "--bin", "suppack"]);
    if !interrupt::run(&mut suppack)?.success() {
        bail!("suppack does not build; see above");
    }
    let mut build = cargo(root);
    build.args([
        "test",
        "--workspace",
        "--features",
        "lab/lab",
        "--no-run",
        "--message-format",
        "json-render-diagnostics",
    ]);
    // Its progress and errors are for the person.
    let output = build.stderr(Stdio::inherit()).output().context("cargo cannot be run")?;
    if !output.status.success() {
        bail!("the tests do not build; see above");
    }
    let lines = String::from_utf8_lossy(&output.stdout);
    let programs: Vec<Program> = lines.lines().filter_map(|line| program(&serde_json::from_str(line).ok()?)).collect();
    if programs.is_empty() {
        bail!("cargo names no test programs");
    }
    Ok(programs)
}

/// The program that a message of cargo's is about, if it is a test program.
fn program(message: &Value) -> Option<Program> {
    let is_test = message["reason"] == "compiler-artifact" && message["profile"]["test"] == true;
    let file = message["executable"].as_str().filter(|_| is_test)?;
    let folder = PathBuf::from(message["manifest_path"].as_str()?).parent()?.to_owned();
    let (name, kind) = (message["target"]["name"].as_str()?, message["target"]["kind"][0].as_str()?);
    let name = if kind == "test" { name.to_owned() } else { format!("{name} ({kind})") };
    Some(Program { name, file: file.into(), folder })
}

fn run_one(
    program: &Program,
    output: &std::path::Path,
    threads: usize,
    variables: &[(&str, PathBuf)],
) -> io::Result<bool> {
    let file = fs::File::create(output)?;
    let mut command = Command::new(&program.file);
    command.current_dir(&program.folder).env("CARGO_MANIFEST_DIR", &program.folder);
    command.env("CARGO", env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.env("RUST_TEST_THREADS", threads.to_string()).envs(variables.iter().map(|(name, value)| (name, value)));
    let mut child = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn()?;
    wait(&mut child)
}

/// Whether it ended well; ends it when we are to end.
fn wait(child: &mut Child) -> io::Result<bool> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if interrupt::interrupted() {
            child.kill()?;
        }
        thread::sleep(LOOK_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn test_programs_are_told_from_everything_else_that_cargo_builds() {
        let message = |test: bool, kind: &str| {
            json!({
                "reason": "compiler-artifact", "manifest_path": "/w/tests/Cargo.toml", "executable": "/w/target/x-1",
                "target": {"name": "x", "kind": [kind]}, "profile": {"test": test},
            })
        };
        let found = program(&message(true, "test")).unwrap();
        assert_eq!((found.name.as_str(), found.folder.to_str()), ("x", Some("/w/tests")));
        assert_eq!(program(&message(true, "lib")).unwrap().name, "x (lib)");
        assert!(program(&message(false, "bin")).is_none());
        assert!(program(&json!({"reason": "build-finished"})).is_none());
    }
}
