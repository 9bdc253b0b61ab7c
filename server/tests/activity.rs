//! The activity over a real database: what each change leaves there and what it doesn't, whether the chain notices what is done to it,
//! and how it is looked through, exported and forgotten.
#![expect(clippy::unwrap_used, reason = "a test")]

mod store_support;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use app::backend::{Backend as _, Caller, Edit};
use domain::access::{AccountId, Permit, Role, Who};
use domain::activity::{ActivityQuery, Change, Deed, ExportFormat, KEPT_DAYS, Line, PAGE};
use domain::entry::EntryId;
use domain::error::Problem;
use domain::field::{Field, FieldError};
use domain::secret::{Secret, SecretChange};
use domain::smtp_server::{Checked, ServerDraft, ServerPatch, TestDraft};
use domain::trust::{NewPin, TrustId};
use futures::StreamExt as _;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use server::activity::{Break, Fault, Head, Noted, Unheard};
use server::backend::House;
use server::entries::Entries;
use server::mailer::Mailer;
use store_support::certificates::{CLIENT, FIRST, OTHER, SERVER};
use store_support::*;

const CANARY: &str = "canary-5b1c9e-not-a-password";
const DAY_MS: u64 = 86_400_000;
const LINES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("activity");

fn anna() -> Caller {
    let who = Who::Account { id: AccountId(7), name: "anna".into() };
    Caller { who, address: "192.0.2.7".into(), ..Caller::default() }
}

/// The entries in a directory, on Anna's behalf.
fn entries(dir: &Path, clock: &Arc<TestClock>) -> Entries {
    open(dir, clock).unwrap().on_behalf_of(&anna())
}

fn page(entries: &Entries, query: &ActivityQuery) -> Vec<Line> {
    entries.activity().page(query).unwrap().lines
}

/// All lines, the oldest first.
fn lines(entries: &Entries) -> Vec<Line> {
    let mut lines = page(entries, &ActivityQuery::default());
    lines.reverse();
    lines
}

fn last(entries: &Entries) -> Line {
    lines(entries).pop().unwrap()
}

fn names(line: &Line) -> Vec<&str> {
    line.what.subjects.iter().map(|subject| subject.name.as_str()).collect()
}

fn changed(line: &Line) -> Vec<(&str, &str, &str)> {
    let text = |value: &'_ Option<String>| value.as_deref().unwrap_or("-").to_owned().leak() as &str;
    line.what.changes.iter().map(|Change { field, old, new, .. }| (field.as_str(), text(old), text(new))).collect()
}

fn encrypted(name: &str) -> ServerDraft {
    ServerDraft { starttls: "enabled_and_required".into(), ..draft(name) }
}

