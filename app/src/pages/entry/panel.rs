//! What the server presents, what is to be thought of it, and the buttons that trust it: before anything is trusted, the
//! fingerprint is seen.

use domain::trust::{FindingKind, Inspection, Presented};
use leptos::prelude::*;

use super::inspection::{INSPECTED, Trusting, VERDICT};
use crate::components::stages;
use crate::components::{facts, short_name, target};
use crate::pages::{Look, Rights};

/// The panel.
pub(super) fn panel(look: Look) -> impl IntoView {
    match look {
        Look::Found { found: Some(inspection) } => found(*inspection).into_any(),
        Look::Found { found: None } => ().into_any(),
        Look::Trusted => {
            view! { <p class="notice good"><span class="headline">"Trusted. Check the connection now."</span></p> }.into_any()
        }
    }
}

fn issuer(inspection: &Inspection) -> Option<&Presented> {
    inspection.chain.get(inspection.issuer?)
}

fn found(inspection: Inspection) -> impl IntoView {
    let trusted = inspection.is_trusted();
    let class = if trusted { "notice good" } else { "notice bad" };
    let verdict = match (inspection.chain.is_empty(), trusted, inspection.is_changed()) {
        (true, ..) => inspection.headline.clone(),
        (_, true, _) => "This certificate is trusted.".into(),
        (_, _, true) => "This isn't the certificate that is trusted here.".into(),
        _ => "This certificate isn't trusted here.".into(),
    };
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
        <div class=class id=VERDICT tabindex="-1" autofocus>
            <p class="headline">{verdict}</p>
            <ul class="findings">{findings}</ul>
        </div>
        {chain}
        <details class="said"><summary>"What was said"</summary>{rows}</details>
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
    let change = Rights::here().change;
    let actions = (!trusted && change).then(|| actions(inspection));
    view! {
        <div class="cards" class:pair=changed>{old} {leaf}</div>
        {(!trusted).then(|| view! { <p class="help">"Compare the SHA-256 with what whoever runs the server tells you."</p> })}
        {above}
        {actions}
        {(!trusted && !change).then(|| view! { <p class="help">"Trusting it takes an administrator."</p> })}
    }
}

fn actions(inspection: &Inspection) -> impl IntoView + use<> {
    let whom = target(&inspection.host, inspection.port);
    let found = |kind| inspection.findings.iter().any(|finding| finding.kind == kind);
    let button = |trusting: Trusting, class: &'static str, label: String| {
        view! { <button name="action" value=trusting.value() class=class>{label}</button> }
    };
    // What is trusted beyond its dates is never trusted so in passing.
    let although = match (found(FindingKind::NotYetValid), found(FindingKind::Expired)) {
        (true, _) => Some("although it isn't valid yet"),
        (_, true) => Some("although it expired"),
        _ => None,
    };
    let pins = match (inspection.is_changed(), although) {
        (false, None) => vec![button(Trusting::This, "primary", "Trust this certificate".into())],
        (false, Some(although)) => vec![button(Trusting::This, "primary", format!("Trust it {although}"))],
        (true, although) => {
            let although = although.map(|although| format!(", {although}")).unwrap_or_default();
            vec![
                button(Trusting::Instead, "primary", format!("Trust this one instead{although}")),
                button(Trusting::Both, "", format!("Trust both{although}")),
            ]
        }
    };
    let other_name = found(FindingKind::WrongName).then(|| view! {
        <p class="help">
            "If it is the right server under another name, such as an address in the place of its name, enter that name as “Certificate name” under Advanced instead."
        </p>
    });
    let issuer = issuer(inspection);
    let name = issuer.map(|issuer| short_name(&issuer.certificate.subject));
    let issuer_button = issuer.map(|_| button(Trusting::Issuer, "", "Trust its issuer".into()));
    let values = [
        inspection.host.clone(),
        inspection.port.to_string(),
        inspection.chain.first().map(|leaf| leaf.pem.clone()).unwrap_or_default(),
        issuer.map(|issuer| issuer.pem.clone()).unwrap_or_default(),
        although.is_some().to_string(),
    ];
    let hidden: Vec<_> =
        INSPECTED.into_iter().zip(values).map(|(name, value)| view! { <input type="hidden" name=name value=value/> }).collect();
    view! {
        {hidden}
        {other_name}
        <div class="actions">{pins} {issuer_button}</div>
        <p class="help">
            "A certificate is trusted for " {whom} " only, until that presents another one."
            {name.map(|name| format!(" Its issuer, {name}, would be trusted for every server."))}
        </p>
    }
}
