//! `cargo xtask pack` as its users meet it: what it prints, how it fails, what it leaves.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use lab::packs;
use lab::programs;
use lab::tools::{Said, command, outcome, stdout_of, succeed};

/// A ready RPM of the agent, so that nothing is compiled.
static PAYLOAD: LazyLock<(tempfile::TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let rpm = packs::payload("11.0.0", folder.path());
    (folder, rpm)
});

/// `xtask pack` of that RPM with a test key.
fn pack(output: &Path) -> Command {
    let mut pack = pack_without_key(output);
    pack.arg("--key").arg(packs::key_file("rsa4096"));
    pack
}

fn pack_without_key(output: &Path) -> Command {
    let mut pack = Command::new(programs::xtask());
    pack.current_dir(packs::workspace())
        .args(["pack", "--allow-dirty", "--rpm"])
        .arg(&PAYLOAD.1)
        .arg("--output")
        .arg(output);
    pack
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .map(|d| d.map(|e| e.unwrap().file_name().into_string().unwrap()).collect())
        .unwrap_or_default();
    names.sort();
    names
}

/// It failed with a code, in one paragraph that names something, and left nothing.
fn assert_refused(said: &Said, code: i32, named: &[&str], output: &Path) {
    assert_eq!(said.code, Some(code), "{}", said.text);
    let error =
        said.text.lines().find(|line| line.starts_with("error: ")).unwrap_or_else(|| panic!("no error: {}", said.text));
    for name in named {
        assert!(error.contains(name), "{name}: {error}");
    }
    assert_eq!(names(output), Vec::<String>::new());
}

#[test]
fn it_writes_the_image_its_checksum_and_the_key_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let said = outcome(&mut pack(folder.path()));
    assert!(said.success, "{}", said.text);
    let written = names(folder.path());
    let [key, page, report, older, older_md5, older_metadata, image, sbom, provenance, checksum] = written.as_slice()
    else {
        panic!("{written:?}")
    };
    let stem = image.trim_end_matches(".iso");
    let wanted = ["iso", "iso.md5", "metadata.md5"].map(|end| format!("{stem}-legacy.{end}"));
    assert_eq!([older, older_md5, older_metadata].map(String::as_str), wanted.each_ref().map(String::as_str));
    succeed(command("md5sum", ["--check", older_md5]).current_dir(folder.path()));
    assert_eq!([format!("{image}.cdx.json"), format!("{image}.provenance.json")], [sbom.as_str(), provenance]);
    assert_eq!([key.as_str(), page, report], ["RPM-GPG-KEY-xscontainer", "report.html", "report.json"]);
    assert_eq!(format!("{image}.sha256"), *checksum);
    for name in &written {
        assert!(said.text.contains(name.as_str()), "{name}: {}", said.text);
    }
    for step in ["sign packages", "write image", "check", "rehearse", "import-update-key", "import-ownertrust"] {
        assert!(said.text.contains(step), "{step}: {}", said.text);
    }
    succeed(command("sha256sum", ["--check", checksum]).current_dir(folder.path()));
}

/// A package that no check of the builder's input minds, and that hosts should not get.
fn setuid_payload(folder: &Path) -> PathBuf {
    let mut builder = rpm::PackageBuilder::new("sneaky", "1", "MIT", "noarch", "A program that becomes root");
    builder.using_config(rpm::BuildConfig::v4().compression(rpm::CompressionType::Gzip));
    let options = rpm::FileOptions::new("/usr/bin/sneaky").mode(rpm::FileMode::regular(0o4755));
    builder.with_file_contents("#!/bin/sh\n", options).unwrap();
    let file = folder.join("sneaky.rpm");
    builder.build().unwrap().write_file(&file).unwrap();
    file
}

#[test]
fn a_pack_that_breaks_a_rule_keeps_no_name() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out");
    let mut pack = Command::new(programs::xtask());
    pack.current_dir(packs::workspace()).args(["pack", "--allow-dirty", "--rpm"]).arg(setuid_payload(folder.path()));
    let said = outcome(pack.arg("--key").arg(packs::key_file("rsa4096")).arg("--output").arg(&output));
    assert_refused(&said, 9, &["breaks the rule above"], &output);
    for part in ["FAILED  rpm-modes", "/usr/bin/sneaky", "why ", "remedy ", "source "] {
        assert!(said.text.contains(part), "{part}: {}", said.text);
    }
}

