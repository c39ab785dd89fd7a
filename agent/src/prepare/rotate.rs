//! The pool's key changed: a new one goes into every guest that can be reached before it becomes the pool's, and the old one
//! out of them after.
//!
//! The secrets stay the ones that they are and get new texts, each in one step, so that at every moment the pool has a key;
//! monitors read it anew when a guest refuses the one they have. What is under way is noted in the pool's `other_config`:
//! a change that was interrupted before the new key was the pool's is taken back, and one that was interrupted after is
//! finished by the next call.

use std::path::Path;

use zeroize::Zeroizing;

use super::dialogue::Dialogue;
use super::guest_key::{self, Before, Failure};
use super::problem::{Doing, Problem};
use super::turn::{self, Turn};
use crate::access::{self, HOST_KEY, MONITOR_KEY, Mode, PREPARED_KEY, Settings, USER_KEY};
use crate::guest::ssh::keys::{self, PrivateKey};
use crate::guest::ssh::{Progress, Visit};
use crate::guest::{self, Family, Unreachable};
use crate::inventory;
use crate::quote::quoted;
use crate::reach::{self, Situation, Trouble};
use crate::xapi::records::{self, VdiRef};
use crate::xapi::secrets::{self, SecretUuid};
use crate::xapi::{Client, HostRef, Pool, PoolRef, PowerState, State, Vm, VmRef, events, hosts, other_config};

/// Names the secret with the key that is to become the pool's.
const NEXT: &str = "xscontainer-next-private-secret-uuid";

/// Holds the public half of the key that is not the pool's any more, until it is out of the guests.
const RETIRING: &str = "xscontainer-retiring-public-key";

/// What became of it.
#[derive(Debug, Default)]
pub struct Rotated {
    /// The new key, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
    /// VMs that have it.
    pub reached: Vec<String>,
    /// VMs that do not, and why. They have to be prepared again.
    pub missed: Vec<(String, String)>,
    /// VMs of which the old key could not be taken out, and why.
    pub stays: Vec<(String, String)>,
    /// VMs with a config drive, which names the old key. They need a new one.
    pub config_drives: Vec<String>,
}

/// What became of a change that did not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenBack {
    /// There was none of ours.
    Nothing,
    /// The pool's key is the one that it was.
    Old,
    /// The new key is the pool's, or may become it any moment; the next call finishes the change.
    New,
}

/// A change of the pool's key.
pub struct Rotation<'a> {
    client: &'a Client,
    pool: PoolRef,
    here: HostRef,
    dialogue: &'a Dialogue,
    turn: Turn,
}

/// A VM with the key, and how it is reached.
struct Guest<'a> {
    vm: &'a VmRef,
    record: &'a Vm,
    situation: Situation,
}

impl Guest<'_> {
    fn name(&self) -> String {
        format!("{} ({})", quoted(&self.record.name_label), self.record.uuid)
    }
}

impl<'a> Rotation<'a> {
    /// Of the pool of `client`.
    ///
    /// # Errors
    /// [`Problem`]
    pub async fn new(client: &'a Client, inventory: &Path, dialogue: &'a Dialogue) -> Result<Self, Problem> {
        let here = inventory::host_uuid(inventory)
            .map_err(|error| Problem::File(inventory.to_owned(), std::io::Error::other(error.to_string())))?;
        let here = hosts::by_uuid(client, &here).await.doing("find this host in XAPI")?;
        let pool: PoolRef = client.call("pool.get_all", &[]).await.doing("find the pool")?;
        let turn = Turn::at_pool(client, &pool, &here);
        Ok(Self { client, pool, here, dialogue, turn })
    }

