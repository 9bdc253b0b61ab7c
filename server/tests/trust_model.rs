//! Whatever happens to what is trusted, and in whatever order entries are tested meanwhile: they stand as a model has it that is
//! too simple to be wrong, also when the file is opened anew in between.
#![expect(clippy::unwrap_used, reason = "a test")]

mod store_support;

use std::sync::LazyLock;

use domain::entry::EntryId;
use domain::run::Standing;
use domain::smtp_server::ServerDraft;
use domain::transcript::Finished;
use domain::trust::{Ground, NewPin, TrustId};
use proptest::prelude::*;
use server::entries::Entries;
use server::mailer::SystemAuthorities;
use server::store::RedbStore;
use store_support::certificates::{FIRST, Made, OTHER, SECOND, SERVER, THIRD};
use store_support::memory::Memory;
use store_support::world::{World, bench, start};
use store_support::*;

const PASSWORD: &str = "battery staple";
/// Two of the entries share a server, one never encrypts.
const ENTRIES: [(&str, &str, bool); 4] =
    [("one", "one", true), ("again", "one", true), ("two", "two", true), ("plain", "one", false)];
const HOSTS: [&str; 2] = ["one", "two"];
const AUTHORITIES: [&LazyLock<Made>; 2] = [&FIRST, &SECOND];
const SERVERS: [&LazyLock<Made>; 2] = [&SERVER, &OTHER];

#[derive(Clone, Copy, Debug)]
enum Step {
    Test { entry: usize, found: Found },
    Save { entry: usize },
    System { on: bool },
    Add { authority: usize },
    Pin { server: usize, host: usize, replace: bool },
    Trash { which: usize },
    Undo,
    Reopen,
}

