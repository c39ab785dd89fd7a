//! Preparing fails, is interrupted or killed at every moment: what the VM and the guest have then, and what is left.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use lab::guests::Vm;
use lab::guests::ssh_variants::PAM;
use lab::xapi::{Failure, Fault, Ref};

use crate::lab::{Lab, PASSWORD};

const ARGUMENTS: [&str; 4] = ["-u", "core", "--yes", "--password-stdin"];

struct Case {
    lab: Lab,
    guest: Vm,
    vm: Ref,
    requests: usize,
}

/// A VM, and how many requests it takes to prepare it; it is not prepared again.
fn measured() -> Case {
    let lab = Lab::new();
    let guest = lab.fresh_light("web", PAM);
    let vm = lab.vm(&guest);
    lab.pretend_to_show(&vm);
    lab.xapi.count_from_now();
    lab.prepared_by_script(&vm);
    let requests = lab.xapi.counted().len();
    let case = Case { lab, guest, vm, requests };
    case.clear();
    case
}

impl Case {
    fn clear(&self) {
        let said = self.lab.in_script(&self.vm, &["--remove", "--yes"], "");
        assert_eq!(said.code, Some(0), "{}", said.text);
        self.lab.pretend_to_show(&self.vm);
        assert!(self.lab.is_untouched(&self.vm), "{:?}", self.lab.entries(&self.vm));
        assert_eq!(self.guest.authorized_keys("core"), None);
    }
}

#[test]
fn a_failure_at_any_request_leaves_everything_as_it_was_or_the_vm_prepared() {
    let case = measured();
    let Case { lab, guest, vm, requests } = &case;
    let files = guest.snapshot_files(&["/home"]);
    for at in 1..=*requests {
        lab.xapi.count_from_now();
        lab.xapi.fault_at(at, Fault::Fails(Failure::new("INTERNAL_ERROR", &["of the test"])));
        let said = lab.in_script(vm, &ARGUMENTS, &format!("{PASSWORD}\n"));
        let Some(failed) = lab.xapi.counted().get(at - 1).cloned() else { break };
        match said.code {
            Some(0) | Some(8) if lab.entry(vm, "xscontainer-monitor").is_some() => {
                assert_eq!(lab.in_script(vm, &["--check"], "").code, Some(0), "{at}: {failed}: {}", said.text);
                lab.xapi.remove_entry(vm, "other_config", "xscontainer-preparing").unwrap();
                case.clear();
            }
            _ => {
                assert_ne!(said.code, Some(0), "{at}: {failed}");
                files.assert_same(&guest.snapshot_files(&["/home"]));
                assert!(lab.is_untouched(vm), "{at}: {failed}: {:?}\n{}", lab.entries(vm), said.text);
            }
        }
    }
}

#[test]
fn a_kill_at_any_request_leaves_what_the_next_call_ends() {
    let case = measured();
    let Case { lab, guest, vm, requests } = &case;
    let files = guest.snapshot_files(&["/home"]);
    for at in 1..=*requests {
        lab.xapi.count_from_now();
        // Before the request takes effect, or after it while the answer comes.
        let fault = if at % 2 == 0 { Fault::Hang } else { Fault::SlowBytes(Duration::from_secs(5)) };
        lab.xapi.fault_at(at, fault);
        let mut child = begun(lab, vm);
        let came = wait_until(&mut child, || lab.xapi.counted().len() >= at);
        child.kill().unwrap();
        child.wait().unwrap();
        if !came {
            break;
        }
        let failed = lab.xapi.counted().get(at - 1).cloned();
        lab.xapi.count_from_now();
        let said = lab.in_script(vm, &ARGUMENTS, &format!("{PASSWORD}\n"));
        assert_eq!(said.code, Some(0), "{at}: {failed:?}: {}", said.text);
        assert_eq!(guest.authorized_keys("core").unwrap().lines().count(), 1, "{at}: {failed:?}");
        case.clear();
        files.assert_same(&guest.snapshot_files(&["/home"]));
    }
}

#[test]
fn ctrl_c_at_every_prompt_ends_it_with_130_and_leaves_nothing() {
    let lab = Lab::new();
    let guest = lab.fresh_light("web", PAM);
    let vm = lab.vm(&guest);
    let files = guest.snapshot_files(&["/home"]);
    for prompts in 1..=3 {
        let mut terminal = lab.at_terminal(&vm, &["-u", "core"]);
        terminal.expect("Go on? (y/n): ");
        if prompts > 1 {
            terminal.send_line("y");
            terminal.expect("(y/n): ");
        }
        if prompts > 2 {
            terminal.send_line("y");
            terminal.expect("Password of core");
        }
        terminal.press_ctrl_c();
        terminal.expect_echo(true);
        let ended = terminal.finish();
        assert_eq!(ended.code, Some(130), "{prompts}: {}", ended.text);
        assert!(ended.text.contains("interrupted"), "{}", ended.text);
        assert!(lab.is_untouched(&vm), "{prompts}: {:?}", lab.entries(&vm));
        files.assert_same(&guest.snapshot_files(&["/home"]));
    }
}

fn begun(lab: &Lab, vm: &Ref) -> Child {
    use std::io::Write as _;
    let uuid = lab.uuid(vm);
    let mut command = lab.command("prepare-vm", &[&["-v", &uuid], &ARGUMENTS[..]].concat());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    child
}

/// Waits for a condition; false if the program ended without.
fn wait_until(child: &mut Child, reached: impl Fn() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(30);
    while !reached() {
        if child.try_wait().unwrap().is_some() {
            return reached();
        }
        assert!(Instant::now() < end, "the program neither ends nor goes on");
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}
