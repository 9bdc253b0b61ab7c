//! The part of the backend that is about download links.

use app::backend::Links;
use async_trait::async_trait;
use domain::access::Act;
use domain::error::Problem;
use domain::link::{Link, LinkId, LinksPage, LinksQuery};

use super::Local;

#[async_trait]
impl Links for Local {
    async fn links(&self, query: LinksQuery) -> Result<LinksPage, Problem> {
        self.may(Act::See)?;
        self.links.page(query, &self.caller).await
    }

    async fn link(&self, id: LinkId) -> Result<Link, Problem> {
        self.may(Act::See)?;
        self.links.link(id, &self.caller).await
    }

    async fn revoke_link(&self, id: LinkId) -> Result<Link, Problem> {
        self.may(Act::Change)?;
        self.links.revoke(id, self.caller.clone()).await
    }

    async fn extend_link(&self, id: LinkId, days: u64) -> Result<Link, Problem> {
        self.may(Act::Change)?;
        self.links.extend(id, days, self.caller.clone()).await
    }
}
