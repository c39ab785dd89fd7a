//! A simulated dom0 to look around in: the pack installed, the service running, and two VMs, of which `web` is prepared and
//! `db` is not. Prints how to enter it, and ends with Ctrl-C.
//!
//! `LAB_ISO` names the pack's ISO, `LAB_PROGRAM` is not used: what runs is what the ISO has.

use std::io::{self, Read as _, Write as _};

use lab::dom0::Dom0;
use lab::guests::ssh_variants::PAM;
use lab::pool::Pool;

/// The password of the account `core` in both VMs.
const PASSWORD: &str = "correct horse";

fn main() -> io::Result<()> {
    let pool = Pool::new();
    let guests = ["web", "db"].map(|name| {
        let guest = pool.network.vm(name).ssh_with(PAM).dockerd();
        guest.remove_ssh_folder("core");
        guest.set_password("core", PASSWORD);
        guest.run(&format!("{name}-1"), &["sh", "-c", "while date; do sleep 5; done"]);
        guest.run(&format!("{name}-2"), &["sleep", "100000"]);
        guest
    });
    let vms = guests.each_ref().map(|guest| pool.register(guest));
    for vm in &vms {
        // Registering is part of preparing.
        pool.xapi.remove_entry(vm, "other_config", "xscontainer-monitor").map_err(io::Error::other)?;
    }
    let dom0 = Dom0::new(&pool.xapi, &pool.xapi.host());
    dom0.start_service();
    dom0.must(&format!("echo '{PASSWORD}' | xscontainer-prepare-vm -v web -u core --yes --password-stdin"));
    let shell = dom0.shell("exec bash -i");
    let words = std::iter::once(shell.get_program()).chain(shell.get_args());
    let words: Vec<String> = words.map(|word| format!("'{}'", word.to_string_lossy())).collect();
    writeln!(io::stdout(), "Enter it by\n\n{}\n\nPassword of core in web and db: {PASSWORD}", words.join(" "))?;
    // Until standard input ends, or Ctrl-C.
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
