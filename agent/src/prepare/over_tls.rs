//! A VM made reachable over TLS: by certificates that are made for it and brought to it on a disc, or by the user's own.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use super::dialogue::Dialogue;
use super::job::Job;
use super::problem::Problem;
use super::shown::{self, Prepared, Reached};
use super::tls::cd::{self, DiscBefore};
use super::tls::{Store, disc};
use super::undo::Undo;
use crate::access::{MONITOR_KEY, REGISTERED};
use crate::certificates::make::{self, Made};
use crate::certificates::{self, KEY_BITS, Set};
use crate::guest::tls::{Identity, Verify};
use crate::guest::{self, Credentials};
use crate::quote::quoted;
use crate::reach::{self, Trouble};

/// How long a script waits until somebody has run the program on the disc.
const SCRIPT_LIMIT: Duration = Duration::from_secs(900);

/// The pause between two tries of a script.
const PAUSE: Duration = Duration::from_secs(5);

/// Where certificates come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// They are made now.
    Made,
    /// They are the user's; the engine has its own from the same authority.
    Own {
        /// This host's certificate, with those between it and the authority.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
        /// The authority's certificate.
        authority: PathBuf,
    },
}

/// Prepares the VM.
///
/// # Errors
/// [`Problem`]; what was done is in `undo`.
pub async fn prepare(job: &Job, source: &Source, dialogue: &Dialogue, undo: &mut Undo) -> Result<Prepared, Problem> {
    job.candidates()?;
    let (set, verify, reached) = match source {
        Source::Own { certificate, key, authority } => {
            let set = Set {
                authority: read(authority)?.to_string(),
                certificate: read(certificate)?.to_string(),
                key: read(key)?,
            };
            certificates::check(&set, SystemTime::now()).map_err(Problem::Certificates)?;
            let reached = try_out(job, &set, Verify::Name).await?;
            (set, Verify::Name, reached)
        }
        Source::Made => {
            let (set, reached) = by_disc(job, dialogue, undo).await?;
            (set, Verify::Chain, reached)
        }
    };
    dialogue.say(format_args!("The engine answers: {}.", quoted(&reached.engine.identity().to_string())));
    let begun = Store::begin(&job.client, &job.vm, &job.record.uuid).await.map_err(Problem::Tls)?;
    undo.put(begun, &set, verify).await.map_err(Problem::Tls)?;
    // Last, as the monitor begins by it.
    job.change(&[(MONITOR_KEY, Some(REGISTERED))], undo).await?;
    if let Some(stored) = undo.settle() {
        stored.settle().await.map_err(Problem::Tls)?;
    }
    shown::wait(job, dialogue, reached).await
}

/// Makes certificates and brings them to the VM; they work when this returns, and the disc is gone.
async fn by_disc(job: &Job, dialogue: &Dialogue, undo: &mut Undo) -> Result<(Set, Reached), Problem> {
    let (client, vm, uuid) = (&job.client, &job.vm, &job.record.uuid);
    // What an earlier call left would look like somebody's disc.
    cd::sweep(client, vm, uuid).await.map_err(Problem::Tls)?;
    let drive = cd::drive(client, vm, uuid).await.map_err(Problem::Tls)?;
    let addresses = addresses(job);
    dialogue.say(format_args!(
        "The VM {} is prepared for container management over TLS. Certificates are made for it and put into\nits CD drive. \
         While the disc is there, every user of the VM can read it, with the engine's private key and one for\nthis pool: go on \
         only if all of them may use the engine.\nThe engine's certificate will be good for these addresses, which should not \
         change:",
        job.name()
    ));
    for address in &addresses {
        dialogue.say(format_args!("  {address}"));
    }
    dialogue.say("  127.0.0.1");
    if !dialogue.confirm("Go on?").await? {
        return Err(Problem::Declined("no certificates were to be made"));
    }
    if let Some(disc) = &drive.disc {
        let name = quoted(&disc.name);
        let question = format!("The CD drive holds {name}. Take it out meanwhile, and put it back at the end?");
        if !dialogue.confirm(question).await? {
            return Err(Problem::Declined("the disc in the VM's CD drive was to stay"));
        }
    }
    let now = SystemTime::now();
    let host_name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let order = make::Order { host_name: host_name.trim(), addresses: &addresses, key_bits: KEY_BITS };
    let made = certificates::make(&order, now, |progress| {
        dialogue.say(format_args!("Making keys: {} of {}", progress.keys, progress.of));
    });
    let made = made.await.map_err(Problem::Make)?;
    let image = disc::image(&made, now).map_err(Problem::Disc)?;
    undo.disc(client, vm, uuid);
    cd::insert(client, vm, uuid, image, DiscBefore::MayBePutBack).await.map_err(Problem::Tls)?;
    let reached = installed(job, &made, dialogue).await?;
    // The engine has its half: ours must not be lost over a disc that stays.
    match cd::sweep(client, vm, uuid).await {
        Ok(()) => dialogue.say("The disc is gone again."),
        Err(error) => dialogue.say(format_args!("WARNING: {error}. {}", error.remedy())),
    }
    Ok((made.client, reached))
}

