//! VMs prepared for TLS: certificates before openssl and a real dockerd, the disc before other people's readers, and the
//! steps over XAPI at every request.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed, in its helper functions too")]

mod certificates;
mod disc;
mod drive;
mod interrupted;
mod own;
mod pool;
mod secrets;

use std::net::IpAddr;
use std::time::SystemTime;

use agent::certificates::make::{Made, Order};
use agent::certificates::{self as x509, KeyBits};

/// Runs something asynchronous.
fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Certificates for a VM at these addresses, with keys that are quick to make.
fn made(addresses: &[IpAddr]) -> Made {
    let order = Order { host_name: "xen1", addresses, key_bits: KeyBits(2048) };
    wait(x509::make(&order, SystemTime::now(), |_| ())).unwrap()
}
