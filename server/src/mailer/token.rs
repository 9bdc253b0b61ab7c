//! Access tokens: what is asked of a sign-in service, and what it grants (RFC 6749, RFC 7523, RFC 7636, RFC 8628). What is kept of
//! them, and when they are asked for, is `sign_ins`' affair.

mod assertion;
mod claims;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::oauth::{self, Endpoints, Oauth, Refusal, Strategy};
use domain::secret::Secret;
use domain::smtp_server::{SignIn, SmtpServer};
use domain::transcript::Cause;
use http::{Request, Response, header};
use oauth2::basic::{BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType};
use oauth2::{
    AuthType, AuthorizationCode, Client, ClientId, ClientSecret, EndpointNotSet, EndpointSet, ErrorResponse, ExtraTokenFields,
    PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, ResourceOwnerPassword, ResourceOwnerUsername, Scope,
    StandardRevocableToken, StandardTokenResponse, TokenResponse, TokenUrl,
};
use ring::digest;
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::https::Https;
use super::redact::Redactor;
use super::stream::{Timer, Trouble};
use super::trust::Trust;
use super::{Mailer, auth};
use crate::ports::{Clock, Random};

/// The most bytes of a token: what an `AUTH` line may carry in any case, and more than any service makes.
const MAX_TOKEN: usize = 16 << 10;
/// The grant of RFC 8628 section 3.4.
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// The kind of assertion of RFC 7523 section 2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The seconds between two questions whether a device code was used, where the service names none (RFC 8628 section 3.2).
const DEVICE_INTERVAL: u64 = 5;

/// What was granted.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The access token.
    pub token: Secret,
    /// What it is renewed with, where there is such a thing.
    pub refresh: Option<Secret>,
    /// What it is for, in words of the service's.
    pub scopes: Vec<String>,
    /// How long it counts: seconds.
    pub seconds: Option<u64>,
    /// Whose it is, as the service says.
    pub account: Option<String>,
    /// Whom it is for, where the token itself can be read.
    pub audience: Option<String>,
    /// When it was asked for.
    pub at: Instant,
}

impl Granted {
    /// How long it still counts, where that is known.
    pub fn left(&self) -> Option<Duration> {
        let lasts = Duration::from_secs(self.seconds?);
        Some(lasts.saturating_sub(self.at.elapsed()))
    }
}

/// A code for somebody to type at the service (RFC 8628 section 3.2).
#[derive(Debug)]
pub struct DeviceGrant {
    /// What it is asked with whether somebody did.
    pub device_code: Secret,
    /// What is typed.
    pub user_code: String,
    /// Where: an address of `https://`, or of this machine.
    pub verification_url: String,
    /// How long it counts.
    pub expires_in: Duration,
    /// How long to wait between two questions.
    pub interval: Duration,
}

/// Whether somebody typed a code.
#[derive(Debug)]
pub enum Poll {
    /// Not yet.
    Pending,
    /// Not yet, and the service wants to be asked less often: 5 s more from now on.
    SlowDown,
    /// Yes.
    Granted(Box<Granted>),
}

/// Where a run gets the tokens from that it signs in with, besides asking by itself. It ends by itself, and what it takes is none of the
/// run's time.
#[async_trait]
pub trait TokenSource: fmt::Debug + Send + Sync {
    /// A token; another one than `refused`, which the mail server didn't take.
    async fn token(&self, client: &TokenClient, refused: Option<&Secret>) -> Result<Granted, Trouble>;
}

/// Asks the sign-in service of one entry. Its `Debug` prints no secret.
#[derive(Clone)]
pub struct TokenClient {
    https: Https,
    endpoints: Endpoints,
    oauth: Oauth,
    username: String,
    /// The password, or the client secret.
    secret: Option<Secret>,
    /// What signs assertions.
    certificate: Option<Arc<CertifiedKey>>,
    clock: Arc<dyn Clock + Send + Sync>,
    random: Arc<dyn Random + Send + Sync>,
}

impl fmt::Debug for TokenClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenClient({})", self.endpoints.token)
    }
}

/// A refusal as it is read: [`Refusal`], of which the crate's own forgets what support asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
struct Said(Refusal);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.error)
    }
}

