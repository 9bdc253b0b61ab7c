//! Talks to mail servers. A [`Mailer`] runs tests of an entry: it connects, encrypts, signs in, and hands over a test
//! message or stops before that, telling every step as an [`Event`]. What a failure means is `domain::diagnosis`' affair;
//! storing passwords and runs is the backend's.
//!
//! Every step is bounded by the entry's Timeout, the run by a deadline, and every count of bytes from outside by a cap.

mod auth;
mod compose;
mod connect;
mod lines;
mod policy;
mod record;
mod redact;
mod reply;
mod session;
mod stream;
mod tls;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use domain::secret::Secret;
use domain::smtp_server::SmtpServer;
pub use domain::smtp_server::{Envelope, Mode};
use domain::transcript::{Event, Finished};

pub use connect::{Resolver, SystemResolver};
pub use policy::{BadNetwork, List, NetworkPolicy};
pub use session::Channel;
pub use tls::BadRoots;
pub use trust::{Pinned, SystemAuthorities, Trust, TrustList, system_authorities};

use crate::ports::{Clock, Random, SystemClock, SystemRandom};

/// Runs SMTP sessions. Cheap to share, thread-safe, made once: it reads the machine's certificate authorities.
///
/// ```no_run
/// # async fn example(server: domain::smtp_server::SmtpServer) {
/// use server::mailer::{Mailer, Mode, TestRun};
/// let mailer = Mailer::system(None).expect("no extra roots, nothing to fail");
/// let run = TestRun { server, credential: None, mode: Mode::Check(None) };
/// let finished = mailer.run(run, &mut |event| println!("{event:?}")).await;
/// # }
/// ```
pub struct Mailer {
    trust: tls::Trust,
    resolver: Arc<dyn Resolver>,
    clock: Arc<dyn Clock + Send + Sync>,
    random: Arc<dyn Random + Send + Sync>,
    policy: NetworkPolicy,
    ehlo_name: Option<String>,
    session_deadline: SessionDeadline,
}

/// How long a whole run may take: `factor` times the entry's Timeout, within limits.
#[derive(Clone, Copy, Debug)]
pub struct SessionDeadline {
    /// How many times the Timeout.
    pub factor: u32,
    /// At least this.
    pub min: Duration,
    /// At most this.
    pub max: Duration,
}

impl SessionDeadline {
    /// What design.md wants: 20 × Timeout, at least 60 s, at most 2 h.
    pub const STANDARD: Self = Self { factor: 20, min: Duration::from_mins(1), max: Duration::from_hours(2) };

    fn of(&self, timeout: Duration) -> Duration {
        timeout.saturating_mul(self.factor).clamp(self.min, self.max)
    }
}

/// A test of an entry.
#[derive(Debug)]
pub struct TestRun {
    /// The entry, saved or not.
    pub server: SmtpServer,
    /// What it signs in with. Without one, an entry that signs in with a password fails before anything is opened.
    pub credential: Option<Credential>,
    /// How far it goes.
    pub mode: Mode,
    /// What is trusted; `None` for what the mailer was made with.
    pub trust: Option<Arc<Trust>>,
    /// What is shown to a server that wants to know who we are.
    pub client: Option<Arc<rustls::sign::CertifiedKey>>,
}

/// A stand-in.
#[derive(Debug)]
#[expect(missing_docs, reason = "a stand-in")]
pub struct Inspected {
    pub finished: Finished,
    pub chain: Vec<rustls::pki_types::CertificateDer<'static>>,
    pub findings: Vec<domain::trust::Finding>,
    pub issuer: Option<usize>,
}

/// What proves to a server who we are.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A password: PLAIN, LOGIN or CRAM-MD5.
    Password(Secret),
    /// An OAuth access token: XOAUTH2.
    AccessToken(Secret),
}

impl Credential {
    fn secret(&self) -> &Secret {
        match self {
            Self::Password(secret) | Self::AccessToken(secret) => secret,
        }
    }
}

/// A secret alone is a password.
impl From<Secret> for Credential {
    fn from(password: Secret) -> Self {
        Self::Password(password)
    }
}

impl TestRun {
    /// What tells of this run, without what must not be told.
    fn recorder<'s>(&self, sink: &'s mut (dyn FnMut(Event) + Send)) -> record::Recorder<'s> {
        let mut record = record::Recorder::new(sink);
        if let Some(credential) = &self.credential {
            record.hide(credential.secret().expose().as_bytes());
        }
        record
    }
}

impl Mailer {
    /// With the machine's own certificate authorities, resolver, clock and randomness. `extra_roots` is PEM: authorities,
    /// or servers' own certificates, that are trusted besides.
    ///
    /// # Errors
    /// If `extra_roots` can't be used.
    pub fn system(extra_roots: Option<&[u8]>) -> Result<Self, BadRoots> {
        Self::new(extra_roots, Arc::new(SystemResolver), Arc::new(SystemClock), Arc::new(SystemRandom))
    }

    /// With everything given.
    ///
    /// # Errors
    /// As [`Mailer::system`].
    pub fn new(
        extra_roots: Option<&[u8]>,
        resolver: Arc<dyn Resolver>,
        clock: Arc<dyn Clock + Send + Sync>,
        random: Arc<dyn Random + Send + Sync>,
    ) -> Result<Self, BadRoots> {
        let trust = tls::Trust::new(extra_roots, clock.clone())?;
        let policy = NetworkPolicy::default();
        Ok(Self { trust, resolver, clock, random, policy, ehlo_name: None, session_deadline: SessionDeadline::STANDARD })
    }

    /// Introduces itself as `name` instead of the machine's own name or address.
    #[must_use]
    pub fn with_ehlo_name(mut self, name: impl Into<String>) -> Self {
        self.ehlo_name = Some(name.into());
        self
    }

    /// Connects only where `policy` allows it, instead of where [`NetworkPolicy::default`] does.
    #[must_use]
    pub fn with_network_policy(mut self, policy: NetworkPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Gives whole runs another deadline.
    #[must_use]
    pub fn with_session_deadline(mut self, deadline: SessionDeadline) -> Self {
        self.session_deadline = deadline;
        self
    }

    /// Runs a test. `sink` gets every event in order; the last one is [`domain::transcript::What::Finished`] with what is
    /// returned. It always ends by itself; dropping the future breaks it off ([`Finished::cancelled`] says what is known then).
    pub async fn run(&self, run: TestRun, sink: &mut (dyn FnMut(Event) + Send)) -> Finished {
        self.run_until(run, sink, std::future::pending()).await
    }

    /// A stand-in.
    pub async fn inspect(
        &self,
        run: TestRun,
        sink: &mut (dyn FnMut(Event) + Send),
        cancelled: impl Future<Output = ()> + Send,
    ) -> Inspected {
        let finished = self.run_until(run, sink, cancelled).await;
        Inspected { finished, chain: Vec::new(), findings: Vec::new(), issuer: None }
    }

    /// Like [`Mailer::run`], but the run is cancelled as soon as `cancelled` is ready: nothing more is said, and the connection is
    /// closed. A run that has its result and is only saying goodbye is not cancelled any more.
    pub async fn run_until(
        &self,
        run: TestRun,
        sink: &mut (dyn FnMut(Event) + Send),
        cancelled: impl Future<Output = ()> + Send,
    ) -> Finished {
        let mut record = run.recorder(sink);
        let finished = session::Session::new(self, &run, &mut record).run(cancelled).await;
        record.finish(finished.clone());
        finished
    }
}
