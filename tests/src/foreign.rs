//! Supplemental packs that none of this project's code had a hand in: `rpmbuild`, `rpmsign`, `createrepo_c`, `gpg` and
//! `genisoimage` make them from a [`Recipe`].
//!
//! A recipe says everything, and [`Hooks`] reach between the stages, so that a test can break one thing and have all
//! that comes after made anew around it: checksums, signatures, the image. Knows how packs are made, not what is right.

mod programs;
mod recipes;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::packs::EPOCH;
use crate::tools::{command, succeed};

/// What a pack is made of. In every text, `@LABEL@`, `@VERSION@`, `@UUID@`, `@KEY@` and `@SIZE@` stand for the fields of
/// that name, and for the sum of the payload packages' sizes.
#[derive(Debug, Clone)]
pub struct Recipe {
    pub label: String,
    pub version: String,
    pub uuid: String,
    /// Name of the public key's file, which lies beside the image.
    pub key: String,
    /// The test key that signs the documents, by name.
    pub signer: String,
    pub document: Document,
    /// The comps file.
    pub comps: String,
    pub packages: Vec<Package>,
    /// More files on the image: path and content.
    pub files: Vec<(String, String)>,
    /// Options for `createrepo_c`.
    pub createrepo: Vec<String>,
    /// Options for `genisoimage`.
    pub genisoimage: Vec<String>,
    /// File name of the image.
    pub image: String,
    pub hooks: Hooks,
}

/// `update.xml`. Nothing in it is escaped.
#[derive(Debug, Clone)]
pub struct Document {
    /// What comes before the root element.
    pub prolog: String,
    /// Name of the root element.
    pub root: String,
    pub attributes: Vec<(String, String)>,
    /// What the root element holds.
    pub content: String,
}

/// An RPM.
#[derive(Debug, Clone)]
pub struct Package {
    pub role: Role,
    /// Text of its spec file. `%{SOURCE0}` is `update.xml`, but for payload packages, which are built before it.
    pub spec: String,
    /// Macros for `rpmbuild`, beside those that every package has.
    pub macros: Vec<(String, String)>,
    /// The test key that signs it, by name; none for no signature.
    pub signer: Option<String>,
}

/// What a package is in the pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Payload,
    /// `update-<label>`
    Update,
    /// `control-<label>`
    Control,
}

/// Something done to files between two stages.
type Hook = Arc<dyn Fn(&Path) + Send + Sync>;

/// What is done between the stages.
#[derive(Clone, Default)]
pub struct Hooks {
    /// With the folder that will be the image's root, when `Packages/` has the packages, not yet signed.
    built: Option<Hook>,
    /// With the same, when the packages are signed.
    signed: Option<Hook>,
    /// With the same, when there is `repodata/`, not yet signed.
    indexed: Option<Hook>,
    /// With the same, when everything is there.
    staged: Option<Hook>,
    /// With the image, which has the public key beside it.
    imaged: Option<Hook>,
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hooks")
    }
}

/// A finished pack, in a folder of its own.
#[derive(Debug)]
pub struct ForeignPack {
    pub image: PathBuf,
    /// The public key, beside the image.
    pub key: PathBuf,
    /// What went onto the image.
    pub tree: PathBuf,
    folder: tempfile::TempDir,
}

impl ForeignPack {
    /// The folder that holds everything.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Recipe {
    /// After `rpmbuild`: with the folder that will be the image's root.
    pub fn when_built(&mut self, hook: impl Fn(&Path) + Send + Sync + 'static) {
        self.hooks.built = Some(Arc::new(hook));
    }

    /// After `rpmsign`: with the same folder.
    pub fn when_signed(&mut self, hook: impl Fn(&Path) + Send + Sync + 'static) {
        self.hooks.signed = Some(Arc::new(hook));
    }

    /// After `createrepo_c`, before the documents are signed: with the same folder.
    pub fn when_indexed(&mut self, hook: impl Fn(&Path) + Send + Sync + 'static) {
        self.hooks.indexed = Some(Arc::new(hook));
    }

    /// Before `genisoimage`: with the same folder.
    pub fn when_staged(&mut self, hook: impl Fn(&Path) + Send + Sync + 'static) {
        self.hooks.staged = Some(Arc::new(hook));
    }

