//! Connections that are kept. What applications send goes through connections that stay open for a while, a few for each
//! [`Route`]: a worker owns one, takes the messages that wait for it, in the order in which they came, and says goodbye when
//! none did for some time. What is said on a connection is [`crate::mailer`]'s affair.
//!
//! A message is sent once. It is tried again, on a fresh connection, only where the one that was kept turned out to be closed
//! before anything of the message was said.

mod job;
mod line;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::entry::EntryId;
use domain::error::Problem;
use domain::smtp_server::{Envelope, Mode};
use domain::transcript::{Event, Finished};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

use crate::entries::Basis;
use crate::mailer::{Channel, Mailer, Message, TestRun};
use crate::seal::Fingerprint;
use job::{Job, Tape};
use line::{Line, State};

/// How much is kept, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a connection waits for another message before it is closed.
    pub idle: Duration,
    /// The most connections of a route at once.
    pub connections: usize,
    /// How long a route has no more connections than its server lets it have, once that refused one.
    pub lowered: Duration,
    /// The most messages that wait, all routes together. A route has at most as many of these places as it leaves to others.
    pub waiting: usize,
}

impl Limits {
    /// Microsoft allows three connections. Half a minute bridges the pauses of a busy application, and is less than servers and
    /// firewalls wait.
    pub const STANDARD: Self =
        Self { idle: Duration::from_secs(30), connections: 3, lowered: Duration::from_mins(10), waiting: 1_000 };
}

/// What a connection was made with. Messages of equal routes may share one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    entry: EntryId,
    made_with: MadeWith,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum MadeWith {
    /// These settings, secrets included, and what was trusted then.
    Settings(Fingerprint, u64),
    /// Nobody can tell, so it is shared with nobody.
    Unknown(u64),
}

/// What became of a message.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// How it ended.
    pub finished: Finished,
    /// What happened for it, in order; the times count from when it was handed over. Where its connection was opened for it,
    /// that is told, too.
    pub events: Vec<Event>,
}

/// Sends messages through connections that are kept. Made once; it ends with [`Couriers::close`].
pub struct Couriers {
    mailer: Arc<Mailer>,
    limits: Limits,
    desk: Mutex<Desk>,
    closing: watch::Sender<bool>,
    /// A worker has ended.
    ended: Notify,
}

/// Who waits, and who works.
#[derive(Default)]
struct Desk {
    lines: HashMap<Route, Line>,
    /// Messages that wait, in all lines.
    waiting: usize,
    workers: usize,
    numbers: u64,
    closed: bool,
}

impl Couriers {
    /// Nothing is open yet.
    pub fn new(mailer: Arc<Mailer>) -> Self {
        let (closing, _) = watch::channel(false);
        Self { mailer, limits: Limits::STANDARD, desk: Mutex::default(), closing, ended: Notify::new() }
    }

    /// With other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sends a message through a connection that is kept, or a new one, when its turn comes. `basis` says what `run` is made with;
    /// how far `run` is to go doesn't matter. Who drops the future before anything was said of the message takes it back; after
    /// that it is let through.
    ///
    /// # Errors
    /// [`Problem::Busy`] where too much waits already; the message was not taken.
    pub async fn send(
        self: &Arc<Self>,
        entry: EntryId,
        basis: &Basis,
        run: TestRun,
        envelope: Envelope,
        message: Message<'static>,
    ) -> Result<Delivery, Problem> {
        let run = Arc::new(TestRun { mode: Mode::Check(None), ..run });
        let (answer, answered) = oneshot::channel();
        let (route, number) = {
            let mut desk = self.desk();
            desk.numbers += 1;
            let made_with = match basis.settings {
                Some(settings) => MadeWith::Settings(settings, basis.trust_epoch),
                None => MadeWith::Unknown(desk.numbers),
            };
            let (route, job) = (Route { entry, made_with }, Job::new(desk.numbers, run, envelope, message, answer));
            let number = job.number;
            self.take(&mut desk, &route, job)?;
            (route, number)
        };
        // What is in nobody's hands is taken back.
        let _place = Place { couriers: self, route, number };
        // Nobody answers only where a worker broke off, and nobody knows where.
        Ok(answered.await.unwrap_or_else(|_| Delivery::unknown()))
    }

