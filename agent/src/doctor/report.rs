//! Everything that a support engineer needs to know of a host, in one text. Secrets are left out, and what names them masked.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use tokio::time::timeout;

use super::check::Finding;
use super::host::{PACKAGE, UNIT, XAPI_LIMIT, updates};
use super::{Places, Walked, program, shown};
use crate::VERSION;
use crate::access::{POOL_SECRETS, tls_secrets};
use crate::certificates::Date;
use crate::config::{self, Config};
use crate::lending::client as monitor;
use crate::operator::screen::Screen;
use crate::operator::status;
use crate::xapi::records::is_uuid;
use crate::xapi::{self, Client, Pool, PoolRef, State, events, records};

/// Bytes of the end of the log.
const LOG_BYTES: u64 = 256 * 1024;

/// Bytes of a file of settings.
const FILE_BYTES: u64 = 64 * 1024;

/// VMs whose keys are listed.
const MAX_VMS: usize = 500;

/// What stands in place of what is left out.
const MASK: &str = "(left out)";

const CONTENT: &str = "\
What is in it: versions and states of this program, its service, its packages and packs; what xscontainer doctor found; names,
uuids, addresses and accounts of VMs, how many containers they have; fingerprints and host keys, which are public; the end of the
log, which may name containers.
What is not: keys, passwords, certificates' keys, and the uuids and references by which XAPI would give them. Read it before
you give it away: names and addresses may be more than you want to tell.";

/// The text; `walked` too if a VM was asked for.
pub async fn gather(places: &Places, findings: &[Finding], walked: Option<&Walked>) -> String {
    let mut report = Report { text: String::new() };
    let date = Date(SystemTime::now());
    let _ = writeln!(report.text, "xscontainer {VERSION}: report of the host {} at {date}\n\n{CONTENT}", host_name());

    let screen = Screen { width: None, colours: false, unicode: true };
    report.section("xscontainer doctor", &shown::text(&shown::of_host(findings), &screen));
    if let Some(walked) = walked {
        let text = shown::heading(walked, &screen) + &shown::text(&shown::of_path(&walked.walk), &screen);
        report.section("xscontainer doctor VM", &text);
    }
    report.section("xscontainer doctor --json", &shown::value(findings, walked).to_string());
    let standing = match monitor::standing(&places.dom0.agent_socket).await {
        Ok(standing) => status::value(&standing).to_string(),
        Err(why) => why.to_string(),
    };
    report.section("xscontainer status --json", &standing);
    let secrets = report.of_xapi(places).await;
    report.programs().await;
    let settings = places.config.display();
    report.section(&format!("{settings}"), &file(&places.config, FILE_BYTES));
    report.section("xscontainer config show", &config::text::effective(&Config::read(&places.config)));
    let log = places.log_file();
    report.section(&format!("the end of {}", log.display()), &file(&log, LOG_BYTES));
    masked(&report.text, &secrets)
}

struct Report {
    text: String,
}

impl Report {
    fn section(&mut self, title: &str, text: &str) {
        let text = if text.trim().is_empty() { "nothing" } else { text.trim_end() };
        let _ = write!(self.text, "\n== {title}\n\n{text}\n");
    }

    /// What XAPI has of packs, of the pool and of VMs; gives the uuids of secrets.
    async fn of_xapi(&mut self, places: &Places) -> BTreeSet<String> {
        let client = Client::new(&places.dom0.socket);
        let packs = match updates(&client).await {
            Ok(all) => all
                .iter()
                .map(|one| {
                    let (name, hosts) = (&one.name_label, one.hosts.len());
                    format!("{} {name} {} on {hosts} hosts\n", one.uuid, one.version)
                })
                .collect(),
            Err(error) => error.to_string(),
        };
        self.section("packs that XAPI knows", &packs);
        let read = timeout(XAPI_LIMIT, pool_and_state(&client)).await;
        let _ = timeout(XAPI_LIMIT, client.close()).await;
        let title = "keys xscontainer-… of the pool and of VMs";
        match read {
            Ok(Ok((pool, state))) => {
                self.section(title, &keys(&pool, &state));
                secrets(&pool, &state)
            }
            Ok(Err(error)) => {
                self.section(title, &error.to_string());
                BTreeSet::new()
            }
            Err(_) => {
                self.section(title, "XAPI does not answer");
                BTreeSet::new()
            }
        }
    }