/// What a test finds out.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Found {
    System,
    Authority(usize),
    Pin(usize),
    UnknownIssuer,
    Refused,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Stands {
    #[default]
    Untested,
    Verified,
    Failing,
    Changed,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    stands: Stands,
    /// Who vouched when it last worked.
    vouched: Option<Found>,
    unvouched: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Trusted {
    Authority(usize),
    /// Which certificate, for which host.
    Pin(usize, usize),
}

#[derive(Debug, Default)]
struct Model {
    entries: [Entry; ENTRIES.len()],
    trusted: Vec<Trusted>,
    trash: Option<Trusted>,
    system_off: bool,
}

fn encrypts(entry: usize) -> bool {
    ENTRIES[entry].2
}

impl Model {
    /// Nothing is known any more of the entries that encrypt and of which `concerned` is true.
    fn shake(&mut self, concerned: impl Fn(usize, &Entry) -> bool) {
        for (number, entry) in self.entries.iter_mut().enumerate() {
            if encrypts(number) && entry.stands != Stands::Untested && concerned(number, entry) {
                (entry.stands, entry.unvouched) = (Stands::Changed, false);
            }
        }
    }

    fn comes(&mut self, what: Trusted) {
        if self.trusted.contains(&what) {
            return;
        }
        self.trusted.push(what);
        match what {
            Trusted::Authority(_) => self.shake(|_, entry| entry.unvouched),
            Trusted::Pin(_, host) => self.shake(|number, _| ENTRIES[number].1 == HOSTS[host]),
        }
    }

    fn goes(&mut self, what: Trusted) {
        self.trusted.retain(|trusted| *trusted != what);
        match what {
            Trusted::Authority(which) => self.shake(|_, entry| entry.vouched == Some(Found::Authority(which))),
            Trusted::Pin(_, host) => self.shake(|number, _| ENTRIES[number].1 == HOSTS[host]),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Test { entry, found } => {
                let works = !matches!(found, Found::UnknownIssuer | Found::Refused);
                let entry = &mut self.entries[entry];
                entry.stands = if works { Stands::Verified } else { Stands::Failing };
                entry.vouched = if works { Some(found) } else { entry.vouched };
                entry.unvouched = found == Found::UnknownIssuer;
            }
            Step::System { on } if on != self.system_off => {}
            Step::System { on } => {
                self.system_off = !on;
                self.shake(|_, entry| if on { entry.unvouched } else { entry.vouched == Some(Found::System) });
            }
            Step::Add { authority } => self.comes(Trusted::Authority(authority)),
            Step::Pin { server, host, replace } => {
                let new = Trusted::Pin(server, host);
                let others = |trusted: &&Trusted| matches!(trusted, Trusted::Pin(_, of) if *of == host) && **trusted != new;
                let others: Vec<Trusted> = self.trusted.iter().filter(|_| replace).filter(others).copied().collect();
                for other in others {
                    self.goes(other);
                }
                self.comes(new);
            }
            Step::Trash { which } => {
                if let Some(what) = self.trusted.get(which).copied() {
                    self.goes(what);
                    self.trash = Some(what);
                }
            }
            Step::Undo => {
                if let Some(what) = self.trash.take() {
                    self.comes(what);
                }
            }
            Step::Save { .. } | Step::Reopen => {}
        }
    }
}

fn draft_of(entry: usize) -> ServerDraft {
    let (name, host, encrypts) = ENTRIES[entry];
    let mut draft = draft(name);
    draft.host = format!("{host}.example.com");
    draft.default = entry == 0;
    if encrypts {
        draft.starttls = "enabled_and_required".into();
    }
    draft
}

fn finished(entry: usize, found: Found) -> Finished {
    match found {
        Found::UnknownIssuer => unknown_issuer(),
        Found::Refused => fails(),
        _ if !encrypts(entry) => works(),
        Found::System => works_by(Ground::System, &THIRD, &SERVER),
        Found::Authority(which) => works_by(Ground::Authority, AUTHORITIES[which], &SERVER),
        Found::Pin(which) => works_by(Ground::Pin, SERVERS[which], SERVERS[which]),
    }
}

/// The id of what the model knows.
fn id_of(entries: &Entries, what: Trusted) -> TrustId {
    let page = entries.trusted().page(&SystemAuthorities::default()).unwrap();
    let is = |item: &domain::trust::Trusted| match (what, &item.pin) {
        (Trusted::Authority(which), None) => item.certificate.sha256 == AUTHORITIES[which].sha256(),
        (Trusted::Pin(which, host), Some(pin)) => {
            item.certificate.sha256 == SERVERS[which].sha256() && pin.host == format!("{}.example.com", HOSTS[host])
        }
        _ => false,
    };
    let found: Vec<TrustId> = page.items.iter().filter(|item| is(item)).map(|item| item.id).collect();
    assert_eq!(found.len(), 1, "{what:?}");
    found[0]
}

fn apply(entries: &Entries, number: u64, step: Step, model: &Model, batch: &mut Option<u64>) {
    let trusted = entries.trusted();
    match step {
        Step::Test { entry, found } => {
            let id = EntryId(entry as u64 + 1);
            assert!(ran(entries, id, (&draft_of(entry), PASSWORD), &run(number, number, finished(entry, found))).unwrap());
        }
        Step::Save { entry } => {
            let id = EntryId(entry as u64 + 1);
            entries.save(id, entries.content(id).unwrap().0, &checked(&draft_of(entry))).unwrap();
        }
        Step::System { on } => trusted.set_system_roots(on).unwrap(),
        Step::Add { authority } => drop(trusted.add_authorities(&AUTHORITIES[authority].pem(), None, "").unwrap()),
        Step::Pin { server, host, replace } => {
            let host = format!("{}.example.com", HOSTS[host]);
            let pin = NewPin { host, port: 25, pem: SERVERS[server].pem(), outlives: false, replace };
            assert!(trusted.pin(&pin, "").is_ok());
        }
        Step::Trash { which } => {
            if let Some(what) = model.trusted.get(which) {
                *batch = Some(trusted.trash(&[id_of(entries, *what)]).unwrap().batch);
            }
        }
        Step::Undo => {
            if let Some(batch) = batch.take() {
                trusted.undo(batch).unwrap();
            }
        }
        Step::Reopen => {}
    }
}

fn step() -> impl Strategy<Value = Step> {
    let found = prop_oneof![
        Just(Found::System),
        (0..AUTHORITIES.len()).prop_map(Found::Authority),
        (0..SERVERS.len()).prop_map(Found::Pin),
        Just(Found::UnknownIssuer),
        Just(Found::Refused),
    ];
    prop_oneof![
        6 => (0..ENTRIES.len(), found).prop_map(|(entry, found)| Step::Test { entry, found }),
        1 => (0..ENTRIES.len()).prop_map(|entry| Step::Save { entry }),
        1 => any::<bool>().prop_map(|on| Step::System { on }),
        2 => (0..AUTHORITIES.len()).prop_map(|authority| Step::Add { authority }),
        2 => (0..SERVERS.len(), 0..HOSTS.len(), any::<bool>())
            .prop_map(|(server, host, replace)| Step::Pin { server, host, replace }),
        2 => (0..4_usize).prop_map(|which| Step::Trash { which }),
        1 => Just(Step::Undo),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn entries_stand_as_the_model_has_it(steps in proptest::collection::vec(step(), 1..40)) {
        let file = Memory::default();
        let (mut store, mut entries, _) = bench(RedbStore::create(Box::new(file.clone())).unwrap());
        for entry in 0..ENTRIES.len() {
            entries.create(&with_password(&draft_of(entry), PASSWORD)).unwrap();
        }
        let (mut model, mut batch) = (Model::default(), None);
        for (number, step) in (1..).zip(&steps) {
            if matches!(step, Step::Reopen) {
                drop((store, entries));
                (store, entries, _) = bench(start(file.clone()).unwrap());
            }
            apply(&entries, number, *step, &model, &mut batch);
            model.step(*step);
            for (entry, expected) in model.entries.iter().enumerate() {
                let found = match standing(&entries, EntryId(entry as u64 + 1)) {
                    Standing::Never => Stands::Untested,
                    Standing::Changed => Stands::Changed,
                    Standing::Verified { .. } => Stands::Verified,
                    Standing::Failing { .. } => Stands::Failing,
                };
                prop_assert_eq!(found, expected.stands, "{:?} after {:?}", ENTRIES[entry], step);
            }
            World::of(&*store).unwrap();
        }
    }
}
