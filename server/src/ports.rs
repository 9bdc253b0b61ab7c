//! What the program takes from the world besides files and connections: the time and random bytes. Tests replace both.

use std::time::{SystemTime, UNIX_EPOCH};

/// The time of day.
pub trait Clock {
    /// Now.
    fn now(&self) -> SystemTime;

    /// Now: milliseconds since 1970.
    fn now_ms(&self) -> u64 {
        let since = self.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Random bytes that nobody can guess.
pub trait Random {
    /// Fills `buf`.
    fn fill(&self, buf: &mut [u8]);
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// The system's random bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    /// # Panics
    /// When the system has no random bytes to give: nothing can be sealed then, and nothing guessable may stand in.
    fn fill(&self, buf: &mut [u8]) {
        getrandom::fill(buf).expect("the system gives random bytes");
    }
}
