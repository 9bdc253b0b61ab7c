//! Sealed passwords that were changed, cut off or moved are found out, and nothing else suffers.
#![expect(clippy::unwrap_used, reason = "a test")]

mod store_support;

use domain::entry::{EntryId, Version};
use domain::error::Problem;
use server::store::{RedbStore, SecretField, Store};
use store_support::memory::Memory;
use store_support::world::bench;
use store_support::*;

const FIELD: SecretField = SecretField::Password;

fn sealed(store: &dyn Store, id: EntryId) -> Vec<u8> {
    store.reading(|tx| Ok(tx.secret(id, FIELD)?)).unwrap().unwrap()
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
    later[0] = 2;
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
    assert_ne!(before[1..25], after[1..25], "the nonce");
    assert_ne!(before[25..], after[25..]);
}