    /// After `genisoimage`: with the image, which has the public key beside it.
    pub fn when_imaged(&mut self, hook: impl Fn(&Path) + Send + Sync + 'static) {
        self.hooks.imaged = Some(Arc::new(hook));
    }

    /// The package of a role; of several, the first.
    ///
    /// # Panics
    /// If there is none.
    pub fn package(&mut self, role: Role) -> &mut Package {
        self.packages.iter_mut().find(|package| package.role == role).expect("a package of that role")
    }

    /// Sets an attribute of `update.xml`, which may be a new one.
    pub fn set(&mut self, name: &str, value: &str) {
        self.unset(name);
        self.document.attributes.push((name.into(), value.into()));
    }

    /// Takes an attribute out of `update.xml`.
    pub fn unset(&mut self, name: &str) {
        self.document.attributes.retain(|(known, _)| known != name);
    }

    /// Makes the pack.
    ///
    /// # Panics
    /// If one of the tools fails.
    pub fn make(&self) -> ForeignPack {
        let folder = tempfile::tempdir().expect("a folder");
        let tree = folder.path().join("tree");
        fs::create_dir_all(tree.join("Packages")).expect("made");
        let run = |hook: &Option<Hook>, subject: &Path| hook.iter().for_each(|hook| hook(subject));

        let (document, signers) = self.build_packages(&tree.join("Packages"));
        run(&self.hooks.built, &tree);
        for (name, signer) in signers {
            if let Some(signer) = signer {
                sign_package(&signer, &tree.join("Packages").join(name));
            }
        }
        run(&self.hooks.signed, &tree);
        settle(&tree.join("Packages"));

        let comps = folder.path().join("comps.xml");
        fs::write(&comps, self.fill(&self.comps)).expect("written");
        succeed(command("createrepo_c", ["--quiet", "-g"]).arg(comps).args(&self.createrepo).arg(&tree));
        fs::write(tree.join("update.xml"), document).expect("written");
        for (path, content) in &self.files {
            let path = tree.join(path);
            fs::create_dir_all(path.parent().expect("in the tree")).expect("made");
            fs::write(path, self.fill(content)).expect("written");
        }
        run(&self.hooks.indexed, &tree);
        for name in ["update.xml", "repodata/repomd.xml"] {
            sign_file(&self.signer, &tree.join(name), &["--armor", "--detach-sign"]);
        }
        run(&self.hooks.staged, &tree);

        let image = folder.path().join(self.fill(&self.image));
        succeed(command("genisoimage", ["-quiet", "-o"]).arg(&image).args(&self.genisoimage).arg(&tree));
        let key = folder.path().join(&self.key);
        fs::write(&key, public_key(&self.signer).as_slice()).expect("written");
        run(&self.hooks.imaged, &image);
        ForeignPack { image, key, tree, folder }
    }

    /// Builds every package into a folder. The text of `update.xml`, which is part of one of them, and who signs what.
    fn build_packages(&self, folder: &Path) -> (String, BTreeMap<String, Option<String>>) {
        let mut signers = BTreeMap::new();
        let mut build = |package: &Package, source: &str| {
            let macros: Vec<_> = package.macros.iter().map(|(name, value)| (name.clone(), self.fill(value))).collect();
            let built = programs::rpmbuild(&self.fill(&package.spec), &macros, source);
            let file = folder.join(&built.name);
            fs::write(&file, built.bytes).expect("written");
            signers.insert(built.name, package.signer.clone());
            file
        };
        let (payload, companions): (Vec<&Package>, Vec<&Package>) =
            self.packages.iter().partition(|package| package.role == Role::Payload);
        let size: u64 = payload.iter().map(|package| programs::installed_size(&build(package, ""))).sum();
        let document = self.fill(&self.document.text()).replace("@SIZE@", &size.to_string());
        for package in companions {
            build(package, &document);
        }
        (document, signers)
    }

    /// A text with what its placeholders stand for.
    fn fill(&self, text: &str) -> String {
        let fields =
            [("@LABEL@", &self.label), ("@VERSION@", &self.version), ("@UUID@", &self.uuid), ("@KEY@", &self.key)];
        fields.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }
}

