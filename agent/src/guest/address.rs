//! The addresses that a guest's tools report: claims, of which some are refused.
//!
//! Whoever controls a guest can let it report any address: dom0's own, to have dom0 talk to itself, or another guest's,
//! to show that one's containers as its own. Must not know how an address is connected to.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// Addresses of one guest that are looked at; real ones have a handful.
const MAX_ADDRESSES: usize = 32;

/// The addresses in `networks` of guest metrics, such as `0/ip` or `0/ipv6/1` (xen-api ocaml/xapi/xapi_guest_agent.ml),
/// each once, in the order of their keys.
fn reported(networks: &BTreeMap<String, String>) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for (key, value) in networks {
        let is_address = key.split('/').nth(1).is_some_and(|kind| matches!(kind, "ip" | "ipv4" | "ipv6"));
        let Some(address) = is_address.then(|| value.trim().parse::<IpAddr>().ok()).flatten() else { continue };
        let address = address.to_canonical();
        if !addresses.contains(&address) {
            addresses.push(address);
            if addresses.len() == MAX_ADDRESSES {
                break;
            }
        }
    }
    addresses
}

/// What running VMs claim as theirs, so that a claim made twice is seen.
///
/// Link-local addresses belong to a host: the same one may be in use on every host of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims<K>(BTreeMap<(IpAddr, Option<String>), Claimant<K>>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Claimant<K> {
    One(K),
    Several,
}

impl<K> Default for Claims<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Clone + PartialEq> Claims<K> {
    /// Of VMs, each with the host it runs on and the networks it reports.
    pub fn new<'a>(vms: impl IntoIterator<Item = (K, Option<&'a str>, &'a BTreeMap<String, String>)>) -> Self {
        let mut claims = Self::default();
        for (vm, host, networks) in vms {
            for address in reported(networks) {
                let claimant = claims.0.entry(place(address, host)).or_insert_with(|| Claimant::One(vm.clone()));
                if *claimant != Claimant::One(vm.clone()) {
                    *claimant = Claimant::Several;
                }
            }
        }
        claims
    }

    fn is_contested(&self, address: IpAddr, host: Option<&str>) -> bool {
        self.0.get(&place(address, host)) == Some(&Claimant::Several)
    }
}

fn place(address: IpAddr, host: Option<&str>) -> (IpAddr, Option<String>) {
    (address, is_link_local(address).then(|| host.map(str::to_owned)).flatten())
}

/// How dom0 would reach an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// It is dom0's own.
    Own,
    /// There is a route.
    Leads,
    /// There is none.
    None,
}

/// How this system would reach `address`. Sends nothing.
#[must_use]
pub fn route(address: IpAddr) -> Route {
    let any = match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    // Connecting a UDP socket only asks the kernel for a route and the source address of it; its own addresses are
    // reached from themselves.
    let source = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((address, 9))?;
        socket.local_addr()
    });
    match source {
        Ok(source) if source.ip() == address => Route::Own,
        Ok(_) => Route::Leads,
        Err(_) => Route::None,
    }
}

/// Why an address is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It would lead back to dom0 in any case.
    Loopback,
    /// It names no single machine: unspecified, multicast, broadcast or reserved.
    NotOneMachine,
    /// It is one of dom0's own.
    Own,
    /// Another running VM reports it as well.
    Contested,
    /// An IPv6 address that says nothing without the network it is on.
    LinkLocal,
    /// This host has no route to it.
    NoRoute,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "is a loopback address",
            Self::NotOneMachine => "is not the address of one machine",
            Self::Own => "is this host's own",
            Self::Contested => "is reported by another running VM as well",
            Self::LinkLocal => "is a link-local IPv6 address",
            Self::NoRoute => "is one that this host has no route to",
        })
    }
}

/// What is to be thought of a guest's addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    /// Those to try, the best first.
    pub usable: Vec<IpAddr>,
    /// Those not to try.
    pub refused: Vec<(IpAddr, Refusal)>,
}

impl Candidates {
    /// As another host than the guest's has to see them: without those that mean something on that host only.
    #[must_use]
    pub fn from_afar(self) -> Self {
        let (local, usable) = self.usable.into_iter().partition(|address| is_link_local(*address));
        let local: Vec<IpAddr> = local;
        let refused = self.refused.into_iter().chain(local.into_iter().map(|address| (address, Refusal::NoRoute)));
        Self { usable, refused: refused.collect() }
    }
}

