//! The client certificate of an entry: what a server that asks who connects is shown.

use domain::entry::EntryView;
use domain::error::{ApiError, ErrorKind};
use domain::words;
use leptos::either::Either;
use leptos::prelude::*;

use super::import::{store_password, upload};
use crate::components::{ErrorNotice, facts};

/// The page "Client certificate of …".
#[component]
pub(super) fn ClientCertificate(entry: EntryView, refused: Option<ApiError>, now_ms: u64) -> impl IntoView {
    let EntryView { id, version, name, client_certificate, .. } = entry;
    let at_field = refused.as_ref().map(|error| error.fields.clone()).unwrap_or_default();
    // What stands at a field is not said twice.
    let notice = refused.filter(|error| error.fields.is_empty()).map(|mut error| {
        if error.error == ErrorKind::Stale {
            // Here is nothing to compare: what is stored now stands below.
            error.message = words::STALE_CERTIFICATE.into();
        }
        error
    });
    let there = client_certificate.is_some();
    let kept = match client_certificate {
        Some(certificate) => Either::Left(facts(certificate, now_ms, ())),
        None => Either::Right(
            view! { <p class="muted">"None. Few servers ask for one; yours may have been given to you as a .p12 or .pfx file."</p> },
        ),
    };
    let remove = there.then(|| {
        view! {
            <details class="group remove-certificate">
                <summary>"Remove client certificate"</summary>
                <form method="post" action=format!("/servers/{id}/client-certificate/remove")>
                    <input type="hidden" name="version" value=version.0.to_string()/>
                    <p>
                        "If the server asks who connects, nothing can be sent through " <strong>{name.clone()}</strong>
                        " any more. The key is deleted for good; to go back you need the file it came from."
                    </p>
                    <div class="actions"><button class="danger filled">"Remove client certificate"</button></div>
                </form>
            </details>
        }
    });
    let title = if there { "Another one in its place" } else { "A new one" };
    view! {
        <div class="page narrow">
            <p class="crumb"><a href=format!("/servers/{id}")>{name.clone()}</a></p>
            <div class="title">
                <div>
                    <h1>"Client certificate of " {name}</h1>
                    <p class="muted">"Shown to the server when it asks who connects. The key is kept sealed and never shown again."</p>
                </div>
            </div>
            <ErrorNotice error=Signal::stored(notice)/>
            <section class="group" aria-labelledby="g-kept">
                <h2 id="g-kept">"Kept now"</h2>
                {kept}
            </section>
            <form class="group" method="post" action=format!("/servers/{id}/client-certificate") enctype="multipart/form-data" aria-labelledby="g-new">
                <h2 id="g-new">{title}</h2>
                <input type="hidden" name="version" value=version.0.to_string()/>
                {upload("PKCS#12 (.p12, .pfx), or PEM with the certificate and its private key.", at_field.get("file"))}
                <div class="field">
                    <label for="f-pem">"Or paste PEM"</label>
                    <textarea id="f-pem" name="pem" rows="5" class="machine" spellcheck="false" autocomplete="off" aria-describedby="f-pem-help"></textarea>
                    <p class="help" id="f-pem-help">"The certificate, those that lead to its authority, and the private key."</p>
                </div>
                {store_password("Password of the file", "Only if it has one. It opens the file and isn't kept.", at_field.get("password"))}
                <div class="actions">
                    <a class="button" href=format!("/servers/{id}")>"Back"</a>
                    <button class="primary" data-shortcut="save">"Keep this certificate"</button>
                </div>
            </form>
            {remove}
        </div>
    }
}