impl ErrorResponse for Said {}

/// What an answer has besides what RFC 6749 says: whose the token is (`OpenID` Connect Core section 3.1.3.3).
#[derive(Clone, Default, Serialize, Deserialize)]
struct Extra {
    #[serde(default, skip_serializing)]
    id_token: Option<Secret>,
}

impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Extra(…)")
    }
}

impl ExtraTokenFields for Extra {}

type Answer = StandardTokenResponse<Extra, BasicTokenType>;

type Service = Client<
    Said,
    Answer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// What went wrong on the way, as an error that the crate can carry.
#[derive(Debug)]
struct OnTheWay(Trouble);

impl fmt::Display for OnTheWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the service can't be asked")
    }
}

impl std::error::Error for OnTheWay {}

impl Mailer {
    /// What asks for tokens for `server`, with its password or client secret and the certificate of its application, trusting `trust`.
    /// Each question may take `step`; all of them end at `end`.
    ///
    /// # Errors
    /// [`Cause::NoTenant`], or that the entry has no Azure OAuth.
    pub fn token_client(
        &self,
        server: &SmtpServer,
        secret: Option<&Secret>,
        certificate: Option<&Arc<CertifiedKey>>,
        trust: Option<&Arc<Trust>>,
        (step, end): (Duration, Instant),
    ) -> Result<TokenClient, Trouble> {
        let SignIn::AzureOauth { username, oauth } = &server.sign_in else { return Err(Cause::NotSignedIn.into()) };
        let endpoints = oauth.endpoints(&self.authority, username).ok_or(Cause::NoTenant)?;
        Ok(TokenClient {
            https: Https::new(self, trust.unwrap_or(&self.trust), Timer { step, end }),
            endpoints,
            oauth: oauth.clone(),
            username: username.clone(),
            secret: secret.filter(|secret| !secret.is_empty()).cloned(),
            certificate: certificate.cloned(),
            clock: self.clock.clone(),
            random: self.random.clone(),
        })
    }
}

impl TokenClient {
    /// The same, with time of its own.
    #[must_use]
    pub fn with_time(mut self, step: Duration, end: Instant) -> Self {
        self.https = self.https.with_timer(Timer { step, end });
        self
    }

    /// Where tokens are asked for.
    pub fn endpoint(&self) -> &str {
        &self.endpoints.token
    }

    /// How tokens are got.
    pub const fn oauth(&self) -> &Oauth {
        &self.oauth
    }

    /// A token, where nobody has to sign in for it.
    ///
    /// # Errors
    /// [`Trouble`]; [`Cause::NotSignedIn`] where somebody has to.
    pub async fn grant(&self) -> Result<Granted, Trouble> {
        match self.oauth.strategy {
            Strategy::Password => self.by_password().await,
            Strategy::ClientCredentials => self.by_client_secret().await,
            Strategy::ClientCertificate => self.by_certificate().await,
            Strategy::AuthorizationCode | Strategy::DeviceCode => Err(Cause::NotSignedIn.into()),
        }
    }

    /// For the account, by its password, for a public client (RFC 6749 section 4.3).
    async fn by_password(&self) -> Result<Granted, Trouble> {
        let password = self.secret.as_ref().ok_or(Cause::NoPassword)?;
        let service = self.service(None)?;
        let username = ResourceOwnerUsername::new(self.username.clone());
        let password = ResourceOwnerPassword::new(password.expose().to_owned());
        let request = service.exchange_password(&username, &password).add_scopes(self.scopes());
        let ask = |request| answer(self.https.clone(), request);
        let asked = Instant::now();
        self.granted(asked, request.request_async(&ask).await, &[])
    }

    /// For an application, by its secret (RFC 6749 section 4.4).
    async fn by_client_secret(&self) -> Result<Granted, Trouble> {
        let secret = self.secret.as_ref().ok_or(Cause::NoPassword)?;
        let service = self.service(Some(secret))?;
        let request = service.exchange_client_credentials().add_scopes(self.scopes());
        let ask = |request| answer(self.https.clone(), request);
        let asked = Instant::now();
        self.granted(asked, request.request_async(&ask).await, &[])
    }

