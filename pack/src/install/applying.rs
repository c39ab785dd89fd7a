//! XAPI applies a pack: upload, precheck, apply, and what was uploaded goes again. XAPI may be down, or go down in any of
//! these steps; what was not applied is cleaned up.

use std::path::Path;

use super::host::Host;
use super::packages::{self, APPLIED};
use super::xe::{Update, Xe, XeError};
use super::xe_error::Refusal;
use crate::Error;
use crate::build::Progress;
use crate::dom0::UpdateInfo;

/// What is to be applied, and where.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub iso: &'a Path,
    pub info: &'a UpdateInfo,
    /// This host, as XAPI knows it.
    pub host: &'a str,
    /// On every host of the pool.
    pub pool: bool,
    /// The storage repository for the image; `None` for the pool's default.
    pub storage: Option<&'a str>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    Applied(Applied),
    /// There was nothing to do.
    AlreadyThere,
}

/// A pack that was applied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// What to restart: words of `update.xml`.
    pub guidance: Vec<String>,
    /// Names of the hosts of the pool that do not have it.
    pub lacking: Vec<String>,
    /// What remains to be done by hand, as commands.
    pub remains: Vec<String>,
}

/// Why it was not applied.
#[derive(Debug)]
pub struct Halt {
    pub error: Error,
    /// What remains to be done by hand, as commands. Nothing, if the host is as it was before.
    pub remains: Vec<String>,
}

impl From<Error> for Halt {
    fn from(error: Error) -> Halt {
        Halt { error, remains: Vec::new() }
    }
}

const START: &str = "Start it with `xe-toolstack-restart`, wait half a minute, and run the same command again";

/// Has XAPI apply a pack.
///
/// # Errors
/// [`Halt`].
pub fn apply(host: &Host, xe: &Xe<'_>, request: Request<'_>, progress: &dyn Progress) -> Result<Done, Halt> {
    let uuid = request.info.uuid.as_str();
    let known = xe.update(uuid).map_err(|error| before_anything(&error))?;
    if known.as_ref().is_some_and(|known| is_done(host, xe, request, known)) {
        return Ok(Done::AlreadyThere);
    }
    progress.step("upload");
    let ours = upload(xe, request, progress)?;
    let uploaded = Uploaded { host, xe, request, ours };
    if progress.interrupted() {
        return Err(Halt { error: Error::interrupted(), remains: uploaded.clean_up() });
    }
    progress.step("precheck");
    let control = request.info.control.clone().unwrap_or_default();
    let had_control = packages::is_installed(host, &control, &|| false)?;
    if let Err(error) = xe.precheck(uuid, request.host) {
        return Err(uploaded.refused_by_precheck(&error, (!had_control && !control.is_empty()).then_some(&control)));
    }
    progress.made("the host is ready for it");
    progress.step("apply");
    let applied = if request.pool { xe.apply_in_pool(uuid) } else { xe.apply(uuid, request.host) };
    match applied {
        Ok(()) => {}
        Err(XeError::Refused(Refusal {
            code: Some("UPDATE_ALREADY_APPLIED" | "UPDATE_ALREADY_APPLIED_IN_POOL"),
            ..
        })) => {
            uploaded.clean_up();
            return Ok(Done::AlreadyThere);
        }
        Err(error) => return Err(uploaded.not_applied(&error)),
    }
    if !is_stamped(host, uuid) {
        let error = Error::host(
            &request.info.label,
            "XAPI reports success, but the package manager found nothing to do",
            "A pack of this label that was put in without XAPI may be in the way: rpm -e update-LABEL, then install again",
        );
        return Err(Halt { error, remains: uploaded.clean_up() });
    }
    progress.made("done");
    progress.step("clean up");
    let mut done = Applied { remains: uploaded.clean_up(), ..Applied::default() };
    if let (Ok(Some(update)), Ok(hosts)) = (xe.update(uuid), xe.hosts()) {
        let lacking = hosts.iter().filter(|(uuid, _)| !update.hosts.contains(uuid));
        done.lacking = lacking.map(|(_, name)| name.clone()).collect();
        done.guidance = update.guidance;
    }
    Ok(Done::Applied(done))
}

/// Whether everybody who is to have it has it.
fn is_done(host: &Host, xe: &Xe<'_>, request: Request<'_>, known: &Update) -> bool {
    let here = known.hosts.iter().any(|uuid| uuid == request.host) && is_stamped(host, &request.info.uuid);
    let everywhere = || xe.hosts().is_ok_and(|hosts| hosts.keys().all(|uuid| known.hosts.contains(uuid)));
    here && (!request.pool || everywhere())
}

