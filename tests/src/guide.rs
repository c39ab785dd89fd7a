//! What somebody does who follows a guide: a pure function of its text.

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A file with this content, from a block marked `file=NAME`.
    File {
        name: String,
        content: String,
    },
    Command(Command),
}

/// A command in a block of kind `console`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The last heading of second or third rank above it.
    pub section: String,
    pub place: Where,
    pub text: String,
    /// What the guide says that it prints.
    pub output: Vec<String>,
}

/// Where a command is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// Behind `$`.
    BuildMachine,
    /// Behind `#`.
    Dom0,
    /// Behind `vm#`.
    Vm,
    /// Behind `PS>`.
    Windows,
}

const PROMPTS: [(&str, Where); 4] =
    [("$ ", Where::BuildMachine), ("# ", Where::Dom0), ("vm# ", Where::Vm), ("PS> ", Where::Windows)];

/// What is being read.
enum Block {
    Prose,
    Console,
    File,
    Other,
}

/// The steps of a guide in Markdown. A line that ends with a backslash goes on in the next one.
pub fn read(guide: &str) -> Vec<Step> {
    let (mut found, mut section, mut block): (Vec<Step>, _, _) = (Vec::new(), String::new(), Block::Prose);
    let mut goes_on = false;
    for line in guide.lines() {
        let trimmed = line.trim_start();
        if let Some(kind) = trimmed.strip_prefix("```") {
            block = match block {
                Block::Prose => begin(kind, &mut found),
                _ => Block::Prose,
            };
            goes_on = false;
            continue;
        }
        match &block {
            Block::Prose => {
                if let Some(title) = line.strip_prefix("## ").or_else(|| line.strip_prefix("### ")) {
                    section = title.to_owned();
                }
            }
            Block::Other => {}
            Block::File => {
                if let Some(Step::File { content, .. }) = found.last_mut() {
                    content.push_str(line);
                    content.push('\n');
                }
            }
            Block::Console => {
                let prompt = PROMPTS.iter().find_map(|(prompt, place)| Some((trimmed.strip_prefix(prompt)?, *place)));
                let (text, is_new) = match prompt {
                    Some((behind, place)) if !goes_on => {
                        let (section, text) = (section.clone(), String::new());
                        found.push(Step::Command(Command { section, place, text, output: Vec::new() }));
                        (behind, true)
                    }
                    _ => (trimmed, false),
                };
                let Some(Step::Command(command)) = found.last_mut() else { continue };
                if is_new || goes_on {
                    command.text += text.strip_suffix('\\').unwrap_or(text);
                    goes_on = text.ends_with('\\');
                } else {
                    command.output.push(line.to_owned());
                }
            }
        }
    }
    found
}

fn begin(kind: &str, found: &mut Vec<Step>) -> Block {
    if kind == "console" {
        return Block::Console;
    }
    match kind.split(',').find_map(|word| word.strip_prefix("file=")) {
        Some(name) => {
            found.push(Step::File { name: name.to_owned(), content: String::new() });
            Block::File
        }
        None => Block::Other,
    }
}

/// Whether a program printed what a guide says: line by line, where `…` stands for anything within a line, and a line that is
/// nothing else for any number of lines.
pub fn is_as_told(told: &[String], printed: &str) -> bool {
    let printed: Vec<&str> = printed.lines().map(str::trim_end).collect();
    let told: Vec<&str> = told.iter().map(|line| line.trim_end()).collect();
    lines_match(&told, &printed)
}

fn lines_match(told: &[&str], printed: &[&str]) -> bool {
    match told.split_first() {
        None => printed.iter().all(|line| line.is_empty()),
        Some((&"…", rest)) => (0..=printed.len()).any(|skipped| lines_match(rest, &printed[skipped..])),
        Some((line, rest)) => {
            printed.split_first().is_some_and(|(first, others)| line_matches(line, first) && lines_match(rest, others))
        }
    }
}

fn line_matches(told: &str, printed: &str) -> bool {
    let mut parts = told.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut left) = printed.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
        last = Some(part);
    }
    match last {
        None => left.is_empty(),
        Some(part) => part.is_empty() || printed.ends_with(part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_with_their_places_and_what_they_print() {
        let guide = "# Title\n## One\n```console\n# a \\\n  b\noutput\n\n more\nvm# c\n```\n## Two\n```\n# no command\n```\n  \
                     ```console\n  PS> d\n  $ e\n  ```\n";
        let command = |section: &str, place, text: &str, output: &[&str]| {
            let output = output.iter().map(|line| (*line).to_owned()).collect();
            Step::Command(Command { section: section.to_owned(), place, text: text.to_owned(), output })
        };
        let wanted = [
            command("One", Where::Dom0, "a b", &["output", "", " more"]),
            command("One", Where::Vm, "c", &[]),
            command("Two", Where::Windows, "d", &[]),
            command("Two", Where::BuildMachine, "e", &[]),
        ];
        assert_eq!(read(guide), wanted);
    }

    #[test]
    fn files_are_found_with_their_content() {
        let file = |name: &str, content: &str| Step::File { name: name.to_owned(), content: content.to_owned() };
        let guide = "```toml,file=pack.toml\n[pack]\n\n# $ no command\n```\n```sh\nnothing\n```\n";
        assert_eq!(read(guide), [file("pack.toml", "[pack]\n\n# $ no command\n")]);
    }

    #[test]
    fn what_is_printed_is_compared_but_for_what_differs() {
        let told = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        assert!(is_as_told(&told("a\nb … c\n…\nd"), "a\nb 17 c\nx\ny\nd\n"));
        assert!(is_as_told(&told("…"), ""));
        assert!(is_as_told(&[], ""));
        assert!(!is_as_told(&told("a"), "a\nb\n"));
        assert!(!is_as_told(&told("a\nb"), "a\n"));
        assert!(!is_as_told(&told("b … c"), "b 17 d\n"));
        assert!(!is_as_told(&told("b …c"), "b c d\n"));
    }
}
