//! How applications send: what it takes, and examples to copy.

use leptos::prelude::*;

/// The page "Sending from applications".
#[component]
pub(super) fn ApiHelp(base: String, manages: bool) -> impl IntoView {
    let token = if manages {
        view! { <p>"1. " <a href="/tokens/new">"Make a token"</a> " with the role Operator, limited to “Submit messages” and to the server it is for."</p> }.into_any()
    } else {
        view! { <p>"1. Ask an administrator for a token that may submit messages."</p> }.into_any()
    };
    let examples: Vec<_> = examples(&base).into_iter().map(|(name, text)| example(name, text)).collect();
    view! {
        <div class="page narrow">
            <p class="crumb"><a href="/messages">"Messages"</a></p>
            <h1>"Sending from applications"</h1>
            <section class="group" aria-labelledby="how">
                <h2 id="how">"What it takes"</h2>
                {token}
                <p>
                    "2. Post the message to " <code>{format!("{base}/api/v1/messages")}</code>
                    ": as a form with parts, which may have files of any size, or as JSON of up to 1 MB with files in base64."
                </p>
                <p>
                    "3. Read the answer. It comes once the mail server has decided: 200 means sent, 502 not sent, to nobody, and 504 that nobody knows; "
                    "then look into the mailbox before sending it again. 422 names the fields that need a change."
                </p>
                <p class="muted">
                    "From a workflow's mail node, add " <code>"source=bpm-mail-node"</code>
                    ": the server may then put its own sender address in place of the node's."
                </p>
                <p><a href="/api/openapi.json">"The whole API as OpenAPI 3.1"</a></p>
            </section>
            {examples}
        </div>
    }
}

fn example(name: &'static str, text: String) -> impl IntoView {
    let id = format!("example-{}", name.to_lowercase());
    let labelled = id.clone();
    view! {
        <section class="group" aria-labelledby=labelled>
            <h2 id=id>{name}</h2>
            <pre class="machine example" tabindex="0" role="region" aria-label=format!("Example for {name}")>{text.clone()}</pre>
            <p class="actions"><button type="button" class="quiet small needs-script" data-copy=text>"Copy"</button></p>
        </section>
    }
}

/// Examples that `docs/examples` holds, for this address.
fn examples(base: &str) -> [(&'static str, String); 5] {
    let here = |text: &str| text.trim_end().replace("http://127.0.0.1:3000", base);
    [
        ("curl", here(include_str!("../../../../docs/examples/send.sh"))),
        ("Python", here(include_str!("../../../../docs/examples/send.py"))),
        ("PowerShell", here(include_str!("../../../../docs/examples/send.ps1"))),
        ("Java", here(include_str!("../../../../docs/examples/Send.java"))),
        ("Shell", here(include_str!("../../../../docs/examples/postroom-send.sh"))),
    ]
}