    /// For an application, by what its certificate's key signs (RFC 7523 section 2.2).
    async fn by_certificate(&self) -> Result<Granted, Trouble> {
        let certificate = self.certificate.as_ref().ok_or(Cause::NoClientCertificate)?;
        let assertion =
            assertion::signed(certificate, &self.oauth.application_id, &self.endpoints.token, &*self.clock, &*self.random)?;
        let service = self.service(None)?;
        let request = service
            .exchange_client_credentials()
            .add_scopes(self.scopes())
            .add_extra_param("client_assertion_type", JWT_BEARER)
            .add_extra_param("client_assertion", assertion.expose());
        let ask = |request| answer(self.https.clone(), request);
        let asked = Instant::now();
        self.granted(asked, request.request_async(&ask).await, &[&assertion])
    }

    /// Another token for somebody who signed in before (RFC 6749 section 6).
    ///
    /// # Errors
    /// [`Trouble`]; [`Cause::TokenSignInOver`] once that doesn't count any more.
    pub async fn refresh(&self, refresh_token: &Secret) -> Result<Granted, Trouble> {
        let service = self.service(self.secret.as_ref())?;
        let token = RefreshToken::new(refresh_token.expose().to_owned());
        let request = service.exchange_refresh_token(&token).add_scopes(self.scopes());
        let ask = |request| answer(self.https.clone(), request);
        let asked = Instant::now();
        let result = request.request_async(&ask).await;
        // The one grant that `invalid_grant` can be about is the sign-in itself (RFC 6749 section 5.2).
        let over = matches!(&result, Err(RequestTokenError::ServerResponse(Said(refusal))) if refusal.error == "invalid_grant");
        self.granted(asked, result, &[refresh_token]).map_err(|trouble| match trouble.cause {
            Cause::TokenRefused if over => Trouble { cause: Cause::TokenSignInOver, ..trouble },
            _ => trouble,
        })
    }

