//! Which addresses may be connected to. Whoever may test an entry chooses a host name, and a name may lead anywhere: by
//! default everywhere but to places that are no mail server and give away what they hold to whoever asks.
//!
//! The rule: what is denied explicitly is forbidden; what is allowed explicitly is allowed whatever the defaults say; the
//! defaults decide about the rest. An IPv6 address that carries an IPv4 address is forbidden where that one is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use domain::transcript::Forbidden;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The networks that may be connected to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkPolicy {
    allow: Vec<IpNet>,
    deny: Vec<IpNet>,
}

/// A text that is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("“{text}” isn't a network. Use an address, or an address and a prefix length, such as 192.0.2.0/24 or 2001:db8::/32.")]
pub struct BadNetwork {
    /// Where it stands.
    pub list: List,
    text: String,
}

/// Which of the two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// What is allowed whatever the defaults say.
    Allow,
    /// What is denied.
    Deny,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix))
}

const fn v6(segments: [u16; 8], prefix: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from_segments(segments), prefix))
}

/// What is forbidden unless it is allowed explicitly; the first that fits tells why.
const DEFAULTS: &[(IpNet, Forbidden)] = &[
    // Link-local by their form, but named for what they are.
    (v4(169, 254, 169, 254, 32), Forbidden::Metadata),
    (v4(169, 254, 170, 2, 32), Forbidden::Metadata),
    // Alibaba Cloud, Azure, Oracle Cloud; then Amazon, Google, Scaleway.
    (v4(100, 100, 100, 200, 32), Forbidden::Metadata),
    (v4(168, 63, 129, 16, 32), Forbidden::Metadata),
    (v4(192, 0, 0, 192, 32), Forbidden::Metadata),
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32), Forbidden::Metadata),
    (v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128), Forbidden::Metadata),
    (v6([0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42], 128), Forbidden::Metadata),
    // RFC 3927, RFC 4291 section 2.5.6.
    (v4(169, 254, 0, 0, 16), Forbidden::LinkLocal),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), Forbidden::LinkLocal),
    // RFC 1112, RFC 4291 section 2.7.
    (v4(224, 0, 0, 0, 4), Forbidden::Multicast),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), Forbidden::Multicast),
    // "This host": Linux connects to itself.
    (v4(0, 0, 0, 0, 8), Forbidden::Unspecified),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), Forbidden::Unspecified),
    (v4(255, 255, 255, 255, 32), Forbidden::Broadcast),
];

impl NetworkPolicy {
    /// The defaults, changed by networks as they are typed: several in a text are separated by commas.
    ///
    /// # Errors
    /// The first text that is no network.
    pub fn parse(allow: &[String], deny: &[String]) -> Result<Self, BadNetwork> {
        let bad = |list| move |text| BadNetwork { list, text };
        Ok(Self { allow: networks(allow).map_err(bad(List::Allow))?, deny: networks(deny).map_err(bad(List::Deny))? })
    }

    /// Whether `ip` may be connected to.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, ip: IpAddr) -> Result<(), Forbidden> {
        let carried = match ip {
            IpAddr::V4(_) => Vec::new(),
            IpAddr::V6(ip) => carried(ip),
        };
        let forms = || std::iter::once(ip).chain(carried.iter().copied().map(IpAddr::V4));
        let among = |networks: &[IpNet], ip: &IpAddr| networks.iter().any(|network| network.contains(ip));
        if forms().any(|form| among(&self.deny, &form)) {
            return Err(Forbidden::Denied);
        }
        // Allowing a form says nothing about another one it may carry, but allowing the whole says it all.
        if among(&self.allow, &ip) {
            return Ok(());
        }
        let forbidden = forms().filter(|form| !among(&self.allow, form)).find_map(|form| {
            let by_default = DEFAULTS.iter().find(|(network, _)| network.contains(&form));
            by_default.map(|(_, why)| *why)
        });
        forbidden.map_or(Ok(()), Err)
    }
}

