//! The part of the backend that signs mailboxes in.

use std::sync::Arc;

use app::backend::{self, Arriving, Leaving, SignInPage};
use async_trait::async_trait;
use domain::access::Act;
use domain::entry::EntryId;
use domain::error::Problem;
use domain::oauth::{DeviceCode, SignInView};
use domain::secret::Secret;

use super::Local;
use crate::sign_ins::SignIns;

impl Local {
    fn sign_ins(&self) -> &Arc<SignIns> {
        self.runs.sign_ins()
    }
}

#[async_trait]
impl backend::SignIns for Local {
    async fn sign_in_page(&self, id: EntryId) -> Result<SignInPage, Problem> {
        self.may_with(Act::See, &[id])?;
        let view = self.entries.blocking(move |entries| entries.entry(id)).await?;
        let may_sign_in = self.caller.permit.allows_with(Act::Change, &[id]);
        let device = if may_sign_in { self.sign_ins().device(id) } else { None };
        Ok(SignInPage { view, redirect: self.sign_ins().redirect(), device, now_ms: self.entries.now_ms() })
    }

    async fn begin_sign_in(&self, id: EntryId, host: String) -> Result<Leaving, Problem> {
        self.may_with(Act::Change, &[id])?;
        self.sign_ins().begin(id, self.caller.who.clone(), host).await
    }

    fn sign_in_host(&self, state: &Secret) -> Option<String> {
        self.sign_ins().began_at(state)
    }

    async fn finish_sign_in(&self, arriving: Arriving) -> Result<EntryId, Problem> {
        self.may(Act::Change)?;
        let id = self.sign_ins().finish(&self.caller.who, arriving, Arc::clone(&self.entries)).await?;
        tracing::info!(entry = id.0, "signed in at the sign-in service");
        Ok(id)
    }

    async fn begin_device(&self, id: EntryId) -> Result<DeviceCode, Problem> {
        self.may_with(Act::Change, &[id])?;
        self.sign_ins().begin_device(id, Arc::clone(&self.entries)).await
    }

    async fn device(&self, id: EntryId) -> Result<Option<DeviceCode>, Problem> {
        self.may_with(Act::Change, &[id])?;
        Ok(self.sign_ins().device(id))
    }

    async fn cancel_device(&self, id: EntryId) -> Result<bool, Problem> {
        self.may_with(Act::Change, &[id])?;
        Ok(self.sign_ins().cancel_device(id))
    }

    async fn renew_sign_in(&self, id: EntryId) -> Result<SignInView, Problem> {
        self.may_with(Act::Test, &[id])?;
        self.sign_ins().renew(id).await
    }

    async fn end_sign_in(&self, id: EntryId) -> Result<bool, Problem> {
        self.may_with(Act::Change, &[id])?;
        let ended = self.entries.blocking(move |entries| entries.end_sign_in(id)).await?;
        self.sign_ins().forget(id);
        Ok(ended)
    }
}