#[test]
fn a_finished_pack_is_verified_with_what_lies_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    succeed(&mut pack(folder.path()));
    let iso = image_in(folder.path());
    let verify = || {
        let mut verify = Command::new(programs::xtask());
        verify.current_dir(packs::workspace()).arg("verify").arg(&iso);
        verify
    };
    let said = succeed(&mut verify());
    for part in ["XAPI", "host installer", "/usr/bin/xscontainer", "%post of xscontainer", "upgrade from the original"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    let report: serde_json::Value =
        serde_json::from_str(&stdout_of(verify().args(["--json", "--no-rehearsal"]))).unwrap();
    assert_eq!(report["passed"], true);
    assert!(report["checks"].as_array().unwrap().iter().all(|check| check["outcome"] == "passed"), "{report:#}");

    let mut bytes = fs::read(&iso).unwrap();
    bytes.truncate(bytes.len() - 4096);
    fs::write(&iso, bytes).unwrap();
    let said = outcome(&mut verify());
    assert_eq!(said.code, Some(9), "{}", said.text);
    let text = said.text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("FAILED xapi-image") && text.contains("cut off"), "{text}");
}

#[test]
fn what_cannot_be_verified_is_told() {
    let verify = |arguments: &[&str]| outcome(Command::new(programs::xtask()).arg("verify").args(arguments));
    let missing = verify(&["/nowhere/pack.iso"]);
    assert_eq!(missing.code, Some(4), "{}", missing.text);
    assert!(missing.text.contains("No such file"), "{}", missing.text);
    assert_eq!(verify(&[]).code, Some(2));
    let capture = verify(&["--host", "/nowhere/host.tar.gz", "/etc/passwd"]);
    assert_eq!(capture.code, Some(10), "{}", capture.text);
}

#[test]
fn quiet_prints_nothing_and_json_one_document() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(outcome(pack(folder.path()).arg("--quiet")).text, "");
    let json: serde_json::Value = serde_json::from_str(&stdout_of(pack(folder.path()).arg("--json"))).unwrap();
    let iso = json["iso"]["path"].as_str().unwrap();
    assert_eq!(json["iso"]["size"], fs::metadata(iso).unwrap().len());
    assert_eq!(json["packages"].as_array().unwrap().len(), 3);
    let update = stdout_of(&mut command("isoinfo", ["-R", "-i", iso, "-x", "/update.xml"]));
    assert!(update.contains(json["uuid"].as_str().unwrap()), "{update}");
}

#[test]
fn files_are_readable_for_everybody_whatever_the_umask() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out");
    let mut shell = command("sh", ["-c", "umask 077; exec \"$@\"", "sh"]);
    succeed(shell.arg(programs::xtask()).args(pack(&output).get_args()).current_dir(packs::workspace()));
    for name in names(&output) {
        assert_eq!(fs::metadata(output.join(&name)).unwrap().permissions().mode() & 0o777, 0o644, "{name}");
    }
}

#[test]
fn a_key_that_gpg_holds_signs_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), Permissions::from_mode(0o700)).unwrap();
    succeed(
        command("gpg", ["--batch", "--quiet", "--import"])
            .arg(packs::key_file("rsa4096"))
            .env("GNUPGHOME", home.path()),
    );
    let clock = |mut pack: Command| {
        // A modified tree takes its version from the clock; let both builds have the same one.
        pack.env("SOURCE_DATE_EPOCH", "1793500000");
        pack
    };
    let (by_file, by_gpg) = (folder.path().join("file"), folder.path().join("gpg"));
    succeed(&mut clock(pack(&by_file)));
    let mut through_gpg = clock(pack_without_key(&by_gpg));
    succeed(through_gpg.args(["--gpg-key", "rsa4096"]).env("GNUPGHOME", home.path()));
    succeed(command("gpgconf", ["--kill", "all"]).env("GNUPGHOME", home.path()));
    assert_eq!(names(&by_file), names(&by_gpg));
    for name in names(&by_file) {
        assert!(fs::read(by_file.join(&name)).unwrap() == fs::read(by_gpg.join(&name)).unwrap(), "{name} differs");
    }
}

