//! What a submission is sent with: its entry, the entry's rules, its secrets, and what is trusted at the moment.

use app::backend::Caller;
use domain::access::Act;
use domain::entry::EntryId;
use domain::error::Problem;
use domain::fax::FaxDocument;
use domain::smtp_server::{Attachments, Kind, Mode, SmtpServer};
use domain::submission::{Handling, MAX_ATTACHMENTS, Submission, SubmissionDraft, SubmissionError, SubmissionField};
use domain::words;

use crate::entries::Entries;
use crate::runs::{Keys, Planned};

/// A submission that may be sent.
pub(super) struct Ready {
    pub(super) entry: EntryId,
    pub(super) submission: Submission,
    pub(super) handling: Handling,
    pub(super) planned: Planned,
    pub(super) caller: Caller,
}

impl Ready {
    /// What `draft` comes to, with these files.
    ///
    /// # Errors
    /// [`Problem::InvalidSubmission`], [`Problem::NotAllowed`], or as the store.
    pub(super) fn of(entries: &Entries, caller: &Caller, draft: SubmissionDraft, files: &[Arrived]) -> Result<Self, Problem> {
        let (entry, server) = find(entries, caller, draft.server.trim())?;
        let mut errors = Vec::new();
        let handling = handling(&server, files).map_err(|error| errors.push((SubmissionField::Attachments, error)));
        let submission = draft.check(&server).map_err(|wrong| errors.splice(..0, wrong).for_each(drop));
        let (Ok(submission), Ok(handling), true) = (submission, handling, errors.is_empty()) else {
            return Err(Problem::InvalidSubmission(errors));
        };
        let keys = Keys::stored(entries, entry, &server)?;
        let planned = Planned::new(entries, Some(entry), server, keys, Mode::Check(None), caller.clone())?;
        Ok(Self { entry, submission, handling, planned, caller: caller.clone() })
    }
}

/// What is known of a file before it is sent.
pub(super) struct Arrived {
    pub(super) name: String,
    pub(super) size: u64,
    /// What kind of document it is, if a fax gateway takes it.
    pub(super) document: Option<FaxDocument>,
}

/// What becomes of the files. A gateway takes few kinds of them, and no links.
fn handling(server: &SmtpServer, files: &[Arrived]) -> Result<Handling, SubmissionError> {
    if files.len() > MAX_ATTACHMENTS {
        return Err(SubmissionError::TooManyFiles { count: files.len() });
    }
    let handling = server.attachments.handling(files.iter().map(|file| file.size));
    if server.kind != Kind::Fax {
        return handling.map_err(SubmissionError::TooBig);
    }
    if let Some(file) = files.iter().find(|file| file.document.is_none()) {
        return Err(SubmissionError::NotFaxable { name: file.name.clone() });
    }
    let as_they_are = Attachments { as_url: false, ..server.attachments };
    as_they_are.handling(files.iter().map(|file| file.size)).map_err(SubmissionError::FaxTooBig)
}

/// The entry of a name, or the default. One that a token isn't for is none that there is.
fn find(entries: &Entries, caller: &Caller, name: &str) -> Result<(EntryId, SmtpServer), Problem> {
    let wrong = |error| Problem::InvalidSubmission(vec![(SubmissionField::Server, error)]);
    let no_such = || wrong(SubmissionError::NoSuchServer { name: words::quote(name) });
    let id = if name.is_empty() {
        entries.default_entry()?.ok_or_else(|| wrong(SubmissionError::NoDefault))?
    } else {
        entries.named(name)?.ok_or_else(no_such)?
    };
    if !caller.permit.allows_with(Act::Submit, &[id]) {
        return Err(no_such());
    }
    let (_, content) = entries.content(id)?;
    match content.server() {
        Some(server) => Ok((id, server.clone())),
        None => Err(wrong(SubmissionError::Incomplete { name: content.name().to_string() })),
    }
}
