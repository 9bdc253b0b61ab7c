//! Talks to mail servers. A [`Mailer`] runs tests of an entry: it connects, encrypts, signs in, and hands over a test
//! message or stops before that, telling every step as an [`Event`]. What a failure means is `domain::diagnosis`' affair;
//! storing passwords and runs is the backend's.
//!
//! Every step is bounded by the entry's Timeout, the run by a deadline, and every count of bytes from outside by a cap.

mod auth;
mod compose;
mod connect;
mod content;
mod https;
mod lines;
mod message;
mod mime;
mod policy;
mod record;
mod redact;
mod reply;
mod session;
mod stream;
mod test_fax;
mod tls;
mod token;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use domain::oauth;
use domain::secret::Secret;
use domain::smtp_server::SmtpServer;
pub use domain::smtp_server::{Envelope, Mode};
use domain::transcript::{Event, Finished};
use domain::trust::Finding;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::sign::CertifiedKey;

pub use connect::{Resolver, SystemResolver};
pub use content::{Content, FileContent};
pub use message::Message;
pub use mime::{Outgoing, Part};
pub use policy::{BadNetwork, List, NetworkPolicy};
pub(crate) use redact::shown;
pub use session::Channel;
pub use stream::Trouble;
pub use token::{DeviceGrant, Granted, Poll, TokenClient, TokenSource, refused};
pub use trust::{Pinned, SystemAuthorities, Trust, TrustList, system_authorities};

use crate::ports::{Clock, Random, SystemClock, SystemRandom};

/// Runs SMTP sessions. Cheap to share, thread-safe, made once.
///
/// ```no_run
/// # async fn example(server: domain::smtp_server::SmtpServer) {
/// use server::mailer::{Mailer, Mode, TestRun};
/// let mailer = Mailer::system(None).expect("no extra roots, nothing to fail");
/// let run = TestRun::new(server, None, Mode::Check(None));
/// let finished = mailer.run(run, &mut |event| println!("{event:?}")).await;
/// # }
/// ```
pub struct Mailer {
    provider: Arc<CryptoProvider>,
    trust: Arc<Trust>,
    resolver: Arc<dyn Resolver>,
    clock: Arc<dyn Clock + Send + Sync>,
    random: Arc<dyn Random + Send + Sync>,
    policy: NetworkPolicy,
    authority: String,
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
#[derive(Clone, Debug)]
pub struct TestRun {
    /// The entry, saved or not.
    pub server: SmtpServer,
    /// What it signs in with. Without one, an entry that signs in with a password fails before anything is opened.
    pub credential: Option<Credential>,
    /// How far it goes.
    pub mode: Mode,
    /// What is trusted; `None` stands for the machine's authorities and the roots that the [`Mailer`] was made with.
    pub trust: Option<Arc<Trust>>,
    /// The certificate that is shown to a server that asks who connects, and to no other.
    pub client: Option<Arc<CertifiedKey>>,
    /// Where the tokens come from that it signs in with; `None` asks for one by itself, where nobody has to sign in for that.
    pub tokens: Option<Arc<dyn TokenSource>>,
    /// What its application proves with that it is itself.
    pub application: Option<Arc<CertifiedKey>>,
    /// What stands in the test message in the place of its file: a link to that, in words.
    pub link: Option<String>,
}

/// What a server presents, and what is to be thought of it.
#[derive(Debug)]
pub struct Inspected {
    /// How it ended, as the last event tells it.
    pub finished: Finished,
    /// What was presented, the server's own certificate first: at most ten of at most 64 KiB. Empty where it came to no
    /// handshake.
    pub chain: Vec<CertificateDer<'static>>,
    /// Everything that stands against it, or the one ground to trust it. Empty where `chain` is.
    pub findings: Vec<Finding>,
    /// The place in `chain` of the authority's certificate that really signed the first one.
    pub issuer: Option<usize>,
}

/// Extra certificates that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BadRoots {
    /// The text is not PEM.
    #[error("it can't be read as PEM")]
    Pem(#[source] rustls::pki_types::pem::Error),
    /// There is no certificate in it.
    #[error("it holds no certificate")]
    Empty,
    /// One of them can't be a root.
    #[error("a certificate in it can't be used")]
    Certificate(#[source] webpki::Error),
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
    /// With the mailer's own trust, and nothing to show a server that asks who connects.
    pub const fn new(server: SmtpServer, credential: Option<Credential>, mode: Mode) -> Self {
        Self { server, credential, mode, trust: None, client: None, tokens: None, application: None, link: None }
    }

    /// What tells of this run, without what must not be told.
    pub(crate) fn recorder<'s>(&self, sink: &'s mut (dyn FnMut(Event) + Send)) -> record::Recorder<'s> {
        let mut record = record::Recorder::new(sink);
        if let Some(credential) = &self.credential {
            record.hide(credential.secret().expose().as_bytes());
        }
        record
    }
}

