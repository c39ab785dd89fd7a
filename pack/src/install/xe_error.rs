//! What `xe` prints when XAPI refuses, and what that means for somebody who installs a pack.
//!
//! `xe` prints an error's text and its parameters by name, and its code only where it does not know it (xen-api,
//! `ocaml/xapi-cli-server/cli_util.ml`, `server_error`). Texts and names: `ocaml/idl/datamodel_errors.ml`, the same from
//! 7.1 on.

use std::fmt;

/// An error of XAPI's API, as far as it can be told from its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Such as `UPDATE_ALREADY_APPLIED`; `None` if it is one that is not known here.
    pub code: Option<&'static str>,
    /// Its parameters, in order.
    pub parameters: Vec<String>,
    /// All that was printed.
    pub text: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.trim())
    }
}

/// Code, the beginning of its text, the names of its parameters.
const ERRORS: [(&str, &str, &[&str]); 22] = [
    ("INVALID_UPDATE", "The uploaded update package is invalid", &["info"]),
    ("UPDATE_ALREADY_EXISTS", "The uploaded update already exists", &["uuid"]),
    ("UPDATE_ALREADY_APPLIED_IN_POOL", "This update has already been applied to all hosts", &["update"]),
    ("UPDATE_ALREADY_APPLIED", "This update has already been applied.", &["update"]),
    ("UPDATE_POOL_APPLY_FAILED", "The update cannot be applied for the following host(s)", &["hosts"]),
    ("UPDATE_APPLY_FAILED", "The update failed to apply", &["output"]),
    ("UPDATE_IS_APPLIED", "The specified update has been applied and cannot be destroyed", &[]),
    ("CANNOT_FIND_UPDATE", "The requested update could not be found", &[]),
    (
        "UPDATE_PRECHECK_FAILED_UNKNOWN_ERROR",
        "The update pre-check stage failed with an unknown error",
        &["update", "info"],
    ),
    (
        "UPDATE_PRECHECK_FAILED_PREREQUISITE_MISSING",
        "The update pre-check stage failed: prerequisite update(s) are missing",
        &["update", "prerequisite_update"],
    ),
    (
        "UPDATE_PRECHECK_FAILED_CONFLICT_PRESENT",
        "The update pre-check stage failed: conflicting update(s) are present",
        &["update", "conflict_update"],
    ),
    (
        "UPDATE_PRECHECK_FAILED_WRONG_SERVER_VERSION",
        "The update pre-check stage failed: the server is of an incorrect version",
        &["update", "installed_version", "required_version "],
    ),
    (
        "UPDATE_PRECHECK_FAILED_OUT_OF_SPACE",
        "The update pre-check stage failed: the server does not have enough space",
        &["update", "available_space", "required_space "],
    ),
    (
        "UPDATE_PRECHECK_FAILED_GPGKEY_NOT_IMPORTED",
        "The update pre-check stage failed: RPM package validation requires a GPG key",
        &["update"],
    ),
    ("OUT_OF_SPACE", "There is not enough space", &["location"]),
    ("SR_FULL", "The SR is full", &["requested", "maximum"]),
    ("LICENCE_RESTRICTION", "This operation is not allowed because your license", &["feature"]),
    (
        "OTHER_OPERATION_IN_PROGRESS",
        "Another operation involving the object is currently in progress",
        &["class", "object"],
    ),
    ("HOST_OFFLINE", "You attempted an operation which involves a host which could not be contacted", &["host"]),
    ("UUID_INVALID", "The uuid you supplied was invalid", &["type", "uuid"]),
    ("PATCH_PRECHECK_FAILED_ISO_MOUNTED", "Tools ISO must be ejected from all running VMs", &["patch"]),
    (
        "PATCH_PRECHECK_FAILED_VM_RUNNING",
        "The patch pre-check stage failed: there are one or more VMs still running",
        &["patch"],
    ),
];

