//! Where a server is: a DNS name or an IP address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::field::{FieldError, HostError};
use crate::{idn, words};

/// A host name as a resolver takes it, or an IP address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Host {
    /// An IPv4 or IPv6 address, without brackets.
    Ip(IpAddr),
    /// A DNS name in lower case, without the dot of the root. A name in other scripts is kept as A-labels (`xn--…`);
    /// a build without IDNA tables (the browser's) leaves it as it was typed, for the server to convert.
    Dns(String),
}

impl Host {
    /// Reads a host name, an IPv4 address, or an IPv6 address with or without brackets; white space around it is removed.
    ///
    /// # Errors
    /// [`FieldError::Required`] or [`FieldError::Host`].
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(FieldError::Required);
        }
        Self::parse_trimmed(text).map_err(FieldError::Host)
    }

    fn parse_trimmed(text: &str) -> Result<Self, HostError> {
        if let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            return ipv6(inner);
        }
        if text.contains('@') && !text.contains("://") {
            return Err(HostError::Address);
        }
        if text.matches(':').count() > 1 && !text.contains("://") && !text.contains(['[', ']']) {
            return ipv6(text);
        }
        if text.contains([':', '/', '?', '#', '[', ']']) {
            return Err(HostError::UrlOrPort { host: words::quote(host_in_url(text)) });
        }
        if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return text
                .parse::<Ipv4Addr>()
                .map(|ip| Self::Ip(ip.into()))
                .map_err(|_| HostError::NotAnIpv4 { text: words::quote(text) });
        }
        idn::host_to_ascii(text).map(Self::Dns).map_err(HostError::Name)
    }

    /// The address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(*ip),
            Self::Dns(_) => None,
        }
    }

    /// `host:port` as it is usually written: an IPv6 address in brackets.
    pub fn with_port(&self, port: u16) -> String {
        match self {
            Self::Ip(IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
            other => format!("{other}:{port}"),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Dns(name) => f.write_str(name),
        }
    }
}

fn ipv6(text: &str) -> Result<Host, HostError> {
    text.parse::<Ipv6Addr>().map(|ip| Host::Ip(ip.into())).map_err(|_| HostError::NotAnIpv6 { text: words::quote(text) })
}

/// What is probably the host in `smtp://user@host:25/path`.
fn host_in_url(text: &str) -> &str {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if host.starts_with('[') { host } else { host.split(':').next().unwrap_or(host) }
}
