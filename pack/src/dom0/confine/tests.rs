use std::path::Path;

use super::*;

const LIMIT: Duration = Duration::from_secs(30);

/// Answers with what it was asked, and writes it down.
#[derive(Default)]
struct Recorded {
    calls: Vec<(String, Vec<OsString>)>,
    reply: Reply,
}

impl Commands for Recorded {
    fn call(&mut self, program: &str, arguments: &[OsString]) -> Reply {
        self.calls.push((program.into(), arguments.to_vec()));
        self.reply.clone()
    }
}

fn root() -> Root {
    let root = Root::create(&std::env::temp_dir()).unwrap();
    furnish(&root, &["/usr/bin/rpm", "/usr/bin/systemctl", "/opt/xensource/bin/xe"]).unwrap();
    root
}

fn run_with(root: &Root, text: &str, time_limit: Duration, commands: &mut dyn Commands) -> Ran {
    let interpreter = ["/bin/sh".to_owned()];
    let arguments = ["1".to_owned()];
    let script = Script {
        interpreter: &interpreter,
        body: Body::Text(text.as_bytes()),
        arguments: &arguments,
        environment: &[],
        time_limit,
    };
    run(root, &script, commands).unwrap()
}

fn sh(root: &Root, text: &str) -> (End, String) {
    let ran = run_with(root, text, LIMIT, &mut NoCommands);
    (ran.end, String::from_utf8(ran.output).unwrap())
}

#[test]
fn smoke() {
    let root = root();
    println!("{:?}", sh(&root, "id; echo $0 $1; pwd; env; ls -la / /bin/ls; exit 3"));
}
