//! Which of the certificates that an entry needs end soon, or have ended.

use domain::certificate::{Certificate, Validity};
use domain::smtp_server::SmtpServer;
use domain::trust::{Expiring, Ground, Needed};

use crate::store::{Proof, Record, Seen, Target};
use crate::trust::Known;

/// Those of an entry, at `now_ms` (milliseconds since 1970). A pinned certificate that outlives its dates ends nothing, and while
/// one is pinned, who else could vouch doesn't matter.
pub(super) fn of(record: &Record, proof: Option<&Proof>, known: &Known, now_ms: u64) -> Vec<Expiring> {
    let Some(server) = record.content.server() else { return Vec::new() };
    let mut ending: Vec<Expiring> = client_secret(server, now_ms).into_iter().collect();
    if !server.has_use_for_client_certificate() {
        return ending;
    }
    let target = Target::of(server);
    let mut look = |role, certificate: &Certificate| {
        let validity = certificate.validity(now_ms);
        if validity.expires_soon() || matches!(validity, Validity::Expired { .. }) {
            let Certificate { subject, not_after, .. } = certificate;
            ending.push(Expiring { role, subject: subject.clone(), not_after: not_after.clone() });
        }
    };
    let mut pinned = false;
    for (certificate, pin) in known.pins(&target.text()).filter(|_| server.may_encrypt()) {
        pinned = true;
        if !pin.outlives {
            look(Needed::Pin, certificate);
        }
    }
    let seen = proof.and_then(|proof| proof.seen(&target)).filter(|seen| !pinned && seen.by.how != Ground::Pin);
    let authority = seen.filter(|seen| seen.by.how == Ground::Authority).and_then(|seen| known.authority(&seen.by.sha256));
    if let Some(authority) = authority {
        look(Needed::Authority, authority);
    }
    if let Some(client) = &record.client_certificate {
        look(Needed::Client, client);
    }
    if let Some(seen) = seen {
        look(Needed::Server, &certificate(seen));
    }
    ending
}

/// The secret of its application, on the day that was entered for it: until that day begins it counts for sure.
fn client_secret(server: &SmtpServer, now_ms: u64) -> Option<Expiring> {
    let oauth = server.oauth()?;
    let not_after = format!("{}T00:00:00Z", oauth.secret_expires.as_ref()?);
    let dates = Certificate { not_before: "1970-01-01T00:00:00Z".into(), not_after: not_after.clone(), ..Certificate::default() };
    let validity = dates.validity(now_ms);
    let ends = validity.expires_soon() || matches!(validity, Validity::Expired { .. });
    ends.then(|| Expiring { role: Needed::ClientSecret, subject: String::new(), not_after })
}

/// As much of it as was kept.
fn certificate(seen: &Seen) -> Certificate {
    Certificate {
        subject: seen.subject.clone(),
        not_before: seen.not_before.clone(),
        not_after: seen.not_after.clone(),
        ..Certificate::default()
    }
}