impl Document {
    fn text(&self) -> String {
        let attributes: String = self.attributes.iter().map(|(name, value)| format!(" {name}=\"{value}\"")).collect();
        format!("{}<{root}{attributes}>{}</{root}>\n", self.prolog, self.content, root = self.root)
    }
}

/// Gives every file the same time of change, which `createrepo_c` writes down: equal packs are to be equal.
fn settle(folder: &Path) {
    let epoch = format!("@{EPOCH}");
    succeed(command("find", [folder]).args(["-type", "f", "-exec", "touch", "-d", &epoch, "{}", "+"]));
}

/// Signs a file with gpg and these options, beside it as `<file>.asc`. Hosts expect `--armor --detach-sign`.
///
/// # Panics
/// If gpg fails.
pub fn sign_file(signer: &str, file: &Path, options: &[&str]) {
    let mut name = file.as_os_str().to_owned();
    name.push(".asc");
    fs::write(PathBuf::from(name), programs::gpg(signer, options, file).as_slice()).expect("written");
}

/// Signs a package's header with `rpmsign`, in the place of the signature that it has.
///
/// # Panics
/// If the tool fails.
pub fn sign_package(signer: &str, file: &Path) {
    let signed = programs::rpmsign(signer, &fs::read(file).expect("a package"));
    fs::write(file, signed.as_slice()).expect("written");
}

/// The public half of a test key, as gpg exports it.
///
/// # Panics
/// If gpg fails.
pub fn public_key(signer: &str) -> Arc<Vec<u8>> {
    programs::public_key(signer)
}

/// Edits one kind of repository metadata (`primary`, `filelists`, `other`, `group`, `group_gz`) and has `modifyrepo_c`
/// make `repomd.xml` agree with it. For [`Recipe::when_indexed`].
///
/// # Panics
/// If a tool fails, or the edit changes nothing.
pub fn edit_metadata(tree: &Path, kind: &str, edit: impl FnOnce(&str) -> String) {
    let (file, compression) = match kind {
        "group" => ("comps.xml".to_owned(), "--no-compress"),
        "group_gz" => ("comps.xml.gz".to_owned(), "--compress-type=gz"),
        kind => (format!("{kind}.xml.gz"), "--compress-type=gz"),
    };
    let stored = tree.join("repodata").join(&file);
    let text = succeed(command("zcat", ["--force"]).arg(&stored));
    let edited = edit(&text);
    assert_ne!(edited, text, "the edit of {kind} must change something");
    let folder = tempfile::tempdir().expect("a folder");
    let plain = folder.path().join(file.trim_end_matches(".gz"));
    fs::write(&plain, edited).expect("written");
    replace_metadata(tree, kind, &plain, &[compression]);
}

/// Puts a file in the place of one kind of repository metadata; `modifyrepo_c` makes `repomd.xml` agree with it.
///
/// # Panics
/// If the tool fails.
pub fn replace_metadata(tree: &Path, kind: &str, file: &Path, options: &[&str]) {
    let mut modify = command("modifyrepo_c", ["--simple-md-filenames", "--checksum=sha256"]);
    succeed(modify.arg(format!("--mdtype={kind}")).args(options).arg(file).arg(tree.join("repodata")));
}

/// Stores bytes as one kind of repository metadata, whatever they are, and writes into `repomd.xml` what they are stored
/// as: for what `modifyrepo_c` refuses to handle.
///
/// # Panics
/// If the kind is not listed.
pub fn store_metadata(tree: &Path, kind: &str, name: &str, bytes: &[u8]) {
    let file = tree.join("repodata").join(name);
    fs::write(&file, bytes).expect("written");
    let sum = succeed(command("sha256sum", ["-b"]).arg(&file));
    let sum = sum.split_whitespace().next().expect("a sum");
    let entry = format!(
        "<data type=\"{kind}\"><checksum type=\"sha256\">{sum}</checksum><location href=\"repodata/{name}\"/><size>{}</size>",
        bytes.len()
    );
    let repomd = tree.join("repodata/repomd.xml");
    let text = fs::read_to_string(&repomd).expect("a file");
    let start = text.find(&format!("<data type=\"{kind}\">")).expect("it is listed");
    let end = start + text[start..].find("</data>").expect("it ends");
    fs::write(repomd, format!("{}{entry}{}", &text[..start], &text[end..])).expect("written");
}
