//! Access tokens in memory: one for each entry, asked for once however many wait, and never used before what renews it is on the disk.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::entry::EntryId;
use domain::error::Problem;
use domain::secret::Secret;
use domain::smtp_server::SmtpServer;
use domain::transcript::Cause;
use domain::words;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{END, STEP, SignIns, diagnosed};
use crate::entries::Kept;
use crate::mailer::{Granted, TokenClient, TokenSource, Trouble, shown};
use crate::seal::Fingerprint;

/// How long before its end a token isn't used any more; half of what it lasts, if that is less.
const EARLY: Duration = Duration::from_mins(1);
/// How long a token is used whose service doesn't say how long it counts.
const UNSAID: Duration = Duration::from_mins(10);
/// How long nobody asks again after a failure; it doubles each time.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// The longest wait where waiting may help, and where somebody has to do something.
const WAIT_FOR_SERVICE: Duration = Duration::from_mins(15);
const WAIT_FOR_SOMEBODY: Duration = Duration::from_hours(24);

/// The token of one entry. Whoever holds it asks; the others wait and share what comes of it.
#[derive(Default)]
pub(super) struct Slot(Mutex<Held>);

impl Slot {
    /// Ready when nobody asks.
    pub(super) async fn idle(&self) {
        drop(self.0.lock().await);
    }

    /// Forgets the token, once nobody asks; and with `all`, what couldn't be stored.
    pub(super) async fn wipe(&self, all: bool) {
        let mut held = self.0.lock().await;
        held.granted = None;
        if all {
            *held = Held::default();
        }
    }
}

#[derive(Default)]
struct Held {
    /// A token, with the settings it was granted for, and when.
    granted: Option<(Fingerprint, Granted, Instant)>,
    failure: Option<Failure>,
    /// What renews the sign-in from now on, where it couldn't be stored yet.
    unkept: Option<Secret>,
    /// What lay in the store when it was last asked.
    stored: Option<Secret>,
}

struct Failure {
    key: Fingerprint,
    trouble: Trouble,
    at: Instant,
    /// Until when nobody asks again unless somebody wants to see it.
    until: Instant,
    wait: Duration,
}

impl Held {
    /// The token, if it can still be used for these settings, was asked for since `since`, and isn't the one that was refused.
    fn usable(&self, now: Instant, key: Fingerprint, since: Option<Instant>, refused: Option<&Secret>) -> Option<Granted> {
        let (of, granted, at) = self.granted.as_ref()?;
        let lasts = granted.seconds.map_or(UNSAID, Duration::from_secs);
        let counts = now.saturating_duration_since(*at) < lasts.saturating_sub(EARLY.min(lasts / 2));
        let new = since.is_none_or(|since| granted.at >= since);
        (*of == key && counts && new && refused != Some(&granted.token)).then(|| granted.clone())
    }

    /// Why nobody asks just now. Who asks on purpose asks again, but not many at once.
    fn refusal(&self, now: Instant, key: Fingerprint, since: Option<Instant>) -> Option<Trouble> {
        let failure = self.failure.as_ref().filter(|failure| failure.key == key)?;
        let waits = match since {
            Some(since) => failure.at >= since,
            None => now < failure.until,
        };
        waits.then(|| failure.trouble.clone())
    }

    fn failed(&mut self, now: Instant, key: Fingerprint, trouble: &Trouble) {
        let longest = if passes(trouble.cause) { WAIT_FOR_SERVICE } else { WAIT_FOR_SOMEBODY };
        let before = self.failure.as_ref().filter(|failure| failure.key == key).map(|failure| failure.wait);
        let wait = before.map_or(FIRST_WAIT, |before| before.saturating_mul(2)).min(longest);
        self.failure = Some(Failure { key, trouble: trouble.clone(), at: Instant::now(), until: now + wait, wait });
    }
}

/// Whether waiting may help.
pub(crate) const fn passes(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::Timeout
            | Cause::Deadline
            | Cause::Closed
            | Cause::Broken
            | Cause::Unreachable
            | Cause::ConnectionRefused
            | Cause::NameNotFound
            | Cause::TokenServiceBusy
            | Cause::TokenAnswerUnreadable
            | Cause::TokenNotKept
    )
}

/// What is asked for an entry, and for which settings.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) entry: EntryId,
    pub(super) server: SmtpServer,
    pub(super) key: Fingerprint,
    /// Only a token that was asked for since then will do.
    pub(super) since: Option<Instant>,
}

/// Where the runs of an entry get their tokens from.
pub struct Source {
    sign_ins: Arc<SignIns>,
    wanted: Wanted,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({})", self.wanted.entry)
    }
}

#[async_trait]
impl TokenSource for Source {
    async fn token(&self, client: &TokenClient, refused: Option<&Secret>) -> Result<Granted, Trouble> {
        // Another one than what was refused has to be new in any case.
        self.sign_ins.token(self.wanted.clone(), client, refused).await
    }
}

impl SignIns {
    /// The tokens of `entry`, for `server` with the secrets that have this fingerprint. With `since`, only tokens that were asked for
    /// since then.
    pub fn source(self: &Arc<Self>, entry: EntryId, server: &SmtpServer, key: Fingerprint, since: Option<Instant>) -> Arc<Source> {
        let wanted = Wanted { entry, server: server.clone(), key, since };
        Arc::new(Source { sign_ins: Arc::clone(self), wanted })
    }

