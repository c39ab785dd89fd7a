//! The pool's key in `~/.ssh/authorized_keys` of an account in a guest: put there as `ssh-copy-id` does, and taken out so
//! that everything is as it was.
//!
//! Commands are fixed texts for the guest's shell; the key comes on their standard input. What the guest answers is not
//! believed any further than that it is shown: whether the key works is seen by a login. Whether the key came whole is seen by
//! its end, as something in the account may have read what was meant for the script. Single quotes in none of the
//! scripts, so that every login shell passes them on to sh as they are.

use std::fmt;

use super::Problem;
use crate::guest::ssh::{Said, UserName, Visit};

/// Prints what is missing of folder, file, and line break at the file's end, and whether the key is there.
const LOOK: &str = "exec /bin/sh -c 'cd || exit 1; IFS= read -r line; \
    case \"$line\" in \"ssh-rsa \"?*\" xscontainer\") ;; *) echo failed the key did not arrive; exit;; esac; \
    key=${line#* }; key=${key%% *}; file=.ssh/authorized_keys; \
    [ -d .ssh ] || echo no-folder; \
    [ -e $file ] || echo no-file; \
    [ -s $file ] && [ -n \"$(tail -c 1 $file)\" ] && echo no-newline; \
    grep -v \"^[[:space:]]*#\" $file 2>/dev/null | grep -q -F -e \"$key\" && echo present; \
    echo end'";

/// Appends the key, and takes back what it did if that fails, on a full disk for example.
const ADD: &str = "exec /bin/sh -c 'cd || exit 1; umask 077; PATH=$PATH:/usr/sbin:/sbin; IFS= read -r line; \
    case \"$line\" in \"ssh-rsa \"?*\" xscontainer\") ;; *) echo failed the key did not arrive; exit;; esac; \
    file=.ssh/authorized_keys; made=; \
    if [ ! -d .ssh ]; then why=$(mkdir .ssh 2>&1) || { echo \"failed $why\"; exit; }; made=yes; fi; \
    had=; size=0; if [ -e $file ]; then had=yes; size=$(wc -c < $file); fi; \
    break=; [ -s $file ] && [ -n \"$(tail -c 1 $file)\" ] && break=yes; \
    why=$( { [ -z \"$break\" ] || echo; printf \"%s\\n\" \"$line\"; } | cat 2>&1 >> $file ) && \
    [ \"$(tail -n 1 $file)\" = \"$line\" ] || { \
        if [ \"$had\" ]; then dd if=/dev/null of=$file bs=1 seek=$size 2>/dev/null; else rm -f $file; fi; \
        [ -z \"$made\" ] || rmdir .ssh; echo \"failed $why\"; exit; }; \
    if command -v restorecon >/dev/null 2>&1; then restorecon -F .ssh $file >/dev/null 2>&1; fi; \
    echo end'";

/// Takes every line with the key out, then what was missing before. The file stays the one it was.
const REMOVE: &str = "exec /bin/sh -c 'cd || exit 1; umask 077; IFS= read -r line; IFS= read -r before; \
    case \"$line\" in \"ssh-rsa \"?*\" xscontainer\") ;; *) echo failed the key did not arrive; exit;; esac; \
    key=${line#* }; key=${key%% *}; file=.ssh/authorized_keys; copy=$file.xscontainer; \
    [ -e $file ] || { echo end; exit; }; \
    last=; [ \"$(tail -n 1 $file)\" = \"$line\" ] && last=yes; \
    if grep -q -F -e \"$key\" $file; then \
        why=$(grep -v -F -e \"$key\" $file 2>&1 > $copy); \
        if [ $? -gt 1 ]; then rm -f $copy; echo \"failed $why\"; exit; fi; \
        why=$(cat $copy 2>&1 > $file) || { echo \"failed $why; the other keys are in $copy\"; exit; }; \
        rm -f $copy; \
        case $last$before in yes*no-newline*) size=$(wc -c < $file); \
            [ $size -eq 0 ] || dd if=/dev/null of=$file bs=1 seek=$((size - 1)) 2>/dev/null;; esac; \
    fi; \
    case $before in *no-file*) [ -s $file ] || rm -f $file;; esac; \
    case $before in *no-folder*) rmdir .ssh 2>/dev/null;; esac; \
    echo end'";

