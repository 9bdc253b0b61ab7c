//! Those who wait for a connection of one route, and the connections that it has.

use std::collections::VecDeque;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::job::Job;

/// A route's.
#[derive(Default)]
pub(super) struct Line {
    /// In the order in which they came.
    pub(super) waiting: VecDeque<Job>,
    /// The workers that have nothing to do; the one that was busy last is the last.
    pub(super) idle: Vec<(u64, oneshot::Sender<Job>)>,
    /// Connections that are being opened.
    pub(super) opening: usize,
    /// Connections that are open.
    pub(super) up: usize,
    /// The most connections until then.
    lowered: Option<(usize, Instant)>,
}

/// How a worker's connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Opening,
    Up,
}

impl Line {
    pub(super) fn enter(&mut self, state: State) {
        *self.count(state) += 1;
    }

    pub(super) fn leave(&mut self, state: State) {
        *self.count(state) -= 1;
    }

    fn count(&mut self, state: State) -> &mut usize {
        match state {
            State::Opening => &mut self.opening,
            State::Up => &mut self.up,
        }
    }

    /// How many connections there are, open or not yet.
    pub(super) fn connections(&self) -> usize {
        self.opening + self.up
    }

    /// How many there may be, where `standard` is what nobody objected to.
    pub(super) fn limit(&self, standard: usize, now: Instant) -> usize {
        match self.lowered {
            Some((limit, until)) if now < until => limit.min(standard),
            _ => standard,
        }
    }

    /// Whether another one may be opened.
    pub(super) fn has_room(&self, standard: usize, now: Instant) -> bool {
        self.connections() < self.limit(standard, now)
    }

    /// Whether a job wouldn't have to wait.
    pub(super) fn can_begin(&self, standard: usize, now: Instant) -> bool {
        self.waiting.is_empty() && (!self.idle.is_empty() || self.has_room(standard, now))
    }

    /// No more than are open now, until then.
    pub(super) fn lower(&mut self, until: Instant) {
        self.lowered = Some((self.up.max(1), until));
    }

    /// Whether anything would be lost with it.
    pub(super) fn is_of_use(&self, now: Instant) -> bool {
        self.connections() > 0 || !self.waiting.is_empty() || self.lowered.is_some_and(|(_, until)| now < until)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_limit_that_was_lowered_is_so_for_a_while() {
        let now = Instant::now();
        let later = now + Duration::from_mins(10);
        let mut line = Line::default();
        assert_eq!((line.limit(3, now), line.is_of_use(now)), (3, false));
        line.enter(State::Opening);
        line.lower(later);
        assert_eq!(line.limit(3, now), 1, "the one that is being opened may come about");
        line.leave(State::Opening);
        for up in 1..5 {
            line.enter(State::Up);
            line.lower(later);
            assert_eq!((line.limit(3, now), line.limit(3, later)), (up.min(3), 3));
            assert_eq!((line.has_room(3, now), line.has_room(3, later)), (false, up < 3));
        }
        (0..4).for_each(|_| line.leave(State::Up));
        assert!(line.is_of_use(now) && !line.is_of_use(later), "it is remembered as long as it counts");
    }
}
