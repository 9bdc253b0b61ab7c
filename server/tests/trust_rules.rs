//! The rules of what is trusted, over a real file: what can be added, what a change means to the entries, trash and undo.
#![expect(clippy::unwrap_used, reason = "a test")]

mod store_support;

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::certificate::fingerprint_words;
use domain::entry::{EntryId, UNDO_MS};
use domain::error::Problem;
use domain::field::{Field, FieldError, FieldErrors};
use domain::host::Host;
use domain::run::{Run, Standing};
use domain::secret::Secret;
use domain::smtp_server::ServerDraft;
use domain::transcript::Finished;
use domain::trust::{Fate, Ground, MAX_TRUSTED, Needed, NewPin, Pin, TrustId, Trusted};
use server::entries::{Entries, Secrets, UNDO_GRACE_MS};
use server::mailer::SystemAuthorities;
use server::store::{RedbStore, Store, TrustRecord};
use server::trust::TrustedCertificates;
use store_support::certificates::{FIRST, Made, OTHER, SECOND, SERVER, THIRD, at, issuer, pem};
use store_support::memory::Memory;
use store_support::world::{World, bench as over_memory};
use store_support::*;

const BY: &str = "192.0.2.7";

struct Bench {
    dir: tempfile::TempDir,
    clock: Arc<TestClock>,
    entries: Entries,
}

fn bench() -> Bench {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let entries = open(dir.path(), &clock).unwrap();
    Bench { dir, clock, entries }
}

impl Bench {
    fn reopened(self) -> Self {
        let Self { dir, clock, entries } = self;
        drop(entries);
        let entries = open(dir.path(), &clock).unwrap();
        Self { dir, clock, entries }
    }

    fn trusted(&self) -> &TrustedCertificates {
        self.entries.trusted()
    }

    fn items(&self) -> Vec<Trusted> {
        self.trusted().page(&SystemAuthorities::default()).unwrap().items
    }

    fn subjects(&self) -> Vec<String> {
        self.items().into_iter().map(|item| item.certificate.subject).collect()
    }

    fn epoch(&self) -> u64 {
        self.trusted().known().unwrap().epoch()
    }

    fn add(&self, made: &Made) -> TrustId {
        self.trusted().add_authorities(&made.pem(), None, BY).unwrap()[0]
    }

    fn pin(&self, host: &str, made: &Made) -> TrustId {
        self.trusted().pin(&new_pin(host, made), BY).unwrap()
    }

    fn preview(&self, file: &str) -> Vec<Fate> {
        self.trusted().preview(file.as_bytes(), &Secret::default()).unwrap().items.into_iter().map(|item| item.fate).collect()
    }
}

fn new_pin(host: &str, made: &Made) -> NewPin {
    NewPin { host: host.into(), port: 25, pem: made.pem(), outlives: false, replace: false }
}

/// One of the checked-in certificates, of kinds of keys that can't be made here.
fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/data/trust/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn a_preview_says_what_would_become_of_each_and_keeps_nothing() {
    let bench = bench();
    bench.add(&FIRST);
    let before = bench.epoch();
    let expired = Made::authority_ending("expired", -1);
    let not_yet = Made::new("not-yet", |params| {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.not_before = at(10);
    });
    let weak = file("rsa-1024-version-1.der");
    let all = [
        "subject=/CN=somebody, and other text around".to_owned(),
        SECOND.pem(),
        FIRST.pem(),
        SECOND.pem(),
        expired.pem(),
        not_yet.pem(),
        pem("CERTIFICATE", &weak),
        pem("CERTIFICATE", &file("ecdsa-p521.der")),
        SERVER.pem(),
        SERVER.key.serialize_pem(),
        pem("CERTIFICATE", b"no certificate"),
    ];
    let preview = bench.trusted().preview(all.join("\n").as_bytes(), &Secret::default()).unwrap();
    let fates: Vec<_> = preview.items.iter().map(|item| item.fate).collect();
    assert_eq!(
        fates,
        [
            Fate::New,
            Fate::Already,
            Fate::Expired,
            Fate::New,
            Fate::TooWeak,
            Fate::UnsupportedKey,
            Fate::NotAnAuthority,
            Fate::PrivateKey,
            Fate::NotACertificate,
        ]
    );
    assert_eq!(preview.items[0].certificate, Some(SECOND.summary()));
    assert_eq!(preview.items[7].certificate, None, "nothing of a key is shown");
    assert_eq!(preview.pem, SECOND.pem() + &not_yet.pem());
    assert_eq!(preview.now_ms, START);
    assert_eq!((bench.subjects(), bench.epoch()), (vec!["CN=first".to_owned()], before));

    bench.trusted().add_authorities(&preview.pem, None, BY).unwrap();
    assert_eq!(bench.subjects(), ["CN=first", "CN=not-yet", "CN=second"], "what is offered can be added");
}

