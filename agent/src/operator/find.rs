//! Which VM and which container somebody means. Pure functions over names; must not know where lists come from.

use super::problem::{Problem, in_shell};
use crate::engine::ContainerName;
use crate::lending::standing::{List, Row};
use crate::xapi::{State, Vm, VmRef, VmUuid};

/// A container as people name it: `CONTAINER`, or `VM/CONTAINER`. Names of containers have no slash, so that of the VM ends
/// at the last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The VM's name or uuid, if it is said.
    pub vm: Option<String>,
    /// The container's name, its id, or the first digits of its id.
    pub container: ContainerName,
}

impl Named {
    /// What `text` names.
    ///
    /// # Errors
    /// [`Problem::BadContainer`]
    pub fn read(text: &str) -> Result<Self, Problem> {
        let (vm, container) = match text.rsplit_once('/') {
            Some((vm, container)) if !vm.is_empty() => (Some(vm), container),
            // Docker's own form of a name.
            Some((_, container)) => (None, container),
            None => (None, text),
        };
        let bad = || Problem::BadContainer(container.to_owned());
        let name = ContainerName::parse(container).ok_or_else(bad)?;
        Ok(Self { vm: vm.map(str::to_owned), container: name })
    }
}

/// The VM of this uuid or name, of all VMs of the pool.
///
/// # Errors
/// [`Problem::NoVm`], [`Problem::SeveralVms`]
pub fn vm<'a>(state: &'a State, name: &str) -> Result<(&'a VmRef, &'a Vm), Problem> {
    let guests = || state.vms.iter().filter(|(_, vm)| !vm.is_control_domain && !vm.is_a_template && !vm.is_a_snapshot);
    if let Some(found) = guests().find(|(_, vm)| vm.uuid.as_str().eq_ignore_ascii_case(name)) {
        return Ok(found);
    }
    one(name, guests().filter(|(_, vm)| vm.name_label == name), |(_, vm)| vm.uuid.as_str())
}

/// The list of the VM with this uuid or name.
///
/// # Errors
/// [`Problem::NoVm`], [`Problem::SeveralVms`]
pub fn list<'a>(lists: &'a [List], name: &str) -> Result<&'a List, Problem> {
    if let Some(found) = lists.iter().find(|list| list.vm.eq_ignore_ascii_case(name)) {
        return Ok(found);
    }
    one(name, lists.iter().filter(|list| list.name == name), |list| list.vm.as_str())
}

fn one<'a, T>(name: &str, mut found: impl Iterator<Item = T>, uuid: impl Fn(&T) -> &'a str) -> Result<T, Problem> {
    let first = found.next().ok_or_else(|| Problem::NoVm(name.to_owned()))?;
    let mut uuids: Vec<String> = found.map(|other| uuid(&other).to_owned()).collect();
    if uuids.is_empty() {
        return Ok(first);
    }
    uuids.push(uuid(&first).to_owned());
    uuids.sort();
    Err(Problem::SeveralVms(name.to_owned(), uuids))
}

/// A container that was found, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The VM.
    pub vm: VmUuid,
    /// Its name.
    pub vm_name: String,
    /// The container's whole id.
    pub id: ContainerName,
    /// Its name.
    pub name: String,
}

/// The container of this name in `lists`; `vm` names the only list where it was looked for. A whole name or id goes before
/// a beginning of an id, as with docker.
///
/// # Errors
/// [`Problem::NoContainer`], [`Problem::SeveralContainers`]
pub fn container(lists: &[List], name: &ContainerName, vm: Option<&str>) -> Result<Found, Problem> {
    let text = name.as_str();
    let rows = || lists.iter().flat_map(|list| list.rows.iter().flatten().map(move |row| (list, row)));
    let whole: Vec<_> = rows().filter(|(_, row)| row.name == text || row.id == text).collect();
    let candidates = match whole.is_empty() {
        true => rows().filter(|(_, row)| row.id.starts_with(text)).collect(),
        false => whole,
    };
    match candidates[..] {
        [] => Err(Problem::NoContainer(text.to_owned(), vm.map(str::to_owned))),
        [(list, row)] => found(list, row).ok_or_else(|| Problem::NoContainer(text.to_owned(), vm.map(str::to_owned))),
        _ => {
            let mut named: Vec<String> = candidates.iter().map(|(list, row)| named(list, row, lists)).collect();
            named.sort();
            Err(Problem::SeveralContainers(text.to_owned(), named))
        }
    }
}

