//! What a test found: its outcome, its stages, and what a failure means.

use domain::stages;
use domain::transcript::{Event, Finished, Outcome, What};
use leptos::prelude::*;

use crate::api::TestReport;
use crate::components::FormState;

/// The report under the buttons. It stays while one edits, marked once it is from before a change.
#[component]
pub(super) fn Report(report: TestReport, outdated: Signal<bool>, state: FormState) -> impl IntoView {
    let TestReport { headline, events } = report;
    let finished = events.iter().rev().find_map(|event| match &event.what {
        What::Finished(finished) => Some(finished.clone()),
        _ => None,
    });
    let good = finished.as_ref().is_some_and(|f| matches!(f.outcome, Outcome::Sent | Outcome::Checked));
    view! {
        <div class="report" class:outdated=move || outdated.get()>
            <p class="muted" hidden=move || !outdated.get()>"From before your change."</p>
            <div role="status" class=if good { "notice good" } else { "notice bad" }>
                <p class="headline">{headline}</p>
                {finished.as_ref().and_then(|finished| meaning(finished, state))}
            </div>
            {stages(&events)}
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

/// One row a stage; each opens to its raw lines.
fn stages(events: &[Event]) -> impl IntoView + use<> {
    let rows: Vec<_> = stages::rows(events)
        .into_iter()
        .map(|row| {
            let class = if row.failed { "stage failed" } else { "stage" };
            let mark = if row.failed { "✕" } else { "✓" };
            let lines: Vec<_> = row
                .lines
                .into_iter()
                .map(|line| {
                    let lock = if line.encrypted { "encrypted" } else { "in clear" };
                    view! { <li title=lock><span aria-hidden="true">{if line.sent { "→ " } else { "← " }}</span>{line.text}</li> }
                })
                .collect();
            let raw = (!lines.is_empty()).then(|| view! { <ul class="machine raw">{lines}</ul> });
            view! {
                <li class=class>
                    <details>
                        <summary>
                            <span class="mark" aria-hidden="true">{mark}</span>
                            <span class="what">{row.label} {row.failed.then_some(" failed")}</span>
                            <span class="time">{row.took_ms} " ms"</span>
                            <span class="detail">{row.detail}</span>
                        </summary>
                        {raw}
                    </details>
                </li>
            }
        })
        .collect();
    view! { <ol class="stages">{rows}</ol> }
}