#[test]
fn every_kind_of_key_that_can_be_verified_is_taken_and_no_other() {
    let bench = bench();
    for (name, fate) in [
        ("rsa-1024-version-1.der", Fate::TooWeak),
        ("ecdsa-p521.der", Fate::UnsupportedKey),
        ("rsa-pss-2048.der", Fate::UnsupportedKey),
        ("ed448.der", Fate::UnsupportedKey),
        ("dsa.der", Fate::UnsupportedKey),
    ] {
        assert_eq!(bench.preview(&pem("CERTIFICATE", &file(name))), [fate], "{name}");
    }
    for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        assert_eq!(bench.preview(&certificate.pem()), [Fate::New]);
    }
}

#[test]
fn authorities_are_added_all_or_none_and_whatever_a_preview_said_is_looked_at_anew() {
    let bench = bench();
    let add = |pem: &str| bench.trusted().add_authorities(pem, None, BY);
    let expired = Made::authority_ending("expired", -1);
    let before = bench.epoch();
    for (wrong, fate) in [
        (expired.pem(), Fate::Expired),
        (SERVER.pem(), Fate::NotAnAuthority),
        (SERVER.key.serialize_pem(), Fate::PrivateKey),
        (pem("CERTIFICATE", b"no certificate"), Fate::NotACertificate),
        (pem("CERTIFICATE", &file("rsa-1024-version-1.der")), Fate::TooWeak),
        (pem("CERTIFICATE", &file("ed448.der")), Fate::UnsupportedKey),
    ] {
        assert_eq!(add(&(FIRST.pem() + &wrong)), Err(Problem::NotTrustable(fate)));
        assert_eq!((bench.subjects().len(), bench.epoch()), (0, before), "nothing of it");
    }
    assert!(add("").is_err() && add("no PEM").is_err());

    let ids = add(&(FIRST.pem() + &SECOND.pem() + &FIRST.pem())).unwrap();
    assert_eq!(ids.len(), 2, "each once");
    assert!(bench.epoch() > before);
    bench.clock.forward(5);
    let third = bench.trusted().add_authorities(&(FIRST.pem() + &THIRD.pem()), None, "somebody else").unwrap();
    let bench = bench.reopened();
    let items = bench.items();
    assert_eq!(items.iter().map(|item| item.id).collect::<Vec<_>>(), [ids[0], ids[1], third[0]]);
    let added: Vec<_> = items.iter().map(|item| (item.added_ms - START, item.added_by.as_str())).collect();
    assert_eq!(added, [(0, BY), (0, BY), (5, "somebody else")], "what was there is left as it was");
    let again = bench.trusted().add_authorities(&FIRST.pem(), None, BY).unwrap();
    assert!(again.is_empty());
}

#[test]
fn of_several_authorities_those_are_added_that_are_named() {
    let bench = bench();
    let text = FIRST.pem() + &SERVER.pem() + &SECOND.pem() + &SERVER.key.serialize_pem();
    let add = |only: &[String]| bench.trusted().add_authorities(&text, Some(only), BY);
    assert_eq!(add(&[]), Err(Problem::NoCertificateChosen));
    assert!(matches!(add(&[THIRD.sha256()]), Err(Problem::Malformed { .. })));
    assert!(matches!(add(&[FIRST.sha256(), THIRD.sha256()]), Err(Problem::Malformed { .. })));
    assert_eq!(add(&[FIRST.sha256(), SERVER.sha256()]), Err(Problem::NotTrustable(Fate::NotAnAuthority)));
    assert!(bench.subjects().is_empty(), "all or none");
    assert_eq!(add(&[SECOND.sha256().to_uppercase()]).unwrap().len(), 1);
    assert_eq!(bench.subjects(), ["CN=second"]);
}

#[test]
fn there_is_room_for_so_many_and_no_more() {
    let (store, entries, _) = over_memory(RedbStore::create(Box::new(Memory::default())).unwrap());
    let store: &dyn Store = &*store;
    store
        .writing(|tx| {
            for number in 2..MAX_TRUSTED {
                let id = TrustId(tx.new_number()?);
                let pin = Some(Pin { host: format!("host-{number}.example.com"), port: 25, outlives: false });
                tx.put_trusted(id, &TrustRecord { der: SERVER.der.clone(), pin, added_ms: START, added_by: String::new() })?;
            }
            Ok(())
        })
        .unwrap();
    let trusted = entries.trusted();
    let count = || trusted.page(&SystemAuthorities::default()).unwrap().items.len() as u64;
    let full = Problem::TooManyCertificates { max: MAX_TRUSTED };
    let three = FIRST.pem() + &SECOND.pem() + &THIRD.pem();
    assert_eq!(trusted.add_authorities(&three, None, BY), Err(full.clone()));
    assert_eq!(count(), MAX_TRUSTED - 2, "all or none");
    let ids = trusted.add_authorities(&(FIRST.pem() + &SECOND.pem()), None, BY).unwrap();
    assert_eq!(trusted.pin(&new_pin("mail.example.com", &SERVER), BY), Err(full.clone()));
    assert!(trusted.pin(&new_pin("host-2.example.com", &OTHER), BY).is_err(), "beside another one");
    assert!(trusted.pin(&new_pin("host-2.example.com", &SERVER), BY).is_ok(), "it is there already");
    assert!(trusted.pin(&NewPin { replace: true, ..new_pin("host-2.example.com", &OTHER) }, BY).is_ok(), "in its place");
    let undo = trusted.trash(&ids).unwrap();
    trusted.pin(&new_pin("mail.example.com", &SERVER), BY).unwrap();
    assert_eq!(trusted.undo(undo.batch), Err(full));
    assert_eq!(count(), MAX_TRUSTED - 1);
}