#[test]
fn a_passphrase_comes_from_a_file_or_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("passphrase");
    fs::write(&file, "correct horse\nnot this line\n").unwrap();
    let locked = || {
        let mut pack = pack_without_key(&folder.path().join("out"));
        pack.arg("--key").arg(packs::key_file("rsa2048-locked"));
        pack
    };
    succeed(locked().arg("--passphrase-file").arg(&file));
    succeed(locked().args(["--passphrase-env", "MY_PASSPHRASE"]).env("MY_PASSPHRASE", "correct horse"));
    let nothing = folder.path().join("nothing");
    let wrong = outcome(
        pack_without_key(&nothing)
            .arg("--key")
            .arg(packs::key_file("rsa2048-locked"))
            .args(["--passphrase-env", "W"])
            .env("W", "wrong"),
    );
    assert_refused(&wrong, 6, &["rsa2048-locked.asc", "passphrase"], &nothing);
}

#[test]
fn unfit_keys_are_refused() {
    for (key, named) in
        [("ed25519", "RSA"), ("expired", "expired"), ("signing-subkey", "subkey"), ("no-such-file", "cannot be read")]
    {
        let folder = tempfile::tempdir().unwrap();
        let said = outcome(pack_without_key(folder.path()).arg("--key").arg(packs::key_file(key)));
        assert_refused(&said, 6, &[&format!("{key}.asc"), named], folder.path());
    }
}

#[test]
fn a_key_that_gpg_does_not_have_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let home = tempfile::tempdir().unwrap();
    let said = outcome(pack_without_key(folder.path()).args(["--gpg-key", "nobody"]).env("GNUPGHOME", home.path()));
    assert_refused(&said, 6, &["nobody", "not in gpg's keyring"], folder.path());
}

#[test]
fn a_development_key_is_made_at_first_use_and_reused() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    let mut fingerprints = Vec::new();
    for _ in 0..2 {
        let json =
            stdout_of(pack_without_key(&folder.path().join("out")).arg("--json").env("XDG_CONFIG_HOME", &config));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        fingerprints.push(json["key"]["fingerprint"].as_str().unwrap().to_owned());
    }
    assert_eq!(fingerprints[0], fingerprints[1]);
    let key = config.join("xscontainer/development-key.asc");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    // The real gpg finds it as the documentation says: RSA-4096, no subkey.
    let home = tempfile::tempdir().unwrap();
    let shown =
        stdout_of(command("gpg", ["--batch", "--with-colons", "--show-keys"]).arg(&key).env("GNUPGHOME", home.path()));
    outcome(command("gpgconf", ["--kill", "all"]).env("GNUPGHOME", home.path()));
    assert!(shown.contains(":4096:1:") && !shown.contains("\nsub:") && !shown.contains("\nssb:"), "{shown}");
}

#[test]
fn broken_packages_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out");
    let whole = fs::read(&PAYLOAD.1).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let zstd = {
        let mut bytes = whole.clone();
        let at = bytes.windows(5).position(|window| window == b"gzip\0").unwrap();
        bytes[at..at + 4].copy_from_slice(b"zstd");
        bytes
    };
    let flipped = {
        let mut bytes = whole.clone();
        bytes[whole.len() - 1000] ^= 1;
        bytes
    };
    let fifo = folder.path().join("fifo.rpm");
    succeed(&mut command("mkfifo", [&fifo]));
    for (path, named) in [
        (file("cut.rpm", &whole[..2000]), "truncated"),
        (file("short.rpm", &whole[..whole.len() - 1]), "truncated"),
        (file("long.rpm", &[whole.as_slice(), b"x"].concat()), "after its end"),
        (file("flipped.rpm", &flipped), "damaged"),
        (fifo, "not a regular file"),
        (file("text.rpm", b"not a package"), "truncated"),
        (file("noise.rpm", &[7; 5000]), "not an RPM"),
        (file("zstd.rpm", &zstd), "zstd"),
        (folder.path().join("absent.rpm"), "cannot be read"),
    ] {
        let mut alone = Command::new(programs::xtask());
        alone.current_dir(packs::workspace()).args(["pack", "--allow-dirty", "--key"]).arg(packs::key_file("rsa4096"));
        let said = outcome(alone.arg("--rpm").arg(&path).arg("--output").arg(&output));
        assert_refused(&said, 4, &[path.file_name().unwrap().to_str().unwrap(), named], &output);
    }
    let twice = outcome(pack(&output).arg("--rpm").arg(&PAYLOAD.1));
    assert_refused(&twice, 4, &["xscontainer-11.0.0-1.x86_64.rpm", "second package"], &output);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    // A file where the folder should be: not even root can write there.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let said = outcome(&mut pack(&file));
    assert_eq!(said.code, Some(7), "{}", said.text);
    assert!(said.text.contains("file: cannot be written"), "{}", said.text);
}