    /// What programs of dom0 say, all at once.
    async fn programs(&mut self) {
        let journal = ["--no-pager", "-n", "200", "-u", UNIT];
        let (packages, package, verified, service, journal) = tokio::join!(
            program::run("rpm", &["-qa", "--last", "*xscontainer*"]),
            program::run("rpm", &["-qi", PACKAGE]),
            program::run("rpm", &["-V", PACKAGE]),
            program::run("systemctl", &["status", "--no-pager", "-l", "-n", "0", UNIT]),
            program::run("journalctl", &journal),
        );
        for (title, said) in [
            ("rpm -qa --last '*xscontainer*'", packages),
            ("rpm -qi xscontainer", package),
            ("rpm -V xscontainer", verified),
            ("systemctl status xscontainer-monitor", service),
            ("journalctl -n 200 -u xscontainer-monitor", journal),
        ] {
            match said {
                Ok(said) => self.section(title, &format!("{}{}", said.output, said.errors)),
                Err(why) => self.section(title, &why),
            }
        }
    }
}

async fn pool_and_state(client: &Client) -> Result<(Pool, State), xapi::Error> {
    let pool: PoolRef = client.call("pool.get_all", &[]).await?;
    Ok((records::read(client, &pool).await?, events::state(client).await?))
}

/// Whose values name secrets.
fn keys(pool: &Pool, state: &State) -> String {
    let mut text = "the pool\n".to_owned();
    for (key, value) in &pool.other_config {
        let _ = writeln!(text, "  {key} = {value}");
    }
    let ours = || state.vms.values().filter(|vm| !vm.other_config.is_empty());
    for vm in ours().take(MAX_VMS) {
        let _ = writeln!(text, "{} {:?} {}", vm.uuid, vm.name_label, vm.power_state.in_words());
        for (key, value) in &vm.other_config {
            let _ = writeln!(text, "  {key} = {value}");
        }
    }
    match ours().count().saturating_sub(MAX_VMS) {
        0 => text,
        more => text + &format!("and {more} more VMs\n"),
    }
}

fn secrets(pool: &Pool, state: &State) -> BTreeSet<String> {
    let of_pool = POOL_SECRETS.iter().filter_map(|key| pool.other_config.get(*key)).map(|uuid| uuid.trim().to_owned());
    let of_vms = state.vms.values().flat_map(|vm| tls_secrets(&vm.other_config));
    of_pool.filter(|uuid| !uuid.is_empty()).chain(of_vms.map(|uuid| uuid.as_str().to_owned())).collect()
}

/// A line without the uuids that it calls a secret's, also where XAPI could not say which are.
fn without_named_secrets(line: &str) -> String {
    let mut parts = line.split("secret ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |line, part| {
        let rest = part.get(..36).filter(|uuid| is_uuid(uuid)).map(|_| &part[36..]);
        match rest {
            Some(rest) => line + "secret " + MASK + rest,
            None => line + "secret " + part,
        }
    })
}

/// `text` without secrets, references of sessions and private keys, and harmless on a terminal.
fn masked(text: &str, secrets: &BTreeSet<String>) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut in_key = false;
    for line in text.lines() {
        // Whoever begins a key and does not end it takes nothing else along.
        let is_of_key = |c: char| c.is_ascii_alphanumeric() || "+/=-:, ".contains(c);
        in_key &= !line.is_empty() && line.len() <= 80 && line.chars().all(is_of_key) && !line.starts_with("==");
        if in_key {
            in_key = !line.contains("-----END");
            continue;
        }
        if line.contains("-----BEGIN") && line.contains("PRIVATE KEY") {
            in_key = !line.contains("-----END");
            shown.push_str(MASK);
            shown.push('\n');
            continue;
        }
        let line = secrets.iter().fold(line.to_owned(), |line, secret| line.replace(secret.as_str(), MASK));
        let line = without_named_secrets(&line);
        for (at, part) in line.split("OpaqueRef:").enumerate() {
            if at > 0 {
                shown += "OpaqueRef:";
                shown += MASK;
            }
            let is_of_reference = |c: char| at > 0 && (c.is_ascii_alphanumeric() || c == '-');
            for c in part.trim_start_matches(is_of_reference).chars() {
                match c {
                    '\t' => shown.push(c),
                    c if c.is_control() => shown.extend(c.escape_unicode()),
                    c => shown.push(c),
                }
            }
        }
        shown.push('\n');
    }
    shown
}