    /// Where somebody signs in who comes back to `redirect` with a code (RFC 6749 section 4.1.1, RFC 7636 section 4.3).
    ///
    /// # Errors
    /// [`Cause::TokenInClear`] where that would be in clear.
    pub fn authorize_url(&self, redirect: &str, state: &Secret, nonce: &Secret, verifier: &Secret) -> Result<String, Trouble> {
        self.https.may_ask(&self.endpoints.authorize)?;
        let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.expose().as_bytes()));
        let scope = self.oauth.scopes().join(" ");
        let mut pairs = vec![
            ("client_id", self.oauth.application_id.as_str()),
            ("response_type", "code"),
            ("redirect_uri", redirect),
            ("scope", &scope),
            ("state", state.expose()),
            ("nonce", nonce.expose()),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("login_hint", &self.username),
        ];
        match self.oauth.provider {
            oauth::Provider::Microsoft => pairs.push(("response_mode", "query")),
            // Without these, it grants nothing to renew with.
            oauth::Provider::Google => pairs.extend([("access_type", "offline"), ("prompt", "consent")]),
            oauth::Provider::Other => {}
        }
        Ok(format!("{}?{}", self.endpoints.authorize, form(&pairs)))
    }

    /// What a code that somebody came back with is worth (RFC 6749 section 4.1.3).
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn exchange(&self, code: &Secret, verifier: &Secret, redirect: &str, nonce: &Secret) -> Result<Granted, Trouble> {
        let service = self.service(self.secret.as_ref())?;
        let redirect = RedirectUrl::new(redirect.to_owned()).map_err(|error| unreadable(&error))?;
        let request = service
            .exchange_code(AuthorizationCode::new(code.expose().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose().to_owned()))
            .set_redirect_uri(std::borrow::Cow::Owned(redirect));
        let ask = |request| answer(self.https.clone(), request);
        let asked = Instant::now();
        let result = request.request_async(&ask).await;
        if let Ok(answer) = &result
            && let Some(id_token) = &answer.extra_fields().id_token
            && !claims::is_answer_to(id_token, &self.oauth.application_id, nonce)
        {
            return Err(unreadable(&"what says whose the token is was made for another sign-in"));
        }
        self.granted(asked, result, &[code, verifier])
    }

    /// A code for somebody to type (RFC 8628 section 3.1).
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn device_code(&self) -> Result<DeviceGrant, Trouble> {
        #[derive(Deserialize)]
        struct Device {
            #[serde(rename = "device_code")]
            code: Secret,
            user_code: String,
            #[serde(alias = "verification_url")]
            verification_uri: String,
            expires_in: u64,
            interval: Option<u64>,
        }
        let scope = self.oauth.scopes().join(" ");
        let mut pairs = vec![("client_id", self.oauth.application_id.as_str()), ("scope", scope.as_str())];
        if let Some(secret) = &self.secret {
            pairs.push(("client_secret", secret.expose()));
        }
        let device: Device = match self.post(&self.endpoints.device, &pairs).await? {
            Ok(device) => device,
            Err(refusal) => return Err(self.refused(&refusal, &[])),
        };
        let verification_url = oauth::service_url(&device.verification_uri).map_err(|_| unreadable(&"its address is none"))?;
        let shown = |text: &str| text.len() <= 64 && !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
        if !shown(&device.user_code) || device.code.expose().len() > MAX_TOKEN {
            return Err(unreadable(&"its code is none"));
        }
        Ok(DeviceGrant {
            device_code: device.code,
            user_code: device.user_code,
            verification_url,
            expires_in: Duration::from_secs(device.expires_in.clamp(1, 3600)),
            interval: Duration::from_secs(device.interval.unwrap_or(DEVICE_INTERVAL).clamp(1, 60)),
        })
    }

    /// Whether somebody typed the code (RFC 8628 section 3.4).
    ///
    /// # Errors
    /// [`Trouble`] that won't pass by waiting.
    pub async fn poll(&self, device_code: &Secret) -> Result<Poll, Trouble> {
        let mut pairs = vec![
            ("grant_type", DEVICE_GRANT),
            ("client_id", self.oauth.application_id.as_str()),
            ("device_code", device_code.expose()),
        ];
        if let Some(secret) = &self.secret {
            pairs.push(("client_secret", secret.expose()));
        }
        let asked = Instant::now();
        match self.post::<Answer>(&self.endpoints.token, &pairs).await? {
            Ok(answer) => Ok(Poll::Granted(Box::new(self.granted(asked, Ok(answer), &[])?))),
            Err(refusal) => match refusal.error.as_str() {
                "authorization_pending" => Ok(Poll::Pending),
                "slow_down" => Ok(Poll::SlowDown),
                _ => Err(self.refused(&refusal, &[device_code])),
            },
        }
    }

    /// Asks what the crate has no question for.
    async fn post<T: for<'de> Deserialize<'de>>(
        &self,
        endpoint: &str,
        pairs: &[(&str, &str)],
    ) -> Result<Result<T, Refusal>, Trouble> {
        let request = Request::post(endpoint)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form(pairs).into_bytes())
            .map_err(|error| unreadable(&error))?;
        let response = answer(self.https.clone(), request).await.map_err(|OnTheWay(trouble)| trouble)?;
        if response.status().is_success() {
            return serde_json::from_slice(response.body()).map(Ok).map_err(|_| not_what_the_rfc_says());
        }
        serde_json::from_slice(response.body()).map(Err).map_err(|_| not_what_the_rfc_says())
    }

    /// What a refusal comes to. It may repeat what was asked: neither that secret nor those that were `sent` are shown, as they are or as
    /// forms have them.
    fn refused(&self, refusal: &Refusal, sent: &[&Secret]) -> Trouble {
        let mut redactor = Redactor::default();
        for secret in self.secret.iter().chain(sent.iter().copied()) {
            redactor.hide(secret.expose().as_bytes());
            redactor.hide(form(&[("", secret.expose())]).trim_start_matches('=').as_bytes());
        }
        refused_to(refusal, &redactor)
    }

    fn scopes(&self) -> Vec<Scope> {
        self.oauth.scopes().into_iter().map(Scope::new).collect()
    }

    fn service(&self, secret: Option<&Secret>) -> Result<Service, Trouble> {
        let url = TokenUrl::new(self.endpoints.token.clone()).map_err(|error| unreadable(&error))?;
        let client = Client::new(ClientId::new(self.oauth.application_id.clone()));
        let client = client.set_auth_type(AuthType::RequestBody).set_token_uri(url);
        Ok(match secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.expose().to_owned())),
            None => client,
        })
    }

    /// What was answered to a question that was asked then; `sent` is what must not be seen of it.
    fn granted(
        &self,
        asked: Instant,
        result: Result<Answer, RequestTokenError<OnTheWay, Said>>,
        sent: &[&Secret],
    ) -> Result<Granted, Trouble> {
        match result {
            // What it takes to use another kind isn't known (RFC 6749 section 7.1).
            Ok(answer) if !matches!(answer.token_type(), BasicTokenType::Bearer) => {
                Err(unreadable(&"the token in the answer is of another kind than Bearer"))
            }
            Ok(answer) => {
                let token = Secret::new(answer.access_token().secret().clone());
                let refresh = answer.refresh_token().map(|token| Secret::new(token.secret().clone()));
                let longest = refresh.iter().chain([&token]).map(|secret| secret.expose().len()).max().unwrap_or_default();
                if longest > MAX_TOKEN || !auth::is_token(&token) {
                    return Err(unreadable(&"the token in the answer can't be one"));
                }
                let own = claims::of(&token);
                let id = answer.extra_fields().id_token.as_ref().map(claims::of).unwrap_or_default();
                Ok(Granted {
                    scopes: answer.scopes().into_iter().flatten().map(|scope| scope.to_string()).collect(),
                    seconds: answer.expires_in().map(|time| time.as_secs()),
                    account: id.account.or(own.account),
                    audience: own.audience,
                    token,
                    refresh,
                    // Rather too early than too late.
                    at: asked,
                })
            }
            Err(RequestTokenError::ServerResponse(Said(refusal))) => Err(self.refused(&refusal, sent)),
            Err(RequestTokenError::Request(OnTheWay(trouble))) => Err(trouble),
            // What was answered may hold a token: nothing of it is shown.
            Err(RequestTokenError::Parse(..) | RequestTokenError::Other(_)) => Err(not_what_the_rfc_says()),
        }
    }
}

