//! A small HTTPS client for sign-in services: one request, one connection. Certificates are judged as those of mail servers are, and
//! addresses, too. It follows no redirect, and every step and every count of bytes has an end.

use std::net::IpAddr;
use std::sync::Arc;

use domain::host::Host;
use domain::smtp_server::MinTls;
use domain::transcript::Cause;
use domain::words;
use http::{Request, Response, Uri, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};

use super::stream::{Timer, Trouble};
use super::trust::{Asked, Trust};
use super::{Mailer, NetworkPolicy, Resolver, connect, tls};
use crate::ports::Clock;

/// The most bytes of an answer: a token and what is said of it has some 5 KB.
const MAX_ANSWER: usize = 64 << 10;

/// Asks over connections of its own.
#[derive(Clone)]
pub(super) struct Https {
    provider: Arc<CryptoProvider>,
    resolver: Arc<dyn Resolver>,
    clock: Arc<dyn Clock + Send + Sync>,
    policy: NetworkPolicy,
    trust: Arc<Trust>,
    /// Whether a service on this machine may be asked in clear.
    clear_allowed: bool,
    timer: Timer,
}

/// Where a request goes.
struct Target {
    host: Host,
    port: u16,
    encrypted: bool,
}

impl Https {
    /// As `mailer` connects, trusting `trust`.
    pub(super) fn new(mailer: &Mailer, trust: &Arc<Trust>, timer: Timer) -> Self {
        Self {
            provider: mailer.provider.clone(),
            resolver: mailer.resolver.clone(),
            clock: mailer.clock.clone(),
            policy: mailer.policy.clone(),
            trust: trust.clone(),
            clear_allowed: mailer.authority.starts_with("http://"),
            timer,
        }
    }

    /// The same, with time of its own.
    pub(super) fn with_timer(self, timer: Timer) -> Self {
        Self { timer, ..self }
    }

    /// Whether this may be asked, or led to, at all.
    pub(super) fn may_ask(&self, url: &str) -> Result<(), Trouble> {
        let uri: Uri = url.parse().map_err(|_| Trouble::from(Cause::TokenAnswerUnreadable))?;
        self.target(&uri).map(|_| ())
    }

    /// Where a request goes: encrypted, or in clear to this machine itself, where that was asked for. Nothing else leaves it.
    fn target(&self, uri: &Uri) -> Result<Target, Trouble> {
        let unusable = || Trouble { cause: Cause::TokenAnswerUnreadable, detail: Some(format!("{uri} can't be asked")) };
        let authority = uri.authority().ok_or_else(unusable)?;
        let host = Host::parse(authority.host()).map_err(|_| unusable())?;
        let encrypted = uri.scheme_str() == Some("https");
        let here = matches!(&host, Host::Ip(ip) if ip.is_loopback()) || authority.host() == "localhost";
        let allowed_in_clear = here && self.clear_allowed && uri.scheme_str() == Some("http");
        if !encrypted && !allowed_in_clear {
            return Err(Trouble { cause: Cause::TokenInClear, detail: Some(uri.to_string()) });
        }
        Ok(Target { host, port: authority.port_u16().unwrap_or(if encrypted { 443 } else { 80 }), encrypted })
    }