    /// Takes no more messages, gives those that wait back as cancelled, lets those through that were begun, and says goodbye
    /// everywhere.
    pub async fn close(&self) {
        {
            let mut desk = self.desk();
            desk.closed = true;
            desk.waiting = 0;
            for line in desk.lines.values_mut() {
                line.idle.clear();
                line.waiting.drain(..).for_each(Job::cancel);
            }
        }
        self.closing.send_replace(true);
        loop {
            let ended = self.ended.notified();
            if self.desk().workers == 0 {
                return;
            }
            ended.await;
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the job to who can do it, or lets it wait.
    fn take(self: &Arc<Self>, desk: &mut Desk, route: &Route, job: Job) -> Result<(), Problem> {
        if desk.closed {
            job.cancel();
            return Ok(());
        }
        let now = Instant::now();
        if !desk.lines.contains_key(route) {
            desk.lines.retain(|_, line| line.is_of_use(now));
        }
        let free = self.limits.waiting.saturating_sub(desk.waiting);
        let line = desk.lines.entry(route.clone()).or_default();
        if !line.can_begin(self.limits.connections, now) && line.waiting.len() >= free {
            return Err(Problem::Busy);
        }
        line.waiting.push_back(job);
        desk.waiting += 1;
        self.distribute(desk, route);
        Ok(())
    }

    /// Who waits is given to who has nothing to do, or gets a connection of his own.
    fn distribute(self: &Arc<Self>, desk: &mut Desk, route: &Route) {
        let Some(line) = desk.lines.get_mut(route) else { return };
        while let Some(job) = line.waiting.pop_front() {
            desk.waiting -= 1;
            let job = match line.idle.pop() {
                Some((_, idle)) => match idle.send(job) {
                    Ok(()) => continue,
                    Err(job) => job,
                },
                None => job,
            };
            // Without a runtime everything ends.
            let runtime =
                tokio::runtime::Handle::try_current().ok().filter(|_| line.has_room(self.limits.connections, Instant::now()));
            let Some(runtime) = runtime else {
                line.waiting.push_front(job);
                desk.waiting += 1;
                return;
            };
            desk.numbers += 1;
            desk.workers += 1;
            line.enter(State::Opening);
            let seat = Seat { couriers: Arc::clone(self), route: route.clone(), number: desk.numbers, state: State::Opening };
            runtime.spawn(seat.work(job));
        }
    }

    async fn until_closing(&self) {
        let mut closing = self.closing.subscribe();
        // It is never dropped before.
        let _closing = closing.wait_for(|closing| *closing).await;
    }
}

/// The place of a message whose sender waits.
struct Place<'c> {
    couriers: &'c Couriers,
    route: Route,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut desk = self.couriers.desk();
        let Some(line) = desk.lines.get_mut(&self.route) else { return };
        if let Some(at) = line.waiting.iter().position(|job| job.number == self.number) {
            line.waiting.remove(at);
            desk.waiting -= 1;
        }
    }
}

/// A worker's: it counts as a connection of its route as long as this is there.
struct Seat {
    couriers: Arc<Couriers>,
    route: Route,
    number: u64,
    state: State,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let couriers = Arc::clone(&self.couriers);
        let mut desk = couriers.desk();
        if let Some(line) = desk.lines.get_mut(&self.route) {
            line.leave(self.state);
        }
        desk.workers -= 1;
        couriers.distribute(&mut desk, &self.route);
        if desk.lines.get(&self.route).is_some_and(|line| !line.is_of_use(Instant::now())) {
            desk.lines.remove(&self.route);
        }
        drop(desk);
        couriers.ended.notify_waiters();
    }
}

impl Seat {
    /// One connection after the other, as long as there is something to send.
    async fn work(mut self, job: Job) {
        let mut next = Some(job);
        while let Some(job) = next {
            self.become_(State::Opening);
            next = self.connect(job).await.or_else(|| self.waiting());
        }
    }

    fn become_(&mut self, state: State) {
        if let Some(line) = self.couriers.desk().lines.get_mut(&self.route) {
            line.leave(self.state);
            line.enter(state);
        }
        self.state = state;
    }

