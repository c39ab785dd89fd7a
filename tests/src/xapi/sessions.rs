//! Who is logged in: sessions are objects of the class `session`.
//!
//! Follows xen-api ocaml/xapi/xapi_session.ml, session_check.ml and db_gc_util.ml. Must not know wire formats.

use super::{
    database::Database,
    dates::now,
    schema::Class,
    value::{Failure, Ref, Value},
};

/// Sessions of one originator (for root and unnamed users) or of one user; the oldest goes when there are more
/// (xen-api ocaml/xapi/xapi_globs.ml, `max_sessions_per_originator` and `max_sessions_per_user_name`). xapi looks once
/// in a while, the simulator at login.
pub const SESSIONS_PER_ORIGINATOR: usize = 500;

/// Opens a session for `user` on `host`.
///
/// # Errors
/// `INTERNAL_ERROR` only when the schema lacks a field of sessions.
pub(super) fn open(database: &mut Database, host: &Ref, user: &str, originator: &str) -> Result<Ref, Failure> {
    let fields = [
        ("auth_user_name", Value::from(user)),
        ("originator", originator.into()),
        ("is_local_superuser", true.into()),
        ("this_host", host.into()),
        ("last_active", now()),
        ("validation_time", now()),
    ];
    let session = database.create("session", None, fields)?;
    let mut peers = peers(database, user, originator);
    while peers.len() > SESSIONS_PER_ORIGINATOR {
        close(database, peers.remove(0).as_str())?;
    }
    Ok(session)
}

/// Checks the session that a call brings.
///
/// # Errors
/// `SESSION_INVALID` when it is not open.
pub(super) fn check(database: &Database, session: &str) -> Result<(), Failure> {
    match database.class_of(session) {
        Some(class) if class.name == "session" => Ok(()),
        _ => Err(Failure::new("SESSION_INVALID", &[session])),
    }
}

/// Closes a session; an `event.from` that waits in it fails.
///
/// # Errors
/// `SESSION_INVALID` when it is not open.
pub(super) fn close(database: &mut Database, session: &str) -> Result<(), Failure> {
    check(database, session)?;
    let class = Class::named("session").ok_or_else(|| Failure::internal("missing table session"))?;
    database.destroy(class, session)
}

/// The open sessions of an originator, oldest first.
#[must_use]
pub(super) fn of_originator(database: &Database, originator: &str) -> Vec<Ref> {
    by_age(database, database.find("session", "originator", &originator.into()))
}

/// Closes all sessions.
pub(super) fn close_all(database: &mut Database) {
    for session in database.refs("session") {
        // It was open a moment ago and nothing ran in between.
        let _ = close(database, session.as_str());
    }
}

fn peers(database: &Database, user: &str, originator: &str) -> Vec<Ref> {
    let same_user = database.find("session", "auth_user_name", &user.into());
    if !matches!(user, "" | "root") {
        return by_age(database, same_user);
    }
    of_originator(database, originator).into_iter().filter(|session| same_user.contains(session)).collect()
}

fn by_age(database: &Database, mut sessions: Vec<Ref>) -> Vec<Ref> {
    let created = |session: &Ref| {
        database.table("session").and_then(|table| table.rows.get(session.as_str())).map(|row| row.created)
    };
    sessions.sort_by_key(created);
    sessions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_session_of_an_originator_goes_when_there_are_too_many() {
        let mut database = Database::new();
        let host = Ref::null();
        let other = open(&mut database, &host, "root", "other").unwrap();
        let oldest = open(&mut database, &host, "root", "plugin").unwrap();
        for _ in 0..SESSIONS_PER_ORIGINATOR {
            open(&mut database, &host, "root", "plugin").unwrap();
        }
        assert_eq!(check(&database, oldest.as_str()), Err(Failure::new("SESSION_INVALID", &[oldest.as_str()])));
        assert_eq!(check(&database, other.as_str()), Ok(()));
        assert_eq!(of_originator(&database, "plugin").len(), SESSIONS_PER_ORIGINATOR);
    }
}
