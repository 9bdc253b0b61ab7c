//! Which entries rely on which trusted certificates.

use std::collections::HashMap;
use std::ops::ControlFlow;

use domain::entry::EntryId;
use domain::smtp_server::SmtpServer;
use domain::trust::{Ground, TrustId};

use super::Known;
use crate::store::{Read, StoreError};

/// Entries with their names, by name.
type Entries = Vec<(EntryId, String)>;

/// Who relies on what.
#[derive(Default)]
pub(super) struct Users {
    system: Entries,
    of: HashMap<TrustId, Entries>,
}

/// What vouched in the last encrypted connection of an entry.
struct Relied {
    /// Where it led.
    target: String,
    /// The authority; `None` for one of the machine's.
    authority: Option<TrustId>,
    /// Whether that is what is saved, and encrypts: then its record needn't be read.
    encrypts: bool,
}

impl Users {
    /// Those in a transaction: of a pin the entries with its host and port, of an authority those that it vouched for when they
    /// last connected there. An entry that never encrypts relies on nobody.
    pub(super) fn of(tx: &dyn Read, known: &Known) -> Result<Self, StoreError> {
        let mut relied = HashMap::new();
        tx.scan_proofs(&mut |id, proof| {
            let Some(tested) = proof.proven else { return };
            let (Some(target), Some(seen)) = (tested.target, tested.seen) else { return };
            let encrypts = Some(tested.settings) == proof.saved && target.encrypts;
            let authority = match seen.by.how {
                Ground::System => None,
                Ground::Authority => match known.authority_item(&seen.by.sha256) {
                    Some(item) => Some(item.id),
                    None => return,
                },
                Ground::Pin | Ground::Given => return,
            };
            relied.insert(id, Relied { target: target.text(), authority, encrypts });
        })?;
        let mut found = Vec::new();
        tx.scan(&mut |line| {
            let relied = relied.remove(&line.id).filter(|relied| relied.target == line.target());
            let pins: Vec<TrustId> = known.pinned(line.target()).map(|item| item.id).collect();
            if relied.is_some() || !pins.is_empty() {
                found.push((line.id, line.name.to_owned(), relied, pins));
            }
            ControlFlow::Continue(())
        })?;
        let mut users = Self::default();
        for (id, name, relied, pins) in found {
            let encrypts = relied.as_ref().is_some_and(|relied| relied.encrypts)
                || tx.entry(id)?.is_some_and(|record| record.content.server().is_some_and(SmtpServer::may_encrypt));
            if !encrypts {
                continue;
            }
            let authority = relied.as_ref().and_then(|relied| relied.authority);
            if relied.is_some() && authority.is_none() {
                users.system.push((id, name.clone()));
            }
            for certificate in pins.into_iter().chain(authority) {
                users.of.entry(certificate).or_default().push((id, name.clone()));
            }
        }
        Ok(users)
    }

    /// Who relies on the authorities of this machine.
    pub(super) fn take_system(&mut self) -> Entries {
        std::mem::take(&mut self.system)
    }

    /// Who relies on a certificate.
    pub(super) fn take(&mut self, id: TrustId) -> Entries {
        self.of.remove(&id).unwrap_or_default()
    }
}
