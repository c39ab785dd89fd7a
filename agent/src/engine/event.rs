//! One event of an engine, and whether it says that anything shown has changed.
//!
//! Both shapes: `status`, `id` and `from` until API 1.51, and `Type`, `Action` and `Actor` since API 1.22 (Docker Engine
//! API, version history). Must not know how the bytes came.

use serde::Deserialize;

use super::lenient::Text;

/// Bytes of one event: labels are in it, which are passed over.
pub const MAX_EVENT: usize = 64 * 1024;

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A container.
    Container,
    /// An image.
    Image,
    /// A network, a volume, the engine, …
    Other,
}

/// Something that happened in an engine. Events are hints: what they say is never shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is about.
    pub subject: Subject,
    /// What happened, such as `start`.
    pub action: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawEvent {
    status: Text<64>,
    #[serde(rename = "Type")]
    kind: Text<32>,
    #[serde(rename = "Action")]
    action: Text<64>,
}

impl Event {
    /// From one JSON object; none if it is not an event.
    pub(super) fn read(object: &[u8]) -> Option<Self> {
        let raw: RawEvent = serde_json::from_str(&String::from_utf8_lossy(object)).ok()?;
        let action = raw.action.0.or(raw.status.0)?;
        let subject = match raw.kind.0.as_deref() {
            Some("container") => Subject::Container,
            Some("image") => Subject::Image,
            Some(_) => Subject::Other,
            None if is_image_action(&action) => Subject::Image,
            None => Subject::Container,
        };
        Some(Self { subject, action })
    }

    /// Whether the list of containers may be another now.
    #[must_use]
    pub fn changes_containers(&self) -> bool {
        self.subject == Subject::Container && !changes_nothing(&self.action)
    }

    /// Whether the engine's description of itself may be another now: it counts containers and images.
    #[must_use]
    pub fn changes_info(&self) -> bool {
        match self.subject {
            Subject::Container => matches!(self.action.as_str(), "create" | "destroy" | "remove"),
            Subject::Image => !matches!(self.action.as_str(), "push" | "save"),
            Subject::Other => false,
        }
    }
}

/// Before API 1.22 images and containers were told apart by what happened to them.
fn is_image_action(action: &str) -> bool {
    matches!(action, "delete" | "import" | "load" | "pull" | "push" | "save" | "tag" | "untag")
}

/// Actions after which a container looks as before. What looking at containers causes must be among them (`top` is an
/// event), or looking would never end. Anything else, also what is not known yet, counts as a change.
fn changes_nothing(action: &str) -> bool {
    let of_several_words = ["exec_", "exec", "health_status", "healthcheck"];
    matches!(
        action,
        "archive-path"
            | "attach"
            | "checkpoint"
            | "commit"
            | "copy"
            | "detach"
            | "export"
            | "extract-to-dir"
            | "logs"
            | "mount"
            | "resize"
            | "stats"
            | "top"
            | "unmount"
    ) || of_several_words.iter().any(|start| action.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Event {
        Event::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn both_shapes_are_read() {
        let old = r#"{"status":"start","id":"dd","from":"busybox","time":1466755200}"#;
        let both =
            r#"{"status":"start","id":"dd","from":"busybox","Type":"container","Action":"start","Actor":{"ID":"dd"}}"#;
        let new =
            r#"{"Type":"container","Action":"start","Actor":{"ID":"dd","Attributes":{"name":"x"}},"scope":"local"}"#;
        let start = Event { subject: Subject::Container, action: "start".into() };
        assert_eq!([read(old), read(both), read(new)], [start.clone(), start.clone(), start]);
    }

    #[test]
    fn what_changes_a_container_is_told_from_what_does_not() {
        for action in
            ["create", "start", "die", "stop", "pause", "unpause", "rename", "destroy", "restart", "oom", "cleanup"]
        {
            assert!(Event { subject: Subject::Container, action: action.into() }.changes_containers(), "{action}");
        }
        for action in ["top", "exec_create: sh -c x", "exec_die", "attach", "health_status: healthy", "resize"] {
            assert!(!Event { subject: Subject::Container, action: action.into() }.changes_containers(), "{action}");
        }
        assert!(!read(r#"{"Type":"network","Action":"connect"}"#).changes_containers());
    }

    #[test]
    fn what_is_counted_in_the_description_is_followed() {
        assert!(read(r#"{"status":"create","id":"x"}"#).changes_info());
        assert!(read(r#"{"status":"untag","id":"x"}"#).changes_info());
        assert!(read(r#"{"Type":"image","Action":"pull"}"#).changes_info());
        assert!(!read(r#"{"Type":"container","Action":"start"}"#).changes_info());
    }

    #[test]
    fn what_is_no_event_is_none() {
        for text in ["{}", r#"{"Action":null}"#, r#"{"Action":"#, "[]"] {
            assert_eq!(Event::read(text.as_bytes()), None, "{text}");
        }
    }
}
