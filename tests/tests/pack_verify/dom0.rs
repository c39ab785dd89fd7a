//! What no host generation would take.

use lab::foreign::Role::Control;

use super::change::{spec, tag};
use super::{Case, case};

#[rustfmt::skip]
pub(crate) const CASES: &[Case] = &[
    case("dom0-generations", "range holds no release", |t| spec(&mut t.recipe, Control, "product-version < 8.4.0", "product-version < 8.0.0")),
    case("dom0-generations", "range begins above every release", |t| tag(&mut t.recipe, Control, "Requires: product-version >= 99")),
];
