//! Commands that read packs, and keys, held against the programs that everybody has: rpm, rpm2cpio, xorriso, bsdtar, gpg.
#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use lab::foreign::{ForeignPack, Recipe, Role};
use lab::programs;
use lab::tools::{Said, command, content_of, outcome, stdout_of, succeed};
use medium::iso9660::{Tree, UnixSeconds, Volume, Writer};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use serde_json::Value;

const OLD_UUID: &str = "3f0b6a52-8d4e-4c1b-9a77-5be2f1c0d346";

static PACK: LazyLock<ForeignPack> = LazyLock::new(|| recipe().make());

/// A pack by the real tools, whose scripts know the uuid, as the vendor's do.
fn recipe() -> Recipe {
    let mut recipe = Recipe::general();
    let update = recipe.package(Role::Update);
    update.spec = update.spec.replace(
        "%files",
        "%posttrans\necho @UUID@ >> /run/reboot-required.hfxs || :\n\n%changelog\n* Tue Jan 02 2024 A <a@example.org> - 1-1\n- Made\n\n%files",
    );
    recipe
}

fn suppack(arguments: &[&str]) -> Command {
    let mut suppack = command(programs::suppack().to_str().unwrap(), arguments);
    suppack.env("XDG_CONFIG_HOME", "/nonexistent");
    suppack
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&stdout_of(&mut suppack(arguments))).unwrap()
}

fn rpm(arguments: &[&str], package: &Path) -> String {
    stdout_of(command("rpm", ["-qp", "--nosignature"]).args(arguments).arg(package))
}

#[test]
fn what_inspect_says_of_packages_is_what_rpm_says() {
    let inspection = json(&["inspect", "--json", path(&PACK.image)]);
    assert_eq!(inspection["kind"], "update");
    for signature in inspection["signatures"].as_array().unwrap() {
        assert_eq!(signature["verified"]["outcome"], "yes", "{signature}");
        assert_eq!(signature["made"], "2025-01-01T00:00:00Z");
    }
    let packages = inspection["packages"].as_array().unwrap();
    assert_eq!(packages.len(), 4);
    for package in packages {
        let file = PACK.tree.join(package["path"].as_str().unwrap());
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
            lines.sort();
            lines
        };
        let told = |name: &str| {
            let list = package[name].as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned());
            sorted(&list.collect::<Vec<_>>().join("\n"))
        };
        for (name, option) in [
            ("requires", "--requires"),
            ("provides", "--provides"),
            ("conflicts", "--conflicts"),
            ("obsoletes", "--obsoletes"),
        ] {
            assert_eq!(told(name), sorted(&rpm(&[option], &file)), "{name} of {}", file.display());
        }
        let format = "%{NAME}-%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}.%{ARCH} %{SIZE} %{PAYLOADCOMPRESSOR}";
        let said = format!(
            "{} {} {}",
            package["nevra"].as_str().unwrap(),
            package["installed_size"],
            package["compression"].as_str().unwrap()
        );
        assert_eq!(said, rpm(&["--qf", format], &file));
        let files = package["files"].as_array().unwrap().iter().map(|file| {
            format!(
                "{} {} {}",
                file["path"].as_str().unwrap(),
                file["owner"].as_str().unwrap(),
                file["group"].as_str().unwrap()
            )
        });
        let listed = rpm(&["--qf", "[%{FILENAMES} %{FILEUSERNAME} %{FILEGROUPNAME}\n]"], &file);
        assert_eq!(files.collect::<Vec<_>>(), listed.lines().collect::<Vec<_>>());
        for scriptlet in package["scriptlets"].as_array().unwrap() {
            let body = scriptlet["body"].as_str().unwrap();
            assert!(rpm(&["--scripts"], &file).contains(body), "{body:?}");
        }
        assert_eq!(package["signature"]["verified"]["outcome"], "yes", "{package}");
    }
    let text = stdout_of(&mut suppack(&["inspect", "--scripts", path(&PACK.image)]));
    assert!(text.contains("bash >= 4.0") && text.contains("| echo installed"), "{text}");
    let folder = json(&["inspect", "--json", path(&PACK.tree)]);
    assert_eq!(folder["packages"][0]["header_sha256"], inspection["packages"][0]["header_sha256"]);
}

