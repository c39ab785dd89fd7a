//! A pack of the older format, for hosts up to XenServer 7.0 and XCP 1.x: the `[legacy]` table of `pack.toml`.
//!
//! Knows which values every reader of that format takes; must not know how they are written down. Rules:
//! supp-pack-build, `xcp/supplementalpack.py`; python-libs, `xcp/repository.py` and `xcp/version.py`; xen-api,
//! `create_misc.ml`, `make_packs_info`; xenadmin, `Host.cs`, `SuppPack`; xen-orchestra, `xapi-object-to-xo.mjs`.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::PackVersion;

/// A pack of the older format; every value is one that its readers take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LegacySpec {
    /// Who made it and what it is called: its identity on a host.
    pub id: PackId,
    /// Who made it, for people: the application identifier of the image.
    pub vendor: String,
    /// One line for people, without `, `.
    pub description: String,
    pub product: Product,
    /// `None`: from the pack's version.
    pub version: Option<String>,
    /// `None`: the time of the build.
    pub build: Option<String>,
    /// Packs that must be on the host; its own product is one.
    pub requires: Vec<PackRequirement>,
    /// Packs that are gone once their packages were replaced.
    pub replaces: Vec<PackId>,
    /// Memory that dom0 needs beside what it has, in MiB.
    pub memory_requirement_mb: Option<u32>,
    /// Whether clients warn of hosts of a pool that lack it.
    pub enforce_homogeneity: bool,
    /// Whether clients leave it out of their lists.
    pub hidden: bool,
    /// Text of the licence that whoever installs it must accept.
    pub eula: Option<String>,
}

/// What `[legacy]` may have; [`LegacyTable::check`] makes a [`LegacySpec`] of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LegacyTable {
    pub originator: String,
    pub name: Option<String>,
    pub vendor: Option<String>,
    pub description: Option<String>,
    #[serde(default)]
    pub product: Product,
    pub version: Option<String>,
    pub build: Option<String>,
    #[serde(default)]
    pub requires: Vec<RequiresTable>,
    #[serde(default)]
    pub replaces: Vec<String>,
    pub memory_requirement_mb: Option<u32>,
    #[serde(default)]
    pub enforce_homogeneity: bool,
    #[serde(default)]
    pub hidden: bool,
    /// The file that has the licence.
    pub eula: Option<PathBuf>,
}

/// One pack that must be on the host.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RequiresTable {
    pub originator: String,
    pub name: String,
    pub test: Test,
    /// `None`: that of the pack itself.
    pub product: Option<Product>,
    pub version: String,
    pub build: Option<String>,
}

/// What the `[legacy]` table takes from the rest of `pack.toml` where it is silent.
#[derive(Debug, Clone, Copy)]
pub struct Defaults<'a> {
    pub name: &'a str,
    pub vendor: &'a str,
    pub description: &'a str,
}

/// What is wrong with a value: the key below `legacy`, the problem and the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub key: String,
    pub problem: String,
    pub remedy: &'static str,
}

