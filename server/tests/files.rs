//! What the folder of files keeps: whole files or nothing, within its quota and with room left on the disk.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use domain::error::Problem;
use futures::TryStreamExt as _;
use server::files::{FileId, Files, Folder, HEAD, InUse, Incoming, Limits, StoredFile};
use server::ports::SystemRandom;

const MIB: u64 = 1 << 20;
const ROOMY: Limits = Limits { quota: 64 * MIB, reserve: 0 };

fn folder(path: &Path, limits: Limits) -> Folder {
    Folder::open(path, limits, Arc::new(SystemRandom)).unwrap()
}

/// A folder in a directory of its own.
fn fresh(limits: Limits) -> (tempfile::TempDir, Folder) {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(&dir.path().join("attachments"), limits);
    (dir, folder)
}

/// The names of everything in it, sorted.
fn names(dir: &tempfile::TempDir) -> Vec<String> {
    let all = fs::read_dir(dir.path().join("attachments")).unwrap();
    let mut names: Vec<_> = all.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Bytes that differ everywhere.
fn bytes(length: u64) -> Vec<u8> {
    (0..length).map(|at| u8::try_from((at ^ (at >> 8) ^ (at >> 16)) & 0xff).unwrap()).collect()
}

async fn push(incoming: &mut Box<dyn Incoming>, bytes: &[u8], piece: usize) -> Result<(), Problem> {
    for piece in bytes.chunks(piece) {
        incoming.push(Bytes::copy_from_slice(piece)).await?;
    }
    Ok(())
}

async fn store(folder: &Folder, bytes: &[u8]) -> Result<StoredFile, Problem> {
    let mut incoming = folder.begin().await?;
    push(&mut incoming, bytes, 100_000).await?;
    incoming.finish().await
}

async fn read(folder: &Folder, id: &FileId, from: u64, to: u64) -> Vec<u8> {
    folder.open(id, from, to).await.unwrap().try_collect::<Vec<_>>().await.unwrap().concat()
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    ring::digest::digest(&ring::digest::SHA256, bytes).as_ref().to_vec()
}

#[tokio::test]
async fn what_was_stored_is_read_again_whole_and_in_part_in_large_pieces() {
    let (dir, folder) = fresh(ROOMY);
    for length in [0, 1, 15, 16, 17, 262_143, 262_144, 262_145, 3 * MIB + 7] {
        let bytes = bytes(length);
        for piece in [1_000, 262_144, 700_000] {
            let mut incoming = folder.begin().await.unwrap();
            push(&mut incoming, &bytes, piece).await.unwrap();
            let file = incoming.finish().await.unwrap();
            assert_eq!((file.size, file.sha256.to_vec()), (length, sha256(&bytes)), "{length} by {piece}");
            assert_eq!(file.head, bytes.iter().copied().take(HEAD).collect::<Vec<_>>());
            assert_eq!(read(&folder, &file.id, 0, length).await, bytes);
            let (from, to) = (length / 3, length - length / 5);
            assert_eq!(
                read(&folder, &file.id, from, to).await,
                bytes[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()]
            );
            assert!(folder.open(&file.id, 0, length + 1).await.is_err_and(|problem| matches!(problem, Problem::Corrupt { .. })));
            folder.remove(&file.id).await.unwrap();
        }
    }
    let file = store(&folder, &bytes(3 * MIB)).await.unwrap();
    let pieces: Vec<Bytes> = folder.open(&file.id, 0, file.size).await.unwrap().try_collect().await.unwrap();
    assert!(pieces.iter().all(|piece| piece.len() >= 256 << 10), "small ones are slow");
    assert_eq!(names(&dir), [file.id.as_str()]);
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_but_the_owner_may_read_them() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, folder) = fresh(ROOMY);
    let file = store(&folder, b"%PDF-1.7").await.unwrap();
    let mode = |path: &str| fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("attachments"), mode(&format!("attachments/{}", file.id))), (0o700, 0o600));
}

