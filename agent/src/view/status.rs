//! A container's status in the words that clients match on.
//!
//! XenCenter looks for `Paused` anywhere and for `Up` at the beginning; Xen Orchestra compares with `Up`, `Up (Paused)` and
//! `Exited (137)` as a whole. So what changes by itself, such as `3 minutes` or `(healthy)`, is left out, which also
//! keeps the document the same while nothing happens.

/// `status` and `state` of an engine as one of `Up`, `Up (Paused)`, `Exited (n)`, `Created`, ….
#[must_use]
pub fn normalised(status: &str, state: &str) -> String {
    let status = status.trim_start_matches(|c: char| !c.is_ascii_alphabetic()).trim_end();
    // Some services give the one word in place of the other.
    if matches!(status, "running" | "paused") {
        return normalised("", status);
    }
    let paused = state == "paused" || status.ends_with("(Paused)");
    if status.starts_with("Up") || (status.is_empty() && matches!(state, "running" | "paused" | "stopping")) {
        return if paused { "Up (Paused)" } else { "Up" }.to_owned();
    }
    if status.is_empty() {
        return match state {
            "" => String::new(),
            "configured" | "created" | "initialized" => "Created".to_owned(),
            "exited" | "stopped" => "Exited".to_owned(),
            "removing" => "Removal In Progress".to_owned(),
            other => unknown(other),
        };
    }
    if status.starts_with("Removal") {
        return "Removal In Progress".to_owned();
    }
    let (word, rest) = status.split_once(' ').unwrap_or((status, ""));
    match code(rest) {
        Some(code) if matches!(word, "Exited" | "Restarting") => format!("{word} ({code})"),
        _ => unknown(word),
    }
}

/// Whether a status in these words is that of a container that runs, paused or not.
#[must_use]
pub fn is_up(normalised: &str) -> bool {
    normalised.starts_with("Up")
}

/// The number at the beginning of `(137) 3 minutes ago`.
fn code(rest: &str) -> Option<i64> {
    rest.strip_prefix('(')?.split_once(')')?.0.parse().ok()
}

/// One word that is not known, unless clients would take it for one that is.
fn unknown(word: &str) -> String {
    /// Letters of a word; the longest known one has ten.
    const LETTERS: usize = 24;
    let mut letters = word.chars().filter(char::is_ascii_alphabetic).take(LETTERS);
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    let word: String = first.into_iter().chain(letters).collect();
    let misleads = word.starts_with("Up") || word.starts_with("Removal") || word.contains("Paused");
    if misleads { "Unknown".to_owned() } else { word }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_engines_say_becomes_what_clients_match_on() {
        for (status, state, expected) in [
            ("Up 3 minutes", "running", "Up"),
            ("Up Less than a second", "", "Up"),
            ("Up 2 hours (healthy)", "running", "Up"),
            ("Up 5 seconds (health: starting)", "running", "Up"),
            ("Up 3 minutes (Paused)", "", "Up (Paused)"),
            ("Up 3 minutes", "paused", "Up (Paused)"),
            ("Exited (0) 3 weeks ago", "exited", "Exited (0)"),
            ("Exited (137) About a minute ago", "", "Exited (137)"),
            ("Exited (-1) 1 second ago", "", "Exited (-1)"),
            ("Restarting (1) 5 seconds ago", "restarting", "Restarting (1)"),
            ("Created", "created", "Created"),
            ("Dead", "dead", "Dead"),
            ("Removal In Progress", "removing", "Removal In Progress"),
            ("", "running", "Up"),
            ("", "paused", "Up (Paused)"),
            ("", "exited", "Exited"),
            ("", "configured", "Created"),
            ("running", "", "Up"),
            ("paused", "running", "Up (Paused)"),
            ("", "", ""),
        ] {
            assert_eq!(normalised(status, state), expected, "{status:?} {state:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_one_word_without_times() {
        assert_eq!(normalised("Hibernating since 3 days", ""), "Hibernating");
        assert_eq!(normalised("Exited (0x7f) ago", ""), "Exited");
        assert_eq!(normalised("<script>alert(1)</script>", ""), "Scriptalertscript");
    }

    #[test]
    fn what_is_not_known_is_not_taken_for_what_is() {
        for status in ["U-p", "upgrading", "unPaused", "removal", "(Paused"] {
            assert_eq!(normalised(status, ""), "Unknown", "{status:?}");
        }
        assert_eq!(normalised("", "uploading"), "Unknown");
    }

    proptest! {
        /// Else a client would see a change where there is none.
        #[test]
        fn a_status_in_these_words_stays_as_it_is(
            status in "(Up|Exited|Restarting|Removal|Paused|running|U-p|.{0,3})?( ?\\((Paused|137|-?[0-9]{0,20})\\))?.{0,8}",
            state in "(running|paused|exited|removing|uploading|configured|[a-z]{0,5})",
        ) {
            let once = normalised(&status, &state);
            prop_assert_eq!(normalised(&once, if once.is_empty() { &state } else { "" }), once);
        }
    }
}