#[test]
fn each_change_leaves_a_line_with_the_values_before_and_after() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let entries = entries(dir.path(), &clock);
    let (mail, version) = entries.create(&with_password(&encrypted("mail"), CANARY)).unwrap();
    let line = last(&entries);
    assert_eq!((line.number, line.at_ms, line.what.deed), (1, START, Deed::ServerAdded));
    assert_eq!((line.what.who.name(), line.what.address.as_str(), names(&line)), ("anna", "192.0.2.7", vec!["mail"]));
    assert!(changed(&line).contains(&("host", "-", "mail.example.com")), "{line:?}");
    let password = Change { field: "password".into(), old: None, new: None, secret: true };
    assert!(line.what.changes.contains(&password) && changed(&line).contains(&("default", "false", "true")), "{line:?}");

    clock.forward(5);
    let draft = ServerDraft { port: "587".into(), sender: "Scan <scan@example.com>".into(), ..encrypted("mail") };
    let version = entries.save(mail, version, &Checked { default: true, ..checked(&draft) }).unwrap_err();
    assert_eq!(version, invalid(Field::Password, FieldError::PasswordForOtherServer));
    assert_eq!(lines(&entries).len(), 1, "what is refused leaves no line of a change");
    let version = entries.content(mail).unwrap().0;
    let version = entries.save(mail, version, &Checked { default: true, ..with_password(&draft, "another one") }).unwrap();
    let line = last(&entries);
    assert_eq!((line.number, line.at_ms, line.what.deed), (2, START + 5, Deed::ServerSaved));
    let expected = vec![("port", "25", "587"), ("sender", "", "Scan <scan@example.com>"), ("password", "-", "-")];
    assert_eq!(changed(&line), expected);
    let version = entries.save(mail, version, &Checked { default: true, ..checked(&draft) }).unwrap();
    assert_eq!((changed(&last(&entries)), last(&entries).what.deed), (vec![], Deed::ServerSaved), "saved as it was");

    let (relay, relay_version) = entries.create_named(&name("relay")).unwrap();
    assert_eq!(changed(&last(&entries)), [("name", "-", "relay")]);
    let mut other = store_support::draft("relay");
    other.default = true;
    entries.save(relay, relay_version, &checked(&other)).unwrap();
    let line = last(&entries);
    assert_eq!(names(&line), ["relay", "mail"], "both of whom the default concerns");
    assert_eq!(line.what.detail, "The default server was mail.");
    assert!(changed(&line).contains(&("default", "false", "true")));

    let undo = entries.trash(&[relay], Some(mail)).unwrap();
    let line = last(&entries);
    assert_eq!((line.what.deed, names(&line)), (Deed::ServersTrashed, vec!["relay"]));
    assert_eq!(changed(&line), [("new_default", "relay", "mail")]);
    entries.undo(undo.batch).unwrap();
    let line = last(&entries);
    assert_eq!((line.what.deed, names(&line)), (Deed::ServersRestored, vec!["relay"]));
    assert_eq!(changed(&line), [("new_default", "mail", "relay")]);

    let client = server::entries::read_client_certificate(CLIENT.pem_with_key().as_bytes(), &Secret::default()).unwrap();
    entries.set_client_certificate(mail, version, Some(client)).unwrap();
    let line = last(&entries);
    assert_eq!(line.what.deed, Deed::ClientCertificateChanged);
    assert!(line.what.changes[0].secret && line.what.detail.contains(&CLIENT.sha256()), "{line:?}");

    let count = lines(&entries).len();
    assert_eq!(entries.trash(&[EntryId(99)], None), Err(Problem::NoSuchEntry(EntryId(99))));
    assert_eq!(lines(&entries).len(), count);
    entries.trash(&[mail], None).unwrap();
    let count = lines(&entries).len();
    clock.forward(60_000);
    assert_eq!(entries.purge().unwrap(), 1);
    assert_eq!(lines(&entries).len(), count, "what was trashed is removed without another line");
    assert!(entries.activity().verify(None).unwrap().is_whole());
}

#[test]
fn each_change_of_trust_leaves_a_line() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let entries = entries(dir.path(), &clock);
    let trusted = entries.trusted();
    let ids = trusted.add_authorities(&FIRST.pem(), None, "anna").unwrap();
    let line = last(&entries);
    assert_eq!((line.what.deed, names(&line), line.what.who.name()), (Deed::CertificatesTrusted, vec!["CN=first"], "anna"));
    trusted.add_authorities(&FIRST.pem(), None, "anna").unwrap();
    assert_eq!(lines(&entries).len(), 1, "it was trusted already");
    let pin = |made: &store_support::certificates::Made, replace| NewPin {
        host: "mail.example.com".into(),
        port: 587,
        pem: made.pem(),
        outlives: false,
        replace,
    };
    trusted.pin(&pin(&SERVER, false), "anna").unwrap();
    let line = last(&entries);
    assert_eq!((line.what.deed, names(&line)), (Deed::CertificatePinned, vec!["CN=server"]));
    assert_eq!(line.what.detail, format!("For mail.example.com:587; SHA-256 {}.", SERVER.sha256()));
    let other = trusted.pin(&pin(&OTHER, true), "anna").unwrap();
    assert!(last(&entries).what.detail.ends_with(&format!("In place of {}.", SERVER.sha256())));
    trusted.set_outlives(other, true).unwrap();
    let line = last(&entries);
    assert_eq!((line.what.deed, changed(&line)), (Deed::CertificateChanged, vec![("outlives", "false", "true")]));
    trusted.set_system_roots(false).unwrap();
    let line = last(&entries);
    assert_eq!((line.what.deed, changed(&line)), (Deed::SystemAuthoritiesChanged, vec![("system_authorities", "true", "false")]));
    let count = lines(&entries).len();
    trusted.set_system_roots(false).unwrap();
    trusted.set_outlives(other, true).unwrap();
    assert_eq!(trusted.set_outlives(TrustId(99), true), Err(Problem::NoSuchCertificate(TrustId(99))));
    assert_eq!(lines(&entries).len(), count, "nothing was changed");
    let undo = trusted.trash(&ids).unwrap();
    assert_eq!((last(&entries).what.deed, names(&last(&entries))), (Deed::CertificatesTrashed, vec!["CN=first"]));
    trusted.undo(undo.batch).unwrap();
    assert_eq!((last(&entries).what.deed, names(&last(&entries))), (Deed::CertificatesRestored, vec!["CN=first"]));
    // Who asks anew shares what was read of them.
    let bert = open(dir.path(), &clock);
    assert!(bert.is_err(), "the directory is in use");
}

