//! One administrator at a time for each VM, and for the pool's key, whichever hosts they are on: an entry of `other_config`
//! that XAPI adds only once.

use std::collections::BTreeMap;
use std::fs;
use std::process;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::sleep;

use super::problem::{Doing, Problem};
use crate::quote::quoted;
use crate::xapi::{Client, HostRef, Pool, PoolRef, Vm, VmRef, other_config, records};

const DOING: &str = "see whether somebody else is at it";

/// Who is at it.
pub const KEY: &str = "xscontainer-preparing";

/// After so long nobody on another host is at it any more, whatever the entry says.
const LASTS: Duration = Duration::from_secs(24 * 3600);

/// How long another one who takes over the same turn may need to be seen.
const TAKEOVER: Duration = Duration::from_millis(500);

/// A turn at a VM, or at the pool's key, which concerns all of them.
#[derive(Clone, Debug)]
pub struct Turn {
    client: Client,
    place: Place,
    host: String,
    mark: String,
}

#[derive(Clone, Debug)]
enum Place {
    Vm(VmRef),
    Pool(PoolRef),
}

impl Turn {
    /// At a VM. Takes nothing yet.
    #[must_use]
    pub fn at_vm(client: &Client, vm: &VmRef, here: &HostRef) -> Self {
        Self::at(client, Place::Vm(vm.clone()), here)
    }

    /// At the pool's key. Takes nothing yet.
    #[must_use]
    pub fn at_pool(client: &Client, pool: &PoolRef, here: &HostRef) -> Self {
        Self::at(client, Place::Pool(pool.clone()), here)
    }

    fn at(client: &Client, place: Place, here: &HostRef) -> Self {
        let host = here.as_str().to_owned();
        Self { client: client.clone(), place, mark: mark(&host), host }
    }

    /// Takes it, or that of somebody who did not come to the end. Nobody has a VM's while somebody has the pool's.
    ///
    /// # Errors
    /// [`Problem::Busy`], [`Problem::Xapi`]
    pub async fn take(&self) -> Result<(), Problem> {
        self.take_place().await?;
        // After that: whoever takes the pool's now sees that somebody has this one.
        if let Place::Vm(_) = self.place {
            let pool: PoolRef = self.client.call("pool.get_all", &[]).await.doing(DOING)?;
            let holder = Self { place: Place::Pool(pool), ..self.clone() }.holder().await?;
            if let Some(holder) = holder.filter(|holder| !is_abandoned(holder, &self.host, now())) {
                self.give_back().await?;
                return Err(Problem::PoolBusy(quoted(&holder).to_string()));
            }
        }
        Ok(())
    }

    async fn take_place(&self) -> Result<(), Problem> {
        let mut took_over = false;
        for _ in 0..2 {
            let added = match &self.place {
                Place::Vm(vm) => other_config::add_to_vm(&self.client, vm, KEY, &self.mark).await,
                Place::Pool(pool) => other_config::add_to_pool(&self.client, pool, KEY, &self.mark).await,
            };
            if added.doing(DOING)? {
                if took_over {
                    sleep(TAKEOVER).await;
                    if !self.is_ours().await? {
                        break;
                    }
                }
                return Ok(());
            }
            let Some(holder) = self.holder().await? else { continue };
            if !is_abandoned(&holder, &self.host, now()) {
                let holder = quoted(&holder).to_string();
                return Err(match self.place {
                    Place::Vm(_) => Problem::Busy(holder),
                    Place::Pool(_) => Problem::PoolBusy(holder),
                });
            }
            took_over = true;
            tracing::info!(holder = %quoted(&holder), "an earlier call was not ended");
            self.clear().await?;
        }
        Err(Problem::Busy("somebody who was faster".to_owned()))
    }

    /// Gives it back, unless somebody else has it by now.
    ///
    /// # Errors
    /// [`Problem::Xapi`]
    pub async fn give_back(&self) -> Result<(), Problem> {
        match self.is_ours().await? {
            true => self.clear().await,
            false => Ok(()),
        }
    }

    /// Whether it is taken, by us.
    ///
    /// # Errors
    /// [`Problem::Xapi`]
    pub async fn is_ours(&self) -> Result<bool, Problem> {
        Ok(self.holder().await?.as_ref() == Some(&self.mark))
    }

    async fn holder(&self) -> Result<Option<String>, Problem> {
        let entries = match &self.place {
            Place::Vm(vm) => records::read::<Vm>(&self.client, vm).await.doing(DOING)?.other_config,
            Place::Pool(pool) => records::read::<Pool>(&self.client, pool).await.doing(DOING)?.other_config,
        };
        Ok(entries.get(KEY).cloned())
    }

    async fn clear(&self) -> Result<(), Problem> {
        match &self.place {
            Place::Vm(vm) => other_config::replace(&self.client, vm, KEY, None).await.doing(DOING),
            Place::Pool(pool) => other_config::replace_of_pool(&self.client, pool, KEY, None).await.doing(DOING),
        }
    }
}

/// Whether somebody on `here` or elsewhere is at it, by what stands at [`KEY`].
#[must_use]
pub fn is_held(entries: &BTreeMap<String, String>, here: &HostRef) -> bool {
    entries.get(KEY).is_some_and(|holder| !is_abandoned(holder, here.as_str(), now()))
}

/// `host process start-of-the-process time`: enough to see whether it still runs.
fn mark(host: &str) -> String {
    let id = process::id();
    format!("host={host} process={id} started={} at={}", started(id).unwrap_or_default(), now())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// When a process of this system began, in ticks since boot: field 22 of proc_pid_stat(5).
fn started(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is a name in brackets, which may hold anything.
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

fn is_abandoned(mark: &str, host: &str, now: u64) -> bool {
    let field = |name: &str| mark.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let number = |name: &str| field(name).and_then(|text| text.parse::<u64>().ok());
    if field("host") == Some(host) {
        // Of this host it can be seen.
        let process = number("process").and_then(|id| u32::try_from(id).ok());
        return process.is_none_or(|id| started(id) != number("started"));
    }
    now.abs_diff(number("at").unwrap_or(0)) > LASTS.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_abandoned_when_its_process_has_ended_or_elsewhere_after_a_day() {
        let mine = mark("here");
        assert!(!is_abandoned(&mine, "here", now()));
        assert!(!is_abandoned(&mine, "here", now() + 100_000));
        assert!(is_abandoned(&mine, "there", now() + 100_000));
        let ended = mine.replace("started=", "started=9");
        assert!(is_abandoned(&ended, "here", now()));
        // What runs on other hosts cannot be seen from here.
        assert!(!is_abandoned(&ended, "there", now()));
        assert!(is_abandoned("nonsense", "here", now()));
    }
}
