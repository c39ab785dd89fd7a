//! Every request to XAPI fails once, or is the last thing that a caller waits for: what is left.

use std::time::Duration;

use agent::prepare::tls::Error;
use agent::prepare::tls::cd::DiscBefore;
use lab::xapi::{Failure, Fault, Ref};

use crate::drive::{insert, sweep};
use crate::pool::Pool;
use crate::wait;

/// Longer than any request takes.
const SOON: Duration = Duration::from_secs(30);

/// A VM with a disc in its drive, that disc, and how many requests it takes to put another in its place.
fn measured() -> (Pool, Ref, usize) {
    let (pool, disc) = Pool::with_disc();
    pool.xapi.count_from_now();
    wait(insert(&pool, DiscBefore::MayBePutBack)).unwrap();
    let requests = pool.xapi.counted();
    assert!(requests.iter().any(|request| request == "PUT /import_raw_vdi"), "{requests:?}");
    wait(sweep(&pool)).unwrap();
    (pool, disc, requests.len())
}

fn failure() -> Fault {
    Fault::Fails(Failure::new("SR_BACKEND_FAILURE_46", &["", "the disk is gone", ""]))
}

#[test]
fn a_failure_at_any_request_leaves_all_as_it_was() {
    let (pool, _, requests) = measured();
    let before = pool.look();
    for at in 1..=requests {
        pool.xapi.count_from_now();
        pool.xapi.fault_at(at, failure());
        let result = wait(insert(&pool, DiscBefore::MayBePutBack));
        let Some(failed) = pool.xapi.counted().get(at - 1).cloned() else { break };
        if result.is_err() {
            assert_eq!(pool.look(), before, "{at}: {failed}: {result:?}");
        }
        wait(sweep(&pool)).unwrap();
        assert_eq!(pool.look(), before, "after {at}: {failed}");
    }
}

#[test]
fn a_failure_at_any_request_of_taking_away_is_told_or_harmless_and_the_next_time_does_it() {
    let (pool, disc, _) = measured();
    let before = pool.look();
    for at in 1.. {
        wait(insert(&pool, DiscBefore::MayBePutBack)).unwrap();
        pool.xapi.count_from_now();
        pool.xapi.fault_at(at, failure());
        let result = wait(sweep(&pool));
        let Some(failed) = pool.xapi.counted().get(at - 1).cloned() else { break };
        if result.is_ok() {
            assert_eq!(pool.look(), before, "{at}: {failed}");
        }
        if let Err(Error::NotPutBack { disc: named, .. }) = &result {
            // The keys went all the same, and with them the memory of the disc.
            assert_eq!(named.as_str(), pool.uuid(&disc));
            pool.put_in(&disc);
        }
        wait(sweep(&pool)).unwrap();
        assert_eq!(pool.look(), before, "after {at}: {failed}");
    }
}

#[test]
fn whoever_stops_waiting_at_any_request_can_take_all_of_it_back() {
    let (pool, _, requests) = measured();
    let before = pool.look();
    // The request is not carried out, or it is and nobody hears of it.
    for fault in [Fault::Hang, Fault::SlowBytes(Duration::from_secs(60))] {
        for at in 1..=requests {
            pool.xapi.count_from_now();
            pool.xapi.fault_at(at, fault.clone());
            wait(async {
                let reached = pool.xapi.wait_for("the request", SOON, |state| {
                    (state.faults.counted().len() >= at && state.faults.waiting() == 0).then_some(())
                });
                tokio::select! {
                    biased;
                    reached = reached => reached.unwrap(),
                    // The last ones are not waited for.
                    _ = insert(&pool, DiscBefore::MayBePutBack) => {}
                }
            });
            let failed = pool.xapi.counted().get(at - 1).cloned();
            wait(sweep(&pool)).unwrap();
            assert_eq!(pool.look(), before, "{fault:?} at {at}: {failed:?}");
        }
    }
}
