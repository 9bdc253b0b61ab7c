//! Any series of operations does to the store what it does to a model that is too simple to be wrong, refusals included,
//! also when the file is opened anew in between.
#![expect(clippy::unwrap_used, reason = "a test")]

mod store_support;

use std::collections::BTreeMap;

use domain::entry::{EntryId, UNDO_MS, Version};
use domain::error::Problem;
use domain::field::Field;
use domain::secret::{Secret, SecretChange};
use domain::smtp_server::Checked;
use domain::trust::{NewPin, TrustId};
use proptest::prelude::*;
use server::entries::{Entries, UNDO_GRACE_MS};
use server::store::{RedbStore, TrustRecord};
use store_support::certificates::{FIRST, Made, SECOND};
use store_support::memory::Memory;
use store_support::world::{World, bench, start};
use store_support::*;

/// Different spellings of the same names.
const NAMES: [&str; 6] = ["mail", "MAIL", "fax", "Fax", "backup", "x"];

#[derive(Clone, Debug)]
enum Step {
    CreateNamed { name: usize },
    Create { server: Typed },
    Save { id: u64, behind: u64, server: Typed },
    Trash { ids: Vec<u64>, heir: Option<u64> },
    Undo { batch: u64 },
    Authorities { which: Vec<usize> },
    Pin { which: usize, host: usize, replace: bool },
    System { on: bool },
    TrashTrusted { ids: Vec<u64> },
    UndoTrusted { batch: u64 },
    Wait { ms: u64 },
    Purge,
    Reopen,
}

/// Certificates to trust.
const CERTIFICATES: [&std::sync::LazyLock<Made>; 2] = [&FIRST, &SECOND];
/// Servers to pin them for.
const HOSTS: [&str; 2] = ["one.example.com", "two.example.com"];

/// What a form holds.
#[derive(Clone, Debug)]
struct Typed {
    name: usize,
    host: bool,
    default: bool,
    password: SecretChange,
}

impl Typed {
    fn checked(&self) -> Checked {
        let mut draft = draft(NAMES[self.name]);
        draft.host = self.host().into();
        draft.default = self.default;
        Checked { password: self.password.clone(), ..checked(&draft) }
    }

    const fn host(&self) -> &'static str {
        if self.host { "one.example.com" } else { "two.example.com" }
    }
}

#[derive(Clone, Debug)]
struct Entry {
    name: &'static str,
    version: u64,
    host: Option<&'static str>,
    password: Option<String>,
}

#[derive(Clone, Debug)]
struct Trashed {
    at: u64,
    entries: BTreeMap<u64, Entry>,
    default: Option<u64>,
    heir: Option<u64>,
}

/// A trusted certificate: which, and for which server.
type Trust = (usize, Option<usize>);

#[derive(Clone, Debug, PartialEq)]
enum Refusal {
    Fields(Vec<Field>),
    NoSuchEntry,
    NothingChosen,
    Stale(u64),
    UndoGone,
    UndoNameTaken,
    NoSuchCertificate,
    NoCertificateChosen,
}

#[derive(Clone, Debug, Default)]
struct Model {
    entries: BTreeMap<u64, Entry>,
    default: Option<u64>,
    trash: BTreeMap<u64, Trashed>,
    trusted: BTreeMap<u64, Trust>,
    trust_trash: BTreeMap<u64, (u64, BTreeMap<u64, Trust>)>,
    system_off: bool,
    drawn: u64,
    now: u64,
}

