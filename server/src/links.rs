//! Download links: how one is made, found by whoever follows it, ended, and what becomes of its file. What stands in the address of a link
//! is kept as a digest only, and no answer tells one that has ended from one that never was. Where files lie is the affair of `files`.

mod sweep;
mod ticket;

use std::io;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use app::backend::Caller;
use axum::body::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::activity::{Change, Deed, Happening, Subject};
use domain::error::Problem;
use domain::field::{Field, FieldError, FieldErrors};
use domain::link::{BaseWarning, DAY_MS, Download, LAST_DOWNLOADS, Link, LinkId, LinkState, LinksPage, LinksQuery, Offer, PAGE};
use domain::secret::Secret;
use domain::smtp_server::LINK_DAYS_RANGE;
use domain::words;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

pub use sweep::{EVERY, Swept};

use self::ticket::Tickets;
use crate::access::throttle::{Attempt, Key, Throttle};
use crate::activity::{self, By};
use crate::entries::Entries;
use crate::files::{FileId, Files, InUse};
use crate::ports::{Clock, Random};
use crate::store::{Digest, LinkRecord, Read, Store, StoreError, Write};

/// The random bytes in the address of a link: 256 bits.
const TOKEN_BYTES: usize = 32;
/// The most downloads at once: half of the connections that are served, so that strangers never take them all.
pub const AT_ONCE: usize = 256;
/// A second press of the button so soon after the first, from the same address, is the same download: milliseconds.
pub const SAME_MS: u64 = 2_000;
/// The most links that are looked at for a page. Where nothing was found by then, the next page goes on from there.
const MAX_SCANNED: usize = 100_000;
/// The most characters of what is searched for.
const MAX_SEARCH: usize = 200;

/// The links, over what is stored of them and their files.
pub struct Links {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock + Send + Sync>,
    random: Arc<dyn Random + Send + Sync>,
    files: Arc<dyn Files>,
    in_use: InUse,
    throttle: Throttle,
    tickets: Tickets,
    /// A place for each download at once.
    places: Arc<Semaphore>,
    /// What links begin with, once Postroom serves.
    base: OnceLock<String>,
}

/// A file that may be downloaded now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The name to keep it under.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// Their SHA-256.
    pub sha256: [u8; 32],
    file: FileId,
}

/// Keeps a link, under a number that nothing else has.
///
/// # Errors
/// As the store.
pub fn put(tx: &mut dyn Write, record: &LinkRecord) -> Result<LinkId, StoreError> {
    let id = LinkId(tx.new_number()?);
    tx.put_link(id, record)?;
    Ok(id)
}

/// Forgets links that nobody was ever sent. Their files are left to be removed.
///
/// # Errors
/// As the store.
pub fn discard(tx: &mut dyn Write, ids: &[LinkId]) -> Result<Vec<FileId>, StoreError> {
    let mut files = Vec::new();
    for id in ids {
        files.extend(tx.link(*id)?.and_then(|record| record.file));
        tx.remove_link(*id)?;
    }
    Ok(files)
}

impl Links {
    /// The links that lie beside `entries`, to what is in `files`.
    pub fn new(entries: &Entries, files: Arc<dyn Files>, random: Arc<dyn Random + Send + Sync>) -> Self {
        Self {
            store: Arc::clone(entries.store()),
            clock: Arc::clone(entries.clock()),
            tickets: Tickets::new(&*random),
            random,
            files,
            in_use: InUse::default(),
            throttle: Throttle::default(),
            places: Arc::new(Semaphore::new(AT_ONCE)),
            base: OnceLock::new(),
        }
    }

    /// Says what links begin with from now on, without a slash at its end.
    pub fn serve_at(&self, base: String) {
        let _said_before = self.base.set(base);
    }

    /// What links begin with; nothing before it is said.
    pub fn base(&self) -> &str {
        self.base.get().map(String::as_str).unwrap_or_default()
    }

