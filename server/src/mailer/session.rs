//! One session, from the look-up of the name to QUIT: the order of things, and what each reply leads to.
//!
//! Invariants: the table of STARTTLS in design.md; credentials go over an unencrypted connection only where the entry
//! allows exactly that; what was read in clear is forgotten after the handshake; a connection on which something went
//! wrong with the protocol is never used again.

mod channel;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::address::{AddrSpec, Mailbox};
use domain::diagnosis::{Evidence, diagnose};
use domain::host::Host;
use domain::oauth::Strategy;
use domain::oauth::{self, Oauth};
use domain::secret::Secret;
use domain::size::encoded_size;
use domain::smtp_server::{Kind, MinTls, Protocol, SignIn, StartTls};
use domain::transcript::{Aim, Cause, Downgrade, Finished, Outcome, RecipientResult, Reply, Security, Stage};
use domain::words;
use lettre::transport::smtp::extension::ClientId;
use tokio::net::TcpStream;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::auth::{self, Mechanism, Said};
use super::compose::{TestFile, TestMessage};
use super::lines::Lines;
use super::message::{Message, Wire};
use super::record::Recorder;
use super::reply::{Capabilities, Progress, ReplyReader, queue_id};
use super::stream::{Connection, Timer, Trouble};
use super::tls::Ours;
use super::token::Granted;
use super::trust::Asked;
use super::{Credential, Envelope, Mailer, Mode, TestRun, connect, lines, tls};
use crate::certificate;
pub use channel::Channel;

/// How long QUIT may take at most: its outcome changes nothing.
const GOODBYE: Duration = Duration::from_secs(2);
/// How many steps the reply to the final dot may take: servers scan messages before they answer.
const FINAL_DOT: u32 = 10;
/// Bytes of a message that are to be taken within a step.
const WRITE: usize = 64 << 10;
/// How many steps the next part of an attachment may take to be read.
const READING: u32 = 10;
/// The most characters of a reason that a server gives besides its reply.
const MAX_REASON: usize = 500;
/// The most characters of a reply that the result keeps: the transcript has its lines.
const MAX_KEPT: usize = 4_000;

/// A run in progress.
pub(super) struct Session<'a, 's> {
    mailer: &'a Mailer,
    run: &'a TestRun,
    record: &'a mut Recorder<'s>,
    timer: Timer,
    /// `None` before connecting and after anything that makes it unusable.
    connection: Option<Connection>,
    offers: Capabilities,
    /// The last reply as it came: capabilities and challenges have to be read before they are redacted.
    last_reply: Zeroizing<Vec<u8>>,
    /// Bytes of the message, once it is known.
    message_size: Option<u64>,
    /// Commands that were sent ahead and whose replies are still to come (RFC 2920).
    ahead: usize,
    /// What an entry with Azure OAuth signs in with, once it was asked for.
    token: Option<Granted>,
    /// What that is for, where it is for no mail.
    wrong_audience: Option<String>,
    began: Instant,
    /// What the server showed in its last handshake.
    presented: tls::Presented,
    /// What is known of the end so far.
    known: Finished,
}

/// Why a session ends before its aim.
#[derive(Debug)]
struct Stop {
    stage: Stage,
    cause: Cause,
    reply: Option<Reply>,
    detail: Option<String>,
    sizes: Option<(u64, u64)>,
    /// The reply came before its command was sent.
    unasked: bool,
}

impl Stop {
    /// The reply did not say what was needed.
    fn on(stage: Stage, reply: Reply) -> Self {
        let cause = if (400..600).contains(&reply.code) { Cause::Rejected } else { Cause::Unexpected };
        Self { stage, cause, reply: Some(reply), detail: None, sizes: None, unasked: false }
    }

    fn because(stage: Stage, trouble: impl Into<Trouble>) -> Self {
        let Trouble { cause, detail } = trouble.into();
        Self { stage, cause, reply: None, detail, sizes: None, unasked: false }
    }
}

/// How a session reached its aim.
struct Reached {
    outcome: Outcome,
    stage: Stage,
    reply: Option<Reply>,
}

impl<'a, 's> Session<'a, 's> {
    pub(super) fn new(mailer: &'a Mailer, run: &'a TestRun, record: &'a mut Recorder<'s>) -> Self {
        let step = Duration::from_millis(run.server.timeout_ms.into());
        let timer = Timer { step, end: Instant::now() + mailer.session_deadline.of(step) };
        let aim = match run.mode {
            Mode::Send(_) => Aim::Send,
            Mode::Check(_) => Aim::Check,
            Mode::Inspect => Aim::Inspect,
        };
        let known = Finished { aim, ..Finished::new(Outcome::Failed, Stage::Resolve) };
        Self {
            mailer,
            run,
            record,
            timer,
            connection: None,
            offers: Capabilities::default(),
            last_reply: Zeroizing::default(),
            token: None,
            wrong_audience: None,
            began: Instant::now(),
            message_size: None,
            ahead: 0,
            presented: tls::Presented::default(),
            known,
        }
    }

    /// The end, and what the server presented.
    pub(super) async fn run(mut self, cancelled: impl Future<Output = ()>) -> (Finished, tls::Presented) {
        // A result that is there counts, whatever is asked for in the same instant.
        let attempt = tokio::select! {
            biased;
            attempt = self.attempt() => Some(attempt),
            () = cancelled => None,
        };
        match attempt {
            Some(Ok(Reached { outcome, stage, reply })) => {
                (self.known.outcome, self.known.stage, self.known.reply) = (outcome, stage, reply.map(kept));
            }
            Some(Err(stop)) => self.fail(stop),
            None => self.cancel(),
        }
        self.quit().await;
        (self.known, self.presented)
    }