impl Mailer {
    /// With the machine's own certificate authorities, resolver, clock and randomness. `extra_roots` is PEM: authorities,
    /// or servers' own certificates, that are trusted besides, unless a run says what is ([`TestRun::trust`]).
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
        let given = extra_roots.map_or_else(|| Ok(Vec::new()), roots)?;
        let trust = Arc::new(Trust::new(TrustList { system: true, ..TrustList::default() }).with_given(given));
        Ok(Self {
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            trust,
            resolver,
            clock,
            random,
            policy: NetworkPolicy::default(),
            authority: oauth::MICROSOFT.into(),
            ehlo_name: None,
            session_deadline: SessionDeadline::STANDARD,
        })
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

    /// Asks for tokens there instead of at Microsoft's sign-in service: `https://…`, or `http://` on this machine itself, for tests.
    #[must_use]
    pub fn with_authority(mut self, authority: impl Into<String>) -> Self {
        self.authority = authority.into();
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

    /// Like [`Mailer::run`], but the run is cancelled as soon as `cancelled` is ready: nothing more is said, and the connection is
    /// closed. A run that has its result and is only saying goodbye is not cancelled any more.
    pub async fn run_until(
        &self,
        run: TestRun,
        sink: &mut (dyn FnMut(Event) + Send),
        cancelled: impl Future<Output = ()> + Send,
    ) -> Finished {
        self.carry_out(&run, sink, cancelled).await.0
    }

    /// Looks at what a server presents, as it would be presented to a test with the same trust: to the end of the handshake, then
    /// goodbye. It signs in nowhere, shows no certificate and sends nothing, whatever `run` says. Where StartTLS is disabled it
    /// is asked for all the same, as nothing depends on it. Ends, and is cancelled, as [`Mailer::run_until`] is.
    pub async fn inspect(
        &self,
        run: TestRun,
        sink: &mut (dyn FnMut(Event) + Send),
        cancelled: impl Future<Output = ()> + Send,
    ) -> Inspected {
        let run = TestRun { mode: Mode::Inspect, client: None, ..run };
        let (finished, presented) = self.carry_out(&run, sink, cancelled).await;
        let issuer = self.trust_of(&run).issuer(&presented.chain);
        let findings = presented.findings(&run.server);
        Inspected { finished, chain: presented.chain, findings, issuer }
    }

    async fn carry_out(
        &self,
        run: &TestRun,
        sink: &mut (dyn FnMut(Event) + Send),
        cancelled: impl Future<Output = ()> + Send,
    ) -> (Finished, tls::Presented) {
        let mut record = run.recorder(sink);
        let (finished, presented) = session::Session::new(self, run, &mut record).run(cancelled).await;
        record.finish(finished.clone());
        (finished, presented)
    }

    fn trust_of<'r>(&'r self, run: &'r TestRun) -> &'r Arc<Trust> {
        run.trust.as_ref().unwrap_or(&self.trust)
    }
}

/// The certificates in PEM, each of which can be relied on.
fn roots(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, BadRoots> {
    let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(BadRoots::Pem)?;
    if all.is_empty() {
        return Err(BadRoots::Empty);
    }
    for root in &all {
        webpki::anchor_from_trusted_cert(root).map_err(BadRoots::Certificate)?;
    }
    Ok(all)
}
