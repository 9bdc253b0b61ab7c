//! What is trusted at one moment, read once for everything that asks until it changes.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use domain::certificate::Certificate;
use domain::host::Host;
use domain::trust::{Pin, TrustId};
use rustls::pki_types::CertificateDer;

use crate::certificate::summary;
use crate::mailer::{Pinned, Trust, TrustList};
use crate::store::{Read, StoreError, TrustRecord};

/// What is trusted.
pub struct Known {
    epoch: u64,
    system: bool,
    items: Vec<Item>,
    /// Where the pins of a `host:port` are.
    pins: HashMap<String, Vec<usize>>,
    /// Where the authorities are, by SHA-256.
    authorities: HashMap<String, usize>,
    trust: OnceLock<Arc<Trust>>,
}

/// A certificate that is trusted.
pub(super) struct Item {
    pub(super) id: TrustId,
    pub(super) record: TrustRecord,
    pub(super) certificate: Certificate,
    /// The server it is pinned for.
    pub(super) host: Option<Host>,
}

impl Item {
    /// # Errors
    /// [`StoreError::Corrupt`] if its host can't be read.
    pub(super) fn new(id: TrustId, record: TrustRecord) -> Result<Self, StoreError> {
        let read = |pin: &Pin| {
            let corrupt = || StoreError::Corrupt { detail: format!("trusted certificate {id}: its host can't be read") };
            Host::parse(&pin.host).map_err(|_| corrupt())
        };
        let host = record.pin.as_ref().map(read).transpose()?;
        Ok(Self { id, certificate: summary(&record.der), record, host })
    }

    /// The server it is pinned for, as [`crate::store::IndexLine::target`]; `None` for an authority.
    pub(super) fn server(&self) -> Option<String> {
        Some(self.host.as_ref()?.with_port(self.record.pin.as_ref()?.port))
    }

    /// Whether the same certificate is trusted for the same.
    pub(super) fn is_as(&self, record: &TrustRecord) -> bool {
        let server = |pin: &Pin| (pin.host.clone(), pin.port);
        self.record.der == record.der && self.record.pin.as_ref().map(server) == record.pin.as_ref().map(server)
    }
}

impl Known {
    /// What is trusted in a transaction.
    pub(super) fn read(tx: &dyn Read) -> Result<Self, StoreError> {
        let (epoch, system) = (tx.trust_epoch()?, tx.trusts_system()?);
        let (mut items, mut pins, mut authorities) = (Vec::new(), HashMap::<_, Vec<_>>::new(), HashMap::new());
        for (at, (id, record)) in tx.trusted()?.into_iter().enumerate() {
            let item = Item::new(id, record)?;
            match item.server() {
                Some(server) => pins.entry(server).or_default().push(at),
                None => _ = authorities.insert(item.certificate.sha256.clone(), at),
            }
            items.push(item);
        }
        Ok(Self { epoch, system, items, pins, authorities, trust: OnceLock::new() })
    }

    /// Tells it from what was trusted before and will be later ([`Read::trust_epoch`]).
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether the authorities of this machine are trusted.
    pub const fn trusts_system(&self) -> bool {
        self.system
    }

    /// The same for connections; built once.
    pub fn trust(&self) -> Arc<Trust> {
        Arc::clone(self.trust.get_or_init(|| Arc::new(Trust::new(self.list()))))
    }

    fn list(&self) -> TrustList {
        let mut list = TrustList { system: self.system, ..TrustList::default() };
        for Item { record, host, .. } in &self.items {
            let certificate = CertificateDer::from(record.der.clone());
            match (&record.pin, host) {
                (Some(Pin { port, outlives, .. }), Some(host)) => {
                    list.pins.push(Pinned { host: host.clone(), port: *port, outlives: *outlives, certificate });
                }
                _ => list.authorities.push(certificate),
            }
        }
        list
    }

    /// What is pinned for a server ([`crate::store::IndexLine::target`]).
    pub(crate) fn pins(&self, target: &str) -> impl Iterator<Item = (&Certificate, &Pin)> {
        self.pinned(target).filter_map(|item| Some((&item.certificate, item.record.pin.as_ref()?)))
    }

    /// The same with everything.
    pub(super) fn pinned(&self, target: &str) -> impl Iterator<Item = &Item> {
        self.pins.get(target).into_iter().flatten().map(|at| &self.items[*at])
    }

    /// An authority by its SHA-256.
    pub(crate) fn authority(&self, sha256: &str) -> Option<&Certificate> {
        self.authority_item(sha256).map(|item| &item.certificate)
    }

    /// The same with everything.
    pub(super) fn authority_item(&self, sha256: &str) -> Option<&Item> {
        self.authorities.get(sha256).map(|at| &self.items[*at])
    }

    /// All of it, by id.
    pub(super) fn items(&self) -> &[Item] {
        &self.items
    }

    /// One by its id.
    pub(super) fn item(&self, id: TrustId) -> Option<&Item> {
        self.items.binary_search_by_key(&id, |item| item.id).ok().map(|at| &self.items[at])
    }
}
