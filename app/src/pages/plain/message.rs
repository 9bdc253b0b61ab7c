//! One message that an application sent: who, what, to whom, and everything that happened.

use domain::diagnosis::Diagnosis;
use domain::size::Size;
use domain::stages;
use domain::submission::{Ended, Message, MessageView, SentFile, Source};
use domain::transcript::{Outcome, RecipientResult};
use domain::words;
use leptos::prelude::*;

use super::messages::state;
use crate::components::{fact, recipients, stages as stage_rows};

/// The page of a message.
#[component]
pub(super) fn OneMessage(view: MessageView) -> impl IntoView {
    let MessageView { message, events, now_ms } = view;
    let title = if message.subject.is_empty() { format!("Message {}", message.id) } else { words::shown(&message.subject, 200) };
    let outcome = match &message.ended {
        Some(ended) => outcome(&message, ended).into_any(),
        None => {
            view! { <div class="notice"><p class="headline" role="status">"Being sent. Load the page again in a moment."</p></div> }
                .into_any()
        }
    };
    let copy = message.ended.as_ref().filter(|_| !events.is_empty()).map(|ended| {
        let text = stages::text(&ended.headline, &events);
        view! { <p class="actions needs-script"><button type="button" data-copy=text>"Copy details"</button></p> }
    });
    let transcript = (!events.is_empty()).then(|| {
        view! {
            <section class="group report" aria-labelledby="what-happened">
                <h2 id="what-happened">"What happened"</h2>
                {stage_rows(&events)}
                {copy}
            </section>
        }
    });
    view! {
        <div class="page">
            <p class="crumb"><a href="/messages">"Messages"</a></p>
            <h1>{title}</h1>
            {outcome}
            <section class="group" aria-label="The message">{facts(&message, now_ms)}</section>
            {transcript}
        </div>
    }
}

/// The outcome, why we think so, and what to do.
fn outcome(message: &Message, ended: &Ended) -> impl IntoView + use<> {
    let class = match ended.outcome {
        Outcome::Sent | Outcome::Checked if ended.partial || ended.downgraded => "notice warning",
        Outcome::Sent | Outcome::Checked => "notice good",
        Outcome::Failed | Outcome::Unknown => "notice bad",
        Outcome::Cancelled => "notice",
    };
    let evidence = ended.diagnosis.as_ref().and_then(|Diagnosis { evidence, .. }| evidence.clone());
    let evidence = evidence.or_else(|| ended.reply.as_ref().map(ToString::to_string));
    let steps: Vec<_> =
        ended.diagnosis.iter().flat_map(|diagnosis| diagnosis.steps.clone()).map(|step| view! { <li>{step}</li> }).collect();
    let steps = (!steps.is_empty()).then(|| view! { <ol>{steps}</ol> });
    let server = (ended.outcome == Outcome::Failed).then(|| {
        let href = format!("/servers/{}#try", message.entry);
        view! { <p class="actions"><a class="button" href=href>"Test "{message.server.clone()}</a></p> }
    });
    view! {
        <div class=class>
            <p class="headline" role="status">{ended.headline.clone()}</p>
            {recipients(&ended.recipients)}
            {evidence.map(|evidence| view! { <p class="machine">{evidence}</p> })}
            {steps}
            {server}
        </div>
    }
}

fn facts(message: &Message, now_ms: u64) -> impl IntoView + use<> {
    let (class, text) = state(message);
    let who = match (message.who.name(), message.address.as_str()) {
        ("", "") => String::new(),
        (name, "") | ("", name) => name.to_owned(),
        (name, address) => format!("{name}, from {address}"),
    };
    let overridden = message.overridden.as_ref().map(|own| {
        let sentence = format!("The mail node named {own}; the server's sender address took its place.");
        view! { <span class="muted">" "{sentence}</span> }
    });
    let source = if message.source == Source::BpmMailNode { "BPM mail node".to_owned() } else { String::new() };
    let ended = message.ended.as_ref();
    let refused = |address: &str| {
        let result: Option<&RecipientResult> =
            ended.and_then(|ended| ended.recipients.iter().find(|result| !result.accepted && address.contains(&result.address)));
        result.is_some()
    };
    let to: Vec<_> = message
        .recipients
        .iter()
        .map(|address| {
            let mark = refused(address).then(|| view! { <span class="state bad">"refused"</span> });
            view! { <li>{words::shown(address, 320)} " " {mark}</li> }
        })
        .collect();
    let files: Vec<_> = message.files.iter().map(file).collect();
    let files = (!files.is_empty()).then(|| view! { <div><dt>"Files"</dt><dd><ul class="plain">{files}</ul></dd></div> });
    let href = format!("/servers/{}", message.entry);
    view! {
        <dl class="facts">
            <div><dt>"Outcome"</dt><dd><span class=class>{text}</span></dd></div>
            <div>
                <dt>"When"</dt>
                <dd>{words::utc(message.at_ms)} <span class="muted">" "{words::ago(now_ms, message.at_ms)}</span></dd>
            </div>
            {fact("Handed over by", who)}
            {fact("Source", source)}
            <div><dt>"Server"</dt><dd><a href=href>{message.server.clone()}</a></dd></div>
            <div><dt>"From"</dt><dd>{words::shown(&message.from, 320)}{overridden}</dd></div>
            {fact("Reply to", message.reply_to.join(", "))}
            <div><dt>"To"</dt><dd><ul class="plain">{to}</ul></dd></div>
            {fact("Subject", words::shown(&message.subject, 1_000))}
            {fact("Size", format!("{} bytes", words::grouped(message.size)))}
            {files}
            {fact("Encryption", ended.map(|ended| ended.security.words().to_owned()).unwrap_or_default())}
            {fact("Queued as", ended.and_then(|ended| ended.queue_id.clone()).unwrap_or_default())}
            {fact("Took", ended.map(|ended| format!("{} ms", words::grouped(ended.took_ms))).unwrap_or_default())}
        </dl>
    }
}

fn file(file: &SentFile) -> impl IntoView + use<> {
    let size = words::rough(Size::from_bytes(file.size));
    let link = file.link.map(|link| {
        let href = format!("/links#link-{link}");
        view! { <span>" as a "<a href=href>"download link"</a></span> }
    });
    view! { <li>{words::shown(&file.name, 200)} <span class="muted">" "{size}</span>{link}</li> }
}
