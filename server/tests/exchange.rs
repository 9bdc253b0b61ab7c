//! Servers out to a file and in from one, over a real database: what is told is what is done, all of it or nothing, and no secret goes out.
#![expect(clippy::unwrap_used, reason = "a test")]

mod store_support;

use app::backend::{Caller, Records};
use domain::access::{Permit, Role};
use domain::activity::{ActivityQuery, Deed};
use domain::entry::EntryId;
use domain::error::{ErrorKind, Problem};
use domain::exchange::{ExportSecrets, ImportFate, ImportItem, MAX_FILE};
use domain::secret::{Secret, SecretChange};
use domain::smtp_server::{Checked, ServerDraft, ServerPatch};
use server::backend::{House, Local};
use server::entries::{Entries, Variables};
use server::mailer::Mailer;
use store_support::certificates::CLIENT;
use store_support::*;

const CANARY: &str = "canary-5b1c9e-not-a-password";

fn entries() -> (tempfile::TempDir, Entries) {
    let dir = tempfile::tempdir().unwrap();
    let entries = open(dir.path(), &TestClock::new()).unwrap();
    (dir, entries)
}

fn patches(file: &str) -> Vec<ServerPatch> {
    let file: serde_json::Value = serde_json::from_str(file).unwrap();
    let servers = if file.is_array() { file } else { file["servers"].clone() };
    serde_json::from_value(servers).unwrap()
}

fn plan(entries: &Entries, file: &str) -> Vec<ImportItem> {
    entries.plan_import(&patches(file), &Variables::new()).unwrap().items
}

fn import(entries: &Entries, file: &str, only: Option<&[usize]>) -> Result<(usize, usize, u64), Problem> {
    let imported = entries.import(&patches(file), only, &Variables::new())?;
    Ok((imported.added.len(), imported.changed.len(), imported.unchanged))
}

fn changed(item: &ImportItem) -> Vec<(&str, Option<&str>)> {
    let ImportFate::Changed { changes } = &item.fate else { panic!("{item:?}") };
    changes.iter().map(|change| (change.field.as_str(), change.new.as_deref())).collect()
}

/// Everything there is, with secrets.
fn fill(entries: &Entries) {
    let encrypted = ServerDraft { starttls: "enabled_and_required".into(), ..draft("mail") };
    let client = SecretChange::Set(Secret::new(CLIENT.pem_with_key()));
    entries.create(&Checked { client_certificate: client, ..with_password(&encrypted, CANARY) }).unwrap();
    let mut azure = draft("azure");
    azure.azure_oauth = true;
    azure.azure_application_id = "11111111-2222-3333-4444-555555555555".into();
    azure.sender = "Scan <scan@example.com>".into();
    azure.override_sender = true;
    entries.create(&checked(&azure)).unwrap();
    entries
        .create(&checked(&ServerDraft { protocol: "smtps".into(), port: "465".into(), kind: "fax".into(), ..draft("fax") }))
        .unwrap();
    entries.create_named(&name("later")).unwrap();
}

#[test]
fn what_goes_out_comes_in_again_and_is_like_this_already() {
    let (_dir, here) = entries();
    fill(&here);
    let (file, count) = here.export(&[], ExportSecrets::LeftOut).unwrap();
    assert_eq!(count, 4);
    for secret in [CANARY, "PRIVATE KEY", "BEGIN CERTIFICATE"] {
        assert!(!file.contains(secret), "{file}");
    }
    assert!(plan(&here, &file).iter().all(|item| item.fate == ImportFate::Unchanged), "{file}");
    let line = here.activity().page(&ActivityQuery::default()).unwrap().lines.remove(0);
    assert_eq!((line.what.deed, line.what.subjects.len()), (Deed::ServersExported, 4));
    assert_eq!(import(&here, &file, None), Ok((0, 0, 4)));
    assert_eq!(here.content(EntryId(1)).unwrap().0.0, 1, "nothing was saved anew");

    let (_dir, there) = entries();
    let planned = plan(&there, &file);
    assert!(planned.iter().all(|item| item.fate == ImportFate::Added), "{planned:?}");
    let needs: Vec<_> = planned.iter().filter(|item| item.needs_password).map(|item| item.name.as_str()).collect();
    assert_eq!(needs, ["fax", "mail"], "those that sign in with one");
    assert_eq!(names(&there), [""; 0], "planning keeps nothing");
    assert_eq!(import(&there, &file, None), Ok((4, 0, 0)));
    assert_eq!((names(&there), default_name(&there)), (names(&here), Some("mail".into())));
    for row in all(&here).rows {
        let server = |entries: &Entries| {
            let id = all(entries).rows.into_iter().find(|other| other.name == row.name).unwrap().id;
            entries.content(id).unwrap().1
        };
        assert_eq!(server(&here), server(&there), "{}", row.name);
    }
    let (some, count) = here.export(&[EntryId(2)], ExportSecrets::LeftOut).unwrap();
    assert_eq!((count, plan(&here, &some).len()), (1, 1));
    assert_eq!(here.export(&[EntryId(2), EntryId(99)], ExportSecrets::LeftOut), Err(Problem::NoSuchEntry(EntryId(99))));
}

