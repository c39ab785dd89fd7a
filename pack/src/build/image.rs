//! The image: which files are on it, and their content.

use std::path::Path;
use std::thread;

use medium::iso9660::{Tree, UnixSeconds, Volume, WriteError, Writer};
use uuid::Uuid;

use super::output::Output;
use super::payload::Watched;
use super::{Progress, Request, hash, signing};
use crate::openpgp::Signature;
use crate::rpm::Signed;
use crate::spec::PackSpec;
use crate::supply::{self, Contents, Documents, Packed, Supply};
use crate::update::{self, Entry, Repodata};
use crate::{Error, Result};

/// What goes onto an image, beside what is made of it.
pub(super) struct Content<'a> {
    pub(super) uuid: Uuid,
    pub(super) packages: &'a [Signed],
    /// `update.xml`.
    pub(super) document: &'a [u8],
    pub(super) document_signature: Signature,
    pub(super) comps: &'a [u8],
}

/// The comps file: the author's, if it is right, else one that is made.
pub(super) fn comps(spec: &PackSpec, drivers: &[String]) -> Result<Vec<u8>> {
    let Some(text) = &spec.group_file else { return Ok(update::comps(&spec.label, drivers)) };
    let wrong = |problem: String| {
        Error::spec(
            &spec.file,
            format!("pack.group-file: the file {problem}"),
            "Make it with `suppack group-file`, or leave it out: the builder makes one",
        )
    };
    let update = format!("update-{}", spec.label);
    if !update::group_packages(text.as_bytes(), update::GROUP).map_err(wrong)?.contains(&update) {
        return Err(wrong(format!("has no {update} in its group \"{}\"", update::GROUP)));
    }
    if !drivers.is_empty() {
        let members = update::group_packages(text.as_bytes(), update::DRIVERS).map_err(wrong)?;
        if let Some(missing) = drivers.iter().find(|driver| !members.contains(driver)) {
            return Err(wrong(format!("has no {missing} in its group \"{}\"", update::DRIVERS)));
        }
    }
    Ok(text.as_bytes().to_vec())
}

/// Writes the image; returns the number of its files, and the documents that are among them.
pub(super) fn write(
    request: &Request<'_>,
    output: &mut Output,
    content: &Content<'_>,
    progress: &dyn Progress,
) -> Result<(usize, Option<Documents>)> {
    let Request { spec, epoch, .. } = *request;
    let Content { uuid, packages: signed, document, document_signature, comps } = content;
    let path = output.path().to_path_buf();
    let failed = |e: WriteError| write_failed(&path, e);
    let package_path = |package: &Signed| format!("Packages/{}", package.rpm.file_name());
    let metadata = Repodata::NAMES.iter().map(|name| format!("repodata/{name}"));
    let document_names = supply::NAMES.iter().filter(|_| request.supply.is_some()).map(|name| (*name).to_owned());
    let signatures = ["update.xml", "update.xml.asc", "repodata/repomd.xml.asc"].map(String::from);
    let names: Vec<String> =
        signatures.into_iter().chain(metadata).chain(document_names).chain(signed.iter().map(package_path)).collect();
    let files = names.len();
    let tree = Tree::new(names.into_iter().map(|name| (name, 0o644))).map_err(|e| {
        Error::payload(
            &spec.file,
            format!("the image cannot hold these file names: {e}"),
            "Shorten the names of packages or label",
        )
    })?;
    let modified = UnixSeconds::new(epoch.into()).expect("32 bits of seconds end in 2106, which ISO 9660 can say");
    let volume = Volume { id: &volume_id(&spec.label), application: "", publisher: "", modified };
    let mut image = Writer::new(output.file(), &volume, tree).map_err(failed)?;
    // Every package is written and hashed: two readings that others may share the processors for.
    let total = 2 * signed.iter().map(Signed::length).sum::<u64>();
    let (written, hashes) = thread::scope(|scope| {
        let hashing = scope.spawn(|| hash::wholes(signed, total, progress));
        let written = signed.iter().try_for_each(|package| {
            image.write(&package_path(package), Watched::new(package.reader(), total, progress)).map(drop)
        });
        (written, hashing.join().expect("hashing does not panic"))
    });
    written.map_err(failed)?;
    let named = signed.iter().zip(hashes?);
    let mut entries: Vec<Entry<'_>> =
        named.map(|(package, sha256)| Entry { package, path: package_path(package), sha256 }).collect();
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let repodata = update::repodata(&entries, comps, epoch);
    let [repomd_signature] = <[Signature; 1]>::try_from(signing::sign_all(request, &[repodata.repomd()])?)
        .expect("one signature for one message");
    let (document_asc, repomd_asc) = (document_signature.armored(), repomd_signature.armored());
    let small = [
        ("update.xml", *document),
        ("update.xml.asc", document_asc.as_bytes()),
        ("repodata/repomd.xml.asc", repomd_asc.as_bytes()),
    ];
    let metadata = repodata.files.iter().map(|(name, content)| (format!("repodata/{name}"), content.as_slice()));
    let metadata: Vec<(String, &[u8])> = metadata.collect();
    let small: Vec<(&str, &[u8])> =
        small.into_iter().chain(metadata.iter().map(|(path, content)| (path.as_str(), *content))).collect();
    let documents = request.supply.map(|supply| documents(request, supply, *uuid, &entries, &small));
    for (path, content) in &small {
        image.write(path, *content).map_err(failed)?;
    }
    for (path, content) in documents.iter().flat_map(Documents::inside) {
        image.write(path, content.as_slice()).map_err(failed)?;
    }
    image.finish().map_err(failed)?;
    Ok((files, documents))
}

fn documents(
    request: &Request<'_>,
    supply: &Supply,
    uuid: Uuid,
    entries: &[Entry<'_>],
    files: &[(&str, &[u8])],
) -> Documents {
    let packages: Vec<Packed<'_>> =
        entries.iter().map(|Entry { package, path, sha256 }| Packed { rpm: &package.rpm, path, sha256 }).collect();
    let contents = Contents {
        label: &request.spec.label,
        version: request.version.as_str(),
        description: &request.spec.description,
        uuid,
        epoch: request.epoch,
        packages: &packages,
        files,
    };
    Documents::new(supply, &contents)
}

pub(crate) fn write_failed(image: &Path, error: WriteError) -> Error {
    match error {
        WriteError::Output { source, .. } => Error::output(image, &source),
        WriteError::Source { path, source } => Error::payload(
            Path::new(&path),
            format!("cannot be read: {source}"),
            "Leave the payload alone during a build",
        ),
        WriteError::TooLarge { path, limit } => Error::payload(
            Path::new(&path),
            format!("is larger than {limit} bytes, the most for a file on an ISO 9660 image"),
            "Split it",
        ),
        other => Error::output(image, &std::io::Error::other(other)),
    }
}

/// A volume identifier of at most 32 characters, which nothing reads but people.
pub(crate) fn volume_id(label: &str) -> String {
    label.chars().take(32).map(|c| c.to_ascii_uppercase()).map(|c| if c == '-' { '_' } else { c }).collect()
}
