//! What a test tells, while it runs and afterwards: its outcome, its stages, and what a failure means.

use domain::diagnosis::Fix;
use domain::run::Run;
use domain::smtp_server::{ServerDraft, TestDraft};
use domain::stages::{self, Line, Mark, Row};
#[cfg(feature = "hydrate")]
use domain::transcript::Stage;
use domain::transcript::{Event, Finished, Outcome, RecipientResult, What};
use domain::words;
use leptos::either::Either;
use leptos::prelude::*;

use crate::api::TestReport;
use crate::components::FormState;

/// A test as far as it is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// The outcome in a sentence; none while it runs.
    pub(super) headline: Option<String>,
    /// What happened so far.
    pub(super) events: Vec<Event>,
    /// What it ran on; none for one from the history.
    pub(super) tried: Option<(ServerDraft, TestDraft)>,
    /// When it was, for one from the history, and now: milliseconds since 1970.
    pub(super) earlier: Option<(u64, u64)>,
}

/// The element id of the outcome, for the focus.
pub(super) const OUTCOME: &str = "outcome";

impl Told {
    pub(super) fn report(report: TestReport, tried: (ServerDraft, TestDraft)) -> Self {
        Self { headline: Some(report.headline), events: report.events, tried: Some(tried), earlier: None }
    }

    pub(super) fn earlier(run: Run, now_ms: u64) -> Self {
        let Run { summary, events } = run;
        Self { headline: Some(summary.headline), events, tried: None, earlier: Some((summary.at_ms, now_ms)) }
    }

    /// Postroom doesn't answer any more: nobody here knows how it goes on.
    #[cfg(feature = "hydrate")]
    pub(super) fn break_off(&mut self) {
        self.headline = Some("Unknown. The connection to Postroom broke; the test may go on.".into());
        let stage = self.events.last().map_or(Stage::Resolve, Event::stage);
        let elapsed_ms = self.events.last().map_or(0, |event| event.elapsed_ms);
        self.events.push(Event { what: What::Finished(Finished::new(Outcome::Unknown, stage)), elapsed_ms });
    }

    /// Whether it ran on something else than `now`.
    pub(super) fn is_outdated(&self, now: &ServerDraft) -> bool {
        self.tried.as_ref().is_some_and(|(draft, _)| draft != now)
    }
}

/// The report under the buttons. It stays while one edits, marked once it is from before a change.
#[component]
pub(super) fn Report(told: Told, outdated: Signal<bool>, seconds: Signal<Option<u32>>, state: FormState) -> impl IntoView {
    let Told { headline, events, earlier, .. } = told;
    let finished = events.iter().rev().find_map(|event| match &event.what {
        What::Finished(finished) => Some(finished),
        _ => None,
    });
    let class = match finished.map(|finished| (finished.outcome, finished.downgrade.is_some() || finished.partial)) {
        Some((Outcome::Sent | Outcome::Checked, true)) => "notice warning",
        Some((Outcome::Sent | Outcome::Checked, false)) => "notice good",
        Some((Outcome::Failed | Outcome::Unknown, _)) => "notice bad",
        Some((Outcome::Cancelled, _)) | None => "notice",
    };
    let meaning = finished.and_then(|finished| meaning(finished, state));
    let recipients = finished.and_then(|finished| recipients(&finished.recipients));
    let rows = stages(&events);
    let copy = headline.as_ref().map(|headline| view! { <Copy text=stages::text(headline, &events)/> });
    view! {
        <div class="report" class:outdated=move || outdated.get()>
            {earlier.map(|(at_ms, now_ms)| view! {
                <p class="muted">"Earlier test, " <time title=words::utc(at_ms)>{words::ago(now_ms, at_ms)}</time> ", with the settings of then."</p>
            })}
            <p class="muted" hidden=move || !outdated.get()>"From before your change."</p>
            // The place of the outcome from the start: nothing jumps when it comes.
            <div class=class id=OUTCOME tabindex="-1">
                <p class="headline">
                    <span role="status">{headline.unwrap_or_else(|| "Talking to the server…".to_owned())}</span>
                    // Every second would be too much to listen to.
                    <span aria-hidden="true" class="muted">{move || seconds.get().map(|seconds| format!(" {seconds} s"))}</span>
                </p>
                {recipients}
                {meaning}
            </div>
            {rows}
            {copy}
        </div>
    }
}

