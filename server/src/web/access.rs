//! Who makes a request: found out before anything of it is read.

use std::net::IpAddr;

use app::backend::Shown;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use domain::error::Problem;
use http::request::Parts;

use super::{Visit, Web, api_error, refusal};

/// The address that a connection came from, as [`super::serve`] saw it.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Lets in whoever makes the request: what comes after this finds a [`Visit`].
pub(super) async fn recognise(State(web): State<Web>, mut request: Request, next: Next) -> Response {
    let address = request.extensions().get::<Peer>().map(|peer| peer.0.to_string()).unwrap_or_default();
    match web.gate.enter(Shown::Nothing, address).await {
        Ok(backend) => {
            request.extensions_mut().insert(Visit { backend });
            next.run(request).await
        }
        Err(problem) => refusal(request.uri().path(), problem),
    }
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        parts.extensions.get().cloned().ok_or_else(|| api_error(Problem::Internal))
    }
}
