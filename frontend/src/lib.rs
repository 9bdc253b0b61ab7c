//! The WebAssembly entry point: it hydrates the pages and nothing else.

#![recursion_limit = "512"]

use wasm_bindgen::prelude::wasm_bindgen;

/// Brings the page that the server rendered to life.
#[wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    app::browser::remember_early_input();
    leptos::mount::hydrate_body(app::App);
}
