//! `cargo xtask bench`: the builder against the tools that it replaces, in one run on one machine.
//!
//! From ready payload RPMs to the signed ISO: a small pack against rpmbuild, rpmsign, createrepo_c, gpg and genisoimage,
//! and a large one against the same hash work by openssl, two at a time, and a copy.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use xshell::{Shell, cmd};

use crate::flags::Bench;
use pack::commands::interrupt;

use crate::{debian, root};

const PACKAGES: [&str; 6] = ["createrepo-c", "genisoimage", "gnupg", "openssl", "rpm", "time"];
const RUNS: usize = 5;

/// Runs the command.
pub(crate) fn run(flags: &Bench) -> anyhow::Result<()> {
    interrupt::watch()?;
    debian::install(&PACKAGES, false)?;
    let folder = root().join("target/bench");
    fs::remove_dir_all(&folder).or_else(|e| if e.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(e) })?;
    fs::create_dir_all(&folder)?;
    let sh = Shell::new()?;
    sh.change_dir(&folder);
    let bench = Runner { key: root().join("pack/testdata/keys/rsa4096.asc"), xtask: env::current_exe()?, sh, folder };
    bench.prepare_tools()?;

    println!("{:<28} {:>10} {:>12} {:>8}   medians of {RUNS} runs", "", "builder", "reference", "ratio");
    let small = bench.payload("small", 3)?;
    let ours = median(|| bench.pack(&small).map(|run| run.build))?;
    let theirs = median(|| bench.with_tools(&small))?;
    print_row("small pack, real tools", ours, theirs);

    let large = bench.payload("large", flags.size)?;
    let mut memory = 0;
    let (mut builds, mut verifications) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let run = bench.pack(&large)?;
        memory = memory.max(run.memory);
        builds.push(run.build);
        verifications.push(run.verify);
    }
    let theirs = median(|| bench.hash(&large, "-md5 -sha256 -sha256 -sha256", true))?;
    print_row(&format!("{} MiB, openssl and cp", flags.size), middle(builds), theirs);
    let theirs = median(|| bench.hash(&large, "-md5 -sha256 -sha256", false))?;
    print_row(&format!("{} MiB, verify, openssl", flags.size), middle(verifications), theirs);
    println!("{:<28} {:>6} MiB   of memory at most, for {} MiB of payload", "", memory / 1024, flags.size);
    fs::remove_dir_all(&bench.folder)?;
    Ok(())
}

struct Runner {
    sh: Shell,
    folder: PathBuf,
    key: PathBuf,
    xtask: PathBuf,
}

impl Runner {
    /// A home of GnuPG with the test key, for the real tools.
    fn prepare_tools(&self) -> anyhow::Result<()> {
        let (sh, key) = (&self.sh, &self.key);
        let home = self.folder.join("gnupg");
        cmd!(sh, "mkdir -m 700 {home}").quiet().run()?;
        sh.set_var("GNUPGHOME", &home);
        cmd!(sh, "gpg --batch --quiet --import {key}").quiet().run()?;
        Ok(())
    }

    /// An RPM with so many MiB that cannot be compressed, and are not.
    fn payload(&self, name: &str, mib: u64) -> anyhow::Result<PathBuf> {
        let (sh, folder) = (&self.sh, &self.folder);
        let content = folder.join("content");
        cmd!(sh, "openssl rand -out {content} ").arg((mib << 20).to_string()).quiet().run()?;
        let spec = format!(
            "Name: {name}\nVersion: 1\nRelease: 1\nSummary: Payload\nLicense: MIT\nBuildArch: noarch\n%description\nPayload\n\
             %install\nmkdir -p %{{buildroot}}/opt\nln {0} %{{buildroot}}/opt/content || cp {0} %{{buildroot}}/opt/content\n\
             %files\n/opt/content\n",
            content.display()
        );
        self.rpmbuild(name, &spec, "w.ufdio")?;
        Ok(folder.join(format!("RPMS/noarch/{name}-1-1.noarch.rpm")))
    }

    fn rpmbuild(&self, name: &str, spec: &str, payload: &str) -> anyhow::Result<()> {
        let (sh, topdir) = (&self.sh, format!("_topdir {}", self.folder.display()));
        let file = format!("{name}.spec");
        sh.write_file(&file, spec)?;
        cmd!(sh, "rpmbuild -bb --quiet --define {topdir} --define")
            .arg(format!("_binary_payload {payload}"))
            .arg(file)
            .quiet()
            .ignore_stderr()
            .run()?;
        Ok(())
    }

