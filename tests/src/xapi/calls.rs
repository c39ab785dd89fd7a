//! The methods that do more than read or write a field.
//!
//! Follows xen-api ocaml/xapi/xapi_session.ml, xapi_message.ml, xapi_secret.ml, xapi_task.ml, xapi_vif_helpers.ml and
//! xapi_plugins.ml. Must not know wire formats.

use std::{path::PathBuf, sync::Arc};

use super::{
    database::place_of,
    dates::{self, now},
    dispatch::{Endpoint, Origin, text},
    drives, events,
    methods::Special,
    program,
    schema::{self, Class, Kind},
    sessions,
    state::{Plugin, Shared, State},
    storage,
    value::{Failure, NULL_REF, Ref, Value},
};

/// The names of `message.cls` and the classes that they stand for; the others have no objects here
/// (xen-api ocaml/idl/datamodel.ml, `cls`).
const MESSAGE_CLASSES: &[(&str, &str)] = &[
    ("VM", "VM"),
    ("Host", "host"),
    ("SR", "SR"),
    ("Pool", "pool"),
    ("VDI", "VDI"),
    ("VMPP", ""),
    ("VMSS", ""),
    ("PVS_proxy", ""),
    ("Certificate", ""),
];

/// `session.login_with_password`: on the unix socket anyone is let in, over TCP a wrong password costs a delay.
pub(super) async fn login(shared: &Shared, endpoint: &Endpoint, params: &[Value]) -> Result<Value, Failure> {
    let (user, password) = (text(&params[0])?, text(&params[1])?);
    let originator = params.get(3).map(text).transpose()?.unwrap_or_default();
    let right = shared.password.as_deref().is_none_or(|right| user == "root" && password == right);
    if endpoint.origin == Origin::Tcp && !right {
        tokio::time::sleep(shared.login_delay).await;
        return Err(Failure::new("SESSION_AUTHENTICATION_FAILED", &[user, "Authentication failure"]));
    }
    let opened = shared.change(|state| {
        let host = endpoint.host(state);
        sessions::open(&mut state.database, &host, user, originator)
    });
    opened.map(Value::from)
}

/// Every other special method, in an open session.
pub(super) async fn call(
    shared: &Arc<Shared>,
    special: Special,
    session: &str,
    params: &[Value],
) -> Result<Value, Failure> {
    match special {
        Special::EventFrom => {
            let classes = params[0].items().iter().map(|item| text(item).map(str::to_owned));
            let classes = classes.collect::<Result<Vec<_>, _>>()?;
            let Value::Float(timeout) = schema::fit(Kind::Float, params[2].clone())? else {
                return Err(Failure::internal("not a float"));
            };
            events::from(shared, session, &classes, text(&params[1])?, timeout).await
        }
        Special::CallPlugin => call_plugin(shared, session, params).await,
        Special::HostServertime => shared.look(|state| {
            let host = text(&params[0])?;
            state.database.row(class("host")?, host)?;
            Ok(dates::later(state.clocks.get(host).copied().unwrap_or_default()))
        }),
        Special::MessageGet | Special::MessageGetSince => shared.look(|state| messages(state, special, params)),
        _ => shared.change(|state| change(state, special, session, params)),
    }
}

