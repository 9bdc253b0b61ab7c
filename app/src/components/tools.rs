//! The tools at the top of every page: the theme and the list of shortcuts.

use leptos::prelude::*;

/// The shortcuts, as they are listed and as [`crate::browser`] carries them out.
pub(crate) const SHORTCUTS: [(&str, &str); 5] = [
    ("/", "Go to the search"),
    ("n", "Add a server; certificates, where those are listed"),
    ("t", "Check the connection of the server on this page"),
    ("Ctrl S", "Save"),
    ("?", "Show this list"),
];

/// Theme and shortcuts. They need the program, so they are hidden until it runs.
#[component]
pub(crate) fn SiteTools() -> impl IntoView {
    let running = RwSignal::new(false);
    let letters = RwSignal::new(true);
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| {
        letters.set(crate::browser::letters_enabled());
        running.set(true);
        crate::browser::install_shortcuts();
        crate::browser::watch_presses();
        crate::browser::follow_attributes();
    });
    let keys: Vec<_> = SHORTCUTS.iter().map(|(key, what)| view! { <dt><kbd>{*key}</kbd></dt><dd>{*what}</dd> }).collect();
    let theme = move |_| {
        #[cfg(feature = "hydrate")]
        crate::browser::toggle_theme();
    };
    let switch_letters = move |ev| {
        letters.set(event_target_checked(&ev));
        #[cfg(feature = "hydrate")]
        crate::browser::enable_letters(letters.get_untracked());
    };
    let show = move |_| {
        #[cfg(feature = "hydrate")]
        crate::browser::show_shortcuts();
    };
    view! {
        <div class="tools" hidden=move || !running.get()>
            <button type="button" class="quiet" on:click=show>"Shortcuts"</button>
            <button type="button" class="quiet" on:click=theme aria-label="Switch between light and dark" title="Switch between light and dark">
                <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
                    <circle cx="8" cy="8" r="6.5" fill="none" stroke="currentColor" stroke-width="1.5"/>
                    <path d="M8 1.5a6.5 6.5 0 0 1 0 13z" fill="currentColor"/>
                </svg>
            </button>
        </div>
        <dialog id="shortcuts" aria-labelledby="shortcuts-title">
            <form method="dialog">
                <h2 id="shortcuts-title">"Shortcuts"</h2>
                <dl class="keys">{keys}</dl>
                <label>
                    <input type="checkbox" prop:checked=move || letters.get() on:change=switch_letters/>
                    "Use single-letter shortcuts"
                </label>
                <div class="actions"><button>"Close"</button></div>
            </form>
        </dialog>
    }
}
