//! `postroom send`: hands a message to the running Postroom, as applications do, and tells what became of it.

mod ask;
mod message;

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use domain::error::ApiError;
use domain::secret::Secret;
use domain::submission::{SubmissionField, SubmissionReport, TextPart};
use domain::transcript::{Finished, Outcome, exit_code};

use super::{Format, SendArgs, USAGE, fail};

/// The running Postroom can't be asked, or broke off.
const UNREACHABLE: u8 = 15;
/// The most bytes of a message on standard input.
const MAX_MESSAGE: u64 = 256 << 20;
/// The most bytes of a file with a token.
const MAX_TOKEN: u64 = 4 << 10;

/// What is handed over.
pub(super) struct Parts {
    pub(super) texts: Vec<TextPart>,
    pub(super) files: Vec<File>,
}

/// A file that goes along.
pub(super) struct File {
    pub(super) name: String,
    pub(super) content_type: String,
    pub(super) content: Content,
}

/// Where a file's bytes are.
pub(super) enum Content {
    Path(PathBuf),
    Bytes(Vec<u8>),
}

pub(super) fn run(args: &SendArgs) -> ExitCode {
    let token = match token(args.token_file.as_deref()) {
        Ok(token) => token,
        Err(sentence) => return fail(&sentence, USAGE),
    };
    let parts = match parts(args) {
        Ok(parts) => parts,
        Err(sentence) => return fail(&sentence, USAGE),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("The system gives no threads ({error})."), USAGE),
    };
    let asked = runtime.block_on(ask::send(&args.url, &token, args.ca.as_deref(), parts));
    runtime.shutdown_background();
    match asked {
        Ok(answer) => tell(args.format, &answer),
        Err(ask::Failure::Usage(sentence)) => fail(&sentence, USAGE),
        Err(ask::Failure::Unreachable(sentence)) => fail(&sentence, UNREACHABLE),
        Err(ask::Failure::BrokeOff(sentence)) => fail(&sentence, 40),
    }
}

/// The token, from a file or from the environment: an option would show it to everybody on the machine.
fn token(file: Option<&Path>) -> Result<Secret, String> {
    let text = match file {
        Some(path) => {
            let mut text = String::new();
            let read = std::fs::File::open(path).and_then(|file| file.take(MAX_TOKEN).read_to_string(&mut text));
            read.map_err(|error| format!("--token-file: {} can't be read ({error}).", path.display()))?;
            text
        }
        None => std::env::var("POSTROOM_TOKEN").unwrap_or_default(),
    };
    match text.trim() {
        "" => Err(
            "A token is missing: set POSTROOM_TOKEN, or name a file with --token-file. An administrator makes one under Tokens."
                .into(),
        ),
        token if token.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(Secret::new(token.to_owned())),
        _ => Err("The token has a character that no token has. Copy it anew.".into()),
    }
}

/// What is handed over: what the options say, or else the message on standard input.
fn parts(args: &SendArgs) -> Result<Parts, String> {
    let mut texts: Vec<TextPart> = Vec::new();
    let lists = [
        (SubmissionField::To, &args.to),
        (SubmissionField::Cc, &args.cc),
        (SubmissionField::Bcc, &args.bcc),
        (SubmissionField::ReplyTo, &args.reply_to),
    ];
    for (field, list) in lists {
        texts.extend(list.iter().map(|text| (field, text.clone())));
    }
    let single = [(SubmissionField::From, &args.from), (SubmissionField::Subject, &args.subject)];
    texts.extend(single.into_iter().filter_map(|(field, text)| Some((field, text.clone()?))));
    for (field, option, text) in [(SubmissionField::Text, "--text", &args.text), (SubmissionField::Html, "--html", &args.html)] {
        if let Some(text) = text {
            texts.push((field, text_of(option, text)?));
        }
    }
    let by_options = !texts.is_empty() || !args.attach.is_empty();
    let mut parts = if by_options { Parts { texts, files: Vec::new() } } else { message::read(&standard_input()?)? };
    parts.files.extend(args.attach.iter().map(|path| File {
        name: path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        content_type: String::new(),
        content: Content::Path(path.clone()),
    }));
    let about = [(SubmissionField::Server, &args.server), (SubmissionField::Source, &args.source)];
    parts.texts.extend(about.into_iter().filter_map(|(field, text)| Some((field, text.clone()?))));
    Ok(parts)
}

