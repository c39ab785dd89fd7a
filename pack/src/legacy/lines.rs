//! A second opinion on metadata: how the vendor's shell installer reads it, by lines and patterns (supp-pack-build,
//! `suppack-install.sh`: `read`, `expr` and `sed`). It knows no entities, no single quotes, and takes the last of several
//! attributes whose names end alike.

/// Elements of a name with everything in them, one text each.
///
/// # Errors
/// A line on which that reader would hang or lose text.
pub fn elements(text: &str, name: &str) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    let mut current = String::new();
    let mut depth = 0_usize;
    for (number, line) in text.lines().enumerate() {
        if line.contains('\\') {
            return Err(format!("has a backslash in line {}, which the shell's reader drops", number + 1));
        }
        let mut rest = line.trim_matches([' ', '\t']);
        while !rest.is_empty() {
            let end = rest.find('<').unwrap_or(rest.len());
            if depth > 0 {
                current += &rest[..end];
            }
            rest = &rest[end..];
            if rest.is_empty() {
                break;
            }
            let end = rest[1..].find(['<', '>']).map(|end| end + 1).filter(|end| rest[*end..].starts_with('>'));
            let end = end.ok_or_else(|| {
                format!("has a tag that does not end on its line {}, where the shell's reader would hang", number + 1)
            })?;
            let tag = &rest[..=end];
            rest = &rest[end + 1..];
            let inner = tag[1..].trim_end_matches('>');
            let is_name = |inner: &str| inner == name || inner.strip_prefix(name).is_some_and(|r| r.starts_with(' '));
            if let Some(inner) = inner.strip_suffix('/').filter(|inner| is_name(inner)) {
                let _ = inner;
                if depth == 0 {
                    found.push(tag.to_owned());
                    continue;
                }
            } else if is_name(inner) {
                depth += 1;
            } else if inner.strip_prefix('/') == Some(name) {
                depth = depth.saturating_sub(1);
                current += tag;
                if depth == 0 {
                    found.push(std::mem::take(&mut current));
                }
                continue;
            }
            if depth > 0 {
                current += tag;
            }
        }
    }
    Ok(found)
}

/// The value of an attribute: what follows the last `name="` that a quote ends.
pub fn attribute(element: &str, name: &str) -> Option<String> {
    let pattern = format!("{name}=\"");
    element.rmatch_indices(&pattern).find_map(|(at, _)| {
        let value = &element[at + pattern.len()..];
        value.split_once('"').map(|(value, _)| value.to_owned())
    })
}

/// The text between the first tag and the next.
pub fn character_data(element: &str) -> Option<String> {
    let (_, rest) = element.split_once('<')?;
    let (_, rest) = rest.split_once('>')?;
    rest.split_once('<').map(|(text, _)| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_attributes_and_texts_are_found_as_the_shell_finds_them() {
        let text =
            "<packages>\n  <package label=\"a\" md5=\"1\">a.rpm</package>\n  <package label=\"b\"/>\n</packages>";
        let found = elements(text, "package").unwrap();
        assert_eq!(found, ["<package label=\"a\" md5=\"1\">a.rpm</package>", "<package label=\"b\"/>"]);
        assert_eq!(attribute(&found[0], "md5").as_deref(), Some("1"));
        assert_eq!(character_data(&found[0]).as_deref(), Some("a.rpm"));
        assert_eq!(attribute(&found[1], "md5"), None);
        assert_eq!(character_data(&found[1]), None);
    }

    #[test]
    fn what_only_xml_knows_is_read_otherwise() {
        assert_eq!(attribute("<a name='x' surname=\"y\"/>", "name").as_deref(), Some("y"));
        assert_eq!(attribute("<a name=\"x\" nickname=\"y\"/>", "name").as_deref(), Some("y"));
        assert_eq!(character_data("<a>1 &amp; 2</a>").as_deref(), Some("1 &amp; 2"));
    }

    #[test]
    fn lines_on_which_the_shell_would_hang_or_lose_text_are_told() {
        assert!(elements("<a\n b=\"1\"/>", "a").unwrap_err().contains("line 1"));
        assert!(elements("<a b=\"<\"/>", "a").unwrap_err().contains("hang"));
        assert!(elements("<a>\\n</a>", "a").unwrap_err().contains("backslash"));
    }
}