    /// Changes the key. VMs that cannot be reached are left behind only if that is confirmed, or with `leave_behind`.
    ///
    /// # Errors
    /// [`Problem`]; [`Rotation::take_back`] then sees to what was done.
    pub async fn run(&self, leave_behind: bool) -> Result<Rotated, Problem> {
        self.turn.take().await?;
        let old = access::PoolKey::new(self.client.clone()).get().await?;
        let names = access::pool_secrets(self.client, &self.pool).await?;
        let (new, pem, secret) = self.next_key().await?;
        let mut done = Rotated { fingerprint: new.fingerprint(), ..Rotated::default() };
        // Not before the turn is taken: whoever began to prepare a VM until then is in it.
        let state = self.state().await?;
        let guests = self.guests(&state);
        let retiring = match new.fingerprint() == old.fingerprint() {
            // An earlier change came as far as that.
            true => self.pool_record().await?.other_config.get(RETIRING).cloned(),
            false => {
                self.dialogue.say(format_args!("The new key is {}.", new.fingerprint()));
                self.spread(&guests, &old, &new, &mut done).await;
                self.confirm(&done, leave_behind).await?;
                let line = old.public_line(access::KEY_COMMENT);
                let named = self.pool_record().await?.other_config.get(NEXT).cloned();
                if !self.turn.is_ours().await? || named.as_deref() != Some(secret.as_str()) {
                    return Err(Problem::PoolBusy("somebody took over".to_owned()));
                }
                // From here on nothing is taken back, whatever becomes of the next calls: both keys are in the guests.
                self.set(RETIRING, Some(&line)).await?;
                secrets::replace(self.client, &names.private, &pem).await.doing("change the pool's key")?;
                Some(line)
            }
        };
        let line = new.public_line(access::KEY_COMMENT);
        secrets::replace(self.client, &names.public, &line).await.doing("change the pool's public key")?;
        if let Some(retiring) = retiring {
            self.retire(&guests, &new, &retiring, &mut done).await;
        }
        done.config_drives = self.config_drives(&state).await?;
        self.set(RETIRING, None).await?;
        secrets::destroy(self.client, &secret).await.doing("destroy the secret that is not needed any more")?;
        self.set(NEXT, None).await?;
        self.turn.give_back().await?;
        Ok(done)
    }

    /// Takes back what a change of ours did that did not come to its end, if its key cannot become the pool's any more.
    ///
    /// # Errors
    /// [`Problem`]
    pub async fn take_back(&self) -> Result<TakenBack, Problem> {
        if !self.turn.is_ours().await? {
            return Ok(TakenBack::Nothing);
        }
        let taken_back = self.take_key_back().await;
        self.turn.give_back().await?;
        taken_back
    }

    async fn take_key_back(&self) -> Result<TakenBack, Problem> {
        let record = self.pool_record().await?;
        if record.other_config.contains_key(RETIRING) {
            return Ok(TakenBack::New);
        }
        let Some((new, _, secret)) = self.noted_key(&record).await? else { return Ok(TakenBack::Nothing) };
        let old = access::PoolKey::new(self.client.clone()).get().await?;
        if new.fingerprint() == old.fingerprint() {
            return Ok(TakenBack::New);
        }
        let line = new.public_line(access::KEY_COMMENT);
        let state = self.state().await?;
        for guest in self.guests(&state) {
            if let Ok(visit) = self.visit(&guest, &old).await {
                let user = &guest.situation.settings.as_ref().expect("only such are visited").user;
                if let Err(failure) = guest_key::remove(&visit, user, &line, Before::default()).await {
                    self.dialogue.say(format_args!("The new key stays in {}: {}", guest.name(), words(&failure)));
                }
            }
        }
        secrets::destroy(self.client, &secret).await.doing("destroy the new key")?;
        self.set(NEXT, None).await?;
        Ok(TakenBack::Old)
    }

    async fn state(&self) -> Result<State, Problem> {
        events::state(self.client).await.doing("read the pool's VMs")
    }

    async fn pool_record(&self) -> Result<Pool, Problem> {
        records::read(self.client, &self.pool).await.doing("read the pool's record")
    }

    async fn set(&self, key: &str, text: Option<&str>) -> Result<(), Problem> {
        other_config::replace_of_pool(self.client, &self.pool, key, text).await.doing("change the pool's other-config")
    }

    /// The key that an earlier call meant to make the pool's, if it is still there.
    async fn noted_key(&self, pool: &Pool) -> Result<Option<(PrivateKey, Zeroizing<String>, SecretUuid)>, Problem> {
        let Some(uuid) = pool.other_config.get(NEXT).and_then(|uuid| SecretUuid::parse(uuid)) else { return Ok(None) };
        let pem = match secrets::read(self.client, &uuid).await {
            Err(error) if error.is_uuid_invalid() => return Ok(None),
            pem => pem.doing("read the new key of an earlier call")?,
        };
        let key = PrivateKey::parse(&pem).map_err(|error| access::AccessError::PoolKeyUnusable(uuid.clone(), error))?;
        Ok(Some((key, pem, uuid)))
    }

