//! The tables: objects, the generation that every change takes, and the memory of what was deleted.
//!
//! Follows xen-api ocaml/database/db_cache_types.ml. Must not know calls, sessions' rules or events' grouping.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

use uuid::Uuid;

use super::{
    schema::{self, CLASSES, Class, Kind},
    value::{Failure, Ref, Value},
};

/// A table forgets its oldest deletions beyond this many (xen-api ocaml/database/db_cache_types.ml, `Table.remove`).
const DELETIONS_KEPT: usize = 512;

/// One object with the generations at which it was made and last changed.
#[derive(Clone, Debug)]
pub struct Row {
    /// In the order of the class's fields.
    pub fields: Vec<Value>,
    /// The generation that its creation took.
    pub created: i64,
    /// The generation that its last change took.
    pub modified: i64,
}

/// What is remembered of an object that is gone.
#[derive(Clone, Debug)]
pub struct Deletion {
    /// What it was called.
    pub reference: String,
    /// The generation that its creation took.
    pub created: i64,
    /// The generation that its deletion took.
    pub deleted: i64,
}

/// The objects of one class.
#[derive(Clone, Debug)]
pub struct Table {
    /// Which class.
    pub class: &'static Class,
    /// The objects by reference.
    pub rows: BTreeMap<String, Row>,
    /// The latest deletions, newest first.
    pub deletions: VecDeque<Deletion>,
}

/// All objects.
#[derive(Debug)]
pub struct Database {
    tables: Vec<Table>,
    classes_of: HashMap<String, &'static Class>,
    generation: i64,
    identity: Uuid,
    identities: u64,
    /// Entries that were added to map fields, for those who measure; nothing is kept without a list.
    pub added: Option<Vec<Added>>,
}

/// An entry that was added to a map field.
#[derive(Clone, Debug)]
pub struct Added {
    /// When.
    pub at: SystemTime,
    /// The object.
    pub object: String,
    /// The entry's key.
    pub key: String,
    /// The entry's value.
    pub value: String,
}

impl Database {
    /// An empty database. The uuids that it gives differ from those of any other one in this process.
    #[must_use]
    pub fn new() -> Self {
        static INSTANCES: AtomicU64 = AtomicU64::new(0);
        let seed = format!("lab {} {}", std::process::id(), INSTANCES.fetch_add(1, Ordering::Relaxed));
        let table = |class| Table { class, rows: BTreeMap::new(), deletions: VecDeque::new() };
        Self {
            tables: CLASSES.iter().map(table).collect(),
            classes_of: HashMap::new(),
            generation: 1,
            identity: Uuid::new_v5(&Uuid::NAMESPACE_OID, seed.as_bytes()),
            identities: 0,
            added: None,
        }
    }

    /// The generation that the next change takes.
    #[must_use]
    pub fn generation(&self) -> i64 {
        self.generation
    }