#[test]
fn a_certificate_is_pinned_for_one_host_and_port() {
    let bench = bench();
    let pin = |pin: &NewPin| bench.trusted().pin(pin, BY);
    let good = new_pin("mail.example.com", &SERVER);
    let invalid = |errors: &[(Field, FieldError)]| {
        let mut all = FieldErrors::default();
        for (field, error) in errors {
            all.add(*field, error.clone());
        }
        Err(Problem::Invalid(all))
    };
    let port = (Field::Port, FieldError::OutOfRange { text: "0".into(), min: 1, max: 65_535 });
    assert_eq!(pin(&NewPin { port: 0, ..good.clone() }), invalid(std::slice::from_ref(&port)));
    assert_eq!(pin(&NewPin { host: " ".into(), port: 0, ..good.clone() }), invalid(&[(Field::Host, FieldError::Required), port]));
    assert!(matches!(pin(&NewPin { host: "https://x/".into(), ..good.clone() }), Err(Problem::Invalid(_))));
    for wrong in [
        String::new(),
        "no PEM".into(),
        SERVER.pem() + &OTHER.pem(),
        SERVER.pem_with_key(),
        SERVER.key.serialize_pem(),
        pem("CERTIFICATE", b"no certificate"),
    ] {
        assert_eq!(pin(&NewPin { pem: wrong, ..good.clone() }), Err(Problem::NotOneCertificate));
    }
    let weak = pem("CERTIFICATE", &file("rsa-1024-version-1.der"));
    assert_eq!(pin(&NewPin { pem: weak, outlives: true, ..good.clone() }), Err(Problem::NotTrustable(Fate::TooWeak)));
    let expired = NewPin { pem: Made::ending("expired", -1).pem(), ..good.clone() };
    assert_eq!(pin(&expired), Err(Problem::NotTrustable(Fate::Expired)));
    assert_eq!((bench.items().len(), bench.epoch()), (0, 0), "nothing was pinned");

    let id = pin(&good).unwrap();
    assert_eq!(pin(&good), Ok(id), "it is one");
    assert_eq!(pin(&NewPin { host: " MAIL.Example.com. ".into(), ..good.clone() }), Ok(id), "however the host is written");
    let other_port = pin(&NewPin { port: 465, ..good.clone() }).unwrap();
    let outliving = pin(&NewPin { outlives: true, ..expired }).unwrap();
    let v6 = pin(&NewPin { host: "[2001:DB8::1]".into(), ..good.clone() }).unwrap();
    let idn = pin(&NewPin { host: "bücher.example".into(), ..good.clone() }).unwrap();
    let pins: BTreeSet<_> = bench
        .items()
        .into_iter()
        .map(|item| (item.id, item.pin.unwrap()))
        .map(|(id, pin)| (id, pin.host, pin.port, pin.outlives))
        .collect();
    let pin_of = |id, host: &str, port, outlives| (id, host.to_owned(), port, outlives);
    assert_eq!(
        pins.into_iter().collect::<Vec<_>>(),
        [
            pin_of(id, "mail.example.com", 25, false),
            pin_of(other_port, "mail.example.com", 465, false),
            pin_of(outliving, "mail.example.com", 25, true),
            pin_of(v6, "2001:db8::1", 25, false),
            pin_of(idn, "xn--bcher-kva.example", 25, false),
        ]
    );
    let known = bench.trusted().pinned(&Host::parse("mail.example.com").unwrap(), 25).unwrap();
    assert_eq!(known.into_iter().map(|item| item.id).collect::<Vec<_>>(), [id, outliving]);
}

#[test]
fn a_pin_that_replaces_takes_the_place_of_all_others_of_its_server_alone() {
    let bench = bench();
    bench.pin("mail.example.com", &SERVER);
    bench.pin("mail.example.com", &FIRST);
    let elsewhere = bench.pin("other.example.com", &SERVER);
    let authority = bench.add(&FIRST);
    let new = bench.trusted().pin(&NewPin { replace: true, ..new_pin("mail.example.com", &OTHER) }, BY).unwrap();
    let bench = bench.reopened();
    assert_eq!(bench.items().into_iter().map(|item| item.id).collect::<BTreeSet<_>>(), BTreeSet::from([elsewhere, authority, new]));
    let again = bench.trusted().pin(&NewPin { replace: true, ..new_pin("mail.example.com", &OTHER) }, BY).unwrap();
    assert_eq!((again, bench.items().len()), (new, 3), "it doesn't take its own place");
}

