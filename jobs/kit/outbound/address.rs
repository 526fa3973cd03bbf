//! Which addresses are never called, and which only when the operator allows them. Pure: one function and its tables.
//!
//! An address that carries an IPv4 address in it is judged by that one as well, because a router, a tunnel or the kernel
//! may take it out again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::policy::Policy;

/// Nobody can allow these: what stands there is a machine's own identity, or no single machine at all.
const NEVER_V4: &[(Ipv4Addr, u32, &str)] = &[
    (Ipv4Addr::UNSPECIFIED, 8, "this machine itself"),
    (Ipv4Addr::new(100, 100, 100, 200), 32, "a metadata service"),
    (Ipv4Addr::new(168, 63, 129, 16), 32, "a metadata service"),
    (Ipv4Addr::new(169, 254, 169, 254), 32, "a metadata service"),
    (Ipv4Addr::new(169, 254, 170, 2), 32, "a metadata service"),
    (Ipv4Addr::new(169, 254, 170, 23), 32, "a metadata service"),
    (Ipv4Addr::new(192, 0, 0, 192), 32, "a metadata service"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::BROADCAST, 32, "broadcast"),
];

const NEVER_V6: &[(Ipv6Addr, u32, &str)] = &[
    (Ipv6Addr::UNSPECIFIED, 128, "this machine itself"),
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128, "a metadata service"),
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23), 128, "a metadata service"),
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), 128, "a metadata service"),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, "multicast"),
];

/// The special-purpose registry of IANA, as far as it is not reached from everywhere.
const REFUSED_V4: &[(Ipv4Addr, u32, &str)] = &[
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "shared by a carrier (100.64.0.0/10)"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "reserved for protocols"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "for documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "a relay of 6to4"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "for benchmarks"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "for documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "for documentation"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved"),
];

/// As above. What is outside of `2000::/3` is refused below; these rows only say why.
const REFUSED_V6: &[(Ipv6Addr, u32, &str)] = &[
    (Ipv6Addr::LOCALHOST, 128, "loopback"),
    // Where in such an address the IPv4 address stands is for its network to say, so it cannot be judged.
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, "of a local NAT64"),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64, "for discarding"),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, "a Teredo tunnel"),
    (Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0), 48, "for benchmarks"),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "reserved for protocols"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "for documentation"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "for documentation"),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, "private (unique local)"),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, "link-local"),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, "site-local"),
];

/// Whether this address may be called.
///
/// # Errors
/// What the address is, in words that follow "which is".
pub(crate) fn judge(address: IpAddr, policy: &Policy) -> Result<(), &'static str> {
    judge_never(address)?;
    if policy.allow.contains(address) {
        return Ok(());
    }
    match (address, embedded(address)) {
        (_, Some(inner)) => judge(IpAddr::V4(inner), policy),
        (IpAddr::V4(address), None) => none_of(REFUSED_V4, address),
        (IpAddr::V6(address), None) => {
            none_of(REFUSED_V6, address)?;
            // All that is reached from everywhere is in 2000::/3; the rest may mean anything some day.
            if address.segments()[0] >> 13 == 1 { Ok(()) } else { Err("outside of what is reached from everywhere") }
        }
    }
}

