//! Commands over the data, with the real program: while it serves, through its socket and by whom, and while nobody does.
#![expect(clippy::unwrap_used, reason = "a test")]
#![cfg(unix)]

#[path = "common/canary.rs"]
#[expect(dead_code, reason = "the nets for what is logged in this process")]
mod canary;
mod store_support;

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use base64::Engine as _;
use canary::CANARY;
use domain::entry::EntryId;
use store_support::*;

const POSTROOM: &str = env!("CARGO_BIN_EXE_postroom");
/// The user that has nothing, on every system.
const NOBODY: u32 = 65_534;

/// A data directory with an entry whose password is the canary.
fn data_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let entries = open(dir.path(), &TestClock::new()).unwrap();
    entries.create(&with_password(&draft("mail"), CANARY)).unwrap();
    dir
}

fn the_password_is_right(dir: &Path) {
    let entries = open(dir, &TestClock::new()).unwrap();
    assert_eq!(password(&entries, EntryId(1)).as_deref(), Some(CANARY));
}

/// The program while it serves. It ends with this.
struct Serving {
    child: Child,
    log: PathBuf,
}

impl Serving {
    fn start(command: &mut Command, dir: &Path) -> Self {
        let log = dir.join("log");
        let child = command.args(["serve", "--addr", "127.0.0.1:0", "--data-dir"]).arg(dir).env("POSTROOM_LOG", "trace");
        let child = child.stdout(Stdio::piped()).stderr(fs::File::create(&log).unwrap());
        let mut child = child.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let log_now = fs::read_to_string(&log).unwrap();
        assert!(line.starts_with("Postroom is ready"), "{line} {log_now}");
        Self { child, log }
    }

    fn of(dir: &Path) -> Self {
        Self::start(&mut Command::new(POSTROOM), dir)
    }