    async fn attempt(&mut self) -> Result<Reached, Stop> {
        match &self.run.mode {
            Mode::Inspect => self.look().await,
            Mode::Check(None) => {
                let (stage, hello) = self.open().await?;
                Ok(Reached { outcome: Outcome::Checked, stage, reply: Some(hello) })
            }
            Mode::Check(Some(envelope)) => {
                self.open().await?;
                let reply = self.envelope(envelope, None).await?;
                Ok(Reached { outcome: Outcome::Checked, stage: Stage::RcptTo, reply })
            }
            Mode::Send(envelope) => {
                self.open().await?;
                let message = self.compose(envelope)?;
                self.transact(envelope, &message).await
            }
        }
    }

    /// To the end of the handshake, whatever the entry says of StartTLS: nothing depends on it.
    async fn look(&mut self) -> Result<Reached, Stop> {
        let addresses = self.resolve().await?;
        let (stream, _) = self.connect(&addresses).await?;
        match self.run.server.protocol {
            Protocol::Smtps => self.encrypt(stream, false).await?,
            Protocol::Smtp { .. } => {
                self.connection = Some(Connection::plain(stream));
                self.greet().await?;
                if !self.offers.starttls {
                    self.record.begin(Stage::Starttls);
                    return Err(Stop::because(Stage::Starttls, Cause::StarttlsNotOffered));
                }
                self.upgrade().await?;
            }
        }
        Ok(Reached { outcome: Outcome::Checked, stage: Stage::Tls, reply: None })
    }

    /// Everything before a message: the last stage of it, and the reply that let us in.
    async fn open(&mut self) -> Result<(Stage, Reply), Stop> {
        self.refuse_what_is_not_honoured()?;
        self.fetch_token().await?;
        let addresses = self.resolve().await?;
        let (stream, address) = self.connect(&addresses).await?;
        let mut hello = match self.run.server.protocol {
            Protocol::Smtps => {
                self.encrypt(stream, false).await?;
                self.greet().await?
            }
            Protocol::Smtp { starttls, .. } => {
                self.connection = Some(Connection::plain(stream));
                let hello = self.greet().await?;
                self.start_tls(starttls, address).await?.unwrap_or(hello)
            }
        };
        let mut stage = Stage::Ehlo;
        if let Some(reply) = self.sign_in().await? {
            (hello, stage) = (reply, Stage::Auth);
        }
        Ok((stage, hello))
    }

    /// Better no test than one that does not mean what the entry says.
    fn refuse_what_is_not_honoured(&self) -> Result<(), Stop> {
        let server = &self.run.server;
        let credential = self.run.credential.as_ref();
        let no_password = credential.is_none_or(|credential| credential.secret().is_empty());
        let control = |text: &str| text.contains(char::is_control);
        let controls = credential.is_some_and(|credential| control(credential.secret().expose()))
            || [server.username(), server.identity()].into_iter().flatten().any(control);
        let cause = match &server.sign_in {
            _ if no_password && server.needs_password() => Cause::NoPassword,
            SignIn::Password { .. } | SignIn::AzureOauth { .. } if controls => Cause::ControlInCredentials,
            SignIn::AzureOauth { oauth, .. } if self.lacks_certificate(oauth) => Cause::NoClientCertificate,
            SignIn::AzureOauth { oauth, .. } if self.lacks_a_person(oauth) => Cause::NotSignedIn,
            _ if self.has_bare_name() => Cause::AddressWithoutDomain,
            _ => return self.refuse_big_attachments(),
        };
        Err(Stop::because(Stage::Resolve, cause))
    }

    /// What is too big for the entry is refused before anything is opened.
    fn refuse_big_attachments(&self) -> Result<(), Stop> {
        let Mode::Send(envelope) = &self.run.mode else { return Ok(()) };
        let Some(file) = self.attachment(envelope) else { return Ok(()) };
        let attachments = self.run.server.attachments;
        let (encoded, threshold) = (encoded_size(file.size()), attachments.threshold.bytes());
        if encoded <= threshold || self.run.link.is_some() {
            return Ok(());
        }
        let cause = if attachments.as_url { Cause::LinksUnsupported } else { Cause::AttachmentsTooBig };
        Err(Stop { sizes: Some((encoded, threshold)), ..Stop::because(Stage::Resolve, cause) })
    }

    /// What goes with a test message: a gateway gets a page, as it takes nothing else.
    fn attachment(&self, envelope: &Envelope) -> Option<TestFile> {
        match self.run.server.kind {
            Kind::Fax => Some(TestFile::Fax),
            Kind::Smtp => envelope.attachment.map(|size| TestFile::Filler(size.bytes())),
        }
    }

    fn has_token(&self) -> bool {
        matches!(self.run.credential, Some(Credential::AccessToken(_)))
    }

    fn lacks_certificate(&self, oauth: &Oauth) -> bool {
        oauth.strategy == Strategy::ClientCertificate && self.run.application.is_none() && !self.has_token()
    }

    fn lacks_a_person(&self, oauth: &Oauth) -> bool {
        oauth.strategy.needs_a_person() && self.run.tokens.is_none() && !self.has_token()
    }

    fn has_bare_name(&self) -> bool {
        match &self.run.mode {
            Mode::Check(None) | Mode::Inspect => false,
            Mode::Check(Some(envelope)) | Mode::Send(envelope) => {
                envelope.to.iter().chain([&envelope.from]).any(|mailbox| mailbox.addr().is_none())
            }
        }
    }

