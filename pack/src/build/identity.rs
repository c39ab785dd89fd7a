//! The pack's uuid, which follows from its content: the same content has the same uuid, any change another.
//!
//! XAPI keeps the first metadata that it saw of a uuid and takes a pack for installed by its uuid alone, so one uuid must
//! never stand for two contents.

use sha2::{Digest, Sha256};
use uuid::{Uuid, uuid};

use crate::digest::hex;
use crate::openpgp::Certificate;
use crate::rpm::{PayloadDigests, Rpm};
use crate::spec::{PackSpec, PackVersion};
use crate::supply::Supply;

/// Namespace of the uuids of packs from this builder (RFC 9562, 5.5).
const NAMESPACE: Uuid = uuid!("6f3d7e0c-5a0b-4c58-9d0e-2f6f4f1c9a11");

/// To be raised whenever this builder makes other bytes of the same input.
const BUILDER: u32 = 1;

/// A package that goes into a pack.
pub(super) struct Payload<'a> {
    pub(super) rpm: &'a Rpm,
    pub(super) digests: &'a PayloadDigests,
    /// Whether it keeps the signature that it has.
    pub(super) kept: bool,
}

/// The uuid of a pack.
pub(super) fn uuid(
    spec: &PackSpec,
    version: &PackVersion,
    certificate: &Certificate,
    epoch: u32,
    payloads: &[Payload<'_>],
    supply: Option<&Supply>,
) -> Uuid {
    let spec = serde_json::to_vec(spec).expect("a spec is plain data");
    let mut name = format!(
        "builder {BUILDER}\nspec {}\nversion {version}\nkey {}\ntime {epoch}\n",
        hex(&Sha256::digest(spec)),
        certificate.fingerprint()
    );
    for Payload { rpm, digests, kept } in payloads {
        let header = hex(&Sha256::digest(rpm.header()));
        name += &format!("payload {} {header} {}\n", rpm.nevra(), hex(&digests.payload_sha256));
        if let Some(packet) = rpm.header_signature().filter(|_| *kept) {
            name += &format!("signed {}\n", hex(&Sha256::digest(packet)));
        }
    }
    if let Some(supply) = supply {
        let supply = serde_json::to_vec(supply).expect("what is known of a pack is plain data");
        name += &format!("supply {}\n", hex(&Sha256::digest(supply)));
    }
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}