#[tokio::test]
async fn each_test_leaves_a_line_when_it_begins_and_what_is_refused_none() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let entries = Arc::new(open(dir.path(), &clock).unwrap());
    let local = ServerDraft { host: "127.0.0.1".into(), port: "1".into(), username: String::new(), ..draft("mail") };
    let (id, _) = entries.create(&checked(&local)).unwrap();
    let house = House::new(Arc::clone(&entries), Mailer::system(None).unwrap()).unwrap();
    let operator = house.local(Caller { permit: Permit::of(Role::Operator), ..anna() });
    let as_saved = || Edit::Patch(Box::default());
    let test =
        |to: &str, check_only| TestDraft { from: "scan@example.com".into(), to: to.into(), attachment: String::new(), check_only };
    operator.test(Some(id), as_saved(), test("a@example.com, Bert <b@example.com>", false)).await.unwrap();
    let line = last(&entries);
    assert_eq!((line.what.deed, names(&line), line.what.who.name()), (Deed::TestSent, vec!["mail"], "anna"));
    assert_eq!(line.what.detail, "127.0.0.1:1, to a@example.com, b@example.com");
    let typed = Edit::Patch(Box::new(ServerPatch { host: Some("localhost".into()), ..ServerPatch::default() }));
    operator.test(Some(id), typed, test("", true)).await.unwrap();
    let line = last(&entries);
    assert_eq!((line.what.deed, line.what.detail.as_str()), (Deed::ConnectionChecked, "localhost:1"), "what is typed");
    let events: Vec<_> = operator.test_all(None).await.unwrap().collect().await;
    assert!(!events.is_empty());
    let line = last(&entries);
    assert_eq!((line.what.deed, names(&line), line.what.detail.as_str()), (Deed::AllChecked, vec!["mail"], "1 server"));
    // That somebody was refused is told of by itself, a little later: it isn't counted here.
    let told = || lines(&entries).into_iter().filter(|line| line.what.deed != Deed::Refused).count();
    let count = told();
    let viewer = house.local(Caller { permit: Permit::of(Role::Viewer), ..anna() });
    assert!(viewer.test(Some(id), as_saved(), test("", true)).await.is_err());
    assert!(viewer.test_all(None).await.is_err());
    assert!(operator.test(Some(id), as_saved(), test("not an address", false)).await.is_err());
    assert_eq!(told(), count, "what isn't begun leaves none");
}

#[test]
fn no_secret_is_in_the_activity() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let entries = entries(dir.path(), &clock);
    let client = SecretChange::Set(Secret::new(CLIENT.pem_with_key()));
    let (mail, version) =
        entries.create(&Checked { client_certificate: client.clone(), ..with_password(&encrypted("mail"), CANARY) }).unwrap();
    let mut again = with_password(&encrypted("mail"), &format!("{CANARY} again"));
    again.default = true;
    entries.save(mail, version, &Checked { client_certificate: client, ..again }).unwrap();
    entries.trash(&[mail], None).unwrap();
    let bytes = raw(dir.path(), entries, |lines| lines.concat());
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("\"secret\":true") && text.contains("scan@example.com"), "{text}");
    let key = CLIENT.key.serialize_pem();
    let key = key.lines().nth(1).unwrap();
    for secret in [CANARY, "PRIVATE KEY", "BEGIN CERTIFICATE", key] {
        assert!(!text.contains(secret), "{secret}");
    }
}

