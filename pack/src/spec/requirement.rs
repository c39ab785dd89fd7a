//! A capability that the host must provide, in a range of versions.

use std::fmt;

use serde::Serialize;

use super::version::{is_rpm_release, is_rpm_version};

/// `capability operator version`, as RPM's `Requires` has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Requirement {
    pub capability: String,
    pub operator: Operator,
    pub version: String,
}

/// How versions are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Operator {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

impl Operator {
    /// All of them.
    pub const ALL: [Operator; 5] =
        [Operator::Less, Operator::LessOrEqual, Operator::Equal, Operator::GreaterOrEqual, Operator::Greater];

    /// The operator as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Operator::Less => "<",
            Operator::LessOrEqual => "<=",
            Operator::Equal => "=",
            Operator::GreaterOrEqual => ">=",
            Operator::Greater => ">",
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.capability, self.operator.as_str(), self.version)
    }
}

impl Requirement {
    /// Parses a range such as `>= 8.2.0, < 9`: one requirement per bound.
    ///
    /// An exact version is refused: it keeps a host from taking its next product update while the pack is installed
    /// (seen with rpm 4.11: "is needed by (installed) control-…").
    ///
    /// # Errors
    /// What is wrong, to follow the name of the key.
    pub fn parse_range(capability: &str, range: &str) -> Result<Vec<Requirement>, String> {
        let name_is_plain =
            !capability.is_empty() && capability.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b));
        if !name_is_plain {
            return Err(format!("is not the name of a capability: {capability:?}"));
        }
        range.split(',').map(|bound| parse_bound(capability, bound.trim())).collect()
    }

    /// Parses one requirement as spec files have it: `capability operator [epoch:]version[-release]`, with exact versions.
    ///
    /// # Errors
    /// What is wrong, to follow the name of the option.
    pub fn parse(text: &str) -> Result<Requirement, String> {
        let text = text.trim();
        let end = text.find(|c: char| c.is_whitespace() || "<>=".contains(c)).unwrap_or(text.len());
        let (capability, bound) = (&text[..end], text[end..].trim());
        let is_name = |c: char| c.is_ascii_alphanumeric() || "._+-()/:".contains(c);
        if capability.is_empty() || !capability.chars().all(is_name) {
            return Err(format!("has {text:?}, which does not begin with the name of a capability"));
        }
        let (operator, version) = split(bound)?;
        let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
        let (number, release) = rest.split_once('-').unwrap_or((rest, "0"));
        if epoch.parse::<u32>().is_err() || !is_rpm_version(number) || !is_rpm_release(release) {
            return Err(format!("has {text:?}, whose version is not one that RPM can compare"));
        }
        Ok(Requirement { capability: capability.into(), operator, version: version.into() })
    }
}

/// The version of the kernel, by which modules are built: the one capability of which one version only is right.
const KERNEL: &str = "kernel-uname-r";

fn parse_bound(capability: &str, bound: &str) -> Result<Requirement, String> {
    let (operator, version) = split(bound)?;
    if operator == Operator::Equal && capability != KERNEL {
        return Err(format!("has the exact version {bound:?}, which would block the host's product updates"));
    }
    if !is_rpm_version(version) {
        return Err(format!("has the bound {bound:?}, whose version is not one that RPM can compare"));
    }
    Ok(Requirement { capability: capability.into(), operator, version: version.into() })
}

/// Operator and version of a bound.
fn split(bound: &str) -> Result<(Operator, &str), String> {
    let split = bound.find(|c| !"<>=".contains(c)).unwrap_or(bound.len());
    let operator = Operator::ALL.into_iter().find(|operator| operator.as_str() == &bound[..split]);
    match operator {
        Some(operator) => Ok((operator, bound[split..].trim())),
        None => Err(format!("has the bound {bound:?}, which does not begin with <, <=, =, >= or >")),
    }
}
