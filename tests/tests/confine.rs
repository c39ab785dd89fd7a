//! Scripts of hostile packs, kept in a host's root: they see and change nothing else, and end when they must.
//!
//! Run as root, everything is run again as a user without privileges.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::ffi::OsString;
use std::io;
use std::net::TcpListener;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use pack::dom0::confine::{Body, Commands, End, MAX_OUTPUT, Ran, Reply, Script, available, furnish, run};
use pack::dom0::root::{Kind, Limits, Root};

const LIMIT: Duration = Duration::from_secs(60);

/// Writes down what it is asked, and always gives the same reply.
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

fn run_text(root: &Root, text: &str, time_limit: Duration, commands: &mut dyn Commands) -> io::Result<Ran> {
    let script = Script {
        interpreter: &["/bin/sh".to_owned()],
        body: Body::Text(text.as_bytes()),
        arguments: &["1".to_owned()],
        environment: &[("XS_PREVIOUS_INSTALLATION".to_owned(), "/mnt".to_owned())],
        time_limit,
    };
    run(root, &script, commands)
}

/// Runs a script that nothing is known of but its end and its output.
fn sh(root: &Root, text: &str) -> (End, String) {
    let ran = run_text(root, text, LIMIT, &mut Recorded::default()).unwrap();
    (ran.end, String::from_utf8(ran.output).unwrap())
}

fn paths(root: &Root) -> Vec<String> {
    let entries = root.list(&Limits::default()).unwrap();
    entries.iter().map(|entry| entry.path.to_str().unwrap().to_owned()).collect()
}

/// A folder that everybody may read and write, with a file in it.
fn canary() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("canary-").tempdir().unwrap();
    let file = folder.path().join("canary");
    std::fs::write(&file, "alive").unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o666)).unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
    folder
}

/// Whether a process with this on its command line is left.
fn is_running(text: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).any(|line| line.contains(text))
}

#[test]
fn a_scriptlet_is_run_as_rpm_runs_it() {
    let root = root();
    let text = r#"
        printf '%s\n' "$0" "$#" "$1" "$PWD" "$PATH" "$XS_PREVIOUS_INSTALLATION" "$(id -u)" "$(umask)" "$(cat)end"
        ls -l "$0" | cut -c1-10
    "#;
    let before = paths(&root);
    let (end, output) = sh(&root, text);
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(end, End::Exited(0), "{output}");
    let name = lines[0].strip_prefix("/var/tmp/rpm-tmp.").unwrap();
    assert!(name.len() == 6 && name.bytes().all(|letter| letter.is_ascii_alphanumeric()), "{name}");
    let path = "/sbin:/bin:/usr/sbin:/usr/bin:/usr/X11R6/bin";
    assert_eq!(lines[1..], ["1", "1", "/", path, "/mnt", "0", "0022", "end", "-rwx------"]);
    assert_eq!(paths(&root), before, "nothing is left");
}

#[test]
fn ends_are_told_apart() {
    let root = root();
    for (text, end) in [
        ("exit 0", End::Exited(0)),
        ("exit 3", End::Exited(3)),
        ("kill -9 $$", End::Killed(9)),
        ("kill -TERM $$", End::Killed(15)),
        ("no-such-program", End::Exited(127)),
    ] {
        assert_eq!(sh(&root, text).0, end, "{text}");
    }
}

#[test]
fn an_interpreter_that_the_host_lacks_is_named() {
    let root = root();
    let script = Script {
        interpreter: &["/usr/bin/python2".to_owned()],
        body: Body::Text(b"print 1"),
        arguments: &[],
        environment: &[],
        time_limit: LIMIT,
    };
    let ran = run(&root, &script, &mut Recorded::default()).unwrap();
    let output = String::from_utf8(ran.output).unwrap();
    assert_eq!(ran.end, End::Exited(127));
    assert!(output.contains("/usr/bin/python2"), "{output}");
}