#[test]
fn without_a_key_nothing_counts_as_verified() {
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("pack.iso");
    fs::copy(&PACK.image, &alone).unwrap();
    let text = stdout_of(&mut suppack(&["inspect", path(&alone)]));
    assert!(text.contains("not verified: no key") && !text.contains("verified by"), "{text}");
    let text = stdout_of(&mut suppack(&["inspect", "--key", path(&PACK.key), path(&alone)]));
    assert!(text.contains("verified by") && !text.contains("not verified"), "{text}");
}

/// Leaves out what is zero: the file has holes there. With the end of what was written.
struct Sparse(File, u64);

impl Write for Sparse {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = match bytes.iter().all(|byte| *byte == 0) {
            true => self.0.seek(SeekFrom::Current(i64::try_from(bytes.len()).unwrap())).map(|_| bytes.len()),
            false => self.0.write(bytes),
        };
        self.1 = self.1.max(self.0.stream_position()?);
        length
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.set_len(self.1)
    }
}

impl Seek for Sparse {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn two_gibibytes_are_looked_into_by_reading_little() {
    const PAYLOAD: u64 = 2 << 30;
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("large.iso");
    let package = fs::read_dir(PACK.tree.join("Packages")).unwrap().next().unwrap().unwrap().path();
    let tree = Tree::new([("update.xml", 0o644), ("Packages/large.rpm", 0o644)]).unwrap();
    let volume =
        Volume { id: "LARGE", application: "", publisher: "", modified: UnixSeconds::new(1_735_689_600).unwrap() };
    let mut writer = Writer::new(Sparse(File::create(&image).unwrap(), 0), &volume, tree).unwrap();
    let head = File::open(package).unwrap();
    writer.write("Packages/large.rpm", head.chain(io::repeat(0).take(PAYLOAD))).unwrap();
    writer.write("update.xml", File::open(PACK.tree.join("update.xml")).unwrap()).unwrap();
    writer.finish().unwrap().flush().unwrap();
    assert!(fs::metadata(&image).unwrap().len() > PAYLOAD);

    let mut child = suppack(&["inspect", path(&image)]).stdout(Stdio::piped()).spawn().unwrap();
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    // Ended, but not yet gone: its account is still open.
    waitid(WaitId::Pid(Pid::from_child(&child)), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
    let account = fs::read_to_string(format!("/proc/{}/io", child.id())).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(text.contains("2.00 GiB"), "{text}");
    let read: u64 = account.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap();
    assert!(read < 8 << 20, "{read} bytes were read");
}

#[test]
fn what_is_extracted_is_what_others_extract() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs, bsdtar) =
        (folder.path().join("ours"), folder.path().join("theirs"), folder.path().join("bsdtar"));
    succeed(&mut suppack(&["extract", "-q", path(&PACK.image), "-o", path(&ours)]));
    lab::packs::extract(&PACK.image, &theirs);
    fs::create_dir(&bsdtar).unwrap();
    succeed(command("bsdtar", ["-xf"]).arg(&PACK.image).current_dir(&bsdtar));
    assert_eq!(content_of(&ours), content_of(&theirs));
    assert_eq!(content_of(&ours), content_of(&bsdtar));
    let modes = |root: &Path| succeed(command("find", [".", "-type", "f", "-printf", "%m %p\n"]).current_dir(root));
    let sorted = |text: String| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(modes(&ours)), sorted(modes(&bsdtar)));
    let again = outcome(&mut suppack(&["extract", "-q", path(&PACK.image), "-o", path(&ours)]));
    assert_eq!(again.code, Some(7), "{}", again.text);
}

#[test]
fn the_files_of_packages_are_those_of_rpm2cpio() {
    let folder = tempfile::tempdir().unwrap();
    let ours = folder.path().join("ours");
    succeed(&mut suppack(&["extract", "-q", "--rpm-content", path(&PACK.image), "Packages", "-o", path(&ours)]));
    let mut compared = 0;
    for package in fs::read_dir(ours.join("Packages")).unwrap().map(|entry| entry.unwrap().path()) {
        if package.extension().is_none_or(|extension| extension != "rpm") {
            continue;
        }
        let theirs = folder.path().join(package.file_name().unwrap());
        fs::create_dir(&theirs).unwrap();
        let script = "rpm2cpio \"$0\" | cpio -idm --quiet --no-absolute-filenames";
        succeed(Command::new("sh").args(["-c", script]).arg(&package).current_dir(&theirs));
        let listing = |root: &Path| {
            let mut found =
                succeed(command("find", [".", "-mindepth", "1", "-printf", "%y %p %l %n\n"]).current_dir(root));
            // A folder's links are those of its file system.
            let mut lines: Vec<&str> = found
                .lines()
                .map(|line| if line.starts_with('d') { line.trim_end_matches(char::is_numeric) } else { line })
                .collect();
            lines.sort_unstable();
            found = lines.join("\n");
            found
        };
        let files = package.with_extension("files");
        assert_eq!(listing(&files), listing(&theirs));
        assert_eq!(content_of(&files), content_of(&theirs));
        compared += 1;
    }
    assert_eq!(compared, 4);
}

