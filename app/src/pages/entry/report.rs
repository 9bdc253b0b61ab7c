//! What a test tells, while it runs and afterwards: its outcome, its stages, and what a failure means.

use domain::run::Run;
use domain::smtp_server::{ServerDraft, TestDraft};
use domain::stages::{self, Line, Mark, Row};
use domain::transcript::{Event, Finished, Outcome, RecipientResult, What};
use domain::words;
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
    /// When it was, for one from the history: milliseconds since 1970.
    pub(super) at_ms: Option<u64>,
}

impl Told {
    pub(super) fn report(report: TestReport, tried: (ServerDraft, TestDraft)) -> Self {
        Self { headline: Some(report.headline), events: report.events, tried: Some(tried), at_ms: None }
    }

    pub(super) fn earlier(run: Run) -> Self {
        let Run { summary, events } = run;
        Self { headline: Some(summary.headline), events, tried: None, at_ms: Some(summary.at_ms) }
    }

    /// Whether it ran on something else than `now`.
    pub(super) fn is_outdated(&self, now: &ServerDraft) -> bool {
        self.tried.as_ref().is_some_and(|(draft, _)| draft != now)
    }
}

/// The report under the buttons. It stays while one edits, marked once it is from before a change.
#[component]
pub(super) fn Report(told: Told, outdated: Signal<bool>, state: FormState) -> impl IntoView {
    let Told { headline, events, at_ms, .. } = told;
    let finished = events.iter().rev().find_map(|event| match &event.what {
        What::Finished(finished) => Some(finished),
        _ => None,
    });
    let outcome = finished.map(|finished| {
        let class = match finished.outcome {
            Outcome::Sent | Outcome::Checked if finished.downgrade.is_some() || finished.partial => "notice warning",
            Outcome::Sent | Outcome::Checked => "notice good",
            Outcome::Failed | Outcome::Unknown => "notice bad",
            Outcome::Cancelled => "notice",
        };
        view! {
            <div class=class>
                <p class="headline">{headline.clone()}</p>
                {meaning(finished, state)}
                {recipients(&finished.recipients)}
            </div>
        }
    });
    let rows = stages(&events);
    let copy = headline.map(|headline| view! { <Copy text=stages::text(&headline, &events)/> });
    view! {
        <div class="report" class:outdated=move || outdated.get()>
            {at_ms.map(|at_ms| view! { <p class="muted">"Test of " {words::utc(at_ms)} "."</p> })}
            <p class="muted" hidden=move || !outdated.get()>"From before your change."</p>
            <div role="status">{outcome}</div>
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
        let apply = move |_| state.apply_fix(&fix);
        view! { <p class="actions fix"><button type="button" on:click=apply>{label}</button></p> }
    });
    Some(view! {
        {evidence.map(|evidence| view! { <p class="machine">{evidence}</p> })}
        <ol>{steps}</ol>
        {fix}
    })
}

/// What became of each recipient, where they fared differently.
fn recipients(recipients: &[RecipientResult]) -> Option<impl IntoView + use<>> {
    (recipients.len() > 1 && recipients.iter().any(|recipient| !recipient.accepted)).then(|| {
        let lines: Vec<_> = recipients
            .iter()
            .map(|recipient| {
                let how = if recipient.accepted { "accepted" } else { "refused" };
                let reply = recipient.reply.as_ref().map(ToString::to_string);
                view! { <li><span class="machine">{recipient.address.clone()}</span> " " {how} " " <span class="machine">{reply}</span></li> }
            })
            .collect();
        view! { <ul>{lines}</ul> }
    })
}

/// One row a stage; each opens to its raw lines. The bar under it says when it began and how long it took, of the whole run.
fn stages(events: &[Event]) -> impl IntoView + use<> {
    let total = events.last().map_or(1, |event| event.elapsed_ms.max(1));
    let rows: Vec<_> = stages::rows(events).into_iter().map(|row| stage(row, total)).collect();
    view! { <ol class="stages">{rows}</ol> }
}

fn stage(row: Row, total: u64) -> impl IntoView + use<> {
    let (class, mark, how) = match row.mark {
        Mark::Running => ("stage running", "…", "…"),
        Mark::Passed => ("stage", "✓", ""),
        Mark::Warned => ("stage warned", "▲", " with a warning"),
        Mark::Failed => ("stage failed", "✕", " failed"),
        Mark::Cancelled => ("stage", "–", " cancelled"),
    };
    // In thousandths of the run; the shortest stage can still be seen.
    let from = (row.began_ms * 1000 / total).min(990);
    let width = (row.took_ms * 1000 / total).clamp(10, 1000 - from);
    let lines: Vec<_> = row.lines.into_iter().map(raw).collect();
    let raw = (!lines.is_empty()).then(|| view! { <ul class="machine raw">{lines}</ul> });
    view! {
        <li class=class>
            <details>
                <summary>
                    <span class="mark" aria-hidden="true">{mark}</span>
                    <span class="what">{row.label} {how}</span>
                    <span class="time">{row.took_ms} " ms"</span>
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
        label.set(if crate::browser::copy(&text) { "Copied" } else { "Select the text and copy it" });
        #[cfg(not(feature = "hydrate"))]
        let _ = &text;
    };
    view! { <p class="actions needs-script"><button type="button" on:click=copy>{move || label.get()}</button></p> }
}
