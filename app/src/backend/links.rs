//! The part of the port that is about download links, for those who look after them.

use async_trait::async_trait;
use domain::error::Problem;
use domain::link::{Link, LinkId, LinksPage, LinksQuery};

/// The download links that stand for attachments.
#[async_trait]
pub trait Links: Send + Sync {
    /// A page of them.
    async fn links(&self, query: LinksQuery) -> Result<LinksPage, Problem>;
    /// One of them, whatever became of it.
    async fn link(&self, id: LinkId) -> Result<Link, Problem>;
    /// Ends one at once.
    async fn revoke_link(&self, id: LinkId) -> Result<Link, Problem>;
    /// Lets one end so many days from now.
    async fn extend_link(&self, id: LinkId, days: u64) -> Result<Link, Problem>;
}