    /// The access token that an entry with Azure OAuth signs in with; one that was handed over counts as well.
    async fn fetch_token(&mut self) -> Result<(), Stop> {
        if self.run.server.oauth().is_none() || matches!(self.run.credential, Some(Credential::AccessToken(_))) {
            return Ok(());
        }
        self.ask_for_token(None).await
    }

    /// A token; another one than `refused`.
    async fn ask_for_token(&mut self, refused: Option<&Secret>) -> Result<(), Stop> {
        let run = self.run;
        self.record.begin(Stage::Token);
        let secret = run.credential.as_ref().map(Credential::secret);
        let time = (self.timer.step, self.timer.end);
        let began = Instant::now();
        let asked = async {
            let client = self.mailer.token_client(&run.server, secret, run.application.as_ref(), run.trust.as_ref(), time)?;
            let granted = match &run.tokens {
                Some(tokens) => tokens.token(&client, refused).await,
                None => client.grant().await,
            };
            granted.map(|granted| (client, granted))
        };
        let answer = asked.await;
        if run.tokens.is_some() {
            // What somebody takes to sign in, or others who ask for the same, is none of the session's time.
            self.timer.end += began.elapsed();
        }
        let (client, granted) = answer.map_err(|trouble| {
            // Each line by itself: what stands between them is ours.
            let seen =
                |detail: String| detail.lines().map(|line| self.record.visible(line.as_bytes())).collect::<Vec<_>>().join("\n");
            Stop::because(Stage::Token, Trouble { detail: trouble.detail.map(seen), ..trouble })
        })?;
        self.record.hide(granted.token.expose().as_bytes());
        let visible = |text: &str| cut(self.record.visible(text.as_bytes()), MAX_REASON);
        let mut told = vec![match &granted.account {
            Some(account) => format!("for {} from {}", visible(account), client.endpoint()),
            None => format!("from {}", client.endpoint()),
        }];
        if !granted.scopes.is_empty() {
            told.push(format!("scopes {}", visible(&granted.scopes.join(" "))));
        }
        let audience = granted.audience.as_deref().map(visible);
        told.extend(audience.as_ref().map(|audience| format!("audience {audience}")));
        told.extend(granted.left().map(|left| format!("valid for {} minutes", left.as_secs().div_ceil(60))));
        if granted.at < self.began {
            told.push("kept from before".into());
        }
        let wrong = audience.filter(|audience| !oauth::is_for_mail(client.oauth().provider, audience));
        if let Some(audience) = &wrong {
            self.record.warn(format!("The token is for {audience}, which is no mail service of Microsoft's."));
        }
        self.record.pass(told.join(", "));
        self.wrong_audience = wrong;
        self.token = Some(granted);
        Ok(())
    }

    async fn resolve(&mut self) -> Result<Vec<SocketAddr>, Stop> {
        self.record.begin(Stage::Resolve);
        let server = &self.run.server;
        let ips = match &server.host {
            Host::Ip(ip) => vec![*ip],
            Host::Dns(name) => {
                let looking = self.mailer.resolver.resolve(name);
                let found = self.timer.bound(1, async { Ok::<_, Trouble>(looking.await) }).await;
                match found.map_err(|trouble| Stop::because(Stage::Resolve, trouble))? {
                    Ok(ips) => ips,
                    Err(error) => {
                        let trouble = Trouble { cause: Cause::NameNotFound, detail: Some(error.to_string()) };
                        return Err(Stop::because(Stage::Resolve, trouble));
                    }
                }
            }
        };
        if ips.is_empty() {
            return Err(Stop::because(Stage::Resolve, Cause::NameNotFound));
        }
        let (mut allowed, mut forbidden) = (Vec::new(), Vec::new());
        for ip in ips {
            match self.mailer.policy.check(ip) {
                Ok(()) => allowed.push(ip),
                Err(why) if forbidden.len() < connect::MAX_ADDRESSES => forbidden.push((ip, why)),
                Err(_) => {}
            }
        }
        // Only these are connected to, however often: the name is not looked up again.
        let addresses = connect::in_turn(&allowed, server.port);
        if addresses.is_empty() {
            let detail = Some(words::forbidden_addresses(&forbidden));
            return Err(Stop::because(Stage::Resolve, Trouble { cause: Cause::AddressForbidden, detail }));
        }
        let mut found: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
        if !forbidden.is_empty() {
            self.record.warn(words::addresses_left_out(&forbidden));
            found.push(format!("not {}", words::forbidden_addresses(&forbidden)));
        }
        self.record.pass(found.join(", "));
        Ok(addresses)
    }

    async fn connect(&mut self, addresses: &[SocketAddr]) -> Result<(TcpStream, SocketAddr), Stop> {
        self.record.begin(Stage::Connect);
        self.record.set_encrypted(false);
        (self.known.security, self.known.trusted_by) = (Security::Plaintext, None);
        let mut attempts = connect::Attempts::default();
        let connected = self.timer.bound(1, connect::connect(addresses, &mut attempts)).await;
        let (stream, address) = connected.map_err(|trouble| {
            let detail = Some(attempts.words());
            Stop::because(Stage::Connect, Trouble { detail, ..trouble })
        })?;
        self.record.pass(attempts.answered());
        Ok((stream, address))
    }

    /// Greeting and introduction; the reply to the latter.
    async fn greet(&mut self) -> Result<Reply, Stop> {
        self.record.begin(Stage::Greeting);
        let reply = self.reply(1).await?;
        if reply.code != 220 {
            return Err(Stop::on(Stage::Greeting, reply));
        }
        self.record.pass("");
        self.introduce().await
    }