/// What was missing in the account before the key came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Before {
    no_folder: bool,
    no_file: bool,
    no_newline: bool,
}

impl Before {
    /// From words as `Display` writes them; others are passed over.
    #[must_use]
    pub fn parse(words: &str) -> Self {
        let has = |word: &str| words.split_ascii_whitespace().any(|other| other == word);
        Self { no_folder: has("no-folder"), no_file: has("no-file"), no_newline: has("no-newline") }
    }
}

impl fmt::Display for Before {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [(self.no_folder, "no-folder"), (self.no_file, "no-file"), (self.no_newline, "no-newline")];
        let words: Vec<&str> = words.into_iter().filter_map(|(is, word)| is.then_some(word)).collect();
        f.write_str(&words.join(" "))
    }
}

/// What the account has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether the key is there, outside of comments.
    pub present: bool,
    /// What is missing beside.
    pub before: Before,
}

/// Looks at the account that `visit` is logged in to. `key` is a line as in `authorized_keys`.
///
/// # Errors
/// [`Problem::NoShell`], or the visit's own as `Err(Err(_))`.
pub async fn look(visit: &Visit, user: &UserName, key: &str) -> Result<Look, Failure> {
    let said = answer(visit, user, visit.run(LOOK, format!("{key}\n").as_bytes()).await?)?;
    Ok(Look { present: said.lines().any(|line| line.trim() == "present"), before: Before::parse(&said) })
}

/// Puts the key into the account.
///
/// # Errors
/// [`Failure`]; the account is as before.
pub async fn add(visit: &Visit, user: &UserName, key: &str) -> Result<(), Failure> {
    answer(visit, user, visit.run(ADD, format!("{key}\n").as_bytes()).await?).map(drop)
}

/// Takes the key out of the account, where it need not be, and what was missing `before`.
///
/// # Errors
/// [`Failure`]
pub async fn remove(visit: &Visit, user: &UserName, key: &str, before: Before) -> Result<(), Failure> {
    answer(visit, user, visit.run(REMOVE, format!("{key}\n{before}\n").as_bytes()).await?).map(drop)
}

/// Why it is not done.
#[derive(Debug)]
pub enum Failure {
    /// The connection.
    Unreachable(crate::guest::Unreachable),
    /// The account.
    Account(Problem),
}

impl From<crate::guest::Unreachable> for Failure {
    fn from(cause: crate::guest::Unreachable) -> Self {
        Self::Unreachable(cause)
    }
}

