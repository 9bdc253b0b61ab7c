//! The document around every page, and the routes.

use leptos::prelude::*;
use leptos_meta::{MetaTags, provide_meta_context};
use leptos_router::components::{Route, Router, Routes};
use leptos_router::{SsrMode, path};

use crate::pages::{EntryPage, ListPage, NewPage, NotFound, TrashPage};

/// The whole document, as the server renders it.
pub fn shell() -> impl IntoView {
    #[cfg(feature = "ssr")]
    let assets = use_context::<crate::backend::Assets>().unwrap_or_default();
    #[cfg(feature = "ssr")]
    let head = {
        let nonce = leptos::nonce::use_nonce();
        let theme = nonce.clone();
        // Before the first paint, so that the page never flashes in the other theme.
        let theme = view! {
            <script nonce=theme>
                "try{let t=JSON.parse(localStorage.getItem('theme'));if(t)document.documentElement.dataset.theme=t}catch{}"
            </script>
        };
        let style = assets.style.map(|href| view! { <link rel="stylesheet" href=href/> });
        let icon = assets.icon.map(|href| view! { <link rel="icon" type="image/svg+xml" href=href/> });
        let program = assets.script.zip(assets.wasm).map(|(script, wasm)| {
            let start = format!("import init,{{hydrate}} from '{script}';await init({{module_or_path:'{wasm}'}});hydrate()");
            view! {
                <link rel="modulepreload" href=script.clone() nonce=nonce.clone()/>
                <link rel="preload" href={wasm.clone()} as="fetch" r#type="application/wasm" crossorigin=""/>
                <script type="module" nonce=nonce>{start}</script>
            }
        });
        view! { {theme} {icon} {style} {program} }
    };
    #[cfg(not(feature = "ssr"))]
    let head = ();
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="light dark"/>
                {head}
                <MetaTags/>
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
    provide_meta_context();
    view! {
        <Router>
            <a class="skip" href="#main" rel="external">"Skip to the content"</a>
            <header class="site">
                <a class="brand" href="/" rel="external">"Postroom"</a>
                <crate::components::SiteTools/>
            </header>
            <main id="main" tabindex="-1">
                <Routes fallback=NotFound>
                    <Route path=path!("/") view=ListPage ssr=SsrMode::Async/>
                    <Route path=path!("/servers/new") view=NewPage ssr=SsrMode::Async/>
                    <Route path=path!("/servers/trash") view=TrashPage ssr=SsrMode::Async/>
                    <Route path=path!("/servers/:id") view=EntryPage ssr=SsrMode::Async/>
                </Routes>
            </main>
        </Router>
    }
}
