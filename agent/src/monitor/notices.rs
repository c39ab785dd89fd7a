//! Messages on a VM that people see in their client's notifications: raised once, withdrawn when their reason is gone.
//!
//! Must not know the reasons.

use std::collections::BTreeMap;
use std::mem;

use crate::xapi::messages::{self, Message};
use crate::xapi::{Client, Error, VmUuid};

/// Of 1, critical, to 5, informational (xen-api ocaml/xapi/xapi_message.ml).
const PRIORITY: u8 = 3;

/// What messages are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// The VM's containers cannot be seen.
    Unreachable,
    /// Not all containers have room in the view.
    LeftOut,
    /// The engine's certificate is checked less strictly than it could be.
    LaxCertificate,
    /// A certificate ends in some weeks.
    CertificateEnds,
    /// A certificate ends in some days, or has ended.
    CertificateEndsSoon,
}

impl Topic {
    const ALL: [Self; 5] =
        [Self::Unreachable, Self::LeftOut, Self::LaxCertificate, Self::CertificateEnds, Self::CertificateEndsSoon];

    /// The message's name, which clients show. The first is the original agent's, so that its messages are withdrawn
    /// as well.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "Container Management cannot monitor VM",
            Self::LeftOut => "Container Management cannot show all containers",
            Self::LaxCertificate => "Container Management does not compare a certificate with the address",
            Self::CertificateEnds => "A certificate of Container Management expires in some weeks",
            Self::CertificateEndsSoon => "A certificate of Container Management expires within days",
        }
    }
}

/// The messages on one VM.
#[derive(Debug)]
pub struct Notices {
    client: Client,
    vm: VmUuid,
    /// What is raised; `None` until XAPI was asked for messages from before this program started, and when a call was
    /// broken off.
    raised: Option<BTreeMap<Topic, Message>>,
}

impl Notices {
    /// On `vm`.
    #[must_use]
    pub fn new(client: Client, vm: VmUuid) -> Self {
        Self { client, vm, raised: None }
    }

    /// Makes sure that there is one about `topic`; its text stays as it was raised first.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn raise(&mut self, topic: Topic, body: &str) -> Result<(), Error> {
        let mut raised = self.take_raised().await?;
        if !raised.contains_key(&topic) {
            self.create(&mut raised, topic, body).await?;
        }
        self.raised = Some(raised);
        Ok(())
    }

    /// Makes sure that there is one about `topic` that says just this.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn say(&mut self, topic: Topic, body: &str) -> Result<(), Error> {
        let mut raised = self.take_raised().await?;
        if raised.get(&topic).is_none_or(|message| message.body != body) {
            if let Some(stale) = raised.remove(&topic) {
                messages::destroy(&self.client, &stale.reference).await?;
            }
            self.create(&mut raised, topic, body).await?;
        }
        self.raised = Some(raised);
        Ok(())
    }

    async fn create(&self, raised: &mut BTreeMap<Topic, Message>, topic: Topic, body: &str) -> Result<(), Error> {
        let created = messages::create(&self.client, topic.name(), PRIORITY, &self.vm, body).await?;
        let message = |reference| Message { reference, name: topic.name().to_owned(), body: body.to_owned() };
        raised.extend(created.map(|reference| (topic, message(reference))));
        Ok(())
    }

    /// Makes sure that there is none about `topic`.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn withdraw(&mut self, topic: Topic) -> Result<(), Error> {
        let mut raised = self.take_raised().await?;
        if let Some(message) = raised.remove(&topic) {
            messages::destroy(&self.client, &message.reference).await?;
        }
        self.raised = Some(raised);
        Ok(())
    }

    /// Makes sure that there is none at all.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn withdraw_all(&mut self) -> Result<(), Error> {
        for topic in Topic::ALL {
            self.withdraw(topic).await?;
        }
        Ok(())
    }

    /// What is raised; leaves `None`, which stays if the caller fails or is dropped.
    async fn take_raised(&mut self) -> Result<BTreeMap<Topic, Message>, Error> {
        if let Some(raised) = mem::take(&mut self.raised) {
            return Ok(raised);
        }
        let mut raised = BTreeMap::new();
        for message in messages::of_vm(&self.client, &self.vm).await? {
            let Some(topic) = Topic::ALL.into_iter().find(|topic| topic.name() == message.name) else { continue };
            if let Some(double) = raised.insert(topic, message) {
                messages::destroy(&self.client, &double.reference).await?;
            }
        }
        Ok(raised)
    }
}
