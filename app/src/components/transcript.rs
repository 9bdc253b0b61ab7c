//! What happened in a session: a row a stage, and what became of each recipient.

use domain::stages::{self, Line, Mark, Row};
use domain::transcript::{Event, RecipientResult};
use domain::words;
use leptos::prelude::*;

/// What became of each recipient, where they fared differently: first those who were refused.
pub(crate) fn recipients(recipients: &[RecipientResult]) -> Option<impl IntoView + use<>> {
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
pub(crate) fn stages(events: &[Event]) -> impl IntoView + use<> {
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