/// Where a guest that reports `networks` and runs on `host` may be found: on the host-internal network first, then by
/// IPv4, then by IPv6.
pub fn candidates<K: Clone + PartialEq>(
    networks: &BTreeMap<String, String>,
    host: Option<&str>,
    claims: &Claims<K>,
    route: impl Fn(IpAddr) -> Route,
) -> Candidates {
    let mut candidates = Candidates::default();
    for address in reported(networks) {
        let refusal = forbidden(address).or_else(|| {
            if claims.is_contested(address, host) {
                return Some(Refusal::Contested);
            }
            match route(address) {
                Route::Leads => None,
                Route::Own => Some(Refusal::Own),
                Route::None => Some(Refusal::NoRoute),
            }
        });
        match refusal {
            None => candidates.usable.push(address),
            Some(refusal) => candidates.refused.push((address, refusal)),
        }
    }
    candidates.usable.sort_by_key(|address| match address {
        IpAddr::V4(v4) if v4.is_link_local() => 0,
        IpAddr::V4(_) => 1,
        IpAddr::V6(_) => 2,
    });
    candidates
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// Whether an address is of a kind that no guest has (RFC 6890).
fn forbidden(address: IpAddr) -> Option<Refusal> {
    match address {
        IpAddr::V4(v4) if v4.is_loopback() => Some(Refusal::Loopback),
        IpAddr::V4(v4) => {
            let first = v4.octets()[0];
            (first == 0 || first >= 224).then_some(Refusal::NotOneMachine)
        }
        IpAddr::V6(v6) if v6.is_loopback() => Some(Refusal::Loopback),
        // Forms that carry an IPv4 address: a translator on the way would make any of it.
        IpAddr::V6(v6) if matches!(v6.segments(), [0, 0, 0, 0, 0, 0, ..] | [0x64, 0xff9b, ..] | [0x2002, ..]) => {
            Some(Refusal::NotOneMachine)
        }
        IpAddr::V6(v6) if v6.is_unspecified() || v6.is_multicast() => Some(Refusal::NotOneMachine),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Some(Refusal::LinkLocal),
        IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn networks(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn all_lead(_: IpAddr) -> Route {
        Route::Leads
    }

    fn found(entries: &[(&str, &str)]) -> Candidates {
        candidates(&networks(entries), None, &Claims::<u32>::default(), all_lead)
    }

    fn usable(entries: &[(&str, &str)]) -> Vec<String> {
        found(entries).usable.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_address_under_several_keys_counts_once() {
        assert_eq!(usable(&[("0/ip", "10.0.0.7"), ("0/ipv4/0", "10.0.0.7"), ("eth0/ip", "10.0.0.7")]), ["10.0.0.7"]);
    }

    #[test]
    fn host_internal_comes_first_then_ipv4_then_ipv6() {
        let reported = [("0/ipv6/0", "fd00::7"), ("0/ip", "10.0.0.7"), ("1/ip", "169.254.0.9"), ("2/ip", "10.0.0.6")];
        assert_eq!(usable(&reported), ["169.254.0.9", "10.0.0.7", "10.0.0.6", "fd00::7"]);
    }

    #[test]
    fn another_host_does_not_use_host_internal_addresses() {
        let found = found(&[("0/ip", "169.254.0.9"), ("1/ip", "10.0.0.7")]).from_afar();
        assert_eq!(found.usable, ["10.0.0.7".parse::<IpAddr>().unwrap()]);
        assert_eq!(found.refused, [("169.254.0.9".parse().unwrap(), Refusal::NoRoute)]);
    }

    #[test]
    fn what_is_no_address_is_passed_over() {
        let reported = [
            ("0/ip", ""),
            ("1/ip", "10.0.0"),
            ("2/ip", "10.0.0.7/8"),
            ("3/ipv6/0", "fe80::1%eth0"),
            ("4/mac", "10.1.1.1"),
        ];
        assert_eq!(found(&reported), Candidates::default());
    }

    #[test]
    fn addresses_that_no_guest_has_are_refused() {
        let all = [
            ("127.0.0.1", Refusal::Loopback),
            ("127.9.9.9", Refusal::Loopback),
            ("::1", Refusal::Loopback),
            ("::ffff:127.0.0.1", Refusal::Loopback),
            ("0.0.0.0", Refusal::NotOneMachine),
            ("0.1.2.3", Refusal::NotOneMachine),
            ("224.0.0.1", Refusal::NotOneMachine),
            ("240.0.0.1", Refusal::NotOneMachine),
            ("255.255.255.255", Refusal::NotOneMachine),
            ("::", Refusal::NotOneMachine),
            ("::127.0.0.1", Refusal::NotOneMachine),
            ("64:ff9b::7f00:1", Refusal::NotOneMachine),
            ("2002:7f00:1::", Refusal::NotOneMachine),
            ("ff02::1", Refusal::NotOneMachine),
            ("fe80::1", Refusal::LinkLocal),
        ];
        for (text, refusal) in all {
            let found = found(&[("0/ip", text)]);
            let refused: Vec<Refusal> = found.refused.iter().map(|(_, refusal)| *refusal).collect();
            assert_eq!((found.usable, refused), (vec![], vec![refusal]), "{text}");
        }
    }

    #[test]
    fn dom0s_own_and_unroutable_addresses_are_refused() {
        let route = |address: IpAddr| if address.is_ipv4() { Route::Own } else { Route::None };
        let found = candidates(
            &networks(&[("0/ip", "10.0.0.1"), ("0/ipv6/0", "fd00::1")]),
            None,
            &Claims::<u32>::default(),
            route,
        );
        assert_eq!(found.usable, Vec::<IpAddr>::new());
        let refused: Vec<Refusal> = found.refused.iter().map(|(_, refusal)| *refusal).collect();
        assert_eq!(refused, [Refusal::Own, Refusal::NoRoute]);
    }

    #[test]
    fn the_systems_own_addresses_are_told_from_others() {
        assert_eq!(route("127.0.0.1".parse().unwrap()), Route::Own);
        assert_ne!(route("192.0.2.1".parse().unwrap()), Route::Own);
    }

    #[test]
    fn an_address_that_two_vms_claim_belongs_to_neither() {
        let one = networks(&[("0/ip", "10.0.0.7"), ("1/ip", "10.0.1.7")]);
        let other = networks(&[("0/ip", "::ffff:10.0.0.7")]);
        let claims = Claims::new([(1, None, &one), (2, None, &other)]);
        let found = candidates(&one, None, &claims, all_lead);
        assert_eq!(found.usable, ["10.0.1.7".parse::<IpAddr>().unwrap()]);
        assert_eq!(found.refused, [("10.0.0.7".parse().unwrap(), Refusal::Contested)]);
    }

    #[test]
    fn a_host_internal_address_may_be_in_use_on_every_host() {
        let internal = networks(&[("0/ip", "169.254.0.9")]);
        let elsewhere = Claims::new([(1, Some("here"), &internal), (2, Some("there"), &internal)]);
        assert_eq!(candidates(&internal, Some("here"), &elsewhere, all_lead).usable.len(), 1);
        let here = Claims::new([(1, Some("here"), &internal), (2, Some("here"), &internal)]);
        assert_eq!(candidates(&internal, Some("here"), &here, all_lead).usable.len(), 0);
    }

    proptest! {
        #[test]
        fn no_claim_gets_a_forbidden_address_through(values in prop::collection::vec(".{0,60}", 0..50), bits: u128, v4: u32) {
            let mut reported: BTreeMap<String, String> =
                values.into_iter().enumerate().map(|(n, value)| (format!("{n}/ip"), value)).collect();
            reported.insert("a/ipv6/0".into(), Ipv6Addr::from(bits).to_string());
            reported.insert("b/ip".into(), Ipv4Addr::from(v4).to_string());
            reported.insert("c/ip".into(), Ipv4Addr::from(v4).to_ipv6_mapped().to_string());
            let found = candidates(&reported, None, &Claims::<u32>::default(), all_lead);
            prop_assert!(found.usable.len() + found.refused.len() <= MAX_ADDRESSES);
            for address in found.usable {
                prop_assert!(!address.is_loopback() && !address.is_multicast() && !address.is_unspecified());
                prop_assert_eq!(address, address.to_canonical());
            }
        }
    }
}
