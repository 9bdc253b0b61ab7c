//! How the sign-in of an entry with Azure OAuth stands, what can be done about it, and what has to be set up at the sign-in service for it, in
//! order and with the entry's own values.

use domain::diagnosis::Diagnosis;
use domain::entry::EntryId;
use domain::error::ApiError;
use domain::oauth::{DeviceCode, DeviceState, Item, Provider, SignInNote, SignInState, SignInView, Strategy, checklist};
use domain::smtp_server::AzureOut;
use domain::words;
use leptos::either::Either;
use leptos::prelude::*;

use super::sign_in::{diagnosed, refusal};
use crate::backend::SignInPage;
use crate::components::{NOTICE, SignInMark, fact};
use crate::pages::Rights;

/// The page "Azure OAuth of …".
#[component]
pub(super) fn Azure(page: SignInPage, over: bool, refused: Option<ApiError>) -> impl IntoView {
    let SignInPage { view, redirect, device, now_ms } = page;
    let (id, name) = (view.id, view.name);
    let azure = view.server.and_then(|server| server.azure_oauth.map(|azure| (server.username, azure)));
    let sign_in = view.sign_in;
    // What is said below as how it stands is not said twice.
    let failing = sign_in.as_ref().and_then(|view| view.note.as_ref()?.failing.clone());
    let failing = failing.map(|failing| failing.diagnosis);
    let just_failed =
        refused.as_ref().is_some_and(|error| error.diagnosis.as_deref().is_some_and(|now| Some(now) == failing.as_ref()));
    let notice = refused.filter(|_| !just_failed).map(refusal);
    let content = match azure {
        Some((username, azure)) => {
            let sign_in =
                sign_in.unwrap_or_else(|| SignInView { needs_a_person: azure.strategy.needs_a_person(), ..SignInView::default() });
            let code_waits = matches!(&device, Some(DeviceCode { state: DeviceState::Waiting, .. }));
            let state = State { id, sign_in, strategy: azure.strategy, provider: azure.provider, code_waits, now_ms };
            let code_failed = matches!(&device, Some(DeviceCode { state: DeviceState::Failed(_), .. }));
            Either::Left(view! {
                {device.and_then(|device| code(id, device, over, now_ms))}
                {state.view(over && !code_failed, just_failed)}
                {to_set_up(&username, &azure, &redirect)}
            })
        }
        None => Either::Right(view! {
            <section class="group" aria-label="Azure OAuth">
                <p>"This server doesn't sign in with Azure OAuth. Switch “Azure OAuth enabled” on under “Advanced”, save, and come back."</p>
            </section>
        }),
    };
    view! {
        <div class="page narrow" data-address=over.then(|| format!("/servers/{id}/azure"))>
            <p class="crumb"><a href=format!("/servers/{id}")>{name.clone()}</a></p>
            <h1>"Azure OAuth of " {name}</h1>
            {notice}
            {content}
            <p><a class="button" href=format!("/servers/{id}#try")>"Back to try it"</a></p>
        </div>
    }
}

/// Who grants the tokens, in a sentence.
const fn whom(provider: Provider) -> &'static str {
    match provider {
        Provider::Microsoft => "Microsoft",
        Provider::Google => "Google",
        Provider::Other => "the provider",
    }
}

/// How the sign-in stands.
struct State {
    id: EntryId,
    sign_in: SignInView,
    strategy: Strategy,
    provider: Provider,
    /// A code is there to be entered.
    code_waits: bool,
    now_ms: u64,
}

impl State {
    fn view(self, over: bool, just_failed: bool) -> impl IntoView {
        let note = self.sign_in.note.clone().unwrap_or_default();
        let lead = match self.sign_in.state() {
            SignInState::Missing if self.code_waits => Some("Nobody has signed in yet: enter the code above."),
            SignInState::Missing if self.strategy == Strategy::DeviceCode => {
                Some("Nobody has signed in yet. Get a code, and enter it on any device where the mailbox can sign in.")
            }
            SignInState::Missing => {
                Some("Nobody has signed in yet, so this server can't send. Set up what stands below, then sign in.")
            }
            SignInState::Untried => Some("The first test or message asks for one. Ask now to see whether it is granted."),
            SignInState::Works | SignInState::Failing => None,
        };
        let failing = note.failing.clone().map(|failing| failed(failing.diagnosis, just_failed));
        // Where it works, who signed in is what is said first.
        let named = self.sign_in.needs_a_person && self.sign_in.state() == SignInState::Works;
        let facts = facts(&note, !named, self.now_ms);
        let buttons = self.buttons();
        let sign_out = self.sign_out(&note);
        view! {
            <section class="group" id="state" aria-labelledby="g-state">
                <h2 id="g-state">"Sign-in"</h2>
                <p class="standing" tabindex=over.then_some("-1") autofocus=over><SignInMark sign_in=self.sign_in now_ms=self.now_ms/></p>
                {lead.map(|lead| view! { <p>{lead}</p> })}
                {failing}
                {facts}
                {buttons}
                {sign_out}
            </section>
        }
    }

