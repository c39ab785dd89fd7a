//! The list of containers, and what is left out of it when there is no room.
//!
//! XAPI takes requests of at most 300 KiB (xen-api ocaml/xapi-consts/constants.ml), and XenCenter writes the whole of
//! `other_config` back when a VM's properties are changed, so the list is kept well below that as it is sent.

use std::cmp::Reverse;
use std::fmt;

use super::characters::clean;
use super::description::MAX_DESCRIPTION;
use super::status::{is_up, normalised};
use super::xml::Document;
use crate::engine::{Container, Containers, Port};
use crate::xapi::encode::sent_bytes;

/// Bytes as sent. More than the default is not taken by XAPI and clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of the list.
    pub list: usize,
    /// Of the whole map.
    pub map: usize,
}

impl Limits {
    /// The most that XAPI and clients take.
    pub const MOST: Self = Self { list: 180 * 1024, map: 260 * 1024 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::MOST
    }
}

/// Bytes left to `docker_info` and `docker_version`, as sent.
const OTHER_VIEWS: usize = 2 * MAX_DESCRIPTION;

/// Characters of a command when there is not room for all of it.
const SHORT_COMMAND: usize = 64;

/// The last second that .NET's dates have, that of the year 9999; JavaScript's go further.
const LAST_SECOND: i64 = 253_402_300_799;

/// How much room there is for the list, bytes as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room(usize);

impl Room {
    /// What the rest of a VM's `other_config` leaves, which has so many bytes as sent.
    #[must_use]
    pub fn beside(rest: usize) -> Self {
        Self::beside_within(rest, Limits::MOST)
    }

    /// As [`Room::beside`], with limits that may be lower.
    #[must_use]
    pub fn beside_within(rest: usize, Limits { list, map }: Limits) -> Self {
        Self(map.min(Limits::MOST.map).saturating_sub(rest + OTHER_VIEWS).min(list).min(Limits::MOST.list))
    }
}

/// A list of containers for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ps {
    /// `docker_ps`.
    pub document: String,
    /// What there was no room for.
    pub left_out: LeftOut,
}

/// What a list leaves out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Commands that are cut short.
    pub commands: usize,
    /// Stopped containers whose ports are not shown.
    pub ports: usize,
    /// Stopped containers that are not shown.
    pub stopped: usize,
    /// Running containers that are not shown.
    pub running: usize,
    /// Containers beyond what is read of an engine at all.
    pub beyond_limit: usize,
}

impl LeftOut {
    /// Whether everything is shown.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { commands, ports, stopped, running, beyond_limit } = *self;
        f.write_str("There are more containers in this VM than there is room for in XAPI.")?;
        let parts = [
            (stopped, "stopped containers are not shown"),
            (running, "running containers are not shown, the oldest ones"),
            (beyond_limit, "more containers were not read"),
            (commands, "commands are cut short"),
            (ports, "stopped containers are shown without their ports"),
        ];
        for (count, what) in parts.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, " {count} {what}.")?;
        }
        f.write_str(" Remove those that are not needed: docker container prune")
    }
}

/// A container as it will be shown.
struct Entry<'a> {
    container: &'a Container,
    status: String,
    up: bool,
    short_command: bool,
    ports: bool,
}