/// A key of its own for all tests: making one takes seconds.
static NEW_KEY: LazyLock<(tempfile::TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new.asc");
    succeed(&mut suppack(&["key", "new", "--no-passphrase", "--user-id", "New <new@example.org>", "-o", path(&file)]));
    (folder, file)
});

fn verify(pack: &Path, key: &Path) -> Said {
    outcome(&mut suppack(&["verify", "--no-rehearsal", "--key", path(key), path(pack)]))
}

#[test]
fn a_pack_that_was_changed_is_not_signed_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (changed, out) = (folder.path().join("changed.iso"), folder.path().join("out.iso"));
    let whole = fs::read(&PACK.image).unwrap();
    let resign = |more: &[&str]| {
        let resign = ["resign", "-q", path(&changed), "--key", path(&NEW_KEY.1), "--pack-key", path(&PACK.key), "-o"];
        outcome(suppack(&resign).arg(&out).args(more))
    };
    let package = whole.windows(4).rposition(|bytes| bytes == [0xed, 0xab, 0xee, 0xdb]).unwrap();
    let payload = package + whole[package..].windows(2).position(|bytes| bytes == [0x1f, 0x8b]).unwrap();
    let text = b"<name-description>";
    let text = whole.windows(text.len()).position(|bytes| bytes == text).unwrap() + text.len();
    for (place, reason) in [(payload + 20, "rpm-digests"), (text, "gpg-update-xml")] {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        fs::write(&changed, bytes).unwrap();
        let said = resign(&[]);
        assert_eq!(said.code, Some(4), "{}", said.text);
        assert!(said.text.contains(reason) && !out.exists(), "{}", said.text);
    }
    fs::write(&changed, &whole).unwrap();
    assert_eq!(resign(&[]).code, Some(0));
}

#[test]
fn a_pack_signed_anew_is_good_by_the_new_key_only() {
    let folder = tempfile::tempdir().unwrap();
    let (key, out) = (&NEW_KEY.1, folder.path().join("out"));
    fs::create_dir(&out).unwrap();
    let new = out.join("new.iso");
    let resign = ["resign", "-q", path(&PACK.image), "--key", path(key), "--key-file", "RPM-GPG-KEY-other-name", "-o"];
    succeed(suppack(&resign).arg(&new));
    let public = out.join("RPM-GPG-KEY-other-name");
    let good = verify(&new, &public);
    assert!(good.success, "{}", good.text);
    let bad = verify(&new, &PACK.key);
    assert_eq!(bad.code, Some(9), "{}", bad.text);

    let tree = folder.path().join("tree");
    lab::packs::extract(&new, &tree);
    let document = fs::read_to_string(tree.join("update.xml")).unwrap();
    assert!(document.contains("RPM-GPG-KEY-other-name") && !document.contains(OLD_UUID), "{document}");
    let gpg = |arguments: &[&str]| {
        let mut gpg = command("gpg", ["--batch", "--quiet", "--homedir", path(folder.path())]);
        succeed(gpg.args(arguments))
    };
    gpg(&["--import", path(&public)]);
    for name in ["update.xml", "repodata/repomd.xml"] {
        gpg(&["--verify", path(&tree.join(format!("{name}.asc"))), path(&tree.join(name))]);
    }
    succeed(&mut command("gpgconf", ["--homedir", path(folder.path()), "--kill", "all"]));
    let database = folder.path().join("rpmdb");
    let rpm_db = |arguments: &[&str]| {
        let mut rpm = command("rpmkeys", ["--dbpath", path(&database)]);
        rpm.args(arguments);
        rpm
    };
    fs::create_dir(&database).unwrap();
    succeed(&mut rpm_db(&["--import", path(&public)]));
    let mut packages = 0;
    for package in fs::read_dir(tree.join("Packages")).unwrap().map(|entry| entry.unwrap().path()) {
        let said = succeed(&mut rpm_db(&["-Kv", path(&package)]));
        assert!(said.contains("Signature") && !said.contains("NOKEY") && !said.contains("BAD"), "{said}");
        let old = PACK.tree.join("Packages").join(package.file_name().unwrap());
        let new_uuid = document.split("uuid=\"").nth(1).unwrap().split('"').next().unwrap();
        // Of everything that rpm knows, nothing but the uuid changed.
        for question in ["--scripts", "--requires", "--provides", "--changelog", "--info", "--list", "--obsoletes"] {
            let without = |text: String| -> Vec<String> {
                let text = text.replace(OLD_UUID, new_uuid);
                text.lines()
                    .filter(|line| !line.starts_with("Signature") && !line.starts_with("Size"))
                    .map(str::to_owned)
                    .collect()
            };
            assert_eq!(without(rpm(&[question], &package)), without(rpm(&[question], &old)), "{question}");
        }
        packages += 1;
    }
    assert_eq!(packages, 4);
    let compared = outcome(&mut suppack(&["diff", path(&PACK.image), path(&new)]));
    assert_eq!(compared.code, Some(1));
    assert!(compared.text.contains("Another key signs"), "{}", compared.text);

    // The same once more is the same to the last bit.
    let twice = out.join("twice.iso");
    succeed(suppack(&resign).arg(&twice));
    assert_eq!(fs::read(&new).unwrap(), fs::read(&twice).unwrap());
}