#[test]
fn a_name_that_is_taken_by_a_folder_keeps_everything_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("RPM-GPG-KEY-xscontainer")).unwrap();
    let said = outcome(&mut pack(folder.path()));
    assert_eq!(said.code, Some(7), "{}", said.text);
    assert!(said.text.contains("RPM-GPG-KEY-xscontainer") && said.text.contains("Something else"), "{}", said.text);
    assert_eq!(names(folder.path()), ["RPM-GPG-KEY-xscontainer"]);
}

#[test]
fn a_full_disk_leaves_nothing_and_an_existing_image_untouched() {
    let folder = tempfile::tempdir().unwrap();
    succeed(command("mount", ["-t", "tmpfs", "-o", "size=600k", "tmpfs"]).arg(folder.path()));
    fs::write(folder.path().join("xscontainer-10.0.iso"), "an image that exists").unwrap();
    let said = outcome(&mut pack(folder.path()));
    let left = names(folder.path());
    succeed(&mut command("umount", [folder.path()]));
    assert_eq!(said.code, Some(7), "{}", said.text);
    assert!(said.text.contains("No space left") && said.text.contains("Free some space"), "{}", said.text);
    assert_eq!(left, ["xscontainer-10.0.iso"]);
}

#[test]
fn an_interrupted_build_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out");
    fs::create_dir(&output).unwrap();
    // A payload of which the reading does not end before the signal: a large one, mostly holes.
    let large = folder.path().join("large.rpm");
    fs::copy(&PAYLOAD.1, &large).unwrap();
    fs::OpenOptions::new().write(true).open(&large).unwrap().set_len(20 << 30).unwrap();
    let mut child = Command::new(programs::xtask());
    child.current_dir(packs::workspace()).args(["pack", "--allow-dirty", "--key"]).arg(packs::key_file("rsa4096"));
    child
        .arg("--rpm")
        .arg(&large)
        .arg("--output")
        .arg(&output)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    // Once it has read much, it is in the middle.
    let io = format!("/proc/{}/io", child.id());
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        let read = fs::read_to_string(&io).unwrap_or_default();
        let bytes = read.lines().find_map(|line| line.strip_prefix("rchar: ")).and_then(|n| n.parse::<u64>().ok());
        if bytes.is_some_and(|bytes| bytes > 200 << 20) {
            break;
        }
        std::thread::yield_now();
    }
    succeed(&mut command("kill", ["-INT", &child.id().to_string()]));
    let status = child.wait().unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    assert_eq!(status.code(), Some(130), "{said}");
    assert!(said.contains("interrupted"), "{said}");
    assert_eq!(names(&output), Vec::<String>::new());
}

#[test]
fn a_signature_that_takes_for_ever_can_be_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let (bin, output) = (folder.path().join("bin"), folder.path().join("out"));
    fs::create_dir(&bin).unwrap();
    // gpg, whose card never answers: it exports the key, and then waits.
    let public = packs::key_file("rsa4096-public").display().to_string();
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *--export*) exec cat '{public}' ;; esac\n: > \"$0.waits\"\nexec sleep 600\n"
    );
    fs::write(bin.join("gpg"), script).unwrap();
    fs::set_permissions(bin.join("gpg"), Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut pack = pack_without_key(&output);
    let mut child = pack.args(["--gpg-key", "rsa4096"]).env("PATH", path).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !bin.join("gpg.waits").exists() {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "it did not come to sign");
        std::thread::yield_now();
    }
    succeed(&mut command("kill", ["-TERM", &child.id().to_string()]));
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(names(&output), Vec::<String>::new());
}

#[test]
fn a_result_that_cannot_be_printed_is_an_error_and_one_that_nobody_reads_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let xtask = programs::xtask().display().to_string();
    let run = |redirection: &str| {
        let mut shell = command("bash", ["-c", &format!("set -o pipefail; '{xtask}' \"$@\" {redirection}"), "bash"]);
        shell.args(pack(folder.path()).get_args()).arg("--json").current_dir(packs::workspace());
        outcome(&mut shell)
    };
    assert_eq!(run("> /dev/full").code, Some(7));
    assert_eq!(run("| true").code, Some(0));
}

