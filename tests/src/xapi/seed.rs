//! Databases described in JSON: class, then objects with the fields that matter.
//!
//! An object may carry `"ref"` (its reference) and `"id"` (a name that other objects in the same description use as
//! `"@name"` in reference fields and sets). Must not know calls or wire formats.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use super::{
    database::Database,
    jsonrpc::from_json,
    schema::{Class, Kind},
    value::{Failure, Ref, Value},
};

/// A pool of one host with what every installation has: its control domain, a management network and the host
/// internal management network (xen-api ocaml/xapi/create_networks.ml).
pub const ONE_HOST: &str = r#"{
  "host": [{"id": "host", "name_label": "host-1", "hostname": "host-1", "address": "192.0.2.1", "control_domain": "@dom0",
    "API_version_major": 2, "API_version_minor": 15,
    "software_version": {"product_brand": "XCP-ng", "product_version": "8.2.1", "product_version_text": "8.2",
      "platform_name": "XCP", "platform_version": "3.2.1", "hostname": "localhost", "linux": "4.19.0+1"}}],
  "pool": [{"id": "pool", "name_label": "lab", "master": "@host"}],
  "VM": [{"id": "dom0", "name_label": "Control domain on host: host-1", "is_control_domain": true, "domid": 0,
    "power_state": "Running", "resident_on": "@host", "domain_type": "pv"}],
  "network": [
    {"id": "eth0", "name_label": "Pool-wide network associated with eth0", "bridge": "xenbr0"},
    {"name_label": "Host internal management network", "bridge": "xenapi",
     "name_description": "Network on which guests will be assigned a private link-local IP address which can be used to talk XenAPI",
     "other_config": {"is_guest_installer_network": "true", "is_host_internal_management_network": "true",
       "ip_begin": "169.254.0.1", "ip_end": "169.254.255.254", "netmask": "255.255.0.0"}}],
  "PIF": [{"device": "eth0", "network": "@eth0", "host": "@host", "physical": true, "management": true,
    "IP": "192.0.2.1", "netmask": "255.255.255.0", "ip_configuration_mode": "Static", "MAC": "02:00:00:00:00:01"}]
}"#;

/// What is wrong with a description.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The text is not JSON.
    #[error("the database description is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// It is JSON of another form.
    #[error("the database description must be an object of class names, each with a list of objects; {0}")]
    Shape(String),
    /// An object does not fit the data model.
    #[error("{object} in the database description: {reason}; see tests/src/xapi/schema.txt for classes and fields")]
    Object {
        /// Class and number of the object, from 0.
        object: String,
        /// What does not fit.
        reason: String,
    },
}

/// Adds the described objects to the database; to [`ONE_HOST`], whose ids they may use, if no hosts are among them.
///
/// # Errors
/// When the description is malformed or does not fit the data model; objects added before stay.
pub(super) fn load(database: &mut Database, text: &str) -> Result<(), SeedError> {
    let classes = parse(text)?;
    let mut names = HashMap::new();
    if !classes.contains_key("host") {
        add(database, &parse(ONE_HOST)?, &mut names)?;
    }
    add(database, &classes, &mut names)
}

fn parse(text: &str) -> Result<Map<String, Json>, SeedError> {
    match serde_json::from_str(text)? {
        Json::Object(classes) => Ok(classes),
        _ => Err(SeedError::Shape("it is something else".to_owned())),
    }
}

fn add(
    database: &mut Database,
    classes: &Map<String, Json>,
    names: &mut HashMap<String, Ref>,
) -> Result<(), SeedError> {
    let mut created = Vec::new();
    for (class, objects) in classes {
        let objects = objects.as_array().ok_or_else(|| SeedError::Shape(format!("{class} has no list")))?;
        for (number, object) in objects.iter().enumerate() {
            let wrong = |reason: String| SeedError::Object { object: format!("{class}[{number}]"), reason };
            let object = object.as_object().ok_or_else(|| wrong("it is not an object".to_owned()))?;
            let failed = |failure: Failure| wrong(failure.to_string());
            let reference = object.get("ref").and_then(Json::as_str).map(|text| Ref(text.to_owned()));
            let plain = object.iter().filter(|(name, value)| !is_special(name) && !points(value));
            let fields = plain.map(|(name, value)| (name.as_str(), from_json(value)));
            let reference = database.create(class, reference, fields).map_err(failed)?;
            if let Some(name) = object.get("id").and_then(Json::as_str) {
                names.insert(format!("@{name}"), reference.clone());
            }
            created.push((class, number, object, reference));
        }
    }
    for (class, number, object, reference) in created {
        let wrong = |reason: String| SeedError::Object { object: format!("{class}[{number}]"), reason };
        for (name, value) in object.iter().filter(|(name, value)| !is_special(name) && points(value)) {
            let class = Class::named(class).ok_or_else(|| wrong("the class is unknown".to_owned()))?;
            let place = class.position(name).ok_or_else(|| wrong(format!("it has no field {name}")))?;
            let field = &class.fields[place];
            if field.back.is_some() || !matches!(field.kind, Kind::Ref | Kind::Set) {
                return Err(wrong(format!("{name} cannot be given references")));
            }
            let value =
                resolve(from_json(value), names).map_err(|name| wrong(format!("no object has the id {name}")))?;
            database.set(class, reference.as_str(), place, value).map_err(|failure| wrong(failure.to_string()))?;
        }
    }
    Ok(())
}

fn is_special(name: &str) -> bool {
    matches!(name, "id" | "ref")
}

/// Whether a value refers to objects by name.
fn points(value: &Json) -> bool {
    match value {
        Json::String(text) => text.starts_with('@'),
        Json::Array(items) => items.iter().any(points),
        _ => false,
    }
}

fn resolve(value: Value, names: &HashMap<String, Ref>) -> Result<Value, String> {
    match value {
        Value::String(text) if text.starts_with('@') => names.get(&text).map(Value::from).ok_or(text),
        Value::Array(items) => {
            items.into_iter().map(|item| resolve(item, names)).collect::<Result<_, _>>().map(Value::Array)
        }
        other => Ok(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_be_used_before_the_object_that_has_them() {
        let mut database = Database::new();
        load(&mut database, r#"{"VIF": [{"VM": "@web", "device": "0"}], "VM": [{"id": "web", "name_label": "web"}]}"#)
            .unwrap();
        let vm = &database.find("VM", "name_label", &"web".into())[0];
        let record = database.record(Class::named("VM").unwrap(), vm.as_str()).unwrap();
        assert_eq!(record.member("VIFs"), Some(&Value::set(database.refs("VIF"))));
    }

    #[test]
    fn an_unknown_field_is_told_with_its_object() {
        let error = load(&mut Database::new(), r#"{"VM": [{}, {"colour": "red"}]}"#).unwrap_err();
        assert!(error.to_string().starts_with("VM[1] in the database description"), "{error}");
    }

    #[test]
    fn an_unknown_name_is_told() {
        let error = load(&mut Database::new(), r#"{"VM": [{"resident_on": "@nowhere"}]}"#).unwrap_err();
        assert!(error.to_string().contains("no object has the id @nowhere"), "{error}");
    }
}