impl LegacyTable {
    /// Checks every value; files that it names are below `folder`.
    ///
    /// # Errors
    /// The first [`Fault`].
    pub fn check(self, defaults: Defaults<'_>, folder: &Path) -> Result<LegacySpec, Fault> {
        let id = PackId::new(&self.originator, self.name.as_deref().unwrap_or(defaults.name))
            .map_err(|problem| fault("originator, legacy.name", problem, ID_REMEDY))?;
        let description = self.description.unwrap_or_else(|| defaults.description.into());
        check_description(&description)?;
        let vendor = self.vendor.unwrap_or_else(|| defaults.vendor.into());
        if vendor.trim().is_empty() || vendor.len() > MAX_TEXT || vendor.contains(char::is_control) {
            let problem = format!("is {vendor:?}, not one line of at most {MAX_TEXT} characters");
            return Err(fault("vendor", problem, "Name who made the pack"));
        }
        if let Some(version) = &self.version {
            check_version("version", version)?;
        }
        if let Some(build) = &self.build {
            check_build("build", build)?;
        }
        let mut requires = Vec::new();
        for table in self.requires {
            let key = format!("requires {}:{}", table.originator, table.name);
            let id = PackId::new(&table.originator, &table.name).map_err(|problem| fault(&key, problem, ID_REMEDY))?;
            check_version(&key, &table.version)?;
            table.build.iter().try_for_each(|build| check_build(&key, build))?;
            let product = table.product.unwrap_or(self.product);
            let RequiresTable { test, version, build, .. } = table;
            requires.push(PackRequirement { id, test, product, version, build });
        }
        let replaces = self.replaces.iter().map(|text| {
            let id: PackId = text.parse().map_err(|problem| fault("replaces", problem, ID_REMEDY))?;
            Ok(id)
        });
        let replaces = replaces.collect::<Result<Vec<PackId>, Fault>>()?;
        if replaces.contains(&id) {
            let problem = format!("names {id}, the pack itself");
            return Err(fault(
                "replaces",
                problem,
                "Leave it out: a new version takes the place of the old one anyway",
            ));
        }
        let eula = self.eula.map(|file| read_eula(&folder.join(file))).transpose()?;
        Ok(LegacySpec {
            id,
            vendor,
            description,
            product: self.product,
            version: self.version,
            build: self.build,
            requires,
            replaces,
            memory_requirement_mb: self.memory_requirement_mb,
            enforce_homogeneity: self.enforce_homogeneity,
            hidden: self.hidden,
            eula,
        })
    }
}

impl LegacySpec {
    /// The version that this format can say: as it was given, else the pack's up to a `~`, which only rpm can compare.
    ///
    /// # Errors
    /// A [`Fault`] if the pack's version is not made of numbers.
    pub fn version(&self, pack: &PackVersion) -> Result<String, Fault> {
        if let Some(version) = &self.version {
            return Ok(version.clone());
        }
        let (version, _) = pack.as_str().split_once('~').unwrap_or((pack.as_str(), ""));
        check_version("version", version)?;
        Ok(version.to_owned())
    }

    /// The build: as it was given, else the time in seconds since 1970. There always is one: without, XenCenter does not
    /// see a pack that enforces homogeneity at all.
    pub fn build(&self, epoch: u32) -> String {
        self.build.clone().unwrap_or_else(|| epoch.to_string())
    }
}

/// `originator:name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct PackId {
    pub originator: String,
    pub name: String,
}

const ID_REMEDY: &str = "Use letters, digits and any of - _ . in both parts, such as vendor:driver";

impl PackId {
    /// Of two words.
    ///
    /// # Errors
    /// What is wrong, to follow the name of a key.
    pub fn new(originator: &str, name: &str) -> Result<PackId, String> {
        match [originator, name].into_iter().find(|word| !is_identifier(word)) {
            Some(word) => Err(format!("has {word:?}, which is not a word that hosts take for a folder's name")),
            None => Ok(PackId { originator: originator.into(), name: name.into() }),
        }
    }
}

impl fmt::Display for PackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.originator, self.name)
    }
}

impl FromStr for PackId {
    type Err = String;

    fn from_str(text: &str) -> Result<PackId, String> {
        let (originator, name) = text.split_once(':').ok_or_else(|| format!("has {text:?} without a colon"))?;
        PackId::new(originator, name)
    }
}

/// What a pack is for: the `PRODUCT_BRAND` or `PLATFORM_NAME` of a host's inventory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Product {
    #[default]
    XenServer,
    #[serde(rename = "XCP")]
    Xcp,
}

impl Product {
    /// As the inventory has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Product::XenServer => "XenServer",
            Product::Xcp => "XCP",
        }
    }
}

/// How versions are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Test {
    Eq,
    Ne,
    Lt,
    Gt,
    Le,
    Ge,
}

