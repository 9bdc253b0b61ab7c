//! The rules of the entries, over a real file.
#![expect(clippy::unwrap_used, reason = "a test")]

mod store_support;

use domain::entry::{EntryId, ListQuery, UNDO_MS, Version};
use domain::error::Problem;
use domain::field::{Field, FieldError};
use domain::secret::SecretChange;
use domain::smtp_server::ServerDraft;
use server::entries::{Entries, MAX_ENTRIES, UNDO_GRACE_MS};
use server::store::RedbStore;
use store_support::memory::Memory;
use store_support::*;

struct Bench {
    dir: tempfile::TempDir,
    clock: std::sync::Arc<TestClock>,
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

    fn complete(&self, name: &str) -> EntryId {
        self.entries.create(&with_password(&draft(name), &format!("password of {name}"))).unwrap().0
    }
}

#[test]
fn an_entry_grows_from_its_name_to_a_complete_one() {
    let bench = bench();
    assert_eq!(bench.entries.suggest_name().unwrap(), "mail");
    let (id, version) = bench.entries.create_named(&name("mail")).unwrap();
    assert_eq!(version, Version(1));
    assert_eq!(bench.entries.suggest_name().unwrap(), "mail-2");
    let view = bench.entries.entry(id).unwrap();
    assert_eq!((view.server.is_some(), view.any_default), (false, false), "an incomplete entry is never the default");
    assert!(view.draft().default, "the first one is suggested as the default");

    let mut draft = draft("Mail");
    draft.default = false;
    assert_eq!(bench.entries.save(id, Version(1), &checked(&draft)).unwrap(), Version(2));
    let bench = bench.reopened();
    let view = bench.entries.entry(id).unwrap();
    let server = view.server.unwrap();
    assert_eq!((server.name.as_str(), server.default, server.has_password), ("Mail", true, false));
    assert_eq!(bench.entries.suggest_name().unwrap(), "mail-2");
}

#[test]
fn names_are_unique_whatever_their_case() {
    let bench = bench();
    let first = bench.entries.create(&checked(&draft("Mail"))).unwrap().0;
    let second = bench.entries.create(&checked(&draft("other"))).unwrap().0;
    let taken = invalid(Field::Name, FieldError::NameTaken { name: "Mail".into() });
    assert_eq!(bench.entries.create_named(&name("mAIL")), Err(taken.clone()));
    assert_eq!(bench.entries.create(&checked(&draft("MAIL"))), Err(taken.clone()));
    assert_eq!(bench.entries.save(second, Version(1), &checked(&draft("MAIL"))), Err(taken));
    assert_eq!(names(&bench.entries), ["Mail", "other"]);

    let mut renamed = draft("mail");
    renamed.default = true;
    bench.entries.save(first, Version(1), &checked(&renamed)).unwrap();
    renamed.name = "post".into();
    bench.entries.save(first, Version(2), &checked(&renamed)).unwrap();
    bench.entries.create_named(&name("MAIL")).expect("the old name is free");
    assert_eq!(names(&bench.entries), ["MAIL", "other", "post"]);
}

#[test]
fn a_stale_save_is_refused_with_what_is_stored() {
    let bench = bench();
    let id = bench.complete("mail");
    let mut mine = draft("mail");
    mine.default = true;
    mine.timeout_ms = "20000".into();
    let mut theirs = mine.clone();
    theirs.timeout_ms = "30000".into();
    bench.entries.save(id, Version(1), &checked(&theirs)).unwrap();
    let Err(Problem::Stale(stale)) = bench.entries.save(id, Version(1), &with_password(&mine, "new")) else { panic!("saved") };
    assert_eq!(stale.version, Version(2));
    assert_eq!(stale.current.as_ref().map(|current| (current.timeout_ms, current.has_password)), Some((30_000, true)));
    assert_eq!(password(&bench.entries, id).as_deref(), Some("password of mail"), "nothing was saved");
    assert_eq!(bench.entries.save(EntryId(99), Version(1), &checked(&mine)), Err(Problem::NoSuchEntry(EntryId(99))));
}

#[test]
fn all_that_is_wrong_with_a_save_is_said_at_once() {
    let bench = bench();
    let id = bench.complete("mail");
    bench.complete("other");
    let mut draft = draft("OTHER");
    draft.host = "elsewhere.example.com".into();
    let Err(Problem::Invalid(errors)) = bench.entries.save(id, Version(1), &checked(&draft)) else { panic!("saved") };
    let errors: Vec<_> = errors.iter().map(|(field, error)| (field, error.clone())).collect();
    assert_eq!(
        errors,
        [
            (Field::Name, FieldError::NameTaken { name: "other".into() }),
            (Field::Default, FieldError::LastDefault),
            (Field::Password, FieldError::PasswordForOtherServer),
        ]
    );
    assert_eq!(bench.entries.content(id).unwrap().0, Version(1));
}