    /// Opens a connection for the job, and sends it and others through it until it is over. A job that has to be sent through
    /// another one.
    async fn connect(&mut self, mut job: Job) -> Option<Job> {
        let couriers = Arc::clone(&self.couriers);
        let run = Arc::clone(&job.run);
        let tape = Mutex::new(Tape::begin(&job));
        let mut sink = |event| Tape::of(&tape).push(event);
        let mut record = run.recorder(&mut sink);
        // Nothing is sent yet.
        let opened = tokio::select! {
            biased;
            () = couriers.until_closing() => None,
            opened = couriers.mailer.open(&run, &mut record) => Some(opened),
        };
        let mut channel = match opened {
            None => {
                job.cancel();
                return None;
            }
            Some(Err(finished)) => {
                let events = Tape::of(&tape).take();
                self.refused(job, finished, events);
                return None;
            }
            Some(Ok(channel)) => channel,
        };
        job.events.append(&mut Tape::of(&tape).take());
        self.become_(State::Up);
        let mut again = None;
        let mut is_kept = false;
        loop {
            if let Some(job) = self.carry(job, is_kept, &mut channel, &tape).await {
                again = Some(job);
                break;
            }
            is_kept = true;
            if !channel.is_open() {
                break;
            }
            let Some(next) = self.next().await else { break };
            job = next;
        }
        // Nobody's, whatever happens in it.
        channel.close().await;
        again
    }

    /// Sends a job through an open connection. The job, where it has to be sent through another one.
    async fn carry(&self, mut job: Job, is_kept: bool, channel: &mut Channel<'_, '_>, tape: &Mutex<Tape>) -> Option<Job> {
        if *self.couriers.closing.borrow() {
            job.cancel();
            return None;
        }
        if job.is_withdrawn() {
            return None;
        }
        if is_kept {
            job.note_kept(channel.security());
        }
        *Tape::of(tape) = Tape::begin(&job);
        let finished = channel.send(&job.envelope, &job.message).await;
        let events = Tape::of(tape).take();
        let may_go_again = is_kept && !job.is_repeated && !channel.is_open() && job::was_closed_before(&finished);
        if may_go_again && !job.is_withdrawn() && !*self.couriers.closing.borrow() {
            job.repeat(events);
            return Some(job);
        }
        job.deliver(finished, events);
        None
    }

    /// The connection could not be opened. Where the server only has enough of them, the job waits for one of the others.
    fn refused(&self, mut job: Job, finished: Finished, events: Vec<Event>) {
        let mut desk = self.couriers.desk();
        let desk = &mut *desk;
        let others = desk.lines.get_mut(&self.route).filter(|line| !desk.closed && line.connections() > 1);
        let Some(line) = others.filter(|_| job::has_enough(&finished)) else {
            job.deliver(finished, events);
            return;
        };
        line.lower(Instant::now() + self.couriers.limits.lowered);
        job.note_refused(&finished, events);
        line.waiting.push_front(job);
        desk.waiting += 1;
    }

    /// Somebody who waits.
    fn waiting(&self) -> Option<Job> {
        let mut desk = self.couriers.desk();
        let line = desk.lines.get_mut(&self.route)?;
        // A connection that this one would be too many for isn't opened.
        if line.connections() > line.limit(self.couriers.limits.connections, Instant::now()) {
            return None;
        }
        let job = line.waiting.pop_front()?;
        desk.waiting -= 1;
        Some(job)
    }

    /// The next job for an open connection; `None` after the time that it is kept for nothing.
    async fn next(&self) -> Option<Job> {
        let mut given = {
            let mut desk = self.couriers.desk();
            if desk.closed {
                return None;
            }
            let line = desk.lines.get_mut(&self.route)?;
            if let Some(job) = line.waiting.pop_front() {
                desk.waiting -= 1;
                return Some(job);
            }
            let (idle, given) = oneshot::channel();
            line.idle.push((self.number, idle));
            given
        };
        tokio::select! {
            biased;
            job = &mut given => job.ok(),
            () = tokio::time::sleep(self.couriers.limits.idle) => {
                if let Some(line) = self.couriers.desk().lines.get_mut(&self.route) {
                    line.idle.retain(|(number, _)| *number != self.number);
                }
                // Perhaps it was given one in the same instant.
                given.try_recv().ok()
            }
        }
    }
}