#[test]
fn a_uuid_stays_only_with_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let key = &NEW_KEY.1;
    let out = folder.path().join("new.iso");
    let arguments = ["resign", "-q", path(&PACK.image), "--key", path(key), "--same-uuid", "-o", path(&out)];
    let refused = outcome(&mut suppack(&arguments));
    assert_eq!(refused.code, Some(4), "{}", refused.text);
    assert!(refused.text.contains("--same-uuid"), "{}", refused.text);
    assert!(!out.exists());
    // By the key that it has, nothing changes.
    let old = lab::packs::key_file("rsa4096");
    let arguments = [
        "resign",
        "-q",
        path(&PACK.image),
        "--key",
        path(&old),
        "--keep-rpm-signatures",
        "--same-uuid",
        "-o",
        path(&out),
    ];
    succeed(&mut suppack(&arguments));
    let good = verify(&out, &PACK.key);
    assert!(good.success && good.text.contains(OLD_UUID), "{}", good.text);
}

#[test]
fn what_cannot_be_made_anew_is_refused_with_its_reason() {
    let mut recipe = recipe();
    let payload = recipe.package(Role::Payload);
    payload.spec = payload.spec.replace("%post\n", "%post\n# of pack @UUID@\n");
    let pack = recipe.make();
    let folder = tempfile::tempdir().unwrap();
    let key = &NEW_KEY.1;
    let out = folder.path().join("new.iso");
    let refused = outcome(&mut suppack(&["resign", "-q", path(&pack.image), "--key", path(key), "-o", path(&out)]));
    assert_eq!(refused.code, Some(4), "{}", refused.text);
    assert!(refused.text.contains("which is none of its own two packages"), "{}", refused.text);
    assert!(!out.exists());
}

