//! A signer that has no key: it answers with the signatures of a finished image, for what they were made over.
//!
//! So a pack can be built again by those who have not its key, and come out with the same bytes.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::image::PackImage;
use crate::openpgp::{Certificate, Signature, Signer};
use crate::{Error, Result};

/// Files that are signed by another file, whose name ends with `.asc`.
const SIGNED_FILES: [&str; 2] = ["update.xml", "repodata/repomd.xml"];

/// The signatures of an image, all of them by one key.
pub struct TakenSignatures {
    certificate: Certificate,
    /// By the SHA-256 of what they were made over.
    by_message: HashMap<[u8; 32], Signature>,
    /// Stands in where something else is to be signed.
    any: Signature,
}

impl TakenSignatures {
    /// Takes the signatures of an image, each of which must be good by this key.
    ///
    /// # Errors
    /// [`Error`] of class `Payload` or `Key` with the first signature that is missing or not of this key.
    pub fn of(image: &PackImage, certificate: Certificate) -> Result<TakenSignatures> {
        const REMEDY: &str = "Give the image as it was published, with the public key that belongs to it";
        let missing = |path: &str, problem: String| Error::payload(image.path(), format!("{path} {problem}"), REMEDY);
        let mut by_message = HashMap::new();
        let mut any = None;
        let mut take = |path: &str, message: &[u8], bytes: &[u8]| {
            let signature = Signature::parse(bytes).ok_or_else(|| missing(path, "has no readable signature".into()))?;
            if !certificate.verifies(message, &signature) {
                return Err(Error::key(
                    certificate.fingerprint(),
                    format!("did not sign {path} of {}", image.path().display()),
                    REMEDY,
                ));
            }
            any = Some(signature.clone());
            by_message.insert(Sha256::digest(message).into(), signature);
            Ok(())
        };
        for (entry, rpm) in image.packages() {
            let rpm = rpm.map_err(|problem| missing(&entry.path, problem))?;
            take(&entry.path, rpm.header(), rpm.header_signature().unwrap_or_default())?;
        }
        for path in SIGNED_FILES {
            let content = |path: &str| {
                let entry = image.file(path).ok_or_else(|| missing(path, "is not there".into()))?;
                image.content(entry).map_err(|problem| missing(path, problem))
            };
            take(path, &content(path)?, &content(&format!("{path}.asc"))?)?;
        }
        let any = any.ok_or_else(|| missing("update.xml", "is not there".into()))?;
        Ok(TakenSignatures { certificate, by_message, any })
    }
}

impl Signer for TakenSignatures {
    fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The signatures that the image has. For another message it has none: it gets one that does not fit, so that the
    /// comparison finds what differs.
    fn sign(&self, messages: &[&[u8]], _: u32) -> Result<Vec<Signature>> {
        let answer = |message: &&[u8]| {
            let digest: [u8; 32] = Sha256::digest(message).into();
            self.by_message.get(&digest).unwrap_or(&self.any).clone()
        };
        Ok(messages.iter().map(answer).collect())
    }
}
