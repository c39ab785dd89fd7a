//! Repository metadata: what `repomd.xml` lists, and the packages that `primary.xml` speaks of.

use std::collections::BTreeSet;
use std::io::{self, Read};

use medium::iso9660::Entry;
use sha1::Sha1;
use sha2::digest::DynDigest;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::{REPOMD, Subject};
use crate::digest::hex;
use crate::image::MAX_SMALL_FILE;
use crate::verify::Obstacle;
use crate::verify::unpack::{self, Bounded, Compression};
use crate::xml::{Document, Element};

/// Most files that `repomd.xml` may list; createrepo lists ten.
const MAX_LISTED: usize = 64;
/// Most bytes that one file may unpack to when only its checksum is made.
const MAX_HASHED: u64 = 256 << 20;
/// Most bytes that all of them may unpack to together.
const MAX_HASHED_TOGETHER: u64 = 512 << 20;

/// A file that `repomd.xml` lists.
pub(in crate::verify) struct Listed {
    /// What is in it: `primary`, `group` and so on.
    pub(in crate::verify) kind: String,
    /// Where it is, from the root of the image.
    pub(in crate::verify) href: String,
    /// What of it is not as `repomd.xml` says.
    pub(in crate::verify) problems: Vec<String>,
    pub(in crate::verify) compression: Compression,
    /// The file as it is stored, or why it is not in memory.
    stored: Result<Vec<u8>, String>,
}

/// A size and a checksum, as far as they are stated.
struct Stated {
    size: Option<String>,
    checksum: Option<(String, String)>,
}

/// Reads `repomd.xml` and compares what it lists.
pub(super) fn listed(subject: &Subject<'_>) -> Result<Vec<Listed>, Obstacle> {
    let charged = |problem: String| Obstacle::charged("yum-repomd", format!("{REPOMD} {problem}"));
    let root = Document::parse(&subject.required(REPOMD)?).map_err(charged)?.root;
    if root.name != "repomd" {
        return Err(charged(format!("has the root element {}, not repomd", root.name)));
    }
    if root.all("data").count() > MAX_LISTED {
        return Err(charged(format!("lists more than {MAX_LISTED} files")));
    }
    let mut kinds = BTreeSet::new();
    let mut budget = Budget { stored: subject.image.length(), open: MAX_HASHED_TOGETHER };
    let listed = root.all("data").map(|data| {
        let kind = data.attribute("type").ok_or_else(|| charged("lists data without a type".into()))?;
        if !kinds.insert(kind.to_owned()) {
            return Err(charged(format!("lists {kind:?} twice")));
        }
        let href = data.first("location").and_then(|location| location.attribute("href"));
        let href = href.ok_or_else(|| charged(format!("does not say where {kind:?} is")))?;
        let Some(entry) = subject.file(href) else {
            return Err(charged(format!("lists {href}, which is not there")));
        };
        Ok(Listed::read(kind, entry, data, subject, &mut budget))
    });
    listed.collect()
}

/// How many more bytes may be hashed, whatever the image says.
struct Budget {
    stored: u64,
    open: u64,
}

