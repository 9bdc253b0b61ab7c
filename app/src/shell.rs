//! The document around every page.

use domain::error::Problem;
use leptos::prelude::*;

use crate::components::SiteTools;
use crate::pages::{Page, PageView};

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
    // The browser only reads it: what would write it stays out of its program.
    #[cfg(feature = "ssr")]
    let written = || use_context::<Page>().and_then(|page| serde_json::to_string(&page).ok()).unwrap_or_default();
    #[cfg(not(feature = "ssr"))]
    let written = String::new;
    let page = SharedValue::new_str(written);
    // From bytes, as the API's answers are read: reading text would be a second reader for every type.
    let page = serde_json::from_slice(page.into_inner().as_bytes()).unwrap_or_else(|_| Page::Failed(Problem::Internal.into()));
    view! {
        <a class="skip" href="#main">"Skip to the content"</a>
        <header class="site">
            <a class="brand" href="/">"Postroom"</a>
            <SiteTools/>
        </header>
        <main id="main" tabindex="-1">
            <PageView page/>
        </main>
    }
}