/// What a script said, if it came to its end.
fn answer(visit: &Visit, user: &UserName, said: Said) -> Result<String, Failure> {
    let (address, user) = (visit.address(), user.as_str().to_owned());
    let failed = said.output.lines().find_map(|line| line.trim().strip_prefix("failed"));
    if let Some(cause) = failed {
        return Err(Failure::Account(Problem::KeyFile { address, user, cause: cause.trim().to_owned() }));
    }
    if said.output.lines().any(|line| line.trim() == "end") {
        return Ok(said.output);
    }
    let words =
        [&said.output, &said.errors].into_iter().flat_map(|text| text.lines()).find(|line| !line.trim().is_empty());
    Err(Failure::Account(Problem::NoShell { address, user, said: words.unwrap_or_default().trim().to_owned() }))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;

    const KEY: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAACAQ== xscontainer";

    /// What a script says in this home, run by a login shell.
    fn run(shell: &str, script: &str, home: &Path, input: &str) -> String {
        let mut child = Command::new(shell)
            .args(["-c", script])
            .env_clear()
            .env("HOME", home)
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    }

    /// Everything below a folder: path, mode, content.
    fn listing(home: &Path) -> Vec<(String, u32, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![home.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let data = path.symlink_metadata().unwrap();
                if data.is_dir() {
                    folders.push(path.clone());
                }
                let content = if data.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
                found.push((
                    path.strip_prefix(home).unwrap().display().to_string(),
                    data.permissions().mode(),
                    content,
                ));
            }
        }
        found.sort();
        found
    }

    /// Homes as they may be, by their key file; `None` without a folder.
    const HOMES: [Option<Option<&str>>; 6] = [
        None,
        Some(None),
        Some(Some("")),
        Some(Some("ssh-ed25519 AAAA someone\n")),
        Some(Some("ssh-ed25519 AAAA someone")),
        Some(Some("# ssh-rsa AAAA\n\nssh-ed25519 AAAA someone\n")),
    ];

    fn home(keys: Option<Option<&str>>) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        if let Some(keys) = keys {
            fs::create_dir(home.path().join(".ssh")).unwrap();
            if let Some(keys) = keys {
                fs::write(home.path().join(".ssh/authorized_keys"), keys).unwrap();
            }
        }
        home
    }

    #[test]
    fn a_key_is_added_once_and_removed_without_a_trace_whatever_was_there() {
        for shell in ["sh", "bash"] {
            for keys in HOMES {
                let home = home(keys);
                let (line, file) = (format!("{KEY}\n"), home.path().join(".ssh/authorized_keys"));
                let before = listing(home.path());
                let looked = run(shell, LOOK, home.path(), &line);
                assert!(!looked.contains("present") && looked.ends_with("end\n"), "{looked}");
                assert_eq!(run(shell, ADD, home.path(), &line), "end\n");
                let text = fs::read_to_string(&file).unwrap();
                assert_eq!(text.lines().filter(|line| *line == KEY).count(), 1, "{text}");
                if keys.is_none() {
                    assert_eq!(home.path().join(".ssh").metadata().unwrap().permissions().mode() & 0o777, 0o700);
                    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
                }
                assert!(run(shell, LOOK, home.path(), &line).contains("present"));
                let undo = format!("{KEY}\n{}\n", Before::parse(&looked));
                assert_eq!(run(shell, REMOVE, home.path(), &undo), "end\n");
                assert_eq!(listing(home.path()), before, "{keys:?}");
                assert_eq!(run(shell, REMOVE, home.path(), &undo), "end\n");
            }
        }
    }

    #[test]
    fn keys_that_others_added_meanwhile_stay() {
        let home = home(Some(Some("first")));
        let file = home.path().join(".ssh/authorized_keys");
        run("sh", ADD, home.path(), &format!("{KEY}\n"));
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{text}other\n")).unwrap();
        run("sh", REMOVE, home.path(), &format!("{KEY}\n\n"));
        assert_eq!(fs::read_to_string(&file).unwrap(), "first\nother\n");
    }

    #[test]
    fn a_key_that_does_not_arrive_whole_changes_nothing() {
        let home = home(Some(Some("first\nsecond\n")));
        let before = listing(home.path());
        for input in ["", "\n", "ssh-rsa AAAA", "ssh-rsa AAAA\n\n", &KEY[..30], "no-folder\n"] {
            for script in [LOOK, ADD, REMOVE] {
                assert_eq!(run("sh", script, home.path(), input), "failed the key did not arrive\n", "{input:?}");
            }
        }
        assert_eq!(listing(home.path()), before);
    }

    #[test]
    fn what_others_added_after_the_key_keeps_its_line_break() {
        let home = home(Some(Some("first")));
        let file = home.path().join(".ssh/authorized_keys");
        run("sh", ADD, home.path(), &format!("{KEY}\n"));
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{text}other\n")).unwrap();
        run("sh", REMOVE, home.path(), &format!("{KEY}\nno-newline\n"));
        assert_eq!(fs::read_to_string(&file).unwrap(), "first\nother\n");
    }

    #[test]
    fn a_key_in_a_comment_does_not_count() {
        let home = home(Some(Some(&format!("# {KEY}\n"))));
        assert!(!run("sh", LOOK, home.path(), &format!("{KEY}\n")).contains("present"));
    }

    #[test]
    fn a_file_that_is_a_link_stays_one() {
        let home = home(Some(None));
        fs::write(home.path().join("keys"), "other\n").unwrap();
        symlink("../keys", home.path().join(".ssh/authorized_keys")).unwrap();
        run("sh", ADD, home.path(), &format!("{KEY}\n"));
        run("sh", REMOVE, home.path(), &format!("{KEY}\n\n"));
        assert_eq!(fs::read_to_string(home.path().join("keys")).unwrap(), "other\n");
        assert!(home.path().join(".ssh/authorized_keys").is_symlink());
    }

    #[test]
    fn no_script_has_single_quotes_inside_and_words_are_read_back() {
        for script in [LOOK, ADD, REMOVE] {
            assert_eq!(script.matches('\'').count(), 2, "{script}");
        }
        let before = Before { no_folder: true, no_file: true, no_newline: false };
        assert_eq!(Before::parse(&before.to_string()), before);
    }
}
