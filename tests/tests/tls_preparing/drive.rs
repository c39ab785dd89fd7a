//! A disc in a VM's CD drive: where it is made, and what becomes of what was in the drive.

use agent::prepare::tls::Error;
use agent::prepare::tls::cd::{self, DISC_NAME, DiscBefore};
use lab::xapi::{Ref, Value};

use crate::pool::Pool;
use crate::wait;

/// A disc of another content each.
pub(crate) fn image(byte: u8) -> Vec<u8> {
    vec![byte; 2 << 20]
}

pub(crate) async fn insert(pool: &Pool, before: DiscBefore) -> Result<(), Error> {
    let (vm, uuid) = pool.names();
    cd::insert(&pool.client(), &vm, &uuid, image(7).into(), before).await
}

pub(crate) async fn sweep(pool: &Pool) -> Result<(), Error> {
    let (vm, uuid) = pool.names();
    cd::sweep(&pool.client(), &vm, &uuid).await
}

fn sr_of(pool: &Pool, vdi: &Ref) -> Ref {
    Ref(pool.xapi.get(vdi, "SR").unwrap().text().unwrap().to_owned())
}

#[test]
fn the_disc_comes_where_the_vms_disk_is_and_goes_without_a_trace() {
    let pool = Pool::new();
    let before = pool.look();
    wait(insert(&pool, DiscBefore::Stays)).unwrap();
    let disc = pool.disc();
    assert_eq!(pool.xapi.disk(&disc), image(7));
    assert_eq!(sr_of(&pool, &disc), pool.first);
    assert_eq!(pool.xapi.get(&disc, "name_label"), Ok(DISC_NAME.into()));
    wait(sweep(&pool)).unwrap();
    assert_eq!(pool.look(), before);
    wait(sweep(&pool)).unwrap();
    assert_eq!(pool.look(), before);
}

#[test]
fn somebodys_disc_stays_unless_it_may_be_taken_out_and_is_put_back() {
    let (pool, disc) = Pool::with_disc();
    let before = pool.look();
    let error = wait(insert(&pool, DiscBefore::Stays)).unwrap_err();
    assert!(matches!(&error, Error::DriveInUse { disc, .. } if disc == "guest-tools.iso"), "{error}");
    assert!(error.remedy().contains("vm-cd-eject"));
    assert_eq!(pool.look(), before);
    wait(insert(&pool, DiscBefore::MayBePutBack)).unwrap();
    assert_ne!(pool.disc(), disc);
    // Another call, as after a kill, makes another disc in place of this one, and knows the first one still.
    wait(insert(&pool, DiscBefore::MayBePutBack)).unwrap();
    assert_ne!(pool.disc(), disc);
    wait(sweep(&pool)).unwrap();
    assert_eq!(pool.look(), before);
}

#[test]
fn what_somebody_put_in_meanwhile_stays() {
    let (pool, disc) = Pool::with_disc();
    wait(insert(&pool, DiscBefore::MayBePutBack)).unwrap();
    let other = pool.xapi.add("VDI", [("SR", Value::from(&pool.default))]).unwrap();
    pool.xapi.set(&pool.drive, "VDI", &other).unwrap();
    wait(sweep(&pool)).unwrap();
    assert_eq!(pool.disc(), other);
    assert!(pool.xapi.get(&disc, "uuid").is_ok());
}

#[test]
fn a_disc_that_has_gone_meanwhile_is_no_trouble() {
    let (pool, disc) = Pool::with_disc();
    wait(insert(&pool, DiscBefore::MayBePutBack)).unwrap();
    pool.xapi.remove(&disc).unwrap();
    wait(sweep(&pool)).unwrap();
    assert_eq!(pool.disc(), Ref::null());
}

#[test]
fn a_vm_without_a_drive_is_told_how_to_get_one() {
    let pool = Pool::new();
    pool.xapi.remove(&pool.drive).unwrap();
    let error = wait(insert(&pool, DiscBefore::Stays)).unwrap_err();
    assert!(matches!(error, Error::NoDrive(_)) && error.remedy().contains("xe vbd-create"), "{error}");
}

#[test]
fn storage_that_does_not_do_is_passed_over() {
    let full = |pool: &Pool| pool.xapi.set(&pool.first, "physical_size", 1).unwrap();
    let disk_gone = |pool: &Pool| {
        let disk = pool.xapi.look(|state| state.database.find("VBD", "type", &"Disk".into())).remove(0);
        pool.xapi.remove(&disk).unwrap();
    };
    let elsewhere = |pool: &Pool| {
        let host = pool.xapi.new_host("host-2", "192.0.2.2").unwrap();
        let pbd = pool.xapi.look(|state| state.database.find("PBD", "SR", &(&pool.first).into())).remove(0);
        pool.xapi.set(&pbd, "host", &host).unwrap();
    };
    for break_it in [&full as &dyn Fn(&Pool), &disk_gone, &elsewhere] {
        let pool = Pool::new();
        break_it(&pool);
        let before = pool.look();
        wait(insert(&pool, DiscBefore::Stays)).unwrap();
        assert_eq!(sr_of(&pool, &pool.disc()), pool.default);
        wait(sweep(&pool)).unwrap();
        assert_eq!(pool.look(), before);
    }
}

#[test]
fn when_no_storage_does_it_every_reason_is_told() {
    let pool = Pool::new();
    for sr in [&pool.first, &pool.default] {
        pool.xapi.set(sr, "physical_size", 1).unwrap();
    }
    let before = pool.look();
    let error = wait(insert(&pool, DiscBefore::Stays)).unwrap_err();
    let said = error.to_string();
    assert_eq!(said.matches("SR_FULL").count(), 2, "{said}");
    assert!(said.contains(&pool.uuid(&pool.first)) && said.contains(&pool.uuid(&pool.default)), "{said}");
    assert_eq!(pool.look(), before);

    // No disk, and a default that was destroyed.
    let disk = pool.xapi.look(|state| state.database.find("VBD", "type", &"Disk".into())).remove(0);
    pool.xapi.remove(&disk).unwrap();
    pool.xapi.set(&pool.xapi.pool(), "default_SR", Ref("OpaqueRef:gone".into())).unwrap();
    let error = wait(insert(&pool, DiscBefore::Stays)).unwrap_err();
    assert!(matches!(error, Error::NoStorage(_)), "{error}");
}

#[test]
fn a_copy_of_the_vm_does_not_keep_the_keys() {
    let pool = Pool::new();
    wait(insert(&pool, DiscBefore::Stays)).unwrap();
    let copy = pool.xapi.add_vm("copy of win", [("power_state", "Halted".into())]).unwrap();
    let disc = pool.disc();
    let fields = [("VM", Value::from(&copy)), ("VDI", (&disc).into()), ("type", "CD".into()), ("mode", "RO".into())];
    let drive = pool.xapi.add("VBD", fields).unwrap();
    wait(sweep(&pool)).unwrap();
    assert!(pool.xapi.get(&disc, "uuid").is_err());
    assert_eq!(pool.xapi.get(&drive, "empty"), Ok(true.into()), "the copy has its drive, and nothing in it");
}
