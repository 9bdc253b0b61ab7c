//! One's own account: password, second factor, sessions.

use domain::access::{AccessField, Me, Session};
use domain::error::ApiError;
use domain::secret::Secret;
use domain::words;
use leptos::either::Either;
use leptos::prelude::*;

use super::OwnForm;
use super::fields::{Refused, Text, new_password, once};
use crate::components::ErrorNotice;

/// The page "Your account".
pub(super) fn account(me: Me, form: OwnForm, refused: Option<ApiError>, done: Option<&'static str>) -> impl IntoView {
    let Me { account, recovery_codes, sessions, now_ms } = me;
    let refused = Refused::new(refused);
    let done = done.map(|done| {
        view! { <p class="notice good" tabindex="-1" autofocus data-address="/account"><span class="headline">{done}</span></p> }
    });
    let open = form == OwnForm::Password && refused.any();
    let current = Text::secret(AccessField::Password, "Current password", "current-password").view(&refused);
    let passwords = new_password(&refused, false);
    view! {
        <div class="page medium">
            <div class="title"><div>
                <h1>"Your account"</h1>
                <p class="muted">{account.name.clone()} ", " {words::role(account.role)}". " {words::role_help(account.role)}</p>
            </div></div>
            <ErrorNotice error=Signal::stored(refused.notice)/>
            {done}
            <section class="group" aria-labelledby="g-password">
                <h2 id="g-password">"Password"</h2>
                <details class="fold" open=open>
                    <summary class="button">"Change password"</summary>
                    <form class="group" method="post" action="/account/password">
                        <input type="text" name="name" value=account.name autocomplete="username" readonly hidden/>
                        {current}
                        {passwords}
                        <p class="help">"Every other session of yours ends."</p>
                        <div class="actions"><button class="primary">"Change password"</button></div>
                    </form>
                </details>
            </section>
            {factor(account.second_factor, recovery_codes)}
            {sessions_list(sessions, now_ms)}
        </div>
    }
}

fn factor(on: bool, codes: u64) -> impl IntoView {
    let body = if on {
        let (class, left) = match codes {
            0 => ("state bad", "No recovery code is left: make new ones.".to_owned()),
            1 => ("state warning", "1 recovery code is left.".to_owned()),
            n => ("state good", format!("{n} recovery codes are left.")),
        };
        Either::Left(view! {
            <p><span class=class>"On"</span>": signing in takes a code from your app. " {left}</p>
            <div class="actions">
                <form method="post" action="/account/recovery-codes"><button>"Make new recovery codes"</button></form>
                <form method="post" action="/account/second-factor/off"><button class="danger">"Switch off"</button></form>
            </div>
            <p class="help">"New recovery codes make those of before void."</p>
        })
    } else {
        Either::Right(view! {
            <p><span class="state neutral">"Off"</span>": whoever has your password can sign in."</p>
            <form class="actions" method="post" action="/account/second-factor/offer">
                <button>"Switch on"</button>
                <p class="help">"You need an app for codes on your phone."</p>
            </form>
        })
    };
    view! {
        <section class="group" aria-labelledby="g-factor">
            <h2 id="g-factor">"Second factor"</h2>
            {body}
        </section>
    }
}

fn sessions_list(sessions: Vec<Session>, now_ms: u64) -> impl IntoView {
    let several = sessions.len() > 1;
    let rows: Vec<_> = sessions
        .into_iter()
        .map(|Session { id, current, since_ms, seen_ms, address, agent }| {
            let what = browser(&agent);
            let label = format!("End the session of {what} from {address}");
            let end = if current {
                Either::Left(view! { <span class="tag">"this one"</span> })
            } else {
                Either::Right(view! {
                    <form method="post" action="/account/sessions">
                        <button name="id" value=id.to_string() aria-label=label>"End"</button>
                    </form>
                })
            };
            view! {
                <tr>
                    <th scope="row">{what} <span class="help from">{address}</span></th>
                    <td data-label="Since"><span><time title=words::utc(since_ms)>{words::ago(now_ms, since_ms)}</time></span></td>
                    <td data-label="Last used"><span><time title=words::utc(seen_ms)>{words::ago(now_ms, seen_ms)}</time></span></td>
                    <td>{end}</td>
                </tr>
            }
        })
        .collect();
    let others = several.then(|| {
        view! {
            <form class="actions" method="post" action="/account/sessions">
                <button class="danger" name="id" value="others">"End all others"</button>
            </form>
        }
    });
    view! {
        <section class="group list" id="sessions" aria-labelledby="g-sessions">
            <h2 id="g-sessions">"Sessions"</h2>
            <table>
                <thead><tr><th scope="col">"Where"</th><th scope="col">"Since"</th><th scope="col">"Last used"</th><th><span class="hidden">"End"</span></th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
            {others}
        </section>
    }
}