impl Model {
    /// The step with numbers of what there is, in place of most of those that were rolled.
    fn aimed(&self, step: &Step) -> Step {
        let ids: Vec<u64> = self.entries.keys().copied().collect();
        let ready: Vec<u64> = self.entries.iter().filter(|(_, entry)| entry.host.is_some()).map(|(id, _)| *id).collect();
        let batches: Vec<u64> = self.trash.keys().copied().collect();
        let trusted: Vec<u64> = self.trusted.keys().copied().collect();
        let trust_batches: Vec<u64> = self.trust_trash.keys().copied().collect();
        let aim = |there: &[u64], rolled: u64| match usize::try_from(rolled) {
            Ok(rolled) if !there.is_empty() && rolled % 8 != 0 => there[rolled % there.len()],
            _ => rolled,
        };
        let mut step = step.clone();
        match &mut step {
            Step::Save { id, .. } => *id = aim(&ids, *id),
            Step::Undo { batch } => *batch = aim(&batches, *batch),
            Step::UndoTrusted { batch } => *batch = aim(&trust_batches, *batch),
            Step::TrashTrusted { ids: chosen } => chosen.iter_mut().for_each(|id| *id = aim(&trusted, *id)),
            Step::Trash { ids: chosen, heir } => {
                for id in chosen.iter_mut() {
                    *id = aim(&ids, *id);
                }
                chosen.sort_unstable();
                chosen.dedup();
                *heir = heir.map(|heir| aim(&ready, heir));
            }
            _ => {}
        }
        step
    }

    fn draw(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }

    fn taken(&self, name: &str, own: Option<u64>) -> bool {
        self.entries.iter().any(|(id, entry)| Some(*id) != own && entry.name.eq_ignore_ascii_case(name))
    }

    fn add(&mut self, name: usize, server: Option<&Typed>) -> Result<(), Refusal> {
        if self.taken(NAMES[name], None) {
            return Err(Refusal::Fields(vec![Field::Name]));
        }
        let id = self.draw();
        let password = server.and_then(|server| set(&server.password, None));
        self.entries.insert(id, Entry { name: NAMES[name], version: 1, host: server.map(Typed::host), password });
        if server.is_some_and(|server| server.default || self.default.is_none()) {
            self.default = Some(id);
        }
        Ok(())
    }

    fn save(&mut self, id: u64, behind: u64, typed: &Typed) -> Result<(), Refusal> {
        let entry = self.entries.get(&id).ok_or(Refusal::NoSuchEntry)?.clone();
        if behind > 0 {
            return Err(Refusal::Stale(entry.version));
        }
        let mut fields = Vec::new();
        if self.taken(NAMES[typed.name], Some(id)) {
            fields.push(Field::Name);
        }
        if self.default == Some(id) && !typed.default {
            fields.push(Field::Default);
        }
        if typed.password == SecretChange::Keep && entry.password.is_some() && entry.host != Some(typed.host()) {
            fields.push(Field::Password);
        }
        if !fields.is_empty() {
            return Err(Refusal::Fields(fields));
        }
        let password = set(&typed.password, entry.password);
        let saved = Entry { name: NAMES[typed.name], version: entry.version + 1, host: Some(typed.host()), password };
        self.entries.insert(id, saved);
        if typed.default || self.default.is_none() {
            self.default = Some(id);
        }
        Ok(())
    }

    fn trash(&mut self, ids: &[u64], heir: Option<u64>) -> Result<(), Refusal> {
        if ids.is_empty() {
            return Err(Refusal::NothingChosen);
        }
        if !ids.iter().all(|id| self.entries.contains_key(id)) {
            return Err(Refusal::NoSuchEntry);
        }
        let default = self.default.filter(|default| ids.contains(default));
        let can_inherit = |id: &u64, entry: &Entry| entry.host.is_some() && !ids.contains(id);
        let mut heir_taken = None;
        if default.is_some() {
            heir_taken = heir;
            let fits = match heir {
                Some(heir) => self.entries.get(&heir).is_some_and(|entry| can_inherit(&heir, entry)),
                None => !self.entries.iter().any(|(id, entry)| can_inherit(id, entry)),
            };
            if !fits {
                return Err(Refusal::Fields(vec![Field::NewDefault]));
            }
            self.default = heir;
        }
        let entries = ids.iter().filter_map(|id| Some((*id, self.entries.remove(id)?))).collect();
        let batch = self.draw();
        self.trash.insert(batch, Trashed { at: self.now, entries, default, heir: heir_taken });
        Ok(())
    }