#[test]
fn a_diff_names_the_files_that_rpm_names() {
    let mut newer = recipe();
    newer.version = "2.4".into();
    newer.uuid = OLD_UUID.replace("3f0b", "4f0b");
    newer.package(Role::Payload).spec = newer
        .package(Role::Payload)
        .spec
        .replace("echo greeting=hello", "echo greeting=howdy")
        .replace("/usr/bin/goodbye\n", "/usr/bin/farewell\n")
        .replace("ln -s hello %{buildroot}/usr/bin/goodbye", "ln -s hello %{buildroot}/usr/bin/farewell");
    let newer = newer.make();
    assert_eq!(outcome(&mut suppack(&["diff", path(&PACK.image), path(&PACK.tree)])).code, Some(0));
    let compared = outcome(&mut suppack(&["diff", "--json", path(&PACK.image), path(&newer.image)]));
    assert_eq!(compared.code, Some(1), "{}", compared.text);
    let compared: Value = serde_json::from_slice(&compared.stdout).unwrap();
    let files = |tree: &Path| -> std::collections::BTreeSet<String> {
        let packages = fs::read_dir(tree.join("Packages")).unwrap().map(|entry| entry.unwrap().path());
        packages
            .flat_map(|package| {
                rpm(&["--qf", "[%{FILENAMES} %{FILEDIGESTS} %{FILEMODES} %{FILELINKTOS}\n]"], &package)
                    .lines()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            })
            .collect()
    };
    let (before, after) = (files(&PACK.tree), files(&newer.tree));
    let name = |line: &String| line.split(' ').next().unwrap().to_owned();
    let mut differ: Vec<String> = before.symmetric_difference(&after).map(name).collect();
    differ.sort();
    differ.dedup();
    let told: Vec<String> =
        compared["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect();
    assert_eq!(told, differ);
    let conf = compared["files"].as_array().unwrap().iter().find(|file| file["path"] == "/etc/hello/conf").unwrap();
    assert_eq!(conf["if_changed_by_hand"], "it is replaced, and kept as .rpmsave");
    assert_eq!(compared["warnings"], Value::Array(Vec::new()));
}

#[test]
fn keys_are_those_that_gpg_knows() {
    let folder = tempfile::tempdir().unwrap();
    let (key, passphrase) = (folder.path().join("key.asc"), folder.path().join("passphrase"));
    fs::write(&passphrase, "correct horse\n").unwrap();
    let new = [
        "key",
        "new",
        "--expires",
        "30",
        "--user-id",
        "Jane <jane@example.org>",
        "--passphrase-file",
        path(&passphrase),
        "-o",
        path(&key),
    ];
    succeed(&mut suppack(&new));
    let again = outcome(&mut suppack(&new));
    assert_eq!(again.code, Some(7), "{}", again.text);
    assert_eq!(stdout_of(command("stat", ["-c", "%a"]).arg(&key)).trim(), "600");
    let shown = json(&["key", "show", "--json", path(&key)]);
    assert_eq!((&shown["secret"], &shown["unfit"]), (&Value::Bool(true), &Value::Null));
    succeed(&mut suppack(&["key", "export", path(&key), "-o", path(folder.path())]));
    let public = folder.path().join("RPM-GPG-KEY-Jane");
    let gpg = |arguments: &[&str]| {
        let mut gpg =
            command("gpg", ["--batch", "--no-tty", "--pinentry-mode", "loopback", "--homedir", path(folder.path())]);
        stdout_of(gpg.args(arguments))
    };
    let listed = gpg(&["--show-keys", "--with-colons", path(&public)]);
    let primary: Vec<&str> = listed.lines().find(|line| line.starts_with("pub:")).unwrap().split(':').collect();
    assert_eq!((primary[2], primary[3]), ("4096", "1"), "{listed}");
    let (created, expires): (u64, u64) = (primary[5].parse().unwrap(), primary[6].parse().unwrap());
    assert_eq!(expires - created, 32 * 86_400, "thirty days from now, and two back");
    assert_eq!(shown["expires"], expires);
    assert!(listed.contains(shown["fingerprint"].as_str().unwrap()), "{listed}");
    // gpg unlocks it with the passphrase, and signs with it.
    gpg(&["--passphrase-file", path(&passphrase), "--import", path(&key)]);
    let (text, made) = (folder.path().join("text"), folder.path().join("text.sig"));
    fs::write(&text, "text").unwrap();
    gpg(&["--passphrase-file", path(&passphrase), "--output", path(&made), "--detach-sign", path(&text)]);
    gpg(&["--verify", path(&made), path(&text)]);
    succeed(&mut command("gpgconf", ["--homedir", path(folder.path()), "--kill", "all"]));
    // So does a host, after the printed commands, with its folders elsewhere.
    let commands = stdout_of(&mut suppack(&["key", "trust-commands", path(&public)]));
    let home = folder.path().join("host");
    fs::create_dir(&home).unwrap();
    let by_hand = commands.split("# Where that tool is missing:").nth(1).unwrap();
    let by_hand = by_hand.replace("/opt/xensource/gpg", path(&home)).replace("/etc/pki/rpm-gpg", path(&home));
    succeed(Command::new("sh").args(["-e", "-c", &by_hand]).current_dir(folder.path()));
    let trusted = succeed(&mut command("gpg", ["--homedir", path(&home), "--batch", "--export-ownertrust"]));
    assert!(trusted.contains(&format!("{}:6:", shown["fingerprint"].as_str().unwrap())), "{trusted}");
    succeed(&mut command("gpgconf", ["--homedir", path(&home), "--kill", "all"]));
}