    pub(super) async fn token(
        self: &Arc<Self>,
        wanted: Wanted,
        client: &TokenClient,
        refused: Option<&Secret>,
    ) -> Result<Granted, Trouble> {
        let slot = Arc::clone(self.slots().entry(wanted.entry).or_default());
        let (sign_ins, client, refused) = (Arc::clone(self), client.clone(), refused.cloned());
        // In a task of its own: whoever waits may go, but what was granted is kept.
        let asking = async move {
            let mut held = slot.0.lock().await;
            if let Some(granted) = held.usable(sign_ins.now(), wanted.key, wanted.since, refused.as_ref()) {
                return Ok(granted);
            }
            let since = wanted.since.or(refused.map(|_| Instant::now()));
            if let Some(trouble) = held.refusal(sign_ins.now(), wanted.key, since) {
                return Err(trouble);
            }
            let client = client.with_time(STEP, Instant::now() + END);
            let result = sign_ins.ask(&wanted, &client, &mut held).await;
            match &result {
                Ok(granted) => {
                    held.granted = Some((wanted.key, granted.clone(), sign_ins.now() - granted.at.elapsed()));
                    held.failure = None;
                }
                Err(trouble) => {
                    held.granted.take_if(|(of, ..)| *of == wanted.key);
                    held.failed(sign_ins.now(), wanted.key, trouble);
                    sign_ins.note_failing(&wanted, held.stored.take(), trouble).await;
                }
            }
            result
        };
        tokio::spawn(asking).await.unwrap_or_else(|error| {
            tracing::error!(%error, "asking for a token broke off");
            Err(Trouble { cause: Cause::Broken, detail: None })
        })
    }

    /// Asks, and keeps what has to be kept before the token may be used.
    async fn ask(&self, wanted: &Wanted, client: &TokenClient, held: &mut Held) -> Result<Granted, Trouble> {
        let Wanted { entry: id, server, .. } = wanted;
        if !client.oauth().strategy.needs_a_person() {
            let granted = client.grant().await?;
            self.keep(*id, server, (None, None), &granted).await?;
            return Ok(granted);
        }
        let stored = {
            let server = server.clone();
            let id = *id;
            self.entries.blocking(move |entries| entries.sign_in_for(id, &server)).await.map_err(|problem| not_kept(&problem))?
        };
        held.stored.clone_from(&stored);
        let stored = stored.ok_or(Cause::NotSignedIn)?;
        // One that was granted but couldn't be stored is newer than what is.
        let renew_with = held.unkept.clone().unwrap_or_else(|| stored.clone());
        let granted = client.refresh(&renew_with).await.map_err(|trouble| {
            let detail = trouble.detail.as_deref().map(|detail| shown(detail, &[&renew_with]));
            Trouble { detail, ..trouble }
        });
        let granted = match granted {
            Ok(granted) => granted,
            Err(trouble) => {
                // If that was withdrawn, what is stored may still count.
                if trouble.cause == Cause::TokenSignInOver {
                    held.unkept = None;
                }
                return Err(trouble);
            }
        };
        let next = granted.refresh.clone().or_else(|| held.unkept.clone());
        match self.keep(*id, server, (Some(stored), next.clone()), &granted).await {
            Ok(()) => {
                held.unkept = None;
                Ok(granted)
            }
            Err(trouble) => {
                held.unkept = next;
                Err(trouble)
            }
        }
    }

    async fn keep(
        &self,
        id: EntryId,
        server: &SmtpServer,
        (stored, renew_with): (Option<Secret>, Option<Secret>),
        granted: &Granted,
    ) -> Result<(), Trouble> {
        let (server, note, must) = (server.clone(), self.note_of(granted), renew_with.is_some());
        match self
            .entries
            .blocking(move |entries| entries.keep_granted(id, &server, stored.as_ref(), renew_with.as_ref(), &note))
            .await
        {
            Ok(Kept::Yes | Kept::OtherSettings) => Ok(()),
            // A note that can't be written stands in nobody's way; what renews the sign-in does.
            Err(problem) if !must => {
                tracing::warn!(entry = id.0, ?problem, "can't note that a token was granted");
                Ok(())
            }
            Err(problem) => Err(not_kept(&problem)),
        }
    }

    async fn note_failing(&self, wanted: &Wanted, stored: Option<Secret>, trouble: &Trouble) {
        let Wanted { entry: id, server, key, .. } = wanted.clone();
        let diagnosis = diagnosed(trouble, &[]);
        tracing::warn!(entry = id.0, cause = ?trouble.cause, "no access token");
        if let Err(problem) = self
            .entries
            .blocking(move |entries| entries.note_sign_in_failing(id, (&server, key), stored.as_ref(), &diagnosis))
            .await
        {
            tracing::warn!(entry = id.0, ?problem, "can't note that no token was granted");
        }
    }
}

fn not_kept(problem: &Problem) -> Trouble {
    Trouble { cause: Cause::TokenNotKept, detail: Some(words::problem(problem)) }
}
