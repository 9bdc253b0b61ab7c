//! `postroom send-test`: one test, its events as they happen, and an exit code that scripts know from swaks.

use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;

use domain::error::{ApiError, ErrorKind, Problem};
use domain::secret::{Secret, SecretChange};
use domain::smtp_server::{Checked, ServerDraft, ServerPatch, TestDraft};
use domain::stages;
use domain::transcript::{Event, Outcome, Stage, What, exit_code, headline};
use serde_json::json;

use super::sign_in::SignInHere;
use super::{Format, SendTestArgs, USAGE, end_signal, fail};
use crate::backend::{client_certificate_of, password_of};
use crate::mailer::{Mailer, TestRun};
use crate::runs::client_key;

/// The most bytes of a configuration; an honest one has one or two thousand.
const MAX_CONFIG: u64 = 1 << 20;
/// The most bytes of a file of authorities: the system's own has about a quarter of it.
const MAX_CA: u64 = 1 << 20;

pub(super) fn run(args: &SendTestArgs) -> ExitCode {
    let plan = match plan(args) {
        Ok(plan) => plan,
        Err(error) => return refuse(args.format, &error),
    };
    let host = plan.server.host.to_string();
    let policy = match args.networks.policy() {
        Ok(policy) => policy,
        Err(sentence) => return refuse(args.format, &usage_error(sentence)),
    };
    let authority = match args.oauth.authority() {
        Ok(authority) => authority,
        Err(sentence) => return refuse(args.format, &usage_error(sentence)),
    };
    let mailer = match mailer(args.ca.as_deref()) {
        Ok(mailer) => mailer.with_network_policy(policy).with_authority(authority),
        Err(sentence) => return refuse(args.format, &usage_error(sentence)),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("The system gives no threads ({error})."), USAGE),
    };
    let mut out = std::io::stdout();
    let format = args.format;
    let finished = runtime.block_on(async {
        // Asked to end, it still tells what had and had not been handed over.
        let end = end_signal()?;
        let mut sink = |event| {
            // A reader that went away does not stop a session: the exit code still tells.
            let _ = match format {
                Format::Text => text(&mut out, &event, &host),
                Format::Ndjson => ndjson(&mut out, &event),
            };
        };
        Ok::<_, std::io::Error>(mailer.run_until(plan, &mut sink, end).await)
    });
    runtime.shutdown_background();
    match finished {
        Ok(finished) => ExitCode::from(exit_code(&finished)),
        Err(error) => fail(&format!("The system gives no signals ({error})."), USAGE),
    }
}

fn mailer(ca: Option<&Path>) -> Result<Mailer, String> {
    let Some(ca) = ca else { return Mailer::system(None).map_err(|error| error.to_string()) };
    let roots = read_bounded(ca, MAX_CA).map_err(|error| format!("--ca: {} can't be read ({error}).", ca.display()))?;
    Mailer::system(Some(&roots)).map_err(|error| format!("--ca: {}: {error}", ca.display()))
}