/// Why we think so, what to do, and the change that a button can make. The headline has said what it means.
fn meaning(finished: &Finished, state: FormState) -> Option<impl IntoView + use<>> {
    let diagnosis = finished.diagnosis.clone()?;
    let steps: Vec<_> = diagnosis.steps.into_iter().map(|step| view! { <li>{step}</li> }).collect();
    let evidence = diagnosis.evidence.or_else(|| finished.reply.as_ref().map(ToString::to_string));
    let fix = diagnosis.fix.map(|fix| {
        let label = fix.label();
        if fix == Fix::InspectCertificate {
            return Either::Left(view! { <p class="actions fix"><button name="action" value="inspect">{label}</button></p> });
        }
        let apply = move |_| state.apply_fix(&fix);
        Either::Right(view! { <p class="actions fix needs-script"><button type="button" on:click=apply>{label}</button></p> })
    });
    Some(view! {
        {evidence.map(|evidence| view! { <p class="machine">{evidence}</p> })}
        <ol>{steps}</ol>
        {fix}
    })
}

/// What became of each recipient, where they fared differently: first those who were refused.
fn recipients(recipients: &[RecipientResult]) -> Option<impl IntoView + use<>> {
    (recipients.len() > 1 && recipients.iter().any(|recipient| !recipient.accepted)).then(|| {
        let mut sorted: Vec<&RecipientResult> = recipients.iter().collect();
        sorted.sort_by_key(|recipient| recipient.accepted);
        let lines: Vec<_> = sorted
            .into_iter()
            .map(|recipient| {
                let how = if recipient.accepted { "✓ accepted: " } else { "✕ refused: " };
                let reply = recipient.reply.as_ref().map(ToString::to_string);
                view! { <li>{how} <span class="machine">{recipient.address.clone()}</span> " " <span class="muted machine">{reply}</span></li> }
            })
            .collect();
        view! { <ul class="recipients">{lines}</ul> }
    })
}

/// One row a stage; each opens to its raw lines. The bar under it says when it began and how long it took, of the whole run.
pub(super) fn stages(events: &[Event]) -> impl IntoView + use<> {
    let total = events.last().map_or(1, |event| event.elapsed_ms.max(1));
    let rows: Vec<_> = stages::rows(events).into_iter().map(|row| stage(row, total)).collect();
    view! { <ol class="stages">{rows}</ol> }
}

fn stage(row: Row, total: u64) -> impl IntoView + use<> {
    let (class, mark, how) = match row.mark {
        Mark::Running => ("stage running", "…", "…"),
        Mark::Passed => ("stage", "✓", ""),
        Mark::Warned => ("stage warned", "▲", " (warning)"),
        Mark::Failed => ("stage failed", "✕", " failed"),
        Mark::Cancelled => ("stage", "–", " cancelled"),
    };
    let took = if row.mark == Mark::Running { String::new() } else { format!("{} ms", words::grouped(row.took_ms)) };
    // In thousandths of the run; the shortest stage can still be seen.
    let from = (row.began_ms * 1000 / total).min(990);
    let width = (row.took_ms * 1000 / total).clamp(10, 1000 - from);
    let lines: Vec<_> = row.lines.into_iter().map(raw).collect();
    let empty = lines.is_empty();
    let raw = (!empty).then(|| view! { <ul class="machine raw">{lines}</ul> });
    view! {
        <li class=class>
            <details>
                // What has nothing to open is no stop on the way through the page.
                <summary tabindex=empty.then_some("-1")>
                    <span class="mark" aria-hidden="true">{mark}</span>
                    <span class="what">{row.label} {how}</span>
                    <span class="time">{took}</span>
                    <span class="detail">{row.detail}</span>
                    <svg class="bar" viewBox="0 0 1000 1" preserveAspectRatio="none" aria-hidden="true">
                        <rect x=from.to_string() width=width.to_string() height="1"/>
                    </svg>
                </summary>
                {raw}
            </details>
        </li>
    }
}

/// A line as it was said: by whom, and whether others could have read it on the way.
fn raw(line: Line) -> impl IntoView {
    let (way, title) = if line.encrypted { ("TLS", "encrypted") } else { ("clear", "not encrypted") };
    let who = if line.sent { ("→ ", "sent ") } else { ("← ", "received ") };
    view! {
        <li>
            <span class="way" title=title>{way}</span>
            <span aria-hidden="true">{who.0}</span><span class="hidden">{who.1}</span>
            {line.text}
        </li>
    }
}

/// Puts the transcript on the clipboard, for a support ticket.
#[component]
fn Copy(text: String) -> impl IntoView {
    let label = RwSignal::new("Copy details");
    let copy = move |_| {
        #[cfg(feature = "hydrate")]
        {
            label.set(if crate::browser::copy(&text) { "Copied" } else { "Not copied: open the stages and copy by hand" });
            let restore = move || {
                let _ = label.try_set("Copy details");
            };
            gloo_timers::callback::Timeout::new(3_000, restore).forget();
        }
        #[cfg(not(feature = "hydrate"))]
        let _ = &text;
    };
    view! { <p class="actions needs-script"><button type="button" on:click=copy>{move || label.get()}</button></p> }
}
