//! What can be asked of the engine of a VM, and what comes back. Must not know how it travels.

use serde::{Deserialize, Serialize};

use crate::engine::{self, Action, ContainerName, Engine};

/// A question about one container, or something to do with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// Do something.
    Act(Action, ContainerName),
    /// Everything that the engine knows of it.
    Inspect(ContainerName),
    /// What runs in it.
    Top(ContainerName),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It is done.
    Done,
    /// The engine's own words, JSON. Foreign.
    Document(String),
    /// It is not done.
    Refused(Refusal),
}

/// Why an engine did not do something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What happened, in words for people.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
    /// Whether there was nothing to do: a container to be started runs, one to be stopped does not.
    pub is_so_already: bool,
}

impl From<engine::Error> for Refusal {
    fn from(error: engine::Error) -> Self {
        let is_so_already = matches!(error, engine::Error::Status { status: 304, .. });
        Self { reason: error.to_string(), remedy: error.remedy(), is_so_already }
    }
}

impl Ask {
    /// Asks the engine.
    pub async fn put_to(&self, engine: &mut Engine) -> Answer {
        let result = match self {
            Self::Act(action, container) => engine.act(container, *action).await.map(|()| Answer::Done),
            Self::Inspect(container) => engine.inspect(container).await.map(Answer::Document),
            Self::Top(container) => engine.top(container).await.map(Answer::Document),
        };
        result.unwrap_or_else(|error| Answer::Refused(error.into()))
    }

    /// Whether asking twice is as good as asking once.
    #[must_use]
    pub fn may_be_repeated(&self) -> bool {
        !matches!(self, Self::Act(..))
    }
}