#[test]
fn a_pin_may_outlive_its_dates_and_an_authority_never_does() {
    let bench = bench();
    let (pin, authority) = (bench.pin("mail.example.com", &SERVER), bench.add(&FIRST));
    bench.trusted().set_outlives(pin, true).unwrap();
    assert!(bench.items()[1].pin.as_ref().unwrap().outlives);
    let epoch = bench.epoch();
    bench.trusted().set_outlives(pin, true).unwrap();
    assert_eq!(bench.epoch(), epoch, "nothing has changed");
    assert_eq!(bench.trusted().set_outlives(authority, true), Err(Problem::NoSuchCertificate(authority)));
    assert_eq!(bench.trusted().set_outlives(TrustId(99), true), Err(Problem::NoSuchCertificate(TrustId(99))));
    assert_eq!(bench.trusted().pin(&new_pin("mail.example.com", &SERVER), BY), Ok(pin));
    assert!(!bench.items()[1].pin.as_ref().unwrap().outlives, "as it was asked for last");
}

#[test]
fn what_is_trashed_is_not_trusted_and_comes_back_as_it_was() {
    let bench = bench();
    let (first, second) = (bench.add(&FIRST), bench.add(&SECOND));
    let pin = bench.pin("mail.example.com", &SERVER);
    assert_eq!(bench.trusted().trash_plan(&[]), Err(Problem::NoCertificateChosen));
    assert_eq!(bench.trusted().trash(&[]), Err(Problem::NoCertificateChosen));
    assert_eq!(bench.trusted().trash(&[first, TrustId(99)]), Err(Problem::NoSuchCertificate(TrustId(99))));
    let before = bench.items();
    assert_eq!(before.len(), 3, "nothing went");
    let undo = bench.trusted().trash(&[pin, first, first]).unwrap();
    assert_eq!((undo.subjects.clone(), undo.left_ms), (vec!["CN=first".to_owned(), "CN=server".to_owned()], UNDO_MS));
    assert_eq!(bench.subjects(), ["CN=second"]);
    assert_eq!(bench.trusted().trash(&[first]), Err(Problem::NoSuchCertificate(first)));

    bench.clock.forward(4_000);
    let bench = bench.reopened();
    let offered = bench.trusted().page(&SystemAuthorities::default()).unwrap().undo.unwrap();
    assert_eq!((offered.batch, offered.subjects, offered.left_ms), (undo.batch, undo.subjects, UNDO_MS - 4_000));
    assert_eq!(bench.trusted().undo(second.0), Err(Problem::UndoGone), "that is no batch");
    assert_eq!(bench.trusted().undo(undo.batch).unwrap().into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([first, pin]));
    assert_eq!(bench.items(), before);
    assert_eq!(bench.trusted().page(&SystemAuthorities::default()).unwrap().undo, None);
    assert_eq!(bench.trusted().undo(undo.batch), Err(Problem::UndoGone));
}

#[test]
fn trash_is_gone_for_good_after_its_time() {
    let bench = bench();
    let undo = bench.trusted().trash(&[bench.add(&FIRST)]).unwrap();
    bench.clock.forward(UNDO_MS);
    assert_eq!(bench.trusted().page(&SystemAuthorities::default()).unwrap().undo, None, "no longer offered");
    bench.clock.forward(UNDO_GRACE_MS);
    assert_eq!(bench.trusted().purge(), Ok(0), "a press in the last moment still counts");
    bench.clock.forward(1);
    assert_eq!(bench.trusted().undo(undo.batch), Err(Problem::UndoGone));
    assert_eq!(bench.trusted().purge(), Ok(1));
    assert_eq!(bench.trusted().purge(), Ok(0));

    let again = bench.trusted().trash(&[bench.add(&FIRST)]).unwrap();
    assert!(again.batch > undo.batch);
    bench.clock.back(UNDO_MS + UNDO_GRACE_MS + 1);
    let bench = bench.reopened();
    assert_eq!(bench.trusted().undo(again.batch), Err(Problem::UndoGone), "a clock that was set back keeps nothing alive");
    let file = std::fs::read(bench.dir.path().join("postroom.redb")).unwrap();
    assert!(!file.is_empty());
    assert_eq!(bench.trusted().purge(), Ok(0), "a start has removed it");
}

#[test]
fn undo_trusts_nothing_twice() {
    let bench = bench();
    let (authority, pin) = (bench.add(&FIRST), bench.pin("mail.example.com", &SERVER));
    let undo = bench.trusted().trash(&[authority, pin]).unwrap();
    let again = bench.add(&FIRST);
    let elsewhere = bench.pin("other.example.com", &SERVER);
    assert_eq!(bench.trusted().undo(undo.batch), Ok(vec![pin]));
    let ids: BTreeSet<_> = bench.items().into_iter().map(|item| item.id).collect();
    assert_eq!(ids, BTreeSet::from([again, elsewhere, pin]));
}