    async fn introduce(&mut self) -> Result<Reply, Stop> {
        self.record.begin(Stage::Ehlo);
        self.offers = Capabilities::default();
        let name = self.own_name();
        let mut reply = self.command(&format!("EHLO {name}")).await?;
        if reply.code == 250 {
            self.offers = Capabilities::of(&self.last_reply);
        } else if (500..600).contains(&reply.code) {
            // Servers of before 1995 (RFC 5321 section 3.2).
            reply = self.command(&format!("HELO {name}")).await?;
        }
        if reply.code != 250 {
            return Err(Stop::on(Stage::Ehlo, reply));
        }
        self.record.pass(self.offers.words(&reply.text));
        Ok(reply)
    }

    /// The name for EHLO: a full host name, else the address we connect from (RFC 5321 section 4.1.4).
    fn own_name(&self) -> String {
        if let Some(name) = &self.mailer.ehlo_name {
            return name.clone();
        }
        match ClientId::default() {
            ClientId::Domain(name)
                if name.contains('.') && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.') =>
            {
                name
            }
            _ => match self.connection.as_ref().and_then(Connection::local_ip) {
                Some(std::net::IpAddr::V4(ip)) => ClientId::Ipv4(ip).to_string(),
                Some(std::net::IpAddr::V6(ip)) => ClientId::Ipv6(ip).to_string(),
                None => "[127.0.0.1]".into(),
            },
        }
    }

    /// The table of STARTTLS in design.md. The reply to a new introduction, where there was one.
    async fn start_tls(&mut self, mode: StartTls, address: SocketAddr) -> Result<Option<Reply>, Stop> {
        match (mode, self.offers.starttls) {
            (StartTls::Disabled, _) => return Ok(None),
            (StartTls::Enabled, false) => {
                self.downgrade(Downgrade::NotOffered);
                return Ok(None);
            }
            (StartTls::EnabledAndRequired, false) => {
                self.record.begin(Stage::Starttls);
                return Err(Stop::because(Stage::Starttls, Cause::StarttlsNotOffered));
            }
            (StartTls::Enabled | StartTls::EnabledAndRequired, true) => {}
        }
        let stop = match self.upgrade().await {
            Ok(()) => return self.introduce().await.map(Some),
            Err(stop) => stop,
        };
        let fallback = (mode == StartTls::Enabled).then(|| fallback(&stop, self.run.server.tls.min)).flatten();
        let Some(downgrade) = fallback else { return Err(stop) };
        self.downgrade(downgrade);
        self.connection = None;
        let (stream, _) = self.connect(&[address]).await?;
        self.connection = Some(Connection::plain(stream));
        self.greet().await.map(Some)
    }

    fn downgrade(&mut self, downgrade: Downgrade) {
        self.known.downgrade = Some(downgrade);
        let how = if downgrade == Downgrade::NotOffered { "goes on" } else { "starts again" };
        self.record.warn(format!("The session {how} unencrypted because {}.", downgrade.words()));
    }

    async fn upgrade(&mut self) -> Result<(), Stop> {
        self.record.begin(Stage::Starttls);
        let reply = self.command("STARTTLS").await?;
        if reply.code != 220 {
            return Err(Stop::on(Stage::Starttls, reply));
        }
        let Some(connection) = self.connection.take() else { return Err(Stop::because(Stage::Starttls, Cause::Closed)) };
        let stream = connection.into_clean_tcp().map_err(|came| {
            self.record_stray(&came);
            Stop::because(Stage::Starttls, Cause::Injected)
        })?;
        self.record.pass("");
        self.encrypt(stream, true).await?;
        self.known.upgraded = true;
        Ok(())
    }

    /// `upgrade`: after STARTTLS.
    async fn encrypt(&mut self, stream: TcpStream, upgrade: bool) -> Result<(), Stop> {
        self.record.begin(Stage::Tls);
        let stop = |trouble| Stop::because(Stage::Tls, trouble);
        let terms = self.terms().map_err(stop)?;
        let seen = Arc::new(tls::Seen::default());
        let shaking = async { Ok::<_, Trouble>(tls::handshake(&terms, stream, upgrade, &seen).await) };
        let result = self.timer.bound(1, shaking).await;
        // Also where time ran out over the rest.
        self.presented = seen.take();
        self.known.certificate = self.presented.chain.first().map(|der| Box::new(certificate::summary(der)));
        self.known.trusted_by = self.presented.trusted_by().cloned().map(Box::new);
        let encrypted = result.map_err(stop)?.map_err(|failure| self.refused(failure))?;
        self.known.security = encrypted.security;
        self.record.set_encrypted(true);
        let subject = self.known.certificate.as_ref().map(|c| format!(", {}", c.subject)).unwrap_or_default();
        let shown = match &self.presented.ours {
            Ours::Shown(subject) => format!(", showed {subject}"),
            Ours::NotAsked | Ours::Asked => String::new(),
        };
        self.record.pass(format!("{}, {}{subject}{shown}", encrypted.security.version(), encrypted.cipher));
        self.connection = Some(Connection::encrypted(encrypted.stream));
        Ok(())
    }

    /// What the handshake is to be like.
    fn terms(&self) -> Result<tls::Terms, Trouble> {
        let Mailer { provider, clock, .. } = self.mailer;
        let asked =
            Asked::of(&self.run.server).map_err(|error| Trouble { cause: Cause::WrongName, detail: Some(error.to_string()) })?;
        Ok(tls::Terms {
            provider: provider.clone(),
            clock: clock.clone(),
            trust: self.mailer.trust_of(self.run).clone(),
            asked,
            min: self.run.server.tls.min,
            client: self.run.client.clone(),
        })
    }

