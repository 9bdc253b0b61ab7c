//! Adding authorities: from a file or pasted, looked at before anything is trusted.

use domain::certificate::fingerprint_words;
use domain::error::ApiError;
use domain::trust::{Fate, Preview, PreviewItem};
use leptos::either::Either;
use leptos::prelude::*;

use crate::components::{ErrorNotice, ends, facts, short_name};

/// The page "Add certificates".
#[component]
pub(super) fn Import(preview: Option<Preview>, chosen: Option<Vec<String>>, refused: Option<ApiError>) -> impl IntoView {
    let again = preview.is_some();
    let at_field = refused.as_ref().map(|error| error.fields.clone()).unwrap_or_default();
    // What stands at a field is not said twice.
    let notice = refused.filter(|error| error.fields.is_empty());
    let found = preview.map(|preview| view! { <Found preview chosen/> });
    let title = if again { "Another file" } else { "What is to be trusted" };
    let class = if again { "" } else { "primary" };
    view! {
        <div class="page medium">
            <p class="crumb"><a href="/certificates">"Certificates"</a></p>
            <div class="title">
                <div>
                    <h1>"Add certificates"</h1>
                    <p class="muted">"Authorities: every server whose certificate they issued is accepted."</p>
                </div>
            </div>
            <ErrorNotice error=Signal::stored(notice)/>
            {found}
            <form class="group" method="post" action="/certificates/import" enctype="multipart/form-data" aria-labelledby="g-file">
                <h2 id="g-file">{title}</h2>
                {upload("PEM, DER or PKCS#7, or a truststore: PKCS#12 or JKS.", at_field.get("file"))}
                <div class="field">
                    <label for="f-pem">"Or paste PEM"</label>
                    <textarea id="f-pem" name="pem" rows="5" class="machine" spellcheck="false" autocomplete="off" aria-describedby="f-pem-help"></textarea>
                    <p class="help" id="f-pem-help">"From “-----BEGIN CERTIFICATE-----” on; several, and text around them, are fine."</p>
                </div>
                {store_password("Password of the store", "Only for PKCS#12 and JKS. It opens the file and isn't kept.", at_field.get("password"))}
                <div class="actions"><button class=class>"Preview"</button></div>
            </form>
        </div>
    }
}

/// The field for a file.
pub(super) fn upload(help: &'static str, error: Option<&String>) -> impl IntoView + use<> {
    let wrong = error.is_some();
    view! {
        <div class="field" class:wrong=wrong>
            <label for="f-file">"File"</label>
            <input id="f-file" name="file" type="file" autofocus=wrong aria-invalid=wrong.then_some("true") aria-describedby="f-file-error f-file-help"/>
            <p class="error" id="f-file-error">{error.cloned()}</p>
            <p class="help" id="f-file-help">{help}</p>
        </div>
    }
}

/// The field for the password of a file.
pub(super) fn store_password(label: &'static str, help: &'static str, error: Option<&String>) -> impl IntoView + use<> {
    let wrong = error.is_some();
    view! {
        <div class="field" class:wrong=wrong>
            <label for="f-store_password">{label}</label>
            <input
                id="f-store_password"
                name="password"
                type="password"
                autocomplete="off"
                autofocus=wrong
                aria-invalid=wrong.then_some("true")
                aria-describedby="f-store_password-error f-store_password-help"
            />
            <p class="error" id="f-store_password-error">{error.cloned()}</p>
            <p class="help" id="f-store_password-help">{help}</p>
        </div>
    }
}