#[test]
fn a_program_of_the_host_and_an_interpreter_without_a_body_are_run() {
    let root = root();
    root.write("/usr/bin/precheck", 0o755, &mut &b"#!/bin/bash\necho \"$0 $*\"\n"[..]).unwrap();
    let script = Script {
        interpreter: &[],
        body: Body::Path("/usr/bin/precheck"),
        arguments: &["a b".to_owned()],
        environment: &[],
        time_limit: LIMIT,
    };
    let ran = run(&root, &script, &mut Recorded::default()).unwrap();
    assert_eq!((ran.end, ran.output.as_slice()), (End::Exited(0), b"/usr/bin/precheck a b\n".as_slice()));
    let interpreter = ["/bin/echo".to_owned(), "-n".to_owned()];
    let script = Script { interpreter: &interpreter, body: Body::None, ..script };
    let ran = run(&root, &script, &mut Recorded::default()).unwrap();
    assert_eq!((ran.end, ran.output.as_slice()), (End::Exited(0), b"".as_slice()), "its arguments are not given");
}

#[test]
fn programs_that_every_host_has_are_there_under_both_names() {
    let root = root();
    let (end, output) = sh(
        &root,
        "set -e; /bin/rm -f x; /usr/bin/rm -f x; [ -x /bin/bash ]; echo a b | awk '{print $2}'; echo ab | sed s/a/c/; \
         echo x | gzip | gunzip; find /tmp -name none; echo y | xargs echo; bash -c 'echo $BASH_VERSION' | grep -c .",
    );
    assert_eq!((end, output.as_str()), (End::Exited(0), "b\ncb\nx\ny\n1\n"));
}

#[test]
fn the_root_can_be_changed_and_keeps_what_a_script_did() {
    let root = root();
    let (end, output) = sh(&root, "set -e; mkdir -p /etc/x; echo one >/etc/x/y; ln -s y /etc/x/z; chmod 600 /etc/x/y");
    assert_eq!((end, output.as_str()), (End::Exited(0), ""));
    assert_eq!(root.read("/etc/x/z", 10).unwrap(), b"one\n");
    assert_eq!(root.look("/etc/x/y").unwrap().unwrap().mode, 0o600);
    // It is root there: modes do not hold it up.
    assert_eq!(sh(&root, "chmod 0 /etc/x; echo two >/etc/x/y; cat /etc/x/y").1, "two\n");
    assert_eq!(sh(&root, "rm -r /etc/x; ls /etc").1, "");
}

#[test]
fn programs_of_the_build_machine_cannot_be_written_to() {
    let root = root();
    let text = "
        PATH=$PATH:/.build/usr/bin:/.build/usr/sbin:/.build/bin:/.build/sbin
        attempt() { if ! echo x >/.build/usr/bin/canary-of-confine; then echo held; fi 2>/dev/null; }
        attempt
        mount -o remount,rw,bind /.build/usr/bin && echo remounted; attempt
        mount -o remount,rw /.build/usr/bin && echo remounted; attempt
        umount -l /.build/usr/bin && echo unmounted; attempt
        unshare --mount mount -o remount,rw,bind /.build/usr/bin && echo remounted; attempt
        unshare --user --map-root-user --mount mount -o remount,rw,bind /.build/usr/bin && echo remounted
        mount --bind /tmp /usr && echo mounted
        mknod /tmp/disk b 254 0 && echo made
        chmod 777 /.build/usr/bin /dev/null && echo changed
        rm -f /.build/usr/bin/true && echo removed
        rm -f /.build/call && echo removed
        find /.build -maxdepth 5 -writable ! -type l
        awk '$5 != \"/\" && $6 !~ /^ro,/ { print $5, $6 }' /proc/self/mountinfo
        chroot / /bin/true; exit 0
    ";
    let (end, output) = sh(&root, text);
    let said: Vec<&str> = output.lines().filter(|line| !line.contains(": ") && !line.starts_with(' ')).collect();
    assert_eq!((end, said), (End::Exited(0), vec!["held"; 5]), "{output}");
    assert!(!Path::new("/usr/bin/canary-of-confine").exists());
    assert_eq!(std::fs::metadata("/dev/null").unwrap().mode() & 0o777, 0o666);
}