fn networks(texts: &[String]) -> Result<Vec<IpNet>, String> {
    let texts = texts.iter().flat_map(|text| text.split(',')).map(str::trim).filter(|text| !text.is_empty());
    texts.map(|text| network(text).ok_or_else(|| domain::words::quote(text))).collect()
}

fn network(text: &str) -> Option<IpNet> {
    let network = match text.parse::<IpAddr>() {
        Ok(ip) => IpNet::from(ip),
        Err(_) => text.parse().ok()?,
    };
    Some(
        match network {
            // An IPv4 network in its mapped form means the IPv4 addresses, too.
            IpNet::V6(mapped) if mapped.prefix_len() >= 96 && mapped.addr().to_ipv4_mapped().is_some() => {
                let ip = mapped.addr().to_ipv4_mapped()?;
                IpNet::V4(Ipv4Net::new(ip, mapped.prefix_len() - 96).ok()?)
            }
            network => network,
        }
        .trunc(),
    )
}

/// The IPv4 addresses that packets to `ip` may end at.
fn carried(ip: Ipv6Addr) -> Vec<Ipv4Addr> {
    let all = ip.segments();
    let pair = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    let last = pair(all[6], all[7]);
    let mut found = match all {
        // Compatible (RFC 4291 section 2.5.5.1, obsolete), which `::` and `::1` are not; mapped (2.5.5.2), translated (RFC 2765
        // section 2.1), NAT64 (RFC 6052 section 2.1).
        [0, 0, 0, 0, 0, 0, 1..=u16::MAX, _]
        | [0, 0, 0, 0, 0, 0xffff, ..]
        | [0, 0, 0, 0, 0xffff, 0, ..]
        | [0x64, 0xff9b, 0, 0, 0, 0, ..] => vec![last],
        // NAT64 of one's own network (RFC 8215): the prefix may have 48, 56, 64 or 96 bits, and octet 8 is left out
        // (RFC 6052 section 2.2). What is read with the wrong length usually begins with zeros.
        [0x64, 0xff9b, 1, d, e, f, g, _] => {
            let lengths = [pair(d, e << 8 | f >> 8), pair(d << 8 | e & 0xff, f), pair(e << 8 | f >> 8, f << 8 | g >> 8), last];
            lengths.into_iter().filter(|ip| ip.octets()[0] != 0).collect()
        }
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => vec![pair(high, low)],
        // Teredo (RFC 4380 section 4): the server, and the client's address turned over.
        [0x2001, 0, high, low, ..] => vec![pair(high, low), Ipv4Addr::from(!u32::from(last))],
        _ => Vec::new(),
    };
    // ISATAP (RFC 5214 section 6.1), under any prefix, those above included.
    if matches!(all, [_, _, _, _, 0 | 0x200, 0x5efe, ..]) {
        found.push(last);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allow: &[&str], deny: &[&str]) -> NetworkPolicy {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        NetworkPolicy::parse(&texts(allow), &texts(deny)).unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn by_default_everything_but_what_is_no_mail_server() {
        use Forbidden::{Broadcast, LinkLocal, Metadata, Multicast, Unspecified};
        let forbidden = [
            ("169.254.0.1", LinkLocal),
            ("169.254.255.255", LinkLocal),
            ("fe80::1", LinkLocal),
            ("febf::1", LinkLocal),
            ("169.254.169.254", Metadata),
            ("169.254.170.2", Metadata),
            ("fd00:ec2::254", Metadata),
            ("fd20:ce::254", Metadata),
            ("100.100.100.200", Metadata),
            ("168.63.129.16", Metadata),
            ("224.0.0.1", Multicast),
            ("239.255.255.255", Multicast),
            ("ff02::1", Multicast),
            ("0.0.0.0", Unspecified),
            ("0.1.2.3", Unspecified),
            ("::", Unspecified),
            ("255.255.255.255", Broadcast),
            // The same inside IPv6.
            ("::ffff:169.254.169.254", Metadata),
            ("::ffff:0.0.0.0", Unspecified),
            ("::169.254.169.254", Metadata),
            ("::ffff:0:169.254.169.254", Metadata),
            ("64:ff9b::169.254.169.254", Metadata),
            ("64:ff9b::a9fe:a9fe", Metadata),
            ("64:ff9b:1:a9fe:a9:fe00::", Metadata),
            ("64:ff9b:1::169.254.169.254", Metadata),
            ("2002:a9fe:a9fe::1", Metadata),
            ("2002:e000:1::", Multicast),
            ("2001:0:5ef5:79fb::5601:5601", Metadata),
            ("2001:db8::5efe:169.254.1.1", LinkLocal),
            // Two forms in one: the harmless one does not hide the other.
            ("2002:a9fe:a9fe:0:0:5efe:192.0.2.1", Metadata),
            ("2002:c000:201:0:0:5efe:169.254.169.254", Metadata),
        ];
        for (text, why) in forbidden {
            assert_eq!(NetworkPolicy::default().check(ip(text)), Err(why), "{text}");
        }
        let allowed = [
            "127.0.0.1",
            "::1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "fd00::1",
            "192.0.2.1",
            "2001:db8::1",
            "100.100.100.201",
            "169.253.255.255",
            "169.255.0.0",
            "fec0::1",
            "::ffff:192.0.2.1",
            "64:ff9b::192.0.2.1",
            "64:ff9b:1::192.0.2.1",
            "64:ff9b:1:c000:2:100::",
            "2002:c000:201::1",
        ];
        for text in allowed {
            assert_eq!(NetworkPolicy::default().check(ip(text)), Ok(()), "{text}");
        }
    }

    #[test]
    fn deny_wins_and_allow_overrides_the_defaults() {
        let narrow = policy(&["169.254.7.0/24", "2002::/16"], &["10.0.0.0/8, 2001:db8::/32"]);
        assert_eq!(narrow.check(ip("169.254.7.9")), Ok(()));
        assert_eq!(narrow.check(ip("::ffff:169.254.7.9")), Ok(()), "a form of what is allowed");
        assert_eq!(narrow.check(ip("169.254.8.9")), Err(Forbidden::LinkLocal));
        assert_eq!(narrow.check(ip("2002:a9fe:a9fe::")), Ok(()), "the whole is allowed");
        for text in ["10.9.9.9", "::ffff:10.9.9.9", "64:ff9b::10.9.9.9", "2002:a00:1::", "2001:db8::5"] {
            assert_eq!(narrow.check(ip(text)), Err(Forbidden::Denied), "{text}");
        }
        assert_eq!(policy(&["10.1.0.0/16"], &["10.0.0.0/8"]).check(ip("10.1.0.1")), Err(Forbidden::Denied), "deny wins");
        assert_eq!(policy(&[], &["0.0.0.0/0", "::/0"]).check(ip("127.0.0.1")), Err(Forbidden::Denied));
        assert_eq!(policy(&[], &["::ffff:10.0.0.0/104"]).check(ip("10.2.3.4")), Err(Forbidden::Denied));
        assert_eq!(policy(&[], &["10.2.3.4"]).check(ip("10.2.3.4")), Err(Forbidden::Denied));
        // Two carried addresses: allowing one does not let the other pass.
        assert_eq!(policy(&["94.245.121.251"], &[]).check(ip("2001:0:5ef5:79fb::5601:5601")), Err(Forbidden::Metadata));
    }

    #[test]
    fn what_is_no_network_is_named() {
        for text in ["10.0.0.0/33", "10.0.0/8", "example.com", "10.0.0.0/", "/8", "::/129", "10.0.0.0/8 x"] {
            let deny = NetworkPolicy::parse(&["10.0.0.0/8".into()], &[text.to_owned()]).unwrap_err();
            assert!(deny.list == List::Deny && deny.to_string().contains(text), "{deny}");
            assert_eq!(NetworkPolicy::parse(&[text.to_owned()], &[]).unwrap_err().list, List::Allow);
        }
        assert_eq!(policy(&["", " , "], &[""]), NetworkPolicy::default());
        assert_eq!(policy(&["10.1.2.3/8"], &[]), policy(&["10.0.0.0/8"], &[]), "bits beyond the prefix don't count");
    }
}
