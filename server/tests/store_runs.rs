//! The history of entries and what it says of them, over a real file.
#![expect(clippy::unwrap_used, reason = "a test")]

mod store_support;

use domain::entry::{EntryId, UNDO_MS, Version};
use domain::error::Problem;
use domain::run::{MAX_RUNS, RunId, Standing};
use domain::secret::SecretChange;
use domain::smtp_server::ServerDraft;
use domain::transcript::{Finished, Outcome, Stage};
use server::entries::{Entries, UNDO_GRACE_MS};
use store_support::*;

struct Bench {
    dir: tempfile::TempDir,
    clock: std::sync::Arc<TestClock>,
    entries: Entries,
    draft: ServerDraft,
    id: EntryId,
}

const PASSWORD: &str = "canary-horse-battery";

/// One complete entry with a password.
fn bench() -> Bench {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let entries = open(dir.path(), &clock).unwrap();
    let mut draft = draft("mail");
    draft.default = true;
    let (id, _) = entries.create(&with_password(&draft, PASSWORD)).unwrap();
    Bench { dir, clock, entries, draft, id }
}

impl Bench {
    fn reopened(self) -> Self {
        let Self { dir, clock, entries, draft, id } = self;
        drop(entries);
        let entries = open(dir.path(), &clock).unwrap();
        Self { dir, clock, entries, draft, id }
    }

    /// A run with what is saved.
    fn ran(&self, number: u64, at_ms: u64, finished: Finished) {
        assert!(ran(&self.entries, self.id, (&self.draft, PASSWORD), &run(number, at_ms, finished)).unwrap());
    }

    fn save(&self, draft: &ServerDraft, password: &SecretChange) {
        let (version, _) = self.entries.content(self.id).unwrap();
        let mut checked = checked(draft);
        checked.password = password.clone();
        self.entries.save(self.id, version, &checked).unwrap();
    }

    fn standing(&self) -> Standing {
        standing(&self.entries, self.id)
    }

    fn numbers(&self) -> Vec<u64> {
        self.entries.history(self.id).unwrap().runs.iter().map(|run| run.id.0).collect()
    }
}

fn password(text: &str) -> SecretChange {
    SecretChange::Set(domain::secret::Secret::new(text.to_owned()))
}

#[test]
fn the_last_fifty_runs_are_kept_newest_first() {
    let bench = bench();
    let other = bench.entries.create(&checked(&draft("other"))).unwrap().0;
    assert!(ran(&bench.entries, other, (&draft("other"), ""), &run(1, 0, works())).unwrap());
    for number in 2..=60 {
        bench.ran(number, number, works());
    }
    let bench = bench.reopened();
    assert_eq!(bench.numbers(), (11..=60).rev().collect::<Vec<_>>());
    assert_eq!(bench.numbers().len(), MAX_RUNS);
    assert_eq!(bench.entries.run(RunId(11)).unwrap(), run(11, 11, works()));
    assert_eq!(bench.entries.run(RunId(10)), Err(Problem::NoSuchRun(RunId(10))), "its transcript went, too");
    assert_eq!(bench.entries.run(RunId(1)).unwrap(), run(1, 0, works()), "every entry has its own history");
    assert_eq!(bench.entries.last_run().unwrap(), RunId(60));
}

#[test]
fn a_run_that_ends_late_stands_where_it_began() {
    let bench = bench();
    bench.ran(5, 0, works());
    bench.ran(3, 0, fails());
    assert_eq!(bench.numbers(), [5, 3]);
    assert_eq!(bench.standing(), Standing::Verified { at_ms: START }, "what began last has the last word");
    assert_eq!(bench.entries.last_run().unwrap(), RunId(5));
    bench.ran(7, 0, Finished::new(Outcome::Cancelled, Stage::Connect));
    bench.ran(6, 0, fails());
    assert!(matches!(bench.standing(), Standing::Failing { .. }), "what says nothing has no word at all");
}

