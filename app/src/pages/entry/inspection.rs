//! What the server presents, what is to be thought of it, and the buttons that trust it: before anything is trusted, the
//! fingerprint is seen.

use domain::smtp_server::ServerDraft;
#[cfg(feature = "hydrate")]
use domain::trust::NewPin;
use domain::trust::{FindingKind, Inspection, Presented};
use leptos::prelude::*;

use super::report::stages;
use crate::components::{facts, short_name};

/// What a button of the panel trusts. Its value is the button's, and what a form posts as `action`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trusting {
    /// The server's certificate.
    This,
    /// The server's certificate in the place of those that are pinned.
    Instead,
    /// The server's certificate beside those that are pinned.
    Both,
    /// The authority that issued it.
    Issuer,
}

impl Trusting {
    const ALL: [(Self, &'static str); 4] =
        [(Self::This, "trust"), (Self::Instead, "trust-instead"), (Self::Both, "trust-both"), (Self::Issuer, "trust-issuer")];

    /// The one with this value.
    pub fn parse(value: &str) -> Option<Self> {
        Self::ALL.into_iter().find_map(|(trusting, known)| (known == value).then_some(trusting))
    }

    fn value(self) -> &'static str {
        Self::ALL.into_iter().find_map(|(known, value)| (known == self).then_some(value)).unwrap_or_default()
    }
}

/// The panel's hidden fields: what was inspected, so that exactly this is trusted and not what the server presents by then.
pub const INSPECTED: [&str; 5] =
    ["inspected_host", "inspected_port", "inspected_pem", "inspected_issuer_pem", "inspected_outlives"];

/// What trusting came to, in a sentence.
pub const TRUSTED: &str = "Trusted. Check the connection now.";

/// What "Inspect certificate" has come to.
#[derive(Clone, Debug)]
pub(super) enum Look {
    /// The server is being asked.
    #[cfg_attr(not(feature = "hydrate"), expect(dead_code, reason = "only the browser waits"))]
    Looking,
    /// What it presents, and what was typed then.
    Found(Box<Inspection>, Box<ServerDraft>),
    /// Something was trusted; in a sentence.
    Trusted(String),
}

impl Look {
    /// Whether the server was asked with something else than `now`.
    pub(super) fn is_outdated(&self, now: &ServerDraft) -> bool {
        matches!(self, Self::Found(_, typed) if **typed != *now)
    }
}

/// The element id of the panel, for the focus.
pub(super) const PANEL: &str = "inspection";

/// What a button of the panel is to trust of what was inspected: a certificate to pin, or an authority's PEM.
#[cfg(feature = "hydrate")]
pub(super) enum Wanted {
    Pin(NewPin),
    Authority(String),
}

/// What `trusting` means for `inspection`.
#[cfg(feature = "hydrate")]
pub(super) fn wanted(inspection: &Inspection, trusting: Trusting) -> Option<Wanted> {
    if trusting == Trusting::Issuer {
        return issuer(inspection).map(|issuer| Wanted::Authority(issuer.pem.clone()));
    }
    Some(Wanted::Pin(NewPin {
        host: inspection.host.clone(),
        port: inspection.port,
        pem: inspection.chain.first()?.pem.clone(),
        outlives: is_out_of_date(inspection),
        replace: trusting == Trusting::Instead,
    }))
}

fn issuer(inspection: &Inspection) -> Option<&Presented> {
    inspection.chain.get(inspection.issuer?)
}

fn is_out_of_date(inspection: &Inspection) -> bool {
    inspection.findings.iter().any(|finding| matches!(finding.kind, FindingKind::Expired | FindingKind::NotYetValid))
}

/// The panel under the buttons.
#[component]
pub(super) fn Panel(look: Look, outdated: Signal<bool>) -> impl IntoView {
    match look {
        Look::Looking => notice("notice", "Asking the server for its certificate…".into()).into_any(),
        Look::Trusted(sentence) => notice("notice good", sentence).into_any(),
        Look::Found(inspection, _) => found(*inspection, outdated).into_any(),
    }
}

fn notice(class: &'static str, sentence: String) -> impl IntoView {
    view! { <div class=class id=PANEL tabindex="-1"><p class="headline" role="status">{sentence}</p></div> }
}

fn found(inspection: Inspection, outdated: Signal<bool>) -> impl IntoView {
    let class = if inspection.is_trusted() { "notice good" } else { "notice bad" };
    let findings: Vec<_> = inspection
        .findings
        .iter()
        .map(|finding| {
            let mark = if finding.kind == FindingKind::Trusted { "✓ " } else { "✕ " };
            view! { <li><span aria-hidden="true">{mark}</span>{finding.words.clone()}</li> }
        })
        .collect();
    let rows = stages(&inspection.events);
    let chain = (!inspection.chain.is_empty()).then(|| chain(&inspection));
    view! {
        <div class="report" class:outdated=move || outdated.get()>
            <p class="muted" hidden=move || !outdated.get()>"From before your change."</p>
            <div class=class id=PANEL tabindex="-1" autofocus>
                <p class="headline" role="status">{inspection.headline.clone()}</p>
                <ul class="findings">{findings}</ul>
            </div>
            {chain}
            <details class="said"><summary>"What was said"</summary>{rows}</details>
        </div>
    }
}

/// The certificates, and what can be done about them.
fn chain(inspection: &Inspection) -> impl IntoView + use<> {
    let now_ms = inspection.now_ms;
    let changed = inspection.is_changed();
    let trusted = inspection.is_trusted();
    let card = |title: String, certificate| {
        view! { <section class="card"><h3>{title}</h3>{facts(certificate, now_ms, ())}</section> }
    };
    let old: Vec<_> = inspection
        .pinned
        .iter()
        .filter(|_| changed)
        .map(|pinned| card("Trusted until now".into(), pinned.certificate.clone()))
        .collect();
    let title = if changed { "Presented now" } else { "The server's certificate" };
    let leaf = inspection.chain.first().map(|leaf| card(title.into(), leaf.certificate.clone()));
    let above: Vec<_> = inspection
        .chain
        .iter()
        .skip(1)
        .map(|above| {
            let name = short_name(&above.certificate.subject);
            view! { <details class="card"><summary>"Sent along: " {name}</summary>{facts(above.certificate.clone(), now_ms, ())}</details> }
        })
        .collect();
    let actions = (!trusted).then(|| actions(inspection));
    view! {
        <div class="cards" class:pair=changed>{old} {leaf}</div>
        <p class="help">"Compare the SHA-256 with what whoever runs the server tells you."</p>
        {above}
        {actions}
    }
}

fn actions(inspection: &Inspection) -> impl IntoView + use<> {
    let whom = format!("{}:{}", inspection.host, inspection.port);
    let out_of_date = is_out_of_date(inspection);
    let button = |trusting: Trusting, class: &'static str, label: &'static str| {
        view! { <button name="action" value=trusting.value() class=class>{label}</button> }
    };
    let pins: Vec<_> = if inspection.is_changed() {
        vec![button(Trusting::Instead, "primary", "Trust this one instead"), button(Trusting::Both, "", "Trust both")]
    } else if inspection.findings.iter().any(|finding| finding.kind == FindingKind::NotYetValid) {
        vec![button(Trusting::This, "primary", "Trust it although it isn't valid yet")]
    } else if out_of_date {
        vec![button(Trusting::This, "primary", "Trust it although it expired")]
    } else {
        vec![button(Trusting::This, "primary", "Trust this certificate")]
    };
    let issuer = issuer(inspection);
    let name = issuer.map(|issuer| short_name(&issuer.certificate.subject));
    let issuer_button = issuer.map(|_| button(Trusting::Issuer, "", "Trust its issuer"));
    let values = [
        inspection.host.clone(),
        inspection.port.to_string(),
        inspection.chain.first().map(|leaf| leaf.pem.clone()).unwrap_or_default(),
        issuer.map(|issuer| issuer.pem.clone()).unwrap_or_default(),
        out_of_date.to_string(),
    ];
    let hidden: Vec<_> =
        INSPECTED.into_iter().zip(values).map(|(name, value)| view! { <input type="hidden" name=name value=value/> }).collect();
    view! {
        {hidden}
        <div class="actions">{pins} {issuer_button}</div>
        <p class="help">
            "A certificate is trusted for " {whom} " only, until that presents another one."
            {name.map(|name| format!(" Its issuer, {name}, would be trusted for every server."))}
        </p>
    }
}
