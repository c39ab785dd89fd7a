//! `simxapi`: serves a simulated XAPI until it is told to end.

use std::{net::SocketAddr, path::PathBuf};

use clap::Parser;
use lab::xapi::{Config, ONE_HOST, Xapi};
use tokio::signal::unix::{SignalKind, signal};

/// A simulated XAPI (the management API of XenServer and XCP-ng) for trying clients against.
///
/// Serves XML-RPC at / and /RPC2 and JSON-RPC at /jsonrpc. Prints one line for each address when it is ready, and runs
/// until SIGTERM or SIGINT. Changes that clients make are lost at the end.
#[derive(Parser)]
#[command(
    name = "simxapi",
    after_help = "\
DATABASE FILES
  JSON: class names, each with a list of objects; fields that are left out take their defaults.
  An object may have a \"ref\" and an \"id\"; other objects refer to an id as \"@id\".
  Without hosts in the file, a pool of one host is there already, with the ids host, pool, dom0 and eth0.

    {\"VM\": [{\"id\": \"web\", \"name_label\": \"web\", \"power_state\": \"Running\", \"resident_on\": \"@host\",
             \"guest_metrics\": \"@metrics\"}],
     \"VM_guest_metrics\": [{\"id\": \"metrics\", \"networks\": {\"0/ip\": \"10.0.0.7\"}}]}

EXIT STATUS
  0 ended by a signal; 1 could not start; 2 wrong arguments."
)]
struct Arguments {
    /// Serve on this unix socket; every user name and password is let in, as on a host's own socket.
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,

    /// Serve on this TCP address as well; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,

    /// The password of root over TCP; without it every user name and password is let in.
    #[arg(long, value_name = "TEXT")]
    password: Option<String>,

    /// Start with the objects in this file.
    #[arg(long, value_name = "FILE.json")]
    database: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if let Err(message) = run(Arguments::parse()).await {
        eprintln!("simxapi: {message}");
        std::process::exit(1);
    }
}

async fn run(arguments: Arguments) -> Result<(), String> {
    let database = match &arguments.database {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| format!("cannot read the database file {}: {error}", file.display()))?,
        None => ONE_HOST.to_owned(),
    };
    let no_signals = |error| format!("cannot wait for signals: {error}");
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    let config =
        Config { listen: arguments.listen, password: arguments.password, database, ..Config::at(&arguments.socket) };
    let xapi = Xapi::start(config).map_err(|error| error.to_string())?;
    println!("unix {}", xapi.socket().display());
    if let Some(address) = xapi.address() {
        println!("http {address}");
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