    /// All tables.
    #[must_use]
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// The table of the class called `class`, if there is one.
    #[must_use]
    pub fn table(&self, class: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.class.name == class)
    }

    /// A uuid that nothing has yet.
    pub fn fresh_uuid(&mut self) -> String {
        self.identities += 1;
        Uuid::new_v5(&self.identity, &self.identities.to_be_bytes()).to_string()
    }

    /// The class of the object.
    #[must_use]
    pub fn class_of(&self, reference: &str) -> Option<&'static Class> {
        self.classes_of.get(reference).copied()
    }

    /// The references of all objects of a class.
    #[must_use]
    pub fn refs(&self, class: &str) -> Vec<Ref> {
        self.table(class).map(|table| table.rows.keys().cloned().map(Ref).collect()).unwrap_or_default()
    }

    /// The references of the objects whose `field` holds `value`.
    #[must_use]
    pub fn find(&self, class: &str, field: &str, value: &Value) -> Vec<Ref> {
        let Some(table) = self.table(class) else {
            return Vec::new();
        };
        let Some(place) = table.class.position(field) else {
            return Vec::new();
        };
        let matching = table.rows.iter().filter(|(_, row)| row.fields[place] == *value);
        matching.map(|(reference, _)| Ref(reference.clone())).collect()
    }

    /// Makes an object; what is not given takes its default, and `uuid` a fresh one.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` for an unknown class or field or a value of another type, or a reference that is taken.
    pub fn create<'a>(
        &mut self,
        class: &str,
        reference: Option<Ref>,
        fields: impl IntoIterator<Item = (&'a str, Value)>,
    ) -> Result<Ref, Failure> {
        let class = Class::named(class).ok_or_else(|| Failure::internal(&format!("missing table {class}")))?;
        let mut values: Vec<Value> = class.fields.iter().map(|field| field.default.clone()).collect();
        for (name, value) in fields {
            let place = place_of(class, name)?;
            values[place] = schema::fit(class.fields[place].kind, value)?;
        }
        let uuid = place_of(class, "uuid")?;
        if values[uuid].text() == Some("") {
            values[uuid] = self.fresh_uuid().into();
        }
        let reference = match reference {
            Some(reference) => reference,
            None => Ref(format!("OpaqueRef:{}", self.fresh_uuid())),
        };
        if self.classes_of.contains_key(reference.as_str()) {
            return Err(Failure::internal(&format!("Integrity_violation({}, {reference})", class.name)));
        }
        let generation = self.take_generation();
        let row = Row { fields: values.clone(), created: generation, modified: generation };
        self.table_mut(class).rows.insert(reference.0.clone(), row);
        self.classes_of.insert(reference.0.clone(), class);
        for (place, value) in values.iter().enumerate() {
            self.link(class, place, value, reference.as_str(), true);
        }
        Ok(reference)
    }

    /// Deletes an object of the class.
    ///
    /// # Errors
    /// `HANDLE_INVALID` when there is none.
    pub fn destroy(&mut self, class: &'static Class, reference: &str) -> Result<(), Failure> {
        let row = self.row(class, reference)?.clone();
        for (place, value) in row.fields.iter().enumerate() {
            self.link(class, place, value, reference, false);
        }
        let deleted = self.take_generation();
        let table = self.table_mut(class);
        table.rows.remove(reference);
        table.deletions.push_front(Deletion { reference: reference.to_owned(), created: row.created, deleted });
        table.deletions.truncate(DELETIONS_KEPT);
        self.classes_of.remove(reference);
        Ok(())
    }

    /// An object of the class.
    ///
    /// # Errors
    /// `HANDLE_INVALID` when there is none.
    pub fn row(&self, class: &'static Class, reference: &str) -> Result<&Row, Failure> {
        let row = self.table(class.name).and_then(|table| table.rows.get(reference));
        row.ok_or_else(|| Failure::handle_invalid(class.name, reference))
    }

    /// All fields of an object.
    ///
    /// # Errors
    /// `HANDLE_INVALID` when there is none.
    pub fn record(&self, class: &'static Class, reference: &str) -> Result<Value, Failure> {
        let row = self.row(class, reference)?;
        Ok(Value::map(class.fields.iter().map(|field| field.name).zip(row.fields.iter().cloned())))
    }

    /// Puts `value` into a field. A value equal to the present one changes nothing and makes no event.
    ///
    /// # Errors
    /// `HANDLE_INVALID` without such an object, `INTERNAL_ERROR` for a value of another type.
    pub fn set(&mut self, class: &'static Class, reference: &str, place: usize, value: Value) -> Result<(), Failure> {
        let value = schema::fit(class.fields[place].kind, value)?;
        let old = self.row(class, reference)?.fields[place].clone();
        if old == value {
            return Ok(());
        }
        self.link(class, place, &old, reference, false);
        self.put(class, reference, place, value.clone());
        self.link(class, place, &value, reference, true);
        Ok(())
    }

    /// Puts an entry into a map field.
    ///
    /// # Errors
    /// `MAP_DUPLICATE_KEY` when the key is there, even with an equal value (xen-api ocaml/database/db_cache_types.ml,
    /// `add_to_map` without `db_idempotent_map`); `INTERNAL_ERROR` for an empty key; as [`Database::set`].
    pub fn add_to_map(
        &mut self,
        class: &'static Class,
        reference: &str,
        place: usize,
        key: &str,
        value: &str,
    ) -> Result<(), Failure> {
        let added = schema::fit(Kind::Map, Value::map([(key, value)]))?;
        let mut map = self.row(class, reference)?.fields[place].clone();
        let (Value::Struct(members), Value::Struct(added)) = (&mut map, added) else {
            return Err(Failure::internal("not a map"));
        };
        for (key, value) in added {
            if key.is_empty() {
                return Err(Failure::internal("Db_cache_types.Empty_key_in_map"));
            }
            if members.iter().any(|(present, _)| *present == key) {
                let field = class.fields[place].name;
                return Err(Failure::new("MAP_DUPLICATE_KEY", &[class.name, field, reference, &key]));
            }
            members.push((key, value));
        }
        if let Some(list) = &mut self.added {
            let (object, key, value) = (reference.to_owned(), key.to_owned(), value.to_owned());
            list.push(Added { at: SystemTime::now(), object, key, value });
        }
        self.set(class, reference, place, map)
    }

    /// Takes an entry out of a map field; without such a key nothing happens.
    ///
    /// # Errors
    /// `HANDLE_INVALID` without such an object.
    pub fn remove_from_map(
        &mut self,
        class: &'static Class,
        reference: &str,
        place: usize,
        key: &str,
    ) -> Result<(), Failure> {
        let mut map = self.row(class, reference)?.fields[place].clone();
        if let Value::Struct(members) = &mut map {
            members.retain(|(present, _)| present != key);
        }
        self.set(class, reference, place, map)
    }

    /// Puts an item into a set field, or takes it out; what is so already stays so.
    ///
    /// # Errors
    /// As [`Database::set`].
    pub fn set_member(
        &mut self,
        class: &'static Class,
        reference: &str,
        place: usize,
        item: Value,
        present: bool,
    ) -> Result<(), Failure> {
        let item = schema::fit(Kind::String, item)?;
        let mut set = self.row(class, reference)?.fields[place].clone();
        if let Value::Array(items) = &mut set {
            items.retain(|other| *other != item);
            if present {
                items.push(item);
            }
        }
        self.set(class, reference, place, set)
    }

    /// Marks an object as changed and returns the generation that this took.
    ///
    /// # Errors
    /// `HANDLE_INVALID` without such an object.
    pub fn touch(&mut self, class: &'static Class, reference: &str) -> Result<i64, Failure> {
        self.row(class, reference)?;
        let generation = self.take_generation();
        if let Some(row) = self.table_mut(class).rows.get_mut(reference) {
            row.modified = generation;
        }
        Ok(generation)
    }

    /// Keeps the set at the other end of a reference in step, which counts as a change of that other object.
    fn link(&mut self, class: &'static Class, place: usize, target: &Value, from: &str, present: bool) {
        let (Kind::Ref, Some(target)) = (class.fields[place].kind, target.text()) else {
            return;
        };
        let Some(other) = self.class_of(target) else {
            return;
        };
        let end = Some((class.name, class.fields[place].name));
        let Some(back) = other.fields.iter().position(|field| field.back == end) else {
            return;
        };
        let Ok(row) = self.row(other, target) else {
            return;
        };
        let mut refs = row.fields[back].items().to_vec();
        refs.retain(|item| item.text() != Some(from));
        if present {
            refs.push(from.into());
        }
        self.put(other, target, back, Value::Array(refs));
    }

    fn put(&mut self, class: &'static Class, reference: &str, place: usize, value: Value) {
        let generation = self.take_generation();
        if let Some(row) = self.table_mut(class).rows.get_mut(reference) {
            row.fields[place] = value;
            row.modified = generation;
        }
    }

    fn take_generation(&mut self) -> i64 {
        self.generation += 1;
        self.generation - 1
    }

    fn table_mut(&mut self, class: &'static Class) -> &mut Table {
        let place = CLASSES.iter().position(|other| other.name == class.name);
        &mut self.tables[place.expect("a Class exists only in CLASSES, which the tables follow")]
    }
}

