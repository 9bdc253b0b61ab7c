//! Signing a mailbox in for one test, from the command line: with a code that is typed elsewhere, or in a browser on this machine, which
//! comes back to a port that is open for that long. Standard error tells what to do; nothing is kept.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::extract::Query;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::oauth::{Refusal, Strategy};
use domain::secret::Secret;
use domain::smtp_server::SmtpServer;
use domain::transcript::Cause;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use zeroize::Zeroizing;

use crate::mailer::{Granted, Poll, TokenClient, TokenSource, Trouble, refused};
use crate::ports::{Random, SystemRandom};
use crate::sign_ins::passes;

/// How long somebody may take to sign in in a browser.
const PATIENCE: Duration = Duration::from_mins(10);
/// How long one request of a browser may take, with its answer.
const REQUEST: Duration = Duration::from_secs(5);
/// The most bytes of a request's line and fields: Microsoft's codes have up to 2 KB.
const MAX_REQUEST: usize = 32 << 10;
/// The most connections at a time: browsers open some ahead, without a word.
const MAX_CONNECTIONS: usize = 16;
/// What is added to the time between two questions whenever the service wants that (RFC 8628 section 3.5).
const SLOWER: Duration = Duration::from_secs(5);
/// The longest time between two questions.
const SLOWEST: Duration = Duration::from_mins(1);

/// Has somebody sign in, here and now.
#[derive(Debug)]
pub(super) struct SignInHere {
    username: String,
    /// How long one question to the service may take.
    step: Duration,
    /// What a token that has run out is renewed with.
    refresh: Mutex<Option<Secret>>,
}

/// What a browser comes back with (RFC 6749 section 4.1.2).
#[derive(Default, Deserialize)]
#[serde(default)]
struct Back {
    state: Secret,
    code: Option<Secret>,
    error: String,
    error_description: String,
}

/// What somebody came back with: a code, or why there is none.
type Brought = Result<Secret, Refusal>;

impl SignInHere {
    /// For an entry that somebody has to sign in for.
    pub(super) fn for_server(server: &SmtpServer) -> Option<Arc<dyn TokenSource>> {
        let oauth = server.oauth().filter(|oauth| oauth.strategy.needs_a_person());
        oauth.map(|_| -> Arc<dyn TokenSource> {
            Arc::new(Self {
                username: server.username().unwrap_or_default().to_owned(),
                step: Duration::from_millis(server.timeout_ms.into()),
                refresh: Mutex::default(),
            })
        })
    }

    /// `client` with time of its own: what a run has is too short for somebody to sign in.
    fn fresh(&self, client: &TokenClient) -> TokenClient {
        client.clone().with_time(self.step, Instant::now() + self.step)
    }

    /// With a code that is typed elsewhere (RFC 8628).
    async fn elsewhere(&self, client: &TokenClient) -> Result<Granted, Trouble> {
        let device = self.fresh(client).device_code().await?;
        let end = Instant::now() + device.expires_in;
        say(&format!(
            "To sign in as {}, open {} and type {} ({} minutes).",
            self.username,
            device.verification_url,
            device.user_code,
            device.expires_in.as_secs().div_ceil(60)
        ));
        let mut interval = device.interval;
        loop {
            let next = Instant::now() + interval;
            sleep_until(next.min(end)).await;
            if next >= end {
                return Err(Cause::TokenCodeExpired.into());
            }
            match self.fresh(client).poll(&device.device_code).await {
                Ok(Poll::Granted(granted)) => return Ok(*granted),
                Ok(Poll::Pending) => {}
                Ok(Poll::SlowDown) => interval = (interval + SLOWER).min(SLOWEST),
                // It may pass (RFC 8628 section 3.5).
                Err(trouble) if passes(trouble.cause) && trouble.cause != Cause::TokenAnswerUnreadable => {
                    interval = (interval * 2).min(SLOWEST);
                }
                Err(trouble) => return Err(trouble),
            }
        }
    }

    /// In a browser on this machine (RFC 8252 section 7.3).
    async fn in_a_browser(&self, client: &TokenClient) -> Result<Granted, Trouble> {
        let broken = |error: std::io::Error| Trouble { cause: Cause::Broken, detail: Some(error.to_string()) };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(broken)?;
        let redirect = format!("http://localhost:{}/", listener.local_addr().map_err(broken)?.port());
        let (state, nonce, verifier) = (secret(), secret(), secret());
        let url = client.authorize_url(&redirect, &state, &nonce, &verifier)?;
        say(&format!(
            "To sign in as {}, open this address in a browser on this machine ({} minutes). The application must allow {redirect} to come \
             back to; with Entra “http://localhost”, under “Mobile and desktop applications”.\n{url}",
            self.username,
            PATIENCE.as_secs() / 60
        ));
        let brought = timeout(PATIENCE, wait_for(&listener, &Arc::new(state))).await;
        drop(listener);
        let nobody =
            |_| Trouble { cause: Cause::TokenCodeExpired, detail: Some("nobody came back from the sign-in service".into()) };
        let code = brought.map_err(nobody)?.map_err(|refusal| refused(&refusal))?;
        self.fresh(client).exchange(&code, &verifier, &redirect, &nonce).await
    }
}

