//! What an engine says, as the documents that XenCenter and Xen Orchestra read in a VM's `other_config`: every rule of
//! theirs is here. Must not know where the data came from.
//!
//! The readers are xenadmin XenModel/DockerContainers.cs, DockerContainer.cs, VM_Docker_Info.cs and VM_Docker_Version.cs,
//! and xen-orchestra packages/xo-server/src/xapi-object-to-xo.mjs with fast-xml-parser. XenCenter parses without catching
//! errors, on the thread of its windows; Xen Orchestra loses a VM whose document it cannot parse.
//!
//! | module | knows |
//! |---|---|
//! | [`xml`] | text and markup that both parsers take |
//! | [`mod@ps`] | containers, and which of them have room |
//! | [`description`] | what engines say of themselves |

pub mod description;
pub mod ps;
pub mod status;
pub mod xml;

pub use description::{INFO_FIELDS, VERSION_FIELDS, info, version};
pub use ps::{LeftOut, Ps, Room, ps};

/// The key of the document that [`ps()`] makes.
pub const PS: &str = "docker_ps";

/// The key of the document that [`info`] makes.
pub const INFO: &str = "docker_info";

/// The key of the document that [`version`] makes.
pub const VERSION: &str = "docker_version";