    fn undo(&mut self, batch: u64) -> Result<(), Refusal> {
        let trashed = self.trash.get(&batch).filter(|trashed| !self.expired(trashed.at)).ok_or(Refusal::UndoGone)?.clone();
        if trashed.entries.values().any(|entry| self.taken(entry.name, None)) {
            return Err(Refusal::UndoNameTaken);
        }
        self.trash.remove(&batch);
        let mut complete: Vec<_> = trashed.entries.iter().filter(|(_, entry)| entry.host.is_some()).collect();
        complete.sort_by_key(|(_, entry)| entry.name.to_lowercase());
        if trashed.default.is_some() && self.default == trashed.heir {
            self.default = trashed.default;
        } else if self.default.is_none() {
            self.default = complete.first().map(|(id, _)| **id);
        }
        self.entries.extend(trashed.entries);
        Ok(())
    }

    /// Whether what was trashed then can't be brought back any more.
    const fn expired(&self, at: u64) -> bool {
        self.now - at > UNDO_MS + UNDO_GRACE_MS
    }

    fn purge(&mut self) {
        let now = self.clone();
        self.trash.retain(|_, trashed| !now.expired(trashed.at));
        self.trust_trash.retain(|_, (at, _)| !now.expired(*at));
    }

    fn trust(&mut self, certificate: Trust) {
        if !self.trusted.values().any(|trusted| *trusted == certificate) {
            let id = self.draw();
            self.trusted.insert(id, certificate);
        }
    }

    fn trash_trusted(&mut self, ids: &[u64]) -> Result<(), Refusal> {
        if ids.is_empty() {
            return Err(Refusal::NoCertificateChosen);
        }
        if !ids.iter().all(|id| self.trusted.contains_key(id)) {
            return Err(Refusal::NoSuchCertificate);
        }
        let gone = ids.iter().filter_map(|id| Some((*id, self.trusted.remove(id)?))).collect();
        let batch = self.draw();
        self.trust_trash.insert(batch, (self.now, gone));
        Ok(())
    }

    fn undo_trusted(&mut self, batch: u64) -> Result<(), Refusal> {
        let (at, _) = self.trust_trash.get(&batch).ok_or(Refusal::UndoGone)?;
        if self.expired(*at) {
            return Err(Refusal::UndoGone);
        }
        let (_, gone) = self.trust_trash.remove(&batch).ok_or(Refusal::UndoGone)?;
        let there: Vec<Trust> = self.trusted.values().copied().collect();
        self.trusted.extend(gone.into_iter().filter(|(_, certificate)| !there.contains(certificate)));
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), Refusal> {
        match step {
            Step::CreateNamed { name } => self.add(*name, None),
            Step::Create { server } => self.add(server.name, Some(server)),
            Step::Save { id, behind, server } => self.save(*id, *behind, server),
            Step::Trash { ids, heir } => self.trash(ids, *heir),
            Step::Undo { batch } => self.undo(*batch),
            Step::Authorities { which } if which.is_empty() => Err(Refusal::NoCertificateChosen),
            Step::Authorities { which } => {
                for which in which {
                    self.trust((*which, None));
                }
                Ok(())
            }
            Step::Pin { which, host, replace } => {
                let new = (*which, Some(*host));
                self.trusted.retain(|_, trusted| !replace || trusted.1 != new.1 || *trusted == new);
                self.trust(new);
                Ok(())
            }
            Step::System { on } => {
                self.system_off = !on;
                Ok(())
            }
            Step::TrashTrusted { ids } => self.trash_trusted(ids),
            Step::UndoTrusted { batch } => self.undo_trusted(*batch),
            Step::Wait { ms } => {
                self.now += ms;
                Ok(())
            }
            Step::Purge => {
                self.purge();
                Ok(())
            }
            Step::Reopen => Ok(()),
        }
    }

