//! What commands a guide has: a pure function of its text.

/// Where a command is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Where {
    /// Behind `#`.
    Dom0,
    /// Behind `vm#`.
    Vm,
    /// Behind `PS>`.
    Windows,
}

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) section: String,
    pub(crate) place: Where,
    pub(crate) text: String,
}

const PROMPTS: [(&str, Where); 3] = [("# ", Where::Dom0), ("vm# ", Where::Vm), ("PS> ", Where::Windows)];

/// The commands in blocks of kind `console`; a line that ends with a backslash goes on in the next one.
pub(crate) fn read(guide: &str) -> Vec<Command> {
    let (mut found, mut section, mut inside): (Vec<Command>, _, _) = (Vec::new(), String::new(), false);
    let mut goes_on = false;
    for line in guide.lines() {
        let trimmed = line.trim_start();
        if trimmed.starts_with("```") {
            inside = trimmed == "```console";
            continue;
        }
        if !inside {
            if let Some(title) = line.strip_prefix("## ").or_else(|| line.strip_prefix("### ")) {
                section = title.to_owned();
            }
            continue;
        }
        let (text, is_new) =
            match PROMPTS.iter().find_map(|(prompt, place)| Some((trimmed.strip_prefix(prompt)?, place))) {
                Some((text, place)) => {
                    found.push(Command { section: section.clone(), place: *place, text: String::new() });
                    (text, true)
                }
                None => (trimmed, false),
            };
        if let (Some(command), true) = (found.last_mut(), is_new || goes_on) {
            command.text += text.strip_suffix('\\').unwrap_or(text);
            goes_on = text.ends_with('\\');
        }
    }
    found
}

#[test]
fn commands_are_found_with_their_places() {
    let guide = "# Title\n## One\n```console\n# a \\\n  b\noutput\nvm# c\n```\n## Two\n```\n# no command\n```\n  ```console\n  PS> d\n  ```\n";
    let found: Vec<_> = read(guide).into_iter().map(|command| (command.section, command.place, command.text)).collect();
    let wanted = [("One", Where::Dom0, "a b"), ("One", Where::Vm, "c"), ("Two", Where::Windows, "d")];
    assert_eq!(found, wanted.map(|(section, place, text)| (section.to_owned(), place, text.to_owned())));
}
