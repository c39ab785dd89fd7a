//! Addresses, and packets that get lost.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use lab::guests::Network;

use crate::{Key, Running, wait_until};

fn connect(address: impl Into<IpAddr>) -> Result<TcpStream, ErrorKind> {
    TcpStream::connect_timeout(&SocketAddr::new(address.into(), 22), Duration::from_secs(1)).map_err(|e| e.kind())
}

#[test]
fn both_addresses_answer_and_networks_are_apart() {
    let (network, other) = (Network::new(), Network::new());
    let (vm, neighbour) = (network.vm("web").ssh(), other.vm("web"));
    assert!(connect(vm.address()).is_ok());
    assert!(connect(vm.ipv6()).is_ok());
    assert_eq!(connect(neighbour.address()).err(), Some(ErrorKind::ConnectionRefused));
}

#[test]
fn lost_packets_are_lost_silently_and_connections_survive_them() {
    let (network, key) = (Network::new(), Key::new());
    let (vm, neighbour) = (network.vm("web").ssh(), network.vm("other").ssh());
    vm.authorize(&key.public());
    let mut session = Running::start(
        key.ssh(&vm)
            .args(["while sleep 0.1; do echo tick; echo >> ticks; done"])
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    );
    let ticks = || std::fs::read_to_string(vm.file("/home/core/ticks")).unwrap_or_default().len();
    wait_until("the session runs", || ticks() > 0);
    vm.drop_packets();
    assert_eq!(connect(vm.address()).err(), Some(ErrorKind::TimedOut));
    assert_eq!(connect(vm.ipv6()).err(), Some(ErrorKind::TimedOut));
    assert!(connect(neighbour.address()).is_ok());
    vm.pass_packets();
    assert!(connect(vm.address()).is_ok());
    assert!(connect(vm.ipv6()).is_ok());
    let so_far = ticks();
    wait_until("the session goes on", || ticks() > so_far + 2);
    assert!(session.0.try_wait().unwrap().is_none(), "the session survived");
}

#[test]
fn a_vm_moves_to_another_address() {
    let (network, key) = (Network::new(), Key::new());
    let vm = network.vm("web").ssh();
    vm.authorize(&key.public());
    let old = vm.address();
    vm.change_address();
    assert_ne!(vm.address(), old);
    assert!(key.in_guest(&vm, "true").success);
    assert!(matches!(connect(old).err(), Some(ErrorKind::HostUnreachable | ErrorKind::TimedOut)));
}
