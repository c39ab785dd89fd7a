//! Somebody who follows the guide, in a folder and a home of their own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use lab::programs;
use lab::tools::{command, outcome, succeed};

pub(crate) struct Author {
    folder: tempfile::TempDir,
}

impl Author {
    /// In a folder with the two packages that the guide begins with: made as it says at the end of the page.
    pub(crate) fn new() -> Author {
        let author = Author { folder: tempfile::tempdir().unwrap() };
        for folder in ["work", "home", "bin"] {
            fs::create_dir(author.folder.path().join(folder)).unwrap();
        }
        std::os::unix::fs::symlink(programs::suppack(), author.folder.path().join("bin/suppack")).unwrap();
        let page = fs::read_to_string(super::source().join("first-pack.md")).unwrap();
        for step in lab::guide::read(&page) {
            if let lab::guide::Step::File { name, content } = step {
                author.write(&name, &content);
            }
        }
        let script = page.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        succeed(&mut author.shell(script));
        author
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        let file = self.work().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }

    /// Types a command; what it prints.
    pub(crate) fn run(&self, text: &str) -> String {
        let said = outcome(&mut self.shell(text));
        assert!(said.success, "{text}: exit code {:?}\n{}", said.code, said.text);
        said.text
    }

    fn shell(&self, text: &str) -> Command {
        // As it stands on a terminal: both outputs in their order.
        let mut shell = command("bash", ["-e", "-o", "pipefail", "-c", &format!("exec 2>&1\n{text}")]);
        let path = format!("{}:{}", self.folder.path().join("bin").display(), std::env::var("PATH").unwrap());
        shell.current_dir(self.work()).env("HOME", self.folder.path().join("home")).env("PATH", path);
        shell.env_remove("XDG_CONFIG_HOME").env("COLUMNS", "100");
        shell
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }
}
