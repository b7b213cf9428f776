//! IP networks.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

use crate::model::InvalidOperand;

/// Networks; an address matches if any of them contains it.
#[derive(Debug)]
pub(crate) struct Networks(Box<[IpNet]>);

impl Networks {
    pub(super) fn new(networks: Vec<IpNet>) -> Self {
        Self(networks.into())
    }

    /// Returns true if one of the networks contains the address; `None` if the string is not an
    /// address.
    pub(super) fn contain(&self, text: &str) -> Option<bool> {
        // A server that listens on `::` sees IPv4 clients as `::ffff:10.1.2.3`.
        let address = text.parse::<IpAddr>().ok()?.to_canonical();
        Some(self.0.iter().any(|network| network.contains(&address)))
    }
}

/// Parses a network such as `10.0.0.0/8`, or one address.
pub(super) fn network(text: &str) -> Result<IpNet, InvalidOperand> {
    let parsed = match text.contains('/') {
        true => text.parse::<IpNet>().ok(),
        false => text.parse::<IpAddr>().ok().map(IpNet::from),
    };
    let expected = "an IP network such as `10.0.0.0/8`";
    let network = parsed.ok_or_else(|| InvalidOperand::not(expected))?;
    Ok(canonical(network))
}

/// Converts a network of IPv4-mapped addresses into the IPv4 network.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let mapped = |address: Ipv6Addr| address.to_ipv4_mapped();
    match (mapped(v6.addr()), v6.prefix_len().checked_sub(96)) {
        (Some(address), Some(prefix)) => Ipv4Net::new(address, prefix).map_or(network, IpNet::V4),
        _ => network,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(net: &str, address: &str) -> Option<bool> {
        Networks::new(vec![network(net).unwrap()]).contain(address)
    }

    #[test]
    fn an_address_is_in_its_networks() {
        for (net, address, inside) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3/8", "10.9.9.9", true),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "::ffff:11.1.2.3", false),
            ("::ffff:10.1.2.3", "10.1.2.3", true),
            ("::/0", "2001:db8::1", true),
        ] {
            assert_eq!(contains(net, address), Some(inside), "{address} in {net}");
        }
        for address in ["", "localhost", "10.1", "10.1.2.3:80", "[::1]", "010.1.2.3", "10.0.0.0/8"]
        {
            assert_eq!(contains("0.0.0.0/0", address), None, "{address}");
        }
        for net in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "example.com"] {
            assert!(network(net).is_err(), "{net}");
        }
    }
}