/// What an option says: itself, or with an `@` in front the content of a file, `@-` being standard input.
fn text_of(option: &str, text: &str) -> Result<String, String> {
    let Some(path) = text.strip_prefix('@') else { return Ok(text.to_owned()) };
    let bytes = if path == "-" {
        standard_input()?
    } else {
        std::fs::read(path).map_err(|error| format!("{option}: {path} can't be read ({error})."))?
    };
    String::from_utf8(bytes).map_err(|_| format!("{option}: {path} isn't UTF-8."))
}

fn standard_input() -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(MAX_MESSAGE + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("Standard input can't be read ({error})."))?;
    if bytes.len() as u64 > MAX_MESSAGE {
        return Err(format!(
            "The message on standard input has more than {MAX_MESSAGE} bytes. Name its files with --attach instead."
        ));
    }
    Ok(bytes)
}

/// Says what became of the message.
fn tell(format: Format, answer: &[u8]) -> ExitCode {
    let report: Option<SubmissionReport> = serde_json::from_slice(answer).ok();
    let error: Option<ApiError> = serde_json::from_slice(answer).ok();
    let mut out = std::io::stdout();
    if matches!(format, Format::Ndjson) && (report.is_some() || error.is_some()) {
        // As it came: one line.
        let _ = out.write_all(answer.trim_ascii()).and_then(|()| out.write_all(b"\n"));
    }
    let text = matches!(format, Format::Text);
    match (report, error) {
        (Some(report), _) => {
            let lines = if text { lines(&report) } else { String::new() };
            let _ = match report.error {
                None => out.write_all(lines.as_bytes()),
                Some(_) => std::io::stderr().write_all(lines.as_bytes()),
            };
            ExitCode::from(code(&report))
        }
        (None, Some(error)) => {
            if text {
                let fields =
                    error.fields.iter().fold(String::new(), |text, (field, sentence)| text + "\n  " + field + ": " + sentence);
                return fail(&format!("{}{fields}", error.message), USAGE);
            }
            ExitCode::from(USAGE)
        }
        (None, None) => {
            fail("What answered is no Postroom of this version. Look at --url, and at the version that runs there.", UNREACHABLE)
        }
    }
}

/// The code of a test that ended so.
fn code(report: &SubmissionReport) -> u8 {
    let outcome = match report.verdict {
        domain::submission::Verdict::Sent => Outcome::Sent,
        domain::submission::Verdict::NotSent => Outcome::Failed,
        domain::submission::Verdict::Unknown => Outcome::Unknown,
    };
    exit_code(&Finished { cause: report.cause, ..Finished::new(outcome, report.stage) })
}

/// The report for people.
fn lines(report: &SubmissionReport) -> String {
    use std::fmt::Write as _;
    let mut text = format!("{}\n", report.message);
    let _ = writeln!(text, "  Message {} through {}.", report.id, report.server);
    for recipient in report.recipients.iter().filter(|recipient| !recipient.accepted) {
        let reply = recipient.reply.as_ref().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(text, "  Refused: {} {reply}", recipient.address);
    }
    for link in &report.links {
        let _ = writeln!(text, "  Link for {}: {}", link.name, link.url);
    }
    let diagnosis = report.diagnosis.as_ref();
    for (number, step) in diagnosis.iter().flat_map(|diagnosis| &diagnosis.steps).enumerate() {
        let _ = writeln!(text, "  {}. {step}", number + 1);
    }
    text
}