fn is_stamped(host: &Host, uuid: &str) -> bool {
    host.path(&format!("{APPLIED}/{uuid}")).exists()
}

fn before_anything(error: &XeError) -> Halt {
    match error {
        XeError::Interrupted => Error::interrupted().into(),
        XeError::Down(reason) => Halt {
            error: Error::host("XAPI", format!("cannot be reached: {reason}. Nothing was changed"), START),
            remains: Vec::new(),
        },
        XeError::Refused(refusal) => refused("XAPI", refusal).into(),
    }
}

fn refused(subject: &str, refusal: &Refusal) -> Error {
    let (happened, remedy) = refusal.explain();
    Error::host(subject, happened, remedy)
}

/// Uploads the image; whether XAPI did not have it before.
fn upload(xe: &Xe<'_>, request: Request<'_>, progress: &dyn Progress) -> Result<bool, Halt> {
    let uuid = &request.info.uuid;
    match xe.upload(request.iso, request.storage) {
        Ok(given) if given == *uuid => {
            progress.made("XAPI has it");
            Ok(true)
        }
        Ok(given) => Err(Halt {
            error: Error::host(uuid, format!("XAPI calls it {given:?}"), "Look with `xe update-list`"),
            remains: vec![format!("xe update-pool-clean uuid={uuid}"), format!("xe update-destroy uuid={uuid}")],
        }),
        Err(XeError::Refused(Refusal { code: Some("UPDATE_ALREADY_EXISTS"), .. })) => {
            progress.made("it was uploaded before; that one is applied");
            Ok(false)
        }
        Err(XeError::Down(reason)) => Err(Halt {
            error: Error::host("XAPI", format!("went away during the upload: {reason}"), START),
            remains: vec!["suppack list: it shows an upload that was not applied".into()],
        }),
        Err(error) => Err(before_anything(&error)),
    }
}

/// A pack whose image XAPI has.
struct Uploaded<'a> {
    host: &'a Host,
    xe: &'a Xe<'a>,
    request: Request<'a>,
    /// Whether it was uploaded here. What others uploaded is theirs.
    ours: bool,
}

impl Uploaded<'_> {
    fn uuid(&self) -> &str {
        &self.request.info.uuid
    }

    /// Drops the image, and the record if no host has the pack; what could not be done, as commands.
    fn clean_up(&self) -> Vec<String> {
        let uuid = self.uuid();
        let mut remains = Vec::new();
        if !self.ours {
            return remains;
        }
        if self.xe.clean(uuid).is_err() {
            remains.push(format!("xe update-pool-clean uuid={uuid}"));
        }
        match self.xe.update(uuid) {
            Ok(Some(update)) if update.hosts.is_empty() => {
                if self.xe.destroy(uuid).is_err() {
                    remains.push(format!("xe update-destroy uuid={uuid}"));
                }
            }
            Ok(_) => {}
            Err(_) if is_stamped(self.host, uuid) => {}
            Err(_) => remains.push(format!("xe update-destroy uuid={uuid}")),
        }
        remains
    }

    /// The precheck said no; `control` is the control package, if it was not there before.
    fn refused_by_precheck(&self, error: &XeError, control: Option<&String>) -> Halt {
        let mut remains = self.clean_up();
        // XAPI leaves it installed, whatever comes of the precheck.
        if let Some(control) = control
            && packages::is_installed(self.host, control, &|| false).unwrap_or(false)
            && packages::erase(self.host, &[control]).is_err()
        {
            remains.push(format!("rpm -e {control}"));
        }
        let error = match error {
            XeError::Refused(refusal) => refused("precheck", refusal),
            other => Error::host("precheck", other, START),
        };
        Halt { error, remains }
    }

    fn not_applied(&self, error: &XeError) -> Halt {
        let remains = match error {
            XeError::Refused(_) => {
                let mut remains = self.clean_up();
                // When a scriptlet fails, rpm goes on with the other packages of the transaction.
                if is_stamped(self.host, self.uuid()) {
                    remains.push(format!("suppack remove {}: some of its packages were installed", self.uuid()));
                }
                remains
            }
            // It may still be at work, or have done it.
            _ => vec![
                "suppack list: whether the host has it".into(),
                format!("xe update-pool-clean uuid={}", self.uuid()),
            ],
        };
        let error = match error {
            XeError::Refused(refusal) => refused("apply", refusal),
            other => Error::host(
                "XAPI",
                format!("went away while it applied the pack: {other}"),
                "Start it with `xe-toolstack-restart`; then see below",
            ),
        };
        Halt { error, remains }
    }
}
