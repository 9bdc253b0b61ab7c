//! Files that earlier versions wrote open for ever. Each schema has a file in `tests/data`, with the key below.
//!
//! A new schema: raise it by a migration in `store/schema.rs`, then write its file with
//! `cargo test -p server --test store_schema -- --ignored`, and commit it. The files before it stay as they are.
#![expect(clippy::unwrap_used, reason = "a test")]

mod store_support;

use std::fs;
use std::path::{Path, PathBuf};

use domain::entry::{EntryId, Version};
use domain::run::{RunId, Standing};
use domain::secret::{Secret, SecretChange};
use domain::smtp_server::{Checked, ServerDraft};
use domain::trust::{Ground, NewPin};
use server::entries::Entries;
use server::mailer::SystemAuthorities;
use server::store::SCHEMA_VERSION;
use store_support::certificates::{CLIENT, FIRST, OTHER, SECOND, SERVER};
use store_support::*;

fn file_of(schema: u64) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/schema-{schema}.redb"))
}

fn put_key(dir: &Path) {
    let path = dir.join("postroom.key");
    fs::write(&path, KEY).unwrap();
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

/// Every field with another value than its default.
fn full() -> ServerDraft {
    let mut draft = draft("Full");
    draft.kind = "fax".into();
    draft.host = "2001:db8::25".into();
    draft.port = "2525".into();
    draft.timeout_ms = "30000".into();
    draft.starttls = "enabled".into();
    draft.allow_plaintext_credentials = true;
    draft.sender = "Jörg Größe <scan@example.com>".into();
    draft.override_sender = true;
    draft.mime_address_strict = false;
    draft.attachment_as_url = true;
    draft.attachment_threshold = "512 KB".into();
    draft.link_days = "7".into();
    draft
}

fn azure() -> ServerDraft {
    let mut draft = draft("azure");
    draft.protocol = "smtps".into();
    draft.port = "465".into();
    draft.default = true;
    draft.azure_oauth = true;
    draft.azure_application_id = "11111111-2222-3333-4444-555555555555".into();
    draft.azure_tenant = "organizations".into();
    draft
}

#[test]
#[ignore = "writes the file of the current schema"]
fn write_the_file_of_this_schema() {
    let dir = tempfile::tempdir().unwrap();
    put_key(dir.path());
    let entries = open(dir.path(), &TestClock::new()).unwrap();
    entries.create(&with_password(&full(), "correct horse")).unwrap();
    entries.create_named(&name("bare")).unwrap();
    let client = SecretChange::Set(Secret::new(CLIENT.pem_with_key()));
    entries.create(&Checked { client_certificate: client, ..checked(&azure()) }).unwrap();
    let (gone, _) = entries.create(&with_password(&draft("trashed"), "battery staple")).unwrap();
    let trusted = entries.trusted();
    trusted.set_system_roots(false).unwrap();
    let ids = trusted.add_authorities(&(FIRST.pem() + &SECOND.pem()), None, "192.0.2.7").unwrap();
    let pin = NewPin { host: "azure.example.com".into(), port: 465, pem: SERVER.pem(), outlives: true, replace: false };
    trusted.pin(&pin, "192.0.2.7").unwrap();
    let other = trusted.pin(&NewPin { pem: OTHER.pem(), ..pin }, "").unwrap();
    trusted.trash(&[ids[1], other]).unwrap();
    let vouched = works_by(Ground::Authority, &FIRST, &SERVER);
    ran(&entries, EntryId(1), (&full(), "correct horse"), &run(1, 0, vouched)).unwrap();
    ran(&entries, EntryId(1), (&full(), "another"), &run(2, 1, fails())).unwrap();
    ran(&entries, gone, (&draft("trashed"), "battery staple"), &run(3, 2, fails())).unwrap();
    entries.trash(&[gone], None).unwrap();
    drop(entries);
    fs::copy(dir.path().join("postroom.redb"), file_of(SCHEMA_VERSION)).unwrap();
}

#[test]
fn the_file_of_every_schema_opens() {
    for schema in 1..=SCHEMA_VERSION {
        let dir = tempfile::tempdir().unwrap();
        put_key(dir.path());
        fs::copy(file_of(schema), dir.path().join("postroom.redb")).unwrap();
        let entries = open(dir.path(), &TestClock::new()).unwrap_or_else(|error| panic!("schema {schema}: {error}"));
        assert_eq!(names(&entries), ["azure", "bare", "Full"]);
        assert_eq!(default_name(&entries).as_deref(), Some("azure"));
        let view = entries.entry(EntryId(1)).unwrap();
        assert_eq!((view.version, view.draft()), (Version(1), full()));
        assert_eq!(password(&entries, EntryId(1)).as_deref(), Some("correct horse"));
        assert_eq!(entries.entry(EntryId(3)).unwrap().draft(), azure());
        assert!(entries.entry(EntryId(2)).unwrap().server.is_none());
        let azure_standing = standing(&entries, EntryId(3));
        assert_eq!(azure_standing, Standing::Never, "schema {schema}");
        if schema >= 2 {
            let page = entries.page(EntryId(1), Some(RunId(2))).unwrap();
            assert_eq!(page.runs.iter().map(|run| run.id.0).collect::<Vec<_>>(), [2, 1]);
            assert_eq!(page.shown.unwrap(), run(2, 1, fails()));
            assert_eq!(standing(&entries, EntryId(1)), Standing::Verified { at_ms: START });
        }
        if schema >= 3 {
            check_trust(&entries);
        } else {
            let page = entries.trusted().page(&SystemAuthorities::default()).unwrap();
            assert!(page.system.on && page.items.is_empty() && page.undo.is_none(), "as it was: {page:?}");
        }
        let before = standing(&entries, EntryId(1));
        entries.save(EntryId(1), Version(1), &checked(&full())).unwrap();
        assert_eq!(standing(&entries, EntryId(1)), before, "schema {schema}: its fingerprint is what it was");
        let last = entries.last_run().unwrap();
        assert_eq!(last, RunId(if schema >= 2 { 3 } else { 0 }));
        let tested = run(last.0 + 1, 5, works());
        assert!(ran(&entries, EntryId(1), (&full(), "correct horse"), &tested).unwrap());
        assert_eq!(standing(&entries, EntryId(1)), Standing::Verified { at_ms: START + 5 }, "what was saved before is known again");
        let offer = all(&entries).undo.unwrap();
        assert_eq!(offer.names, ["trashed"]);
        assert_eq!(entries.undo(offer.batch).unwrap(), [EntryId(4)]);
        assert_eq!(password(&entries, EntryId(4)).as_deref(), Some("battery staple"));
        if schema >= 2 {
            assert!(matches!(standing(&entries, EntryId(4)), Standing::Failing { since_ms, .. } if since_ms == START + 2));
        }
        assert!(entries.create_named(&name("next")).unwrap().0 > EntryId(4));
    }
}

fn check_trust(entries: &Entries) {
    let page = entries.trusted().page(&SystemAuthorities::default()).unwrap();
    assert!(!page.system.on);
    let [authority, pin] = page.items.as_slice() else { panic!("{:?}", page.items) };
    assert_eq!((authority.certificate.subject.as_str(), authority.added_by.as_str()), ("CN=first", "192.0.2.7"));
    assert_eq!(authority.used_by, [(EntryId(1), "Full".to_owned())]);
    let of = pin.pin.as_ref().unwrap();
    assert_eq!(
        (pin.certificate.subject.as_str(), of.host.as_str(), of.port, of.outlives),
        ("CN=server", "azure.example.com", 465, true)
    );
    assert_eq!(pin.used_by, [(EntryId(3), "azure".to_owned())]);
    let undo = page.undo.unwrap();
    assert_eq!(undo.subjects.len(), 2);
    assert_eq!(entries.trusted().undo(undo.batch).unwrap().len(), 2);
    let client = entries.entry(EntryId(3)).unwrap().client_certificate.unwrap();
    assert_eq!(client.subject, "CN=client");
    let pem = entries.client_certificate(EntryId(3)).unwrap().unwrap();
    assert!(pem.expose().contains("PRIVATE KEY") && pem.expose().contains("BEGIN CERTIFICATE"));
}