#[test]
fn nothing_else_of_the_build_machine_is_seen_or_changed() {
    let (root, canary) = (root(), canary());
    let path = canary.path().display();
    let text = format!(
        "
        PATH=$PATH:/.build/usr/bin:/.build/usr/sbin
        ls -d /home /root /srv /mnt /sys /.build/etc /.build/home /.build/root /.build/var /.build/usr/share 2>/dev/null
        for way in '' /.. /.build/.. /.build/../.. /proc/1/root /proc/1/cwd /proc/self/root/.. /proc/1/root/old /old /proc/1/root/root/..
        do
            cat \"$way{path}/canary\" 2>/dev/null
            echo dead 2>/dev/null >\"$way{path}/canary\"
            ls -d \"$way/home\" \"$way/etc/passwd\" \"$way{path}\" 2>/dev/null
        done
        find / -xdev -name canary 2>/dev/null
        [ ! -e /proc/1/root ] || find /proc/1/root/ -name canary 2>/dev/null
        cat /dev/mem /dev/vda /dev/sda /dev/tty 2>/dev/null
        (echo x >/proc/sys/kernel/hostname) 2>/dev/null && echo written
        (echo x >/proc/sys/kernel/core_pattern) 2>/dev/null && echo written
        (echo h >/proc/sysrq-trigger) 2>/dev/null && echo written
        unshare --user true 2>/dev/null && echo nested
        chroot /proc/1/root /usr/bin/unshare --user /bin/sh -c 'echo nested' 2>/dev/null
        nsenter -t 1 -m true 2>/dev/null && echo entered
        : "
    );
    let (end, output) = sh(&root, &text);
    assert_eq!((end, output.as_str()), (End::Exited(0), ""));
    assert_eq!(std::fs::read_to_string(canary.path().join("canary")).unwrap(), "alive");
    assert_eq!(std::fs::read_dir(canary.path()).unwrap().count(), 1);
}

#[test]
fn what_a_pack_puts_in_the_root_cannot_break_out_of_it() {
    let canary = canary();
    let path = canary.path().to_str().unwrap();
    let evil = format!("#!/.build/sh\ncat /old{path}/canary; echo dead >/old{path}/canary; echo evil >&2; exit 9\n");
    // In place of what the confinement itself might use or mount.
    let hostile: [&dyn Fn(&Root); 5] = [
        &|root| {
            for name in ["umount", "setpriv", "sh", "mount", "chroot", "pivot_root", "flock", "head"] {
                root.write(format!("/usr/bin/{name}"), 0o755, &mut evil.as_bytes()).unwrap();
                root.write(format!("/usr/sbin/{name}"), 0o755, &mut evil.as_bytes()).unwrap();
            }
        },
        &|root| {
            let loaders = root.list(&Limits::default()).unwrap();
            for loader in loaders.iter().filter(|entry| entry.path.to_string_lossy().contains("/ld-")) {
                root.write(&loader.path, 0o755, &mut evil.as_bytes()).unwrap();
            }
            root.make_parents("/etc/ld.so.preload").unwrap();
            root.write("/etc/ld.so.preload", 0o644, &mut &b"/tmp/evil.so\n"[..]).unwrap();
        },
        &|root| {
            root.remove_folder("/.build").unwrap();
            root.symlink("/.build", path).unwrap();
        },
        &|root| {
            root.remove_folder("/proc").unwrap();
            root.symlink("/proc", path).unwrap();
            root.remove("/dev/null").unwrap();
            root.symlink("/dev/null", format!("{path}/canary")).unwrap();
        },
        &|root| {
            for device in ["null", "zero", "full", "random", "urandom"] {
                root.remove(format!("/dev/{device}")).unwrap();
            }
            root.remove_folder("/dev").unwrap();
            root.symlink("/dev", "/home").unwrap();
            root.rename("/var", "/war").unwrap();
            root.symlink("/var", path).unwrap();
        },
    ];
    for (number, prepare) in hostile.into_iter().enumerate() {
        let root = root();
        prepare(&root);
        // Whether it can be run at all is the pack's own affair.
        if let Ok(ran) = run_text(&root, &format!("cat {path}/canary"), LIMIT, &mut Recorded::default()) {
            let output = String::from_utf8_lossy(&ran.output).into_owned();
            assert!(!output.contains("alive"), "{number}: {output}");
        }
        assert_eq!(std::fs::read_to_string(canary.path().join("canary")).unwrap(), "alive", "{number}");
        assert_eq!(std::fs::read_dir(canary.path()).unwrap().count(), 1, "{number}");
    }
}