#[test]
fn what_is_exported_can_be_imported_whatever_a_subject_says() {
    let bench = bench();
    let hostile = "evil\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let hostile = Made::new("hostile", |params| {
        params.distinguished_name.push(rcgen::DnType::CommonName, hostile);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    });
    let ids = [bench.add(&FIRST), bench.add(&hostile), bench.pin("2001:db8::1", &SERVER)];
    let text = bench.trusted().export(&[]).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.iter().filter(|line| line.starts_with("-----BEGIN")).count(), 3);
    assert!(lines.contains(&"# Subject: CN=first") && lines.contains(&"# Only for: [2001:db8::1]:25"), "{text}");
    assert!(lines.contains(&format!("# SHA-256: {}", fingerprint_words(&FIRST.sha256())).as_str()), "{text}");
    let comments = lines.iter().filter(|line| line.starts_with('#'));
    assert!(comments.clone().count() == 7 && comments.into_iter().all(|line| !line.contains("-----")), "{text}");
    assert_eq!(bench.preview(&text).len(), 3, "no more and no less");
    let one = bench.trusted().export(&ids[..1]).unwrap();
    assert!(one.len() < text.len() && text.contains(&one) && bench.preview(&one).len() == 1, "{one}");
    assert_eq!(bench.trusted().export(&[TrustId(99)]), Err(Problem::NoSuchCertificate(TrustId(99))));

    let other = self::bench();
    other.trusted().add_authorities(&text, Some(&[FIRST.sha256(), hostile.sha256()]), BY).unwrap();
    assert_eq!(other.items().len(), 2);
}

#[test]
fn what_is_trusted_is_read_once_until_it_changes() {
    let bench = bench();
    let known = || bench.trusted().known().unwrap();
    let first = known();
    bench.entries.create(&checked(&draft("mail"))).unwrap();
    assert!(Arc::ptr_eq(&first, &known()) && Arc::ptr_eq(&first.trust(), &known().trust()), "an entry is none");
    let (pin, mut last) = (bench.pin("mail.example.com", &SERVER), first);
    let changes: [&dyn Fn(); 4] = [
        &|| bench.trusted().set_outlives(pin, true).unwrap(),
        &|| bench.trusted().set_system_roots(false).unwrap(),
        &|| assert!(bench.add(&FIRST) > pin),
        &|| {
            let undo = bench.trusted().trash(&[pin]).unwrap();
            bench.trusted().undo(undo.batch).unwrap();
        },
    ];
    for change in changes {
        change();
        let now = known();
        assert!(now.epoch() > last.epoch());
        assert!(!Arc::ptr_eq(&now.trust(), &last.trust()), "it counts from the next connection on");
        last = now;
    }
    bench.trusted().set_system_roots(false).unwrap();
    assert!(Arc::ptr_eq(&last, &known()), "it was off already");
    assert!(!last.trusts_system());
}

/// An entry that is encrypted.
fn encrypted(name: &str) -> ServerDraft {
    let mut draft = draft(name);
    draft.starttls = "enabled_and_required".into();
    draft
}

const PASSWORD: &str = "battery staple";

/// Entries of every kind that trust may matter to, all tested.
struct Tested {
    bench: Bench,
    drafts: Vec<(EntryId, ServerDraft)>,
    authorities: [TrustId; 2],
}