    /// The handshake failed.
    fn refused(&mut self, failure: tls::HandshakeFailure) -> Stop {
        // In clear after the reply to STARTTLS, only later than we looked.
        if failure.cause == Cause::Injected {
            self.record_stray(&failure.injected);
            return Stop::because(Stage::Starttls, Cause::Injected);
        }
        if failure.cause == Cause::PinChanged
            && let Ok(asked) = Asked::of(&self.run.server)
        {
            let pins = self.mailer.trust_of(self.run).pins(&asked);
            self.known.pinned = pins.map(|pin| certificate::summary(&pin.certificate)).collect();
        }
        let refusal = || self.presented.refusal(self.known.certificate.as_deref()?, &self.run.server);
        let detail = failure.detail.or_else(refusal).map(|detail| self.record.visible(detail.as_bytes()));
        Stop::because(Stage::Tls, Trouble { cause: failure.cause, detail })
    }

    /// The reply that let us in; `None` where the entry does not sign in.
    async fn sign_in(&mut self) -> Result<Option<Reply>, Stop> {
        let Some(identity) = self.run.server.identity() else { return Ok(None) };
        let refused = match self.authenticate(identity).await {
            Err(stop) if stop.reply.as_ref().is_some_and(|reply| reply.code == 535) => stop,
            result => return result,
        };
        // One that was kept, or that has run out since, may have been withdrawn: another one is tried, once.
        let Some(old) = self.token.take_if(|token| token.at < self.began || token.left().is_some_and(|left| left.is_zero())) else {
            return Err(self.explained(refused));
        };
        self.record.warn("The server refused the access token, which isn't new. Another one is asked for.");
        self.ask_for_token(Some(&old.token)).await?;
        match self.authenticate(identity).await {
            // Whoever has closed the connection after the first refusal meant that.
            Err(stop) if stop.reply.is_none() => Err(self.explained(refused)),
            Err(stop) => Err(self.explained(stop)),
            signed_in => signed_in,
        }
    }

    /// A token for something else explains why it was refused better than the reply does.
    fn explained(&self, refused: Stop) -> Stop {
        match &self.wrong_audience {
            Some(audience) => Stop { cause: Cause::TokenWrongAudience, detail: Some(format!("audience {audience}")), ..refused },
            None => refused,
        }
    }

    async fn authenticate(&mut self, identity: &str) -> Result<Option<Reply>, Stop> {
        let token = self.token.as_ref().map(|granted| Credential::AccessToken(granted.token.clone()));
        let Some(credential) = &token.or_else(|| self.run.credential.clone()) else { return Ok(None) };
        self.record.begin(Stage::Auth);
        let stop = |cause| Stop::because(Stage::Auth, cause);
        if self.offers.auth.is_empty() {
            return Err(stop(Cause::AuthNotOffered));
        }
        if !self.known.security.is_encrypted() && !self.run.server.protocol.allows_plaintext_credentials() {
            return Err(stop(Cause::PlaintextCredentials));
        }
        let mut last = stop(match credential {
            Credential::Password(_) => Cause::NoCommonMechanism,
            Credential::AccessToken(_) => Cause::TokenNotOffered,
        });
        for mechanism in Mechanism::among(&self.offers.auth, self.known.security.is_encrypted(), credential) {
            let mut sign_in = auth::SignIn::new(mechanism, identity, credential.secret());
            let reply = self.converse(&mut sign_in).await?;
            if reply.code == 235 {
                self.record.pass(mechanism.name());
                return Ok(Some(reply));
            }
            let reason = sign_in.reason().filter(|reason| !reason.is_empty()).map(|reason| self.record.visible(reason));
            last = Stop { detail: reason.map(|reason| cut(reason, MAX_REASON)), ..Stop::on(Stage::Auth, reply) };
            // Only a mechanism that isn't there after all gives reason to try another one: a second attempt with a
            // wrong password may lock the account.
            if last.reply.as_ref().is_none_or(|reply| reply.code != 504) {
                break;
            }
        }
        Err(last)
    }

    async fn converse(&mut self, sign_in: &mut auth::SignIn<'_>) -> Result<Reply, Stop> {
        let first = sign_in.begin();
        let mut reply = self.say_secret(&first).await?;
        while reply.code == 334 {
            let last = self.last_reply.trim_ascii_end().rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
            let challenge = Zeroizing::new(String::from_utf8_lossy(last.get(4..).unwrap_or_default()).into_owned());
            let Some(answer) = sign_in.answer(&challenge) else {
                // Whatever it says to that, or whether it says anything: what went wrong is the endless asking.
                let _cancelled = self.say("*", "*").await;
                return Err(Stop { reply: Some(reply), ..Stop::because(Stage::Auth, Cause::AuthLoop) });
            };
            reply = self.say_secret(&answer).await?;
        }
        Ok(reply)
    }

    async fn say_secret(&mut self, said: &Said) -> Result<Reply, Stop> {
        for secret in &said.secrets {
            self.record.hide(secret.as_bytes());
        }
        if let Some(payload) = &said.payload {
            self.record.hide_around(payload.as_bytes());
        }
        self.say(&said.line, said.shown).await
    }