    /// Where files lie.
    pub const fn files(&self) -> &Arc<dyn Files> {
        &self.files
    }

    /// The files that somebody works with: no sweep takes them.
    pub const fn in_use(&self) -> &InUse {
        &self.in_use
    }

    /// What is to stand in the address of a new link, and the digest by which it is found.
    pub fn draw(&self) -> (Secret, Digest) {
        let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
        self.random.fill(bytes.as_mut_slice());
        let token = Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()));
        let digest = crate::access::digest(&token);
        (token, digest)
    }

    /// The address of a link.
    pub fn url(&self, token: &Secret) -> String {
        format!("{}/d/{}", self.base(), token.expose())
    }

    /// What whoever follows a link is shown. Nothing is counted: scanners of mail follow every link.
    ///
    /// # Errors
    /// [`Problem::NoSuchPage`], whatever became of it or whether there ever was one; [`Problem::WaitBefore`] after too many of those; or as
    /// the store.
    pub async fn offer(self: &Arc<Self>, token: Secret, address: String) -> Result<Offer, Problem> {
        self.blocking(move |links| {
            let now_ms = links.clock.now_ms();
            let (_, record) = links.found(&address, |tx| live(tx, &token, now_ms))?;
            let LinkRecord { name, size, sender, expires_ms, language, .. } = record;
            Ok(Offer { name, size, sender, expires_ms, language, now_ms })
        })
        .await
    }

    /// Counts a download, unless the button was just pressed from there, and says what stands in the address of the file for the next hour.
    ///
    /// # Errors
    /// As [`Links::offer`].
    pub async fn begin(self: &Arc<Self>, token: Secret, address: String) -> Result<Secret, Problem> {
        self.blocking(move |links| {
            let now_ms = links.clock.now_ms();
            let (id, record) = links.found(&address, |tx| live(tx, &token, now_ms))?;
            let download = Download { at_ms: now_ms, address: words::quote(&address) };
            let ticket = links.tickets.issue(&crate::access::digest(&token), now_ms);
            let same = |last: &Download| last.address == download.address && last.at_ms.abs_diff(now_ms) < SAME_MS;
            if record.last.first().is_some_and(same) {
                return Ok(ticket);
            }
            links.store.writing(|tx| {
                // It may have ended in between.
                let mut record =
                    tx.link(id)?.filter(|record| record.state(now_ms) == LinkState::Live).ok_or(Problem::NoSuchPage)?;
                record.downloads = record.downloads.saturating_add(1);
                record.last.insert(0, download.clone());
                record.last.truncate(LAST_DOWNLOADS);
                Ok(tx.put_link(id, &record)?)
            })?;
            tracing::info!(link = id.0, "download begun");
            Ok(ticket)
        })
        .await
    }

    /// The file that a ticket is for, as long as its link can be used.
    ///
    /// # Errors
    /// As [`Links::offer`], also where the ticket is another link's or too old.
    pub async fn redeem(self: &Arc<Self>, token: Secret, ticket: Secret, address: String) -> Result<Served, Problem> {
        self.blocking(move |links| {
            let now_ms = links.clock.now_ms();
            let (_, record) = links.found(&address, |tx| {
                let found = live(tx, &token, now_ms)?;
                let valid = links.tickets.holds(&crate::access::digest(&token), &ticket, now_ms);
                Ok(found.filter(|_| valid))
            })?;
            let LinkRecord { name, size, sha256, file, .. } = record;
            Ok(Served { name, size, sha256, file: file.ok_or(Problem::NoSuchPage)? })
        })
        .await
    }

    /// The bytes of a file from `from` to before `to`.
    ///
    /// # Errors
    /// [`Problem::Busy`] where too much is downloaded at once; else as [`Files::open`].
    pub async fn read(&self, served: &Served, from: u64, to: u64) -> Result<BoxStream<'static, io::Result<Bytes>>, Problem> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Problem::Busy)?;
        let bytes = self.files.open(&served.file, from, to).await?;
        Ok(bytes
            .inspect(move |_| {
                let _held = &place;
            })
            .boxed())
    }

    /// A page of the links that the caller may see, the newest first.
    ///
    /// # Errors
    /// As the store and the files.
    pub async fn page(self: &Arc<Self>, query: LinksQuery, caller: &Caller) -> Result<LinksPage, Problem> {
        let used = self.files.used().await?;
        let permit = caller.permit.clone();
        self.blocking(move |all| {
            let now_ms = all.clock.now_ms();
            let needle: String = query.search.trim().chars().take(MAX_SEARCH).collect::<String>().to_lowercase();
            let finds = |link: &Link| {
                let texts = [&link.name, &link.server, &link.sender];
                query.state.is_none_or(|state| state == link.state)
                    && permit.covers(link.entry)
                    && (needle.is_empty() || texts.into_iter().any(|text| text.to_lowercase().contains(&needle)))
            };
            all.store.reading(|tx| {
                let (mut links, mut next, mut scanned) = (Vec::<Link>::new(), None, 0);
                tx.links_back(query.before, &mut |id, record| {
                    if scanned == MAX_SCANNED {
                        next = Some(LinkId(id.0 + 1));
                        return ControlFlow::Break(());
                    }
                    scanned += 1;
                    let link = view(id, record, now_ms);
                    if !finds(&link) {
                        return ControlFlow::Continue(());
                    }
                    if links.len() == PAGE {
                        next = links.last().map(|last| last.id);
                        return ControlFlow::Break(());
                    }
                    links.push(link);
                    ControlFlow::Continue(())
                })?;
                let base = all.base().to_owned();
                let warnings = BaseWarning::of(&base);
                Ok(LinksPage { links, next, total: tx.count_links()?, used, base, warnings, now_ms })
            })
        })
        .await
    }

    /// A link, whatever became of it, if the caller may see it.
    ///
    /// # Errors
    /// [`Problem::NoSuchLink`], or as the store.
    pub async fn link(self: &Arc<Self>, id: LinkId, caller: &Caller) -> Result<Link, Problem> {
        let permit = caller.permit.clone();
        self.blocking(move |all| {
            let record = all.store.reading(|tx| Ok(tx.link(id)?))?;
            let record = record.filter(|record| permit.covers(record.entry)).ok_or(Problem::NoSuchLink(id))?;
            Ok(view(id, record, all.clock.now_ms()))
        })
        .await
    }

    /// Ends a link at once and removes its file. Who downloads it at the moment gets the rest of what he asked for, and nothing more.
    ///
    /// # Errors
    /// [`Problem::NoSuchLink`] where it has ended already, or as the store.
    pub async fn revoke(self: &Arc<Self>, id: LinkId, caller: Caller) -> Result<Link, Problem> {
        let (link, file) = self
            .blocking(move |links| {
                let now_ms = links.clock.now_ms();
                let by = By::caller(&caller);
                links.store.writing(|tx| {
                    let mut record = changeable(&*tx, id, &caller, now_ms)?;
                    record.revoked_ms = Some(now_ms);
                    let file = record.file.take();
                    tx.put_link(id, &record)?;
                    activity::record(tx, now_ms, &told(&by, Deed::LinkRevoked, id, &record))?;
                    Ok((view(id, record, now_ms), file))
                })
            })
            .await?;
        tracing::info!(link = id.0, "revoked");
        self.remove_files(file).await;
        Ok(link)
    }

    /// Lets a link end so many days from now.
    ///
    /// # Errors
    /// [`Problem::Invalid`] for a number of days that isn't possible; [`Problem::NoSuchLink`] where it has ended already; or as the store.
    pub async fn extend(self: &Arc<Self>, id: LinkId, days: u64, caller: Caller) -> Result<Link, Problem> {
        let (min, max) = (u64::from(LINK_DAYS_RANGE.0), u64::from(LINK_DAYS_RANGE.1));
        if !(min..=max).contains(&days) {
            return Err(Problem::Invalid(FieldErrors::one(
                Field::LinkDays,
                FieldError::OutOfRange { text: days.to_string(), min, max },
            )));
        }
        self.blocking(move |links| {
            let now_ms = links.clock.now_ms();
            let by = By::caller(&caller);
            links.store.writing(|tx| {
                let mut record = changeable(&*tx, id, &caller, now_ms)?;
                let before = record.expires_ms;
                record.expires_ms = now_ms.saturating_add(days * DAY_MS);
                tx.put_link(id, &record)?;
                let mut what = told(&by, Deed::LinkExtended, id, &record);
                let [old, new] = [before, record.expires_ms].map(|at_ms| Some(words::utc(at_ms)));
                what.changes.push(Change { field: "expires".into(), old, new, secret: false });
                activity::record(tx, now_ms, &what)?;
                Ok(view(id, record, now_ms))
            })
        })
        .await
    }

    /// Removes files that no link stands for any more. Where that fails, the next sweep does so.
    pub async fn remove_files(&self, files: impl IntoIterator<Item = FileId>) {
        for file in files {
            if let Err(problem) = self.files.remove(&file).await {
                tracing::warn!(?problem, "can't remove the file of a link yet");
            }
        }
    }

    /// What `find` finds, as an attempt of whoever asks from `address`.
    fn found(
        &self,
        address: &str,
        mut find: impl FnMut(&dyn Read) -> Result<Option<(LinkId, LinkRecord)>, Problem>,
    ) -> Result<(LinkId, LinkRecord), Problem> {
        let now_ms = self.clock.now_ms();
        let wait = |seconds| Problem::WaitBefore { seconds };
        let attempt: Attempt<'_> = self.throttle.begin(vec![Key::address(address)], now_ms).map_err(wait)?;
        if let Some(found) = self.store.reading(|tx| find(tx))? {
            attempt.succeeded(now_ms);
            return Ok(found);
        }
        if attempt.failed(now_ms) {
            tracing::warn!(address, "holding back somebody who follows links that aren't there");
        }
        Err(Problem::NoSuchPage)
    }

    /// Runs `work` where it may block: every call of the store waits for the disk.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let links = Arc::clone(self);
        tokio::task::spawn_blocking(move || work(&links)).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a call about links broke off");
            Err(Problem::Internal)
        })
    }
}