#[test]
fn a_page_shows_only_runs_of_its_own() {
    let bench = bench();
    let other = bench.entries.create(&checked(&draft("other"))).unwrap().0;
    bench.ran(1, 0, works());
    let shown = |id, number| bench.entries.page(id, Some(RunId(number))).unwrap().shown.map(|run| run.summary.id.0);
    assert_eq!((shown(bench.id, 1), shown(bench.id, 2), shown(other, 1)), (Some(1), None, None));
    assert_eq!(bench.entries.page(bench.id, None).unwrap().shown, None);
    assert_eq!(bench.entries.history(EntryId(99)), Err(Problem::NoSuchEntry(EntryId(99))));
}

#[test]
fn the_trash_takes_the_history_along() {
    let bench = bench();
    bench.ran(1, 0, works());
    let offer = bench.entries.trash(&[bench.id], None).unwrap();
    assert_eq!(bench.entries.run(RunId(1)), Err(Problem::NoSuchRun(RunId(1))));
    assert!(ran(&bench.entries, bench.id, (&bench.draft, PASSWORD), &run(2, 20, works())).unwrap(), "it may come back");
    assert_eq!(bench.entries.run(RunId(2)), Err(Problem::NoSuchRun(RunId(2))));
    bench.entries.undo(offer.batch).unwrap();
    assert_eq!(bench.numbers(), [2, 1]);
    assert_eq!(bench.standing(), Standing::Verified { at_ms: START + 20 });

    bench.entries.trash(&[bench.id], None).unwrap();
    bench.clock.forward(UNDO_MS + UNDO_GRACE_MS + 1);
    assert_eq!(bench.entries.purge().unwrap(), 1);
    let again = bench.entries.create(&with_password(&bench.draft, PASSWORD)).unwrap().0;
    assert_eq!(standing(&bench.entries, again), Standing::Never);
    assert_eq!(bench.entries.run(RunId(1)), Err(Problem::NoSuchRun(RunId(1))));
    assert!(!ran(&bench.entries, bench.id, (&bench.draft, PASSWORD), &run(3, 0, works())).unwrap(), "dropped without an error");
}

/// Something that is typed over what is saved.
type Change = fn(&mut ServerDraft);

#[test]
fn what_a_gateway_makes_of_numbers_is_tested_as_well() {
    let bench = bench();
    let fax = ServerDraft { kind: "fax".into(), fax_country: "DE".into(), ..bench.draft.clone() };
    bench.save(&fax, &SecretChange::Keep);
    assert!(ran(&bench.entries, bench.id, (&fax, PASSWORD), &run(1, 10, works())).unwrap());
    assert_eq!(bench.standing(), Standing::Verified { at_ms: START + 10 });
    let differences: [Change; 4] = [
        |draft| draft.fax_address = "number_at_domain".into(),
        |draft| draft.fax_domain = "fax.example.com".into(),
        |draft| draft.fax_prefix = "0".into(),
        |draft| draft.fax_country = "AT".into(),
    ];
    for differ in differences {
        let mut changed = fax.clone();
        differ(&mut changed);
        bench.save(&changed, &SecretChange::Keep);
        assert_eq!(bench.standing(), Standing::Changed);
        // Of a mail server they are nothing that is kept.
        let mail = ServerDraft { kind: "smtp".into(), ..changed };
        bench.save(&mail, &SecretChange::Keep);
        assert_eq!(bench.entries.entry(bench.id).unwrap().draft(), bench.draft);
        bench.save(&fax, &SecretChange::Keep);
        assert_eq!(bench.standing(), Standing::Verified { at_ms: START + 10 });
    }
}

