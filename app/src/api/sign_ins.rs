//! Signing mailboxes in.

use domain::entry::EntryId;
use domain::oauth::{DeviceCode, SignInView};
use leptos::prelude::*;
use leptos::server_fn::codec::{GetUrl, Json};
use serde::{Deserialize, Serialize};

use super::Failure;
#[cfg(feature = "ssr")]
use crate::backend::backend;

/// The answer to a wish to forget a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Whether there was anything to forget.
    pub ended: bool,
}

/// `POST /api/servers/renew`: asks for an access token now, which shows whether the sign-in still counts.
///
/// # Errors
/// What the backend says.
#[server(name = RenewSignIn, prefix = "/api", endpoint = "servers/renew", input = Json)]
pub async fn renew_sign_in(id: EntryId) -> Result<SignInView, Failure> {
    Ok(backend()?.renew_sign_in(id).await?)
}

/// `POST /api/servers/sign-out`: forgets the sign-in and every token.
///
/// # Errors
/// What the backend says.
#[server(name = EndSignIn, prefix = "/api", endpoint = "servers/sign-out", input = Json)]
pub async fn end_sign_in(id: EntryId) -> Result<Ended, Failure> {
    Ok(Ended { ended: backend()?.end_sign_in(id).await? })
}

/// `POST /api/servers/device-code`: gets a code for somebody to type at the sign-in service.
///
/// # Errors
/// What the backend says.
#[server(name = BeginDevice, prefix = "/api", endpoint = "servers/device-code", input = Json)]
pub async fn begin_device(id: EntryId) -> Result<DeviceCode, Failure> {
    Ok(backend()?.begin_device(id).await?)
}

/// `GET /api/servers/device`: how that stands.
///
/// # Errors
/// What the backend says.
#[server(name = GetDevice, prefix = "/api", endpoint = "servers/device", input = GetUrl)]
pub async fn get_device(id: EntryId) -> Result<Option<DeviceCode>, Failure> {
    Ok(backend()?.device(id).await?)
}
