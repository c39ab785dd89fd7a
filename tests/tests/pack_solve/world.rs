//! A host, a repository and a name to install: by real rpm and dnf, and by the rehearsal.

use std::fs;
use std::path::Path;

use lab::root::Root;
use lab::tools::{Said, command, outcome, succeed};
use pack::dom0::database::{Database, Installed, Knowledge};
use pack::dom0::file_conflict::file_conflicts;
use pack::dom0::package::{Dependency, Package};
use pack::dom0::refusal::Refusal;
use pack::dom0::solve::{Repository, install};
use pack::rpm::{Rpm, Source};
use rpm::{BuildConfig, FileMode, FileOptions, PackageBuilder};

/// Packages are texts such as `NAME VERSION-RELEASE; requires OTHER >= 1; file /PATH CONTENT`.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) installed: Vec<String>,
    pub(crate) available: Vec<String>,
    /// What is to be installed or upgraded.
    pub(crate) name: String,
}

const RELEASE: &str = "8.2.0";

impl World {
    /// What dnf makes of it: what is installed afterwards, or what it says.
    pub(crate) fn by_dnf(&self) -> Result<Vec<String>, String> {
        let root = self.root();
        let repository = tempfile::tempdir().unwrap();
        for text in &self.available {
            write(&rpm_of(text), text, repository.path());
        }
        succeed(command("createrepo_c", ["--general-compress-type=gz"]).arg(repository.path()));
        let is_installed = self.installed.iter().any(|text| name_of(text) == self.name);
        // dnf's `install` leaves an older version alone, yum's does not.
        let verb = if is_installed { "upgrade" } else { "install" };
        let mut dnf = command("dnf", ["-y", "--noplugins", "--releasever=7", "--forcearch=x86_64", "--nogpgcheck"]);
        dnf.args(["--best", "--setopt=reposdir=/dev/null", "--setopt=install_weak_deps=0", "--config"]);
        let config = root.path().join("tmp/dnf.conf");
        fs::write(&config, "[main]\n").unwrap();
        dnf.arg(config);
        for (option, folder) in [("cachedir", "tmp/cache"), ("logdir", "tmp"), ("persistdir", "tmp/persist")] {
            dnf.arg(format!("--setopt={option}={}", root.path().join(folder).display()));
        }
        dnf.arg(format!("--installroot={}", root.path().display()));
        dnf.arg(format!("--repofrompath=lab,file://{}", repository.path().display()));
        match outcome(dnf.args([verb, &self.name])) {
            Said { success: true, .. } => Ok(installed_in(&root)),
            Said { text, .. } => {
                assert!(
                    ["Problem", "Unable to find a match", "conflicts"].iter().any(|word| text.contains(word)),
                    "{text}"
                );
                Err(text)
            }
        }
    }

    /// What the rehearsal makes of it.
    pub(crate) fn by_rehearsal(&self) -> Result<Vec<String>, String> {
        let (database, repository) =
            (self.database(), Repository::new("lab", self.available.iter().map(|text| read(text))));
        let plan = install(&database, &repository, &[&self.name]).map_err(|refusal| refusal.to_string())?;
        let files = file_conflicts(&database, &plan);
        assert!(plan.unknown.is_empty() && files.uncertain.is_empty() && files.all_known);
        if !files.conflicts.is_empty() {
            return Err(Refusal::Files(files.conflicts).to_string());
        }
        let after = database.after(&plan);
        let mut names: Vec<String> = after
            .installed()
            .map(|installed| &installed.package)
            .filter(|package| package.name != "xcp-ng-release")
            .map(|package| {
                let release = package.evr.release.as_deref().unwrap_or_default();
                format!("{}-{}-{release}", package.name, package.evr.version)
            })
            .collect();
        names.sort();
        Ok(names)
    }

