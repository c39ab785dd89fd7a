//! What people are told of certificates that end: some weeks before, and again some days before. Looked at daily, because a
//! connection may last for months.
//!
//! Must not know where certificates come from.

use std::time::{Duration, SystemTime};

use super::notices::{Notices, Topic};
use crate::certificates::{Expiry, Whose};
use crate::xapi::Error;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How often certificates are looked at while a connection lasts.
pub const INTERVAL: Duration = DAY;

/// After so long they are looked at again when XAPI did not take what was to be told.
pub const RETRY: Duration = Duration::from_secs(600);

/// When it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// First so long before a certificate ends.
    pub first: Duration,
    /// And again so long before.
    pub again: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self { first: DAY * 30, again: DAY * 7 }
    }
}

/// Tells what there is to tell as of `now`, and withdraws what is not true any more.
///
/// # Errors
/// [`Error`]
pub async fn tell(notices: &mut Notices, expiries: &[Expiry], times: Times, now: SystemTime) -> Result<(), Error> {
    let due = due(expiries, times, now);
    for topic in [Topic::CertificateEnds, Topic::CertificateEndsSoon] {
        match &due {
            Some((due, body)) if *due == topic => notices.say(topic, body).await?,
            _ => notices.withdraw(topic).await?,
        }
    }
    Ok(())
}

/// What is to be told: one message that names every certificate that ends soon, the first that ends first. Its text does not
/// depend on the day, so that it stays the same message.
fn due(expiries: &[Expiry], times: Times, now: SystemTime) -> Option<(Topic, String)> {
    let within = |time: Duration| move |expiry: &&Expiry| expiry.not_after <= now + time;
    let mut ending: Vec<&Expiry> = expiries.iter().filter(within(times.first)).collect();
    ending.sort_by_key(|expiry| expiry.not_after);
    let topic = if within(times.again)(ending.first()?) { Topic::CertificateEndsSoon } else { Topic::CertificateEnds };
    let listed: Vec<String> = ending.iter().map(ToString::to_string).collect();
    let ours = ending.iter().any(|expiry| expiry.whose != Whose::Engine);
    let remedy = if ours { PREPARE_AGAIN } else { NEW_FOR_ENGINE };
    let listed = listed.join("; ");
    let body = format!("Of the certificates for this VM's engine, {listed}. {AFTER_THAT} {remedy}");
    Some((topic, body))
}

const AFTER_THAT: &str = "After that its containers can neither be seen nor managed.";

const PREPARE_AGAIN: &str =
    "Prepare the VM for TLS again, with new certificates for both sides: xscontainer-prepare-vm";

const NEW_FOR_ENGINE: &str = "Give the engine a new certificate of the same authority and restart it, or prepare the VM for TLS again with new \
     certificates for both sides: xscontainer-prepare-vm";

#[cfg(test)]
mod tests {
    use super::*;

    fn due(expiries: &[Expiry], now: SystemTime) -> Option<(Topic, String)> {
        super::due(expiries, Times::default(), now)
    }

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_374_000)
    }

    fn ends(whose: Whose, days: u32) -> Expiry {
        Expiry { whose, subject: "CN=x".into(), not_after: now() + DAY * days }
    }

    #[test]
    fn nothing_is_told_while_there_is_time() {
        assert_eq!(due(&[ends(Whose::Client, 31), ends(Whose::Engine, 700)], now()), None);
        assert_eq!(due(&[], now()), None);
    }

    #[test]
    fn it_is_told_30_days_before_and_again_7_days_before_in_words_that_stay() {
        let certificates = [ends(Whose::Authority, 60), ends(Whose::Client, 30), ends(Whose::Engine, 90)];
        let (topic, body) = due(&certificates, now()).unwrap();
        assert_eq!(topic, Topic::CertificateEnds);
        assert_eq!(
            body,
            "Of the certificates for this VM's engine, the client's certificate (\"CN=x\") is valid until 2026-12-22 19:00 UTC. \
             After that its containers can neither be seen nor managed. Prepare the VM for TLS again, with new certificates \
             for both sides: xscontainer-prepare-vm"
        );
        assert_eq!(due(&certificates, now() + DAY * 20), Some((topic, body.clone())));
        assert_eq!(due(&certificates, now() + DAY * 23), Some((Topic::CertificateEndsSoon, body.clone())));
        let late = due(&certificates, now() + DAY * 31).unwrap();
        assert!(late.0 == Topic::CertificateEndsSoon && late.1.contains("; the authority's certificate"), "{late:?}");
    }

    #[test]
    fn of_the_engines_alone_the_engine_can_have_another() {
        let (_, body) = due(&[ends(Whose::Engine, 3), ends(Whose::Client, 300)], now()).unwrap();
        assert!(
            body.contains("the engine's certificate") && body.contains("Give the engine a new certificate"),
            "{body}"
        );
    }
}