/// What a refusal comes to that answers no question with a secret in it, such as one in the address that somebody comes back to.
pub fn refused(refusal: &Refusal) -> Trouble {
    refused_to(refusal, &Redactor::default())
}

/// Each line by itself: what stands between them is ours.
fn refused_to(refusal: &Refusal, redactor: &Redactor) -> Trouble {
    let evidence: Vec<String> = refusal.evidence().lines().map(|line| redactor.visible(line.as_bytes())).collect();
    Trouble { cause: refusal.cause(), detail: Some(evidence.join("\n")) }
}

fn unreadable(error: &dyn ToString) -> Trouble {
    Trouble { cause: Cause::TokenAnswerUnreadable, detail: Some(error.to_string()) }
}

fn not_what_the_rfc_says() -> Trouble {
    unreadable(&"the answer isn't what RFC 6749 says")
}

/// Pairs as forms and addresses have them.
fn form(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                text.push(char::from(byte));
            } else {
                text.push('%');
                for half in [byte >> 4, byte & 15] {
                    text.extend(char::from_digit(half.into(), 16).map(|digit| digit.to_ascii_uppercase()));
                }
            }
        }
    }
    text
}

/// Whether this is JSON's media type, with or without parameters (RFC 9110 section 8.3.1).
fn is_json(kind: &[u8]) -> bool {
    kind.split(|&byte| byte == b';').next().is_some_and(|kind| kind.trim_ascii().eq_ignore_ascii_case(b"application/json"))
}

/// The answer, if it is one of a sign-in service: a redirect or a page isn't.
async fn answer(https: Https, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, OnTheWay> {
    let response = https.ask(request).await.map_err(OnTheWay)?;
    let json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| is_json(kind.as_bytes()));
    if json && !response.status().is_redirection() {
        return Ok(response);
    }
    let cause = if response.status().is_server_error() || response.status().as_u16() == 429 {
        Cause::TokenServiceBusy
    } else {
        Cause::TokenAnswerUnreadable
    };
    Err(OnTheWay(Trouble { cause, detail: Some(format!("HTTP {}", response.status())) }))
}