impl Test {
    /// All of them.
    pub const ALL: [Test; 6] = [Test::Eq, Test::Ne, Test::Lt, Test::Gt, Test::Le, Test::Ge];

    /// The word of `XS-REPOSITORY`.
    pub fn as_str(self) -> &'static str {
        match self {
            Test::Eq => "eq",
            Test::Ne => "ne",
            Test::Lt => "lt",
            Test::Gt => "gt",
            Test::Le => "le",
            Test::Ge => "ge",
        }
    }
}

impl FromStr for Test {
    type Err = String;

    fn from_str(text: &str) -> Result<Test, String> {
        let known = Test::ALL.into_iter().find(|test| test.as_str() == text);
        known.ok_or_else(|| format!("has the test {text:?}, which is none of eq, ne, lt, gt, le, ge"))
    }
}

/// A pack that must be on the host, in a range of versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackRequirement {
    pub id: PackId,
    pub test: Test,
    pub product: Product,
    pub version: String,
    pub build: Option<String>,
}

/// Most bytes of a text for people: an application identifier has that many.
const MAX_TEXT: usize = 128;
/// Most bytes of a licence.
const MAX_EULA: usize = 1 << 20;
/// Most bytes of a version or a build.
const MAX_VERSION: usize = 64;
/// Most digits of a part of a version: shells count in 64 bits.
const MAX_DIGITS: usize = 18;

/// A word that can be part of an identity.
pub(crate) fn is_identifier(word: &str) -> bool {
    !word.is_empty()
        && word.len() <= 64
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && word.as_bytes()[0].is_ascii_alphanumeric()
}

/// Numbers with dots between them: the only versions that all readers compare alike.
pub(crate) fn is_dotted(version: &str) -> bool {
    let is_number = |part: &str| (1..=MAX_DIGITS).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    version.len() <= MAX_VERSION && version.split('.').all(is_number)
}

/// A build: a word.
pub(crate) fn is_build(build: &str) -> bool {
    !build.is_empty()
        && build.len() <= MAX_VERSION
        && build.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+~-".contains(&b))
}

fn fault(key: &str, problem: impl Into<String>, remedy: &'static str) -> Fault {
    Fault { key: format!("legacy.{key}"), problem: problem.into(), remedy }
}

fn check_version(key: &str, version: &str) -> Result<(), Fault> {
    match is_dotted(version) {
        true => Ok(()),
        false => Err(fault(
            key,
            format!("has the version {version:?}, which is not made of numbers with dots between them"),
            "Write for example 1.2.3: hosts of this format compare numbers only",
        )),
    }
}

fn check_build(key: &str, build: &str) -> Result<(), Fault> {
    match is_build(build) {
        true => Ok(()),
        false => Err(fault(key, format!("has the build {build:?}, which is not one word"), "Write for example 1234x")),
    }
}

/// Hosts print the text on a terminal as it is.
fn read_eula(file: &Path) -> Result<String, Fault> {
    let text = fs::read_to_string(file).map_err(|e| {
        fault("eula", format!("names {}, which cannot be read: {e}", file.display()), "Create it, as UTF-8 text")
    })?;
    if text.trim().is_empty() || text.len() > MAX_EULA || text.contains(|c: char| c.is_control() && c != '\n') {
        let problem = format!(
            "names {}, which is empty, has more than {MAX_EULA} bytes, or has control characters",
            file.display()
        );
        return Err(fault("eula", problem, "Give plain text whose lines end with a line feed alone"));
    }
    Ok(text)
}

