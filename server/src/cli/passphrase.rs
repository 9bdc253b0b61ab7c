//! The passphrase of a back-up: from a file, from the environment, or asked for on the terminal. Never from an argument, which
//! everybody on the machine could read.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use domain::secret::Secret;
use zeroize::Zeroizing;

use crate::backup::passphrase::MIN_LENGTH;

/// The environment variable.
const VARIABLE: &str = "POSTROOM_BACKUP_PASSPHRASE";
/// The most bytes of a passphrase.
const MAX: u64 = 1024;

/// The passphrase for a new back-up, or the sentence that says why there is none.
pub(super) fn choose(file: Option<&Path>) -> Result<Secret, String> {
    let passphrase = given(file)?.map_or_else(ask_twice, Ok)?;
    if passphrase.expose().chars().count() < MIN_LENGTH {
        return Err(format!(
            "A passphrase has {MIN_LENGTH} characters at least, since whoever has the back-up can try as many as he likes; four random \
             words will do."
        ));
    }
    Ok(passphrase)
}

fn ask_twice() -> Result<Secret, String> {
    let first = ask("Passphrase for the back-up: ")?;
    if ask("The same again: ")? == first {
        Ok(first)
    } else {
        Err("The two passphrases differ, so nothing was written; try again.".into())
    }
}

/// The passphrase of a back-up that is there, or the sentence that says why there is none.
pub(super) fn know(file: Option<&Path>) -> Result<Secret, String> {
    given(file)?.map_or_else(|| ask("Passphrase of the back-up: "), Ok)
}

fn given(file: Option<&Path>) -> Result<Option<Secret>, String> {
    if let Some(path) = file {
        return read(path).map(Some);
    }
    match std::env::var(VARIABLE) {
        Ok(text) => Ok(Some(Secret::new(text))),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(format!("{VARIABLE} isn't UTF-8.")),
    }
}

/// The first line of a file.
fn read(path: &Path) -> Result<Secret, String> {
    let wrong = |why: &str| format!("--passphrase-file: {} {why}.", path.display());
    let mut bytes = Zeroizing::new(Vec::with_capacity(2048));
    let read = File::open(path).and_then(|file| file.take(MAX + 2).read_to_end(&mut bytes));
    read.map_err(|error| wrong(&format!("can't be read ({error})")))?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() as u64 > MAX {
        return Err(wrong(&format!("has more than {MAX} bytes in its first line")));
    }
    let text = std::str::from_utf8(line).map_err(|_| wrong("isn't UTF-8"))?;
    Ok(Secret::new(text.to_owned()))
}

/// Asks on the terminal of the process, whatever its input and output are.
#[cfg(unix)]
fn ask(prompt: &str) -> Result<Secret, String> {
    use std::io::Write;
    let nobody = || format!("There is no terminal to ask for the passphrase on; give --passphrase-file FILE or {VARIABLE}.");
    let file = File::options().read(true).write(true).open("/dev/tty").map_err(|_| nobody())?;
    let quiet = Quiet::begin(&file).map_err(|_| nobody())?;
    let mut terminal = &file;
    let typed = write!(terminal, "{prompt}").and_then(|()| type_line(&mut terminal));
    drop(quiet);
    let _ = writeln!(terminal);
    match typed {
        Ok(Some(passphrase)) => Ok(passphrase),
        Ok(None) => Err("Cancelled; nothing was done.".into()),
        Err(error) => Err(format!("The terminal can't be read ({error}).")),
    }
}

#[cfg(not(unix))]
fn ask(_: &str) -> Result<Secret, String> {
    Err(format!("Give --passphrase-file FILE or {VARIABLE}."))
}

/// A terminal that shows nothing of what is typed and hands over each byte, as long as this lives. So an interruption
/// arrives as a byte, too, and can't leave the terminal silent.
#[cfg(unix)]
struct Quiet<'a> {
    terminal: &'a File,
    before: rustix::termios::Termios,
}

#[cfg(unix)]
impl<'a> Quiet<'a> {
    fn begin(terminal: &'a File) -> rustix::io::Result<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

#[cfg(unix)]
impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _ = rustix::termios::tcsetattr(self.terminal, rustix::termios::OptionalActions::Now, &self.before);
    }
}

/// A line as it is typed, byte by byte; `None` where it was cancelled.
fn type_line(input: &mut impl Read) -> std::io::Result<Option<Secret>> {
    const INTERRUPT: u8 = 3;
    const END: u8 = 4;
    const BACKSPACE: u8 = 8;
    const KILL: u8 = 21;
    const DELETE: u8 = 127;
    let mut line = Zeroizing::new(Vec::with_capacity(2048));
    loop {
        let mut byte = [0];
        match input.read(&mut byte)? {
            0 => return Ok(None),
            _ => match byte[0] {
                b'\r' | b'\n' => break,
                INTERRUPT => return Ok(None),
                END if line.is_empty() => return Ok(None),
                END => break,
                BACKSPACE | DELETE => {
                    // Back to the beginning of the character.
                    while line.pop().is_some_and(|byte| byte & 0xC0 == 0x80) {}
                }
                KILL => line.clear(),
                byte if (line.len() as u64) < MAX => line.push(byte),
                _ => {}
            },
        }
    }
    let text = std::str::from_utf8(&line).map_err(|_| std::io::Error::other("it isn't UTF-8"))?;
    Ok(Some(Secret::new(text.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(bytes: &[u8]) -> Option<String> {
        type_line(&mut &*bytes).unwrap().map(|secret| secret.expose().to_owned())
    }

    #[test]
    fn a_line_is_what_stands_there_when_it_is_ended() {
        assert_eq!(typed(b"correct horse\r"), Some("correct horse".into()));
        assert_eq!(typed(b"abd\x7fc\n"), Some("abc".into()));
        assert_eq!(typed("aü\x7fb\n".as_bytes()), Some("ab".into()), "a character at a time");
        assert_eq!(typed(b"\x7f\x08a\n"), Some("a".into()));
        assert_eq!(typed(b"wrong\x15right\n"), Some("right".into()));
        assert_eq!(typed(b"half\x03"), None);
        assert_eq!(typed(b""), None);
        assert!(type_line(&mut &b"\xff\n"[..]).is_err());
    }

    #[test]
    fn a_file_gives_its_first_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (content, expected) in
            [("one two three four\n", "one two three four"), ("no end", "no end"), ("dos\r\nmore\n", "dos"), ("\n", "")]
        {
            std::fs::write(file.path(), content).unwrap();
            assert_eq!(read(file.path()).unwrap().expose(), expected);
        }
        std::fs::write(file.path(), "x".repeat(2000)).unwrap();
        assert!(read(file.path()).unwrap_err().contains("more than 1024 bytes"));
        assert!(read(Path::new("/nowhere/at/all")).unwrap_err().starts_with("--passphrase-file: /nowhere/at/all can't be read"));
    }

    #[test]
    fn a_short_passphrase_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "elevenchars\n").unwrap();
        assert!(choose(Some(file.path())).unwrap_err().contains("12 characters"));
        std::fs::write(file.path(), "twelve chars\n").unwrap();
        assert!(choose(Some(file.path())).is_ok());
        assert!(know(Some(file.path())).is_ok());
    }
}