#[test]
fn exactly_one_complete_entry_is_the_default() {
    let bench = bench();
    bench.entries.create_named(&name("bare")).unwrap();
    assert_eq!(default_name(&bench.entries), None);
    let first = bench.complete("first");
    assert_eq!(default_name(&bench.entries).as_deref(), Some("first"));
    let second = bench.complete("second");
    assert_eq!(default_name(&bench.entries).as_deref(), Some("first"));

    assert_eq!(
        bench.entries.save(first, Version(1), &checked(&draft("first"))),
        Err(invalid(Field::Default, FieldError::LastDefault))
    );
    let mut ticked = draft("second");
    ticked.default = true;
    bench.entries.save(second, Version(1), &checked(&ticked)).unwrap();
    assert_eq!(default_name(&bench.entries).as_deref(), Some("second"));
    assert_eq!(bench.entries.content(first).unwrap().0, Version(1), "the other entry has not changed");
    assert_eq!(bench.entries.default_entry().unwrap(), Some(second));
}

#[test]
fn a_password_stays_with_its_server_and_account() {
    let bench = bench();
    let id = bench.complete("mail");
    let mut draft = draft("mail");
    draft.default = true;
    draft.timeout_ms = "30000".into();
    let version = bench.entries.save(id, Version(1), &checked(&draft)).unwrap();
    assert_eq!(password(&bench.entries, id).as_deref(), Some("password of mail"), "an untouched password is kept");

    let changes: [fn(&mut ServerDraft); 4] = [
        |draft| draft.host = "evil.example.com".into(),
        |draft| draft.port = "26".into(),
        |draft| draft.choose_protocol("smtps"),
        |draft| draft.username = "other@example.com".into(),
    ];
    for change in changes {
        let mut elsewhere = draft.clone();
        change(&mut elsewhere);
        let refused = invalid(Field::Password, FieldError::PasswordForOtherServer);
        let elsewhere = checked(&elsewhere);
        assert_eq!(elsewhere.password, SecretChange::Keep);
        assert_eq!(bench.entries.password_for(id, &elsewhere.server), Err(refused.clone()));
        assert_eq!(bench.entries.save(id, version, &elsewhere), Err(refused));
        assert_eq!(bench.entries.content(id).unwrap().0, version);
    }

    let mut elsewhere = draft.clone();
    elsewhere.host = "new.example.com".into();
    let version = bench.entries.save(id, version, &with_password(&elsewhere, "second")).unwrap();
    let bench = bench.reopened();
    assert_eq!(password(&bench.entries, id).as_deref(), Some("second"));
    elsewhere.username = String::new();
    bench.entries.save(id, version, &checked(&elsewhere)).unwrap();
    assert!(!bench.entries.entry(id).unwrap().has_password());
    assert_eq!(password(&bench.entries, id), None);
}

#[test]
fn a_removed_password_is_gone() {
    let bench = bench();
    let id = bench.complete("mail");
    let mut draft = draft("mail");
    draft.default = true;
    let mut remove = checked(&draft);
    remove.password = SecretChange::Clear;
    bench.entries.save(id, Version(1), &remove).unwrap();
    assert_eq!(password(&bench.entries, id), None);
    assert!(!bench.entries.entry(id).unwrap().has_password());
}

