//! The text that configures a VM: what is made of it for one VM. Pure; knows no XAPI and no YAML.
//!
//! Placeholders and their spellings are those of the original (xenserver/xscontainer
//! src/xscontainer/data/cloud-config.README); the ones that begin with `XS` are older.

use std::mem;

/// What the text is normalised to have at most, bytes. XAPI takes no call of more than 300 KiB.
pub const MAX_BYTES: usize = 1 << 20;

/// What a placeholder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    HostName,
    PublicKey,
    /// The number of the VM's connection to the host-internal network.
    Device,
    /// Begins a section for VMs that have such a connection.
    Begin,
    /// Ends it.
    End,
}

const WORDS: [(&str, Word); 10] = [
    ("%VMNAMETOHOSTNAME%", Word::HostName),
    ("%XSVMNAMETOHOSTNAME%", Word::HostName),
    ("%CONTAINERRSAPUB%", Word::PublicKey),
    ("%XSCONTAINERRSAPUB%", Word::PublicKey),
    ("%HIN%", Word::Device),
    ("%XSHIN%", Word::Device),
    ("%HINEXISTS%", Word::Begin),
    ("%XSHINEXISTS%", Word::Begin),
    ("%ENDHINEXISTS%", Word::End),
    ("%XSENDHINEXISTS%", Word::End),
];

/// How a line break is written where there can be none, as on the command line of `xe`.
const BREAK: &str = "%BR%";

/// The text as it is kept: lines end in LF, however they came, nothing is around it.
#[must_use]
pub fn normalised(text: &str) -> String {
    let text = text.replace(BREAK, "\n").replace("\r\n", "\n").replace('\r', "\n");
    // A byte order mark would hide the first line's `#cloud-config`.
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}').to_owned()
}

/// What the placeholders of a text become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values {
    /// [`host_name`] of the VM.
    pub host_name: String,
    /// The pool's public key, the word in base64 alone. Without it the placeholder stays.
    pub public_key: Option<String>,
    /// The number of the VM's connection to the host-internal network; sections stay if it has one.
    pub device: Option<String>,
}

/// Whether a text has a placeholder for the pool's key.
#[must_use]
pub fn wants_key(text: &str) -> bool {
    pieces(text).any(|piece| matches!(piece, Piece::Word(_, Word::PublicKey)))
}

/// Whether it matters to a text if the VM is connected to the host-internal network.
#[must_use]
pub fn wants_device(text: &str) -> bool {
    pieces(text).any(|piece| matches!(piece, Piece::Word(_, Word::Device | Word::Begin)))
}

/// The text for one VM. What is put in is not looked at again.
#[must_use]
pub fn rendered(text: &str, values: &Values) -> String {
    let resolved = resolve(text, values.device.is_some());
    let value = |word| match word {
        Word::HostName => Some(values.host_name.as_str()),
        Word::PublicKey => values.public_key.as_deref(),
        Word::Device => values.device.as_deref(),
        Word::Begin | Word::End => None,
    };
    let put = |piece| match piece {
        Piece::Text(text) => text,
        Piece::Word(spelling, word) => value(word).unwrap_or(spelling),
    };
    resolved.into_iter().map(put).collect()
}

/// The text without its sections, other placeholders untouched.
#[must_use]
pub fn without_sections(text: &str) -> String {
    let as_written = |piece| match piece {
        Piece::Text(text) | Piece::Word(text, _) => text,
    };
    resolve(text, false).into_iter().map(as_written).collect()
}

/// A name for the VM in its network: letters and digits of what people call it, at most 63 as DNS has it (RFC 1123,
/// 2.1). A VM whose name has none of them is called after its uuid.
#[must_use]
pub fn host_name(vm_name: &str, uuid: &str) -> String {
    let plain = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).take(63).collect()
    };
    match plain(vm_name) {
        name if name.is_empty() => format!("vm{}", plain(uuid).get(..8).unwrap_or_default()),
        name => name,
    }
}

/// Whether a text lets us in: a line that puts the pool's key into a list, and is no comment.
#[must_use]
pub fn marks_monitorable(text: &str) -> bool {
    text.lines().any(|line| {
        let item = line.trim_start().strip_prefix("- ").map(|item| item.trim_start().trim_start_matches(['"', '\'']));
        let key = item.and_then(|item| item.strip_prefix("ssh-rsa ")).map(str::trim_start);
        key.is_some_and(|key| key.starts_with("%CONTAINERRSAPUB%") || key.starts_with("%XSCONTAINERRSAPUB%"))
    })
}

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    /// A placeholder as it is spelled.
    Word(&'a str, Word),
}

/// The text in pieces, in order and without gaps.
fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let starts = |at: usize| WORDS.iter().find(|(spelling, _)| rest[at..].starts_with(spelling));
        let found =
            rest.match_indices('%').find_map(|(at, _)| starts(at).map(|(spelling, word)| (at, spelling, *word)));
        let (piece, length) = match found {
            Some((0, spelling, word)) => (Piece::Word(&rest[..spelling.len()], word), spelling.len()),
            Some((at, ..)) => (Piece::Text(&rest[..at]), at),
            None if rest.is_empty() => return None,
            None => (Piece::Text(rest), rest.len()),
        };
        rest = &rest[length..];
        Some(piece)
    })
}