/// The link that leads to something now, by what stands in its address.
fn live(tx: &dyn Read, token: &Secret, now_ms: u64) -> Result<Option<(LinkId, LinkRecord)>, Problem> {
    let Some(id) = tx.link_of(&crate::access::digest(token))? else { return Ok(None) };
    let record = tx.link(id)?.filter(|record| record.state(now_ms) == LinkState::Live);
    Ok(record.map(|record| (id, record)))
}

/// A link that the caller may change: one that hasn't ended.
fn changeable(tx: &(impl Read + ?Sized), id: LinkId, caller: &Caller, now_ms: u64) -> Result<LinkRecord, Problem> {
    tx.link(id)?
        .filter(|record| record.state(now_ms) == LinkState::Live && caller.permit.covers(record.entry))
        .ok_or(Problem::NoSuchLink(id))
}

fn view(id: LinkId, record: LinkRecord, now_ms: u64) -> Link {
    let state = record.state(now_ms);
    let LinkRecord { submission, entry, server, name, size, sender, created_ms, expires_ms, revoked_ms, downloads, last, .. } =
        record;
    Link { id, message: submission, entry, server, name, size, sender, created_ms, expires_ms, revoked_ms, state, downloads, last }
}

/// A line about a link.
fn told(by: &By, deed: Deed, id: LinkId, record: &LinkRecord) -> Happening {
    let link = Subject { kind: "link".into(), id: Some(id.0), name: record.name.clone() };
    let server = Subject { kind: "server".into(), id: Some(record.entry.0), name: record.server.clone() };
    Happening { subjects: vec![link, server], ..by.did(deed) }
}
