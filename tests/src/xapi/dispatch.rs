//! From a call to its result: name, number of parameters, session, and the methods that all classes have.
//!
//! Follows xen-api ocaml/idl/ocaml_backend/gen_server.ml. Must not know wire formats.

use std::sync::Arc;

use super::{
    calls,
    dates::now,
    methods::{self, Generic, Method, Operation, Special},
    schema::Class,
    sessions,
    state::{Shared, State},
    tasks,
    value::{Failure, Ref, Value},
    xmlrpc::Call,
};

/// Where a call comes from. On the unix socket everyone is root (xen-api ocaml/xapi/context.ml, `preauth`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Unix,
    Tcp,
}

/// What a client is connected to.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    pub(super) origin: Origin,
    /// The host whose socket it is; none for that of the pool coordinator, whoever that is.
    pub(super) host: Option<Ref>,
}

impl Endpoint {
    /// The host that the client is on.
    pub(super) fn host(&self, state: &State) -> Ref {
        self.host.clone().unwrap_or_else(|| state.coordinator())
    }
}

/// The dotted name to count a call under: the one that it resolves to, or else the one that was sent.
pub(super) fn counted_name(call: &Call) -> String {
    let plain = call.name.strip_prefix("Async.").unwrap_or(&call.name);
    methods::resolve(plain).map_or_else(|| call.name.clone(), |method| method.name)
}

/// Carries out a call.
///
/// # Errors
/// The API's failure.
pub(super) async fn dispatch(shared: &Arc<Shared>, endpoint: &Endpoint, call: &Call) -> Result<Value, Failure> {
    let (asynchronous, name) = match call.name.strip_prefix("Async.") {
        Some(name) => (true, name),
        None => (false, call.name.as_str()),
    };
    // The old form of a name never had an asynchronous variant (xen-api ocaml/xapi/server_helpers.ml).
    let method = methods::resolve(name).filter(|method| !asynchronous || method.name == name);
    let Some(method) = method else {
        // What is not built in could be an extension, which xapi looks for after the session (gen_server.ml).
        if let Some(session) = call.params.first() {
            let session = text(session)?;
            shared.look(|state| sessions::check(&state.database, session))?;
        }
        return Err(Failure::new("MESSAGE_METHOD_UNKNOWN", &[name]));
    };
    let params = check_count(&method, name, &call.params)?;
    let special = match method.operation {
        Operation::Generic(..) => None,
        Operation::Special(special) => Some(special),
    };
    if special.is_some_and(|special| !special.needs_session()) {
        return match special {
            Some(Special::Login) => calls::login(shared, endpoint, params).await,
            _ => Ok(Value::set(methods::all())),
        };
    }
    let session = text(&call.params[0])?;
    shared.look(|state| sessions::check(&state.database, session))?;
    if asynchronous {
        let Some(special) = special.filter(|special| special.has_async()) else {
            let reason = format!("No async mode for this operation (rpc: {name})");
            return Err(Failure::new("Fault", &[&reason]));
        };
        let result = calls::call(shared, special, session, params).await;
        return shared.change(|state| finished_task(state, name, session, result));
    }
    match method.operation {
        Operation::Special(special) => calls::call(shared, special, session, params).await,
        Operation::Generic(class, generic) => {
            let class = Class::named(class).ok_or_else(|| Failure::internal("missing table"))?;
            if is_read(generic) {
                shared.look(|state| read(state, class, generic, params))
            } else {
                shared.change(|state| write(state, class, generic, params))
            }
        }
    }
}

/// A parameter that must be text.
pub(super) fn text(param: &Value) -> Result<&str, Failure> {
    param.text().ok_or_else(|| Failure::internal(&format!("Rpc.Runtime_error(expected string, got {param:?})")))
}

/// The parameters after the session, if they are as many as the method takes.
fn check_count<'a>(method: &Method, name: &str, params: &'a [Value]) -> Result<&'a [Value], Failure> {
    let sessions = match method.operation {
        Operation::Special(special) => usize::from(special.needs_session()),
        Operation::Generic(..) => 1,
    };
    let (least, most) = method.arity;
    if (least + sessions..=most + sessions).contains(&params.len()) {
        return Ok(&params[sessions..]);
    }
    // A call without even the session has been given "-1" parameters.
    let given = if params.len() < sessions { "-1".to_owned() } else { (params.len() - sessions).to_string() };
    Err(Failure::new("MESSAGE_PARAMETER_COUNT_MISMATCH", &[name, &least.to_string(), &given]))
}

fn is_read(generic: Generic) -> bool {
    matches!(
        generic,
        Generic::GetAll
            | Generic::GetAllRecords
            | Generic::GetRecord
            | Generic::GetByUuid
            | Generic::GetByNameLabel
            | Generic::Get(_)
    )
}

fn read(state: &State, class: &'static Class, generic: Generic, params: &[Value]) -> Result<Value, Failure> {
    let database = &state.database;
    match generic {
        Generic::GetAll => Ok(Value::set(database.refs(class.name))),
        Generic::GetAllRecords => {
            let refs = database.refs(class.name);
            let records = refs.into_iter().map(|object| {
                let record = database.record(class, object.as_str())?;
                Ok((object.0, record))
            });
            records.collect::<Result<_, Failure>>().map(Value::Struct)
        }
        Generic::GetRecord => database.record(class, text(&params[0])?),
        Generic::GetByUuid => {
            let uuid = text(&params[0])?;
            let found = database.find(class.name, "uuid", &uuid.into()).into_iter().next();
            found.map(Value::from).ok_or_else(|| Failure::new("UUID_INVALID", &[class.name, uuid]))
        }
        Generic::GetByNameLabel => Ok(Value::set(database.find(class.name, "name_label", &params[0]))),
        Generic::Get(place) => Ok(database.row(class, text(&params[0])?)?.fields[place].clone()),
        _ => Err(Failure::internal("not a read")),
    }
}

fn write(state: &mut State, class: &'static Class, generic: Generic, params: &[Value]) -> Result<Value, Failure> {
    let database = &mut state.database;
    let object = text(&params[0])?;
    match generic {
        Generic::Set(place) => database.set(class, object, place, params[1].clone())?,
        Generic::AddToMap(place) => {
            database.add_to_map(class, object, place, text(&params[1])?, text(&params[2])?)?;
        }
        Generic::RemoveFromMap(place) => {
            database.remove_from_map(class, object, place, text(&params[1])?)?;
        }
        Generic::AddToSet(place) => {
            database.set_member(class, object, place, params[1].clone(), true)?;
        }
        Generic::RemoveFromSet(place) => {
            database.set_member(class, object, place, params[1].clone(), false)?;
        }
        _ => return Err(Failure::internal("not a write")),
    }
    Ok("".into())
}

/// The task that an asynchronous call left behind.
fn finished_task(
    state: &mut State,
    name: &str,
    session: &str,
    result: Result<Value, Failure>,
) -> Result<Value, Failure> {
    let about =
        [("name_label", Value::String(format!("Async.{name}"))), ("session", session.into()), ("created", now())];
    state.database.create("task", None, about.into_iter().chain(tasks::outcome(result))).map(Ref::into)
}