    /// Whether the store holds the same.
    fn check(&self, world: &World) {
        let entries = |entries: &BTreeMap<EntryId, server::store::Record>| -> Vec<_> {
            let line = |(id, record): (&EntryId, &server::store::Record)| {
                let host = record.content.server().map(|server| server.host.to_string());
                let password = world.passwords.get(id).cloned();
                (id.0, record.content.name().to_string(), record.version.0, host, password)
            };
            entries.iter().map(line).collect()
        };
        let line = |(id, entry): (&u64, &Entry)| {
            (*id, entry.name.to_owned(), entry.version, entry.host.map(str::to_owned), entry.password.clone())
        };
        assert_eq!(entries(&world.entries), self.entries.iter().map(line).collect::<Vec<_>>());
        let mut trashed: Vec<_> = self.trash.values().flat_map(|trashed| trashed.entries.iter().map(line)).collect();
        trashed.sort();
        assert_eq!(entries(&world.trashed), trashed);
        assert_eq!(world.default.map(|id| id.0), self.default);
        assert_eq!(
            world.batches.iter().map(|(number, _)| *number).collect::<Vec<_>>(),
            self.trash.keys().copied().collect::<Vec<_>>()
        );
        let told = |record: &TrustRecord| {
            let which = CERTIFICATES.iter().position(|made| made.der == record.der).unwrap();
            let host = |host: &str| HOSTS.iter().position(|of| *of == host).unwrap();
            (which, record.pin.as_ref().map(|pin| host(&pin.host)))
        };
        let trusted: BTreeMap<u64, Trust> = world.trusted.iter().map(|(id, record)| (id.0, told(record))).collect();
        assert_eq!((trusted, world.system), (self.trusted.clone(), !self.system_off));
        let trashed = world.trust_batches.iter().map(|(number, batch)| {
            let certificates = batch.certificates.iter().map(|(id, record)| (id.0, told(record)));
            (*number, certificates.collect())
        });
        let expected = self.trust_trash.iter().map(|(number, (_, certificates))| (*number, certificates.clone()));
        assert_eq!(trashed.collect::<Vec<(u64, BTreeMap<u64, Trust>)>>(), expected.collect::<Vec<_>>());
    }
}

fn set(change: &SecretChange, old: Option<String>) -> Option<String> {
    match change {
        SecretChange::Keep => old,
        SecretChange::Clear => None,
        SecretChange::Set(secret) => Some(secret.expose().to_owned()),
    }
}

fn ids(ids: &[u64]) -> Vec<EntryId> {
    ids.iter().copied().map(EntryId).collect()
}

fn apply(entries: &Entries, clock: &TestClock, step: &Step) -> Result<(), Refusal> {
    let result = match step {
        Step::CreateNamed { name: number } => entries.create_named(&name(NAMES[*number])).map(drop),
        Step::Create { server } => entries.create(&server.checked()).map(drop),
        Step::Save { id, behind, server } => {
            let id = EntryId(*id);
            let version = entries.content(id).map_or(1, |(version, _)| version.0);
            entries.save(id, Version(version.wrapping_sub(*behind)), &server.checked()).map(drop)
        }
        Step::Trash { ids: numbers, heir } => {
            let plan = entries.trash_plan(&ids(numbers));
            let result = entries.trash(&ids(numbers), heir.map(EntryId));
            if let (Ok(plan), Ok(offer)) = (&plan, &result) {
                assert_eq!(plan.going.iter().map(|(_, name)| name.clone()).collect::<Vec<_>>(), offer.names);
                assert!(all(entries).undo.is_some());
            }
            result.map(drop)
        }
        Step::Undo { batch } => entries.undo(*batch).map(drop),
        Step::Authorities { which } => {
            let pem: String = CERTIFICATES.iter().map(|made| made.pem()).collect();
            let only: Vec<String> = which.iter().map(|which| CERTIFICATES[*which].sha256()).collect();
            // In the order of the model, which the ids are drawn in.
            match only.as_slice() {
                [] => entries.trusted().add_authorities(&pem, Some(&[]), "").map(drop),
                only => only
                    .iter()
                    .try_for_each(|one| entries.trusted().add_authorities(&pem, Some(std::slice::from_ref(one)), "").map(drop)),
            }
        }
        Step::Pin { which, host, replace } => {
            let pem = CERTIFICATES[*which].pem();
            let pin = NewPin { host: HOSTS[*host].into(), port: 25, pem, outlives: false, replace: *replace };
            entries.trusted().pin(&pin, "").map(drop)
        }
        Step::System { on } => entries.trusted().set_system_roots(*on),
        Step::TrashTrusted { ids } => {
            let ids: Vec<TrustId> = ids.iter().copied().map(TrustId).collect();
            entries.trusted().trash(&ids).map(drop)
        }
        Step::UndoTrusted { batch } => entries.trusted().undo(*batch).map(drop),
        Step::Wait { ms } => {
            clock.forward(*ms);
            Ok(())
        }
        Step::Purge => entries.purge().and_then(|_| entries.trusted().purge()).map(drop),
        Step::Reopen => Ok(()),
    };
    result.map_err(|problem| match problem {
        Problem::Invalid(errors) => Refusal::Fields(errors.iter().map(|(field, _)| field).collect()),
        Problem::NoSuchEntry(_) => Refusal::NoSuchEntry,
        Problem::NothingChosen => Refusal::NothingChosen,
        Problem::Stale(stale) => Refusal::Stale(stale.version.0),
        Problem::UndoGone => Refusal::UndoGone,
        Problem::UndoNameTaken { .. } => Refusal::UndoNameTaken,
        Problem::NoSuchCertificate(_) => Refusal::NoSuchCertificate,
        Problem::NoCertificateChosen => Refusal::NoCertificateChosen,
        problem => panic!("{problem:?}"),
    })
}