    /// Our builder in a process of its own, with verification and rehearsal.
    fn pack(&self, payload: &Path) -> anyhow::Result<Run> {
        let (sh, xtask, key) = (&self.sh, &self.xtask, &self.key);
        let output = self.folder.join("ours");
        let _ = fs::remove_dir_all(&output);
        let peak = self.folder.join("peak");
        let said = cmd!(
            sh,
            "/usr/bin/time -q -f %M -o {peak} {xtask} pack --json --allow-dirty --key {key} --rpm {payload} --output {output}"
        )
        .quiet()
        .read()?;
        let report: serde_json::Value = serde_json::from_str(&said)?;
        let mut run = Run { build: Duration::ZERO, verify: Duration::ZERO, memory: 0 };
        for step in report["steps"].as_array().context("the report has steps")? {
            let took = Duration::from_secs_f64(step["seconds"].as_f64().context("a step has a time")?);
            match step["name"].as_str().context("a step has a name")? {
                "read image" | "digest rpms" | "check" => run.verify += took,
                "rehearse" => {}
                _ => run.build += took,
            }
        }
        let peak = sh.read_file(peak)?;
        run.memory = peak.trim().parse().with_context(|| format!("time said {peak:?}"))?;
        Ok(run)
    }

    /// The same by the tools that the builder replaces.
    fn with_tools(&self, payload: &Path) -> anyhow::Result<Duration> {
        let sh = &self.sh;
        let tree = self.folder.join("theirs");
        let _ = fs::remove_dir_all(&tree);
        let packages = tree.join("Packages");
        cmd!(sh, "mkdir -p {packages}").quiet().run()?;
        cmd!(sh, "cp {payload} {packages}").quiet().run()?;
        let since = Instant::now();
        for name in ["update-bench", "control-bench"] {
            let spec = format!(
                "Name: {name}\nVersion: 1\nRelease: 1\nSummary: Helper\nLicense: MIT\nBuildArch: noarch\n%description\nHelper\n%files\n"
            );
            self.rpmbuild(name, &spec, "w9.gzdio")?;
            let built = self.folder.join(format!("RPMS/noarch/{name}-1-1.noarch.rpm"));
            cmd!(sh, "cp {built} {packages}").quiet().run()?;
        }
        let rpms: Vec<PathBuf> = sh.read_dir(&packages)?;
        cmd!(sh, "rpmsign --define")
            .args(["_gpg_name rsa4096", "--define", "__gpg /usr/bin/gpg"])
            .arg("--addsign")
            .args(rpms)
            .quiet()
            .ignore_stdout()
            .ignore_stderr()
            .run()?;
        sh.write_file(tree.join("update.xml"), "<update/>")?;
        cmd!(sh, "createrepo_c --quiet --general-compress-type=gz --no-database {tree}").quiet().run()?;
        for file in ["update.xml", "repodata/repomd.xml"] {
            let file = tree.join(file);
            cmd!(sh, "gpg --batch --quiet --armor --detach-sign {file}").quiet().run()?;
        }
        let iso = self.folder.join("theirs.iso");
        cmd!(sh, "genisoimage -quiet -r -J -joliet-long -o {iso} {tree}").quiet().ignore_stderr().run()?;
        cmd!(sh, "sha256sum {iso}").quiet().ignore_stdout().run()?;
        Ok(since.elapsed())
    }

    /// Hash work, two at a time: for building MD5 of header and payload, SHA-256 of payload, package and image, and the copy
    /// into the image; for verifying MD5 of header and payload, SHA-256 of payload and package.
    fn hash(&self, payload: &Path, digests: &str, copied: bool) -> anyhow::Result<Duration> {
        let sh = &self.sh;
        let copy = self.folder.join("copy");
        let since = Instant::now();
        let jobs = format!("printf '%s\\n' {digests} | xargs -P 2 -I{{}} openssl dgst {{}} \"$0\" >/dev/null");
        cmd!(sh, "sh -c {jobs} {payload}").quiet().run()?;
        if copied {
            cmd!(sh, "cp {payload} {copy}").quiet().run()?;
        }
        let took = since.elapsed();
        if copied {
            fs::remove_file(copy)?;
        }
        Ok(took)
    }
}

/// What a run of our builder took: the build, and the verification of the image; and its most memory, in KiB.
struct Run {
    build: Duration,
    verify: Duration,
    memory: u64,
}

fn median(run: impl FnMut() -> anyhow::Result<Duration>) -> anyhow::Result<Duration> {
    let mut run = run;
    Ok(middle((0..RUNS).map(|_| run()).collect::<anyhow::Result<Vec<_>>>()?))
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn print_row(name: &str, ours: Duration, theirs: Duration) {
    let (ours, theirs) = (ours.as_secs_f64(), theirs.as_secs_f64());
    println!("{name:<28} {ours:>8.3} s {theirs:>10.3} s {:>8.2}", ours / theirs);
}