fn change(state: &mut State, special: Special, session: &str, params: &[Value]) -> Result<Value, Failure> {
    match special {
        Special::Logout => sessions::close(&mut state.database, session).map(|()| "".into()),
        Special::EventInject => events::inject(&mut state.database, text(&params[0])?, text(&params[1])?),
        Special::MessageCreate => create_message(state, params),
        Special::MessageDestroy => destroy(state, "message", text(&params[0])?),
        Special::MessageDestroyMany => {
            for message in params[0].items() {
                destroy(state, "message", text(message)?)?;
            }
            Ok("".into())
        }
        Special::SecretCreate => {
            let given = |name: &str| params[0].member(name).cloned();
            let value = given("value").ok_or_else(|| missing_member("value"))?;
            let other_config = given("other_config").unwrap_or(Value::Struct(Vec::new()));
            let fields = [("value", value), ("other_config", other_config)];
            state.database.create("secret", None, fields).map(Ref::into)
        }
        Special::SecretDestroy => destroy(state, "secret", text(&params[0])?),
        Special::TaskCreate => {
            let fields = [
                ("name_label", params[0].clone()),
                ("name_description", params[1].clone()),
                ("session", session.into()),
                ("created", now()),
            ];
            state.database.create("task", None, fields).map(Ref::into)
        }
        Special::TaskDestroy => destroy(state, "task", text(&params[0])?),
        Special::TaskCancel => {
            let class = class("task")?;
            state.database.set(class, text(&params[0])?, place_of(class, "status")?, "cancelled".into())?;
            Ok("".into())
        }
        Special::VifCreate => create_vif(state, &params[0]),
        Special::VifDestroy => destroy(state, "VIF", text(&params[0])?),
        Special::VdiCreate => storage::create(state, &params[0]).map(Ref::into),
        Special::VdiDestroy => storage::destroy(state, text(&params[0])?).map(|()| "".into()),
        Special::VbdCreate => drives::create(state, &params[0]).map(Ref::into),
        Special::VbdPlug => drives::plug(state, text(&params[0])?).map(|()| "".into()),
        Special::VbdUnplug => drives::unplug(state, text(&params[0])?).map(|()| "".into()),
        Special::VbdDestroy => drives::destroy(state, text(&params[0])?).map(|()| "".into()),
        Special::VbdInsert => drives::insert(state, text(&params[0])?, text(&params[1])?).map(|()| "".into()),
        Special::VbdEject => drives::eject(state, text(&params[0])?).map(|()| "".into()),
        _ => Err(Failure::internal("not a change")),
    }
}

fn destroy(state: &mut State, name: &str, object: &str) -> Result<Value, Failure> {
    state.database.destroy(class(name)?, object).map(|()| "".into())
}

pub(super) fn class(name: &str) -> Result<&'static Class, Failure> {
    Class::named(name).ok_or_else(|| Failure::internal(&format!("missing table {name}")))
}

/// What a record without a member that it must have is answered with (xen-api ocaml/xapi/server_helpers.ml).
pub(super) fn missing_member(name: &str) -> Failure {
    Failure::internal(&format!("Server_helpers.Dispatcher_FieldNotFound(\"{name}\")"))
}

/// The `cls` of a message and the class that it stands for. Enumerations are read without regard to case.
fn message_class(param: &Value) -> Result<(&'static str, &'static str), Failure> {
    let name = text(param)?;
    let found = MESSAGE_CLASSES.iter().find(|(cls, _)| cls.eq_ignore_ascii_case(name));
    found.copied().ok_or_else(|| Failure::internal(&format!("Failure(\"cls_of_rpc {name}\")")))
}

fn create_message(state: &mut State, params: &[Value]) -> Result<Value, Failure> {
    let (cls, class) = message_class(&params[2])?;
    let uuid = text(&params[3])?;
    if state.database.find(class, "uuid", &uuid.into()).is_empty() {
        return Err(Failure::new("UUID_INVALID", &[cls, uuid]));
    }
    let fields = [
        ("name", params[0].clone()),
        ("priority", params[1].clone()),
        ("cls", cls.into()),
        ("obj_uuid", uuid.into()),
        ("timestamp", now()),
        ("body", params[4].clone()),
    ];
    state.database.create("message", None, fields).map(Ref::into)
}

/// `message.get(cls, obj_uuid, since)` and `message.get_since(since)`: records later than a date.
fn messages(state: &State, special: Special, params: &[Value]) -> Result<Value, Failure> {
    let (subject, since) = match (special, params) {
        (Special::MessageGet, [cls, uuid, since]) => {
            let (cls, class) = message_class(cls)?;
            if state.database.find(class, "uuid", uuid).is_empty() {
                return Err(Failure::new("UUID_INVALID", &[]));
            }
            (Some([("cls", Value::from(cls)), ("obj_uuid", uuid.clone())]), since)
        }
        (_, [since, ..]) => (None, since),
        _ => return Err(Failure::internal("not a look for messages")),
    };
    let Value::DateTime(since) = schema::fit(Kind::DateTime, since.clone())? else {
        return Err(Failure::internal("not a date"));
    };
    let class = class("message")?;
    let mut found = Vec::new();
    for message in state.database.refs("message") {
        let record = state.database.record(class, message.as_str())?;
        let about = subject.iter().flatten().all(|(member, value)| record.member(member) == Some(value));
        // Dates of this one form compare as text.
        let later = matches!(record.member("timestamp"), Some(Value::DateTime(date)) if *date > since);
        if about && later {
            found.push((message.0, record));
        }
    }
    Ok(Value::Struct(found))
}

