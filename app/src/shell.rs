//! The document around every page.

#[cfg(feature = "ssr")]
use domain::access::Act;
#[cfg(feature = "ssr")]
use domain::error::Problem;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::components::SiteTools;
use crate::pages::{Page, PageView, Rights};
#[cfg(feature = "ssr")]
use crate::pages::{Plain, Section, Visitor};

/// The whole document, as the server renders it. The page and the addresses of the assets come from the context.
#[cfg(feature = "ssr")]
pub fn shell() -> impl IntoView {
    let title = use_context::<Page>().map(|page| page.title()).unwrap_or_default();
    let assets = use_context::<crate::backend::Assets>().unwrap_or_default();
    let nonce = leptos::nonce::use_nonce();
    let style = assets.stylesheet.map(|href| view! { <link rel="stylesheet" href=href/> });
    let icon = assets.icon.map(|href| view! { <link rel="icon" type="image/svg+xml" href=href/> });
    let program = assets.script.zip(assets.wasm).map(|(script, wasm)| {
        let start = format!("import init,{{hydrate}} from '{script}';await init({{module_or_path:'{wasm}'}});hydrate()");
        view! {
            <link rel="modulepreload" href=script.clone() nonce=nonce.clone()/>
            <link rel="preload" href={wasm.clone()} as="fetch" r#type="application/wasm" crossorigin=""/>
            <script type="module" nonce=nonce.clone()>{start}</script>
        }
    });
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="light dark"/>
                <title>{title}</title>
                // Before the first paint, so that the page never flashes in the other theme.
                <script nonce=nonce>
                    "try{let t=JSON.parse(localStorage.getItem('theme'));if(t)document.documentElement.dataset.theme=t}catch{}"
                </script>
                {icon}
                {style}
                {program}
            </head>
            <body>
                <App/>
            </body>
        </html>
    }
}

/// The program: the same on the server and in the browser.
#[component]
pub fn App() -> impl IntoView {
    let Document { page, rights } = document();
    provide_context(rights);
    let section = section(&page);
    view! {
        <a class="skip" href="#main">"Skip to the content"</a>
        <header class="site">
            <a class="brand" href="/">"Postroom"</a>
            <nav aria-label="Postroom">{parts(section)}</nav>
            <SiteTools/>
            <div class="who">{who(section)}</div>
        </header>
        <main id="main" tabindex="-1">
            <PageView page/>
        </main>
    }
}

/// What the document carries for the browser.
#[derive(Serialize, Deserialize)]
struct Document {
    page: Page,
    #[serde(default)]
    rights: Rights,
}

/// What this page is, on the server: the document carries what the browser needs of it.
#[cfg(feature = "ssr")]
fn document() -> Document {
    let page = use_context::<Page>().unwrap_or_else(|| Plain::Failed(Problem::Internal.into()).into());
    let rights = visitor().map(|visitor| visitor.rights()).unwrap_or_default();
    let for_browser = Document { page: page.for_browser(), rights };
    let _ = SharedValue::new_str(|| serde_json::to_string(&for_browser).unwrap_or_default());
    Document { page, rights }
}

/// What this page is, from the document. What can't be read stays as it came.
#[cfg(not(feature = "ssr"))]
fn document() -> Document {
    let written = SharedValue::new_str(String::new).into_inner();
    // From bytes, as the API's answers are read: reading text would be a second reader for every type.
    serde_json::from_slice(written.as_bytes()).unwrap_or(Document { page: Page::Plain, rights: Rights::default() })
}

/// Who looks at the page; none where nobody is signed in.
#[cfg(feature = "ssr")]
fn visitor() -> Option<Visitor> {
    use_context::<Option<Visitor>>().flatten()
}

/// The part of the site that the page belongs to, and whether it is that part's own page.
#[cfg(feature = "ssr")]
type Place = Option<(Section, bool)>;
#[cfg(not(feature = "ssr"))]
#[derive(Clone, Copy)]
struct Place;

#[cfg(feature = "ssr")]
fn section(page: &Page) -> Place {
    page.section()
}

/// The header is there already, and stays as it came.
#[cfg(not(feature = "ssr"))]
fn section(_: &Page) -> Place {
    Place
}

/// The parts of the site, for whoever may see them.
#[cfg(feature = "ssr")]
fn parts(place: Place) -> impl IntoView {
    visitor().map(|visitor| {
        let manage = visitor.permit.allows(Act::Manage).then(|| {
            view! { {link(Section::Accounts, place)} {link(Section::Tokens, place)} {link(Section::Activity, place)} }
        });
        let see = visitor.permit.allows(Act::See).then(|| {
            view! { {link(Section::Messages, place)} {link(Section::Links, place)} {link(Section::Certificates, place)} }
        });
        view! { {link(Section::Servers, place)} {see} {manage} }
    })
}

#[cfg(not(feature = "ssr"))]
fn parts(_: Place) {}

/// Who is signed in, the way out, and the bar that says when the session is about to end ([`crate::browser`] shows it).
#[cfg(feature = "ssr")]
fn who(place: Place) -> impl IntoView {
    visitor().map(|Visitor { name, idle_left_ms, .. }| {
        let current = place.filter(|(section, _)| *section == Section::Own).map(|(_, own)| if own { "page" } else { "true" });
        let idle = idle_left_ms.map(|left| {
            view! {
                <div class="notice warning idle" id="idle" role="status" hidden data-idle-ms=left.to_string()>
                    <p>"You will be signed out in 2 minutes."</p>
                    <button type="button">"Stay signed in"</button>
                    <a class="button" href="/sign-in" target="_blank" hidden>"Sign in (new tab)"</a>
                </div>
            }
        });
        view! {
            <a href="/account" aria-current=current><span class="hidden">"Your account: "</span>{name}</a>
            <form method="post" action="/sign-out"><button class="quiet">"Sign out"</button></form>
            {idle}
        }
    })
}

#[cfg(not(feature = "ssr"))]
fn who(_: Place) {}

/// A part of the site in the header, marked where the page belongs to it.
#[cfg(feature = "ssr")]
fn link(to: Section, place: Place) -> impl IntoView {
    let (href, text) = match to {
        Section::Servers => ("/", "Mail SMTP servers"),
        Section::Messages => ("/messages", "Messages"),
        Section::Certificates => ("/certificates", "Certificates"),
        Section::Links => ("/links", "Links"),
        Section::Accounts => ("/accounts", "Accounts"),
        Section::Tokens => ("/tokens", "Tokens"),
        Section::Activity => ("/activity", "Activity"),
        Section::Own => ("/account", "Account"),
    };
    let current = place.filter(|(section, _)| *section == to).map(|(_, own)| if own { "page" } else { "true" });
    view! { <a href=href aria-current=current>{text}</a> }
}