#[test]
fn trash_goes_and_comes_back_as_it_was() {
    let bench = bench();
    let (first, second) = (bench.complete("first"), bench.complete("second"));
    let bare = bench.entries.create_named(&name("bare")).unwrap().0;
    assert_eq!(bench.entries.trash_plan(&[]), Err(Problem::NothingChosen));
    assert_eq!(bench.entries.trash(&[], None), Err(Problem::NothingChosen));
    let plan = bench.entries.trash_plan(&[first, bare]).unwrap();
    assert_eq!(plan.going, [(bare, "bare".to_owned()), (first, "first".to_owned())]);
    assert_eq!(plan.heirs, [(second, "second".to_owned())]);
    assert!(bench.entries.trash_plan(&[second]).unwrap().heirs.is_empty(), "the default stays");

    let refused = |heir, error| assert_eq!(bench.entries.trash(&[first], heir), Err(invalid(Field::NewDefault, error)));
    refused(None, FieldError::Required);
    refused(Some(first), FieldError::NotADefault);
    refused(Some(bare), FieldError::NotADefault);
    refused(Some(EntryId(99)), FieldError::NotADefault);
    assert_eq!(bench.entries.trash(&[second, EntryId(99)], None), Err(Problem::NoSuchEntry(EntryId(99))));
    assert_eq!(names(&bench.entries), ["bare", "first", "second"], "nothing went");

    let offer = bench.entries.trash(&[bare, first, first], Some(second)).unwrap();
    assert_eq!((offer.names.clone(), offer.left_ms), (vec!["bare".to_owned(), "first".to_owned()], UNDO_MS));
    assert_eq!(names(&bench.entries), ["second"]);
    assert_eq!(default_name(&bench.entries).as_deref(), Some("second"));
    assert_eq!(bench.entries.entry(first), Err(Problem::NoSuchEntry(first)));
    assert_eq!(bench.entries.suggest_name().unwrap(), "mail");

    bench.clock.forward(4_000);
    let bench = bench.reopened();
    let offered = all(&bench.entries).undo.unwrap();
    assert_eq!((offered.batch, offered.names, offered.left_ms), (offer.batch, offer.names, UNDO_MS - 4_000));
    assert_eq!(bench.entries.undo(offer.batch).unwrap(), [bare, first]);
    assert_eq!(names(&bench.entries), ["bare", "first", "second"]);
    assert_eq!(default_name(&bench.entries).as_deref(), Some("first"));
    assert_eq!(password(&bench.entries, first).as_deref(), Some("password of first"));
    assert_eq!(bench.entries.content(first).unwrap().0, Version(1));
    assert_eq!(all(&bench.entries).undo, None);
    assert_eq!(bench.entries.undo(offer.batch), Err(Problem::UndoGone));
}

#[test]
fn trash_is_gone_for_good_after_its_time() {
    let bench = bench();
    let first = bench.complete("first");
    let offer = bench.entries.trash(&[first], None).unwrap();
    assert_eq!(default_name(&bench.entries), None);
    bench.clock.forward(UNDO_MS);
    assert_eq!(all(&bench.entries).undo, None, "no longer offered");
    bench.clock.forward(UNDO_GRACE_MS);
    assert_eq!(bench.entries.purge().unwrap(), 0, "a press in the last moment still counts");
    bench.clock.forward(1);
    assert_eq!(bench.entries.undo(offer.batch), Err(Problem::UndoGone));
    assert_eq!(bench.entries.purge().unwrap(), 1);
    bench.clock.back(UNDO_GRACE_MS);
    assert_eq!(bench.entries.undo(offer.batch), Err(Problem::UndoGone));

    let second = bench.complete("first");
    assert!(second > first, "ids are not used again");
    assert_eq!(default_name(&bench.entries).as_deref(), Some("first"));
    let offer = bench.entries.trash(&[second], None).unwrap();
    bench.clock.back(UNDO_MS + UNDO_GRACE_MS + 1);
    let bench = bench.reopened();
    assert_eq!(bench.entries.undo(offer.batch), Err(Problem::UndoGone), "a clock that was set back keeps nothing alive");
}

#[test]
fn undo_never_overwrites_what_was_made_since() {
    let bench = bench();
    let (first, second) = (bench.complete("first"), bench.complete("second"));
    let third = bench.complete("third");
    let offer = bench.entries.trash(&[first, second], Some(third)).unwrap();
    let newcomer = bench.entries.create_named(&name("SECOND")).unwrap().0;
    assert_eq!(bench.entries.undo(offer.batch), Err(Problem::UndoNameTaken { name: "second".into() }));
    assert_eq!(names(&bench.entries), ["SECOND", "third"], "nothing came back");
    assert_eq!(default_name(&bench.entries).as_deref(), Some("third"));

    let mut ticked = draft("newcomer");
    ticked.default = true;
    bench.entries.save(newcomer, Version(1), &checked(&ticked)).unwrap();
    bench.entries.undo(offer.batch).unwrap();
    assert_eq!(names(&bench.entries), ["first", "newcomer", "second", "third"]);
    assert_eq!(default_name(&bench.entries).as_deref(), Some("newcomer"), "a default chosen since stays");
}

#[test]
fn a_complete_entry_that_comes_back_to_none_is_the_default() {
    let bench = bench();
    let default = bench.complete("default");
    let (second, first) = (bench.complete("second"), bench.complete("first"));
    let bare = bench.entries.create_named(&name("bare")).unwrap().0;
    let earlier = bench.entries.trash(&[first, second, bare], None).unwrap();
    let later = bench.entries.trash(&[default], None).unwrap();
    assert_eq!(all(&bench.entries).undo.map(|offer| offer.batch), Some(later.batch), "the latest is offered");
    bench.entries.undo(earlier.batch).unwrap();
    assert_eq!(default_name(&bench.entries).as_deref(), Some("first"));
    bench.entries.undo(later.batch).unwrap();
    assert_eq!(default_name(&bench.entries).as_deref(), Some("first"));
}

