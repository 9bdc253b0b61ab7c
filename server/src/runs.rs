//! Runs: tests as tasks of their own, which go on without whoever asked for them, can be cancelled at any moment, and are
//! recorded once they are over. What is said to a mail server is the mailer's affair, what may be asked for the backend's.

mod batch;
mod plan;

pub(crate) use batch::PATIENCE;
pub(crate) use plan::client_key;
pub use plan::{Keys, Planned};

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use app::backend::LiveRun;
use domain::entry::EntryId;
use domain::error::Problem;
use domain::run::{Run, RunId, RunMode, RunSummary};
use domain::transcript::{Aim, Cause, Event, Finished, Outcome, Stage, What};
use futures::Stream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::entries::{Basis, Entries};
use crate::mailer::{Inspected, Mailer, Mode, TestRun};
use crate::ports::SystemRandom;
use crate::sign_ins::SignIns;

/// The most sessions at once; more wait.
const MAX_SESSIONS: usize = 16;
/// How long runs whose message was begun have to come to their end when the program ends. Less than open connections have
/// (`web::serve`), so that whoever watches still hears how it ended.
const GRACE: Duration = Duration::from_secs(25);
/// How long it may take to record what was cancelled after that.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// The runs of this process.
pub struct Runs {
    entries: Arc<Entries>,
    mailer: Arc<Mailer>,
    sign_ins: Arc<SignIns>,
    sessions: Semaphore,
    /// Places for entries that are checked together with others.
    batches: Semaphore,
    last: AtomicU64,
    live: Mutex<Live>,
    /// Told whenever a run has ended.
    ended: Notify,
}

#[derive(Default)]
struct Live {
    runs: HashMap<RunId, Handle>,
    /// The program ends.
    closing: bool,
}

/// What is known of a run from outside.
struct Handle {
    /// Whose it is.
    entry: Option<EntryId>,
    stop: watch::Sender<Stop>,
    progress: Arc<Progress>,
}

/// Whether a run is to stop. A stronger wish is not taken back by a weaker one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stop {
    No,
    /// Nobody waits for it any more: unless the message was begun. That is let through, so that nobody has to wonder.
    UnlessBegun,
    Now,
}

/// How far a run has come.
#[derive(Default)]
struct Progress {
    /// The message was begun: from DATA on.
    begun: AtomicBool,
    /// It has its result and is only saying goodbye.
    settled: AtomicBool,
}

impl Runs {
    /// The runs of entries.
    ///
    /// # Errors
    /// As the store, when the number of the last run can't be read.
    pub fn new(entries: Arc<Entries>, mailer: Mailer) -> Result<Self, Problem> {
        let last = entries.last_run()?.0;
        let mailer = Arc::new(mailer);
        let sign_ins = Arc::new(SignIns::new(Arc::clone(&entries), Arc::clone(&mailer), Arc::new(SystemRandom)));
        Ok(Self {
            entries,
            mailer,
            sign_ins,
            sessions: Semaphore::new(MAX_SESSIONS),
            batches: Semaphore::new(batch::MAX_AT_ONCE),
            last: AtomicU64::new(last),
            live: Mutex::default(),
            ended: Notify::new(),
        })
    }

    /// What runs sessions.
    pub fn mailer(&self) -> Arc<Mailer> {
        Arc::clone(&self.mailer)
    }

    /// What runs get their tokens from.
    pub const fn sign_ins(&self) -> &Arc<SignIns> {
        &self.sign_ins
    }

    /// Starts a run.
    pub fn start(self: &Arc<Self>, mut planned: Planned) -> LiveRun {
        if let (Some(entry), Some(key), true) = (planned.entry, planned.basis.settings, planned.shares_tokens) {
            // Asked for anew, so that a test shows whether that works; but once for all that run at the same time.
            let since = Some(Instant::now());
            planned.test.tokens = Some(self.sign_ins.source(entry, &planned.test.server, key, since));
        }
        let host = planned.test.server.host.to_string();
        let progress = Arc::new(Progress::default());
        let (ended, stopped) = self.begin(&progress, planned.entry);
        let run = ended.run;
        // Without a bound, so that a slow reader holds nobody up: what goes through is a transcript, and that is capped.
        let (tell, told) = unbounded_channel();
        let task = async move {
            ended.runs.carry_out(run, planned, stopped, &progress, tell).await;
            drop(ended);
        };
        tokio::spawn(task.in_current_span());
        LiveRun { run, host, events: Box::pin(Watcher { events: told, runs: Arc::clone(self), run, over: false }) }
    }

