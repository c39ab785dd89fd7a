//! Making a drive goes wrong, or is killed, at every single request to XAPI: what the VM has then, and what is left.

use std::time::Duration;

use lab::xapi::{Failure, Fault, Ref};

use crate::through_xapi::Lab;

/// Longer than a killed program takes to be gone.
const GONE: Duration = Duration::from_secs(20);

/// A VM with a drive, and how many requests it takes to give it another. The first is the test's own.
fn measured() -> (Lab, Ref, usize) {
    let lab = Lab::new();
    lab.created("first");
    lab.pool.xapi.count_from_now();
    let old = lab.created("second");
    let requests = lab.pool.xapi.counted();
    assert!(requests.iter().any(|request| request == "PUT /import_raw_vdi"), "{requests:?}");
    (lab, old, requests.len())
}

#[test]
fn a_failure_at_any_request_leaves_one_drive_and_nothing_else() {
    let (lab, mut old, requests) = measured();
    for at in 2..=requests {
        lab.pool.xapi.count_from_now();
        lab.pool.xapi.fault_at(at, Fault::Fails(Failure::new("SR_BACKEND_FAILURE_46", &["", "the disk is gone", ""])));
        let result = lab.create("third");
        // How often a task is asked for varies.
        let Some(failed) = lab.pool.xapi.counted().get(at - 1).cloned() else { break };
        let drives = lab.drives();
        match result {
            // Nobody asks for the result of tidying up, nor whether a session is still wanted.
            Ok(_) => assert_ne!(drives, [old.clone()], "{at}: {failed}"),
            Err(_) => assert_eq!(drives, [old.clone()], "{at}: {failed}"),
        }
        let left = (drives.len(), lab.count("VDI"), lab.count("VBD"), lab.count("task"));
        let of_the_fault = usize::from(failed == "task.destroy");
        assert_eq!((left.0, left.2), (1, 1), "{at}: {failed}");
        assert!(left.1 <= 2 && left.3 <= of_the_fault, "{at}: {failed}: {left:?}");
        old = lab.created("second");
        assert_eq!((lab.drives(), lab.count("VDI")), (vec![old.clone()], 1), "after {at}: {failed}");
        lab.clear_tasks();
    }
}

#[test]
fn a_kill_at_any_request_leaves_a_drive_and_the_next_call_tidies_up() {
    let (lab, _, requests) = measured();
    for after in [false, true] {
        for at in 2..=requests {
            lab.pool.xapi.count_from_now();
            lab.pool.xapi.fault_at(at, Fault::KillPlugin { after });
            let result = lab.create("third");
            let requests = lab.pool.xapi.counted();
            let Some(failed) = requests.get(at - 1) else { break };
            let killed = result.unwrap_err();
            assert_eq!(killed.params.first().map(String::as_str), Some("signal: SIGKILL"), "{at}: {killed}");
            let none_runs = lab
                .pool
                .xapi
                .block_until("the program is gone", GONE, |state| (state.plugins_running() == 0).then_some(()));
            none_runs.unwrap();
            assert!(!lab.drives().is_empty(), "{at}, after {after}: {failed:?}: the VM has no drive");
            let vdi = lab.created("second");
            assert_eq!((lab.drives(), lab.count("VDI")), (vec![vdi.clone()], 1), "{at}, after {after}: {failed:?}");
            assert_eq!(lab.read(&vdi), Ok("Truesecond".to_owned()));
            lab.clear_tasks();
        }
    }
}

impl Lab {
    /// XAPI itself does away with tasks of clients that are gone, after a day.
    fn clear_tasks(&self) {
        for task in self.pool.xapi.look(|state| state.database.refs("task")) {
            self.pool.xapi.remove(&task).unwrap();
        }
    }
}
