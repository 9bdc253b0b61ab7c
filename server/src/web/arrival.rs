//! How a request arrived: from whom, and whether it was encrypted on its way. A proxy's word for it counts only where the proxy is one that was
//! named.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use domain::error::Problem;
use http::{HeaderMap, HeaderValue, header};
use ipnet::IpNet;

use super::{Peer, refusal};

/// The most addresses of a header that are looked at; more were made up.
const MAX_HOPS: usize = 32;
/// A year, as browsers' lists ask for.
const STRICT_TRANSPORT: &str = "max-age=31536000";

/// Whose word is taken for where a request came from.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// Their addresses.
    pub trusted: Vec<IpNet>,
    /// Whether requests are taken from them alone, and from this machine: what arrives unencrypted from elsewhere isn't for us.
    pub only: bool,
}

impl Proxies {
    /// Reads addresses and networks such as `10.0.0.5` and `10.0.0.0/24`.
    ///
    /// # Errors
    /// The first one that is neither.
    pub fn parse(texts: &[String]) -> Result<Vec<IpNet>, String> {
        let read = |text: &String| {
            let text = text.trim();
            text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map_err(|_| text.to_owned())
        };
        texts.iter().map(read).collect()
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// The address a request came from: the last one that no trusted proxy has. A proxy adds the address it was asked from at the end.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.trusts(peer) {
            return peer;
        }
        let mut client = peer;
        let lines = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok());
        let mut hops: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
        hops.reverse();
        for hop in hops.into_iter().take(MAX_HOPS) {
            let Some(address) = address_of(hop) else { break };
            client = address;
            if !self.trusts(address) {
                break;
            }
        }
        client
    }
}

/// An address as proxies write it: with a port or brackets, perhaps.
fn address_of(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim_matches('"');
    let plain = hop.parse::<IpAddr>().ok();
    let with_port = || hop.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    plain.or_else(with_port).or_else(bracketed).map(|address| address.to_canonical())
}

/// Whether the way from the browser was encrypted to us, or to a trusted proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Encrypted(pub bool);

/// Notes whom the request is from and how it came; nothing after this looks at what proxies say.
pub(super) async fn note(State(proxies): State<Arc<Proxies>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    let mut encrypted = request.extensions().get::<Encrypted>().copied().unwrap_or_default();
    if let Some(Peer(peer)) = peer {
        if proxies.only && !proxies.trusts(peer) && !peer.is_loopback() {
            return refusal(request.uri().path(), Problem::NotThroughProxy);
        }
        if proxies.trusts(peer) {
            encrypted.0 |= request.headers().get("x-forwarded-proto").is_some_and(|scheme| scheme.as_bytes() == b"https");
        }
        let client = proxies.client(peer, request.headers());
        request.extensions_mut().insert(Peer(client));
    }
    request.extensions_mut().insert(encrypted);
    let mut response = next.run(request).await;
    if encrypted.0 {
        // RFC 6797 section 7.2: never where it wasn't encrypted.
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(STRICT_TRANSPORT));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let proxies = Proxies { trusted: Proxies::parse(&["10.0.0.0/8".into(), "2001:db8::1".into()]).unwrap(), only: false };
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn only_a_named_proxy_is_believed_and_only_about_whom_it_saw() {
        for (peer, forwarded, expected) in [
            ("192.0.2.1", &["198.51.100.7"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["6.6.6.6, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["6.6.6.6", "198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7"),
            ("2001:db8::1", &["[2001:db8:1::7]:4711"], "2001:db8:1::7"),
            ("10.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["nonsense"], "10.0.0.1"),
            ("10.0.0.1", &["6.6.6.6, nonsense, 10.0.0.9"], "10.0.0.9"),
        ] {
            assert_eq!(client(peer, forwarded), expected, "{peer} {forwarded:?}");
        }
        assert_eq!(Proxies::parse(&["10.0.0.0/33".into()]), Err("10.0.0.0/33".into()));
    }
}