fn create_vif(state: &mut State, record: &Value) -> Result<Value, Failure> {
    let given = |name: &'static str| record.member(name).cloned().ok_or_else(|| missing_member(name));
    let (vm, network, device) = (given("VM")?, given("network")?, given("device")?);
    state.database.row(class("VM")?, text(&vm)?)?;
    state.database.row(class("network")?, text(&network)?)?;
    let vifs = state.database.find("VIF", "VM", &vm);
    if vifs.iter().any(|vif| state.get(vif, "device").as_ref() == Ok(&device)) {
        return Err(Failure::new("DEVICE_ALREADY_EXISTS", &[text(&device)?]));
    }
    let mac = given("MAC")?;
    let generated = mac.text() == Some("");
    let mac = if generated { local_mac(&state.database.fresh_uuid()).into() } else { mac };
    let mut fields = vec![
        ("VM", vm),
        ("network", network),
        ("device", device),
        ("MAC", mac),
        ("MAC_autogenerated", generated.into()),
        ("MTU", given("MTU")?),
        ("other_config", given("other_config")?),
        ("qos_algorithm_type", given("qos_algorithm_type")?),
        ("qos_algorithm_params", given("qos_algorithm_params")?),
    ];
    for optional in ["locking_mode", "ipv4_allowed", "ipv6_allowed"] {
        fields.extend(record.member(optional).cloned().map(|value| (optional, value)));
    }
    state.database.create("VIF", None, fields).map(Ref::into)
}

/// A locally administered unicast address from the digits of a uuid.
fn local_mac(uuid: &str) -> String {
    let digits: Vec<char> = uuid.chars().filter(char::is_ascii_hexdigit).take(10).collect();
    let pairs: Vec<String> = digits.chunks(2).map(|pair| pair.iter().collect()).collect();
    format!("02:{}", pairs.join(":"))
}

/// What answers for a plugin on a host.
enum Installed {
    Program(PathBuf),
    Stand(Plugin),
}

/// `host.call_plugin`: a program that is installed on the host, else what a test lets answer on every host.
async fn call_plugin(shared: &Arc<Shared>, session: &str, params: &[Value]) -> Result<Value, Failure> {
    let (host, name, function) = (text(&params[0])?, text(&params[1])?, text(&params[2])?);
    let Value::Struct(members) = schema::fit(Kind::Map, params[3].clone())? else {
        return Err(Failure::internal("not a map"));
    };
    let pairs = members.iter().map(|(key, value)| Ok((key.clone(), text(value)?.to_owned())));
    let arguments = pairs.collect::<Result<Vec<_>, Failure>>()?;
    let plugin = shared.look(|state| {
        if host == NULL_REF || state.database.row(class("host")?, host).is_err() {
            return Err(Failure::handle_invalid("host", host));
        }
        if state.offline.contains(host) {
            return Err(Failure::new("HOST_OFFLINE", &[host]));
        }
        let program = state.programs.get(&(host.to_owned(), name.to_owned())).cloned().map(Installed::Program);
        let plugin = program.or_else(|| state.plugins.get(name).cloned().map(Installed::Stand));
        plugin.ok_or_else(|| Failure::new("XENAPI_MISSING_PLUGIN", &[name]))
    })?;
    // Outside the lock: a plugin may use the handle or call back.
    match plugin {
        Installed::Program(program) => program::run(shared, &program, session, function, &arguments).await,
        Installed::Stand(plugin) => plugin(function, &arguments),
    }
    .map(Value::String)
}
