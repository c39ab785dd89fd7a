//! Faults of texts, on certificates that are made here. Faults that only others' tools make are tried in the lab.

use std::time::{Duration, SystemTime};

use tokio::sync::OnceCell;

use super::super::make::{CLOCK_SKEW, Made, Order, VALID_FOR};
use super::super::{KeyBits, make};
use super::*;

const NOW: Duration = Duration::from_secs(1_795_374_000);

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + NOW
}

async fn made() -> &'static [Made; 2] {
    static MADE: OnceCell<[Made; 2]> = OnceCell::const_new();
    let one = async |host_name| {
        let order = Order { host_name, addresses: &[], key_bits: KeyBits(2048) };
        make(&order, now(), |_| ()).await.unwrap()
    };
    MADE.get_or_init(async || [one("xen1").await, one("xen2").await]).await
}

#[tokio::test]
async fn what_was_made_is_good_from_its_first_second_to_its_last() {
    let [made, _] = made().await;
    let expiries = check(&made.client, now()).unwrap();
    let whose: Vec<_> = expiries.iter().map(|expiry| (expiry.whose, expiry.subject.as_str())).collect();
    assert_eq!(whose, [(Whose::Authority, "O=xen1.xscontainer"), (Whose::Client, "CN=client")]);
    assert!(expiries.iter().all(|expiry| expiry.not_after == now() + VALID_FOR));
    let (begins, ends) = (now() - CLOCK_SKEW, now() + VALID_FOR);
    for good in [begins, ends] {
        check(&made.client, good).unwrap();
    }
    let second = Duration::from_secs(1);
    let too_early = check(&made.client, begins - second).unwrap_err();
    assert!(matches!(too_early, Fault::NotValidYet { whose: Whose::Authority, begins: said, .. } if said == begins));
    let too_late = check(&made.client, ends + second).unwrap_err();
    assert!(matches!(too_late, Fault::Expired { whose: Whose::Authority, ended, .. } if ended == ends));
}

#[tokio::test]
async fn each_fault_of_a_text_is_told_by_itself() {
    let [made, other] = made().await;
    let good = &made.client;
    let key = String::clone(&good.key);
    let with = |change: &dyn Fn(&mut Set)| {
        let mut set = good.clone();
        change(&mut set);
        check(&set, now()).unwrap_err()
    };
    let text = |text: &str| text.to_owned();
    assert_eq!(with(&|set| set.authority = text("x")), Fault::NoCertificate(Whose::Authority));
    assert_eq!(with(&|set| set.authority = key.clone()), Fault::KeyInstead(Whose::Authority));
    assert_eq!(with(&|set| set.certificate = text("")), Fault::NoCertificate(Whose::Client));
    let broken = good.certificate.replacen("MI", "AA", 1);
    assert_eq!(with(&|set| set.certificate.clone_from(&broken)), Fault::Damaged(Whose::Client));
    let cut = &good.certificate[..good.certificate.len() / 2];
    assert_eq!(with(&|set| set.certificate = text(cut)), Fault::Damaged(Whose::Client));
    assert_eq!(with(&|set| set.key = text("x").into()), Fault::NoKey);
    assert_eq!(with(&|set| set.key = good.certificate.clone().into()), Fault::CertificateInstead);
    assert_eq!(with(&|set| set.key = other.client.key.clone()), Fault::NotAPair);
    let odd = key.replacen("MI", "AA", 1);
    assert_eq!(with(&|set| set.key = odd.clone().into()), Fault::KeyUnusable);
    for head in ["-----BEGIN ENCRYPTED PRIVATE KEY-----\n", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"]
    {
        assert_eq!(with(&|set| set.key = text(head).into()), Fault::EncryptedKey);
    }
}

#[tokio::test]
async fn each_fault_of_what_belongs_together_is_told_by_itself() {
    let [made, other] = made().await;
    let server = check(&made.server, now()).unwrap_err();
    assert_eq!(server, Fault::NotForClients);
    let not_an_authority = Set { authority: made.client.certificate.clone(), ..made.client.clone() };
    let fault = check(&not_an_authority, now()).unwrap_err();
    assert_eq!(fault, Fault::NotAnAuthority { subject: "CN=client".into() });
    let stranger = Set { authority: other.client.authority.clone(), ..made.client.clone() };
    let fault = check(&stranger, now()).unwrap_err();
    let (issuer, authority) = ("O=xen1.xscontainer".into(), "O=xen2.xscontainer".into());
    assert_eq!(fault, Fault::UnknownAuthority { issuer, authority });
}

#[tokio::test]
async fn no_fault_shows_any_of_a_key() {
    let [made, other] = made().await;
    let key = String::clone(&made.client.key);
    let word = &key[40..60];
    let sets = [
        Set { authority: key.clone(), ..made.client.clone() },
        Set { certificate: key.clone(), ..made.client.clone() },
        Set { key: key.clone().into(), ..other.client.clone() },
        Set { key: key.replacen("MI", "AA", 1).into(), ..made.client.clone() },
    ];
    for set in sets {
        let fault = check(&set, now()).unwrap_err();
        assert!(!format!("{fault} {fault:?} {}", fault.remedy()).contains(word), "{fault}");
    }
    assert!(!format!("{:?}", made.client).contains(word));
}
