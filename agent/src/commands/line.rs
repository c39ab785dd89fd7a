//! A command line of bash, up to the cursor: its words, and the one that is being written. Must not know what words mean.

/// The word at the cursor.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// What it stands for so far.
    pub(super) text: String,
    /// The quote that is open.
    quote: Option<char>,
    /// The bytes of it, as written, that bash does not replace: up to the last character at which it breaks words
    /// (`COMP_WORDBREAKS` in bash(1)).
    kept: usize,
}

/// The words before the cursor, unquoted, and the one at it.
pub(super) fn words(line: &str) -> (Vec<String>, Word) {
    let (mut words, mut word, mut begun, mut written) = (Vec::new(), Word::default(), false, 0);
    let mut letters = line.chars();
    while let Some(c) = letters.next() {
        let at = written;
        written += c.len_utf8();
        match (word.quote, c) {
            (None, ' ' | '\t' | '\n') => {
                if begun {
                    words.push(std::mem::take(&mut word).text);
                }
                (begun, written) = (false, 0);
                continue;
            }
            (None, '\'' | '"') => word.quote = Some(c),
            (Some(quote), c) if quote == c => word.quote = None,
            (None | Some('"'), '\\') => {
                let next = letters.next();
                written += next.map_or(0, char::len_utf8);
                // Between double quotes it is one itself, but before these (bash(1), QUOTING).
                if word.quote.is_some() && !matches!(next, Some('$' | '`' | '"' | '\\')) {
                    word.text.push(c);
                }
                word.text.extend(next);
            }
            (quote, c) => {
                if quote.is_none() && matches!(c, ':' | '=') {
                    word.kept = at + c.len_utf8();
                }
                word.text.push(c);
            }
        }
        begun = true;
    }
    (words, word)
}

impl Word {
    /// What bash is to put in the place of this word so that it becomes `name`; none if that cannot be written as it was
    /// begun.
    pub(super) fn replaced_by(&self, name: &str) -> Option<String> {
        match self.quote {
            Some('\'') => (!name.contains('\'')).then(|| name.to_owned()),
            Some(_) => Some(escaped(name, |c| matches!(c, '$' | '`' | '"' | '\\'))),
            None => {
                let plain = |c: char| {
                    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':' | '=' | '@' | '+' | ',' | '%')
                };
                escaped(name, |c| !plain(c)).get(self.kept..).map(str::to_owned)
            }
        }
    }
}

fn escaped(name: &str, special: impl Fn(char) -> bool) -> String {
    name.chars().fold(String::new(), |mut escaped, c| {
        if special(c) {
            escaped.push('\\');
        }
        escaped.push(c);
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_bash() {
        for (line, before, text) in [
            ("a b ", &["a", "b"][..], ""),
            ("a b", &["a"], "b"),
            ("a  'b c' d", &["a", "b c"], "d"),
            (r"a b\ c", &["a"], "b c"),
            (r#"a "b \"c"#, &["a"], "b \"c"),
            (r#"a "b \c"#, &["a"], r"b \c"),
            ("a 'b", &["a"], "b"),
            (r"a b\", &["a"], "b"),
            ("", &[], ""),
        ] {
            let (words, word) = words(line);
            assert_eq!((words, word.text.as_str()), (before.iter().map(ToString::to_string).collect(), text), "{line}");
        }
    }
}
