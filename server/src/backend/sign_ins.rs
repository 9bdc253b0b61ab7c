//! The part of the backend that signs mailboxes in.

use app::backend::{Arriving, Leaving, SignInPage, SignIns};
use async_trait::async_trait;
use domain::entry::EntryId;
use domain::error::Problem;
use domain::oauth::{DeviceCode, SignInView};

use super::Local;

#[async_trait]
impl SignIns for Local {
    async fn sign_in_page(&self, _id: EntryId) -> Result<SignInPage, Problem> {
        Err(Problem::Internal)
    }

    async fn begin_sign_in(&self, _id: EntryId) -> Result<Leaving, Problem> {
        Err(Problem::Internal)
    }

    async fn finish_sign_in(&self, _arriving: Arriving) -> Result<EntryId, Problem> {
        Err(Problem::Internal)
    }

    async fn begin_device(&self, _id: EntryId) -> Result<DeviceCode, Problem> {
        Err(Problem::Internal)
    }

    async fn device(&self, _id: EntryId) -> Result<Option<DeviceCode>, Problem> {
        Err(Problem::Internal)
    }

    async fn cancel_device(&self, _id: EntryId) -> Result<bool, Problem> {
        Err(Problem::Internal)
    }

    async fn renew_sign_in(&self, _id: EntryId) -> Result<SignInView, Problem> {
        Err(Problem::Internal)
    }

    async fn end_sign_in(&self, _id: EntryId) -> Result<bool, Problem> {
        Err(Problem::Internal)
    }
}