/// The end of a file, from the beginning of a line on; or why it cannot be read.
fn file(path: &Path, bytes: u64) -> String {
    let read = || -> io::Result<String> {
        let mut file = File::open(path)?;
        let skipped = file.metadata()?.len().saturating_sub(bytes);
        file.seek(SeekFrom::Start(skipped))?;
        let mut end = Vec::new();
        file.take(bytes).read_to_end(&mut end)?;
        let text = String::from_utf8_lossy(&end).into_owned();
        Ok(match text.split_once('\n') {
            Some((_, whole)) if skipped > 0 => whole.to_owned(),
            _ => text,
        })
    };
    read().unwrap_or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => "there is none".to_owned(),
        _ => format!("cannot be read: {error}"),
    })
}

/// This host's name, as far as it can stand in a file name.
fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let plain: String = name.trim().chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')).collect();
    if plain.is_empty() { "host".to_owned() } else { plain }
}

/// A name for a report in the present folder, with the host's name and the date.
#[must_use]
pub fn usual_name() -> PathBuf {
    let date: String = Date(SystemTime::now()).to_string();
    let digits: String = date.chars().filter(char::is_ascii_digit).collect();
    format!("xscontainer-report-{}-{digits}.txt", host_name()).into()
}

/// Writes a report into a new file that only its owner can read. What is there stays.
///
/// # Errors
/// Those of the system; `AlreadyExists` if there is a file of that name.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let exists = || io::Error::new(io::ErrorKind::AlreadyExists, "it exists already; name another file");
    if path.symlink_metadata().is_ok() {
        return Err(exists());
    }
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
    let mut unfinished = std::ffi::OsString::from(".");
    unfinished.push(name);
    unfinished.push(format!(".{}", std::process::id()));
    let unfinished = path.with_file_name(unfinished);
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        match renameat_with(CWD, &unfinished, CWD, path, RenameFlags::NOREPLACE) {
            Err(rustix::io::Errno::EXIST) => Err(exists()),
            // Some file systems cannot promise that; then it was looked at a moment ago.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => fs::rename(&unfinished, path),
            renamed => Ok(renamed?),
        }
    });
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn secrets_references_and_keys_are_left_out() {
        let secrets = BTreeSet::from(["0a1b2c3d-1111-2222-3333-444455556666".to_owned()]);
        let text = "key = 0a1b2c3d-1111-2222-3333-444455556666\nof OpaqueRef:12ab-cd, OpaqueRef:x\n\
                    -----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nafter\u{1b}[2J\n";
        let wanted = "key = (left out)\nof OpaqueRef:(left out), OpaqueRef:(left out)\n(left out)\nafter\\u{1b}[2J\n";
        assert_eq!(masked(text, &secrets), wanted);
    }

    #[test]
    fn what_is_called_a_secret_is_masked_and_a_key_without_an_end_hides_no_more_than_itself() {
        let text = "the secret 0a1b2c3d-1111-2222-3333-444455556666 does not exist; secret agent\n\
                    -----BEGIN PRIVATE KEY\nMIIE\n== next section (one)\nshown\n";
        let wanted = "the secret (left out) does not exist; secret agent\n(left out)\n== next section (one)\nshown\n";
        assert_eq!(masked(text, &BTreeSet::new()), wanted);
    }

    #[test]
    fn a_file_is_new_and_for_its_owner_and_what_is_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("report");
        write(&file, "one").unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(write(&file, "two").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        std::os::unix::fs::symlink("/nowhere", folder.path().join("link")).unwrap();
        assert_eq!(write(&folder.path().join("link"), "two").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(write(&folder.path().join("no/report"), "two").is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "something was left");
    }

    #[test]
    fn of_a_long_log_whole_lines_of_the_end_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        fs::write(&log, "first\nsecond\nthird\n").unwrap();
        assert_eq!(file(&log, 12), "third\n");
        assert_eq!(file(&log, 100), "first\nsecond\nthird\n");
        assert_eq!(file(&folder.path().join("none"), 100), "there is none");
    }
}