    /// Asks it to end, and waits until it has; what it logged.
    fn stop(mut self) -> String {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program where anybody may start it, and somebody who has nothing to do with anything.
struct Nobody {
    outer: tempfile::TempDir,
}

impl Nobody {
    fn new() -> Self {
        let outer = tempfile::tempdir().unwrap();
        fs::set_permissions(outer.path(), Permissions::from_mode(0o755)).unwrap();
        fs::copy(POSTROOM, outer.path().join("postroom")).unwrap();
        Self { outer }
    }

    fn command(&self) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(self.outer.path().join("postroom"));
        command
    }

    fn own(dir: &Path) {
        // The folder of files is there once it has served.
        let folder = ["attachments"].into_iter().filter(|name| dir.join(name).exists());
        for file in ["", "postroom.lock", "postroom.key", "postroom.redb"].into_iter().chain(folder) {
            std::os::unix::fs::chown(dir.join(file), Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
}

fn rotate(dir: &Path) -> Output {
    Command::new(POSTROOM).args(["rotate-key", "--data-dir"]).arg(dir).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn keys_are_replaced_while_the_program_serves_as_when_it_does_not() {
    let dir = data_dir();
    let key = dir.path().join("postroom.key");
    let mut keys = vec![fs::read(&key).unwrap()];
    let mut said = Vec::new();
    for serving in [true, false] {
        let server = serving.then(|| Serving::of(dir.path()));
        let output = rotate(dir.path());
        assert!(output.status.success(), "{output:?}");
        said.push(text(&output.stdout).to_owned());
        if let Some(server) = server {
            let log = server.stop();
            assert!(log.contains("replaced the keys"), "the one that serves did it");
            assert_eq!(canary::found_in(&log), None);
        }
        keys.push(fs::read(&key).unwrap());
        the_password_is_right(dir.path());
    }
    assert_eq!(said[0], said[1]);
    assert!(
        said[0].contains("Done: 1 secret is sealed with a new data key.") && said[0].contains(key.to_str().unwrap()),
        "{said:?}"
    );
    keys.dedup();
    assert_eq!(keys.len(), 3, "each time another one");
}

#[test]
fn the_socket_is_the_owners_only_replaces_what_was_left_and_goes_with_the_program() {
    let dir = data_dir();
    let socket = dir.path().join("postroom.sock");
    drop(UnixListener::bind(&socket).unwrap());
    let serving = Serving::of(dir.path());
    assert!(fs::symlink_metadata(&socket).unwrap().file_type().is_socket());
    assert_eq!(mode(&socket), 0o600);
    assert!(rotate(dir.path()).status.success());
    serving.stop();
    assert!(!socket.exists());

    fs::write(&socket, "a letter").unwrap();
    let serving = Serving::of(dir.path());
    let output = rotate(dir.path());
    assert_eq!(output.status.code(), Some(15), "{output:?}");
    assert!(text(&output.stderr).contains("postroom.sock"), "{output:?}");
    serving.stop();
    assert_eq!(fs::read_to_string(&socket).unwrap(), "a letter");
    the_password_is_right(dir.path());
}

#[test]
fn a_long_path_is_no_obstacle() {
    let outer = tempfile::tempdir().unwrap();
    let dir = outer.path().join("long/".repeat(40));
    drop(open(&dir, &TestClock::new()).unwrap());
    let serving = Serving::of(&dir);
    let output = rotate(&dir);
    assert!(output.status.success(), "{output:?}");
    assert!(serving.stop().contains("replaced the keys"));
}

/// Everything that is answered to these bytes.
fn answer_to(dir: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(dir.join("postroom.sock")).unwrap();
    // It may be refused before it was read.
    let _ = stream.write_all(bytes);
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn nonsense_is_refused_and_an_answer_holds_no_secret() {
    let dir = data_dir();
    let serving = Serving::of(dir.path());
    for nonsense in ["\n", "{}\n", "{\"verb\":\"format-disk\"}\n", "{\"verb\":\"rotate_key\",\"x\":1}\n", &"x".repeat(1 << 20)] {
        let answer = answer_to(dir.path(), nonsense.as_bytes());
        assert!(answer.is_empty() || answer.contains("\"refused\""), "{answer}");
        assert!(!answer.contains("done"), "{answer}");
    }
    // Somebody who says nothing keeps nobody else from asking.
    let silent: Vec<_> = (0..3).map(|_| UnixStream::connect(dir.path().join("postroom.sock")).unwrap()).collect();
    let answer = answer_to(dir.path(), b"{\"verb\":\"rotate_key\",\"new_key_file\":null}\n");
    let last = answer.lines().last().unwrap();
    assert!(last.contains("\"done\"") && answer.lines().count() > 4, "{answer}");
    assert_eq!(canary::found_in(&answer), None);
    let key = fs::read(dir.path().join("postroom.key")).unwrap();
    assert!(!answer.contains(&base64::engine::general_purpose::STANDARD_NO_PAD.encode(key)), "{answer}");
    drop(silent);
    let log = serving.stop();
    assert_eq!(canary::found_in(&log), None);
}

#[test]
fn another_user_is_refused_and_root_is_not() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let nobody = Nobody::new();

    let dir = data_dir();
    let serving = Serving::of(dir.path());
    let before = fs::read(dir.path().join("postroom.key")).unwrap();
    for (file, mode) in [("", 0o777), ("postroom.lock", 0o666), ("postroom.sock", 0o666)] {
        fs::set_permissions(dir.path().join(file), Permissions::from_mode(mode)).unwrap();
    }
    let output = nobody.command().args(["rotate-key", "--data-dir"]).arg(dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(15), "{output:?}");
    assert!(text(&output.stderr).contains("Only the user whom Postroom runs as"), "{output:?}");
    assert_eq!(fs::read(dir.path().join("postroom.key")).unwrap(), before, "nothing was done");
    assert!(serving.stop().contains("refused a question of another user"));

    let dir = data_dir();
    Nobody::own(dir.path());
    let serving = Serving::start(&mut nobody.command(), dir.path());
    let output = rotate(dir.path());
    assert!(output.status.success(), "{output:?}");
    assert!(serving.stop().contains("replaced the keys"));
    the_password_is_right(dir.path());
}

#[test]
fn killed_after_any_line_it_says_the_next_start_reads_every_password() {
    let dir = data_dir();
    for lines in 1..=5 {
        let mut child =
            Command::new(POSTROOM).args(["rotate-key", "--data-dir"]).arg(dir.path()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        for _ in 0..lines {
            assert!(said.next().unwrap().is_ok());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        the_password_is_right(dir.path());
    }
    let output = rotate(dir.path());
    assert!(output.status.success(), "{output:?}");
    the_password_is_right(dir.path());
}

#[test]
fn what_is_no_data_directory_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let output = rotate(dir.path());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("has no database"), "{output:?}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn the_first_start_says_where_the_key_is_and_no_other_one_does() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("postroom.key");
    let told = |log: &str| log.lines().any(|line| line.starts_with("postroom: The key") && line.contains(key.to_str().unwrap()));
    assert!(told(&Serving::of(dir.path()).stop()));
    assert!(!told(&Serving::of(dir.path()).stop()));
}

#[test]
fn a_wrong_or_missing_key_is_refused_with_the_name_of_where_it_was_looked_for() {
    let dir = data_dir();
    let outer = tempfile::tempdir().unwrap();
    let put = |name: &str| {
        let path = outer.path().join(name);
        fs::write(&path, [7; 32]).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    };
    let (credential, named) = (put("postroom-key"), put("named"));
    let missing = outer.path().join("missing");
    let start = |environment: &[(&str, &Path)]| {
        let mut command = Command::new(POSTROOM);
        command.args(["serve", "--addr", "127.0.0.1:0", "--data-dir"]).arg(dir.path());
        let output = command.envs(environment.iter().copied()).output().unwrap();
        (output.status.code().unwrap(), text(&output.stderr).lines().last().unwrap().to_owned())
    };
    for (environment, code, where_it_was) in [
        ([("POSTROOM_KEY_FILE", missing.as_path())].as_slice(), 9, format!("{} (given by --key-file)", missing.display())),
        (&[("POSTROOM_KEY_FILE", &named)], 12, format!("{} (given by --key-file)", named.display())),
        (
            &[("POSTROOM_KEY_FILE", &named), ("CREDENTIALS_DIRECTORY", outer.path())],
            12,
            format!("{} (a systemd credential)", credential.display()),
        ),
    ] {
        let (found, sentence) = start(environment);
        assert_eq!(found, code, "{sentence}");
        assert!(sentence.contains(&where_it_was), "{sentence}");
    }
    the_password_is_right(dir.path());
}

const PASSPHRASE: &str = "four words that nobody knows";

/// A command over a data directory and a file.
fn command(verb: &str, dir: &Path, file: &Path) -> Command {
    let mut command = Command::new(POSTROOM);
    command.args([verb, "--data-dir"]).arg(dir).arg(file).env("POSTROOM_BACKUP_PASSPHRASE", PASSPHRASE).stdin(Stdio::null());
    command
}

#[test]
fn a_back_up_is_made_while_it_serves_and_starts_elsewhere() {
    let dir = data_dir();
    let outer = tempfile::tempdir().unwrap();
    let (file, bare, new) = (outer.path().join("file"), outer.path().join("bare"), outer.path().join("new"));
    let serving = Serving::of(dir.path());
    let made = command("backup", dir.path(), &file).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    assert!(text(&made.stdout).starts_with("Backed up 1 server and 1 secret to "), "{made:?}");
    let made = command("backup", dir.path(), &bare).arg("--without-secrets").output().unwrap();
    assert!(text(&made.stdout).starts_with("Backed up 1 server, without their secrets, to "), "{made:?}");
    let in_use = command("restore", dir.path(), &file).arg("--overwrite").output().unwrap();
    assert_eq!(in_use.status.code(), Some(4), "{in_use:?}");
    let log = serving.stop();
    assert!(log.contains("backed everything up"));
    assert_eq!(canary::found_in(&log), None);
    for (file, needle) in [(&file, None), (&bare, Some("mail.example.com"))] {
        let bytes = fs::read(file).unwrap();
        let found = String::from_utf8_lossy(&bytes);
        assert_eq!(mode(file), 0o600);
        assert!(needle.is_none_or(|needle| found.contains(needle)), "the search works");
        assert_eq!(canary::found_in(&found), None);
    }
    assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 2, "nothing else is left");

    let restored = command("restore", &new, &file).output().unwrap();
    assert!(restored.status.success(), "{restored:?}");
    let said = text(&restored.stdout);
    assert!(said.starts_with("Restored 1 server to ") && said.contains("1 secret is sealed again."), "{said}");
    assert!(said.contains(new.join("postroom.key").to_str().unwrap()), "{said}");
    Serving::of(&new).stop();
    the_password_is_right(&new);
    let again = command("restore", &new, &file).output().unwrap();
    assert_eq!(again.status.code(), Some(18), "{again:?}");
    let again = command("restore", &new, &bare).arg("--overwrite").output().unwrap();
    assert!(text(&again.stdout).contains("have to be entered anew"), "{again:?}");
    Serving::of(&new).stop();
}

#[test]
fn what_is_wrong_with_a_back_up_is_told_by_a_code_of_its_own() {
    let dir = data_dir();
    let outer = tempfile::tempdir().unwrap();
    let (file, new) = (outer.path().join("file"), outer.path().join("new"));
    let code = |command: &mut Command| {
        let output = command.output().unwrap();
        let sentence = text(&output.stderr);
        assert!(sentence.starts_with("postroom: ") && sentence.lines().count() == 1 && sentence.contains('.'), "{sentence}");
        output.status.code().unwrap()
    };
    assert_eq!(code(command("backup", dir.path(), &file).env("POSTROOM_BACKUP_PASSPHRASE", "short")), 1);
    assert_eq!(code(command("backup", dir.path(), &file).env("POSTROOM_BACKUP_PASSPHRASE", "")), 1);
    assert_eq!(code(&mut command("backup", &new, &file)), 1, "there is nothing to back up");
    assert_eq!(code(&mut command("backup", dir.path(), &outer.path().join("missing/file"))), 13);
    assert!(!file.exists() && !new.exists());
    fs::write(&file, "a letter").unwrap();
    assert_eq!(code(&mut command("backup", dir.path(), &file)), 1);
    assert_eq!(code(&mut command("restore", &new, &file)), 19);
    assert_eq!(fs::read_to_string(&file).unwrap(), "a letter");
    fs::remove_file(&file).unwrap();
    for _ in 0..2 {
        assert!(command("backup", dir.path(), &file).status().unwrap().success(), "an older one is replaced");
    }
    assert_eq!(code(command("restore", &new, &file).env("POSTROOM_BACKUP_PASSPHRASE", "four words that somebody knows")), 20);
    assert_eq!(code(&mut command("restore", &new, &outer.path().join("missing"))), 13);
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(code(&mut command("restore", &new, &file)), 19);
    assert!(!new.exists());
}

#[test]
fn no_core_is_dumped_and_nobody_else_reads_its_memory() {
    let dir = data_dir();
    let serving = Serving::of(dir.path());
    let proc = PathBuf::from(format!("/proc/{}", serving.child.id()));
    if !proc.exists() {
        return;
    }
    let limits = fs::read_to_string(proc.join("limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    drop(serving);
    if !rustix::process::geteuid().is_root() {
        return;
    }
    // The files of a process that may be dumped belong to its user; those of this one, to root.
    let nobody = Nobody::new();
    Nobody::own(dir.path());
    let serving = Serving::start(&mut nobody.command(), dir.path());
    let proc = PathBuf::from(format!("/proc/{}", serving.child.id()));
    assert_eq!(fs::metadata(proc.join("mem")).unwrap().uid(), 0);
    assert!(fs::read_to_string(proc.join("status")).unwrap().contains("Uid:\t65534"), "although it runs as somebody else");
}

fn postroom(dir: &Path, args: &[&str]) -> Output {
    let (verb, rest) = args.split_first().unwrap();
    let mut command = Command::new(POSTROOM);
    command.arg(verb).arg("--data-dir").arg(dir).args(rest).env("POSTROOM_SECRET_MAIL_PASSWORD", CANARY).stdin(Stdio::null());
    command.env("OTHER_SECRET", CANARY).output().unwrap()
}

#[test]
fn servers_go_out_and_come_in_while_the_program_serves_as_when_it_does_not() {
    for serving in [true, false] {
        let dir = data_dir();
        let server = serving.then(|| Serving::of(dir.path()));
        let file = dir.path().join("servers.json");
        let path = file.to_str().unwrap();
        let output = postroom(dir.path(), &["export", "--env", path]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(text(&output.stdout), format!("Exported 1 server to {path}, without secrets.\n"));
        assert_eq!(mode(&file), 0o600);
        let exported = fs::read_to_string(&file).unwrap();
        assert!(exported.contains("POSTROOM_SECRET_MAIL_PASSWORD") && !exported.contains(CANARY), "{exported}");
        let output = postroom(dir.path(), &["export"]);
        assert!(output.status.success() && text(&output.stdout).starts_with("{\"postroom\": \"servers\""), "{output:?}");
        assert!(postroom(dir.path(), &["export", path]).status.success(), "an older export is replaced");
        fs::write(&file, "mine").unwrap();
        let output = postroom(dir.path(), &["export", path]);
        assert_eq!((output.status.code(), fs::read_to_string(&file).unwrap().as_str()), (Some(1), "mine"), "{output:?}");

        let changed = exported.replace("\"timeout_ms\":10000", "\"timeout_ms\":30000");
        let changed = changed.replace("\n]}", ",\n{\"name\": \"relay\", \"host\": \"relay.example.com\"}\n]}");
        fs::write(&file, changed).unwrap();
        for args in [&["import", path, "--dry-run"][..], &["import", path], &["import", path, "--dry-run", "--yes"]] {
            let output = postroom(dir.path(), args);
            assert!(output.status.success(), "{output:?}");
            let said = text(&output.stdout);
            for part in ["~ mail: will be changed", "Timeout: 10000 → 30000", "+ relay: will be added", "Nothing was imported"] {
                assert!(said.contains(part), "{said}");
            }
        }
        let output = postroom(dir.path(), &["import", path, "--yes"]);
        assert!(
            output.status.success() && text(&output.stdout).ends_with("Imported: 1 added, 1 changed, 0 unchanged.\n"),
            "{output:?}"
        );
        for (file, code, said) in [
            ("[{\"name\": \"mail\", \"hots\": \"x\"}]", 22, "unknown field `hots`"),
            ("[{\"name\": \"mail\", \"timeout_ms\": 1}]", 22, "can't be taken in"),
            ("[{\"name\": \"mail\", \"password\": {\"env\": \"OTHER_SECRET\"}}]", 22, "can't be taken in"),
        ] {
            let bad = dir.path().join("bad.json");
            fs::write(&bad, file).unwrap();
            let output = postroom(dir.path(), &["import", bad.to_str().unwrap(), "--yes"]);
            assert_eq!(output.status.code(), Some(code), "{output:?}");
            assert!(text(&output.stderr).contains(said) && !text(&output.stdout).contains(CANARY), "{output:?}");
        }
        assert_eq!(postroom(dir.path(), &["import", "/nowhere", "--yes"]).status.code(), Some(13));
        if let Some(server) = server {
            let log = server.stop();
            assert!(log.contains("imported"), "the one that serves did it");
            assert_eq!(canary::found_in(&log), None);
        }
        the_password_is_right(dir.path());
        let entries = open(dir.path(), &TestClock::new()).unwrap();
        assert_eq!(names(&entries), ["mail", "relay"]);
        let lines = entries.activity().page(&domain::activity::ActivityQuery::default()).unwrap().lines;
        assert!(lines[0].what.who == domain::access::Who::CommandLine, "{lines:?}");
    }
}

#[test]
fn the_activity_is_verified_while_the_program_serves_as_when_it_does_not() {
    let dir = data_dir();
    let mut noted = None;
    // Where there is no account, a start makes a set-up link, and that is a line.
    for (serving, lines, words) in [(false, 1, "1 line from "), (true, 2, "2 lines from ")] {
        let server = serving.then(|| Serving::of(dir.path()));
        let output = postroom(dir.path(), &["verify-activity"]);
        assert!(output.status.success(), "{output:?}");
        let said = text(&output.stdout);
        assert!(said.contains(words) && said.contains(&format!(", unbroken. Head: {lines}:")), "{said}");
        let head = said.trim().rsplit(' ').next().unwrap().to_owned();
        let head = noted.get_or_insert(head).clone();
        let output = postroom(dir.path(), &["verify-activity", "--head", &head]);
        assert!(output.status.success() && text(&output.stdout).contains("still the one that was noted"), "{output:?}");
        let output = postroom(dir.path(), &["verify-activity", "--json", "--head", &head]);
        let chain: server::activity::Chain = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((chain.lines, chain.noted), (lines, Some(server::activity::Noted::Holds)), "looking leaves no line");
        let other = format!("1:{}", "0".repeat(64));
        let output = postroom(dir.path(), &["verify-activity", "--head", &other]);
        assert_eq!(output.status.code(), Some(21), "{output:?}");
        assert!(text(&output.stderr).contains("was rewritten"), "{output:?}");
        assert_eq!(postroom(dir.path(), &["verify-activity", "--head", "1"]).status.code(), Some(1));
        drop(server.map(Serving::stop));
    }
    {
        use redb::ReadableTable as _;
        let database = redb::Database::open(dir.path().join("postroom.redb")).unwrap();
        let tx = database.begin_write().unwrap();
        {
            let mut lines = tx.open_table(redb::TableDefinition::<&[u8], &[u8]>::new("activity")).unwrap();
            let mut line = lines.get(1_u64.to_be_bytes().as_slice()).unwrap().unwrap().value().to_vec();
            line[40] ^= 1;
            lines.insert(1_u64.to_be_bytes().as_slice(), line.as_slice()).unwrap();
        }
        tx.commit().unwrap();
    }
    let output = postroom(dir.path(), &["verify-activity"]);
    assert_eq!(output.status.code(), Some(21), "{output:?}");
    assert!(text(&output.stderr).contains("line 1 was changed"), "{output:?}");
}