impl Listed {
    fn read(kind: &str, entry: &Entry, data: &Element, subject: &Subject<'_>, budget: &mut Budget) -> Listed {
        let href = entry.path.as_str();
        let mut listed = Listed {
            kind: kind.into(),
            href: href.into(),
            problems: Vec::new(),
            compression: Compression::None,
            stored: subject.image.content(entry).map_err(|problem| format!("{href} {problem}")),
        };
        let Some(left) = budget.stored.checked_sub(entry.bytes.into()) else {
            listed.problems.push(format!("{href} overlaps with other files"));
            return listed;
        };
        budget.stored = left;
        let source = subject.image.source(entry);
        let mut head = Vec::new();
        if let Err(e) = source.read_from(0).take(8).read_to_end(&mut head) {
            listed.problems.push(format!("{href} cannot be read: {e}"));
        }
        listed.compression = Compression::of(&head);
        let stated = Stated::of(data, "size", "checksum");
        if stated.checksum.is_none() {
            listed.problems.push(format!("there is no checksum for {href}"));
        }
        listed.problems.extend(stated.differences(href, source.read_from(0)));

        let open = Stated::of(data, "open-size", "open-checksum");
        if !matches!(listed.compression, Compression::Zstd | Compression::Zchunk) && open.is_any() {
            let limit = MAX_HASHED.min(budget.open);
            let what = format!("what {href} unpacks to");
            match listed.compression.reader(source.read_from(0)) {
                Ok(stream) => {
                    let mut stream = Counted { inner: Bounded::new(stream, limit), read: 0 };
                    listed.problems.extend(open.differences(&what, &mut stream));
                    budget.open = budget.open.saturating_sub(stream.read);
                }
                Err(e) => listed.problems.push(format!("{what} cannot be read: {e}")),
            }
        }
        listed
    }

    /// What it unpacks to, if it is what `repomd.xml` says.
    ///
    /// # Errors
    /// The obstacle; damage that no checksum tells is charged to the check `reporter`.
    pub(in crate::verify) fn unpacked(&self, reporter: &'static str) -> Result<Vec<u8>, Obstacle> {
        if !self.problems.is_empty() {
            return Err(Obstacle::Charged { check: "yum-repomd", problems: self.problems.clone() });
        }
        let href = &self.href;
        match self.compression {
            Compression::Zstd | Compression::Zchunk => {
                let name = self.compression.name();
                Err(Obstacle::Unknown(format!("{href} is compressed with {name}, which nothing here unpacks")))
            }
            _ => {
                let stored = self.stored.as_ref().map_err(|problem| Obstacle::charged(reporter, problem.clone()))?;
                unpack::unpacked(stored, MAX_SMALL_FILE)
                    .map_err(|e| Obstacle::charged(reporter, format!("{href} cannot be read: {e}")))
            }
        }
    }
}

impl Stated {
    fn of(data: &Element, size: &str, checksum: &str) -> Stated {
        let checksum = data.first(checksum);
        Stated {
            size: data.text_of(size).map(str::to_owned),
            checksum: checksum.map(|sum| (sum.attribute("type").unwrap_or_default().into(), sum.text.trim().into())),
        }
    }

    fn is_any(&self) -> bool {
        self.size.is_some() || self.checksum.is_some()
    }

    /// What a stream has otherwise.
    fn differences(&self, what: &str, mut stream: impl Read) -> Vec<String> {
        let kind = self.checksum.as_ref().map_or("sha256", |(kind, _)| kind.as_str());
        let Some(mut digest) = digest_of(kind) else {
            return vec![format!("the checksum of {what} is of the type {kind:?}, which yum does not know")];
        };
        let length = match io::copy(&mut stream, &mut Sink(&mut *digest)) {
            Ok(length) => length,
            Err(e) => return vec![format!("{what} cannot be read: {e}")],
        };
        let mut differences = Vec::new();
        if let Some(stated) = self.size.as_ref().filter(|stated| **stated != length.to_string()) {
            differences.push(format!("{what} has {length} bytes, repomd.xml says {stated}"));
        }
        let actual = hex(&digest.finalize());
        if let Some((kind, stated)) = self.checksum.as_ref().filter(|(_, stated)| *stated != actual) {
            differences.push(format!("{what} has the {kind} {actual}, repomd.xml says {stated}"));
        }
        differences
    }
}

/// The checksums that yum 3.4.3 knows (`yum/misc.py`).
fn digest_of(kind: &str) -> Option<Box<dyn DynDigest>> {
    Some(match kind {
        "md5" => Box::new(md5::Md5::new()),
        "sha" | "sha1" => Box::new(Sha1::new()),
        "sha224" => Box::new(Sha224::new()),
        "sha256" => Box::new(Sha256::new()),
        "sha384" => Box::new(Sha384::new()),
        "sha512" => Box::new(Sha512::new()),
        _ => return None,
    })
}

