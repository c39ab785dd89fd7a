//! Nothing of a simulated VM outlives its value, a panic, or the test program.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lab::guests::{Network, Vm};

use crate::{Running, wait_until};

/// What there is of a VM in the machine.
#[derive(Debug)]
struct Traces {
    processes: Vec<(u32, String)>,
    paths: Vec<PathBuf>,
}

impl Traces {
    fn of(network: &Network, vm: &Vm) -> Self {
        let folder = vm.file("/etc").parent().expect("a folder").to_owned();
        let cgroups = fs::read_dir("/sys/fs/cgroup").expect("cgroups").flatten().map(|entry| entry.path());
        let cgroup = folder.file_name().expect("a name").to_owned();
        let cgroups =
            cgroups.chain(["/sys/fs/cgroup".into()]).map(|tree| tree.join(&cgroup)).filter(|path| path.exists());
        let interface = Path::new("/sys/class/net").join(network.interface());
        Self { processes: vm.processes(), paths: cgroups.chain([folder.clone(), interface]).collect() }
    }

    fn left(&self) -> Vec<String> {
        let name = |id: &u32| fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default().trim().to_owned();
        let processes =
            self.processes.iter().filter(|(id, was)| name(id) == *was).map(|(id, name)| format!("{id} {name}"));
        let paths = self.paths.iter().filter(|path| path.exists()).map(|path| path.display().to_string());
        processes.chain(paths).collect()
    }
}

fn mounts() -> BTreeSet<String> {
    fs::read_to_string("/proc/self/mounts")
        .expect("mounts")
        .lines()
        .map(str::to_owned)
        .filter(|line| line.contains("/lab-"))
        .collect()
}

#[test]
fn dropping_leaves_no_trace() {
    let network = Network::new();
    let vm = network.vm("web").ssh().dockerd();
    vm.run("one", &["sleep", "1000"]);
    assert_eq!(mounts(), BTreeSet::new(), "the machine sees no mount of a guest");
    let traces = Traces::of(&network, &vm);
    let names: BTreeSet<&str> = traces.processes.iter().map(|(_, name)| name.as_str()).collect();
    for name in ["sshd", "dockerd", "containerd", "sleep", "bash"] {
        assert!(names.contains(name), "{name} in {names:?}");
    }
    assert!(traces.paths.len() > 2, "a cgroup, the folder, the interface: {traces:?}");
    drop(vm);
    drop(network);
    assert_eq!(traces.left(), [""; 0]);
}

#[test]
fn a_panic_leaves_no_trace() {
    let (sender, traces) = std::sync::mpsc::channel();
    let panicked = std::thread::spawn(move || {
        let network = Network::new();
        let vm = network.vm("web").podman();
        vm.run("one", &["sleep", "1000"]);
        vm.freeze();
        sender.send(Traces::of(&network, &vm)).unwrap();
        std::panic::resume_unwind(Box::new("as a failed assertion does"));
    });
    let traces = traces.recv().unwrap();
    assert!(panicked.join().is_err());
    assert_eq!(traces.left(), [""; 0]);
}

#[test]
fn a_killed_test_program_leaves_no_process() {
    let test = std::env::current_exe().unwrap();
    let mut program = Command::new(test);
    program.args(["--exact", "lifetime::a_vm_that_waits_to_be_killed", "--ignored", "--nocapture"]);
    let mut program = Running::start(program.stdin(Stdio::piped()).stdout(Stdio::piped()));
    let output = BufReader::new(program.0.stdout.take().unwrap());
    let said = output.lines().map_while(Result::ok).find_map(|line| line.strip_prefix("traces ").map(str::to_owned));
    let said = said.unwrap();
    let [interface, ids, folder] = said.split(' ').collect::<Vec<_>>()[..] else { panic!("{said}") };
    let exist = |id: &str| Path::new("/proc").join(id).exists();
    assert!(ids.split(',').all(exist), "{ids}");
    program.0.kill().unwrap();
    wait_until("no process is left", || !ids.split(',').any(exist));
    wait_until("no interface is left", || !Path::new("/sys/class/net").join(interface).exists());
    // Files alone stay, as they do of every killed program.
    fs::remove_dir_all(folder).unwrap();
}

#[test]
#[ignore = "runs only in another program, which is killed"]
fn a_vm_that_waits_to_be_killed() {
    let network = Network::new();
    let vm = network.vm("killed").ssh_light();
    let ids = vm.processes().iter().map(|(id, _)| id.to_string()).collect::<Vec<_>>().join(",");
    println!("\ntraces {} {ids} {}", network.interface(), vm.file("/etc").parent().unwrap().display());
    let _ = std::io::stdin().read_line(&mut String::new());
}
