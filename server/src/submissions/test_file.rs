//! The file that a test email carries above the threshold, where such files become links.

use bytes::Bytes;
use domain::entry::EntryId;
use domain::error::Problem;
use domain::link::block::text_block;
use domain::smtp_server::{Kind, Mode};
use domain::submission::Handling;

use super::Submissions;
use crate::activity::DAY_MS;
use crate::links;
use crate::mailer::TestRun;
use crate::store::LinkRecord;

/// Bytes of it that are written at once.
const CHUNK: usize = 256 << 10;

impl Submissions {
    /// What stands in the message of this test in the place of its file: a link that lives for a day. Nothing where the file goes
    /// along, or there is none.
    ///
    /// # Errors
    /// [`Problem::NoRoom`], or as the store.
    pub async fn test_link(&self, entry: Option<EntryId>, test: &TestRun) -> Result<Option<String>, Problem> {
        let Mode::Send(envelope) = &test.mode else { return Ok(None) };
        let Some(size) = envelope.attachment else { return Ok(None) };
        let (server, size) = (&test.server, size.bytes());
        if server.kind == Kind::Fax || server.attachments.handling([size]) != Ok(Handling::Link) {
            return Ok(None);
        }
        let mut incoming = self.links.files().begin().await?;
        let chunk = Bytes::from(vec![b'.'; CHUNK]);
        let mut left = size;
        while left > 0 {
            let part = chunk.slice(..usize::try_from(left).unwrap_or(CHUNK).min(CHUNK));
            left -= part.len() as u64;
            incoming.push(part).await?;
        }
        let stored = incoming.finish().await?;
        let _held = self.links.in_use().hold(stored.id.clone());
        let expires_ms = self.entries.now_ms().saturating_add(DAY_MS);
        let (made, record) = self.linked(&format!("postroom-{size}-bytes.bin"), &stored, server, expires_ms);
        let record = LinkRecord { entry: entry.unwrap_or(EntryId(0)), sender: envelope.from.to_string(), ..record };
        let kept = self.entries.blocking(move |entries| entries.store().writing(|tx| Ok(links::put(tx, &record)?))).await;
        if let Err(problem) = kept {
            self.links.remove_files([stored.id]).await;
            return Err(problem);
        }
        Ok(Some(text_block(server.attachments.link_language, &[made])))
    }
}
