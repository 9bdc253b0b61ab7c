//! Activity: who did what, kept as a chain. Each line's hash covers the one before, so that whoever changes or removes one has to change
//! all that follow, and whoever noted the hash of a line elsewhere sees that. A line is written in the transaction of what it tells
//! of (`record`); nothing else writes here, but for forgetting what is old.

mod csv;
mod filter;
mod verify;

use std::ops::ControlFlow;
use std::sync::Arc;

use app::backend::Caller;
use domain::access::Who;
use domain::activity::{ActivityPage, ActivityQuery, Change, Deed, ExportFormat, Happening, KEPT_DAYS, Line, PAGE, Subject};
use domain::error::Problem;
use domain::words;
use ring::digest::{Context, SHA256};
use serde::Deserialize;

pub use self::verify::{Break, Chain, End, Fault, Head, Noted};

pub(crate) use self::filter::day;

use self::filter::Filter;
use crate::ports::Clock;
use crate::store::{ActivityHead, Digest, Read, Store, StoreError, StoredLine, Write};

/// The most characters of a text in a line.
const MAX_TEXT: usize = 500;
/// The most things that a line names, and the most changes.
pub(crate) const MAX_NAMED: usize = 200;
/// The most lines that are looked at for a page. Where nothing was found by then, the next page goes on from there.
const MAX_SCANNED: usize = 100_000;
/// About as many bytes of an export are handed over at once.
const PART: usize = 64 << 10;
/// The most lines that are forgotten in one transaction.
const FORGOTTEN_AT_ONCE: u64 = 1_000;
/// A day: milliseconds.
pub(crate) const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Adds a line that says `what`.
///
/// # Errors
/// As the store.
pub(crate) fn record(tx: &mut dyn Write, now_ms: u64, what: &Happening) -> Result<(), StoreError> {
    let head = tx.activity_head()?;
    let line = Line { number: head.next, at_ms: now_ms, what: bounded(what) };
    let json = serde_json::to_vec(&line).map_err(|error| StoreError::Internal { detail: error.to_string() })?;
    tx.append_activity(&link(&head.last, &json), &json)
}