    fn compose(&self, envelope: &Envelope) -> Result<Message<'static>, Stop> {
        let server = &self.run.server;
        let mut random = [0; 16];
        self.mailer.random.fill(&mut random);
        let message = TestMessage {
            from: &envelope.from,
            to: &envelope.to,
            attachment: self.attachment(envelope).filter(|_| self.run.link.is_none()),
            link: self.run.link.as_deref(),
            server: server.name.as_str(),
            target: &server.host.with_port(server.port),
            security: self.known.security,
            now: self.mailer.clock.now(),
            random,
        };
        message.compose().map_err(|_| Stop::because(Stage::MailFrom, Cause::AddressWithoutDomain))
    }

    /// Sender and recipients; the last positive reply. One refused recipient is that recipient's result only.
    async fn envelope(&mut self, envelope: &Envelope, message: Option<&Message<'_>>) -> Result<Option<Reply>, Stop> {
        self.record.begin(Stage::MailFrom);
        let mail = self.mail_command(envelope, message)?;
        let paths: Vec<String> = envelope.to.iter().map(|to| path(to, Stage::RcptTo)).collect::<Result<_, _>>()?;
        let rcpt = |path: &str| format!("RCPT TO:<{path}>");
        if self.offers.pipelining {
            let mut commands = vec![(Stage::MailFrom, mail.clone())];
            commands.extend(paths.iter().map(|path| (Stage::RcptTo, rcpt(path))));
            commands.extend(message.map(|_| (Stage::Data, "DATA".to_owned())));
            self.send_ahead(&commands).await?;
        }
        let reply = self.command(&mail).await?;
        if !reply.is_positive() {
            return Err(Stop::on(Stage::MailFrom, reply));
        }
        self.record.pass("");
        self.record.begin(Stage::RcptTo);
        let (mut accepted, mut refused) = (None, None);
        for address in paths {
            let reply = self.command(&rcpt(&address)).await?;
            let result = RecipientResult { address, accepted: reply.is_positive(), reply: Some(kept(reply.clone())) };
            self.known.recipients.push(result);
            match reply.code {
                200..=299 => accepted = Some(reply),
                // The server closes the channel; nothing that follows would be heard.
                421 => return Err(Stop::on(Stage::RcptTo, reply)),
                _ => refused = Some(reply),
            }
        }
        match (accepted, refused) {
            (None, Some(reply)) => Err(Stop::on(Stage::RcptTo, reply)),
            (accepted, refused) => {
                self.known.partial = refused.is_some();
                let taken = self.known.recipients.iter().filter(|r| r.accepted).count();
                self.record.pass(format!("{taken} of {}", envelope.to.len()));
                Ok(accepted)
            }
        }
    }

    fn mail_command(&mut self, envelope: &Envelope, message: Option<&Message<'_>>) -> Result<String, Stop> {
        let mut mail = format!("MAIL FROM:<{}>", path(&envelope.from, Stage::MailFrom)?);
        self.message_size = message.map(Message::size);
        if let Some(size) = self.message_size.filter(|_| self.offers.size) {
            if let Some(limit) = self.offers.size_limit.filter(|limit| size > *limit) {
                return Err(Stop { sizes: Some((size, limit)), ..Stop::because(Stage::MailFrom, Cause::TooBig) });
            }
            mail.push_str(" SIZE=");
            mail.push_str(&size.to_string());
        }
        let foreign = envelope.to.iter().chain([&envelope.from]).any(Mailbox::needs_smtputf8);
        if foreign && !self.offers.smtputf8 {
            return Err(Stop::because(Stage::MailFrom, Cause::Smtputf8NotOffered));
        }
        // Such addresses stand in the message's fields as they are; a check says so before there is a message.
        if foreign || message.is_some_and(|message| !message.is_ascii()) {
            if !self.offers.eight_bit_mime {
                return Err(Stop::because(Stage::MailFrom, Cause::EightBitMimeNotOffered));
            }
            mail.push_str(" BODY=8BITMIME");
        }
        if foreign {
            mail.push_str(" SMTPUTF8");
        }
        Ok(mail)
    }

    /// DATA, the message, the final dot.
    async fn hand_over(&mut self, message: &Message<'_>) -> Result<Reply, Stop> {
        self.record.begin(Stage::Data);
        let reply = self.command("DATA").await?;
        // 250 instead of 354 would make the message itself a series of commands.
        if reply.code != 354 {
            let stop = Stop::on(Stage::Data, reply);
            if stop.cause == Cause::Unexpected {
                self.connection = None;
            }
            return Err(stop);
        }
        // A reply that is there already would be taken for the one to the final dot.
        self.nothing_unasked()?;
        let size = message.size();
        self.record.sent(&format!("[message, {size} bytes]"));
        // What was made last waits until it is known whether all of it is there: the end goes out with the final dot.
        let (mut wire, mut chunk) = (message.wire(), Vec::new());
        while self.make(&mut wire, &mut chunk).await? {
            self.write(&chunk).await?;
            chunk.clear();
        }
        self.record.pass(format!("{size} bytes"));
        // From here on the server may have the whole message, whatever happens to us.
        self.record.begin(Stage::Accepted);
        self.record.sent(".");
        self.write(&chunk).await?;
        let reply = self.reply(FINAL_DOT).await?;
        if !reply.is_positive() {
            return Err(Stop::on(Stage::Accepted, reply));
        }
        self.record.pass(queue_id(&reply).unwrap_or_default());
        Ok(reply)
    }

    /// The next chunk of a message; whether there is more. Where a file isn't as it was told, the connection is given up: the server
    /// must not take what is there for the whole message.
    async fn make(&mut self, wire: &mut Wire<'_>, chunk: &mut Vec<u8>) -> Result<bool, Stop> {
        let made = self.timer.bound(READING, async { Ok::<_, Trouble>(wire.fill(chunk).await) }).await;
        let trouble = match made {
            Ok(Ok(more)) => return Ok(more),
            Ok(Err(error)) => Trouble { cause: Cause::AttachmentUnreadable, detail: Some(error.to_string()) },
            Err(Trouble { cause: Cause::Timeout, detail }) => Trouble { cause: Cause::AttachmentUnreadable, detail },
            Err(trouble) => trouble,
        };
        Err(self.broken(trouble))
    }

    /// Sends a command without secrets, unless it was sent ahead, and reads its reply.
    async fn command(&mut self, line: &str) -> Result<Reply, Stop> {
        if self.ahead > 0 {
            self.ahead -= 1;
            return self.reply(1).await;
        }
        self.say(line, line).await
    }

    /// Sends commands in one go. Their replies are read by [`Self::command`], in the same order.
    async fn send_ahead(&mut self, commands: &[(Stage, String)]) -> Result<(), Stop> {
        self.nothing_unasked()?;
        let mut bytes = Vec::new();
        for (stage, line) in commands {
            self.record.sent_in(*stage, line);
            push_line(line, &mut bytes);
        }
        self.write(&bytes).await?;
        self.ahead = commands.len();
        Ok(())
    }

    /// Takes the replies to what was sent ahead and is of no use any more. A message that was begun by that ends at once,
    /// empty and for nobody (RFC 2920 section 3.1).
    async fn settle(&mut self) -> Result<(), Stop> {
        let mut last = None;
        while self.ahead > 0 {
            self.ahead -= 1;
            last = Some(self.reply(1).await?);
        }
        if last.is_some_and(|reply| reply.code == 354) {
            self.say(".", ".").await?;
        }
        Ok(())
    }

    /// What came unasked ends it, as it could be taken for the answer to what is said next.
    fn nothing_unasked(&mut self) -> Result<(), Stop> {
        let came = self.connection.as_mut().map(Connection::unasked).unwrap_or_default();
        if came.is_empty() { Ok(()) } else { Err(self.stray(&came, Cause::OutOfStep.into())) }
    }

    /// The connection can't be used any more, and this is what stood on it last. Servers say goodbye with 421 at any time
    /// (RFC 5321 section 3.8): that is told as what it is.
    fn stray(&mut self, came: &[u8], trouble: Trouble) -> Stop {
        let goodbye = self.record_stray(came);
        let stop = self.broken(trouble);
        match goodbye {
            Some(reply) => Stop { unasked: true, ..Stop::on(stop.stage, reply) },
            None => stop,
        }
    }

    /// Shows what came unasked; the 421 that it begins with, if that is a whole reply.
    fn record_stray(&mut self, came: &[u8]) -> Option<Reply> {
        let (mut pending, mut reader) = (Lines::default(), ReplyReader::default());
        pending.push(came);
        let mut first = None;
        while let Ok(Some(line)) = pending.next() {
            let line = lines::without_end(&line);
            self.record.received(line);
            first = match (first, reader.line(line)) {
                (None, Ok(Progress::Done(head))) if head.code == 421 => Some(Some(head.with_text(&self.record.end_of_reply()))),
                (None, Ok(Progress::More)) => None,
                (None, _) => Some(None),
                (first, _) => first,
            };
        }
        let rest = pending.unfinished();
        if !rest.is_empty() {
            self.record.received_part(&rest);
        }
        first.flatten()
    }

    async fn say(&mut self, line: &str, shown: &str) -> Result<Reply, Stop> {
        self.nothing_unasked()?;
        self.record.sent(shown);
        let mut bytes = Zeroizing::new(Vec::with_capacity(line.len() + 2));
        push_line(line, &mut bytes);
        self.write(&bytes).await?;
        self.reply(1).await
    }

    async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Stop> {
        let mut written = Ok(());
        // Whoever takes a little within each step is slow, not gone.
        while written.is_ok() && !bytes.is_empty() {
            let Some(connection) = &mut self.connection else { return Err(self.broken(Cause::Closed.into())) };
            let (now, later) = bytes.split_at(bytes.len().min(WRITE));
            written = self.timer.bound(1, connection.write(now)).await;
            bytes = later;
        }
        written.map_err(|trouble| {
            // Whoever closes may have said why, in SMTP or by an alert of TLS.
            let (came, why) = self.connection.as_mut().map(Connection::last_words).unwrap_or_default();
            let trouble = why.filter(|why| why.cause == Cause::ClientCertificateWanted).unwrap_or(trouble);
            self.stray(&came, trouble)
        })
    }

    /// The next reply, which may take `factor` steps as a whole.
    async fn reply(&mut self, factor: u32) -> Result<Reply, Stop> {
        let Some(connection) = &mut self.connection else { return Err(self.broken(Cause::Closed.into())) };
        let record = &mut *self.record;
        let mut reader = ReplyReader::default();
        let last_reply = &mut self.last_reply;
        last_reply.clear();
        let reading = async {
            loop {
                let line = Zeroizing::new(connection.line().await?);
                let text = lines::without_end(&line);
                record.received(text);
                // A TLS alert may happen to end like a line.
                if tls::looks_like_tls(&line) {
                    return Err(Cause::TlsInPlaintext.into());
                }
                let progress = reader.line(text)?;
                last_reply.extend_from_slice(&line);
                if let Progress::Done(head) = progress {
                    return Ok::<_, Trouble>(head);
                }
            }
        };
        let read = self.timer.bound(factor, reading).await;
        let mut trouble = match read {
            Ok(head) => return Ok(head.with_text(&self.record.end_of_reply())),
            Err(trouble) => trouble,
        };
        let rest = connection.unfinished();
        if !rest.is_empty() {
            self.record.received_part(&rest);
        }
        trouble.cause = match trouble.cause {
            _ if tls::looks_like_tls(&rest) => Cause::TlsInPlaintext,
            Cause::Timeout if reader.is_begun() || !rest.is_empty() => Cause::Unfinished,
            cause => cause,
        };
        Err(self.broken(trouble))
    }

    /// The connection can't be used any more.
    fn broken(&mut self, trouble: Trouble) -> Stop {
        self.connection = None;
        let detail = trouble.detail.map(|detail| self.record.visible(detail.as_bytes()));
        let cause = match trouble.cause {
            // An alert that is about certificates; about ours, if it was asked for.
            Cause::ClientCertificateWanted => self.presented.ours.cause().unwrap_or(Cause::Broken),
            cause => cause,
        };
        Stop::because(self.record.stage(), Trouble { cause, detail })
    }

    /// Ends it where it is. Nothing more may be said: in the middle of the message it would become a part of that.
    fn cancel(&mut self) {
        self.connection = None;
        let stage = self.record.stage();
        if stage == Stage::Accepted {
            return self.fail(Stop::because(stage, Cause::Cancelled));
        }
        (self.known.outcome, self.known.stage, self.known.cause) = (Outcome::Cancelled, stage, Some(Cause::Cancelled));
    }

    fn fail(&mut self, stop: Stop) {
        let server = &self.run.server;
        let (host, certified_name) = (server.host.to_string(), server.certified_name().to_string());
        let reply = stop.reply.map(kept);
        let diagnosis = diagnose(&Evidence {
            stage: stop.stage,
            cause: stop.cause,
            aim: self.known.aim,
            reply: reply.as_ref(),
            host: &host,
            port: server.port,
            certified_name: &certified_name,
            min_tls: server.tls.min,
            protocol: server.protocol,
            timeout_ms: server.timeout_ms,
            signs_in: server.username().is_some(),
            encrypted: self.known.security.is_encrypted(),
            starttls_offered: self.offers.starttls,
            auth_offered: !self.offers.auth.is_empty(),
            downgrade: self.known.downgrade,
            certificate: self.known.certificate.as_deref(),
            alone: self.presented.chain.len() == 1,
            pinned: &self.known.pinned,
            system_off: self.mailer.trust_of(self.run).is_system_off(),
            token: self.token.is_some() || self.has_token(),
            recipients: &self.known.recipients,
            sizes: stop.sizes.or(self.message_size.zip(self.offers.size_limit)),
            detail: stop.detail.as_deref(),
        });
        // Only a refusal says that the message was not taken once the final dot was begun.
        let unknown = stop.stage == Stage::Accepted && stop.cause != Cause::Rejected;
        self.known.outcome = if unknown { Outcome::Unknown } else { Outcome::Failed };
        self.known.stage = stop.stage;
        self.known.cause = Some(stop.cause);
        self.known.reply = reply;
        self.known.diagnosis = Some(diagnosis);
    }

    /// Says goodbye where there is still somebody to say it to. Nothing that happens here changes the outcome.
    async fn quit(&mut self) {
        if self.connection.is_none() || self.known.reply.as_ref().is_some_and(|reply| reply.code == 421) {
            return;
        }
        self.record.begin(Stage::Quit);
        let end = Instant::now() + GOODBYE.min(self.timer.step);
        self.timer.end = end;
        let reset = matches!(self.run.mode, Mode::Check(Some(_)));
        // A look at SMTPS ends before the greeting; whoever speaks before that is taken for a spammer.
        let greeted = self.run.mode != Mode::Inspect || self.run.server.protocol != Protocol::Smtps || self.reply(1).await.is_ok();
        let polite = greeted
            && self.settle().await.is_ok()
            && (!reset || self.command("RSET").await.is_ok())
            && self.command("QUIT").await.is_ok();
        if polite {
            self.record.pass("");
        }
        if let Some(connection) = self.connection.take() {
            let closed = self.timer.bound(1, connection.close()).await;
            drop(closed);
        }
    }
}

