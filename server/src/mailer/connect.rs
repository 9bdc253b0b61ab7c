//! From a name to a connected socket: look-up, then the addresses in turn, each given a head start before the next one
//! is tried beside it ("happy eyeballs", RFC 8305).

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use async_trait::async_trait;
use domain::transcript::Cause;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

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

/// Look-ups that go on at once, also those that nobody waits for any more: they can't be broken off, and would take the threads
/// that everything else that blocks needs, too.
static LOOK_UPS: Semaphore = Semaphore::const_new(32);

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let name = name.to_owned();
        in_turn_of(&LOOK_UPS, move || Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())).await
    }
}

/// Runs `work` where it may block, in one of `places`, which is free again when it is really done.
async fn in_turn_of<T: Send + 'static>(
    places: &'static Semaphore,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let place = places.acquire().await.map_err(io::Error::other)?;
    let working = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(place);
        done
    });
    working.await.map_err(io::Error::other)?
}

/// The most addresses that are tried.
pub(super) const MAX_ADDRESSES: usize = 16;
/// The head start of an address over the next one (RFC 8305 section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// In the order in which they are tried: the families take turns, the resolver's first choice goes first.
pub(super) fn in_turn(addresses: &[IpAddr], port: u16) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let mut seen = HashSet::new();
    let (a, b): (Vec<IpAddr>, Vec<IpAddr>) =
        addresses.iter().filter(|ip| seen.insert(**ip)).partition(|ip| ip.is_ipv6() == first_is_v6);
    let (mut a, mut b) = (a.into_iter(), b.into_iter());
    let mut all = Vec::new();
    loop {
        let before = all.len();
        all.extend(a.next());
        all.extend(b.next());
        if all.len() == before {
            break;
        }
    }
    all.into_iter().take(MAX_ADDRESSES).map(|ip| SocketAddr::new(ip, port)).collect()
}

/// The addresses that were tried, in order, and what became of each.
#[derive(Debug, Default)]
pub(super) struct Attempts(Vec<(SocketAddr, Fate)>);

#[derive(Debug)]
enum Fate {
    Waiting,
    Failed(io::Error),
    Connected,
}

impl Attempts {
    /// What became of them, in the system's words: raw evidence.
    pub(super) fn words(&self) -> String {
        let words = self.0.iter().map(|(address, fate)| match fate {
            Fate::Waiting => format!("{address}: no answer"),
            Fate::Failed(error) => format!("{address}: {error}"),
            Fate::Connected => format!("{address}: connected"),
        });
        words.collect::<Vec<_>>().join("; ")
    }

    /// What to know once one of them answered: which one, and what became of those that were tried besides.
    pub(super) fn answered(&self) -> String {
        match &self.0[..] {
            [(address, _)] => address.to_string(),
            _ => self.words(),
        }
    }

    fn set(&mut self, address: SocketAddr, fate: Fate) {
        if let Some(attempt) = self.0.iter_mut().find(|attempt| attempt.0 == address) {
            attempt.1 = fate;
        }
    }

    /// The cause that tells most: that a machine refused says more than that another one is silent.
    fn cause(&self) -> Cause {
        let weight = |cause: &Cause| match cause {
            Cause::ConnectionRefused => 3,
            Cause::Timeout => 2,
            _ => 1,
        };
        let causes = self.0.iter().filter_map(|(_, fate)| match fate {
            Fate::Failed(error) => Some(Trouble::cause_of(error)),
            Fate::Waiting | Fate::Connected => None,
        });
        causes.max_by_key(weight).unwrap_or(Cause::NameNotFound)
    }
}

/// Connects to the first of `addresses` that answers; the attempts at others end with it. `attempts` tells what became of
/// each, also where this future is dropped before its end.
pub(super) async fn connect(addresses: &[SocketAddr], attempts: &mut Attempts) -> Result<(TcpStream, SocketAddr), Trouble> {
    let mut waiting = addresses.iter().copied();
    let mut running = FuturesUnordered::new();
    let mut next = |running: &mut FuturesUnordered<_>, attempts: &mut Attempts| {
        if let Some(address) = waiting.next() {
            attempts.0.push((address, Fate::Waiting));
            running.push(async move { (address, TcpStream::connect(address).await) });
        }
        waiting.len() > 0
    };
    let mut more = next(&mut running, attempts);
    loop {
        tokio::select! {
            Some((address, result)) = running.next() => match result {
                Ok(stream) => {
                    attempts.set(address, Fate::Connected);
                    // Commands are small and wait for their replies: without this each could be held back.
                    stream.set_nodelay(true)?;
                    return Ok((stream, address));
                }
                Err(error) => {
                    attempts.set(address, Fate::Failed(error));
                    more = next(&mut running, attempts);
                }
            },
            () = tokio::time::sleep(HEAD_START), if more => more = next(&mut running, attempts),
            else => return Err(Trouble { cause: attempts.cause(), detail: Some(attempts.words()) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_look_up_that_was_left_keeps_its_place_until_it_is_done() {
        static PLACES: Semaphore = Semaphore::const_new(1);
        let (begun, begins) = tokio::sync::oneshot::channel();
        let (end, ends) = std::sync::mpsc::channel::<()>();
        let slow = tokio::spawn(in_turn_of(&PLACES, move || {
            begun.send(()).unwrap();
            ends.recv().unwrap();
            Ok(1)
        }));
        begins.await.unwrap();
        slow.abort();
        assert!(slow.await.unwrap_err().is_cancelled());
        let mut next = std::pin::pin!(in_turn_of(&PLACES, || Ok(2)));
        assert!(futures::poll!(&mut next).is_pending());
        assert_eq!(PLACES.available_permits(), 0, "nobody waits for it, but it goes on");
        end.send(()).unwrap();
        assert_eq!(next.await.unwrap(), 2);
    }

    #[tokio::test]
    async fn the_system_looks_names_up() {
        let found = SystemResolver.resolve("localhost").await.unwrap();
        assert!(!found.is_empty() && found.iter().all(IpAddr::is_loopback), "{found:?}");
    }

    #[test]
    fn the_families_take_turns_and_the_number_is_capped() {
        let ips = |texts: &[&str]| texts.iter().map(|t| t.parse().unwrap()).collect::<Vec<IpAddr>>();
        let found = in_turn(&ips(&["::1", "::2", "::3", "10.0.0.1"]), 25);
        assert_eq!(found.iter().map(SocketAddr::ip).collect::<Vec<_>>(), ips(&["::1", "10.0.0.1", "::2", "::3"]));
        let many: Vec<IpAddr> = (0..200).map(|n| IpAddr::from([10, 0, 0, n])).collect();
        assert_eq!(in_turn(&many, 25).len(), MAX_ADDRESSES);
        assert!(in_turn(&[], 25).is_empty());
        let doubled = in_turn(&ips(&["10.0.0.1", "10.0.0.2", "10.0.0.1", "::1", "10.0.0.2"]), 25);
        assert_eq!(doubled.iter().map(SocketAddr::ip).collect::<Vec<_>>(), ips(&["10.0.0.1", "::1", "10.0.0.2"]));
    }
}
