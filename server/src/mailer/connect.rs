//! From a name to a connected socket: look-up, then the addresses in turn, each given a head start before the next one
//! is tried beside it ("happy eyeballs", RFC 8305).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use domain::transcript::Cause;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::net::TcpStream;

use super::stream::Trouble;

/// Looks names up.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// The addresses of a DNS name, best first.
    ///
    /// # Errors
    /// What the system says where there are none.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The machine's own resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// The most addresses that are tried.
const MAX_ADDRESSES: usize = 16;
/// The head start of an address over the next one (RFC 8305 section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// In the order in which they are tried: the families take turns, the resolver's first choice goes first.
pub(super) fn in_turn(addresses: &[IpAddr], port: u16) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let (mut a, mut b): (Vec<IpAddr>, Vec<IpAddr>) = addresses.iter().partition(|ip| ip.is_ipv6() == first_is_v6);
    a.dedup();
    b.dedup();
    let (mut a, mut b) = (a.into_iter(), b.into_iter());
    let mut all = Vec::new();
    while all.len() < MAX_ADDRESSES {
        let before = all.len();
        all.extend(a.next());
        all.extend(b.next());
        if all.len() == before {
            break;
        }
    }
    all.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()
}

/// Connects to the first of `addresses` that answers.
pub(super) async fn connect(addresses: &[SocketAddr]) -> Result<(TcpStream, SocketAddr), Trouble> {
    let attempt = |address: SocketAddr| async move { (address, TcpStream::connect(address).await) };
    let mut waiting = addresses.iter().copied();
    let mut attempts: FuturesUnordered<_> = waiting.next().map(attempt).into_iter().collect();
    let mut failure = Trouble { cause: Cause::NameNotFound, detail: None };
    loop {
        tokio::select! {
            Some((address, result)) = attempts.next() => match result {
                Ok(stream) => {
                    // Commands are small and wait for their replies: without this each could be held back.
                    stream.set_nodelay(true)?;
                    return Ok((stream, address));
                }
                Err(error) => {
                    failure = worst(failure, address, error);
                    attempts.extend(waiting.next().map(attempt));
                    if attempts.is_empty() {
                        return Err(failure);
                    }
                }
            },
            () = tokio::time::sleep(HEAD_START), if waiting.len() > 0 => attempts.extend(waiting.next().map(attempt)),
            else => return Err(failure),
        }
    }
}

/// Keeps the cause that tells most, and everything that was said.
fn worst(before: Trouble, address: SocketAddr, error: io::Error) -> Trouble {
    let said = format!("{address}: {error}");
    let now = Trouble::from(error);
    let weight = |cause| match cause {
        Cause::ConnectionRefused => 3,
        Cause::Timeout => 2,
        Cause::NameNotFound => 0,
        _ => 1,
    };
    let cause = if weight(now.cause) >= weight(before.cause) { now.cause } else { before.cause };
    let detail = match before.detail {
        Some(earlier) => format!("{earlier}; {said}"),
        None => said,
    };
    Trouble { cause, detail: Some(detail) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_families_take_turns_and_the_number_is_capped() {
        let ips = |texts: &[&str]| texts.iter().map(|t| t.parse().unwrap()).collect::<Vec<IpAddr>>();
        let found = in_turn(&ips(&["::1", "::2", "::3", "10.0.0.1"]), 25);
        assert_eq!(found.iter().map(SocketAddr::ip).collect::<Vec<_>>(), ips(&["::1", "10.0.0.1", "::2", "::3"]));
        let many: Vec<IpAddr> = (0..200).map(|n| IpAddr::from([10, 0, 0, n])).collect();
        assert_eq!(in_turn(&many, 25).len(), MAX_ADDRESSES);
        assert!(in_turn(&[], 25).is_empty());
    }
}
