//! How attempts are held back: after some failures each further one has to wait, longer and longer. What is counted are the name
//! that is tried, whether or not there is such an account, and the network it comes from.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::access::{AccountId, name_key};

use crate::store::Digest;

/// Failures in a row with one account that cost nothing yet.
pub(super) const FREE_FOR_ACCOUNT: u32 = 5;
/// Failures from one network that cost nothing yet.
pub(super) const FREE_FOR_ADDRESS: u32 = 20;
/// The longest that one has to wait: milliseconds.
pub(super) const LONGEST_MS: u64 = 60_000;
/// After so long without a failure everything is forgotten: milliseconds.
pub(super) const FORGOTTEN_MS: u64 = 60 * 60 * 1000;
/// How many names and networks are remembered; of more, the oldest are forgotten.
pub(super) const REMEMBERED: usize = 50_000;

/// What failures are counted for. Names are kept as digests: people type passwords there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// Signing in under a name.
    Name(Digest),
    /// The codes of an account.
    Codes(AccountId),
    /// A network.
    Network(IpAddr),
    /// An address that is none.
    Nowhere,
}

impl Key {
    pub(super) fn name(typed: &str) -> Self {
        Self::Name(super::digest_of(name_key(typed.trim()).as_bytes()))
    }

    /// The network of an address: an IPv4 address, or the first half of an IPv6 address, which one household has alone.
    pub(crate) fn address(address: &str) -> Self {
        match address.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
            Ok(IpAddr::V6(ip)) => {
                let [a, b, c, d, ..] = ip.segments();
                Self::Network(IpAddr::from([a, b, c, d, 0, 0, 0, 0]))
            }
            Ok(ip) => Self::Network(ip),
            Err(_) => Self::Nowhere,
        }
    }

    const fn free(&self) -> u32 {
        match self {
            Self::Name(_) | Self::Codes(_) => FREE_FOR_ACCOUNT,
            Self::Network(_) | Self::Nowhere => FREE_FOR_ADDRESS,
        }
    }

    /// Whether a success makes forget what failed before. Who has one account could otherwise try others without end.
    const fn is_forgiven(&self) -> bool {
        matches!(self, Self::Name(_) | Self::Codes(_))
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    failures: u32,
    /// Attempts that were begun and aren't over: none of them may be one too many.
    pending: u32,
    last_ms: u64,
    /// Its place in the order of age.
    stamp: u64,
}

#[derive(Default)]
struct Table {
    counts: HashMap<Key, Count>,
    by_age: BTreeMap<u64, Key>,
    stamps: u64,
}

/// The counts.
#[derive(Default)]
pub(crate) struct Throttle(Mutex<Table>);

/// An attempt that is under way. Dropped without a word, it counts for nothing.
pub(crate) struct Attempt<'a> {
    throttle: &'a Throttle,
    keys: Vec<Key>,
}