/// The lines as they lie in the file, after everything is closed.
fn raw<T>(dir: &Path, entries: Entries, look: impl FnOnce(Vec<Vec<u8>>) -> T) -> T {
    drop(entries);
    let database = Database::open(dir.join("postroom.redb")).unwrap();
    let tx = database.begin_read().unwrap();
    let lines = tx.open_table(LINES).unwrap();
    look(lines.iter().unwrap().map(|line| line.unwrap().1.value().to_vec()).collect())
}

/// Changes the lines behind the program's back, and says what the chain shows then.
fn tampered(change: impl FnOnce(&mut redb::Table<'_, &[u8], &[u8]>)) -> Option<Break> {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let written = entries(dir.path(), &clock);
    for number in 1..=6 {
        written.create_named(&name(&format!("server-{number}"))).unwrap();
    }
    let before = written.activity().verify(None).unwrap();
    assert_eq!((before.lines, before.head.number, before.is_whole()), (6, 6, true));
    drop(written);
    {
        let database = Database::open(dir.path().join("postroom.redb")).unwrap();
        let tx = database.begin_write().unwrap();
        change(&mut tx.open_table(LINES).unwrap());
        tx.commit().unwrap();
    }
    let chain = entries(dir.path(), &clock).activity().verify(Some(&before.head)).unwrap();
    assert!(!chain.is_whole());
    chain.broken
}

fn key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

fn line_of(table: &redb::Table<'_, &[u8], &[u8]>, number: u64) -> Vec<u8> {
    table.get(key(number).as_slice()).unwrap().unwrap().value().to_vec()
}

#[test]
fn the_chain_notices_what_is_changed_removed_cut_off_swapped_or_added() {
    let edited = tampered(|lines| {
        let line = String::from_utf8_lossy(&line_of(lines, 3)[32..]).replace("anna", "bert").into_bytes();
        let line = [&line_of(lines, 3)[..32], &line].concat();
        lines.insert(key(3).as_slice(), line.as_slice()).unwrap();
    });
    assert_eq!(edited, Some(Break { number: 3, fault: Fault::Changed }));
    let removed = tampered(|lines| drop(lines.remove(key(3).as_slice()).unwrap()));
    assert_eq!(removed, Some(Break { number: 3, fault: Fault::Missing }));
    let cut = tampered(|lines| {
        lines.remove(key(5).as_slice()).unwrap();
        lines.remove(key(6).as_slice()).unwrap();
    });
    assert_eq!(cut, Some(Break { number: 5, fault: Fault::CutOff }));
    let first_gone = tampered(|lines| drop(lines.remove(key(1).as_slice()).unwrap()));
    assert_eq!(first_gone, Some(Break { number: 1, fault: Fault::Missing }));
    let swapped = tampered(|lines| {
        let (second, third) = (line_of(lines, 2), line_of(lines, 3));
        lines.insert(key(2).as_slice(), third.as_slice()).unwrap();
        lines.insert(key(3).as_slice(), second.as_slice()).unwrap();
    });
    assert_eq!(swapped, Some(Break { number: 2, fault: Fault::Changed }));
    let added = tampered(|lines| {
        let line = line_of(lines, 6);
        lines.insert(key(7).as_slice(), line.as_slice()).unwrap();
    });
    assert_eq!(added, Some(Break { number: 7, fault: Fault::Unaccounted }));
}

#[test]
fn a_head_that_was_noted_proves_that_nothing_was_rewritten_since() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let entries = entries(dir.path(), &clock);
    let empty = entries.activity().verify(None).unwrap();
    assert_eq!((empty.lines, empty.first, empty.is_whole()), (0, None, true));
    entries.create_named(&name("one")).unwrap();
    let noted = entries.activity().verify(None).unwrap().head;
    entries.create_named(&name("two")).unwrap();
    let verify = |head: &Head| entries.activity().verify(Some(head)).unwrap();
    assert_eq!(verify(&noted).noted, Some(Noted::Holds));
    assert_eq!(verify(&empty.head).noted, Some(Noted::Holds), "from nothing on");
    let other = Head { hash: "00".repeat(32), ..noted.clone() };
    assert_eq!((verify(&other).noted, verify(&other).is_whole()), (Some(Noted::Rewritten), false));
    let ahead = Head { number: 3, ..noted.clone() };
    assert_eq!(verify(&ahead).noted, Some(Noted::Rewritten), "lines that were there are gone");
    clock.forward((KEPT_DAYS + 1) * DAY_MS);
    entries.create_named(&name("three")).unwrap();
    assert_eq!(entries.activity().forget().unwrap(), 2);
    assert_eq!(verify(&noted).noted, Some(Noted::Forgotten));
    assert!(verify(&noted).is_whole());
}

