//! Plugins that are programs: what they get, what becomes of what they say, how they end.

use std::{
    fs,
    io::Write,
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    thread,
};

use super::raw::{DEADLINE, Lab, failure, post, record, text, value};
use lab::xapi::{Config, Fault, Ref, State};

const GOOD: &str = "echo '<methodResponse><params><param><value><struct><member><name>Status</name><value>Success</value>\
                    </member><member><name>Value</name><value>True</value></member></struct></value></param></params>\
                    </methodResponse>'";

/// A pool with a session and a folder for programs.
struct Plugins {
    lab: Lab,
    session: String,
    folder: tempfile::TempDir,
}

impl Plugins {
    fn start() -> Self {
        let lab = Lab::start_with(Config::with_tcp);
        let session = lab.login("test");
        Self { lab, session, folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    /// Installs a script; in it, `$dir` is the folder and `call METHOD PARAM` calls back in the session it was given.
    fn install(&self, host: &Ref, name: &str, script: &str) {
        let program = self.file(name);
        let port = self.lab.xapi.address().unwrap().port();
        let callback = format!(
            r#"call() {{
  session=${{1#*<param><value>}}
  body="<methodCall><methodName>$2</methodName><params><param><value>${{session%%<*}}</value></param>$3</params></methodCall>"
  exec 3<>/dev/tcp/127.0.0.1/{port}
  printf 'POST / HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s' ${{#body}} "$body" >&3
  cat <&3 >"$dir/reply"
}}"#
        );
        let dir = self.folder.path().display();
        fs::write(&program, format!("#!/bin/bash\ndir={dir}\n{callback}\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        self.lab.xapi.install_plugin(host, name, &program);
    }

    fn parameters(&self, host: &Ref, name: &str, arguments: &[(&str, &str)]) -> String {
        format!("{}{}{}{}{}", text(&self.session), text(host.as_str()), text(name), text("say"), record(arguments))
    }

    /// The reply to a call of the plugin on a host.
    fn call_on(&self, host: &Ref, name: &str, arguments: &[(&str, &str)]) -> String {
        self.lab.call("host.call_plugin", &self.parameters(host, name, arguments))
    }

    fn call(&self, name: &str, arguments: &[(&str, &str)]) -> String {
        self.call_on(&self.lab.xapi.host(), name, arguments)
    }

    /// The reply to a call of a script.
    fn run(&self, script: &str, arguments: &[(&str, &str)]) -> String {
        self.install(&self.lab.xapi.host(), "plugin", script);
        self.call("plugin", arguments)
    }

    /// Waits until so many programs run.
    fn until_running(&self, number: usize) {
        let run = |state: &State| (state.plugins_running() == number).then_some(());
        self.lab.xapi.block_until("the plugins run or have ended", DEADLINE, run).unwrap();
    }

    /// Waits until a program has made a file.
    fn until_there(&self, name: &str) {
        let end = std::time::Instant::now() + DEADLINE;
        while !self.file(name).exists() {
            assert!(std::time::Instant::now() < end, "{name} does not appear");
            thread::yield_now();
        }
    }
}

#[test]
fn a_program_gets_one_argument_and_nothing_else() {
    let plugins = Plugins::start();
    let script = format!(
        r#"printf %s "$1" >"$dir/argument"
echo "$# $PWD" >"$dir/arguments"
tr '\0' '\n' </proc/$$/environ >"$dir/environment"
readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2 >"$dir/streams"
ls /proc/$$/fd >"$dir/descriptors"
{GOOD}"#
    );
    assert_eq!(value(&plugins.run(&script, &[("vm uuid", "a &amp; &lt;b&gt; \"c\"\n"), ("empty", "")])), "True");
    let expected = format!(
        "<methodCall><methodName>say</methodName><params><param><value>{}</value></param><param><value><struct>\
         <member><name>vm uuid</name><value>a &amp; &lt;b&gt; &quot;c&quot;\n</value></member>\
         <member><name>empty</name><value/></member></struct></value></param></params></methodCall>",
        plugins.session
    );
    assert_eq!(plugins.read("argument"), expected);
    assert_eq!(plugins.read("arguments"), "1 /\n");
    assert_eq!(plugins.read("environment"), "PATH=/sbin:/usr/sbin:/bin:/usr/bin\n");
    let streams = plugins.read("streams");
    let streams: Vec<&str> = streams.lines().collect();
    assert_eq!(streams[0], "/dev/null");
    assert!(streams[1..].iter().all(|file| file.ends_with(" (deleted)")), "{streams:?}");
    // The shell itself has the script open.
    assert_eq!(plugins.read("descriptors").split_whitespace().collect::<Vec<_>>(), ["0", "1", "2", "255"]);
}

#[test]
fn how_it_ends_decides_what_the_caller_gets() {
    let plugins = Plugins::start();
    let out = "&lt;methodResponse/&gt;\n";
    for (script, expected) in [
        ("echo '<methodResponse/>'; echo why >&2; exit 1", ["XENAPI_PLUGIN_FAILURE", "non-zero exit", out, "why\n"]),
        (
            "echo '<methodResponse/>'; echo why >&2; kill -TERM $$",
            ["XENAPI_PLUGIN_FAILURE", "signal: SIGTERM", out, "why\n"],
        ),
        (
            "echo True",
            ["XENAPI_PLUGIN_FAILURE", "failed to parse plugin output", "True\n", "expected a root element line 1"],
        ),
    ] {
        assert_eq!(plugins.run(script, &[]), failure(&expected), "{script}");
    }
    assert!(plugins.run("echo '<methodResponse/>'", &[]).contains("<value>INTERNAL_ERROR</value>"));
    let failed = GOOD.replace("Success", "Failure").replace(
        "<name>Value</name><value>True</value>",
        "<name>ErrorDescription</name><value><array><data><value>CODE</value><value>a</value></data></array></value>",
    );
    assert_eq!(plugins.run(&failed, &[]), failure(&["CODE", "a"]));
}

#[test]
fn an_argument_longer_than_linux_takes_does_not_start_it() {
    let plugins = Plugins::start();
    assert_eq!(value(&plugins.run(GOOD, &[("a", &"x".repeat(130_000))])), "True");
    let reply = plugins.call("plugin", &[("a", &"x".repeat(131_072))]);
    assert!(reply.contains("<value>INTERNAL_ERROR</value>"), "{reply}");
}

#[test]
fn programs_run_side_by_side() {
    let plugins = Plugins::start();
    // Each waits for the other.
    let script = |own: &str, other: &str| {
        format!("touch $dir/{own}.runs\nuntil [ -e $dir/{other}.runs ]; do sleep 0.01; done\n{GOOD}")
    };
    let host = plugins.lab.xapi.host();
    plugins.install(&host, "first", &script("first", "second"));
    plugins.install(&host, "second", &script("second", "first"));
    thread::scope(|scope| {
        for name in ["first", "second"] {
            scope.spawn(|| assert_eq!(value(&plugins.call(name, &[])), "True"));
        }
    });
    plugins.until_running(0);
}

#[test]
fn a_program_calls_back_in_the_session_of_its_caller() {
    let plugins = Plugins::start();
    assert_eq!(value(&plugins.run(&format!("call \"$1\" pool.get_all\n{GOOD}"), &[])), "True");
    assert!(plugins.read("reply").contains(plugins.lab.xapi.pool().as_str()));
}

#[test]
fn each_host_has_its_own_plugins() {
    let plugins = Plugins::start();
    let xapi = &plugins.lab.xapi;
    let (first, second) = (xapi.host(), xapi.new_host("host-2", "192.0.2.2").unwrap());
    xapi.set_plugin("plugin", |_, _| Ok("stand-in".to_owned()));
    plugins.install(&second, "plugin", GOOD);
    plugins.install(&second, "other", GOOD);
    assert_eq!(value(&plugins.call_on(&first, "plugin", &[])), "stand-in");
    assert_eq!(value(&plugins.call_on(&second, "plugin", &[])), "True");
    assert_eq!(plugins.call_on(&first, "other", &[]), failure(&["XENAPI_MISSING_PLUGIN", "other"]));
    xapi.set_offline(&second);
    assert_eq!(plugins.call_on(&second, "other", &[]), failure(&["HOST_OFFLINE", second.as_str()]));
    xapi.set_online(&second);
    assert_eq!(value(&plugins.call_on(&second, "other", &[])), "True");
}

/// The scripts of the tests below rename the VM with their first call.
fn renaming(vm: &Ref) -> String {
    format!("call \"$1\" VM.set_name_label '{}{}'\n{GOOD}", text(vm.as_str()), text("renamed"))
}

#[test]
fn a_program_is_killed_before_or_after_its_nth_call() {
    for (after, name) in [(false, "web"), (true, "renamed")] {
        let plugins = Plugins::start();
        let xapi = &plugins.lab.xapi;
        let vm = xapi.add_vm("web", []).unwrap();
        xapi.count_from_now();
        assert_eq!(value(&plugins.run(&renaming(&vm), &[])), "True");
        assert_eq!(xapi.counted(), ["host.call_plugin", "VM.set_name_label"]);

        xapi.set(&vm, "name_label", "web").unwrap();
        xapi.count_from_now();
        xapi.fault_at(2, Fault::KillPlugin { after });
        let killed = ["XENAPI_PLUGIN_FAILURE", "signal: SIGKILL", "", ""];
        assert_eq!(plugins.run(&renaming(&vm), &[]), failure(&killed));
        assert_eq!(xapi.get(&vm, "name_label"), Ok(name.into()), "{after}");
        assert_eq!(xapi.look(State::plugins_running), 0);
    }
}

#[test]
fn without_a_program_nothing_is_killed_and_the_call_is_carried_out() {
    let plugins = Plugins::start();
    for after in [false, true] {
        plugins.lab.xapi.count_from_now();
        plugins.lab.xapi.fault_at(1, Fault::KillPlugin { after });
        assert!(plugins.lab.call("pool.get_all", &text(&plugins.session)).contains("Success"));
    }
}

#[test]
fn a_program_outlives_its_caller_but_not_the_simulator() {
    let mut plugins = Plugins::start();
    let host = plugins.lab.xapi.host();
    let script = "touch $dir/runs\nuntil [ -e $dir/go ]; do sleep 0.01; done\ntouch $dir/done";
    plugins.install(&host, "plugin", script);
    let call = |plugins: &Plugins| {
        let body = format!(
            "<methodCall><methodName>host.call_plugin</methodName><params>{}</params></methodCall>",
            plugins.parameters(&host, "plugin", &[])
        );
        let mut stream = UnixStream::connect(plugins.lab.xapi.socket()).unwrap();
        stream.write_all(post("/", &body).as_bytes()).unwrap();
        stream
    };
    let stream = call(&plugins);
    plugins.until_there("runs");
    drop(stream);
    plugins.lab.xapi.drop_connections();
    plugins.until_running(1);
    fs::write(plugins.file("go"), "").unwrap();
    plugins.until_there("done");
    plugins.until_running(0);

    ["go", "done", "runs"].iter().for_each(|name| fs::remove_file(plugins.file(name)).unwrap());
    let _stream = call(&plugins);
    plugins.until_there("runs");
    plugins.lab.xapi.stop();
    plugins.until_running(0);
    assert!(!Path::new(&plugins.file("done")).exists());
}
