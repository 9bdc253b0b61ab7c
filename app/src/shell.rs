//! The document around every page.

#[cfg(feature = "ssr")]
use domain::error::Problem;
use leptos::prelude::*;

use crate::components::SiteTools;
#[cfg(feature = "ssr")]
use crate::pages::Plain;
use crate::pages::{Page, PageView, Section};

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
    let page = page();
    let section = page.section();
    view! {
        <a class="skip" href="#main">"Skip to the content"</a>
        <header class="site">
            <a class="brand" href="/">"Postroom"</a>
            <nav aria-label="Postroom">{link(Section::Servers, section)} {link(Section::Certificates, section)}</nav>
            <SiteTools/>
        </header>
        <main id="main" tabindex="-1">
            <PageView page/>
        </main>
    }
}

/// What this page is, on the server: the document carries what the browser needs of it.
#[cfg(feature = "ssr")]
fn page() -> Page {
    let page = use_context::<Page>().unwrap_or_else(|| Plain::Failed(Problem::Internal.into()).into());
    let _ = SharedValue::new_str(|| serde_json::to_string(&page.for_browser()).unwrap_or_default());
    page
}

/// What this page is, from the document. What can't be read stays as it came.
#[cfg(not(feature = "ssr"))]
fn page() -> Page {
    let written = SharedValue::new_str(String::new).into_inner();
    // From bytes, as the API's answers are read: reading text would be a second reader for every type.
    serde_json::from_slice(written.as_bytes()).unwrap_or(Page::Plain)
}

/// A part of the site in the header, marked where the page belongs to it.
fn link(to: Section, current: Option<(Section, bool)>) -> impl IntoView {
    let (href, text) = match to {
        Section::Servers => ("/", "Mail SMTP servers"),
        Section::Certificates => ("/certificates", "Certificates"),
    };
    let current = current.filter(|(section, _)| *section == to).map(|(_, own)| if own { "page" } else { "true" });
    view! { <a href=href aria-current=current>{text}</a> }
}
