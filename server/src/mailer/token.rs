//! Access tokens: what is asked of a sign-in service, and what it grants (RFC 6749 section 4.3).

use std::fmt;

use domain::oauth::{self, Refusal};
use domain::secret::Secret;
use domain::transcript::Cause;
use http::{Request, Response};
use oauth2::basic::{BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenResponse};
use oauth2::{
    AuthType, Client, ClientId, ClientSecret, EndpointNotSet, EndpointSet, ErrorResponse, RequestTokenError, ResourceOwnerPassword,
    ResourceOwnerUsername, Scope, StandardRevocableToken, TokenResponse, TokenUrl,
};
use serde::{Deserialize, Serialize};

use super::https::Https;
use super::stream::Trouble;

/// The most characters of foreign text that are shown.
const MAX_SHOWN: usize = 600;

/// What was granted.
pub(super) struct Granted {
    pub(super) token: Secret,
    /// What it is for.
    pub(super) scopes: Vec<String>,
    /// How long it counts: seconds.
    pub(super) seconds: Option<u64>,
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

type Service = Client<
    Said,
    BasicTokenResponse,
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

/// A token for an application, by its secret (RFC 6749 section 4.4).
pub(super) async fn by_client_secret(https: &Https, endpoint: &str, client_id: &str, secret: &Secret) -> Result<Granted, Trouble> {
    let service = service(endpoint, client_id)?.set_client_secret(ClientSecret::new(secret.expose().to_owned()));
    let request = service.exchange_client_credentials().add_scope(Scope::new(oauth::SMTP_SEND_AS_APP.into()));
    let ask = |request: Request<Vec<u8>>| answer(https.clone(), request);
    granted(request.request_async(&ask).await)
}

/// A token for `username`, by its password, for a public client (RFC 6749 section 4.3).
pub(super) async fn by_password(
    https: &Https,
    endpoint: &str,
    client_id: &str,
    username: &str,
    password: &Secret,
) -> Result<Granted, Trouble> {
    let service = service(endpoint, client_id)?;
    let username = ResourceOwnerUsername::new(username.to_owned());
    let password = ResourceOwnerPassword::new(password.expose().to_owned());
    let request = service.exchange_password(&username, &password);
    let request = oauth::SMTP_SEND.split(' ').fold(request, |request, scope| request.add_scope(Scope::new(scope.to_owned())));
    let ask = |request: Request<Vec<u8>>| answer(https.clone(), request);
    granted(request.request_async(&ask).await)
}

fn service(endpoint: &str, client_id: &str) -> Result<Service, Trouble> {
    let url = TokenUrl::new(endpoint.to_owned());
    let url = url.map_err(|error| Trouble { cause: Cause::TokenAnswerUnreadable, detail: Some(error.to_string()) })?;
    let client = Client::<
        Said,
        BasicTokenResponse,
        BasicTokenIntrospectionResponse,
        StandardRevocableToken,
        BasicRevocationErrorResponse,
    >::new(ClientId::new(client_id.to_owned()));
    Ok(client.set_auth_type(AuthType::RequestBody).set_token_uri(url))
}

/// The answer, if it is one of a sign-in service: a redirect or a page isn't.
async fn answer(https: Https, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, OnTheWay> {
    let response = https.ask(request).await.map_err(OnTheWay)?;
    let json =
        response.headers().get(http::header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
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

fn granted(result: Result<BasicTokenResponse, RequestTokenError<OnTheWay, Said>>) -> Result<Granted, Trouble> {
    match result {
        Ok(granted) => Ok(Granted {
            token: Secret::new(granted.access_token().secret().clone()),
            scopes: granted.scopes().into_iter().flatten().map(|scope| scope.to_string()).collect(),
            seconds: granted.expires_in().map(|time| time.as_secs()),
        }),
        Err(RequestTokenError::ServerResponse(Said(refusal))) => {
            let evidence: String = refusal.evidence().chars().take(MAX_SHOWN).collect();
            Err(Trouble { cause: refusal.cause(), detail: Some(evidence) })
        }
        Err(RequestTokenError::Request(OnTheWay(trouble))) => Err(trouble),
        // What was answered may hold a token: nothing of it is shown.
        Err(RequestTokenError::Parse(..) | RequestTokenError::Other(_)) => {
            Err(Trouble { cause: Cause::TokenAnswerUnreadable, detail: Some("the answer isn't what RFC 6749 says".into()) })
        }
    }
}