#[test]
fn there_is_no_network() {
    let root = root();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (_, output) =
        sh(&root, &format!("bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port} && echo connected'; cat /proc/net/dev"));
    assert!(!output.contains("connected") && !output.contains("eth"), "{output}");
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

/// A command that does not end by itself, and that no other run of these tests uses.
fn endless(name: &str) -> String {
    format!("sleep 7654.{name}{}", std::process::id())
}

#[test]
fn nothing_that_a_script_starts_outlives_it() {
    let root = root();
    let sleep = endless("1");
    let text = format!("{sleep} & setsid {sleep} & (trap '' TERM HUP; {sleep}) & exit 4");
    let (end, output) = sh(&root, &text);
    assert_eq!((end, output.as_str()), (End::Exited(4), ""));
    assert!(!is_running(&sleep));
}

#[test]
fn a_script_without_end_is_ended() {
    let root = root();
    let start = Instant::now();
    let sleep = endless("2");
    let text = format!("trap '' TERM INT HUP; echo begun; {sleep} & while :; do :; done");
    let ran = run_text(&root, &text, Duration::from_secs(1), &mut Recorded::default()).unwrap();
    assert_eq!((ran.end, ran.output.as_slice()), (End::TimedOut, b"begun\n".as_slice()));
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert!(!is_running(&sleep));
}

#[test]
fn a_script_that_signals_everything_it_can_reaches_itself_only() {
    let root = root();
    let (end, _) = sh(&root, "kill -KILL -1; kill -KILL 0; sleep 1");
    assert_eq!(end, End::Killed(9));
}

#[test]
fn output_is_kept_up_to_a_limit() {
    let root = root();
    let ran = run_text(&root, "yes | head -c 1000000; echo end >/tmp/end", LIMIT, &mut Recorded::default()).unwrap();
    assert_eq!((ran.end, ran.output.len(), ran.cut), (End::Exited(0), MAX_OUTPUT, true));
    assert_eq!(root.read("/tmp/end", 10).unwrap(), b"end\n");
}

#[test]
fn processes_are_bounded() {
    let root = root();
    let text = "ulimit -u; n=0; while [ $n -lt 5000 ]; do sleep 60 & n=$((n+1)); done; echo all";
    // bash waits and tries again when it cannot have another process.
    let ran = run_text(&root, text, Duration::from_secs(5), &mut Recorded::default()).unwrap();
    let output = String::from_utf8(ran.output).unwrap();
    let limit: u32 = output.lines().next().unwrap().parse().unwrap();
    assert!(limit <= 4096 && output.contains("fork") && !output.contains("all"), "{output}");
}

#[test]
fn files_are_bounded() {
    let root = root();
    sh(&root, "head -c 200000000 /dev/zero >/tmp/large; truncate -s 1G /tmp/sparse");
    for name in ["/tmp/large", "/tmp/sparse"] {
        let Some(entry) = root.look(name).unwrap() else { continue };
        assert!(matches!(entry.kind, Kind::File { size, .. } if size <= 64 << 20), "{entry:?}");
    }
}

#[test]
fn commands_get_their_arguments_byte_for_byte() {
    let root = root();
    let mut commands = Recorded::default();
    let text = r#"
        rpm -q 'two
lines' '' " 'quoted\" " "$(printf '\377\001')" '$(id)' '*' -- "$(printf 'a\tb')"
        /opt/xensource/bin/xe a=b; systemctl
    "#;
    let ran = run_text(&root, text, LIMIT, &mut commands).unwrap();
    assert_eq!(ran.end, End::Exited(0), "{}", String::from_utf8_lossy(&ran.output));
    let strange = OsString::from_vec(vec![0xff, 1]);
    let mut arguments: Vec<OsString> = ["-q", "two\nlines", "", " 'quoted\" "].map(OsString::from).into();
    arguments.push(strange);
    arguments.extend(["$(id)", "*", "--", "a\tb"].map(OsString::from));
    let expected = [("rpm", arguments), ("xe", vec!["a=b".into()]), ("systemctl", vec![])];
    assert_eq!(commands.calls, expected.map(|(program, arguments)| (program.to_owned(), arguments)));
}

#[test]
fn commands_reply_with_code_output_and_errors() {
    let root = root();
    let reply = Reply { code: 5, output: b"out\n\nmore".to_vec(), errors: b"problem\n".to_vec() };
    let mut commands = Recorded { reply, ..Recorded::default() };
    let ran = run_text(&root, r#"o=$(rpm 2>/tmp/e); echo "$?,$o"; cat /tmp/e"#, LIMIT, &mut commands).unwrap();
    assert_eq!(String::from_utf8(ran.output).unwrap(), "5,out\n\nmore\nproblem\n");
}

#[test]
fn a_long_reply_need_not_be_read_to_its_end() {
    let root = root();
    let reply = Reply { output: b"line\n".repeat(100_000), ..Reply::default() };
    let mut commands = Recorded { reply, ..Recorded::default() };
    let ran =
        run_text(&root, "rpm -qa | head -n 1; rpm -qa | wc -l; systemctl | tail -n 1", LIMIT, &mut commands).unwrap();
    assert_eq!(String::from_utf8(ran.output).unwrap(), "line\n100000\nline\n");
    assert_eq!(commands.calls.len(), 3);
}

#[test]
fn commands_that_are_called_at_once_are_answered_one_after_another() {
    let root = root();
    let mut commands = Recorded { reply: Reply { output: b"x\n".to_vec(), ..Reply::default() }, ..Recorded::default() };
    let text = "for n in 1 2 3 4 5 6 7 8; do rpm $n & done; wait";
    let ran = run_text(&root, text, LIMIT, &mut commands).unwrap();
    assert_eq!(String::from_utf8(ran.output).unwrap(), "x\n".repeat(8));
    let mut asked: Vec<OsString> = commands.calls.into_iter().flat_map(|(_, arguments)| arguments).collect();
    asked.sort();
    assert_eq!(asked, ["1", "2", "3", "4", "5", "6", "7", "8"]);
}

#[test]
fn garbage_instead_of_a_command_ends_the_script() {
    let root = root();
    for text in [
        "echo garbage >&8; sleep 60",
        "echo 0 >&8; sleep 60",
        "printf '1\\nrpm\\0001\\nrpm\\0' >&8; sleep 60",
        "(echo 99999; yes) >&8; sleep 60",
        "head -c 1000000 /dev/zero >&8; sleep 60",
        // Asks, and never takes the replies.
        "while :; do printf '1\\nrpm\\0' >&8; done",
    ] {
        let reply = Reply { output: vec![b'x'; 1 << 20], ..Reply::default() };
        let mut commands = Recorded { reply, ..Recorded::default() };
        let ran = run_text(&root, text, Duration::from_secs(5), &mut commands).unwrap();
        assert!(matches!(ran.end, End::Garbled(_) | End::TimedOut), "{text}: {:?}", ran.end);
        assert!(commands.calls.len() <= 2, "{text}");
    }
}

#[test]
fn files_that_this_program_was_given_are_not_passed_on() {
    let root = root();
    let (_, output) = sh(&root, "ls /proc/self/fd | tr '\\n' ' '");
    // Of ls 3 is the folder itself; 7 and 8 are the way to ask for commands.
    assert_eq!(output, "0 1 2 3 7 8 ");
}

#[test]
fn roots_can_be_used_at_the_same_time() {
    std::thread::scope(|scope| {
        let runs: Vec<_> =
            (0..4).map(|number| scope.spawn(move || sh(&root(), &format!("echo {number}; ls /tmp")))).collect();
        for (number, run) in runs.into_iter().enumerate() {
            assert_eq!(run.join().unwrap(), (End::Exited(0), format!("{number}\n")));
        }
    });
}

/// What it costs, for the one who changes it: `cargo test … -- --ignored --nocapture what_a_run_costs`.
#[test]
#[ignore = "measures"]
fn what_a_run_costs() {
    available().unwrap();
    let start = Instant::now();
    let root = root();
    println!("root: {:?}", start.elapsed());
    for (what, text) in
        [("nothing", ":"), ("one command", "rpm -q x"), ("ten commands", "for n in 1 2 3 4 5 6 7 8 9 0; do rpm; done")]
    {
        let start = Instant::now();
        for _ in 0..20 {
            sh(&root, text);
        }
        println!("{what}: {:?}", start.elapsed() / 20);
    }
}

/// The same as a user without privileges, with files that were passed on to this program, and on a build machine with
/// more mounts.
#[test]
fn everything_holds_for_a_user_without_privileges() {
    if !is_root() {
        return;
    }
    let folder = canary();
    let program = folder.path().join("tests");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    // Something is mounted in a folder that scripts see, writable by all, with an option that a namespace must keep.
    let text = "mount -t tmpfs -o mode=1777,noexec none /usr/lib/locale && exec 5</ 12</ &&
        exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$0\" --test-threads=2";
    let status = Command::new("unshare")
        .args(["--mount", "bash", "-c", text])
        .arg(&program)
        .env("TMPDIR", folder.path())
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}
