//! Certificates kept as secrets, and the VM's keys that name them.

use std::time::Duration;

use agent::certificates::Set;
use agent::guest::tls::Verify;
use agent::prepare::tls::Store;
use lab::xapi::{Failure, Fault, Ref, Value};

use crate::pool::Pool;
use crate::wait;

const KEYS: [&str; 3] = ["xscontainer-tls-ca-cert", "xscontainer-tls-client-cert", "xscontainer-tls-client-key"];

const SOON: Duration = Duration::from_secs(30);

fn set() -> Set {
    Set { authority: "new authority".into(), certificate: "new certificate".into(), key: "new key".to_owned().into() }
}

/// A pool whose VM was prepared before; its old secrets.
fn prepared() -> (Pool, Vec<Ref>) {
    let pool = Pool::new();
    let secrets: Vec<Ref> =
        KEYS.iter().map(|key| pool.xapi.add("secret", [("value", Value::from(*key))]).unwrap()).collect();
    for (key, secret) in KEYS.iter().zip(&secrets) {
        pool.xapi.set_entry(&pool.vm, "other_config", key, &pool.uuid(secret)).unwrap();
    }
    pool.xapi.set_entry(&pool.vm, "other_config", "xscontainer-mode", "tls").unwrap();
    pool.xapi.set_entry(&pool.vm, "other_config", "somebody-elses", "entry").unwrap();
    (pool, secrets)
}

async fn store(pool: &Pool) -> Result<Store, agent::prepare::tls::Error> {
    let (vm, uuid) = pool.names();
    let mut store = Store::begin(&pool.client(), &vm, &uuid).await?;
    store.put(&set(), Verify::Chain).await?;
    Ok(store)
}

fn entry(pool: &Pool, key: &str) -> Option<String> {
    pool.xapi.look(|state| state.entry(&pool.vm, "other_config", key))
}

/// The text of the secret that a key names.
fn named(pool: &Pool, key: &str) -> String {
    let uuid = entry(pool, key).unwrap();
    let secret = pool.xapi.look(|state| state.database.find("secret", "uuid", &uuid.as_str().into())).remove(0);
    pool.xapi.get(&secret, "value").unwrap().text().unwrap().to_owned()
}

/// The request that was counted as this one, if there was one. A fault for it does not wait any longer.
fn request(pool: &Pool, at: usize) -> Option<String> {
    let request = pool.xapi.counted().get(at - 1).cloned();
    pool.xapi.count_from_now();
    request
}

#[test]
fn the_vm_names_the_new_secrets_and_the_old_ones_go() {
    let (pool, old) = prepared();
    wait(async {
        let kept = store(&pool).await.unwrap();
        assert_eq!(KEYS.map(|key| named(&pool, key)), ["new authority", "new certificate", "new key"]);
        assert_eq!(entry(&pool, "xscontainer-mode").as_deref(), Some("tls"));
        assert_eq!(entry(&pool, "xscontainer-tls-verify").as_deref(), Some("chain"));
        assert_eq!(entry(&pool, "somebody-elses").as_deref(), Some("entry"));
        assert!(old.iter().all(|secret| pool.xapi.get(secret, "uuid").is_ok()), "they are there until it is settled");
        kept.settle().await.unwrap();
    });
    assert!(old.iter().all(|secret| pool.xapi.get(secret, "uuid").is_err()));
    assert_eq!(KEYS.map(|key| named(&pool, key)), ["new authority", "new certificate", "new key"]);
}

#[test]
fn secrets_that_another_vm_or_a_snapshot_names_stay() {
    let (pool, old) = prepared();
    let other = pool.xapi.add_vm("other", [("is_a_snapshot", true.into())]).unwrap();
    pool.xapi.set_entry(&other, "other_config", KEYS[0], &pool.uuid(&old[0])).unwrap();
    wait(async { store(&pool).await.unwrap().settle().await.unwrap() });
    assert!(pool.xapi.get(&old[0], "uuid").is_ok());
    assert!(old[1..].iter().all(|secret| pool.xapi.get(secret, "uuid").is_err()));
}

#[test]
fn undone_it_is_as_it_was() {
    let (pool, _) = prepared();
    let before = pool.look();
    wait(async { store(&pool).await.unwrap().undo().await.unwrap() });
    assert_eq!(pool.look(), before);
}

#[test]
fn a_failure_at_any_request_leaves_all_as_it_was() {
    let (pool, _) = prepared();
    let before = pool.look();
    for at in 1.. {
        pool.xapi.count_from_now();
        pool.xapi.fault_at(at, Fault::Fails(Failure::internal("no")));
        let (error, failed) = wait(async {
            let result = store(&pool).await;
            let failed = request(&pool, at);
            match result {
                Ok(mut store) => store.undo().await.map(|()| (None, failed)).unwrap(),
                Err(error) => (Some(error), failed),
            }
        });
        let Some(failed) = failed else { break };
        assert_eq!(pool.look(), before, "{at}: {failed}: {error:?}");
        wait(async { store(&pool).await.unwrap().undo().await.unwrap() });
    }
}

#[test]
fn whoever_stops_waiting_at_any_request_can_take_all_of_it_back() {
    let (pool, _) = prepared();
    let before = pool.look();
    for fault in [Fault::Hang, Fault::SlowBytes(Duration::from_secs(60))] {
        for at in 1.. {
            let done = wait(async {
                let (vm, uuid) = pool.names();
                let mut store = Store::begin(&pool.client(), &vm, &uuid).await.unwrap();
                pool.xapi.count_from_now();
                pool.xapi.fault_at(at, fault.clone());
                let reached = pool.xapi.wait_for("the request", SOON, |state| {
                    (state.faults.counted().len() >= at && state.faults.waiting() == 0).then_some(())
                });
                let set = set();
                let done = tokio::select! {
                    biased;
                    reached = reached => { reached.unwrap(); false }
                    result = store.put(&set, Verify::Name) => { result.unwrap(); true }
                };
                let request = request(&pool, at);
                store.undo().await.unwrap();
                assert_eq!(pool.look(), before, "{fault:?} at {at}: {request:?}");
                done
            });
            if done {
                break;
            }
        }
    }
}