/// Takes out sections if they are not to be kept, and else their marks. A mark without its other half stays.
fn resolve(text: &str, keep: bool) -> Vec<Piece<'_>> {
    let mut done: Vec<Piece<'_>> = Vec::new();
    // Where sections begin in `done` that have not ended yet.
    let mut open = Vec::new();
    for piece in pieces(text) {
        match piece {
            Piece::Word(_, Word::Begin) => {
                open.push(done.len());
                done.push(piece);
            }
            Piece::Word(_, Word::End) => match open.pop() {
                Some(begin) if keep => _ = mem::replace(&mut done[begin], Piece::Text("")),
                Some(begin) => done.truncate(begin),
                None => done.push(piece),
            },
            _ => done.push(piece),
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(device: Option<&str>) -> Values {
        Values { host_name: "web1".into(), public_key: Some("AAAAB3".into()), device: device.map(str::to_owned) }
    }

    #[test]
    fn every_placeholder_is_replaced_in_both_spellings() {
        for prefix in ["", "XS"] {
            let text = format!("%{prefix}VMNAMETOHOSTNAME% %{prefix}CONTAINERRSAPUB% %{prefix}HIN%");
            assert_eq!(rendered(&text, &values(Some("3"))), "web1 AAAAB3 3");
        }
    }

    #[test]
    fn sections_stay_for_vms_with_a_connection_and_go_for_others() {
        for (begin, end) in [("%HINEXISTS%", "%ENDHINEXISTS%"), ("%XSHINEXISTS%", "%XSENDHINEXISTS%")] {
            let text = format!("a\n{begin}eth%HIN%\n{end}b{begin}c{end}");
            assert_eq!(rendered(&text, &values(Some("0"))), "a\neth0\nbc");
            assert_eq!(rendered(&text, &values(None)), "a\nb");
            assert_eq!(without_sections(&text), "a\nb");
        }
    }

    #[test]
    fn marks_without_their_other_half_stay() {
        for text in ["%HINEXISTS% a", "a %ENDHINEXISTS% %HINEXISTS%", "%HIN %VMNAMETOHOSTNAME", "100%", "%%"] {
            for device in [None, Some("1")] {
                assert_eq!(rendered(text, &values(device)), text);
            }
        }
        assert_eq!(rendered("%HINEXISTS%a%HINEXISTS%b%ENDHINEXISTS%", &values(None)), "%HINEXISTS%a");
    }

    #[test]
    fn what_is_put_in_is_not_replaced_again() {
        let values = Values {
            host_name: "%CONTAINERRSAPUB%".into(),
            public_key: Some("%HIN%%HINEXISTS%".into()),
            device: Some("%ENDHINEXISTS%".into()),
        };
        let text = "%VMNAMETOHOSTNAME%|%CONTAINERRSAPUB%|%HIN%";
        assert_eq!(rendered(text, &values), "%CONTAINERRSAPUB%|%HIN%%HINEXISTS%|%ENDHINEXISTS%");
    }

    #[test]
    fn a_placeholder_that_has_no_value_stays() {
        assert_eq!(rendered("%CONTAINERRSAPUB% %HIN%", &Values::default()), "%CONTAINERRSAPUB% %HIN%");
    }

    #[test]
    fn lines_end_in_lf_and_nothing_is_around() {
        assert_eq!(normalised("\u{feff} #cloud-config%BR%a\r\nb\rc\n\n"), "#cloud-config\na\nb\nc");
    }

    #[test]
    fn host_names_are_letters_and_digits() {
        let uuid = "0f00ba11-0000-0000-0000-000000000000";
        for (name, host) in [
            ("Web Server #1 (test)", "webserver1test"),
            ("größe_Ä9", "gre9"),
            ("Ⅷ ٣", "vm0f00ba11"),
            ("", "vm0f00ba11"),
            (&"x".repeat(200), &"x".repeat(63)),
        ] {
            assert_eq!(host_name(name, uuid), host, "{name}");
        }
    }

    #[test]
    fn a_text_that_lets_us_in_is_told_from_one_that_does_not() {
        for (text, marks) in [
            ("keys:\n  - ssh-rsa %CONTAINERRSAPUB%", true),
            ("- ssh-rsa %XSCONTAINERRSAPUB% comment", true),
            ("\t- \"ssh-rsa %CONTAINERRSAPUB%\"", true),
            ("  # - ssh-rsa %CONTAINERRSAPUB%", false),
            ("#- ssh-rsa %CONTAINERRSAPUB%", false),
            ("  - ssh-rsa AAAA # %CONTAINERRSAPUB%", false),
            ("key: ssh-rsa %CONTAINERRSAPUB%", false),
        ] {
            assert_eq!(marks_monitorable(text), marks, "{text}");
        }
    }

    #[test]
    fn what_a_text_depends_on_is_known() {
        assert!(wants_key("%XSCONTAINERRSAPUB%") && !wants_key("%HIN%"));
        assert!(wants_device("%HIN%") && wants_device("%HINEXISTS%") && !wants_device("%VMNAMETOHOSTNAME% %ENDHIN%"));
    }

    /// Texts in which placeholders, whole and broken, are as likely as anything else.
    fn texts() -> impl Strategy<Value = String> {
        let words: Vec<&'static str> = WORDS.iter().map(|(spelling, _)| *spelling).collect();
        let piece = prop_oneof![
            proptest::sample::select(words).prop_map(str::to_owned),
            proptest::sample::select(vec!["%", "\r", "\n", "\r\n", " ", "%BR%", "HIN%", "é", "- ssh-rsa "])
                .prop_map(str::to_owned),
            "[a-z%]{0,4}",
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(text in texts()) {
            let once = normalised(&text);
            prop_assert_eq!(normalised(&once), once);
        }

        #[test]
        fn pieces_together_are_the_text(text in texts()) {
            let again: String = pieces(&text).map(|piece| match piece {
                Piece::Text(text) | Piece::Word(text, _) => text,
            }).collect();
            prop_assert_eq!(again, text);
        }

        #[test]
        fn a_text_without_placeholders_stays_as_it_is(text in "[^%]*") {
            prop_assert_eq!(rendered(&text, &values(None)), text);
        }
    }
}