#[test]
fn what_is_old_is_forgotten_and_the_chain_stays_whole() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let entries = entries(dir.path(), &clock);
    for day in 0..4 {
        clock.set(day * DAY_MS);
        entries.create_named(&name(&format!("server-{day}"))).unwrap();
    }
    clock.set(KEPT_DAYS * DAY_MS);
    assert_eq!(entries.activity().forget().unwrap(), 0, "a day may pass");
    clock.set((KEPT_DAYS + 1) * DAY_MS + 1);
    assert_eq!(entries.activity().forget().unwrap(), 2);
    assert_eq!(entries.activity().forget().unwrap(), 0);
    let chain = entries.activity().verify(None).unwrap();
    assert_eq!((chain.lines, chain.first.unwrap().number, chain.is_whole()), (2, 3, true));
    let found = entries.activity().page(&ActivityQuery::default()).unwrap();
    assert_eq!((found.total, found.lines.len(), found.next), (2, 2, None));
    drop(entries);
    let again = self::entries(dir.path(), &clock);
    again.create_named(&name("last")).unwrap();
    assert_eq!(again.activity().verify(None).unwrap().lines, 3, "after a restart it goes on");
}

fn found(entries: &Entries, query: &ActivityQuery) -> Vec<u64> {
    page(entries, query).iter().map(|line| line.number).collect()
}

#[test]
fn lines_are_found_by_who_what_when_and_text() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let anna = entries(dir.path(), &clock);
    let bert = Who::Account { id: AccountId(8), name: "Bert".into() };
    let bert = anna.on_behalf_of(&Caller { who: bert, address: "198.51.100.9".into(), ..Caller::default() });
    anna.create(&checked(&draft("mail"))).unwrap();
    clock.forward(DAY_MS);
    bert.create_named(&name("relay")).unwrap();
    bert.trash(&[EntryId(2)], None).unwrap();
    let search = |text: &str| found(&anna, &ActivityQuery { search: text.into(), ..ActivityQuery::default() });
    for (text, lines) in [
        ("", vec![3, 2, 1]),
        ("BERT", vec![3, 2]),
        ("192.0.2", vec![1]),
        ("trashed", vec![3]),
        ("Relay", vec![3, 2]),
        ("mail.example.com", vec![1]),
        ("timeout", vec![1]),
        ("SMTP hostname", vec![1]),
        ("nothing of the kind", vec![]),
        ("é", vec![]),
    ] {
        assert_eq!(search(text), lines, "{text}");
    }
    let day = |ms| domain::words::utc(ms)[..10].to_owned();
    let (first, second) = (day(START), day(START + DAY_MS));
    let query = ActivityQuery::default();
    for (query, lines) in [
        (ActivityQuery { who: "bert".into(), ..query.clone() }, vec![3, 2]),
        (ActivityQuery { who: "ber".into(), ..query.clone() }, vec![]),
        (ActivityQuery { deed: Some(Deed::ServerAdded), ..query.clone() }, vec![2, 1]),
        (ActivityQuery { from: second.clone(), ..query.clone() }, vec![3, 2]),
        (ActivityQuery { to: first.clone(), ..query.clone() }, vec![1]),
        (ActivityQuery { from: first, to: second, ..query.clone() }, vec![3, 2, 1]),
        (ActivityQuery { before: Some(3), who: "bert".into(), ..query.clone() }, vec![2]),
    ] {
        assert_eq!(found(&anna, &query), lines, "{query:?}");
    }
    let wrong = ActivityQuery { from: "26.11.2026".into(), ..query };
    assert!(matches!(anna.activity().page(&wrong), Err(Problem::Malformed { .. })));
}

