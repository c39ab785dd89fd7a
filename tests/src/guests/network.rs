//! A network namespace behind a veth pair: addresses, and packets that get lost.
//!
//! Must not know what listens at the addresses.

use std::fs::{self, File};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::shell::Shell;
use super::vm::Vm;
use super::wait_until;
use crate::tools::{command, outcome, succeed};

/// How many networks fit into 198.18.0.0/15 (RFC 2544, benchmarks: routed nowhere) with [`HOSTS`] addresses each.
const NETWORKS: u32 = 128;

/// Addresses of a network: a /22.
const HOSTS: u32 = 1024;

/// A network with simulated VMs. It ends when it and all its VMs are dropped.
#[derive(Clone)]
pub struct Network {
    namespace: Arc<Namespace>,
}

/// Both ends of the veth pair and what is between them.
pub(super) struct Namespace {
    /// In the namespace, and the one process that keeps it.
    shell: Shell,
    /// Which of [`NETWORKS`].
    number: u32,
    /// The last address that was given away.
    last: AtomicU32,
    /// Held for as long as the number is taken; the kernel frees it when the program ends, however it ends.
    _taken: File,
}

impl Network {
    /// A network of its own; dom0 is [`Network::dom0`] in it, and can be reached from it.
    ///
    /// # Panics
    /// If there is none left, or the right is missing.
    #[must_use]
    pub fn new() -> Self {
        let shell = Shell::start(command("unshare", ["--net", "bash"]).env_remove("BASH_ENV"));
        let (number, taken) = take_number(shell.id());
        let namespace = Namespace { shell, number, last: AtomicU32::new(1), _taken: taken };
        let near = namespace.interface();
        let (address, address6) = (namespace.address(1), namespace.address6(1));
        succeed(&mut ip(&["addr", "add", &format!("{address}/22"), "dev", &near]));
        succeed(&mut ip(&["addr", "add", &format!("{address6}/64"), "dev", &near, "nodad"]));
        succeed(&mut ip(&["link", "set", &near, "up"]));
        // Local delivery gives way to rules that drop packets.
        namespace.shell.run(
            "ip link set lo up; ip link set eth0 up
             for family in -4 -6; do
                 ip $family rule add pref 100 lookup local
                 ip $family rule del pref 0
             done",
        );
        Self { namespace: Arc::new(namespace) }
    }

    /// A new VM with an address of its own, on which nothing listens yet.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn vm(&self, name: &str) -> Vm {
        Vm::new(&self.namespace, name)
    }

    /// Dom0's own address.
    #[must_use]
    pub fn dom0(&self) -> Ipv4Addr {
        self.namespace.address(1)
    }

    /// Dom0's own IPv6 address.
    #[must_use]
    pub fn dom0_v6(&self) -> Ipv6Addr {
        self.namespace.address6(1)
    }

    /// An address of the network that nobody has: a connection fails after a while, with "no route to host".
    #[must_use]
    pub fn unused_address(&self) -> Ipv4Addr {
        self.namespace.address(self.namespace.take_host())
    }

    /// Dom0's end of the veth pair.
    #[must_use]
    pub fn interface(&self) -> String {
        self.namespace.interface()
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

impl Namespace {
    /// A process in the network namespace.
    pub(super) fn holder(&self) -> u32 {
        self.shell.id()
    }

    /// The number of an address that nobody had before.
    pub(super) fn take_host(&self) -> u32 {
        let host = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(host < HOSTS - 1, "no address left in this network");
        host
    }

    pub(super) fn address(&self, host: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 0).to_bits() + self.number * HOSTS + host)
    }

    pub(super) fn address6(&self, host: u32) -> Ipv6Addr {
        // A unique local prefix (RFC 4193), the letters "lab", and the number.
        let [number, host] = [self.number, host].map(|part| u16::try_from(part).expect("below 1024"));
        Ipv6Addr::new(0xfd5a, 0x6c61, 0x6200, number, 0, 0, 0, host)
    }

    /// Unique in this machine, so that it is also the key to other names that must be.
    pub(super) fn interface(&self) -> String {
        format!("lab{}", self.number)
    }

    /// Makes an address answer.
    pub(super) fn add_address(&self, host: u32) {
        let (address, address6) = (self.address(host), self.address6(host));
        // Each by itself: of a common subnet, the second and later would go with the first. Without duplicate address
        // detection, which takes a second. The route goes whenever the last address does.
        let network = self.address(0);
        self.shell.run(&format!(
            "ip addr add {address}/32 dev eth0; ip addr add {address6}/64 dev eth0 nodad
             ip route replace {network}/22 dev eth0"
        ));
    }

    /// Makes an address answer no longer; whether it did.
    pub(super) fn remove_address(&self, host: u32) -> bool {
        let (address, address6) = (self.address(host), self.address6(host));
        self.shell.attempt(&format!("ip addr del {address}/32 dev eth0; ip addr del {address6}/64 dev eth0")).0
    }

    /// Loses every packet to and from an address, with no word to either side.
    pub(super) fn lose(&self, host: u32) {
        let near = self.interface();
        // Without an answer to ARP the near end would say "no route to host": a router in between would not.
        let link = self.shell.run("cat /sys/class/net/eth0/address");
        for (family, address) in self.families(host) {
            let neighbour = [family, "neigh", "replace", &address, "lladdr", link.trim(), "dev", &near];
            succeed(ip(&neighbour).args(["nud", "permanent"]));
            self.shell.run(&format!(
                "ip {family} rule add pref 10 to {address} blackhole
                 ip {family} rule add pref 10 from {address} blackhole"
            ));
        }
    }

    /// Loses no more packets; whether it did.
    pub(super) fn pass(&self, host: u32) -> bool {
        let near = self.interface();
        self.families(host).into_iter().all(|(family, address)| {
            let rules = format!(
                "ip {family} rule del pref 10 to {address} blackhole
                 ip {family} rule del pref 10 from {address} blackhole"
            );
            self.shell.attempt(&rules).0 && outcome(&mut ip(&[family, "neigh", "del", &address, "dev", &near])).success
        })
    }

    fn families(&self, host: u32) -> [(&'static str, String); 2] {
        [("-4", self.address(host).to_string()), ("-6", self.address6(host).to_string())]
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // It would go with the namespace, but some time after it.
        let _ = outcome(&mut ip(&["link", "del", &self.interface()]));
    }
}

/// Takes a number that nobody has, and makes its veth pair into the namespace of a process.
fn take_number(process: u32) -> (u32, File) {
    let folder = std::env::temp_dir().join("lab-networks");
    fs::create_dir_all(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut taken = None;
    wait_until(
        || format!("one of {NETWORKS} networks is free"),
        || {
            taken = (0..NETWORKS).find_map(|number| {
                let path = folder.join(number.to_string());
                let file = File::options().create(true).append(true).open(&path);
                let file = file.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                file.try_lock().ok()?;
                // Those of a killed program, or of another machine's container in the same network, may still be there.
                let pair = ["link", "add", &format!("lab{number}"), "type", "veth", "peer", "name", "eth0"];
                let made = outcome(ip(&pair).args(["netns", &process.to_string()]));
                assert!(
                    made.success || made.text.contains("File exists"),
                    "no veth pair can be made; tests with simulated VMs must run as root:\n{}",
                    made.text
                );
                made.success.then_some((number, file))
            });
            taken.is_some()
        },
    );
    taken.expect("just taken")
}

fn ip(arguments: &[&str]) -> Command {
    command("ip", arguments)
}
