//! Which functions there are, and what each is called with. Must not know what they do.

use std::collections::BTreeMap;

use super::failure;
use crate::engine::{Action, ContainerName};
use crate::xapi::plugin_call::PluginCall;
use crate::xapi::{Failure, SrUuid, VdiUuid, VmUuid};

/// A function with its arguments, all valid in themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Function {
    /// Show the containers of a VM from now on.
    Register { vm: VmUuid },
    /// Show them no longer.
    Deregister { vm: VmUuid },
    /// Do something with a container.
    Act { vm: VmUuid, container: ContainerName, action: Action },
    /// Everything that an engine knows of a container.
    Inspect { vm: VmUuid, container: ContainerName },
    /// What runs in a container.
    Top { vm: VmUuid, container: ContainerName },
    /// A configuration to begin with, for VMs of a template; clients have always been given one, whatever they said.
    DefaultConfiguration { template: Option<VmUuid> },
    /// Give a VM a config drive.
    CreateConfigDrive { vm: VmUuid, sr: SrUuid, configuration: String },
    /// The configuration on a config drive.
    Configuration { vdi: VdiUuid },
    /// How things stand with the monitor of this host: for hosts that ask each other.
    Status,
}

/// Tells another host that it is asked on behalf of one that was asked before.
pub(super) const FORWARDED: &str = "xscontainer-forwarded";

impl Function {
    /// The function that is called.
    ///
    /// # Errors
    /// The failure for what there is not, or what is called wrongly.
    pub(super) fn of(call: &PluginCall) -> Result<Self, Failure> {
        let arguments = Arguments { function: &call.function, all: &call.arguments };
        let function = match call.function.as_str() {
            "register" => Self::Register { vm: arguments.vm()? },
            "deregister" => Self::Deregister { vm: arguments.vm()? },
            "get_inspect" => {
                arguments.all_of(&["vmuuid", "object"])?;
                Self::Inspect { vm: arguments.vm()?, container: arguments.container("object")? }
            }
            "get_top" => {
                arguments.all_of(&["vmuuid", "object"])?;
                Self::Top { vm: arguments.vm()?, container: arguments.container("object")? }
            }
            "get_config_drive_default" => {
                let template = VmUuid::parse(&arguments.text("templateuuid")?.to_ascii_lowercase());
                Self::DefaultConfiguration { template }
            }
            "create_config_drive" => {
                arguments.all_of(&["vmuuid", "sruuid", "configuration"])?;
                let (vm, sr) = (arguments.vm()?, arguments.uuid("sruuid", "SR", SrUuid::parse)?);
                Self::CreateConfigDrive { vm, sr, configuration: arguments.text("configuration")?.to_owned() }
            }
            "get_config_drive_configuration" => {
                Self::Configuration { vdi: arguments.uuid("vdiuuid", "VDI", VdiUuid::parse)? }
            }
            super::STATUS => Self::Status,
            name => {
                let action = Action::ALL.into_iter().find(|action| action.name() == name);
                let action = action.ok_or_else(|| failure::unknown_function(name))?;
                arguments.all_of(&["vmuuid", "container"])?;
                let (vm, container) = (arguments.vm()?, arguments.container("container")?);
                Self::Act { vm, container, action }
            }
        };
        Ok(function)
    }
}

struct Arguments<'a> {
    function: &'a str,
    all: &'a BTreeMap<String, String>,
}

impl<'a> Arguments<'a> {
    /// What is missing is told before what is wrong.
    fn all_of(&self, names: &[&str]) -> Result<(), Failure> {
        names.iter().try_for_each(|name| self.text(name).map(drop))
    }