/// The document with those of `containers` that have `room`, the newest first. The same containers in another order give
/// the same document.
#[must_use]
pub fn ps(containers: &Containers, room: Room) -> Ps {
    let mut entries: Vec<Entry<'_>> = containers.list.iter().map(entry).collect();
    let newest_first = |one: &Entry<'_>, other: &Entry<'_>| {
        let at = |entry: &Entry<'_>| Reverse(entry.container.created);
        at(one).cmp(&at(other)).then_with(|| one.container.id.cmp(&other.container.id))
    };
    entries.sort_by(newest_first);
    let mut left_out = LeftOut { beyond_limit: containers.beyond_limit, ..LeftOut::default() };
    let frame = sent_bytes(&document(&[])) + sent_bytes("<docker_ps></docker_ps>");
    let room = room.0.saturating_sub(frame);
    let mut sizes: Vec<usize> = entries.iter().map(sent).collect();
    let mut total: usize = sizes.iter().sum();

    if total > room {
        for (entry, size) in entries.iter_mut().zip(&mut sizes) {
            if entry.container.command.chars().nth(SHORT_COMMAND).is_some() {
                entry.short_command = true;
                left_out.commands += 1;
                change(entry, size, &mut total);
            }
        }
    }
    if total > room {
        for (entry, size) in entries.iter_mut().zip(&mut sizes) {
            if !entry.up && !entry.container.ports.is_empty() {
                entry.ports = false;
                left_out.ports += 1;
                change(entry, size, &mut total);
            }
        }
    }
    // The stopped ones go first, and of each the oldest.
    for up in [false, true] {
        for at in (0..entries.len()).rev() {
            if total <= room {
                break;
            }
            if entries[at].up == up && sizes[at] > 0 {
                total -= std::mem::take(&mut sizes[at]);
                *(if up { &mut left_out.running } else { &mut left_out.stopped }) += 1;
                left_out.commands -= usize::from(entries[at].short_command);
                left_out.ports -= usize::from(!entries[at].ports);
            }
        }
    }
    let shown: Vec<&Entry<'_>> =
        entries.iter().zip(&sizes).filter(|(_, size)| **size > 0).map(|(entry, _)| entry).collect();
    Ps { document: document(&shown), left_out }
}

fn entry(container: &Container) -> Entry<'_> {
    let status = normalised(&container.status, &container.state);
    let up = is_up(&status);
    Entry { container, status, up, short_command: false, ports: true }
}

fn change(entry: &Entry<'_>, size: &mut usize, total: &mut usize) {
    let now = sent(entry);
    *total = *total - *size + now;
    *size = now;
}

/// How long an entry is, as sent.
fn sent(entry: &Entry<'_>) -> usize {
    let mut xml = Document::new();
    let empty = sent_bytes(&Document::new().finish());
    push(&mut xml, entry);
    sent_bytes(&xml.finish()) - empty
}

fn document(entries: &[&Entry<'_>]) -> String {
    let mut xml = Document::new();
    xml.element(super::PS, |xml| entries.iter().for_each(|entry| push(xml, entry)));
    xml.finish()
}

/// XenCenter takes every `entry` at any depth; Xen Orchestra wants one in every `item`.
fn push(xml: &mut Document, entry: &Entry<'_>) {
    let Entry { container, status, short_command, ports, .. } = entry;
    let id = container.id.as_str();
    // What is left of a name of nothing but control characters.
    let name = if clean(&container.name).next().is_none() { beginning(id, 12) } else { &container.name };
    xml.element("item", |xml| {
        xml.element("entry", |xml| {
            xml.leaf("id", id);
            xml.leaf("names", name);
            xml.leaf("container", beginning(id, 10));
            xml.leaf("status", status);
            xml.leaf("created", &container.created.clamp(0, LAST_SECOND).to_string());
            xml.leaf("image", &container.image);
            match short_command {
                false => xml.leaf("command", &container.command),
                true => {
                    xml.leaf("command", &format!("{}\u{2026}", beginning(&container.command, SHORT_COMMAND)));
                }
            }
            xml.element("ports", |xml| {
                for port in if *ports { in_order(&container.ports) } else { Vec::new() } {
                    xml.element("item", |xml| {
                        if let Some(ip) = &port.ip {
                            xml.leaf("IP", ip);
                        }
                        xml.leaf("PrivatePort", &port.private.to_string());
                        if let Some(public) = port.public {
                            xml.leaf("PublicPort", &public.to_string());
                        }
                        xml.leaf("Type", &port.protocol);
                    });
                }
            });
        });
    });
}

/// Docker keeps ports in a map of Go and lists them in another order every time.
fn in_order(ports: &[Port]) -> Vec<&Port> {
    let mut ports: Vec<&Port> = ports.iter().collect();
    ports.sort_by_key(|port| (port.private, &port.protocol, &port.ip, port.public));
    ports
}

/// The first `characters` of a text.
fn beginning(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests;