    /// Holds `rpm -e --test` of every one and every two packages against the rehearsal.
    pub(crate) fn compare_erasures(&self) {
        let (root, database) = (self.root(), self.database());
        let names: Vec<&str> = self.installed.iter().map(|text| name_of(text)).collect();
        for (at, first) in names.iter().enumerate() {
            for second in &names[at..] {
                let erased = if first == second { vec![*first] } else { vec![*first, *second] };
                let real = outcome(root.rpm().args(["-e", "--test"]).args(&erased));
                let rehearsed = database.erase(&erased);
                assert_eq!(rehearsed.is_ok(), real.success, "{self:#?} {erased:?}\n{}\n{rehearsed:?}", real.text);
                let words = rehearsed.err().map(|refusal| refusal.to_string()).unwrap_or_default();
                for line in words.lines().skip(1) {
                    // rpm leaves out the architecture in this message.
                    assert!(real.text.contains(line.trim().trim_end_matches(".noarch")), "{line}\n{}", real.text);
                }
            }
        }
    }

    fn root(&self) -> Root {
        let root = Root::of_release(RELEASE);
        let folder = tempfile::tempdir().unwrap();
        for text in &self.installed {
            write(&rpm_of(text), text, folder.path());
        }
        if !self.installed.is_empty() {
            let files = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
            succeed(root.rpm().arg("-i").args(files));
        }
        root
    }

    fn database(&self) -> Database {
        let mut release = Package::new("xcp-ng-release", format!("{RELEASE}-1").parse().unwrap(), "noarch");
        for provided in [&format!("product-version = {RELEASE}"), "xs-presets = 1.3", "/bin/sh"] {
            release.provides.push(provided.parse().unwrap());
        }
        let packages = self.installed.iter().map(|text| read(text)).chain([release]);
        Database::new(packages.map(Installed::new).collect(), Knowledge::All)
    }
}

/// The first word.
pub(crate) fn name_of(text: &str) -> &str {
    text.split_once(' ').unwrap().0
}

fn installed_in(root: &Root) -> Vec<String> {
    let all = succeed(root.rpm().args(["-qa", "--qf", "%{NAME}-%{VERSION}-%{RELEASE}\\n"]));
    let mut names: Vec<String> =
        all.lines().filter(|name| !name.starts_with("xcp-ng-release")).map(str::to_owned).collect();
    names.sort();
    names
}

fn write(bytes: &[u8], text: &str, folder: &Path) {
    let head = text.split(';').next().unwrap().replace([' ', ':'], "-");
    fs::write(folder.join(format!("{head}.rpm")), bytes).unwrap();
}

/// The package as the rehearsal reads it from its headers.
pub(crate) fn read(text: &str) -> Package {
    Package::of(&Rpm::read(Source::memory("lab", rpm_of(text))).unwrap()).unwrap()
}

fn rpm_of(text: &str) -> Vec<u8> {
    let mut clauses = text.split(';').map(str::trim);
    let (name, evr) = clauses.next().unwrap().split_once(' ').unwrap();
    let evr: pack::dom0::package::Evr = evr.parse().unwrap();
    let mut builder = PackageBuilder::new(name, &evr.version, "BSD", "noarch", "Of the lab");
    builder.release(evr.release.unwrap());
    if let Some(epoch) = evr.epoch {
        builder.epoch(epoch);
    }
    builder.using_config(BuildConfig::v4().compression(rpm::CompressionType::Gzip).source_date(1_700_000_000_u32));
    for clause in clauses {
        let (kind, rest) = clause.split_once(' ').unwrap();
        if kind == "file" {
            let (path, content) = rest.split_once(' ').unwrap();
            builder.with_file_contents(content, FileOptions::new(path).mode(FileMode::regular(0o644))).unwrap();
            continue;
        }
        let dependency = dependency(&rest.parse().unwrap());
        match kind {
            "requires" => builder.requires(dependency),
            "provides" => builder.provides(dependency),
            "conflicts" => builder.conflicts(dependency),
            "obsoletes" => builder.obsoletes(dependency),
            _ => panic!("{clause:?}"),
        };
    }
    let mut bytes = Vec::new();
    builder.build().unwrap().write(&mut bytes).unwrap();
    bytes
}

fn dependency(of: &Dependency) -> rpm::Dependency {
    let name = of.name.as_str();
    let Some((operator, evr)) = &of.bound else { return rpm::Dependency::any(name) };
    let version = evr.to_string();
    match operator.as_str() {
        "<" => rpm::Dependency::less(name, version),
        "<=" => rpm::Dependency::less_eq(name, version),
        "=" => rpm::Dependency::eq(name, version),
        ">=" => rpm::Dependency::greater_eq(name, version),
        _ => rpm::Dependency::greater(name, version),
    }
}
