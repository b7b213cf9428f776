//! Hosts that are one machine, whatever their names.

use std::{
    collections::HashMap,
    net::{IpAddr, ToSocketAddrs, UdpSocket},
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

/// The addresses so far. A change looks up the same names several times.
static FOUND: Mutex<Option<HashMap<String, Vec<IpAddr>>>> = Mutex::new(None);

/// A lookup that takes longer finds nothing: an emergency must not wait for a name server that is down.
const PATIENCE: Duration = Duration::from_secs(1);

/// Returns true if two host names have an address in common, or if both are this machine. A name without an address
/// equals no other name.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (addresses(one), addresses(other));
    one.iter().any(|address| other.contains(address))
        || (one.iter().any(is_here) && other.iter().any(is_here))
}

fn addresses(host: &str) -> Vec<IpAddr> {
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    let found = found.get_or_insert_default();
    if let Some(addresses) = found.get(host) {
        return addresses.clone();
    }
    let addresses = looked_up(host);
    found.insert(host.to_owned(), addresses.clone());
    addresses
}

fn looked_up(host: &str) -> Vec<IpAddr> {
    let (sender, receiver) = mpsc::channel();
    let name = host.trim_matches(['[', ']']).to_owned();
    // The lookup of the system cannot be ended: its thread ends with the process.
    thread::spawn(move || {
        let found = (&*name, 0).to_socket_addrs();
        let addresses = found.into_iter().flatten().map(|it| it.ip().to_canonical());
        // A late answer has no receiver.
        let _ = sender.send(addresses.collect());
    });
    receiver.recv_timeout(PATIENCE).unwrap_or_default()
}

/// Returns true if an address is one of this machine: no other address can be bound.
fn is_here(address: &IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((*address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_address_are_one_host_and_others_are_not() {
        for same in ["127.0.0.1", "127.1", "[::1]", "localhost", "0.0.0.0", "::ffff:127.0.0.1"] {
            assert!(is_same(same, "localhost"), "{same}");
        }
        assert!(is_same("192.0.2.7", "::ffff:192.0.2.7"));
        for other in ["192.0.2.7", "no-such-host.invalid", "not a host"] {
            assert!(!is_same(other, "localhost"), "{other}");
        }
        assert!(!is_same("no-such-host.invalid", "no-other-host.invalid"));
    }
}