#[tokio::test]
async fn what_breaks_off_leaves_nothing_and_takes_nothing_of_the_quota() {
    let (dir, folder) = fresh(ROOMY);
    let mut incoming = folder.begin().await.unwrap();
    push(&mut incoming, &bytes(2 * MIB), 300_000).await.unwrap();
    assert_eq!(names(&dir).len(), 1);
    assert!(FileId::try_from(names(&dir)[0].clone()).is_err(), "it hasn't the name it would be read under");
    assert!(folder.used().await.unwrap() >= 2 * MIB);
    drop(incoming);
    assert_eq!((names(&dir).len(), folder.used().await), (0, Ok(0)));
    // A process that is killed drops nothing.
    let mut incoming = folder.begin().await.unwrap();
    push(&mut incoming, &bytes(2 * MIB), 300_000).await.unwrap();
    std::mem::forget(incoming);
    let kept = store(&folder, b"kept").await.unwrap();
    assert_eq!(names(&dir).len(), 2);
    let folder = self::folder(&dir.path().join("attachments"), ROOMY);
    assert_eq!((names(&dir), folder.used().await), (vec![kept.id.to_string()], Ok(4096)));
    assert_eq!(read(&folder, &kept.id, 0, 4).await, b"kept");
}

#[tokio::test]
async fn the_quota_counts_what_is_there_and_what_arrives_and_a_full_store_loses_nothing() {
    let limits = Limits { quota: 4 * MIB, reserve: 0 };
    let (dir, folder) = fresh(limits);
    let full = Problem::NoRoom { quota: Some(4 * MIB) };
    let first = store(&folder, &bytes(2 * MIB)).await.unwrap();
    let (mut one, mut two) = (folder.begin().await.unwrap(), folder.begin().await.unwrap());
    push(&mut one, &bytes(MIB), 100_000).await.unwrap();
    push(&mut two, &bytes(MIB), 100_000).await.unwrap();
    assert_eq!(folder.used().await, Ok(4 * MIB));
    assert_eq!(push(&mut two, b"!", 1).await, Err(full.clone()));
    assert!(two.finish().await.is_err(), "it is refused for good");
    assert_eq!(folder.used().await, Ok(3 * MIB), "and gives back what it took");
    let second = one.finish().await.unwrap();
    assert_eq!(store(&folder, &bytes(MIB + 1)).await, Err(full.clone()));
    let third = store(&folder, &bytes(MIB)).await.unwrap();
    assert!(folder.begin().await.is_err_and(|problem| problem == full), "an empty file takes room, too");
    for file in [&first, &second, &third] {
        assert_eq!(sha256(&read(&folder, &file.id, 0, file.size).await), file.sha256);
    }
    let again = self::folder(&dir.path().join("attachments"), limits);
    assert_eq!(again.used().await, Ok(4 * MIB), "a start counts the same");
    folder.remove(&second.id).await.unwrap();
    folder.remove(&second.id).await.unwrap();
    assert_eq!(folder.used().await, Ok(3 * MIB));
    assert!(store(&folder, b"there is room again").await.is_ok());
}

#[tokio::test]
async fn the_disk_keeps_its_reserve_also_from_several_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let left = Arc::new(AtomicU64::new(100 * MIB));
    let free = Arc::clone(&left);
    let limits = Limits { quota: 1 << 40, reserve: 10 * MIB };
    let folder = Folder::with_free_space(&dir.path().join("attachments"), limits, Arc::new(SystemRandom), move |_| {
        Ok(free.load(Ordering::SeqCst))
    })
    .unwrap();
    let full = Problem::NoRoom { quota: None };
    let mut incoming = folder.begin().await.unwrap();
    push(&mut incoming, &bytes(MIB), 100_000).await.unwrap();
    // Two that arrive may write a MiB each before anybody looks again.
    left.store(12 * MIB - 1, Ordering::SeqCst);
    assert!(folder.begin().await.is_err_and(|problem| problem == full));
    push(&mut incoming, &bytes(MIB), 100_000).await.unwrap();
    left.store(11 * MIB - 1, Ordering::SeqCst);
    assert_eq!(push(&mut incoming, &bytes(2 * MIB), 100_000).await, Err(full));
    drop(incoming);
    assert_eq!((names(&dir).len(), folder.used().await), (0, Ok(0)));
    left.store(11 * MIB, Ordering::SeqCst);
    assert!(store(&folder, b"one alone has room").await.is_ok());
}