impl Default for Database {
    fn default() -> Self {
        Self::new()
    }
}

/// The place of a field.
///
/// # Errors
/// `INTERNAL_ERROR` when the class has no such field.
pub(super) fn place_of(class: &Class, field: &str) -> Result<usize, Failure> {
    class.position(field).ok_or_else(|| Failure::internal(&format!("missing field {}.{field}", class.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_forgets_its_oldest_deletions() {
        let mut database = Database::new();
        let class = Class::named("VM").unwrap();
        for _ in 0..DELETIONS_KEPT + 9 {
            let vm = database.create("VM", None, []).unwrap();
            database.destroy(class, vm.as_str()).unwrap();
        }
        assert_eq!(database.table("VM").unwrap().deletions.len(), DELETIONS_KEPT);
    }

    #[test]
    fn the_far_end_of_a_reference_follows_it() {
        let mut database = Database::new();
        let vm = database.create("VM", None, []).unwrap();
        let vif = database.create("VIF", None, [("VM", (&vm).into())]).unwrap();
        let class = Class::named("VM").unwrap();
        let vifs = |database: &Database| database.record(class, vm.as_str()).unwrap().member("VIFs").cloned().unwrap();
        assert_eq!(vifs(&database), Value::set([&vif]));
        database.destroy(Class::named("VIF").unwrap(), vif.as_str()).unwrap();
        assert_eq!(vifs(&database), Value::set::<Value>([]));
    }
}