/// Waits until somebody has run the program on the disc, and the engine answers.
async fn installed(job: &Job, made: &Made, dialogue: &Dialogue) -> Result<Reached, Problem> {
    dialogue.say(
        "The disc is in the VM's CD drive. In the VM, as Administrator, run configure_tls.cmd on it: it configures Docker\nfor \
         TLS on port 2376 and restarts it, which stops all containers.",
    );
    let until = Instant::now() + SCRIPT_LIMIT;
    loop {
        if dialogue.is_person() && !dialogue.confirm("Has it been run?").await? {
            return Err(Problem::Declined("the program on the disc was not run"));
        }
        match try_out(job, &made.client, Verify::Chain).await {
            Ok(reached) => return Ok(reached),
            Err(problem) if !dialogue.is_person() && Instant::now() < until => {
                tracing::debug!(%problem, "the engine does not answer yet");
                sleep(PAUSE).await;
            }
            Err(problem) if dialogue.is_person() => {
                dialogue.say(format_args!("It does not work yet: {problem}."));
                dialogue.say(problem.remedy().unwrap_or_default());
                if !dialogue.confirm("Try again?").await? {
                    return Err(problem);
                }
            }
            Err(problem) => return Err(problem),
        }
    }
}

/// The addresses that the VM reports, also those that this host cannot use.
fn addresses(job: &Job) -> Vec<IpAddr> {
    let candidates = &job.situation.candidates;
    let refused = candidates.refused.iter().map(|(address, _)| *address);
    let all = candidates.usable.iter().copied().chain(refused);
    all.filter(|address| !address.is_loopback() && !address.is_unspecified() && !address.is_multicast()).collect()
}

/// An engine, reached with these certificates.
async fn try_out(job: &Job, set: &Set, verify: Verify) -> Result<Reached, Problem> {
    let ends = |trouble| job.ends_at(trouble);
    let identity = Identity::new(&set.authority, &set.certificate, &set.key, verify);
    let identity = identity.map_err(|error| ends(Trouble::Access(error.into())))?;
    let candidates = &job.candidates()?.usable;
    let connecting = async { Ok(guest::connect(candidates, &Credentials::Tls(identity)).await?) };
    let connection = job.rules.in_time(connecting).await.map_err(ends)?;
    let engine = job.rules.in_time(reach::engine(&connection, &job.rules)).await.map_err(ends)?;
    Ok(Reached { engine, connection })
}

/// Bytes of a file with certificates or a key.
const MAX_FILE: u64 = 1 << 20;

fn read(path: &Path) -> Result<Zeroizing<String>, Problem> {
    let unusable = |cause| Problem::File(path.to_owned(), cause);
    let file = fs::File::open(path).map_err(unusable)?;
    io::read_to_string(io::Read::take(file, MAX_FILE)).map(Zeroizing::new).map_err(unusable)
}