fn exported(entries: &Entries, query: &ActivityQuery, format: ExportFormat) -> String {
    let mut bytes = Vec::new();
    let give = &mut |part: Vec<u8>| {
        bytes.extend(part);
        Ok::<_, Unheard>(())
    };
    entries.activity().export(query, format, give).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn an_export_has_every_line_once_and_can_be_verified() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let entries = entries(dir.path(), &clock);
    let mut hostile = draft("mail");
    hostile.sender = "\"=cmd\" <a@example.com>".into();
    entries.create(&checked(&hostile)).unwrap();
    entries.create_named(&name("-relay")).unwrap();
    let csv = exported(&entries, &ActivityQuery::default(), ExportFormat::Csv);
    let rows: Vec<&str> = csv.trim_end().split("\r\n").collect();
    assert_eq!(rows.len(), 3, "{csv}");
    assert!(
        rows[0].starts_with("number,time,") && rows[1].starts_with("1,2027-01-15T08:00:00Z,account,anna,192.0.2.7,server_added,")
    );
    let json = exported(&entries, &ActivityQuery::default(), ExportFormat::Jsonl);
    let lines: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["what"], serde_json::Value::Null, "a line is one object");
    // What whoever has the file can check by himself, as the documentation says.
    let mut last = [0; 32].to_vec();
    for line in json.lines() {
        let (kept, hash) = line.split_at(line.rfind(",\"hash\":").unwrap());
        let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
        digest.update(&last);
        digest.update(format!("{kept}}}").as_bytes());
        last = digest.finish().as_ref().to_vec();
        let hex: String =
            last.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|half| char::from_digit(half.into(), 16)).collect();
        assert_eq!(hash, format!(",\"hash\":\"{hex}\"}}"));
    }
    let none = ActivityQuery { who: "nobody".into(), ..ActivityQuery::default() };
    assert_eq!(exported(&entries, &none, ExportFormat::Jsonl), "");
}

#[test]
#[expect(clippy::print_stdout, reason = "figures for whoever looks")]
fn many_lines_are_looked_through_in_bounded_parts() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let entries = entries(dir.path(), &clock);
    // Ten thousand lines in a few transactions: what is imported has one each.
    for part in 0..5 {
        let servers: Vec<_> = (0..2_000).map(|n| format!("{{\"name\": \"s-{part}-{n}\"}}")).collect();
        let servers: Vec<domain::smtp_server::ServerPatch> = serde_json::from_str(&format!("[{}]", servers.join(","))).unwrap();
        entries.import(&servers, None, &server::entries::Variables::new()).unwrap();
    }
    let begun = Instant::now();
    let first = entries.activity().page(&ActivityQuery::default()).unwrap();
    let page_took = begun.elapsed();
    assert_eq!((first.lines.len(), first.total, first.next), (PAGE, 10_005, Some(10_005 - PAGE as u64 + 1)));
    let second = entries.activity().page(&ActivityQuery { before: first.next, ..ActivityQuery::default() }).unwrap();
    assert_eq!(second.lines[0].number, 10_005 - PAGE as u64);
    let begun = Instant::now();
    let query = ActivityQuery { search: "nothing of the kind".into(), ..ActivityQuery::default() };
    assert_eq!(entries.activity().page(&query).unwrap().lines, []);
    let search_took = begun.elapsed();
    let begun = Instant::now();
    assert!(entries.activity().verify(None).unwrap().is_whole());
    let verify_took = begun.elapsed();
    let mut parts = Vec::new();
    let give = &mut |part: Vec<u8>| {
        parts.push(part.len());
        Ok::<_, Unheard>(())
    };
    entries.activity().export(&ActivityQuery::default(), ExportFormat::Csv, give).unwrap();
    assert!(parts.len() > 10 && parts.iter().all(|length| *length < 200_000), "{parts:?}");
    println!("10,005 lines: a page in {page_took:?}, a search in vain {search_took:?}, verified in {verify_took:?}");
}

#[test]
#[ignore = "prints how long a save takes"]
#[expect(clippy::print_stdout, reason = "figures for whoever looks")]
fn how_long_a_save_takes() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::new());
    let entries = entries(dir.path(), &clock);
    let (id, mut version) = entries.create(&with_password(&draft("mail"), "password")).unwrap();
    let begun = Instant::now();
    for number in 0..500_u32 {
        let draft = ServerDraft { timeout_ms: (1_000 + number).to_string(), ..draft("mail") };
        version = entries.save(id, version, &Checked { default: true, ..checked(&draft) }).unwrap();
    }
    println!("a save in {:?}", begun.elapsed() / 500);
}