struct Sink<'a>(&'a mut dyn DynDigest);

impl io::Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Counted<R> {
    inner: R,
    read: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.read += got as u64;
        Ok(got)
    }
}

/// A package as `primary.xml` has it.
pub(in crate::verify) struct PrimaryPackage {
    pub(in crate::verify) name: String,
    pub(in crate::verify) arch: String,
    /// Epoch (0 if there is none), version and release.
    pub(in crate::verify) evr: (String, String, String),
    /// Every checksum element: type and digits.
    pub(in crate::verify) checksums: Vec<(String, String)>,
    /// Every `package` attribute of a size element.
    pub(in crate::verify) sizes: Vec<String>,
    /// Every place where it is said to be.
    pub(in crate::verify) hrefs: Vec<String>,
    pub(in crate::verify) provides: BTreeSet<Capability>,
    pub(in crate::verify) requires: BTreeSet<Capability>,
    pub(in crate::verify) conflicts: BTreeSet<Capability>,
    pub(in crate::verify) obsoletes: BTreeSet<Capability>,
}

/// A capability with its bound: flags (`EQ`, `GE`…), epoch, version and release.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::verify) struct Capability {
    pub(in crate::verify) name: String,
    pub(in crate::verify) bound: Option<(String, String, String, Option<String>)>,
}

/// Reads `primary.xml`.
pub(super) fn primary(listed: &[Listed]) -> Result<Vec<PrimaryPackage>, Obstacle> {
    let file = listed.iter().find(|file| file.kind == "primary");
    let file = file.ok_or_else(|| Obstacle::charged("yum-repomd", format!("{REPOMD} lists no \"primary\"")))?;
    let charged = |problem: String| Obstacle::charged("yum-packages", format!("{} {problem}", file.href));
    let root = Document::parse(&file.unpacked("yum-packages")?).map_err(charged)?.root;
    match root.name.as_str() {
        "metadata" => Ok(root.all("package").map(PrimaryPackage::of).collect()),
        other => Err(charged(format!("has the root element {other}, not metadata"))),
    }
}

impl PrimaryPackage {
    fn of(element: &Element) -> PrimaryPackage {
        let text = |name: &str| element.text_of(name).unwrap_or_default().to_owned();
        let version = element.first("version");
        let part = |name: &str| version.and_then(|v| v.attribute(name)).unwrap_or_default().to_owned();
        let attributes = |name: &str, attribute: &str| {
            element.all(name).filter_map(|e| e.attribute(attribute)).map(str::to_owned).collect()
        };
        let checksum = |sum: &Element| (sum.attribute("type").unwrap_or_default().into(), sum.text.trim().into());
        let format = element.first("format");
        let capabilities = |name: &str| -> BTreeSet<Capability> {
            let list = format.and_then(|format| format.first(name));
            list.into_iter().flat_map(|list| list.all("entry")).map(Capability::of).collect()
        };
        PrimaryPackage {
            name: text("name"),
            arch: text("arch"),
            evr: (part("epoch"), part("ver"), part("rel")),
            checksums: element.all("checksum").map(checksum).collect(),
            sizes: attributes("size", "package"),
            hrefs: attributes("location", "href"),
            provides: capabilities("provides"),
            requires: capabilities("requires"),
            conflicts: capabilities("conflicts"),
            obsoletes: capabilities("obsoletes"),
        }
    }
}

impl Capability {
    fn of(entry: &Element) -> Capability {
        let attribute = |name: &str| entry.attribute(name).map(str::to_owned);
        let bound = attribute("flags").map(|flags| {
            let epoch = attribute("epoch").unwrap_or_else(|| "0".into());
            (flags, epoch, attribute("ver").unwrap_or_default(), attribute("rel"))
        });
        Capability { name: attribute("name").unwrap_or_default(), bound }
    }
}