/// What no configuration allows.
///
/// # Errors
/// As [`judge`].
pub(super) fn judge_never(address: IpAddr) -> Result<(), &'static str> {
    if let Some(inner) = embedded(address) {
        none_of(NEVER_V4, inner)?;
    }
    match address {
        IpAddr::V4(address) => none_of(NEVER_V4, address),
        IpAddr::V6(address) => none_of(NEVER_V6, address),
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible, translated, NAT64, 6to4, ISATAP.
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    let v4 = |high: u16, low: u16| Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match address.segments() {
        // `::` and `::1` are themselves.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..]
        | [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => v4(high, low),
        _ => None,
    }
}

fn none_of<A: Bits>(table: &[(A, u32, &'static str)], address: A) -> Result<(), &'static str> {
    let found = table.iter().find(|(start, prefix, _)| (start.bits() ^ address.bits()).leading_zeros() >= *prefix);
    found.map_or(Ok(()), |(_, _, what)| Err(what))
}

/// An address as a number, its first bit on top.
trait Bits: Copy {
    fn bits(self) -> u128;
}

impl Bits for Ipv4Addr {
    fn bits(self) -> u128 {
        u128::from(u32::from(self)) << 96
    }
}

impl Bits for Ipv6Addr {
    fn bits(self) -> u128 {
        u128::from(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allowing(networks: &str) -> Policy {
        Policy { allow: networks.parse().expect("networks"), ..Policy::default() }
    }

    fn is_allowed(address: &str, policy: &Policy) -> bool {
        judge(address.parse().expect("an address"), policy).is_ok()
    }

    #[test]
    fn what_is_reached_from_everywhere_is_allowed() {
        let none = Policy::default();
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00::1",
            "2001:4860:4860::8888",
            "2001:200::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert!(is_allowed(address, &none), "{address}");
        }
    }

    #[test]
    fn what_carries_an_address_is_judged_by_it() {
        let none = Policy::default();
        for address in [
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::10.0.0.1",
            "2002:7f00:1::",
            "2002:c0a8:101::1",
            "2a00::5efe:10.0.0.1",
            "2a00::200:5efe:10.0.0.1",
            "64:ff9b::169.254.169.254",
        ] {
            assert!(!is_allowed(address, &none), "{address}");
        }
        let private = allowing("10.0.0.0/8");
        assert!(is_allowed("::ffff:10.1.2.3", &private) && is_allowed("64:ff9b::10.1.2.3", &private));
        assert!(!is_allowed("::ffff:192.168.0.1", &private));
    }

    #[test]
    fn allowing_a_network_allows_no_more() {
        let policy = allowing("10.1.0.0/16, fd12::/16");
        assert!(is_allowed("10.1.2.3", &policy) && is_allowed("fd12::1", &policy));
        assert!(!is_allowed("10.2.0.1", &policy) && !is_allowed("fd13::1", &policy));
    }

    #[test]
    fn nobody_can_allow_a_metadata_service() {
        let all = allowing("0.0.0.0/0,::/0");
        assert!(is_allowed("127.0.0.1", &all) && is_allowed("169.254.1.1", &all) && is_allowed("::1", &all));
        for address in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::",
            "fd00:ec2::254",
            "100.100.100.200",
            "168.63.129.16",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
        ] {
            assert!(!is_allowed(address, &all), "{address}");
        }
    }

    proptest! {
        #[test]
        fn no_address_of_a_refused_range_is_ever_allowed(row in 0..REFUSED_V4.len() + NEVER_V4.len(), host: u32) {
            let (start, prefix, _) = REFUSED_V4.iter().chain(NEVER_V4).nth(row).expect("a row");
            let host = if *prefix == 32 { 0 } else { host & (u32::MAX >> prefix) };
            let inner = Ipv4Addr::from(u32::from(*start) | host);
            let [a, b, c, d] = inner.octets().map(u16::from);
            let (high, low) = (a << 8 | b, c << 8 | d);
            let none = Policy::default();
            prop_assert!(judge(IpAddr::V4(inner), &none).is_err(), "{inner}");
            for outer in [
                [0, 0, 0, 0, 0, 0xffff, high, low],
                [0, 0, 0, 0, 0, 0, high, low],
                [0, 0, 0, 0, 0xffff, 0, high, low],
                [0x64, 0xff9b, 0, 0, 0, 0, high, low],
                [0x64, 0xff9b, 1, 0, 0, 0, high, low],
                [0x2002, high, low, a, b, c, d, 1],
                [0x2a00, 1, 2, 3, 0, 0x5efe, high, low],
            ] {
                prop_assert!(judge(IpAddr::from(outer), &none).is_err(), "{:?}", outer);
            }
        }

        #[test]
        fn no_address_of_a_refused_range_of_ipv6_is_ever_allowed(
            row in 0..REFUSED_V6.len() + NEVER_V6.len(), host: u128,
        ) {
            let (start, prefix, _) = REFUSED_V6.iter().chain(NEVER_V6).nth(row).expect("a row");
            let host = if *prefix == 128 { 0 } else { host & (u128::MAX >> prefix) };
            let address = Ipv6Addr::from(u128::from(*start) | host);
            prop_assert!(judge(IpAddr::V6(address), &Policy::default()).is_err(), "{address}");
        }

        #[test]
        fn of_ipv6_nothing_outside_of_what_is_global_is_allowed(address: u128) {
            let address = Ipv6Addr::from(address);
            if judge(IpAddr::V6(address), &Policy::default()).is_ok() {
                prop_assert!(address.segments()[0] >> 13 == 1 || embedded(IpAddr::V6(address)).is_some(), "{address}");
            }
        }
    }
}