    /// Looks at what a server presents, as one of the sessions at once. It is recorded nowhere, and ends with the program, or with
    /// whoever asked for it: when this is dropped.
    pub async fn inspect(self: &Arc<Self>, run: TestRun) -> (Inspected, Vec<Event>) {
        let progress = Arc::new(Progress::default());
        let (_ended, mut stop) = self.begin(&progress, None);
        let mut events = Vec::new();
        let place = tokio::select! {
            biased;
            () = asked_to_stop(&mut stop, &progress) => None,
            place = self.sessions.acquire() => place.ok(),
        };
        let inspected = if place.is_some() {
            self.mailer.inspect(run, &mut |event| events.push(event), asked_to_stop(&mut stop, &progress)).await
        } else {
            let finished = never_begun(Aim::Inspect);
            events.push(Event { what: What::Finished(finished.clone()), elapsed_ms: 0 });
            Inspected { finished, chain: Vec::new(), findings: Vec::new(), issuer: None }
        };
        (inspected, events)
    }

    /// Notes that something runs, until what is returned first is dropped; the other tells it to stop.
    fn begin(self: &Arc<Self>, progress: &Arc<Progress>, entry: Option<EntryId>) -> (Ended, watch::Receiver<Stop>) {
        let run = RunId(self.last.fetch_add(1, Ordering::Relaxed) + 1);
        let mut live = self.live();
        let (stop, stopped) = watch::channel(if live.closing { Stop::UnlessBegun } else { Stop::No });
        live.runs.insert(run, Handle { entry, stop, progress: Arc::clone(progress) });
        (Ended { runs: Arc::clone(self), run }, stopped)
    }

    /// The entry of a run that goes on.
    pub fn entry_of(&self, run: RunId) -> Option<EntryId> {
        self.live().runs.get(&run)?.entry
    }

    /// Cancels a run at once, whatever it does. Whether there was anything to cancel.
    pub fn cancel(&self, run: RunId) -> bool {
        self.stop(run, Stop::Now)
    }

    /// Ends everything with the program: runs that have not begun their message are cancelled, the others may end, but not for
    /// ever. All of them are recorded when this returns.
    pub async fn close(&self) {
        self.stop_all(Stop::UnlessBegun);
        if tokio::time::timeout(GRACE, self.idle()).await.is_ok() {
            return;
        }
        self.stop_all(Stop::Now);
        if tokio::time::timeout(LAST_WORDS, self.idle()).await.is_err() {
            tracing::warn!("stopped although runs weren't recorded yet");
        }
    }

    fn stop_all(&self, stop: Stop) {
        let runs: Vec<RunId> = {
            let mut live = self.live();
            live.closing = true;
            live.runs.keys().copied().collect()
        };
        for run in runs {
            self.stop(run, stop);
        }
    }

    fn stop(&self, run: RunId, stop: Stop) -> bool {
        let live = self.live();
        let Some(handle) = live.runs.get(&run).filter(|handle| !handle.progress.settled.load(Ordering::Relaxed)) else {
            return false;
        };
        handle.stop.send_if_modified(|now| std::mem::replace(now, stop.max(*now)) < stop);
        true
    }

