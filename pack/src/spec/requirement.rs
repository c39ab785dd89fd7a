//! A capability that the host must provide, in a range of versions.

use std::fmt;

use serde::Serialize;

use super::version::is_rpm_version;

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
}

fn parse_bound(capability: &str, bound: &str) -> Result<Requirement, String> {
    let split = bound.find(|c| !"<>=".contains(c)).unwrap_or(bound.len());
    let (operator, version) = (&bound[..split], bound[split..].trim());
    let operator = match operator {
        "<" => Operator::Less,
        "<=" => Operator::LessOrEqual,
        ">=" => Operator::GreaterOrEqual,
        ">" => Operator::Greater,
        "=" => return Err(format!("has the exact version {bound:?}, which would block the host's product updates")),
        _ => return Err(format!("has the bound {bound:?}, which does not begin with <, <=, >= or >")),
    };
    if !is_rpm_version(version) {
        return Err(format!("has the bound {bound:?}, whose version is not one that RPM can compare"));
    }
    Ok(Requirement { capability: capability.into(), operator, version: version.into() })
}
