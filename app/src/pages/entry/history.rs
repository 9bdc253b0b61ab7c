//! The earlier tests of an entry. Each opens in the place of the last one.

use domain::entry::EntryId;
use domain::run::{History, RunId, RunMode, RunSummary};
use domain::transcript::Outcome;
use domain::words;
use leptos::prelude::*;

/// Tests shown before the rest is asked for.
const FIRST: usize = 5;

/// The section under "Try it". `open` shows a run on this page.
#[component]
pub(super) fn HistoryList(id: EntryId, history: RwSignal<History>, open: Callback<RunId>) -> impl IntoView {
    view! {
        <section class="group history" aria-labelledby="g-history" hidden=move || history.with(|h| h.runs.is_empty())>
            <h2 id="g-history">"Earlier tests"</h2>
            {move || history.with(|History { runs, now_ms, .. }| {
                let mut lines: Vec<_> = runs.iter().map(|run| view! { <Line id run=run.clone() now_ms=*now_ms open/> }).collect();
                let rest = lines.split_off(lines.len().min(FIRST));
                let more = format!("{} more", rest.len());
                let none = rest.is_empty();
                view! {
                    <ol class="runs">{lines}</ol>
                    <details hidden=none>
                        <summary>{more}</summary>
                        <ol class="runs">{rest}</ol>
                    </details>
                }
            })}
        </section>
    }
}

#[component]
fn Line(id: EntryId, run: RunSummary, now_ms: u64, open: Callback<RunId>) -> impl IntoView {
    let class = match run.outcome {
        Outcome::Sent | Outcome::Checked if run.downgraded || run.partial => "state warning",
        Outcome::Sent | Outcome::Checked => "state good",
        Outcome::Failed | Outcome::Unknown => "state bad",
        Outcome::Cancelled => "state neutral",
    };
    let mode = match run.mode {
        RunMode::Check => "Connection check",
        RunMode::Send => "Test email",
    };
    let by = (!run.by.is_empty()).then(|| format!(", from {}", run.by));
    let show = move |ev: leptos::ev::MouseEvent| {
        if !(ev.ctrl_key() || ev.meta_key() || ev.shift_key()) {
            ev.prevent_default();
            open.run(run.id);
        }
    };
    view! {
        <li>
            <a href=format!("/servers/{id}?run={}#try", run.id) on:click=show>
                <span class=class>{words::outcome(run.outcome)}</span>
                <span class="muted"><time title=words::utc(run.at_ms)>{words::ago(now_ms, run.at_ms)}</time></span>
            </a>
            <span class="muted">{mode} ", " {words::grouped(run.took_ms)} " ms, " {run.security.words()} {by}</span>
            {run.partial.then_some("Not to all recipients.")}
            {run.title}
        </li>
    }
}
