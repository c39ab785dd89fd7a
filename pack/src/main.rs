//! `suppack`: see [`pack::commands`].

use std::process::ExitCode;

fn main() -> ExitCode {
    pack::commands::main()
}