#[test]
fn only_what_was_tested_is_verified() {
    let bench = bench();
    assert_eq!(bench.standing(), Standing::Never);
    bench.ran(1, 10, works());
    let bench = bench.reopened();
    assert_eq!(bench.standing(), Standing::Verified { at_ms: START + 10 });

    let harmless: [Change; 5] = [
        |draft| draft.name = "renamed".into(),
        |draft| draft.attachment_threshold = "5 MB".into(),
        |draft| draft.link_days = "3".into(),
        |draft| draft.link_language = "de".into(),
        |draft| draft.attachment_as_url = true,
    ];
    for change in harmless {
        let mut changed = bench.draft.clone();
        change(&mut changed);
        bench.save(&changed, &SecretChange::Keep);
        assert_eq!(bench.standing(), Standing::Verified { at_ms: START + 10 });
    }
    let harmful: [Change; 6] = [
        |draft| draft.timeout_ms = "20000".into(),
        |draft| draft.starttls = "enabled_and_required".into(),
        |draft| draft.kind = "fax".into(),
        |draft| draft.sender = "scan@example.com".into(),
        |draft| draft.mime_address_strict = false,
        |draft| draft.allow_plaintext_credentials = true,
    ];
    for change in harmful {
        let mut changed = bench.draft.clone();
        change(&mut changed);
        bench.save(&changed, &SecretChange::Keep);
        assert_eq!(bench.standing(), Standing::Changed);
        bench.save(&bench.draft, &SecretChange::Keep);
        assert_eq!(bench.standing(), Standing::Verified { at_ms: START + 10 }, "exactly these settings were tested");
    }
    for (change, expected) in [
        (password("another"), Standing::Changed),
        (password(PASSWORD), Standing::Verified { at_ms: START + 10 }),
        (SecretChange::Clear, Standing::Changed),
    ] {
        bench.save(&bench.draft, &change);
        assert_eq!(bench.standing(), expected, "{change:?}");
    }
}

#[test]
fn what_is_tested_and_then_saved_is_verified() {
    let bench = bench();
    bench.ran(1, 10, fails());
    let mut typed = bench.draft.clone();
    typed.host = "other.example.com".into();
    assert!(ran(&bench.entries, bench.id, (&typed, "typed"), &run(2, 20, works())).unwrap());
    assert!(matches!(bench.standing(), Standing::Failing { .. }), "what is saved still fails");
    bench.save(&typed, &password("typed"));
    assert_eq!(bench.standing(), Standing::Verified { at_ms: START + 20 });

    // A test of something else, typed and thrown away, says nothing of what is saved.
    assert!(ran(&bench.entries, bench.id, (&bench.draft, "wrong"), &run(3, 30, fails())).unwrap());
    assert_eq!(bench.standing(), Standing::Verified { at_ms: START + 20 });
    assert_eq!(bench.numbers(), [3, 2, 1]);
}

#[test]
fn an_entry_that_is_not_set_up_keeps_what_was_tried_until_it_is() {
    let bench = bench();
    let (id, version) = bench.entries.create_named(&name("bare")).unwrap();
    let typed = draft("bare");
    assert!(ran(&bench.entries, id, (&typed, "typed"), &run(1, 10, works())).unwrap());
    assert_eq!(standing(&bench.entries, id), Standing::Never);
    bench.entries.save(id, version, &with_password(&typed, "typed")).unwrap();
    assert_eq!(standing(&bench.entries, id), Standing::Verified { at_ms: START + 10 });
}

#[test]
fn a_series_of_failures_began_with_its_first() {
    let bench = bench();
    let since = |bench: &Bench| match bench.standing() {
        Standing::Failing { since_ms, stage, .. } => (since_ms - START, stage),
        standing => panic!("{standing:?}"),
    };
    bench.ran(1, 10, fails());
    bench.ran(2, 20, Finished::new(Outcome::Unknown, Stage::Accepted));
    assert_eq!(since(&bench), (10, Stage::Accepted));
    bench.ran(3, 30, Finished::new(Outcome::Cancelled, Stage::Connect));
    assert_eq!(since(&bench), (10, Stage::Accepted), "who cancels learns nothing");
    bench.ran(4, 40, works());
    bench.ran(5, 50, fails());
    assert_eq!(since(&bench), (50, Stage::Auth));
    let mut changed = bench.draft.clone();
    changed.timeout_ms = "20000".into();
    bench.save(&changed, &SecretChange::Keep);
    assert!(ran(&bench.entries, bench.id, (&changed, PASSWORD), &run(6, 60, fails())).unwrap());
    assert_eq!(since(&bench), (60, Stage::Auth), "other settings, another series");
    assert_eq!(bench.entries.content(bench.id).unwrap().0, Version(2), "no run is a save");
}

#[test]
fn a_run_that_was_cancelled_before_any_other_leaves_it_untested() {
    let bench = bench();
    bench.ran(1, 10, Finished::new(Outcome::Cancelled, Stage::Connect));
    assert_eq!((bench.standing(), bench.numbers()), (Standing::Never, vec![1]));
}
