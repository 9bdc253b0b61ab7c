//! The part of the backend that is about messages that applications hand over.

use std::sync::Arc;

use app::backend::{self, Handover};
use async_trait::async_trait;
use domain::access::Act;
use domain::error::Problem;
use domain::submission::{MessageView, MessagesPage, MessagesQuery, SubmissionId};

use super::Local;

#[async_trait]
impl backend::Submissions for Local {
    async fn take_message(&self) -> Result<Box<dyn Handover>, Problem> {
        self.may(Act::Submit)?;
        let taking = self.submissions.take(Arc::clone(&self.entries), self.caller.clone())?;
        Ok(Box::new(taking))
    }

    async fn messages(&self, query: MessagesQuery) -> Result<MessagesPage, Problem> {
        self.may(Act::See)?;
        let (history, only) = (self.submissions.history(), self.caller.permit.entries.clone());
        self.entries.blocking(move |_| history.page(&query, only.as_deref())).await
    }

    async fn message(&self, id: SubmissionId) -> Result<MessageView, Problem> {
        self.may(Act::See)?;
        let (history, only) = (self.submissions.history(), self.caller.permit.entries.clone());
        self.entries.blocking(move |_| history.message(id, only.as_deref())).await
    }
}