/// What is to be run, or every reason why it can't.
fn plan(args: &SendTestArgs) -> Result<TestRun, ApiError> {
    if args.config.is_empty() {
        return Err(usage_error(
            "--config is missing: name a file with the JSON of an SMTP server, or - for standard input.".into(),
        ));
    }
    let config = if args.config == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().take(MAX_CONFIG + 1).read_to_end(&mut bytes).map(|_| bytes)
    } else {
        read_bounded(Path::new(&args.config), MAX_CONFIG)
    };
    let config = config.map_err(|error| usage_error(format!("--config: {} can't be read ({error}).", args.config)))?;
    if config.len() as u64 > MAX_CONFIG {
        return Err(usage_error(format!("--config: {} has more than {MAX_CONFIG} bytes; that is no SMTP server.", args.config)));
    }
    let patch: ServerPatch = serde_json::from_slice(&config)
        .map_err(|error| usage_error(format!("--config: {} isn't the JSON of an SMTP server: {error}.", args.config)))?;
    let mut draft = ServerDraft::new("test");
    draft.apply(&patch);
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty()).map(Secret::new);
    let test =
        TestDraft { from: args.from.clone(), to: args.to.clone(), attachment: args.attach.clone(), check_only: args.check_only };
    if draft.is_fax() && !args.attach.trim().is_empty() {
        return Err(usage_error("--attach: a test fax carries a page of its own. Leave this out.".into()));
    }
    let password = password_of(&patch, variable);
    let checked = password.as_ref().map_err(Clone::clone).and_then(|password| draft.check(password));
    let mode = test.check(&draft);
    let client_certificate = client_certificate_of(&patch, variable);
    match (checked, mode, client_certificate) {
        (Ok(Checked { server, password, .. }), Ok(mode), Ok(client_certificate)) => {
            // Without a use for it, it needn't be one that can be used.
            let pem = set(client_certificate).filter(|_| server.has_use_for_client_certificate());
            let key = pem.map(|pem| client_key(&pem)).transpose()?;
            let application = key.clone().filter(|_| server.oauth().is_some());
            let client = key.filter(|_| server.may_encrypt());
            let tokens = SignInHere::for_server(&server);
            Ok(TestRun { client, tokens, application, ..TestRun::new(server, set(password).map(Into::into), mode) })
        }
        (checked, mode, client_certificate) => {
            let mut errors = checked.err().unwrap_or_default();
            errors.merge(mode.err().unwrap_or_default());
            errors.merge(client_certificate.err().unwrap_or_default());
            Err(Problem::Invalid(errors).into())
        }
    }
}

/// Nothing is kept here that could be changed or left as it is.
fn set(change: SecretChange) -> Option<Secret> {
    match change {
        SecretChange::Set(secret) => Some(secret),
        SecretChange::Keep | SecretChange::Clear => None,
    }
}

fn read_bounded(path: &Path, max: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(max + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn usage_error(message: String) -> ApiError {
    ApiError { message, ..ApiError::new(ErrorKind::Malformed) }
}

/// Says what is wrong with the configuration; as ndjson in a last event like that of any run.
fn refuse(format: Format, error: &ApiError) -> ExitCode {
    let steps: Vec<String> = error.fields.iter().map(|(field, sentence)| format!("{field}: {sentence}")).collect();
    match format {
        Format::Text => {
            let mut sentence = error.message.clone();
            for step in &steps {
                sentence.push_str("\n  ");
                sentence.push_str(step);
            }
            fail(&sentence, USAGE)
        }
        Format::Ndjson => {
            let event = json!({
                "event": "finished", "outcome": Outcome::Failed, "stage": Stage::Resolve, "security": "plaintext", "reply": null,
                "diagnosis": { "kind": "configuration", "title": error.message, "steps": steps },
                "fields": error.fields, "elapsed_ms": 0,
            });
            let _ = writeln!(std::io::stdout(), "{event}");
            ExitCode::from(USAGE)
        }
    }
}

fn ndjson(out: &mut impl Write, event: &Event) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, event)?;
    out.write_all(b"\n")?;
    out.flush()
}

fn text(out: &mut impl Write, event: &Event, host: &str) -> std::io::Result<()> {
    let at = event.elapsed_ms;
    match &event.what {
        What::Begun { .. } => Ok(()),
        What::Sent { line, encrypted, .. } => writeln!(out, "{at:>7} ms {} → {line}", lock(*encrypted)),
        What::Received { line, encrypted, .. } => writeln!(out, "{at:>7} ms {} ← {line}", lock(*encrypted)),
        What::Passed { stage, detail } => writeln!(out, "{at:>7} ms   ✓ {} {detail}", stages::done(*stage)),
        What::Warning { message, .. } => writeln!(out, "{at:>7} ms   ▲ {message}"),
        What::Finished(finished) => {
            writeln!(out, "\n{}", headline(finished, host))?;
            for (number, step) in finished.diagnosis.iter().flat_map(|d| &d.steps).enumerate() {
                writeln!(out, "  {}. {step}", number + 1)?;
            }
            if let Some(evidence) = finished.diagnosis.as_ref().and_then(|d| d.evidence.as_ref()) {
                writeln!(out, "  Details: {}", evidence.replace('\n', "\n           "))?;
            }
            out.flush()
        }
    }
}

/// `*` marks what was encrypted on its way.
const fn lock(encrypted: bool) -> char {
    if encrypted { '*' } else { ' ' }
}
