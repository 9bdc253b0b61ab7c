//! Sealed passwords that were changed, cut off or moved are found out, and nothing else suffers.
#![expect(clippy::unwrap_used, reason = "a test")]

mod store_support;

use domain::entry::{EntryId, Version};
use domain::error::Problem;
use server::seal::SealError;
use server::store::{RedbStore, SecretField, Store};
use server::vault::Unopened;
use store_support::memory::Memory;
use store_support::world::bench;
use store_support::*;

const FIELD: SecretField = SecretField::Password;

fn sealed(store: &dyn Store, id: EntryId) -> Vec<u8> {
    store.reading(|tx| Ok(tx.secret(id, FIELD)?)).unwrap().unwrap()
}

fn sealed_or_none(store: &dyn Store, id: EntryId) -> Option<Vec<u8>> {
    store.reading(|tx| Ok(tx.secret(id, FIELD)?)).unwrap()
}

fn put(store: &dyn Store, id: EntryId, sealed: &[u8]) {
    store.writing(|tx| Ok(tx.put_secret(id, FIELD, sealed)?)).unwrap();
}

#[test]
fn a_sealed_password_opens_only_whole_and_where_it_belongs() {
    let (store, entries, _) = bench(RedbStore::create(Box::new(Memory::default())).unwrap());
    let first = entries.create(&with_password(&draft("first"), "password of the first")).unwrap().0;
    let second = entries.create(&with_password(&draft("second"), "password of the second")).unwrap().0;
    let (of_first, of_second) = (sealed(&*store, first), sealed(&*store, second));
    let server = entries.content(first).unwrap().1.server().unwrap().clone();

    let mut flipped = of_first.clone();
    flipped[40] ^= 1;
    let mut later = of_first.clone();
    later[0] = 3;
    for wrong in [of_second.as_slice(), &flipped, &later, &of_first[..of_first.len() - 1], &of_first[..20], &[]] {
        put(&*store, first, wrong);
        let Err(Problem::Corrupt { detail }) = entries.password_for(first, &server) else { panic!("it opened") };
        assert!(detail.starts_with("the password of server 1: "), "{detail}");
        assert!(!detail.contains("password of the"), "{detail}");
    }
    assert_eq!(names(&entries), ["first", "second"]);
    assert_eq!(password(&entries, second).as_deref(), Some("password of the second"));

    let mut draft = draft("first");
    draft.default = true;
    entries.save(first, Version(1), &with_password(&draft, "typed again")).unwrap();
    assert_eq!(password(&entries, first).as_deref(), Some("typed again"));
}

#[test]
fn the_same_password_is_never_sealed_the_same() {
    let (store, entries, _) = bench(RedbStore::create(Box::new(Memory::default())).unwrap());
    let mut draft = draft("mail");
    draft.default = true;
    let (id, version) = entries.create(&with_password(&draft, "secret")).unwrap();
    let before = sealed(&*store, id);
    entries.save(id, version, &with_password(&draft, "secret")).unwrap();
    let after = sealed(&*store, id);
    assert_eq!(before[..6], after[..6], "version, algorithm and key");
    assert_ne!(before[6..30], after[6..30], "the nonce");
    assert_ne!(before[30..], after[30..]);
}

#[test]
fn an_earlier_password_in_the_place_of_a_later_one_is_refused_also_after_both_were_removed() {
    let (store, entries, _) = bench(RedbStore::create(Box::new(Memory::default())).unwrap());
    let mut draft = draft("mail");
    draft.default = true;
    let (id, version) = entries.create(&with_password(&draft, "the first")).unwrap();
    let first = sealed(&*store, id);
    let version = entries.save(id, version, &with_password(&draft, "the second")).unwrap();
    let second = sealed(&*store, id);
    let server = entries.content(id).unwrap().1.server().unwrap().clone();
    let refuses = |blob: &[u8]| {
        put(&*store, id, blob);
        assert!(matches!(entries.password_for(id, &server), Err(Problem::Corrupt { .. })));
    };
    refuses(&first);
    put(&*store, id, &second);
    assert_eq!(password(&entries, id).as_deref(), Some("the second"));

    let mut bare = draft.clone();
    bare.username = String::new();
    let version = entries.save(id, version, &checked(&bare)).unwrap();
    assert!(sealed_or_none(&*store, id).is_none());
    entries.save(id, version, &checked(&draft)).unwrap();
    refuses(&first);
    refuses(&second);
}

#[test]
fn two_secrets_of_one_entry_can_not_stand_for_each_other() {
    let (store, entries, _) = bench(RedbStore::create(Box::new(Memory::default())).unwrap());
    let id = entries.create(&with_password(&draft("mail"), "a password")).unwrap().0;
    let blob = sealed(&*store, id);
    let field = SecretField::ClientCertificate;
    let store: &dyn Store = &*store;
    store.writing(|tx| Ok(tx.put_secret(id, field, &blob)?)).unwrap();
    let vault = vault(store);
    let found = store.reading(|tx| Ok(vault.get(tx, id, field))).unwrap();
    assert_eq!(found, Err(Unopened::Sealed(SealError::Refused)));
}