fn found(list: &List, row: &Row) -> Option<Found> {
    Some(Found {
        vm: VmUuid::parse(&list.vm)?,
        vm_name: list.name.clone(),
        id: ContainerName::parse(&row.id)?,
        name: row.name.clone(),
    })
}

/// As it can be named without doubt: a VM whose name another one has by its uuid.
fn named(list: &List, row: &Row, lists: &[List]) -> String {
    let alone = lists.iter().filter(|other| other.name == list.name).count() == 1;
    let vm = if alone { &list.name } else { &list.vm };
    format!("{} ({})", in_shell(&format!("{vm}/{}", row.name)), short_id(&row.id))
}

/// The first digits of an id, as docker shows it.
#[must_use]
pub fn short_id(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, name: &str) -> Row {
        Row {
            id: id.to_owned(),
            name: name.to_owned(),
            image: String::new(),
            command: String::new(),
            status: "Up".to_owned(),
            created: 0,
            ports: String::new(),
        }
    }

    fn lists() -> Vec<List> {
        let vm = |n: u32| format!("00000000-0000-0000-0000-{n:012}");
        vec![
            List {
                vm: vm(1),
                name: "one".into(),
                rows: Some(vec![row("abc1", "web"), row("abc2", "db"), row("ddd", "abc")]),
            },
            List { vm: vm(2), name: "two".into(), rows: Some(vec![row("fff0", "web")]) },
            List { vm: vm(3), name: "two".into(), rows: None },
        ]
    }

    fn name(text: &str) -> ContainerName {
        ContainerName::parse(text).unwrap()
    }

    #[test]
    fn a_vm_may_have_slashes_in_its_name_and_a_container_has_none() {
        let read = |text: &str| Named::read(text).map(|named| (named.vm, named.container.to_string()));
        assert_eq!(read("web").unwrap(), (None, "web".into()));
        assert_eq!(read("/web").unwrap(), (None, "web".into()));
        assert_eq!(read("a/b c/web").unwrap(), (Some("a/b c".into()), "web".into()));
        for bad in ["", "a/", "a b", "x/y z"] {
            assert!(matches!(Named::read(bad), Err(Problem::BadContainer(_))), "{bad:?}");
        }
    }

    #[test]
    fn a_whole_name_goes_before_the_beginning_of_an_id() {
        let lists = lists();
        for (text, id) in [("abc", "ddd"), ("abc1", "abc1"), ("abc2", "abc2"), ("ff", "fff0"), ("db", "abc2")] {
            assert_eq!(container(&lists, &name(text), None).unwrap().id.as_str(), id, "{text}");
        }
    }

    #[test]
    fn what_may_mean_several_is_explained_with_names_that_do_not() {
        let lists = lists();
        let several = |text| match container(&lists, &name(text), None) {
            Err(Problem::SeveralContainers(_, named)) => named,
            other => panic!("{other:?}"),
        };
        assert_eq!(several("ab"), ["one/db (abc2)", "one/web (abc1)"]);
        assert_eq!(several("web"), ["00000000-0000-0000-0000-000000000002/web (fff0)", "one/web (abc1)"]);
        assert!(matches!(container(&lists, &name("nothing"), None), Err(Problem::NoContainer(_, None))));
    }

    #[test]
    fn a_vm_is_found_by_uuid_in_any_case_and_by_a_name_that_no_other_has() {
        let lists = lists();
        assert_eq!(list(&lists, "one").unwrap().name, "one");
        assert_eq!(list(&lists, "00000000-0000-0000-0000-000000000003").unwrap().rows, None);
        assert!(matches!(list(&lists, "two"), Err(Problem::SeveralVms(_, uuids)) if uuids.len() == 2));
        assert!(matches!(list(&lists, "ONE"), Err(Problem::NoVm(_))));
    }
}