#[async_trait]
impl TokenSource for SignInHere {
    async fn token(&self, client: &TokenClient, refused: Option<&Secret>) -> Result<Granted, Trouble> {
        let refresh = refused.and_then(|_| self.refresh.lock().unwrap_or_else(PoisonError::into_inner).take());
        let granted = match (refresh, client.oauth().strategy) {
            (Some(refresh), _) => self.fresh(client).refresh(&refresh).await?,
            (None, Strategy::DeviceCode) => self.elsewhere(client).await?,
            (None, _) => self.in_a_browser(client).await?,
        };
        self.refresh.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&granted.refresh);
        Ok(granted)
    }
}

/// Waits until somebody comes back with this `state`. Whoever else comes is told that there is nothing, and changes nothing.
async fn wait_for(listener: &TcpListener, state: &Arc<Secret>) -> Brought {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, Arc::clone(state)));
                }
            }
            Some(served) = connections.join_next() => {
                if let Ok(Some(brought)) = served {
                    return brought;
                }
            }
        }
    }
}

/// One connection, one request; what it brought.
async fn serve(stream: TcpStream, state: Arc<Secret>) -> Option<Brought> {
    let brought = Mutex::new(None);
    let answer = |request: Request<Incoming>| {
        let (status, said, found) = answer_to(request.method(), request.uri(), &state);
        if found.is_some() {
            *brought.lock().unwrap_or_else(PoisonError::into_inner) = found;
        }
        std::future::ready(Ok::<_, std::convert::Infallible>(page(status, said)))
    };
    let mut server = http1::Builder::new();
    server.keep_alive(false).timer(TokioTimer::new()).header_read_timeout(REQUEST).max_buf_size(MAX_REQUEST);
    let connection = server.serve_connection(TokioIo::new(stream), service_fn(answer));
    // Whether the page arrived changes nothing.
    let _ = timeout_at(Instant::now() + REQUEST, connection).await;
    brought.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// What is answered, and what was brought, if this is who is waited for.
fn answer_to(method: &Method, uri: &Uri, state: &Secret) -> (StatusCode, &'static str, Option<Brought>) {
    let nothing = (StatusCode::NOT_FOUND, "There is nothing here.", None);
    if method != Method::GET || uri.path() != "/" || uri.query().is_none() {
        return nothing;
    }
    let Ok(Query(back)) = Query::<Back>::try_from_uri(uri) else { return nothing };
    if !bool::from(back.state.expose().as_bytes().ct_eq(state.expose().as_bytes())) {
        return (StatusCode::BAD_REQUEST, "This answers another sign-in than the one that Postroom waits for.", None);
    }
    match back.code.filter(|code| !code.is_empty()) {
        Some(code) if back.error.is_empty() => (StatusCode::OK, "You are signed in. You can close this window.", Some(Ok(code))),
        _ => {
            let error = if back.error.is_empty() { "no code came back".into() } else { back.error };
            let refusal = Refusal { error, error_description: back.error_description, ..Refusal::default() };
            (StatusCode::OK, "You are not signed in. You can close this window; Postroom says why.", Some(Err(refusal)))
        }
    }
}

/// A page of one sentence. Its address holds a code: nothing else may learn that.
fn page(status: StatusCode, said: &str) -> Response<Full<Bytes>> {
    let page = format!("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Postroom</title><p>{said}</p></html>");
    let mut response = Response::new(Full::new(Bytes::from(page)));
    *response.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// What nobody can guess, as RFC 7636 section 4.1 wants it: 43 characters.
fn secret() -> Secret {
    let mut bytes = Zeroizing::new([0; 32]);
    SystemRandom.fill(&mut *bytes);
    Secret::new(URL_SAFE_NO_PAD.encode(*bytes))
}

/// Says what somebody has to do. Standard output holds events only.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_comes_back_from_this_sign_in_is_taken_at_their_word() {
        let state = Secret::new("state-1".into());
        let ask = |method: Method, uri: &str| answer_to(&method, &uri.parse().unwrap(), &state);
        for (method, uri, expected) in [
            (Method::GET, "/favicon.ico", 404),
            (Method::GET, "/", 404),
            (Method::GET, "/x?state=state-1&code=c", 404),
            (Method::POST, "/?state=state-1&code=c", 404),
            (Method::HEAD, "/?state=state-1&code=c", 404),
            (Method::GET, "/?state=state-1&state=state-1&code=c", 404),
            (Method::GET, "/?code=c", 400),
            (Method::GET, "/?state=&code=c", 400),
            (Method::GET, "/?state=state-2&code=c", 400),
            (Method::GET, "/?state=state-12&error=access_denied", 400),
        ] {
            let (status, said, brought) = ask(method, uri);
            assert_eq!((status.as_u16(), brought.is_none()), (expected, true), "{uri} {said}");
        }
        let (status, _, brought) = ask(Method::GET, "/?code=a%2Bb%20c&state=state-1&session_state=x");
        assert_eq!((status, brought.unwrap().unwrap().expose()), (StatusCode::OK, "a+b c"));
        for (uri, error) in [
            ("/?error=access_denied&error_description=No%20way&state=state-1", "access_denied"),
            ("/?error=server_error&code=c&state=state-1", "server_error"),
            ("/?state=state-1&code=", "no code came back"),
        ] {
            let (status, said, brought) = ask(Method::GET, uri);
            assert_eq!((status, brought.unwrap().unwrap_err().error.as_str()), (StatusCode::OK, error), "{uri}");
            assert!(said.contains("not signed in"), "{said}");
        }
    }
}