/// Their names, and how they stand.
fn stands() -> [(&'static str, Finished); 6] {
    [
        ("by-first", works_by(Ground::Authority, &FIRST, &SERVER)),
        ("by-second", works_by(Ground::Authority, &SECOND, &SERVER)),
        ("by-system", works_by(Ground::System, &THIRD, &SERVER)),
        ("in-clear", works()),
        ("refused", fails()),
        ("unknown", unknown_issuer()),
    ]
}

fn tested() -> Tested {
    let bench = bench();
    let authorities = [bench.add(&FIRST), bench.add(&SECOND)];
    let mut drafts = Vec::new();
    for (number, (name, finished)) in (1..).zip(stands()) {
        let draft = if name == "in-clear" { draft(name) } else { encrypted(name) };
        let id = bench.entries.create(&with_password(&draft, PASSWORD)).unwrap().0;
        assert!(ran(&bench.entries, id, (&draft, PASSWORD), &run(number, number, finished)).unwrap());
        drafts.push((id, draft));
    }
    bench.entries.create(&with_password(&encrypted("untested"), PASSWORD)).unwrap();
    Tested { bench, drafts, authorities }
}

impl Tested {
    fn standings(&self) -> Vec<Standing> {
        self.drafts.iter().map(|(id, _)| standing(&self.bench.entries, *id)).collect()
    }

    fn of(&self, name: &str) -> &(EntryId, ServerDraft) {
        self.drafts.iter().find(|(_, draft)| draft.name == name).unwrap()
    }

    fn standing(&self, name: &str) -> Standing {
        standing(&self.bench.entries, self.of(name).0)
    }

    /// Whether `change` makes exactly these entries untested, and leaves all others as they were.
    fn concerns(&self, what: &str, expected: &[&str], change: impl FnOnce(&TrustedCertificates)) {
        let before = self.standings();
        change(self.bench.trusted());
        for ((_, draft), (old, new)) in self.drafts.iter().zip(before.iter().zip(self.standings())) {
            let expected = if expected.contains(&draft.name.as_str()) { &Standing::Changed } else { old };
            assert_eq!(&new, expected, "{what}: {}", draft.name);
        }
        let untested = all(&self.bench.entries).rows.into_iter().find(|row| row.name == "untested").unwrap();
        assert_eq!(untested.standing, Standing::Never);
    }
}

#[test]
fn a_change_of_trust_makes_the_entries_concerned_untested_and_no_others() {
    tested().concerns("the machine's authorities go", &["by-system"], |trusted| trusted.set_system_roots(false).unwrap());
    let bench = tested();
    bench.concerns("an authority goes", &["by-first"], |trusted| drop(trusted.trash(&bench.authorities[..1]).unwrap()));
    tested().concerns("an authority comes", &["unknown"], |trusted| {
        trusted.add_authorities(&THIRD.pem(), None, BY).unwrap();
    });
    tested().concerns("nothing comes", &[], |trusted| drop(trusted.add_authorities(&FIRST.pem(), None, BY).unwrap()));
    tested().concerns("nothing is switched", &[], |trusted| trusted.set_system_roots(true).unwrap());
    for name in ["by-first", "by-system", "refused", "unknown"] {
        tested().concerns("a pin comes", &[name], |trusted| {
            trusted.pin(&new_pin(&format!("{name}.example.com"), &OTHER), BY).unwrap();
        });
    }
    for (host, port) in [("in-clear.example.com", 25), ("nobody.example.com", 25), ("by-first.example.com", 26)] {
        tested().concerns("a pin comes that is for nobody", &[], |trusted| {
            trusted.pin(&NewPin { port, ..new_pin(host, &SERVER) }, BY).unwrap();
        });
    }
}

#[test]
fn what_goes_and_comes_back_verifies_nothing() {
    let bench = tested();
    bench.concerns("both go", &["by-first", "by-second"], |trusted| drop(trusted.trash(&bench.authorities).unwrap()));
    let batch = bench.bench.trusted().page(&SystemAuthorities::default()).unwrap().undo.unwrap().batch;
    bench.concerns("both come back", &["by-first", "by-second", "unknown"], |trusted| drop(trusted.undo(batch).unwrap()));

    let bench = tested();
    bench.concerns("they go", &["by-system"], |trusted| trusted.set_system_roots(false).unwrap());
    bench.concerns("they come back", &["by-system", "unknown"], |trusted| trusted.set_system_roots(true).unwrap());
    let (id, draft) = bench.of("by-system");
    let again = works_by(Ground::System, &THIRD, &SERVER);
    assert!(ran(&bench.bench.entries, *id, (draft, PASSWORD), &run(9, 90, again)).unwrap());
    assert_eq!(bench.standing("by-system"), Standing::Verified { at_ms: START + 90 }, "only a test does");
}

#[test]
fn a_pin_that_comes_goes_or_outlives_its_dates_concerns_its_server() {
    let bench = tested();
    let host = "by-first.example.com";
    let (id, draft) = bench.of("by-first").clone();
    let test = |number, made: &Made| {
        let finished = works_by(Ground::Pin, made, made);
        assert!(ran(&bench.bench.entries, id, (&draft, PASSWORD), &run(number, number, finished)).unwrap());
        assert_eq!(bench.standing("by-first"), Standing::Verified { at_ms: START + number });
    };
    let soon = Made::ending("soon", 20);
    let mut pin = TrustId(0);
    bench.concerns("it comes", &["by-first"], |trusted| pin = trusted.pin(&new_pin(host, &soon), BY).unwrap());
    test(11, &soon);
    bench.concerns("the same", &[], |trusted| assert_eq!(trusted.pin(&new_pin(host, &soon), BY), Ok(pin)));
    bench.concerns("within its dates", &[], |trusted| trusted.set_outlives(pin, true).unwrap());
    bench.concerns("within its dates", &[], |trusted| trusted.set_outlives(pin, false).unwrap());
    bench.bench.clock.forward(21 * 86_400_000);
    bench.concerns("outside of them", &["by-first"], |trusted| trusted.set_outlives(pin, true).unwrap());
    test(12, &soon);
    bench.concerns("outside of them", &["by-first"], |trusted| trusted.set_outlives(pin, false).unwrap());
    test(13, &soon);
    bench.concerns("another one in its place", &["by-first"], |trusted| {
        pin = trusted.pin(&NewPin { replace: true, ..new_pin(host, &OTHER) }, BY).unwrap();
    });
    test(14, &OTHER);
    let mut batch = 0;
    bench.concerns("it goes", &["by-first"], |trusted| batch = trusted.trash(&[pin]).unwrap().batch);
    test(15, &OTHER);
    bench.concerns("it comes back", &["by-first"], |trusted| drop(trusted.undo(batch).unwrap()));
}

#[test]
fn saving_it_again_unchanged_proves_nothing() {
    let bench = tested();
    bench.bench.trusted().trash(&bench.authorities[..1]).unwrap();
    let (id, mut draft) = bench.of("by-first").clone();
    draft.default = true;
    for _ in 0..2 {
        let version = bench.bench.entries.content(id).unwrap().0;
        bench.bench.entries.save(id, version, &checked(&draft)).unwrap();
        assert_eq!(bench.standing("by-first"), Standing::Changed);
    }
    let Tested { bench: reopened, .. } = bench;
    let reopened = reopened.reopened();
    assert_eq!(standing(&reopened.entries, id), Standing::Changed);
}

#[test]
fn what_was_tried_with_another_trust_and_is_saved_later_is_not_verified() {
    let bench = tested();
    let (id, draft) = bench.of("refused").clone();
    let mut typed = draft.clone();
    typed.timeout_ms = "20000".into();
    let works = works_by(Ground::Authority, &FIRST, &SERVER);
    assert!(ran(&bench.bench.entries, id, (&typed, PASSWORD), &run(7, 70, works)).unwrap());
    bench.concerns("what vouched for what is typed goes", &["by-first"], |trusted| {
        trusted.trash(&bench.authorities[..1]).unwrap();
    });
    let version = bench.bench.entries.content(id).unwrap().0;
    bench.bench.entries.save(id, version, &checked(&typed)).unwrap();
    assert_eq!(bench.standing("refused"), Standing::Changed);
}

#[test]
fn an_entry_in_the_trash_comes_back_untested_where_it_is_concerned() {
    let bench = tested();
    let ids = ["by-first", "by-second"].map(|name| bench.of(name).0);
    let heir = bench.of("in-clear").0;
    let undo = bench.bench.entries.trash(&ids, Some(heir)).unwrap();
    bench.bench.trusted().trash(&bench.authorities[..1]).unwrap();
    bench.bench.entries.undo(undo.batch).unwrap();
    assert_eq!(bench.standing("by-first"), Standing::Changed);
    assert!(matches!(bench.standing("by-second"), Standing::Verified { .. }));
}

#[test]
fn a_run_that_outlasts_a_change_of_trust_says_nothing() {
    let bench = tested();
    let entries = &bench.bench.entries;
    let (id, draft) = bench.of("by-first").clone();
    let server = checked(&draft).server;
    let password = Secret::new(PASSWORD.into());
    let planned = basis(entries, &server, Secrets { password: Some(&password), client_certificate: None });
    let record = |number, finished| {
        let run: Run = run(number, number, finished);
        assert!(entries.record_run(id, Some(&planned), &run).unwrap());
        assert_eq!(entries.run(run.summary.id).unwrap(), run, "it is kept all the same");
    };
    let works = || works_by(Ground::Authority, &FIRST, &SERVER);
    record(20, works());
    assert_eq!(bench.standing("by-first"), Standing::Verified { at_ms: START + 20 });
    bench.bench.trusted().trash(&bench.authorities[..1]).unwrap();
    record(20, works());
    assert_eq!(bench.standing("by-first"), Standing::Changed, "it was about what was trusted before");
    record(21, fails());
    assert_eq!(bench.standing("by-first"), Standing::Changed);
    assert!(ran(entries, id, (&draft, PASSWORD), &run(22, 22, unknown_issuer())).unwrap());
    assert!(matches!(bench.standing("by-first"), Standing::Failing { .. }), "the next one does");
}

#[test]
fn what_was_proven_before_there_was_trust_to_change_relied_on_the_machine_s() {
    let (store, entries, _) = over_memory(RedbStore::create(Box::new(Memory::default())).unwrap());
    let draft = encrypted("mail");
    let id = entries.create(&with_password(&draft, PASSWORD)).unwrap().0;
    let plain = self::draft("plain");
    let in_clear = entries.create(&with_password(&plain, PASSWORD)).unwrap().0;
    let old = |store: &dyn Store| {
        assert!(ran(&entries, id, (&draft, PASSWORD), &run(1, 1, works())).unwrap());
        assert!(ran(&entries, in_clear, (&plain, PASSWORD), &run(2, 2, works())).unwrap());
        store
            .writing(|tx| {
                for id in [id, in_clear] {
                    let mut proof = tx.proof(id)?.unwrap();
                    let proven = proof.proven.as_mut().unwrap();
                    (proven.target, proven.seen) = (None, None);
                    tx.put_proof(id, &proof)?;
                }
                Ok(())
            })
            .unwrap();
        assert_eq!(standing(&entries, id), Standing::Verified { at_ms: START + 1 });
    };
    let store: &dyn Store = &*store;
    let pin = |host| assert!(entries.trusted().pin(&new_pin(host, &SERVER), BY).is_ok());
    let changes: [(&dyn Fn(), bool); 4] = [
        (&|| pin("elsewhere.example.com"), false),
        (&|| drop(entries.trusted().add_authorities(&FIRST.pem(), None, BY).unwrap()), false),
        (&|| entries.trusted().set_system_roots(false).unwrap(), true),
        (&|| pin("mail.example.com"), true),
    ];
    for (at, (change, concerned)) in changes.into_iter().enumerate() {
        old(store);
        change();
        assert_eq!(standing(&entries, id) == Standing::Changed, concerned, "change {at}");
        assert_eq!(standing(&entries, in_clear), Standing::Verified { at_ms: START + 2 });
    }
    World::of(store).unwrap();
}

#[test]
fn it_is_told_who_relies_on_what() {
    let bench = tested();
    let name = |name: &str| vec![(bench.of(name).0, name.to_owned())];
    let trusted = bench.bench.trusted();
    let pins = ["by-second", "in-clear", "untested"].map(|host| bench.bench.pin(&format!("{host}.example.com"), &OTHER));
    let page = trusted.page(&SystemAuthorities { count: 3, source: "a test".into(), error: None }).unwrap();
    assert_eq!((page.system.count, page.system.source.as_str(), page.system.on), (3, "a test", true));
    assert_eq!(page.system.used_by, name("by-system"));
    let used_by = |id: TrustId| page.items.iter().find(|item| item.id == id).unwrap().used_by.clone();
    assert_eq!(used_by(bench.authorities[0]), name("by-first"));
    assert_eq!(used_by(bench.authorities[1]), name("by-second"));
    assert_eq!(used_by(pins[0]), name("by-second"));
    assert_eq!(used_by(pins[1]), [], "it never encrypts");
    assert_eq!(used_by(pins[2]).len(), 1, "also one that was never tested");
    let plan = trusted.trash_plan(&[pins[0], bench.authorities[0]]).unwrap();
    let going: Vec<_> = plan.going.into_iter().map(|item| (item.id, item.used_by)).collect();
    assert_eq!(going, [(bench.authorities[0], name("by-first")), (pins[0], name("by-second"))], "authorities first");

    // It leads somewhere else now, and nobody knows yet who vouches there.
    let (id, mut draft) = bench.of("by-first").clone();
    draft.host = "moved.example.com".into();
    draft.default = true;
    bench.bench.entries.save(id, bench.bench.entries.content(id).unwrap().0, &with_password(&draft, PASSWORD)).unwrap();
    let plan = trusted.trash_plan(&bench.authorities[..1]).unwrap();
    assert_eq!(plan.going[0].used_by, []);
}

#[test]
fn certificates_that_end_soon_are_told_with_the_entries_that_need_them() {
    let bench = bench();
    let entries = &bench.entries;
    let near_authority = Made::authority_ending("near-authority", 30);
    let far_authority = Made::authority_ending("far-authority", 31);
    let (near, far, over) = (Made::ending("near", 30), Made::ending("far", 31), Made::ending("over", -1));
    bench.trusted().add_authorities(&(near_authority.pem() + &far_authority.pem()), None, BY).unwrap();
    let expiring = |id: EntryId| {
        let view = entries.entry(id).unwrap().expiring;
        let row = all(entries).rows.into_iter().find(|row| row.id == id).unwrap().expiring;
        assert_eq!(view, row, "the list and the page agree");
        view.into_iter().map(|expiring| (expiring.role, expiring.subject)).collect::<Vec<_>>()
    };
    let entry = |name: &str, finished: Finished| {
        let draft = encrypted(name);
        let id = entries.create(&with_password(&draft, PASSWORD)).unwrap().0;
        assert!(ran(entries, id, (&draft, PASSWORD), &run(id.0, 0, finished)).unwrap());
        id
    };
    let told = |role, made: &Made| (role, made.summary().subject);
    let fine = entry("fine", works_by(Ground::Authority, &far_authority, &far));
    assert_eq!(expiring(fine), []);
    let both = entry("both", works_by(Ground::Authority, &near_authority, &near));
    assert_eq!(expiring(both), [told(Needed::Authority, &near_authority), told(Needed::Server, &near)]);
    let server = entry("server", works_by(Ground::System, &near_authority, &near));
    assert_eq!(expiring(server), [told(Needed::Server, &near)], "the machine looks after its own");

    // What is pinned is what the server has; who else could vouch doesn't matter any more.
    let pinned = entry("pinned", works_by(Ground::Authority, &near_authority, &near));
    bench.pin("pinned.example.com", &near);
    let outliving = bench.trusted().pin(&NewPin { outlives: true, ..new_pin("pinned.example.com", &over) }, BY).unwrap();
    assert_eq!(expiring(pinned), [told(Needed::Pin, &near)], "one that outlives its dates ends nothing");
    bench.trusted().set_outlives(outliving, false).unwrap();
    assert_eq!(expiring(pinned), [told(Needed::Pin, &near), told(Needed::Pin, &over)]);
    let view = entries.entry(pinned).unwrap();
    assert_eq!(view.expiring[0].not_after, near.summary().not_after);

    let plain = entries.create(&with_password(&draft("pinned-in-clear"), PASSWORD)).unwrap().0;
    bench.pin("pinned-in-clear.example.com", &near);
    assert_eq!(expiring(plain), [], "it never encrypts");
    let untested = entries.create(&with_password(&encrypted("untested"), PASSWORD)).unwrap().0;
    bench.pin("untested.example.com", &near);
    assert_eq!(expiring(untested), [told(Needed::Pin, &near)]);

    bench.clock.forward(86_400_000);
    assert_eq!(expiring(fine), [told(Needed::Authority, &far_authority), told(Needed::Server, &far)], "a day later");
}

#[test]
fn a_certificate_is_an_authority_although_it_is_pinned() {
    let bench = bench();
    bench.pin("mail.example.com", &FIRST);
    assert_eq!(bench.preview(&FIRST.pem()), [Fate::New], "it is trusted for one server only");
    bench.add(&FIRST);
    assert_eq!((bench.preview(&FIRST.pem()), bench.items().len()), (vec![Fate::Already], 2));
}

#[test]
fn an_authority_between_others_may_be_trusted() {
    let bench = bench();
    let root = issuer("root");
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, "between");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let between = params.signed_by(&rcgen::KeyPair::generate().unwrap(), &root).unwrap();
    assert_eq!(bench.preview(&between.pem()), [Fate::New]);
}