    /// What can be done about it by whoever looks.
    fn buttons(&self) -> impl IntoView + use<> {
        let Rights { test, change } = Rights::here();
        let id = self.id;
        let missing = self.sign_in.state() == SignInState::Missing;
        let primary = (missing || self.sign_in.state() == SignInState::Failing) && !self.code_waits;
        let sign_in = match self.strategy {
            Strategy::AuthorizationCode => Some(post(id, "sign-in", if missing { "Sign in" } else { "Sign in again" }, primary)),
            Strategy::DeviceCode => {
                Some(post(id, "device-code", if missing { "Get a code" } else { "Sign in again by a code" }, primary))
            }
            _ => None,
        };
        let untried = self.sign_in.state() == SignInState::Untried;
        let person = self.sign_in.needs_a_person;
        let renew = (test && !missing)
            .then(|| post(id, "renew", if untried { "Ask for a token now" } else { "Renew now" }, !person && (untried || primary)));
        let limits = (person && !change).then(|| view! { <p class="help">"Signing in takes an administrator."</p> });
        let any = renew.is_some() || change && sign_in.is_some();
        view! {
            {any.then(|| view! { <div class="actions">{change.then_some(sign_in).flatten()} {renew}</div> })}
            {limits}
        }
    }

    /// Forgetting it, with what that means.
    fn sign_out(&self, note: &SignInNote) -> impl IntoView + use<> {
        let there = note.since_ms.is_some() || note.renewed_ms.is_some();
        let (id, provider, person) = (self.id, whom(self.provider), self.sign_in.needs_a_person);
        let who = note.account.clone().map_or_else(String::new, |account| format!(" {}", words::quote(&account)));
        (there && Rights::here().change).then(|| {
            let (summary, button, means) = if person {
                let means = format!(
                    "Postroom forgets this sign-in and every token of it. The server can't send until somebody signs in again. To end it at {provider} as well, revoke it there."
                );
                ("Sign out", format!("Sign out{who}"), means)
            } else {
                let means = "Postroom forgets the token, and asks for another one when it next sends.".to_owned();
                ("Forget the token", "Forget it".to_owned(), means)
            };
            view! {
                <details class="fold">
                    <summary class="button quiet">{summary}</summary>
                    <form method="post" action=format!("/servers/{id}/azure/sign-out")>
                        <p>{means}</p>
                        <div class="actions"><button class="danger">{button}</button></div>
                    </form>
                </details>
            }
        })
    }
}

/// A form that is one button.
fn post(id: EntryId, what: &'static str, label: &'static str, primary: bool) -> impl IntoView {
    view! {
        <form method="post" action=format!("/servers/{id}/azure/{what}")>
            <button class=if primary { "primary" } else { "" }>{label}</button>
        </form>
    }
}

/// Why no token is granted any more.
fn failed(diagnosis: Diagnosis, just_now: bool) -> impl IntoView {
    if just_now {
        Either::Left(view! { <div role="alert" id=NOTICE tabindex="-1" autofocus>{diagnosed(diagnosis)}</div> })
    } else {
        Either::Right(diagnosed(diagnosis))
    }
}

fn facts(note: &SignInNote, with_account: bool, now_ms: u64) -> Option<impl IntoView + use<>> {
    let time = |name: &'static str, at_ms: Option<u64>| {
        at_ms.map(|at_ms| {
            view! { <div><dt>{name}</dt><dd><time title=words::utc(at_ms)>{words::ago(now_ms, at_ms)}</time></dd></div> }
        })
    };
    let valid = note.valid_until_ms.map(|until_ms| {
        let how = if until_ms > now_ms { format!("for {}", words::left(until_ms - now_ms)) } else { "not any more".into() };
        view! { <div><dt>"Token valid"</dt><dd><time title=words::utc(until_ms)>{how}</time></dd></div> }
    });
    let known = note.account.is_some() || note.since_ms.is_some() || note.renewed_ms.is_some();
    known.then(|| {
        view! {
            <dl class="facts">
                {fact("Account", note.account.clone().filter(|_| with_account).unwrap_or_default())}
                {time("Signed in", note.since_ms)}
                {time("Last token", note.renewed_ms)}
                {valid}
            </dl>
        }
    })
}