#[tokio::test]
async fn a_sweep_takes_old_files_that_nobody_keeps_and_no_others() {
    let (dir, folder) = fresh(ROOMY);
    let (kept, orphan) = (store(&folder, b"kept").await.unwrap(), store(&folder, b"orphan").await.unwrap());
    let in_use = InUse::default();
    let (held, twice) = (in_use.hold(kept.id.clone()), in_use.hold(kept.id.clone()));
    drop(twice);
    assert_eq!((held.id(), in_use.ids()), (&kept.id, HashSet::from([kept.id.clone()])));
    let mut incoming = folder.begin().await.unwrap();
    push(&mut incoming, &bytes(MIB), 100_000).await.unwrap();
    fs::write(dir.path().join("attachments/notes.txt"), "an administrator's").unwrap();
    fs::write(dir.path().join(format!("attachments/{}.part", orphan.id)), "of a process that was killed").unwrap();
    assert_eq!(folder.sweep(&in_use.ids(), Duration::from_hours(1)).await, Ok(0), "they may be about to get their links");
    assert_eq!(folder.sweep(&in_use.ids(), Duration::ZERO).await, Ok(2));
    assert_eq!(names(&dir).len(), 3, "{:?}", names(&dir));
    assert!(folder.open(&orphan.id, 0, 1).await.is_err());
    assert_eq!(read(&folder, &kept.id, 0, 4).await, b"kept");
    let arrived = incoming.finish().await.unwrap();
    assert_eq!(read(&folder, &arrived.id, 0, MIB).await, bytes(MIB));
    drop(held);
    assert_eq!(in_use.ids(), HashSet::new());
    assert_eq!(folder.sweep(&in_use.ids(), Duration::ZERO).await, Ok(2));
    assert_eq!((names(&dir), folder.used().await), (vec!["notes.txt".to_owned()], Ok(0)));
}

#[tokio::test]
async fn who_reads_a_file_reads_on_when_it_is_removed() {
    let (_dir, folder) = fresh(ROOMY);
    let file = store(&folder, &bytes(4 * MIB)).await.unwrap();
    let mut reading = folder.open(&file.id, 0, file.size).await.unwrap();
    let first = reading.try_next().await.unwrap().unwrap();
    folder.remove(&file.id).await.unwrap();
    let rest: Vec<Bytes> = reading.try_collect().await.unwrap();
    assert_eq!([&[first], rest.as_slice()].concat().concat(), bytes(4 * MIB));
    assert!(folder.open(&file.id, 0, file.size).await.is_err());
}

#[test]
fn an_id_is_no_path() {
    let id = FileId::draw(&SystemRandom);
    assert_eq!(id.as_str().len(), 32);
    assert_eq!(FileId::try_from(id.to_string()), Ok(id.clone()));
    assert_eq!(serde_json::from_str::<FileId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
    let upper = "0123456789ABCDEF0123456789ABCDEF";
    for text in ["", "..", "../../postroom.key", "0123456789abcdef0123456789abcde", "0123456789abcdef0123456789abcde/", upper] {
        assert!(FileId::try_from(text.to_owned()).is_err(), "{text}");
        assert!(serde_json::from_value::<FileId>(text.into()).is_err(), "{text}");
    }
}
