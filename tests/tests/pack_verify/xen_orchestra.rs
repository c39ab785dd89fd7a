//! What Xen Orchestra would not show.

use super::{Case, case};

#[rustfmt::skip]
pub(crate) const CASES: &[Case] = &[
    case("xen-orchestra-label", "label begins with XS", |t| t.recipe.label = "XScontainer".into()),
    case("xen-orchestra-author", "key names no vendor", |t| {
        t.recipe.key = "RPM-GPG-KEY".into();
        t.key_file = "RPM-GPG-KEY".into();
    }),
];