    /// Ready when nothing runs.
    async fn idle(&self) {
        loop {
            let ended = self.ended.notified();
            if self.live().runs.is_empty() {
                return;
            }
            ended.await;
        }
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn carry_out(
        &self,
        id: RunId,
        planned: Planned,
        mut stop: watch::Receiver<Stop>,
        progress: &Progress,
        tell: UnboundedSender<Event>,
    ) {
        let Planned { entry, test, basis, caller, one_of_many, .. } = planned;
        let (mode, aim) =
            if matches!(test.mode, Mode::Send(_)) { (RunMode::Send, Aim::Send) } else { (RunMode::Check, Aim::Check) };
        let host = test.server.host.to_string();
        let place = tokio::select! {
            biased;
            () = asked_to_stop(&mut stop, progress) => None,
            place = self.sessions.acquire() => place.ok(),
        };
        let at_ms = self.entries.now_ms();
        let (mut events, mut last, mut early) = (Vec::new(), None, None);
        if let Some(_place) = place {
            let mut sink = |event: Event| {
                match &event.what {
                    // Whoever hears of the end finds it recorded.
                    What::Finished(_) => return last = Some(event),
                    What::Begun { stage: Stage::Data } => progress.begun.store(true, Ordering::Relaxed),
                    What::Begun { stage: Stage::Quit } => progress.settled.store(true, Ordering::Relaxed),
                    _ => {}
                }
                // Nobody listens any more where this fails.
                let _ = tell.send(event.clone());
                let (at, says_goodbye) = (event.elapsed_ms, event.what == What::Begun { stage: Stage::Quit });
                events.push(event);
                if let (true, Some(entry)) = (says_goodbye && !one_of_many, entry) {
                    let finished = Finished { aim, ..Finished::cancelled(&events) };
                    let summary = RunSummary::of(id, at_ms, caller.display(), mode, &host, &finished, at);
                    // Why something failed isn't known here, and so not what that says of the entry.
                    let works = matches!(finished.outcome, Outcome::Sent | Outcome::Checked);
                    let basis = works.then(|| basis.clone());
                    let end = Event { what: What::Finished(finished), elapsed_ms: at };
                    let run = Run { summary, events: [&events[..], &[end]].concat() };
                    early = Some(self.record(entry, basis, run));
                }
            };
            self.mailer.run_until(test, &mut sink, asked_to_stop(&mut stop, progress)).await;
        }
        // So that the whole takes its place, and not the other way round.
        if let Some(early) = early {
            written(id, early).await;
        }
        progress.settled.store(true, Ordering::Relaxed);
        let last = last.unwrap_or_else(|| Event { what: What::Finished(never_begun(aim)), elapsed_ms: 0 });
        if let What::Finished(finished) = &last.what {
            tracing::info!(run = id.0, entry = entry.map(|id| id.0), outcome = ?finished.outcome, stage = ?finished.stage, "tested");
            let summary = RunSummary::of(id, at_ms, caller.display(), mode, &host, finished, last.elapsed_ms);
            events.push(last.clone());
            if let Some(entry) = entry {
                written(id, self.record(entry, Some(basis), Run { summary, events })).await;
            }
        }
        let _ = tell.send(last);
    }

    /// Records a run, whether or not anybody waits for that. It is done once before its goodbye, which a server may draw out:
    /// what was heard outlasts the end of the program at any moment.
    fn record(&self, entry: EntryId, basis: Option<Basis>, run: Run) -> JoinHandle<()> {
        let entries = Arc::clone(&self.entries);
        tokio::task::spawn_blocking(move || {
            let id = run.summary.id.0;
            match entries.record_run(entry, basis.as_ref(), &run) {
                Ok(true) => {}
                Ok(false) => tracing::info!(run = id, entry = entry.0, "not recorded: the entry has gone"),
                Err(problem) => tracing::warn!(run = id, entry = entry.0, ?problem, "can't record a run"),
            }
        })
    }
}

/// The end of what was stopped while it waited for its turn.
fn never_begun(aim: Aim) -> Finished {
    Finished { aim, cause: Some(Cause::Cancelled), ..Finished::cancelled(&[]) }
}

/// The result stands whether or not it can be kept.
async fn written(run: RunId, recording: JoinHandle<()>) {
    if let Err(error) = recording.await {
        tracing::error!(run = run.0, %error, "recording a run broke off");
    }
}

/// Ready when the run is to stop. It is asked in the task of the run itself, so that no message is begun in between.
async fn asked_to_stop(stop: &mut watch::Receiver<Stop>, progress: &Progress) {
    loop {
        let asked = *stop.borrow_and_update();
        if asked == Stop::Now || asked == Stop::UnlessBegun && !progress.begun.load(Ordering::Relaxed) {
            return;
        }
        if stop.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// Takes a run off the list when it has ended, also by a mistake of ours.
struct Ended {
    runs: Arc<Runs>,
    run: RunId,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.runs.live().runs.remove(&self.run);
        self.runs.ended.notify_waiters();
    }
}

/// The events of a run for whoever watches it.
struct Watcher {
    events: UnboundedReceiver<Event>,
    runs: Arc<Runs>,
    run: RunId,
    over: bool,
}

impl Stream for Watcher {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let event = ready!(self.events.poll_recv(cx));
        self.over |= event.as_ref().is_none_or(|event| matches!(event.what, What::Finished(_)));
        Poll::Ready(event)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if !self.over {
            self.runs.stop(self.run, Stop::UnlessBegun);
        }
    }
}