#[test]
fn wrong_usage_is_told() {
    for arguments in [
        vec!["pack", "--kye", "x"],
        vec!["pack", "--gpg-key", "x", "--passphrase-env", "X"],
        vec!["pack", "--passphrase-env", "X"],
        vec!["pakc"],
        vec![],
    ] {
        let said = outcome(Command::new(programs::xtask()).args(&arguments));
        assert_eq!(said.code, Some(2), "{arguments:?}: {}", said.text);
    }
}

/// A clone of this repository, without what is not committed.
fn cloned(folder: &Path) -> PathBuf {
    succeed(
        command("git", ["-c", "safe.directory=*", "clone", "--quiet", "--no-hardlinks"])
            .arg(packs::workspace())
            .arg(folder),
    );
    folder.to_path_buf()
}

/// Whether nothing in this tree differs from its commit.
fn is_unchanged() -> bool {
    let mut status = command("git", ["-c", "safe.directory=*", "status", "--porcelain"]);
    succeed(status.current_dir(packs::workspace())).is_empty()
}

/// A pack that was built from a commit, and the tree that has it: the one that all tests use, unless this tree is modified.
fn pack_of_a_commit(folder: &Path) -> (PathBuf, PathBuf) {
    if is_unchanged() {
        return (packs::workspace(), programs::iso());
    }
    let (clone, output) = (cloned(&folder.join("a")), folder.join("first"));
    let mut pack = Command::new(programs::xtask());
    pack.current_dir(&clone).env("CARGO_MANIFEST_DIR", clone.join("xtask")).env("PATH", path_with_tools());
    succeed(pack.args(["pack", "--key"]).arg(packs::key_file("rsa4096")).arg("--output").arg(&output));
    (clone, image_in(&output))
}

/// All use the tool that is there already: it is the same version in every build.
fn path_with_tools() -> String {
    let tools = programs::generate_rpm().parent().unwrap().display().to_string();
    format!("{tools}:{}", std::env::var("PATH").unwrap())
}

fn image_in(folder: &Path) -> PathBuf {
    let is_image = |name: &String| name.ends_with(".iso") && !name.ends_with("-legacy.iso");
    folder.join(names(folder).into_iter().find(is_image).unwrap())
}

/// The SHA-256 of a file, as sha256sum tells it.
fn sha256(file: &Path) -> String {
    succeed(command("sha256sum", ["--binary"]).arg(file)).split_whitespace().next().unwrap().to_owned()
}

#[test]
fn two_builds_of_one_commit_give_the_same_bytes_wherever_and_whenever() {
    let folder = tempfile::tempdir().unwrap();
    let (tree, iso) = pack_of_a_commit(folder.path());
    let [home, elsewhere] = ["home", "a rather longer path/with spaces"].map(|name| folder.path().join(name));
    for folder in [&home, &elsewhere] {
        fs::create_dir_all(folder).unwrap();
    }
    let rustup =
        std::env::var_os("RUSTUP_HOME").unwrap_or_else(|| format!("{}/.rustup", std::env::var("HOME").unwrap()).into());
    // libfaketime and the compiler's allocator wait for each other for ever: the compiler, whose output knows no time,
    // keeps the real clock.
    let cargo = folder.path().join("cargo");
    let real = std::env::var("CARGO").unwrap();
    fs::write(&cargo, format!("#!/bin/sh\nunset LD_PRELOAD\nexec '{real}' \"$@\"\n")).unwrap();
    fs::set_permissions(&cargo, Permissions::from_mode(0o755)).unwrap();
    // Forty days later, with other habits, in a folder of its own for temporary files. (Files keep the times that they have.)
    let mut other = command("faketime", ["-f", "+40d", "sh", "-c", "umask 077; exec \"$@\"", "sh"]);
    other.arg(programs::xtask()).env("HOME", &home).env("CARGO_HOME", home.join("cargo")).env("RUSTUP_HOME", rustup);
    other
        .current_dir(&tree)
        .env("CARGO_MANIFEST_DIR", tree.join("xtask"))
        .env("PATH", path_with_tools())
        .env("CARGO", cargo)
        .env("TMPDIR", &elsewhere)
        .env("NO_FAKE_STAT", "1")
        .env("TZ", "Asia/Tokyo")
        .env("LANG", "de_DE.UTF-8")
        .env("CARGO_BUILD_JOBS", "3")
        .env("RUSTFLAGS", "-Cdebuginfo=2");
    let said = succeed(other.args(["pack", "--reproduce"]).arg(&iso));
    assert!(said.contains("The same bytes") && said.contains(&sha256(&iso)), "{said}");
    assert_eq!(names(&elsewhere), Vec::<String>::new(), "something was left");
}

