//! What an engine says, as the documents that XenCenter and Xen Orchestra read: every rule of theirs is here. Must not know
//! where the data came from.
//!
//! In a VM's `other_config` both read [`ps()`], [`info`] and [`version()`]: xenadmin XenModel/DockerContainers.cs,
//! DockerContainer.cs, VM_Docker_Info.cs and VM_Docker_Version.cs, and xen-orchestra
//! packages/xo-server/src/xapi-object-to-xo.mjs with fast-xml-parser. XenCenter parses without catching errors, on the
//! thread of its windows; Xen Orchestra loses a VM whose document it cannot parse. [`inspect()`] and [`top()`] are answers
//! to XenCenter alone: xenadmin XenAdmin/TabPages/DockerDetailsPage.cs and DockerProcessPage.cs.
//!
//! | module | knows |
//! |---|---|
//! | [`xml`] | text and markup that their parsers take |
//! | [`characters`] | what is shown of foreign text |
//! | [`mod@ps`] | containers, and which of them have room |
//! | [`description`] | what engines say of themselves |
//! | `inspect` | what an engine says about one container, all of it |
//! | `top` | processes, whatever columns they come with |
//! | `json` | JSON piece by piece |

pub mod characters;
pub mod description;
mod inspect;
mod json;
pub mod ps;
pub mod status;
mod top;
pub mod xml;

pub use description::{INFO_FIELDS, VERSION_FIELDS, info, version};
pub use inspect::{MAX_INSPECT_DOCUMENT, inspect};
pub use ps::{LeftOut, Limits, Ps, Room, ps};
pub use top::{MAX_PROCESSES, top};

/// The key of the document that [`ps()`] makes.
pub const PS: &str = "docker_ps";

/// The key of the document that [`info`] makes.
pub const INFO: &str = "docker_info";

/// The key of the document that [`version()`] makes.
pub const VERSION: &str = "docker_version";

/// The root of the document that [`inspect()`] makes.
pub const INSPECT: &str = "docker_inspect";

/// The root of the document that [`top()`] makes.
pub const TOP: &str = "docker_top";

/// Why no document can be made of what an engine says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotADocument {
    /// No JSON; says where.
    #[error("what the engine says about the container is no JSON: {0}")]
    NotJson(String),
    /// JSON of another kind than expected.
    #[error("{what} is {came} where {expected} should be")]
    Unexpected {
        /// What the engine says it about.
        what: &'static str,
        /// What came.
        came: &'static str,
        /// What is expected.
        expected: &'static str,
    },
    /// Too long to be shown.
    #[error("what the engine says about the container is too long: a document is limited to {0} bytes")]
    TooLong(usize),
}