    /// The answer to a request, whole.
    pub(super) async fn ask(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, Trouble> {
        let target = self.target(request.uri())?;
        let addresses = self.addresses(&target).await?;
        let mut attempts = connect::Attempts::default();
        let connected = self.timer.bound(1, connect::connect(&addresses, &mut attempts)).await;
        let (stream, _) = connected.map_err(|trouble| Trouble { detail: Some(attempts.words()), ..trouble })?;
        let request = prepared(request)?;
        if !target.encrypted {
            return self.exchange(TokioIo::new(stream), request).await;
        }
        let name = match &target.host {
            Host::Ip(ip) => ServerName::from(*ip),
            Host::Dns(name) => ServerName::try_from(name.clone()).map_err(|_| Trouble::from(Cause::WrongName))?,
        };
        let terms = tls::Terms {
            provider: self.provider.clone(),
            clock: self.clock.clone(),
            trust: self.trust.clone(),
            asked: Asked { host: target.host, port: target.port, name },
            min: MinTls::Tls12,
            client: None,
        };
        let seen = Arc::new(tls::Seen::default());
        let shaking = async { Ok::<_, Trouble>(tls::handshake(&terms, stream, false, &seen).await) };
        let encrypted = self.timer.bound(1, shaking).await?;
        let encrypted = encrypted.map_err(|failure| Trouble { cause: failure.cause, detail: failure.detail })?;
        self.exchange(TokioIo::new(encrypted.stream), request).await
    }

    async fn addresses(&self, target: &Target) -> Result<Vec<std::net::SocketAddr>, Trouble> {
        let ips = match &target.host {
            Host::Ip(ip) => vec![*ip],
            Host::Dns(name) => {
                let looking = self.resolver.resolve(name);
                let found = self.timer.bound(1, async { Ok::<_, Trouble>(looking.await) }).await?;
                found.map_err(|error| Trouble { cause: Cause::NameNotFound, detail: Some(error.to_string()) })?
            }
        };
        let forbidden = |ip: &IpAddr| self.policy.check(*ip).err().map(|why| (*ip, why));
        let allowed: Vec<IpAddr> = ips.iter().copied().filter(|ip| forbidden(ip).is_none()).collect();
        if let (true, Some(first)) = (allowed.is_empty(), ips.iter().find_map(forbidden)) {
            return Err(Trouble { cause: Cause::AddressForbidden, detail: Some(words::forbidden_addresses(&[first])) });
        }
        let addresses = connect::in_turn(&allowed, target.port);
        if addresses.is_empty() { Err(Cause::NameNotFound.into()) } else { Ok(addresses) }
    }

    async fn exchange<S>(&self, stream: TokioIo<S>, request: Request<Full<Bytes>>) -> Result<Response<Vec<u8>>, Trouble>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let unreadable = |error: &dyn ToString| Trouble { cause: Cause::TokenAnswerUnreadable, detail: Some(error.to_string()) };
        let asking = async {
            let (mut sender, connection) = http1::handshake(stream).await.map_err(|error| unreadable(&error))?;
            // It ends with the answer, or with whoever no longer waits for it.
            let driving = tokio::spawn(connection);
            let answered = async {
                let (parts, body) = sender.send_request(request).await.map_err(|error| of_hyper(&error))?.into_parts();
                let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|error| {
                    if error.is::<LengthLimitError>() {
                        unreadable(&format!("the answer has more than {MAX_ANSWER} bytes"))
                    } else {
                        unreadable(&error)
                    }
                })?;
                Ok::<_, Trouble>(Response::from_parts(parts, body.to_bytes().to_vec()))
            };
            let answer = answered.await;
            driving.abort();
            answer
        };
        self.timer.bound(1, asking).await
    }
}

/// What broke in hyper: a connection that ended says so.
fn of_hyper(error: &hyper::Error) -> Trouble {
    let cause = if error.is_incomplete_message() || error.is_canceled() { Cause::Closed } else { Cause::TokenAnswerUnreadable };
    Trouble { cause, detail: Some(error.to_string()) }
}

/// The request as it goes over the wire (RFC 9112 section 3.2.1).
fn prepared(request: Request<Vec<u8>>) -> Result<Request<Full<Bytes>>, Trouble> {
    let (mut parts, body) = request.into_parts();
    let broken = |_| Trouble::from(Cause::TokenAnswerUnreadable);
    let host = parts.uri.authority().map(ToString::to_string).unwrap_or_default();
    parts.headers.insert(header::HOST, host.parse().map_err(broken)?);
    parts.headers.insert(header::CONNECTION, http::HeaderValue::from_static("close"));
    let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
    parts.uri = path.parse().map_err(|_| Trouble::from(Cause::TokenAnswerUnreadable))?;
    Ok(Request::from_parts(parts, Full::new(Bytes::from(body))))
}