#[test]
fn the_older_format_has_the_same_bytes_whenever_it_is_built() {
    let folder = tempfile::tempdir().unwrap();
    let clone = cloned(&folder.path().join("clone"));
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    succeed(&mut pack_of_clone(&clone, &first));
    let pack = pack_of_clone(&clone, &second);
    let mut later = command("faketime", ["-f", "+40d", "sh", "-c", "umask 077; exec \"$@\"", "sh"]);
    later.arg(pack.get_program()).args(pack.get_args()).current_dir(&clone);
    succeed(later.env("CARGO_MANIFEST_DIR", clone.join("xtask")).env("NO_FAKE_STAT", "1").env("TZ", "Asia/Tokyo"));
    let older: Vec<String> = names(&first).into_iter().filter(|name| name.contains("-legacy.")).collect();
    assert_eq!(older.len(), 3, "{older:?}");
    for name in older {
        assert!(fs::read(first.join(&name)).unwrap() == fs::read(second.join(&name)).unwrap(), "{name} differs");
    }
}

/// `xtask pack --reproduce` of an image with the ready payload, in a clone.
fn reproduce(clone: &Path, iso: &Path, rpm: &Path) -> Command {
    let mut pack = Command::new(programs::xtask());
    pack.current_dir(clone).env("CARGO_MANIFEST_DIR", clone.join("xtask"));
    pack.args(["pack", "--reproduce"]).arg(iso).arg("--rpm").arg(rpm);
    pack
}

#[test]
fn a_pack_is_built_again_without_its_key_and_what_differs_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let clone = cloned(&folder.path().join("clone"));
    let output = folder.path().join("out");
    succeed(&mut pack_of_clone(&clone, &output));
    let iso = image_in(&output);
    let json: serde_json::Value =
        serde_json::from_str(&stdout_of(reproduce(&clone, &iso, &PAYLOAD.1).arg("--json"))).unwrap();
    assert_eq!((&json["same"], json["sha256"].as_str()), (&true.into(), Some(sha256(&iso).as_str())), "{json:#}");

    // Another package of the same name.
    let other = folder.path().join(PAYLOAD.1.file_name().unwrap());
    fs::copy(setuid_payload(folder.path()), &other).unwrap();
    let said = outcome(&mut reproduce(&clone, &iso, &other));
    assert_eq!(said.code, Some(9), "{}", said.text);
    assert!(said.text.contains("provenance.json") && said.text.contains("resolvedDependencies"), "{}", said.text);
    assert_eq!(outcome(&mut reproduce(&clone, &folder.path().join("absent.iso"), &PAYLOAD.1)).code, Some(4));

    // An image that somebody changed where nothing is signed.
    let changed = output.join("changed.iso");
    let mut bytes = fs::read(&iso).unwrap();
    bytes[100] = 1;
    fs::write(&changed, &bytes).unwrap();
    let said = outcome(&mut reproduce(&clone, &changed, &PAYLOAD.1));
    assert_eq!(said.code, Some(9), "{}", said.text);
    assert!(said.text.contains("from byte 100 on, in the system area"), "{}", said.text);

    // And one where something is signed.
    let element = b"<name-description>";
    let at = bytes.windows(element.len()).position(|window| window == element).unwrap();
    bytes[at + element.len()] ^= 1;
    fs::write(&changed, &bytes).unwrap();
    let said = outcome(&mut reproduce(&clone, &changed, &PAYLOAD.1));
    assert_eq!(said.code, Some(6), "{}", said.text);
    assert!(said.text.contains("did not sign update.xml"), "{}", said.text);
}

