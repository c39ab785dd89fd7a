//! The manual pages of section 8: made from the command lines, and kept equal to those in `spec/dom0`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use crate::Cli;

/// Pages by file name.
fn pages() -> BTreeMap<String, String> {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut pages = BTreeMap::new();
    add(&root, &mut pages);
    pages
}

fn add(command: &Command, pages: &mut BTreeMap<String, String>) {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    pages.insert(format!("{name}.8"), page(command, &name));
    command.get_subcommands().filter(|command| !command.is_hide_set()).for_each(|command| add(command, pages));
}

fn page(command: &Command, name: &str) -> String {
    let mut page = Vec::new();
    let man = Man::new(command.clone()).title(name.to_uppercase()).section("8").date("").source("").manual("");
    man.render_title(&mut page).unwrap();
    man.render_name_section(&mut page).unwrap();
    man.render_synopsis_section(&mut page).unwrap();
    man.render_description_section(&mut page).unwrap();
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut page).unwrap();
    }
    if command.get_subcommands().any(|command| !command.is_hide_set()) {
        man.render_subcommands_section(&mut page).unwrap();
    }
    // clap_mangen breaks lines around blank ones, which need no break.
    let mut page = String::from_utf8(page).unwrap().replace(".br\n\n.br\n", ".sp\n");
    let after = command.get_after_long_help().or_else(|| command.get_after_help());
    page += &laid_out(&after.map(ToString::to_string).unwrap_or_default());
    let see = if command.get_subcommands().next().is_some() { "" } else { ",\n.BR xscontainer (8)" };
    let _ = writeln!(page, ".SH \"SEE ALSO\"\n.BR xscontainer.toml (5){see}");
    page
}

/// The text after a command's help, each of its headings a section. Its lines are laid out already.
fn laid_out(text: &str) -> String {
    let mut page = String::new();
    let mut open = false;
    for line in text.lines().map(|line| line.replace('\\', "\\e").replace('-', "\\-")) {
        match line.strip_suffix(':').filter(|heading| !heading.starts_with(' ')) {
            Some(heading) => {
                page += if open { ".fi\n" } else { "" };
                let _ = writeln!(page, ".SH \"{}\"\n.nf", heading.to_uppercase());
                open = true;
            }
            None if line.is_empty() => {}
            None => {
                let dot = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
                if !open {
                    page += ".SH NOTES\n.nf\n";
                    open = true;
                }
                let _ = writeln!(page, "{dot}{line}");
            }
        }
    }
    page + if open { ".fi\n" } else { "" }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/dom0/usr/share/man/man8")
}

fn delivered() -> BTreeMap<String, String> {
    let files = fs::read_dir(folder()).into_iter().flatten().map(Result::unwrap);
    files.map(|file| (file.file_name().into_string().unwrap(), fs::read_to_string(file.path()).unwrap())).collect()
}

#[test]
fn the_manual_pages_that_are_delivered_are_made_from_the_commands() {
    let (made, delivered) = (pages(), delivered());
    if env::var_os("UPDATE_EXPECT").is_some() {
        fs::create_dir_all(folder()).unwrap();
        delivered
            .keys()
            .filter(|name| !made.contains_key(*name))
            .for_each(|name| fs::remove_file(folder().join(name)).unwrap());
        made.iter().for_each(|(name, page)| fs::write(folder().join(name), page).unwrap());
        return;
    }
    let names = |pages: &BTreeMap<String, String>| pages.keys().cloned().collect::<Vec<_>>();
    let stale: Vec<&String> =
        made.iter().filter(|(name, page)| delivered.get(*name) != Some(page)).map(|(name, _)| name).collect();
    assert!(
        stale.is_empty() && names(&made) == names(&delivered),
        "the commands changed, and these manual pages did not: {stale:?}. Run: UPDATE_EXPECT=1 cargo test -p agent --bin xscontainer pages"
    );
}