/// Whatever comes here was serialised by us; a control that slipped through would be a command of its own.
fn push_line(line: &str, out: &mut Vec<u8>) {
    out.extend(line.bytes().filter(|byte| !byte.is_ascii_control()));
    out.extend_from_slice(b"\r\n");
}

/// A reply as the result keeps it.
fn kept(reply: Reply) -> Reply {
    Reply { text: cut(reply.text, MAX_KEPT), ..reply }
}

/// At most `max` characters, and whether there were more.
fn cut(text: String, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// What stands between the angle brackets of MAIL and RCPT.
fn path(mailbox: &Mailbox, stage: Stage) -> Result<String, Stop> {
    mailbox.addr().map(AddrSpec::to_wire).ok_or_else(|| Stop::because(stage, Cause::AddressWithoutDomain))
}

/// Whether a failed STARTTLS lets "Enabled" go on in clear: where there is no common protocol, or the peer refused, broke
/// off or answered nonsense in TLS. Never for what could be an attack or a slow network: trust, injected bytes, time-outs.
/// An answer to the command that is no SMTP reply at all is no refusal either: whoever speaks there isn't the server that
/// offered STARTTLS. Nor is a goodbye that came before the command was sent. Where TLS 1.3 is wanted, a handshake may fail for
/// that alone; nobody who wants more encryption is served by none.
fn fallback(stop: &Stop, min: MinTls) -> Option<Downgrade> {
    match (stop.stage, stop.cause) {
        _ if stop.unasked => None,
        (Stage::Tls, _) if min == MinTls::Tls13 => None,
        (Stage::Starttls, Cause::Rejected | Cause::Unexpected | Cause::Closed | Cause::Broken) => Some(Downgrade::Refused),
        (Stage::Tls, Cause::NoCommonProtocol | Cause::HandshakeBroken | Cause::HandshakeGarbage) => {
            Some(Downgrade::HandshakeFailed)
        }
        _ => None,
    }
}
