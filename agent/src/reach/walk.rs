//! The path to a VM's engine walked once, with what was seen at every step. Changes nothing, in XAPI or in the guest.

use super::Rules;
use super::path::Step;
use super::situation::{Situation, claims};
use super::trouble::Trouble;
use crate::access::{Mode, PoolKey, Settings};
use crate::engine::Engine;
use crate::guest::{self, Connection, Family};
use crate::quote::quoted;
use crate::xapi::{Client, HostRef, PowerState, State, Vm, VmRef};

/// What became of one step.
#[derive(Debug)]
pub enum Outcome {
    /// It is made; what was seen.
    Passed(String),
    /// The path ends here.
    Failed(Box<Trouble>),
    /// It was not come to.
    NotReached,
}

/// One step.
#[derive(Debug)]
pub struct Finding {
    /// Which.
    pub step: Step,
    /// What became of it.
    pub outcome: Outcome,
}

/// A path that was walked.
#[derive(Debug)]
pub struct Walk {
    /// Every step, in order.
    pub findings: Vec<Finding>,
    /// What kind of system the guest says it is.
    pub family: Family,
}

impl Walk {
    /// Where the path ended before its end, if it did.
    #[must_use]
    pub fn trouble(&self) -> Option<&Trouble> {
        self.findings.iter().find_map(|finding| match &finding.outcome {
            Outcome::Failed(trouble) => Some(&**trouble),
            Outcome::Passed(_) | Outcome::NotReached => None,
        })
    }
}

/// Walks the path to the engine of `vm` from the host `here`. A host key is compared, and not remembered.
pub async fn walk(
    client: &Client,
    pool_key: &PoolKey,
    state: &State,
    vm: (&VmRef, &Vm),
    here: &HostRef,
    rules: &Rules,
) -> Walk {
    let mut situation = Situation::of(vm.1, state, &claims(state), guest::route);
    if vm.1.resident_on.as_ref() != Some(here) {
        situation.candidates = situation.candidates.from_afar();
    }
    let mut seen = Seen::default();
    let result = go(client, pool_key, &situation, vm.1, rules, &mut seen).await;
    let mode = situation.settings.as_ref().map_or(Mode::Ssh, |settings| settings.mode);
    let (engine, trouble) = match result {
        Ok(engine) => (Some(engine), None),
        Err(trouble) => (None, Some(trouble)),
    };
    let ends_at = trouble.as_ref().map(|trouble| match trouble.step() {
        step if Step::path(mode).contains(&step) => step,
        // A step of the other path's, such as a login that takes long.
        _ => Step::Port,
    });
    let mut trouble = trouble.map(Box::new);
    let findings = Step::path(mode).iter().map(|step| {
        let outcome = match ends_at {
            Some(end) if *step > end => Outcome::NotReached,
            Some(end) if *step == end => trouble.take().map_or(Outcome::NotReached, Outcome::Failed),
            _ => Outcome::Passed(seen.of(*step, &situation, vm.1, engine.as_ref())),
        };
        Finding { step: *step, outcome }
    });
    Walk { findings: findings.collect(), family: situation.family }
}

async fn go(
    client: &Client,
    pool_key: &PoolKey,
    situation: &Situation,
    vm: &Vm,
    rules: &Rules,
    seen: &mut Seen,
) -> Result<Engine, Trouble> {
    if vm.power_state != PowerState::Running {
        return Err(Trouble::NotRunning(vm.power_state));
    }
    let settings = situation.settings.clone().map_err(Trouble::Setting)?;
    if settings.mode == Mode::Ssh {
        pool_key.is_there().await?;
    }
    let connecting = super::connect(client, pool_key, &situation.candidates, &settings, rules);
    let connection = rules.in_time(connecting).await?;
    seen.connection(&settings, &connection);
    let engine = rules.in_time(super::engine(&connection, rules)).await;
    seen.way = connection.way().to_string();
    engine
}

/// What was seen on the way.
#[derive(Default)]
struct Seen {
    address: String,
    host_key: String,
    user: String,
    way: String,
}

impl Seen {
    fn connection(&mut self, settings: &Settings, connection: &Connection) {
        self.address = connection.address().to_string();
        self.user = settings.user.to_string();
        if let Some(key) = connection.host_key() {
            let known = if settings.host_key.is_some() { "as remembered" } else { "seen for the first time" };
            self.host_key = format!("{} ({known})", key.fingerprint());
        }
    }

    fn of(&self, step: Step, situation: &Situation, vm: &Vm, engine: Option<&Engine>) -> String {
        let usable = || situation.candidates.usable.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match step {
            Step::Running => vm.power_state.in_words().to_owned(),
            Step::Address | Step::Usable => usable(),
            Step::Port => self.address.clone(),
            Step::HostKey
                if self.host_key.is_empty() && situation.settings.as_ref().is_ok_and(|now| now.host_key.is_none()) =>
            {
                "none is known yet".to_owned()
            }
            Step::HostKey => self.host_key.clone(),
            Step::Login if !self.user.is_empty() => format!("account {}", self.user),
            Step::Forwarding => self.way.clone(),
            Step::Answer => engine.map(|engine| quoted(&engine.identity().to_string()).to_string()).unwrap_or_default(),
            _ => String::new(),
        }
    }
}