/// The hash of a line after one of the hash `last`.
fn link(last: &Digest, json: &[u8]) -> Digest {
    let mut context = Context::new(&SHA256);
    context.update(last);
    context.update(json);
    let mut digest = Digest::default();
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

/// The same, no longer than a line may be. What is left out is counted.
fn bounded(what: &Happening) -> Happening {
    let subject = |Subject { kind, id, name }: &Subject| Subject { kind: shortened(kind), id: *id, name: shortened(name) };
    let change = |Change { field, old, new, secret }: &Change| Change {
        field: shortened(field),
        old: old.as_deref().filter(|_| !secret).map(shortened),
        new: new.as_deref().filter(|_| !secret).map(shortened),
        secret: *secret,
    };
    let mut detail = shortened(&what.detail);
    for (count, of) in [(what.subjects.len(), "names"), (what.changes.len(), "changes")] {
        if count > MAX_NAMED {
            let more = format!("{} more {of} are not listed.", count - MAX_NAMED);
            detail = if detail.is_empty() { more } else { format!("{detail} {more}") };
        }
    }
    Happening {
        who: what.who.clone(),
        address: shortened(&what.address),
        deed: what.deed,
        subjects: what.subjects.iter().take(MAX_NAMED).map(subject).collect(),
        changes: what.changes.iter().take(MAX_NAMED).map(change).collect(),
        detail,
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Who does something, and from where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct By {
    who: Who,
    address: String,
}

impl By {
    /// The one who asks.
    pub(crate) fn caller(caller: &Caller) -> Self {
        Self { who: caller.who.clone(), address: caller.address.clone() }
    }

    /// A command on the machine.
    pub(crate) const fn command_line() -> Self {
        Self { who: Who::CommandLine, address: String::new() }
    }

    /// That it was he who did this.
    pub(crate) fn did(&self, deed: Deed) -> Happening {
        let Self { who, address } = self.clone();
        Happening { who, address, deed, subjects: Vec::new(), changes: Vec::new(), detail: String::new() }
    }
}

/// The activity, to look at and to look after.
pub struct Activity {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock + Send + Sync>,
}

/// Nobody takes what is exported any more.
#[derive(Debug)]
pub struct Unheard;

impl Activity {
    /// That in `store`.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock + Send + Sync>) -> Self {
        Self { store, clock }
    }

    /// A page of what `query` finds, the newest first.
    ///
    /// # Errors
    /// [`Problem::Malformed`] for a day that is none; or as the store.
    pub fn page(&self, query: &ActivityQuery) -> Result<ActivityPage, Problem> {
        let filter = Filter::of(query)?;
        let now_ms = self.clock.now_ms();
        self.store.reading(|tx| {
            let head = tx.activity_head()?;
            let (mut lines, mut next, mut scanned, mut failed) = (Vec::<Line>::new(), None, 0, None);
            tx.activity_back(query.before, &mut |stored| {
                if scanned == MAX_SCANNED {
                    next = Some(stored.number + 1);
                    return ControlFlow::Break(());
                }
                scanned += 1;
                match read(stored) {
                    Ok(line) if !filter.finds(&line) => ControlFlow::Continue(()),
                    Ok(_) if lines.len() == PAGE => {
                        next = lines.last().map(|last| last.number);
                        ControlFlow::Break(())
                    }
                    Ok(line) => {
                        lines.push(line);
                        ControlFlow::Continue(())
                    }
                    Err(error) => {
                        failed = Some(error);
                        ControlFlow::Break(())
                    }
                }
            })?;
            match failed {
                Some(error) => Err(error.into()),
                None => Ok(ActivityPage { lines, next, total: head.next.saturating_sub(head.first), now_ms }),
            }
        })
    }

    /// Whether `query` can be asked at all. Found out before the first byte of an answer.
    ///
    /// # Errors
    /// [`Problem::Malformed`] for a day that is none.
    pub(crate) fn check(query: &ActivityQuery) -> Result<(), Problem> {
        Filter::of(query).map(drop)
    }

    /// Gives all that `query` finds as it is at one instant, the oldest first, in parts: CSV (RFC 4180), or a JSON object a line, each
    /// as it is kept, with its hash. Where `give` fails, nobody listens any more.
    ///
    /// # Errors
    /// [`Problem::Malformed`] for a day that is none; or as the store. What was given until then isn't all.
    pub fn export(
        &self,
        query: &ActivityQuery,
        format: ExportFormat,
        give: &mut dyn FnMut(Vec<u8>) -> Result<(), Unheard>,
    ) -> Result<(), Problem> {
        let filter = Filter::of(query)?;
        let mut begun = false;
        self.store.reading(|tx| {
            // What was given can't be taken back, where a transaction is run again because the disk failed.
            if std::mem::replace(&mut begun, true) {
                return Err(Problem::Disk { detail: "it failed while it was read".into() });
            }
            let mut part = match format {
                ExportFormat::Csv => csv::HEADER.to_vec(),
                ExportFormat::Jsonl => Vec::new(),
            };
            let mut failed = None;
            tx.activity_from(0, &mut |stored| {
                let line = match read(stored) {
                    Ok(line) => line,
                    Err(error) => {
                        failed = Some(error);
                        return ControlFlow::Break(());
                    }
                };
                if filter.finds(&line) {
                    match format {
                        ExportFormat::Csv => csv::write(&line, &stored.hash, &mut part),
                        ExportFormat::Jsonl => write_json(stored, &mut part),
                    }
                }
                if part.len() >= PART && give(std::mem::take(&mut part)).is_err() {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            })?;
            if let Some(error) = failed {
                return Err(error.into());
            }
            if !part.is_empty() {
                let _ = give(std::mem::take(&mut part));
            }
            Ok(())
        })
    }

    /// Adds a line for something that changes nothing else.
    pub(crate) fn note(&self, what: &Happening) -> Result<(), Problem> {
        let now_ms = self.clock.now_ms();
        self.store.writing(|tx| Ok(record(tx, now_ms, what)?))
    }

    /// Forgets what is older than [`KEPT_DAYS`], a part at a time. Returns how many lines went.
    ///
    /// # Errors
    /// As the store.
    pub fn forget(&self) -> Result<u64, Problem> {
        let Some(oldest) = self.clock.now_ms().checked_sub(KEPT_DAYS * DAY_MS) else { return Ok(0) };
        let mut gone = 0;
        loop {
            let due = self.store.reading(|tx| Ok(due(tx, oldest)?))?;
            if due.is_none() {
                return Ok(gone);
            }
            let went = self.store.writing(|tx| {
                let Some((head, first)) = due_with_head(&*tx, oldest)? else { return Ok(0) };
                tx.forget_activity(first)?;
                Ok(first - head.first)
            })?;
            gone += went;
            if went < FORGOTTEN_AT_ONCE {
                return Ok(gone);
            }
        }
    }

    /// Whether the chain is whole, and whether the line `noted` is a part of it.
    ///
    /// # Errors
    /// As the store.
    pub fn verify(&self, noted: Option<&Head>) -> Result<Chain, Problem> {
        verify::verify(&*self.store, noted)
    }
}

/// The first line that stays, if any before it goes now.
fn due(tx: &dyn Read, oldest: u64) -> Result<Option<u64>, StoreError> {
    Ok(due_with_head(tx, oldest)?.map(|(_, first)| first))
}

fn due_with_head(tx: &(impl Read + ?Sized), oldest: u64) -> Result<Option<(ActivityHead, u64)>, StoreError> {
    #[derive(Deserialize)]
    struct When {
        at_ms: u64,
    }
    let head = tx.activity_head()?;
    let mut first = head.first;
    tx.activity_from(head.first, &mut |line| {
        // What can't be read is left: somebody may want to know why.
        let is_old = serde_json::from_slice(line.json).is_ok_and(|When { at_ms }| at_ms < oldest);
        if !is_old || line.number - head.first >= FORGOTTEN_AT_ONCE {
            return ControlFlow::Break(());
        }
        first = line.number + 1;
        ControlFlow::Continue(())
    })?;
    Ok((first > head.first).then_some((head, first)))
}

fn read(stored: StoredLine<'_>) -> Result<Line, StoreError> {
    serde_json::from_slice(stored.json)
        .map_err(|error| StoreError::Corrupt { detail: format!("line {} of the activity: {error}", stored.number) })
}

/// A line as it is kept, with its hash as the last member: without that, it is what the hash covers.
fn write_json(stored: StoredLine<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(stored.json.strip_suffix(b"}").unwrap_or(stored.json));
    out.extend_from_slice(format!(",\"hash\":\"{}\"}}\n", hex(&stored.hash)).as_bytes());
}

/// What stands at the end of an export that broke off.
pub(crate) fn last_words(problem: &Problem, format: ExportFormat) -> Vec<u8> {
    let sentence = format!("The export broke off, and is not whole. {}", words::problem(problem));
    match format {
        ExportFormat::Csv => format!("\"{}\"\r\n", sentence.replace('"', "\"\"")).into_bytes(),
        ExportFormat::Jsonl => format!("{}\n", serde_json::json!({ "error": sentence })).into_bytes(),
    }
}

fn hex(digest: &Digest) -> String {
    use std::fmt::Write as _;
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_bounds_and_says_what_is_left_out() {
        let subject = |n: usize| Subject { kind: "server".into(), id: None, name: format!("server-{n}") };
        let change = Change { field: "host".into(), old: Some("é".repeat(501)), new: Some("x".into()), secret: false };
        let secret = Change { field: "password".into(), old: Some("old".into()), new: Some("new".into()), secret: true };
        let mut what = By::default().did(Deed::ServersTrashed);
        what.subjects = (0..250).map(subject).collect();
        what.changes = vec![change, secret];
        what.detail = "All of them.".into();
        let kept = bounded(&what);
        assert_eq!(kept.subjects.len(), 200);
        assert_eq!(kept.detail, "All of them. 50 more names are not listed.");
        assert_eq!(kept.changes[0].old, Some("é".repeat(500) + "…"));
        let told = Change { field: "password".into(), old: None, new: None, secret: true };
        assert_eq!(kept.changes[1], told, "of a secret nothing is kept, whoever hands it over");
    }
}
