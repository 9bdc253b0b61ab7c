//! What a test tells, while it runs and afterwards: its outcome, its stages, and what a failure means.

use domain::diagnosis::Fix;
use domain::run::Run;
use domain::smtp_server::{ServerDraft, TestDraft};
use domain::stages;
#[cfg(feature = "hydrate")]
use domain::transcript::Stage;
use domain::transcript::{Event, Finished, Outcome, What};
use domain::words;
use leptos::either::Either;
use leptos::prelude::*;

use crate::api::TestReport;
use crate::components::{FormState, recipients, stages as stage_rows};

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
    let rows = stage_rows(&events);
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