/// What is in the file, and the button that adds what is new.
#[component]
fn Found(preview: Preview, chosen: Option<Vec<String>>) -> impl IntoView {
    let Preview { items, pem, now_ms } = preview;
    let count = |fate: fn(Fate) -> bool| items.iter().filter(|item| fate(item.fate)).count();
    let new = count(|fate| fate == Fate::New);
    let already = count(|fate| fate == Fate::Already);
    let summary = summary(new, already, items.len() - new - already);
    let rows: Vec<_> = items.into_iter().map(|item| row(item, chosen.as_deref(), now_ms)).collect();
    let all = if new == 1 { "Add 1 certificate".to_owned() } else { format!("Add {new} certificates") };
    let add = if new == 0 {
        Either::Left(view! { <div class="actions"><a class="button" href="/certificates">"Back"</a></div> })
    } else {
        Either::Right(view! {
            <input type="hidden" name="pem" value=pem/>
            <div class="actions">
                <a class="button" href="/certificates">"Back"</a>
                <button class="primary"><span class="all">{all}</span><span class="some">"Add what is ticked"</span></button>
            </div>
        })
    };
    view! {
        <form class="group list selectable preview" method="post" action="/certificates/add" aria-labelledby="g-found">
            <h2 id="g-found" tabindex="-1" autofocus>{summary}</h2>
            <ul class="certificates">{rows}</ul>
            {add}
        </form>
    }
}

/// `3 will be added, 1 is there already, 2 are refused.`
fn summary(new: usize, already: usize, refused: usize) -> String {
    let is = |n: usize| if n == 1 { "is" } else { "are" };
    let mut parts = Vec::new();
    if new > 0 {
        parts.push(format!("{new} will be added"));
    }
    if already > 0 {
        parts.push(format!("{already} {} there already", is(already)));
    }
    if refused > 0 {
        parts.push(format!("{refused} {} refused", is(refused)));
    }
    let lead = match (new, parts.is_empty()) {
        (0, true) => "Nothing to add",
        (0, false) => "Nothing to add: ",
        _ => "",
    };
    format!("{lead}{}.", parts.join(", "))
}

fn row(item: PreviewItem, chosen: Option<&[String]>, now_ms: u64) -> impl IntoView + use<> {
    let PreviewItem { label, certificate, fate } = item;
    let new = fate == Fate::New;
    let class = if new { "" } else { "quiet" };
    let name = certificate.as_ref().map_or_else(|| label.clone(), |certificate| short_name(&certificate.subject));
    let label = (!label.is_empty() && label != name).then(|| format!("“{label}”, "));
    let sha256 = certificate.as_ref().map(|certificate| certificate.sha256.clone()).unwrap_or_default();
    let tick = new.then(|| {
        let select = format!("Add {name}");
        let checked = chosen.is_none_or(|chosen| chosen.contains(&sha256));
        view! { <label class="target"><input type="checkbox" name="sha256" value=sha256.clone() checked=checked aria-label=select/></label> }
    });
    let name = match (name.is_empty(), fate) {
        (false, _) => name,
        (true, Fate::PrivateKey) => "Private key".into(),
        (true, _) => "Without a name".into(),
    };
    let body = match certificate {
        Some(certificate) => {
            let ends = ends(&certificate, now_ms);
            let fingerprint = new.then(|| view! { <p class="machine fingerprint">{fingerprint_words(&sha256)}</p> });
            Either::Left(view! {
                <details>
                    <summary>
                        <span class="name">{name}</span>
                        <span class="muted">{label} {fate.words()}</span>
                        <span class="ends">{ends}</span>
                        {fingerprint}
                    </summary>
                    {facts(certificate, now_ms, ())}
                </details>
            })
        }
        None => Either::Right(view! {
            <div class="summary">
                <span class="name">{name}</span>
                <span class="muted">{label} {fate.words()}</span>
            </div>
        }),
    };
    view! { <li class=class>{tick} {body}</li> }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts_what_becomes_of_everything() {
        for ((new, already, refused), said) in [
            ((3, 1, 2), "3 will be added, 1 is there already, 2 are refused."),
            ((1, 0, 0), "1 will be added."),
            ((0, 2, 1), "Nothing to add: 2 are there already, 1 is refused."),
            ((0, 0, 0), "Nothing to add."),
        ] {
            assert_eq!(summary(new, already, refused), said);
        }
    }
}