fn typed() -> impl Strategy<Value = Typed> {
    let password = prop_oneof![
        3 => Just(SecretChange::Keep),
        1 => Just(SecretChange::Clear),
        3 => (0..100_u32).prop_map(|number| SecretChange::Set(Secret::new(format!("password {number}")))),
    ];
    (0..NAMES.len(), proptest::bool::weighted(0.8), any::<bool>(), password).prop_map(|(name, host, default, password)| Typed {
        name,
        host,
        default,
        password,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let id = || 1..40_u64;
    prop_oneof![
        3 => (0..NAMES.len()).prop_map(|name| Step::CreateNamed { name }),
        4 => typed().prop_map(|server| Step::Create { server }),
        6 => (id(), prop_oneof![5 => Just(0), 1 => Just(1_u64)], typed())
            .prop_map(|(id, behind, server)| Step::Save { id, behind, server }),
        4 => (proptest::collection::vec(id(), 0..3), proptest::option::weighted(0.8, id()))
            .prop_map(|(ids, heir)| Step::Trash { ids, heir }),
        4 => id().prop_map(|batch| Step::Undo { batch }),
        2 => proptest::collection::vec(0..CERTIFICATES.len(), 0..3).prop_map(|which| Step::Authorities { which }),
        3 => (0..CERTIFICATES.len(), 0..HOSTS.len(), any::<bool>())
            .prop_map(|(which, host, replace)| Step::Pin { which, host, replace }),
        1 => any::<bool>().prop_map(|on| Step::System { on }),
        3 => proptest::collection::vec(id(), 0..3).prop_map(|ids| Step::TrashTrusted { ids }),
        3 => id().prop_map(|batch| Step::UndoTrusted { batch }),
        2 => prop_oneof![4 => 0..UNDO_MS / 4, 1 => 0..2 * UNDO_MS].prop_map(|ms| Step::Wait { ms }),
        1 => Just(Step::Purge),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_as_the_model(steps in proptest::collection::vec(step(), 1..50)) {
        let file = Memory::default();
        let (mut store, mut entries, mut clock) = bench(RedbStore::create(Box::new(file.clone())).unwrap());
        let mut model = Model::default();
        for step in &steps {
            if matches!(step, Step::Reopen) {
                let waited = model.now;
                drop((store, entries));
                (store, entries, clock) = bench(start(file.clone()).unwrap());
                clock.forward(waited);
            }
            let step = model.aimed(step);
            prop_assert_eq!(apply(&entries, &clock, &step), model.step(&step), "{:?}", step);
            model.check(&World::of(&*store).unwrap());
        }
    }
}
