//! Asking the program that serves.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{Done, EVENT_WITHIN, Event, MAX_EVENT, Reach, Refusal, Request};
use crate::data_dir::{plain, socket_in};

/// Asks the program that has the data directory. `on_event` sees every line of the answer but the last.
///
/// # Errors
/// [`Refusal`]: its own, or why it can't be asked.
pub fn ask(data_dir: &Path, request: &Request, on_event: &mut dyn FnMut(Event) -> io::Result<()>) -> Result<Done, Refusal> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| unreachable(data_dir, &error))?;
    runtime.block_on(converse(data_dir, request, on_event)).unwrap_or_else(|error| Err(unreachable(data_dir, &error)))
}

fn unreachable(data_dir: &Path, error: &io::Error) -> Refusal {
    let sentence = format!(
        "A Postroom is using {}, and asking it through {} failed ({}); try again when it is ready, or stop it first.",
        data_dir.display(),
        socket_in(data_dir).display(),
        plain(error)
    );
    Refusal::new(Refusal::UNREACHABLE, sentence)
}

async fn converse(
    data_dir: &Path,
    request: &Request,
    on_event: &mut dyn FnMut(Event) -> io::Result<()>,
) -> io::Result<Result<Done, Refusal>> {
    let stream = UnixStream::connect(&Reach::to(&socket_in(data_dir))?.path).await?;
    // Whoever could put a socket there, but is neither of these, is not to learn anything.
    let answering = stream.peer_cred()?.uid();
    let owner = std::fs::metadata(data_dir)?.uid();
    if ![0, owner, rustix::process::geteuid().as_raw()].contains(&answering) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "somebody else answers there"));
    }
    let (reading, mut writing) = stream.into_split();
    let mut line = Zeroizing::new(serde_json::to_vec(request)?);
    line.push(b'\n');
    let mut reading = BufReader::new(reading);
    // Where it is refused before it was read, the refusal says more than this error.
    let sent = writing.write_all(&line).await;
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut bounded = (&mut reading).take(MAX_EVENT);
        let read = timeout(EVENT_WITHIN, bounded.read_until(b'\n', &mut line)).await;
        let length = read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        if length == 0 || !line.ends_with(b"\n") {
            sent?;
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match serde_json::from_slice(&line)? {
            Event::Done(done) => return Ok(Ok(done)),
            Event::Refused(refusal) => return Ok(Err(refusal)),
            event @ (Event::Rotating(_) | Event::Part { .. } | Event::Planned(_)) => on_event(event)?,
        }
    }
}