#[test]
fn of_two_who_save_at_once_one_wins() {
    let bench = bench();
    let id = bench.complete("mail");
    for version in 1..=10 {
        let save = |timeout: &str| {
            let mut draft = draft("mail");
            draft.default = true;
            draft.timeout_ms = timeout.into();
            bench.entries.save(id, Version(version), &checked(&draft))
        };
        let results = std::thread::scope(|scope| {
            let threads = ["20000", "30000", "40000"].map(|timeout| scope.spawn(move || save(timeout)));
            threads.map(|thread| thread.join().unwrap())
        });
        assert_eq!(results.iter().filter(|result| **result == Ok(Version(version + 1))).count(), 1, "{results:?}");
        assert_eq!(results.iter().filter(|result| matches!(result, Err(Problem::Stale(_)))).count(), 2, "{results:?}");
    }
}

#[test]
fn a_list_reads_no_records_but_its_pages() {
    let file = Memory::default();
    let store = RedbStore::create(Box::new(file.clone())).unwrap();
    fill(&store, 120);
    drop(store);
    // An unreadable record on the second page: whoever reads it can't miss it.
    let database = redb::Builder::new().create_with_backend(file.clone()).unwrap();
    let transaction = database.begin_write().unwrap();
    let servers: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("servers");
    transaction.open_table(servers).unwrap().insert(70_u64.to_be_bytes().as_slice(), b"?".as_slice()).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let entries = over(Box::new(RedbStore::open(Box::new(file)).unwrap()), &TestClock::new());
    let list = |search: &str, page| entries.list(&ListQuery { search: search.into(), page });
    assert!(matches!(list("", 2), Err(Problem::Corrupt { .. })));
    assert_eq!(list("", 1).unwrap().rows.len(), 50);
    assert_eq!(list("", 3).unwrap().rows.len(), 20);
    assert_eq!(list("scan7@", 1).unwrap().rows.len(), 1, "a search reads what it found");
}

#[test]
fn the_list_is_paged_and_searched() {
    let bench = bench();
    for number in 0..120 {
        let mut draft = draft(&format!("{}-{number:03}", if number % 2 == 0 { "Even" } else { "odd" }));
        draft.username = if number % 40 == 0 { "Äda".into() } else { String::new() };
        draft.sender = format!("s{number}@Sender.example.net");
        bench.entries.create(&checked(&draft)).unwrap();
    }
    let page = |search: &str, page| bench.entries.list(&ListQuery { search: search.into(), page }).unwrap();
    let third = page("", 3);
    assert_eq!((third.total, third.matching, third.page, third.pages, third.rows.len()), (120, 120, 3, 3, 20));
    assert_eq!(page("", 99), third, "a page that is too high shows the last");
    assert_eq!(page("", 0), page("", 1));
    let mut seen: Vec<_> = (1..=3).flat_map(|number| page("", number).rows).map(|row| row.name).collect();
    assert!(seen.is_sorted_by_key(|name| name.to_lowercase()));
    seen.dedup();
    assert_eq!(seen.len(), 120);

    let even = page("eVEN", 2);
    assert_eq!((even.total, even.matching, even.page, even.pages, even.rows.len()), (120, 60, 2, 2, 10));
    for (search, matching) in [
        ("s11@sender", 1),
        ("äda", 3),
        ("even-002.example.com:25", 1),
        ("SENDER", 120),
        ("nothing like it", 0),
        ("25\0", 0),
        (" ", 120),
    ] {
        let found = page(search, 1);
        assert_eq!((found.matching, found.page), (matching, 1), "{search:?}");
    }
    let row = &page("äda", 1).rows[0];
    assert!(row.server.as_ref().is_some_and(|server| server.matches("äda")), "as `RowServer::matches` has it");
}

#[test]
fn there_is_room_for_so_many_and_no_more() {
    let store = RedbStore::create(Box::new(Memory::default())).unwrap();
    fill(&store, MAX_ENTRIES);
    let entries = over(Box::new(store), &TestClock::new());
    let full = Err(Problem::TooManyEntries { max: MAX_ENTRIES });
    assert_eq!(entries.create_named(&name("more")), full);
    let id = all(&entries).rows[1].id;
    let offer = entries.trash(&[id], None).unwrap();
    entries.create_named(&name("more")).unwrap();
    assert_eq!(entries.undo(offer.batch).err(), full.err());
    assert_eq!(all(&entries).total, MAX_ENTRIES);
}