/// The code that somebody has to type, or why it came to nothing.
fn code(id: EntryId, device: DeviceCode, over: bool, now_ms: u64) -> Option<impl IntoView> {
    let DeviceCode { user_code, verification_url, expires_ms, state } = device;
    let left = expires_ms.saturating_sub(now_ms);
    let change = Rights::here().change;
    let watched = user_code.clone();
    match state {
        DeviceState::Done => None,
        DeviceState::Failed(diagnosis) => Some(Either::Left(view! {
            <section class="group" id="device" aria-labelledby="g-device" tabindex=over.then_some("-1") autofocus=over>
                <h2 id="g-device">"The code came to nothing"</h2>
                {diagnosed(*diagnosis)}
            </section>
        })),
        DeviceState::Waiting => Some(Either::Right(view! {
            <section
                class="group"
                id="device"
                aria-labelledby="g-device"
                data-watch=format!("/api/servers/device?id={id}")
                data-watched=watched
                data-then=format!("/servers/{id}/azure?device")
                data-left=left.to_string()
            >
                <h2 id="g-device">"Enter this code"</h2>
                <p class="once code">
                    <output class="machine">{user_code.clone()}</output>
                    <button type="button" class="small needs-script" data-copy=user_code aria-label="Copy code">"Copy"</button>
                </p>
                <p class="once address">
                    <span>"at " <a href=verification_url.clone() target="_blank" rel="noreferrer">{verification_url.clone()}</a></span>
                    <button type="button" class="quiet small needs-script" data-copy=verification_url aria-label="Copy address">"Copy"</button>
                </p>
                <p class="muted">
                    "On any device, as the mailbox. Whoever enters it lets this server send as whom they sign in. It counts for "
                    <span id="left">{words::left(left)}</span> "."
                </p>
                <p class="state running needs-script" role="status">"Waiting for somebody to enter it."</p>
                <div class="actions">
                    <a class="button no-script" href=format!("/servers/{id}/azure?device")>"Look again"</a>
                    {change.then(|| post(id, "device-code/cancel", "Cancel", false))}
                </div>
            </section>
        })),
    }
}

/// What has to be set up, and what can't work.
fn to_set_up(username: &str, azure: &AzureOut, redirect: &str) -> impl IntoView + use<> {
    let strategy = words::choice(domain::field::Field::AzureStrategy, azure.strategy.key());
    let items = checklist(username, azure, redirect).into_iter().map(item).collect_view();
    let limits = (azure.strategy == Strategy::Password).then(|| {
        view! {
            <p class="notice">
                "This strategy works only where a password is enough: not with multi-factor sign-in, Conditional Access or security defaults, and not for accounts that sign in elsewhere (federated)."
            </p>
        }
    });
    let refused = azure.strategy == Strategy::AuthorizationCode && !is_taken(redirect);
    let refused = refused.then(|| {
        view! {
            <p class="notice warning">
                "Sign-in services refuse the redirect address " <span class="machine">{redirect.to_owned()}</span>
                ": they take https:// or http://localhost only. Serve Postroom by https, and start it with --public-url."
            </p>
        }
    });
    let username = username.to_owned();
    view! {
        <section class="group" aria-labelledby="g-azure">
            <h2 id="g-azure">"What to set up at " {whom(azure.provider)}</h2>
            <p class="muted">"For the strategy “" {strategy} "” and " {username} ", as they are saved."</p>
            {limits}
            {refused}
            <ol class="checklist">{items}</ol>
        </section>
    }
}

/// Whether a sign-in service leads back to this address.
fn is_taken(redirect: &str) -> bool {
    redirect.starts_with("https://") || redirect.starts_with("http://localhost:") || redirect.starts_with("http://localhost/")
}

fn item(Item { text, line }: Item) -> impl IntoView {
    let line = line.map(|line| {
        view! {
            <p class="actions line">
                <code class="machine">{line.clone()}</code>
                <button type="button" class="quiet small needs-script" data-copy=line.clone() title=format!("Copy {line}")>"Copy"</button>
            </p>
        }
    });
    view! { <li><p>{text}</p> {line}</li> }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_address_is_encrypted_or_of_this_machine() {
        for redirect in ["https://post.example.com/oauth/callback", "http://localhost:3000/oauth/callback", "http://localhost/x"] {
            assert!(is_taken(redirect), "{redirect}");
        }
        for redirect in ["http://post.example.com/oauth/callback", "http://localhost.evil.example/", "http://127.0.0.1:3000/x"] {
            assert!(!is_taken(redirect), "{redirect}");
        }
    }
}