impl Throttle {
    /// Begins an attempt, or says how many seconds have to pass before the next.
    pub(crate) fn begin(&self, keys: Vec<Key>, now_ms: u64) -> Result<Attempt<'_>, u64> {
        let mut table = self.table();
        let wait = keys.iter().filter_map(|key| table.wait_ms(key, now_ms)).max();
        if let Some(ms) = wait {
            return Err(ms.div_ceil(1_000).max(1));
        }
        for key in &keys {
            table.change(key, now_ms, |count| count.pending += 1);
        }
        Ok(Attempt { throttle: self, keys })
    }

    /// Forgets what is too long ago.
    pub(crate) fn forget(&self, now_ms: u64) {
        let mut table = self.table();
        let Table { counts, by_age, .. } = &mut *table;
        counts.retain(|_, count| {
            let stays = count.pending > 0 || now_ms.abs_diff(count.last_ms) < FORGOTTEN_MS;
            if !stays {
                by_age.remove(&count.stamp);
            }
            stays
        });
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long one waits after so many failures more than are free: milliseconds.
const fn delay_ms(beyond: u32) -> u64 {
    let seconds = if beyond >= 6 { LONGEST_MS / 1_000 } else { 1 << beyond };
    seconds * 1_000
}

impl Table {
    /// How long an attempt has to wait.
    fn wait_ms(&self, key: &Key, now_ms: u64) -> Option<u64> {
        let count = self.counts.get(key)?;
        let since = now_ms.abs_diff(count.last_ms);
        let failures = if since >= FORGOTTEN_MS { 0 } else { count.failures };
        let beyond = (failures + count.pending).checked_sub(key.free())?;
        if count.pending > 0 {
            // One at a time, once each may be one too many.
            return Some(delay_ms(beyond));
        }
        delay_ms(beyond).checked_sub(since).filter(|left| *left > 0)
    }

    fn change(&mut self, key: &Key, now_ms: u64, change: impl FnOnce(&mut Count)) -> Count {
        let mut count = self.counts.remove(key).unwrap_or_default();
        self.by_age.remove(&count.stamp);
        if count.failures > 0 && now_ms.abs_diff(count.last_ms) >= FORGOTTEN_MS {
            count.failures = 0;
        }
        change(&mut count);
        if count.failures == 0 && count.pending == 0 {
            return count;
        }
        while self.counts.len() >= REMEMBERED {
            let Some((_, oldest)) = self.by_age.pop_first() else { break };
            self.counts.remove(&oldest);
        }
        self.stamps += 1;
        count.stamp = self.stamps;
        self.by_age.insert(count.stamp, key.clone());
        self.counts.insert(key.clone(), count);
        count
    }
}

impl Attempt<'_> {
    /// It failed. Whether further ones are held back from now on, and weren't before.
    pub(crate) fn failed(mut self, now_ms: u64) -> bool {
        let mut begins = false;
        let mut table = self.throttle.table();
        for key in std::mem::take(&mut self.keys) {
            let count = table.change(&key, now_ms, |count| {
                count.pending = count.pending.saturating_sub(1);
                count.failures = count.failures.saturating_add(1);
                count.last_ms = now_ms;
            });
            begins |= count.failures == key.free();
        }
        begins
    }

    /// It succeeded.
    pub(crate) fn succeeded(mut self, now_ms: u64) {
        let mut table = self.throttle.table();
        for key in std::mem::take(&mut self.keys) {
            table.change(&key, now_ms, |count| {
                count.pending = count.pending.saturating_sub(1);
                if key.is_forgiven() {
                    count.failures = 0;
                }
            });
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.keys.is_empty() {
            return;
        }
        let mut table = self.throttle.table();
        for key in std::mem::take(&mut self.keys) {
            let last_ms = table.counts.get(&key).map_or(0, |count| count.last_ms);
            table.change(&key, last_ms, |count| count.pending = count.pending.saturating_sub(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn fail(throttle: &Throttle, keys: &[Key], now: u64) -> Result<bool, u64> {
        throttle.begin(keys.to_vec(), now).map(|attempt| attempt.failed(now))
    }

    #[test]
    fn a_name_costs_more_and_more_time_after_five_failures_and_nothing_after_a_success() {
        let (throttle, name) = (Throttle::default(), [Key::name("Anna ")]);
        assert_eq!(name[0], Key::name("anna"));
        for number in 1..=5 {
            assert_eq!(fail(&throttle, &name, NOW), Ok(number == 5));
        }
        let mut now = NOW;
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            assert_eq!(fail(&throttle, &name, now), Err(seconds));
            assert_eq!(fail(&throttle, &name, now + seconds * 1_000 - 1), Err(1), "and those don't count");
            now += seconds * 1_000;
            assert_eq!(fail(&throttle, &name, now), Ok(false));
        }
        assert_eq!(fail(&throttle, &[Key::name("berta")], now), Ok(false), "others are let in");
        now += 60_000;
        throttle.begin(name.to_vec(), now).unwrap().succeeded(now);
        for number in 1..=5 {
            assert_eq!(fail(&throttle, &name, now), Ok(number == 5));
        }
        assert_eq!(fail(&throttle, &name, now + FORGOTTEN_MS), Ok(false), "an hour of quiet");
        assert_eq!(fail(&throttle, &name, now + FORGOTTEN_MS), Ok(false));
    }

    #[test]
    fn a_network_may_fail_twenty_times_and_a_success_takes_none_back() {
        let throttle = Throttle::default();
        let from = |address: &str| [Key::address(address)];
        for number in 1..=20_u16 {
            assert_eq!(fail(&throttle, &from(&format!("2001:db8:0:1::{number}")), NOW), Ok(number == 20));
            let _ = throttle.begin(from("2001:db8:0:1::9").to_vec(), NOW).map(|attempt| attempt.succeeded(NOW));
        }
        assert_eq!(fail(&throttle, &from("2001:db8:0:1:ffff::1"), NOW), Err(1));
        for other in ["2001:db8:0:2::1", "192.0.2.1", "", "unix"] {
            assert_eq!(fail(&throttle, &from(other), NOW), Ok(false), "{other}");
        }
        assert_eq!(Key::address("::ffff:192.0.2.1"), Key::address("192.0.2.1"));
        assert_ne!(Key::address("192.0.2.1"), Key::address("192.0.2.2"));
    }

    #[test]
    fn attempts_at_the_same_time_are_no_way_around_it() {
        let (throttle, name) = (Throttle::default(), [Key::name("anna")]);
        let running: Vec<_> = (0..5).map(|_| throttle.begin(name.to_vec(), NOW).ok().unwrap()).collect();
        assert!(throttle.begin(name.to_vec(), NOW).is_err());
        drop(running);
        assert!(throttle.begin(name.to_vec(), NOW).is_ok(), "what was given up counts for nothing");
        assert!(throttle.table().counts.is_empty());
    }

    #[test]
    fn the_table_has_an_end_and_forgets_the_oldest() {
        let throttle = Throttle::default();
        let key = |number: u32| Key::name(&number.to_string());
        let many = u32::try_from(REMEMBERED).unwrap() + 10;
        for number in 0..many {
            assert_eq!(fail(&throttle, &[key(number)], NOW), Ok(false));
        }
        {
            let table = throttle.table();
            assert_eq!((table.counts.len(), table.by_age.len()), (REMEMBERED, REMEMBERED));
            assert!(!table.counts.contains_key(&key(9)) && table.counts.contains_key(&key(10)));
        }
        throttle.forget(NOW + FORGOTTEN_MS);
        assert!(throttle.table().counts.is_empty() && throttle.table().by_age.is_empty());
    }
}
