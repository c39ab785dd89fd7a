//! Which methods there are, under which names, and how many parameters each takes.
//!
//! The generic ones follow from the schema (xen-api ocaml/idl/dm_api.ml, datamodel.ml `expose_get_all_messages_for`).
//! Must not know what a method does.

use super::schema::{CLASSES, Class, Kind};

/// A method that a name stands for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Method {
    /// `Class.method`, whichever form the client used.
    pub(super) name: String,
    pub(super) operation: Operation,
    /// Parameters without the session: those that must be given, and all.
    pub(super) arity: (usize, usize),
}

/// What a method does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Operation {
    /// Something that every class has, by the schema; numbers are places of fields.
    Generic(&'static str, Generic),
    /// Something of its own.
    Special(Special),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Generic {
    GetAll,
    GetAllRecords,
    GetRecord,
    GetByUuid,
    GetByNameLabel,
    Get(usize),
    Set(usize),
    AddToMap(usize),
    RemoveFromMap(usize),
    AddToSet(usize),
    RemoveFromSet(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Special {
    Login,
    Logout,
    EventFrom,
    EventInject,
    MessageCreate,
    MessageDestroy,
    MessageDestroyMany,
    MessageGet,
    MessageGetSince,
    SecretCreate,
    SecretDestroy,
    TaskCreate,
    TaskDestroy,
    TaskCancel,
    VifCreate,
    VifDestroy,
    CallPlugin,
    HostServertime,
    VdiCreate,
    VdiDestroy,
    VbdCreate,
    VbdPlug,
    VbdUnplug,
    VbdDestroy,
    VbdInsert,
    VbdEject,
    ListMethods,
}

impl Special {
    /// Whether the first parameter is a session.
    pub(super) fn needs_session(self) -> bool {
        !matches!(self, Self::Login | Self::ListMethods)
    }

    /// Whether `Async.` may stand before the name.
    pub(super) fn has_async(self) -> bool {
        matches!(
            self,
            Self::VifCreate
                | Self::VifDestroy
                | Self::CallPlugin
                | Self::VdiCreate
                | Self::VdiDestroy
                | Self::VbdCreate
                | Self::VbdPlug
                | Self::VbdUnplug
                | Self::VbdDestroy
                | Self::VbdInsert
                | Self::VbdEject
        )
    }
}

/// Class, name, parameters that must be given, all parameters.
const SPECIALS: &[(&str, &str, usize, usize, Special)] = &[
    ("session", "login_with_password", 2, 4, Special::Login),
    ("session", "logout", 0, 0, Special::Logout),
    ("event", "from", 3, 3, Special::EventFrom),
    ("event", "inject", 2, 2, Special::EventInject),
    ("message", "create", 5, 5, Special::MessageCreate),
    ("message", "destroy", 1, 1, Special::MessageDestroy),
    ("message", "destroy_many", 1, 1, Special::MessageDestroyMany),
    ("message", "get", 3, 3, Special::MessageGet),
    ("message", "get_since", 1, 1, Special::MessageGetSince),
    ("secret", "create", 1, 1, Special::SecretCreate),
    ("secret", "destroy", 1, 1, Special::SecretDestroy),
    ("task", "create", 2, 2, Special::TaskCreate),
    ("task", "destroy", 1, 1, Special::TaskDestroy),
    ("task", "cancel", 1, 1, Special::TaskCancel),
    ("VIF", "create", 1, 1, Special::VifCreate),
    ("VIF", "destroy", 1, 1, Special::VifDestroy),
    ("host", "call_plugin", 4, 4, Special::CallPlugin),
    ("host", "get_servertime", 1, 1, Special::HostServertime),
    ("VDI", "create", 1, 1, Special::VdiCreate),
    ("VDI", "destroy", 1, 1, Special::VdiDestroy),
    ("VBD", "create", 1, 1, Special::VbdCreate),
    ("VBD", "plug", 1, 1, Special::VbdPlug),
    ("VBD", "unplug", 1, 1, Special::VbdUnplug),
    ("VBD", "destroy", 1, 1, Special::VbdDestroy),
    ("VBD", "insert", 2, 2, Special::VbdInsert),
    ("VBD", "eject", 1, 1, Special::VbdEject),
];

/// The method that `name` stands for, as `Class.method` or in the old form `Class_method`.
pub(super) fn resolve(name: &str) -> Option<Method> {
    if name == "system.listMethods" {
        let operation = Operation::Special(Special::ListMethods);
        return Some(Method { name: name.to_owned(), operation, arity: (0, 0) });
    }
    for &(class, method, least, most, special) in SPECIALS {
        if after(name, class) == Some(method) {
            let operation = Operation::Special(special);
            return Some(Method { name: format!("{class}.{method}"), operation, arity: (least, most) });
        }
    }
    CLASSES.iter().find_map(|class| {
        let method = after(name, class.name)?;
        let (_, generic, arity) = generic(class).into_iter().find(|(name, ..)| name == method)?;
        let operation = Operation::Generic(class.name, generic);
        Some(Method { name: format!("{}.{method}", class.name), operation, arity: (arity, arity) })
    })
}

/// The dotted names of all methods, for `system.listMethods`.
pub(super) fn all() -> Vec<String> {
    let specials = SPECIALS.iter().map(|(class, method, ..)| format!("{class}.{method}"));
    let generics = CLASSES
        .iter()
        .flat_map(|class| generic(class).into_iter().map(|(method, ..)| format!("{}.{method}", class.name)));
    specials.chain(generics).chain(["system.listMethods".to_owned()]).collect()
}

fn after<'a>(name: &'a str, class: &str) -> Option<&'a str> {
    let rest = name.strip_prefix(class)?;
    rest.strip_prefix('.').or_else(|| rest.strip_prefix('_'))
}

/// Name, operation and number of parameters of the methods that follow from a class's fields.
fn generic(class: &Class) -> Vec<(String, Generic, usize)> {
    let mut methods =
        vec![("get_record".to_owned(), Generic::GetRecord, 1), ("get_by_uuid".to_owned(), Generic::GetByUuid, 1)];
    if class.listable {
        methods.push(("get_all".to_owned(), Generic::GetAll, 0));
        methods.push(("get_all_records".to_owned(), Generic::GetAllRecords, 0));
    }
    if !class.stored {
        return methods;
    }
    if class.position("name_label").is_some() {
        methods.push(("get_by_name_label".to_owned(), Generic::GetByNameLabel, 1));
    }
    for (place, field) in class.fields.iter().enumerate() {
        let name = field.name;
        methods.push((format!("get_{name}"), Generic::Get(place), 1));
        if !field.writable {
            continue;
        }
        methods.push((format!("set_{name}"), Generic::Set(place), 2));
        if field.kind == Kind::Map {
            methods.push((format!("add_to_{name}"), Generic::AddToMap(place), 3));
            methods.push((format!("remove_from_{name}"), Generic::RemoveFromMap(place), 2));
        }
        if field.kind == Kind::Set {
            methods.push((format!("add_{name}"), Generic::AddToSet(place), 2));
            methods.push((format!("remove_{name}"), Generic::RemoveFromSet(place), 2));
        }
    }
    methods
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_names_of_a_method_mean_the_same() {
        for (dotted, old) in [
            ("VM.get_guest_metrics", "VM_get_guest_metrics"),
            ("VM_guest_metrics.get_networks", "VM_guest_metrics_get_networks"),
            ("event.from", "event_from"),
        ] {
            assert!(resolve(dotted).is_some(), "{dotted}");
            assert_eq!(resolve(dotted), resolve(old));
        }
    }

    #[test]
    fn what_the_schema_does_not_allow_is_no_method() {
        for name in [
            "VM.set_uuid",
            "session.get_all_records",
            "message.get_body",
            "vm.get_all",
            "Host.get_all",
            "secret.get_by_name_label",
            "VM.set_VIFs",
            "",
        ] {
            assert_eq!(resolve(name), None, "{name}");
        }
    }

    #[test]
    fn every_listed_method_resolves_to_itself() {
        for name in all() {
            assert_eq!(resolve(&name).map(|method| method.name), Some(name));
        }
    }
}
