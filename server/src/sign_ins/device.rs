//! Signing a mailbox in with a code that somebody types elsewhere (RFC 8628). Whether somebody did is asked in a task of its own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::entry::EntryId;
use domain::error::Problem;
use domain::oauth::{DeviceCode, DeviceState};
use domain::secret::Secret;
use domain::transcript::Cause;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::{END, STEP, Saved, SignIns, passes};
use crate::entries::Entries;
use crate::mailer::{DeviceGrant, Poll, Trouble};

/// How long it can be seen what became of a code.
const REMEMBERED: Duration = Duration::from_mins(10);
/// The most codes at once.
const MAX: usize = 100;
/// By how much the service is asked less often when it wants that (RFC 8628 section 3.5).
const SLOWER: Duration = Duration::from_secs(5);

/// A code that somebody types, or what became of it.
pub(super) struct Device {
    code: Arc<Mutex<DeviceCode>>,
    task: AbortHandle,
    forget_at: Instant,
}

impl Device {
    pub(super) fn give_up(self) {
        self.task.abort();
    }

    fn code(&self) -> DeviceCode {
        self.code.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl SignIns {
    /// Gets a code for the settings that are saved of `id`; the one of before is given up. What is granted is kept by `entries`.
    ///
    /// # Errors
    /// [`Problem::SignInFailed`], [`Problem::Busy`] where too many are under way; or as the store.
    pub async fn begin_device(self: &Arc<Self>, id: EntryId, entries: Arc<Entries>) -> Result<DeviceCode, Problem> {
        let saved = self.saved(id).await?;
        let grant = saved.client.device_code().await.map_err(|trouble| saved.failed(&trouble, &[]))?;
        let lasts = u64::try_from(grant.expires_in.as_millis()).unwrap_or(u64::MAX);
        let code = DeviceCode {
            user_code: grant.user_code.clone(),
            verification_url: grant.verification_url.clone(),
            expires_ms: self.entries.now_ms().saturating_add(lasts),
            state: DeviceState::Waiting,
        };
        let forget_at = Instant::now() + grant.expires_in + REMEMBERED;
        let shared = Arc::new(Mutex::new(code.clone()));
        let mut devices = self.devices();
        devices.retain(|_, device| Instant::now() < device.forget_at);
        if let Some(before) = devices.remove(&id) {
            before.give_up();
        }
        if devices.len() >= MAX {
            return Err(Problem::Busy);
        }
        let (sign_ins, told) = (Arc::clone(self), Arc::clone(&shared));
        let task = tokio::spawn(async move {
            let state = match sign_ins.wait_for(id, &saved, &grant, entries).await {
                Ok(()) => DeviceState::Done,
                Err(Problem::SignInFailed(diagnosis)) => DeviceState::Failed(diagnosis),
                Err(problem) => {
                    let trouble = Trouble { cause: Cause::TokenNotKept, detail: Some(domain::words::problem(&problem)) };
                    DeviceState::Failed(Box::new(super::diagnosed(&trouble, &[])))
                }
            };
            told.lock().unwrap_or_else(PoisonError::into_inner).state = state;
        });
        devices.insert(id, Device { code: shared, task: task.abort_handle(), forget_at });
        Ok(code)
    }

    /// How the last code of `id` stands, if one was asked for lately.
    pub fn device(&self, id: EntryId) -> Option<DeviceCode> {
        self.devices().get(&id).filter(|device| Instant::now() < device.forget_at).map(Device::code)
    }

    /// Gives up waiting. Whether there was anything to give up.
    pub fn cancel_device(&self, id: EntryId) -> bool {
        let device = self.devices().remove(&id);
        device.is_some_and(|device| {
            let waited = device.code().state == DeviceState::Waiting;
            device.give_up();
            waited
        })
    }

    /// Waits until somebody has typed the code, and keeps what was granted.
    async fn wait_for(&self, id: EntryId, saved: &Saved, grant: &DeviceGrant, entries: Arc<Entries>) -> Result<(), Problem> {
        let DeviceGrant { device_code, expires_in, interval, .. } = grant;
        let (end, mut wait) = (Instant::now() + *expires_in, *interval);
        let expired = || saved.failed(&Cause::TokenCodeExpired.into(), &[]);
        loop {
            let next = Instant::now() + wait;
            if next >= end {
                tokio::time::sleep_until(end).await;
                return Err(expired());
            }
            tokio::time::sleep_until(next).await;
            match self.poll(saved, device_code).await {
                Ok(Poll::Pending) => {}
                Ok(Poll::SlowDown) => wait += SLOWER,
                Ok(Poll::Granted(granted)) => return self.keep_new(id, saved, &granted, entries).await,
                // The network may come back before the code is over.
                Err(trouble) if passes(trouble.cause) && trouble.cause != Cause::TokenAnswerUnreadable => wait += SLOWER,
                Err(trouble) => return Err(saved.failed(&trouble, &[device_code])),
            }
        }
    }

    async fn poll(&self, saved: &Saved, device_code: &Secret) -> Result<Poll, Trouble> {
        saved.client.clone().with_time(STEP, Instant::now() + END).poll(device_code).await
    }
}