impl Refusal {
    /// Reads what `xe` printed on standard error.
    pub fn parse(text: &str) -> Refusal {
        let refusal = |code, parameters| Refusal { code, parameters, text: text.to_owned() };
        if let Some(code) = text.lines().find_map(|line| line.trim().strip_prefix("Error code: ")) {
            let known = ERRORS.iter().find(|(name, ..)| *name == code.trim());
            let parameters = text.split_once("Error parameters: ").map_or("", |(_, rest)| rest.trim());
            return refusal(known.map(|(name, ..)| *name), parameters.split(", ").map(str::to_owned).collect());
        }
        let Some((code, said, names)) = ERRORS.iter().find(|(_, said, _)| text.contains(said)) else {
            return refusal(None, Vec::new());
        };
        let mut rest = text.split_once(said).map_or("", |(_, rest)| rest);
        let mut parameters = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let Some((_, after)) = rest.split_once(&format!("\n{name}: ")) else { break };
            // A parameter may have several lines: it ends where the next one begins.
            let end = names.get(index + 1).and_then(|next| after.find(&format!("\n{next}: ")));
            parameters.push(after[..end.unwrap_or(after.len())].trim().to_owned());
            rest = &after[end.unwrap_or(after.len())..];
        }
        refusal(Some(code), parameters)
    }

    fn parameter(&self, index: usize) -> &str {
        self.parameters.get(index).map_or("", String::as_str)
    }

    /// What happened, in a sentence without a full stop, and what to do.
    pub fn explain(&self) -> (String, String) {
        let said = |happened: String, remedy: &str| (happened, remedy.to_owned());
        match self.code {
            Some("INVALID_UPDATE") if self.text.contains("Invalid signature") => said(
                "XAPI does not accept the signature: the key that signed the pack is not in its keyring, has expired, or \
                 the pack was altered"
                    .into(),
                "Make the host trust the vendor's key with --trust-key FILE, or fetch the pack again",
            ),
            Some("INVALID_UPDATE") if self.text.contains("Missing package") => said(
                "a package of the pack is missing or damaged".into(),
                "Fetch the pack again and compare its checksum with the vendor's",
            ),
            Some("INVALID_UPDATE") => said(
                format!("XAPI takes the image for no valid pack: {}", self.parameter(0)),
                "`suppack verify` says what is wrong with it; ask its vendor",
            ),
            Some("UPDATE_ALREADY_EXISTS") => said(
                "a pack with this uuid was uploaded before".into(),
                "Apply that one, or `xe update-pool-clean` and `xe update-destroy` it first",
            ),
            Some("UPDATE_ALREADY_APPLIED") => said("this host has it already".into(), "There is nothing to do"),
            Some("UPDATE_ALREADY_APPLIED_IN_POOL") => said("every host of the pool has it already".into(), "There is nothing to do"),
            Some("UPDATE_POOL_APPLY_FAILED") => said(
                format!("it could not be applied on {}", self.parameter(0)),
                "Run `suppack install` on these hosts, without --pool: each says why",
            ),
            Some("UPDATE_APPLY_FAILED") => said(
                format!("the package manager failed:\n{}", self.parameter(0)),
                "Correct what it names, then install again; nothing has to be undone first",
            ),
            Some("CANNOT_FIND_UPDATE") => said(
                "the uploaded image is gone: somebody cleaned it up meanwhile".into(),
                "Run the same command again",
            ),
            Some("UPDATE_IS_APPLIED") => said(
                "a host of the pool still has it".into(),
                "Remove it there first; `suppack list` names the hosts",
            ),
            Some("UPDATE_PRECHECK_FAILED_UNKNOWN_ERROR") => said(
                format!("the precheck failed:\n{}", self.parameter(1)),
                "What it says comes from the package manager or from the pack's own script: ask its vendor if it does not help",
            ),
            Some("UPDATE_PRECHECK_FAILED_PREREQUISITE_MISSING") => said(
                format!("the host lacks what the pack needs: {}", self.parameter(1)),
                "Install that first",
            ),
            Some("UPDATE_PRECHECK_FAILED_CONFLICT_PRESENT") => said(
                format!("the host has what the pack conflicts with: {}", self.parameter(1)),
                "Remove that first, or ask the pack's vendor",
            ),
            Some("UPDATE_PRECHECK_FAILED_WRONG_SERVER_VERSION") => said(
                format!("it is not for this host: it needs {}, the host has {}", self.parameter(2), self.parameter(1)),
                "Get the pack that its vendor made for this release",
            ),
            Some("UPDATE_PRECHECK_FAILED_OUT_OF_SPACE") => said(
                format!("it needs {} bytes on /, where {} are free", self.parameter(2), self.parameter(1)),
                "Free some space on /, for example in /var/log or /root",
            ),
            Some("UPDATE_PRECHECK_FAILED_GPGKEY_NOT_IMPORTED") => said(
                "the key that signed the packages is not in /etc/pki/rpm-gpg".into(),
                "Make the host trust the vendor's key with --trust-key FILE",
            ),
            Some("UUID_INVALID") => said(
                format!("XAPI knows no {} {}", self.parameter(0), self.parameter(1)),
                "Look with `suppack list`; somebody may have changed it meanwhile",
            ),
            Some("OUT_OF_SPACE") => said(format!("there is no space in {}", self.parameter(0)), "Free some space there"),
            Some("SR_FULL") => said("the storage repository is full".into(), "Give another one with --sr UUID"),
            Some("LICENCE_RESTRICTION") => said(
                format!("the host's licence does not cover {}", self.parameter(0)),
                "Apply the licence that it needs, or ask the pack's vendor",
            ),
            Some("OTHER_OPERATION_IN_PROGRESS") => said(
                "somebody else is applying it right now".into(),
                "Wait until that is done, then look with `suppack list`",
            ),
            Some("HOST_OFFLINE") => said(
                format!("host {} cannot be reached", self.parameter(0)),
                "Bring it back, or install on this host alone, without --pool",
            ),
            Some("PATCH_PRECHECK_FAILED_ISO_MOUNTED") => said(
                "a running VM has the tools' disc in its drive".into(),
                "Eject it: `xe vm-cd-eject multiple=true`",
            ),
            Some("PATCH_PRECHECK_FAILED_VM_RUNNING") => said(
                "VMs are running on the host".into(),
                "Suspend, migrate or shut them down first",
            ),
            _ if self.text.contains("default SR") => said(
                "the pool has no default storage repository, and none was given".into(),
                "Give one with --sr UUID; `xe sr-list` shows them",
            ),
            _ => said(format!("XAPI refused: {}", self.text.trim()), "Look at /var/log/xensource.log around this time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_error_is_read_with_its_parameters() {
        let text = "The update pre-check stage failed: the server is of an incorrect version.\nupdate: some-pack\n\
                    installed_version: product-version = 8.1.0\nrequired_version : product-version >= 8.2.0\n";
        let refusal = Refusal::parse(text);
        assert_eq!(refusal.code, Some("UPDATE_PRECHECK_FAILED_WRONG_SERVER_VERSION"));
        assert_eq!(refusal.parameters, ["some-pack", "product-version = 8.1.0", "product-version >= 8.2.0"]);
        let (happened, _) = refusal.explain();
        assert_eq!(
            happened,
            "it is not for this host: it needs product-version >= 8.2.0, the host has product-version = 8.1.0"
        );
    }

    #[test]
    fn a_parameter_of_several_lines_is_whole() {
        let refusal = Refusal::parse(
            "The update failed to apply. Please see attached output.\noutput: Package: x\n  Requires: y\n",
        );
        assert_eq!(refusal.parameters, ["Package: x\n  Requires: y"]);
    }

    #[test]
    fn an_error_by_its_code_is_read_too() {
        let refusal = Refusal::parse("Error code: UPDATE_IS_APPLIED\nError parameters: \n");
        assert_eq!(refusal.code, Some("UPDATE_IS_APPLIED"));
    }

    #[test]
    fn already_applied_here_and_in_the_pool_are_told_apart() {
        let code = |text: &str| Refusal::parse(text).code;
        assert_eq!(code("This update has already been applied.\nupdate: x"), Some("UPDATE_ALREADY_APPLIED"));
        let pool = code("This update has already been applied to all hosts in the pool.\nupdate: x");
        assert_eq!(pool, Some("UPDATE_ALREADY_APPLIED_IN_POOL"));
    }

    #[test]
    fn every_known_error_is_explained_in_its_own_words() {
        for (code, said, _) in ERRORS {
            let (happened, remedy) = Refusal::parse(&format!("{said}.\n")).explain();
            assert!(!happened.starts_with("XAPI refused"), "{code}");
            assert!(!remedy.is_empty() && !happened.ends_with('.'), "{code}");
        }
    }

    #[test]
    fn what_is_not_known_is_passed_on() {
        let (happened, _) = Refusal::parse("Something new.\nwhat: that\n").explain();
        assert_eq!(happened, "XAPI refused: Something new.\nwhat: that");
    }
}
