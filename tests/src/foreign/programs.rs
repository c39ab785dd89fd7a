//! The programs that foreign packs are made with. Each is a function of what it is given, so what it makes of the same
//! input is made once and kept.

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use crate::packs::{self, EPOCH};
use crate::tools::{command, stdout_of, succeed};

/// The time at which everything is signed, for gpg: [`EPOCH`].
const SIGNED_AT: &str = "20250101T000000!";

/// What a program makes of an input, by that input.
type Kept = HashMap<Vec<u8>, Arc<OnceLock<Arc<Vec<u8>>>>>;

static KEPT: LazyLock<Mutex<Kept>> = LazyLock::new(Mutex::default);

/// Makes something, unless it was made before of the same input.
fn once(input: Vec<u8>, make: impl FnOnce() -> Vec<u8>) -> Arc<Vec<u8>> {
    let cell = Arc::clone(KEPT.lock().unwrap_or_else(PoisonError::into_inner).entry(input).or_default());
    // Outside of the lock: others may be made at the same time.
    Arc::clone(cell.get_or_init(|| Arc::new(make())))
}

/// A package as `rpmbuild` left it.
pub(super) struct Built {
    /// Its file name.
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// Builds the one binary package of a spec. `source` becomes `%{SOURCE0}`.
pub(super) fn rpmbuild(spec: &str, macros: &[(String, String)], source: &str) -> Built {
    let bytes = once(format!("rpmbuild\0{spec}\0{macros:?}\0{source}").into_bytes(), || {
        let folder = tempfile::tempdir().expect("a folder");
        let specfile = folder.path().join("package.spec");
        fs::write(&specfile, spec).expect("written");
        fs::create_dir(folder.path().join("SOURCES")).expect("made");
        fs::write(folder.path().join("SOURCES/update.xml"), source).expect("written");
        let mut build = command("rpmbuild", ["-bb", "--quiet"]);
        build.env("SOURCE_DATE_EPOCH", EPOCH.to_string()).arg("--define");
        build.arg(format!("_topdir {}", folder.path().display()));
        for (name, value) in [
            // What EL 7 writes by default, where today's default is another.
            ("_binary_payload", "w9.gzdio"),
            ("_source_payload", "w9.gzdio"),
            ("_binary_filedigest_algorithm", "8"),
            ("_source_filedigest_algorithm", "8"),
            ("_build_id_links", "none"),
            ("debug_package", "%{nil}"),
            ("__os_install_post", "%{nil}"),
            ("_buildhost", "lab.example.org"),
            ("use_source_date_epoch_as_buildtime", "1"),
            ("clamp_mtime_to_source_date_epoch", "1"),
        ] {
            build.args(["--define", &format!("{name} {value}")]);
        }
        for (name, value) in macros {
            build.args(["--define", &format!("{name} {value}")]);
        }
        succeed(build.arg(&specfile));
        let packages = stdout_of(command("find", [folder.path().join("RPMS")]).args(["-name", "*.rpm"]));
        let [package] = packages.lines().collect::<Vec<_>>()[..] else { panic!("one package, not {packages}") };
        let name = Path::new(package).file_name().expect("a file").to_string_lossy().into_owned();
        // The name, and after it the bytes.
        [name.as_bytes(), b"\n", &fs::read(package).expect("a package")].concat()
    });
    let end = bytes.iter().position(|byte| *byte == b'\n').expect("a name");
    let name = String::from_utf8_lossy(&bytes[..end]).into_owned();
    Built { name, bytes: bytes[end + 1..].to_vec() }
}

/// Signs a package with `rpmsign`.
pub(super) fn rpmsign(signer: &str, package: &[u8]) -> Arc<Vec<u8>> {
    once([b"rpmsign\0", signer.as_bytes(), b"\0", package].concat(), || {
        let home = Home::with_key(signer);
        let file = home.folder.path().join("package.rpm");
        fs::write(&file, package).expect("written");
        let mut sign = command("rpmsign", ["--addsign", "--define", "__gpg /usr/bin/gpg", "--define"]);
        sign.arg(format!("_gpg_path {}", home.folder.path().display()));
        sign.args(["--define", &format!("_gpg_name {signer}"), "--define", "_gpg_digest_algo sha256"]);
        sign.args(["--define", &format!("_gpg_sign_cmd_extra_args --batch --faked-system-time {SIGNED_AT}")]);
        succeed(sign.arg(&file));
        fs::read(&file).expect("a package")
    })
}

/// What gpg, given these options, makes of a file.
pub(super) fn gpg(signer: &str, options: &[&str], file: &Path) -> Arc<Vec<u8>> {
    let content = fs::read(file).expect("a file");
    once([format!("gpg\0{signer}\0{options:?}\0").as_bytes(), &content].concat(), || {
        let home = Home::with_key(signer);
        let made = home.folder.path().join("made");
        let mut gpg = home.gpg();
        if !options.contains(&"--faked-system-time") {
            gpg.args(["--faked-system-time", SIGNED_AT]);
        }
        gpg.args(["--local-user", signer, "--output"]).arg(&made);
        succeed(gpg.args(options).arg(file));
        fs::read(made).expect("gpg made it")
    })
}

/// The public half of a test key.
pub(super) fn public_key(signer: &str) -> Arc<Vec<u8>> {
    once(format!("public key\0{signer}").into_bytes(), || {
        stdout_of(Home::with_key(signer).gpg().args(["--armor", "--export", signer])).into_bytes()
    })
}

/// Bytes that a package's files take, as rpm reads it.
pub(super) fn installed_size(package: &Path) -> u64 {
    let size = stdout_of(command("rpm", ["-qp", "--nosignature", "--qf", "%{SIZE}"]).arg(package));
    size.parse().unwrap_or_else(|_| panic!("{size} is no size"))
}

/// A home of GnuPG with one secret key, and with an agent that ends with it.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn with_key(name: &str) -> Home {
        let home = Home { folder: tempfile::tempdir().expect("a folder") };
        fs::set_permissions(home.folder.path(), Permissions::from_mode(0o700)).expect("set");
        succeed(home.gpg().arg("--import").arg(packs::key_file(name)));
        home
    }

    fn gpg(&self) -> Command {
        let mut gpg = command("gpg", ["--batch", "--quiet", "--no-tty", "--homedir"]);
        gpg.arg(self.folder.path());
        gpg
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        succeed(command("gpgconf", ["--homedir"]).arg(self.folder.path()).args(["--kill", "all"]));
    }
}
