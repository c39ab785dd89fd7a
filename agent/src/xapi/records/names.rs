//! How XAPI's objects are named: references, which are good for as long as an object exists, and uuids, which are good
//! for ever. Knows no field of any object.

use std::fmt;

use tokio::io::AsyncBufRead;

use super::super::decode::{DecodeError, Decoder, Keep};
use super::super::envelope::Reply;
use super::super::value::Value;

/// Defines the reference of a class.
macro_rules! reference {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// `None` for the null reference.
            #[must_use]
            pub fn new(text: &str) -> Option<Self> {
                (!is_null(text)).then(|| Self(text.to_owned()))
            }

            /// As it stands on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&$name> for Value {
            fn from(reference: &$name) -> Value {
                Value::from(reference.as_str())
            }
        }
    };
}

/// Makes references, and lists of them, results of calls; a null reference is none of them.
macro_rules! result {
    ($($name:ident, $wanted:literal;)*) => {$(
        impl Reply for $name {
            async fn read<R: AsyncBufRead + Unpin + Send>(decoder: &mut Decoder<R>) -> Result<Self, DecodeError> {
                let text = String::read(decoder).await?;
                Self::new(&text).ok_or_else(|| decoder.unexpected($wanted))
            }
        }

        impl Reply for Vec<$name> {
            async fn read<R: AsyncBufRead + Unpin + Send>(decoder: &mut Decoder<R>) -> Result<Self, DecodeError> {
                let texts = Vec::<String>::read(decoder).await?;
                Ok(texts.iter().filter_map(|text| $name::new(text)).collect())
            }
        }
    )*};
}

reference!(
    /// Refers to a VM, template or snapshot.
    VmRef
);
reference!(
    /// Refers to what a guest's tools report.
    VmGuestMetricsRef
);
reference!(
    /// Refers to a host of the pool.
    HostRef
);
reference!(
    /// Refers to the pool.
    PoolRef
);
reference!(
    /// Refers to a virtual disk.
    VdiRef
);
reference!(
    /// Refers to the connection of a disk to a VM.
    VbdRef
);
reference!(
    /// Refers to a storage repository.
    SrRef
);
reference!(
    /// Refers to the connection of a storage repository to a host.
    PbdRef
);
reference!(
    /// Refers to a network.
    NetworkRef
);
reference!(
    /// Refers to the connection of a VM to a network.
    VifRef
);
reference!(
    /// Refers to something that XAPI is doing.
    TaskRef
);

result! {
    VmRef, "the reference of a VM";
    HostRef, "the reference of a host";
    VdiRef, "the reference of a VDI";
    VbdRef, "the reference of a VBD";
    SrRef, "the reference of an SR";
    PbdRef, "the reference of a PBD";
    VifRef, "the reference of a VIF";
    TaskRef, "the reference of a task";
}

/// The pool's reference, which is the only one of its class.
impl Reply for PoolRef {
    async fn read<R: AsyncBufRead + Unpin + Send>(decoder: &mut Decoder<R>) -> Result<Self, DecodeError> {
        let only = match decoder.value(&Keep::All).await? {
            Value::Array(elements) => elements.into_iter().next(),
            _ => None,
        };
        let reference = only.as_ref().and_then(Value::as_text).and_then(PoolRef::new);
        reference.ok_or_else(|| decoder.unexpected("the reference of the pool"))
    }
}

/// `NULL` alone is how XenServer 6 wrote it.
fn is_null(text: &str) -> bool {
    matches!(text, "" | "OpaqueRef:NULL" | "NULL")
}

/// Defines the uuid of a class.
macro_rules! uuid {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// `None` unless it is 8-4-4-4-12 hexadecimal digits, so that it can be printed and used in names as it is.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                is_uuid(text).then(|| Self(text.to_owned()))
            }

            /// As it stands on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

uuid!(
    /// Names a VM for good, across pools and in logs.
    VmUuid
);
uuid!(
    /// Names a host; `INSTALLATION_UUID` of its inventory.
    HostUuid
);
uuid!(
    /// Names a virtual disk.
    VdiUuid
);
uuid!(
    /// Names a storage repository.
    SrUuid
);

/// 8-4-4-4-12 hexadecimal digits.
pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