#[test]
fn secrets_come_in_by_the_variables_that_an_export_names() {
    let (_dir, here) = entries();
    fill(&here);
    let (file, _) = here.export(&[], ExportSecrets::Env).unwrap();
    assert!(file.contains(r#""password":{"env":"POSTROOM_SECRET_MAIL_PASSWORD"}"#), "{file}");
    assert!(!file.contains("POSTROOM_SECRET_FAX"), "it has none");
    let (_dir, there) = entries();
    let variables = Variables::from([
        ("POSTROOM_SECRET_MAIL_PASSWORD".into(), Secret::new(CANARY.into())),
        ("POSTROOM_SECRET_MAIL_CLIENT_CERTIFICATE".into(), Secret::new(CLIENT.pem_with_key())),
    ]);
    there.import(&patches(&file), None, &variables).unwrap();
    let id = all(&there).rows.into_iter().find(|row| row.name == "mail").unwrap().id;
    assert_eq!(password(&there, id).as_deref(), Some(CANARY));
    assert!(there.client_certificate(id).unwrap().is_some());
    let refused = &there.plan_import(&patches(&file), &Variables::new()).unwrap().items;
    let mail = refused.iter().find(|item| item.name == "mail").unwrap();
    assert!(
        matches!(&mail.fate, ImportFate::Refused { sentences } if sentences.iter().any(|s| s.contains("POSTROOM_SECRET_MAIL_PASSWORD"))),
        "{mail:?}"
    );
}

#[test]
fn a_server_of_the_same_name_gets_what_the_file_says_and_keeps_the_rest() {
    let (_dir, entries) = entries();
    let (id, _) = entries.create(&with_password(&draft("mail"), CANARY)).unwrap();
    let file = r#"[{"name": "Mail", "timeout_ms": 30000}]"#;
    let planned = plan(&entries, file);
    assert_eq!(changed(&planned[0]), [("name", Some("Mail")), ("timeout_ms", Some("30000"))]);
    assert!(!planned[0].needs_password);
    assert_eq!(import(&entries, file, None), Ok((0, 1, 0)));
    assert_eq!((names(&entries), password(&entries, id).as_deref()), (vec!["Mail".into()], Some(CANARY)));
    let line = entries.activity().page(&ActivityQuery::default()).unwrap().lines;
    assert_eq!((line[0].what.deed, line[1].what.deed), (Deed::ServersImported, Deed::ServerSaved));
    assert_eq!(line[1].what.changes[1].old.as_deref(), Some("10000"));

    let elsewhere = r#"[{"name": "mail", "host": "elsewhere.example.com"}]"#;
    let planned = plan(&entries, elsewhere);
    assert!(planned[0].needs_password && changed(&planned[0]).contains(&("password", None)), "{planned:?}");
    import(&entries, elsewhere, None).unwrap();
    assert_eq!(password(&entries, id), None, "a password goes to no other server");
}

#[test]
fn the_default_is_handed_over_once_and_never_taken_away() {
    let (_dir, entries) = entries();
    entries.create(&checked(&draft("mail"))).unwrap();
    assert_eq!(plan(&entries, r#"[{"name": "mail", "default": false}]"#)[0].fate, ImportFate::Unchanged);
    let file = r#"[{"name": "a", "host": "a.example.com", "default": true}, {"name": "mail", "default": false}]"#;
    assert_eq!(entries.plan_import(&patches(file), &Variables::new()).unwrap().default.as_deref(), Some("a"));
    import(&entries, file, None).unwrap();
    assert_eq!(default_name(&entries).as_deref(), Some("a"));
    let two = r#"[{"name": "mail", "default": true}, {"name": "a", "default": true}]"#;
    let planned = plan(&entries, two);
    assert!(
        matches!((&planned[0].fate, &planned[1].fate), (ImportFate::Changed { .. }, ImportFate::Refused { .. })),
        "{planned:?}"
    );
}

#[test]
fn one_that_cannot_be_taken_in_keeps_all_of_them_out() {
    let (_dir, entries) = entries();
    entries.create(&checked(&draft("mail"))).unwrap();
    let file = r#"[{"name": "new", "host": "new.example.com"}, {"name": "bad", "host": "a b", "port": 0}, {"name": "NEW"},
                   {"host": "x.example.com"}, {"name": "mail", "timeout_ms": 1}]"#;
    let planned = plan(&entries, file);
    let sentences = |at: usize| match &planned[at].fate {
        ImportFate::Refused { sentences } => sentences.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(planned[0].fate, ImportFate::Added);
    assert_eq!(sentences(1).len(), 2, "every field's problem: {:?}", sentences(1));
    assert!(sentences(2)[0].contains("above") && sentences(3)[0].starts_with("Name:") && sentences(4)[0].starts_with("Timeout:"));
    let count = || entries.activity().page(&ActivityQuery::default()).unwrap().total;
    let before = count();
    assert!(matches!(import(&entries, file, None), Err(Problem::NotImportable { .. })));
    assert!(matches!(import(&entries, file, Some(&[0, 1])), Err(Problem::NotImportable { .. })));
    assert_eq!(import(&entries, file, Some(&[])), Err(Problem::NothingChosen));
    assert!(matches!(import(&entries, file, Some(&[9])), Err(Problem::Malformed { .. })));
    assert_eq!((names(&entries), count()), (vec!["mail".into()], before), "nothing was done, and nothing is told");
    assert_eq!(import(&entries, file, Some(&[0])), Ok((1, 0, 0)));
    assert_eq!(names(&entries), ["mail", "new"]);
}

fn local(house: &House, role: Option<Role>) -> Local {
    house.local(Caller { permit: role.map(Permit::of).unwrap_or_default(), address: "192.0.2.7".into(), ..Caller::default() })
}

#[tokio::test]
async fn through_the_web_no_secret_comes_in_by_a_file_and_who_may_do_what_is_asked() {
    let (_dir, entries) = entries();
    entries.create(&checked(&draft("mail"))).unwrap();
    let house = House::new(std::sync::Arc::new(entries), Mailer::system(None).unwrap()).unwrap();
    let admin = local(&house, Some(Role::Administrator));
    // Whoever may save an entry could otherwise send himself any variable.
    let path = r#"[{"name": "mail", "password": {"env": "POSTROOM_SECRET_X"}}]"#;
    let value = format!(r#"[{{"name": "mail", "username": "x", "password": {{"value": "{CANARY}"}}}}]"#);
    for file in [path, &value] {
        for problem in [
            admin.plan_import(file.as_bytes().to_vec()).await.unwrap_err(),
            admin.import_servers(file.into(), None).await.unwrap_err(),
        ] {
            assert!(matches!(&problem, Problem::NotImportable { detail } if !detail.contains(CANARY)), "{problem:?}");
        }
    }
    assert_eq!(admin.plan_import(vec![b' '; MAX_FILE + 1]).await, Err(Problem::TooLarge { max: MAX_FILE as u64 }));
    let plan = admin.plan_import(br#"{"name": "new", "host": "new.example.com"}"#.to_vec()).await.unwrap();
    let imported = admin.import_servers(plan.text, Some(vec![0])).await.unwrap();
    assert_eq!(imported.added.len(), 1, "what was looked at is what is taken in");

    for (role, may_export, may_import, may_look) in [
        (None, false, false, false),
        (Some(Role::Viewer), true, false, false),
        (Some(Role::Operator), true, false, false),
        (Some(Role::Administrator), true, true, true),
    ] {
        let local = local(&house, role);
        let allowed = |result: Result<(), Problem>| match result {
            Ok(()) => true,
            Err(problem) => {
                assert!(matches!(problem.kind(), ErrorKind::NotAllowed | ErrorKind::NotSignedIn), "{problem:?}");
                false
            }
        };
        let format = domain::activity::ExportFormat::Csv;
        assert_eq!(allowed(local.export_servers(vec![], ExportSecrets::LeftOut).await.map(drop)), may_export, "{role:?}");
        assert_eq!(allowed(local.plan_import(b"[{\"name\": \"mail\"}]".to_vec()).await.map(drop)), may_import, "{role:?}");
        assert_eq!(allowed(local.import_servers("[{\"name\": \"mail\"}]".into(), None).await.map(drop)), may_import, "{role:?}");
        assert_eq!(allowed(local.activity(ActivityQuery::default()).await.map(drop)), may_look, "{role:?}");
        assert_eq!(allowed(local.export_activity(ActivityQuery::default(), format).await.map(drop)), may_look, "{role:?}");
    }
    let lines =
        admin.activity(ActivityQuery { deed: Some(Deed::ActivityExported), ..ActivityQuery::default() }).await.unwrap().lines;
    assert_eq!((lines.len(), lines[0].what.address.as_str()), (1, "192.0.2.7"), "a refused export leaves no line");
}