    /// The key that is to become the pool's: one of an earlier call, or a new one.
    async fn next_key(&self) -> Result<(PrivateKey, Zeroizing<String>, SecretUuid), Problem> {
        let doing = "keep the new key";
        if let Some(noted) = self.noted_key(&self.pool_record().await?).await? {
            return Ok(noted);
        }
        self.set(NEXT, None).await?;
        self.dialogue.say("Making a new key.");
        let (key, pem) = keys::generate().await;
        let secret = secrets::create(self.client, &pem).await.doing(doing)?;
        match other_config::add_to_pool(self.client, &self.pool, NEXT, secret.as_str()).await.doing(doing)? {
            true => Ok((key, pem, secret)),
            false => {
                secrets::destroy(self.client, &secret).await.doing(doing)?;
                Err(Problem::PoolBusy("somebody was faster".to_owned()))
            }
        }
    }

    /// The VMs that have the pool's key, as far as XAPI knows.
    fn guests<'s>(&self, state: &'s State) -> Vec<Guest<'s>> {
        let claims = reach::claims(state);
        let mut guests: Vec<Guest<'s>> = Vec::new();
        for (vm, record) in &state.vms {
            let has = |key| record.other_config.contains_key(key);
            if record.is_a_snapshot || record.is_a_template || record.is_control_domain {
                continue;
            }
            let registered = record.other_config.get(MONITOR_KEY).is_some_and(|text| text.eq_ignore_ascii_case("true"));
            let busy = turn::is_held(&record.other_config, &self.here);
            if !registered && !busy && !has(USER_KEY) && !has(HOST_KEY) && !has(PREPARED_KEY) {
                continue;
            }
            let mut situation = Situation::of(record, state, &claims, guest::route);
            if record.resident_on.as_ref() != Some(&self.here) {
                situation.candidates = situation.candidates.from_afar();
            }
            // One that was prepared for SSH first still has the key.
            let over_tls = situation.settings.as_ref().is_ok_and(|settings| settings.mode == Mode::Tls);
            if !over_tls || has(PREPARED_KEY) || busy {
                guests.push(Guest { vm, record, situation });
            }
        }
        guests.sort_by_key(Guest::name);
        guests
    }

    /// Logs in with `key`.
    async fn visit(&self, guest: &Guest<'_>, key: &PrivateKey) -> Result<Visit, Trouble> {
        if guest.record.power_state != PowerState::Running {
            return Err(Trouble::NotRunning(guest.record.power_state));
        }
        let candidates = &guest.situation.candidates;
        if candidates.usable.is_empty() {
            return Err(Trouble::NoAddress(candidates.clone()));
        }
        let settings: &Settings = guest.situation.settings.as_ref().map_err(|bad| Trouble::Setting(bad.clone()))?;
        let mut visit = Visit::open(&candidates.usable, settings.host_key.as_ref()).await?;
        match visit.log_in(&settings.user, key).await? {
            Progress::In => Ok(visit),
            _ => {
                let (address, user) = (visit.address(), settings.user.to_string());
                Err(Unreachable::LoginRefused { address, user }.into())
            }
        }
    }

    /// Puts the new key into every guest that the old one opens, and tries it.
    async fn spread(&self, guests: &[Guest<'_>], old: &PrivateKey, new: &PrivateKey, done: &mut Rotated) {
        let line = new.public_line(access::KEY_COMMENT);
        for (at, guest) in guests.iter().enumerate() {
            let result = self.give(guest, old, new, &line).await;
            let count = format!("{}/{}", at + 1, guests.len());
            match result {
                Ok(()) => {
                    self.dialogue.say(format_args!("{count}  {} has the new key", guest.name()));
                    done.reached.push(guest.record.uuid.to_string());
                }
                Err(why) => {
                    self.dialogue.say(format_args!("{count}  {} NOT REACHED: {why}", guest.name()));
                    done.missed.push((guest.record.uuid.to_string(), why));
                }
            }
        }
    }

    async fn give(&self, guest: &Guest<'_>, old: &PrivateKey, new: &PrivateKey, line: &str) -> Result<(), String> {
        let family = guest.situation.family;
        if turn::is_held(&guest.record.other_config, &self.here) {
            return Err("somebody is preparing it just now".to_owned());
        }
        if self.visit(guest, new).await.is_ok() {
            return Ok(());
        }
        let visit = self.visit(guest, old).await.map_err(|trouble| explained(&trouble, family))?;
        let user = &guest.situation.settings.as_ref().expect("only such are visited").user;
        guest_key::add(&visit, user, line).await.map_err(|failure| words(&failure))?;
        self.visit(guest, new).await.map(drop).map_err(|trouble| explained(&trouble, family))
    }

    async fn confirm(&self, done: &Rotated, leave_behind: bool) -> Result<(), Problem> {
        if done.missed.is_empty() || leave_behind {
            return Ok(());
        }
        self.dialogue.say(format_args!(
            "{} of {} VMs do not have the new key. They have to be prepared again if the key is changed now.",
            done.missed.len(),
            done.missed.len() + done.reached.len()
        ));
        match self.dialogue.confirm_unusual("Leave them behind?").await? {
            true => Ok(()),
            false => Err(Problem::Declined(
                "VMs that cannot be reached were not to be left behind (--leave-behind does that)",
            )),
        }
    }

    /// Takes the old key out of every guest that the new one opens; others do not have it, whatever was thought.
    async fn retire(&self, guests: &[Guest<'_>], new: &PrivateKey, old_line: &str, done: &mut Rotated) {
        for guest in guests {
            let uuid = guest.record.uuid.to_string();
            if done.missed.iter().any(|(missed, _)| *missed == uuid) {
                continue;
            }
            let visit = match self.visit(guest, new).await {
                Ok(visit) => visit,
                Err(trouble) => {
                    let why = explained(&trouble, guest.situation.family);
                    self.dialogue.say(format_args!("{} does not have the new key: {why}", guest.name()));
                    done.reached.retain(|reached| *reached != uuid);
                    done.missed.push((uuid, why));
                    continue;
                }
            };
            let user = &guest.situation.settings.as_ref().expect("only such are visited").user;
            if let Err(failure) = guest_key::remove(&visit, user, old_line, Before::default()).await {
                let why = words(&failure);
                self.dialogue.say(format_args!("The old key stays in {}: {why}", guest.name()));
                done.stays.push((uuid, why));
            }
            let noted = other_config::replace(self.client, guest.vm, PREPARED_KEY, Some(&new.fingerprint())).await;
            if let Err(error) = noted {
                tracing::warn!(vm = %guest.record.uuid, %error, "cannot note which key the VM has");
            }
        }
    }

    /// The VMs with a config drive.
    async fn config_drives(&self, state: &State) -> Result<Vec<String>, Problem> {
        let doing = "look for config drives";
        let disks: records::All<records::Vdi> = self.client.call("VDI.get_all_records", &[]).await.doing(doing)?;
        let mut uuids = Vec::new();
        for (reference, disk) in &disks.0 {
            let is_drive =
                disk.other_config.get(records::CONFIG_DRIVE).is_some_and(|flag| flag.eq_ignore_ascii_case("true"));
            if !is_drive || disk.is_a_snapshot || VdiRef::new(reference).is_none() {
                continue;
            }
            for vbd in &disk.vbds {
                let vbd: Option<records::Vbd> = records::read_if_there(self.client, vbd).await.doing(doing)?;
                let vm = vbd.and_then(|vbd| state.vms.get(vbd.vm.as_ref()?));
                uuids.extend(vm.map(|vm| vm.uuid.to_string()));
            }
        }
        uuids.sort();
        uuids.dedup();
        Ok(uuids)
    }
}

fn explained(trouble: &Trouble, family: Family) -> String {
    format!("{trouble}. {}", trouble.remedy(family))
}

fn words(failure: &Failure) -> String {
    match failure {
        Failure::Unreachable(cause) => cause.to_string(),
        Failure::Account(problem) => problem.to_string(),
    }
}