fn check_description(text: &str) -> Result<(), Fault> {
    let wrong = |problem: String| {
        let remedy = "Set legacy.description to one line of plain text without a comma before a space";
        Err(fault("description", problem, remedy))
    };
    if text.trim().is_empty() || text.trim() != text || text.len() > MAX_TEXT || text.contains(char::is_control) {
        return wrong(format!("is {text:?}, not one line of at most {MAX_TEXT} bytes"));
    }
    if text.contains(", ") {
        return wrong(format!("is {text:?}: clients take what follows \", \" for the version"));
    }
    if let Some(c) = text.chars().find(|c| "<>&\"".contains(*c)) {
        return wrong(format!("has the character {c:?}, which the hosts' line reader takes for markup"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: Defaults<'_> = Defaults { name: "driver", vendor: "Vendor", description: "A driver" };

    fn read(text: &str) -> Result<LegacySpec, Fault> {
        toml::from_str::<LegacyTable>(text).unwrap().check(DEFAULTS, Path::new("/nonexistent"))
    }

    #[test]
    fn a_short_table_takes_the_rest_from_the_pack() {
        let spec = read("originator = \"acme\"").unwrap();
        assert_eq!(spec.id.to_string(), "acme:driver");
        assert_eq!((spec.vendor.as_str(), spec.description.as_str()), ("Vendor", "A driver"));
        assert_eq!(spec.product, Product::XenServer);
        let version = |text: &str| spec.version(&PackVersion::new(text).unwrap());
        assert_eq!(version("11.0.0").unwrap(), "11.0.0");
        assert_eq!(version("10.99.5~6.dirty").unwrap(), "10.99.5");
        assert!(version("2.0b1").unwrap_err().problem.contains("numbers"));
        assert_eq!(spec.build(17), "17");
    }

    #[test]
    fn requirements_and_replaced_packs_are_read() {
        let spec = read(
            "originator = \"acme\"\nreplaces = [\"xs:driver\"]\nproduct = \"XCP\"\n\
             [[requires]]\noriginator = \"xcp\"\nname = \"main\"\ntest = \"ge\"\nversion = \"2.1.0\"\nbuild = \"12c\"",
        )
        .unwrap();
        let [required] = spec.requires.as_slice() else { panic!("{spec:?}") };
        assert_eq!((required.id.to_string().as_str(), required.test), ("xcp:main", Test::Ge));
        assert_eq!((required.product, required.build.as_deref()), (Product::Xcp, Some("12c")));
        assert_eq!(spec.replaces, ["xs:driver".parse().unwrap()]);
    }

    #[test]
    fn values_that_a_reader_would_misread_are_refused() {
        for (table, key, problem) in [
            ("originator = \"a:b\"", "legacy.originator", "a:b"),
            ("originator = \"..\"", "legacy.originator", ".."),
            ("originator = \"a\"\nname = \"x y\"", "legacy.name", "x y"),
            ("originator = \"a\"\ndescription = \"A, b\"", "legacy.description", "version"),
            ("originator = \"a\"\ndescription = \"A < b\"", "legacy.description", "markup"),
            ("originator = \"a\"\ndescription = \"\"", "legacy.description", "one line"),
            ("originator = \"a\"\nversion = \"1.0a\"", "legacy.version", "numbers"),
            ("originator = \"a\"\nversion = \"1..0\"", "legacy.version", "numbers"),
            ("originator = \"a\"\nversion = \"9999999999999999999\"", "legacy.version", "numbers"),
            ("originator = \"a\"\nbuild = \"1, homogeneous\"", "legacy.build", "word"),
            ("originator = \"a\"\neula = \"text\"", "legacy.eula", "/nonexistent/text"),
            ("originator = \"a\"\nvendor = \"\"", "legacy.vendor", "one line"),
            ("originator = \"a\"\nreplaces = [\"xs\"]", "legacy.replaces", "colon"),
            ("originator = \"a\"\nreplaces = [\"a:driver\"]", "legacy.replaces", "itself"),
            (
                "originator = \"a\"\n[[requires]]\noriginator = \"xs\"\nname = \"main\"\ntest = \"eq\"\nversion = \"7\\\"\"",
                "legacy.requires xs:main",
                "numbers",
            ),
        ] {
            let fault = read(table).unwrap_err();
            assert!(fault.key.contains(key) && fault.problem.contains(problem), "{table}: {fault:?}");
        }
    }
}