    fn text(&self, name: &str) -> Result<&'a str, Failure> {
        self.all.get(name).map(String::as_str).ok_or_else(|| failure::missing_argument(self.function, name))
    }

    /// Clients may write uuids in upper case; XAPI knows them in lower case.
    fn uuid<T>(&self, name: &str, class: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, Failure> {
        let text = self.text(name)?;
        parse(&text.to_ascii_lowercase()).ok_or_else(|| failure::no_such(class, text))
    }

    fn vm(&self) -> Result<VmUuid, Failure> {
        self.uuid("vmuuid", "VM", VmUuid::parse)
    }

    fn container(&self, name: &str) -> Result<ContainerName, Failure> {
        let text = self.text(name)?;
        ContainerName::parse(text).ok_or_else(|| failure::invalid_container(self.function, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xapi::SessionRef;

    const VM: &str = "0a1b2c3d-1111-2222-3333-444455556666";

    fn called(function: &str, arguments: &[(&str, &str)]) -> Result<Function, Vec<String>> {
        let arguments = arguments.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
        let call = PluginCall { function: function.to_owned(), session: SessionRef::lent("x".to_owned()), arguments };
        Function::of(&call).map_err(|Failure { code, params }| std::iter::once(code).chain(params).collect())
    }

    #[test]
    fn clients_calls_are_understood() {
        let uuid = || VmUuid::parse(VM).unwrap();
        let container = |name| ContainerName::parse(name).unwrap();
        let known = [
            ("start", Action::Start),
            ("stop", Action::Stop),
            ("restart", Action::Restart),
            ("pause", Action::Pause),
            ("unpause", Action::Unpause),
        ];
        for (name, action) in known {
            let called = called(name, &[("vmuuid", VM), ("container", "3f1c2ab49d")]);
            assert_eq!(called, Ok(Function::Act { vm: uuid(), container: container("3f1c2ab49d"), action }));
        }
        assert_eq!(
            called("get_top", &[("vmuuid", &VM.to_uppercase()), ("object", "Db_Main")]),
            Ok(Function::Top { vm: uuid(), container: container("Db_Main") })
        );
        assert_eq!(called("register", &[("vmuuid", VM), ("container", "x")]), Ok(Function::Register { vm: uuid() }));
        assert_eq!(called("get_status", &[]), Ok(Function::Status));
        for (text, template) in [(VM.to_uppercase().as_str(), Some(uuid())), ("any", None), ("", None)] {
            let called = called("get_config_drive_default", &[("templateuuid", text)]);
            assert_eq!(called, Ok(Function::DefaultConfiguration { template }));
        }
    }

    #[test]
    fn what_is_missing_is_named_behind_the_text_that_clients_know() {
        for (function, argument) in [
            ("register", "vmuuid"),
            ("deregister", "vmuuid"),
            ("start", "vmuuid"),
            ("get_inspect", "vmuuid"),
            ("get_top", "vmuuid"),
            ("get_config_drive_default", "templateuuid"),
            ("create_config_drive", "vmuuid"),
            ("get_config_drive_configuration", "vdiuuid"),
        ] {
            let failure = called(function, &[]).unwrap_err();
            let detail = format!("{function} needs the argument {argument}");
            let wanted = ["XENAPI_PLUGIN_FAILURE", function, "Exception", "INVALID_ARGUMENTS", &detail];
            assert_eq!(failure, wanted);
        }
        // Before what is wrong with another argument.
        assert_eq!(called("start", &[("vmuuid", "x")]).unwrap_err()[3], "INVALID_ARGUMENTS");
    }

    #[test]
    fn developers_functions_are_not_there() {
        for name in ["install_vm", "passthrough", "START", "start\n", ""] {
            assert_eq!(called(name, &[("vmuuid", VM)]).unwrap_err(), ["UNKNOWN_XENAPI_PLUGIN_FUNCTION", name]);
        }
    }

    #[test]
    fn what_is_no_uuid_and_no_container_gets_no_further() {
        for text in ["", "x", "../../etc", "0a1b2c3d-1111-2222-3333-44445555666\n"] {
            assert_eq!(called("register", &[("vmuuid", text)]).unwrap_err(), ["UUID_INVALID", "VM", text]);
        }
        for text in ["", "..", "a/b", "a\n", "a\r\nHost: x", "a b", "%2e", "a?b", "é"] {
            let failure = called("stop", &[("vmuuid", VM), ("container", text)]).unwrap_err();
            assert_eq!(failure[..3], ["XENAPI_PLUGIN_FAILURE", "stop", "XSContainerException"]);
            assert!(failure[3].starts_with("Invalid container"), "{failure:?}");
        }
    }
}