/// A browser in words, as far as it says anything known.
fn browser(agent: &str) -> String {
    const BROWSERS: [(&str, &str); 7] = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("CriOS/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    const SYSTEMS: [(&str, &str); 6] = [
        ("Windows", "Windows"),
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ];
    let known = |list: &[(&str, &'static str)]| list.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
    match (known(&BROWSERS), known(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) if agent.trim().is_empty() => "Unknown browser".into(),
        (None, None) => words::quote(agent),
    }
}

/// The page that offers a second factor.
pub(super) fn second_factor(
    secret: &Secret,
    uri: &Secret,
    qr: Option<(usize, String)>,
    refused: Option<ApiError>,
) -> impl IntoView + use<> {
    let refused = Refused::new(refused);
    let code = Text { focus: true, ..Text::code("Code") }.help("The six digits that the app shows then.").view(&refused);
    let drawn = qr.map(|(size, path)| {
        view! {
            <svg class="qr" viewBox=format!("0 0 {size} {size}") role="img" aria-label="QR code with the secret">
                <rect width=size.to_string() height=size.to_string() fill="#fff"/>
                <path d=path fill="#000" shape-rendering="crispEdges"/>
            </svg>
        }
    });
    let grouped = secret.expose().as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ");
    view! {
        <div class="page narrow">
            <p class="crumb"><a href="/account">"Your account"</a></p>
            <h1>"Second factor"</h1>
            <ErrorNotice error=Signal::stored(refused.notice)/>
            <form class="group" method="post" action="/account/second-factor">
                <p>"Scan this with an app for codes, such as the one your organisation recommends."</p>
                {drawn}
                <p class="help">
                    "On this very device: " <a href=uri.expose().to_owned()>"open it in the app"</a> ". If the app can't scan, type the secret:"
                </p>
                {once("Secret", &grouped)}
                {code}
                <div class="actions">
                    <a class="button" href="/account">"Back"</a>
                    <button class="primary">"Switch on"</button>
                </div>
            </form>
        </div>
    }
}

/// The page with the codes for recovery.
pub(super) fn recovery_codes(codes: &[Secret], just_on: bool) -> impl IntoView + use<> {
    let all = codes.iter().map(Secret::expose).collect::<Vec<_>>().join("\n");
    let list: Vec<_> = codes.iter().map(|code| view! { <li class="machine">{code.expose().to_owned()}</li> }).collect();
    view! {
        <div class="page narrow">
            <h1>"Recovery codes"</h1>
            {just_on.then(|| view! { <p class="notice good"><span class="headline">"The second factor is on."</span></p> })}
            <section class="group" aria-labelledby="g-codes">
                <h2 id="g-codes">"Keep these now: they are shown this once"</h2>
                <p>"Without your phone, each of them signs you in once. Print them, or put them where your passwords are."</p>
                <ul class="codes">{list}</ul>
                <div class="actions">
                    <button type="button" class="needs-script" data-copy=all>"Copy"</button>
                    <a class="button primary" href="/account">"I have kept them"</a>
                </div>
            </section>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_named_shortly() {
        for (agent, said) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0",
                "Edge on Windows",
            ),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari on iPhone"),
            ("Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
            ("curl/8.0", "curl/8.0"),
            ("", "Unknown browser"),
        ] {
            assert_eq!(browser(agent), said);
        }
    }
}