#[test]
fn what_cannot_be_built_again_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let clone = cloned(&folder.path().join("clone"));
    let output = folder.path().join("out");
    fs::write(clone.join("spec/stray"), "x").unwrap();
    succeed(pack_of_clone(&clone, &output).arg("--allow-dirty"));
    let said = outcome(&mut reproduce(&clone, &image_in(&output), &PAYLOAD.1));
    assert_eq!(said.code, Some(4), "{}", said.text);
    assert!(said.text.contains("uncommitted changes"), "{}", said.text);

    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=lab", "-c", "user.email=lab@localhost"];
        succeed(command("git", identity).args(arguments).current_dir(&clone));
    };
    git(&["add", "spec/stray"]);
    git(&["rm", "--quiet", "-f", "spec/stray"]);
    git(&["commit", "--quiet", "--allow-empty", "-m", "Only here"]);
    let output = folder.path().join("committed");
    succeed(&mut pack_of_clone(&clone, &output));
    let iso = image_in(&output);
    let elsewhere = cloned(&folder.path().join("elsewhere"));
    let said = outcome(&mut reproduce(&elsewhere, &iso, &PAYLOAD.1));
    assert_eq!(said.code, Some(5), "{}", said.text);
    assert!(said.text.contains("is not in this repository"), "{}", said.text);
    // Without the packages that it carries; without the key.
    let mut without = Command::new(programs::xtask());
    without.current_dir(&clone).env("CARGO_MANIFEST_DIR", clone.join("xtask")).args(["pack", "--reproduce"]);
    let said = outcome(without.arg(&iso));
    assert_eq!(said.code, Some(4), "{}", said.text);
    assert!(said.text.contains("carries ready RPMs"), "{}", said.text);
    fs::remove_file(output.join("RPM-GPG-KEY-xscontainer")).unwrap();
    assert_eq!(outcome(&mut reproduce(&clone, &iso, &PAYLOAD.1)).code, Some(6));
    let key = packs::key_file("rsa4096-public");
    succeed(reproduce(&clone, &iso, &PAYLOAD.1).arg("--key").arg(key));
}

/// `xtask pack` of a clone with the ready payload.
fn pack_of_clone(clone: &Path, output: &Path) -> Command {
    let mut pack = Command::new(programs::xtask());
    pack.current_dir(clone).env("CARGO_MANIFEST_DIR", clone.join("xtask")).args(["pack", "--output"]).arg(output);
    pack.arg("--key").arg(packs::key_file("rsa4096")).arg("--rpm").arg(&PAYLOAD.1);
    pack
}

#[test]
fn a_modified_tree_is_refused_unless_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let clone = cloned(&folder.path().join("clone"));
    fs::write(clone.join("spec/stray"), "x").unwrap();
    let output = folder.path().join("out");
    let said = outcome(&mut pack_of_clone(&clone, &output));
    assert_refused(&said, 5, &["uncommitted", "spec/stray", "--allow-dirty"], &output);
}

#[test]
fn a_spec_with_a_mistake_is_named_with_file_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let clone = cloned(&folder.path().join("clone"));
    let spec = clone.join("spec/pack.toml");
    fs::write(&spec, fs::read_to_string(&spec).unwrap().replace("label = \"xscontainer\"", "label = \"xs container\""))
        .unwrap();
    let output = folder.path().join("out");
    let mut pack = pack_of_clone(&clone, &output);
    let said = outcome(pack.arg("--allow-dirty"));
    assert_refused(&said, 3, &["spec/pack.toml", "pack.label"], &output);
    fs::remove_file(spec).unwrap();
    let said = outcome(&mut pack);
    assert_refused(&said, 3, &["spec/pack.toml", "cannot be read"], &output);
}

#[test]
fn a_version_that_was_released_already_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let clone = cloned(&folder.path().join("clone"));
    let released =
        "[[release]]\nversion = \"11.0.0\"\nuuid = \"0ce0c2b3-4f11-5c53-9dda-674c694980e1\"\ndate = \"2026-12-01\"\n";
    fs::write(clone.join("spec/released.toml"), released).unwrap();
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=lab", "-c", "user.email=lab@localhost"];
        succeed(command("git", identity).args(arguments).current_dir(&clone));
    };
    git(&["commit", "--quiet", "-am", "Released"]);
    git(&["tag", "v11.0.0"]);
    let output = folder.path().join("out");
    let said = outcome(&mut pack_of_clone(&clone, &output));
    assert_refused(&said, 5, &["11.0.0", "was released on 2026-12-01", "would ignore"], &output);
}
